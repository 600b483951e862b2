//! The goodness of a row, and the loss that raises it for positive rows and lowers it for negative ones.
//!
//! g = sum_j h_j^2 or its mean; L = mean over pairs of softplus(theta - g_pos) + softplus(g_neg - theta), theta being so
//! much a unit. Source: Hinton 2022, arXiv 2212.13345, equation 1.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::{grown, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_nn::network::{Feature, Learner};

use super::{Objective, Signal, Site};
use crate::error::ObjectiveError;

/// The loss of a batch whose first half are positive rows, whose second half the negative row of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Whether goodness is the mean of squares; else it is their sum.
    pub mean: bool,
    /// Mean square of a unit at which a row is as likely positive as negative.
    pub theta: f64,
    /// Weight of the variance over the units of their mean activity on positive rows.
    pub peer: f64,
}

/// Memory of one thread.
pub struct ContrastScratch<T> {
    rows: Vec<T>,
    activity: Vec<T>,
}

impl<T> Default for ContrastScratch<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), activity: Vec::new() }
    }
}

/// ln(1 + e^a) and its derivative, without overflow.
fn softplus(a: f64) -> (f64, f64) {
    let e = libm::exp(-a.abs());
    let slope = if a > 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    (a.max(0.0) + libm::log1p(e), slope)
}

impl Contrast {
    /// The loss at `rows` (2m x d, row-major) and its gradient in their place; mean goodness a unit of positive and of
    /// negative rows.
    fn evaluate<T: Scalar>(&self, rows: &mut [T], d: usize, activity: &mut [T]) -> (f64, [f64; 2]) {
        let pairs = rows.len() / d / 2;
        let scale = if self.mean { 1.0 / d as f64 } else { 1.0 };
        let theta = self.theta * scale * d as f64;
        let share = 1.0 / pairs as f64;
        let mut loss = if self.peer > 0.0 { self.peers(&rows[..pairs * d], activity) } else { 0.0 };
        let mut means = [0.0; 2];
        for (index, row) in rows.chunks_exact_mut(d).enumerate() {
            let negative = usize::from(index >= pairs);
            let squares = hsic::sums::norm(row).powi(2);
            let sign = if negative == 1 { 1.0 } else { -1.0 };
            let (own, slope) = softplus(sign * (scale * squares - theta));
            loss += share * own;
            means[negative] += share * squares / d as f64;
            let factor = T::of(sign * share * slope * 2.0 * scale);
            let pull = if negative == 0 && self.peer > 0.0 { Some(&activity[..]) } else { None };
            vectorize(
                #[inline(always)]
                || match pull {
                    None => row.iter_mut().for_each(|h| *h *= factor),
                    Some(pull) => row.iter_mut().zip(pull).for_each(|(h, &pull)| *h = h.mul_add(factor, pull)),
                },
            );
        }
        (loss, means)
    }

    /// w mean_j (a_j - mean a)^2, a_j the mean of unit j over `rows`; leaves its derivative with respect to an entry of
    /// column j in `activity`.
    fn peers<T: Scalar>(&self, rows: &[T], activity: &mut [T]) -> f64 {
        let d = activity.len();
        let share = T::of(d as f64 / rows.len() as f64);
        activity.fill(T::ZERO);
        vectorize(
            #[inline(always)]
            || {
                for row in rows.chunks_exact(d) {
                    activity.iter_mut().zip(row).for_each(|(sum, &h)| *sum += h);
                }
                activity.iter_mut().for_each(|sum| *sum *= share);
            },
        );
        let mean = activity.iter().map(|a| a.to_f64()).sum::<f64>() / d as f64;
        let (mean, slope) = (T::of(mean), T::of(2.0 * self.peer / d as f64) * share);
        let mut squares = 0.0;
        for a in activity {
            squares += (*a - mean).to_f64().powi(2);
            // The mean's own derivative vanishes in the sum of deviations.
            *a = slope * (*a - mean);
        }
        self.peer * squares / d as f64
    }
}

