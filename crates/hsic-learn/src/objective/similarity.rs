//! Similarity matrices of a batch, and the way back through them: what rules share that compare all pairs of samples.
//!
//! Of rows f_i, with u_i = f_i (less its own mean, where that is asked for) over its length:
//!
//! ```text
//!     cosine    S_ij = u_i . u_j                          df = N'(2 G u)
//!     Gaussian  S_ij = exp(-|f_i - f_j|^2 / (2 sigma^2))  df = -(2 / sigma^2) (diag(W 1) - W) f,   W = G o S
//! ```
//!
//! with a symmetric G = dL/dS and N' the way back through the normalization. Of the Gaussian one S - 1 is formed: at wide
//! kernels S is near 1 and its rounding would be what remains of it; the losses that use it do not feel a constant. The labels' matrix is the cosine of one-hot
//! rows less their mean: 1 for two samples of a class, -1/(C - 1) for others. Losses that are sums of S o S, S o T and
//! S (T the labels' matrix) need three means, and their G is a S + b T + c: `predsim` is
//! mean(S o S) - 2 mean(S o T), pHSIC the same with means taken off.
//!
//! All work of order m^2 d is in products of matrices.

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::memory;
use hsic::product::product;
use hsic::scalar::vectorize;
use hsic::sums::{grown, sum_pairs};

/// Added to a row's length.
const LENGTH_EPSILON: f64 = 1e-8;

/// A row that is shorter is without direction: similar to none, with no gradient.
const SHORTEST: f64 = 1e-7;

/// How alike two rows are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Similarity {
    /// The cosine of their angle, in [-1, 1]; `centered`: after each row's own mean is taken off.
    Cosine {
        /// Whether it is.
        centered: bool,
    },
    /// exp(-|f_i - f_j|^2 / (2 sigma^2)) - 1, sigma not scaled by the columns.
    Gaussian {
        /// The width, > 0.
        sigma: f64,
    },
}

/// The labels of a batch and their matrix T.
#[derive(Clone, Debug, Default)]
pub struct Targets<T> {
    labels: Vec<usize>,
    matrix: Vec<T>,
    mean: f64,
    square: f64,
}

impl<T: Scalar> Targets<T> {
    /// 1 for two samples of a class, `other` for two of different classes.
    ///
    /// # Errors
    /// `Memory` if there is not so much as T and, at a block, S and its gradient take.
    pub fn fill(&mut self, labels: &[usize], other: f64) -> Result<(), hsic::Error> {
        let m = labels.len();
        if self.matrix.len() < m.saturating_mul(m) {
            memory::check(m, memory::squares(3, m, size_of::<T>()))?;
        }
        self.labels.clear();
        self.labels.extend_from_slice(labels);
        let mut equal = 0usize;
        for (row, &own) in grown(&mut self.matrix, m * m).chunks_exact_mut(m).zip(labels) {
            for (value, &label) in row.iter_mut().zip(labels) {
                equal += usize::from(label == own);
                *value = if label == own { T::ONE } else { T::of(other) };
            }
        }
        let share = equal as f64 / (m * m) as f64;
        self.mean = share + (1.0 - share) * other;
        self.square = share + (1.0 - share) * other * other;
        Ok(())
    }

    /// The similarity of two different classes among `classes` of them: the cosine of centered one-hot rows.
    #[must_use]
    pub fn centered(classes: usize) -> f64 {
        if classes > 1 { -1.0 / (classes as f64 - 1.0) } else { 0.0 }
    }

    /// The class of each sample.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// T, m x m.
    #[must_use]
    pub fn matrix(&self) -> &[T] {
        &self.matrix[..self.labels.len() * self.labels.len()]
    }

    /// Mean of T over all pairs.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Mean of T o T over all pairs.
    #[must_use]
    pub fn square(&self) -> f64 {
        self.square
    }
}

/// Means over all pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Of S.
    pub mean: f64,
    /// Of S o S.
    pub square: f64,
    /// Of S o T.
    pub product: f64,
}

/// Memory of one thread; grows to the largest batch.
#[derive(Clone, Debug, Default)]
pub struct Pairs<T> {
    m: usize,
    rows: Vec<T>,
    inverse: Vec<T>,
    s: Vec<T>,
    ds: Vec<T>,
}

