//! The objective of a kernel that is a product of features: K_Z ~ Phi Phi', Phi of m x r.
//!
//! With Phi less its column means, A = Phi'Phi + c I (r x r) and c = epsilon m, R_Z = Phi A^-1 Phi' exactly. R_X = F F'
//! with F = Phi_X N_X' from the same kind of features of X (N_X'N_X = A_X^-1), R_Y = U U' ([`LabelFactor`]). So with
//! V = [F | U] (m x n), M = w R_X - beta R_Y = V D V', D = diag(w, -beta), and N'N = A^-1,
//!
//! P = V'Phi,  nHSIC(Z, X) and nHSIC(Z, Y) are |P N'|^2 over the rows of F' and of U',
//!
//! B = P A^-1,  E = V - Phi B' = (I - R_Z) V,  dL/dPhi = 2 (I - R_Z) M Phi A^-1 = 2 E D B.
//!
//! No m x m matrix is formed: m r^2 operations for A and 6 m n r for the rest. E is formed as a difference of columns
//! of order 1/sqrt(m); what cancels lies where R_Z is near 1 and counts for nothing in the gradient. Its columns are
//! centered, since rounding along 1 is the one that nothing shrinks.

mod in_parts;

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, MatRef};

use super::{fourier, nystroem};
use crate::error::{Error, check_finite, check_rows, check_shape};
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::labels::LabelFactor;
use crate::objective::passes::{bring_into_range, center_columns, center_rows, norm_squared};
use crate::objective::{Bottleneck, Terms, in_double, is_single};
use crate::product::{lower_times, lower_transpose_times, outer_lower, product};
use crate::scalar::Scalar;
use crate::sums::grown;
use crate::targets::Targets;
use crate::view::{rows, rows_mut, stride};

/// Which features.
#[derive(Clone, Copy, Debug)]
pub(super) enum Map {
    /// Kernels to the first so many rows.
    Nystroem { landmarks: usize },
    /// Waves of so many frequencies.
    Fourier { pairs: usize, seed: u64 },
}

impl Map {
    /// Features of a batch of m rows.
    fn count(self, m: usize) -> usize {
        match self {
            Self::Nystroem { landmarks } => landmarks.min(m),
            Self::Fourier { pairs, .. } => 2 * pairs,
        }
    }
}

/// Memory of one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory<T> {
    centered: Vec<T>,
    sums: Vec<T>,
    features: Vec<T>,
    gram: Vec<T>,
    root: Vec<T>,
    scratch: Vec<T>,
    projected: Vec<T>,
    whitened: Vec<T>,
    residual: Vec<T>,
    slope: Vec<T>,
    weights: Vec<T>,
    nystroem: nystroem::Memory<T>,
    fourier: fourier::Memory<T>,
    of_parts: Sums<T>,
}

/// Numbers of each part of a batch that is here, and their sums over all parts.
#[derive(Clone, Debug, Default)]
struct Sums<T> {
    own: Vec<T>,
    all: Vec<T>,
}

/// What all blocks share of one batch: V, and what it is made of.
#[derive(Clone, Debug)]
pub(super) struct FeatureOperator<T> {
    options: Bottleneck,
    map: Map,
    rows: usize,
    /// Columns of F; 0 if the X term is off or X is constant.
    x_columns: usize,
    /// V = [F | U].
    factor: Vec<T>,
    x_trace: f64,
    labels: LabelFactor<T>,
}

impl<T: Scalar> FeatureOperator<T> {
    pub(super) fn new(x: MatRef<'_, T>, targets: Targets<'_>, options: Bottleneck, map: Map) -> Result<Self, Error> {
        let factor = LabelFactor::of(targets, options.sigma_labels, options.epsilon)?;
        let mut operator =
            Self { options, map, rows: 0, x_columns: 0, factor: Vec::new(), x_trace: 0.0, labels: factor };
        operator.fill(x, targets, &mut Memory::default())?;
        Ok(operator)
    }

    pub(super) fn fill(&mut self, x: MatRef<'_, T>, targets: Targets<'_>, memory: &mut Memory<T>) -> Result<(), Error> {
        check_shape("x", x, 2)?;
        check_rows("x", x.nrows(), targets.name(), targets.rows())?;
        self.labels.fill_of(targets, self.options.sigma_labels, self.options.epsilon)?;
        self.rows = x.nrows();
        match self.factor_input(x, memory) {
            Err(Error::NotPositiveDefinite { .. }) if is_single::<T>() => {
                let mut double = self.in_double();
                double.factor_input(in_double(x).as_ref(), &mut Memory::default())?;
                (self.x_columns, self.x_trace) = (double.x_columns, double.x_trace);
                self.factor.clear();
                self.factor.extend(double.factor.iter().map(|&entry| T::of(entry)));
                Ok(())
            }
            result => result,
        }
    }

