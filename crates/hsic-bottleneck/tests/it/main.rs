//! Integration tests: one module a behaviour.

mod datasets;
mod schedules;
mod three_blocks;
