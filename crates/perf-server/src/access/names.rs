//! Which names the server answers to, and which pages may talk to it.
//!
//! A page of another site can point its own name at this machine (DNS rebinding) and then reads
//! answers as its own. It cannot forge the `Host` it asks for, so names that are not ours are
//! refused. An address in numbers cannot be pointed elsewhere and is always ours.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The names and origins that are let in.
#[derive(Clone, Debug)]
pub(crate) struct AllowedNames {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl AllowedNames {
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> AllowedNames {
        AllowedNames {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Checks the name that a request was sent to.
    pub(crate) fn check_host(&self, host: Option<&str>) -> Result<(), NameRefused> {
        let Some(host) = host else {
            return Err(NameRefused::NoHost);
        };
        let name = without_port(host).to_ascii_lowercase();
        let ours = name == "localhost"
            || name.ends_with(".localhost")
            || is_address(&name)
            || self.hosts.contains(&name);
        if ours { Ok(()) } else { Err(NameRefused::Host(shorten(host))) }
    }

    /// Checks the page that a request comes from. Programs that are not browsers send none.
    pub(crate) fn check_origin(
        &self,
        origin: Option<&str>,
        host: Option<&str>,
    ) -> Result<(), NameRefused> {
        let Some(origin) = origin else {
            return Ok(());
        };
        let said = origin.to_ascii_lowercase();
        let (scheme, authority) = said.split_once("://").unwrap_or(("", ""));
        let same = matches!(scheme, "http" | "https")
            && host.is_some_and(|host| authority == host.to_ascii_lowercase());
        if same || self.lets_in(origin) {
            Ok(())
        } else {
            Err(NameRefused::Origin(shorten(origin)))
        }
    }

    /// Whether pages of this origin, which is not ours, were let in when the server started.
    pub(crate) fn lets_in(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }
}

/// Why a request was refused for its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameRefused {
    NoHost,
    Host(String),
    Origin(String),
}

impl fmt::Display for NameRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameRefused::NoHost => {
                f.write_str("the request has no Host header: send one, such as `Host: localhost`")
            }
            NameRefused::Host(host) => write!(
                f,
                "the name {host:?} is not served here: use localhost or the address in numbers, or \
                 allow the name when the server starts"
            ),
            NameRefused::Origin(origin) => write!(
                f,
                "a page of {origin:?} may not ask this server: open the dashboard's own address, or \
                 allow the origin when the server starts"
            ),
        }
    }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_address(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map_or_else(|| name.parse::<IpAddr>().is_ok(), |v6| v6.parse::<Ipv6Addr>().is_ok())
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> AllowedNames {
        AllowedNames::new(&["Perf.Example".to_owned()], &["https://ops.example/".to_owned()])
    }

    #[test]
    fn answers_to_local_names_addresses_and_those_allowed() {
        for host in [
            "localhost",
            "localhost:9090",
            "127.0.0.1:9090",
            "[::1]:9090",
            "10.0.0.7",
            "PERF.example:1",
        ] {
            assert_eq!(names().check_host(Some(host)), Ok(()), "{host}");
        }
    }

    #[test]
    fn refuses_names_that_are_not_ours() {
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9090", "", "[::1"]
        {
            assert!(names().check_host(Some(host)).is_err(), "{host}");
        }
        assert_eq!(names().check_host(None), Err(NameRefused::NoHost));
    }

    #[test]
    fn a_page_must_be_ours_to_the_port() {
        let host = Some("127.0.0.1:9090");
        for origin in [None, Some("http://127.0.0.1:9090"), Some("https://OPS.example")] {
            assert_eq!(names().check_origin(origin, host), Ok(()), "{origin:?}");
        }
        for origin in ["http://127.0.0.1:8080", "http://evil.example", "null", "", "127.0.0.1:9090"]
        {
            assert!(names().check_origin(Some(origin), host).is_err(), "{origin}");
        }
    }
}
