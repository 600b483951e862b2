//! The closed-form gradient against differences and its own symmetries; hard inputs of the objective.

use faer::Mat;
use hsic::random::Stream;
use hsic::{BatchOperator, Bottleneck, Error, LabelFit, Scalar, Targets, Workspace};
use proptest::prelude::*;

use crate::reference::reference;
use crate::single;

struct Sample {
    x: Mat<f64>,
    z: Mat<f64>,
    labels: Vec<usize>,
}

fn sample(m: usize, d: usize, classes: usize, seed: u64) -> Sample {
    let mut stream = Stream::new(seed, "gradient", 0);
    let labels: Vec<usize> = (0..m).map(|i| i % classes).collect();
    let x = Mat::from_fn(m, 7, |_, _| stream.uniform());
    let z = Mat::from_fn(m, d, |i, _| stream.normal() + labels[i] as f64);
    Sample { x, z, labels }
}

fn operator<T: Scalar>(sample: &Sample, options: Bottleneck) -> BatchOperator<T> {
    let x = Mat::from_fn(sample.x.nrows(), sample.x.ncols(), |i, j| T::of(sample.x[(i, j)]));
    let classes = sample.labels.iter().max().unwrap() + 1;
    BatchOperator::new(x.as_ref(), &sample.labels, classes, options).unwrap()
}

const MILD: Bottleneck = Bottleneck {
    sigma: 1.0,
    sigma_labels: 1.0,
    epsilon: 1e-2,
    beta: 3.0,
    x_weight: 1.0,
    label_fit: LabelFit::InSample,
};

#[test]
fn it_agrees_with_central_differences() {
    for case in reference().cases.iter().filter(|case| case.options().epsilon > 1e-3) {
        let x = case.x.matrix::<f64>();
        let operator = BatchOperator::new(x.as_ref(), &case.labels, case.classes, case.options()).unwrap();
        let mut z = case.z.matrix::<f64>();
        let gradient = operator.evaluate(z.as_ref()).unwrap().gradient;
        for i in 0..z.nrows() {
            for j in 0..z.ncols() {
                let kept = z[(i, j)];
                let h = 1e-4;
                let mut at = |offset: f64| {
                    z[(i, j)] = kept + offset;
                    operator.evaluate(z.as_ref()).unwrap().terms.loss
                };
                // Fourth order: truncation h^4 = 1e-16 times the fifth derivative, cancellation 1e-16 |L| / (c h).
                let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                z[(i, j)] = kept;
                assert!((gradient[(i, j)] - difference).abs() < 1e-6, "{} {difference}", gradient[(i, j)]);
            }
        }
    }
}

