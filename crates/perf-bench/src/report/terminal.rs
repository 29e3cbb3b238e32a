//! For a terminal: aligned, as wide as it is, in colour if it has any.

mod charts;
mod tables;

pub(super) use charts::chart;

use super::document::{Block, Document, Level, Tone};
use super::html::sign;
use super::text::{clean, cut, width, wrap};

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) width: usize,
    pub(super) color: bool,
}

impl Document {
    /// For a terminal of so many columns; `color` adds ANSI colours.
    ///
    /// Drawings become small ones of characters; folded blocks are their line alone.
    #[must_use]
    pub fn terminal(&self, width: usize, color: bool) -> String {
        let style = Style { width: width.clamp(40, 400), color };
        let mut lines = vec![style.bold(&cut(&clean(&self.title), style.width))];
        if !self.subtitle.is_empty() {
            lines.extend(wrap(&clean(&self.subtitle), style.width).iter().map(|l| style.dim(l)));
        }
        if let Some((tone, words)) = &self.verdict {
            let sign = sign(*tone);
            let words = format!("{sign} {}", clean(words));
            lines.extend(wrap(&words, style.width).iter().map(|l| style.paint(l, *tone)));
        }
        for section in &self.sections {
            lines.push(String::new());
            if !section.title.is_empty() {
                lines.push(style.bold(&clean(&section.title)));
            }
            if section.blocks.is_empty() {
                lines.push(style.dim("no data"));
            }
            for (i, block) in section.blocks.iter().enumerate() {
                if i > 0 && !matches!(block, Block::Text(_)) {
                    lines.push(String::new());
                }
                lines.extend(style.block(block));
            }
        }
        let mut text = String::new();
        for line in lines {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Style {
    fn block(self, block: &Block) -> Vec<String> {
        match block {
            Block::Text(words) => wrap(&clean(words), self.width),
            Block::Notice(level, words) => {
                let (name, tone) = match level {
                    Level::Info => ("note", Tone::Plain),
                    Level::Warning => ("warning", Tone::Warn),
                    Level::Error => ("error", Tone::Bad),
                };
                let words = format!("{name}: {}", clean(words));
                wrap(&words, self.width).iter().map(|l| self.paint(l, tone)).collect()
            }
            Block::Facts(facts) => {
                let widest = facts.iter().map(|f| width(&clean(&f.0))).max().unwrap_or(0);
                let widest = widest.min(self.width / 2);
                let line = |(label, value, tone): &(String, String, Tone)| {
                    let label = cut(&clean(label), widest);
                    let gap = " ".repeat(widest - width(&label));
                    format!("{label}{gap}  {}", self.paint(&clean(value), *tone))
                };
                facts.iter().map(line).collect()
            }
            Block::Table(table) => tables::table(&table.filled(), self),
            Block::Chart(drawing) => chart(drawing, self),
            Block::Folded(line, _) => vec![self.dim(&cut(&clean(line), self.width))],
        }
    }

    pub(super) fn paint(self, text: &str, tone: Tone) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.code("32", text),
            Tone::Warn => self.code("33", text),
            Tone::Bad => self.code("1;31", text),
            Tone::Quiet => self.dim(text),
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
