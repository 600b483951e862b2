//! What a network at rest is worth: its outputs, how they are read, the softmax layer on them.

pub mod assignment;
pub mod at_rest;
mod features;
pub mod monitor;
pub mod options;
pub mod probe;
pub mod readout;
pub mod softmax;
pub mod surety;
pub mod test_time;
pub mod values;
