//! Trains deep networks layer by layer with the HSIC bottleneck.
//!
//! The modules follow the data: [`dataset`] -> [`batch`] -> [`network`] -> [`objective`] -> [`update`] -> [`log`]. Those of
//! the crates below are re-exported here, so that this crate is all that a training needs.

pub mod assemble;
pub mod audit;
mod chance;
pub mod checkpoint;
pub mod conclusion;
pub mod config;
pub mod cost;
pub mod digests;
pub mod energy;
pub mod engines;
pub mod error;
pub mod export;
pub mod files;
pub mod filters;
pub mod folder;
mod forecast;
mod further;
pub mod importance;
pub mod judged;
pub mod lock;
pub mod log;
mod means;
pub mod pilot;
pub mod position;
pub mod predict;
pub mod prelude;
mod probed;
mod readers;
pub mod reconstruction;
pub mod reformat;
pub mod run;
pub mod samples;
pub mod stages;
mod state_files;
mod step_times;
pub mod summary;
mod tensor_file;
pub mod threads;
pub mod trainer;
pub mod training;
pub mod valued;

pub use error::Error;
pub use hsic::parts;
pub use hsic_data::{augment, batch, dataset, disk, fault, names, provenance, rows};
pub use hsic_learn::error as step_error;
pub use hsic_learn::options as rule_options;
pub use hsic_learn::{StepError, engine, inference, judge, method, methods, objective, session, span, update};
pub use hsic_nn::{network, optimizer};
pub use readers::READERS;

/// The program in the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
