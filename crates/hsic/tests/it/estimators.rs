//! Estimators against closed forms, published values and their definitions written out.

use faer::{Mat, MatRef, mat};
use hsic::estimator::{cka, cka_debiased, hsic_biased, hsic_biased_m1, hsic_unbiased, nhsic};
use hsic::gram::{Factor, center, normalized_gram, normalized_gram_into};
use hsic::kernel::{Bandwidth, Kernel};
use hsic::{Estimator, Gram, Scalar};

use crate::{normal, single};

fn gram<T: Scalar>(x: &Mat<T>, kernel: &Kernel) -> Gram<T> {
    Gram::new(x.as_ref(), kernel).unwrap()
}

fn close(ours: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((ours - expected).abs() <= tolerance, "{what}: {ours} but {expected}");
}

/// Every kernel, with every kind of bandwidth.
fn kernels() -> Vec<Kernel> {
    let bandwidths = [Bandwidth::scaled(0.7).unwrap(), Bandwidth::unscaled(3.0).unwrap(), Bandwidth::Median];
    let mut kernels = vec![Kernel::Linear, Kernel::Cosine, Kernel::Delta];
    for bandwidth in bandwidths {
        kernels.push(Kernel::Gaussian { bandwidth });
        kernels.push(Kernel::Laplacian { bandwidth });
    }
    kernels
}

/// K by its formula, one entry at a time.
fn naive(x: MatRef<'_, f64>, kernel: &Kernel) -> Mat<f64> {
    let (m, d) = (x.nrows(), x.ncols());
    let means: Vec<f64> = (0..d).map(|k| (0..m).map(|i| x[(i, k)]).sum::<f64>() / m as f64).collect();
    let mean = |k: usize| means[k];
    let sum = |f: &dyn Fn(usize) -> f64| (0..d).map(f).sum::<f64>();
    let squared = |i: usize, j: usize| sum(&|k| (x[(i, k)] - x[(j, k)]).powi(2));
    let absolute = |i: usize, j: usize| sum(&|k| (x[(i, k)] - x[(j, k)]).abs());
    let median = |distance: &dyn Fn(usize, usize) -> f64| {
        let mut all: Vec<f64> =
            (0..m).flat_map(|j| (j + 1..m).map(move |i| (i, j))).map(|(i, j)| distance(i, j)).collect();
        all.retain(|&v| v > 0.0);
        all.sort_by(f64::total_cmp);
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    };
    let width = |bandwidth, scaled: f64, distance: &dyn Fn(usize, usize) -> f64| match bandwidth {
        Bandwidth::Scaled(sigma) => sigma.get() * scaled,
        Bandwidth::Unscaled(sigma) => sigma.get(),
        Bandwidth::Median => median(distance),
    };
    let entry: Box<dyn Fn(usize, usize) -> f64> = match *kernel {
        Kernel::Gaussian { bandwidth } => {
            let w = width(bandwidth, (d as f64).sqrt(), &|i, j| squared(i, j).sqrt());
            Box::new(move |i, j| (-squared(i, j) / (2.0 * w * w)).exp())
        }
        Kernel::Laplacian { bandwidth } => {
            let w = width(bandwidth, d as f64, &absolute);
            Box::new(move |i, j| (-absolute(i, j) / w).exp())
        }
        Kernel::Linear => Box::new(move |i, j| sum(&|k| (x[(i, k)] - mean(k)) * (x[(j, k)] - mean(k)))),
        Kernel::Cosine => Box::new(move |i, j| {
            let norm = |i: usize| sum(&|k| x[(i, k)].powi(2)).sqrt();
            sum(&|k| x[(i, k)] * x[(j, k)]) / (norm(i) * norm(j))
        }),
        Kernel::Delta => Box::new(move |i, j| f64::from(u8::from((0..d).all(|k| x[(i, k)] == x[(j, k)])))),
    };
    Mat::from_fn(m, m, entry)
}

