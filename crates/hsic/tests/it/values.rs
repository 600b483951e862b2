//! Targets that are values: the factor and the objective against dense matrices, gradients against differences.

use faer::{Mat, MatRef, Side, linalg::solvers::Solve};
use hsic::random::Stream;
use hsic::{
    ApproximateOperator, Approximation, BatchOperator, Bottleneck, Error, LabelFactor, LabelFit, Scalar, Targets,
    Workspace,
};

const MILD: Bottleneck = Bottleneck {
    sigma: 1.0,
    sigma_labels: 0.7,
    epsilon: 1e-2,
    beta: 3.0,
    x_weight: 0.8,
    label_fit: LabelFit::InSample,
};

struct Sample {
    x: Mat<f64>,
    z: Mat<f64>,
    values: Vec<f64>,
}

fn sample(m: usize, d: usize, seed: u64) -> Sample {
    let mut stream = Stream::new(seed, "values", 0);
    let values: Vec<f64> = (0..m).map(|_| stream.normal()).collect();
    let x = Mat::from_fn(m, 5, |_, _| stream.normal());
    let z = Mat::from_fn(m, d, |i, _| values[i].sin() + 0.5 * stream.normal());
    Sample { x, z, values }
}

fn cast<T: Scalar>(v: &Mat<f64>) -> Mat<T> {
    Mat::from_fn(v.nrows(), v.ncols(), |i, j| T::of(v[(i, j)]))
}

/// Kc (Kc + epsilon m I)^-1 with the Gaussian kernel exp(-D / (2 sigma^2 d)), by its definition.
fn normalized(v: MatRef<'_, f64>, sigma: f64, epsilon: f64) -> Mat<f64> {
    let (m, d) = (v.nrows(), v.ncols());
    let kernel = Mat::from_fn(m, m, |i, j| {
        let square: f64 = (0..d).map(|k| (v[(i, k)] - v[(j, k)]).powi(2)).sum();
        (-square / (2.0 * sigma * sigma * d as f64)).exp()
    });
    let center = Mat::from_fn(m, m, |i, j| f64::from(u8::from(i == j)) - 1.0 / m as f64);
    let centered = &center * &kernel * &center;
    let ridged = Mat::from_fn(m, m, |i, j| centered[(i, j)] + if i == j { epsilon * m as f64 } else { 0.0 });
    // Both matrices are functions of one, so they commute.
    ridged.llt(Side::Lower).unwrap().solve(&centered)
}

fn column(values: &[f64]) -> Mat<f64> {
    Mat::from_fn(values.len(), 1, |i, _| values[i])
}

fn trace(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.nrows()).flat_map(|i| (0..a.nrows()).map(move |j| (i, j))).map(|(i, j)| a[(i, j)] * b[(j, i)]).sum()
}

#[test]
fn the_factor_is_that_of_the_dense_matrix_and_its_rank_does_not_grow_with_the_rows() {
    for (m, sigma, epsilon, most) in
        [(2, 1.0, 1e-5, 2), (40, 1.0, 1e-5, 20), (40, 0.05, 1e-3, 40), (300, 1.0, 1e-5, 22), (300, 5.0, 1e-5, 10)]
    {
        let Sample { values, .. } = sample(m, 1, m as u64);
        let factor = LabelFactor::<f64>::of(Targets::of_values(&values), sigma, epsilon).unwrap();
        let (u, dense) = (factor.u(), normalized(column(&values).as_ref(), sigma, epsilon));
        assert!(u.ncols() <= most, "{m} {sigma}: {}", u.ncols());
        // What is left of the kernel is at most 1e-6 of the ridge; the dense inverse has a condition of 1 / epsilon.
        let error = (u * u.transpose() - &dense).norm_l2();
        assert!(error < 2e-6, "{m} {sigma}: {error}");
        let trace: f64 = (0..m).map(|i| dense[(i, i)]).sum();
        assert!((factor.trace() - trace).abs() < 2e-6 * (1.0 + trace), "{m} {sigma}: {} {trace}", factor.trace());
    }
}

#[test]
fn two_values_alone_are_two_classes() {
    // One-hot rows of two classes lie at squared distance 2, over C = 2 columns: as values 0 and 1 do over one.
    let labels: Vec<usize> = (0..30).map(|i| usize::from(i % 3 == 0)).collect();
    let values: Vec<f64> = labels.iter().map(|&label| label as f64).collect();
    let classes = LabelFactor::<f64>::new(&labels, 2, 1.3, 1e-4).unwrap();
    let found = LabelFactor::<f64>::of(Targets::of_values(&values), 1.3, 1e-4).unwrap();
    let error = (found.u() * found.u().transpose() - classes.u() * classes.u().transpose()).norm_l2();
    assert!(error < 1e-9, "{error}");
    assert_eq!(found.u().ncols(), 2);
}

