//! Hard tables give the right number or a typed error.

use faer::{Mat, MatRef, mat};
use hsic::estimator::{cka, hsic_biased};
use hsic::independence::{gamma_test, permutation_test};
use hsic::kernel::{Bandwidth, Kernel, Sigma};
use hsic::{BatchOperator, Bottleneck, Error, Estimator, Gram, Scalar};

use crate::{normal, single};

fn kernels() -> [Kernel; 5] {
    let laplacian = Kernel::Laplacian { bandwidth: Bandwidth::scaled(1.0).unwrap() };
    [Kernel::gaussian(1.0).unwrap(), laplacian, Kernel::gaussian_median(), Kernel::Linear, Kernel::Cosine]
}

fn measure<T: Scalar>(estimator: Estimator, x: &Mat<T>, y: &Mat<T>, kernel: &Kernel) -> Result<f64, Error> {
    estimator.measure(x.as_ref(), y.as_ref(), kernel, kernel).map(|m| m.value)
}

#[test]
fn rows_that_are_all_equal_carry_no_dependence() {
    // 0.1 has no exact mean; 20 columns take the way through a matrix product.
    for d in [1, 20] {
        let x = Mat::from_fn(10, d, |_, k| 0.1 + k as f64);
        let y = normal(10, 2, 1);
        for kernel in kernels().into_iter().chain([Kernel::Delta]) {
            for estimator in Estimator::ALL {
                let figures =
                    [measure(estimator, &x, &y, &kernel), measure(estimator, &single(&x), &single(&y), &kernel)];
                for figure in figures {
                    match estimator {
                        Estimator::Cka | Estimator::CkaDebiased => {
                            assert_eq!(
                                figure,
                                Err(Error::Undefined { estimator: estimator.name(), argument: "x" }),
                                "{kernel:?}"
                            );
                        }
                        // Zero but for the cosine of unit rows, which may miss 1 by one rounding.
                        _ => assert!(
                            figure.clone().unwrap().abs() < 1e-6,
                            "{} {kernel:?} {d}: {figure:?}",
                            estimator.name()
                        ),
                    }
                }
            }
            let gram = Gram::new(x.as_ref(), &kernel).unwrap();
            assert!(gram.sigma().is_none_or(|sigma| sigma == 1.0));
        }
    }
}

#[test]
fn a_test_of_equal_rows_does_not_reject() {
    let (x, y) = (Mat::full(10, 3, 0.1), normal(10, 1, 2));
    let kernel = Kernel::gaussian_median();
    for (x, y) in [(&x, &y), (&y, &x)] {
        let permutation = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 99, 1).unwrap();
        let gamma = gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel).unwrap();
        assert_eq!((permutation.statistic, permutation.p_value, gamma.statistic, gamma.p_value), (0.0, 1.0, 0.0, 1.0));
    }
}

#[test]
fn a_constant_column_changes_only_the_scaled_bandwidth() {
    let (x, y) = (normal(30, 2, 3), normal(30, 1, 4));
    let wider = Mat::from_fn(30, 3, |i, k| if k < 2 { x[(i, k)] } else { 1e6 });
    let kernel = Kernel::gaussian_median();
    for estimator in Estimator::ALL {
        let (a, b) = (measure(estimator, &x, &y, &kernel).unwrap(), measure(estimator, &wider, &y, &kernel).unwrap());
        // Scaling by the largest entry is exact; only the order of sums differs.
        assert!((a - b).abs() < 1e-9 * a.abs().max(1.0), "{}: {a} {b}", estimator.name());
    }
}

#[test]
fn repeated_rows_are_at_distance_zero() {
    for d in [3, 40] {
        let base = normal(6, d, 5);
        // The offset would cancel all digits of a distance taken through squares.
        let x = Mat::from_fn(12, d, |i, k| base[(i % 6, k)] + if i % 6 < 3 { 1e7 } else { 0.0 });
        let gram = Gram::new(x.as_ref(), &Kernel::gaussian(1e-3).unwrap()).unwrap();
        let float = Gram::new(single(&x).as_ref(), &Kernel::gaussian(1e-3).unwrap()).unwrap();
        for i in 0..12 {
            for j in 0..12 {
                if i % 6 == j % 6 {
                    assert_eq!((gram.value(i, j), float.value(i, j)), (1.0, 1.0));
                } else {
                    assert!(gram.value(i, j) < 0.5, "{i} {j}");
                }
            }
        }
    }
}

