//! `hsic._hsic`: arrays in, numbers out. What users call is Python, in `python/hsic`.

mod arrays;
mod data;
mod fault;
mod interrupt;
mod model;
mod objective;
mod pool;
mod runs;
mod settings;
mod statistics;
mod training;

use pyo3::prelude::*;

/// What the package computes in Rust.
#[pymodule]
mod _hsic {
    #[pymodule_export]
    use crate::data::Data;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::objective::Operator;
    #[pymodule_export]
    use crate::runs::{check_elsewhere, compare, list_runs, read_run, run_figures};
    #[pymodule_export]
    use crate::settings::Settings;
    #[pymodule_export]
    use crate::statistics::{estimators, gamma_test, kernels, measure, permutation_test};
    #[pymodule_export]
    use crate::training::{conclude_parts, learn_part, train};
}
