//! Batch norm over the rows of channels-last values: n = (a - mean) / sqrt(var + 1e-5), y = scale n + shift.
//!
//! Momentum of the running statistics 0.1, of the variance the unbiased one (PyTorch's rules). Sums run over fixed parts
//! of the rows that are joined in order, so the number of threads is invisible.

use hsic::Scalar;
use hsic::scalar::vectorize;
use serde::{Deserialize, Serialize};

use super::layout::{Module, TensorKind, TensorSpec};
use crate::optimizer::{Group, Groups, Matrix};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// What stands between a linear map and its activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Nothing; the bias acts.
    None,
    /// Batch norm without learned scale and shift (the paper's).
    Batch,
    /// Batch norm with learned scale and shift.
    BatchAffine,
    /// Batch norm with a learned shift and without a scale (Jordan 2024).
    BatchBias,
}

impl Norm {
    /// Running statistics of `channels` channels: means 0, then variances 1; behind a shift alone a scale of 1, which PyTorch's
    /// module has beside it, stands there too.
    pub(crate) fn statistics<T: Scalar>(self, channels: usize) -> Vec<T> {
        let mut statistics = Vec::new();
        if self != Self::None {
            statistics.resize(channels, T::ZERO);
            statistics.resize(2 * channels, T::ONE);
        }
        if self == Self::BatchBias {
            statistics.resize(3 * channels, T::ONE);
        }
        statistics
    }

    /// The tensors of a norm of `channels` channels as PyTorch module number `module`: learned ones, then followed ones.
    pub(crate) fn layout(self, module: usize, path: &str, channels: usize) -> Vec<TensorSpec> {
        let spec = |name: &str, kind| TensorSpec::contiguous(module, &format!("{path}{name}"), &[channels], kind);
        let mut layout = Vec::new();
        if self == Self::BatchAffine {
            layout.push(spec("weight", TensorKind::Parameter));
            layout.push(spec("bias", TensorKind::Parameter));
        } else if self == Self::BatchBias {
            layout.push(spec("bias", TensorKind::Parameter));
        }
        if self != Self::None {
            layout.push(spec("running_mean", TensorKind::Statistic));
            layout.push(spec("running_var", TensorKind::Statistic));
        }
        if self == Self::BatchBias {
            layout.push(spec("weight", TensorKind::Statistic));
        }
        layout
    }

    /// The PyTorch module of that class, if there is a norm.
    pub(crate) fn module(self, class: &'static str, channels: usize) -> Option<Module> {
        let affine = matches!(self, Self::BatchAffine | Self::BatchBias);
        (self != Self::None).then(|| Module::new(class, &[channels, usize::from(affine)]))
    }

    /// Learned scale (1) and shift (0) of `channels` channels, as far as there are any.
    pub(crate) fn parameters<T: Scalar>(self, channels: usize) -> Vec<T> {
        let mut parameters = Vec::new();
        if self == Self::BatchAffine {
            parameters.resize(channels, T::ONE);
            parameters.resize(2 * channels, T::ZERO);
        } else if self == Self::BatchBias {
            parameters.resize(channels, T::ZERO);
        }
        parameters
    }
}

/// What the parameters of a block are: a matrix, biases, then so many of a norm, of which the last are shifts.
pub(crate) fn groups(matrix: Matrix, learned: usize) -> Groups {
    let shifts = if learned > 0 { matrix.units } else { 0 };
    let others = matrix.units + learned - shifts;
    let weights = Groups::default().then(matrix.units * matrix.fan_in, Group::Matrix(matrix));
    weights.then(others, Group::Other).then(shifts, Group::NormBias)
}

/// Mean and sum of squared deviations by channel of `rows` (row-major, one column a channel), in two passes.
pub(crate) fn moments<T: Scalar>(rows: &[T], mean: &mut [T], squares: &mut [T]) {
    let d = mean.len();
    let share = T::of(d as f64 / rows.len() as f64);
    vectorize(
        #[inline(always)]
        || {
            mean.fill(T::ZERO);
            squares.fill(T::ZERO);
            for row in rows.chunks_exact(d) {
                for (mean, &a) in mean.iter_mut().zip(row) {
                    *mean += a;
                }
            }
            for mean in mean.iter_mut() {
                *mean *= share;
            }
            for row in rows.chunks_exact(d) {
                for ((square, &mean), &a) in squares.iter_mut().zip(mean.iter()).zip(row) {
                    *square = (a - mean).mul_add(a - mean, *square);
                }
            }
        },
    );
}

/// Joins the moments of `m` rows with those of `m_more` further ones (Chan, Golub, LeVeque 1983).
pub(crate) fn join<T: Scalar>(
    (mean, squares, m): (&mut [T], &mut [T], usize),
    (mean_more, squares_more, m_more): (&[T], &[T], usize),
) {
    let all = (m + m_more) as f64;
    let (share, weight) = (T::of(m_more as f64 / all), T::of(m as f64 * m_more as f64 / all));
    for ((mean, square), (&mean_more, &square_more)) in
        mean.iter_mut().zip(squares).zip(mean_more.iter().zip(squares_more))
    {
        let difference = mean_more - *mean;
        *mean = share.mul_add(difference, *mean);
        *square += (weight * difference).mul_add(difference, square_more);
    }
}

