//! Distributions, drawn over each other.

use super::lines::across;
use super::marks::Marks;
use super::{
    Column, Ids, READOUT, at, close, data, heading, horizontal_ticks, legend, no_data, open, range,
    readouts,
};
use crate::report::document::{Axis, Bucket, Group, Mark};
use crate::report::figure::figure;
use crate::report::span::Span;
use std::fmt::Write;

const GROUPS: usize = 6;
const CELLS: usize = 72;
const ROWS: usize = 36;

pub(super) fn draw(
    ids: &mut Ids,
    title: &str,
    x: &Axis,
    groups: &[Group],
    marks: &[Mark],
) -> String {
    let about =
        if x.label.is_empty() { String::new() } else { format!("share of values · {}", x.label) };
    let drawn = &groups[..groups.len().min(GROUPS)];
    let Some(width) = span(x, drawn, marks) else {
        return no_data(title, &about);
    };
    let cells = cells(drawn);
    let shares: Vec<Vec<f64>> = drawn.iter().map(|g| spread(g, &width, cells)).collect();
    let highest = shares.iter().flatten().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return no_data(title, &about);
    }
    // A bare "p99" is asked for its figure.
    let marks: Vec<Mark> = marks
        .iter()
        .map(|mark| match mark.label.contains(' ') {
            true => mark.clone(),
            false => {
                Mark { label: format!("{} {}", mark.label, width.say(mark.at)), ..mark.clone() }
            }
        })
        .collect();
    let marks = Marks::new(&marks, &width);
    let buckets = || drawn.iter().flat_map(|g| &g.buckets);
    let names: Vec<&str> = drawn.iter().map(|g| g.name.as_str()).collect();
    let ends = buckets().flat_map(|b| [b.low, b.high]);
    let description = format!("{}, {}.", names.join(", "), range(&width, ends));
    let mut text = format!("<figure class=\"chart even\">{}", heading(title, &about));
    text += &legend(names.iter().copied(), groups.len() - drawn.len());
    text += &open(ids, title, &description, READOUT + marks.height());
    text += &horizontal_ticks(&width.ticks(7));
    text += "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" \
             height=\"100%\" class=\"area\">";
    for (series, shares) in shares.iter().enumerate() {
        text += &steps(series, shares, highest);
    }
    text += "</svg>";
    text += &marks.draw();
    text += &readouts(&said(&shares, &width, cells), marks.height());
    text += &close(&x.label);
    text += &marks.below(&width);
    text += &table(x, drawn, &names, &width);
    text + "</figure>"
}

fn usable(bucket: &&Bucket) -> bool {
    bucket.count > 0.0 && bucket.count.is_finite()
}

/// The span of the buckets that hold something, and of the marks.
pub(in crate::report) fn span(x: &Axis, groups: &[Group], marks: &[Mark]) -> Option<Span> {
    let axis = Axis { scale: across(x.scale), ..x.clone() };
    let filled = groups.iter().flat_map(|g| g.buckets.iter().filter(usable));
    let ends: Vec<f64> = filled.flat_map(|b| [b.low, b.high]).collect();
    Span::over(&axis, ends.iter().copied(), false)?;
    let span = Span::over(&axis, ends.into_iter().chain(marks.iter().map(|m| m.at)), false)?;
    Some(span.padded(0.02))
}

/// As many cells as the values fill: some dozen for single values, else as many as can be seen.
fn cells(groups: &[Group]) -> usize {
    let filled = |g: &Group| g.buckets.iter().filter(usable).count();
    let single = groups.iter().flat_map(|g| &g.buckets).all(|b| b.low == b.high);
    if !single {
        return CELLS;
    }
    let most = groups.iter().map(filled).max().unwrap_or(0);
    ((most as f64).sqrt() * 2.5).round().clamp(12.0, CELLS as f64) as usize
}

/// The share of the group's values in each of so many equally wide cells of the axis.
pub(in crate::report) fn spread(group: &Group, span: &Span, cells: usize) -> Vec<f64> {
    let mut shares = vec![0.0; cells];
    let mut total = 0.0;
    for bucket in group.buckets.iter().filter(usable) {
        let (Some(a), Some(b)) = (span.place(bucket.low), span.place(bucket.high)) else {
            // On a logarithmic axis, what starts at zero stands at its upper end.
            if let Some(b) = span.place(bucket.high) {
                shares[cell(b, cells)] += bucket.count;
                total += bucket.count;
            }
            continue;
        };
        let (a, b) = (a.min(b) * cells as f64, a.max(b) * cells as f64);
        total += bucket.count;
        if b - a < 1e-9 {
            shares[cell(a / cells as f64, cells)] += bucket.count;
            continue;
        }
        let first = (a.floor().max(0.0) as usize).min(cells - 1);
        let last = (b.ceil().max(1.0) as usize).min(cells);
        for (i, share) in shares.iter_mut().enumerate().take(last).skip(first) {
            let inside = b.min(i as f64 + 1.0) - a.max(i as f64);
            *share += bucket.count * (inside / (b - a)).clamp(0.0, 1.0);
        }
    }
    if total > 0.0 && total.is_finite() {
        shares.iter_mut().for_each(|s| *s /= total);
    } else {
        shares.iter_mut().for_each(|s| *s = 0.0);
    }
    shares
}

fn cell(place: f64, cells: usize) -> usize {
    ((place * cells as f64).max(0.0) as usize).min(cells - 1)
}

/// A hill for each run of cells that hold something; where there is nothing, nothing is drawn.
fn steps(series: usize, shares: &[f64], highest: f64) -> String {
    let cells = shares.len() as f64;
    let mut line = String::new();
    for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let (from, to) = (at(i as f64 / cells), at((i + 1) as f64 / cells));
        // The rare is what the drawing is looked at for: it stays visible.
        let y = at(1.0 - (share / highest).max(0.008) * 0.97);
        if i == 0 || shares[i - 1] <= 0.0 {
            let _ = write!(line, "M{from} 1000");
        }
        let _ = write!(line, "L{from} {y}L{to} {y}");
        if shares.get(i + 1).is_none_or(|next| *next <= 0.0) {
            let _ = write!(line, "L{to} 1000");
        }
    }
    format!(
        "<path class=\"fill s{series}\" d=\"{line}\"/><path class=\"line s{series}\" d=\"{line}\"/>"
    )
}

fn said(shares: &[Vec<f64>], width: &Span, cells: usize) -> Vec<Column> {
    (0..cells)
        .map(|i| {
            let edge = |i: usize| i as f64 / cells as f64;
            let ends = (width.value(edge(i)), width.value(edge(i + 1)));
            Column {
                place: f64::midpoint(edge(i), edge(i + 1)),
                head: format!("{} – {}", width.say(ends.0), width.say(ends.1)),
                values: shares.iter().map(|s| Some(figure(s[i], "fraction"))).collect(),
            }
        })
        .collect()
}

fn table(x: &Axis, groups: &[Group], names: &[&str], width: &Span) -> String {
    let shares: Vec<Vec<f64>> = groups.iter().map(|g| spread(g, width, ROWS)).collect();
    let rows: Vec<(String, Vec<Option<String>>)> = said(&shares, width, ROWS)
        .into_iter()
        .enumerate()
        .filter(|(i, _)| shares.iter().any(|s| s[*i] > 0.0))
        .map(|(_, column)| (column.head, column.values))
        .collect();
    let label = if x.label.is_empty() { "values" } else { &x.label };
    let head: Vec<&str> = std::iter::once(label).chain(names.iter().copied()).collect();
    data(&head, &rows, "")
}
