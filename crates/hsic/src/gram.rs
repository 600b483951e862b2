//! Gram matrices, their centred form H K H, and the normalized form R = Kc (Kc + epsilon m I)^-1.
//!
//! With a wide kernel K is 1 less something small, and centring it cancels leading digits. So a Gram matrix is held as
//! K = offset + scale * V: where the mean of K is above 1/2, V = expm1(exponent) and offset = 1, else V = K. H removes
//! any constant, so no figure of this crate needs the offset.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::prelude::*;
use faer::reborrow::ReborrowMut;
use faer::{Mat, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use crate::distance::{self, Metric, PANEL, Workspace, panels, scale};
use crate::error::{Error, check_finite, check_positive, check_shape};
use crate::kernel::{Bandwidth, Kernel};
use crate::memory;
use crate::scalar::{Scalar, vectorize};
use crate::sums::chains;

/// The matrix K_ij = k(x_i, x_j) of the rows of one table, with the memory in which it was made.
///
/// # Examples
/// ```
/// use hsic::{gram::Gram, kernel::Kernel};
/// let x = faer::mat![[0.0f64], [1.0], [3.0]];
/// let gram = Gram::new(x.as_ref(), &Kernel::gaussian_median())?;
/// // Distances 1, 2, 3: the median is 2.
/// assert_eq!(gram.sigma(), Some(2.0));
/// assert!((gram.value(0, 1) - (-1.0f64 / 8.0).exp()).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gram<T> {
    rows: usize,
    /// V, m x m, column-major, symmetric to the bit.
    values: Vec<T>,
    scale: f64,
    offset: f64,
    sigma: Option<f64>,
    /// Sums of the columns of V.
    sums: Vec<f64>,
    /// Largest magnitude in V.
    largest: f64,
    workspace: Workspace<T>,
}

impl<T: Scalar> Gram<T> {
    /// The Gram matrix of the rows of `x` (m x d).
    ///
    /// # Errors
    /// [`Error::NoColumns`]; [`Error::TooFewRows`] if m = 0; [`Error::NotFinite`]; [`Error::Memory`] if there is not so much.
    /// # Cost
    /// m^2 d / 2 multiplications and m^2 / 2 exponentials; memory m^2 + 2 m d numbers. Runs on the threads of the
    /// current rayon pool, with the same bits for any number of them.
    pub fn new(x: MatRef<'_, T>, kernel: &Kernel) -> Result<Self, Error> {
        let mut gram = Self::default();
        gram.fill(x, kernel)?;
        Ok(gram)
    }

    /// Computes another Gram matrix in the same memory; nothing is allocated if the size is the same. (The `Delta`
    /// kernel sorts row indices in memory of its own.)
    ///
    /// # Errors
    /// As [`Gram::new`]; the matrix is then as before.
    pub fn fill(&mut self, x: MatRef<'_, T>, kernel: &Kernel) -> Result<(), Error> {
        self.fill_named("x", x, kernel)
    }

    /// As [`Gram::fill`], with the name of the argument that errors are to say.
    pub(crate) fn fill_named(
        &mut self,
        argument: &'static str,
        x: MatRef<'_, T>,
        kernel: &Kernel,
    ) -> Result<(), Error> {
        check_shape(argument, x, 1)?;
        check_finite(argument, x)?;
        let m = x.nrows();
        memory::check_growth(m, &self.values, m.saturating_mul(m))?;
        self.rows = m;
        self.values.resize(m * m, T::ZERO);
        self.sums.resize(m, 0.0);
        (self.scale, self.offset, self.sigma) = (1.0, 0.0, None);
        match *kernel {
            Kernel::Gaussian { bandwidth } => self.fill_decay(x, Metric::Squared, bandwidth),
            Kernel::Laplacian { bandwidth } => self.fill_decay(x, Metric::Absolute, bandwidth),
            Kernel::Linear => {
                let exponent = distance::centered_products(&mut self.values, x, &mut self.workspace);
                self.scale = scale(1.0, 2 * exponent).min(f64::MAX);
            }
            Kernel::Cosine => distance::cosines(&mut self.values, x, &mut self.workspace),
            Kernel::Delta => fill_equal(&mut self.values, x),
        }
        distance::mirror(MatMut::from_column_major_slice_mut(&mut self.values, m, m));
        self.summarize();
        Ok(())
    }

