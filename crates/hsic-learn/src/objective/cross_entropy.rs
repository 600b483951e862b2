//! Softmax and cross-entropy, the loss of whatever is trained to name classes; the squared error, where it is to tell values.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::sums::{grown, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_nn::network::Learner;

use super::{Labels, Objective, Signal, Site, Told};
use crate::error::ObjectiveError;

/// Mean of -ln softmax(a)_label over the rows of `a` (m x classes, row-major), and its gradient (softmax - one-hot) / m
/// into `da`. Rows are shifted by their largest entry, so no exponential overflows. With smoothing s a row's target is 1 - s
/// of its class and s of all classes alike: its loss is that share of each of them.
///
/// # Panics
/// If a label is not below `classes`.
pub fn cross_entropy<'t, T: Scalar>(a: &[T], told: impl Into<Told<'t>>, classes: usize, da: &mut [T]) -> f64 {
    let Told { labels, smoothing } = told.into();
    let (own, other) = (1.0 - smoothing, smoothing / classes as f64);
    let share = 1.0 / labels.len() as f64;
    let mut loss = 0.0;
    for ((a, da), &label) in a.chunks_exact(classes).zip(da.chunks_exact_mut(classes)).zip(labels) {
        let mut largest = a[0];
        for &a in a {
            largest = Scalar::max(largest, a);
        }
        let mut sum = T::ZERO;
        for (da, &a) in da.iter_mut().zip(a) {
            *da = Scalar::exp(a - largest);
            sum += *da;
        }
        let log_sum = libm::log(sum.to_f64());
        loss += log_sum - own * (a[label] - largest).to_f64();
        if smoothing > 0.0 {
            loss -= other * a.iter().map(|&a| (a - largest).to_f64()).sum::<f64>();
        }
        let scale = T::of(share) / sum;
        for da in &mut *da {
            *da *= scale;
        }
        if smoothing > 0.0 {
            da.iter_mut().for_each(|da| *da -= T::of(share * other));
        }
        da[label] -= T::of(share * own);
    }
    loss * share
}

/// The loss of each row of `a` (m x classes, row-major) as [`cross_entropy`] has it, into `losses`; gives their mean.
///
/// # Panics
/// If a label is not below `classes`.
pub fn row_losses<'t, T: Scalar>(a: &[T], told: impl Into<Told<'t>>, classes: usize, losses: &mut Vec<f64>) -> f64 {
    let Told { labels, smoothing } = told.into();
    let (own, other) = (1.0 - smoothing, smoothing / classes as f64);
    losses.clear();
    losses.extend(a.chunks_exact(classes).zip(labels).map(|(a, &label)| {
        let largest = a.iter().fold(f64::NEG_INFINITY, |largest, a| largest.max(a.to_f64()));
        let below = || a.iter().map(|a| a.to_f64() - largest);
        let log_sum = libm::log(below().map(libm::exp).sum());
        log_sum - own * (a[label].to_f64() - largest) - other * below().sum::<f64>()
    }));
    losses.iter().sum::<f64>() / labels.len() as f64
}

/// Mean of (a_0 - y)^2 over the rows of `a` (m x columns, row-major), a_0 their first column, and its gradient
/// 2 (a_0 - y) / m into `da`, which is 0 in other columns.
pub fn squared_error<T: Scalar>(a: &[T], values: &[f64], columns: usize, da: &mut [T]) -> f64 {
    let share = 1.0 / values.len() as f64;
    let mut loss = 0.0;
    for ((a, da), value) in a.chunks_exact(columns).zip(da.chunks_exact_mut(columns)).zip(values) {
        let missed = a[0].to_f64() - value;
        loss += missed * missed;
        da.fill(T::ZERO);
        da[0] = T::of(2.0 * share * missed);
    }
    loss * share
}

