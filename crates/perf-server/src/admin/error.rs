//! Why an admin server does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why an admin server does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdminError {
    /// The address can be reached from elsewhere and no token was given.
    PublicWithoutToken {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The operating system does not give the address.
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system gives no random bytes for a token.
    Randomness {
        /// Why.
        source: io::Error,
    },
    /// The runtime does not take the listening socket, or taking connections failed for good.
    Serve {
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminError::PublicWithoutToken { listen } => write!(
                f,
                "the admin address {listen} can be reached from other machines and no token is \
                 set: set one, or listen on 127.0.0.1:{}",
                listen.port()
            ),
            AdminError::Listen { listen, source } => {
                let remedy = match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program has it; stop that one or choose another port (0 takes any \
                         free one)"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "this machine does not have the address; use 127.0.0.1"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "it is reserved; use a port of 1024 or above"
                    }
                    _ => "choose another address",
                };
                write!(f, "cannot listen on the admin address {listen}: {remedy}")
            }
            AdminError::Randomness { .. } => f.write_str(
                "the operating system gives no random bytes for a token: set a token of your own",
            ),
            AdminError::Serve { .. } => f.write_str("the admin server cannot take connections"),
        }
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AdminError::PublicWithoutToken { .. } => None,
            AdminError::Listen { source, .. }
            | AdminError::Randomness { source }
            | AdminError::Serve { source } => Some(source),
        }
    }
}
