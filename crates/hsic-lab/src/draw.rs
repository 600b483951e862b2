//! Figures as pictures: SVG text that stands alone, and with the feature `png` its pixels and its page as PDF.
//!
//! The same figure gives the same bytes: nothing here depends on the clock, the machine or a hash's order.

mod axes;
mod canvas;
mod error;
mod heat;
mod key;
mod look;
mod panel;
#[cfg(feature = "png")]
mod pdf;
mod pictures;
#[cfg(feature = "png")]
mod raster;
mod series;
mod spots;
mod text;
mod ticks;

use std::io;
use std::path::Path;

use hsic_bottleneck::disk;

use crate::figure::plot::{Marks, Plot};

pub use error::DrawError;

use canvas::{Anchor, Canvas, Frame, Place};
use key::{Entry, Legend};
use look::Look;
use panel::Prepared;

/// Pixels around everything.
const MARGIN: f64 = 18.0;
/// Pixels between panels beside each other, and below each other.
const GAP: (f64, f64) = (22.0, 20.0);
/// Font size of the figure's title, and pixels from line to line.
const TITLE: (f64, f64) = (18.0, 24.0);
/// The same of the caption.
const CAPTION: (f64, f64) = (12.5, 17.0);
/// The least width of a frame in pixels.
const LEAST_FRAME: f64 = 60.0;
/// The file of a figure as SVG.
const SVG: &str = "figure.svg";
/// The file of its pixels.
const PNG: &str = "figure.png";

/// A figure's files by name, to be written into a folder: its SVG and, with the feature `png`, its pixels.
///
/// # Errors
/// The SVG has no pixels, or too many.
pub fn files(svg: &str) -> Result<Vec<(&'static str, Vec<u8>)>, DrawError> {
    let drawn = (SVG, svg.as_bytes().to_vec());
    #[cfg(feature = "png")]
    let files = vec![drawn, (PNG, raster::png(svg, 2.0)?)];
    #[cfg(not(feature = "png"))]
    let files = vec![drawn];
    Ok(files)
}

/// Removes the pixels that an earlier program left in a folder, unless they are those of this SVG: none is drawn without
/// the feature `png`, and what lies beside a figure is to show the same.
///
/// # Errors
/// The file is there and cannot be removed.
pub fn clear(folder: &Path, svg: &str) -> io::Result<()> {
    if cfg!(feature = "png") || std::fs::read(folder.join(SVG)).is_ok_and(|old| old == svg.as_bytes()) {
        return Ok(());
    }
    disk::remove(&folder.join(PNG))
}

/// A figure as SVG, readable in light and dark surroundings and without color vision.
///
/// It follows the reader's system; inside of a page, `data-theme="light"` or `"dark"` on any element around wins.
pub fn svg(plot: &Plot, title: &str) -> String {
    picture(plot, title, Values::Drawn, None)
}

/// Points (1/72 inch) of a pixel, by the definition of CSS.
const POINTS: f64 = 0.75;

/// A figure as [`svg`] draws it, laid out for a width in points: letters keep their size, and panels stand below each other where
/// they have no room beside each other.
pub fn at_width(plot: &Plot, title: &str, points: f64) -> String {
    picture(plot, title, Values::Drawn, Some(points / POINTS))
}

/// A figure without title and caption, which a paper sets itself, as a PDF that is so many points (1/72 inch) wide.
///
/// # Errors
/// The picture cannot be packed.
#[cfg(feature = "png")]
pub fn pdf(plot: &Plot, points: f64) -> Result<Vec<u8>, DrawError> {
    let bare = Plot { caption: String::new(), ..plot.clone() };
    pdf::pdf(&at_width(&bare, "", points), points)
}

/// A figure as [`svg`] draws it, for a page: whoever points at a place of its curves, or comes to it by keyboard, is told the values
/// there.
pub fn readable(plot: &Plot, title: &str) -> String {
    picture(plot, title, Values::Told, None)
}

/// Whether values are only drawn, or told as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Drawn,
    Told,
}

/// `across` are the pixels that the picture is to have across; without them it has those that suit its panels.
fn picture(plot: &Plot, title: &str, values: Values, across: Option<f64>) -> String {
    let (columns, slot) = columns(plot, across);
    let width = 2.0 * MARGIN + columns as f64 * slot + (columns - 1) as f64 * GAP.0;
    let room = width - 2.0 * MARGIN;
    let mut body = Canvas::default();
    let mut top = MARGIN;
    for line in text::wrap(title, TITLE.0 * 1.05, room, 3) {
        body.text((MARGIN, top + 15.0), TITLE.0, "fig-text fig-bold fig-ink", Anchor::Start, &line, "");
        top += TITLE.1;
    }
    for line in text::wrap(&plot.caption, CAPTION.0, room, 8) {
        body.text((MARGIN, top + 12.0), CAPTION.0, "fig-text fig-soft", Anchor::Start, &line, "");
        top += CAPTION.1;
    }
    let looks = look::looks(&plot.panels);
    let legend = shared_legend(plot, &looks, room);
    if let Some(legend) = &legend {
        top += 8.0;
        legend.draw(&mut body, (MARGIN, top));
        top += legend.height();
    }
    let height = draw_panels(&mut body, plot, (&looks, values), legend.is_some(), (columns, slot), top + 12.0) + MARGIN;
    let shades = plot.panels.iter().any(|panel| matches!(panel.marks, Marks::Heat(_) | Marks::Pictures(_)));
    let (w, h) = (text::coordinate(width), text::coordinate(height.ceil()));
    let mut picture = Canvas::default();
    picture.raw(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"{}\" \
         class=\"fig-picture\">",
        // What is within an image nobody comes to.
        if values == Values::Told { "group" } else { "img" }
    ));
    picture.raw(&format!("<title>{}</title>\n<desc>{}</desc>", text::escape(title), text::escape(&description(plot))));
    let own = if values == Values::Told { spots::STYLE } else { "" };
    picture.raw(&format!("<style>\n{}{own}</style>", look::style_sheet(shades)));
    picture.rect(Frame { left: 0.0, top: 0.0, width, height: height.ceil() }, "fig-bg", "");
    picture.raw(&body.finish());
    picture.raw("</svg>");
    picture.finish()
}