#[test]
fn the_median_is_over_positive_distances() {
    // 0 0 0 3 3: six distances 3 and four 0.
    let x = mat![[0.0f64], [0.0], [0.0], [3.0], [3.0]];
    assert_eq!(Gram::new(x.as_ref(), &Kernel::gaussian_median()).unwrap().sigma(), Some(3.0));
    // 0 1 3 7: distances 1 2 3 4 6 7, whose middle two are 3 and 4.
    let x = mat![[0.0f32], [1.0], [3.0], [7.0]];
    for kernel in [Kernel::gaussian_median(), Kernel::Laplacian { bandwidth: Bandwidth::Median }] {
        assert_eq!(Gram::new(x.as_ref(), &kernel).unwrap().sigma(), Some(3.5));
    }
}

#[test]
fn scales_from_1e_minus_30_to_1e30_give_the_same_figures() {
    for d in [2, 30] {
        let (x, y) = (normal(25, d, 6), normal(25, 1, 7));
        let y = Mat::from_fn(25, 1, |i, _| y[(i, 0)] + x[(i, 0)]);
        let kernel = Kernel::gaussian_median();
        for power in [-30, -19, 19, 30] {
            let factor = 10f64.powi(power);
            let scaled = Mat::from_fn(25, d, |i, k| x[(i, k)] * factor);
            let sigma = factor * 1.5;
            let fixed = Kernel::Gaussian { bandwidth: Bandwidth::scaled(sigma).unwrap() };
            let gram = Gram::new(single(&scaled).as_ref(), &fixed).unwrap();
            let plain = Gram::new(x.as_ref(), &Kernel::gaussian(1.5).unwrap()).unwrap();
            assert!((0..25).all(|i| (gram.value(i, 0) - plain.value(i, 0)).abs() < 1e-6), "{power}");
            for estimator in Estimator::ALL {
                let expected = measure(estimator, &x, &y, &kernel).unwrap();
                let double = measure(estimator, &scaled, &y, &kernel).unwrap();
                let float = measure(estimator, &single(&scaled), &single(&y), &kernel).unwrap();
                // f32: entries to 1e-7, nHSIC's inverse with condition 1e4.
                let single = if matches!(estimator, Estimator::Nhsic { .. }) { 1e-2 } else { 1e-6 };
                assert!((double - expected).abs() < 1e-9, "{} {power}: {double} {expected}", estimator.name());
                assert!((float - expected).abs() < single, "{} {power}: {float} {expected}", estimator.name());
            }
            let linear = |x: &Mat<f64>| {
                cka(
                    &Gram::new(single(x).as_ref(), &Kernel::Linear).unwrap(),
                    &Gram::new(single(&y).as_ref(), &Kernel::Linear).unwrap(),
                )
            };
            assert!((linear(&scaled).unwrap() - linear(&x).unwrap()).abs() < 1e-6, "{power}");
            let cosine = Gram::new(single(&scaled).as_ref(), &Kernel::Cosine).unwrap();
            assert!((cosine.value(0, 1) - Gram::new(x.as_ref(), &Kernel::Cosine).unwrap().value(0, 1)).abs() < 1e-6);
        }
    }
}

