//! Tables as wide as the terminal; the widest column of words is broken into lines.

use super::Style;
use crate::report::document::{Table, Tone};
use crate::report::html::column;
use crate::report::text::{clean, width, wrap};

const ROWS: usize = 400;
const GAP: usize = 2;
/// Narrower than this no column is broken.
const NARROWEST: usize = 16;

pub(super) fn table(table: &Table, style: Style) -> Vec<String> {
    let heads: Vec<(String, bool)> = table
        .columns
        .iter()
        .map(|c| {
            let (name, number) = column(c);
            (clean(name), number)
        })
        .collect();
    let rows: Vec<Vec<(String, Tone)>> = table
        .rows
        .iter()
        .take(ROWS)
        .map(|row| row.iter().take(heads.len()).map(|(text, tone)| (clean(text), *tone)).collect())
        .collect();
    let widths = widths(&heads, &rows, style.width);

    let mut lines = Vec::new();
    let head: Vec<(String, Tone)> =
        heads.iter().map(|(name, _)| (name.clone(), Tone::Quiet)).collect();
    lines.extend(row(&head, &heads, &widths, style));
    for cells in &rows {
        lines.extend(row(cells, &heads, &widths, style));
    }
    if rows.is_empty() {
        lines.push(style.dim("no data"));
    }
    if table.rows.len() > ROWS {
        lines.push(style.dim(&format!("{} more rows", table.rows.len() - ROWS)));
    }
    if let Some(note) = &table.note {
        lines.extend(wrap(&clean(note), style.width).iter().map(|l| style.dim(l)));
    }
    lines
}

fn widths(heads: &[(String, bool)], rows: &[Vec<(String, Tone)>], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = heads.iter().map(|(name, _)| width(name)).collect();
    for row in rows {
        for (i, (text, _)) in row.iter().enumerate() {
            widths[i] = widths[i].max(width(text));
        }
    }
    loop {
        let used = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let mut broad: Vec<usize> =
            (0..widths.len()).filter(|i| !heads[*i].1 && widths[*i] > NARROWEST).collect();
        broad.sort_by_key(|i| widths[*i]);
        let Some(widest) = broad.pop().filter(|_| used > room) else { return widths };
        // Down to the next one, then both in turn: no column pays for all.
        let next = broad.pop().map_or(NARROWEST, |i| widths[i]);
        let less = (widths[widest] - next).max(1).min(used - room);
        widths[widest] = (widths[widest] - less).max(NARROWEST);
    }
}

fn row(
    cells: &[(String, Tone)],
    heads: &[(String, bool)],
    widths: &[usize],
    style: Style,
) -> Vec<String> {
    let cells: Vec<(Vec<String>, Tone)> =
        cells.iter().zip(widths).map(|((text, tone), w)| (wrap(text, *w), *tone)).collect();
    let height = cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for i in 0..height {
        let mut line = String::new();
        for (n, ((part, tone), (_, number))) in cells.iter().zip(heads).enumerate() {
            let part = part.get(i).map_or("", String::as_str);
            let space = " ".repeat(widths[n].saturating_sub(width(part)));
            if n > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let part = style.paint(part, *tone);
            if *number {
                line.push_str(&space);
                line.push_str(&part);
            } else {
                line.push_str(&part);
                line.push_str(&space);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
