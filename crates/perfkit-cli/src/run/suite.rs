//! A suite of cases as a TOML file.

use crate::failure::Failure;
use crate::span::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// A suite, as its file says.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) jobs: Option<usize>,
    pub(super) retries: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) slow: Option<Duration>,
    pub(super) grace: Option<Duration>,
    pub(super) set_up: Vec<Vec<String>>,
    pub(super) set_up_timeout: Duration,
    /// Where commands run that do not say.
    pub(super) dir: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) cases: Vec<Spanned<CaseTable>>,
    /// To tell where something is wrong.
    path: PathBuf,
    text: String,
}

/// A group of cases.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) max_concurrent: Option<usize>,
    pub(super) set_up: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: Option<String>,
    jobs: Option<usize>,
    retries: Option<u32>,
    timeout: Option<Span>,
    slow: Option<Span>,
    grace: Option<Span>,
    setup: Option<Spanned<Vec<Vec<String>>>>,
    setup_timeout: Option<Span>,
    dir: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    group: Vec<Spanned<GroupTable>>,
    #[serde(default)]
    case: Vec<Spanned<CaseTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GroupTable {
    name: String,
    max_concurrent: Option<usize>,
    #[serde(default)]
    setup: Vec<Vec<String>>,
}

/// One `[[case]]`, or with `each` several.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CaseTable {
    pub(super) name: Option<String>,
    pub(super) each: Option<Vec<String>>,
    pub(super) group: Option<String>,
    pub(super) priority: Option<u8>,
    pub(super) weight: Option<u32>,
    pub(super) timeout: Option<Span>,
    pub(super) slow: Option<Span>,
    pub(super) retries: Option<u32>,
    pub(super) inputs: Option<Vec<PathBuf>>,
    #[serde(default)]
    pub(super) expect: Expect,
    // Of a command.
    pub(super) run: Option<Vec<String>>,
    pub(super) dir: Option<PathBuf>,
    pub(super) env: Option<BTreeMap<String, String>>,
    pub(super) stdin: Option<String>,
    // Of an HTTP check.
    pub(super) url: Option<String>,
    pub(super) method: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) body: Option<String>,
}

/// What is right.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expect {
    pub(super) contains: Option<OneOrMore>,
    pub(super) exit_code: Option<i32>,
    pub(super) status: Option<u16>,
    pub(super) headers: Option<BTreeMap<String, String>>,
}

/// A text or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            OneOrMore::One(text) => std::slice::from_ref(text),
            OneOrMore::More(texts) => texts,
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [String] {
        match self {
            OneOrMore::One(text) => std::slice::from_mut(text),
            OneOrMore::More(texts) => texts,
        }
    }
}

/// As long as a build may take.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(1800);

impl Suite {
    /// Reads a suite; an error names the file, the line and what is wrong there.
    pub(super) fn read(path: &Path) -> Result<Suite, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("the suite `{}` cannot be read: {error}", path.display()))
        })?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let at = error.span().map(|span| span.start);
            placed(path, &text, at, &described(error.message()))
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Absolute, for commands run in other folders.
        let folder = std::path::absolute(folder.unwrap_or(Path::new("."))).map_err(|error| {
            Failure::failed(format!("the folder of `{}` is unknown: {error}", path.display()))
        })?;
        let span = |given: Option<Span>| given.map(|span| span.0);
        let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut suite = Suite {
            name: file.name.unwrap_or_else(stem),
            jobs: file.jobs,
            retries: file.retries,
            timeout: span(file.timeout),
            slow: span(file.slow),
            grace: span(file.grace),
            set_up_timeout: span(file.setup_timeout).unwrap_or(SET_UP_TIMEOUT),
            dir: file.dir.map_or(folder.clone(), |dir| folder.join(dir)),
            env: file.env,
            groups: BTreeMap::new(),
            cases: file.case,
            path: path.to_owned(),
            set_up: Vec::new(),
            text,
        };
        if let Some(steps) = file.setup {
            let at = steps.span().start;
            suite.set_up = suite.steps(steps.into_inner(), at)?;
        }
        for group in file.group {
            suite.add_group(group)?;
        }
        Ok(suite)
    }

    fn add_group(&mut self, group: Spanned<GroupTable>) -> Result<(), Failure> {
        let at = group.span().start;
        let GroupTable { name, max_concurrent, setup } = group.into_inner();
        if self.groups.contains_key(&name) {
            let why = format!("there are two groups `{name}`: give each its own name");
            return Err(self.wrong(at, &why));
        }
        let set_up = self.steps(setup, at)?;
        self.groups.insert(name, Group { max_concurrent, set_up });
        Ok(())
    }

    fn steps(&self, steps: Vec<Vec<String>>, at: usize) -> Result<Vec<Vec<String>>, Failure> {
        if steps.iter().any(Vec::is_empty) {
            let why = "a set-up needs a program: setup = [[\"cargo\", \"build\"]]";
            return Err(self.wrong(at, why));
        }
        Ok(steps)
    }

    /// What is wrong at that place of the file.
    pub(super) fn wrong(&self, at: usize, why: &str) -> Failure {
        placed(&self.path, &self.text, Some(at), why)
    }

    /// What is wrong with the file as a whole.
    pub(super) fn wrong_whole(&self, why: &str) -> Failure {
        placed(&self.path, &self.text, None, why)
    }
}

fn placed(path: &Path, text: &str, at: Option<usize>, why: &str) -> Failure {
    let line = at.map(|at| {
        let before = text.get(..at).unwrap_or(text);
        format!(", line {}", before.matches('\n').count() + 1)
    });
    Failure::usage(format!("{}{}: {why}", path.display(), line.unwrap_or_default()))
}

/// With a remedy where the parser only says what it found.
fn described(message: &str) -> String {
    if message.starts_with("unknown field") {
        format!("{message}; `perfkit run --help` shows a suite")
    } else {
        message.to_owned()
    }
}
