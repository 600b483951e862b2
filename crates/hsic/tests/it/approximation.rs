//! Approximated objectives: gradients against differences of the same objective, limits in which they are exact,
//! symmetries, precision, hard inputs.

use faer::Mat;
use hsic::random::Stream;
use hsic::{
    ApproximateOperator, ApproximateWorkspace, Approximation, BatchOperator, Bottleneck, Error, Evaluation, LabelFit,
    Scalar,
};

const MILD: Bottleneck = Bottleneck {
    sigma: 1.0,
    sigma_labels: 1.0,
    epsilon: 1e-2,
    beta: 3.0,
    x_weight: 1.0,
    label_fit: LabelFit::InSample,
};

const FORMS: [Approximation; 4] =
    [Approximation::Exact, Approximation::Blocks(11), Approximation::Nystroem(9), Approximation::Fourier(12)];

struct Sample {
    x: Mat<f64>,
    z: Mat<f64>,
    labels: Vec<usize>,
}

fn sample(m: usize, d: usize, classes: usize, seed: u64) -> Sample {
    let mut stream = Stream::new(seed, "approximation", 0);
    let labels: Vec<usize> = (0..m).map(|_| stream.below(classes as u64) as usize).collect();
    let x = Mat::from_fn(m, 7, |_, _| stream.uniform());
    let z = Mat::from_fn(m, d, |i, _| stream.normal() + labels[i] as f64);
    Sample { x, z, labels }
}

/// Of the size of digits and of what a block of 256 units makes of them: sparse rows in [0, 1], rectified normal ones.
fn digits(m: usize) -> Sample {
    let mut stream = Stream::new(3, "like digits", 0);
    let labels: Vec<usize> = (0..m).map(|_| stream.below(10) as usize).collect();
    let ink = |inside: bool, stream: &mut Stream| {
        if stream.uniform() < if inside { 0.6 } else { 0.08 } { stream.uniform() } else { 0.0 }
    };
    let x = Mat::from_fn(m, 784, |i, j| ink((j / 28 + 3 * labels[i]) % 14 < 3, &mut stream));
    let w = Mat::from_fn(784, 256, |_, _| 0.1 * stream.normal());
    let mut z = &x * &w;
    for j in 0..256 {
        let mean = (0..m).map(|i| z[(i, j)]).sum::<f64>() / m as f64;
        let variance = (0..m).map(|i| (z[(i, j)] - mean).powi(2)).sum::<f64>() / m as f64;
        for i in 0..m {
            z[(i, j)] = ((z[(i, j)] - mean) / variance.sqrt()).max(0.0);
        }
    }
    // What single precision can hold, so that both precisions see the same numbers.
    let single = |v: &Mat<f64>| Mat::from_fn(v.nrows(), v.ncols(), |i, j| f64::from(v[(i, j)] as f32));
    Sample { x: single(&x), z: single(&z), labels }
}

fn cast<T: Scalar>(v: &Mat<f64>) -> Mat<T> {
    Mat::from_fn(v.nrows(), v.ncols(), |i, j| T::of(v[(i, j)]))
}

fn operator<T: Scalar>(sample: &Sample, options: Bottleneck, form: Approximation) -> ApproximateOperator<T> {
    let classes = sample.labels.iter().max().unwrap() + 1;
    ApproximateOperator::new(cast(&sample.x).as_ref(), &sample.labels, classes, options, form, 1).unwrap()
}

fn evaluate<T: Scalar>(sample: &Sample, options: Bottleneck, form: Approximation) -> Evaluation<T> {
    operator(sample, options, form).evaluate(cast(&sample.z).as_ref()).unwrap()
}

/// |a - b| / |b|, Frobenius.
fn error<T: Scalar>(a: &Mat<T>, b: &Mat<f64>) -> f64 {
    let wide = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64());
    (&wide - b).norm_l2() / b.norm_l2()
}

