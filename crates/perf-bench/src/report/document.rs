//! What a report holds, without any word on how it looks.
//!
//! ```
//! use perf_bench::report::{Axis, Block, Chart, Document, Line, Section, Table, Tone};
//!
//! let mut table = Table::new(["bench", "time >"]);
//! table.push([("cache/hit", Tone::Plain), ("12.4 ns", Tone::Good)]);
//! let chart = Chart::Lines {
//!     title: "time by commit".into(),
//!     x: Axis::new("commit", "").named(["a1b2c3", "d4e5f6"]),
//!     y: Axis::new("time per call", "ns"),
//!     lines: vec![Line::new("cache/hit", [(0.0, 12.9), (1.0, 12.4)])],
//!     marks: Vec::new(),
//! };
//! let document = Document::new("Nightly", "quiet-1, 2026-01-15")
//!     .verdict(Tone::Good, "nothing got slower")
//!     .section(Section::new("Time", [Block::Table(table), Block::Chart(chart)]));
//! assert!(document.html().contains("nothing got slower"));
//! ```

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Title, also of the page.
    pub title: String,
    /// One sentence under the title: what was done, where, when.
    pub subtitle: String,
    /// The verdict in a few words, with its tone, if there is one.
    pub verdict: Option<(Tone, String)>,
    /// The sections in reading order.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A remark that must not be overlooked.
    Notice(Level, String),
    /// Figures that stand alone, large: label, value with unit, tone.
    Facts(Vec<(String, String, Tone)>),
    /// A table.
    Table(Table),
    /// A drawing. Terminal and markdown show a small text form of it.
    Chart(Chart),
    /// Blocks behind a line to click on; a terminal shows the line alone.
    Folded(String, Vec<Block>),
}

/// How urgent a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is doubtful.
    Warning,
    /// Something is wrong.
    Error,
}

/// How a value is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// Good.
    Good,
    /// Doubtful.
    Warn,
    /// Bad.
    Bad,
    /// Of little interest.
    Quiet,
}

/// Rows under a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Headings; a heading that ends in `>` makes a column of numbers, set to the right.
    pub columns: Vec<String>,
    /// Cells, as many in each row as there are columns.
    pub rows: Vec<Vec<(String, Tone)>>,
    /// Said under the table, for what was left out or folded.
    pub note: Option<String>,
}

/// A drawing with axes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Chart {
    /// Lines over time or over commits, with marks such as change points.
    Lines {
        /// Heading of the drawing.
        title: String,
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// The lines; gaps are NaN.
        lines: Vec<Line>,
        /// Vertical marks with a label.
        marks: Vec<Mark>,
    },
    /// Distributions: how many values lie in each bucket. One or more, drawn over each other.
    Distribution {
        /// Heading of the drawing.
        title: String,
        /// The axis of the values.
        x: Axis,
        /// The distributions.
        groups: Vec<Group>,
        /// Vertical marks such as quantiles.
        marks: Vec<Mark>,
    },
    /// Estimates with intervals, one under the other, around a line of no difference.
    Intervals {
        /// Heading of the drawing.
        title: String,
        /// The axis of the estimates.
        x: Axis,
        /// Where "no difference" lies, often 1 for ratios.
        reference: f64,
        /// The band around the reference that counts as no difference.
        margin: Option<(f64, f64)>,
        /// The estimates.
        rows: Vec<IntervalRow>,
    },
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it shows.
    pub label: String,
    /// Its unit, as for [`figure`](crate::report::figure).
    pub unit: String,
    /// How it is divided.
    pub scale: Scale,
    /// Words for 0, 1, 2 … on this axis, such as commits; none where it shows figures.
    pub names: Vec<String>,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero.
    #[default]
    Linear,
    /// Evenly, over the span of the values alone.
    Fitted,
    /// By powers of ten.
    Logarithmic,
    /// By nines, for quantiles as fractions: 0.9, 0.99 and 0.999 are equally far apart.
    Nines,
}

