//! Curves, bands, marks, whiskers and ridges inside a frame.

use crate::figure::plot::{Point, Series, Style};

use super::canvas::{Canvas, Frame, Place, through};
use super::look::{Look, mark_path};
use super::ticks::Span;

/// The least distance in pixels of marks of one series.
const MARK_DISTANCE: f64 = 9.0;

/// A point as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drawn {
    /// Place of its mean.
    at: Place,
    /// Pixels from the top of its least value.
    low: f64,
    /// Pixels from the top of its largest value.
    high: f64,
}

/// The points of a series that have a place, inside of the frame or not.
pub(super) fn drawn(series: &Series, x: Span, y: Span, frame: Frame) -> Vec<Drawn> {
    let place = |point: &Point| {
        // Far outside is as good as farther, and keeps the arithmetic of clipping exact enough.
        let share = |span: Span, value| span.share(value).map(|share: f64| share.clamp(-1e4, 1e4));
        let (x, middle) = (share(x, point.x)?, share(y, point.y)?);
        // An end without a place, such as 0 on a logarithmic axis, is where the axis ends.
        let low = share(y, point.low).unwrap_or(if point.low < point.y { middle.min(0.0) } else { middle });
        let high = share(y, point.high).unwrap_or(if point.high > point.y { middle.max(1.0) } else { middle });
        Some(Drawn { at: (frame.x(x), frame.y(middle)), low: frame.y(low), high: frame.y(high) })
    };
    series.points.iter().filter_map(place).collect()
}

/// The last place of a series inside of the frame.
pub(super) fn end(points: &[Drawn], frame: Frame) -> Option<Place> {
    points.iter().rev().map(|point| point.at).find(|&at| frame.holds(at))
}

/// Draws the series of a panel: what is compared with first, then areas, then lines and marks.
pub(super) fn draw(canvas: &mut Canvas, series: &[Series], looks: &[Look], x: Span, y: Span, frame: Frame) {
    let all: Vec<(&Series, &Look, Vec<Drawn>)> =
        series.iter().zip(looks).map(|(series, look)| (series, look, drawn(series, x, y, frame))).collect();
    for (_, look, points) in all.iter().filter(|(series, ..)| series.style == Style::Guide) {
        line(canvas, points, look, frame);
    }
    let mut ridges: Vec<_> = all.iter().filter(|(series, ..)| series.style == Style::Ridge).collect();
    // From the farthest, which is the uppermost, to the nearest.
    let base = |points: &[Drawn]| points.iter().map(|point| point.low).fold(f64::NEG_INFINITY, f64::max);
    ridges.sort_by(|(.., a), (.., b)| base(a).total_cmp(&base(b)));
    for (_, look, points) in ridges {
        area(canvas, points, look, frame, 0.8);
        line(canvas, points, look, frame);
    }
    let rest: Vec<_> = all.iter().filter(|(series, ..)| !matches!(series.style, Style::Guide | Style::Ridge)).collect();
    // The more bands, the fainter each.
    let opacity = 0.15 * (6.0 / rest.len() as f64).min(1.0);
    for (_, look, points) in &rest {
        if points.len() > 1 && points.iter().any(|point| point.low > point.high) {
            area(canvas, points, look, frame, opacity);
        }
    }
    for (_, look, points) in rest.iter().filter(|(series, ..)| series.style != Style::Points) {
        line(canvas, points, look, frame);
    }
    for (series, look, points) in &rest {
        if let [only] = points.as_slice() {
            whisker(canvas, only, look, frame);
        }
        let apart = if series.style == Style::Points { 0.0 } else { MARK_DISTANCE };
        marks(canvas, points, look, frame, apart);
    }
}

/// A line through the points.
fn line(canvas: &mut Canvas, points: &[Drawn], look: &Look, frame: Frame) {
    let places: Vec<Place> = thinned(points).iter().map(|point| point.at).collect();
    let commands: String = frame.clip_line(&places).iter().map(|part| through(part)).collect();
    canvas.path(&commands, &look.class('s'), &format!("{} stroke-linejoin=\"round\"", look.stroke()));
}

/// The area between least and largest values.
fn area(canvas: &mut Canvas, points: &[Drawn], look: &Look, frame: Frame, opacity: f64) {
    let points = thinned(points);
    let upper = points.iter().map(|point| (point.at.0, point.high));
    let lower = points.iter().rev().map(|point| (point.at.0, point.low));
    let area = frame.clip_area(&upper.chain(lower).collect::<Vec<_>>());
    if area.len() > 2 {
        let opacity = format!(" fill-opacity=\"{opacity:.2}\"");
        canvas.path(&(through(&area) + "z"), &look.class('f'), &opacity);
    }
}