    /// Number of rows and columns, m.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The bandwidth in use: the sigma given, or the median distance; `None` for kernels without one.
    #[must_use]
    pub const fn sigma(&self) -> Option<f64> {
        self.sigma
    }

    /// K_ij.
    ///
    /// # Panics
    /// If `i` or `j` is not below [`Gram::rows`].
    #[must_use]
    pub fn value(&self, i: usize, j: usize) -> f64 {
        self.offset + self.scale * self.values().get(i, j).to_f64()
    }

    /// V, with K = offset + scale * V.
    #[must_use]
    pub fn values(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(&self.values, self.rows, self.rows)
    }

    /// The constant that V lacks: 1 or 0.
    #[must_use]
    pub const fn offset(&self) -> f64 {
        self.offset
    }

    /// The factor before V: 1 except for the linear kernel (a power of 4) and for Gaussians and Laplacians so wide that
    /// they are linear in the distance to all digits.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// One column of V.
    pub(crate) fn column(&self, j: usize) -> &[T] {
        &self.values[j * self.rows..][..self.rows]
    }

    /// Sums of the columns of V.
    pub(crate) fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// A root mean square of the centred V below this is rounding, not variation: the rows are equal to the kernel.
    pub(crate) fn noise(&self) -> f64 {
        8.0 * T::EPSILON * self.largest
    }

    /// The u for which (H V H)_ij = V_ij - u_i - u_j.
    pub(crate) fn shifts(&self) -> impl Fn(usize) -> f64 + Sync + '_ {
        let m = self.rows as f64;
        let half_mean = self.sums.iter().sum::<f64>() / (2.0 * m * m);
        move |i| self.sums[i] / m - half_mean
    }

    /// Kernels that decay with a distance.
    fn fill_decay(&mut self, x: MatRef<'_, T>, metric: Metric, bandwidth: Bandwidth) {
        let (m, d) = (x.nrows(), x.ncols() as f64);
        let exponent = distance::distances(&mut self.values, x, metric, &mut self.workspace);
        // The width in the unit of the scaled rows, the factor of sigma for d columns, and sigma itself.
        let (width, columns, sigma) = match bandwidth {
            Bandwidth::Scaled(sigma) => (scale(sigma.get(), -exponent), d, sigma.get()),
            Bandwidth::Unscaled(sigma) => (scale(sigma.get(), -exponent), 1.0, sigma.get()),
            Bandwidth::Median => match distance::middle(&self.values, m) {
                Some((a, b)) => {
                    let width = if metric == Metric::Squared { (a.sqrt() + b.sqrt()) / 2.0 } else { (a + b) / 2.0 };
                    (width, 1.0, scale(width, exponent).min(f64::MAX))
                }
                None => (1.0, 1.0, 1.0),
            },
        };
        self.sigma = Some(sigma);
        let factor = match metric {
            Metric::Squared => (1.0 / width).powi(2) / (2.0 * columns),
            Metric::Absolute => 1.0 / width / columns,
        };
        // Infinity times a distance of 0 would be NaN.
        let factor = factor.min(T::LARGEST);
        let mean = self.mean_distance() * factor;
        // Distances of scaled rows are below 16 d.
        if 16.0 * d * factor < T::EPSILON / 4.0 {
            // 1 - exp(-t) = t to all digits; keep t itself, which may be too small for T.
            (self.offset, self.scale) = (1.0, factor);
            self.map(|t| -t);
        } else if mean < std::f64::consts::LN_2 {
            self.offset = 1.0;
            let factor = T::of(-factor);
            self.map(|t| (t * factor).exp_m1());
        } else {
            let factor = T::of(-factor);
            self.map(|t| (t * factor).exp());
        }
    }

    /// Mean of the whole symmetric matrix whose lower half is in `values` with a diagonal of zeros.
    fn mean_distance(&mut self) -> f64 {
        let m = self.rows;
        let (values, sums) = (&self.values, &mut self.sums);
        sums.par_iter_mut()
            .enumerate()
            .with_min_len(PANEL)
            .for_each(|(j, sum)| *sum = total(&values[j * m + j..][..m - j]));
        2.0 * sums.iter().sum::<f64>() / (m as f64).powi(2)
    }

    /// Applies a function to the lower half.
    fn map(&mut self, function: impl Fn(T) -> T + Sync) {
        let m = self.rows;
        panels(&mut self.values, m, |first, panel| {
            vectorize(
                #[inline(always)]
                || {
                    for (offset, column) in panel.chunks_exact_mut(m).enumerate() {
                        for value in &mut column[first + offset..] {
                            *value = function(*value);
                        }
                    }
                },
            );
        });
    }

    /// Column sums and the largest magnitude.
    fn summarize(&mut self) {
        let (values, sums) = (&self.values, &mut self.sums);
        sums.par_iter_mut()
            .zip(values.par_chunks_exact(self.rows))
            .with_min_len(PANEL)
            .for_each(|(sum, column)| *sum = total(column));
        self.largest = values
            .par_chunks_exact(self.rows)
            .with_min_len(PANEL)
            .map(|column| column.iter().fold(T::ZERO, |largest, v| v.abs().max(largest)).to_f64())
            .reduce(|| 0.0, f64::max);
    }
}

