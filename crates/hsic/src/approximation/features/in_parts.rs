//! The objective of Fourier features on a batch in parts: Phi'Phi (r x r) and Phi'V (r x n) are sums over rows, and so are the
//! means that are taken off. What remains is done by each process for its own rows.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, MatRef};
use rayon::prelude::*;

use super::{FeatureOperator, Features, Map, Memory, Sums};
use crate::error::{Error, check_finite};
use crate::objective::passes::bring_into_range;
use crate::objective::{Terms, in_double, is_single};
use crate::parts::{Parts, own_rows, part_rows};
use crate::product::{outer_lower, product};
use crate::scalar::{Scalar, vectorize};
use crate::sums::grown;
use crate::view::{rows, rows_mut, stride};

impl<T: Scalar> FeatureOperator<T> {
    /// Value of the objective, and this process's own rows of its gradient at its own rows of `z`.
    pub(in crate::approximation) fn evaluate_in_parts(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        memory: &mut Memory<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Terms, Error> {
        match self.evaluate_sums(&mut gradient, z, memory, parts) {
            // All processes have the same sums, and come here together.
            Err(Error::NotPositiveDefinite { .. }) if is_single::<T>() => self.gathered(gradient, z, parts),
            result => result,
        }
    }

    /// In double precision, of all rows.
    fn gathered(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Terms, Error> {
        let (m, d, own) = (self.rows, z.ncols(), own_rows(parts, self.rows));
        let mut all = vec![T::ZERO; m * d];
        rows_mut(&mut all[own.start * d..own.end * d], own.len(), d, d).copy_from(z);
        parts.gather(m, &mut all);
        let mut exact = Mat::zeros(m, d);
        let all = in_double(rows(&all, m, d, d));
        let terms = self.in_double().evaluate_into(exact.as_mut(), all.as_ref(), &mut Memory::default())?;
        let exact = exact.subrows(own.start, own.len());
        faer::zip!(gradient.rb_mut(), exact).for_each(|faer::unzip!(out, exact)| *out = T::of(*exact));
        Ok(terms)
    }

    fn evaluate_sums(
        &self,
        gradient: &mut MatMut<'_, T>,
        z: MatRef<'_, T>,
        memory: &mut Memory<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Terms, Error> {
        let own = own_rows(parts, self.rows);
        let Some(features) = self.forward_in_parts(z, memory, parts)? else {
            gradient.fill(T::ZERO);
            return Ok(Terms { dead: true, ..Terms::default() });
        };
        let r = features.count;
        let n = self.x_columns + self.labels.u().ncols();
        let (ld, ln) = (stride(r), stride(n));
        self.sum_products(own.clone(), (r, n), memory, parts);
        self.factor_summed(r, memory)?;
        let terms = self.solve(r, memory);
        let residual = grown(&mut memory.residual, own.len() * ln);
        residual.copy_from_slice(&self.factor[own.start * ln..own.end * ln]);
        let (each, back) = (part_rows(self.rows, parts.count()), rows(&memory.projected, r, n, ln));
        // How a product rounds may depend on its rows, which are those of a part wherever it is.
        for (residual, phi) in residual.chunks_mut(each * ln).zip(memory.features.chunks(each * ld)) {
            let m = residual.len() / ln;
            product(rows_mut(residual, m, n, ln), Accum::Add, rows(phi, m, r, ld), back, -T::ONE);
        }
        center(residual, (self.rows, n, ln), &mut memory.sums, &mut memory.of_parts, parts);
        grown(&mut memory.slope, own.len() * ld);
        self.backward(gradient, each, features, memory);
        Ok(terms)
    }

    /// Features of the own rows (`memory.features`), or nothing if all rows of the batch are equal.
    fn forward_in_parts(
        &self,
        z: MatRef<'_, T>,
        memory: &mut Memory<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Option<Features>, Error> {
        let Map::Fourier { pairs, seed } = self.map else {
            panic!("landmarks are rows of the whole batch, which takes no parts")
        };
        let (m, d, here) = (self.rows, z.ncols(), z.nrows());
        let (count, each) = (self.map.count(m), part_rows(m, parts.count()));
        let wide = stride(count);
        let centered = grown(&mut memory.centered, here * d);
        rows_mut(centered, here, d, d).copy_from(z);
        // What each part has of largest values: before means are taken off, and after.
        let first = parts.own().start;
        let mut largest = vec![T::ZERO; 2 * parts.count()];
        let mut note = |values: &[T], offset: usize| {
            for (part, values) in values.chunks(each * d).enumerate() {
                largest[2 * (first + part) + offset] =
                    values.iter().fold(T::ZERO, |top, &value| Scalar::max(top, Scalar::abs(value)));
            }
        };
        note(centered, 0);
        center(centered, (m, d, d), &mut memory.sums, &mut memory.of_parts, parts);
        note(centered, 1);
        // A column with an entry that is not finite has no finite mean, in any process.
        if !memory.sums[..d].iter().all(|mean| mean.is_finite()) {
            check_finite("z", z)?;
            return Err(Error::NotFinite { argument: "z", row: 0, col: 0 });
        }
        parts.gather(parts.count(), &mut largest);
        let top =
            |offset: usize| largest.iter().skip(offset).step_by(2).fold(0.0f64, |top, value| top.max(value.to_f64()));
        if top(1) <= 4.0 * T::EPSILON * top(0) {
            return Ok(None);
        }
        let scale = bring_into_range(centered, top(1));
        let inverse_width = 1.0 / (self.options.sigma * (d as f64).sqrt());
        let features = grown(&mut memory.features, here * wide);
        memory.fourier.waves("z", centered, (here, each, d), inverse_width / scale, (seed, pairs), features);
        center(features, (m, count, wide), memory.fourier.means(), &mut memory.of_parts, parts);
        Ok(Some(Features { count, slope: inverse_width }))
    }

    /// Phi'Phi, its lower half, and Phi'V of all rows (`memory.gram`, `memory.projected`).
    fn sum_products(
        &self,
        own: Range<usize>,
        (r, n): (usize, usize),
        memory: &mut Memory<T>,
        parts: &mut dyn Parts<T>,
    ) {
        let (ld, ln, each) = (stride(r), stride(n), part_rows(self.rows, parts.count()));
        let length = r * (ld + ln);
        let Sums { own: partial, all } = &mut memory.of_parts;
        let partial = grown(partial, parts.own().len() * length);
        // Of a triangle half is not written, and of a part without rows nothing.
        partial.fill(T::ZERO);
        let phi = &memory.features[..own.len() * ld];
        let v = &self.factor[own.start * ln..own.end * ln];
        let work = partial.par_chunks_mut(length).zip(phi.par_chunks(each * ld)).zip(v.par_chunks(each * ln));
        work.for_each(|((to, phi), v)| {
            let m = phi.len() / ld;
            let (gram, projected) = to.split_at_mut(r * ld);
            let phi = rows(phi, m, r, ld).transpose();
            outer_lower(rows_mut(gram, r, r, ld), Accum::Replace, phi, phi, T::ONE);
            product(rows_mut(projected, r, n, ln), Accum::Replace, phi, rows(v, m, n, ln), T::ONE);
        });
        let all = grown(all, length);
        parts.sum(partial, all);
        grown(&mut memory.gram, r * ld).copy_from_slice(&all[..r * ld]);
        grown(&mut memory.projected, r * ln).copy_from_slice(&all[r * ld..]);
    }
}

/// Takes the column means of all m rows off the own ones (`ld` entries from row to row), and leaves them in `means`.
fn center<T: Scalar>(
    values: &mut [T],
    (m, columns, ld): (usize, usize, usize),
    means: &mut Vec<T>,
    Sums { own, .. }: &mut Sums<T>,
    parts: &mut dyn Parts<T>,
) {
    let each = part_rows(m, parts.count());
    let partial = grown(own, parts.own().len() * columns);
    partial.fill(T::ZERO);
    let share = T::of(1.0 / m as f64);
    vectorize(
        #[inline(always)]
        || {
            for (to, part) in partial.chunks_exact_mut(columns).zip(values.chunks(each * ld)) {
                for row in part.chunks_exact(ld) {
                    for (sum, &value) in to.iter_mut().zip(row) {
                        *sum = value.mul_add(share, *sum);
                    }
                }
            }
        },
    );
    let means = grown(means, columns);
    parts.sum(partial, means);
    vectorize(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(ld) {
                for (value, &mean) in row.iter_mut().zip(means.iter()) {
                    *value -= mean;
                }
            }
        },
    );
}
