//! Drawings of characters.

use super::Style;
use crate::report::document::{Axis, Chart, Group, IntervalRow, Line, Mark};
use crate::report::span::Span;
use crate::report::svg::{distribution, intervals, lines as over_time};
use crate::report::text::{clean, cut, width};

const LINES: usize = 12;
const ROWS: usize = 100;
const MARKS: usize = 12;

/// A drawing in lines of text.
pub(in crate::report) fn chart(chart: &Chart, style: Style) -> Vec<String> {
    let (title, about, mut body) = match chart {
        Chart::Lines { title, x, y, lines: drawn, marks } => {
            let about = if y.unit.is_empty() || y.label.is_empty() {
                format!("{}{}", y.label, y.unit)
            } else {
                y.label.clone()
            };
            (title, format!("{about} · {}", x.label), lines(x, y, drawn, marks, style))
        }
        Chart::Distribution { title, x, groups, marks } => {
            (title, x.label.clone(), distributions(x, groups, marks, style))
        }
        Chart::Intervals { title, x, reference, margin, rows } => {
            (title, x.label.clone(), estimates(x, *reference, *margin, rows, style))
        }
    };
    if body.is_empty() {
        body.push(style.dim("  no data"));
    }
    let about = about.trim_start_matches(" · ").trim_end_matches(" · ").to_owned();
    let heading = if about.is_empty() { clean(title) } else { clean(&format!("{title}: {about}")) };
    body.insert(0, cut(&heading, style.width));
    body
}

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn level(height: f64) -> char {
    LEVELS[((height.clamp(0.0, 1.0) * 7.0).round() as usize).min(7)]
}

fn padded(name: &str, columns: usize) -> String {
    let name = cut(&clean(name), columns);
    let gap = " ".repeat(columns.saturating_sub(width(&name)));
    name + &gap
}

fn name_width<'a>(names: impl Iterator<Item = &'a str>, style: Style) -> usize {
    names.map(|n| width(&clean(n))).max().unwrap_or(0).min(style.width / 3)
}

fn lines(x: &Axis, y: &Axis, drawn: &[Line], marks: &[Mark], style: Style) -> Vec<String> {
    let points = || drawn.iter().take(LINES).flat_map(|l| &l.points);
    let flat = Axis { scale: over_time::across(x.scale), ..x.clone() };
    let Some(across) = Span::over(&flat, points().map(|p| p.0), false) else { return Vec::new() };
    let mut text = Vec::new();
    let names = name_width(drawn.iter().take(LINES).map(|l| l.name.as_str()), style);
    for line in drawn.iter().take(LINES) {
        let name = padded(&line.name, names);
        let values = || line.points.iter().filter(|p| across.place(p.0).is_some()).map(|p| p.1);
        let Some(height) = Span::over(y, values(), true) else {
            text.push(format!("  {name}  {}", style.dim("no data")));
            continue;
        };
        let values: Vec<f64> = values().filter(|v| height.place(*v).is_some()).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let last = values.last().copied().unwrap_or(f64::NAN);
        let said = [least, most, last].map(|v| height.say(v));
        let tail = format!("{} – {}, last {}", said[0], said[1], said[2]);
        let columns = style.width.saturating_sub(names + 6 + width(&tail)).clamp(8, 48);
        let spark = sparkline(line, &across, &height, columns);
        text.push(format!("  {name}  {spark}  {}", style.dim(&tail)));
    }
    if drawn.len() > LINES {
        text.push(style.dim(&format!("  {} more lines", drawn.len() - LINES)));
    }
    text.extend(said_marks(marks, &across, style));
    text
}

/// One character for each column: the mean of what lies in it.
fn sparkline(line: &Line, across: &Span, height: &Span, columns: usize) -> String {
    let mut cells = vec![(0.0, 0_u32); columns];
    for &(x, y) in &line.points {
        if let (Some(x), Some(y)) = (across.place(x), height.place(y)) {
            let cell = &mut cells[((x.max(0.0) * columns as f64) as usize).min(columns - 1)];
            *cell = (cell.0 + y, cell.1 + 1);
        }
    }
    // Fewer points than columns: each lasts until the next.
    let sparse = line.points.len() < columns;
    let mut held = None;
    cells
        .into_iter()
        .map(|(sum, n)| {
            let height = (n > 0).then(|| sum / f64::from(n)).or(held.filter(|_| sparse));
            held = height;
            height.map_or(' ', level)
        })
        .collect()
}

