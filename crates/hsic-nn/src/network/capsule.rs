//! Capsules: groups of values whose length says how sure it is that something is there, and whose direction says how
//! (Sabour, Frosst, Hinton 2017).
//!
//! squash(s) = |s|^2 / (1 + |s|^2) * s / sqrt(|s|^2 + 1e-8), so that lengths lie in [0, 1) and nothing is divided by 0.
//!
//! A capsule's values are consecutive in memory: consecutive channels of one pixel, not neighboring pixels.

mod primary;
mod routed;
mod routing;

use hsic::Scalar;
use hsic::scalar::vectorize;

pub use primary::PrimaryCapsules;
pub use routed::{RoutedCapsules, RoutedSettings};

/// Inside the root of a length.
const EPSILON: f64 = 1e-8;

/// Factor g of squash(s) = g s, and dg/d|s|^2, from |s|^2.
#[inline(always)]
fn squash_factor<T: Scalar>(square: T) -> (T, T) {
    let (share, inverse) = (T::ONE / (T::ONE + square), T::ONE / Scalar::sqrt(square + T::of(EPSILON)));
    let factor = square * share * inverse;
    let slope = inverse * (share * share - T::of(0.5) * square * share * inverse * inverse);
    (factor, slope)
}

/// squash of each capsule of `dimensions` values of `s` into `v`.
fn squash<T: Scalar>(dimensions: usize, s: &[T], v: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            for (s, v) in s.chunks_exact(dimensions).zip(v.chunks_exact_mut(dimensions)) {
                let (factor, _) = squash_factor(product(s, s));
                v.iter_mut().zip(s).for_each(|(v, &s)| *v = factor * s);
            }
        },
    );
}

/// From dL/dv in `dv` to dL/ds in its place: g dv + 2 g' (s . dv) s.
fn squash_backward<T: Scalar>(dimensions: usize, s: &[T], dv: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            for (s, dv) in s.chunks_exact(dimensions).zip(dv.chunks_exact_mut(dimensions)) {
                let (factor, slope) = squash_factor(product(s, s));
                let pull = T::of(2.0) * slope * product(s, dv);
                dv.iter_mut().zip(s).for_each(|(dv, &s)| *dv = factor.mul_add(*dv, pull * s));
            }
        },
    );
}

/// Sum of products.
#[inline(always)]
fn product<T: Scalar>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| a.mul_add(b, sum))
}

/// Length of each capsule of `dimensions` values: how sure it is that what it stands for is there.
#[must_use]
pub fn lengths<T: Scalar>(dimensions: usize, capsules: &[T]) -> Vec<T> {
    capsules.chunks_exact(dimensions).map(length).collect()
}

/// Length of one capsule.
#[must_use]
pub fn length<T: Scalar>(capsule: &[T]) -> T {
    Scalar::sqrt(product(capsule, capsule))
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    #[test]
    fn a_capsule_of_length_one_is_squashed_to_a_half_and_none_is_longer_than_one() {
        for (s, expected) in [([0.6f64, 0.8], 0.5), ([0.0, 0.0], 0.0), ([3e4, 4e4], 1.0), ([0.3, 0.4], 0.2)] {
            let mut v = [0.0; 2];
            squash(2, &s, &mut v);
            // |s|^2 / (1 + |s|^2) of 0, 0.25, 1 and 2.5e9; the 1e-8 under the root takes 2e-8 of the shortest.
            assert!((lengths(2, &v)[0] - expected).abs() < 1e-8, "{s:?} {v:?}");
        }
        let mut v = [0.0f32; 2];
        squash(2, &[1.0, 0.0], &mut v);
        assert_eq!(v, [0.5, 0.0]);
    }

    #[test]
    fn the_gradient_of_squash_agrees_with_central_differences() {
        let mut stream = Stream::new(4, "squash", 0);
        let mut s: Vec<f64> = (0..12).map(|_| stream.normal()).collect();
        s[3..6].copy_from_slice(&[1e-5, -2e-5, 3e-5]);
        let v: Vec<f64> = (0..12).map(|_| stream.normal()).collect();
        let value = |s: &[f64]| {
            let mut out = vec![0.0; 12];
            squash(3, s, &mut out);
            out.iter().zip(&v).map(|(out, v)| out * v).sum::<f64>()
        };
        let mut ds = v.clone();
        squash_backward(3, &s, &mut ds);
        for i in 0..12 {
            let (kept, h) = (s[i], 1e-7);
            s[i] = kept + h;
            let up = value(&s);
            s[i] = kept - h;
            let down = value(&s);
            s[i] = kept;
            // Near 0 the third derivative is 1e4 or so: 1e-14 * 1e4; cancellation 1e-16 / h.
            assert!((ds[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "{i}: {}", ds[i]);
        }
        let mut none = [1.0; 3];
        squash_backward(3, &[0.0; 3], &mut none);
        assert_eq!(none, [0.0; 3]);
    }
}
