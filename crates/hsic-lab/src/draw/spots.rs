//! The values of curves in words, for whoever points at a place or comes to it by keyboard: a column for each value of the
//! horizontal axis, whose text appears while it is pointed at or has the focus. It takes no script.

use crate::figure::plot::{Panel, Series, Style};

use super::canvas::{Canvas, Frame};
use super::look::Look;
use super::text::{coordinate as n, escape};
use super::ticks::{Span, digits};

/// Most columns: of more, the places are nearer to each other than one can point.
const MOST: usize = 200;

/// Of which so many can be reached by keyboard: a page with some figures is not to have thousands of stops.
const STOPS: usize = 10;

/// Font size, and pixels from line to line.
const TEXT: (f64, f64) = (12.0, 15.0);

/// Pixels between a column's middle and its text.
const ASIDE: f64 = 8.0;

/// The rules of the columns; a halo of the ground's color keeps text apart from the curves behind it.
pub(super) const STYLE: &str = ".fig-spot rect{fill-opacity:0}\n\
    .fig-spot text{opacity:0;pointer-events:none;paint-order:stroke;stroke-width:4px;stroke-linejoin:round}\n\
    .fig-spot:hover rect,.fig-spot:focus rect{fill-opacity:.14}\n\
    .fig-spot:hover text,.fig-spot:focus text{opacity:1}\n\
    .fig-spot:focus{outline:none}\n\
    .fig-halo{stroke:#ffffff}\n\
    @media (prefers-color-scheme:dark){.fig-halo{stroke:#14181f}}\n\
    [data-theme=\"light\"] .fig-halo{stroke:#ffffff}\n\
    [data-theme=\"dark\"] .fig-halo{stroke:#14181f}\n";

/// Draws the columns of a panel of curves over common places; none for points in no order and for curves over places of their
/// own.
pub(super) fn draw(canvas: &mut Canvas, panel: &Panel, series: &[Series], looks: &[Look], x: Span, frame: Frame) {
    let curves: Vec<(&Series, &Look)> =
        series.iter().zip(looks).filter(|(series, _)| matches!(series.style, Style::Line | Style::Curve)).collect();
    let Some(longest) = curves.iter().map(|(series, _)| series.points.len()).max() else { return };
    let mut values: Vec<f64> = curves.iter().flat_map(|(series, _)| &series.points).map(|point| point.x).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    // Each place and its share of the width.
    let places: Vec<(f64, f64)> = values
        .into_iter()
        .filter_map(|value| Some((value, x.share(value)?)))
        .filter(|(_, share)| (-1e-9..=1.0 + 1e-9).contains(share))
        .collect();
    if places.is_empty() || places.len() > MOST || 2 * places.len() > 3 * longest {
        return;
    }
    let every = places.len().div_ceil(STOPS);
    for (index, &(value, share)) in places.iter().enumerate() {
        // From halfway to the place before to halfway to the next one.
        let halfway = |other: Option<&(f64, f64)>, end: f64| other.map_or(end, |other| f64::midpoint(other.1, share));
        let (begin, end) = (
            halfway(index.checked_sub(1).and_then(|before| places.get(before)), 0.0),
            halfway(places.get(index + 1), 1.0),
        );
        let stop = (places.len() - 1 - index).is_multiple_of(every);
        canvas.raw(if stop { "<g class=\"fig-spot\" tabindex=\"0\">" } else { "<g class=\"fig-spot\">" });
        let column = Frame { left: frame.x(begin), width: (end - begin) * frame.width, ..frame };
        canvas.rect(column, "fig-ink", "");
        let right = share < 0.5;
        let at = frame.x(share) + if right { ASIDE } else { -ASIDE };
        let (size, step) = TEXT;
        let mut text = escape(&format!("{} {}", panel.x.label, number(value)));
        for (series, look) in &curves {
            if let Some(point) = series.points.iter().find(|point| point.x == value) {
                let said = escape(format!("{} {}", series.name.trim(), number(point.y)).trim());
                let class = look.class('t');
                text.push_str(&format!("<tspan x=\"{}\" dy=\"{}\" class=\"{class}\">{said}</tspan>", n(at), n(step)));
            }
        }
        let anchor = if right { "" } else { " text-anchor=\"end\"" };
        canvas.raw(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" class=\"fig-text fig-ink fig-halo\"{anchor}>{text}</text></g>",
            n(at),
            n(frame.top + step),
            n(size)
        ));
    }
}

/// A number in five digits.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let places = 4.0 - value.abs().log10().floor();
    // Long numbers and short ones are told by their power of ten.
    if !(-4.0..=8.0).contains(&places) {
        return format!("{value:.4e}");
    }
    let text = digits(value, places.max(0.0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let told = [0.0, 1.0, 97.123_456, -0.001_234_56, 1234.5678, 123_456.0, 1e-9, 4e13].map(number);
        assert_eq!(
            told,
            ["0", "1", "97.123", "\u{2212}0.0012346", "1234.6", "123\u{2009}456", "1.0000e-9", "4.0000e13"]
        );
    }
}
