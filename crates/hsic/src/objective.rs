//! The HSIC-bottleneck objective of one block and its gradient in closed form.
//!
//! L(Z) = w nHSIC(Z, X) - beta nHSIC(Z, Y),  nHSIC(U, V) = tr(R_U R_V),  R_V = Kc (Kc + c I)^-1,  c = epsilon m
//! (Ma, Lewis, Kleijn 2020). With T = (Kc_Z + c I)^-1 and M = w R_X - beta R_Y,
//!
//! dL/dK_Z = G = c T M T,   W = G o K_Z,   dL/dZ = -(2 / (sigma^2 d)) (diag(W 1) - W) Z.
//!
//! **What is computed.** M depends on the batch alone, so [`BatchOperator`] holds it, once for all blocks, as factors:
//! R_X = F F' with F lower triangular, R_Y = U U' with U of C columns. With the inverse Cholesky factor N of
//! Kc_Z + c I (T = N'N), P = N F and Q = N U,
//!
//! nHSIC(Z, X) = tr R_X - c |P|^2,  nHSIC(Z, Y) = tr R_Y - c |Q|^2,  G = c (w (N'P)(N'P)' - beta (N'Q)(N'Q)').
//!
//! In exact arithmetic M 1 = 0 makes G 1 = 0. In rounded arithmetic the constant part is the largest error of all,
//! since T 1 = 1/c: N'P and N'Q are centered before their products, which leaves a hundredth of the error in f32. Their
//! transposes P'N and Q'N are what is stored: a row is then centered at once, and the product reads them as they lie.
//! K itself is near 1, and its rounding would be what remains: K - 1 is formed, which centers to the same matrix.
//!
//! So T is never formed, no product is of two full m x m matrices but the last, whose lower half suffices, and the
//! values cost nothing. About 2.7 m^3 operations and 3 m^2 d, where T M T from dense matrices takes 4 m^3 and more.
//! Keeping the two terms apart also keeps beta R_Y's rounding (beta = 500) out of R_X.

mod left_out;
pub(crate) mod passes;
mod statement;

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, MatRef};

use crate::error::{Error, check_finite, check_rows, check_shape};
use crate::factor::{cholesky, cholesky_scratch, inverse_factor, inverse_factor_scratch};
use crate::labels::LabelFactor;
use crate::memory;
use crate::product::{
    lower_times, lower_times_lower, lower_transpose_times_lower, outer_lower, product, transpose_times_lower,
};
use crate::scalar::Scalar;
use crate::sums::grown;
use crate::targets::Targets;
use crate::view::{rows, rows_mut, stride};

pub use statement::{Bottleneck, LabelFit, Terms};

use left_out::{CenteredTargets, Room};

use passes::{
    bring_into_range, center_and_ridge, center_lines, center_lower, center_rows, exponentiate, laplacian,
    lower_norm_squared, norm_squared, transpose_times_self_lower,
};

/// Value and gradient of the objective at one Z.
#[derive(Clone, Debug)]
pub struct Evaluation<T> {
    /// The terms.
    pub terms: Terms,
    /// dL/dZ, m x d.
    pub gradient: Mat<T>,
}

/// Memory that evaluations use again; one for each thread. Grows to the largest batch it has met, then never allocates.
#[derive(Clone, Debug, Default)]
pub struct Workspace<T> {
    centered: Vec<T>,
    sums: Vec<T>,
    diagonal: Vec<T>,
    kernel: Vec<T>,
    ridged: Vec<T>,
    factor: Vec<T>,
    product: Vec<T>,
    scratch: Vec<T>,
    labels: Vec<T>,
    labels_back: Vec<T>,
}