#[test]
fn bandwidths_out_of_proportion_give_the_limits() {
    // Far below the distances K is the identity, far above it is linear in them; neither is NaN.
    for factor in [1e-30, 1.0, 1e30] {
        let x = Mat::from_fn(9, 2, |i, k| ((i * (k + 2)) % 7) as f32 * factor as f32);
        for sigma in [f64::MIN_POSITIVE, 1e-40, 1e55, f64::MAX] {
            for bandwidth in [Bandwidth::scaled(sigma).unwrap(), Bandwidth::unscaled(sigma).unwrap()] {
                for kernel in [Kernel::Gaussian { bandwidth }, Kernel::Laplacian { bandwidth }] {
                    let gram = Gram::new(x.as_ref(), &kernel).unwrap();
                    let expected = if sigma < 1.0 { 0.0 } else { 1.0 };
                    assert!((gram.value(0, 1) - expected).abs() < 1e-20, "{factor} {kernel:?}: {}", gram.value(0, 1));
                    assert_eq!(gram.value(7, 0), 1.0);
                    assert!(hsic_biased(&gram, &gram).unwrap() >= 0.0);
                }
            }
        }
    }
}

#[test]
fn a_bad_entry_is_named_by_argument_row_and_column() {
    let good = normal(8, 3, 8);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut x = good.clone();
        x[(4, 2)] = bad;
        let kernel = Kernel::gaussian_median();
        for (x, y, argument) in [(&x, &good, "x"), (&good, &x, "y")] {
            let expected = Error::NotFinite { argument, row: 4, col: 2 };
            for estimator in Estimator::ALL {
                assert_eq!(measure(estimator, x, y, &kernel), Err(expected.clone()));
            }
            let (x, y) = (x.as_ref(), y.as_ref());
            assert_eq!(permutation_test(x, y, &kernel, &kernel, 9, 1), Err(expected.clone()));
            assert_eq!(gamma_test(x, y, &kernel, &kernel), Err(expected.clone()));
            assert_eq!(expected.to_string(), format!("{argument}[4, 2] is not a finite number"));
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let kernel = Kernel::gaussian(1.0).unwrap();
    let (x, y) = (normal(8, 3, 9), normal(7, 3, 9));
    let mismatch = Error::RowMismatch { left: "x", left_rows: 8, right: "y", right_rows: 7 };
    assert_eq!(measure(Estimator::Cka, &x, &y, &kernel), Err(mismatch.clone()));
    assert_eq!(permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 9, 1), Err(mismatch.clone()));
    let (k, l) = (Gram::new(x.as_ref(), &kernel).unwrap(), Gram::new(y.as_ref(), &kernel).unwrap());
    assert_eq!(hsic_biased(&k, &l), Err(mismatch));
    let empty = Mat::<f64>::zeros(8, 0);
    assert_eq!(measure(Estimator::Cka, &x, &empty, &kernel), Err(Error::NoColumns { argument: "y" }));
    assert_eq!(Gram::new(empty.as_ref(), &kernel).err(), Some(Error::NoColumns { argument: "x" }));
    let none = MatRef::<f64>::from_column_major_slice(&[], 0, 3);
    assert_eq!(Gram::new(none, &kernel).err(), Some(Error::TooFewRows { argument: "x", rows: 0, required: 1 }));
}

#[test]
fn too_few_rows_are_refused_and_just_enough_are_not() {
    let kernel = Kernel::gaussian(1.0).unwrap();
    for estimator in Estimator::ALL {
        let required = estimator.required_rows();
        for m in 1..required {
            let x = normal(m, 2, 10);
            assert_eq!(
                measure(estimator, &x, &x, &kernel),
                Err(Error::TooFewRows { argument: "x", rows: m, required })
            );
        }
        let x = normal(required, 2, 10);
        let figure = measure(estimator, &x, &x, &kernel).unwrap();
        assert!(if required == 1 { figure == 0.0 } else { figure > 0.0 }, "{}: {figure}", estimator.name());
    }
    let x = normal(5, 1, 11);
    let refused = Err(Error::TooFewRows { argument: "x", rows: 5, required: 6 });
    assert_eq!(gamma_test(x.as_ref(), x.as_ref(), &kernel, &kernel), refused);
}

