//! Tests of independence of two paired samples, on biased HSIC (1/m^2).
//!
//! The null hypothesis is that x and y are independent; a small p-value speaks against it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use faer::MatRef;
use rayon::prelude::*;

use crate::error::{Error, check_positive, check_rows};
use crate::estimator::{Centering, grams, hsic_biased, inner, lower_sums};
use crate::gram::Gram;
use crate::kernel::Kernel;
use crate::random::Stream;
use crate::scalar::{Scalar, vectorize};
use crate::sums::paired_chains;

/// What a test of independence returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestResult {
    /// Biased HSIC of the samples, [`hsic_biased`].
    pub statistic: f64,
    /// Probability, under independence, of a statistic at least as large.
    pub p_value: f64,
}

/// Permutations that one task evaluates together: a column of L then serves them all from the nearest cache.
const GROUP: u64 = 8;
/// Bytes a pair of rows that [`Fixed`] takes beside both Gram matrices. The first of these is given back before [`Moved`]
/// takes twice as many.
const FIXED_BYTES: usize = 2;
/// A permuted statistic counts as a tie if it falls short of the observed one by no more than this times
/// |Kc| |Lc| / m. That unit is 0.7 standard deviations of the statistic under permutation, so p moves by less than
/// 1e-5, while rounding in the entries and in the order of summation stays below.
const TIE: f64 = 4e-6;

/// Tests independence by permuting the rows of y: p = (1 + #{HSIC_pi >= HSIC}) / (permutations + 1).
///
/// Exact level at any m and for any kernels (Phipson and Smyth 2010). Permutation b is a shuffle drawn from
/// `Stream::new(seed, "permutation", b)`, so p does not depend on the number of threads. Kernels are computed once; a
/// permutation only moves indices of the centred matrices, which are held in single precision relative to their largest
/// entry (sums are in double). A permutation that gives the same statistic but for rounding counts as >=.
///
/// # Arguments
/// - `x`: m x p, `y`: m x q; row i of both is sample i.
/// - `permutations`: at least 1; the least p-value is 1 / (permutations + 1).
/// # Errors
/// [`Error::NoColumns`], [`Error::TooFewRows`] if m < 2, [`Error::NotFinite`], [`Error::RowMismatch`];
/// [`Error::Memory`] if there is not so much; [`Error::Parameter`] if `permutations` is 0.
/// # Cost
/// The two Gram matrices (2 m^2 numbers of `T`), then m^2 / 2 gathers a permutation; 6 m^2 bytes besides.
/// # Examples
/// ```
/// use hsic::{independence::permutation_test, kernel::Kernel};
/// let x = faer::Mat::from_fn(40, 1, |i, _| i as f64);
/// let y = faer::Mat::from_fn(40, 1, |i, _| (i as f64 - 19.5).powi(2));
/// let kernel = Kernel::gaussian_median();
/// let test = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 99, 1)?;
/// // No correlation, yet dependent: none of the 99 permutations reaches it.
/// assert_eq!(test.p_value, 0.01);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn permutation_test<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    permutations: usize,
    seed: u64,
) -> Result<TestResult, Error> {
    permutation_test_until(x, y, kernel_x, kernel_y, permutations, seed, &AtomicBool::new(false))
}

/// As [`permutation_test`], until another thread sets `stop`.
///
/// The flag is looked at between the stages of the work, and with each column of L that a group of permutations reads:
/// some m^2 operations after it was set, the test has ended. A test that is not stopped gives the bits of
/// [`permutation_test`].
///
/// # Errors
/// Those of [`permutation_test`], and [`Error::Interrupted`] if `stop` was set before the last permutation was done.
pub fn permutation_test_until<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    permutations: usize,
    seed: u64,
    stop: &AtomicBool,
) -> Result<TestResult, Error> {
    check_positive("permutations", permutations as f64)?;
    let part = permutation_part_until(x, y, kernel_x, kernel_y, 0..permutations as u64, seed, stop)?;
    Ok(TestResult { statistic: part.statistic, p_value: p_value(part.reached, permutations as u64) })
}

/// What a range of the permutations of a test says: parts of one test, made in different places, add up to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PermutationPart {
    /// Biased HSIC of the samples, the same in every part.
    pub statistic: f64,
    /// Permutations of the range whose statistic is at least as large.
    pub reached: u64,
}

