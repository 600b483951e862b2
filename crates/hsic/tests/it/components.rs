//! Principal components against faer's singular values, and against rows whose components are known.

use faer::Mat;
use hsic::components::Components;
use hsic::error::Error;
use hsic::random::Stream;

fn rows(n: usize, d: usize) -> Mat<f32> {
    let mut stream = Stream::new(5, "components test", (n * d) as u64);
    // Columns of different deviations, so that components differ in their share.
    Mat::from_fn(n, d, |_, j| (3.0 + 4.0 / (1.0 + j as f64) * stream.normal()) as f32)
}

#[test]
fn scores_and_shares_are_those_of_the_singular_values() {
    for (n, d) in [(60, 12), (20, 90), (7, 3)] {
        let x = rows(n, d);
        let found = Components::of(x.as_ref(), 2).unwrap();
        let mean = |j: usize| (0..n).map(|i| f64::from(x[(i, j)])).sum::<f64>() / n as f64;
        let means: Vec<f64> = (0..d).map(mean).collect();
        let centered = Mat::from_fn(n, d, |i, j| f64::from(x[(i, j)]) - means[j]);
        let svd = centered.thin_svd().unwrap();
        let squares: Vec<f64> = svd.S().column_vector().iter().map(|s| s * s).collect();
        let trace: f64 = squares.iter().sum();
        for (k, square) in squares.iter().take(2).enumerate() {
            // The iteration ends at a relative change of 1e-9.
            assert!((found.shares[k] - square / trace).abs() < 1e-7, "{n} {d} {k} {:?}", found.shares);
            let column: Vec<f64> = (0..n).map(|i| f64::from(found.scores[2 * i + k])).collect();
            let other: Vec<f64> = (0..n).map(|i| svd.U()[(i, k)] * square.sqrt()).collect();
            let sign = column.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>().signum();
            let scale = square.sqrt();
            // A vector is as exact as the root of what its value is.
            let worst = column.iter().zip(&other).map(|(a, b)| (a - sign * b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-3 * scale, "{n} {d} {k} {worst} of {scale}");
            let far = column.iter().copied().fold(0.0, |far: f64, v| if v.abs() > far.abs() { v } else { far });
            assert!(far > 0.0);
        }
    }
}

#[test]
fn rows_on_a_line_have_one_component_and_equal_rows_none() {
    let line = Mat::from_fn(5, 3, |i, j| i as f32 * [3.0, 0.0, 4.0][j] + 1.0);
    let found = Components::of(line.as_ref(), 2).unwrap();
    let first: Vec<f32> = found.scores.iter().step_by(2).copied().collect();
    // Steps of length 5 around the middle; which end is positive is the first of two of one size.
    assert_eq!(first, [10.0, 5.0, 0.0, -5.0, -10.0].map(|v: f32| v * first[0].signum()));
    assert!((found.shares[0] - 1.0).abs() < 1e-12 && found.shares[1].abs() < 1e-12, "{:?}", found.shares);
    let equal = Components::of(Mat::from_fn(4, 2, |_, _| 7.0f32).as_ref(), 2).unwrap();
    assert_eq!((equal.scores, equal.shares), (vec![0.0; 8], vec![0.0; 2]));
    // Fewer rows than components.
    assert_eq!(Components::of(Mat::from_fn(2, 1, |i, _| i as f32).as_ref(), 3).unwrap().shares, [1.0, 0.0, 0.0]);
}

#[test]
fn what_has_no_components_is_told() {
    let one = Components::of(Mat::<f32>::zeros(1, 2).as_ref(), 2);
    assert_eq!(one, Err(Error::TooFewRows { argument: "rows", rows: 1, required: 2 }));
    let mut x = rows(4, 2);
    x[(2, 1)] = f32::NAN;
    assert_eq!(Components::of(x.as_ref(), 2), Err(Error::NotFinite { argument: "rows", row: 2, col: 1 }));
}
