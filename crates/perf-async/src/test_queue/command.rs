//! A command as a test case.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A program that is run as a test case: no shell in between. Unix only; elsewhere it fails with
/// that reason.
///
/// It passes if it ends with the expected exit code, 0 unless set otherwise, and has written what
/// was expected of it. It runs in a process group of its own: when its time is up, or the run is
/// stopped, the whole group is asked to end (SIGTERM) and, after a grace, killed; and what it leaves
/// behind is killed when it ends, so that no process of a case outlives it, unless it has left the
/// group.
///
/// ```
/// use perf_async::test_queue::TestCommand;
///
/// let command = TestCommand::new("cargo").args(["metadata", "--offline"]).output_contains("perf");
/// # let _ = command;
/// ```
#[derive(Clone, Debug)]
pub struct TestCommand {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) dir: Option<PathBuf>,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) exit_code: i32,
    pub(super) contains: Vec<String>,
}

impl TestCommand {
    /// This program without arguments, in this process's environment and folder, with nothing to
    /// read. A name without a slash is looked for in `PATH`; a relative path is taken from
    /// [`dir`](TestCommand::dir).
    #[must_use]
    pub fn new(program: impl Into<OsString>) -> TestCommand {
        TestCommand {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            dir: None,
            stdin: None,
            exit_code: 0,
            contains: Vec::new(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> TestCommand {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> TestCommand {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> TestCommand {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets variables of its environment.
    #[must_use]
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> TestCommand {
        self.environment
            .extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The folder that it runs in.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> TestCommand {
        self.dir = Some(dir.into());
        self
    }

    /// What it finds on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> TestCommand {
        self.stdin = Some(bytes.into());
        self
    }

    /// The exit code that is right. The default is 0.
    #[must_use]
    pub fn exit_code(mut self, code: i32) -> TestCommand {
        self.exit_code = code;
        self
    }

    /// A text that must be somewhere in what it writes, standard output and error together as they
    /// come. May be called more than once: all must be there, in any order.
    #[must_use]
    pub fn output_contains(mut self, text: impl Into<String>) -> TestCommand {
        self.contains.push(text.into());
        self
    }

    /// The program, with its folder before it where it is a relative path: what a relative path
    /// means to a child in another folder differs between systems.
    pub(super) fn program_path(&self) -> PathBuf {
        let program = Path::new(&self.program);
        match &self.dir {
            Some(dir) if is_path(program) && program.is_relative() => dir.join(program),
            _ => program.to_owned(),
        }
    }

    /// Whether the program is named by a path rather than looked for.
    pub(super) fn is_path(&self) -> bool {
        is_path(Path::new(&self.program))
    }
}

fn is_path(program: &Path) -> bool {
    program.components().count() > 1 || program.is_absolute()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_taken_from_the_folder() {
        let path = |program: &str| TestCommand::new(program).dir("/home").program_path();
        assert_eq!(path("bin/tool"), Path::new("/home/bin/tool"));
        assert_eq!(path("./tool"), Path::new("/home/./tool"));
        assert_eq!(path("/bin/tool"), Path::new("/bin/tool"));
        assert_eq!(path("tool"), Path::new("tool"));
    }
}
