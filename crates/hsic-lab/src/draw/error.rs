//! Why a picture has no pixels, or no page.

use thiserror::Error;

/// Why a picture could not be rasterised, which only a build with the feature `png` does.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The text is no SVG.
    #[error("picture is no SVG: {reason}")]
    Svg {
        /// What the reader says.
        reason: String,
    },
    /// The size has no sense.
    #[error("picture of {width} x {height} pixels: expected sides of 1 to {largest}")]
    Size {
        /// Pixels across.
        width: f32,
        /// Pixels down.
        height: f32,
        /// The most that a side may have.
        largest: f32,
    },
    /// The picture has what no figure has, or could not be packed.
    #[error("picture with {found}: expected lines, areas and text in plain colors")]
    Pdf {
        /// What is there.
        found: String,
    },
    /// The pixels could not be written.
    #[error("PNG of {width} x {height} pixels could not be encoded: {reason}")]
    Png {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What the encoder says.
        reason: String,
    },
}