#[test]
fn gradients_agree_with_central_differences_at_every_entry() {
    for form in FORMS {
        for x_weight in [0.0, 0.7] {
            let mut sample = sample(25, 4, 3, 5);
            let operator = operator::<f64>(&sample, Bottleneck { x_weight, ..MILD }, form);
            let gradient = operator.evaluate(sample.z.as_ref()).unwrap().gradient;
            for i in 0..25 {
                for j in 0..4 {
                    let (kept, h) = (sample.z[(i, j)], 1e-3);
                    let mut at = |offset: f64| {
                        sample.z[(i, j)] = kept + offset;
                        operator.evaluate(sample.z.as_ref()).unwrap().terms.loss
                    };
                    // Fourth order: truncation h^4 = 1e-12 times the fifth derivative; cancellation 1e-16 |L| / (c h),
                    // with another 1 / jitter (1e-4) for landmarks.
                    let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    sample.z[(i, j)] = kept;
                    let found = gradient[(i, j)];
                    assert!((found - difference).abs() < 1e-8, "{form} {x_weight} {i} {j}: {found} {difference}");
                }
            }
        }
    }
}

#[test]
fn gradients_agree_with_differences_at_sizes_around_the_panels_and_at_the_papers_numbers() {
    let paper = Bottleneck::default();
    for (m, features) in [(3, 2), (17, 16), (33, 32), (70, 64), (130, 66), (200, 130)] {
        for form in
            [Approximation::Nystroem(features), Approximation::Fourier(features), Approximation::Blocks(m / 3 + 2)]
        {
            for options in [MILD, paper] {
                let sample = sample(m, 5, 3, m as u64);
                let operator = operator::<f64>(&sample, options, form);
                let mut stream = Stream::new(1, "direction", m as u64);
                let direction = Mat::from_fn(m, 5, |_, _| stream.normal());
                let loss = |step: f64| {
                    operator.evaluate((&sample.z + faer::Scale(step) * &direction).as_ref()).unwrap().terms.loss
                };
                let gradient = operator.evaluate(sample.z.as_ref()).unwrap().gradient;
                let at = (0..m).flat_map(|i| (0..5).map(move |j| (i, j)));
                let slope: f64 = at.map(|at| gradient[at] * direction[at]).sum();
                let h = 1e-4;
                let difference = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
                // The paper's loss is of order 1000 at a ridge of 1e-5: cancellation 1e-16 * 1e3 / (1e-5 * 1e-4).
                let tolerance = if options == MILD { 1e-7 } else { 2e-5 };
                let scale = 1.0 + difference.abs();
                assert!((slope - difference).abs() < tolerance * scale, "{form} {m}: {slope} {difference}");
            }
        }
    }
}

#[test]
fn all_rows_as_landmarks_are_the_exact_objective() {
    for options in [MILD, Bottleneck::default()] {
        for m in [25, 90] {
            let sample = sample(m, 4, 3, 7);
            let exact = evaluate::<f64>(&sample, options, Approximation::Exact);
            for landmarks in [m, m + 1] {
                let all = evaluate::<f64>(&sample, options, Approximation::Nystroem(landmarks));
                // The jitter, a thousandth of the ridge c, moves an eigenvalue l to l^2 / (l + c / 1000), and so each
                // l / (l + c) of R by less than 1e-3: in Z and, for the X term, in X.
                let (x, y) = ((all.terms.x - exact.terms.x).abs(), (all.terms.y - exact.terms.y).abs());
                assert!(x < 1e-3 * m as f64 && y < 1e-3 * 2.0, "{:?} {:?}", all.terms, exact.terms);
                let off = error(&all.gradient, &exact.gradient);
                assert!(off < 5e-3, "{off}");
            }
            let few = evaluate::<f64>(&sample, options, Approximation::Nystroem(m / 3));
            assert!(error(&few.gradient, &exact.gradient) > 0.05);
        }
    }
}

