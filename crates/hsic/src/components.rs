//! Principal components of rows: the directions in which they differ most, and where each row lies along them.
//!
//! Of centered rows X (n x d) the scores along the components are u_k sqrt(l_k), with l_k and u_k the largest eigenvalues
//! and eigenvectors of XX'. Those are found by orthogonal iteration (Rutishauser 1969): a few vectors are multiplied by the
//! matrix and made orthonormal in turn, and in the space that they span the problem is solved exactly by Jacobi's
//! rotations. More vectors are taken than are asked for, so that the ones asked for converge by the ratio of the first
//! eigenvalue beyond them all.

use faer::{Accum, MatRef};

use crate::error::{Error, check_finite, check_shape};
use crate::product::{outer_lower, product};
use crate::random::Stream;
use crate::view::{rows, rows_mut};

/// Vectors beyond those that are asked for.
const BESIDE: usize = 6;

/// Times that the vectors are multiplied by the matrix, at the most.
const ROUNDS: usize = 200;

/// A relative change of the eigenvalues below which they stand.
const SETTLED: f64 = 1e-9;

/// Where rows lie along their first principal components.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// n x count, row-major. The score of the largest size of each component is positive.
    pub scores: Vec<f32>,
    /// Share of the rows' variance along each component; 0 where all rows are equal.
    pub shares: Vec<f64>,
}

impl Components {
    /// The first `count` components of rows.
    ///
    /// # Errors
    /// `TooFewRows` for fewer than 2, `NoColumns`, `NotFinite`.
    ///
    /// # Cost
    /// n^2 d operations, and 2 n^2 (count + 6) for each of at most 200 rounds, on one thread: the same bits wherever it runs.
    pub fn of(x: MatRef<'_, f32>, count: usize) -> Result<Self, Error> {
        check_shape("rows", x, 2)?;
        check_finite("rows", x)?;
        let (n, d) = (x.nrows(), x.ncols());
        let mut centered: Vec<f64> = (0..n).flat_map(|i| (0..d).map(move |j| f64::from(x[(i, j)]))).collect();
        for j in 0..d {
            let mean = centered[j..].iter().step_by(d).sum::<f64>() / n as f64;
            centered[j..].iter_mut().step_by(d).for_each(|value| *value -= mean);
        }
        let mut gram = vec![0.0; n * n];
        let values = rows(&centered, n, d, d);
        outer_lower(rows_mut(&mut gram, n, n, n), Accum::Replace, values, values, 1.0);
        for i in 0..n {
            (0..i).for_each(|j| gram[j * n + i] = gram[i * n + j]);
        }
        let trace: f64 = (0..n).map(|i| gram[i * n + i]).sum();
        if trace == 0.0 {
            return Ok(Self { scores: vec![0.0; n * count], shares: vec![0.0; count] });
        }
        let (values, vectors) = largest(&gram, n, count);
        let width = values.len();
        let mut scores = vec![0.0f32; n * count];
        for k in 0..count.min(width) {
            let column = || vectors[k..].iter().step_by(width).copied();
            let far = column().fold(0.0f64, |far, entry| if entry.abs() > far.abs() { entry } else { far });
            let length = values[k].max(0.0).sqrt().copysign(far);
            scores[k..]
                .iter_mut()
                .step_by(count)
                .zip(column())
                .for_each(|(score, entry)| *score = (entry * length) as f32);
        }
        let share = |k: usize| values.get(k).map_or(0.0, |value| (value / trace).clamp(0.0, 1.0));
        Ok(Self { scores, shares: (0..count).map(share).collect() })
    }
}

/// The largest eigenvalues of a symmetric positive semidefinite matrix of order n, `count` and some more, in falling order,
/// with their vectors as columns.
fn largest(matrix: &[f64], n: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let width = (count + BESIDE).min(n);
    let mut stream = Stream::new(1, "components", 0);
    let mut vectors: Vec<f64> = (0..n * width).map(|_| stream.normal()).collect();
    orthonormal(&mut vectors, width);
    let (mut values, mut image) = (vec![0.0; width], vec![0.0; n * width]);
    for _ in 0..ROUNDS {
        multiply(matrix, &vectors, &mut image, (n, n, width));
        // What the matrix is within the space of the vectors.
        let mut within = vec![0.0; width * width];
        let (left, right) = (rows(&vectors, n, width, width).transpose(), rows(&image, n, width, width));
        product(rows_mut(&mut within, width, width, width), Accum::Replace, left, right, 1.0);
        let (found, turn) = jacobi(&mut within, width);
        multiply(&image, &turn, &mut vectors, (n, width, width));
        orthonormal(&mut vectors, width);
        let settled = values
            .iter()
            .zip(&found)
            .take(count)
            .all(|(old, new): (&f64, &f64)| (old - new).abs() <= SETTLED * new.abs());
        values = found;
        if settled {
            break;
        }
    }
    (values, vectors)
}

/// a (m x k) times b (k x n), row-major.
fn multiply(a: &[f64], b: &[f64], out: &mut [f64], (m, k, n): (usize, usize, usize)) {
    product(rows_mut(out, m, n, n), Accum::Replace, rows(a, m, k, k), rows(b, k, n, n), 1.0);
}

/// Makes the columns of a row-major matrix orthonormal, in order (Gram and Schmidt, twice); one that the earlier ones span
/// becomes 0.
fn orthonormal(vectors: &mut [f64], width: usize) {
    for k in 0..width {
        let length =
            |vectors: &[f64]| vectors[k..].iter().step_by(width).map(|entry| entry * entry).sum::<f64>().sqrt();
        let before = length(vectors);
        for _ in 0..2 {
            for j in 0..k {
                let along: f64 = vectors.chunks_exact(width).map(|row| row[j] * row[k]).sum();
                vectors.chunks_exact_mut(width).for_each(|row| row[k] -= along * row[j]);
            }
        }
        let after = length(vectors);
        let scale = if after > 1e-12 * before { 1.0 / after } else { 0.0 };
        vectors[k..].iter_mut().step_by(width).for_each(|entry| *entry *= scale);
    }
}

/// Eigenvalues of a small symmetric matrix in falling order, and the vectors as columns (Jacobi 1846, cyclic).
fn jacobi(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _ in 0..50 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| matrix[i * n + j].powi(2)).sum();
        let all: f64 = matrix.iter().map(|entry| entry * entry).sum();
        if off <= 1e-30 * all {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let entry = 0.5 * (matrix[p * n + q] + matrix[q * n + p]);
                if entry == 0.0 {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * entry);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for k in 0..n {
                    let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
                    (matrix[k * n + p], matrix[k * n + q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                for k in 0..n {
                    let (a, b) = (matrix[p * n + k], matrix[q * n + k]);
                    (matrix[p * n + k], matrix[q * n + k]) = (cosine * a - sine * b, sine * a + cosine * b);
                    let (a, b) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| matrix[b * n + b].total_cmp(&matrix[a * n + a]));
    let sorted = (0..n).flat_map(|k| order.iter().map(move |&j| (k, j))).map(|(k, j)| vectors[k * n + j]).collect();
    (order.iter().map(|&k| matrix[k * n + k]).collect(), sorted)
}
