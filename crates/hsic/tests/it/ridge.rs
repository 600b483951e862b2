//! Ridge regression against its normal equations and against rows that are really left out.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use hsic::Error;
use hsic::random::Stream;
use hsic::ridge::{ClassRidge, Ridge};

/// Features in single precision with another mean and scale a column, and values that some of them tell.
fn sample(n: usize, d: usize, noise: f64) -> (Mat<f32>, Vec<f64>) {
    let mut stream = Stream::new(3, "ridge", (n * d) as u64);
    let x = Mat::from_fn(n, d, |_, j| (5.0 * j as f64 + (1.0 + j as f64) * stream.normal()) as f32);
    let y = (0..n).map(|i| 0.3 * f64::from(x[(i, 0)]) - f64::from(x[(i, d / 2)]) + noise * stream.normal()).collect();
    (x, y)
}

/// The line of a penalty by its definition: standardized columns, least squares plus p n |w|^2, on all rows but `without`.
/// Columns are standardized by all rows, as the closed form has it; gives what it says of every row.
fn defined(x: &Mat<f32>, y: &[f64], penalty: f64, without: Option<usize>) -> Vec<f64> {
    let (n, d) = (x.nrows(), x.ncols());
    let value = |i: usize, j: usize| f64::from(x[(i, j)]);
    let moments: Vec<(f64, f64)> = (0..d)
        .map(|j| {
            let mean = (0..n).map(|i| value(i, j)).sum::<f64>() / n as f64;
            let square = (0..n).map(|i| (value(i, j) - mean).powi(2)).sum::<f64>() / n as f64;
            (mean, square.sqrt())
        })
        .collect();
    // The last column is the intercept, which is not penalized.
    let z = Mat::from_fn(n, d + 1, |i, j| if j == d { 1.0 } else { (value(i, j) - moments[j].0) / moments[j].1 });
    let kept: Vec<usize> = (0..n).filter(|&i| Some(i) != without).collect();
    let a = Mat::from_fn(d + 1, d + 1, |j, k| {
        let ridge = if j == k && j < d { penalty * n as f64 } else { 0.0 };
        kept.iter().map(|&i| z[(i, j)] * z[(i, k)]).sum::<f64>() + ridge
    });
    let b = Mat::from_fn(d + 1, 1, |j, _| kept.iter().map(|&i| z[(i, j)] * y[i]).sum::<f64>());
    let w = a.llt(Side::Lower).unwrap().solve(&b);
    (0..n).map(|i| (0..=d).map(|j| z[(i, j)] * w[(j, 0)]).sum()).collect()
}

fn told(ridge: &Ridge, x: &Mat<f32>, i: usize) -> f64 {
    ridge.intercept + (0..x.ncols()).map(|j| ridge.weights[j] * f64::from(x[(i, j)])).sum::<f64>()
}

#[test]
fn the_line_and_the_error_of_rows_left_out_are_those_of_their_definitions() {
    // More rows than columns, and more columns than rows.
    for (n, d, noise) in [(40, 5, 1.0), (12, 30, 3.0), (25, 24, 30.0)] {
        let (x, y) = sample(n, d, noise);
        let ridge = Ridge::fit(x.as_ref(), &y).unwrap();
        let expected = defined(&x, &y, ridge.penalty, None);
        let scale = y.iter().map(|y| y.abs()).fold(0.0, f64::max);
        for (i, expected) in expected.into_iter().enumerate() {
            // Double precision with a condition of some 1e5.
            assert!((told(&ridge, &x, i) - expected).abs() < 1e-9 * scale, "{n} {d} {i}");
        }
        let left_out = |penalty: f64| {
            let error = |i: usize| (y[i] - defined(&x, &y, penalty, Some(i))[i]).powi(2);
            (0..n).map(error).sum::<f64>() / n as f64
        };
        let found = left_out(ridge.penalty);
        // With more columns than rows a row has little freedom, by which rounding is divided.
        let exact = if n > d { 1e-7 } else { 1e-4 };
        assert!((ridge.left_out / found - 1.0).abs() < exact, "{n} {d}: {} {found}", ridge.left_out);
        // No penalty of the grid is better.
        for power in -5..=5 {
            assert!(left_out(10f64.powi(power)) >= found * (1.0 - exact), "{n} {d} {power} {}", ridge.penalty);
        }
    }
}

