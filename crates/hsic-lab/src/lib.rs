//! Experiments: the figures of the paper and ours, and learning methods side by side; a plot as a picture.

pub mod comparison;
pub mod draw;
pub mod figure;
pub mod runs;
pub mod shell;
