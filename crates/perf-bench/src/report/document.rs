//! What a report holds, without any word on how it looks.

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
    /// A drawing. Terminal and markdown show the table that goes with it, or a small text form.
    Chart(Chart),
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
        /// Name, and buckets as (low, high, count).
        groups: Vec<(String, Vec<(f64, f64, f64)>)>,
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
    /// Its unit: `ns` and `bytes` are scaled for reading, `ratio` is shown as a change in per
    /// cent, `unix` is shown as a time of day; anything else is appended as it is.
    pub unit: String,
    /// How it is divided.
    pub scale: Scale,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// One line of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points as (x, y).
    pub points: Vec<(f64, f64)>,
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
