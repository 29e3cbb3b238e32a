//! Lines over time or over commits.

use super::marks::Marks;
use super::{
    Column, Ids, READOUT, at, close, data, heading, horizontal_ticks, legend, no_data, open, range,
    readouts, vertical_ticks,
};
use crate::report::document::{Axis, Line, Mark, Scale};
use crate::report::span::Span;
use crate::report::thin::runs;
use std::fmt::Write;

/// As many lines are drawn as there are colours to tell them apart.
const LINES: usize = 12;
/// Columns that a line is thinned to, the least and the greatest of each staying.
const COLUMNS: usize = 300;
/// Columns that say their figures under the cursor, and rows of the table.
const READOUTS: usize = 96;
const ROWS: usize = 48;

pub(super) fn draw(
    ids: &mut Ids,
    title: &str,
    (x, y): (&Axis, &Axis),
    lines: &[Line],
    marks: &[Mark],
) -> String {
    let drawn = &lines[..lines.len().min(LINES)];
    let about = about(y);
    let points = || drawn.iter().flat_map(|l| &l.points);
    let heights = points().filter(|p| p.0.is_finite()).map(|p| p.1);
    let Some(height) = Span::over(y, heights, true).map(|s| s.padded(0.05)) else {
        return no_data(title, &about);
    };
    let flat = Axis { scale: across(x.scale), ..x.clone() };
    let seen = points().filter(|p| height.place(p.1).is_some()).map(|p| p.0);
    let Some(width) = Span::over(&flat, seen.chain(marks.iter().map(|m| m.at)), false) else {
        return no_data(title, &about);
    };

    let marks = Marks::new(marks, &width);
    let description = format!(
        "{} by {}, {}.",
        drawn.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", "),
        x.label,
        range(&height, points().map(|p| p.1))
    );
    let mut text = format!("<figure class=\"chart\">{}", heading(title, &about));
    text += &legend(drawn.iter().map(|l| l.name.as_str()), lines.len() - drawn.len());
    text += &open(ids, title, &description, READOUT + marks.height());
    text += &horizontal_ticks(&width.ticks(7));
    text += &vertical_ticks(&height.ticks(5));
    text += "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" \
             height=\"100%\" class=\"area\">";
    for (series, line) in drawn.iter().enumerate().rev() {
        text += &path(series, line, &width, &height);
    }
    text += "</svg>";
    text += &marks.draw();
    let columns = columns(drawn, &width, READOUTS);
    let said: Vec<Column> = columns.iter().map(|c| c.say(&width, &height)).collect();
    text += &readouts(&said, marks.height());
    text += &close(&x.label);
    text += &marks.below(&width);
    text += &table(x, drawn, &width, &height);
    text + "</figure>"
}

/// Across, an axis from zero is one over what there is: times do not start in 1970.
pub(in crate::report) fn across(scale: Scale) -> Scale {
    if scale == Scale::Linear { Scale::Fitted } else { scale }
}

/// What the vertical axis shows, with the unit where the ticks do not say it.
fn about(y: &Axis) -> String {
    let said = ["ns", "us", "µs", "ms", "s", "bytes", "bytes/s", "ratio", "fraction", "%", "unix"];
    match y.unit.as_str() {
        "" => y.label.clone(),
        unit if said.contains(&unit) || y.label.contains(unit) => y.label.clone(),
        "/s" if y.label.contains("per second") => y.label.clone(),
        unit if unit.starts_with('/') => format!("{}{unit}", y.label),
        unit => format!("{}, {unit}", y.label).trim_start_matches(", ").to_owned(),
    }
}

fn path(series: usize, line: &Line, width: &Span, height: &Span) -> String {
    let mut points: Vec<(f64, Option<f64>)> =
        line.points.iter().filter_map(|p| Some((width.place(p.0)?, height.place(p.1)))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut strokes, mut dots) = (String::new(), String::new());
    let few = points.len() <= 40;
    for run in runs(&points, COLUMNS) {
        for (i, (x, y)) in run.iter().enumerate() {
            let (x, y) = (at(*x), at(1.0 - y));
            let _ = write!(strokes, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
            if few || run.len() == 1 {
                // A stroke without length has round ends, and so is a dot at any stretch.
                let _ = write!(dots, "M{x} {y}h0");
            }
        }
    }
    let mut text = format!("<path class=\"line s{series}\" d=\"{strokes}\"/>");
    if !dots.is_empty() {
        let _ = write!(text, "<path class=\"dots s{series}\" d=\"{dots}\"/>");
    }
    text
}

/// Points of all lines that stand over each other.
struct Together {
    x: f64,
    place: f64,
    values: Vec<Option<f64>>,
}

impl Together {
    fn say(&self, width: &Span, height: &Span) -> Column {
        let say = |v: &Option<f64>| v.map(|v| height.say(v));
        let values = self.values.iter().map(say).collect();
        Column { place: self.place, head: width.say(self.x), values }
    }
}

/// At most so many columns; where there are more points, each has the greatest of its values.
fn columns(lines: &[Line], width: &Span, most: usize) -> Vec<Together> {
    let mut all: Vec<(f64, f64, usize, f64)> = Vec::new();
    for (series, line) in lines.iter().enumerate() {
        for &(x, y) in &line.points {
            if let Some(place) = width.place(x)
                && y.is_finite()
            {
                all.push((place, x, series, y));
            }
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let distinct = all.chunk_by(|a, b| a.0 == b.0).count();
    let column = |place: f64| {
        if distinct <= most { place } else { (place * most as f64).floor() }
    };
    let chunks = all.chunk_by(|a, b| column(a.0) == column(b.0));
    chunks
        .map(|chunk| {
            let middle = chunk[chunk.len() / 2];
            let mut values: Vec<Option<f64>> = vec![None; lines.len()];
            for &(_, _, series, y) in chunk {
                values[series] = Some(values[series].map_or(y, |v| v.max(y)));
            }
            Together { x: middle.1, place: middle.0, values }
        })
        .collect()
}

fn table(x: &Axis, lines: &[Line], width: &Span, height: &Span) -> String {
    let columns = columns(lines, width, ROWS);
    let rows: Vec<(String, Vec<Option<String>>)> = columns
        .iter()
        .map(|c| (width.say(c.x), c.values.iter().map(|v| v.map(|v| height.say(v))).collect()))
        .collect();
    let label = if x.label.is_empty() { "at" } else { &x.label };
    let head: Vec<&str> =
        std::iter::once(label).chain(lines.iter().map(|l| l.name.as_str())).collect();
    let longest = lines.iter().map(|l| l.points.len()).max().unwrap_or(0);
    let note = if longest > rows.len() { "The greatest value of each interval." } else { "" };
    data(&head, &rows, note)
}
