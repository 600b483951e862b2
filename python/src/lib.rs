//! `hsic._hsic`: arrays in, numbers out. What users call is Python, in `python/hsic`.

mod arrays;
mod fault;
mod interrupt;
mod objective;
mod pool;
mod statistics;

use pyo3::prelude::*;

/// What the package computes in Rust.
#[pymodule]
mod _hsic {
    #[pymodule_export]
    use crate::objective::Operator;
    #[pymodule_export]
    use crate::statistics::{estimators, gamma_test, kernels, measure, permutation_test};
}
