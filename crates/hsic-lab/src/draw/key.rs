//! Which line is which: names at the lines' ends, or a legend above.

use crate::figure::plot::{Series, Style};

use super::canvas::{Anchor, Canvas, Frame, Place};
use super::look::{Look, mark_path};
use super::text;

/// Font size.
pub(super) const SIZE: f64 = 11.5;
/// Pixels from line to line.
pub(super) const LINE: f64 = 17.0;
/// Pixels of an entry's sample with the space behind.
const SAMPLE: f64 = 32.0;
/// Pixels between entries.
const GAP: f64 = 16.0;
/// The largest way in pixels of a name from its line's end.
const NUDGE: f64 = 12.0;

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Name, and a word where nothing of it is drawn.
    name: String,
    look: Look,
    area: bool,
}

impl Entry {
    /// The entry of a series; `empty` if none of its points can be drawn.
    pub(super) fn new(series: &Series, look: Look, empty: bool) -> Self {
        let name = series.name.trim();
        let name = if empty && !name.is_empty() { format!("{name} (no values)") } else { name.to_owned() };
        Self { name, look, area: series.style == Style::Ridge }
    }
}

/// Entries in lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Legend {
    /// Of each line, its entries and each one's distance from the left.
    lines: Vec<Vec<(f64, Entry)>>,
}

impl Legend {
    /// Breaks entries into lines of at most `room` pixels; entries without a name are left out.
    pub(super) fn new(entries: impl IntoIterator<Item = Entry>, room: f64) -> Self {
        let mut lines: Vec<Vec<(f64, Entry)>> = Vec::new();
        let mut used = f64::INFINITY;
        for mut entry in entries.into_iter().filter(|entry| !entry.name.is_empty()) {
            entry.name = text::shorten(&entry.name, SIZE, room - SAMPLE);
            let width = SAMPLE + text::width(&entry.name, SIZE);
            if used + width > room {
                lines.push(Vec::new());
                used = 0.0;
            }
            if let Some(line) = lines.last_mut() {
                line.push((used, entry));
            }
            used += width + GAP;
        }
        Self { lines }
    }

    /// Pixels down.
    pub(super) fn height(&self) -> f64 {
        if self.lines.is_empty() { 0.0 } else { self.lines.len() as f64 * LINE + 5.0 }
    }

    /// Draws it from a place to the right and down.
    pub(super) fn draw(&self, canvas: &mut Canvas, (left, top): Place) {
        for (index, line) in self.lines.iter().enumerate() {
            let y = top + LINE * (index as f64 + 0.5);
            for (x, entry) in line {
                let x = left + x;
                sample(canvas, entry, (x, y));
                let at = (x + SAMPLE, y + 4.0);
                let class = format!("fig-text {}", entry.look.class('t'));
                canvas.text(at, SIZE, &class, Anchor::Start, &entry.name, "");
            }
        }
    }
}

/// A short piece of a series.
fn sample(canvas: &mut Canvas, entry: &Entry, (x, y): Place) {
    let look = &entry.look;
    if entry.area {
        let frame = Frame { left: x, top: y - 4.0, width: 26.0, height: 9.0 };
        canvas.rect(frame, &look.class('f'), " fill-opacity=\"0.8\"");
    }
    let y = if entry.area { y - 4.0 } else { y };
    let line = super::canvas::through(&[(x, y), (x + 26.0, y)]);
    canvas.path(&line, &look.class('s'), &look.stroke());
    if let Some(shape) = look.mark {
        canvas.path(&mark_path(shape, (x + 13.0, y)), &look.mark_class(), " stroke-width=\"1.1\"");
    }
}

/// A name beside its line's end: the end, the middle of the name's height, the name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EndName {
    end: Place,
    y: f64,
    name: String,
    look: Look,
}

/// Names right of the frame at the lines' ends, if there is room for all.
///
/// `ends` has the last drawn place of each series with its name and look, or `None` where nothing is drawn. There is
/// room if every line ends near the frame's right border, no name is wider than `room` and names that are pushed apart
/// stay near their ends.
pub(super) fn end_names(frame: Frame, room: f64, ends: &[Option<(Place, &str, Look)>]) -> Option<Vec<EndName>> {
    let mut names = Vec::with_capacity(ends.len());
    for end in ends {
        let (end, name, look) = (*end)?;
        let near = end.0 > frame.right() - 0.15 * frame.width && frame.holds(end);
        if name.is_empty() || !near || text::width(name, SIZE) > room {
            return None;
        }
        names.push(EndName { end, y: end.1, name: name.to_owned(), look });
    }
    names.sort_by(|a, b| a.end.1.total_cmp(&b.end.1));
    // Down from above with the least distance, then up from below: no name overlaps another.
    let mut least = f64::NEG_INFINITY;
    for name in &mut names {
        name.y = name.y.max(least);
        least = name.y + LINE - 3.0;
    }
    let mut most = frame.bottom() + 2.0;
    for name in names.iter_mut().rev() {
        name.y = name.y.min(most);
        most = name.y - LINE + 3.0;
    }
    let near = names.iter().all(|name| (name.y - name.end.1).abs() <= NUDGE && name.y >= frame.top - 6.0);
    (near && !names.is_empty()).then_some(names)
}

