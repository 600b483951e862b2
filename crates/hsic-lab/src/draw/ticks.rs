//! Which values an axis spans, where its ticks are and how they are written.

use crate::figure::plot::{Axis, Scale};

use super::text;

/// The largest size of a value that is drawn, and the inverse of the least positive one of a logarithmic axis: sums and
/// differences of drawn values stay finite.
const LARGEST: f64 = 1e300;

/// The values between an axis's ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    /// Value, or its decimal logarithm, at the left or below.
    low: f64,
    /// The same at the right or above.
    high: f64,
    log: bool,
}

/// Ticks of an axis; places are shares of its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ticks {
    /// Ticks with a text.
    pub(super) major: Vec<(f64, Label)>,
    /// Lines between them.
    pub(super) minor: Vec<f64>,
}

/// The text at a tick: `0.5`, or with a power of ten behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    text: String,
    power: Option<i32>,
}

impl Span {
    /// The axis's own range, or one around the values and names with a margin (a share of the values' range).
    pub(super) fn fit(axis: &Axis, values: impl IntoIterator<Item = f64>, margin: f64) -> Self {
        let log = axis.scale == Scale::Log;
        if let Some((first, last)) = axis.range
            && let (Some(first), Some(last)) = (spaced(first, log), spaced(last, log))
            && first != last
        {
            return Self { low: first.min(last), high: first.max(last), log }.widened();
        }
        let extent = |values: &mut dyn Iterator<Item = f64>| {
            let both = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
            values.filter_map(|value| spaced(value, log)).fold((f64::INFINITY, f64::NEG_INFINITY), both)
        };
        let (least, most) = extent(&mut values.into_iter());
        let pad = if least < most { margin * (most - least) } else { 0.0 };
        let (mut low, mut high) = (least - pad, most + pad);
        let (first, last) = extent(&mut axis.names.iter().map(|&(value, _)| value));
        if first <= last {
            (low, high) = (low.min(first - 0.5), high.max(last + 0.5));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        Self { low, high, log }.widened()
    }

    /// The same without room below zero if no value lies there, and on to the next tick where that is near.
    pub(super) fn rounded(self, least: f64) -> Self {
        let Self { mut low, mut high, log } = self;
        if log {
            return self;
        }
        let (digit, power) = round_up((high - low) / 6.0);
        let step = f64::from(digit) * 10_f64.powi(power);
        let (below, above) = ((low / step).floor() * step, (high / step).ceil() * step);
        if low - below < 0.3 * step {
            low = below;
        }
        if above - high < 0.3 * step {
            high = above;
        }
        if least >= 0.0 {
            low = low.max(0.0);
        }
        Self { low, high, log }
    }

    /// The same, or a range around its only value.
    fn widened(self) -> Self {
        let Self { low, high, log } = self;
        if high - low > 1e-9 * low.abs().max(high.abs()) {
            return self;
        }
        let pad = if log { 0.5 } else { (0.1 * low.abs()).max(if low == 0.0 { 1.0 } else { 0.0 }) };
        Self { low: low - pad, high: high + pad, log }
    }

    /// Place of a value as a share of the axis, below 0 or above 1 outside; `None` where it has no place.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        spaced(value, self.log).map(|value| (value - self.low) / (self.high - self.low))
    }