/// The loss of outputs (m x columns) that are to tell the targets of a batch, classes by [`cross_entropy`], values by
/// [`squared_error`], and its gradient into `da`.
pub fn told_loss<T: Scalar>(a: &[T], (told, values): (Told<'_>, &[f64]), columns: usize, da: &mut [T]) -> f64 {
    if values.is_empty() { cross_entropy(a, told, columns, da) } else { squared_error(a, values, columns, da) }
}

/// Cross-entropy as the objective of a block whose outputs are class scores; of one whose first output is to tell a value, the
/// squared error.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

/// Memory of one thread: outputs in rows, and their gradient.
#[derive(Default)]
pub struct CrossEntropyScratch<T> {
    outputs: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> CrossEntropyScratch<T> {
    /// Value at `z` (m x classes), gradient into `dz`.
    ///
    /// # Errors
    /// `Classes` if there are fewer outputs than classes; `NotFinite` with the first output that is no number.
    pub(super) fn evaluate(
        &mut self,
        labels: &Labels,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
    ) -> Result<Signal, ObjectiveError> {
        let Self { outputs, gradient } = self;
        let classes = z.ncols();
        if classes < labels.classes {
            return Err(ObjectiveError::Classes { outputs: classes, classes: labels.classes });
        }
        let outputs = rows_of(z, outputs)?;
        let gradient = grown(gradient, outputs.len());
        let loss = told_loss(outputs, (labels.told(), &labels.values), classes, gradient);
        write_rows(gradient, dz);
        Ok(Signal { loss, ..Signal::default() })
    }
}

impl<T: Scalar> Objective<T> for CrossEntropy {
    type Shared = Labels;
    type Scratch = CrossEntropyScratch<T>;

    fn learns_values(&self) -> bool {
        true
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        _scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        Ok(Labels::of(batch, earlier))
    }

    fn signal(
        &self,
        labels: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        _learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        scratch.evaluate(labels, z, dz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_outputs_cost_the_logarithm_of_the_classes() {
        let mut da = [0.0; 8];
        let loss = cross_entropy(&[3.0f64; 8], &[1, 2][..], 4, &mut da);
        assert!((loss - 4.0f64.ln()).abs() < 1e-15);
        assert_eq!(da, [0.125, -0.375, 0.125, 0.125, 0.125, 0.125, -0.375, 0.125]);
    }

    #[test]
    fn the_squared_error_is_that_of_the_first_output_with_its_slope() {
        let (mut a, values) = ([0.5, 9.0, -1.0, 9.0, 2.0, 9.0], [0.0, 1.0, 2.5]);
        let mut da = [7.0; 6];
        // (0.25 + 4 + 0.25) / 3.
        assert!((squared_error(&a, &values, 2, &mut da) - 1.5).abs() < 1e-15);
        for i in 0..6 {
            let (kept, h, mut unused) = (a[i], 1e-3, [0.0; 6]);
            a[i] = kept + h;
            let up = squared_error(&a, &values, 2, &mut unused);
            a[i] = kept - h;
            let down = squared_error(&a, &values, 2, &mut unused);
            a[i] = kept;
            // Of a square the difference is exact but for 1e-16 / h.
            assert!((da[i] - (up - down) / (2.0 * h)).abs() < 1e-11, "{i}");
        }
    }

    #[test]
    fn the_gradient_agrees_with_central_differences_and_large_outputs_do_not_overflow() {
        let mut a = [1e3f64, 1e3 + 1.0, 1e3 - 2.0, 0.3, -0.2, 0.1];
        for smoothing in [0.0, 0.3] {
            let told = Told { labels: &[2, 0], smoothing };
            let mut da = [0.0; 6];
            assert!(cross_entropy(&a, told, 3, &mut da).is_finite());
            for i in 0..6 {
                let (kept, h, mut unused) = (a[i], 1e-5, [0.0; 6]);
                a[i] = kept + h;
                let up = cross_entropy(&a, told, 3, &mut unused);
                a[i] = kept - h;
                let down = cross_entropy(&a, told, 3, &mut unused);
                a[i] = kept;
                // Of outputs near 1e3 a step of 1e-5 is known to 1e-8 of itself.
                assert!((da[i] - (up - down) / (2.0 * h)).abs() < 1e-7, "{i}");
            }
        }
    }

    #[test]
    fn a_smoothed_target_costs_what_its_parts_cost() {
        // The closed form: 0.8 of the loss of the label and 0.2 of the mean loss of all labels. PyTorch's
        // cross_entropy(label_smoothing=0.2) is defined by the same sum.
        let a = [0.5f64, -1.0, 2.0, 0.1];
        let of = |told: Told<'_>| {
            let mut da = [0.0; 4];
            (cross_entropy(&a, told, 4, &mut da), da)
        };
        let each: Vec<_> = (0..4).map(|label| of((&[label][..]).into())).collect();
        let (loss, da) = of(Told { labels: &[1], smoothing: 0.2 });
        let expected = 0.8 * each[1].0 + 0.05 * each.iter().map(|each| each.0).sum::<f64>();
        assert!((loss - expected).abs() < 1e-15, "{loss} {expected}");
        for (i, da) in da.into_iter().enumerate() {
            let expected = 0.8 * each[1].1[i] + 0.05 * each.iter().map(|each| each.1[i]).sum::<f64>();
            assert!((da - expected).abs() < 1e-15, "{i}");
        }
    }
}
