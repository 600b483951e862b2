//! Between a convolution's outputs and the block's: a few lines at a time, while they are in the nearest memory.

use hsic::Scalar;
use hsic::scalar::vectorize;

use super::map::Conv;
use crate::network::block::Block;
use crate::network::norm::{self, Norm};

/// Scratch of a few lines: normalized values, before the activation, after it, gradient.
pub(super) struct Lines<'s, T> {
    pub(super) n: &'s mut [T],
    pub(super) y: &'s mut [T],
    pub(super) t: &'s mut [T],
    pub(super) g: &'s mut [T],
}

/// What all parts read.
#[derive(Clone, Copy)]
pub(super) struct Normalizer<'s, T> {
    pub(super) mean: &'s [T],
    pub(super) inverse: &'s [T],
    pub(super) bias: &'s [T],
    pub(super) affine: &'s [T],
}

impl<T: Scalar> Conv<T> {
    /// From convolution outputs to activations of `lines`: normalized values, y, t.
    pub(super) fn activate<'l>(
        &self,
        a: &[T],
        with: Normalizer<'_, T>,
        lines: &'l mut Lines<'_, T>,
    ) -> (&'l [T], &'l [T], &'l [T]) {
        let Lines { n, y, t, .. } = lines;
        let (n, y, t) = (&mut n[..a.len()], &mut y[..a.len()], &mut t[..a.len()]);
        let plain = self.norm == Norm::None;
        vectorize(
            #[inline(always)]
            || {
                if plain {
                    n.copy_from_slice(a);
                    norm::add_bias(n, with.bias);
                } else {
                    norm::normalize(a, with.mean, with.inverse, n);
                }
                if !with.affine.is_empty() {
                    norm::scale(n, with.affine, with.bias.len(), y);
                }
            },
        );
        let y: &[T] = if with.affine.is_empty() { n } else { y };
        self.activation.apply(y, t);
        (n, y, t)
    }

    /// Whether nothing stands between a plain batch norm and the block's own activations.
    pub(super) fn in_one_pass(&self) -> bool {
        self.norm == Norm::Batch && self.late_pool() == 1
    }

    /// Whole images from `a` to `z`.
    pub(super) fn finish(&self, a: &[T], with: Normalizer<'_, T>, lines: &mut Lines<'_, T>, z: &mut [T]) {
        if self.in_one_pass() {
            return self.activation.apply_normalized(a, with.mean, with.inverse, z);
        }
        let (group, row) = (self.group(), self.pooled_row());
        let height = self.geometry.out_height() / self.pool;
        for (a, z) in a.chunks_exact(self.taken()).zip(z.chunks_exact_mut(self.outputs())) {
            for (a, z) in a.chunks_exact(group).take(height).zip(z.chunks_exact_mut(row)) {
                let (_, _, t) = self.activate(a, with, lines);
                if self.late_pool() == 1 {
                    z.copy_from_slice(t);
                } else {
                    pool(t, self.pool, self.row(), self.geometry.outputs, z);
                }
            }
        }
    }

    /// Pools whole images before norm and nonlinearity.
    pub(super) fn pool_first(&self, raw: &[T], a: &mut [T]) {
        let (group, row) = (self.pool * self.row(), self.pooled_row());
        let height = self.geometry.out_height() / self.pool;
        for (raw, a) in raw.chunks_exact(self.geometry.out_len()).zip(a.chunks_exact_mut(self.taken())) {
            for (raw, a) in raw.chunks_exact(group).take(height).zip(a.chunks_exact_mut(row)) {
                pool(raw, self.pool, self.row(), self.geometry.outputs, a);
            }
        }
    }

    /// The way back of [`pool_first`](Self::pool_first) for the line of `a` that starts at `start`, whose gradient is in
    /// `lines.g`: that of the lines of `raw` that it was pooled from into `lines.t`. Gives where these start and end.
    pub(super) fn unpool_first(&self, raw: &[T], a: &[T], start: usize, lines: &mut Lines<'_, T>) -> (usize, usize) {
        let (group, row) = (self.pool * self.row(), self.pooled_row());
        let (image, line) = (start / self.taken(), start % self.taken() / row);
        let from = image * self.geometry.out_len() + line * group;
        let (raw, a) = (&raw[from..from + group], &a[start..start + row]);
        unpool(raw, a, &lines.g[..row], self.pool, self.row(), self.geometry.outputs, &mut lines.t[..group]);
        (from, from + group)
    }

    /// dL/dy of a group of lines, in `lines.g`, and its normalized values in `lines.n`; `dz` is empty where the pooling
    /// leaves lines over.
    pub(super) fn chain(&self, a: &[T], with: Normalizer<'_, T>, (z, dz): (&[T], &[T]), lines: &mut Lines<'_, T>) {
        self.activate(a, with, lines);
        let Lines { n, y, t, g } = lines;
        let (t, g) = (&t[..a.len()], &mut g[..a.len()]);
        if dz.is_empty() {
            g.fill(T::ZERO);
            return;
        }
        if self.late_pool() == 1 {
            g.copy_from_slice(dz);
        } else {
            unpool(t, z, dz, self.pool, self.row(), self.geometry.outputs, g);
        }
        let y: &[T] = if with.affine.is_empty() { n } else { y };
        self.activation.chain(&y[..a.len()], t, g);
    }

    /// Calls `each` with first and last value of a group of lines and the group's parts of `z` and `dz`, for every image
    /// of a part.
    pub(super) fn groups<'d>(&self, z: &'d [T], dz: &'d [T], mut each: impl FnMut(usize, usize, (&'d [T], &'d [T]))) {
        let (len, group, row) = (self.taken(), self.group(), self.pooled_row());
        let height = self.geometry.out_height() / self.pool;
        let images = z.chunks_exact(self.outputs()).zip(dz.chunks_exact(self.outputs()));
        for (image, (z, dz)) in images.enumerate() {
            for start in (0..len).step_by(group) {
                let y = start / group;
                let lines = if y < height { y * row..(y + 1) * row } else { 0..0 };
                each(image * len + start, image * len + (start + group).min(len), (&z[lines.clone()], &dz[lines]));
            }
        }
    }
}

