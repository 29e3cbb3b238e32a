//! The page: one file, without script and without anything from elsewhere.

use super::document::{Block, Chart, Document, Level, Section, Table, Tone};
use super::svg::{self, Ids, tone};
use super::text::{breakable, html};
use std::fmt::Write;

/// Rows of a table that are written.
const ROWS: usize = 1000;

/// Bytes of a cell from which on it is a sentence that needs some width.
const LONG: usize = 40;

/// Bytes of a cell up to which it is a name or a word that stays in one line.
const SHORT: usize = 32;

const STYLE: &str = include_str!("html/style.css");

impl Document {
    /// As one self-contained page: style and drawings inside, no script, no request to anywhere;
    /// light or dark as the reader's system is, readable on a telephone, fit to print.
    #[must_use]
    pub fn html(&self) -> String {
        let mut ids = Ids::default();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
             <h1>{title}</h1>\n",
            title = html(&self.title)
        );
        if let Some((kind, words)) = &self.verdict {
            let _ = writeln!(
                page,
                "<p class=\"verdict {}\"><span aria-hidden=\"true\">{}</span>{}</p>",
                tone(*kind),
                sign(*kind),
                html(words)
            );
        }
        if !self.subtitle.is_empty() {
            let _ = writeln!(page, "<p class=\"subtitle\">{}</p>", html(&self.subtitle));
        }
        page.push_str("</header>\n<main>\n");
        if self.sections.is_empty() {
            page.push_str("<section><p class=\"empty\">no data</p></section>\n");
        }
        for section in &self.sections {
            page += &part(section, &mut ids);
        }
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }
}

fn part(section: &Section, ids: &mut Ids) -> String {
    let mut text = String::from("<section>\n");
    if !section.title.is_empty() {
        let _ = writeln!(text, "<h2>{}</h2>", html(&section.title));
    }
    if section.blocks.is_empty() {
        text.push_str("<p class=\"empty\">no data</p>\n");
    }
    text += &pieces(&section.blocks, ids);
    text + "</section>\n"
}

/// Blocks one under the other, but several distributions in a row side by side.
fn pieces(blocks: &[Block], ids: &mut Ids) -> String {
    let small = |block: &Block| matches!(block, Block::Chart(Chart::Distribution { .. }));
    let mut text = String::new();
    for run in blocks.chunk_by(|a, b| small(a) && small(b)) {
        let beside = run.len() > 1;
        if beside {
            text.push_str("<div class=\"beside\">\n");
        }
        for block in run {
            text += &piece(block, ids);
            text.push('\n');
        }
        if beside {
            text.push_str("</div>\n");
        }
    }
    text
}

fn piece(block: &Block, ids: &mut Ids) -> String {
    match block {
        Block::Text(words) => format!("<p>{}</p>", html(words)),
        Block::Notice(level, words) => {
            let (class, name) = match level {
                Level::Info => ("t-plain", "Note"),
                Level::Warning => ("t-warn", "Warning"),
                Level::Error => ("t-bad", "Error"),
            };
            format!("<p class=\"notice {class}\"><b>{name}.</b> {}</p>", html(words))
        }
        Block::Facts(facts) => {
            let mut text = String::from("<dl class=\"facts\">");
            for (label, value, kind) in facts {
                let sign = sign(*kind);
                let sign = if sign.is_empty() {
                    String::new()
                } else {
                    format!(" <span aria-hidden=\"true\">{sign}</span>")
                };
                let _ = write!(
                    text,
                    "<div class=\"{}\"><dt>{}</dt><dd>{}{sign}</dd></div>",
                    tone(*kind),
                    html(label),
                    html(value)
                );
            }
            text + "</dl>"
        }
        Block::Table(rows) => table(&rows.filled()),
        Block::Chart(chart) => svg::chart(chart, ids),
        Block::Folded(line, blocks) => {
            let mut text = format!("<details class=\"folded\"><summary>{}</summary>", html(line));
            text += &pieces(blocks, ids);
            text + "</details>"
        }
    }
}

fn table(table: &Table) -> String {
    let heads: Vec<(&str, bool)> = table.columns.iter().map(|c| column(c)).collect();
    let mut text = String::from(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table><thead><tr>",
    );
    for (name, number) in &heads {
        let class = if *number { " class=\"n\"" } else { "" };
        let _ = write!(text, "<th scope=\"col\"{class}>{}</th>", html(name));
    }
    text.push_str("</tr></thead><tbody>");
    for row in table.rows.iter().take(ROWS) {
        text.push_str("<tr>");
        for (i, (words, kind)) in row.iter().take(heads.len()).enumerate() {
            let (class, words) = match heads[i].1 {
                true => ("n ", html(words)),
                false if words.len() > LONG && i > 0 => ("long ", breakable(words)),
                false if words.len() <= SHORT => ("short ", breakable(words)),
                false => ("", breakable(words)),
            };
            let _ = write!(text, "<td class=\"{class}{}\">{words}</td>", tone(*kind));
        }
        for _ in row.len()..heads.len() {
            text.push_str("<td></td>");
        }
        text.push_str("</tr>");
    }
    text.push_str("</tbody></table></div>");
    if table.rows.is_empty() {
        text.push_str("<p class=\"empty\">no data</p>");
    }
    if table.rows.len() > ROWS {
        let _ = write!(text, "<p class=\"muted\">{} more rows</p>", table.rows.len() - ROWS);
    }
    if let Some(note) = &table.note {
        let _ = write!(text, "<p class=\"muted\">{}</p>", html(note));
    }
    text
}

/// A heading without its mark, and whether it heads numbers.
pub(super) fn column(heading: &str) -> (&str, bool) {
    match heading.trim_end().strip_suffix('>') {
        Some(name) => (name.trim_end(), true),
        None => (heading, false),
    }
}

/// A sign beside the colour, for who cannot tell colours apart.
pub(super) fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓",
        Tone::Warn => "!",
        Tone::Bad => "✕",
        Tone::Plain | Tone::Quiet => "",
    }
}
