//! Random Fourier features of the Gaussian kernel (Rahimi & Recht 2007).
//!
//! exp(-|x - y|^2 / (2 sigma^2 d)) = E cos(w . (x - y)) for w ~ N(0, I / (sigma^2 d)). With p frequencies the rows
//!
//! phi(z) = p^(-1/2) [cos(z . w_k) - 1 for all k, sin(z . w_k) for all k]
//!
//! have, once centered, the products of the mean of p such cosines. Sine and cosine of the same frequency, and not
//! cos(z . w + b) with a random phase b: that way the estimate depends on differences of rows alone, as the kernel
//! does. At sigma 5 angles are of order 0.2 and K is near 1; cos - 1 keeps the digits that cos would lose in f32.

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut};

use crate::objective::passes::center_columns;
use crate::product::product;
use crate::random::Stream;
use crate::scalar::{Scalar, vectorize};
use crate::sums::grown;
use crate::view::{rows, rows_mut, stride};

/// Angles above this are reduced by whole turns first. In f32 they have no digit of a turn left.
const LARGE_ANGLE: f64 = 1e6;

/// Frequencies of one number of columns, and angles.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory<T> {
    /// Standard normal frequencies (d x p), by purpose and d; all of one seed and one p.
    frequencies: Vec<(&'static str, usize, Vec<T>)>,
    drawn: (u64, usize),
    angles: Vec<T>,
    means: Vec<T>,
}

impl<T: Scalar> Memory<T> {
    /// Index of the frequencies for rows of d columns; they are drawn once for a thread.
    fn draw(&mut self, purpose: &'static str, d: usize, (seed, pairs): (u64, usize)) -> usize {
        if self.drawn != (seed, pairs) {
            self.frequencies.clear();
            self.drawn = (seed, pairs);
        }
        let known = self.frequencies.iter().position(|&(name, columns, _)| (name, columns) == (purpose, d));
        known.unwrap_or_else(|| {
            let ld = stride(pairs);
            let mut values = vec![T::ZERO; d * ld];
            let mut stream = Stream::new(seed, &format!("frequencies of {purpose}"), d as u64);
            // Frequency by frequency: more of them begin with the same ones.
            for k in 0..pairs {
                for j in 0..d {
                    values[j * ld + k] = T::of(stream.normal());
                }
            }
            self.frequencies.push((purpose, d, values));
            self.frequencies.len() - 1
        })
    }

    /// Features of the centered rows (m x d) into `features` (m x 2p), less their column means. `inverse_width` is
    /// 1 / (sigma sqrt(d)), in the unit of the rows.
    pub(super) fn forward(
        &mut self,
        purpose: &'static str,
        centered: &[T],
        (m, d): (usize, usize),
        inverse_width: f64,
        (seed, pairs): (u64, usize),
        features: &mut [T],
    ) {
        self.waves(purpose, centered, (m, m, d), inverse_width, (seed, pairs), features);
        let wide = stride(2 * pairs);
        center_columns(&mut features[..m * wide], &mut self.means, m, 2 * pairs, wide);
    }

    /// Where [`backward`](Self::backward) looks for the column means that were taken off.
    pub(super) fn means(&mut self) -> &mut Vec<T> {
        &mut self.means
    }

