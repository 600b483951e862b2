//! Integration tests: one module a behaviour.

mod gradient;
mod reference;
