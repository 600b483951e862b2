//! The axes of a panel: room that they take, ticks that fit, names, labels.

use crate::figure::plot::{Axis, Scale};

use super::canvas::{Anchor, Canvas, Frame, through};
use super::text;
use super::ticks::{Label, Span, Ticks};

/// Font size of ticks.
pub(super) const TICK: f64 = 11.0;
/// Font size of an axis's label.
const LABEL: f64 = 12.0;
/// Pixels from line to line of a label.
const LABEL_LINE: f64 = 15.0;
/// Slope of names that do not fit beside each other, in degrees.
const SLOPE: f64 = 35.0;

/// A vertical axis.
#[derive(Clone, Debug)]
pub(super) struct Vertical {
    ticks: Ticks,
    label: Vec<String>,
    numbers: bool,
}

impl Vertical {
    /// An axis of this height, with names no wider than `room`.
    pub(super) fn new(axis: &Axis, span: Span, height: f64, room: f64) -> Self {
        let numbers = axis.names.is_empty();
        let ticks = if numbers {
            let apart = if axis.scale == Scale::Log { 24.0 } else { 40.0 };
            span.ticks((height / apart) as usize, false)
        } else {
            let name = |text: &str| Label::name(text::shorten(text, TICK, room));
            Ticks { major: thinned(named(axis, span), height, 11.0, name), minor: Vec::new() }
        };
        Self { ticks, label: text::wrap(&axis.label, LABEL, height, 2), numbers }
    }

    /// Pixels left of the frame.
    pub(super) fn room(&self) -> f64 {
        let widest = self.ticks.major.iter().map(|(_, label)| label.width(TICK)).fold(0.0, f64::max);
        let label = self.label.len() as f64 * LABEL_LINE;
        widest + 9.0 + if label > 0.0 { label + 4.0 } else { 0.0 }
    }

    /// Draws the lines behind the data.
    pub(super) fn draw_grid(&self, canvas: &mut Canvas, frame: Frame) {
        let across = |share: f64| through(&[(frame.left, frame.y(share)), (frame.right(), frame.y(share))]);
        canvas.path(&self.ticks.minor.iter().map(|&share| across(share)).collect::<String>(), "fig-minor", "");
        canvas.path(&self.ticks.major.iter().map(|&(share, _)| across(share)).collect::<String>(), "fig-grid", "");
    }

    /// Draws ticks and the label, which begins at `left`.
    pub(super) fn draw(&self, canvas: &mut Canvas, frame: Frame, left: f64) {
        let mut stubs = through(&[(frame.left, frame.top), (frame.left, frame.bottom())]);
        for (share, label) in &self.ticks.major {
            let y = frame.y(*share);
            if self.numbers {
                stubs.push_str(&through(&[(frame.left - 4.0, y), (frame.left, y)]));
            }
            let at = (frame.left - 7.0, y + 0.36 * TICK);
            canvas.markup_text(at, TICK, "fig-text fig-soft", Anchor::End, &label.markup(TICK), "");
        }
        canvas.path(&stubs, "fig-axis", "");
        draw_side_label(canvas, &self.label, left, frame);
    }
}

/// Draws an axis's label upward beside the middle of a frame.
fn draw_side_label(canvas: &mut Canvas, lines: &[String], left: f64, frame: Frame) {
    for (index, line) in lines.iter().enumerate() {
        let (x, y) = (left + LABEL_LINE * index as f64 + 11.0, frame.y(0.5));
        let turn = format!(" transform=\"rotate(-90 {} {})\"", text::coordinate(x), text::coordinate(y));
        canvas.text((x, y), LABEL, "fig-text fig-ink", Anchor::Middle, line, &turn);
    }
}

/// How names stand below an axis.
#[derive(Clone, Debug)]
enum Below {
    /// Numbers on one line.
    Numbers(Ticks),
    /// Names on one or two lines.
    Level(Vec<(f64, Vec<String>)>),
    /// Names on a slope, and pixels that they take.
    Sloped(Vec<(f64, String)>, f64),
}

/// A horizontal axis.
#[derive(Clone, Debug)]
pub(super) struct Horizontal {
    below: Below,
    label: Vec<String>,
}

impl Horizontal {
    /// An axis of this width, with `left` pixels free to its left. Whole values have no ticks between.
    pub(super) fn new(axis: &Axis, span: Span, width: f64, left: f64, whole: bool) -> Self {
        let below = if axis.names.is_empty() {
            Below::Numbers(fitting(span, width, whole))
        } else {
            names_below(&named(axis, span), width, left)
        };
        Self { below, label: text::wrap(&axis.label, LABEL, width + 20.0, 2) }
    }

    /// Pixels below the frame.
    pub(super) fn room(&self) -> f64 {
        self.names_room() + 4.0 + self.label.len() as f64 * LABEL_LINE
    }

    /// Pixels that ticks take below the frame.
    fn names_room(&self) -> f64 {
        match &self.below {
            Below::Numbers(_) => 20.0,
            Below::Level(names) => 7.0 + 13.0 * names.iter().map(|(_, lines)| lines.len()).max().unwrap_or(1) as f64,
            Below::Sloped(_, height) => *height,
        }
    }

