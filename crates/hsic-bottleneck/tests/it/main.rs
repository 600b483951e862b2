//! Integration tests: one module a behaviour.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod backprop;
mod battery;
mod capsules;
mod cifar;
mod datasets;
mod encode;
mod folders;
mod images;
mod methods;
mod schedules;
mod three_blocks;
mod timeline;
