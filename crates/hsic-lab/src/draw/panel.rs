//! One panel: its title, its legend, its axes and what lies between them.

use crate::figure::plot::{Axis, Marks, Panel, Scale, Series, Style};

use super::axes::{Horizontal, TICK, Vertical};
use super::canvas::{Anchor, Canvas, Frame, Place};
use super::key::{self, Entry, Legend};
use super::look::Look;
use super::ticks::Span;
use super::{heat, pictures, series, spots, text};

/// Font size of a panel's title.
const TITLE: f64 = 13.5;
/// Pixels from line to line of a title.
const TITLE_LINE: f64 = 18.0;
/// Least pixels right of a frame: half of a tick's text.
const RIGHT: f64 = 16.0;
/// Pixels of a row of a heat table.
const ROW: f64 = 26.0;

/// A panel with what is known before the frames of all panels are.
pub(super) struct Prepared<'a> {
    panel: &'a Panel,
    looks: &'a [Look],
    x: Span,
    y: Span,
    vertical: Vertical,
    title: Vec<String>,
    legend: Legend,
    /// Whether the lines' names stand at their ends.
    at_ends: bool,
    notes: Vec<String>,
    scale: bool,
    right: f64,
    height: f64,
}

/// Pixels down that a panel's frame should have at least.
pub(super) fn natural_height(panel: &Panel, slot: f64) -> f64 {
    let usual = (0.62 * slot).clamp(210.0, 330.0);
    match &panel.marks {
        Marks::Series(series) => {
            let ridges = series.iter().filter(|series| series.style == Style::Ridge).count();
            usual.max(26.0 * ridges.min(40) as f64 + 40.0)
        }
        Marks::Heat(heat) => (ROW * heat.values.len() as f64).clamp(60.0, 800.0),
        Marks::Pictures(table) => {
            let side = 0.88 * slot / pictures::columns(table).max(1) as f64;
            (side * table.rows.len() as f64).clamp(60.0, 800.0)
        }
    }
}

/// Legend entries of a panel's series.
pub(super) fn entries(panel: &Panel, looks: &[Look]) -> Vec<Entry> {
    let Marks::Series(all) = &panel.marks else { return Vec::new() };
    let (x, y) = spans(panel, all);
    let drawable =
        |one: &Series| one.points.iter().any(|point| x.share(point.x).is_some() && y.share(point.y).is_some());
    // A ridge, or a single point, at a name of an axis that is its own needs no entry.
    let named_on_axis = |one: &Series| {
        let mut names = panel.x.names.iter().chain(&panel.y.names).map(|(_, name)| name.trim());
        (one.style == Style::Ridge || one.points.len() == 1) && names.any(|name| name == one.name.trim())
    };
    let listed = all.iter().zip(looks).filter(|(one, _)| !named_on_axis(one));
    listed.map(|(one, &look)| Entry::new(one, look, !drawable(one))).collect()
}

/// Spans of both axes around points that can be drawn.
fn spans(panel: &Panel, all: &[Series]) -> (Span, Span) {
    let can = |scale: Scale, value: f64| value.is_finite() && (scale == Scale::Linear || value > 0.0);
    let points = || {
        let points = all.iter().flat_map(|series| &series.points);
        points.filter(|point| can(panel.x.scale, point.x) && can(panel.y.scale, point.y))
    };
    let heights = || points().flat_map(|point| [point.y, point.low, point.high]).filter(|&y| can(panel.y.scale, y));
    let x = Span::fit(&panel.x, points().map(|point| point.x), 0.03);
    let y = Span::fit(&panel.y, heights(), 0.06);
    let fixed = panel.y.range.is_some() || !panel.y.names.is_empty();
    (x, if fixed { y } else { y.rounded(heights().fold(f64::INFINITY, f64::min)) })
}