impl<T: Scalar> Workspace<T> {
    fn reserve(&mut self, m: usize, d: usize, classes: usize) -> Result<(), Error> {
        let square = m * stride(m);
        let buffers = [&self.kernel, &self.ridged, &self.factor, &self.product];
        let more: usize = buffers.iter().map(|buffer| square.saturating_sub(buffer.len())).sum();
        // Of targets that are numbers these are as large.
        let more = more
            + (m * classes).saturating_sub(self.labels.len())
            + (stride(m) * classes).saturating_sub(self.labels_back.len());
        memory::check(m, more as u64 * size_of::<T>() as u64)?;
        grown(&mut self.centered, m * spacing(d));
        grown(&mut self.sums, m);
        grown(&mut self.diagonal, m);
        for buffer in [&mut self.kernel, &mut self.ridged, &mut self.factor, &mut self.product] {
            grown(buffer, square);
        }
        grown(&mut self.scratch, inverse_factor_scratch(m).max(cholesky_scratch(m)));
        grown(&mut self.labels, m * classes);
        grown(&mut self.labels_back, stride(m) * classes);
        Ok(())
    }
}

/// M = w R_X - beta R_Y of one batch, as factors: what all blocks share.
#[derive(Clone, Debug)]
pub struct BatchOperator<T> {
    options: Bottleneck,
    rows: usize,
    /// F, lower triangular with zeros above, F F' = R_X; unused if the X term is off.
    x_factor: Vec<T>,
    x_trace: f64,
    labels: LabelFactor<T>,
    /// What is fitted where one row is left out at a time.
    centered: Option<CenteredTargets<T>>,
}

impl<T: Scalar> BatchOperator<T> {
    /// Builds the operator of a batch.
    ///
    /// # Arguments
    /// - `x`: m x p, the network's input; `labels`: the class of each row, below `classes`.
    ///
    /// # Errors
    /// `Parameter`, `RowMismatch`, `TooFewRows` (m < 2), `NoColumns`, `NotFinite`, `LabelRange`, `Memory` if there is not so
    /// much, and `NotPositiveDefinite` where `epsilon` is too small for double precision.
    ///
    /// # Cost
    /// p m^2 + 5/3 m^3 operations; without the X term O(m C).
    ///
    /// # Examples
    /// ```
    /// use faer::mat;
    /// use hsic::{BatchOperator, Bottleneck};
    /// let x = mat![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.25, 0.75]];
    /// let z = mat![[0.1], [0.9], [0.2], [1.1], [0.6], [0.3]];
    /// let options = Bottleneck { sigma: 1.0, sigma_labels: 1.0, ..Bottleneck::default() };
    /// let operator = BatchOperator::<f64>::new(x.as_ref(), &[0, 1, 0, 1, 1, 0], 2, options)?;
    /// let evaluation = operator.evaluate(z.as_ref())?;
    /// assert!((evaluation.terms.y - 0.9397110494).abs() < 1e-9);
    /// assert!((evaluation.gradient[(0, 0)] - 0.8890020227).abs() < 1e-7);
    /// # Ok::<(), hsic::Error>(())
    /// ```
    pub fn new(x: MatRef<'_, T>, labels: &[usize], classes: usize, options: Bottleneck) -> Result<Self, Error> {
        Self::of(Some(x), Targets::Classes { labels, classes }, options, &mut Workspace::default())
    }

