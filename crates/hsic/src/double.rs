//! Estimators and tests in double precision, compiled with this crate.
//!
//! The generic ones are compiled where they are called, as far as the caller is optimised. A program that is not, a command
//! for one, has their full speed by these.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use faer::MatRef;

use crate::error::Error;
use crate::estimator::{Estimator, Measurement};
use crate::independence::{self, PermutationPart, TestResult};
use crate::kernel::Kernel;

/// [`Estimator::measure`].
///
/// # Errors
/// Those of [`Estimator::measure`].
#[inline(never)]
pub fn measure(
    estimator: &Estimator,
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
) -> Result<Measurement, Error> {
    estimator.measure(x, y, kernel_x, kernel_y)
}

/// [`independence::permutation_test`].
///
/// # Errors
/// Those of [`independence::permutation_test`].
#[inline(never)]
pub fn permutation_test(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    permutations: usize,
    seed: u64,
) -> Result<TestResult, Error> {
    permutation_test_until(x, y, kernel_x, kernel_y, permutations, seed, &AtomicBool::new(false))
}

/// [`independence::permutation_test_until`].
///
/// # Errors
/// Those of [`independence::permutation_test_until`].
#[inline(never)]
pub fn permutation_test_until(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    permutations: usize,
    seed: u64,
    stop: &AtomicBool,
) -> Result<TestResult, Error> {
    independence::permutation_test_until(x, y, kernel_x, kernel_y, permutations, seed, stop)
}

/// [`independence::permutation_part`].
///
/// # Errors
/// Those of [`independence::permutation_part`].
#[inline(never)]
pub fn permutation_part(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    range: Range<u64>,
    seed: u64,
) -> Result<PermutationPart, Error> {
    independence::permutation_part(x, y, kernel_x, kernel_y, range, seed)
}

/// [`independence::gamma_test`].
///
/// # Errors
/// Those of [`independence::gamma_test`].
#[inline(never)]
pub fn gamma_test(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
) -> Result<TestResult, Error> {
    independence::gamma_test(x, y, kernel_x, kernel_y)
}
