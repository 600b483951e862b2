//! A picture's pixels as PNG.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::error::DrawError;

/// The longest side of a PNG in pixels.
const LARGEST_SIDE: f32 = 20_000.0;

/// A picture's pixels, in its light look, `scale` of them to each of the SVG's in both directions.
///
/// # Errors
/// The text is no SVG, or has no pixels or too many.
pub(super) fn png(svg: &str, scale: f32) -> Result<Vec<u8>, DrawError> {
    let tree = tree(svg)?;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let good = |side: f32| (0.5..=LARGEST_SIDE).contains(&side);
    let pixmap = (good(width) && good(height)).then(|| Pixmap::new(width.round() as u32, height.round() as u32));
    let mut pixmap = pixmap.flatten().ok_or(DrawError::Size { width, height, largest: LARGEST_SIDE })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    let (width, height) = (pixmap.width(), pixmap.height());
    pixmap.encode_png().map_err(|error| DrawError::Png { width, height, reason: error.to_string() })
}

/// The picture's elements, its text set in the fonts that come with the program: the same on every machine.
pub(super) fn tree(svg: &str) -> Result<Tree, DrawError> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(ttf_noto_sans::REGULAR.to_vec());
    fonts.load_font_data(ttf_noto_sans::BOLD.to_vec());
    let options = Options { fontdb: Arc::new(fonts), font_family: "Noto Sans".to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| DrawError::Svg { reason: error.to_string() })
}