#[test]
fn every_size_of_panel_and_tile_gives_the_same_rows() {
    // Sizes around the panels of 32, 64 and 128 rows: the derivative along a random direction against a difference.
    for m in [2, 3, 17, 31, 33, 64, 65, 96, 127, 129, 160, 193, 257] {
        let sample = sample(m, 5, 2.min(m), m as u64);
        let operator = operator::<f64>(&sample, MILD);
        let mut stream = Stream::new(1, "direction", m as u64);
        let direction = Mat::from_fn(m, 5, |_, _| stream.normal());
        let loss =
            |step: f64| operator.evaluate((&sample.z + faer::Scale(step) * &direction).as_ref()).unwrap().terms.loss;
        let gradient = operator.evaluate(sample.z.as_ref()).unwrap().gradient;
        let slope: f64 = (0..m).flat_map(|i| (0..5).map(move |j| (i, j))).map(|at| gradient[at] * direction[at]).sum();
        let h = 1e-4;
        let difference = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
        assert!((slope - difference).abs() < 1e-7 * (1.0 + difference.abs()), "{m}: {slope} {difference}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_the_gradient_sum_to_zero_and_a_translation_changes_nothing(seed in 0u64..1000, shift in -50.0..50.0) {
        let sample = sample(40, 3, 4, seed);
        let operator = operator::<f64>(&sample, MILD);
        let here = operator.evaluate(sample.z.as_ref()).unwrap();
        let there = operator.evaluate(Mat::from_fn(40, 3, |i, j| sample.z[(i, j)] + shift).as_ref()).unwrap();
        prop_assert!((here.terms.loss - there.terms.loss).abs() < 1e-9);
        for j in 0..3 {
            // A Laplacian's columns sum to 0; what is left is the rounding of 40 terms.
            let sum: f64 = (0..40).map(|i| here.gradient[(i, j)]).sum();
            prop_assert!(sum.abs() < 1e-11 * here.gradient.norm_max() * 40.0, "{}", sum);
        }
        prop_assert!((&here.gradient - &there.gradient).norm_max() < 1e-9 * here.gradient.norm_max().max(1e-3));
    }

    #[test]
    fn rows_permuted_alike_permute_the_gradient(seed in 0u64..1000) {
        let before = sample(30, 4, 3, seed);
        let mut order: Vec<usize> = (0..30).collect();
        Stream::new(seed, "permute", 0).shuffle(&mut order);
        let after = Sample {
            x: Mat::from_fn(30, 7, |i, j| before.x[(order[i], j)]),
            z: Mat::from_fn(30, 4, |i, j| before.z[(order[i], j)]),
            labels: order.iter().map(|&i| before.labels[i]).collect(),
        };
        let (a, b) = (
            operator::<f64>(&before, MILD).evaluate(before.z.as_ref()).unwrap(),
            operator::<f64>(&after, MILD).evaluate(after.z.as_ref()).unwrap(),
        );
        prop_assert!((a.terms.loss - b.terms.loss).abs() < 1e-10);
        for (i, &from) in order.iter().enumerate() {
            for j in 0..4 {
                prop_assert!((a.gradient[(from, j)] - b.gradient[(i, j)]).abs() < 1e-9 * a.gradient.norm_max());
            }
        }
    }

    #[test]
    fn values_lie_within_their_bounds(seed in 0u64..1000, sigma in 0.2..20.0) {
        let sample = sample(30, 4, 3, seed);
        let operator = operator::<f64>(&sample, Bottleneck { sigma, sigma_labels: sigma, ..Bottleneck::default() });
        let terms = operator.evaluate(sample.z.as_ref()).unwrap().terms;
        prop_assert!(terms.x >= 0.0 && terms.x <= operator.x_trace());
        prop_assert!(terms.y >= 0.0 && terms.y <= operator.labels().trace() && operator.labels().trace() < 2.0);
    }
}

#[test]
fn doubling_z_is_halving_its_sigma() {
    let mut sample = sample(25, 3, 2, 5);
    let labels_alone = Bottleneck { x_weight: 0.0, ..MILD };
    let small = operator::<f64>(&sample, labels_alone).evaluate(sample.z.as_ref()).unwrap();
    let halved = Bottleneck { sigma: 0.5, ..labels_alone };
    let half = operator::<f64>(&sample, halved).evaluate(sample.z.as_ref()).unwrap();
    sample.z = faer::Scale(2.0) * &sample.z;
    let large = operator::<f64>(&sample, labels_alone).evaluate(sample.z.as_ref()).unwrap();
    assert!((half.terms.y - large.terms.y).abs() < 1e-12);
    assert!((half.terms.y - small.terms.y).abs() > 1e-3);
}

fn dead_block<T: Scalar>() {
    let sample = sample(20, 3, 2, 1);
    let operator = operator::<T>(&sample, MILD);
    for constant in [0.0, 0.1, -7.3] {
        let evaluation = operator.evaluate(Mat::from_fn(20, 3, |_, j| T::of(constant + j as f64)).as_ref()).unwrap();
        assert!(evaluation.terms.dead && evaluation.terms.loss == 0.0);
        assert_eq!(evaluation.gradient, Mat::<T>::zeros(20, 3));
    }
    let alive = operator.evaluate(Mat::from_fn(20, 3, |i, _| T::of(if i == 0 { 1e-3 } else { 0.0 })).as_ref()).unwrap();
    assert!(!alive.terms.dead);
}

#[test]
fn a_dead_block_is_reported_with_a_gradient_of_zero() {
    dead_block::<f32>();
    dead_block::<f64>();
}

fn extreme_scales<T: Scalar>() {
    let mut sample = sample(20, 3, 2, 1);
    let unscaled = sample.z.clone();
    for scale in [1e-30, 1e-12, 1e12, 1e30] {
        sample.z = faer::Scale(scale) * &unscaled;
        let operator = operator::<T>(&sample, MILD);
        let z = Mat::from_fn(20, 3, |i, j| T::of(sample.z[(i, j)]));
        let evaluation = operator.evaluate(z.as_ref()).unwrap();
        for j in 0..3 {
            for i in 0..20 {
                assert!(evaluation.gradient[(i, j)].is_finite());
            }
        }
        // Far apart, K = I: nHSIC(Z, Y) = tr R_Y / (1 + c); close together, K = 11': 0.
        let expected = if scale > 1.0 { operator.labels().trace() / (1.0 + 1e-2 * 20.0) } else { 0.0 };
        assert!((evaluation.terms.y - expected).abs() < 1e-5, "{scale} {:?} {expected}", evaluation.terms);
    }
    // The same sample at the same relative width: sigma goes along with the scale.
    for scale in [1e-15, 1e15] {
        sample.z = faer::Scale(scale) * &unscaled;
        let z = Mat::from_fn(20, 3, |i, j| T::of(sample.z[(i, j)]));
        let scaled = Bottleneck { sigma: scale, x_weight: 0.0, ..MILD };
        let here = operator::<T>(&sample, scaled).evaluate(z.as_ref()).unwrap();
        sample.z = unscaled.clone();
        let z = Mat::from_fn(20, 3, |i, j| T::of(sample.z[(i, j)]));
        let there = operator::<T>(&sample, Bottleneck { x_weight: 0.0, ..MILD }).evaluate(z.as_ref()).unwrap();
        let tolerance = 1e3 * T::EPSILON;
        assert!((here.terms.y - there.terms.y).abs() < tolerance, "{scale} {:?} {:?}", here.terms, there.terms);
        let ratio = here.gradient[(3, 1)].to_f64() * scale / there.gradient[(3, 1)].to_f64();
        assert!((ratio - 1.0).abs() < 10.0 * tolerance, "{scale} {ratio}");
    }
}

#[test]
fn scales_from_1e_minus_30_to_1e30_give_the_limits() {
    extreme_scales::<f32>();
    extreme_scales::<f64>();
}

#[test]
fn hard_inputs_are_named() {
    let mut sample = sample(20, 3, 2, 1);
    let operator = operator::<f64>(&sample, MILD);
    assert_eq!(
        operator.evaluate(Mat::zeros(19, 3).as_ref()).unwrap_err(),
        Error::RowMismatch { left: "z", left_rows: 19, right: "the batch", right_rows: 20 }
    );
    assert_eq!(operator.evaluate(Mat::zeros(20, 0).as_ref()).unwrap_err(), Error::NoColumns { argument: "z" });
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let kept = std::mem::replace(&mut sample.z[(4, 2)], bad);
        let error = operator.evaluate(sample.z.as_ref()).unwrap_err();
        assert_eq!(error, Error::NotFinite { argument: "z", row: 4, col: 2 });
        sample.z[(4, 2)] = kept;
        let kept = std::mem::replace(&mut sample.x[(0, 6)], bad);
        let error = BatchOperator::new(sample.x.as_ref(), &sample.labels, 2, MILD).unwrap_err();
        assert_eq!(error, Error::NotFinite { argument: "x", row: 0, col: 6 });
        sample.x[(0, 6)] = kept;
    }
    let one = BatchOperator::<f64>::new(Mat::zeros(1, 2).as_ref(), &[0], 2, MILD).unwrap_err();
    assert!(matches!(one, Error::TooFewRows { rows: 1, required: 2, .. }));
    let error =
        BatchOperator::<f64>::new(sample.x.as_ref(), &sample.labels, 2, Bottleneck { beta: -1.0, ..MILD }).unwrap_err();
    assert_eq!(error, Error::Parameter { name: "beta", value: -1.0, expected: "a finite number >= 0" });
}

