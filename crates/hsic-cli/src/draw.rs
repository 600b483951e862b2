//! Stands in for the drawing of plots until it is merged.

use hsic_bottleneck::figure::plot::Plot;

/// A box with the caption's length.
pub(crate) fn svg(plot: &Plot, _: &str) -> String {
    format!("<svg viewBox=\"0 0 960 400\"><rect width=\"{}\" height=\"100\"/></svg>", plot.caption.len())
}