    /// Builds the operator of a batch of any [`Targets`], in memory that is used again.
    ///
    /// # Arguments
    /// - `x`: m x p, the network's input; `None` leaves the X term out, whatever its weight.
    ///
    /// # Errors
    /// As [`BatchOperator::new`]; the targets' argument is `labels` or `values`.
    ///
    /// # Cost
    /// That of [`BatchOperator::new`]; for values O(m r^2) in the place of O(m C): see [`LabelFactor::of`].
    ///
    /// # Examples
    /// ```
    /// use hsic::{BatchOperator, Bottleneck, Targets, Workspace};
    /// let z = faer::mat![[0.1f64], [0.9], [0.2], [1.1], [0.6], [0.3]];
    /// let targets = Targets::of_values(&[0.0, 0.8, 0.1, 1.0, 0.5, 0.2]);
    /// let options = Bottleneck { sigma: 1.0, sigma_labels: 1.0, beta: 1.0, ..Bottleneck::default() };
    /// let operator = BatchOperator::of(None, targets, options, &mut Workspace::default())?;
    /// let terms = operator.evaluate(z.as_ref())?.terms;
    /// assert!(terms.x == 0.0 && terms.loss == -terms.y && terms.y > 0.9);
    /// # Ok::<(), hsic::Error>(())
    /// ```
    pub fn of(
        x: Option<MatRef<'_, T>>,
        targets: Targets<'_>,
        options: Bottleneck,
        workspace: &mut Workspace<T>,
    ) -> Result<Self, Error> {
        options.check()?;
        let options = Bottleneck { x_weight: if x.is_some() { options.x_weight } else { 0.0 }, ..options };
        let labels = LabelFactor::of(targets, options.sigma_labels, options.epsilon)?;
        let rows = targets.rows();
        let centered = (options.label_fit == LabelFit::LeaveOneOut).then(|| CenteredTargets::of(targets));
        let mut operator = Self { options, rows, x_factor: Vec::new(), x_trace: 0.0, labels, centered };
        if let Some(x) = x {
            check_shape("x", x, 2)?;
            check_rows("x", x.nrows(), targets.name(), rows)?;
            operator.take_input(x, workspace)?;
        }
        Ok(operator)
    }

    /// Makes this the operator of the next batch, in the memory of this one.
    ///
    /// # Errors
    /// As [`BatchOperator::new`].
    pub fn fill(
        &mut self,
        x: MatRef<'_, T>,
        labels: &[usize],
        classes: usize,
        workspace: &mut Workspace<T>,
    ) -> Result<(), Error> {
        self.fill_of(x, Targets::Classes { labels, classes }, workspace)
    }

    /// Makes this the operator of the next batch, of classes or values, in the memory of this one.
    ///
    /// # Errors
    /// As [`BatchOperator::new`].
    pub fn fill_of(
        &mut self,
        x: MatRef<'_, T>,
        targets: Targets<'_>,
        workspace: &mut Workspace<T>,
    ) -> Result<(), Error> {
        check_shape("x", x, 2)?;
        check_rows("x", x.nrows(), targets.name(), targets.rows())?;
        self.labels.fill_of(targets, self.options.sigma_labels, self.options.epsilon)?;
        if let Some(centered) = &mut self.centered {
            centered.fill(targets);
        }
        self.rows = x.nrows();
        self.take_input(x, workspace)
    }

    /// The X term of a batch of as many rows.
    fn take_input(&mut self, x: MatRef<'_, T>, workspace: &mut Workspace<T>) -> Result<(), Error> {
        self.x_trace = 0.0;
        if self.options.x_weight > 0.0 {
            match self.factor_input(x, workspace) {
                Err(Error::NotPositiveDefinite { .. }) if is_single::<T>() => self.factor_input_in_double(x)?,
                result => result?,
            }
        }
        Ok(())
    }

    /// [`BatchOperator::factor_input`] where rounding in single precision has outgrown the ridge.
    fn factor_input_in_double(&mut self, x: MatRef<'_, T>) -> Result<(), Error> {
        let mut double = BatchOperator::<f64> {
            options: self.options,
            rows: self.rows,
            x_factor: Vec::new(),
            x_trace: 0.0,
            labels: self.labels.in_double(),
            centered: None,
        };
        double.factor_input(in_double(x).as_ref(), &mut Workspace::default())?;
        self.x_trace = double.x_trace;
        self.x_factor.clear();
        self.x_factor.extend(double.x_factor.iter().map(|&entry| T::of(entry)));
        Ok(())
    }