#[test]
fn repeated_rows_constant_columns_and_one_class_give_numbers() {
    let mut sample = sample(20, 3, 2, 1);
    for j in 0..3 {
        for i in 10..20 {
            sample.z[(i, j)] = sample.z[(i - 10, j)];
        }
    }
    for i in 0..20 {
        sample.z[(i, 1)] = 4.0;
        sample.x[(i, 0)] = 0.0;
    }
    let evaluation = operator::<f64>(&sample, MILD).evaluate(sample.z.as_ref()).unwrap();
    for j in 0..3 {
        for i in 0..10 {
            // Rows that are equal in Z, but not in X and Y, may differ in gradient; the constant column gets none.
            assert!(evaluation.gradient[(i, j)].is_finite() && (j != 1 || evaluation.gradient[(i, j)].abs() < 1e-12));
        }
    }
    let one_class = BatchOperator::<f64>::new(sample.x.as_ref(), &[1; 20], 3, MILD).unwrap();
    assert!(one_class.evaluate(sample.z.as_ref()).unwrap().terms.y.abs() < 1e-12);
}

#[test]
fn a_ridge_lost_to_rounding_is_an_error_or_a_finite_gradient() {
    let sample = sample(60, 3, 2, 1);
    let options = Bottleneck { epsilon: 1e-12, sigma: 50.0, ..MILD };
    let x = Mat::from_fn(60, 7, |i, j| sample.x[(i, j)] as f32);
    let z = Mat::from_fn(60, 3, |i, j| sample.z[(i, j)] as f32);
    match BatchOperator::new(x.as_ref(), &sample.labels, 2, options).and_then(|operator| operator.evaluate(z.as_ref()))
    {
        Ok(evaluation) => assert!(evaluation.gradient.norm_max().is_finite()),
        Err(error) => assert!(matches!(error, Error::NotPositiveDefinite { .. }), "{error}"),
    }
}

