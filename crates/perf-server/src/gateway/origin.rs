//! Where the gateway gets its answers from: a folder or an HTTP server.

mod folder;
mod forward;
mod upstream;

pub(super) use folder::Folder;
pub(super) use upstream::Upstream;

use http::Uri;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the gateway gets its answers from.
///
/// ```
/// use perf_server::Origin;
/// assert!(matches!("./site".parse(), Ok(Origin::Folder(_))));
/// assert!(matches!("http://127.0.0.1:3000/app".parse(), Ok(Origin::Upstream(_))));
/// assert!("https://example.org".parse::<Origin>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A folder of files. `index.html` answers for its folder; names with a leading dot are not
    /// served, except `.well-known`.
    Folder(PathBuf),
    /// An HTTP server: scheme and authority, and a path that is put in front of every request's.
    Upstream(Uri),
}

impl Origin {
    /// A text that is another one for each origin whose answers may differ, the same in all
    /// processes.
    pub(super) fn identity(&self, keep_host: bool) -> String {
        match self {
            // The same words name another folder elsewhere.
            Origin::Folder(folder) => {
                let whole = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                format!("folder {}", whole.display())
            }
            // With the name that the client asked for, an origin may be many.
            Origin::Upstream(uri) if keep_host => format!("upstream {uri} by the client's host"),
            Origin::Upstream(uri) => format!("upstream {uri}"),
        }
    }
}

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Origin, ParseOriginError> {
        let refuse = |remedy| Err(ParseOriginError { text: text.to_owned(), remedy });
        if text.is_empty() {
            return refuse("name a folder or an address such as http://127.0.0.1:3000");
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Origin::Folder(PathBuf::from(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => {
                return refuse(
                    "TLS to an origin is not built in; put a local TLS client such as stunnel or \
                     ghostunnel in between and use its http:// address",
                );
            }
            "file" => return refuse("write the folder's path without file://"),
            _ => return refuse("use a folder or an address that starts with http://"),
        }
        let uri: Uri = match text.parse() {
            Ok(uri) => uri,
            Err(_) => return refuse("write it like http://127.0.0.1:3000"),
        };
        if uri.query().is_some() {
            return refuse("leave out the part from `?` on");
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                refuse("leave out the user and password: they would reach logs and the dashboard")
            }
            Some(authority) if !authority.host().is_empty() => Ok(Origin::Upstream(uri)),
            _ => refuse("write it like http://127.0.0.1:3000"),
        }
    }
}

impl From<&Path> for Origin {
    fn from(folder: &Path) -> Origin {
        Origin::Folder(folder.to_owned())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Folder(folder) => folder.display().fmt(f),
            Origin::Upstream(uri) => uri.fmt(f),
        }
    }
}

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseOriginError {
    text: String,
    remedy: &'static str,
}

impl fmt::Display for ParseOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be an origin: {}", self.text, self.remedy)
    }
}

impl std::error::Error for ParseOriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_has_an_identity_of_its_own() {
        let of = |text: &str, keep_host| text.parse::<Origin>().unwrap().identity(keep_host);
        let all = [
            of("http://a:80", false),
            of("http://a:80", true),
            of("http://a:81", false),
            of("http://a:80/app", false),
            of(".", false),
            of("src", false),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{one}");
        }
        assert_eq!(of("src", false), of("./src/../src/", true));
    }

    #[test]
    fn says_why_a_text_is_no_origin() {
        for (text, word) in [
            ("", "folder"),
            ("https://example.org", "TLS"),
            ("ftp://example.org", "http://"),
            ("http://", "http://127"),
            ("http://user:pw@host", "password"),
            ("http://host/?a=b", "`?`"),
            ("file:///srv", "without file://"),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert!(error.contains(text), "{text}: {error}");
        }
    }
}
