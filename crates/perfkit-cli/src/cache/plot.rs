//! The miss-ratio curve for a terminal, in Braille characters.

use super::scale::{Axes, short};
use super::sizes::count;

/// A series that is drawn as single signs.
#[derive(Debug)]
pub(super) struct Signs {
    pub(super) name: String,
    pub(super) sign: char,
    /// (entries, miss ratio)
    pub(super) points: Vec<(u64, f64)>,
    /// The ANSI colour.
    pub(super) color: &'static str,
}

/// What is drawn.
pub(super) struct Plot<'a> {
    pub(super) axes: Axes,
    pub(super) keys: u64,
    /// The name of the curve, and its miss ratio at a number of entries.
    pub(super) name: String,
    pub(super) curve: &'a dyn Fn(u64) -> f64,
    pub(super) signs: Vec<Signs>,
}

impl Plot<'_> {
    /// As wide as the terminal.
    pub(super) fn draw(&self, width: usize, color: bool) -> String {
        let columns = width.saturating_sub(MARGIN + 3).clamp(20, 150);
        let mut cells = vec![vec![Sign::Dots(0); columns]; ROWS];
        self.trace_curve(&mut cells, columns);
        for series in &self.signs {
            for &(entries, ratio) in &series.points {
                let Some(place) = self.axes.across(entries as f64) else { continue };
                let column = ((place * columns as f64) as usize).min(columns - 1);
                let row =
                    ((1.0 - self.axes.up(ratio)) * (ROWS * 4 - 1) as f64).round() as usize / 4;
                cells[row][column] = Sign::Char(series.sign, series.color);
            }
        }
        let mut text =
            format!("{:MARGIN$} Miss ratio by entries, of {} keys\n", "", count(self.keys));
        let ratios = self.axes.ratios();
        for (at, row) in cells.iter().enumerate() {
            // Five labels over the rows, from the top down.
            let label = (at * 4 % (ROWS - 1) == 0).then(|| ratios[4 - at * 4 / (ROWS - 1)]);
            let label = label.map_or(String::new(), |ratio| format!("{} %", trim(ratio * 100.0)));
            text += &format!(
                "{label:>width$} {}",
                if label.is_empty() { '│' } else { '┤' },
                width = MARGIN - 1
            );
            for cell in row {
                cell.write(&mut text, color);
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text += &self.below(columns);
        text + &self.legend(width, color)
    }

    /// The curve in dots, two to a column and four to a row.
    fn trace_curve(&self, cells: &mut [Vec<Sign>], columns: usize) {
        let dots = columns * 2;
        let lowest = ROWS * 4 - 1;
        let mut before: Option<usize> = None;
        for x in 0..dots {
            let entries = self.axes.entries(x as f64 / (dots - 1) as f64).round() as u64;
            let up = self.axes.up((self.curve)(entries));
            let y = ((1.0 - up) * lowest as f64).round() as usize;
            // A cliff is drawn as one, not as a gap.
            for y in y.min(before.unwrap_or(y))..=y.max(before.unwrap_or(y)) {
                if let Sign::Dots(bits) = &mut cells[y / 4][x / 2] {
                    *bits |= DOTS[y % 4][x % 2];
                }
            }
            before = Some(y);
        }
    }

    fn below(&self, columns: usize) -> String {
        let mut line = vec!['─'; columns];
        let mut labels = vec![' '; columns + 2];
        for size in self.axes.sizes() {
            let Some(place) = self.axes.across(size) else { continue };
            let at = ((place * columns as f64) as usize).min(columns - 1);
            let label = short(size);
            let start = at.saturating_sub(label.len() / 2);
            let end = start + label.len();
            let taken = start.saturating_sub(1)..(end + 1).min(labels.len());
            line[at] = '┬';
            if end > labels.len() || labels[taken].iter().any(|c| *c != ' ') {
                continue;
            }
            for (offset, c) in label.chars().enumerate() {
                labels[start + offset] = c;
            }
        }
        let line: String = line.into_iter().collect();
        let labels: String = labels.into_iter().collect();
        format!("{:MARGIN$}└{line}\n{:MARGIN$} {}\n", "", "", labels.trim_end())
    }

    fn legend(&self, width: usize, color: bool) -> String {
        let mut text = String::new();
        let mut used = 0;
        let all = std::iter::once((CURVE_SIGN, "36", self.name.as_str()))
            .chain(self.signs.iter().map(|s| (s.sign, s.color, s.name.as_str())));
        for (sign, code, name) in all {
            let room = name.chars().count() + 5;
            if used == 0 || used + room > width {
                text += &format!("{}{:MARGIN$}", if used == 0 { "" } else { "\n" }, "");
                used = MARGIN;
            }
            text.push(' ');
            Sign::Char(sign, code).write(&mut text, color);
            text += &format!(" {name}  ");
            used += room;
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Dots(u8),
    Char(char, &'static str),
}

impl Sign {
    fn write(self, text: &mut String, color: bool) {
        let (sign, code) = match self {
            Sign::Dots(0) => (' ', ""),
            Sign::Dots(bits) => (char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '), "36"),
            Sign::Char(sign, code) => (sign, code),
        };
        if color && !code.is_empty() {
            *text += &format!("\u{1b}[{code}m{sign}\u{1b}[0m");
        } else {
            text.push(sign);
        }
    }
}

fn trim(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Rows of the drawing: four between two labels.
const ROWS: usize = 17;
/// Columns left of the axis.
const MARGIN: usize = 8;
const CURVE_SIGN: char = '⠒';
/// The bits of a Braille character, by row and column of its dots.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_falls_and_the_signs_stand_where_they_belong() {
        let curve = |entries: u64| if entries >= 100 { 0.0 } else { 1.0 };
        let signs =
            Signs { name: "best".into(), sign: 'o', points: vec![(1000, 1.0)], color: "33" };
        let plot = Plot {
            axes: Axes::new(10, 1000, 1.0),
            keys: 1000,
            name: "lru".into(),
            curve: &curve,
            signs: vec![signs],
        };
        let drawn = plot.draw(60, false);
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines[1].starts_with("  100 % ┤⠉"), "{drawn}");
        assert!(lines[1].ends_with('o'), "{drawn}");
        // The cliff stands in the middle and reaches the ground.
        assert!(lines[9].contains('⡇') || lines[9].contains('⢸'), "{drawn}");
        assert!(lines[17].ends_with('⣀'), "{drawn}");
        assert!(lines[19].contains("10") && lines[19].ends_with("1k"), "{drawn}");
        assert!(lines[20].contains("⠒ lru") && lines[20].contains("o best"), "{drawn}");
        assert!(lines.iter().all(|line| line.chars().count() <= 64), "{drawn}");
        assert!(plot.draw(60, true).contains("\u{1b}[33mo"));
    }
}
