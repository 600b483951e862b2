//! Experiments: the figures of the paper and ours, learning methods side by side, a run's page.

pub mod comparison;
pub mod figure;
