//! The leave-one-out form of the objective: against refitting without each row, against differences, and what it is for.

use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef};
use hsic::random::Stream;
use hsic::{
    ApproximateOperator, ApproximateWorkspace, Approximation, BatchOperator, Bottleneck, Error, LabelFit, Targets,
    Workspace,
};

use crate::single;

const OPTIONS: Bottleneck = Bottleneck {
    sigma: 1.0,
    sigma_labels: 1.0,
    epsilon: 1e-2,
    beta: 3.0,
    x_weight: 0.0,
    label_fit: LabelFit::LeaveOneOut,
};

fn normal(m: usize, d: usize, seed: u64) -> Mat<f64> {
    let mut stream = Stream::new(seed, "left out", 0);
    Mat::from_fn(m, d, |_, _| stream.normal())
}

/// Classes 0 to 2 in turn, and features that tell them.
fn told(m: usize, d: usize) -> (Mat<f64>, Vec<usize>) {
    let noise = normal(m, d, 3);
    (Mat::from_fn(m, d, |i, j| noise[(i, j)] + (i % 3) as f64), (0..m).map(|i| i % 3).collect())
}

fn operator(targets: Targets<'_>, options: Bottleneck) -> BatchOperator<f64> {
    BatchOperator::of(None, targets, options, &mut Workspace::default()).unwrap()
}

/// One minus the error of m fits, each made without one row, from the definition: a ridge fit in the space of the kernel, as
/// it is, and an intercept.
fn refitted(z: MatRef<'_, f64>, targets: Targets<'_>, options: Bottleneck) -> f64 {
    let (m, d) = (z.nrows(), z.ncols() as f64);
    let kernel = |i: usize, j: usize| {
        let apart: f64 = (0..z.ncols()).map(|k| (z[(i, k)] - z[(j, k)]).powi(2)).sum();
        (-apart / (2.0 * options.sigma.powi(2) * d)).exp()
    };
    let y = match targets {
        Targets::Classes { labels, classes } => Mat::from_fn(m, classes, |i, j| f64::from(u8::from(labels[i] == j))),
        Targets::Values { values, columns } => Mat::from_fn(m, columns, |i, j| values[i * columns + j]),
    };
    let (mut missed, mut spread) = (0.0, 0.0);
    for out in 0..m {
        let other = |i: usize| i + usize::from(i >= out);
        // [K + c I, 1; 1', 0] [weights; intercept] = [Y; 0].
        let system = Mat::from_fn(m, m, |i, j| match (i + 1 == m, j + 1 == m) {
            (true, true) => 0.0,
            (true, false) | (false, true) => 1.0,
            (false, false) => kernel(other(i), other(j)) + if i == j { options.epsilon * m as f64 } else { 0.0 },
        });
        let right = Mat::from_fn(m, y.ncols(), |i, j| if i + 1 == m { 0.0 } else { y[(other(i), j)] });
        let solved = system.partial_piv_lu().solve(&right);
        for j in 0..y.ncols() {
            let fit: f64 = (0..m - 1).map(|i| kernel(out, other(i)) * solved[(i, j)]).sum();
            missed += (y[(out, j)] - fit - solved[(m - 1, j)]).powi(2);
            spread += (y[(out, j)] - y.col(j).sum() / m as f64).powi(2);
        }
    }
    1.0 - missed / spread
}

#[test]
fn the_fit_is_that_of_a_refit_without_each_row() {
    // An LU solve of 39 rows and the closed form: rounding of both.
    let (z, labels) = told(40, 5);
    let values: Vec<f64> = normal(40, 2, 8).row_iter().flat_map(|row| [row[0], row[1] + 4.0]).collect();
    for targets in [
        Targets::Classes { labels: &labels, classes: 3 },
        // A class that no row has.
        Targets::Classes { labels: &labels, classes: 5 },
        Targets::of_values(&values[..40]),
        Targets::Values { values: &values, columns: 2 },
    ] {
        let terms = operator(targets, OPTIONS).evaluate(z.as_ref()).unwrap().terms;
        assert!((terms.y - refitted(z.as_ref(), targets, OPTIONS)).abs() < 1e-12, "{}", terms.y);
        assert_eq!((terms.x, terms.loss, terms.dead), (0.0, -3.0 * terms.y, false));
    }
}

#[test]
fn the_gradient_is_that_of_differences() {
    // Sizes around panels and tiles, with and without the X term, a direction each.
    for (m, x_weight) in [(3, 0.0), (17, 0.7), (33, 0.0), (64, 0.7), (65, 0.0), (129, 0.7), (200, 0.0)] {
        let (z, labels) = told(m, 4);
        let (x, direction) = (normal(m, 6, 5), normal(m, 4, 6));
        let options = Bottleneck { x_weight, ..OPTIONS };
        let targets = Targets::Classes { labels: &labels, classes: 3 };
        let operator = BatchOperator::of(Some(x.as_ref()), targets, options, &mut Workspace::default()).unwrap();
        let loss = |step: f64| operator.evaluate((&z + step * &direction).as_ref()).unwrap().terms.loss;
        let gradient = operator.evaluate(z.as_ref()).unwrap().gradient;
        let along: f64 = (0..4).map(|j| gradient.col(j).transpose() * direction.col(j)).sum();
        let h = 1e-4;
        // Fourth order: truncation and cancellation are near 1e-12 / h.
        let difference = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
        assert!((along - difference).abs() < 1e-7 * difference.abs().max(1.0), "{m}: {along} {difference}");
    }
}

