//! What the other rows of a batch tell of each row's target, on a device, by the formulas of `hsic`'s `objective/left_out.rs`.
//!
//! With B = N'N the inverse of Kc + c I, less the means of its rows, and Y the targets less their means: C = N'N Y,
//! r_i = C_i / B_ii, J = 1 - S / |Y|^2 with S = sum |r_i|^2; G_i = r_i / B_ii, w_i = |r_i|^2 / B_ii, and
//! dS/dK = -(N'N G C' + C G' N'N) + 2 B' diag(w) B, each factor less the means over its rows.

use hsic::Targets;
use tch::{Kind, Tensor};

use crate::device::Device;
use crate::objective::dot;

/// Targets less their means (m x k): one-hot classes, or values.
pub(crate) struct LeftOut {
    centered: Tensor,
    /// |Y|^2.
    square: f64,
}

impl LeftOut {
    /// Of the targets of a batch.
    pub(crate) fn of(targets: Targets<'_>, device: &Device) -> Self {
        let m = targets.rows();
        let columns = match targets {
            Targets::Classes { classes, .. } => classes,
            Targets::Values { columns, .. } => columns,
        };
        let value = |row: usize, column: usize| match targets {
            Targets::Classes { labels, .. } => f64::from(u8::from(labels[row] == column)),
            Targets::Values { values, columns } => values[row * columns + column],
        };
        let mean = |column| (0..m).map(|row| value(row, column)).sum::<f64>() / m as f64;
        let means: Vec<f64> = (0..columns).map(mean).collect();
        let entry = |row| means.iter().enumerate().map(move |(column, mean)| value(row, column) - mean);
        let centered: Vec<f64> = (0..m).flat_map(entry).collect();
        let square = centered.iter().map(|value| value * value).sum();
        let single: Vec<f32> = centered.iter().map(|&value| value as f32).collect();
        Self { centered: device.take_rows(m, &single), square }
    }

    /// -`weight` dJ/dK (m x m) for the inverse factor N (m x m) of the kernel with its ridge, and J. Both are 0 where all rows have
    /// one target.
    pub(crate) fn fit(&self, weight: f64, n: &Tensor) -> (Tensor, Tensor) {
        let fitted = n.tr().matmul(&n.matmul(&self.centered));
        if self.square == 0.0 {
            return (n.zeros_like(), dot(&fitted, &fitted) * 0.0);
        }
        let b = n.tr().matmul(n);
        let b = &b - b.mean_dim(1, true, Kind::Float);
        let own = b.diagonal(0, 0, 1).unsqueeze(1);
        let residuals = &fitted / &own;
        let squares = residuals.square().sum_dim_intlist(1, true, Kind::Float);
        // Row i of B times the root of w_i: its outer product with itself is summed over i.
        let rooted = &b * (&squares / &own).sqrt();
        let less_mean = |v: &Tensor| v - v.mean_dim(0, true, Kind::Float);
        let solved = less_mean(&n.tr().matmul(&n.matmul(&(residuals / own))));
        let product = solved.matmul(&less_mean(&fitted).tr());
        let share = weight / self.square;
        let gradient = rooted.tr().matmul(&rooted) * (2.0 * share) - (&product + product.tr()) * share;
        (gradient, squares.sum(Kind::Double) * (-1.0 / self.square) + 1.0)
    }
}
