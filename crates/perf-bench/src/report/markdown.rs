//! Markdown, for the summary of a job and for comments.

use super::document::{Block, Chart, Document, Level, Table, Tone};
use super::html::column;
use super::terminal::{Style, chart};
use super::text::{cut, markdown};
use std::fmt::Write;

/// Rows of a table that are written: the summary of a job has room for 1 MiB.
const ROWS: usize = 200;
const LONGEST: usize = 400;

impl Document {
    /// As GitHub-flavoured markdown; drawings become small ones of characters.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n", markdown(&self.title));
        if let Some((tone, words)) = &self.verdict {
            let _ = writeln!(text, "{}**{}**\n", sign(*tone), markdown(words));
        }
        if !self.subtitle.is_empty() {
            let _ = writeln!(text, "{}\n", markdown(&self.subtitle));
        }
        for section in &self.sections {
            if !section.title.is_empty() {
                let _ = writeln!(text, "### {}\n", markdown(&section.title));
            }
            if section.blocks.is_empty() {
                text.push_str("no data\n\n");
            }
            for block in &section.blocks {
                text += &piece(block);
            }
        }
        text
    }
}

fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✅ ",
        Tone::Warn => "⚠️ ",
        Tone::Bad => "❌ ",
        Tone::Plain | Tone::Quiet => "",
    }
}

fn piece(block: &Block) -> String {
    match block {
        Block::Text(words) => format!("{}\n\n", markdown(words)),
        Block::Notice(level, words) => {
            let name = match level {
                Level::Info => "NOTE",
                Level::Warning => "WARNING",
                Level::Error => "CAUTION",
            };
            format!("> [!{name}]\n> {}\n\n", markdown(words))
        }
        Block::Facts(facts) => {
            let mut table = Table::new(["", ">"]);
            for (label, value, tone) in facts {
                table.push([(label.clone(), Tone::Plain), (value.clone(), *tone)]);
            }
            rows(&table)
        }
        Block::Table(table) => rows(&table.filled()),
        Block::Chart(drawing) => fenced(drawing),
        Block::Folded(line, blocks) => {
            let inside: String = blocks.iter().map(piece).collect();
            let line = super::text::html(line);
            format!("<details><summary>{line}</summary>\n\n{inside}</details>\n\n")
        }
    }
}

fn rows(table: &Table) -> String {
    let heads: Vec<(&str, bool)> = table.columns.iter().map(|c| column(c)).collect();
    if heads.is_empty() {
        return String::new();
    }
    let mut text = String::from("|");
    for (name, _) in &heads {
        let _ = write!(text, " {} |", markdown(name));
    }
    text.push_str("\n|");
    for (_, number) in &heads {
        text.push_str(if *number { " ---: |" } else { " --- |" });
    }
    text.push('\n');
    for row in table.rows.iter().take(ROWS) {
        text.push('|');
        for i in 0..heads.len() {
            let Some((words, tone)) = row.get(i) else {
                text.push_str(" |");
                continue;
            };
            let words = markdown(&cut(words, LONGEST));
            match tone {
                Tone::Good | Tone::Warn | Tone::Bad if !words.trim().is_empty() => {
                    let _ = write!(text, " **{}** |", words.trim());
                }
                _ => {
                    let _ = write!(text, " {words} |");
                }
            }
        }
        text.push('\n');
    }
    text.push('\n');
    if table.rows.is_empty() {
        text.push_str("no data\n\n");
    }
    if table.rows.len() > ROWS {
        let _ = writeln!(text, "{} more rows\n", table.rows.len() - ROWS);
    }
    if let Some(note) = &table.note {
        let _ = writeln!(text, "{}\n", markdown(note));
    }
    text
}

/// A drawing between fences that no name inside of it can close.
fn fenced(drawing: &Chart) -> String {
    let mut text = String::from("````text\n");
    for line in chart(drawing, Style { width: 100, color: false }) {
        text.push_str(line.replace("````", "'''' ").trim_end());
        text.push('\n');
    }
    text + "````\n\n"
}