/// The axes of a table: its names, or the numbers of rows and columns. Rows count from above.
fn table_axes(panel: &Panel, rows: usize, columns: usize) -> (Axis, Axis) {
    let numbered = |axis: &Axis, count: usize| {
        let whole = Axis::linear(&axis.label).within(-0.5, (count.max(1) as f64) - 0.5);
        if axis.names.is_empty() { whole.named(0..count.max(1)) } else { Axis { names: axis.names.clone(), ..whole } }
    };
    let (x, mut y) = (numbered(&panel.x, columns), numbered(&panel.y, rows));
    for (value, _) in &mut y.names {
        *value = rows as f64 - 1.0 - *value;
    }
    (x, y)
}

impl<'a> Prepared<'a> {
    /// Measures a panel in a slot of this width, in a row whose tallest frame has this height. `keyed` says that a legend of the whole
    /// figure names its series.
    pub(super) fn new(panel: &'a Panel, looks: &'a [Look], slot: f64, row: f64, keyed: bool) -> Self {
        let title = text::wrap(&panel.title, TITLE * 1.05, slot, 2);
        let (name_room, natural) = (0.3 * slot, natural_height(panel, slot));
        // A table keeps the shape of its cells; curves are stretched a little.
        let stretched = matches!(panel.marks, Marks::Series(_));
        let height = if stretched { row.min(1.5 * natural) } else { natural };
        let (heat, rows, columns) = match &panel.marks {
            Marks::Series(_) => (None, 0, 0),
            Marks::Heat(heat) => (Some(heat), heat.values.len(), heat::columns(heat)),
            Marks::Pictures(table) => (None, table.rows.len(), pictures::columns(table)),
        };
        let series = match &panel.marks {
            Marks::Series(series) => series,
            Marks::Heat(_) | Marks::Pictures(_) => {
                let (x_axis, y_axis) = table_axes(panel, rows, columns);
                let fit = |axis| Span::fit(axis, [], 0.0);
                let (x, y) = (fit(&x_axis), fit(&y_axis));
                let vertical = Vertical::new(&y_axis, y, height, name_room);
                let notes = heat.map_or(&[][..], |heat| &heat.row_notes).iter();
                let notes: Vec<String> = notes.map(|note| text::shorten(note.trim(), TICK, name_room)).collect();
                let widest = notes.iter().map(|note| text::width(note, TICK)).fold(0.0, f64::max);
                let right = if widest > 0.0 { widest + 8.0 } else { 4.0 };
                let frame = Frame { left: 0.0, top: 0.0, width: slot - vertical.room() - right, height };
                let scale = heat.is_some_and(|heat| heat::needs_scale(heat, frame));
                let legend = Legend::default();
                return Self {
                    panel,
                    looks,
                    x,
                    y,
                    vertical,
                    title,
                    legend,
                    at_ends: false,
                    notes,
                    scale,
                    right,
                    height,
                };
            }
        };
        let (x, y) = spans(panel, series);
        let vertical = Vertical::new(&panel.y, y, height, name_room);
        let mut prepared = Self {
            panel,
            looks,
            x,
            y,
            vertical,
            title,
            legend: Legend::default(),
            at_ends: false,
            notes: Vec::new(),
            scale: false,
            right: RIGHT,
            height,
        };
        if !keyed {
            let frame = Frame { left: 0.0, top: 0.0, width: slot - prepared.vertical.room() - RIGHT, height };
            match prepared.end_names(frame, name_room) {
                Some(names) => {
                    prepared.at_ends = true;
                    prepared.right = key::end_room(&names);
                }
                None => prepared.legend = Legend::new(entries(panel, looks), slot),
            }
        }
        prepared
    }

    /// Names at the lines' ends, if there is room.
    fn end_names(&self, frame: Frame, room: f64) -> Option<Vec<key::EndName>> {
        let Marks::Series(all) = &self.panel.marks else { return None };
        // Names of ridges stand on the axis or in a legend.
        if all.iter().any(|one| one.style == Style::Ridge) {
            return None;
        }
        let end = |(one, &look): (&'a Series, &Look)| -> Option<(Place, &'a str, Look)> {
            let points = series::drawn(one, self.x, self.y, frame);
            series::end(&points, frame).map(|place| (place, one.name.trim(), look))
        };
        let ends: Vec<_> = all.iter().zip(self.looks).map(end).collect();
        key::end_names(frame, room, &ends)
    }

