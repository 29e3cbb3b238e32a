//! CSV of samples, in one of two forms: `bench,sample` with a row for each sample, or a column for
//! each bench. The unit stands in the heading, as in `sample (ms)` or `sample_ms`, or in a third
//! column `unit`; it is nanoseconds unless said.
//!
//! Source of the quoting: RFC 4180, section 2.

use super::FileError;
use crate::{Bench, Machine, Run};
use std::collections::HashMap;
use std::path::Path;

/// Columns of the wide form.
const COLUMNS: usize = 10_000;

pub(super) fn read(path: &Path, text: &str) -> Result<Run, FileError> {
    let delimiter = delimiter(text);
    let mut rows = Rows { rest: text, line: 1, delimiter };
    let Some((_, head)) =
        rows.next().transpose().map_err(|(n, e)| FileError::new(path, Some(n), e))?
    else {
        return Err(FileError::new(path, None, "is empty, measure again"));
    };
    if head.len() > COLUMNS {
        let what = format!("has {} columns, at most {COLUMNS} are read", head.len());
        return Err(FileError::new(path, Some(1), &what));
    }
    let words: Vec<String> = head.iter().map(|h| h.trim().to_ascii_lowercase()).collect();
    let name = words.iter().position(|w| matches!(w.as_str(), "bench" | "benchmark" | "name"));
    let value = words.iter().position(|w| {
        let (word, _) = unit(w);
        matches!(word, "sample" | "value" | "time" | "duration")
    });
    let mut into = Into { path, benches: Vec::new(), places: HashMap::new() };
    match (name, value) {
        (Some(name), Some(value)) => {
            let unit_column = words.iter().position(|w| w == "unit");
            long(&mut into, rows, (name, value, unit_column), unit(head[value].trim()).1)?;
        }
        (Some(_), None) => {
            let what = "has a column of names but none of samples: call it `sample`";
            return Err(FileError::new(path, Some(1), what));
        }
        _ => wide(&mut into, rows, &head)?,
    }
    if into.benches.is_empty() {
        return Err(FileError::new(path, Some(1), "has a heading but no samples, measure again"));
    }
    let mut run = Run::new(Machine::default());
    run.benches = into.benches;
    Ok(run)
}

struct Into<'a> {
    path: &'a Path,
    benches: Vec<Bench>,
    places: HashMap<String, usize>,
}

impl Into<'_> {
    fn bench(&mut self, name: &str, unit: &str) -> &mut Bench {
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            let mut bench = Bench::new(name, Vec::new());
            unit.clone_into(&mut bench.unit);
            self.benches.push(bench);
            self.benches.len() - 1
        });
        &mut self.benches[place]
    }

    fn wrong(&self, line: usize, what: &str) -> FileError {
        FileError::new(self.path, Some(line), what)
    }

    fn number(&self, line: usize, cell: &str) -> Result<f64, FileError> {
        cell.trim().parse().map_err(|_| {
            let cell: String = cell.chars().take(40).collect();
            self.wrong(line, &format!("`{cell}` is no number, write samples such as 12.5"))
        })
    }
}

fn long(
    into: &mut Into<'_>,
    rows: Rows<'_>,
    (name, value, unit_column): (usize, usize, Option<usize>),
    unit: &str,
) -> Result<(), FileError> {
    for row in rows {
        let (line, row) = row.map_err(|(n, e)| into.wrong(n, e))?;
        let (Some(name), Some(value)) = (row.get(name), row.get(value)) else {
            return Err(into.wrong(line, "has too few cells for the heading"));
        };
        if name.trim().is_empty() {
            return Err(into.wrong(line, "names no bench"));
        }
        let value = into.number(line, value)?;
        let said = unit_column.and_then(|c| row.get(c)).map_or(unit, |u| u.trim());
        let said = if said.is_empty() { unit } else { said };
        let bench = into.bench(name.trim(), said);
        if bench.unit != said {
            let what = format!("`{}` is in {} above and in {said} here", bench.name, bench.unit);
            return Err(into.wrong(line, &what));
        }
        bench.samples.push(value);
    }
    Ok(())
}

fn wide(into: &mut Into<'_>, rows: Rows<'_>, head: &[String]) -> Result<(), FileError> {
    if head.iter().all(|cell| cell.trim().parse::<f64>().is_ok()) {
        let what =
            "starts with numbers: give it a heading, `bench,sample` or a name for each column";
        return Err(into.wrong(1, what));
    }
    let columns: Vec<(&str, &str)> = head.iter().map(|cell| unit(cell.trim())).collect();
    if let Some(twice) =
        (1..columns.len()).find(|&i| columns[..i].iter().any(|c| c.0 == columns[i].0))
    {
        return Err(into.wrong(1, &format!("has two columns called `{}`", columns[twice].0)));
    }
    for row in rows {
        let (line, row) = row.map_err(|(n, e)| into.wrong(n, e))?;
        if row.len() > columns.len() {
            return Err(into.wrong(line, "has more cells than the heading"));
        }
        for (cell, (name, unit)) in row.iter().zip(&columns) {
            // Benches need not have equally many samples.
            if !cell.trim().is_empty() {
                let value = into.number(line, cell)?;
                into.bench(name, unit).samples.push(value);
            }
        }
    }
    Ok(())
}

/// A heading without its unit, and the unit: of `time (ms)`, `time [ms]` or `time_ms`.
fn unit(heading: &str) -> (&str, &str) {
    for (open, close) in [('(', ')'), ('[', ']')] {
        if let Some((name, unit)) = heading.strip_suffix(close).and_then(|h| h.rsplit_once(open)) {
            return (name.trim_end(), unit.trim());
        }
    }
    for unit in ["ns", "us", "µs", "ms", "s"] {
        if let Some(name) = heading.strip_suffix(unit).and_then(|h| h.strip_suffix('_')) {
            return (name, unit);
        }
    }
    (heading, "ns")
}

/// The delimiter that the heading has most of.
fn delimiter(text: &str) -> char {
    let head = text.lines().next().unwrap_or_default();
    let count = |d: char| head.matches(d).count();
    [',', ';', '\t'].into_iter().rev().max_by_key(|d| count(*d)).unwrap_or(',')
}

/// Rows with the number of their first line; empty lines are passed over.
struct Rows<'a> {
    rest: &'a str,
    line: usize,
    delimiter: char,
}

impl Iterator for Rows<'_> {
    type Item = Result<(usize, Vec<String>), (usize, &'static str)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let start = self.line;
            match self.row() {
                Ok(row) if row.len() == 1 && row[0].trim().is_empty() => {}
                Ok(row) => return Some(Ok((start, row))),
                Err(what) => {
                    self.rest = "";
                    return Some(Err((start, what)));
                }
            }
        }
    }
}

impl Rows<'_> {
    fn row(&mut self) -> Result<Vec<String>, &'static str> {
        let mut row = Vec::new();
        let mut cell = String::new();
        let mut quoted = false;
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\n' {
                self.line += 1;
            }
            match c {
                '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' if quoted => quoted = false,
                '"' if cell.trim().is_empty() => {
                    cell.clear();
                    quoted = true;
                }
                c if quoted => cell.push(c),
                '\r' => {}
                '\n' => {
                    row.push(cell);
                    self.rest = &self.rest[at + 1..];
                    return Ok(row);
                }
                c if c == self.delimiter => row.push(std::mem::take(&mut cell)),
                c => cell.push(c),
            }
        }
        if quoted {
            return Err("opens a quote that is never closed");
        }
        row.push(cell);
        self.rest = "";
        Ok(row)
    }
}
