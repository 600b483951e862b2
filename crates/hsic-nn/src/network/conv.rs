//! The convolutional block: convolution, batch norm over pixels, activation, max pooling.
//!
//! Only the convolution's output a is kept; normalized values, activations and what flows back through the pooling are
//! formed anew, line by line, while they are in the nearest memory. Images are worked on in fixed parts whose sums are
//! joined in order: threads cannot move a bit.

mod buffers;
pub(super) mod lines;
mod map;
mod pass;

pub use map::{Conv, ConvSettings};

#[cfg(test)]
mod tests;