#[test]
fn fourier_approaches_the_exact_value_as_the_root_of_its_features() {
    let sample = sample(24, 3, 3, 2);
    // A ridge of a tenth: with less, rank that few waves lack is an error of its own, and falls faster.
    let options = Bottleneck { epsilon: 0.1, ..MILD };
    let exact = evaluate::<f64>(&sample, options, Approximation::Exact);
    let off = |features: usize| {
        // Root mean squares over seeds.
        let mut squares = [0.0; 3];
        for seed in 0..40 {
            let form = Approximation::Fourier(features);
            let operator = ApproximateOperator::new(sample.x.as_ref(), &sample.labels, 3, options, form, seed).unwrap();
            let found = operator.evaluate(sample.z.as_ref()).unwrap();
            squares[0] += (found.terms.x / exact.terms.x - 1.0).powi(2) / 40.0;
            squares[1] += (found.terms.y / exact.terms.y - 1.0).powi(2) / 40.0;
            squares[2] += error(&found.gradient, &exact.gradient).powi(2) / 40.0;
        }
        squares.map(f64::sqrt)
    };
    let (coarse, fine) = (off(32), off(512));
    for (coarse, fine) in coarse.into_iter().zip(fine) {
        // Sixteen times the features: a quarter of the error. Root mean squares of 40 are known to 11 %, their ratio
        // to 16 %.
        assert!((2.8..6.0).contains(&(coarse / fine)), "{coarse} {fine}");
    }
}

#[test]
fn one_block_of_all_rows_is_the_exact_objective_bit_for_bit() {
    let sample = sample(40, 5, 3, 4);
    let exact = operator_of_the_exact(&sample).evaluate(sample.z.as_ref()).unwrap();
    for form in [Approximation::Exact, Approximation::Blocks(40), Approximation::Blocks(1000)] {
        let evaluation = evaluate::<f64>(&sample, MILD, form);
        assert_eq!((evaluation.terms, &evaluation.gradient), (exact.terms, &exact.gradient), "{form}");
    }
}

fn operator_of_the_exact(sample: &Sample) -> BatchOperator<f64> {
    BatchOperator::new(sample.x.as_ref(), &sample.labels, sample.labels.iter().max().unwrap() + 1, MILD).unwrap()
}

#[test]
fn blocks_are_the_mean_of_exact_objectives_on_parts_of_almost_equal_size() {
    // 25 rows, 8 at the most: 6, 6, 6 and 7. Two rows at the least: 7 rows by 2 are 2, 2 and 3.
    for (m, size, parts) in [(25, 8, vec![6, 6, 6, 7]), (7, 2, vec![2, 2, 3]), (3, 2, vec![3])] {
        let sample = sample(m, 4, 3, 6);
        let blocks = evaluate::<f64>(&sample, MILD, Approximation::Blocks(size));
        let (mut loss, mut start) = (0.0, 0);
        for &len in &parts {
            let (x, z) = (sample.x.subrows(start, len), sample.z.subrows(start, len));
            let operator = BatchOperator::new(x, &sample.labels[start..start + len], 3, MILD).unwrap();
            let own = operator.evaluate(z).unwrap();
            loss += own.terms.loss / parts.len() as f64;
            for i in 0..len {
                for j in 0..4 {
                    let expected = own.gradient[(i, j)] / parts.len() as f64;
                    assert!((blocks.gradient[(start + i, j)] - expected).abs() < 1e-14, "{m} {size}");
                }
            }
            start += len;
        }
        assert!((blocks.terms.loss - loss).abs() < 1e-14);
    }
}

#[test]
fn rows_of_the_gradient_sum_to_zero_and_a_translation_changes_nothing() {
    for form in FORMS {
        let sample = sample(40, 3, 4, 8);
        let operator = operator::<f64>(&sample, MILD, form);
        let here = operator.evaluate(sample.z.as_ref()).unwrap();
        let there = operator.evaluate(Mat::from_fn(40, 3, |i, j| sample.z[(i, j)] + 17.3).as_ref()).unwrap();
        assert!((here.terms.loss - there.terms.loss).abs() < 1e-10, "{form}");
        for j in 0..3 {
            let sum: f64 = (0..40).map(|i| here.gradient[(i, j)]).sum();
            assert!(sum.abs() < 1e-12 * 40.0 * here.gradient.norm_max(), "{form}: {sum}");
        }
        assert!(error(&there.gradient, &here.gradient) < 1e-10, "{form}");
    }
}

