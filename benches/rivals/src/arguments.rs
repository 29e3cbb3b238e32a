//! What the command line asks for.

use std::path::PathBuf;

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    List,
    Run(Options),
    /// Hidden: fill this process with a subject and say how much memory that took.
    Resident {
        suite: String,
        subject: String,
        count: usize,
    },
}

/// How to run a suite.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) suite: String,
    /// Few operations and repeats: to see that it works and the answers hold.
    pub(crate) quick: bool,
    /// Where to write the rows.
    pub(crate) json: Option<PathBuf>,
    /// Only cases whose name contains this.
    pub(crate) only: Option<String>,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--list" => return Ok(Command::List),
            "--quick" => options.quick = true,
            "--json" => options.json = Some(value()?.into()),
            "--only" => options.only = Some(value()?),
            "--resident" => {
                let (suite, subject, count) = (value()?, value()?, value()?);
                let count = count.parse().map_err(|_| format!("`{count}` is no count"))?;
                return Ok(Command::Resident { suite, subject, count });
            }
            flag if flag.starts_with('-') => {
                return Err(format!(
                    "unknown option `{flag}`, there are --quick, --json FILE, --only TEXT, --list"
                ));
            }
            suite if !options.suite.is_empty() => {
                return Err(format!("`{suite}` is one suite too many, name one"));
            }
            suite if crate::suite(suite).is_some() => options.suite = suite.to_owned(),
            unknown => return Err(format!("no suite `{unknown}`")),
        }
    }
    if options.suite.is_empty() {
        Err("no suite named".to_owned())
    } else {
        Ok(Command::Run(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_suite_and_its_options() {
        let run = parsed("memory --quick --json out.json --only u64/").unwrap();
        let expected = Options {
            suite: "memory".to_owned(),
            quick: true,
            json: Some("out.json".into()),
            only: Some("u64/".to_owned()),
        };
        assert_eq!(run, Command::Run(expected));
        assert_eq!(parsed("--list"), Ok(Command::List));
    }

    #[test]
    fn anything_else_is_an_error() {
        for line in ["", "nonsense", "memory histogram", "memory --json", "memory --fast"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
