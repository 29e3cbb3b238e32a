//! How the program fails: one line on standard error and an exit code.

use crate::output;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The work failed: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure { code: 1, message: message.into() }
    }

    /// The command or a setting is wrong: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: 2, message: message.into() }
    }

    /// The work failed with this error: exit code 1, causes included.
    pub(crate) fn from_error(error: &dyn Error) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Failure::failed(message)
    }

    /// The same, with where it happened.
    pub(crate) fn within(self, place: &str) -> Failure {
        Failure { message: format!("{place}: {}", self.message), ..self }
    }

    /// The same as a wrong setting: exit code 2.
    pub(crate) fn into_usage(self) -> Failure {
        Failure { code: 2, ..self }
    }

    /// Prints the message and answers the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        output::tell(&format!("perfkit: {self}"));
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
