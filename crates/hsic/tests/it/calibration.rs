//! How often the tests reject when x and y are independent.

use hsic::independence::{gamma_test, permutation_test};
use hsic::kernel::Kernel;
use hsic::random::Stream;
use rayon::prelude::*;

/// Draws under independence.
const DRAWS: u64 = 2000;
/// Rejections at level 0.05 that a binomial count of 2,000 stays within with probability 99.9 % (0.05 % in each tail):
/// mean 100, standard deviation 9.75.
const INTERVAL: std::ops::RangeInclusive<usize> = 69..=133;

/// Rejections at level 0.05 over tables of m x 2 and m x 1; `draw` gives an entry.
fn rejections(
    m: usize,
    draw: fn(&mut Stream) -> f64,
    p_value: impl Fn(&faer::Mat<f64>, &faer::Mat<f64>, u64) -> f64 + Sync,
) -> usize {
    (0..DRAWS)
        .into_par_iter()
        .filter(|&index| {
            let mut stream = Stream::new(11, "calibration", index);
            let x = faer::Mat::from_fn(m, 2, |_, _| draw(&mut stream));
            let y = faer::Mat::from_fn(m, 1, |_, _| draw(&mut stream));
            p_value(&x, &y, index) <= 0.05
        })
        .count()
}

#[test]
fn the_permutation_test_holds_its_level() {
    let kernel = Kernel::gaussian_median();
    let permutation = |x: &faer::Mat<f64>, y: &faer::Mat<f64>, seed| {
        permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 99, seed).unwrap().p_value
    };
    // With 99 permutations the level 0.05 is exact for continuous data; log-normal tails are no exception.
    let normal = rejections(24, Stream::normal, permutation);
    let skewed = rejections(24, |stream| stream.normal().exp(), permutation);
    assert!(INTERVAL.contains(&normal) && INTERVAL.contains(&skewed), "{normal} {skewed}");
}

#[test]
fn the_permutation_test_is_not_liberal_with_ties() {
    // Bits: many permutations give the same statistic, so the level is at most 0.05, and ties must not be lost.
    let kernel = Kernel::Delta;
    let count = rejections(
        24,
        |stream| stream.below(2) as f64,
        |x, y, seed| permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 99, seed).unwrap().p_value,
    );
    assert!(count <= *INTERVAL.end() && count > 0, "{count}");
}

#[test]
fn the_gamma_test_holds_its_level_on_normal_data() {
    // An approximation: normal data, m = 40, where its own error is small against the interval.
    let kernel = Kernel::gaussian_median();
    let count =
        rejections(40, Stream::normal, |x, y, _| gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel).unwrap().p_value);
    assert!(INTERVAL.contains(&count), "{count}");
}
