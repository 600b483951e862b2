//! The kernel as the batch's first r rows know it (Williams & Seeger 2001; Drineas & Mahoney 2005).
//!
//! With C = k(Z, Z_r) (m x r), W = k(Z_r, Z_r) and N'N = W^-1 (N an inverse Cholesky factor), K is replaced by
//! C W^-1 C' = Phi Phi', Phi = C N'.
//!
//! **Precision.** At sigma 5 K is 1 - O(0.01), W is nearly 11', and what tells rows apart would be lost below its
//! rounding. Only H K H matters, and it does not change when the feature map is moved by a constant: the landmarks'
//! mean is taken off, so that
//!
//! W~ = H_r (W - 11') H_r + s 11'/r + j I,   Phi = H_m (C - 11') H_r N'
//!
//! are formed from expm1(-D / (2 sigma^2 d)). Landmarks span their affine hull (rank r - 1) in place of their span;
//! r = m is exact but for j. H_r makes Phi independent of s, which keeps the pivot of the direction 1 away from 0. The
//! jitter j = 1e-3 epsilon r is a thousandth of the ridge in the landmarks' share of the batch: eigenvalues at the
//! ridge, where the objective is decided, move by a thousandth. In f32 that is enough: gradients of batches like digits
//! agree with f64 to 6e-6 (r = m / 4) and 2e-4 (r = m, sigma 1).
//!
//! **Gradient**, with G = dL/dK: dC = 2 G C W^-1 and dW = -W^-1 C' G C W^-1. In the factors of `features.rs`
//! (E = (I - R_Z) V, B = P A^-1, M = V D V') with B~ = B N H_r,
//!
//! dC = 2 E D B~,   dW = -c B~' D B~,
//!
//! then through each kernel to its own two rows: a landmark hears from all rows.

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut};

use crate::error::Error;
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::objective::passes::{center_columns, vec_sum, vec_sum_squares};
use crate::product::product;
use crate::scalar::{Scalar, vectorize};
use crate::sums::grown;
use crate::view::{rows, rows_mut, stride};

/// Jitter as a share of the ridge.
const JITTER: f64 = 1e-3;

/// Kernels to and between landmarks.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory<T> {
    /// |z|^2 of each row; later what each row gives to itself.
    norms: Vec<T>,
    /// C - 11', m x r.
    kernel: Vec<T>,
    /// W~, r x r; later dL/dW o W.
    between: Vec<T>,
    /// N H_r, r x r.
    root: Vec<T>,
    means: Vec<T>,
    scratch: Vec<T>,
    /// (N H_r)' B', r x n.
    back: Vec<T>,
    /// What stands above, times 2 D.
    weighted: Vec<T>,
}

impl<T: Scalar> Memory<T> {
    /// Features of the centered rows (m x d) into `features` (m x r), less their column means. The kernel is
    /// exp(-factor D).
    pub(super) fn forward(
        &mut self,
        centered: &[T],
        (m, d, r): (usize, usize, usize),
        factor: f64,
        epsilon: f64,
        features: &mut [T],
    ) -> Result<(), Error> {
        let ld = stride(r);
        grown(&mut self.norms, m);
        grown(&mut self.kernel, m * ld);
        for buffer in [&mut self.between, &mut self.root] {
            grown(buffer, r * ld);
        }
        grown(&mut self.scratch, inverse_factor_scratch(r));
        let z = rows(centered, m, d, d);
        product(rows_mut(&mut self.kernel, m, r, ld), Accum::Replace, z, z.subrows(0, r).transpose(), T::ONE);
        self.exponentiate(centered, (m, d, r), T::of(factor));
        let jitter = JITTER * epsilon * r as f64;
        self.center_landmarks(r, T::of(jitter));
        let (between, root) = (rows_mut(&mut self.between, r, r, ld), rows_mut(&mut self.root, r, r, ld));
        inverse_factor(between, root, T::of(0.5 * jitter), &mut self.scratch)?;
        let share = T::of(1.0 / r as f64);
        for row in self.root[..r * ld].chunks_exact_mut(ld) {
            let mean = vec_sum(&row[..r]) * share;
            row[..r].iter_mut().for_each(|entry| *entry -= mean);
        }
        product(
            rows_mut(features, m, r, ld),
            Accum::Replace,
            rows(&self.kernel, m, r, ld),
            rows(&self.root, r, r, ld).transpose(),
            T::ONE,
        );
        center_columns(&mut features[..m * ld], &mut self.means, m, r, ld);
        Ok(())
    }

    /// From products of rows to C - 11', in place.
    fn exponentiate(&mut self, centered: &[T], (m, d, r): (usize, usize, usize), factor: T) {
        let (ld, minus_two) = (stride(r), T::of(-2.0));
        let (norms, kernel) = (&mut self.norms[..m], &mut self.kernel[..m * ld]);
        vectorize(
            #[inline(always)]
            || {
                for (norm, row) in norms.iter_mut().zip(centered.chunks_exact(d)) {
                    *norm = vec_sum_squares(row);
                }
                for (row, &norm) in kernel.chunks_exact_mut(ld).zip(norms.iter()) {
                    for (entry, &other) in row[..r].iter_mut().zip(&norms[..r]) {
                        let distance = Scalar::max(entry.mul_add(minus_two, norm + other), T::ZERO);
                        *entry = Scalar::exp_m1(-factor * distance);
                    }
                }
            },
        );
        for i in 0..r {
            kernel[i * ld + i] = T::ZERO;
        }
    }

