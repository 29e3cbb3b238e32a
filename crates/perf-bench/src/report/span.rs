//! The span of an axis: where a value lies on it, and where its ticks are.

use super::document::{Axis, Scale};
use super::figure::{Civil, change, count, figure, suiting_size, suiting_time, time_unit};
use super::text::{clean, cut};

/// A part of an axis from its low end (0) to its high end (1).
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Ends after [`Span::apply`]; always finite and apart.
    low: f64,
    high: f64,
    scale: Scale,
    axis: Axis,
}

/// A tick: where it stands, from 0 to 1, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) label: String,
}

/// Beyond this sums and differences leave the range of numbers.
const LARGEST: f64 = 1e200;

impl Span {
    /// The span of an axis over these values, or `None` if none can be drawn on it.
    ///
    /// `rooted` axes start at zero where their scale says so.
    pub(super) fn over(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        rooted: bool,
    ) -> Option<Span> {
        let scale = axis.scale;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter_map(|v| apply(scale, v)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            return None;
        }
        if rooted && scale == Scale::Linear {
            low = low.min(0.0);
            high = high.max(0.0);
        }
        let room = (high.abs() * 1e-9).max(1e-12);
        if high - low < room {
            let more = match scale {
                Scale::Logarithmic | Scale::Nines => 0.15,
                _ if high == 0.0 => 1.0,
                _ => (high.abs() * 0.02).max(1e-9),
            };
            high += more;
            if !(rooted && scale == Scale::Linear && low == 0.0) {
                low -= more;
            }
        }
        let axis = Axis { unit: clean(&axis.unit), ..axis.clone() };
        Some(Span { low, high, scale, axis })
    }

    /// The same, widened by so much of itself at both ends, but not past zero.
    pub(super) fn padded(mut self, share: f64) -> Span {
        let more = (self.high - self.low) * share;
        let plain = matches!(self.scale, Scale::Linear | Scale::Fitted);
        // What is never negative has no room below zero.
        let floor = if plain && self.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        self.low = (self.low - more).max(floor);
        self.high += more;
        self
    }

