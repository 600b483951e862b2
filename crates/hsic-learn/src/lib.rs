//! Learning without back-propagation: objectives of single blocks, engines that carry signals, every method by name, and
//! what a network at rest is worth.
//!
//! In the order of a step: [`objective`] -> [`engine`] -> [`method`] -> [`methods`]; [`judge`] looks at networks that are
//! not being trained.

pub mod engine;
pub mod error;
pub mod inference;
pub mod judge;
pub mod method;
pub mod methods;
pub mod objective;
pub mod options;
pub mod session;
pub mod span;
pub mod update;

pub use error::StepError;