fn said_marks(marks: &[Mark], across: &Span, style: Style) -> Vec<String> {
    let seen: Vec<&Mark> = marks.iter().filter(|m| across.place(m.at).is_some()).collect();
    let mut text: Vec<String> = seen
        .iter()
        .take(MARKS)
        .map(|m| {
            let (at, label) = (across.say(m.at), clean(&m.label));
            let words = if label.contains(&at) {
                format!("  ▲ {label}")
            } else {
                format!("  ▲ {at}: {label}")
            };
            style.paint(&cut(&words, style.width), m.tone)
        })
        .collect();
    if seen.len() > MARKS {
        text.push(style.dim(&format!("  {} more marks", seen.len() - MARKS)));
    }
    text
}

fn distributions(x: &Axis, groups: &[Group], marks: &[Mark], style: Style) -> Vec<String> {
    let drawn = &groups[..groups.len().min(LINES)];
    let Some(span) = distribution::span(x, drawn, marks) else { return Vec::new() };
    let names = name_width(drawn.iter().map(|g| g.name.as_str()), style);
    let columns = (style.width - names - 4).min(60);
    let mut text = Vec::new();
    for group in drawn {
        let shares = distribution::spread(group, &span, columns);
        let highest = shares.iter().copied().fold(0.0, f64::max);
        let bar = |s: &f64| if *s > 0.0 { level(s / highest) } else { ' ' };
        let bars: String = shares.iter().map(bar).collect();
        text.push(format!("  {}  {bars}", padded(&group.name, names)));
    }
    let (low, high) = (span.say(span.value(0.0)), span.say(span.value(1.0)));
    let gap = " ".repeat(columns.saturating_sub(width(&low) + width(&high)).max(1));
    text.push(style.dim(&format!("  {}  {low}{gap}{high}", " ".repeat(names))));
    text.extend(said_marks(marks, &span, style));
    text
}

fn estimates(
    x: &Axis,
    reference: f64,
    margin: Option<(f64, f64)>,
    rows: &[IntervalRow],
    style: Style,
) -> Vec<String> {
    let Some(span) = intervals::span(x, reference, margin, rows) else { return Vec::new() };
    let names = name_width(rows.iter().take(ROWS).map(|r| r.label.as_str()), style);
    let said: Vec<String> = rows.iter().take(ROWS).map(|r| intervals::say(r, x)).collect();
    let figures = said.iter().map(|s| width(s)).max().unwrap_or(0);
    let columns = style.width.saturating_sub(names + figures + 6).clamp(11, 41);
    let mut text = Vec::new();
    for (row, said) in rows.iter().zip(&said) {
        let gap = " ".repeat(figures - width(said));
        let figures = format!("{gap}{}", style.paint(said, row.tone));
        let bar = whisker(&span, reference, margin, row, columns);
        text.push(format!("  {}  {figures}  {bar}", padded(&row.label, names)));
    }
    if rows.len() > ROWS {
        text.push(style.dim(&format!("  {} more", rows.len() - ROWS)));
    }
    text
}

fn whisker(
    span: &Span,
    reference: f64,
    margin: Option<(f64, f64)>,
    row: &IntervalRow,
    columns: usize,
) -> String {
    let column =
        |v: f64| Some((span.place(v)?.clamp(0.0, 1.0) * (columns - 1) as f64).round() as usize);
    let mut bar = vec![' '; columns];
    if let Some((low, high)) = margin
        && let (Some(low), Some(high)) = (column(low), column(high))
    {
        bar[low..=high.max(low)].fill('·');
    }
    if let Some(at) = column(reference) {
        bar[at] = '│';
    }
    if let (Some(low), Some(high)) = (column(row.low), column(row.high)) {
        let (low, high) = (low.min(high), low.max(high));
        bar[low..=high].fill('─');
        bar[low] = '├';
        bar[high] = '┤';
    }
    if let Some(at) = column(row.value) {
        bar[at] = '●';
    }
    bar.into_iter().collect()
}
