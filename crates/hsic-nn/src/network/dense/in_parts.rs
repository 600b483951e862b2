//! The dense block on a batch in parts.

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::parts::{Parts, part_rows};
use hsic::product::product;
use rayon::prelude::*;

use super::Dense;
use crate::network::block::{BlockInParts, Cache};
use crate::network::norm::{self, Norm};

impl<T: Scalar> Dense<T> {
    /// Kept from forward to gradient, statistics where [`split`](Self::split) has them: n (rows x outputs), batch mean, batch
    /// variance, 1/sqrt(var + eps), two sums, and scale n + shift; then moments or sums of each part, and the partial gradient
    /// of each that is here.
    fn split_in_parts<'c>(&self, rows: usize, cache: &'c mut Cache<T>, parts: &dyn Parts<T>) -> [&'c mut [T]; 8] {
        let (d, affine) = (self.outputs, if self.affine().is_empty() { 0 } else { rows * self.outputs });
        let of_parts = (parts.count() * 2 * d, parts.own().len() * d * self.inputs);
        cache.buffers([rows * d, d, d, d, 2 * d, affine, of_parts.0, of_parts.1])
    }
}

impl<T: Scalar> BlockInParts<T> for Dense<T> {
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>) {
        let (d, p, rows, own) = (self.outputs, self.inputs, part_rows(m, parts.count()), parts.own());
        let [n, mean, variance, inverse, _, y, moments, _] = self.split_in_parts(x.len() / p, cache, parts);
        x.par_chunks(rows * p)
            .zip(n.par_chunks_mut(rows * d))
            .zip(moments[own.start * 2 * d..].par_chunks_mut(2 * d))
            .for_each(|((x, a), moments)| {
                self.linear(x.len() / p, x, a);
                if self.norm != Norm::None {
                    let (mean, squares) = moments.split_at_mut(d);
                    norm::moments(a, mean, squares);
                }
            });
        if self.norm != Norm::None {
            parts.gather(parts.count(), moments);
            norm::join_parts(moments.chunks_exact(2 * d), rows, m, mean, variance);
            norm::finish(m, variance, inverse);
        }
        let with = (&*mean, &*inverse);
        let work = n.par_chunks_mut(rows * d).zip(z.par_chunks_mut(rows * d));
        if y.is_empty() {
            work.for_each(|(n, z)| self.activate(n, with, &mut [], z));
        } else {
            work.zip(y.par_chunks_mut(rows * d)).for_each(|((n, z), y)| self.activate(n, with, y, z));
        }
    }

    fn gradient_in_parts(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        parts: &mut dyn Parts<T>,
    ) {
        let (d, p, rows, own) = (self.outputs, self.inputs, part_rows(m, parts.count()), parts.own());
        let [n, _, _, inverse, total, y, sums, partial] = self.split_in_parts(x.len() / p, cache, parts);
        let (weight, rest) = parameters.split_at_mut(d * p);
        let sums = &mut sums[..own.len() * 2 * d];
        // Parts without rows are not worked on.
        sums.fill(T::ZERO);
        let chain = |(n, z): (&[T], &[T]), dz: &mut [T], sums: &mut [T], y: &[T]| {
            let (sum, product) = sums.split_at_mut(d);
            self.chain(n, y, z, dz, (sum, product));
        };
        let work = n.par_chunks(rows * d).zip(z.par_chunks(rows * d));
        let work = work.zip(dz.par_chunks_mut(rows * d).zip(sums.par_chunks_mut(2 * d)));
        if y.is_empty() {
            work.for_each(|(from, (dz, sums))| chain(from, dz, sums, &[]));
        } else {
            work.zip(y.par_chunks(rows * d)).for_each(|((from, (dz, sums)), y)| chain(from, dz, sums, y));
        }
        parts.sum(sums, total);
        let (sum, multiple) = total.split_at_mut(d);
        self.close(m, (sum, multiple), inverse, rest);
        let (inverse, with) = (&*inverse, (&*sum, &*multiple));
        partial[x.len().div_ceil(rows * p) * d * p..].fill(T::ZERO);
        n.par_chunks(rows * d)
            .zip(dz.par_chunks_mut(rows * d))
            .zip(x.par_chunks(rows * p))
            .zip(partial.par_chunks_mut(d * p))
            .for_each(|(((n, dz), x), partial)| {
                self.pull(n, inverse, with, dz);
                let (m, to) = (x.len() / p, MatMut::from_row_major_slice_mut(partial, d, p));
                let (da, x) = (MatRef::from_row_major_slice(dz, m, d), MatRef::from_row_major_slice(x, m, p));
                product(to, Accum::Replace, da.transpose(), x, T::ONE);
            });
        parts.sum(partial, weight);
    }
}