/// Parts in which rows are worked on at once; fixed, so that the number of threads is invisible.
pub(crate) const PARTS: usize = 8;

/// Rows of a part.
pub(crate) fn part_rows(rows: usize) -> usize {
    rows.div_ceil(PARTS)
}

/// Joins the moments of parts, means and then squares at the head of each, that cover `rows` rows, `part_rows` each but
/// for the last one.
pub(crate) fn join_parts<'p, T: Scalar>(
    parts: impl Iterator<Item = &'p [T]>,
    part_rows: usize,
    rows: usize,
    mean: &mut [T],
    squares: &mut [T],
) {
    let d = mean.len();
    let mut done = 0;
    for part in parts {
        let more = part_rows.min(rows - done);
        let (mean_more, squares_more) = (&part[..d], &part[d..2 * d]);
        if done == 0 {
            mean.copy_from_slice(mean_more);
            squares.copy_from_slice(squares_more);
        } else if more > 0 {
            join((mean, squares, done), (mean_more, squares_more, more));
        }
        done += more;
    }
}

/// From sums of squared deviations of `m` rows to variances, in place, and 1 / sqrt(var + 1e-5).
pub(crate) fn finish<T: Scalar>(m: usize, squares: &mut [T], inverse: &mut [T]) {
    let share = T::of(1.0 / m as f64);
    for (variance, inverse) in squares.iter_mut().zip(inverse) {
        *variance *= share;
        *inverse = reciprocal_deviation(*variance);
    }
}

/// 1 / sqrt(var + 1e-5).
pub(crate) fn reciprocal_deviation<T: Scalar>(variance: T) -> T {
    T::ONE / Scalar::sqrt(variance + T::of(EPSILON))
}

/// n <- (a - mean) inverse.
#[inline(always)]
pub(crate) fn normalize<T: Scalar>(a: &[T], mean: &[T], inverse: &[T], n: &mut [T]) {
    let d = mean.len();
    for (a, n) in a.chunks_exact(d).zip(n.chunks_exact_mut(d)) {
        for (((n, &a), &mean), &inverse) in n.iter_mut().zip(a).zip(mean).zip(inverse) {
            *n = (a - mean) * inverse;
        }
    }
}

/// a <- (a - mean) inverse.
#[inline(always)]
pub(crate) fn normalize_in_place<T: Scalar>(a: &mut [T], mean: &[T], inverse: &[T]) {
    let d = mean.len();
    for a in a.chunks_exact_mut(d) {
        for ((a, &mean), &inverse) in a.iter_mut().zip(mean).zip(inverse) {
            *a = (*a - mean) * inverse;
        }
    }
}

/// y <- scale n + shift, of so many channels; `affine` has both, or shifts alone.
#[inline(always)]
pub(crate) fn scale<T: Scalar>(n: &[T], affine: &[T], channels: usize, y: &mut [T]) {
    let d = channels;
    if affine.len() == d {
        for (n, y) in n.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            for ((y, &n), &shift) in y.iter_mut().zip(n).zip(affine) {
                *y = n + shift;
            }
        }
        return;
    }
    let (scale, shift) = affine.split_at(d);
    for (n, y) in n.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        for (((y, &n), &scale), &shift) in y.iter_mut().zip(n).zip(scale).zip(shift) {
            *y = scale.mul_add(n, shift);
        }
    }
}

/// Adds to the sums of g and of g n by channel, the gradients of shift and scale.
#[inline(always)]
pub(crate) fn add_sums<T: Scalar>(n: &[T], g: &[T], sum: &mut [T], product: &mut [T]) {
    let d = sum.len();
    for (g, n) in g.chunks_exact(d).zip(n.chunks_exact(d)) {
        for (((sum, product), &g), &n) in sum.iter_mut().zip(product.iter_mut()).zip(g).zip(n) {
            *sum += g;
            *product = g.mul_add(n, *product);
        }
    }
}

/// From sums over `m` rows to what [`backward`] takes, in place: means, and 1 / sqrt(var + eps) times the learned scale,
/// whose gradient and that of the shift go to `d_affine` (empty if they are not learned, a shift's alone if that is).
pub(crate) fn close_sums<T: Scalar>(
    m: usize,
    sum: &mut [T],
    product: &mut [T],
    inverse: &mut [T],
    affine: &[T],
    d_affine: &mut [T],
) {
    let d = sum.len();
    if d_affine.len() == d {
        d_affine.copy_from_slice(sum);
    } else if !d_affine.is_empty() {
        d_affine[..d].copy_from_slice(product);
        d_affine[d..].copy_from_slice(sum);
        for (inverse, &scale) in inverse.iter_mut().zip(&affine[..d]) {
            *inverse *= scale;
        }
    }
    let share = T::of(1.0 / m as f64);
    for value in sum.iter_mut().chain(product) {
        *value *= share;
    }
}

