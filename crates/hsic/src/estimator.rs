//! Estimators of dependence between two paired samples, from their Gram matrices.
//!
//! k and l are the Gram matrices of x and y, Kc = H K H, and row i of both samples is sample i. Sums run in double
//! precision in a fixed order, so the bits do not depend on the number of threads. What depends on the scale of a
//! kernel (every HSIC with the linear one) goes to infinity where it leaves the range of `f64`.

use faer::MatRef;
use rayon::prelude::*;

use crate::distance::PANEL;
use crate::error::{Error, check_finite, check_positive, check_rows, check_shape};
use crate::gram::{Factor, Gram, normalized_gram_into};
use crate::kernel::Kernel;
use crate::memory;
use crate::scalar::{Scalar, vectorize};
use crate::sums::paired_chains;

/// Ridge of [`nhsic`] in the paper of the HSIC bottleneck (Ma, Lewis and Kleijn 2020), as a fraction of m.
pub const DEFAULT_EPSILON: f64 = 1e-5;

/// Biased HSIC, tr(K H L H) / m^2 (Gretton et al. 2005 with 1/m^2; a V-statistic). Never below 0.
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m = 0.
/// # Cost
/// About 3 m^2 flops.
/// # Examples
/// ```
/// use hsic::{estimator::hsic_biased, gram::Gram, kernel::Kernel};
/// let x = Gram::new(faer::mat![[0.0f64], [1.0], [2.0]].as_ref(), &Kernel::Linear)?;
/// let y = Gram::new(faer::mat![[0.0f64], [2.0], [4.0]].as_ref(), &Kernel::Linear)?;
/// // For linear kernels (sum of x_i y_i, centred)^2 / m^2 = 4^2 / 9.
/// assert!((hsic_biased(&x, &y)? - 16.0 / 9.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn hsic_biased<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
    check_pair(k, l, 1)?;
    let m = k.rows() as f64;
    Ok(scaled(inner(k, l, Centering::Rows).max(0.0) / (m * m), k, l))
}

/// Biased HSIC, tr(K H L H) / (m - 1)^2 (Gretton et al. 2005). Never below 0.
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m < 2.
/// # Examples
/// ```
/// use hsic::{estimator::hsic_biased_m1, gram::Gram, kernel::Kernel};
/// let x = Gram::new(faer::mat![[0.0f64], [1.0], [2.0]].as_ref(), &Kernel::Linear)?;
/// // tr(K H K H) = 2^2, over (3 - 1)^2.
/// assert!((hsic_biased_m1(&x, &x)? - 1.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn hsic_biased_m1<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
    check_pair(k, l, 2)?;
    Ok(scaled(inner(k, l, Centering::Rows).max(0.0) / (k.rows() as f64 - 1.0).powi(2), k, l))
}

/// Unbiased HSIC; its mean over independent samples is 0, so it may be negative.
///
/// [tr(K~L~) + 1'K~1 1'L~1 / ((m-1)(m-2)) - 2/(m-2) 1'K~L~1] / (m(m-3)), where K~ is K with a zero diagonal (Song et
/// al. 2012). Computed as the sum of products of U-centred entries over m(m-3) (Szekely and Rizzo 2014), which is the
/// same number with less cancellation.
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m < 4.
/// # Examples
/// ```
/// use hsic::{estimator::hsic_unbiased, gram::Gram, kernel::Kernel};
/// // Two pairs of equal rows: K~ has two entries 1 above the diagonal, tr = 4, sums 4 and 4.
/// let x = Gram::new(faer::mat![[0.0f64], [0.0], [1.0], [1.0]].as_ref(), &Kernel::Delta)?;
/// // [4 + 4 * 4 / 6 - 2 / 2 * 4] / 4 = 2/3.
/// assert!((hsic_unbiased(&x, &x)? - 2.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn hsic_unbiased<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
    check_pair(k, l, 4)?;
    let m = k.rows() as f64;
    Ok(scaled(inner(k, l, Centering::Unbiased) / (m * (m - 3.0)), k, l))
}

