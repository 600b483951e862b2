//! Experiments: the figures of the paper and ours, learning methods side by side, speed runs; a plot as a picture.

pub mod comparison;
pub mod draw;
pub mod figure;
mod readers;
pub mod runs;
pub mod shell;
pub mod speedrun;

pub use readers::READERS;