#[test]
fn every_kernel_follows_its_formula_at_every_size() {
    // Sizes on both sides of the lanes (8, 16), tiles (32), panels (128) and of the change from few to many columns (8).
    for (m, d) in [(1, 1), (2, 3), (7, 8), (33, 9), (65, 40), (150, 5), (300, 20)] {
        let mut x = normal(m, d, 1);
        if m > 5 {
            // Two equal rows and two nearly equal ones.
            for k in 0..d {
                x[(3, k)] = x[(1, k)];
                x[(5, k)] = x[(2, k)] + 1e-6;
            }
        }
        for kernel in kernels() {
            if m == 1
                && matches!(
                    kernel,
                    Kernel::Gaussian { bandwidth: Bandwidth::Median }
                        | Kernel::Laplacian { bandwidth: Bandwidth::Median }
                )
            {
                continue;
            }
            let (double, float, expected) = (gram(&x, &kernel), gram(&single(&x), &kernel), naive(x.as_ref(), &kernel));
            for i in 0..m {
                for j in 0..m {
                    // A sum of d products: a few units of rounding of its size, which is d for the linear kernel.
                    let size = if kernel == Kernel::Linear { d as f64 } else { 1.0 };
                    // The words are formed where something is wrong, not at every one of a million entries.
                    let what = || format!("{kernel:?} {m} x {d} at {i}, {j}");
                    let (found, single, expected) = (double.value(i, j), float.value(i, j), expected[(i, j)]);
                    assert!((found - expected).abs() <= 1e-13 * size, "{}: {found} but {expected}", what());
                    assert!((single - expected).abs() <= 4e-6 * size, "{}: {single} but {expected}", what());
                    assert_eq!(found, double.value(j, i), "{}", what());
                }
            }
        }
    }
}