    /// Draws the lines behind the data.
    pub(super) fn draw_grid(&self, canvas: &mut Canvas, frame: Frame) {
        if let Below::Numbers(ticks) = &self.below {
            let down = |share: f64| through(&[(frame.x(share), frame.top), (frame.x(share), frame.bottom())]);
            canvas.path(&ticks.minor.iter().map(|&share| down(share)).collect::<String>(), "fig-minor", "");
            canvas.path(&ticks.major.iter().map(|&(share, _)| down(share)).collect::<String>(), "fig-grid", "");
        }
    }

    /// Draws ticks and the label.
    pub(super) fn draw(&self, canvas: &mut Canvas, frame: Frame) {
        let (class, bottom) = ("fig-text fig-soft", frame.bottom());
        let mut stubs = through(&[(frame.left, bottom), (frame.right(), bottom)]);
        match &self.below {
            Below::Numbers(ticks) => {
                for (share, label) in &ticks.major {
                    let x = frame.x(*share);
                    stubs.push_str(&through(&[(x, bottom), (x, bottom + 4.0)]));
                    canvas.markup_text((x, bottom + 16.0), TICK, class, Anchor::Middle, &label.markup(TICK), "");
                }
            }
            Below::Level(names) => {
                for (share, lines) in names {
                    for (index, line) in lines.iter().enumerate() {
                        let at = (frame.x(*share), bottom + 15.0 + 13.0 * index as f64);
                        canvas.text(at, TICK, class, Anchor::Middle, line, "");
                    }
                }
            }
            Below::Sloped(names, _) => {
                for (share, name) in names {
                    let (x, y) = (frame.x(*share) + 3.0, bottom + 12.0);
                    let (at_x, at_y) = (text::coordinate(x), text::coordinate(y));
                    let turn = format!(" transform=\"rotate(-{SLOPE} {at_x} {at_y})\"");
                    canvas.text((x, y), TICK, class, Anchor::End, name, &turn);
                }
            }
        }
        canvas.path(&stubs, "fig-axis", "");
        let top = bottom + self.names_room() + 13.0;
        for (index, line) in self.label.iter().enumerate() {
            let at = (frame.x(0.5), top + LABEL_LINE * index as f64);
            canvas.text(at, LABEL, "fig-text fig-ink", Anchor::Middle, line, "");
        }
    }
}

/// Names of an axis that lie on it, each at its share of the length, in that order.
fn named(axis: &Axis, span: Span) -> Vec<(f64, &str)> {
    let place = |value: f64| span.share(value).filter(|share| (0.0..=1.0).contains(share));
    let named = axis.names.iter().filter_map(|(value, name)| Some((place(*value)?, name.trim())));
    let mut names: Vec<(f64, &str)> = named.collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    names
}

/// The least distance of neighbors in pixels.
fn apart(names: &[(f64, &str)], length: f64) -> f64 {
    names.windows(2).map(|pair| (pair[1].0 - pair[0].0) * length).fold(length, f64::min)
}

/// Every name, or every second, third ... where they are closer than `least` pixels.
fn thinned<T>(names: Vec<(f64, &str)>, length: f64, least: f64, made: impl Fn(&str) -> T) -> Vec<(f64, T)> {
    let every = (least / apart(&names, length).max(0.1)).ceil().max(1.0) as usize;
    names.into_iter().step_by(every).map(|(share, name)| (share, made(name))).collect()
}

/// As many ticks as stand beside each other without touching.
fn fitting(span: Span, width: f64, whole: bool) -> Ticks {
    let most = ((width / 42.0) as usize).clamp(2, 12);
    let fits = |ticks: &Ticks| {
        let free = |pair: &[(f64, Label)]| {
            let distance = (pair[1].0 - pair[0].0) * width;
            distance >= (pair[0].1.width(TICK) + pair[1].1.width(TICK)) / 2.0 + 9.0
        };
        ticks.major.windows(2).all(free)
    };
    let candidates = (1..=most).rev().map(|wanted| span.ticks(wanted, whole));
    let mut last = Ticks::default();
    for ticks in candidates {
        if fits(&ticks) {
            return ticks;
        }
        last = ticks;
    }
    // Not even the fewest stand beside each other: the first alone.
    last.major.truncate(1);
    last
}

/// Names level where they fit, on a slope otherwise.
fn names_below(names: &[(f64, &str)], width: f64, left: f64) -> Below {
    let room = apart(names, width) - 7.0;
    let wrapped = |name: &str| text::wrap(name, TICK, room, 3);
    let whole = |name: &str| wrapped(name).join(" ").split_whitespace().eq(name.split_whitespace());
    if names.iter().all(|(_, name)| whole(name) && wrapped(name).len() <= 2) {
        return Below::Level(names.iter().map(|&(share, name)| (share, wrapped(name))).collect());
    }
    let widest = names.iter().map(|(_, name)| text::width(name, TICK)).fold(0.0, f64::max);
    if widest < 24.0 {
        return Below::Level(thinned(names.to_vec(), width, widest + 7.0, |name| vec![name.to_owned()]));
    }
    let (sine, cosine) = SLOPE.to_radians().sin_cos();
    let sloped: Vec<(f64, String)> = thinned(names.to_vec(), width, 15.0, str::to_owned)
        .into_iter()
        .map(|(share, name)| (share, text::shorten(&name, TICK, ((left + share * width) / cosine).min(130.0))))
        .collect();
    let longest = sloped.iter().map(|(_, name)| text::width(name, TICK)).fold(0.0, f64::max);
    Below::Sloped(sloped, longest * sine + 16.0)
}
