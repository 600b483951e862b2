//! The number types, `f32` and `f64`, and the exponentials that the kernels need, written so that loops vectorise.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// Runs `work` with the widest vector instructions of the processor, chosen at run time.
///
/// Loops in `work` are compiled once for each instruction set. That holds only for what is inlined into it, so mark the
/// closure, and closures that it calls, `#[inline(always)]`; `mul_add` outside of it is a call of a library function.
pub fn vectorize<R>(work: impl FnMut() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnMut() -> R> pulp::WithSimd for Work<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
            // Through FnMut: FnOnce would go by a shim that the compiler may leave out of line, without the vectors.
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point type in which the numerics run: `f32` or `f64`.
///
/// The functions here are branch-free where a hot loop calls them. `exp` and `exp_m1` are accurate to 2 units in the
/// last place for arguments in the range that a kernel has, (-inf, 0]; below `ln` of the smallest normal number they
/// return that number (and -1), not 0.
pub trait Scalar:
    sealed::Sealed
    + 'static
    + faer::traits::RealField
    + Copy
    + Default
    + Debug
    + Display
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + SubAssign
    + Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: f64;
    /// The largest finite number.
    const LARGEST: f64;
    /// Name of the type.
    const NAME: &'static str;

    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// This number in double precision.
    fn to_f64(self) -> f64;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// self * a + b with one rounding.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger of two numbers; the other one if one is NaN.
    fn max(self, other: Self) -> Self;
    /// e^self for self <= 0.
    fn exp(self) -> Self;
    /// e^self - 1 for self <= 0, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
}

/// x = n ln 2 + r with |r| <= ln 2 / 2; returns 2^n and e^r - 1.
///
/// Adding 1.5 * 2^(mantissa bits) rounds to an integer and leaves that integer in the low bits, without a conversion
/// that saturates. The series of e^r - 1 is Taylor's: at |r| <= 0.3466 its remainder after the last term kept is below
/// half a unit in the last place (r^7/8! = 1.5e-8 in f32, r^13/14! = 1.2e-17 in f64).
macro_rules! reduce {
    ($x:expr, $float:ty, $lowest:expr, $magic:expr, $bias:expr, $shift:expr, $ln2_hi:expr, $ln2_lo:expr, $inverse_factorials:expr) => {{
        // Not `max`, which would make a number of NaN.
        let x = if $x < $lowest { $lowest } else { $x };
        let t = x.mul_add(std::f64::consts::LOG2_E as $float, $magic);
        let n = t - $magic;
        let scale = <$float>::from_bits(t.to_bits().wrapping_add($bias) << $shift);
        let r = n.mul_add(-$ln2_lo, n.mul_add(-$ln2_hi, x));
        let series = $inverse_factorials;
        let mut p: $float = series[0];
        for &coefficient in &series[1..] {
            p = p.mul_add(r, coefficient);
        }
        (scale, p * r)
    }};
}

/// 1/k!, 1/(k-1)!, ..., 1/1!.
macro_rules! inverse_factorials {
    ($float:ty, $k:expr) => {{
        let mut series = [1.0 as $float; $k];
        let mut factorial = 1.0f64;
        let mut i = 1;
        while i < $k {
            factorial *= (i + 1) as f64;
            series[$k - 1 - i] = (1.0 / factorial) as $float;
            i += 1;
        }
        series
    }};
}

const SERIES_F32: [f32; 7] = inverse_factorials!(f32, 7);
const SERIES_F64: [f64; 13] = inverse_factorials!(f64, 13);

macro_rules! scalar {
    ($float:ty, $reduce:expr) => {
        impl Scalar for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: f64 = <$float>::EPSILON as f64;
            const LARGEST: f64 = <$float>::MAX as f64;
            const NAME: &'static str = stringify!($float);

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$float>::is_finite(self)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$float>::mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$float>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$float>::abs(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                <$float>::max(self, other)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                let (scale, p): ($float, $float) = $reduce(self);
                scale.mul_add(p, scale)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                let (scale, p): ($float, $float) = $reduce(self);
                // For n = 0 this is p itself: full relative precision near 0.
                scale.mul_add(p, scale - 1.0)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                // tanh|x| = -(e - 1) / (e + 1) with e = exp(-2|x|); expm1 keeps precision near 0.
                let e = Scalar::exp_m1(-2.0 * <$float>::abs(self));
                (-e / (e + 2.0)).copysign(self)
            }
        }
    };
}

scalar!(f32, |x: f32| reduce!(x, f32, -87.0, 12_582_912.0f32, 127, 23, 0.693_359_4f32, -2.121_944_4e-4f32, SERIES_F32));
scalar!(f64, |x: f64| reduce!(
    x,
    f64,
    -708.0,
    6_755_399_441_055_744.0f64,
    1023,
    52,
    0.693_147_180_369_123_8f64,
    1.908_214_929_270_587_7e-10f64,
    SERIES_F64
));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_standard_library() {
        // The oracle is f64's libm; for f64 itself its own error (under 1 ulp) is part of the 3 ulp.
        let (mut worst32, mut worst64) = (0.0f64, 0.0f64);
        for i in 0..200_000 {
            let x = -86.0 * (f64::from(i) / 200_000.0).powi(4);
            let x32 = x as f32;
            let exact = f64::from(x32);
            if x32 != 0.0 {
                worst32 = worst32.max((f64::from(Scalar::exp_m1(x32)) / exact.exp_m1() - 1.0).abs());
                worst64 = worst64.max((Scalar::exp_m1(x) / x.exp_m1() - 1.0).abs());
            }
            worst32 = worst32.max((f64::from(Scalar::exp(x32)) / exact.exp() - 1.0).abs());
            worst64 = worst64.max((Scalar::exp(x) / x.exp() - 1.0).abs());
        }
        assert!(worst32 < 2.0 * f64::from(f32::EPSILON), "{worst32}");
        assert!(worst64 < 3.0 * f64::EPSILON, "{worst64}");
    }

    #[test]
    fn tanh_agrees_with_the_standard_library() {
        for i in -2000..2000 {
            let x = f64::from(i) / 200.0;
            let (ours, exact) = (Scalar::tanh(x), x.tanh());
            assert!((ours - exact).abs() <= 4.0 * f64::EPSILON * exact.abs(), "{x}: {ours} {exact}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        assert!(Scalar::exp(f32::NAN).is_nan() && Scalar::exp_m1(f64::NAN).is_nan() && Scalar::tanh(f32::NAN).is_nan());
    }

    #[test]
    fn arguments_far_below_zero_vanish() {
        assert!(Scalar::exp(f32::NEG_INFINITY) < 2e-38 && Scalar::exp_m1(f32::NEG_INFINITY) == -1.0);
        assert!(Scalar::exp(-1e300) < 1e-307 && Scalar::exp_m1(f64::NEG_INFINITY) == -1.0);
    }
}