/// g <- (g - sum - n product) factor, `sum` and `product` divided by the rows and `factor` = scale / sqrt(var + eps).
#[inline(always)]
pub(crate) fn backward<T: Scalar>(n: &[T], factor: &[T], sum: &[T], product: &[T], g: &mut [T]) {
    let d = factor.len();
    for (g, n) in g.chunks_exact_mut(d).zip(n.chunks_exact(d)) {
        for ((((g, &n), &sum), &product), &factor) in g.iter_mut().zip(n).zip(sum).zip(product).zip(factor) {
            *g = (-n).mul_add(product, *g - sum) * factor;
        }
    }
}

/// Rows of `channels` columns, normalized in place by their own mean and variance.
pub fn normalize_batch<T: Scalar>(rows: &mut [T], channels: usize) {
    let [mut mean, mut squares, mut inverse] = [(); 3].map(|()| vec![T::ZERO; channels]);
    moments(rows, &mut mean, &mut squares);
    finish(rows.len() / channels, &mut squares, &mut inverse);
    normalize_in_place(rows, &mean, &inverse);
}

/// Moves running statistics (means, then variances) towards a batch's of `m` rows, which has `share` of them afterwards: that
/// of training where none is named. The bias that training leaves out belongs to the mean; it is empty where there is none.
pub(crate) fn absorb<T: Scalar>(
    m: usize,
    share: Option<f64>,
    mean: &[T],
    variance: &[T],
    bias: &[T],
    statistics: &mut [T],
) {
    let share = share.unwrap_or(MOMENTUM);
    let (keep, new) = (T::of(1.0 - share), T::of(share));
    let unbiased = T::of(m as f64 / (m as f64 - 1.0));
    let (running_mean, running_variance) = statistics.split_at_mut(mean.len());
    for (channel, (running, &mean)) in running_mean.iter_mut().zip(mean).enumerate() {
        let bias = bias.get(channel).copied().unwrap_or(T::ZERO);
        *running = keep * *running + new * (mean + bias);
    }
    for (running, &variance) in running_variance.iter_mut().zip(variance) {
        *running = keep * *running + new * (variance * unbiased);
    }
}

/// Evaluation: a <- (a + bias - mean) / sqrt(var + eps) with the running statistics, then scale and shift, as far as
/// there are any.
pub(crate) fn infer<T: Scalar>(a: &mut [T], bias: &[T], statistics: &[T], affine: &[T]) {
    let d = bias.len();
    vectorize(
        #[inline(always)]
        || {
            add_bias(a, bias);
            if !statistics.is_empty() {
                let (mean, variance) = statistics.split_at(d);
                for row in a.chunks_exact_mut(d) {
                    for ((a, &mean), &variance) in row.iter_mut().zip(mean).zip(variance) {
                        *a = (*a - mean) / Scalar::sqrt(variance + T::of(EPSILON));
                    }
                }
            }
            if affine.len() == d {
                add_bias(a, affine);
            } else if !affine.is_empty() {
                let (scale, shift) = affine.split_at(d);
                for row in a.chunks_exact_mut(d) {
                    for ((a, &scale), &shift) in row.iter_mut().zip(scale).zip(shift) {
                        *a = scale.mul_add(*a, shift);
                    }
                }
            }
        },
    );
}

/// a <- a + bias, row by row.
#[inline(always)]
pub(crate) fn add_bias<T: Scalar>(a: &mut [T], bias: &[T]) {
    for row in a.chunks_exact_mut(bias.len()) {
        for (a, &bias) in row.iter_mut().zip(bias) {
            *a += bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_after_a_norm_are_a_group_and_the_biases_before_it_are_none() {
        let matrix = Matrix { units: 3, fan_in: 5, by_unit: true, normalized: true };
        let found: Vec<_> = groups(matrix, 6).of(24).collect();
        assert_eq!(found, [(0..15, Group::Matrix(matrix)), (15..21, Group::Other), (21..24, Group::NormBias)]);
        let plain: Vec<_> = groups(matrix, 0).of(18).collect();
        assert_eq!(plain, [(0..15, Group::Matrix(matrix)), (15..18, Group::Other)]);
    }

    #[test]
    fn joined_moments_are_the_moments_of_all_rows() {
        let rows: Vec<f64> = (0..60).map(|i| 1e3 + (f64::from(i) * 0.7).sin()).collect();
        let (mut mean, mut squares) = ([0.0; 3], [0.0; 3]);
        moments(&rows, &mut mean, &mut squares);
        let (mut joined, mut joined_squares) = ([0.0; 3], [0.0; 3]);
        moments(&rows[..21], &mut joined, &mut joined_squares);
        let (mut more, mut more_squares) = ([0.0; 3], [0.0; 3]);
        moments(&rows[21..], &mut more, &mut more_squares);
        join((&mut joined, &mut joined_squares, 7), (&more, &more_squares, 13));
        for channel in 0..3 {
            // The mean is near 1e3, one unit in its last place 1e-13.
            assert!((mean[channel] - joined[channel]).abs() < 1e-12);
            assert!((squares[channel] - joined_squares[channel]).abs() < 1e-11);
        }
    }
}