    /// The features as they are, of so many rows, `each` at a time: how a product rounds may depend on its rows.
    pub(super) fn waves(
        &mut self,
        purpose: &'static str,
        centered: &[T],
        (m, each, d): (usize, usize, usize),
        inverse_width: f64,
        (seed, pairs): (u64, usize),
        features: &mut [T],
    ) {
        let index = self.draw(purpose, d, (seed, pairs));
        let (ld, wide) = (stride(pairs), stride(2 * pairs));
        let angles = grown(&mut self.angles, m * ld);
        for (angles, centered) in angles.chunks_mut(each * ld).zip(centered.chunks(each * d)) {
            let m = centered.len() / d;
            product(
                rows_mut(angles, m, pairs, ld),
                Accum::Replace,
                rows(centered, m, d, d),
                rows(&self.frequencies[index].2, d, pairs, ld),
                // Sums of d angles stay finite in f32.
                T::of(inverse_width.min(1e30)),
            );
        }
        for angle in angles.iter_mut().filter(|angle| Scalar::abs(**angle) > T::of(LARGE_ANGLE)) {
            *angle = T::of(angle.to_f64() % std::f64::consts::TAU);
        }
        let scale = T::of((pairs as f64).sqrt().recip());
        vectorize(
            #[inline(always)]
            || {
                for (row, out) in angles.chunks_exact(ld).zip(features.chunks_exact_mut(wide)) {
                    let (cosines, sines) = out.split_at_mut(pairs);
                    for ((&angle, cosine), sine) in row.iter().zip(cosines).zip(sines) {
                        let (s, c) = sin_cos_m1(angle);
                        *cosine = c * scale;
                        *sine = s * scale;
                    }
                }
            },
        );
    }

    /// From dL/dphi (`slope`, m x 2p) to dL/dz, `each` rows at a time, at what [`Memory::forward`] was last called for.
    pub(super) fn backward(
        &mut self,
        mut gradient: MatMut<'_, T>,
        slope: &[T],
        features: &[T],
        (inverse_width, each): (f64, usize),
        (seed, pairs): (u64, usize),
    ) {
        let (m, d) = (gradient.nrows(), gradient.ncols());
        let index = self.draw("z", d, (seed, pairs));
        let (ld, wide) = (stride(pairs), stride(2 * pairs));
        let scale = T::of((pairs as f64).sqrt().recip());
        let angles = &mut self.angles[..m * ld];
        let (cosine_means, sine_means) = self.means.split_at(pairs);
        vectorize(
            #[inline(always)]
            || {
                for ((out, slope), features) in
                    angles.chunks_exact_mut(ld).zip(slope.chunks_exact(wide)).zip(features.chunks_exact(wide))
                {
                    let (to_cosine, to_sine) = slope.split_at(pairs);
                    let (cosines, sines) = features.split_at(pairs);
                    let waves = cosines.iter().zip(cosine_means).zip(sines.iter().zip(sine_means));
                    for ((out, (&to_c, &to_s)), ((&c, &c_mean), (&s, &s_mean))) in
                        out.iter_mut().zip(to_cosine.iter().zip(to_sine)).zip(waves)
                    {
                        *out = to_s.mul_add(scale + (c + c_mean), -to_c * (s + s_mean));
                    }
                }
            },
        );
        for (part, angles) in angles.chunks(each * ld).enumerate() {
            let m = angles.len() / ld;
            product(
                gradient.rb_mut().subrows_mut(part * each, m),
                Accum::Replace,
                rows(angles, m, pairs, ld),
                rows(&self.frequencies[index].2, d, pairs, ld).transpose(),
                T::of(inverse_width),
            );
        }
    }
}

/// 1/k! with the sign of the series of sine and cosine.
const fn series() -> [f64; 20] {
    let mut series = [1.0; 20];
    let (mut k, mut factorial) = (1, 1.0);
    while k < 20 {
        factorial *= k as f64;
        series[k] = if k % 4 < 2 { 1.0 } else { -1.0 } / factorial;
        k += 1;
    }
    series
}

const SERIES: [f64; 20] = series();