    /// W~ from the landmarks' rows of C - 11'.
    fn center_landmarks(&mut self, r: usize, jitter: T) {
        let ld = stride(r);
        let means = grown(&mut self.means, r);
        let share = T::of(1.0 / r as f64);
        for (mean, row) in means.iter_mut().zip(self.kernel.chunks_exact(ld)) {
            *mean = vec_sum(&row[..r]) * share;
        }
        // The mean eigenvalue of H_r (W - 11') H_r is -mean; s is of that size.
        let mean = vec_sum(means) * share;
        let (shift, means) = (mean - mean * share, &*means);
        for (i, (out, row)) in self.between.chunks_exact_mut(ld).zip(self.kernel.chunks_exact(ld)).enumerate().take(r) {
            for ((out, &entry), &other) in out[..r].iter_mut().zip(row).zip(means) {
                *out = (entry - other) + (shift - means[i]);
            }
            out[i] += jitter;
        }
    }

    /// From E (`residual`, m x n), B' (`back`, r x n) and 2 D (`weights`) to dL/dz. `centered` are the rows that
    /// [`Memory::forward`] was last called for; they are destroyed. `slope` is scratch of m x r.
    pub(super) fn backward(
        &mut self,
        mut gradient: MatMut<'_, T>,
        (residual, back, weights): (&[T], &[T], &[T]),
        slope: &mut [T],
        centered: &mut [T],
        (r, ridge, slope_factor): (usize, f64, f64),
    ) {
        let (m, d, n) = (gradient.nrows(), gradient.ncols(), weights.len());
        let (ld, ln) = (stride(r), stride(n));
        grown(&mut self.back, r * ln);
        grown(&mut self.weighted, r * ln);
        let root = rows(&self.root, r, r, ld);
        let (mut own, back) = (rows_mut(&mut self.back, r, n, ln), rows(back, r, n, ln));
        product(own.rb_mut(), Accum::Replace, root.transpose(), back, T::ONE);
        for (weighted, own) in self.weighted.chunks_exact_mut(ln).zip(self.back.chunks_exact(ln)) {
            for ((weighted, &own), &weight) in weighted.iter_mut().zip(own).zip(weights) {
                *weighted = own * weight;
            }
        }
        let (own, weighted) = (rows(&self.back, r, n, ln), rows(&self.weighted, r, n, ln).transpose());
        let residual = rows(residual, m, n, ln);
        product(rows_mut(slope, m, r, ld), Accum::Replace, residual, weighted, T::ONE);
        let between = rows_mut(&mut self.between, r, r, ld);
        // Twice -c B~' D B~: both rows of a pair of landmarks hear from it.
        product(between, Accum::Replace, own, weighted, T::of(-ridge));
        self.weigh(&mut slope[..m * ld], (m, r));

        let z = rows(centered, m, d, d);
        let (slope, between) = (rows(slope, m, r, ld), rows(&self.between, r, r, ld));
        let alpha = T::of(slope_factor);
        product(gradient.rb_mut(), Accum::Replace, slope, z.subrows(0, r), alpha);
        let mut to_landmarks = gradient.rb_mut().subrows_mut(0, r);
        product(to_landmarks.rb_mut(), Accum::Add, slope.transpose(), z, alpha);
        product(to_landmarks, Accum::Add, between, z.subrows(0, r), alpha);
        for (row, &sum) in centered.chunks_exact_mut(d).zip(&self.norms[..m]) {
            let share = sum * alpha;
            row.iter_mut().for_each(|entry| *entry *= share);
        }
        let own = rows(&centered[..m * d], m, d, d);
        faer::zip!(gradient, own).for_each(|faer::unzip!(gradient, own)| *gradient -= *own);
    }

    /// dL/dC o C in the place of dL/dC (`slope`), dL/dW o W in that of dL/dW; what a row gives to itself, the sum of
    /// all pairs it is in, in the place of the norms.
    fn weigh(&mut self, slope: &mut [T], (m, r): (usize, usize)) {
        let ld = stride(r);
        let sums = &mut self.norms[..m];
        let to_landmarks = grown(&mut self.means, r);
        to_landmarks.fill(T::ZERO);
        let (kernel, between) = (&self.kernel, &mut self.between);
        vectorize(
            #[inline(always)]
            || {
                for ((row, kernel), sum) in slope.chunks_exact_mut(ld).zip(kernel.chunks_exact(ld)).zip(sums.iter_mut())
                {
                    for ((entry, &value), total) in row[..r].iter_mut().zip(kernel).zip(to_landmarks.iter_mut()) {
                        *entry *= value + T::ONE;
                        *total += *entry;
                    }
                    *sum = vec_sum(&row[..r]);
                }
                let landmarks = between.chunks_exact_mut(ld).zip(kernel.chunks_exact(ld)).take(r);
                for (((row, kernel), sum), &total) in landmarks.zip(sums.iter_mut()).zip(to_landmarks.iter()) {
                    for (entry, &value) in row[..r].iter_mut().zip(kernel) {
                        *entry *= value + T::ONE;
                    }
                    *sum += total + vec_sum(&row[..r]);
                }
            },
        );
    }
}
