//! Drawings as inline SVG that keep their size of text at any width.
//!
//! Places are per cents of the drawing, and paths lie in a nested drawing that is stretched without
//! its strokes; so nothing has to be drawn again for a narrow page, and no script is needed.

pub(super) mod distribution;
pub(super) mod intervals;
pub(super) mod lines;
mod marks;

pub(super) use marks::tone;

use super::document::Chart;
use super::span::{Span, Tick};
use super::text::html;
use std::fmt::Write;

/// Numbers for ids, so that several drawings fit on one page.
#[derive(Debug, Default)]
pub(super) struct Ids(usize);

impl Ids {
    fn next(&mut self) -> usize {
        self.0 += 1;
        self.0
    }
}

/// A drawing with its heading, legend and the table behind it.
pub(super) fn chart(chart: &Chart, ids: &mut Ids) -> String {
    match chart {
        Chart::Lines { title, x, y, lines, marks } => lines::draw(ids, title, (x, y), lines, marks),
        Chart::Distribution { title, x, groups, marks } => {
            distribution::draw(ids, title, x, groups, marks)
        }
        Chart::Intervals { title, x, reference, margin, rows } => {
            intervals::draw(title, x, *reference, *margin, rows)
        }
    }
}

/// Height of the part that is drawn in, in pixels.
const HEIGHT: usize = 220;
/// Room above it for what is said of the point under the cursor.
const READOUT: usize = 20;

/// A place as a per cent of the width or height.
fn pc(place: f64) -> String {
    let text = format!("{:.2}", place.clamp(-0.1, 1.1) * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A place as a coordinate within the stretched drawing of 1000 × 1000.
fn at(place: f64) -> String {
    let text = format!("{:.1}", place.clamp(0.0, 1.0) * 1000.0);
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn heading(title: &str, about: &str) -> String {
    let about = if about.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"muted\">{}</span>", html(about))
    };
    format!("<figcaption><b>{}</b>{about}</figcaption>", html(title))
}

fn no_data(title: &str, about: &str) -> String {
    let heading = heading(title, about);
    format!("<figure class=\"chart\">{heading}<p class=\"empty\">no data</p></figure>")
}

fn legend<'a>(names: impl ExactSizeIterator<Item = &'a str>, more: usize) -> String {
    if names.len() < 2 && more == 0 {
        return String::new();
    }
    let mut text = String::from("<ul class=\"legend\">");
    for (i, name) in names.enumerate() {
        let _ = write!(text, "<li class=\"s{i}\">{}</li>", html(name));
    }
    if more > 0 {
        let _ = write!(text, "<li class=\"none\">{more} more, not drawn</li>");
    }
    text + "</ul>"
}

/// Opens a drawing of which the part below `above` pixels is drawn in.
fn open(ids: &mut Ids, title: &str, description: &str, above: usize) -> String {
    let id = ids.next();
    format!(
        "<div class=\"frame\"><svg class=\"plot\" role=\"img\" width=\"100%\" height=\"{}\" \
         aria-labelledby=\"t{id} d{id}\"><title id=\"t{id}\">{}</title>\
         <desc id=\"d{id}\">{}</desc><svg y=\"{above}\" width=\"100%\" height=\"{HEIGHT}\" \
         class=\"area\">",
        above + HEIGHT,
        html(title),
        html(description),
    )
}

/// Closes what [`open`] opened, with the label of the horizontal axis.
fn close(label: &str) -> String {
    let label = if label.is_empty() {
        String::new()
    } else {
        format!("<p class=\"axis-label\">{}</p>", html(label))
    };
    format!("</svg></svg>{label}</div>")
}

fn horizontal_ticks(ticks: &[Tick]) -> String {
    let mut text = String::new();
    for (i, Tick { place, label }) in ticks.iter().enumerate() {
        let minor = if ticks.len() > 4 && i % 2 == 1 { " minor" } else { "" };
        let anchor = match *place {
            p if p > 0.97 => "end",
            p if p < 0.03 => "start",
            _ => "middle",
        };
        let x = pc(*place);
        let _ = write!(
            text,
            "<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>\
             <text class=\"tick{minor}\" x=\"{x}\" y=\"100%\" dy=\"18\" \
             text-anchor=\"{anchor}\">{}</text>",
            html(label)
        );
    }
    text + "<line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"100%\" y2=\"100%\"/>"
}

fn vertical_ticks(ticks: &[Tick]) -> String {
    let mut text = String::new();
    for Tick { place, label } in ticks {
        let y = pc(1.0 - place);
        let _ = write!(
            text,
            "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\
             <text class=\"tick\" x=\"-8\" y=\"{y}\" dy=\"4\" text-anchor=\"end\">{}</text>",
            html(label)
        );
    }
    text
}

/// What is said when the cursor stands over a column: works by style alone.
struct Column {
    place: f64,
    head: String,
    values: Vec<Option<String>>,
}

/// `above` is the room of the marks, over which the words stand.
fn readouts(columns: &[Column], above: usize) -> String {
    let above = above + 6;
    let mut text = String::new();
    for (i, column) in columns.iter().enumerate() {
        let before = if i == 0 { 0.0 } else { f64::midpoint(columns[i - 1].place, column.place) };
        let after = columns.get(i + 1).map_or(1.0, |c| f64::midpoint(column.place, c.place));
        let mut said = html(&column.head);
        for (series, value) in column.values.iter().enumerate() {
            if let Some(value) = value {
                let _ = write!(
                    said,
                    "<tspan class=\"s{series} dot\" dx=\"8\">●</tspan> {}",
                    html(value)
                );
            }
        }
        let _ = write!(
            text,
            "<g class=\"at\"><rect x=\"{}\" width=\"{}\" y=\"0\" height=\"100%\"/>\
             <line x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>\
             <text x=\"100%\" y=\"-{above}\" text-anchor=\"end\">{said}</text></g>",
            pc(before),
            pc((after - before).max(0.0)),
            x = pc(column.place),
        );
    }
    text
}

/// The table behind a drawing, for who cannot see it or wants its figures.
fn data(head: &[&str], rows: &[(String, Vec<Option<String>>)], note: &str) -> String {
    let mut text = String::from(
        "<details class=\"data\"><summary>Figures</summary>\
         <div class=\"scroll\"><table><thead><tr>",
    );
    for (i, name) in head.iter().enumerate() {
        let class = if i == 0 { "" } else { " class=\"n\"" };
        let _ = write!(text, "<th scope=\"col\"{class}>{}</th>", html(name));
    }
    text.push_str("</tr></thead><tbody>");
    for (name, values) in rows {
        let _ = write!(text, "<tr><th scope=\"row\">{}</th>", html(name));
        for value in values {
            let value = value.as_deref().unwrap_or("–");
            let _ = write!(text, "<td class=\"n\">{}</td>", html(value));
        }
        text.push_str("</tr>");
    }
    text.push_str("</tbody></table></div>");
    if !note.is_empty() {
        let _ = write!(text, "<p class=\"muted\">{}</p>", html(note));
    }
    text + "</details>"
}

/// "from 1 ms to 12 ms".
fn range(span: &Span, values: impl Iterator<Item = f64>) -> String {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|v| span.place(*v).is_some()) {
        low = low.min(value);
        high = high.max(value);
    }
    format!("from {} to {}", span.say(low), span.say(high))
}
