//! Reports: one [`Document`], drawn as a page, as markdown or for a terminal.
//!
//! Whoever has something to say fills a [`Document`] with sections of blocks and knows nothing of
//! HTML; the renderers know nothing of benchmarks.

mod document;

pub use document::{
    Axis, Block, Chart, Document, IntervalRow, Level, Line, Mark, Scale, Section, Table, Tone,
};
