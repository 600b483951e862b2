//! The objective against PyTorch's automatic differentiation and 50-digit arithmetic (`tests/reference/generate.py`).

use faer::Mat;
use hsic::{BatchOperator, Bottleneck, Scalar};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Tensor {
    shape: [usize; 2],
    values: Vec<f64>,
}

impl Tensor {
    pub(crate) fn matrix<T: Scalar>(&self) -> Mat<T> {
        Mat::from_fn(self.shape[0], self.shape[1], |i, j| T::of(self.values[i * self.shape[1] + j]))
    }
}

#[derive(Deserialize)]
pub(crate) struct Case {
    name: String,
    pub(crate) classes: usize,
    sigma: f64,
    sigma_labels: f64,
    epsilon: f64,
    beta: f64,
    x_weight: f64,
    pub(crate) labels: Vec<usize>,
    pub(crate) x: Tensor,
    pub(crate) z: Tensor,
    x_term_exact: f64,
    y_term_exact: f64,
    trace_r_y_exact: f64,
    gradient: Tensor,
    gradient_exact: Tensor,
}

impl Case {
    pub(crate) fn options(&self) -> Bottleneck {
        let Self { sigma, sigma_labels, epsilon, beta, x_weight, .. } = *self;
        Bottleneck { sigma, sigma_labels, epsilon, beta, x_weight, ..Bottleneck::default() }
    }
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) cases: Vec<Case>,
}

pub(crate) fn reference() -> Reference {
    serde_json::from_str(include_str!("../reference/objective.json")).unwrap()
}

fn largest(a: &Mat<f64>) -> f64 {
    a.norm_max()
}

fn evaluate<T: Scalar>(case: &Case) -> (hsic::Terms, f64, Mat<f64>) {
    let operator =
        BatchOperator::<T>::new(case.x.matrix::<T>().as_ref(), &case.labels, case.classes, case.options()).unwrap();
    let evaluation = operator.evaluate(case.z.matrix::<T>().as_ref()).unwrap();
    let gradient = Mat::from_fn(evaluation.gradient.nrows(), evaluation.gradient.ncols(), |i, j| {
        evaluation.gradient[(i, j)].to_f64()
    });
    (evaluation.terms, operator.labels().trace(), gradient)
}

/// The rounding u = 1e-16 of K - 1, and of R_X, is multiplied by up to |T| = 1/c on its way into G = c T M T, whose own
/// size is |M| / c times the share of Z that the ridge damps: relative errors of the order u / c are what conditioning
/// allows, 2e-12 at epsilon 1e-5 (c >= 6e-5) and 2e-15 at 1e-2, times the growth of the sums. Measured against 50 digits:
/// 3e-12 and 1e-14; bounds a few times that. PyTorch's automatic differentiation of the plain formula is itself off by up
/// to 2e-10 at epsilon 1e-5 (and 2e-14 at 1e-2), which bounds how well the two can agree.
fn tolerances(epsilon: f64) -> [f64; 2] {
    if epsilon < 1e-3 { [1e-11, 1e-9] } else { [1e-13, 1e-13] }
}

#[test]
fn values_and_gradient_agree_in_double_precision() {
    let mut failures = Vec::new();
    for case in reference().cases {
        let (terms, trace, gradient) = evaluate::<f64>(&case);
        let exact = case.gradient_exact.matrix::<f64>();
        let autograd = case.gradient.matrix::<f64>();
        let scale = largest(&exact);
        let errors = [
            (trace - case.trace_r_y_exact).abs(),
            (terms.y - case.y_term_exact).abs(),
            if case.x_weight > 0.0 { (terms.x - case.x_term_exact).abs() } else { 0.0 },
            largest(&(&gradient - &exact)) / scale,
            largest(&(&gradient - &autograd)) / scale,
        ];
        let [exactly, autograd] = tolerances(case.epsilon);
        if errors[..3].iter().any(|&error| error > 1e-9) || errors[3] > exactly || errors[4] > autograd {
            failures.push(format!("{}: {errors:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// In f32 the rounding of E = K - 1, relative to its largest entry, is 6e-8 and T multiplies it by up to 1/c in each of
/// two places; centering takes the constant direction, where T is 1/c, out of the product. Measured: 2e-4 at epsilon
/// 1e-5 and 4e-6 at 1e-2. The bounds are five times that: another order of summation may not pass for an error.
#[test]
fn single_precision_keeps_the_digits_that_conditioning_leaves() {
    let mut failures = Vec::new();
    for case in reference().cases {
        let (terms, _, gradient) = evaluate::<f32>(&case);
        let exact = case.gradient_exact.matrix::<f64>();
        let error = (&gradient - &exact).norm_l2() / exact.norm_l2();
        let bound = if case.epsilon < 1e-3 { 1e-3 } else { 2e-5 };
        let value = (terms.y - case.y_term_exact).abs() / case.y_term_exact;
        if error > bound || value > 1e-5 {
            failures.push(format!("{}: gradient {error:e}, nHSIC(Z, Y) {value:e}", case.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Six points of two classes; values to ten decimals, the gradient's ends from 40-digit arithmetic.
#[test]
fn the_six_point_table_is_met() {
    for (sigma, x, y, loss, first, last) in [
        (1.0, 3.055_106_751_0, 0.939_711_049_4, -466.800_417_96, 0.889_002_022_7, 199.744_433_444_8),
        (5.0, 1.241_439_652_0, 0.850_884_898_4, -424.201_009_53, -134.822_253_861_8, 273.377_627_029_6),
    ] {
        let points = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.25, 0.75]];
        let z = [0.1, 0.9, 0.2, 1.1, 0.6, 0.3];
        let options = Bottleneck { sigma, sigma_labels: sigma, ..Bottleneck::default() };
        let x_matrix = Mat::from_fn(6, 2, |i, j| points[i][j]);
        let operator = BatchOperator::<f64>::new(x_matrix.as_ref(), &[0, 1, 0, 1, 1, 0], 2, options).unwrap();
        let evaluation = operator.evaluate(Mat::from_fn(6, 1, |i, _| z[i]).as_ref()).unwrap();
        assert!((evaluation.terms.x - x).abs() < 1e-9, "{:?}", evaluation.terms);
        assert!((evaluation.terms.y - y).abs() < 1e-9, "{:?}", evaluation.terms);
        assert!((evaluation.terms.loss - loss).abs() < 1e-7, "{:?}", evaluation.terms);
        assert!((evaluation.gradient[(0, 0)] - first).abs() < 1e-7, "{sigma} {}", evaluation.gradient[(0, 0)]);
        assert!((evaluation.gradient[(5, 0)] - last).abs() < 1e-7, "{sigma} {}", evaluation.gradient[(5, 0)]);
    }
}
