//! What must hold for any tables.

use std::cell::Cell;

use faer::Mat;
use hsic::estimator::{cka, hsic_biased};
use hsic::kernel::{Bandwidth, Kernel};
use hsic::{Estimator, Gram};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Tables of 4 to 40 rows, few or many columns; a coarse grid makes equal rows likely.
fn table(m: usize) -> impl Strategy<Value = Mat<f64>> {
    (1usize..14, prop::bool::ANY).prop_flat_map(move |(d, coarse)| {
        prop::collection::vec(-4.0f64..4.0, m * d).prop_map(move |values| {
            Mat::from_fn(m, d, |i, k| if coarse { values[i * d + k].round() } else { values[i * d + k] })
        })
    })
}

fn pair() -> impl Strategy<Value = (Mat<f64>, Mat<f64>)> {
    (4usize..40).prop_flat_map(|m| (table(m), table(m)))
}

fn kernel() -> impl Strategy<Value = Kernel> {
    prop_oneof![
        (0.2f64..20.0).prop_map(|s| Kernel::gaussian(s).unwrap()),
        (0.2f64..20.0).prop_map(|s| Kernel::Laplacian { bandwidth: Bandwidth::unscaled(s).unwrap() }),
        Just(Kernel::gaussian_median()),
        Just(Kernel::Linear),
        Just(Kernel::Cosine),
        Just(Kernel::Delta),
    ]
}

/// Rounding of a figure with the size of its own parts: entries up to 200 for the linear kernel of 13 columns.
fn tolerance(estimator: Estimator, kernel: Kernel) -> f64 {
    match estimator {
        // The inverse magnifies rounding by 1 / epsilon.
        Estimator::Nhsic { .. } => 1e-8,
        _ if kernel == Kernel::Linear => 1e-10,
        _ => 1e-12,
    }
}