/// H K H, with H = I - 11'/m: rows and columns sum to 0.
///
/// # Examples
/// ```
/// use hsic::{gram::{Gram, center}, kernel::Kernel};
/// let x = faer::mat![[0.0f64], [1.0], [5.0]];
/// let centered = center(&Gram::new(x.as_ref(), &Kernel::Linear)?);
/// // The mean is 2: (0 - 2) (5 - 2) = -6.
/// assert_eq!(centered[(0, 2)], -6.0);
/// # Ok::<(), hsic::Error>(())
/// ```
#[must_use]
pub fn center<T: Scalar>(gram: &Gram<T>) -> Mat<T> {
    let mut out = Mat::zeros(gram.rows(), gram.rows());
    center_into(out.as_mut(), gram);
    out
}

/// As [`center`], into a matrix of the same size.
///
/// # Panics
/// If `out` is not m x m.
pub fn center_into<T: Scalar>(out: MatMut<'_, T>, gram: &Gram<T>) {
    center_times(out, gram, gram.scale());
}

/// R = Kc (Kc + epsilon m I)^-1 with Kc = H K H: symmetric, with eigenvalues in [0, 1).
///
/// Source: Fukumizu et al. 2008, "Kernel measures of conditional dependence".
///
/// # Errors
/// [`Error::Parameter`] unless `epsilon` is finite and above 0; [`Error::NotPositiveDefinite`] if rounding
/// in `T` is not small against the ridge: epsilon m < 32 units of rounding of the largest entry, or a pivot fails;
/// [`Error::Memory`] if there is not so much.
/// # Cost
/// One Cholesky factor and 2 m triangular solves, 7/3 m^3 flops; memory 2 m^2 numbers.
/// # Examples
/// ```
/// use hsic::{gram::{Gram, normalized_gram}, kernel::Kernel};
/// let x = faer::mat![[0.0f64], [2.0]];
/// let r = normalized_gram(&Gram::new(x.as_ref(), &Kernel::Linear)?, 0.5)?;
/// // Kc = [[1, -1], [-1, 1]] has the eigenvalue 2; the ridge is 1; 2 / (2 + 1) = r_00 - r_01.
/// assert!((r[(0, 0)] - 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn normalized_gram<T: Scalar>(gram: &Gram<T>, epsilon: f64) -> Result<Mat<T>, Error> {
    memory::check(gram.rows(), memory::squares(2, gram.rows(), size_of::<T>()))?;
    let mut out = Mat::zeros(gram.rows(), gram.rows());
    normalized_gram_into(out.as_mut(), gram, epsilon, &mut Factor::default())?;
    Ok(out)
}

/// Memory for [`normalized_gram_into`].
#[derive(Default)]
pub struct Factor<T> {
    lower: Vec<T>,
    stack: Option<MemBuffer>,
}