/// The least width of a panel where the picture's is given.
const LEAST_SLOT: f64 = 230.0;

/// Panels beside each other, and the width of each.
fn columns(plot: &Plot, across: Option<f64>) -> (usize, f64) {
    let columns = plot.columns.clamp(1, plot.panels.len().max(1));
    let Some(across) = across else { return (columns, [640.0, 440.0, 346.0][columns.min(3) - 1]) };
    let room = across - 2.0 * MARGIN;
    let fitting = ((room + GAP.0) / (LEAST_SLOT + GAP.0)).max(1.0) as usize;
    let columns = columns.min(fitting);
    (columns, (room - (columns - 1) as f64 * GAP.0) / columns as f64)
}

/// One legend above all panels, if there are several and all have the same series.
fn shared_legend(plot: &Plot, looks: &[Vec<Look>], room: f64) -> Option<Legend> {
    let all: Vec<Vec<Entry>> =
        plot.panels.iter().zip(looks).map(|(panel, looks)| panel::entries(panel, looks)).collect();
    let mut listed = all.into_iter().filter(|entries| !entries.is_empty());
    let (first, second) = (listed.next()?, listed.next()?);
    (first == second && listed.all(|entries| entries == first)).then(|| Legend::new(first, room))
}

/// Draws all panels below `top`; returns where they end.
fn draw_panels(
    canvas: &mut Canvas,
    plot: &Plot,
    (looks, values): (&[Vec<Look>], Values),
    keyed: bool,
    (columns, slot): (usize, f64),
    mut top: f64,
) -> f64 {
    let mut rows: Vec<Vec<Prepared<'_>>> = Vec::new();
    for (panels, looks) in plot.panels.chunks(columns).zip(looks.chunks(columns)) {
        let height = panels.iter().map(|panel| panel::natural_height(panel, slot)).fold(0.0, f64::max);
        let prepared = panels.iter().zip(looks).map(|(panel, looks)| Prepared::new(panel, looks, slot, height, keyed));
        rows.push(prepared.collect());
    }
    // Frames above each other begin and end at the same place.
    let mut sides = vec![(0.0_f64, 0.0_f64); columns];
    for row in &rows {
        for (side, panel) in sides.iter_mut().zip(row) {
            let (left, right) = panel.sides();
            *side = (side.0.max(left), if panel.is_noted() { side.1.max(right) } else { side.1 });
        }
    }
    for row in &rows {
        let above = row.iter().map(Prepared::above).fold(0.0, f64::max);
        let mut below = 0.0_f64;
        for (column, panel) in row.iter().enumerate() {
            let corner: Place = (MARGIN + column as f64 * (slot + GAP.0), top);
            let (left, noted) = sides[column];
            let right = if panel.is_noted() { noted } else { panel.sides().1 };
            let width = (slot - left - right).max(LEAST_FRAME);
            let frame = Frame { left: corner.0 + left, top: top + above, width, height: panel.height() };
            let horizontal = panel.horizontal(width, left);
            panel.draw(canvas, corner, frame, &horizontal);
            if values == Values::Told {
                panel.tell(canvas, frame);
            }
            below = below.max(panel.height() + horizontal.room());
        }
        top += above + below + GAP.1;
    }
    if rows.is_empty() { top } else { top - GAP.1 }
}

/// What a reader who does not see it is told.
fn description(plot: &Plot) -> String {
    let mut text = plot.caption.trim().to_owned();
    for panel in &plot.panels {
        let names: Vec<&str> = match &panel.marks {
            Marks::Series(series) => series.iter().map(|one| one.name.trim()).collect(),
            Marks::Heat(_) => vec!["a table of shades"],
            Marks::Pictures(_) => vec!["a table of pictures"],
        };
        let names = names.join(", ");
        text.push_str(&format!(" {}: {} over {}: {names}.", panel.title.trim(), panel.y.label, panel.x.label));
    }
    text.trim().to_owned()
}

#[cfg(feature = "png")]
#[cfg(test)]
mod raster_tests;
#[cfg(test)]
mod tests;
