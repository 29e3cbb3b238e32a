//! Reading the file: every complaint names line, key, value and remedy.

use super::{Figure, Kind, Limit};
use perf_core::{ByteSize, Glob};
use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a text is no budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetError {
    file: Option<PathBuf>,
    line: Option<usize>,
    problem: String,
}

impl BudgetError {
    /// The line that is wrong, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "budget `{}`: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for BudgetError {}

/// Reads a file that is not absurdly large.
pub(super) fn load(file: &Path) -> Result<Vec<Limit>, BudgetError> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}; check the path"))
        .and_then(|_| {
            if text.len() as u64 > LARGEST {
                Err("is larger than 1 MiB; this is no budget, check the path".to_owned())
            } else {
                Ok(())
            }
        })
        .map_err(|problem| BudgetError { file: Some(file.to_owned()), line: None, problem })?;
    read(&text).map_err(|error| BudgetError { file: Some(file.to_owned()), ..error })
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Vec<Limit>, BudgetError> {
    let at = |span: Range<usize>, problem: String| BudgetError {
        file: None,
        line: Some(text.as_bytes().iter().take(span.start).filter(|b| **b == b'\n').count() + 1),
        problem,
    };
    let document = DeTable::parse(text).map_err(|error| {
        at(error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()))
    })?;
    let mut reader = Reader { limits: Vec::new(), seen: HashSet::new() };
    for (key, value) in document.get_ref() {
        reader.part(key, value).map_err(|Wrong { span, problem }| at(span, problem))?;
    }
    if reader.limits.is_empty() {
        return Err(BudgetError {
            file: None,
            line: None,
            problem: format!("limits nothing; add one of {}", listed(KINDS.map(Kind::name))),
        });
    }
    reader.limits.sort_by_key(|(start, _)| *start);
    Ok(reader.limits.into_iter().map(|(_, limit)| limit).collect())
}

/// What is wrong, and where.
struct Wrong {
    span: Range<usize>,
    problem: String,
}

fn wrong<T>(span: Range<usize>, problem: String) -> Result<T, Wrong> {
    Err(Wrong { span, problem })
}

struct Reader {
    /// With the place in the text.
    limits: Vec<(usize, Limit)>,
    /// What was limited already.
    seen: HashSet<(Kind, String, Figure)>,
}

impl Reader {
    fn part(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), Wrong> {
        let name = key.get_ref().as_ref();
        let Some(kind) = KINDS.into_iter().find(|kind| kind.name() == name) else {
            let known = listed(KINDS.map(Kind::name));
            return wrong(key.span(), format!("`{}` is not known; known are {known}", short(name)));
        };
        match (value.get_ref(), is_list(kind)) {
            (DeValue::Table(table), false) => self.table(kind, table, value.span()),
            (DeValue::Array(tables), true) => {
                for table in tables.iter() {
                    match table.get_ref() {
                        DeValue::Table(inner) => self.table(kind, inner, table.span())?,
                        _ => return wrong(table.span(), format!("write `[[{name}]]` as a table")),
                    }
                }
                Ok(())
            }
            (_, true) => wrong(key.span(), format!("there can be several; write `[[{name}]]`")),
            (_, false) => wrong(key.span(), format!("there is only one; write `[{name}]`")),
        }
    }

    fn table(&mut self, kind: Kind, table: &DeTable<'_>, span: Range<usize>) -> Result<(), Wrong> {
        let (mut name, mut pattern, mut file) = (String::new(), None, None);
        if is_list(kind) {
            let key = kind.name();
            let Some(value) = table.get(key) else {
                return wrong(span, format!("no `{key}`; say which {key} this limits"));
            };
            name = text(key, value)?.to_owned();
            if kind != Kind::Bundle {
                pattern = Some(Glob::new(&name).map_err(|error| Wrong {
                    span: value.span(),
                    problem: format!("`{key} = \"{}\"`: {error}", short(&name)),
                })?);
            }
        }
        let mut limits = 0;
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            if is_list(kind) && word == kind.name() {
                continue;
            }
            if kind == Kind::Bundle && word == "file" {
                file = Some(PathBuf::from(text(word, value)?));
                continue;
            }
            let Some(figure) = kind.figures().iter().find(|figure| figure.name() == word) else {
                let figures = listed(kind.figures().iter().map(|figure| figure.name()));
                return wrong(
                    key.span(),
                    format!(
                        "`{}` is not known in {}; known are {figures}",
                        short(word),
                        kind.name()
                    ),
                );
            };
            let most = most(*figure, value)?;
            if !self.seen.insert((kind, name.clone(), *figure)) {
                return wrong(
                    key.span(),
                    format!("`{word}` of `{}` is limited twice", short(&name)),
                );
            }
            let limit = Limit::new(kind, name.clone(), pattern.clone(), *figure, most);
            self.limits.push((key.span().start, limit));
            limits += 1;
        }
        if limits == 0 {
            let figures = listed(kind.figures().iter().map(|figure| figure.name()));
            return wrong(span, format!("{} without a limit; add one of {figures}", kind.name()));
        }
        if file.is_some() {
            let from = self.limits.len() - limits;
            for (_, limit) in &mut self.limits[from..] {
                limit.set_file(file.clone());
            }
        }
        Ok(())
    }
}

