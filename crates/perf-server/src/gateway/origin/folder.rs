//! A folder of files as the origin.

use crate::Problem;
use crate::gateway::body::{FetchBody, OriginBody, problem_response};
use crate::gateway::fetch::Failed;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use std::io;
use std::path::{Path, PathBuf};
use tower_http::services::ServeDir;

/// Serves files through tower-http's `ServeDir`.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Folder {
    files: ServeDir,
}

impl Folder {
    /// Looks whether the folder is there.
    pub(in crate::gateway) fn open(folder: &Path) -> io::Result<Folder> {
        let found = std::fs::metadata(folder)?;
        if !found.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a file"));
        }
        // Read once, so that a folder that may not be entered is refused at the start.
        std::fs::read_dir(folder)?;
        let absolute: PathBuf = folder.canonicalize()?;
        Ok(Folder { files: ServeDir::new(absolute) })
    }

    pub(in crate::gateway) async fn fetch(
        mut self,
        request: Request<FetchBody>,
    ) -> Result<Response<OriginBody>, Failed> {
        let path = request.uri().path();
        if is_hidden(path) {
            return Ok(not_found(path));
        }
        let path = path.to_owned();
        let (parts, _) = request.into_parts();
        let request = Request::from_parts(parts, Empty::<bytes::Bytes>::new());
        match self.files.try_call(request).await {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => Ok(not_found(&path)),
            Ok(response) => Ok(OriginBody::of_file(response)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename => Ok(not_found(&path)),
                io::ErrorKind::PermissionDenied => Ok(problem_response(
                    &Problem::new(StatusCode::FORBIDDEN, "forbidden", "forbidden").detail(format!(
                        "the gateway may not read the file for `{path}`: give its user permission"
                    )),
                )),
                _ => {
                    let title = "the origin failed";
                    let problem = Problem::new(StatusCode::BAD_GATEWAY, "origin-failed", title);
                    let detail = format!("the file for `{path}` cannot be read: {error}");
                    Err(Failed(problem.detail(detail)))
                }
            },
        }
    }
}

/// Names with a leading dot hold what nobody means to publish: `.git`, `.env`, `.htpasswd`.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|name| {
        (name.starts_with('.') || name.get(..3).is_some_and(|n| n.eq_ignore_ascii_case("%2e")))
            && !matches!(name, "." | ".well-known")
    })
}

fn not_found(path: &str) -> Response<OriginBody> {
    problem_response(
        &Problem::new(StatusCode::NOT_FOUND, "not-found", "not found")
            .detail(format!("the origin folder has no file for `{path}`")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_are_hidden_except_well_known() {
        assert!(is_hidden("/.git/config"));
        assert!(is_hidden("/a/%2Eenv"));
        assert!(!is_hidden("/.well-known/security.txt"));
        assert!(!is_hidden("/a.b/c.html"));
    }

    #[test]
    fn a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Folder::open(file.path()).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}