    /// Where a value lies: 0 to 1 if it is inside, `None` if it cannot be drawn on this axis.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = (apply(self.scale, value)? - self.low) / (self.high - self.low);
        place.is_finite().then_some(place)
    }

    /// The value that lies there.
    pub(super) fn value(&self, place: f64) -> f64 {
        let at = self.low + place * (self.high - self.low);
        match self.scale {
            Scale::Linear | Scale::Fitted => at,
            Scale::Logarithmic => 10_f64.powf(at),
            Scale::Nines => 1.0 - 10_f64.powf(-at),
        }
    }

    /// A value of this axis in words; `name` stands for whole numbers that have names.
    pub(super) fn say(&self, value: f64) -> String {
        if let Some(name) = name(&self.axis, value) {
            return clean(name);
        }
        match self.scale {
            Scale::Nines => quantile(value),
            _ if self.axis.unit == "unix" => match Civil::of(value) {
                Some(at) if self.high - self.low < 86_400.0 => at.time(),
                Some(at) => format!("{} {}", at.date(), at.time()),
                None => "–".to_owned(),
            },
            _ if self.counts_by_sixty() => elapsed(value),
            _ => figure(value, &self.axis.unit),
        }
    }

    /// Whether so long a time is said as `m:ss`.
    fn counts_by_sixty(&self) -> bool {
        let size = self.low.abs().max(self.high.abs());
        let even = matches!(self.scale, Scale::Linear | Scale::Fitted);
        even && self.axis.unit == "s" && size >= 120.0
    }

    /// The ticks inside, from low to high, about `about` of them.
    pub(super) fn ticks(&self, about: usize) -> Vec<Tick> {
        let about = about.max(2);
        let mut ticks = match self.scale {
            Scale::Logarithmic => self.powers(about),
            Scale::Nines => self.nines(),
            Scale::Linear | Scale::Fitted if !self.axis.names.is_empty() => self.names(about),
            Scale::Linear | Scale::Fitted => self.even(about),
        };
        if ticks.len() < 2 && self.axis.names.is_empty() {
            let ends = [self.value(0.0), self.value(1.0)];
            ticks = ends.into_iter().filter_map(|v| self.tick(v, self.say(v))).collect();
        }
        ticks.dedup_by(|a, b| a.label == b.label);
        ticks
    }

    fn tick(&self, value: f64, label: String) -> Option<Tick> {
        let place = self.place(value)?;
        (-1e-6..=1.0 + 1e-6).contains(&place).then(|| Tick { place: place.clamp(0.0, 1.0), label })
    }

    fn even(&self, about: usize) -> Vec<Tick> {
        let size = self.low.abs().max(self.high.abs());
        let unit = self.axis.unit.as_str();
        if unit == "unix" {
            let step = clock_step((self.high - self.low) / about as f64);
            return self.multiples(step, |v| clock(v, step));
        }
        if self.counts_by_sixty() {
            return self.multiples(clock_step((self.high - self.low) / about as f64), elapsed);
        }
        if let Some(seconds) = time_unit(unit) {
            let (name, scale) = suiting_time(size * seconds);
            return self.scaled(about, scale / seconds, &|text| format!("{text} {name}"));
        }
        match unit {
            "bytes" | "bytes/s" => {
                let (name, scale) = suiting_size(size);
                let rate = if unit == "bytes/s" { "/s" } else { "" };
                self.scaled(about, scale, &|text| format!("{text} {name}{rate}"))
            }
            "ratio" => {
                let step = nice_step((self.high - self.low) / about as f64);
                self.multiples(step, |v| trim_change(v, step))
            }
            "fraction" => self.scaled(about, 0.01, &|text| format!("{text} %")),
            "%" => self.scaled(about, 1.0, &|text| format!("{text} %")),
            _ if size >= 9_999.5 => {
                let step = nice_step((self.high - self.low) / about as f64);
                self.multiples(step, count)
            }
            _ => self.scaled(about, 1.0, &str::to_owned),
        }
    }

    /// Ticks at round numbers of a unit that is `scale` of the axis's own.
    fn scaled(&self, about: usize, scale: f64, words: &dyn Fn(&str) -> String) -> Vec<Tick> {
        let step = nice_step((self.high - self.low) / scale / about as f64);
        let decimals = decimals(step);
        self.multiples(step * scale, |v| {
            let value = v / scale;
            // −0 would be said as "-0".
            let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
            words(&format!("{value:.decimals$}").replace('-', "−"))
        })
    }

    fn multiples(&self, step: f64, words: impl Fn(f64) -> String) -> Vec<Tick> {
        let first = (self.low / step - 1e-6).ceil();
        // Where the steps are finer than numbers can tell, there are none.
        if !(step > 0.0 && first.abs() < 1e12) {
            return Vec::new();
        }
        let values = (0..60).map(|i| (first + f64::from(i)) * step);
        values
            .take_while(|v| *v <= self.high + step * 1e-6)
            .filter_map(|v| self.tick(v, words(v)))
            .collect()
    }

    fn powers(&self, about: usize) -> Vec<Tick> {
        let decades = self.high - self.low;
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let every = (decades / about as f64).ceil().max(1.0) as i32;
        let factors: &[f64] = match decades {
            d if d <= 0.8 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
            d if d <= 1.7 => &[1.0, 2.0, 5.0],
            d if d <= 3.6 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = (first..=last).filter(|p| every == 1 || p.rem_euclid(every) == 0);
        let values = powers.flat_map(|p| factors.iter().map(move |f| f * 10_f64.powi(p)));
        values.filter_map(|v| self.tick(v, self.short(v))).collect()
    }

    /// A round value without the zeros that [`figure`] adds for alignment.
    fn short(&self, value: f64) -> String {
        let unit = self.axis.unit.as_str();
        let known = time_unit(unit).is_some()
            || matches!(unit, "bytes" | "bytes/s" | "fraction" | "%" | "unix");
        let text = match unit {
            "ratio" => change(value),
            _ => figure(value, if known { unit } else { "" }),
        };
        let (number, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let number = if number.contains('.') && !number.contains('e') {
            number.trim_end_matches('0').trim_end_matches('.')
        } else {
            number
        };
        if rest.is_empty() { number.to_owned() } else { format!("{number} {rest}") }
    }

    fn nines(&self) -> Vec<Tick> {
        let values = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
        values.into_iter().filter_map(|v| self.tick(v, quantile(v))).collect()
    }

    fn names(&self, about: usize) -> Vec<Tick> {
        let first = self.low.ceil().max(0.0);
        let last = self.high.floor().min(self.axis.names.len() as f64 - 1.0);
        if first > last {
            return Vec::new();
        }
        let every = ((last - first + 1.0) / about as f64).ceil().max(1.0);
        (0..=about)
            .map(|i| first + i as f64 * every)
            .filter(|v| *v <= last)
            .filter_map(|v| self.tick(v, cut(&clean(name(&self.axis, v)?), 12)))
            .collect()
    }
}

fn apply(scale: Scale, value: f64) -> Option<f64> {
    if value.is_nan() || value.abs() >= LARGEST {
        return None;
    }
    match scale {
        Scale::Linear | Scale::Fitted => Some(value),
        Scale::Logarithmic => (value > 0.0).then(|| value.log10()),
        Scale::Nines => (0.0..=1.0).contains(&value).then(|| -(1.0 - value).max(1e-7).log10()),
    }
}

fn name(axis: &Axis, value: f64) -> Option<&str> {
    let whole = value.fract() == 0.0 && value >= 0.0 && value < axis.names.len() as f64;
    whole.then(|| axis.names[value as usize].as_str())
}

fn quantile(value: f64) -> String {
    let text = match value {
        v if v < 0.99 => format!("{:.1}", v * 100.0),
        v if v < 0.999 => format!("{:.2}", v * 100.0),
        v => format!("{:.4}", v * 100.0),
    };
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The next of 1, 2, 2.5, 5, 10 times a power of ten.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-290).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.into_iter().find(|s| s * power >= least * 0.999).unwrap_or(10.0) * power
}