/// Normalized HSIC, tr(R_K R_L) with R = Kc (Kc + epsilon m I)^-1 (Fukumizu et al. 2008); in [0, m).
///
/// `epsilon` > 0 is the ridge as a fraction of m; see [`DEFAULT_EPSILON`].
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m < 2; [`Error::Parameter`] unless `epsilon` is finite and above 0;
/// [`Error::NotPositiveDefinite`] if rounding in `T` is larger than the ridge.
/// # Cost
/// Two [`crate::gram::normalized_gram`], about 14/3 m^3 flops.
/// # Examples
/// ```
/// use hsic::{estimator::nhsic, gram::Gram, kernel::Kernel};
/// let x = Gram::new(faer::mat![[0.0f64], [2.0]].as_ref(), &Kernel::Linear)?;
/// // Kc has one eigenvalue, 2; the ridge is 0.5 * 2 = 1; (2 / 3)^2.
/// assert!((nhsic(&x, &x, 0.5)? - 4.0 / 9.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn nhsic<T: Scalar>(k: &Gram<T>, l: &Gram<T>, epsilon: f64) -> Result<f64, Error> {
    check_positive("epsilon", epsilon)?;
    check_pair(k, l, 2)?;
    let m = k.rows();
    memory::check(m, memory::squares(3, m, size_of::<T>()))?;
    let mut factor = Factor::default();
    let (mut left, mut right) = (vec![T::ZERO; m * m], vec![T::ZERO; m * m]);
    for (out, gram) in [(&mut left, k), (&mut right, l)] {
        let out = faer::MatMut::from_column_major_slice_mut(out, m, m);
        normalized_gram_into(out, gram, epsilon, &mut factor)?;
    }
    let terms: Vec<f64> =
        left.par_chunks_exact(m).zip(right.par_chunks_exact(m)).with_min_len(PANEL).map(|(a, b)| dot(a, b)).collect();
    Ok(terms.iter().sum::<f64>().max(0.0))
}

/// Centred kernel alignment, HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with biased HSIC; in [0, 1] (Cortes et al. 2012;
/// Kornblith et al. 2019).
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m < 2; [`Error::Undefined`] where this is 0/0: the kernel sees no
/// difference between the rows of `x` (k) or `y` (l).
/// # Examples
/// ```
/// use hsic::{estimator::cka, gram::Gram, kernel::Kernel};
/// let x = Gram::new(faer::mat![[0.0f64], [1.0], [2.0]].as_ref(), &Kernel::Linear)?;
/// let y = Gram::new(faer::mat![[0.0f64], [1.0], [0.0]].as_ref(), &Kernel::Linear)?;
/// // Squared correlation for one column each; these two are uncorrelated.
/// assert!(cka(&x, &y)?.abs() < 1e-15);
/// assert!((cka(&x, &x)? - 1.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn cka<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
    check_pair(k, l, 2)?;
    Ok(alignment("cka", k, l, Centering::Rows)?.clamp(0.0, 1.0))
}

/// CKA with unbiased HSIC throughout: about 0 for independent samples of any size; in [-1, 1].
///
/// # Errors
/// As [`cka`], with [`Error::TooFewRows`] if m < 4.
/// # Examples
/// ```
/// use hsic::{estimator::cka_debiased, gram::Gram, kernel::Kernel};
/// let x = Gram::new(faer::mat![[0.0f64], [1.0], [2.0], [4.0]].as_ref(), &Kernel::gaussian(1.0)?)?;
/// assert!((cka_debiased(&x, &x)? - 1.0).abs() < 1e-15);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn cka_debiased<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
    check_pair(k, l, 4)?;
    Ok(alignment("cka-debiased", k, l, Centering::Unbiased)?.clamp(-1.0, 1.0))
}

/// One of the estimators, chosen by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// [`hsic_biased`]
    HsicBiased,
    /// [`hsic_biased_m1`]
    HsicBiasedM1,
    /// [`hsic_unbiased`]
    HsicUnbiased,
    /// [`nhsic`]
    Nhsic {
        /// Ridge as a fraction of m, > 0.
        epsilon: f64,
    },
    /// [`cka`]
    Cka,
    /// [`cka_debiased`]
    CkaDebiased,
}

/// What [`Estimator::measure`] returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// The figure; it has no unit except that HSIC with linear kernels has that of (x y)^2.
    pub value: f64,
    /// Bandwidth of the kernel on x, if it has one.
    pub sigma_x: Option<f64>,
    /// Bandwidth of the kernel on y, if it has one.
    pub sigma_y: Option<f64>,
}

impl Estimator {
    /// All estimators; [`Estimator::Nhsic`] with [`DEFAULT_EPSILON`].
    pub const ALL: [Self; 6] = [
        Self::HsicBiased,
        Self::HsicBiasedM1,
        Self::HsicUnbiased,
        Self::Nhsic { epsilon: DEFAULT_EPSILON },
        Self::Cka,
        Self::CkaDebiased,
    ];