#[test]
fn rows_permuted_where_it_must_not_matter_permute_the_gradient() {
    // Fourier sees no order at all; landmarks and others, and the rows of a block, may change places among themselves.
    for (form, borders) in [
        (Approximation::Fourier(12), vec![0, 30]),
        (Approximation::Nystroem(9), vec![0, 9, 30]),
        (Approximation::Blocks(10), vec![0, 10, 20, 30]),
    ] {
        let before = sample(30, 4, 3, 9);
        let mut order: Vec<usize> = (0..30).collect();
        for place in borders.windows(2) {
            Stream::new(2, "permute", place[0] as u64).shuffle(&mut order[place[0]..place[1]]);
        }
        let after = Sample {
            x: Mat::from_fn(30, 7, |i, j| before.x[(order[i], j)]),
            z: Mat::from_fn(30, 4, |i, j| before.z[(order[i], j)]),
            labels: order.iter().map(|&i| before.labels[i]).collect(),
        };
        let (a, b) = (evaluate::<f64>(&before, MILD, form), evaluate::<f64>(&after, MILD, form));
        assert!((a.terms.loss - b.terms.loss).abs() < 1e-10, "{form}");
        let moved = Mat::from_fn(30, 4, |i, j| a.gradient[(order[i], j)]);
        assert!(error(&b.gradient, &moved) < 1e-10, "{form}");
    }
}

#[test]
fn values_lie_within_their_bounds() {
    let sample = sample(40, 4, 3, 3);
    for form in FORMS {
        let operator = operator::<f64>(&sample, Bottleneck::default(), form);
        let terms = operator.evaluate(sample.z.as_ref()).unwrap().terms;
        assert!(terms.x > 0.0 && terms.x <= operator.x_trace(), "{form} {terms:?}");
        assert!(terms.y > 0.0 && terms.y <= operator.label_trace() && operator.label_trace() < 2.0, "{form} {terms:?}");
        let off = Bottleneck { x_weight: 0.0, ..Bottleneck::default() };
        let operator = self::operator::<f64>(&sample, off, form);
        assert_eq!(operator.x_trace(), 0.0);
        let without = operator.evaluate(sample.z.as_ref()).unwrap().terms;
        assert!(without.x == 0.0 && (without.y - terms.y).abs() < 1e-12, "{form}");
    }
}

#[test]
fn single_precision_agrees_with_double_on_a_batch_like_digits() {
    let sample = digits(512);
    for sigma in [1.0, 5.0, 10.0] {
        for form in [
            Approximation::Exact,
            Approximation::Blocks(128),
            Approximation::Nystroem(128),
            Approximation::Nystroem(512),
            Approximation::Fourier(128),
        ] {
            for x_weight in [0.0, 1.0] {
                let options = Bottleneck { sigma, sigma_labels: sigma, x_weight, ..Bottleneck::default() };
                let single = evaluate::<f32>(&sample, options, form);
                let double = evaluate::<f64>(&sample, options, form);
                let off = error(&single.gradient, &double.gradient);
                // Seen: 7e-6. With all rows as landmarks W^-1 is taken at a thousandth of the ridge: 2e-4 at sigma 1
                // (9e-4 if E were not centered).
                let tolerance = if form == Approximation::Nystroem(512) { 5e-4 } else { 2e-5 };
                assert!(off < tolerance, "{form} {sigma} {x_weight}: {off:e}");
                // Seen: 3e-7; the X term of the exact forms, which factor R_X anew, 4e-4 at sigma 10.
                let whole = matches!(form, Approximation::Exact | Approximation::Blocks(_));
                let close = |a: f64, b: f64, allowed: f64| (a - b).abs() <= allowed * b;
                assert!(close(single.terms.y, double.terms.y, 2e-6), "{form} {sigma} {:?}", single.terms);
                let allowed = if whole { 1e-3 } else { 2e-6 };
                assert!(close(single.terms.x, double.terms.x, allowed), "{form} {sigma} {:?}", single.terms);
            }
        }
    }
}

