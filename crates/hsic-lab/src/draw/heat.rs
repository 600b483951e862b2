//! A table of shades with the number in each cell.

use crate::figure::plot::Heat;

use super::canvas::{Anchor, Canvas, Frame};
use super::look::SHADES;
use super::text;
use super::ticks::digits;

/// Font sizes of the numbers, the largest that fits is taken.
const SIZES: [f64; 6] = [11.5, 10.5, 9.5, 8.5, 7.5, 6.5];

/// Columns of the widest row.
pub(super) fn columns(heat: &Heat) -> usize {
    heat.values.iter().map(Vec::len).max().unwrap_or(0)
}

/// Least and largest finite value; `None` without any.
fn extent(heat: &Heat) -> Option<(f64, f64)> {
    let finite = heat.values.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    (low <= high).then_some((low, high))
}

/// Decimals that show three digits of the largest value, none where all values are whole.
fn decimals(heat: &Heat) -> usize {
    let finite = || heat.values.iter().flatten().copied().filter(|value| value.is_finite());
    let largest = finite().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if finite().all(|value| value.fract() == 0.0) || largest == 0.0 {
        return 0;
    }
    (2.0 - largest.log10().floor()).clamp(0.0, 5.0) as usize - usize::from((0.1..1.0).contains(&largest))
}

/// A value's text: a dash for none, a power of ten where there are too many digits.
fn cell_text(value: f64, decimals: usize) -> String {
    match value {
        value if !value.is_finite() => "\u{2013}".to_owned(),
        value if value.abs() >= 1e6 => format!("{value:.0e}"),
        value => digits(value, decimals),
    }
}

/// Draws the table into a frame, the first row on top.
pub(super) fn draw(canvas: &mut Canvas, heat: &Heat, frame: Frame) {
    let (rows, columns) = (heat.values.len(), columns(heat));
    let Some((low, high)) = extent(heat) else {
        let middle = (frame.x(0.5), frame.y(0.5));
        return canvas.text(middle, 12.0, "fig-text fig-soft", Anchor::Middle, "no values", "");
    };
    let (width, height) = (frame.width / columns as f64, frame.height / rows as f64);
    let decimals = decimals(heat);
    let texts: Vec<Vec<String>> =
        heat.values.iter().map(|row| row.iter().map(|&value| cell_text(value, decimals)).collect()).collect();
    let fits = |size: f64| {
        let widest = texts.iter().flatten().map(|text| text::width(text, size)).fold(0.0, f64::max);
        widest <= width - 2.0 && size <= height
    };
    // A line of ground between cells that are not tiny.
    let gap = if width.min(height) > 8.0 { 0.5 } else { 0.0 };
    let size = SIZES.into_iter().find(|&size| fits(size));
    for (row, (values, texts)) in heat.values.iter().zip(&texts).enumerate() {
        for (column, (&value, text)) in values.iter().zip(texts).enumerate() {
            let (left, top) = (frame.left + column as f64 * width, frame.top + row as f64 * height);
            let cell = Frame { left: left + gap, top: top + gap, width: width - 2.0 * gap, height: height - 2.0 * gap };
            let shade = shade(value, low, high);
            let (ground, ink) = shade.map_or_else(
                || ("fig-bg".to_owned(), "fig-soft".to_owned()),
                |shade| (format!("fig-h{shade}"), format!("fig-i{shade}")),
            );
            canvas.rect(cell, &ground, "");
            if let Some(size) = size {
                let at = (cell.left + cell.width / 2.0, cell.top + cell.height / 2.0 + 0.36 * size);
                canvas.text(at, size, &format!("fig-text {ink}"), Anchor::Middle, text, "");
            }
        }
    }
}

/// Shade of a value; `None` for none. Values that are all equal have the middle one.
fn shade(value: f64, low: f64, high: f64) -> Option<usize> {
    // Halves, so that the difference of the largest numbers is finite.
    let share = if low < high { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 };
    value.is_finite().then(|| (share * (SHADES - 1) as f64).round() as usize)
}

/// Whether the cells are too small for their numbers, so that shades need a scale.
pub(super) fn needs_scale(heat: &Heat, frame: Frame) -> bool {
    let smallest = SIZES[SIZES.len() - 1];
    let (rows, columns) = (heat.values.len().max(1), columns(heat).max(1));
    let decimals = decimals(heat);
    let widest =
        heat.values.iter().flatten().map(|&v| text::width(&cell_text(v, decimals), smallest)).fold(0.0, f64::max);
    widest > frame.width / columns as f64 - 2.0 || smallest > frame.height / rows as f64
}

/// Draws the shades with the least and the largest value at their ends.
pub(super) fn draw_scale(canvas: &mut Canvas, heat: &Heat, left: f64, top: f64) {
    let Some((low, high)) = extent(heat).filter(|(low, high)| low < high) else { return };
    let decimals = decimals(heat);
    let (first, last) = (cell_text(low, decimals), cell_text(high, decimals));
    let start = left + text::width(&first, 11.0) + 6.0;
    canvas.text((left, top + 11.0), 11.0, "fig-text fig-soft", Anchor::Start, &first, "");
    for shade in 0..SHADES {
        let cell = Frame { left: start + 8.0 * shade as f64, top: top + 2.0, width: 8.0, height: 10.0 };
        canvas.rect(cell, &format!("fig-h{shade}"), "");
    }
    let end = start + 8.0 * SHADES as f64 + 6.0;
    canvas.text((end, top + 11.0), 11.0, "fig-text fig-soft", Anchor::Start, &last, "");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat(values: &[&[f64]]) -> Heat {
        Heat { values: values.iter().map(|row| row.to_vec()).collect(), row_notes: Vec::new() }
    }

    #[test]
    fn numbers_have_the_decimals_that_tell_them_apart() {
        assert_eq!(decimals(&heat(&[&[1.0, 250.0]])), 0);
        assert_eq!(decimals(&heat(&[&[0.0, 0.987]])), 2);
        assert_eq!(decimals(&heat(&[&[12.5, 99.25]])), 1);
        assert_eq!(decimals(&heat(&[&[0.0123]])), 4);
        assert_eq!(decimals(&heat(&[&[f64::NAN]])), 0);
    }

    #[test]
    fn shades_span_the_values() {
        assert_eq!([0.0, 1.0, 2.0].map(|value| shade(value, 0.0, 2.0)), [Some(0), Some(8), Some(15)]);
        assert_eq!(shade(3.0, 3.0, 3.0), Some(8));
        assert_eq!(shade(f64::NAN, 0.0, 1.0), None);
        assert_eq!(shade(f64::MAX, f64::MIN, f64::MAX), Some(15));
    }
}
