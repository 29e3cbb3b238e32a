//! The miss-ratio curves as one SVG that stands for itself.

use super::scale::{Axes, short};
use super::sizes::{count, percent};
use std::fmt::Write;

/// A line of a panel.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// (entries, miss ratio)
    pub(super) points: Vec<(u64, f64)>,
    /// Whether the points were measured one by one, and are worth a dot.
    pub(super) dots: bool,
    /// What tells it from the others where colours do not.
    pub(super) stroke: Stroke,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stroke {
    Plain,
    Dashed,
    Strong,
}

impl Line {
    fn class(&self, series: usize) -> String {
        let stroke = match self.stroke {
            Stroke::Plain => "",
            Stroke::Dashed => " dashed",
            Stroke::Strong => " strong",
        };
        format!("s{}{stroke}", series % COLORS)
    }
}

/// The drawing of one trace.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) axes: Axes,
    pub(super) lines: Vec<Line>,
    /// A size that is pointed at, and what is said of it.
    pub(super) mark: Option<(u64, String)>,
}

/// All panels, one under the other.
pub(super) fn draw(panels: &[Panel]) -> String {
    let height = panels.len() * HEIGHT;
    let titles: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">Miss ratio by cache size: {}</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
        escape(&titles.join(", ")),
        escape(&panels.iter().map(describe).collect::<Vec<_>>().join(" ")),
    );
    for (at, panel) in panels.iter().enumerate() {
        let _ = writeln!(text, "<g transform=\"translate(0 {})\">", at * HEIGHT);
        panel.draw(&mut text);
        text.push_str("</g>\n");
    }
    text + "</svg>\n"
}

fn describe(panel: &Panel) -> String {
    let ends = |line: &Line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!(
            "{} misses {} at {} entries and {} at {}",
            line.name,
            percent(first.1),
            count(first.0),
            percent(last.1),
            count(last.0)
        ))
    };
    let lines: Vec<String> = panel.lines.iter().filter_map(ends).collect();
    format!("{}: {}.", panel.title, lines.join("; "))
}

impl Panel {
    fn draw(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "<text class=\"title\" x=\"{LEFT}\" y=\"32\">{}</text>\
             <text class=\"about\" x=\"{LEFT}\" y=\"52\">{}</text>",
            escape(&self.title),
            escape(&self.about)
        );
        self.legend(text);
        self.grid(text);
        if let Some((size, words)) = &self.mark
            && let Some(place) = self.axes.across(*size as f64)
        {
            let x = at_x(place);
            let (anchor, dx) = if place > 0.5 { ("end", -6) } else { ("start", 6) };
            let _ = writeln!(
                text,
                "<line class=\"mark\" x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text class=\"marked\" x=\"{x}\" dx=\"{dx}\" y=\"{}\" text-anchor=\"{anchor}\">{}\
                 </text>",
                TOP + 14.0,
                escape(words)
            );
        }
        for (series, line) in self.lines.iter().enumerate() {
            self.line(text, series, line);
        }
    }

    fn line(&self, text: &mut String, series: usize, line: &Line) {
        let places: Vec<(String, String, &(u64, f64))> = line
            .points
            .iter()
            .filter_map(|point| {
                let x = at_x(self.axes.across(point.0 as f64)?);
                Some((x, at_y(self.axes.up(point.1)), point))
            })
            .collect();
        let path: Vec<String> = places.iter().map(|(x, y, _)| format!("{x} {y}")).collect();
        let class = line.class(series);
        let _ = writeln!(text, "<path class=\"line {class}\" d=\"M{}\"/>", path.join("L"));
        if !line.dots {
            return;
        }
        for (x, y, (entries, ratio)) in places {
            let _ = writeln!(
                text,
                "<circle class=\"dot {class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"><title>{}: {} misses \
                 at {} entries</title></circle>",
                escape(&line.name),
                percent(*ratio),
                count(*entries)
            );
        }
    }

    fn legend(&self, text: &mut String) {
        let mut x = LEFT;
        for (series, line) in self.lines.iter().enumerate() {
            let class = line.class(series);
            let _ = writeln!(
                text,
                "<line class=\"line {class}\" x1=\"{x}\" x2=\"{}\" y1=\"74\" y2=\"74\"/>\
                 <text class=\"label\" x=\"{}\" y=\"78\">{}</text>",
                x + 22.0,
                x + 28.0,
                escape(&line.name)
            );
            // Characters of this font are about this wide.
            x += 46.0 + line.name.chars().count() as f64 * 7.8;
        }
    }

    fn grid(&self, text: &mut String) {
        for ratio in self.axes.ratios() {
            let y = at_y(self.axes.up(ratio));
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{y}\" dy=\"4\" text-anchor=\"end\">{} %</text>",
                LEFT - 8.0,
                trim(ratio * 100.0)
            );
        }
        for size in self.axes.sizes() {
            let Some(place) = self.axes.across(size) else { continue };
            let x = at_x(place);
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text class=\"tick\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                BOTTOM + 20.0,
                short(size)
            );
        }
        let middle = (TOP + BOTTOM) / 2.0;
        let _ = writeln!(
            text,
            "<line class=\"base\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{BOTTOM}\" y2=\"{BOTTOM}\"/>\
             <text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">cache size, entries \
             (logarithmic)</text>\
             <text class=\"axis\" transform=\"translate(18 {middle}) rotate(-90)\" \
             text-anchor=\"middle\">miss ratio, % of requests</text>",
            (LEFT + RIGHT) / 2.0,
            BOTTOM + 42.0
        );
    }
}

fn at_x(place: f64) -> String {
    format!("{:.1}", LEFT + place * (RIGHT - LEFT))
}

fn at_y(up: f64) -> String {
    format!("{:.1}", BOTTOM - up * (BOTTOM - TOP))
}

fn trim(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

const WIDTH: usize = 960;
const HEIGHT: usize = 560;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 932.0;
const TOP: f64 = 98.0;
const BOTTOM: f64 = 496.0;
/// Colours of lines that the style knows.
const COLORS: usize = 8;
const STYLE: &str = include_str!("svg/style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_for_itself_and_escapes() {
        let panel = Panel {
            title: "a<b>&\"c\".log".into(),
            about: "100 requests".into(),
            axes: Axes::new(1, 100, 1.0),
            lines: vec![Line {
                name: "lru".into(),
                points: vec![(1, 1.0), (100, 0.5)],
                dots: true,
                stroke: Stroke::Strong,
            }],
            mark: Some((10, "10 entries".into())),
        };
        let svg = draw(&[panel]);
        assert!(svg.contains("a&lt;b&gt;&amp;&quot;c&quot;.log") && !svg.contains("a<b>"));
        assert!(svg.contains("<title id=\"title\">Miss ratio by cache size"));
        assert!(svg.contains("lru misses 100.0 % at 1 entries and 50.0 % at 100"));
        assert!(svg.contains("prefers-color-scheme: dark"));
        assert!(!svg.contains("http://www.w3.org/1999/xlink") && !svg.contains("NaN"));
        assert_eq!(svg.matches("http").count(), 1, "the namespace is the only address");
    }
}
