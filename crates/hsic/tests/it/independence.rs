//! Tests of independence against worked examples, exact enumeration and power.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use faer::Mat;
use hsic::independence::{gamma_null, gamma_test, permutation_test, permutation_test_until};
use hsic::kernel::{Bandwidth, Kernel};
use hsic::{Error, Gram, estimator::hsic_biased};

use crate::{normal, single};

/// The two series of the worked example, and kernels exp(-r^2 / (2 w^2)) with w^2 = median(r^2) / 2.
fn worked_example() -> (Mat<f64>, Mat<f64>, Kernel, Kernel) {
    let x = Mat::from_fn(40, 1, |i, _| (i as f64).sin());
    let y = Mat::from_fn(40, 1, |i, _| (i as f64).sin().powi(2) + 0.1 * (3.0 * i as f64).cos());
    let kernel = |x: &Mat<f64>| {
        let mut squares: Vec<f64> =
            (0..40).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (x[(i, 0)] - x[(j, 0)]).powi(2)).collect();
        squares.sort_by(f64::total_cmp);
        // 780 pairs.
        let median = (squares[389] + squares[390]) / 2.0;
        Kernel::Gaussian { bandwidth: Bandwidth::unscaled((median / 2.0).sqrt()).unwrap() }
    };
    let (a, b) = (kernel(&x), kernel(&y));
    (x, y, a, b)
}

#[test]
fn the_gamma_test_gives_the_worked_example() {
    // Computed in double precision by a separate program, from the formulas of Gretton et al. 2007.
    let (x, y, kernel_x, kernel_y) = worked_example();
    let test = gamma_test(x.as_ref(), y.as_ref(), &kernel_x, &kernel_y).unwrap();
    let null =
        gamma_null(&Gram::new(x.as_ref(), &kernel_x).unwrap(), &Gram::new(y.as_ref(), &kernel_y).unwrap()).unwrap();
    // Printed to 10 decimals.
    assert!((40.0 * test.statistic - 1.869_896_296_7).abs() < 1e-9, "{}", 40.0 * test.statistic);
    assert!((null.shape - 2.810_250_124_8).abs() < 1e-9 && (null.scale - 0.116_108_210_0).abs() < 1e-9, "{null:?}");
    assert_eq!(test.p_value, null.survival(40.0 * test.statistic));
    let float = gamma_test(single(&x).as_ref(), single(&y).as_ref(), &kernel_x, &kernel_y).unwrap();
    assert!((float.statistic / test.statistic - 1.0).abs() < 1e-5 && (float.p_value / test.p_value - 1.0).abs() < 1e-3);
}

#[test]
fn the_two_tests_agree_on_weak_dependence() {
    let (m, kernel) = (100, Kernel::gaussian_median());
    let mut compared = 0;
    for seed in 0..20 {
        let x = normal(m, 1, 2 * seed);
        let noise = normal(m, 1, 2 * seed + 1);
        let y = Mat::from_fn(m, 1, |i, _| 0.15 * x[(i, 0)] + noise[(i, 0)]);
        let permutation = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 1999, seed).unwrap();
        let gamma = gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel).unwrap();
        assert_eq!(permutation.statistic, gamma.statistic);
        // Monte Carlo error: three times at most 0.007 below 0.1 and 0.011 above; the approximation's own: 0.02 and 0.05.
        let tolerance = if gamma.p_value < 0.1 { 0.04 } else { 0.085 };
        assert!((permutation.p_value - gamma.p_value).abs() < tolerance, "{permutation:?} {gamma:?}");
        compared += usize::from((0.02..0.9).contains(&gamma.p_value));
    }
    assert!(compared >= 10, "only {compared} p-values away from 0 and 1");
}