    /// Ticks at round values, about as many as wanted; for whole numbers only if `whole`.
    pub(super) fn ticks(&self, wanted: usize, whole: bool) -> Ticks {
        if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted, whole) }
    }

    /// Ticks at multiples of 1, 2 or 5 times a power of ten.
    fn linear_ticks(&self, wanted: usize, whole: bool) -> Ticks {
        let (digit, power, values) = self.steps(wanted, whole);
        let step = f64::from(digit) * 10_f64.powi(power);
        let parts = if digit == 5 { 5.0 } else { 2.0 };
        let minor = if whole && step / parts < 1.0 { Vec::new() } else { self.multiples(step / parts) };
        let share = |value: f64| (value - self.low) / (self.high - self.low);
        let labels = linear_labels(&values, power);
        Ticks {
            minor: minor.into_iter().filter(|value| !near_any(*value, &values, step)).map(share).collect(),
            major: values.iter().map(|&value| share(value)).zip(labels).collect(),
        }
    }

    /// A step's digit and power of ten, and its multiples: about as many as wanted, two where that is possible.
    fn steps(&self, wanted: usize, whole: bool) -> (u8, i32, Vec<f64>) {
        let (mut digit, mut power) = round_up((self.high - self.low) / wanted.max(1) as f64);
        if whole && power < 0 {
            (digit, power) = (1, 0);
        }
        for _ in 0..4 {
            let values = self.multiples(f64::from(digit) * 10_f64.powi(power));
            if values.len() > 1 || (whole && (digit, power) == (1, 0)) {
                return (digit, power, values);
            }
            (digit, power) = match digit {
                1 => (5, power - 1),
                5 => (2, power),
                _ => (1, power),
            };
        }
        (digit, power, self.multiples(f64::from(digit) * 10_f64.powi(power)))
    }

    /// Multiples of a step in the span.
    fn multiples(&self, step: f64) -> Vec<f64> {
        let (first, last) = ((self.low / step - 1e-6).ceil(), (self.high / step + 1e-6).floor());
        // Fewer than 60 by the choice of the step; the bound guards against a span beyond a number's precision.
        let count = if last >= first { ((last - first) as usize).min(60) + 1 } else { 0 };
        (0..count).map(|index| (first + index as f64) * step).collect()
    }

    /// Ticks at powers of ten, at every second, third ... one where there are many, and at 2 and 5 times where few.
    fn log_ticks(&self, wanted: usize) -> Ticks {
        let (first, last) = ((self.low - 1e-9).ceil() as i32, (self.high + 1e-9).floor() as i32);
        let decades = (last - first + 1).max(0) as usize;
        let every = decades.div_ceil(wanted.max(2)).max(1) as i32;
        let every = [1, 2, 3, 5, 10, 20, 50, 100, 200].into_iter().find(|&round| round >= every).unwrap_or(every);
        // Where they fit, and also where there would be fewer than two ticks without.
        let digits: &[i32] = if 3 * decades <= wanted + 1 || decades < 2 { &[1, 2, 5] } else { &[1] };
        let share = |value: f64| (value - self.low) / (self.high - self.low);
        let (mut major, mut minor) = (Vec::new(), Vec::new());
        for power in first - 1..=last {
            for digit in 1..10 {
                let place = share(f64::from(power) + f64::from(digit).log10());
                if !(-1e-9..=1.0 + 1e-9).contains(&place) {
                    continue;
                }
                if digits.contains(&digit) && power.rem_euclid(every) == 0 {
                    major.push((place, (digit, power)));
                } else if decades <= 8 || (digit == 1 && decades <= 40) {
                    minor.push(place);
                }
            }
        }
        if major.len() < 2 {
            return self.narrow_log_ticks(wanted);
        }
        let plain = major.iter().all(|(_, (_, power))| (-3..=4).contains(power));
        let major = major.into_iter().map(|(place, (digit, power))| (place, power_label(digit, power, plain)));
        Ticks { major: major.collect(), minor }
    }

    /// Ticks of a logarithmic axis shorter than a decade: at equal steps of the value.
    fn narrow_log_ticks(&self, wanted: usize) -> Ticks {
        let linear = Self { low: 10_f64.powf(self.low), high: 10_f64.powf(self.high), log: false };
        let (_, power, values) = linear.steps(wanted, false);
        let labels = linear_labels(&values, power);
        let place = |value: f64| self.share(value).unwrap_or_default();
        Ticks { major: values.iter().map(|&value| place(value)).zip(labels).collect(), minor: Vec::new() }
    }
}

/// A value as it is spaced: itself, or its decimal logarithm; `None` if it cannot be drawn.
fn spaced(value: f64, log: bool) -> Option<f64> {
    if log {
        (1.0 / LARGEST..=LARGEST).contains(&value).then(|| value.log10())
    } else {
        (value.abs() <= LARGEST).then_some(value)
    }
}

/// The least of 1, 2, 5 times a power of ten that is no less than a positive value: the digit and the power.
fn round_up(value: f64) -> (u8, i32) {
    let power = value.log10().floor();
    let power = if power.is_finite() { power as i32 } else { 0 };
    let lead = value / 10_f64.powi(power);
    match lead {
        lead if lead <= 1.0 + 1e-9 => (1, power),
        lead if lead <= 2.0 + 1e-9 => (2, power),
        lead if lead <= 5.0 + 1e-9 => (5, power),
        _ => (1, power + 1),
    }
}

/// Whether a value is one of some, up to a thousandth of a step.
fn near_any(value: f64, values: &[f64], step: f64) -> bool {
    values.iter().any(|other| (other - value).abs() < 1e-3 * step)
}

/// Texts of multiples of a step of this power of ten: all with the same decimals, and with a power of ten where they are
/// very large or very small.
fn linear_labels(values: &[f64], power: i32) -> Vec<Label> {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let order = if largest > 0.0 { largest.log10().floor() as i32 } else { 0 };
    let plain = order < 6 && power >= -5 && order >= -4;
    let label = |&value: &f64| {
        if plain {
            return Label { text: digits(value, (-power).max(0) as usize), power: None };
        }
        if value == 0.0 {
            return Label { text: "0".to_owned(), power: None };
        }
        let decimals = (order - power).clamp(0, 6) as usize;
        Label { text: format!("{}\u{d7}10", digits(value / 10_f64.powi(order), decimals)), power: Some(order) }
    };
    values.iter().map(label).collect()
}