#[test]
fn six_points_give_the_values_of_an_independent_computation() {
    // Computed in double precision, and nHSIC in 40 digits, by a separate program.
    let x = mat![[0.0f64, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.25, 0.75]];
    let z = mat![[0.1f64], [0.9], [0.2], [1.1], [0.6], [0.3]];
    let y = mat![[1.0f64, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
    for (sigma, values) in [
        (
            1.0,
            [
                3.055_106_751_0,
                0.939_711_049_4,
                4.795_997_522_6,
                1.840_043_701_3e-2,
                2.759_503_675_5e-2,
                0.834_462_758_5,
                0.662_479_829_9,
            ],
        ),
        (
            5.0,
            [
                1.241_439_652_0,
                0.850_884_898_4,
                2.555_768_581_0,
                4.368_915_938_9e-5,
                6.603_689_835_8e-5,
                0.820_342_906_0,
                0.662_019_813_0,
            ],
        ),
    ] {
        let kernel = Kernel::gaussian(sigma).unwrap();
        let (k, l, r) = (gram(&x, &kernel), gram(&y, &kernel), gram(&z, &kernel));
        let epsilon = 1e-5;
        let ours = [
            nhsic(&r, &k, epsilon).unwrap(),
            nhsic(&r, &l, epsilon).unwrap(),
            nhsic(&k, &k, epsilon).unwrap(),
            hsic_biased(&r, &l).unwrap(),
            hsic_unbiased(&r, &l).unwrap(),
            cka(&r, &l).unwrap(),
            cka(&r, &k).unwrap(),
        ];
        for (index, (ours, value)) in ours.into_iter().zip(values).enumerate() {
            // Printed to 10 decimals or 11 digits.
            close(ours, value, 1e-9_f64.min(1e-9 * value.abs().max(0.06)), &format!("sigma {sigma}, {index}"));
        }
        let trace: f64 = (0..6).map(|i| normalized_gram(&l, epsilon).unwrap()[(i, i)]).sum();
        close(trace, if sigma == 1.0 { 0.999_949_172_7 } else { 0.998_990_985_8 }, 1e-9, "trace of R_Y");
    }
}

#[test]
fn estimators_follow_their_definitions_with_every_kernel() {
    let (m, x) = (50, normal(50, 3, 2));
    let y = Mat::from_fn(m, 2, |i, k| x[(i, k)].powi(2) + 0.3 * x[(i, 2)]);
    for kernel in kernels() {
        let (k, l) = (naive(x.as_ref(), &kernel), naive(y.as_ref(), &kernel));
        let n = m as f64;
        let h = Mat::from_fn(m, m, |i, j| f64::from(u8::from(i == j)) - 1.0 / n);
        let (kc, lc) = (&h * &k * &h, &h * &l * &h);
        let trace = |a: &Mat<f64>, b: &Mat<f64>| {
            (0..m).map(|i| (0..m).map(|j| a[(i, j)] * b[(j, i)]).sum::<f64>()).sum::<f64>()
        };
        let bare = |a: &Mat<f64>| Mat::from_fn(m, m, |i, j| if i == j { 0.0 } else { a[(i, j)] });
        let unbiased = |a: &Mat<f64>, b: &Mat<f64>| {
            let (a, b) = (bare(a), bare(b));
            let ones = Mat::<f64>::full(m, 1, 1.0);
            let total = |a: &Mat<f64>| (ones.transpose() * a * &ones)[(0, 0)];
            let cross = (ones.transpose() * &a * &b * &ones)[(0, 0)];
            (trace(&a, &b) + total(&a) * total(&b) / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * cross)
                / (n * (n - 3.0))
        };
        let (a, b) = (gram(&x, &kernel), gram(&y, &kernel));
        let what = format!("{kernel:?}");
        // Delta sees 50 different rows: K = L = I.
        let size = if kernel == Kernel::Linear { 30.0 } else { 1.0 };
        close(hsic_biased(&a, &b).unwrap(), trace(&kc, &lc) / (n * n), 1e-14 * size, &what);
        close(hsic_biased_m1(&a, &b).unwrap(), trace(&kc, &lc) / (n - 1.0).powi(2), 1e-14 * size, &what);
        close(hsic_unbiased(&a, &b).unwrap(), unbiased(&k, &l), 1e-14 * size, &what);
        close(cka(&a, &b).unwrap(), trace(&kc, &lc) / (trace(&kc, &kc) * trace(&lc, &lc)).sqrt(), 1e-13, &what);
        if kernel != Kernel::Delta {
            close(
                cka_debiased(&a, &b).unwrap(),
                unbiased(&k, &l) / (unbiased(&k, &k) * unbiased(&l, &l)).sqrt(),
                1e-12,
                &what,
            );
        }
        let centered = center(&a);
        assert!((0..m).all(|i| (0..m).all(|j| (centered[(i, j)] - kc[(i, j)]).abs() < 1e-13 * size)), "{what}");
        // R (Kc + epsilon m I) = Kc.
        let epsilon = 1e-3;
        let r = normalized_gram(&a, epsilon).unwrap();
        let product = &r * Mat::from_fn(m, m, |i, j| kc[(i, j)] + if i == j { epsilon * n } else { 0.0 });
        assert!((0..m).all(|i| (0..m).all(|j| (product[(i, j)] - kc[(i, j)]).abs() < 1e-12 * size)), "{what}");
        close(nhsic(&a, &b, epsilon).unwrap(), trace(&r, &normalized_gram(&b, epsilon).unwrap()), 1e-12 * n, &what);
    }
}

#[test]
fn linear_kernels_give_the_squared_cross_covariance() {
    let (m, x, y) = (40, normal(40, 12, 3), normal(40, 2, 4));
    let centered =
        |x: &Mat<f64>| Mat::from_fn(m, x.ncols(), |i, k| x[(i, k)] - (0..m).map(|i| x[(i, k)]).sum::<f64>() / m as f64);
    let covariance = centered(&x).transpose() * centered(&y) / faer::Scale(m as f64);
    let expected = covariance.squared_norm_l2();
    let ours = hsic_biased(&gram(&x, &Kernel::Linear), &gram(&y, &Kernel::Linear)).unwrap();
    close(ours, expected, 1e-14, "|X'HY/m|^2");
}

#[test]
fn a_vanishing_bandwidth_gives_the_identity() {
    // K = I, so R = H / (1 + epsilon m) and nHSIC(V, V) = (m - 1) / (1 + epsilon m)^2.
    let kernel = Kernel::gaussian(1e-6).unwrap();
    let k = gram(&normal(256, 3, 5), &kernel);
    close(nhsic(&k, &k, 1e-5).unwrap(), 255.0 / 1.00256f64.powi(2), 1e-9, "nHSIC");
}

#[test]
fn a_growing_bandwidth_tends_to_the_linear_kernel() {
    // exp(-D / (2 s^2 d)) = 1 - D / (2 s^2 d) + ..., and H D H = -2 Kc of the linear kernel.
    let (x, y) = (normal(30, 4, 6), normal(30, 2, 7));
    for sigma in [1e5, 1e9, 1e30, 1e80] {
        let kernel = Kernel::gaussian(sigma).unwrap();
        let (k, l) = (gram(&x, &kernel), gram(&y, &kernel));
        let (a, b) = (gram(&x, &Kernel::Linear), gram(&y, &Kernel::Linear));
        close(cka(&k, &l).unwrap(), cka(&a, &b).unwrap(), 1e-9, "CKA");
        let expected = hsic_biased(&a, &b).unwrap() / 8.0;
        if sigma < 1e40 {
            close(hsic_biased(&k, &l).unwrap() * sigma.powi(4) / expected, 1.0, 1e-9, "HSIC");
        }
        let (k, l) = (gram(&single(&x), &kernel), gram(&single(&y), &kernel));
        // Single precision in the entries.
        close(cka(&k, &l).unwrap(), cka(&a, &b).unwrap(), 1e-6, "CKA in f32");
    }
}

#[test]
fn four_hsic_of_distance_induced_kernels_is_the_distance_covariance() {
    // The Laplacian's limit: with k = 1 - |x - y| / w, 4 HSIC of (|x| + |x'| - |x - x'|) / 2 is w^2 HSIC of k.
    let (m, x, y) = (30, normal(30, 1, 8), normal(30, 1, 9));
    let width = 1e12;
    let kernel = Kernel::Laplacian { bandwidth: Bandwidth::unscaled(width).unwrap() };
    let ours = hsic_biased(&gram(&x, &kernel), &gram(&y, &kernel)).unwrap() * width * width;
    let centered = |x: &Mat<f64>| {
        let d = |i: usize, j: usize| (x[(i, 0)] - x[(j, 0)]).abs();
        let row: Vec<f64> = (0..m).map(|i| (0..m).map(|j| d(i, j)).sum::<f64>() / m as f64).collect();
        let mean = row.iter().sum::<f64>() / m as f64;
        Mat::from_fn(m, m, |i, j| d(i, j) - row[i] - row[j] + mean)
    };
    let (a, b) = (centered(&x), centered(&y));
    let covariance =
        (0..m).flat_map(|j| (0..m).map(move |i| (i, j))).map(|p| a[p] * b[p]).sum::<f64>() / (m * m) as f64;
    // The second order of the exponential is 1e-12 of the first.
    close(ours, covariance, 1e-11, "distance covariance");
}

#[test]
fn names_lead_back_to_the_estimators() {
    for estimator in Estimator::ALL {
        assert_eq!(Estimator::from_name(estimator.name()), Some(estimator));
    }
    assert_eq!(Estimator::from_name("hsic"), None);
    let names = Estimator::ALL.map(|e| e.name());
    assert_eq!(names, ["hsic-biased", "hsic-biased-m1", "hsic-unbiased", "nhsic", "cka", "cka-debiased"]);
}

#[test]
fn reused_memory_gives_the_same_bits() {
    let (x, y) = (normal(140, 20, 10), normal(140, 3, 11));
    let mut reused = Gram::default();
    let mut factor = Factor::default();
    let mut r = Mat::zeros(140, 140);
    for kernel in kernels() {
        for table in [&x, &y] {
            reused.fill(table.as_ref(), &kernel).unwrap();
            let fresh = gram(table, &kernel);
            assert_eq!(reused.values(), fresh.values());
            assert_eq!(
                (reused.sigma(), reused.scale(), reused.offset()),
                (fresh.sigma(), fresh.scale(), fresh.offset())
            );
            normalized_gram_into(r.as_mut(), &reused, 1e-4, &mut factor).unwrap();
            assert_eq!(r, normalized_gram(&fresh, 1e-4).unwrap());
        }
    }
}

#[test]
fn any_strides_give_the_same_bits() {
    let x = normal(50, 12, 12);
    let turned = x.transpose().to_owned();
    let backward = Mat::from_fn(50, 12, |i, k| x[(49 - i, k)]);
    for kernel in kernels() {
        let fresh = gram(&x, &kernel);
        assert_eq!(Gram::new(turned.transpose(), &kernel).unwrap().values(), fresh.values());
        assert_eq!(Gram::new(backward.reverse_rows(), &kernel).unwrap().values(), fresh.values());
    }
}
