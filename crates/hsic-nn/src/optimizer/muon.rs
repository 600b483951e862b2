//! Muon (Jordan et al. 2024): the step of a matrix is its momentum with all singular values brought near 1.
//!
//! The momentum of a step, v <- momentum v + g, looks ahead by Nesterov: U = g + momentum v. Three steps of a Newton-Schulz
//! iteration, X <- 3.4445 X - 4.7750 (XX') X + 2.0315 (XX')^2 X, starting from U over its Frobenius norm, bring its singular
//! values into about [0.3, 1.3] and leave its singular vectors; then W <- W - rate X. Where a norm follows the matrix, so that
//! its size does not show, W is brought to the norm sqrt(units) first, which makes the rate a relative one.

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::product::product;
use hsic::scalar::vectorize;
use hsic::sums::norm;

use super::groups::Matrix;

/// Steps of the iteration.
pub const STEPS: usize = 3;

/// Its coefficients, of X, (XX') X and (XX')^2 X.
pub const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// Added to the norm that U is divided by.
pub const EPSILON: f64 = 1e-7;

/// Memory of an optimizer that nothing is remembered in from step to step: it is no part of a state, so states with other
/// contents of it are equal, and a copy of one starts without.
#[derive(Debug, Default)]
pub struct Workspace<T>(Vec<T>);

impl<T> Clone for Workspace<T> {
    fn clone(&self) -> Self {
        Self(Vec::new())
    }
}

impl<T> PartialEq for Workspace<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// A step of a matrix `w` along its gradient, which `of` changes entry by entry; `momentum` of the buffer `v`.
///
/// # Cost
/// With r the smaller and c the larger side, 3 (4 r^2 c + 2 r^3) operations.
#[inline(always)]
pub(super) fn step<T: Scalar>(
    matrix: Matrix,
    (rate, momentum): (f64, f64),
    (w, gradient, v): (&mut [T], &[T], &mut [T]),
    work: &mut Workspace<T>,
    of: impl Fn(T) -> T + Copy,
) {
    let Matrix { units, fan_in, by_unit, normalized } = matrix;
    // A matrix and its transpose have transposed results: the smaller side becomes that of XX'.
    let (lines, columns) = if by_unit { (units, fan_in) } else { (fan_in, units) };
    let (n, r) = (lines * columns, lines.min(columns));
    let length = 2 * n + 2 * r * r;
    if work.0.len() < length {
        work.0.resize(length, T::ZERO);
    }
    let (x, rest) = work.0[..length].split_at_mut(n);
    let (next, squares) = rest.split_at_mut(n);
    let keep = T::of(momentum);
    vectorize(
        #[inline(always)]
        || {
            for ((x, &g), v) in x.iter_mut().zip(gradient).zip(&mut *v) {
                let g = of(g);
                *v = keep.mul_add(*v, g);
                *x = keep.mul_add(*v, g);
            }
        },
    );
    let scale = T::of(1.0 / (norm(x) + EPSILON));
    x.iter_mut().for_each(|x| *x *= scale);
    orthogonalize((lines, columns), x, next, squares);
    let length = norm(w);
    if normalized && length > 0.0 {
        let scale = T::of((units as f64).sqrt() / length);
        w.iter_mut().for_each(|w| *w *= scale);
    }
    let rate = T::of(-rate);
    w.iter_mut().zip(&*x).for_each(|(w, &x)| *w = rate.mul_add(x, *w));
}