    /// V of the batch.
    fn factor_input(&mut self, x: MatRef<'_, T>, memory: &mut Memory<T>) -> Result<(), Error> {
        let m = x.nrows();
        (self.x_columns, self.x_trace) = (0, 0.0);
        let features = if self.options.x_weight > 0.0 { self.forward("x", x, memory)? } else { None };
        let r = features.map_or(0, |features| features.count);
        let classes = self.labels.u().ncols();
        let ln = stride(r + classes);
        grown(&mut self.factor, m * ln);
        if features.is_some() {
            self.factor_gram(r, memory)?;
            let ld = stride(r);
            let f = rows_mut(&mut self.factor, m, r, ln).transpose_mut();
            lower_times(f, rows(&memory.root, r, r, ld), rows(&memory.features, m, r, ld).transpose());
            self.x_trace = self.factor[..m * ln].chunks_exact(ln).map(|row| norm_squared(&row[..r])).sum();
        }
        rows_mut(&mut self.factor, m, r + classes, ln).subcols_mut(r, classes).copy_from(self.labels.u());
        self.x_columns = r;
        Ok(())
    }

    pub(super) fn labels(&self) -> &LabelFactor<T> {
        &self.labels
    }

    pub(super) fn x_trace(&self) -> f64 {
        self.x_trace
    }

    /// This operator in double precision.
    fn in_double(&self) -> FeatureOperator<f64> {
        FeatureOperator {
            options: self.options,
            map: self.map,
            rows: self.rows,
            x_columns: self.x_columns,
            factor: self.factor.iter().map(|entry| entry.to_f64()).collect(),
            x_trace: self.x_trace,
            labels: self.labels.in_double(),
        }
    }

    pub(super) fn evaluate_into(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        memory: &mut Memory<T>,
    ) -> Result<Terms, Error> {
        check_shape("z", z, 2)?;
        check_rows("z", z.nrows(), "the batch", self.rows)?;
        assert_eq!((gradient.nrows(), gradient.ncols()), (z.nrows(), z.ncols()), "the gradient has the shape of z");
        match self.evaluate_in_type(&mut gradient, z, memory) {
            Err(Error::NotPositiveDefinite { .. }) if is_single::<T>() => {
                let mut exact = Mat::zeros(z.nrows(), z.ncols());
                let (double, z) = (self.in_double(), in_double(z));
                let terms = double.evaluate_in_type(&mut exact.as_mut(), z.as_ref(), &mut Memory::default())?;
                faer::zip!(gradient, &exact).for_each(|faer::unzip!(out, exact)| *out = T::of(*exact));
                Ok(terms)
            }
            result => result,
        }
    }

    fn evaluate_in_type(
        &self,
        gradient: &mut MatMut<'_, T>,
        z: MatRef<'_, T>,
        memory: &mut Memory<T>,
    ) -> Result<Terms, Error> {
        let m = self.rows;
        let Some(features) = self.forward("z", z, memory)? else {
            gradient.fill(T::ZERO);
            return Ok(Terms { dead: true, ..Terms::default() });
        };
        let r = features.count;
        self.factor_gram(r, memory)?;
        let n = self.x_columns + self.labels.u().ncols();
        let (ld, ln) = (stride(r), stride(n));
        grown(&mut memory.projected, r * ln);
        grown(&mut memory.residual, m * ln);
        grown(&mut memory.slope, m * ld);
        let phi = rows(&memory.features, m, r, ld);
        // Transposed throughout: P', N P' and B' = N'N P'.
        let projected = rows_mut(&mut memory.projected, r, n, ln);
        product(projected, Accum::Replace, phi.transpose(), rows(&self.factor, m, n, ln), T::ONE);
        let terms = self.solve(r, memory);

        let (phi, back) = (rows(&memory.features, m, r, ld), rows(&memory.projected, r, n, ln));
        memory.residual[..m * ln].copy_from_slice(&self.factor[..m * ln]);
        product(rows_mut(&mut memory.residual, m, n, ln), Accum::Add, phi, back, -T::ONE);
        center_columns(&mut memory.residual[..m * ln], &mut memory.sums, m, n, ln);
        self.backward(gradient, m, features, memory);
        Ok(terms)
    }

    /// The terms, and from P' to B' in its place (`memory.projected`), with the weights of V's columns.
    fn solve(&self, r: usize, memory: &mut Memory<T>) -> Terms {
        let (q, n) = (self.x_columns, self.x_columns + self.labels.u().ncols());
        let (ld, ln) = (stride(r), stride(n));
        grown(&mut memory.whitened, r * ln);
        let root = rows(&memory.root, r, r, ld);
        lower_times(rows_mut(&mut memory.whitened, r, n, ln), root, rows(&memory.projected, r, n, ln));
        let mut terms = Terms::default();
        for row in memory.whitened[..r * ln].chunks_exact(ln) {
            terms.x += norm_squared(&row[..q]);
            terms.y += norm_squared(&row[q..n]);
        }
        terms.loss = self.options.x_weight * terms.x - self.options.beta * terms.y;
        let whitened = rows(&memory.whitened, r, n, ln);
        lower_transpose_times(rows_mut(&mut memory.projected, r, n, ln), root, whitened);
        memory.weights.clear();
        memory.weights.resize(q, T::of(2.0 * self.options.x_weight));
        memory.weights.resize(n, T::of(-2.0 * self.options.beta));
        terms
    }

