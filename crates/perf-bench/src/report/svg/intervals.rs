//! Estimates with intervals: a table with a drawn column, so that names of any length fit, figures
//! stay aligned, and who cannot see the drawing reads the table.

use super::marks::tone;
use super::{heading, no_data, pc};
use crate::report::document::{Axis, IntervalRow, Scale};
use crate::report::figure::{change_with_interval, figure};
use crate::report::span::Span;
use crate::report::text::{breakable, clean, html};
use perf_stats::Estimate;
use std::fmt::Write;

const ROWS: usize = 200;

pub(super) fn draw(
    title: &str,
    x: &Axis,
    reference: f64,
    margin: Option<(f64, f64)>,
    rows: &[IntervalRow],
) -> String {
    let Some(span) = span(x, reference, margin, rows) else {
        return no_data(title, &x.label);
    };
    let ground = ground(&span, reference, margin);
    let mut text = format!(
        "<figure class=\"chart even\">{}<table class=\"forest\"><tbody>",
        heading(title, &x.label)
    );
    for row in rows.iter().take(ROWS) {
        let said = say(row, x);
        let _ = write!(
            text,
            "<tr class=\"{}\"><th scope=\"row\">{}</th><td class=\"draw\">\
             <svg width=\"100%\" height=\"100%\" aria-hidden=\"true\">{ground}{}</svg></td>\
             <td class=\"n\">{}</td></tr>",
            tone(row.tone),
            breakable(&row.label),
            whisker(&span, row),
            html(&said),
        );
    }
    let _ = write!(
        text,
        "</tbody><tfoot aria-hidden=\"true\"><tr><th></th><td class=\"draw\">\
         <svg class=\"ticks\" width=\"100%\" height=\"24\">{}</svg></td><td></td></tr></tfoot></table>",
        ticks(&span)
    );
    if rows.len() > ROWS {
        let _ = write!(text, "<p class=\"muted\">{} more</p>", rows.len() - ROWS);
    }
    if let Some((low, high)) = margin {
        let _ = write!(
            text,
            "<p class=\"muted key\">The band is the margin, {} to {}: what ends inside of it \
             counts as no difference.</p>",
            html(&figure(low, &x.unit)),
            html(&figure(high, &x.unit))
        );
    }
    text + "</figure>"
}

/// What a row says in figures.
pub(in crate::report) fn say(row: &IntervalRow, x: &Axis) -> String {
    let IntervalRow { value, low, high, .. } = *row;
    let figure = |value| clean(&figure(value, &x.unit));
    if !value.is_finite() {
        return "no estimate".to_owned();
    }
    if !(low.is_finite() && high.is_finite()) {
        return figure(value);
    }
    if x.unit == "ratio" {
        return change_with_interval(&Estimate { value, low, high });
    }
    format!("{} [{}, {}]", figure(value), figure(low), figure(high))
}

/// A span on which one wide interval does not make all others vanish; it is cut off instead.
pub(in crate::report) fn span(
    x: &Axis,
    reference: f64,
    margin: Option<(f64, f64)>,
    rows: &[IntervalRow],
) -> Option<Span> {
    let axis = Axis { scale: super::lines::across(x.scale), ..x.clone() };
    let ends = |r: &IntervalRow| [r.low, r.value, r.high];
    let values: Vec<f64> =
        rows.iter().take(ROWS).flat_map(ends).filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return None;
    }
    let mut far: Vec<f64> = values.iter().map(|v| (v - reference).abs()).collect();
    far.sort_by(f64::total_cmp);
    let band = margin.map_or(0.0, |(low, high)| (high - low).abs());
    let most = (far[far.len() / 2] * 8.0).max(band * 3.0);
    let even = axis.scale != Scale::Logarithmic && most > 0.0 && (reference + most).is_finite();
    let near = values
        .into_iter()
        .map(|v| if even { v.clamp(reference - most, reference + most) } else { v });
    let band = margin.into_iter().flat_map(|(low, high)| [low, high]);
    Some(Span::over(&axis, near.chain(band).chain([reference]), false)?.padded(0.06))
}

/// What lies under each row: the band of the margin and the line of no difference.
fn ground(span: &Span, reference: f64, margin: Option<(f64, f64)>) -> String {
    let mut text = String::new();
    if let Some((low, high)) = margin
        && let (Some(low), Some(high)) = (span.place(low), span.place(high))
    {
        let _ = write!(
            text,
            "<rect class=\"band\" x=\"{}\" width=\"{}\" y=\"0\" height=\"100%\"/>",
            pc(low),
            pc((high - low).max(0.0))
        );
    }
    if let Some(place) = span.place(reference) {
        let x = pc(place);
        let _ = write!(text, "<line class=\"zero\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>");
    }
    text
}

fn whisker(span: &Span, row: &IntervalRow) -> String {
    let mut text = String::new();
    let Some(value) = span.place(row.value) else { return text };
    if let (Some(low), Some(high)) = (span.place(row.low), span.place(row.high)) {
        let (from, to) = (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0));
        let _ = write!(
            text,
            "<line class=\"reach\" x1=\"{}\" x2=\"{}\" y1=\"50%\" y2=\"50%\"/>",
            pc(from),
            pc(to)
        );
        for (end, place) in [(low, from), (high, to)] {
            if end == place {
                let x = pc(place);
                let _ = write!(
                    text,
                    "<svg class=\"end\" y=\"50%\"><line class=\"reach\" x1=\"{x}\" x2=\"{x}\" \
                     y1=\"-5\" y2=\"5\"/></svg>"
                );
            } else {
                let (anchor, arrow) = if end < 0.0 { ("start", "◂") } else { ("end", "▸") };
                let _ = write!(
                    text,
                    "<text class=\"cut\" x=\"{}\" y=\"50%\" dy=\"5\" \
                     text-anchor=\"{anchor}\">{arrow}</text>",
                    pc(place)
                );
            }
        }
    }
    if (0.0..=1.0).contains(&value) {
        let _ = write!(text, "<circle cx=\"{}\" cy=\"50%\" r=\"4.5\"/>", pc(value));
    }
    text
}

fn ticks(span: &Span) -> String {
    let mut text = String::new();
    let ticks = span.ticks(5);
    for (i, tick) in ticks.iter().enumerate() {
        let minor = if ticks.len() > 4 && i % 2 == 1 { " minor" } else { "" };
        let anchor = match tick.place {
            p if p < 0.05 => "start",
            p if p > 0.95 => "end",
            _ => "middle",
        };
        let x = pc(tick.place);
        let _ = write!(
            text,
            "<line class=\"base\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"4\"/>\
             <text class=\"tick{minor}\" x=\"{x}\" y=\"18\" text-anchor=\"{anchor}\">{}</text>",
            html(&tick.label)
        );
    }
    text + "<line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"0.5\" y2=\"0.5\"/>"
}