/// The steps of the iteration on `x` (lines x columns, row-major), in its place; `next` is scratch of its size, `squares` of
/// two squares of its smaller side.
fn orthogonalize<T: Scalar>((lines, columns): (usize, usize), x: &mut [T], next: &mut [T], squares: &mut [T]) {
    let r = lines.min(columns);
    let (square, sum) = squares.split_at_mut(r * r);
    let [a, b, c] = COEFFICIENTS.map(T::of);
    for _ in 0..STEPS {
        let whole = MatRef::from_row_major_slice(&*x, lines, columns);
        let wide = if lines <= columns { whole } else { whole.transpose() };
        let to = MatMut::from_row_major_slice_mut(square, r, r);
        product(to, Accum::Replace, wide, wide.transpose(), T::ONE);
        let gram = MatRef::from_row_major_slice(&*square, r, r);
        // B = b A + c A^2, then X <- a X + B X.
        sum.iter_mut().zip(&*square).for_each(|(sum, &square)| *sum = b * square);
        product(MatMut::from_row_major_slice_mut(&mut *sum, r, r), Accum::Add, gram, gram, c);
        next.iter_mut().zip(&*x).for_each(|(next, &x)| *next = a * x);
        let to = MatMut::from_row_major_slice_mut(&mut *next, lines, columns);
        let to = if lines <= columns { to } else { to.transpose_mut() };
        product(to, Accum::Add, MatRef::from_row_major_slice(&*sum, r, r), wide, T::ONE);
        x.copy_from_slice(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps at rate 0.24 and momentum 0.6 from sin(0.7 i + 0.2), along cos(1.3 i + 0.5) and cos(1.3 i + 1.5).
    fn moved(matrix: Matrix) -> [f64; 6] {
        let (mut v, mut work) = ([0.0; 6], Workspace::default());
        let mut w: [f64; 6] = std::array::from_fn(|i| (0.7 * i as f64 + 0.2).sin());
        for along in 0..2 {
            let gradient: [f64; 6] = std::array::from_fn(|i| (1.3 * i as f64 + 0.5 + f64::from(along)).cos());
            step(matrix, (0.24, 0.6), (&mut w, &gradient, &mut v), &mut work, |g| g);
        }
        w
    }

    fn assert_near(found: [f64; 6], expected: [f64; 6]) {
        // Sums of a few products near 1, in another order.
        found.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-13, "{found}"));
    }

    #[test]
    fn steps_are_those_of_numpy_on_wide_and_on_tall_matrices() {
        // The rule written down in NumPy, in double precision.
        let wide = Matrix { units: 2, fan_in: 3, by_unit: true, normalized: true };
        assert_near(
            moved(wide),
            [
                -0.083_325_448_324_698_11,
                0.703_653_213_056_937_3,
                1.148_089_261_291_759,
                0.458_982_480_163_700_25,
                -0.232_126_170_568_783_8,
                -0.459_166_991_613_117_47,
            ],
        );
        let tall = Matrix { units: 3, fan_in: 2, by_unit: true, normalized: false };
        let expected = [
            0.041_298_261_476_596_42,
            1.131_703_815_342_298_5,
            1.218_316_492_003_888,
            0.678_839_114_595_842,
            -0.076_385_565_484_264_38,
            -0.763_619_432_625_858_5,
        ];
        assert_near(moved(tall), expected);
        // A matrix that is stored input by input is the transpose of one that is stored unit by unit.
        assert_near(moved(Matrix { units: 2, fan_in: 3, by_unit: false, normalized: false }), expected);
    }

    #[test]
    fn singular_values_come_near_one_and_a_gradient_of_0_moves_nothing() {
        // Diagonal matrices keep their singular vectors, so the iteration can be followed number by number.
        let (mut x, mut next, mut squares) = ([0.8, 0.0, 0.0, 0.6], [0.0; 4], [0.0; 8]);
        orthogonalize((2, 2), &mut x, &mut next, &mut squares);
        let each = |s: f64| (0..3).fold(s, |s, _| 3.4445 * s - 4.7750 * s.powi(3) + 2.0315 * s.powi(5));
        assert!((x[0] - each(0.8)).abs() < 1e-14 && (x[3] - each(0.6)).abs() < 1e-14 && x[1] == 0.0, "{x:?}");
        let matrix = Matrix { units: 1, fan_in: 2, by_unit: true, normalized: false };
        let mut w = [1.0, -2.0];
        step(matrix, (0.1, 0.9), (&mut w, &[0.0; 2], &mut [0.0; 2]), &mut Workspace::default(), |g| g);
        assert_eq!(w, [1.0, -2.0]);
    }
}