    /// From E, B and D to dL/dz of the rows that are here, `each` at a time.
    fn backward(&self, gradient: &mut MatMut<'_, T>, each: usize, features: Features, memory: &mut Memory<T>) {
        let r = features.count;
        let (m, n) = (gradient.nrows(), memory.weights.len());
        let (ld, ln) = (stride(r), stride(n));
        match self.map {
            Map::Nystroem { .. } => memory.nystroem.backward(
                gradient.rb_mut(),
                (&memory.residual, &memory.projected, &memory.weights),
                &mut memory.slope,
                &mut memory.centered,
                (r, self.options.epsilon * self.rows as f64, features.slope),
            ),
            Map::Fourier { pairs, seed } => {
                for row in memory.projected[..r * ln].chunks_exact_mut(ln) {
                    for (entry, &weight) in row.iter_mut().zip(&memory.weights) {
                        *entry *= weight;
                    }
                }
                let back = rows(&memory.projected, r, n, ln).transpose();
                let slope = memory.slope[..m * ld].chunks_mut(each * ld);
                for (slope, residual) in slope.zip(memory.residual.chunks(each * ln)) {
                    let m = slope.len() / ld;
                    let slope = rows_mut(slope, m, r, ld);
                    product(slope, Accum::Replace, rows(residual, m, n, ln), back, T::ONE);
                }
                let (slope, phi) = (&memory.slope, &memory.features);
                memory.fourier.backward(gradient.rb_mut(), slope, phi, (features.slope, each), (seed, pairs));
            }
        }
    }

    /// Features of a sample (`memory.features`), or nothing if all its rows are equal.
    fn forward(
        &self,
        argument: &'static str,
        v: MatRef<'_, T>,
        memory: &mut Memory<T>,
    ) -> Result<Option<Features>, Error> {
        let (m, d) = (v.nrows(), v.ncols());
        let (sigma, count) = (self.options.sigma, self.map.count(m));
        grown(&mut memory.centered, m * d);
        grown(&mut memory.features, m * stride(count));
        let spread = center_rows(v, &mut memory.centered, d, &mut memory.sums);
        // A column with an entry that is not finite has no finite mean.
        if !memory.sums[..d].iter().all(|mean| mean.is_finite()) {
            check_finite(argument, v)?;
        }
        if !spread.varies {
            return Ok(None);
        }
        let scale = bring_into_range(&mut memory.centered[..m * d], spread.largest);
        let (centered, features) = (&memory.centered[..m * d], &mut memory.features);
        let slope = match self.map {
            Map::Nystroem { .. } => {
                let factor = (0.5 / (sigma * sigma * d as f64) / scale / scale).min(T::LARGEST);
                memory.nystroem.forward(centered, (m, d, count), factor, self.options.epsilon, features)?;
                2.0 * factor * scale
            }
            Map::Fourier { pairs, seed } => {
                let inverse_width = 1.0 / (sigma * (d as f64).sqrt());
                let shape = (m, d);
                memory.fourier.forward(argument, centered, shape, inverse_width / scale, (seed, pairs), features);
                inverse_width
            }
        };
        Ok(Some(Features { count, slope }))
    }

    /// The inverse Cholesky factor of A = Phi'Phi + c I.
    fn factor_gram(&self, r: usize, memory: &mut Memory<T>) -> Result<(), Error> {
        let (m, ld) = (self.rows, stride(r));
        grown(&mut memory.gram, r * ld);
        let phi = rows(&memory.features, m, r, ld).transpose();
        outer_lower(rows_mut(&mut memory.gram, r, r, ld), Accum::Replace, phi, phi, T::ONE);
        self.factor_summed(r, memory)
    }

    /// The same from the lower half of Phi'Phi (`memory.gram`).
    fn factor_summed(&self, r: usize, memory: &mut Memory<T>) -> Result<(), Error> {
        let ld = stride(r);
        grown(&mut memory.root, r * ld);
        grown(&mut memory.scratch, inverse_factor_scratch(r));
        let ridge = self.options.epsilon * self.rows as f64;
        for i in 0..r {
            memory.gram[i * ld + i] += T::of(ridge);
        }
        let (gram, root) = (rows_mut(&mut memory.gram, r, r, ld), rows_mut(&mut memory.root, r, r, ld));
        inverse_factor(gram, root, T::of(0.5 * ridge), &mut memory.scratch)
    }
}

/// How a sample's features were formed.
#[derive(Clone, Copy)]
struct Features {
    count: usize,
    /// Factor from the slope along scaled differences (Nystroem) or angles (Fourier) to dL/dz.
    slope: f64,
}
