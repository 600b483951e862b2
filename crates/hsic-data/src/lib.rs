//! Data for training: samples with class labels from tables, images and archives, changed at random and cut into batches.
//!
//! In the order of the data: [`dataset`] -> [`augment`] -> [`batch`]. [`provenance`] is what a run remembers of its data,
//! [`rows`] brings new rows to what they were in training; [`names`] forgives how a name is written; [`disk`] is where files are
//! written, here and in all crates above.

pub mod augment;
pub mod batch;
pub mod dataset;
pub mod disk;
pub mod fault;
pub mod names;
pub mod options;
pub mod provenance;
pub mod rows;
pub mod shape;
pub mod stage;