#[test]
fn parameters_outside_their_range_are_named() {
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for error in [Sigma::new(sigma).unwrap_err(), Bandwidth::unscaled(sigma).unwrap_err()] {
            assert!(matches!(error, Error::Parameter { name: "sigma", .. }), "{error}");
        }
        let x = normal(8, 1, 12);
        let error = measure(Estimator::Nhsic { epsilon: sigma }, &x, &x, &Kernel::Linear).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "epsilon", .. }), "{error}");
    }
    let x = normal(8, 1, 12);
    let error = permutation_test(x.as_ref(), x.as_ref(), &Kernel::Linear, &Kernel::Linear, 0, 1).unwrap_err();
    assert_eq!(error.to_string(), "permutations = 0: expected a finite number > 0");
    for kernel in [Kernel::Linear, Kernel::Cosine] {
        let error = gamma_test(x.as_ref(), x.as_ref(), &Kernel::Delta, &kernel).unwrap_err();
        assert_eq!(error, Error::KernelNotUnit { argument: "kernel_y", kernel: kernel.name() });
    }
}

#[test]
fn a_ridge_below_rounding_is_an_error_not_a_number() {
    // 60 rows on a line: the Gram matrix has rank far below 60, so its least eigenvalues are rounding.
    let x = Mat::from_fn(60, 1, |i, _| i as f64 / 60.0);
    let kernel = Kernel::gaussian(2.0).unwrap();
    let lost = |figure| matches!(figure, Err(Error::NotPositiveDefinite { .. }));
    assert!(lost(measure(Estimator::Nhsic { epsilon: 1e-11 }, &single(&x), &single(&x), &kernel)));
    assert!(lost(measure(Estimator::Nhsic { epsilon: 1e-21 }, &x, &x, &kernel)));
    assert!(measure(Estimator::Nhsic { epsilon: 1e-11 }, &x, &x, &kernel).is_ok());
    // Few rows: the pivots that rounding makes may be positive, and larger than the ridge.
    for seed in 0..50 {
        let x = normal(3, 1, seed);
        assert!(lost(measure(Estimator::Nhsic { epsilon: 1e-25 }, &x, &x, &Kernel::Linear)), "{seed}");
    }
}

