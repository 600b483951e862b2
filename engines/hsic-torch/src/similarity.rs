//! Similarity matrices of a batch and the way back through them, on a device, by the formulas of `hsic-learn`'s `similarity`.

use hsic_bottleneck::objective::similarity::Similarity;
use tch::{Kind, Tensor};

use crate::objective::DeviceBatch;

/// Added to a row's length.
const LENGTH_EPSILON: f64 = 1e-8;

/// A row that is shorter is without direction.
const SHORTEST: f64 = 1e-7;

/// The labels' matrix T: 1 for two samples of a class, -1/(C - 1) for others.
#[derive(Debug)]
pub(crate) struct Targets {
    matrix: Tensor,
    /// Mean of T over all pairs, and of T o T.
    pub(crate) mean: f64,
    pub(crate) square: f64,
}

impl Targets {
    /// Of the labels of a batch.
    pub(crate) fn of(batch: &DeviceBatch<'_>) -> Self {
        let (labels, classes) = (&batch.host.labels, batch.host.classes);
        let other = if classes > 1 { -1.0 / (classes as f64 - 1.0) } else { 0.0 };
        let mut counts = vec![0.0; classes];
        labels.iter().for_each(|&label| counts[label] += 1.0);
        let share = counts.iter().map(|count| count * count).sum::<f64>() / (labels.len() as f64).powi(2);
        let equal = batch.labels.unsqueeze(1).eq_tensor(&batch.labels.unsqueeze(0)).to_kind(Kind::Float);
        Self {
            matrix: equal * (1.0 - other) + other,
            mean: share + (1.0 - share) * other,
            square: share + (1.0 - share) * other * other,
        }
    }
}

/// Means over all pairs: numbers on the device.
pub(crate) struct Moments {
    /// Of S.
    pub(crate) mean: Tensor,
    /// Of S o S.
    pub(crate) square: Tensor,
    /// Of S o T.
    pub(crate) product: Tensor,
}

/// S of a sample, with what the way back needs.
pub(crate) struct Pairs {
    s: Tensor,
    /// Rows of length 1, or less the mean of each column.
    rows: Tensor,
    way: Way,
}

/// How S was formed.
enum Way {
    Cosine {
        centered: bool,
        /// 1 / (length + 1e-8) of each row, or 0.
        inverse: Tensor,
    },
    Gaussian {
        sigma: f64,
    },
}

impl Pairs {
    /// Of the rows `f` (m x d).
    pub(crate) fn of(similarity: Similarity, f: &Tensor) -> Self {
        match similarity {
            Similarity::Cosine { centered } => {
                let rows = if centered { f - f.mean_dim(1, true, Kind::Float) } else { f.shallow_clone() };
                let length = rows.square().sum_dim_intlist(1, true, Kind::Float).sqrt();
                let inverse = (&length + LENGTH_EPSILON).reciprocal() * length.gt(SHORTEST);
                let rows = rows * &inverse;
                let s = rows.matmul(&rows.tr()).clamp(-1.0, 1.0);
                Self { s, rows, way: Way::Cosine { centered, inverse } }
            }
            Similarity::Gaussian { sigma } => {
                let rows = f - f.mean_dim(0, true, Kind::Float);
                let gram = rows.matmul(&rows.tr());
                let squares = gram.diagonal(0, 0, 1);
                let distances = squares.unsqueeze(1) + squares.unsqueeze(0) - &gram * 2.0;
                let s = (distances.clamp_min(0.0) * (-0.5 / (sigma * sigma))).expm1();
                Self { s, rows, way: Way::Gaussian { sigma } }
            }
        }
    }

    /// Means of S and of its products with itself and with the labels' matrix.
    pub(crate) fn moments(&self, targets: &Targets) -> Moments {
        Moments {
            mean: self.s.mean(Kind::Double),
            square: self.s.square().mean(Kind::Double),
            product: (&self.s * &targets.matrix).mean(Kind::Double),
        }
    }

    /// dL/df (m x d) for dL/dS = a S + b T + c, c a number on the device if there is one.
    pub(crate) fn backward(&self, targets: &Targets, (a, b): (f64, f64), c: Option<&Tensor>) -> Tensor {
        let ds = &self.s * a + &targets.matrix * b;
        let ds = match c {
            Some(c) => ds + c.to_kind(Kind::Float),
            None => ds,
        };
        match &self.way {
            Way::Gaussian { sigma } => {
                let w = &self.s * &ds + &ds;
                let sums = w.sum_dim_intlist(1, true, Kind::Float);
                (w.matmul(&self.rows) - &self.rows * sums) * (2.0 / (sigma * sigma))
            }
            Way::Cosine { centered, inverse } => {
                let du = ds.matmul(&self.rows) * 2.0;
                // u = x / (e + r): dx = (du - u (u . du) (e + r) / r) / (e + r).
                let length = inverse.reciprocal() - LENGTH_EPSILON;
                let along = (&self.rows * &du).sum_dim_intlist(1, true, Kind::Float) / (inverse * length);
                let dx = (du - &self.rows * along) * inverse;
                let dx = dx.where_self(&inverse.gt(0.0), &dx.zeros_like());
                if *centered { &dx - dx.mean_dim(1, true, Kind::Float) } else { dx }
            }
        }
    }
}
