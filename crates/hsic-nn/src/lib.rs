//! Networks of blocks that can be trained one by one, and what changes their weights.

pub mod network;
pub mod optimizer;
pub mod testing;