/// As [`normalized_gram`], into a matrix of the same size, without allocation if `factor` was used at this size.
///
/// # Errors
/// As [`normalized_gram`]; `out` is then undefined.
/// # Panics
/// If `out` is not m x m.
pub fn normalized_gram_into<T: Scalar>(
    out: MatMut<'_, T>,
    gram: &Gram<T>,
    epsilon: f64,
    factor: &mut Factor<T>,
) -> Result<(), Error> {
    check_positive("epsilon", epsilon)?;
    let (m, mut out) = (gram.rows(), out);
    memory::check_growth(m, &factor.lower, m * m)?;
    let ridge = (epsilon * m as f64 / gram.scale()).min(T::LARGEST);
    center_times(out.rb_mut(), gram, 1.0);
    if factor.lower.len() != m * m {
        factor.lower.resize(m * m, T::ZERO);
        factor.stack = None;
    }
    let mut lower = MatMut::from_column_major_slice_mut(&mut factor.lower, m, m);
    lower.copy_from(out.rb());
    for i in 0..m {
        lower[(i, i)] += T::of(ridge);
    }
    // One thread: the factor's bits must not depend on how faer would share the work. The solves below are shared.
    let request = llt::factor::cholesky_in_place_scratch::<T>(m, Par::Seq, Spec::default());
    let buffer = factor.stack.get_or_insert_with(|| MemBuffer::new(request));
    llt::factor::cholesky_in_place(
        lower.rb_mut(),
        Default::default(),
        Par::Seq,
        MemStack::new(buffer),
        Spec::default(),
    )
    .map_err(|llt::factor::LltError::NonPositivePivot { index }| Error::NotPositiveDefinite { pivot: index })?;
    // Kc is singular always (Kc 1 = 0), so every factor has a pivot near the ridge: where that is near rounding, the
    // result is a quotient of roundings even if no pivot turned negative.
    if m > 1 && ridge < 4.0 * gram.noise() {
        let pivot = (1..m).fold(0, |least, i| if lower[(i, i)] < lower[(least, least)] { i } else { least });
        return Err(Error::NotPositiveDefinite { pivot });
    }
    solve(lower.rb(), out.rb_mut());
    distance::mirror(out);
    Ok(())
}

/// Solves L L' X = B in place, in panels of a fixed number of columns.
fn solve<T: Scalar>(lower: MatRef<'_, T>, right: MatMut<'_, T>) {
    let cols = right.ncols();
    if cols <= PANEL {
        llt::solve::solve_in_place(lower, right, Par::Seq, MemStack::new(&mut []));
    } else {
        let (left, rest) = right.split_at_col_mut((cols / 2).next_multiple_of(PANEL));
        rayon::join(|| solve(lower, left), || solve(lower, rest));
    }
}

/// factor * H V H.
fn center_times<T: Scalar>(out: MatMut<'_, T>, gram: &Gram<T>, factor: f64) {
    assert!(out.nrows() == gram.rows() && out.ncols() == gram.rows(), "the result has the size of the Gram matrix");
    let shift = gram.shifts();
    for (j, column) in out.col_iter_mut().enumerate() {
        let own = shift(j);
        for (i, (out, value)) in column.iter_mut().zip(gram.column(j)).enumerate() {
            // The two shifts first: their sum does not depend on the order, so the result is symmetric to the bit.
            *out = T::of((value.to_f64() - (shift(i) + own)) * factor);
        }
    }
}

/// Sum in double precision, in 16 chains.
fn total<T: Scalar>(values: &[T]) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let (sums, rest) = chains::<16, _, _>(
                0.0,
                values,
                #[inline(always)]
                |sum: f64, value| sum + value.to_f64(),
            );
            sums.iter().sum::<f64>() + rest.iter().map(|v| v.to_f64()).sum::<f64>()
        },
    )
}

/// 1 where two rows are equal, else 0, in the lower half.
fn fill_equal<T: Scalar>(out: &mut [T], x: MatRef<'_, T>) {
    let m = x.nrows();
    let order = |&a: &usize, &b: &usize| {
        // All entries are finite, so they can be compared.
        (0..x.ncols())
            .map(|k| x[(a, k)].partial_cmp(&x[(b, k)]).unwrap_or(std::cmp::Ordering::Equal))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    let mut rows: Vec<usize> = (0..m).collect();
    rows.sort_unstable_by(order);
    let mut group = vec![0; m];
    for pair in rows.windows(2) {
        group[pair[1]] = group[pair[0]] + usize::from(order(&pair[0], &pair[1]).is_ne());
    }
    panels(out, m, |first, panel| {
        for (offset, column) in panel.chunks_exact_mut(m).enumerate() {
            let own = group[first + offset];
            for (out, &group) in column.iter_mut().zip(&group) {
                *out = if group == own { T::ONE } else { T::ZERO };
            }
        }
    });
}