    /// R_X = I - c N'N with N the inverse Cholesky factor of Kc_X + c I, then its own Cholesky factor F.
    ///
    /// Exactly, R_X 1 = 0; rounding leaves there the largest error of all (T 1 = 1/c), so R_X is centered. It is singular,
    /// so it is factored as R_X + delta I, delta about the rounding of its entries; the
    /// error this makes in M is delta, below that of R_X itself.
    fn factor_input(&mut self, x: MatRef<'_, T>, workspace: &mut Workspace<T>) -> Result<(), Error> {
        let (m, ld) = (x.nrows(), stride(x.nrows()));
        memory::check_growth(m, &self.x_factor, m * ld)?;
        grown(&mut self.x_factor, m * ld);
        let ridge = self.options.epsilon * m as f64;
        if !inverse_root("x", x, self.options.sigma, ridge, 0, workspace)?.varies {
            rows_mut(&mut self.x_factor, m, m, ld).fill(T::ZERO);
            return Ok(());
        }
        let inverse = rows(&workspace.factor, m, m, ld);
        let mut r = rows_mut(&mut workspace.product, m, m, ld);
        transpose_times_self_lower(r.rb_mut(), inverse);
        for i in 0..m {
            for entry in &mut workspace.product[i * ld..=i * ld + i] {
                *entry = T::of(-ridge) * *entry;
            }
            workspace.product[i * ld + i] += T::ONE;
        }
        center_lower(&mut workspace.product, m, ld, &mut workspace.sums);
        for i in 0..m {
            self.x_trace += workspace.product[i * ld + i].to_f64();
        }
        let mut delta = T::EPSILON * m as f64 / 4.0;
        loop {
            let mut f = rows_mut(&mut self.x_factor, m, m, ld);
            f.copy_from(rows(&workspace.product, m, m, ld));
            for i in 0..m {
                f[(i, i)] += T::of(delta);
            }
            match cholesky(f, &mut workspace.scratch) {
                // An error of 1e-3 in R_X is the most that is taken for rounding.
                Err(Error::NotPositiveDefinite { .. }) if delta < 1e-3 => delta *= 4.0,
                result => break result?,
            }
        }
        for i in 0..m {
            self.x_factor[i * ld + i + 1..(i + 1) * ld].fill(T::ZERO);
        }
        Ok(())
    }

    /// The labels' factor.
    #[must_use]
    pub fn labels(&self) -> &LabelFactor<T> {
        &self.labels
    }

    /// tr R_X, the least upper bound of nHSIC(Z, X); 0 if the X term is off.
    #[must_use]
    pub fn x_trace(&self) -> f64 {
        self.x_trace
    }

    /// Value and gradient at `z` (m x d).
    ///
    /// # Errors
    /// As [`BatchOperator::evaluate_into`].
    pub fn evaluate(&self, z: MatRef<'_, T>) -> Result<Evaluation<T>, Error> {
        let mut gradient = Mat::zeros(z.nrows(), z.ncols());
        let terms = self.evaluate_into(gradient.as_mut(), z, &mut Workspace::default())?;
        Ok(Evaluation { terms, gradient })
    }