#[test]
fn the_objective_is_the_trace_of_dense_matrices_in_both_precisions() {
    let sample = sample(60, 3, 7);
    let options = Bottleneck { epsilon: 1e-3, ..MILD };
    let of_z = normalized(sample.z.as_ref(), options.sigma, options.epsilon);
    let x = trace(&of_z, &normalized(sample.x.as_ref(), options.sigma, options.epsilon));
    let y = trace(&of_z, &normalized(column(&sample.values).as_ref(), options.sigma_labels, options.epsilon));
    fn terms<T: Scalar>(sample: &Sample, options: Bottleneck) -> hsic::Terms {
        let targets = Targets::of_values(&sample.values);
        let operator =
            BatchOperator::<T>::of(Some(cast(&sample.x).as_ref()), targets, options, &mut Workspace::default())
                .unwrap();
        operator.evaluate(cast(&sample.z).as_ref()).unwrap().terms
    }
    let double = terms::<f64>(&sample, options);
    assert!((double.x - x).abs() < 1e-8 && (double.y - y).abs() < 1e-6, "{double:?} {x} {y}");
    let single = terms::<f32>(&sample, options);
    // A condition of 1 / epsilon over roundings of 6e-8.
    assert!((single.x - x).abs() < 1e-3 && (single.y - y).abs() < 1e-3, "{single:?} {x} {y}");
}

#[test]
fn gradients_agree_with_central_differences_in_every_form() {
    for form in
        [Approximation::Exact, Approximation::Blocks(11), Approximation::Nystroem(9), Approximation::Fourier(12)]
    {
        for x_weight in [0.0, 0.7] {
            let mut sample = sample(25, 4, 5);
            let (options, targets) = (Bottleneck { x_weight, ..MILD }, Targets::of_values(&sample.values));
            let operator = ApproximateOperator::<f64>::of(sample.x.as_ref(), targets, options, form, 1).unwrap();
            let gradient = operator.evaluate(sample.z.as_ref()).unwrap().gradient;
            for i in 0..25 {
                for j in 0..4 {
                    let (kept, h) = (sample.z[(i, j)], 1e-3);
                    let mut at = |offset: f64| {
                        sample.z[(i, j)] = kept + offset;
                        operator.evaluate(sample.z.as_ref()).unwrap().terms.loss
                    };
                    // Fourth order, as for classes.
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
fn an_operator_that_is_filled_again_is_a_new_one() {
    for form in
        [Approximation::Exact, Approximation::Blocks(11), Approximation::Nystroem(9), Approximation::Fourier(12)]
    {
        let (first, second) = (sample(40, 3, 1), sample(25, 3, 2));
        let wide: Vec<f64> = first.values.iter().map(|value| 9.0 * value).collect();
        let x = |sample: &Sample| cast::<f32>(&sample.x);
        let mut operator =
            ApproximateOperator::<f32>::of(x(&first).as_ref(), Targets::of_values(&wide), MILD, form, 1).unwrap();
        let targets = Targets::of_values(&second.values);
        operator.fill_of(x(&second).as_ref(), targets, &mut hsic::ApproximateWorkspace::default()).unwrap();
        let new = ApproximateOperator::<f32>::of(x(&second).as_ref(), targets, MILD, form, 1).unwrap();
        let z = cast::<f32>(&second.z);
        let (again, new) = (operator.evaluate(z.as_ref()).unwrap(), new.evaluate(z.as_ref()).unwrap());
        assert_eq!((again.terms, again.gradient), (new.terms, new.gradient), "{form}");
    }
}

#[test]
fn equal_values_leave_nothing_to_learn_and_wrong_ones_are_told() {
    let Sample { x, z, .. } = sample(12, 2, 3);
    let equal = LabelFactor::<f64>::of(Targets::of_values(&[4.0; 12]), 1.0, 1e-5).unwrap();
    assert!(equal.trace().abs() < 1e-20 && equal.vanished());
    let operator =
        BatchOperator::<f64>::of(Some(x.as_ref()), Targets::of_values(&[4.0; 12]), MILD, &mut Workspace::default())
            .unwrap();
    assert!(operator.evaluate(z.as_ref()).unwrap().terms.y.abs() < 1e-12);
    let mut values = [0.5; 12];
    values[7] = f64::NAN;
    let of = |values: &[f64], sigma| LabelFactor::<f64>::of(Targets::of_values(values), sigma, 1e-5).unwrap_err();
    assert_eq!(of(&values, 1.0), Error::NotFinite { argument: "values", row: 7, col: 0 });
    assert_eq!(of(&[1.0], 1.0), Error::TooFewRows { argument: "values", rows: 1, required: 2 });
    assert!(matches!(of(&[1.0, 2.0], 0.0), Error::Parameter { name: "sigma of the values", .. }));
    let short =
        BatchOperator::<f64>::of(Some(x.as_ref()), Targets::of_values(&[1.0, 2.0]), MILD, &mut Workspace::default())
            .unwrap_err();
    assert!(matches!(short, Error::RowMismatch { right: "values", right_rows: 2, .. }), "{short}");
}