impl<T: Scalar> Pairs<T> {
    /// S of the rows `f` (m x d).
    pub fn form(&mut self, similarity: Similarity, m: usize, f: &[T]) {
        let d = f.len() / m;
        self.m = m;
        let rows = grown(&mut self.rows, m * d);
        let inverse = grown(&mut self.inverse, m);
        rows.copy_from_slice(f);
        match similarity {
            Similarity::Cosine { centered } => vectorize(
                #[inline(always)]
                || normalize(rows, inverse, d, centered),
            ),
            Similarity::Gaussian { .. } => center_columns(rows, d),
        }
        let rows: &[T] = rows;
        let s = grown(&mut self.s, m * m);
        let u = MatRef::from_row_major_slice(rows, m, d);
        product(MatMut::from_row_major_slice_mut(s, m, m), Accum::Replace, u, u.transpose(), T::ONE);
        match similarity {
            Similarity::Cosine { .. } => vectorize(
                #[inline(always)]
                || {
                    for s in s.iter_mut() {
                        let low = if *s < -T::ONE { -T::ONE } else { *s };
                        *s = if low > T::ONE { T::ONE } else { low };
                    }
                },
            ),
            Similarity::Gaussian { sigma } => {
                // The diagonal holds squared lengths.
                inverse.iter_mut().enumerate().for_each(|(i, square)| *square = s[i * m + i]);
                let (inverse, scale) = (&*inverse, T::of(-0.5 / (sigma * sigma)));
                vectorize(
                    #[inline(always)]
                    || {
                        for (row, &own) in s.chunks_exact_mut(m).zip(inverse) {
                            for (s, &other) in row.iter_mut().zip(inverse) {
                                let square = own + other - (*s + *s);
                                *s = Scalar::exp_m1(if square > T::ZERO { square * scale } else { T::ZERO });
                            }
                        }
                    },
                );
            }
        }
    }

    /// S, m x m.
    #[must_use]
    pub fn matrix(&self) -> &[T] {
        &self.s[..self.m * self.m]
    }

    /// Means of S and of its products with itself and with `targets`.
    #[must_use]
    pub fn moments(&self, targets: &Targets<T>) -> Moments {
        let m = self.m;
        let mut sums = [0.0f64; 3];
        vectorize(
            #[inline(always)]
            || {
                for (s, t) in self.matrix().chunks_exact(m).zip(targets.matrix().chunks_exact(m)) {
                    sums[0] += sum_pairs(
                        s,
                        t,
                        #[inline(always)]
                        |sum, s, _| sum + s,
                    )
                    .to_f64();
                    sums[1] += sum_pairs(
                        s,
                        t,
                        #[inline(always)]
                        |sum, s, _| s.mul_add(s, sum),
                    )
                    .to_f64();
                    sums[2] += sum_pairs(
                        s,
                        t,
                        #[inline(always)]
                        |sum, s, t| s.mul_add(t, sum),
                    )
                    .to_f64();
                }
            },
        );
        let [mean, square, product] = sums.map(|sum| sum / (m * m) as f64);
        Moments { mean, square, product }
    }

    /// dL/df into `df` (m x d) for dL/dS = a S + b T + c. S is used up.
    pub fn backward(&mut self, similarity: Similarity, targets: &Targets<T>, [a, b, c]: [f64; 3], df: &mut [T]) {
        let (m, d) = (self.m, df.len() / self.m);
        let Self { rows, inverse, s, ds, .. } = self;
        let (rows, inverse, s) = (&rows[..m * d], &mut inverse[..m], &s[..m * m]);
        let ds = grown(ds, m * m);
        let (a, b, c) = (T::of(a), T::of(b), T::of(c));
        vectorize(
            #[inline(always)]
            || {
                for ((ds, &s), &t) in ds.iter_mut().zip(s).zip(targets.matrix()) {
                    *ds = a.mul_add(s, b.mul_add(t, c));
                }
            },
        );
        match similarity {
            Similarity::Cosine { centered } => {
                symmetric_times(ds, rows, m, T::of(2.0), df);
                vectorize(
                    #[inline(always)]
                    || denormalize(rows, inverse, d, centered, df),
                );
            }
            Similarity::Gaussian { sigma } => {
                vectorize(
                    #[inline(always)]
                    || {
                        for ((ds, s), total) in ds.chunks_exact_mut(m).zip(s.chunks_exact(m)).zip(&mut *inverse) {
                            for (ds, &s) in ds.iter_mut().zip(s) {
                                *ds = s.mul_add(*ds, *ds);
                            }
                            *total = sum_pairs(
                                ds,
                                s,
                                #[inline(always)]
                                |sum, ds, _| sum + ds,
                            );
                        }
                    },
                );
                let scale = T::of(2.0 / (sigma * sigma));
                symmetric_times(ds, rows, m, scale, df);
                vectorize(
                    #[inline(always)]
                    || {
                        for ((df, f), &total) in df.chunks_exact_mut(d).zip(rows.chunks_exact(d)).zip(&*inverse) {
                            let total = -(total * scale);
                            for (df, &f) in df.iter_mut().zip(f) {
                                *df = total.mul_add(f, *df);
                            }
                        }
                    },
                );
            }
        }
    }
}

