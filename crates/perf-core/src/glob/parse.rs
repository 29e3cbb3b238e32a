//! From the written pattern to rows of units.

use super::Unit;
use std::fmt;

/// A pattern that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseGlobError {
    pattern: String,
    position: usize,
    problem: &'static str,
}

impl ParseGlobError {
    /// The byte of the pattern where the problem is.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for ParseGlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {} at byte {}", self.pattern, self.problem, self.position)
    }
}

impl std::error::Error for ParseGlobError {}

/// All ways through the braces of `pattern`; at least one.
pub(super) fn alternatives(pattern: &str) -> Result<Vec<Vec<Unit>>, ParseGlobError> {
    let mut parser = Parser { pattern, position: 0 };
    if pattern.len() > MAX_BYTES {
        return Err(parser.problem(MAX_BYTES, "longer than 1024 bytes, shorten it"));
    }
    parser.sequence(0)
}

const MAX_BYTES: usize = 1024;
const MAX_UNITS: usize = 4096;
const MAX_ALTERNATIVES: usize = 1024;
const MAX_DEPTH: usize = 8;
const TOO_MANY: &str = "more than 4096 units or 1024 alternatives with braces written out, \
                        split the pattern";

struct Parser<'a> {
    pattern: &'a str,
    position: usize,
}

impl Parser<'_> {
    /// Up to the end, or inside braces up to the `,` or `}` that ends this branch.
    fn sequence(&mut self, depth: usize) -> Result<Vec<Vec<Unit>>, ParseGlobError> {
        let mut rows = vec![Vec::new()];
        while let Some(c) = self.peek() {
            let at = self.position;
            if depth > 0 && matches!(c, ',' | '}') {
                break;
            }
            self.position += c.len_utf8();
            let unit = match c {
                '{' => {
                    rows = self.braces(at, depth + 1, &rows)?;
                    continue;
                }
                '}' => {
                    return Err(self.problem(at, "`}` without `{`, write `\\}` for the character"));
                }
                '[' => self.set(at)?,
                ']' => {
                    return Err(self.problem(at, "`]` without `[`, write `\\]` for the character"));
                }
                '*' => Unit::Star,
                '?' => Unit::Any,
                '\\' => Unit::One(self.escaped(at)?),
                c => Unit::One(c),
            };
            for row in &mut rows {
                push(row, unit.clone());
            }
            self.check_size(at, &rows)?;
        }
        Ok(rows)
    }

    /// After `{`: each of `before` followed by each branch.
    fn braces(
        &mut self,
        at: usize,
        depth: usize,
        before: &[Vec<Unit>],
    ) -> Result<Vec<Vec<Unit>>, ParseGlobError> {
        if depth > MAX_DEPTH {
            return Err(self.problem(at, "braces nested more than 8 deep, flatten them"));
        }
        let mut branches = Vec::new();
        loop {
            branches.append(&mut self.sequence(depth)?);
            self.check_size(at, &branches)?;
            match self.next() {
                Some(',') => {}
                Some(_) => break,
                None => {
                    return Err(self.problem(at, "`{` without `}`, write `\\{` for the character"));
                }
            }
        }
        let mut rows: Vec<Vec<Unit>> = Vec::new();
        let mut units = 0;
        for start in before {
            for branch in &branches {
                units += start.len() + branch.len();
                if units > MAX_UNITS || rows.len() == MAX_ALTERNATIVES {
                    return Err(self.problem(at, TOO_MANY));
                }
                let mut row = start.clone();
                branch.iter().for_each(|unit| push(&mut row, unit.clone()));
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// After `[`.
    fn set(&mut self, at: usize) -> Result<Unit, ParseGlobError> {
        let negated = self.peek() == Some('!');
        if negated {
            self.position += 1;
        }
        let mut ranges = Vec::new();
        loop {
            let from = self.position;
            let Some(low) = self.next() else {
                return Err(self.problem(at, "`[` without `]`, write `\\[` for the character"));
            };
            let low = match low {
                ']' if ranges.is_empty() => {
                    return Err(self.problem(at, "empty set, write `\\]` for the character"));
                }
                ']' => break,
                '\\' => self.escaped(from)?,
                low => low,
            };
            let high =
                if self.peek() == Some('-') && !self.pattern[self.position..].starts_with("-]") {
                    self.position += 1;
                    let at_high = self.position;
                    match self.next() {
                        Some('\\') => self.escaped(at_high)?,
                        Some(high) => high,
                        None => continue, // Reported as an unclosed set.
                    }
                } else {
                    low
                };
            if low > high {
                return Err(self.problem(from, "range with its ends reversed, swap them"));
            }
            ranges.push((low, high));
        }
        Ok(Unit::Set { ranges: ranges.into_boxed_slice(), negated })
    }

    /// After a backslash, which stands at `at`.
    fn escaped(&mut self, at: usize) -> Result<char, ParseGlobError> {
        self.next().ok_or_else(|| self.problem(at, "`\\` with nothing after it, write `\\\\`"))
    }

    fn check_size(&self, at: usize, rows: &[Vec<Unit>]) -> Result<(), ParseGlobError> {
        let units: usize = rows.iter().map(Vec::len).sum();
        if units > MAX_UNITS || rows.len() > MAX_ALTERNATIVES {
            return Err(self.problem(at, TOO_MANY));
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.pattern[self.position..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn problem(&self, position: usize, problem: &'static str) -> ParseGlobError {
        // A pattern may come from a user and be of any length; the message may not.
        let mut pattern: String = self.pattern.chars().take(SHOWN).collect();
        if pattern.len() < self.pattern.len() {
            pattern.push('…');
        }
        ParseGlobError { pattern, position, problem }
    }
}

const SHOWN: usize = 80;

/// Two stars in a row are one.
fn push(row: &mut Vec<Unit>, unit: Unit) {
    if unit != Unit::Star || row.last() != Some(&Unit::Star) {
        row.push(unit);
    }
}
