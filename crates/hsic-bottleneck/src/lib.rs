//! Trains deep networks layer by layer with the HSIC bottleneck.

pub mod dataset;