#[test]
fn where_rounding_outgrows_the_ridge_single_precision_is_done_in_double() {
    let sample = sample(200, 30, 3, 1);
    let x = Mat::from_fn(200, sample.x.ncols(), |i, j| sample.x[(i, j)] as f32);
    let z = Mat::from_fn(200, 30, |i, j| sample.z[(i, j)] as f32);
    let wide = |v: &Mat<f32>| Mat::from_fn(v.nrows(), v.ncols(), |i, j| f64::from(v[(i, j)]));
    for x_weight in [0.0, 1.0] {
        let options = Bottleneck { epsilon: 1e-9, x_weight, ..MILD };
        let single = BatchOperator::new(x.as_ref(), &sample.labels, 3, options).unwrap().evaluate(z.as_ref()).unwrap();
        let double = BatchOperator::new(wide(&x).as_ref(), &sample.labels, 3, options).unwrap();
        let double = double.evaluate(wide(&z).as_ref()).unwrap();
        let largest = double.gradient.norm_max();
        for j in 0..30 {
            for i in 0..200 {
                // The factors of the batch alone are rounded to 6e-8; eigenvalues spread over the ridge by 1e9 amplify
                // that about ten-thousandfold.
                let error = (f64::from(single.gradient[(i, j)]) - double.gradient[(i, j)]).abs();
                assert!(error < 1e-3 * largest, "{x_weight} {i} {j}: {error} of {largest}");
            }
        }
        assert!((single.terms.y - double.terms.y).abs() < 1e-3, "{} {}", single.terms.y, double.terms.y);
    }
}

#[test]
fn a_workspace_that_has_met_other_sizes_changes_no_bit() {
    let (small, large) = (sample(33, 3, 2, 1), sample(130, 9, 5, 2));
    let mut workspace = Workspace::default();
    let fresh = operator::<f64>(&small, MILD).evaluate(small.z.as_ref()).unwrap();
    let mut reused = operator::<f64>(&large, MILD);
    let mut gradient = Mat::zeros(130, 9);
    reused.evaluate_into(gradient.as_mut(), large.z.as_ref(), &mut workspace).unwrap();
    reused.fill(small.x.as_ref(), &small.labels, 2, &mut workspace).unwrap();
    let mut gradient = Mat::zeros(33, 3);
    let terms = reused.evaluate_into(gradient.as_mut(), small.z.as_ref(), &mut workspace).unwrap();
    assert_eq!((terms, gradient), (fresh.terms, fresh.gradient));
}

/// One-hot rows of the labels: the Gaussian kernel of these is the labels' kernel.
fn one_hot(labels: &[usize], classes: usize) -> Mat<f64> {
    Mat::from_fn(labels.len(), classes, |i, j| f64::from(u8::from(labels[i] == j)))
}

fn row_major(v: &Mat<f64>) -> Vec<f64> {
    (0..v.nrows()).flat_map(|i| (0..v.ncols()).map(move |j| v[(i, j)])).collect()
}

#[test]
fn one_hot_targets_are_the_labels() {
    let sample = sample(60, 4, 3, 9);
    let by_labels = operator::<f64>(&sample, MILD).evaluate(sample.z.as_ref()).unwrap();
    let hot = one_hot(&sample.labels, 3);
    let mut workspace = Workspace::default();
    let hot = row_major(&hot);
    let targets = Targets::Values { values: &hot, columns: 3 };
    let by_numbers = BatchOperator::of(Some(sample.x.as_ref()), targets, MILD, &mut workspace).unwrap();
    assert!((by_numbers.labels().trace() - operator::<f64>(&sample, MILD).labels().trace()).abs() < 1e-10);
    assert!(!by_numbers.labels().vanished());
    let numbers = by_numbers.evaluate(sample.z.as_ref()).unwrap();
    // R_Y is factored with 60 units of rounding / 4 on its diagonal, which T = 1 / c = 1.7 and beta = 3 weigh.
    assert!((numbers.terms.loss - by_labels.terms.loss).abs() < 1e-10, "{:?} {:?}", numbers.terms, by_labels.terms);
    assert!((&numbers.gradient - &by_labels.gradient).norm_max() < 1e-10 * by_labels.gradient.norm_max());
}

