//! Figures of dependence and tests of independence.

use hsic::faer::MatRef;
use hsic::independence::{gamma_test as gamma, permutation_test_until};
use hsic::{Bandwidth, Error, Estimator, Kernel, TestResult, double};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Table, matrix, mixed};
use crate::fault::raised;
use crate::interrupt::run;

/// A kernel as Python names it: name, width (None for the median of the distances), whether the width is times the columns.
type Named = (String, Option<f64>, bool);

fn kernel((name, width, scaled): Named) -> PyResult<Kernel> {
    let bandwidth = || match width {
        None => Ok(Bandwidth::Median),
        Some(width) if scaled => Bandwidth::scaled(width).map_err(raised),
        Some(width) => Bandwidth::unscaled(width).map_err(raised),
    };
    Ok(match name.as_str() {
        "gaussian" => Kernel::Gaussian { bandwidth: bandwidth()? },
        "laplacian" => Kernel::Laplacian { bandwidth: bandwidth()? },
        "linear" => Kernel::Linear,
        "cosine" => Kernel::Cosine,
        "delta" => Kernel::Delta,
        _ => return Err(unknown("kernel", &name, &kernels())),
    })
}

fn estimator(name: &str, epsilon: f64) -> PyResult<Estimator> {
    match Estimator::from_name(name) {
        Some(Estimator::Nhsic { .. }) => Ok(Estimator::Nhsic { epsilon }),
        Some(estimator) => Ok(estimator),
        None => Err(unknown("estimator", name, &estimators())),
    }
}

fn unknown(key: &str, name: &str, known: &[&str]) -> PyErr {
    PyValueError::new_err(format!("{key} = {name}: expected one of {}", known.join(", ")))
}

/// Names of all kernels.
#[pyfunction]
pub(crate) fn kernels() -> Vec<&'static str> {
    vec!["gaussian", "laplacian", "linear", "cosine", "delta"]
}

/// Names of all estimators.
#[pyfunction]
pub(crate) fn estimators() -> Vec<&'static str> {
    Estimator::ALL.iter().map(Estimator::name).collect()
}

/// The figure, and the widths of both kernels.
#[pyfunction]
#[pyo3(signature = (x: "numpy.ndarray", y: "numpy.ndarray", kernels, estimator, epsilon, threads))]
pub(crate) fn measure(
    py: Python<'_>,
    x: Table<'_>,
    y: Table<'_>,
    kernels: (Named, Named),
    estimator: &str,
    epsilon: f64,
    threads: usize,
) -> PyResult<(f64, Option<f64>, Option<f64>)> {
    let (kernel_x, kernel_y, estimator) =
        (kernel(kernels.0)?, kernel(kernels.1)?, self::estimator(estimator, epsilon)?);
    let measured = match (&x, &y) {
        (Table::Single(x), Table::Single(y)) => {
            let (x, y) = (matrix(x)?, matrix(y)?);
            run(py, threads, |_| estimator.measure(x, y, &kernel_x, &kernel_y))
        }
        (Table::Double(x), Table::Double(y)) => {
            let (x, y) = (matrix(x)?, matrix(y)?);
            run(py, threads, |_| double::measure(&estimator, x, y, &kernel_x, &kernel_y))
        }
        _ => return Err(mixed(x.dtype(), y.dtype())),
    }?;
    let measured = measured.map_err(raised)?;
    Ok((measured.value, measured.sigma_x, measured.sigma_y))
}

/// Statistic and p-value of a permutation test.
#[pyfunction]
#[pyo3(signature = (x: "numpy.ndarray", y: "numpy.ndarray", kernels, permutations, seed, threads))]
pub(crate) fn permutation_test(
    py: Python<'_>,
    x: Table<'_>,
    y: Table<'_>,
    kernels: (Named, Named),
    permutations: usize,
    seed: u64,
    threads: usize,
) -> PyResult<(f64, f64)> {
    let (kernel_x, kernel_y) = (kernel(kernels.0)?, kernel(kernels.1)?);
    let tested = match (&x, &y) {
        (Table::Single(x), Table::Single(y)) => {
            let (x, y): (MatRef<'_, f32>, _) = (matrix(x)?, matrix(y)?);
            run(py, threads, |stop| permutation_test_until(x, y, &kernel_x, &kernel_y, permutations, seed, stop))
        }
        (Table::Double(x), Table::Double(y)) => {
            let (x, y) = (matrix(x)?, matrix(y)?);
            run(py, threads, |stop| {
                double::permutation_test_until(x, y, &kernel_x, &kernel_y, permutations, seed, stop)
            })
        }
        _ => return Err(mixed(x.dtype(), y.dtype())),
    }?;
    outcome(tested)
}

/// Statistic and p-value by the gamma approximation.
#[pyfunction]
#[pyo3(signature = (x: "numpy.ndarray", y: "numpy.ndarray", kernels, threads))]
pub(crate) fn gamma_test(
    py: Python<'_>,
    x: Table<'_>,
    y: Table<'_>,
    kernels: (Named, Named),
    threads: usize,
) -> PyResult<(f64, f64)> {
    let (kernel_x, kernel_y) = (kernel(kernels.0)?, kernel(kernels.1)?);
    let tested = match (&x, &y) {
        (Table::Single(x), Table::Single(y)) => {
            let (x, y): (MatRef<'_, f32>, _) = (matrix(x)?, matrix(y)?);
            run(py, threads, |_| gamma(x, y, &kernel_x, &kernel_y))
        }
        (Table::Double(x), Table::Double(y)) => {
            let (x, y) = (matrix(x)?, matrix(y)?);
            run(py, threads, |_| double::gamma_test(x, y, &kernel_x, &kernel_y))
        }
        _ => return Err(mixed(x.dtype(), y.dtype())),
    }?;
    outcome(tested)
}

fn outcome(tested: Result<TestResult, Error>) -> PyResult<(f64, f64)> {
    let tested = tested.map_err(raised)?;
    Ok((tested.statistic, tested.p_value))
}