/// Reads a limit in the unit of its figure.
fn most(figure: Figure, value: &Spanned<DeValue<'_>>) -> Result<f64, Wrong> {
    let key = figure.name();
    let (remedy, read): (&str, fn(&str) -> Option<f64>) = match figure.unit() {
        "ns" => ("a time above 0 with its unit, such as \"100ms\"", nanoseconds),
        "bytes" => ("a size above 0 with its unit, such as \"60KB\" or \"9MiB\"", bytes),
        _ => ("a share of all requests, such as \"1%\"", share),
    };
    let written = match value.get_ref() {
        DeValue::String(text) => {
            if let Some(most) = read(text.trim()) {
                return Ok(most);
            }
            format!("\"{}\"", short(text))
        }
        DeValue::Integer(number) => short(number.as_str()),
        DeValue::Float(number) => short(number.as_str()),
        other => other.type_str().to_owned(),
    };
    wrong(value.span(), format!("`{key} = {written}`: write {remedy}"))
}

fn text<'a>(key: &str, value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Wrong> {
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Ok(text),
        DeValue::String(_) => wrong(value.span(), format!("`{key} = \"\"`: write a name")),
        other => wrong(
            value.span(),
            format!("`{key}` is {}: write it as a text in quotes", other.type_str()),
        ),
    }
}

fn nanoseconds(text: &str) -> Option<f64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let scale = match unit.trim() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    };
    above_zero(number.parse::<f64>().ok()? * scale)
}

fn bytes(text: &str) -> Option<f64> {
    // A bare number could be meant in any unit.
    let named = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let size = text.parse::<ByteSize>().ok().filter(|_| named)?;
    above_zero(size.as_u64() as f64)
}

fn share(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    let plain = number.starts_with(|c: char| c.is_ascii_digit());
    let share = number.parse::<f64>().ok().filter(|_| plain)? / 100.0;
    (0.0..=1.0).contains(&share).then_some(share)
}

fn above_zero(value: f64) -> Option<f64> {
    (value.is_finite() && value > 0.0).then_some(value)
}

fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::Route | Kind::Operation | Kind::Bundle)
}

fn listed(names: impl IntoIterator<Item = &'static str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

const KINDS: [Kind; 5] = [Kind::Route, Kind::Operation, Kind::Bundle, Kind::Memory, Kind::StartUp];
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn every_unit_is_read() {
        let limits = read(
            "[start-up]\ntime = \"1.5 s\"\n[memory]\nresident = \"2 KiB\"\n\
             [[route]]\nroute = \"/\"\np50 = \"7us\"\nerrors = \"0.5 %\"\n",
        )
        .unwrap();
        let read: Vec<(String, f64)> = limits.iter().map(|l| (l.what(), l.most())).collect();
        assert_eq!(
            read,
            [
                ("start-up time".to_owned(), 1.5e9),
                ("memory resident".to_owned(), 2048.0),
                ("route / p50".to_owned(), 7e3),
                ("route / errors".to_owned(), 0.005),
            ]
        );
    }

    #[test]
    fn a_bundle_keeps_its_file() {
        let limits =
            read("[[bundle]]\nbundle = \"b\"\nraw = \"9MB\"\nfile = \"a/b\"\nbrotli = \"1MB\"")
                .unwrap();
        assert!(limits.iter().all(|limit| limit.file() == Some(Path::new("a/b"))), "{limits:?}");
    }

    #[test]
    fn a_complaint_names_line_key_value_and_remedy() {
        for (text, wanted) in [
            (
                "\n[start-up]\ntime = 200",
                "line 3: `time = 200`: write a time above 0 with its unit",
            ),
            ("[start-up]\ntime = \"200\"", "line 2: `time = \"200\"`: write a time"),
            ("[start-up]\ntime = \"-1s\"", "`time = \"-1s\"`"),
            ("[start-up]\ntime = \"0s\"", "above 0"),
            ("[start-up]\ntime = true", "`time = boolean`"),
            ("[memory]\nresident = \"100\"", "such as \"60KB\""),
            ("[memory]\nresident = \"0KB\"", "a size above 0"),
            ("[[route]]\nroute = \"/\"\nerrors = \"101%\"", "line 3: `errors = \"101%\"`"),
            ("[[route]]\nroute = \"/\"\nerrors = 0.01", "`errors = 0.01`: write a share"),
            ("[[route]]\nroute = \"/\"\nerrors = \"nan%\"", "a share of all requests"),
            (
                "[[route]]\nroute = \"/\"\np90 = \"1ms\"",
                "line 3: `p90` is not known in route; known are p50",
            ),
            ("[routes]\n", "line 1: `routes` is not known; known are route, operation"),
            ("[[route]]\np95 = \"1ms\"", "no `route`; say which route this limits"),
            ("[[route]]\nroute = 7\np95 = \"1ms\"", "`route` is integer"),
            ("[[route]]\nroute = \"[\"\np95 = \"1ms\"", "line 2: `route = \"[\"`"),
            ("[[route]]\nroute = \"/\"", "route without a limit; add one of p50"),
            ("[route]\nroute = \"/\"\np95 = \"1ms\"", "write `[[route]]`"),
            ("[[memory]]\nresident = \"1MB\"", "write `[memory]`"),
            ("route = [1]", "write `[[route]]` as a table"),
            ("[start-up\n", "line 1: this is not TOML"),
            ("", "limits nothing; add one of route"),
            (
                "[[operation]]\noperation = \"a\"\ntime = \"1s\"\n[[operation]]\noperation = \"a\"\ntime = \"2s\"",
                "line 6: `time` of `a` is limited twice",
            ),
        ] {
            let error = error(text);
            assert!(error.contains(wanted), "{text}\n{error}\n{wanted}");
        }
    }

    #[test]
    fn a_file_is_named_in_its_complaint() {
        let error = load(Path::new("no/such/perf-budget.toml")).unwrap_err().to_string();
        assert!(error.starts_with("budget `no/such/perf-budget.toml`: cannot be read"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|\n|\\[\\[route\\]\\]|\"|=|route|p95|1ms){0,60}") {
            let _ = read(&text);
        }
    }
}