#[test]
fn the_gradient_of_numbers_agrees_with_differences_and_single_precision() {
    let sample = sample(40, 3, 2, 11);
    let mut stream = Stream::new(4, "targets", 0);
    let y = Mat::from_fn(40, 2, |i, j| sample.z[(i, j)] + 0.5 * stream.normal());
    let options = Bottleneck { epsilon: 1e-3, ..MILD };
    let mut workspace = Workspace::default();
    let y = row_major(&y);
    let targets = Targets::Values { values: &y, columns: 2 };
    for x in [None, Some(sample.x.as_ref())] {
        let operator = BatchOperator::of(x, targets, options, &mut workspace).unwrap();
        let direction = Mat::from_fn(40, 3, |_, _| stream.normal());
        let loss = |step: f64| {
            let terms = operator.evaluate((&sample.z + faer::Scale(step) * &direction).as_ref()).unwrap().terms;
            assert_eq!(terms.x > 0.0, x.is_some());
            terms.loss
        };
        let evaluation = operator.evaluate(sample.z.as_ref()).unwrap();
        let slope: f64 =
            (0..40).flat_map(|i| (0..3).map(move |j| (i, j))).map(|at| evaluation.gradient[at] * direction[at]).sum();
        let h = 1e-4;
        let difference = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
        // Fourth order: truncation h^4 = 1e-16 times the fifth derivative, cancellation 1e-16 |L| / (c h).
        assert!((slope - difference).abs() < 1e-6 * (1.0 + difference.abs()), "{slope} {difference}");
        let (single_x, single_z) = (single(&sample.x), single(&sample.z));
        let single_x = x.is_some().then(|| single_x.as_ref());
        let mut workspace = Workspace::default();
        let single = BatchOperator::of(single_x, targets, options, &mut workspace).unwrap();
        let gradient = single.evaluate(single_z.as_ref()).unwrap().gradient;
        for (i, j) in (0..40).flat_map(|i| (0..3).map(move |j| (i, j))) {
            // Single precision's rounding of 6e-8, over the ridge of 1e-3.
            let error = (f64::from(gradient[(i, j)]) - evaluation.gradient[(i, j)]).abs();
            assert!(error < 2e-4 * evaluation.gradient.norm_max(), "{i} {j}: {error}");
        }
    }
}

#[test]
fn targets_that_say_nothing_or_do_not_fit_are_named() {
    let sample = sample(20, 3, 2, 1);
    let mut workspace = Workspace::default();
    let mut of = |x: Option<&Mat<f64>>, values: &[f64], columns| {
        BatchOperator::of(x.map(Mat::as_ref), Targets::Values { values, columns }, MILD, &mut workspace)
    };
    let constant = of(None, &[3.5; 20], 1).unwrap();
    assert!(constant.labels().vanished() && constant.labels().trace() == 0.0);
    let terms = constant.evaluate(sample.z.as_ref()).unwrap().terms;
    assert!(terms.y.abs() < 1e-12 && !terms.dead);
    let error = of(Some(&sample.x), &[0.0; 19], 1).unwrap_err();
    assert_eq!(error, Error::RowMismatch { left: "x", left_rows: 20, right: "values", right_rows: 19 });
    let mut y: Vec<f64> = (0..20).map(f64::from).collect();
    y[15] = f64::NAN;
    assert_eq!(of(None, &y, 2).unwrap_err(), Error::NotFinite { argument: "values", row: 7, col: 1 });
    assert_eq!(of(None, &[], 0).unwrap_err(), Error::NoColumns { argument: "values" });
}

#[test]
fn labels_without_an_input_are_those_of_an_input_without_weight() {
    let sample = sample(30, 4, 3, 2);
    let weightless =
        operator::<f64>(&sample, Bottleneck { x_weight: 0.0, ..MILD }).evaluate(sample.z.as_ref()).unwrap();
    let targets = Targets::Classes { labels: &sample.labels, classes: 3 };
    let without = BatchOperator::of(None, targets, MILD, &mut Workspace::default()).unwrap();
    let without = without.evaluate(sample.z.as_ref()).unwrap();
    assert_eq!((without.terms, without.gradient), (weightless.terms, weightless.gradient));
}