/// `scale` g f for a symmetric g (m x m).
fn symmetric_times<T: Scalar>(g: &[T], f: &[T], m: usize, scale: T, out: &mut [T]) {
    let d = f.len() / m;
    let (g, f) = (MatRef::from_row_major_slice(g, m, m), MatRef::from_row_major_slice(f, m, d));
    product(MatMut::from_row_major_slice_mut(out, m, d), Accum::Replace, g, f, scale);
}

/// Rows to length 1; 1/length of each.
#[inline(always)]
fn normalize<T: Scalar>(rows: &mut [T], inverse: &mut [T], d: usize, centered: bool) {
    let share = T::of(1.0 / d as f64);
    for (row, inverse) in rows.chunks_exact_mut(d).zip(inverse) {
        if centered {
            let mean = sum_pairs(
                row,
                row,
                #[inline(always)]
                |sum, x, _| sum + x,
            ) * share;
            row.iter_mut().for_each(|x| *x -= mean);
        }
        let length = Scalar::sqrt(sum_pairs(
            row,
            row,
            #[inline(always)]
            |sum, x, _| x.mul_add(x, sum),
        ));
        let long = length > T::of(SHORTEST);
        *inverse = if long { T::ONE / (length + T::of(LENGTH_EPSILON)) } else { T::ZERO };
        row.iter_mut().for_each(|x| *x *= *inverse);
    }
}

/// The way back through [`normalize`]: u = x / (e + r), r = |x|, dx = (du - u (u . du) (e + r) / r) / (e + r).
#[inline(always)]
fn denormalize<T: Scalar>(rows: &[T], inverse: &[T], d: usize, centered: bool, df: &mut [T]) {
    let share = T::of(1.0 / d as f64);
    for ((df, u), &inverse) in df.chunks_exact_mut(d).zip(rows.chunks_exact(d)).zip(inverse) {
        if inverse == T::ZERO {
            df.fill(T::ZERO);
            continue;
        }
        let length = T::ONE / inverse - T::of(LENGTH_EPSILON);
        let along = sum_pairs(
            u,
            df,
            #[inline(always)]
            |sum, u, df| u.mul_add(df, sum),
        ) / (inverse * length);
        for (df, &u) in df.iter_mut().zip(u) {
            *df = (*df - u * along) * inverse;
        }
        if centered {
            let mean = sum_pairs(
                df,
                df,
                #[inline(always)]
                |sum, x, _| sum + x,
            ) * share;
            df.iter_mut().for_each(|x| *x -= mean);
        }
    }
}