/// sin x and cos x - 1, for |x| <= 1e6, absolute error a few units in the last place of 1, and of x near 0.
///
/// x = n pi/2 + r with |r| <= pi/4. pi/2 is taken off in two parts with one rounding each; the series are Taylor's,
/// whose remainders after r^17 and r^18 are below 1e-18 (f32 needs fewer terms: they cost less than a second series).
#[inline(always)]
fn sin_cos_m1<T: Scalar>(x: T) -> (T, T) {
    use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};
    // Adding 1.5 * 2^(mantissa bits) rounds to an integer.
    let round = T::of(1.5 / T::EPSILON);
    let n = x.mul_add(T::of(FRAC_2_PI), round) - round;
    let high = T::of(FRAC_PI_2);
    // 6.1e-17: what pi/2 has beyond f64.
    let low = T::of(FRAC_PI_2 - high.to_f64() + 6.123_233_995_736_766e-17);
    let r = (-n).mul_add(low, (-n).mul_add(high, x));
    let square = r * r;
    let (mut sine, mut cosine) = (T::of(SERIES[17]), T::of(SERIES[18]));
    let mut k = 15;
    while k > 1 {
        sine = sine.mul_add(square, T::of(SERIES[k]));
        cosine = cosine.mul_add(square, T::of(SERIES[k + 1]));
        k -= 2;
    }
    let sine = sine.mul_add(square, T::ONE) * r;
    let cosine = cosine.mul_add(square, T::of(SERIES[2])) * square;
    // n mod 4 as -2, -1, 0, 1 or 2.
    let turns = n.mul_add(T::of(0.25), round) - round;
    let quarter = turns.mul_add(T::of(-4.0), n);
    let odd = quarter * quarter == T::ONE;
    let half = quarter * quarter > T::of(2.0);
    let minus_two = T::of(-2.0);
    let whole = if half { (-sine, minus_two - cosine) } else { (sine, cosine) };
    let quarter_turn = (quarter * (cosine + T::ONE), -(quarter * sine) - T::ONE);
    if odd { quarter_turn } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_agree_with_the_standard_library() {
        for i in 0..200_000 {
            // From 1e-6 to 1e6, both signs.
            let x = (f64::from(i % 100_000) / 100_000.0 * 12.0 - 6.0).exp2().powf(std::f64::consts::LOG2_10)
                * if i < 100_000 { 1.0 } else { -1.0 };
            let (s, c) = sin_cos_m1(x);
            let exact = -2.0 * (x / 2.0).sin().powi(2);
            // Relative near 0, where the kernel's digits are; absolute elsewhere. The reduction leaves 1e6 * 1e-32.
            let allowed = |value: f64| 3.0 * f64::EPSILON * if x.abs() < 0.7 { value.abs() } else { 1.0 };
            assert!((s - x.sin()).abs() <= allowed(x.sin()), "{x}: {s} {}", x.sin());
            assert!((c - exact).abs() <= allowed(exact), "{x}: {c} {exact}");
            let x = x as f32;
            let wide = f64::from(x);
            let (s, c) = sin_cos_m1(x);
            let exact = -2.0 * (wide / 2.0).sin().powi(2);
            let allowed = |value: f64| 3.0 * f64::from(f32::EPSILON) * if x.abs() < 0.7 { value.abs() } else { 1.0 };
            assert!((f64::from(s) - wide.sin()).abs() <= allowed(wide.sin()), "{x}: {s} {}", wide.sin());
            assert!((f64::from(c) - exact).abs() <= allowed(exact), "{x}: {c} {exact}");
        }
    }

    #[test]
    fn frequencies_have_the_kernels_spectrum_and_more_of_them_begin_alike() {
        let mut memory = Memory::<f64>::default();
        let index = memory.draw("z", 3, (1, 2000));
        let many = memory.frequencies[index].2.clone();
        let (mut mean, mut square) = (0.0, 0.0);
        for j in 0..3 {
            for &w in &many[j * stride(2000)..j * stride(2000) + 2000] {
                mean += w / 6000.0;
                square += w * w / 6000.0;
            }
        }
        // Standard errors 0.013 and 0.018; five of them.
        assert!(mean.abs() < 0.065 && (square - 1.0).abs() < 0.09, "{mean} {square}");
        let index = memory.draw("z", 3, (1, 5));
        assert_eq!(memory.frequencies[index].2[..5], many[..5]);
        let index = memory.draw("x", 3, (1, 5));
        assert_ne!(memory.frequencies[index].2[..5], many[..5]);
    }
}
