//! Vertical marks with their labels above the drawing, one under the other where they would touch.

use super::pc;
use crate::report::document::{Mark, Tone};
use crate::report::span::Span;
use crate::report::text::{cut, html};
use std::fmt::Write;

/// Marks that are drawn, each with its lane.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    placed: Vec<(f64, usize, &'a Mark)>,
    lanes: usize,
    more: usize,
}

const MOST: usize = 24;
const LANES: usize = 5;
const LANE: usize = 16;

impl<'a> Marks<'a> {
    pub(super) fn new(marks: &'a [Mark], span: &Span) -> Marks<'a> {
        let mut all: Vec<(f64, &Mark)> = marks
            .iter()
            .filter_map(|m| Some((span.place(m.at)?, m)))
            .filter(|(place, _)| (0.0..=1.0).contains(place))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let more = all.len().saturating_sub(MOST);
        all.truncate(MOST);
        // Ends of the labels in each lane. A narrow page has about 300 px, a character 6.6.
        let mut ends: Vec<f64> = Vec::new();
        let mut placed = Vec::new();
        for (place, mark) in all {
            let length = (label(mark).chars().count() as f64 * 6.6 + 14.0) / 300.0;
            let start = if leftwards(place) { place - length } else { place };
            let free = ends.iter().position(|end| *end <= start);
            let lane = free.unwrap_or_else(|| {
                if ends.len() < LANES {
                    ends.push(0.0);
                    ends.len() - 1
                } else {
                    LANES
                }
            });
            if lane < LANES {
                ends[lane] = if leftwards(place) { place + 0.02 } else { place + length };
            }
            placed.push((place, lane, mark));
        }
        Marks { placed, lanes: ends.len(), more }
    }

    /// Room that the labels take above the drawing, in pixels.
    pub(super) fn height(&self) -> usize {
        self.lanes * LANE
    }

    pub(super) fn draw(&self) -> String {
        // All lines first: a label lies over the lines of others, with a rim around its letters.
        let (mut lines, mut labels) = (String::new(), String::new());
        for (place, lane, mark) in &self.placed {
            let tone = tone(mark.tone);
            let x = pc(*place);
            // The first lane stands highest, so that a line never runs through a later label.
            let top = -(((self.lanes - (*lane).min(self.lanes)) * LANE) as f64);
            let _ = write!(
                lines,
                "<g class=\"mark {tone}\"><line x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" \
                 y2=\"100%\"/><title>{}</title></g>",
                html(&mark.label)
            );
            if *lane < LANES {
                let (anchor, dx) = if leftwards(*place) { ("end", -4) } else { ("start", 4) };
                let _ = write!(
                    labels,
                    "<text class=\"mark {tone}\" x=\"{x}\" y=\"{}\" dx=\"{dx}\" \
                     text-anchor=\"{anchor}\">{}</text>",
                    top + 11.0,
                    html(&label(mark))
                );
            }
        }
        lines + &labels
    }

    /// What could not be written at its mark, in a list below.
    pub(super) fn below(&self, span: &Span) -> String {
        let left: Vec<_> = self
            .placed
            .iter()
            .filter(|(_, lane, mark)| *lane >= LANES || label(mark) != mark.label)
            .collect();
        if left.is_empty() && self.more == 0 {
            return String::new();
        }
        let mut text = String::from("<ul class=\"marks\">");
        for (_, _, mark) in left {
            let at = html(&span.say(mark.at));
            let _ =
                write!(text, "<li class=\"{}\">{at}: {}</li>", tone(mark.tone), html(&mark.label));
        }
        if self.more > 0 {
            let _ = write!(text, "<li class=\"t-quiet\">{} more, not drawn</li>", self.more);
        }
        text + "</ul>"
    }
}

fn leftwards(place: f64) -> bool {
    place > 0.55
}

fn label(mark: &Mark) -> String {
    cut(&mark.label, 24)
}

pub(in crate::report) fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "t-plain",
        Tone::Good => "t-good",
        Tone::Warn => "t-warn",
        Tone::Bad => "t-bad",
        Tone::Quiet => "t-quiet",
    }
}