/// Pixels right of the frame that names take.
pub(super) fn end_room(names: &[EndName]) -> f64 {
    names.iter().map(|name| text::width(&name.name, SIZE)).fold(0.0, f64::max) + 16.0
}

/// Draws names at the lines' ends, with a thin line to those that were pushed away.
pub(super) fn draw_end_names(canvas: &mut Canvas, frame: Frame, names: &[EndName]) {
    for EndName { end, y, name, look } in names {
        let x = frame.right() + 10.0;
        if (y - end.1).abs() > 2.0 || x - end.0 > 18.0 {
            let leader = super::canvas::through(&[(end.0 + 5.0, end.1), (x - 2.0, *y)]);
            canvas.path(&leader, &look.class('s'), " stroke-width=\"0.7\" stroke-opacity=\"0.6\"");
        }
        let class = format!("fig-text {}", look.class('t'));
        canvas.text((x, y + 4.0), SIZE, &class, Anchor::Start, name, "");
    }
}

#[cfg(test)]
mod tests {
    use crate::figure::plot::{Axis, Marks, Panel};

    use super::*;

    const FRAME: Frame = Frame { left: 0.0, top: 0.0, width: 200.0, height: 100.0 };

    /// Any look.
    fn look() -> Look {
        let series = vec![Series::plain("a", Style::Line, [])];
        let (x, y) = (Axis::linear("x"), Axis::linear("y"));
        let panel = Panel { title: String::new(), x, y, marks: Marks::Series(series) };
        super::super::look::looks(&[panel])[0][0]
    }

    /// Heights of names of lines that end at these places.
    fn heights(ends: &[Place]) -> Option<Vec<f64>> {
        let ends: Vec<_> = ends.iter().map(|&end| Some((end, "name", look()))).collect();
        end_names(FRAME, 60.0, &ends).map(|names| names.iter().map(|name| name.y).collect())
    }

    #[test]
    fn names_at_the_ends_are_pushed_apart_and_stay_beside_the_frame() {
        assert_eq!(heights(&[(195.0, 50.0), (195.0, 10.0)]), Some(vec![10.0, 50.0]));
        assert_eq!(heights(&[(195.0, 50.0), (195.0, 54.0)]), Some(vec![50.0, 64.0]));
        assert_eq!(heights(&[(195.0, 99.0), (195.0, 95.0)]), Some(vec![88.0, 102.0]));
    }

    #[test]
    fn there_are_no_names_at_the_ends_where_they_are_crowded_wide_or_far() {
        assert_eq!(heights(&[(195.0, 50.0), (195.0, 51.0), (195.0, 52.0)]), None);
        assert_eq!(heights(&[(100.0, 50.0)]), None);
        assert_eq!(end_names(FRAME, 10.0, &[Some(((195.0, 50.0), "name", look()))]), None);
        assert_eq!(end_names(FRAME, 60.0, &[None]), None);
    }

    #[test]
    fn a_legend_breaks_into_lines_and_shortens_what_is_wider() {
        let entry = |name: &str, empty| Entry::new(&Series::plain(name, Style::Line, []), look(), empty);
        let names = [("first", false), ("second", false), ("", true), ("x", true), ("a name without an end", false)];
        let legend = Legend::new(names.map(|(name, empty)| entry(name, empty)), 150.0);
        let texts = |line: &Vec<(f64, Entry)>| line.iter().map(|(_, entry)| entry.name.clone()).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = legend.lines.iter().map(texts).collect();
        assert_eq!(lines[..2], [vec!["first".to_owned(), "second".to_owned()], vec!["x (no values)".to_owned()]]);
        assert_eq!((lines.len(), legend.height()), (3, 3.0 * LINE + 5.0));
        assert!(lines[2][0].ends_with('\u{2026}'), "{}", lines[2][0]);
    }
}