#[test]
fn a_line_without_noise_is_found_and_values_that_nothing_tells_get_their_mean() {
    let (x, y) = sample(60, 4, 0.0);
    let ridge = Ridge::fit(x.as_ref(), &y).unwrap();
    // The least that is tried.
    assert_eq!(ridge.penalty, 10f64.powf(-5.5));
    let worst = (0..60).map(|i| (told(&ridge, &x, i) - y[i]).abs()).fold(0.0, f64::max);
    // A penalty of 3e-6 shrinks by as much.
    assert!(worst < 1e-4, "{worst}");
    let mut stream = Stream::new(9, "nothing", 0);
    let nothing: Vec<f64> = (0..60).map(|_| 4.0 + stream.normal()).collect();
    let ridge = Ridge::fit(x.as_ref(), &nothing).unwrap();
    let mean = nothing.iter().sum::<f64>() / 60.0;
    assert!(ridge.penalty >= 1.0 && (0..60).all(|i| (told(&ridge, &x, i) - mean).abs() < 0.5), "{ridge:?}");
    assert!((0.5..1.5).contains(&ridge.left_out), "{}", ridge.left_out);
}

#[test]
fn the_bits_do_not_depend_on_the_threads_and_constant_columns_count_for_nothing() {
    let (mut x, y) = sample(50, 20, 1.0);
    (0..50).for_each(|i| x[(i, 3)] = 7.1);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Ridge::fit(x.as_ref(), &y).unwrap())
    };
    assert_eq!(on(1), on(2));
    assert_eq!(on(1).weights[3], 0.0);
    let flat = Mat::<f32>::from_fn(6, 2, |_, _| 3.0);
    let ridge = Ridge::fit(flat.as_ref(), &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]).unwrap();
    assert_eq!((ridge.weights, ridge.intercept), (vec![0.0; 2], 4.0));
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let (x, mut y) = sample(5, 2, 1.0);
    y[4] = f64::INFINITY;
    assert_eq!(Ridge::fit(x.as_ref(), &y), Err(Error::NotFinite { argument: "values", row: 4, col: 0 }));
    let few = Ridge::fit(x.subrows(0, 2), &y[..2]);
    assert_eq!(few, Err(Error::TooFewRows { argument: "features", rows: 2, required: 3 }));
    assert!(matches!(Ridge::fit(x.as_ref(), &y[..4]), Err(Error::RowMismatch { .. })));
}

#[test]
fn classes_are_told_by_the_largest_of_the_lines_of_their_indicators() {
    // More rows than columns, and more columns than rows.
    for (n, d, noise) in [(90, 6, 2.0), (20, 40, 2.0)] {
        let (x, y) = sample(n, d, noise);
        let labels: Vec<usize> = y
            .iter()
            .map(|&y| {
                if y < -9.0 {
                    0
                } else if y < -4.0 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let found = ClassRidge::fit(x.as_ref(), &labels, 3).unwrap();
        let indicator =
            |class: usize| labels.iter().map(|&label| f64::from(u8::from(label == class))).collect::<Vec<_>>();
        let lines: Vec<Vec<f64>> = (0..3).map(|class| defined(&x, &indicator(class), found.penalty, None)).collect();
        for i in 0..n {
            let row: Vec<f32> = (0..d).map(|j| x[(i, j)]).collect();
            let of = |class: usize| {
                let products = (0..d).map(|j| f64::from(row[j]) * found.weights[3 * j + class]);
                found.intercepts[class] + products.sum::<f64>()
            };
            // Double precision with a condition of some 1e5.
            (0..3).for_each(|class| assert!((of(class) - lines[class][i]).abs() < 1e-9, "{n} {d} {i} {class}"));
            let largest = (0..3).max_by(|&a, &b| lines[a][i].total_cmp(&lines[b][i])).unwrap();
            assert_eq!(found.class(&row), largest);
        }
        // No penalty of those tried is better by rows that are really left out.
        let left_out = |penalty: f64| -> f64 {
            let error = |class: usize, i: usize| {
                let y = indicator(class);
                (y[i] - defined(&x, &y, penalty, Some(i))[i]).powi(2)
            };
            (0..3).flat_map(|class| (0..n).map(move |i| (class, i))).map(|(class, i)| error(class, i)).sum()
        };
        let best = left_out(found.penalty);
        for power in -5..=1 {
            assert!(left_out(10f64.powi(power)) >= best * (1.0 - 1e-4), "{n} {d} {power} {}", found.penalty);
        }
    }
}
