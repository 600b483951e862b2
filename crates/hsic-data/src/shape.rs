//! Sizes of a sample.

use serde::{Deserialize, Serialize};

/// Sizes of one sample; a row of a table is 1 x 1 x d. Values lie channel by channel, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Colors of a pixel; 1 for gray.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels, or of a table.
    pub width: usize,
}

impl Shape {
    /// Values in one sample: channels * height * width.
    #[must_use]
    pub fn columns(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}
