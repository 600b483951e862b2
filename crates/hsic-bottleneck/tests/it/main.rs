//! Integration tests: one module a behaviour.