/// The largest value of each window of `side` lines and pixels, by channel; lines of `row` values. NaN wins.
pub(in crate::network) fn pool<T: Scalar>(t: &[T], side: usize, row: usize, channels: usize, z: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            for (x, z) in z.chunks_exact_mut(channels).enumerate() {
                z.copy_from_slice(&t[x * side * channels..][..channels]);
                for tap in 1..side * side {
                    let from = tap / side * row + (x * side + tap % side) * channels;
                    for (z, &t) in z.iter_mut().zip(&t[from..from + channels]) {
                        // z times 0 is 0 but for a z that is no number, which stays.
                        *z = if t <= *z || *z * T::ZERO != T::ZERO { *z } else { t };
                    }
                }
            }
        },
    );
}

/// The way back of [`pool`]: each window's gradient goes to the first of its values that is the largest, `z`.
pub(in crate::network) fn unpool<T: Scalar>(
    t: &[T],
    z: &[T],
    dz: &[T],
    side: usize,
    row: usize,
    channels: usize,
    g: &mut [T],
) {
    const CHUNK: usize = 64;
    if !(g.len() / row).is_multiple_of(side) || !(row / channels).is_multiple_of(side) {
        g.fill(T::ZERO);
    }
    vectorize(
        #[inline(always)]
        || {
            for (x, (z, dz)) in z.chunks_exact(channels).zip(dz.chunks_exact(channels)).enumerate() {
                for (chunk, (z, dz)) in z.chunks(CHUNK).zip(dz.chunks(CHUNK)).enumerate() {
                    let mut rest = [T::ZERO; CHUNK];
                    rest[..dz.len()].copy_from_slice(dz);
                    for tap in 0..side * side {
                        let from = tap / side * row + (x * side + tap % side) * channels + chunk * CHUNK;
                        let (t, g) = (&t[from..from + z.len()], &mut g[from..from + z.len()]);
                        for (((g, &t), &z), rest) in g.iter_mut().zip(t).zip(z).zip(&mut rest) {
                            let hit = t == z;
                            *g = if hit { *rest } else { T::ZERO };
                            *rest = if hit { T::ZERO } else { *rest };
                        }
                    }
                }
            }
        },
    );
}

/// Sums of g and of g n by channel from activations alone, for the nonlinearities whose z tells n wherever the gradient
/// is not 0; `slope` is that of the negative side.
pub(super) fn sums_of_activations<T: Scalar>(z: &[T], dz: &[T], slope: T, sum: &mut [T], product: &mut [T]) {
    let d = sum.len();
    // g n = dz z on both sides: the slope of one is the inverse of the other's.
    vectorize(
        #[inline(always)]
        || {
            for (z, dz) in z.chunks_exact(d).zip(dz.chunks_exact(d)) {
                for (((sum, product), &z), &dz) in sum.iter_mut().zip(product.iter_mut()).zip(z).zip(dz) {
                    *sum += if z > T::ZERO { dz } else { slope * dz };
                    *product = dz.mul_add(z, *product);
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windows_gradient_goes_to_the_first_of_its_largest_values() {
        // Two lines of four pixels of one channel, windows of 2 x 2; the second window has its largest value twice.
        let t = [1.0, 5.0, 7.0, 0.0, 2.0, 3.0, 7.0, -1.0];
        let mut z = [0.0; 2];
        pool(&t, 2, 4, 1, &mut z);
        assert_eq!(z, [5.0, 7.0]);
        let mut g = [f64::NAN; 8];
        unpool(&t, &z, &[10.0, 20.0], 2, 4, 1, &mut g);
        assert_eq!(g, [0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_window_with_nan_is_nan() {
        let mut z = [0.0];
        for t in [[f64::NAN, 1.0, 2.0, 3.0], [1.0, 2.0, f64::NAN, 3.0]] {
            pool(&t, 2, 2, 1, &mut z);
            assert!(z[0].is_nan());
        }
    }
}