/// The p-value of a test of so many permutations, of which so many reach the statistic: (1 + reached) / (1 + permutations).
///
/// # Examples
/// ```
/// assert_eq!(hsic::independence::p_value(49, 999), 0.05);
/// ```
#[must_use]
pub fn p_value(reached: u64, permutations: u64) -> f64 {
    (reached + 1) as f64 / (permutations + 1) as f64
}

/// The permutations of a range of those of [`permutation_test`], which are numbered from 0: the sum of `reached` over ranges
/// that make up `0..permutations` is that of the whole, and [`p_value`] of it is its p.
///
/// # Errors
/// Those of [`permutation_test`]; [`Error::Parameter`] for an empty range.
/// # Cost
/// That of a [`permutation_test`] of as many permutations.
/// # Examples
/// ```
/// use hsic::{independence::{p_value, permutation_part, permutation_test}, kernel::Kernel};
/// let x = faer::Mat::from_fn(40, 1, |i, _| (i as f64).sin());
/// let y = faer::Mat::from_fn(40, 1, |i, _| (i as f64 * 0.7).cos());
/// let kernel = Kernel::gaussian_median();
/// let part = |range| permutation_part(x.as_ref(), y.as_ref(), &kernel, &kernel, range, 1);
/// let reached = part(0..30)?.reached + part(30..99)?.reached;
/// let whole = permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, 99, 1)?;
/// assert_eq!(p_value(reached, 99), whole.p_value);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn permutation_part<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    range: Range<u64>,
    seed: u64,
) -> Result<PermutationPart, Error> {
    permutation_part_until(x, y, kernel_x, kernel_y, range, seed, &AtomicBool::new(false))
}

/// As [`permutation_part`], until another thread sets `stop`; see [`permutation_test_until`].
///
/// # Errors
/// Those of [`permutation_part`], and [`Error::Interrupted`].
pub fn permutation_part_until<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
    range: Range<u64>,
    seed: u64,
    stop: &AtomicBool,
) -> Result<PermutationPart, Error> {
    let count = range.end.saturating_sub(range.start);
    check_positive("permutations", count as f64)?;
    go_on(stop)?;
    let (k, l) = grams(x, y, kernel_x, kernel_y, 2, FIXED_BYTES)?;
    let statistic = hsic_biased(&k, &l)?;
    if !(varies(&k) && varies(&l)) {
        // Every permutation gives 0.
        return Ok(PermutationPart { statistic, reached: count });
    }
    go_on(stop)?;
    let fixed = Fixed::new(&k);
    drop(k);
    let moved = Moved::new(&l);
    drop(l);
    let identity: Vec<u32> = (0..x.nrows() as u32).collect();
    let observed = permuted(&fixed, &moved, &[identity], stop)?[0];
    let threshold = observed - TIE * fixed.norm * moved.norm / x.nrows() as f64;
    let reached: Result<u64, Error> = (0..count.div_ceil(GROUP))
        .into_par_iter()
        .map(|group| {
            go_on(stop)?;
            let start = range.start + group * GROUP;
            let orders: Vec<Vec<u32>> = (start..range.end.min(start + GROUP))
                .map(|index| {
                    let mut order: Vec<u32> = (0..x.nrows() as u32).collect();
                    Stream::new(seed, "permutation", index).shuffle(&mut order);
                    order
                })
                .collect();
            Ok(permuted(&fixed, &moved, &orders, stop)?.iter().filter(|&&sum| sum >= threshold).count() as u64)
        })
        .sum();
    Ok(PermutationPart { statistic, reached: reached? })
}