    /// Name, as on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HsicBiased => "hsic-biased",
            Self::HsicBiasedM1 => "hsic-biased-m1",
            Self::HsicUnbiased => "hsic-unbiased",
            Self::Nhsic { .. } => "nhsic",
            Self::Cka => "cka",
            Self::CkaDebiased => "cka-debiased",
        }
    }

    /// The estimator of that name; [`Estimator::Nhsic`] with [`DEFAULT_EPSILON`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|estimator| estimator.name() == name)
    }

    /// The least number of rows for which the figure is defined.
    #[must_use]
    pub const fn required_rows(&self) -> usize {
        match self {
            Self::HsicBiased => 1,
            Self::HsicBiasedM1 | Self::Nhsic { .. } | Self::Cka => 2,
            Self::HsicUnbiased | Self::CkaDebiased => 4,
        }
    }

    /// The figure for two Gram matrices.
    ///
    /// # Errors
    /// Those of the function of the same name.
    pub fn of_grams<T: Scalar>(&self, k: &Gram<T>, l: &Gram<T>) -> Result<f64, Error> {
        match *self {
            Self::HsicBiased => hsic_biased(k, l),
            Self::HsicBiasedM1 => hsic_biased_m1(k, l),
            Self::HsicUnbiased => hsic_unbiased(k, l),
            Self::Nhsic { epsilon } => nhsic(k, l, epsilon),
            Self::Cka => cka(k, l),
            Self::CkaDebiased => cka_debiased(k, l),
        }
    }

    /// The figure for two tables: `x` m x p and `y` m x q, row i of both being sample i.
    ///
    /// # Errors
    /// [`Error::NoColumns`], [`Error::TooFewRows`], [`Error::NotFinite`] with the argument's name;
    /// [`Error::RowMismatch`]; [`Error::Memory`] if there is not so much; those of the function of the same name.
    /// # Examples
    /// ```
    /// use hsic::{estimator::Estimator, kernel::Kernel};
    /// let x = faer::mat![[0.0f64], [1.0], [2.0], [3.0]];
    /// let y = faer::mat![[0.0f64], [1.0], [4.0], [9.0]];
    /// let kernel = Kernel::gaussian_median();
    /// let measured = Estimator::HsicBiased.measure(x.as_ref(), y.as_ref(), &kernel, &kernel)?;
    /// // Distances 1 1 1 2 2 3 and 1 3 4 5 8 9.
    /// assert_eq!((measured.sigma_x, measured.sigma_y), (Some(1.5), Some(4.5)));
    /// # Ok::<(), hsic::Error>(())
    /// ```
    pub fn measure<T: Scalar>(
        &self,
        x: MatRef<'_, T>,
        y: MatRef<'_, T>,
        kernel_x: &Kernel,
        kernel_y: &Kernel,
    ) -> Result<Measurement, Error> {
        // The two normalized matrices and a factor.
        let beside = if matches!(self, Self::Nhsic { .. }) { 3 * size_of::<T>() } else { 0 };
        let (k, l) = grams(x, y, kernel_x, kernel_y, self.required_rows(), beside)?;
        Ok(Measurement { value: self.of_grams(&k, &l)?, sigma_x: k.sigma(), sigma_y: l.sigma() })
    }
}

/// Checks both tables, and that there is memory for all that follows, before any work; then builds their Gram matrices.
/// `beside` is what is taken later, in bytes a pair of rows.
pub(crate) fn grams<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    required: usize,
    beside: usize,
) -> Result<(Gram<T>, Gram<T>), Error> {
    check_rows("x", x.nrows(), "y", y.nrows())?;
    check_shape("x", x, required)?;
    check_shape("y", y, required)?;
    memory::check(x.nrows(), memory::squares(1, x.nrows(), 2 * size_of::<T>() + beside))?;
    check_finite("x", x)?;
    check_finite("y", y)?;
    let (mut k, mut l) = (Gram::default(), Gram::default());
    k.fill_named("x", x, kernel_x)?;
    l.fill_named("y", y, kernel_y)?;
    Ok((k, l))
}

/// How an entry is freed of the means of its row and column.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Centering {
    /// H K H.
    Rows,
    /// U-centring: off-diagonal entries less their means over off-diagonal entries; the diagonal does not count.
    Unbiased,
}

impl Centering {
    /// The u for which the centred entry is V_ij - u_i - u_j.
    fn shifts<T: Scalar>(self, gram: &Gram<T>) -> Vec<f64> {
        let m = gram.rows();
        match self {
            Self::Rows => {
                let shift = gram.shifts();
                (0..m).map(shift).collect()
            }
            Self::Unbiased => {
                // Sums without the diagonal, not sums less it: where the kernel is narrow, an entry off the diagonal is
                // smaller than the rounding of the 1 on it.
                let mut sums = vec![0.0; m];
                for j in 0..m {
                    let below = &gram.column(j)[j + 1..];
                    let mut own = 0.0;
                    for (sum, value) in sums[j + 1..].iter_mut().zip(below) {
                        own += value.to_f64();
                        *sum += value.to_f64();
                    }
                    sums[j] += own;
                }
                let n = m as f64;
                let half = sums.iter().sum::<f64>() / (2.0 * (n - 1.0) * (n - 2.0));
                sums.iter().map(|sum| sum / (n - 2.0) - half).collect()
            }
        }
    }
}

