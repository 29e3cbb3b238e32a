//! Reports: one [`Document`], drawn as a page, as markdown or for a terminal.
//!
//! Whoever has something to say fills a [`Document`] with sections of blocks and knows nothing of
//! HTML; the renderers know nothing of benchmarks.

mod document;
mod figure;
mod html;
mod judged;
mod markdown;
mod span;
mod svg;
mod terminal;
mod text;
mod thin;

#[cfg(test)]
mod tests;

pub use document::{
    Axis, Block, Bucket, Chart, Document, Group, IntervalRow, Level, Line, Mark, Scale, Section,
    Table, Tone,
};
pub use figure::{change, change_with_interval, figure};
pub use judged::{before_and_after, judged_blocks, verdict_word, worst_first};