/// One line of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points as (x, y).
    pub points: Vec<(f64, f64)>,
}

/// One distribution of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name in the legend.
    pub name: String,
    /// How many values lie from where to where.
    pub buckets: Vec<Bucket>,
}

/// How many values lie from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower end.
    pub low: f64,
    /// Upper end; equal to the lower one for values that are all the same.
    pub high: f64,
    /// How many, or how much.
    pub count: f64,
}

/// A mark across a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where on the horizontal axis.
    pub at: f64,
    /// What it says.
    pub label: String,
    /// How it is meant.
    pub tone: Tone,
}

/// One estimate with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalRow {
    /// What is estimated.
    pub label: String,
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it is meant.
    pub tone: Tone,
}

impl Document {
    /// A report without sections.
    #[must_use]
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Document {
        Document { title: title.into(), subtitle: subtitle.into(), ..Document::default() }
    }

    /// The same with a verdict.
    #[must_use]
    pub fn verdict(mut self, tone: Tone, words: impl Into<String>) -> Document {
        self.verdict = Some((tone, words.into()));
        self
    }

    /// The same with one more section at the end.
    #[must_use]
    pub fn section(mut self, section: Section) -> Document {
        self.sections.push(section);
        self
    }
}

impl Section {
    /// A section of these blocks.
    #[must_use]
    pub fn new(title: impl Into<String>, blocks: impl IntoIterator<Item = Block>) -> Section {
        Section { title: title.into(), blocks: blocks.into_iter().collect() }
    }
}

impl Table {
    /// A table without rows; a heading that ends in `>` makes a column of numbers.
    #[must_use]
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = T>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), ..Table::default() }
    }

    /// Without the columns in which no row has anything.
    pub(super) fn filled(&self) -> Table {
        let said = |i: usize| {
            self.rows.iter().any(|row| row.get(i).is_some_and(|(text, _)| !text.trim().is_empty()))
        };
        let kept: Vec<bool> =
            (0..self.columns.len()).map(|i| self.rows.is_empty() || said(i)).collect();
        fn pick<T: Clone>(all: &[T], kept: &[bool]) -> Vec<T> {
            all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(one, _)| one.clone()).collect()
        }
        Table {
            columns: pick(&self.columns, &kept),
            rows: self.rows.iter().map(|row| pick(row, &kept)).collect(),
            note: self.note.clone(),
        }
    }

    /// Appends a row.
    pub fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (text.into(), tone)).collect());
    }
}

impl Axis {
    /// An even axis from zero.
    #[must_use]
    pub fn new(label: impl Into<String>, unit: impl Into<String>) -> Axis {
        Axis { label: label.into(), unit: unit.into(), ..Axis::default() }
    }

    /// The same, divided like this.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Axis {
        self.scale = scale;
        self
    }

    /// The same with words for 0, 1, 2 ….
    #[must_use]
    pub fn named<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Axis {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }
}

impl Line {
    /// A line through these points.
    #[must_use]
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Line {
        Line { name: name.into(), points: points.into_iter().collect() }
    }
}

impl Group {
    /// A distribution that is counted already, as (low, high, count).
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        buckets: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Group {
        let bucket = |(low, high, count)| Bucket { low, high, count };
        Group { name: name.into(), buckets: buckets.into_iter().map(bucket).collect() }
    }

    /// The distribution of these values; what is not finite is left out.
    #[must_use]
    pub fn of(name: impl Into<String>, values: &[f64]) -> Group {
        let finite = values.iter().filter(|v| v.is_finite());
        Group::new(name, finite.map(|&v| (v, v, 1.0)))
    }
}

impl Mark {
    /// A mark.
    #[must_use]
    pub fn new(at: f64, label: impl Into<String>, tone: Tone) -> Mark {
        Mark { at, label: label.into(), tone }
    }
}