/// Tests independence by matching a gamma distribution to the mean and variance of m HSIC under independence.
///
/// p is its survival function at m [`hsic_biased`] (Gretton et al. 2007). An approximation: it needs kernels with
/// 0 <= k(x, y) <= k(x, x) = 1 and is poor for small m and for very skewed data. On normal data with m from 50 to 300
/// and median bandwidths it was within 0.02 of 9,999 permutations for p below 0.1, and within 0.05 elsewhere. If one
/// kernel sees all rows as equal the statistic is 0 for certain, and p = 1.
///
/// # Errors
/// [`Error::KernelNotUnit`] for the linear and the cosine kernel; [`Error::NoColumns`], [`Error::TooFewRows`] if m < 6,
/// [`Error::NotFinite`], [`Error::RowMismatch`]; [`Error::Memory`] if there is not so much.
/// # Cost
/// The two Gram matrices and about 10 m^2 flops.
/// # Examples
/// ```
/// use hsic::{independence::gamma_test, kernel::Kernel};
/// let x = faer::Mat::from_fn(40, 1, |i, _| i as f64);
/// let y = faer::Mat::from_fn(40, 1, |i, _| (i as f64 - 19.5).powi(2));
/// let kernel = Kernel::gaussian_median();
/// assert!(gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel)?.p_value < 0.001);
/// # Ok::<(), hsic::Error>(())
/// ```
pub fn gamma_test<T: Scalar>(
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    kernel_x: &Kernel,
    kernel_y: &Kernel,
) -> Result<TestResult, Error> {
    for (argument, kernel) in [("kernel_x", kernel_x), ("kernel_y", kernel_y)] {
        if !kernel.is_unit() {
            return Err(Error::KernelNotUnit { argument, kernel: kernel.name() });
        }
    }
    let (k, l) = grams(x, y, kernel_x, kernel_y, REQUIRED, 0)?;
    let statistic = hsic_biased(&k, &l)?;
    let p_value = match gamma_null(&k, &l) {
        Ok(null) => null.survival(k.rows() as f64 * statistic),
        Err(Error::Undefined { .. }) => 1.0,
        Err(error) => return Err(error),
    };
    Ok(TestResult { statistic, p_value })
}

/// A gamma distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    /// Shape, > 0; the mean is shape times scale.
    pub shape: f64,
    /// Scale (not rate), > 0.
    pub scale: f64,
}

impl Gamma {
    /// Probability of a value above `x`.
    ///
    /// Absolute error below 1e-12 for shapes up to 1e4.
    ///
    /// # Examples
    /// ```
    /// let exponential = hsic::independence::Gamma { shape: 1.0, scale: 2.0 };
    /// assert!((exponential.survival(6.0) - (-3.0f64).exp()).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn survival(&self, x: f64) -> f64 {
        upper_gamma(self.shape, x / self.scale)
    }
}

/// The least number of rows for which the variance of the null distribution is positive.
const REQUIRED: usize = 6;

/// The gamma distribution of m HSIC under independence that [`gamma_test`] uses, for kernels with k(x, x) = 1.
///
/// HSIC has mean (1 - a) (1 - b) / m, with a and b the means of K and L off the diagonal, and variance 72 (m-4) (m-5) /
/// (m (m-1) (m-2) (m-3)) times the mean off the diagonal of (Kc o Lc / 6)^2. Then shape = mean^2 / variance, and
/// scale = m variance / mean (Gretton et al. 2007).
///
/// # Errors
/// [`Error::RowMismatch`]; [`Error::TooFewRows`] if m < 6; [`Error::Undefined`] if a kernel sees all rows as equal.
pub fn gamma_null<T: Scalar>(k: &Gram<T>, l: &Gram<T>) -> Result<Gamma, Error> {
    check_rows("x", k.rows(), "y", l.rows())?;
    if k.rows() < REQUIRED {
        return Err(Error::TooFewRows { argument: "x", rows: k.rows(), required: REQUIRED });
    }
    for (argument, gram) in [("x", k), ("y", l)] {
        if !varies(gram) {
            return Err(Error::Undefined { estimator: "gamma null distribution", argument });
        }
    }
    let m = k.rows() as f64;
    let pairs = m * (m - 1.0);
    // Both in units of scale_k scale_l: 1 - K = (1 - offset) - scale V, where offset is 1 if the scale is not.
    let gap = |gram: &Gram<T>| {
        let diagonal: f64 = (0..gram.rows()).map(|j| gram.column(j)[j].to_f64()).sum();
        (1.0 - gram.offset()) / gram.scale() - (gram.sums().iter().sum::<f64>() - diagonal) / pairs
    };
    let mean = gap(k) * gap(l) / m;
    let (squares, _) = lower_sums(k, l, Centering::Rows, |a, b| (a * b / 6.0).powi(2));
    let variance = 72.0 * (m - 4.0) * (m - 5.0) / (pairs * (m - 2.0) * (m - 3.0)) * (squares / pairs);
    Ok(Gamma { shape: mean * mean / variance, scale: m * variance / mean * k.scale() * l.scale() })
}

