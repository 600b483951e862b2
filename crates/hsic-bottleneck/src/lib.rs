//! Trains deep networks layer by layer with the HSIC bottleneck.
//!
//! The modules follow the data: [`dataset`] -> [`batch`] -> [`network`] -> [`objective`] -> [`update`] -> [`log`].

pub mod assemble;
pub mod augment;
pub mod batch;
pub mod calibration;
pub mod checkpoint;
pub mod comparison;
pub mod conclusion;
pub mod config;
pub mod dataset;
pub mod engine;
pub mod error;
pub mod evaluation;
pub mod export;
pub mod fault;
pub mod figure;
pub mod files;
pub mod format;
pub mod judge_options;
pub mod log;
pub mod method;
pub mod methods;
pub mod monitor;
pub mod network;
pub mod objective;
pub mod optimizer;
mod options;
pub mod predict;
pub mod readout;
pub mod reconstruction;
pub mod record;
pub mod reformat;
pub mod rows;
pub mod rule_options;
pub mod run;
pub mod shape;
pub mod span;
pub mod step_error;
mod tensor_file;
pub mod trainer;
pub mod update;

pub use error::Error;
pub use step_error::StepError;
