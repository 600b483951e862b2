//! What both forms of the HSIC objective on a device have in common: what they give, and factors that are not asked for success.

use tch::{Kind, Tensor};

/// Values this close to 0 beside the rows themselves are the rounding of their mean: four units in the last place of f32.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

/// R_X of a batch and its trace.
pub(crate) struct InputSide {
    /// R_X itself, or a factor F of it (m x features).
    pub(crate) matrix: Tensor,
    /// A number on the device.
    pub(crate) trace: Tensor,
    /// Flags on the device: a factor was lost.
    pub(crate) lost: Tensor,
}

/// What the terms and the gradient at one Z are.
pub(crate) struct Evaluated {
    pub(crate) dz: Tensor,
    /// nHSIC(Z, X) and nHSIC(Z, Y), where they are measured.
    pub(crate) terms: Option<[Tensor; 2]>,
    /// A flag: all rows are equal.
    pub(crate) dead: Tensor,
    /// A flag: a factor was lost.
    pub(crate) lost: Tensor,
}

/// Rows less their mean, and a flag: some two of them differ.
pub(crate) fn centered(v: &Tensor) -> (Tensor, Tensor) {
    let centered = v - v.mean_dim(0, true, Kind::Float);
    let varies = centered.abs().max().gt_tensor(&(v.abs().max() * ROUNDING));
    (centered, varies)
}

/// The Cholesky factor L of a + ridge I for a positive semidefinite a, and a flag: a pivot is not above half the ridge.
pub(crate) fn cholesky(a: &Tensor, ridge: f64) -> (Tensor, Tensor) {
    let a = a.copy();
    let mut diagonal = a.diagonal(0, 0, 1);
    let _ = diagonal.g_add_scalar_(ridge);
    let (l, info) = a.linalg_cholesky_ex(false, false);
    let pivots = l.diagonal(0, 0, 1).square();
    // Not `lt`, which a NaN would pass.
    let sound = pivots.gt(0.5 * ridge).all().logical_and(&info.eq(0));
    (l, sound.logical_not())
}

/// N = L^-1, so that (L L')^-1 = N'N. What libtorch has for a system with a factor in one call may ask the device for its success,
/// and products keep a device busier than triangular systems do.
pub(crate) fn inverse(l: &Tensor) -> Tensor {
    l.linalg_solve_triangular(&Tensor::eye(l.size()[0], (Kind::Float, l.device())), false, true, false)
}