/// An error once another thread asked for the end.
fn go_on(stop: &AtomicBool) -> Result<(), Error> {
    if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Whether the kernel sees any difference between the rows.
fn varies<T: Scalar>(gram: &Gram<T>) -> bool {
    inner(gram, gram, Centering::Rows).sqrt() > gram.noise() * gram.rows() as f64
}

/// Centred Kc over its largest entry: the lower half, column by column without gaps.
struct Fixed {
    below: Vec<f32>,
    diagonal: Vec<f64>,
    /// Frobenius norm.
    norm: f64,
}

impl Fixed {
    fn new<T: Scalar>(gram: &Gram<T>) -> Self {
        let m = gram.rows();
        let (entry, norm) = relative(gram);
        let mut below = vec![0.0; m * (m - 1) / 2];
        let mut rest = &mut below[..];
        let mut columns = Vec::with_capacity(m);
        for j in 0..m {
            let (column, after) = rest.split_at_mut(m - 1 - j);
            columns.push(column);
            rest = after;
        }
        columns.into_par_iter().enumerate().for_each(|(j, column)| {
            for (offset, out) in column.iter_mut().enumerate() {
                *out = entry(j + 1 + offset, j) as f32;
            }
        });
        Self { below, diagonal: (0..m).map(|j| entry(j, j)).collect(), norm }
    }

    /// Column j below the diagonal.
    fn column(&self, j: usize) -> &[f32] {
        let m = self.diagonal.len();
        // Column i has m - 1 - i entries.
        let start = j * (2 * m - 1 - j) / 2;
        &self.below[start..start + m - 1 - j]
    }
}

/// Centred Lc over its largest entry, whole.
struct Moved {
    entries: Vec<f32>,
    norm: f64,
}

impl Moved {
    fn new<T: Scalar>(gram: &Gram<T>) -> Self {
        let m = gram.rows();
        let (entry, norm) = relative(gram);
        let mut entries = vec![0.0; m * m];
        entries.par_chunks_exact_mut(m).enumerate().for_each(|(j, column)| {
            for (i, out) in column.iter_mut().enumerate() {
                *out = entry(i, j) as f32;
            }
        });
        Self { entries, norm }
    }
}

/// The entries of H V H over the largest of them, and their Frobenius norm.
fn relative<T: Scalar>(gram: &Gram<T>) -> (impl Fn(usize, usize) -> f64 + Sync + '_, f64) {
    let m = gram.rows();
    let shift = gram.shifts();
    let shifts: Vec<f64> = (0..m).map(shift).collect();
    let centered = move |i: usize, j: usize| gram.column(j)[i].to_f64() - (shifts[i] + shifts[j]);
    let largest = (0..m)
        .into_par_iter()
        .map(|j| (j..m).fold(0.0f64, |largest, i| largest.max(centered(i, j).abs())))
        .reduce(|| 0.0, f64::max);
    let norm = inner(gram, gram, Centering::Rows).sqrt() / largest;
    (move |i, j| centered(i, j) / largest, norm)
}

/// Sum over i, j of K_ij L_pi(i)pi(j) for each order pi.
///
/// Column c of L meets column pi^-1(c) of K: L's column is copied once and gathered from for all orders, K's are read
/// in sequence.
fn permuted(fixed: &Fixed, moved: &Moved, orders: &[Vec<u32>], stop: &AtomicBool) -> Result<Vec<f64>, Error> {
    let m = fixed.diagonal.len();
    let inverses: Vec<Vec<u32>> = orders
        .iter()
        .map(|order| {
            let mut inverse = vec![0; m];
            for (from, &to) in order.iter().enumerate() {
                inverse[to as usize] = from as u32;
            }
            inverse
        })
        .collect();
    // A length that is a power of two lets a mask stand in for the check of each index.
    let mut column = vec![0.0f32; m.next_power_of_two()];
    let mut sums = vec![0.0f64; orders.len()];
    vectorize(
        #[inline(always)]
        || {
            for (c, source) in moved.entries.chunks_exact(m).enumerate() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                column[..m].copy_from_slice(source);
                for ((sum, order), inverse) in sums.iter_mut().zip(orders).zip(&inverses) {
                    let j = inverse[c] as usize;
                    let below = gathered(fixed.column(j), &order[j + 1..], &column);
                    *sum += below.mul_add(2.0, fixed.diagonal[j] * f64::from(source[c]));
                }
            }
        },
    );
    // Sums that were broken off are incomplete.
    go_on(stop)?;
    Ok(sums)
}

/// Sum of values[i] * table[order[i]], in 8 chains; the table's length is a power of two.
#[inline(always)]
fn gathered(values: &[f32], order: &[u32], table: &[f32]) -> f64 {
    let mask = table.len() - 1;
    // The product of two f32 is exact in f64.
    let add = |sum: f64, v: f32, i: u32| sum + f64::from(v) * f64::from(table[i as usize & mask]);
    let (sums, rest) = paired_chains::<8, _, _, _>(0.0, values, order, add);
    rest.fold(sums.iter().sum(), |sum, (v, i)| add(sum, v, i))
}