#[test]
fn p_values_of_four_rows_are_those_of_all_orders() {
    // x = 0 1 2 3 has 24 orders of y; the statistic of each is computed from the permuted table.
    let x = Mat::from_fn(4, 1, |i, _| i as f64);
    let y = Mat::from_fn(4, 1, |i, _| [0.0, 1.5, 2.0, 9.0][i]);
    let kernel = Kernel::gaussian(1.0).unwrap();
    let statistic = |order: [usize; 4]| {
        let moved = Mat::from_fn(4, 1, |i, _| y[(order[i], 0)]);
        hsic_biased(&Gram::new(x.as_ref(), &kernel).unwrap(), &Gram::new(moved.as_ref(), &kernel).unwrap()).unwrap()
    };
    let observed = statistic([0, 1, 2, 3]);
    let (mut reached, mut all) = (0.0, 0.0);
    for code in 0..256usize {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        if (0..4).all(|v| order.contains(&v)) {
            all += 1.0;
            reached += f64::from(u8::from(statistic(order) >= observed * (1.0 - 1e-9)));
        }
    }
    assert_eq!(all, 24.0);
    let test = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 20_000, 5).unwrap();
    let expected: f64 = reached / all;
    // Five standard deviations of a share of 20,000.
    let tolerance = 5.0 * (expected * (1.0 - expected) / 20_000.0).sqrt();
    assert!((test.p_value - expected).abs() < tolerance, "{} {expected}", test.p_value);
}

#[test]
fn ties_count_as_reached() {
    // y separates the halves of x: of C(6, 3) = 20 splits, two give the same largest statistic, each by 36 orders.
    for d in [1, 20] {
        let x = Mat::from_fn(6, d, |i, k| (i % 3) as f64 * 0.1 + if i < 3 { 0.0 } else { 1.7 } + k as f64);
        let y = Mat::from_fn(6, 1, |i, _| f64::from(u8::from(i < 3)));
        let (gaussian, delta) = (Kernel::gaussian(1.0).unwrap(), Kernel::Delta);
        let double = permutation_test(x.as_ref(), y.as_ref(), &gaussian, &delta, 20_000, 3).unwrap();
        let float = permutation_test(single(&x).as_ref(), single(&y).as_ref(), &gaussian, &delta, 20_000, 3).unwrap();
        // Five standard deviations of a share of 20,000 at 0.1.
        assert!((double.p_value - 0.1).abs() < 5.0 * (0.09f64 / 20_000.0).sqrt(), "{}", double.p_value);
        assert_eq!(double.p_value, float.p_value);
    }
}

#[test]
fn both_tests_see_dependence_without_correlation() {
    let (x, noise) = (normal(60, 1, 20), normal(60, 1, 21));
    let y = Mat::from_fn(60, 1, |i, _| x[(i, 0)].powi(2) + 0.3 * noise[(i, 0)]);
    let kernel = Kernel::gaussian_median();
    assert_eq!(permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 199, 1).unwrap().p_value, 1.0 / 200.0);
    assert!(gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel).unwrap().p_value < 1e-3);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, y) = (normal(300, 20, 22), normal(300, 2, 23));
    let kernel = Kernel::gaussian_median();
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let k = Gram::new(x.as_ref(), &kernel).unwrap();
            let r = hsic::gram::normalized_gram(&k, 1e-5).unwrap();
            let figures = hsic::Estimator::ALL.map(|e| e.measure(x.as_ref(), y.as_ref(), &kernel, &kernel).unwrap());
            let test = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 50, 7).unwrap();
            (k.values().to_owned(), r, figures, test)
        })
    };
    let one = run(1);
    assert!(one.3.p_value < 1.0);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one);
    }
}

#[test]
fn another_thread_stops_a_test_and_one_that_is_not_stopped_has_the_same_bits() {
    let (x, y) = (normal(600, 3, 30), normal(600, 2, 31));
    let kernel = Kernel::gaussian_median();
    let (x, y) = (x.as_ref(), y.as_ref());
    let stop = AtomicBool::new(false);
    let whole = permutation_test(x, y, &kernel, &kernel, 99, 5);
    assert_eq!(permutation_test_until(x, y, &kernel, &kernel, 99, 5, &stop), whole);
    // A hundred million permutations would take hours.
    let start = Instant::now();
    let stopped = std::thread::scope(|scope| {
        let test = scope.spawn(|| permutation_test_until(x, y, &kernel, &kernel, 100_000_000, 5, &stop));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!test.is_finished());
        stop.store(true, Ordering::Relaxed);
        test.join().unwrap()
    });
    assert_eq!(stopped, Err(Error::Interrupted));
    // What is left are groups of permutations that are broken off at once; the rest of a minute is for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(permutation_test_until(x, y, &kernel, &kernel, 99, 5, &stop), Err(Error::Interrupted));
}