impl<T: Scalar> Objective<T> for Contrast {
    type Shared = ();
    type Scratch = ContrastScratch<T>;

    fn feature(&self, _chosen: Feature) -> Feature {
        Feature::Flat
    }

    fn prepare(&self, _: &Batch<T>, _: Option<()>, _: &mut Self::Scratch) -> Result<(), ObjectiveError> {
        Ok(())
    }

    fn signal(
        &self,
        _shared: &(),
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        _learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let d = z.ncols();
        let rows = rows_of(z, &mut scratch.rows)?;
        let activity = grown(&mut scratch.activity, d);
        let (loss, [positive, negative]) = self.evaluate(rows, d, activity);
        write_rows(rows, dz);
        let terms = [("goodness_positive", positive), ("goodness_negative", negative)];
        Ok(Signal { loss, terms, gradient_norm: 0.0, dead: positive + negative == 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    const D: usize = 5;

    fn rows() -> Vec<f64> {
        let mut stream = Stream::new(2, "goodness", 0);
        (0..6 * D).map(|_| stream.normal().max(0.0)).collect()
    }

    fn value(contrast: Contrast, rows: &[f64]) -> (f64, [f64; 2], Vec<f64>) {
        let mut gradient = rows.to_vec();
        let (loss, means) = contrast.evaluate(&mut gradient, D, &mut [0.0; D]);
        (loss, means, gradient)
    }

    #[test]
    fn rows_of_goodness_theta_cost_two_logarithms_of_two_whatever_their_labels() {
        for mean in [true, false] {
            let contrast = Contrast { mean, theta: 1.0, peer: 0.0 };
            let (loss, means, _) = value(contrast, &[1.0; 6 * D]);
            assert!((loss - 2.0 * 2.0f64.ln()).abs() < 1e-15);
            assert_eq!(means, [1.0; 2]);
        }
    }

    #[test]
    fn the_loss_is_that_of_the_definition() {
        let (rows, contrast) = (rows(), Contrast { mean: false, theta: 0.3, peer: 0.0 });
        let goodness: Vec<f64> = rows.chunks(D).map(|row| row.iter().map(|h| h * h).sum()).collect();
        let pair = |i: usize| (1.5 - goodness[i]).exp().ln_1p() + (goodness[i + 3] - 1.5).exp().ln_1p();
        let (loss, means, _) = value(contrast, &rows);
        assert!((loss - (pair(0) + pair(1) + pair(2)) / 3.0).abs() < 1e-14);
        assert!((means[0] - goodness[..3].iter().sum::<f64>() / 15.0).abs() < 1e-14);
    }

    #[test]
    fn the_gradient_agrees_with_central_differences() {
        for (mean, peer) in [(true, 0.0), (false, 0.0), (true, 0.7), (false, 0.7)] {
            let (contrast, mut rows) = (Contrast { mean, theta: 0.4, peer }, rows());
            let (_, _, gradient) = value(contrast, &rows);
            for i in 0..rows.len() {
                let (kept, h) = (rows[i], 1e-6);
                rows[i] = kept + h;
                let up = value(contrast, &rows).0;
                rows[i] = kept - h;
                let down = value(contrast, &rows).0;
                rows[i] = kept;
                // Cancellation 1e-15 / h, truncation h^2.
                assert!((gradient[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "{mean} {peer} {i}");
            }
        }
    }

    #[test]
    fn extreme_rows_neither_overflow_nor_vanish() {
        let (loss, _, gradient) = value(Contrast { mean: false, theta: 1.0, peer: 0.0 }, &[1e3; 6 * D]);
        // A negative row of goodness g far above theta costs g - theta; a positive one nothing.
        assert!((loss - (5e6 - 5.0)).abs() < 1e-6 && gradient.iter().all(|value| value.is_finite()));
    }
}