/// Either two figures that agree, or the same refusal.
fn agree(a: Result<f64, hsic::Error>, b: Result<f64, hsic::Error>, tolerance: f64) -> Result<(), TestCaseError> {
    match (a, b) {
        (Ok(a), Ok(b)) => prop_assert!((a - b).abs() <= tolerance, "{a} and {b}"),
        (a, b) => prop_assert!(a.is_err() == b.is_err(), "{a:?} and {b:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn figures_are_symmetric_in_x_and_y((x, y) in pair(), kernel in kernel()) {
        for estimator in Estimator::ALL {
            let measure = |x: &Mat<f64>, y: &Mat<f64>| {
                estimator.measure(x.as_ref(), y.as_ref(), &kernel, &kernel).map(|m| m.value)
            };
            agree(measure(&x, &y), measure(&y, &x), tolerance(estimator, kernel))?;
        }
    }

    #[test]
    fn figures_do_not_depend_on_the_order_of_the_samples((x, y) in pair(), kernel in kernel(), turn in 1usize..40) {
        let m = x.nrows();
        let turned = |x: &Mat<f64>| Mat::from_fn(m, x.ncols(), |i, k| x[((i + turn) % m, k)]);
        for estimator in Estimator::ALL {
            let measure = |x: &Mat<f64>, y: &Mat<f64>| {
                estimator.measure(x.as_ref(), y.as_ref(), &kernel, &Kernel::Linear).map(|m| m.value)
            };
            let tolerance = tolerance(estimator, Kernel::Linear);
            agree(measure(&x, &y), measure(&turned(&x), &turned(&y)), tolerance)?;
        }
    }

    #[test]
    fn a_common_offset_changes_nothing((x, y) in pair(), kernel in kernel(), offset in -100i32..100) {
        prop_assume!(kernel != Kernel::Cosine);
        // Multiples of 1/1024 can be moved without rounding.
        let grid = Mat::from_fn(x.nrows(), x.ncols(), |i, k| (x[(i, k)] * 1024.0).round() / 1024.0);
        let moved = Mat::from_fn(x.nrows(), x.ncols(), |i, k| grid[(i, k)] + f64::from(offset));
        for estimator in Estimator::ALL {
            let measure = |x: &Mat<f64>| estimator.measure(x.as_ref(), y.as_ref(), &kernel, &kernel).map(|m| m.value);
            agree(measure(&grid), measure(&moved), tolerance(estimator, kernel))?;
        }
    }

    #[test]
    fn doubling_the_table_and_the_bandwidth_changes_nothing((x, _) in pair(), sigma in 0.1f64..10.0) {
        let doubled = Mat::from_fn(x.nrows(), x.ncols(), |i, k| 2.0 * x[(i, k)]);
        let a = Gram::new(x.as_ref(), &Kernel::gaussian(sigma).unwrap()).unwrap();
        let b = Gram::new(doubled.as_ref(), &Kernel::gaussian(2.0 * sigma).unwrap()).unwrap();
        // Powers of two: to the bit.
        prop_assert_eq!(a.values(), b.values());
    }

    #[test]
    fn figures_stay_within_their_bounds((x, y) in pair(), kernel in kernel()) {
        let m = x.nrows() as f64;
        for estimator in Estimator::ALL {
            let Ok(measured) = estimator.measure(x.as_ref(), y.as_ref(), &kernel, &kernel) else { continue };
            let (low, high) = match estimator {
                Estimator::HsicBiased | Estimator::HsicBiasedM1 => (0.0, f64::MAX),
                Estimator::HsicUnbiased => (f64::MIN, f64::MAX),
                Estimator::Nhsic { .. } => (0.0, m),
                Estimator::Cka => (0.0, 1.0),
                Estimator::CkaDebiased => (-1.0, 1.0),
            };
            prop_assert!(measured.value >= low && measured.value <= high, "{} {}", estimator.name(), measured.value);
        }
    }

    #[test]
    fn a_sample_is_most_like_itself((x, y) in pair(), kernel in kernel()) {
        let (k, l) = (Gram::new(x.as_ref(), &kernel).unwrap(), Gram::new(y.as_ref(), &kernel).unwrap());
        if let Ok(own) = cka(&k, &k) {
            prop_assert!((own - 1.0).abs() < 1e-12, "{own}");
        }
        // Cauchy and Schwarz.
        let (cross, a, b) = (hsic_biased(&k, &l).unwrap(), hsic_biased(&k, &k).unwrap(), hsic_biased(&l, &l).unwrap());
        prop_assert!(cross <= (a * b).sqrt() * (1.0 + 1e-9) + 1e-14, "{cross} {a} {b}");
    }

    #[test]
    fn single_precision_gives_the_same_figures((x, y) in pair(), kernel in kernel()) {
        // Both from numbers that f32 holds, so that equal rows are equal in both.
        let (x, y) = (crate::single(&x), crate::single(&y));
        let wide = |x: &Mat<f32>| Mat::from_fn(x.nrows(), x.ncols(), |i, k| f64::from(x[(i, k)]));
        for estimator in [Estimator::HsicBiased, Estimator::HsicUnbiased, Estimator::Nhsic { epsilon: 1e-2 }] {
            let a = estimator.measure(x.as_ref(), y.as_ref(), &kernel, &kernel).map(|m| m.value);
            let b = estimator.measure(wide(&x).as_ref(), wide(&y).as_ref(), &kernel, &kernel).map(|m| m.value);
            let size = b.as_ref().map_or(1.0, |b| b.abs().max(1.0));
            agree(a, b, 1e-4 * size)?;
        }
    }
}

/// 24 numbers, of which most tables can be measured: everyday ones, finite ones of any size, and anything at all.
fn numbers() -> impl Strategy<Value = Vec<f64>> {
    use prop::num::f64::{ANY, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        2 => prop::collection::vec(-4.0f64..4.0, 24),
        2 => prop::collection::vec(POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, 24),
        1 => prop::collection::vec(ANY, 24),
    ]
}

#[test]
fn any_numbers_give_a_finite_figure_or_an_error() {
    let (mut runner, given, refused) =
        (TestRunner::new(ProptestConfig::with_source_file(file!())), Cell::new(0), Cell::new(0));
    let checked = runner.run(&(numbers(), kernel()), |(values, kernel)| {
        let x = Mat::from_fn(8, 2, |i, k| values[i * 2 + k]);
        let y = Mat::from_fn(8, 1, |i, _| values[16 + i]);
        for estimator in Estimator::ALL {
            match estimator.measure(x.as_ref(), y.as_ref(), &kernel, &kernel) {
                Ok(measured) => {
                    given.set(given.get() + 1);
                    // Products of the linear kernel may lie beyond what f64 holds; the other kernels are bounded.
                    let value = measured.value;
                    let expected = value.is_finite() || kernel == Kernel::Linear && !value.is_nan();
                    prop_assert!(expected, "{} {kernel:?}: {value}", estimator.name());
                }
                Err(_) => refused.set(refused.get() + 1),
            }
        }
        Ok(())
    });
    checked.unwrap();
    let (given, refused) = (given.get(), refused.get());
    assert!(given > refused && refused > 0, "{given} figures, {refused} refusals");
}
