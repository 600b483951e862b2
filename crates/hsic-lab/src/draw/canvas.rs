//! The elements of a picture as SVG text, and a panel's frame in pixels.

use super::text::{coordinate as n, escape};

/// A point in pixels, from the left and from the top.
pub(super) type Place = (f64, f64);

/// Elements that were drawn.
#[derive(Default)]
pub(super) struct Canvas(String);

/// How a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// It is centered there.
    Middle,
    /// It ends there.
    End,
}

impl Canvas {
    /// Adds markup as it is.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
        self.0.push('\n');
    }

    /// Adds a line of text on a baseline. `extra` is further attributes.
    pub(super) fn text(&mut self, at: Place, size: f64, class: &str, anchor: Anchor, text: &str, extra: &str) {
        self.markup_text(at, size, class, anchor, &escape(text), extra);
    }

    /// Adds a text that already is markup.
    pub(super) fn markup_text(
        &mut self,
        (x, y): Place,
        size: f64,
        class: &str,
        anchor: Anchor,
        text: &str,
        extra: &str,
    ) {
        if text.is_empty() {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, size) = (n(x), n(y), n(size));
        self.raw(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" class=\"{class}\"{anchor}{extra}>{text}</text>"
        ));
    }

    /// Adds a path of drawing commands; none if it is empty.
    pub(super) fn path(&mut self, commands: &str, class: &str, extra: &str) {
        if !commands.is_empty() {
            self.raw(&format!("<path d=\"{commands}\" class=\"{class}\"{extra}/>"));
        }
    }

    /// Adds a rectangle.
    pub(super) fn rect(&mut self, frame: Frame, class: &str, extra: &str) {
        let Frame { left, top, width, height } = frame;
        let (x, y, w, h) = (n(left), n(top), n(width), n(height));
        self.raw(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" class=\"{class}\"{extra}/>"));
    }

    /// What was drawn.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Drawing commands of a line through places.
pub(super) fn through(places: &[Place]) -> String {
    let mut commands = String::new();
    for (index, &(x, y)) in places.iter().enumerate() {
        commands.push_str(if index == 0 { "M" } else { "L" });
        commands.push_str(&format!("{} {}", n(x), n(y)));
    }
    commands
}

/// Where values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Pixels from the picture's left.
    pub(super) left: f64,
    /// Pixels from the picture's top.
    pub(super) top: f64,
    /// Pixels across.
    pub(super) width: f64,
    /// Pixels down.
    pub(super) height: f64,
}

impl Frame {
    /// Pixels from the picture's left of a share of the width.
    pub(super) fn x(&self, share: f64) -> f64 {
        self.left + share * self.width
    }

    /// Pixels from the picture's top of a share of the height, counted from below.
    pub(super) fn y(&self, share: f64) -> f64 {
        self.top + (1.0 - share) * self.height
    }

    /// Right end.
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Lower end.
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Whether a place is inside or on the border.
    pub(super) fn holds(&self, (x, y): Place) -> bool {
        let slack = 1e-6;
        (self.left - slack..=self.right() + slack).contains(&x)
            && (self.top - slack..=self.bottom() + slack).contains(&y)
    }

    /// The parts of a line that are inside.
    pub(super) fn clip_line(&self, places: &[Place]) -> Vec<Vec<Place>> {
        let mut parts: Vec<Vec<Place>> = Vec::new();
        for pair in places.windows(2) {
            let Some((from, to)) = self.clip_segment(pair[0], pair[1]) else { continue };
            match parts.last_mut() {
                Some(part) if part.last() == Some(&from) => part.push(to),
                _ => parts.push(vec![from, to]),
            }
        }
        parts
    }

    /// The part of a segment that is inside (Liang and Barsky 1984).
    fn clip_segment(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut start, mut end) = (0.0_f64, 1.0_f64);
        let borders = [
            (-dx, from.0 - self.left),
            (dx, self.right() - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom() - from.1),
        ];
        for (direction, distance) in borders {
            if direction == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if direction < 0.0 {
                start = start.max(distance / direction);
            } else {
                end = end.min(distance / direction);
            }
        }
        let at = |share: f64| match share {
            0.0 => from,
            1.0 => to,
            share => (from.0 + share * dx, from.1 + share * dy),
        };
        (start <= end).then(|| (at(start), at(end)))
    }

    /// The part of an area that is inside (Sutherland and Hodgman 1974).
    pub(super) fn clip_area(&self, places: &[Place]) -> Vec<Place> {
        let (left, right, top, bottom) = (self.left, self.right(), self.top, self.bottom());
        let borders: [&dyn Fn(Place) -> f64; 4] =
            [&|p| p.0 - left, &|p| right - p.0, &|p| p.1 - top, &|p| bottom - p.1];
        let mut area = places.to_vec();
        for inside in borders {
            let mut kept = Vec::with_capacity(area.len());
            for (index, &to) in area.iter().enumerate() {
                let from = area[(index + area.len() - 1) % area.len()];
                let (a, b) = (inside(from), inside(to));
                if (a < 0.0) != (b < 0.0) {
                    let share = a / (a - b);
                    kept.push((from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)));
                }
                if b >= 0.0 {
                    kept.push(to);
                }
            }
            area = kept;
        }
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 10.0, top: 20.0, width: 100.0, height: 50.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_cut_at_the_frame() {
        let parts = FRAME.clip_line(&[(10.0, 60.0), (30.0, 80.0), (50.0, 60.0), (200.0, 60.0)]);
        assert_eq!(parts, [vec![(10.0, 60.0), (20.0, 70.0)], vec![(40.0, 70.0), (50.0, 60.0), (110.0, 60.0)]]);
        assert!(FRAME.clip_line(&[(0.0, 0.0), (5.0, 90.0)]).is_empty());
    }

    #[test]
    fn an_area_is_cut_at_the_frame() {
        let area = FRAME.clip_area(&[(0.0, 30.0), (20.0, 30.0), (20.0, 40.0), (0.0, 40.0)]);
        assert_eq!(area, [(10.0, 30.0), (20.0, 30.0), (20.0, 40.0), (10.0, 40.0)]);
    }

    #[test]
    fn shares_count_from_the_left_and_from_below() {
        assert_eq!((FRAME.x(0.25), FRAME.y(0.2)), (35.0, 60.0));
    }
}