#[test]
fn single_precision_and_memory_of_another_batch_change_little_and_nothing() {
    let (z, labels) = told(150, 30);
    let targets = Targets::Classes { labels: &labels, classes: 3 };
    let exact = operator(targets, OPTIONS).evaluate(z.as_ref()).unwrap();
    let (first, second) = (normal(60, 4, 1), normal(150, 4, 2));
    let mut workspace = Workspace::default();
    let short = Targets::of_values(&[0.5, 1.0, -3.0, 2.0]);
    let four = normal(4, 2, 9);
    let mut used = BatchOperator::<f64>::of(Some(four.as_ref()), short, OPTIONS, &mut workspace).unwrap();
    used.fill_of(first.as_ref(), Targets::Classes { labels: &labels[..60], classes: 3 }, &mut workspace).unwrap();
    used.fill_of(second.as_ref(), targets, &mut workspace).unwrap();
    let mut gradient = Mat::zeros(150, 30);
    assert_eq!(used.evaluate_into(gradient.as_mut(), z.as_ref(), &mut workspace).unwrap(), exact.terms);
    assert_eq!(gradient, exact.gradient);
    let rough = BatchOperator::<f32>::of(None, targets, OPTIONS, &mut Workspace::default()).unwrap();
    let rough = rough.evaluate(single(&z).as_ref()).unwrap();
    // Batches of tables at the usual epsilon: the condition number is 1e5 at the most, and so much of the digits is lost in the
    // squared residuals, which are 1 - J in all.
    for m in [4, 8, 15] {
        let (z, labels) = told(m, 4);
        let narrow = Bottleneck { epsilon: 1e-5, ..OPTIONS };
        let targets = Targets::Classes { labels: &labels, classes: 3 };
        let exact = operator(targets, narrow).evaluate(z.as_ref()).unwrap().terms.y;
        assert!((exact - refitted(z.as_ref(), targets, narrow)).abs() < 1e-9);
        let rough = BatchOperator::<f32>::of(None, targets, narrow, &mut Workspace::default()).unwrap();
        let rough = rough.evaluate(single(&z).as_ref()).unwrap().terms.y;
        let rounding = f64::from(f32::EPSILON) / narrow.epsilon;
        assert!((rough - exact).abs() < rounding * (1.0 - exact), "{m}: {rough} {exact}");
    }
    // The condition number is 1e2 and rounding 6e-8: a few times their product.
    assert!((rough.terms.y - exact.terms.y).abs() < 1e-5);
    let largest = exact.gradient.norm_max();
    for (i, j) in (0..150).flat_map(|i| (0..30).map(move |j| (i, j))) {
        assert!((f64::from(rough.gradient[(i, j)]) - exact.gradient[(i, j)]).abs() < 1e-4 * largest);
    }
}

#[test]
fn features_that_tell_nothing_fit_nothing_however_wide_they_are() {
    // As many columns as rows, and labels that have nothing to do with them.
    let m = 128;
    let labels: Vec<usize> = (0..m).map(|i| i * i % 7 % 3).collect();
    let targets = Targets::Classes { labels: &labels, classes: 3 };
    let z = normal(m, m, 4);
    let narrow = Bottleneck { epsilon: 1e-5, ..OPTIONS };
    let in_sample = operator(targets, Bottleneck { label_fit: LabelFit::InSample, ..narrow });
    let terms = in_sample.evaluate(z.as_ref()).unwrap().terms;
    assert!(terms.y > 0.98 * in_sample.labels().trace(), "{} of {}", terms.y, in_sample.labels().trace());
    let fit = operator(targets, narrow).evaluate(z.as_ref()).unwrap().terms.y;
    assert!(fit < 0.02, "{fit}");
    let (z, labels) = told(m, 8);
    let targets = Targets::Classes { labels: &labels, classes: 3 };
    let fit = operator(targets, OPTIONS).evaluate(z.as_ref()).unwrap().terms.y;
    assert!((0.6..1.0).contains(&fit), "{fit}");
}

#[test]
fn one_target_for_all_rows_is_no_fit_and_low_ranks_have_none() {
    let z = normal(10, 3, 2);
    let targets = Targets::Classes { labels: &[1; 10], classes: 2 };
    let evaluation = operator(targets, OPTIONS).evaluate(z.as_ref()).unwrap();
    assert_eq!((evaluation.terms.y, evaluation.gradient), (0.0, Mat::zeros(10, 3)));
    let labels = [0, 1, 0, 1, 0, 1, 0, 0, 1, 1];
    let targets = Targets::Classes { labels: &labels, classes: 2 };
    let of = |form| ApproximateOperator::of(z.as_ref(), targets, OPTIONS, form, 1);
    for (form, approximation) in [(Approximation::Nystroem(4), "nystroem"), (Approximation::Fourier(4), "fourier")] {
        let told = of(form).unwrap_err();
        assert_eq!(told, Error::LeaveOneOut { approximation });
        assert!(told.to_string().contains(approximation));
    }
    // Blocks: the mean of their fits.
    let mut gradient = Mat::zeros(10, 3);
    let mut workspace = ApproximateWorkspace::default();
    let blocks = of(Approximation::Blocks(5)).unwrap();
    let mean = blocks.evaluate_into(gradient.as_mut(), z.as_ref(), &mut workspace).unwrap().y;
    let part = |from: usize, rows: usize| {
        let targets = Targets::Classes { labels: &labels[from..from + rows], classes: 2 };
        refitted(z.as_ref().subrows(from, rows), targets, OPTIONS)
    };
    assert!((mean - (part(0, 5) + part(5, 5)) / 2.0).abs() < 1e-12, "{mean}");
}