/// The range of a single point.
fn whisker(canvas: &mut Canvas, point: &Drawn, look: &Look, frame: Frame) {
    let (x, top, bottom) = (point.at.0, point.high.max(frame.top), point.low.min(frame.bottom()));
    if bottom - top > 0.5 && (frame.left..=frame.right()).contains(&x) {
        let cap = |y| through(&[(x - 4.0, y), (x + 4.0, y)]);
        let commands = through(&[(x, top), (x, bottom)]) + &cap(top) + &cap(bottom);
        canvas.path(&commands, &look.class('s'), " stroke-width=\"1.3\"");
    }
}

/// Marks at the points, `apart` from one to the next at the least. A curve's single point is marked too: it has no line.
fn marks(canvas: &mut Canvas, points: &[Drawn], look: &Look, frame: Frame, apart: f64) {
    let shape = match (look.mark, points.len()) {
        (Some(shape), _) => shape,
        (None, 1) => 0,
        _ => return,
    };
    let mut last: Option<Place> = None;
    let mut commands = String::new();
    for &Drawn { at, .. } in points.iter().filter(|point| frame.holds(point.at)) {
        if last.is_none_or(|last| (at.0 - last.0).hypot(at.1 - last.1) >= apart) {
            commands.push_str(&mark_path(shape, at));
            last = Some(at);
        }
    }
    canvas.path(&commands, &look.mark_class(), " stroke-width=\"1.1\"");
}

/// At most four points a half pixel of width: the first, the uppermost, the lowest and the last there.
fn thinned(points: &[Drawn]) -> Vec<Drawn> {
    if points.len() < 2000 {
        return points.to_vec();
    }
    let column = |point: &Drawn| (2.0 * point.at.0).floor();
    let mut kept = Vec::new();
    for chunk in points.chunk_by(|a, b| column(a) == column(b)) {
        let by = |order: fn(&f64, &f64) -> bool| {
            (1..chunk.len()).fold(0, |best, i| if order(&chunk[i].at.1, &chunk[best].at.1) { i } else { best })
        };
        let mut indices = [0, by(f64::lt), by(f64::gt), chunk.len() - 1];
        indices.sort_unstable();
        let mut previous = None;
        for index in indices {
            if previous != Some(index) {
                kept.push(chunk[index]);
            }
            previous = Some(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use crate::figure::plot::Axis;

    use super::*;

    const FRAME: Frame = Frame { left: 10.0, top: 20.0, width: 100.0, height: 50.0 };

    /// Spans 0..10 by 0..1.
    fn spans() -> (Span, Span) {
        let span = |high| Span::fit(&Axis::linear("").within(0.0, high), [], 0.0);
        (span(10.0), span(1.0))
    }

    #[test]
    fn points_lie_where_the_axes_say_and_those_without_a_place_are_left_out() {
        let (x, y) = spans();
        let points = [(0.0, 0.0), (5.0, 0.5), (f64::NAN, 0.5), (6.0, f64::INFINITY), (10.0, 1.0)];
        let drawn = drawn(&Series::plain("a", Style::Line, points), x, y, FRAME);
        let places: Vec<Place> = drawn.iter().map(|point| point.at).collect();
        assert_eq!(places, [(10.0, 70.0), (60.0, 45.0), (110.0, 20.0)]);
        assert_eq!(end(&drawn, FRAME), Some((110.0, 20.0)));
    }

    #[test]
    fn a_band_that_reaches_zero_on_a_logarithmic_axis_reaches_its_end() {
        let (x, _) = spans();
        let y = Span::fit(&Axis::log("").within(0.1, 10.0), [], 0.0);
        let series = Series::of_seeds("a", Style::Line, [(5.0, vec![0.0, 2.0])]);
        assert_eq!(drawn(&series, x, y, FRAME)[0].low, 70.0);
    }

    #[test]
    fn many_points_are_thinned_without_losing_their_extremes() {
        let at = |i: usize| Drawn { at: (i as f64 / 1000.0, if i == 777 { -5.0 } else { 1.0 }), low: 0.0, high: 0.0 };
        let points: Vec<Drawn> = (0..10_000).map(at).collect();
        let thin = thinned(&points);
        assert_eq!(thin.len(), 41, "20 columns of 2 points, one with 3");
        assert!(thin.contains(&points[777]) && thin.contains(&points[9999]));
    }
}
