//! Integration tests: one module a behaviour.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking; clippy knows that only of functions marked #[test]")]

mod approximation;
mod calibration;
mod components;
mod estimators;
mod gradient;
mod hard_inputs;
mod independence;
mod invariants;
mod left_out;
mod parts;
mod reference;
mod ridge;
mod values;

/// An m x d table of standard normal numbers.
fn normal(m: usize, d: usize, seed: u64) -> faer::Mat<f64> {
    let mut stream = hsic::random::Stream::new(seed, "test table", 0);
    faer::Mat::from_fn(m, d, |_, _| stream.normal())
}

/// The same numbers in single precision.
fn single(x: &faer::Mat<f64>) -> faer::Mat<f32> {
    faer::Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] as f32)
}