/// Sum over i, j (i != j for [`Centering::Unbiased`]) of the products of centred entries of V.
pub(crate) fn inner<T: Scalar>(k: &Gram<T>, l: &Gram<T>, centering: Centering) -> f64 {
    let (off_diagonal, diagonal) = lower_sums(k, l, centering, |a, b| a * b);
    if centering == Centering::Rows { off_diagonal + diagonal } else { off_diagonal }
}

/// Sums of `term` over centred entries, off and on the diagonal; from the lower half.
pub(crate) fn lower_sums<T: Scalar>(
    k: &Gram<T>,
    l: &Gram<T>,
    centering: Centering,
    term: impl Fn(f64, f64) -> f64 + Sync,
) -> (f64, f64) {
    let m = k.rows();
    let (u, v) = (centering.shifts(k), centering.shifts(l));
    let terms: Vec<(f64, f64)> = (0..m)
        .into_par_iter()
        .with_min_len(PANEL)
        .map(|j| {
            let (a, b) = (&k.column(j)[j..], &l.column(j)[j..]);
            let (u, v) = (&u[j..], &v[j..]);
            let below = fold_shifted((&a[1..], u[0], &u[1..]), (&b[1..], v[0], &v[1..]), &term);
            (below, term(a[0].to_f64() - 2.0 * u[0], b[0].to_f64() - 2.0 * v[0]))
        })
        .collect();
    (2.0 * terms.iter().map(|t| t.0).sum::<f64>(), terms.iter().map(|t| t.1).sum())
}

/// Sum of `term` over the entries of two columns, each given as (entries, shift of the column, shifts of the rows).
fn fold_shifted<T: Scalar>(
    (a, own_a, shifts_a): (&[T], f64, &[f64]),
    (b, own_b, shifts_b): (&[T], f64, &[f64]),
    term: &impl Fn(f64, f64) -> f64,
) -> f64 {
    const LANES: usize = 8;
    vectorize(
        #[inline(always)]
        || {
            let (a, a_rest) = a.as_chunks::<LANES>();
            let (b, b_rest) = b.as_chunks::<LANES>();
            let (u, u_rest) = shifts_a.as_chunks::<LANES>();
            let (v, v_rest) = shifts_b.as_chunks::<LANES>();
            let centered = |a: T, u: f64, b: T, v: f64| term(a.to_f64() - (own_a + u), b.to_f64() - (own_b + v));
            let mut lanes = [0.0; LANES];
            for (((a, u), b), v) in a.iter().zip(u).zip(b).zip(v) {
                for lane in 0..LANES {
                    lanes[lane] += centered(a[lane], u[lane], b[lane], v[lane]);
                }
            }
            let mut sum = lanes.iter().sum();
            for (((&a, &u), &b), &v) in a_rest.iter().zip(u_rest).zip(b_rest).zip(v_rest) {
                sum += centered(a, u, b, v);
            }
            sum
        },
    )
}

/// Sum of products in double precision, in 8 chains.
fn dot<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let add = |sum: f64, a: T, b: T| a.to_f64().mul_add(b.to_f64(), sum);
            let (sums, rest) = paired_chains::<8, _, _, _>(0.0, a, b, add);
            rest.fold(sums.iter().sum(), |sum, (a, b)| add(sum, a, b))
        },
    )
}

/// An inner product of V's in the unit of the kernels; 0 stays 0.
fn scaled<T: Scalar>(sum: f64, k: &Gram<T>, l: &Gram<T>) -> f64 {
    sum * k.scale() * l.scale()
}

/// The cosine between two centred matrices; scales cancel.
fn alignment<T: Scalar>(estimator: &'static str, k: &Gram<T>, l: &Gram<T>, centering: Centering) -> Result<f64, Error> {
    let m = k.rows() as f64;
    let norm = |argument, gram: &Gram<T>| {
        let norm = inner(gram, gram, centering).sqrt();
        if norm > gram.noise() * m { Ok(norm) } else { Err(Error::Undefined { estimator, argument }) }
    };
    let (x, y) = (norm("x", k)?, norm("y", l)?);
    Ok(inner(k, l, centering) / x / y)
}

/// Checks that two Gram matrices are paired and have at least `required` rows.
fn check_pair<T: Scalar>(k: &Gram<T>, l: &Gram<T>, required: usize) -> Result<(), Error> {
    check_rows("x", k.rows(), "y", l.rows())?;
    if k.rows() < required {
        return Err(Error::TooFewRows { argument: "x", rows: k.rows(), required });
    }
    Ok(())
}