    /// Pixels left of the frame, and right of it.
    pub(super) fn sides(&self) -> (f64, f64) {
        (self.vertical.room(), self.right)
    }

    /// Whether names or notes stand right of the frame.
    pub(super) fn is_noted(&self) -> bool {
        self.right > RIGHT
    }

    /// Pixels down of the frame.
    pub(super) fn height(&self) -> f64 {
        self.height
    }

    /// Pixels above the frame.
    pub(super) fn above(&self) -> f64 {
        let scale = if self.scale { 20.0 } else { 0.0 };
        self.title.len() as f64 * TITLE_LINE + self.legend.height() + scale + 8.0
    }

    /// The horizontal axis for a frame of this width with this much room at its left.
    pub(super) fn horizontal(&self, width: f64, left: f64) -> Horizontal {
        match &self.panel.marks {
            Marks::Heat(heat) => {
                let axis = table_axes(self.panel, heat.values.len(), heat::columns(heat)).0;
                Horizontal::new(&axis, self.x, width, left, false)
            }
            Marks::Pictures(table) => {
                let axis = table_axes(self.panel, table.rows.len(), pictures::columns(table)).0;
                Horizontal::new(&axis, self.x, width, left, false)
            }
            Marks::Series(all) => {
                let mut values = all.iter().flat_map(|series| &series.points).map(|point| point.x);
                let whole = values.all(|x| x.fract() == 0.0 || !x.is_finite());
                Horizontal::new(&self.panel.x, self.x, width, left, whole)
            }
        }
    }

    /// Has the values of its curves told where they are pointed at.
    pub(super) fn tell(&self, canvas: &mut Canvas, frame: Frame) {
        if let Marks::Series(all) = &self.panel.marks {
            spots::draw(canvas, self.panel, all, self.looks, self.x, frame);
        }
    }

    /// Draws the panel; `corner` is the upper left of its slot.
    pub(super) fn draw(&self, canvas: &mut Canvas, corner: Place, frame: Frame, horizontal: &Horizontal) {
        let (left, mut top) = (corner.0, frame.top - self.above());
        for line in &self.title {
            let at = (left, top + 13.0);
            canvas.text(at, TITLE, "fig-text fig-bold fig-ink", Anchor::Start, line, "");
            top += TITLE_LINE;
        }
        self.legend.draw(canvas, (left, top));
        let beside = frame.left - self.vertical.room();
        match &self.panel.marks {
            Marks::Heat(table) => {
                if self.scale {
                    heat::draw_scale(canvas, table, frame.left, frame.top - 20.0);
                }
                heat::draw(canvas, table, frame);
                let row = frame.height / table.values.len().max(1) as f64;
                for (index, note) in self.notes.iter().enumerate().take(table.values.len()) {
                    let at = (frame.right() + 7.0, frame.top + (index as f64 + 0.5) * row + 0.36 * TICK);
                    canvas.text(at, TICK, "fig-text fig-soft", Anchor::Start, note, "");
                }
            }
            Marks::Pictures(table) => pictures::draw(canvas, table, frame),
            Marks::Series(all) => {
                self.vertical.draw_grid(canvas, frame);
                horizontal.draw_grid(canvas, frame);
                series::draw(canvas, all, self.looks, self.x, self.y, frame);
                if all.iter().all(|one| series::drawn(one, self.x, self.y, frame).is_empty()) {
                    let middle = (frame.x(0.5), frame.y(0.5));
                    canvas.text(middle, 12.0, "fig-text fig-soft", Anchor::Middle, "no values", "");
                }
                if self.at_ends {
                    let names = self.end_names(frame, f64::INFINITY).unwrap_or_default();
                    key::draw_end_names(canvas, frame, &names);
                }
            }
        }
        self.vertical.draw(canvas, frame, beside);
        horizontal.draw(canvas, frame);
    }
}