    /// Value and gradient at `z` (m x d), the gradient into `gradient` (m x d), without allocation once `workspace`
    /// has met a batch of this size.
    ///
    /// # Errors
    /// `RowMismatch` if `z` has not the batch's rows, `NoColumns`, `NotFinite`, `Memory` if there is not so much, and
    /// `NotPositiveDefinite` where `epsilon` is too small for double precision.
    ///
    /// # Panics
    /// If `gradient` has not the shape of `z`.
    ///
    /// # Cost
    /// About 2.7 m^3 + 3 m^2 d operations, 1.3 m^3 + 3 m^2 d without the X term; memory 4 m^2 + m d numbers. Where
    /// rounding in single precision outgrows the ridge (large batches, small epsilon), it is done in double precision:
    /// twice the time, and memory is taken.
    pub fn evaluate_into(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Terms, Error> {
        match self.evaluate_in_type(gradient.rb_mut(), z, workspace) {
            Err(Error::NotPositiveDefinite { .. }) if is_single::<T>() => {
                // Four matrices of the evaluation, and the copy of the factor.
                memory::check(self.rows, memory::squares(5, self.rows, size_of::<f64>()))?;
                let double = BatchOperator::<f64> {
                    options: self.options,
                    rows: self.rows,
                    x_factor: self.x_factor.iter().map(|entry| entry.to_f64()).collect(),
                    x_trace: self.x_trace,
                    labels: self.labels.in_double(),
                    centered: self.centered.as_ref().map(CenteredTargets::in_double),
                };
                let evaluation = double.evaluate(in_double(z).as_ref())?;
                for j in 0..z.ncols() {
                    for i in 0..z.nrows() {
                        gradient[(i, j)] = T::of(evaluation.gradient[(i, j)]);
                    }
                }
                Ok(evaluation.terms)
            }
            result => result,
        }
    }

    fn evaluate_in_type(
        &self,
        mut gradient: MatMut<'_, T>,
        z: MatRef<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Terms, Error> {
        check_shape("z", z, 2)?;
        check_rows("z", z.nrows(), "the batch", self.rows)?;
        assert_eq!((gradient.nrows(), gradient.ncols()), (z.nrows(), z.ncols()), "the gradient has the shape of z");
        let (m, d, ld) = (self.rows, z.ncols(), stride(self.rows));
        let u = self.labels.u();
        // Columns of the targets' buffers: one row left out at a time needs two products side by side.
        let classes = self.centered.as_ref().map_or(u.ncols(), |centered| 3 * centered.columns());
        let ridge = self.options.epsilon * m as f64;

        let exponent = inverse_root("z", z, self.options.sigma, ridge, classes, workspace)?;
        if !exponent.varies {
            gradient.fill(T::ZERO);
            return Ok(Terms { dead: true, ..Terms::default() });
        }
        let mut terms = Terms::default();
        let inverse = rows(&workspace.factor, m, m, ld);
        let with_x = self.options.x_weight > 0.0;
        if with_x {
            // P lies where the ridged kernel was, P'N where the kernel of the next product will not be.
            let mut p = rows_mut(&mut workspace.ridged, m, m, ld);
            lower_times_lower(p.rb_mut(), inverse, rows(&self.x_factor, m, m, ld));
            terms.x = self.x_trace - ridge * lower_norm_squared(&workspace.ridged, m, ld);
            let back = rows_mut(&mut workspace.product, m, m, ld);
            lower_transpose_times_lower(back, rows(&workspace.ridged, m, m, ld), inverse);
            center_lines(&mut workspace.product, m, m, ld);
        }
        if let Some(centered) = &self.centered {
            // G of the X term lies in the place of P before the product of the next term is formed.
            let mut g = rows_mut(&mut workspace.ridged, m, m, ld);
            if with_x {
                let back = rows(&workspace.product, m, m, ld).transpose();
                outer_lower(g.rb_mut(), Accum::Replace, back, back, T::of(ridge * self.options.x_weight));
            } else {
                g.fill(T::ZERO);
            }
            let Workspace { factor, product, labels, labels_back, ridged, .. } = &mut *workspace;
            let room = Room { factor, product, labels, labels_back, gradient: ridged };
            terms.y = centered.add_gradient(self.options.beta, m, room);
            terms.loss = self.options.x_weight * terms.x - self.options.beta * terms.y;
            self.gradient_of(gradient, &exponent, d, workspace);
            return Ok(terms);
        }
        let mut q = rows_mut(&mut workspace.labels, m, classes, classes);
        lower_times(q.rb_mut(), inverse, u);
        terms.y = self.labels.trace() - ridge * norm_squared(&workspace.labels[..m * classes]);
        let back = rows_mut(&mut workspace.labels_back, classes, m, ld);
        transpose_times_lower(back, rows(&workspace.labels, m, classes, classes), inverse);
        center_lines(&mut workspace.labels_back, classes, m, ld);
        terms.loss = self.options.x_weight * terms.x - self.options.beta * terms.y;

        let mut g = rows_mut(&mut workspace.ridged, m, m, ld);
        if with_x {
            let back = rows(&workspace.product, m, m, ld).transpose();
            outer_lower(g.rb_mut(), Accum::Replace, back, back, T::of(ridge * self.options.x_weight));
        }
        let back = rows(&workspace.labels_back, classes, m, ld).transpose();
        let accum = if with_x { Accum::Add } else { Accum::Replace };
        outer_lower(g, accum, back, back, T::of(-ridge * self.options.beta));

        self.gradient_of(gradient, &exponent, d, workspace);
        Ok(terms)
    }

    /// dL/dZ from G = dL/dK, which `workspace.ridged` holds.
    fn gradient_of(&self, gradient: MatMut<'_, T>, exponent: &Exponent, d: usize, workspace: &mut Workspace<T>) {
        let (m, ld) = (self.rows, stride(self.rows));
        let sums = &mut workspace.sums[..m];
        laplacian(&mut workspace.ridged, &workspace.kernel, sums, m, ld);
        product(
            gradient,
            Accum::Replace,
            rows(&workspace.ridged, m, m, ld),
            rows(&workspace.centered, m, d, spacing(d)),
            T::of(-4.0 * exponent.factor * exponent.scale),
        );
    }
}

/// Whether there is a more exact type.
pub(crate) fn is_single<T: Scalar>() -> bool {
    T::EPSILON > f64::EPSILON
}

/// A copy of a matrix in double precision.
pub(crate) fn in_double<T: Scalar>(v: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(v.nrows(), v.ncols(), |i, j| v[(i, j)].to_f64())
}

/// Distance between the centered rows of a sample. Wide rows are set apart as those of square matrices are; narrow ones lie side
/// by side, so that a single column is one piece.
fn spacing(d: usize) -> usize {
    if d < 64 { d } else { stride(d) }
}

/// How a sample's kernel was formed: K = E + 1 with E = expm1(-factor D'), D' of rows times `scale`.
struct Exponent {
    factor: f64,
    scale: f64,
    /// Some two rows differ.
    varies: bool,
}

/// From a sample to E (lower half, `workspace.kernel`) and the inverse Cholesky factor N of H K H + ridge I
/// (`workspace.factor`).
fn inverse_root<T: Scalar>(
    argument: &'static str,
    v: MatRef<'_, T>,
    sigma: f64,
    ridge: f64,
    classes: usize,
    workspace: &mut Workspace<T>,
) -> Result<Exponent, Error> {
    let (m, d, ld) = (v.nrows(), v.ncols(), stride(v.nrows()));
    workspace.reserve(m, d, classes)?;
    let spread = center_rows(v, &mut workspace.centered, spacing(d), &mut workspace.sums);
    let mut exponent = Exponent { factor: 0.5 / (sigma * sigma * d as f64), scale: 1.0, varies: spread.varies };
    if !spread.varies {
        check_finite(argument, v)?;
        return Ok(exponent);
    }
    let centered = &mut workspace.centered[..m * spacing(d)];
    exponent.scale = bring_into_range(centered, spread.largest);
    exponent.factor = (exponent.factor / exponent.scale / exponent.scale).min(T::LARGEST);
    let centered = rows(centered, m, d, spacing(d));
    outer_lower(rows_mut(&mut workspace.kernel, m, m, ld), Accum::Replace, centered, centered, T::ONE);
    let diagonal = &mut workspace.diagonal[..m];
    for (i, entry) in diagonal.iter_mut().enumerate() {
        *entry = workspace.kernel[i * ld + i];
        if !entry.is_finite() {
            check_finite(argument, v)?;
        }
    }
    let sums = &mut workspace.sums[..m];
    exponentiate(&mut workspace.kernel, diagonal, sums, T::of(exponent.factor), m, ld);
    center_and_ridge(&mut workspace.ridged, &workspace.kernel, sums, T::of(ridge), m, ld);
    let ridged = rows_mut(&mut workspace.ridged, m, m, ld);
    inverse_factor(ridged, rows_mut(&mut workspace.factor, m, m, ld), T::of(0.5 * ridge), &mut workspace.scratch)?;
    Ok(exponent)
}