/// Takes each column's mean off: distances stay, and cancel less.
fn center_columns<T: Scalar>(rows: &mut [T], d: usize) {
    let share = T::of(d as f64 / rows.len() as f64);
    // By panels of columns, whose sums stay in registers.
    for start in (0..d).step_by(16) {
        let width = (d - start).min(16);
        let mut means = [T::ZERO; 16];
        vectorize(
            #[inline(always)]
            || {
                for row in rows.chunks_exact(d) {
                    means.iter_mut().zip(&row[start..start + width]).for_each(|(mean, &x)| *mean += x);
                }
                means.iter_mut().for_each(|mean| *mean *= share);
                for row in rows.chunks_exact_mut(d) {
                    row[start..start + width].iter_mut().zip(&means).for_each(|(x, &mean)| *x -= mean);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    const KINDS: [Similarity; 3] = [
        Similarity::Cosine { centered: true },
        Similarity::Cosine { centered: false },
        Similarity::Gaussian { sigma: 1.3 },
    ];

    fn rows(m: usize, d: usize) -> Vec<f64> {
        let mut stream = Stream::new(1, "similarity", 0);
        (0..m * d).map(|_| 0.7 + stream.normal()).collect()
    }

    /// S by its definition.
    fn definition(similarity: Similarity, d: usize, f: &[f64]) -> Vec<f64> {
        let of = |a: &[f64], b: &[f64]| match similarity {
            Similarity::Gaussian { sigma } => {
                let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                (-square / (2.0 * sigma * sigma)).exp_m1()
            }
            Similarity::Cosine { centered } => {
                let unit = |v: &[f64]| {
                    let mean = if centered { v.iter().sum::<f64>() / d as f64 } else { 0.0 };
                    let length = v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>().sqrt();
                    v.iter().map(|x| (x - mean) / (length + 1e-8)).collect::<Vec<_>>()
                };
                unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum()
            }
        };
        f.chunks(d).flat_map(|a| f.chunks(d).map(move |b| of(a, b))).collect()
    }

    #[test]
    fn matrices_and_moments_are_those_of_the_definition() {
        let (m, d, labels) = (7, 21, [0, 1, 2, 0, 1, 1, 0]);
        let f = rows(m, d);
        let mut targets = Targets::<f64>::default();
        targets.fill(&labels, Targets::<f64>::centered(3)).unwrap();
        for similarity in KINDS {
            let mut pairs = Pairs::default();
            pairs.form(similarity, m, &f);
            let expected = definition(similarity, d, &f);
            pairs.matrix().iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-13, "{similarity:?}"));
            let moments = pairs.moments(&targets);
            let mean = |of: &dyn Fn(usize) -> f64| (0..m * m).map(of).sum::<f64>() / (m * m) as f64;
            assert!((moments.mean - mean(&|i| expected[i])).abs() < 1e-14);
            assert!((moments.square - mean(&|i| expected[i] * expected[i])).abs() < 1e-14);
            assert!((moments.product - mean(&|i| expected[i] * targets.matrix()[i])).abs() < 1e-14);
            assert!((targets.mean() - mean(&|i| targets.matrix()[i])).abs() < 1e-14);
            assert!((targets.square() - mean(&|i| targets.matrix()[i].powi(2))).abs() < 1e-14);
        }
    }

    #[test]
    fn the_labels_matrix_is_the_cosine_of_centered_one_hot_rows() {
        let labels = [0, 1, 2, 1, 2, 2];
        let one_hot: Vec<f64> = labels.iter().flat_map(|&l| (0..4).map(move |c| f64::from(u8::from(c == l)))).collect();
        let mut pairs = Pairs::default();
        pairs.form(Similarity::Cosine { centered: true }, 6, &one_hot);
        let mut targets = Targets::<f64>::default();
        targets.fill(&labels, Targets::<f64>::centered(4)).unwrap();
        // The length has 1e-8 added.
        pairs.matrix().iter().zip(targets.matrix()).for_each(|(a, b)| assert!((a - b).abs() < 3e-8, "{a} {b}"));
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let (m, d, labels) = (6, 19, [0, 1, 0, 1, 1, 0]);
        let mut f = rows(m, d);
        let mut targets = Targets::<f64>::default();
        targets.fill(&labels, -1.0).unwrap();
        // L = (a/2) sum S o S + b sum S o T + c sum S.
        let (a, b, c) = (0.8, -0.6, 0.3);
        for similarity in KINDS {
            let mut pairs = Pairs::default();
            let value = |f: &[f64]| {
                let mut pairs = Pairs::default();
                pairs.form(similarity, m, f);
                let Moments { mean, square, product } = pairs.moments(&targets);
                (0.5 * a * square + b * product + c * mean) * (m * m) as f64
            };
            pairs.form(similarity, m, &f);
            let mut df = vec![f64::NAN; m * d];
            pairs.backward(similarity, &targets, [a, b, c], &mut df);
            for i in 0..m * d {
                let (kept, h) = (f[i], 1e-6);
                f[i] = kept + h;
                let up = value(&f);
                f[i] = kept - h;
                let down = value(&f);
                f[i] = kept;
                // Cancellation 1e-15 * 30 / h and truncation h^2 stay below 1e-7.
                assert!((df[i] - (up - down) / (2.0 * h)).abs() < 1e-7, "{similarity:?} {i}");
            }
        }
    }

    #[test]
    fn rows_without_direction_are_similar_to_none_and_stand_still() {
        let mut f = rows(4, 5);
        f[5..10].fill(3.0);
        let (similarity, mut pairs, mut targets) =
            (Similarity::Cosine { centered: true }, Pairs::default(), Targets::default());
        targets.fill(&[0, 1, 0, 1], -1.0).unwrap();
        pairs.form(similarity, 4, &f);
        assert!(pairs.matrix()[4..8].iter().all(|&s| s == 0.0));
        let mut df = vec![f64::NAN; 20];
        pairs.backward(similarity, &targets, [1.0, 1.0, 1.0], &mut df);
        assert!(df[5..10].iter().all(|&df| df == 0.0) && df.iter().all(|df| df.is_finite()));
    }
}