fn dead_block<T: Scalar>() {
    let sample = sample(20, 3, 2, 1);
    for form in FORMS {
        let operator = operator::<T>(&sample, MILD, form);
        for constant in [0.0, 0.1, -7.3] {
            let z = Mat::from_fn(20, 3, |_, j| T::of(constant + j as f64));
            let evaluation = operator.evaluate(z.as_ref()).unwrap();
            assert!(evaluation.terms.dead && evaluation.terms.loss == 0.0, "{form}");
            assert_eq!(evaluation.gradient, Mat::<T>::zeros(20, 3));
        }
        // One row that differs, the last: no landmark, and alone in its part.
        let z = Mat::from_fn(20, 3, |i, _| T::of(if i == 19 { 1.0 } else { 0.5 }));
        let alive = operator.evaluate(z.as_ref()).unwrap();
        assert!(!alive.terms.dead && alive.gradient.norm_max().is_finite(), "{form}");
    }
}

#[test]
fn a_dead_block_is_reported_with_a_gradient_of_zero() {
    dead_block::<f32>();
    dead_block::<f64>();
}

#[test]
fn an_input_without_variation_leaves_the_labels_term() {
    let mut sample = sample(20, 3, 2, 1);
    sample.x = Mat::from_fn(20, 7, |_, j| j as f64);
    for form in FORMS {
        let constant = evaluate::<f64>(&sample, MILD, form);
        let off = evaluate::<f64>(&sample, Bottleneck { x_weight: 0.0, ..MILD }, form);
        assert!(constant.terms.x == 0.0 && constant.terms.y == off.terms.y, "{form}");
        assert!(error(&constant.gradient, &off.gradient) < 1e-13, "{form}");
    }
}

fn extreme_scales<T: Scalar>() {
    let mut sample = sample(20, 3, 2, 1);
    let unscaled = sample.z.clone();
    for form in [Approximation::Nystroem(9), Approximation::Fourier(12)] {
        let operator = operator::<T>(&sample, MILD, form);
        for scale in [1e-30, 1e-12, 1e12, 1e30] {
            sample.z = faer::Scale(scale) * &unscaled;
            let evaluation = operator.evaluate(cast(&sample.z).as_ref()).unwrap();
            assert!(evaluation.gradient.norm_max().is_finite(), "{form} {scale}");
            assert!((0.0..=operator.label_trace()).contains(&evaluation.terms.y), "{form} {scale}");
            assert!(scale > 1.0 || evaluation.terms.y < 1e-5, "{form} {scale} {:?}", evaluation.terms);
        }
        // The same sample at the same relative width: sigma goes along with the scale.
        for scale in [1e-15, 1e15] {
            let wide = Bottleneck { sigma: scale, x_weight: 0.0, ..MILD };
            let there = Bottleneck { x_weight: 0.0, ..MILD };
            sample.z = unscaled.clone();
            let there = evaluate::<T>(&sample, there, form);
            sample.z = faer::Scale(scale) * &unscaled;
            let here = evaluate::<T>(&sample, wide, form);
            let tolerance = 1e3 * T::EPSILON;
            assert!((here.terms.y - there.terms.y).abs() < tolerance, "{form} {scale} {:?}", here.terms);
            let ratio = here.gradient[(3, 1)].to_f64() * scale / there.gradient[(3, 1)].to_f64();
            assert!((ratio - 1.0).abs() < 10.0 * tolerance, "{form} {scale} {ratio}");
            sample.z = unscaled.clone();
        }
    }
}

#[test]
fn scales_from_1e_minus_30_to_1e30_give_numbers() {
    extreme_scales::<f32>();
    extreme_scales::<f64>();
}

