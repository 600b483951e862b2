//! Integration tests: one module a behaviour.

mod schedules;
mod three_blocks;
