//! Where requests go.

use super::LoadError;
use http::Uri;
use http::uri::{Authority, PathAndQuery};
use std::net::{SocketAddr, ToSocketAddrs};

/// A server and the path that was named with it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) authority: Authority,
    pub(super) path: PathAndQuery,
}

impl Target {
    /// Reads `http://host:port/path`; the scheme may be left out.
    pub(super) fn parse(text: &str) -> Result<Target, LoadError> {
        let uri = parse_uri(text)?;
        let Some(authority) = uri.authority() else {
            return Err(LoadError::usage(format!(
                "`{text}` names no host; write it like http://127.0.0.1:8080/path"
            )));
        };
        if authority.as_str().contains('@') {
            return Err(LoadError::usage(format!(
                "`{text}` holds a user name; send it with a header `authorization` instead"
            )));
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Target { authority: authority.clone(), path })
    }

    /// The path of one request: absolute on this target's host, or a path of its own.
    pub(super) fn path_of(&self, text: &str) -> Result<PathAndQuery, LoadError> {
        if text.starts_with('/') && !text.starts_with("//") {
            return text.parse().map_err(|error| {
                LoadError::usage(format!(
                    "`{text}` is not the path of a URL: {error}; encode spaces and the like with %"
                ))
            });
        }
        let other = Target::parse(text)?;
        if other.authority != self.authority {
            return Err(LoadError::usage(format!(
                "`{text}` is not on {}; a run has one target, so run the others beside it",
                self.authority
            )));
        }
        Ok(other.path)
    }

    /// The addresses behind the name.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, LoadError> {
        let host = self.authority.host();
        let name = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = self.authority.port_u16().unwrap_or(80);
        let found = (name, port).to_socket_addrs().map_err(|error| {
            LoadError::unreachable(format!("`{host}` is not found: {error}; check the name"))
        })?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            return Err(LoadError::unreachable(format!("`{host}` has no address; check the name")));
        }
        Ok(addresses)
    }
}

fn parse_uri(text: &str) -> Result<Uri, LoadError> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = whole.parse().map_err(|error| {
        LoadError::usage(format!(
            "`{text}` is not a URL: {error}; write it like http://127.0.0.1:8080/path"
        ))
    })?;
    match uri.scheme_str() {
        Some("http") => Ok(uri),
        Some("https") => Err(LoadError::usage(format!(
            "`{text}` asks for TLS, which is not spoken here, since it would measure the cipher of \
             the generator too; aim at the server's cleartext port, or put a proxy that ends TLS \
             between"
        ))),
        other => Err(LoadError::usage(format!(
            "`{text}` has the scheme `{}`; only http is spoken",
            other.unwrap_or_default()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, authority, path) in [
            ("http://127.0.0.1:8080/a?b=c", "127.0.0.1:8080", "/a?b=c"),
            ("localhost:3000", "localhost:3000", "/"),
            ("http://[::1]:80", "[::1]:80", "/"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.authority.as_str(), target.path.as_str()), (authority, path));
        }
        assert_eq!(Target::parse("http://[::1]:81").unwrap().resolve().unwrap()[0].port(), 81);
    }

    #[test]
    fn the_rest_is_refused_with_a_remedy() {
        for (text, part) in [
            ("https://example.org", "cleartext"),
            ("ftp://example.org", "`ftp`"),
            ("http://", "not a URL"),
            ("http://a b/", "not a URL"),
            ("", "not a URL"),
            ("http://me:secret@host/", "authorization"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn paths_stay_on_the_target() {
        let target = Target::parse("http://host:1/").unwrap();
        assert_eq!(target.path_of("/x?y").unwrap().as_str(), "/x?y");
        assert_eq!(target.path_of("http://host:1/z").unwrap().as_str(), "/z");
        assert!(target.path_of("http://other/z").unwrap_err().to_string().contains("one target"));
        assert!(target.path_of("/a b").is_err());
    }
}