#[test]
fn where_rounding_outgrows_the_ridge_single_precision_is_done_in_double() {
    let sample = digits(300);
    for form in [Approximation::Nystroem(150), Approximation::Fourier(150)] {
        let options = Bottleneck { epsilon: 1e-9, ..MILD };
        let single = evaluate::<f32>(&sample, options, form);
        let double = evaluate::<f64>(&sample, options, form);
        // What all blocks share is rounded to 6e-8; eigenvalues spread over the ridge by 1e9 amplify that.
        assert!(
            error(&single.gradient, &double.gradient) < 1e-2,
            "{form} {}",
            error(&single.gradient, &double.gradient)
        );
    }
}

#[test]
fn hard_inputs_are_named() {
    let mut sample = sample(20, 3, 2, 1);
    for form in FORMS {
        let operator = operator::<f64>(&sample, MILD, form);
        assert_eq!(
            operator.evaluate(Mat::zeros(19, 3).as_ref()).unwrap_err(),
            Error::RowMismatch { left: "z", left_rows: 19, right: "the batch", right_rows: 20 }
        );
        assert_eq!(operator.evaluate(Mat::zeros(20, 0).as_ref()).unwrap_err(), Error::NoColumns { argument: "z" });
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for row in [4, 16] {
                let kept = std::mem::replace(&mut sample.z[(row, 2)], bad);
                let error = operator.evaluate(sample.z.as_ref()).unwrap_err();
                assert_eq!(error, Error::NotFinite { argument: "z", row, col: 2 }, "{form}");
                sample.z[(row, 2)] = kept;
                let kept = std::mem::replace(&mut sample.x[(row, 6)], bad);
                let new = ApproximateOperator::new(sample.x.as_ref(), &sample.labels, 2, MILD, form, 0);
                assert_eq!(new.unwrap_err(), Error::NotFinite { argument: "x", row, col: 6 }, "{form}");
                sample.x[(row, 6)] = kept;
            }
        }
        let mut labels = sample.labels.clone();
        labels[13] = 2;
        let new = ApproximateOperator::new(sample.x.as_ref(), &labels, 2, MILD, form, 0);
        assert_eq!(new.unwrap_err(), Error::LabelRange { row: 13, label: 2, classes: 2 }, "{form}");
        let one = ApproximateOperator::<f64>::new(Mat::zeros(1, 2).as_ref(), &[0], 2, MILD, form, 0).unwrap_err();
        assert!(matches!(one, Error::TooFewRows { rows: 1, required: 2, .. }), "{form}");
    }
    let wrong = Approximation::Nystroem(1);
    let new = ApproximateOperator::<f64>::new(sample.x.as_ref(), &sample.labels, 2, MILD, wrong, 0);
    assert_eq!(new.unwrap_err().to_string(), "landmarks = 1: expected a whole number >= 2");
}

#[test]
fn a_workspace_that_has_met_other_sizes_changes_no_bit() {
    let (small, large) = (sample(33, 3, 2, 1), sample(130, 9, 5, 2));
    for form in FORMS {
        let mut workspace = ApproximateWorkspace::default();
        let fresh = evaluate::<f64>(&small, MILD, form);
        let mut reused = operator::<f64>(&large, MILD, form);
        let mut gradient = Mat::zeros(130, 9);
        reused.evaluate_into(gradient.as_mut(), large.z.as_ref(), &mut workspace).unwrap();
        let other = operator::<f64>(&small, MILD, Approximation::Fourier(30));
        other.evaluate_into(Mat::zeros(33, 3).as_mut(), small.z.as_ref(), &mut workspace).unwrap();
        reused.fill(small.x.as_ref(), &small.labels, 2, &mut workspace).unwrap();
        let mut gradient = Mat::zeros(33, 3);
        let terms = reused.evaluate_into(gradient.as_mut(), small.z.as_ref(), &mut workspace).unwrap();
        assert_eq!((terms, gradient), (fresh.terms, fresh.gradient), "{form}");
    }
}

#[test]
fn the_frequencies_follow_the_seed() {
    let sample = sample(30, 3, 2, 1);
    let of = |seed| {
        let form = Approximation::Fourier(12);
        let operator = ApproximateOperator::new(sample.x.as_ref(), &sample.labels, 2, MILD, form, seed).unwrap();
        operator.evaluate(sample.z.as_ref()).unwrap().gradient
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}
