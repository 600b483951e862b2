//! Trains deep networks layer by layer with the HSIC bottleneck.
//!
//! The modules follow the data: [`dataset`] -> [`batch`] -> [`network`] -> [`objective`] -> [`update`] -> [`log`].

pub mod augment;
pub mod batch;
pub mod config;
pub mod dataset;
pub mod error;
pub mod log;
pub mod network;
pub mod objective;
pub mod optimizer;
pub mod readout;
pub mod run;
pub mod trainer;
pub mod update;

pub use error::Error;
