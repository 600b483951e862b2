//! Batch norm of rows (rows x channels) on a device, by the formulas of `hsic-nn`'s `norm`.

use hsic_bottleneck::network::Norm;
use tch::{Kind, Tensor};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// Rows less their mean and by their deviation, with what the way back and the running statistics need.
pub(crate) struct Normalized {
    /// n = (a - mean) / sqrt(variance + 1e-5).
    pub(crate) n: Tensor,
    mean: Tensor,
    variance: Tensor,
    inverse: Tensor,
}

impl Normalized {
    /// By the statistics of these very rows.
    pub(crate) fn of(a: &Tensor) -> Self {
        let mean = a.mean_dim(0, false, Kind::Float);
        let centered = a - &mean;
        let variance = (&centered * &centered).mean_dim(0, false, Kind::Float);
        let inverse = (&variance + EPSILON).rsqrt();
        Self { n: centered * &inverse, mean, variance, inverse }
    }

    /// dL/da from g = dL/d(scale n + shift), and the gradients of scale and shift.
    pub(crate) fn backward(&self, g: &Tensor, scale: Option<&Tensor>) -> (Tensor, Tensor, Tensor) {
        let product = g * &self.n;
        let share = 1.0 / self.n.size()[0] as f64;
        let (d_scale, d_shift) =
            (product.sum_dim_intlist(0, false, Kind::Float), g.sum_dim_intlist(0, false, Kind::Float));
        let factor = scale.map_or_else(|| self.inverse.shallow_clone(), |scale| &self.inverse * scale);
        let da = (g - &d_shift * share - &self.n * (&d_scale * share)) * factor;
        (da, d_scale, d_shift)
    }

    /// Moves running statistics (means, then variances) towards these, which have `share` of them afterwards: that of training
    /// where none is named. The bias that training leaves out belongs to the mean.
    pub(crate) fn absorb(&self, share: Option<f64>, bias: Option<&Tensor>, statistics: &Tensor) {
        let share = share.unwrap_or(MOMENTUM);
        let rows = self.n.size()[0] as f64;
        let mean = bias.map_or_else(|| self.mean.shallow_clone(), |bias| &self.mean + bias);
        let own = Tensor::cat(&[mean, &self.variance * (rows / (rows - 1.0))], 0);
        // Behind them may stand what does not move.
        let mut moving = statistics.narrow(0, 0, own.size()[0]);
        moving.copy_(&(&moving * (1.0 - share) + own * share));
    }
}

/// Evaluation mode: (a - mean) / sqrt(variance + 1e-5) with the running statistics.
pub(crate) fn infer(a: &Tensor, statistics: &Tensor) -> Tensor {
    let d = a.size()[1];
    let (mean, variance) = (statistics.narrow(0, 0, d), statistics.narrow(0, d, d));
    (a - mean) / (variance + EPSILON).sqrt()
}

/// Learned numbers of a norm of so many channels: scale, then shift, or a shift alone.
pub(crate) fn learned(norm: Norm, channels: i64) -> i64 {
    match norm {
        Norm::BatchAffine => 2 * channels,
        Norm::BatchBias => channels,
        Norm::Batch | Norm::None => 0,
    }
}
