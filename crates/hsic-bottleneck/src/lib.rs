//! Trains deep networks layer by layer with the HSIC bottleneck.

pub mod batch;
pub mod error;
pub mod network;
pub mod objective;
pub mod optimizer;
pub mod update;

pub use error::Error;
