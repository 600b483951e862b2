//! HSIC itself: how dependent two samples are, whether that may be chance, and the gradient of the bottleneck.

use hsic::faer::{Mat, mat};
use hsic::{BatchOperator, Bottleneck, Estimator, Kernel, permutation_test};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A parabola: no correlation, full dependence.
    let x = Mat::from_fn(60, 1, |row, _| row as f64 / 30.0 - 1.0);
    let y = Mat::from_fn(60, 1, |row, _| (row as f64 / 30.0 - 1.0).powi(2));
    let (linear, gaussian) = (Kernel::Linear, Kernel::gaussian_median());
    for (name, kernel) in [("linear", &linear), ("Gaussian", &gaussian)] {
        let cka = Estimator::Cka.measure(x.as_ref(), y.as_ref(), kernel, kernel)?;
        println!("CKA by {name} kernels: {:.4}", cka.value);
    }
    let test = permutation_test(x.as_ref(), y.as_ref(), &gaussian, &gaussian, 999, 1)?;
    println!("biased HSIC {:.5}, p = {:.3} by 999 permutations", test.statistic, test.p_value);

    // The objective of a block with activations z, its input x and the labels, and its gradient in closed form.
    let x = mat![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.25, 0.75]];
    let z = mat![[0.1], [0.9], [0.2], [1.1], [0.6], [0.3]];
    let options = Bottleneck { sigma: 1.0, sigma_labels: 1.0, ..Bottleneck::default() };
    let operator = BatchOperator::<f64>::new(x.as_ref(), &[0, 1, 0, 1, 1, 0], 2, options)?;
    let evaluation = operator.evaluate(z.as_ref())?;
    println!("nHSIC(Z, X) {:.4}, nHSIC(Z, Y) {:.4}", evaluation.terms.x, evaluation.terms.y);
    println!("dL/dz of the first row: {:.4}", evaluation.gradient[(0, 0)]);
    Ok(())
}