/// A number with this many decimals, a true minus sign and thousands set apart from 10 000 on.
pub(super) fn digits(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let negative = value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = if negative { "\u{2212}".to_owned() } else { String::new() };
    for (index, digit) in text.chars().enumerate() {
        if whole > 4 && index > 0 && index < whole && (whole - index) % 3 == 0 {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    grouped
}

/// Text of a digit times a power of ten.
fn power_label(digit: i32, power: i32, plain: bool) -> Label {
    if plain {
        let value = f64::from(digit) * 10_f64.powi(power);
        return Label { text: digits(value, (-power).max(0) as usize), power: None };
    }
    let text = if digit == 1 { "10".to_owned() } else { format!("{digit}\u{d7}10") };
    Label { text, power: Some(power) }
}

impl Label {
    /// A name in place of a number.
    pub(super) fn name(text: String) -> Self {
        Self { text, power: None }
    }

    /// Pixels across at a font size.
    pub(super) fn width(&self, size: f64) -> f64 {
        let power = self.power.map_or(0.0, |power| text::width(&digits(f64::from(power), 0), 0.75 * size));
        text::width(&self.text, size) + power
    }

    /// As markup inside of a text element; the power is raised.
    pub(super) fn markup(&self, size: f64) -> String {
        let base = text::escape(&self.text);
        self.power.map_or(base.clone(), |power| {
            let (up, small) = (text::coordinate(-0.4 * size), text::coordinate(0.75 * size));
            format!("{base}<tspan dy=\"{up}\" font-size=\"{small}\">{}</tspan>", digits(f64::from(power), 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of the ticks of a range.
    fn texts(axis: &Axis, wanted: usize, whole: bool) -> Vec<String> {
        let label = |label: Label| label.power.map_or(label.text.clone(), |power| format!("{}^{power}", label.text));
        let ticks = Span::fit(axis, [], 0.0).ticks(wanted, whole);
        ticks.major.into_iter().map(|(_, tick)| label(tick)).collect()
    }

    #[test]
    fn linear_ticks_are_at_multiples_of_1_2_and_5() {
        let axis = |low, high| Axis::linear("").within(low, high);
        assert_eq!(texts(&axis(0.0, 1.0), 5, false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&axis(-3.0, 103.0), 5, false), ["0", "50", "100"]);
        assert_eq!(texts(&axis(-0.12, 0.1), 5, false), ["\u{2212}0.10", "\u{2212}0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(texts(&axis(0.0, 20_000.0), 2, false), ["0", "10\u{2009}000", "20\u{2009}000"]);
        assert_eq!(texts(&axis(0.0, 3e-7), 3, false), ["0", "1\u{d7}10^-7", "2\u{d7}10^-7", "3\u{d7}10^-7"]);
    }

    #[test]
    fn ticks_of_whole_numbers_have_no_fractions() {
        assert_eq!(texts(&Axis::linear("").within(0.0, 2.0), 8, true), ["0", "1", "2"]);
        assert_eq!(texts(&Axis::linear("").within(0.0, 2.0), 4, false), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
    }

    #[test]
    fn logarithmic_ticks_are_decades_with_2_and_5_where_there_is_room() {
        let axis = |low, high| Axis::log("").within(low, high);
        assert_eq!(texts(&axis(1.0, 100.0), 8, false), ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(texts(&axis(0.001, 1000.0), 8, false), ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(texts(&axis(1e-6, 1.0), 4, false), ["10^-6", "10^-4", "10^-2", "10^0"]);
        assert_eq!(texts(&axis(1e-90, 1e90), 8, false), ["10^-50", "10^0", "10^50"]);
        assert_eq!(texts(&axis(2.2, 3.8), 3, false), ["2.5", "3.0", "3.5"]);
        assert_eq!(Span::fit(&axis(1.0, 100.0), [], 0.0).share(10.0), Some(0.5));
    }

    #[test]
    fn a_span_leaves_a_margin_and_ends_at_a_near_tick_but_not_below_zero() {
        let span = |values: &[f64]| Span::fit(&Axis::linear(""), values.iter().copied(), 0.1);
        assert_eq!(span(&[0.5, 10.5]), Span { low: -0.5, high: 11.5, log: false });
        assert_eq!(span(&[0.5, 10.5]).rounded(0.5), Span { low: 0.0, high: 12.0, log: false });
        assert_eq!(span(&[-10.0, 10.0]).rounded(-10.0), Span { low: -12.0, high: 12.0, log: false });
        assert_eq!(span(&[-10.0, f64::NAN, f64::INFINITY, 10.0]), Span { low: -12.0, high: 12.0, log: false });
        assert_eq!(span(&[5.0, 5.0]), Span { low: 4.5, high: 5.5, log: false });
        assert_eq!(span(&[0.0]), Span { low: -1.0, high: 1.0, log: false });
        assert_eq!(span(&[]), Span { low: 0.0, high: 1.0, log: false });
        let log = Span::fit(&Axis::log(""), [0.0, -1.0, 10.0, 1000.0], 0.0);
        assert_eq!((log.low, log.high, log.share(0.0)), (1.0, 3.0, None));
        let named = Span::fit(&Axis::linear("").named(["a", "b", "c"]), [0.0, 1.0], 0.1);
        assert_eq!((named.low, named.high), (-0.5, 2.5));
    }
}