#[test]
fn a_ridge_near_rounding_gives_an_error_or_the_figure() {
    let (mut refused, mut given) = (0, 0);
    for seed in 0..20 {
        let (x, y) = (normal(120, 1, seed), normal(120, 1, 100 + seed));
        let kernel = Kernel::gaussian(2.0).unwrap();
        for power in -90..-40 {
            let estimator = Estimator::Nhsic { epsilon: 10f64.powf(f64::from(power) / 10.0) };
            let exact = measure(estimator, &x, &y, &kernel).unwrap();
            match measure(estimator, &single(&x), &single(&y), &kernel) {
                Err(Error::NotPositiveDefinite { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
                Ok(figure) => {
                    given += 1;
                    // Rounding is at most a small multiple of the ridge's 32nd part where there is no refusal.
                    assert!((figure / exact - 1.0).abs() < 0.5, "{seed} {power}: {figure} {exact}");
                }
            }
        }
    }
    assert!(refused > 100 && given > 100, "{refused} {given}");
}

#[test]
fn parallel_rows_have_no_cosine_alignment() {
    // Unit rows differ by one rounding only; without a threshold CKA would be a quotient of roundings.
    let x = Mat::from_fn(12, 3, |i, k| (i + 1) as f64 * [0.1, 0.7, 1.3][k]);
    let y = normal(12, 2, 13);
    let expected = Err(Error::Undefined { estimator: "cka", argument: "x" });
    assert_eq!(measure(Estimator::Cka, &x, &y, &Kernel::Cosine), expected);
    assert_eq!(measure(Estimator::Cka, &single(&x), &single(&y), &Kernel::Cosine), expected);
    let test = permutation_test(x.as_ref(), y.as_ref(), &Kernel::Cosine, &Kernel::Linear, 19, 1).unwrap();
    assert_eq!(test.p_value, 1.0);
}

#[test]
fn a_row_of_zeros_has_no_cosine() {
    let x = mat![[0.0f64, 0.0], [3.0, 4.0], [-6.0, -8.0], [4.0, -3.0]];
    let gram = Gram::new(x.as_ref(), &Kernel::Cosine).unwrap();
    for (i, j, expected) in [(0, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0), (1, 2, -1.0), (1, 3, 0.0)] {
        assert!((gram.value(i, j) - expected).abs() < 1e-15, "{i} {j}");
    }
}

#[test]
fn matrices_that_no_memory_holds_are_refused_before_they_are_taken() {
    // 2^20 rows: 8.8 TB a matrix of f64, twice that for a pair. What the figure takes beside them counts.
    let m = 1 << 20;
    let x = Mat::<f64>::zeros(m, 1);
    let kernel = Kernel::gaussian(1.0).unwrap();
    let square = (m as u64).pow(2);
    let told = |error: Error, bytes: u64| match error {
        Error::Memory { rows, needed, available } => {
            assert_eq!((rows, needed), (m, bytes));
            assert!(available.is_none_or(|available| available < needed), "{available:?}");
        }
        error => panic!("{error}"),
    };
    told(Gram::new(x.as_ref(), &kernel).map(drop).unwrap_err(), 8 * square);
    told(measure(Estimator::Cka, &x, &x, &kernel).unwrap_err(), 16 * square);
    told(measure(Estimator::Nhsic { epsilon: 1e-5 }, &x, &x, &kernel).unwrap_err(), 40 * square);
    told(permutation_test(x.as_ref(), x.as_ref(), &kernel, &kernel, 9, 1).unwrap_err(), 18 * square);
    told(gamma_test(x.as_ref(), x.as_ref(), &kernel, &kernel).unwrap_err(), 16 * square);
    // Samples that do not belong together are told first.
    let short = measure(Estimator::Cka, &x, &Mat::zeros(3, 1), &kernel);
    assert!(matches!(short, Err(Error::RowMismatch { .. })), "{short:?}");
    let labels = vec![0; m];
    let operator = BatchOperator::new(x.as_ref(), &labels, 2, Bottleneck::default());
    assert!(matches!(operator.map(drop), Err(Error::Memory { rows, .. }) if rows == m));
}

/// A U-centred matrix of its definition: zero diagonal, means over what is off it.
fn u_centred(m: usize, entry: impl Fn(usize, usize) -> f64) -> Mat<f64> {
    let k = Mat::from_fn(m, m, |i, j| if i == j { 0.0 } else { entry(i, j) });
    let n = m as f64;
    let sums: Vec<f64> = (0..m).map(|i| (0..m).map(|j| k[(i, j)]).sum()).collect();
    let all = sums.iter().sum::<f64>() / ((n - 1.0) * (n - 2.0));
    let centred = |i: usize, j: usize| k[(i, j)] - (sums[i] + sums[j]) / (n - 2.0) + all;
    Mat::from_fn(m, m, |i, j| if i == j { 0.0 } else { centred(i, j) })
}

#[test]
fn a_kernel_of_nearly_nothing_keeps_its_digits_beside_the_diagonal() {
    // Off the diagonal at most exp(-27) = 2e-12, which the 1 on it would leave four digits of.
    let places: [f64; 6] = [0.0, 1.0, 2.05, 3.2, 4.1, 5.15];
    let targets = [0.3, -1.0, 2.0, 0.5, 0.1, -0.7];
    let sigma = (1.0f64 / 54.0).sqrt();
    let x = Mat::from_fn(6, 1, |i, _| places[i]);
    let y = Mat::from_fn(6, 1, |i, _| targets[i]);
    let a = u_centred(6, |i, j| (-27.0 * (places[i] - places[j]).powi(2)).exp());
    let b = u_centred(6, |i, j| targets[i] * targets[j]);
    let product = |a: &Mat<f64>, b: &Mat<f64>| -> f64 {
        (0..6).flat_map(|i| (0..6).map(move |j| (i, j))).map(|at| a[at] * b[at]).sum()
    };
    let expected = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    let kernel = Kernel::Gaussian { bandwidth: hsic::kernel::Bandwidth::unscaled(sigma).unwrap() };
    let found = Estimator::CkaDebiased.measure(x.as_ref(), y.as_ref(), &kernel, &Kernel::Linear).unwrap().value;
    // Rounding of the exponents: 27 * 1e-16 for each entry.
    assert!((found - expected).abs() < 1e-13, "{found} and {expected}");
}