/// As many decimals as multiples of the step need.
fn decimals(step: f64) -> usize {
    let whole = |d: i32| {
        let scaled = step * 10_f64.powi(d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    };
    (0..9).find(|&d| whole(d)).unwrap_or(9) as usize
}

fn trim_change(ratio: f64, step: f64) -> String {
    let value = (ratio - 1.0) * 100.0;
    let sign = match value {
        v if v.abs() < step * 1e-3 => return "0 %".to_owned(),
        v if v > 0.0 => "+",
        _ => "−",
    };
    format!("{sign}{:.*} %", decimals(step * 100.0), value.abs())
}

/// The next step, in seconds, that clocks and calendars know.
fn clock_step(least: f64) -> f64 {
    const STEPS: [f64; 20] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
    ];
    let known = STEPS.into_iter().find(|s| *s >= least * 0.999);
    known.unwrap_or_else(|| nice_step(least / 86_400.0) * 86_400.0)
}

fn clock(value: f64, step: f64) -> String {
    let Some(at) = Civil::of(value) else { return String::new() };
    match step {
        s if s >= 86_400.0 * 300.0 => at.date()[..7].to_owned(),
        s if s >= 86_400.0 => at.day(),
        s if s >= 60.0 && at.is_midnight() => at.day(),
        s if s >= 60.0 => at.time()[..5].to_owned(),
        _ => at.time(),
    }
}

/// Time passed as `m:ss` or `h:mm:ss`.
fn elapsed(seconds: f64) -> String {
    let sign = if seconds < -0.5 { "−" } else { "" };
    let whole = seconds.abs().round() as u64;
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    if h > 0 { format!("{sign}{h}:{m:02}:{s:02}") } else { format!("{sign}{m}:{s:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, values: &[f64], rooted: bool) -> Vec<String> {
        let span = Span::over(&axis, values.iter().copied(), rooted).unwrap();
        span.ticks(5).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn ticks_are_round_in_the_unit_that_suits() {
        let ns = Axis::new("time", "ns");
        assert_eq!(
            labels(ns, &[0.0, 2.3e6], true),
            ["0.0 ms", "0.5 ms", "1.0 ms", "1.5 ms", "2.0 ms"]
        );
        let bytes = Axis::new("memory", "bytes").scale(Scale::Fitted);
        let mib = 1024.0 * 1024.0;
        assert_eq!(
            labels(bytes, &[10.0 * mib, 50.0 * mib], false),
            ["10 MiB", "20 MiB", "30 MiB", "40 MiB", "50 MiB"]
        );
        assert_eq!(
            labels(Axis::new("", "/s"), &[30_000.0], true),
            ["0", "10,000", "20,000", "30,000"]
        );
        let ratio = Axis::new("", "ratio").scale(Scale::Fitted);
        assert_eq!(labels(ratio, &[0.97, 1.05], false), ["−2 %", "0 %", "+2 %", "+4 %"]);
    }

    #[test]
    fn clocks_tick_by_sixty() {
        let unix = Axis::new("", "unix").scale(Scale::Fitted);
        let noon = 1_709_208_000.0;
        assert_eq!(
            labels(unix.clone(), &[noon, noon + 240.0], false),
            ["12:00", "12:01", "12:02", "12:03", "12:04"]
        );
        assert_eq!(
            labels(unix, &[noon, noon + 86_400.0 * 4.0], false),
            ["Mar 1", "Mar 2", "Mar 3", "Mar 4"]
        );
        assert_eq!(
            labels(Axis::new("", "s"), &[0.0, 600.0], false),
            ["0:00", "2:00", "4:00", "6:00", "8:00", "10:00"]
        );
    }

    #[test]
    fn powers_of_ten_are_equally_far_apart() {
        let axis = Axis::new("", "ns").scale(Scale::Logarithmic);
        assert_eq!(
            labels(axis.clone(), &[1e3, 1e7], false),
            ["1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]
        );
        assert_eq!(
            labels(axis, &[1e3, 2e4, -5.0, 0.0], false),
            ["1 µs", "2 µs", "5 µs", "10 µs", "20 µs"]
        );
        let nines = Axis::new("", "").scale(Scale::Nines);
        assert_eq!(labels(nines, &[0.0, 0.999], false), ["p0", "p50", "p90", "p99", "p99.9"]);
    }

    #[test]
    fn names_stand_for_whole_numbers() {
        let axis = Axis::new("commit", "").named(["a1", "b2", "c3"]);
        assert_eq!(labels(axis, &[0.0, 1.0, 2.0], false), ["a1", "b2", "c3"]);
    }

    #[test]
    fn nothing_drawable_makes_no_span() {
        let axis = Axis::new("", "ns").scale(Scale::Logarithmic);
        assert!(Span::over(&axis, [0.0, -1.0, f64::NAN].into_iter(), false).is_none());
        assert!(Span::over(&axis, std::iter::empty(), true).is_none());
    }
}