/// Regularized upper incomplete gamma function Q(a, x), a > 0.
///
/// The series of P below x = a + 1, Lentz's continued fraction above it (Press et al., Numerical Recipes, 6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x == f64::INFINITY {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    // Both converge in a few times sqrt(a) terms.
    let terms = 1000 + 20 * a.sqrt() as usize;
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..terms {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        (1.0 - front * sum).clamp(0.0, 1.0)
    } else {
        const TINY: f64 = 1e-300;
        let mut b = x + 1.0 - a;
        let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
        let mut fraction = d;
        for n in 1..terms {
            let numerator = -(n as f64) * (n as f64 - a);
            b += 2.0;
            d = numerator.mul_add(d, b);
            d = 1.0 / if d.abs() < TINY { TINY } else { d };
            c = b + numerator / c;
            c = if c.abs() < TINY { TINY } else { c };
            fraction *= d * c;
            if (d * c - 1.0).abs() < f64::EPSILON {
                break;
            }
        }
        (front * fraction).clamp(0.0, 1.0)
    }
}

/// Logarithm of the gamma function, a > 0: Stirling's series at a + n >= 10, then a recurrence down.
fn ln_gamma(a: f64) -> f64 {
    let (mut z, mut below) = (a, 1.0);
    while z < 10.0 {
        below *= z;
        z += 1.0;
    }
    // Bernoulli numbers B_2k / (2k (2k-1)); the next term is below 1e-16 at z = 10.
    let series = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let inverse = 1.0 / z;
    let correction = series.iter().rev().fold(0.0, |sum, c| sum * inverse * inverse + c) * inverse;
    (z - 0.5) * z.ln() - z + 0.5 * std::f64::consts::TAU.ln() + correction - f64::ln(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incomplete_gamma_function_agrees_with_closed_forms() {
        for x in [1e-3, 0.5, 1.0, 3.0, 10.0, 40.0, 200.0] {
            // Q(n, x) = exp(-x) sum of x^k / k! below n.
            for n in [1, 2, 5, 20, 60] {
                let (mut term, mut sum) = (f64::exp(-x), 0.0);
                for k in 0..n {
                    sum += term;
                    term *= x / f64::from(k + 1);
                }
                let ours = upper_gamma(f64::from(n), x);
                // 1e-13: the front factor's exponent, up to 200, carries its rounding.
                assert!((ours - sum).abs() < 1e-13, "{n} {x}: {ours} {sum}");
            }
        }
        // The logarithm of gamma, 13 before the recurrence, carries 1e-15. Q(1/2, x) = erfc(sqrt x): erfc(1) and erfc(2) from Abramowitz and Stegun, table 7.1.
        assert!((upper_gamma(0.5, 1.0) - 0.157_299_207_050_285_13).abs() < 1e-14);
        assert!((upper_gamma(0.5, 4.0) - 0.004_677_734_981_047_266).abs() < 1e-15);
    }

    #[test]
    fn a_permuted_statistic_is_that_of_the_permuted_rows() {
        let m = 37;
        let mut stream = Stream::new(3, "permuted", 0);
        let x = faer::Mat::<f64>::from_fn(m, 2, |_, _| stream.normal());
        let y = faer::Mat::<f64>::from_fn(m, 3, |_, _| stream.normal());
        let kernel = Kernel::gaussian_median();
        let mut order: Vec<u32> = (0..m as u32).collect();
        stream.shuffle(&mut order);
        let moved = faer::Mat::from_fn(m, 3, |i, j| y[(order[i] as usize, j)]);
        let gram = |x: &faer::Mat<f64>| Gram::new(x.as_ref(), &kernel).unwrap();
        let (k, l) = (gram(&x), gram(&y));
        let (fixed, table) = (Fixed::new(&k), Moved::new(&l));
        let identity: Vec<u32> = (0..m as u32).collect();
        let sums = permuted(&fixed, &table, &[identity, order], &AtomicBool::new(false)).unwrap();
        let ratio = hsic_biased(&k, &gram(&moved)).unwrap() / hsic_biased(&k, &l).unwrap();
        // Entries are held in single precision: 1e-6.
        assert!((sums[1] / sums[0] - ratio).abs() < 1e-6, "{sums:?} {ratio}");
        assert!((ratio - 1.0).abs() > 1e-3);
    }
}
