//! A table of pictures, each in shades.

use crate::figure::plot::{Picture, Pictures};

use super::canvas::{Canvas, Frame};
use super::look::SHADES;

/// Share of a place in the table that is left free on each side of a picture.
const FREE: f64 = 0.03;

/// Pictures of the longest row.
pub(super) fn columns(pictures: &Pictures) -> usize {
    pictures.rows.iter().map(Vec::len).max().unwrap_or(0)
}

/// Draws the table into a frame, the first row on top; a picture keeps its shape.
pub(super) fn draw(canvas: &mut Canvas, pictures: &Pictures, frame: Frame) {
    let (width, height) =
        (frame.width / columns(pictures).max(1) as f64, frame.height / pictures.rows.len().max(1) as f64);
    for (row, pictures) in pictures.rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let (left, top) = (frame.left + column as f64 * width, frame.top + row as f64 * height);
            one(canvas, picture, Frame { left, top, width, height });
        }
    }
}

/// Draws a picture in the middle of a place: its ground, then what differs from it, neighbors of one shade together.
fn one(canvas: &mut Canvas, picture: &Picture, place: Frame) {
    let (lines, pixels) = (picture.len(), picture.iter().map(Vec::len).max().unwrap_or(0));
    if lines == 0 || pixels == 0 {
        return;
    }
    let room = 1.0 - 2.0 * FREE;
    let side = (room * place.width / pixels as f64).min(room * place.height / lines as f64);
    let (width, height) = (side * pixels as f64, side * lines as f64);
    let (left, top) = (place.left + (place.width - width) / 2.0, place.top + (place.height - height) / 2.0);
    canvas.rect(Frame { left, top, width, height }, "fig-h0", "");
    for (line, shades) in picture.iter().enumerate() {
        let shades: Vec<usize> = shades.iter().copied().map(shade).collect();
        let mut pixel = 0;
        for run in shades.chunk_by(|a, b| a == b) {
            if run[0] > 0 {
                let (left, top) = (left + side * pixel as f64, top + side * line as f64);
                let cell = Frame { left, top, width: side * run.len() as f64, height: side };
                canvas.rect(cell, &format!("fig-h{}", run[0]), "");
            }
            pixel += run.len();
        }
    }
}

/// The shade of a value in [0, 1]; what is no number has the first.
fn shade(value: f64) -> usize {
    (value.clamp(0.0, 1.0) * (SHADES - 1) as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_of_one_shade_are_one_rectangle_and_the_ground_is_drawn_once() {
        let picture = vec![vec![0.0, 1.0, 1.0, 0.0], vec![0.5, 0.0, 0.0, f64::NAN]];
        let mut canvas = Canvas::default();
        draw(
            &mut canvas,
            &Pictures { rows: vec![vec![picture, Vec::new()]] },
            Frame { left: 0.0, top: 0.0, width: 80.0, height: 40.0 },
        );
        let drawn = canvas.finish();
        let classes: Vec<&str> =
            drawn.lines().filter_map(|line| line.split("class=\"").nth(1)?.split('"').next()).collect();
        assert_eq!(classes, ["fig-h0", "fig-h15", "fig-h8"]);
        // 94 % of 40 pixels across for four: 9.4 each.
        assert!(drawn.contains("width=\"18.8\" height=\"9.4\""), "{drawn}");
    }
}
