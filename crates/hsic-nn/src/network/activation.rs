//! The nonlinearity at the end of a block.

use hsic::Scalar;
use hsic::scalar::vectorize;
use serde::{Deserialize, Serialize};

use super::layout::Module;

/// An elementwise nonlinearity f.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(a, 0).
    Relu,
    /// a for a > 0, else a / 100.
    LeakyRelu,
    /// tanh a.
    Tanh,
    /// a for a > 0, else e^a - 1 (Clevert, Unterthiner, Hochreiter 2016, alpha = 1).
    Elu,
    /// 1 / (1 + e^-a).
    Sigmoid,
    /// a Phi(a), Phi the normal distribution function by the error function (Hendrycks and Gimpel 2016).
    Gelu,
    /// a / (1 + e^-a) (Elfwing, Uchibe, Doya 2018; also called swish).
    Silu,
    /// max(a, 0) whose derivative is taken for 1 everywhere: gradients reach units that are 0 (in published code of
    /// forward-forward). No gradient of anything, so not for back-propagation.
    OpenRelu,
    /// a itself: a linear block.
    Identity,
}

/// Calls `$body` with the function and the derivative of an activation inlined, so that each loop is a vector loop.
/// The derivative takes (a, z = f(a)).
macro_rules! with_activation {
    ($activation:expr, |$f:ident, $df:ident| $body:expr) => {
        match $activation {
            Activation::Relu => {
                let ($f, $df) = (
                    // Not `max`, which would make 0 of NaN and hide it.
                    #[inline(always)]
                    |a: T| if a < T::ZERO { T::ZERO } else { a },
                    #[inline(always)]
                    |_: T, z: T| if z > T::ZERO { T::ONE } else { T::ZERO },
                );
                $body
            }
            Activation::OpenRelu => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| if a < T::ZERO { T::ZERO } else { a },
                    #[inline(always)]
                    |_: T, _: T| T::ONE,
                );
                $body
            }
            Activation::LeakyRelu => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| if a < T::ZERO { a * T::of(0.01) } else { a },
                    #[inline(always)]
                    |_: T, z: T| if z > T::ZERO { T::ONE } else { T::of(0.01) },
                );
                $body
            }
            Activation::Tanh => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| Scalar::tanh(a),
                    #[inline(always)]
                    |_: T, z: T| T::ONE - z * z,
                );
                $body
            }
            Activation::Elu => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| if a > T::ZERO { a } else { Scalar::exp_m1(a) },
                    #[inline(always)]
                    |a: T, z: T| if a > T::ZERO { T::ONE } else { z + T::ONE },
                );
                $body
            }
            Activation::Sigmoid => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| sigmoid(a),
                    #[inline(always)]
                    |_: T, z: T| z * (T::ONE - z),
                );
                $body
            }
            Activation::Gelu => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| a * normal_cdf(a),
                    #[inline(always)]
                    |a: T, _: T| a.mul_add(normal_density(a), normal_cdf(a)),
                );
                $body
            }
            Activation::Silu => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| a * sigmoid(a),
                    #[inline(always)]
                    |a: T, z: T| {
                        // s (1 + a (1 - s)), of which a s is z.
                        let s = sigmoid(a);
                        z.mul_add(T::ONE - s, s)
                    },
                );
                $body
            }
            Activation::Identity => {
                let ($f, $df) = (
                    #[inline(always)]
                    |a: T| a,
                    #[inline(always)]
                    |_: T, _: T| T::ONE,
                );
                $body
            }
        }
    };
}

impl Activation {
    /// The PyTorch module; none for the identity.
    pub(crate) fn module(self) -> Option<Module> {
        let class = match self {
            Self::Relu | Self::OpenRelu => "ReLU",
            Self::LeakyRelu => "LeakyReLU",
            Self::Tanh => "Tanh",
            Self::Elu => "ELU",
            Self::Sigmoid => "Sigmoid",
            Self::Gelu => "GELU",
            Self::Silu => "SiLU",
            Self::Identity => return None,
        };
        Some(Module::new(class, &[]))
    }

    /// The slope on the negative side of a function that is a itself on the positive side and linear on both, and whose
    /// backward pass is its derivative.
    #[must_use]
    pub fn negative_slope(self) -> Option<f64> {
        match self {
            Self::Relu => Some(0.0),
            Self::LeakyRelu => Some(0.01),
            Self::Identity => Some(1.0),
            Self::OpenRelu | Self::Tanh | Self::Elu | Self::Sigmoid | Self::Gelu | Self::Silu => None,
        }
    }

    /// z = f(a), entry by entry.
    pub fn apply<T: Scalar>(self, a: &[T], z: &mut [T]) {
        with_activation!(self, |f, _df| vectorize(
            #[inline(always)]
            || {
                for (z, &a) in z.iter_mut().zip(a) {
                    *z = f(a);
                }
            }
        ));
    }

    /// gradient *= f'(a), given z = f(a).
    pub fn chain<T: Scalar>(self, a: &[T], z: &[T], gradient: &mut [T]) {
        with_activation!(self, |_f, df| vectorize(
            #[inline(always)]
            || {
                for ((gradient, &a), &z) in gradient.iter_mut().zip(a).zip(z) {
                    *gradient *= df(a, z);
                }
            }
        ));
    }
}

/// The nonlinearity together with the batch norm before it, row by row of `mean.len()` channels: the same operations as
/// one after the other, in one pass over memory.
impl Activation {
    /// n <- (n - mean) inverse, z = f(n).
    pub(crate) fn normalize_and_apply<T: Scalar>(self, n: &mut [T], mean: &[T], inverse: &[T], z: &mut [T]) {
        let d = mean.len();
        with_activation!(self, |f, _df| vectorize(
            #[inline(always)]
            || {
                for (n, z) in n.chunks_exact_mut(d).zip(z.chunks_exact_mut(d)) {
                    for (((n, z), &mean), &inverse) in n.iter_mut().zip(z).zip(mean).zip(inverse) {
                        *n = (*n - mean) * inverse;
                        *z = f(*n);
                    }
                }
            }
        ));
    }

    /// z = f((a - mean) inverse).
    pub(crate) fn apply_normalized<T: Scalar>(self, a: &[T], mean: &[T], inverse: &[T], z: &mut [T]) {
        let d = mean.len();
        with_activation!(self, |f, _df| vectorize(
            #[inline(always)]
            || {
                for (a, z) in a.chunks_exact(d).zip(z.chunks_exact_mut(d)) {
                    for (((&a, z), &mean), &inverse) in a.iter().zip(z).zip(mean).zip(inverse) {
                        *z = f((a - mean) * inverse);
                    }
                }
            }
        ));
    }

    /// g *= f'(n), given z = f(n); adds to the sums of g and of g n by channel.
    pub(crate) fn chain_and_sum<T: Scalar>(self, n: &[T], z: &[T], g: &mut [T], sum: &mut [T], product: &mut [T]) {
        let d = sum.len();
        with_activation!(self, |_f, df| vectorize(
            #[inline(always)]
            || {
                for ((g, n), z) in g.chunks_exact_mut(d).zip(n.chunks_exact(d)).zip(z.chunks_exact(d)) {
                    let sums = sum.iter_mut().zip(product.iter_mut());
                    for (((g, &n), &z), (sum, product)) in g.iter_mut().zip(n).zip(z).zip(sums) {
                        *g *= df(n, z);
                        *sum += *g;
                        *product = g.mul_add(n, *product);
                    }
                }
            }
        ));
    }

    /// dL/da of z = f((a - mean) inverse) from dL/dz, with the closed sums and the factor of [`norm::backward`].
    ///
    /// [`norm::backward`]: super::norm::backward
    pub(crate) fn chain_normalized<T: Scalar>(
        self,
        (a, z, dz): (&[T], &[T], &[T]),
        (mean, inverse): (&[T], &[T]),
        (sum, product, factor): (&[T], &[T], &[T]),
        da: &mut [T],
    ) {
        let d = mean.len();
        with_activation!(self, |_f, df| vectorize(
            #[inline(always)]
            || {
                let rows = a.chunks_exact(d).zip(z.chunks_exact(d)).zip(dz.chunks_exact(d));
                for (((a, z), dz), da) in rows.zip(da.chunks_exact_mut(d)) {
                    let norms = mean.iter().zip(inverse).zip(sum).zip(product).zip(factor);
                    let values = da.iter_mut().zip(a).zip(z).zip(dz);
                    for ((((da, &a), &z), &dz), ((((&mean, &inverse), &sum), &product), &factor)) in values.zip(norms) {
                        let n = (a - mean) * inverse;
                        let g = dz * df(n, z);
                        *da = (-n).mul_add(product, g - sum) * factor;
                    }
                }
            }
        ));
    }
}

/// From e^-|a|, which cannot overflow.
#[inline(always)]
fn sigmoid<T: Scalar>(a: T) -> T {
    let e = Scalar::exp(-Scalar::abs(a));
    let small = e / (T::ONE + e);
    if a > T::ZERO { T::ONE - small } else { small }
}

/// Coefficients of the exponent of erfc(z) / t, t = 1 / (1 + z / 2), with -z^2 left out, from the constant on: a Chebyshev fit
/// whose relative error is below 1.2e-7 everywhere (Press et al. 1992, section 6.2).
const ERFC: [f64; 10] = [
    -1.265_512_23,
    1.000_023_68,
    0.374_091_96,
    0.096_784_18,
    -0.186_288_06,
    0.278_868_07,
    -1.135_203_98,
    1.488_515_87,
    -0.822_152_23,
    0.170_872_77,
];

/// Distribution function of the standard normal: in single precision by a fit, in loops that vectorise.
#[inline(always)]
fn normal_cdf<T: Scalar>(a: T) -> T {
    let x = a * T::of(std::f64::consts::FRAC_1_SQRT_2);
    if size_of::<T>() > size_of::<f32>() {
        return T::of(0.5 * libm::erfc(-x.to_f64()));
    }
    let z = Scalar::abs(x);
    let t = T::ONE / T::of(0.5).mul_add(z, T::ONE);
    let exponent = ERFC.iter().rev().fold(T::ZERO, |sum, &c| sum.mul_add(t, T::of(c)));
    let tail = T::of(0.5) * t * Scalar::exp((-z).mul_add(z, exponent));
    if x > T::ZERO { T::ONE - tail } else { tail }
}

/// Density of the standard normal.
#[inline(always)]
fn normal_density<T: Scalar>(a: T) -> T {
    // 1 / sqrt(2 pi).
    Scalar::exp(T::of(-0.5) * a * a) * T::of(0.398_942_280_401_432_7)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 8] = [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Elu,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::Silu,
        Activation::Identity,
    ];

    #[test]
    fn values_are_those_of_the_definitions() {
        // At a = -1.5 and 0.5; PyTorch 2 in float64 gives these digits.
        let expected = [
            (0.0, 0.5),
            (-0.015, 0.5),
            (-0.905_148_253_644_866_4, 0.462_117_157_260_009_74),
            (-0.776_869_839_851_570_2, 0.5),
            (0.182_425_523_806_356_35, 0.622_459_331_201_854_6),
            (-0.100_210_801_903_287_06, 0.345_731_230_637_006_56),
            (-0.273_638_285_709_534_5, 0.311_229_665_600_927_3),
            (-1.5, 0.5),
        ];
        for (activation, (low, high)) in ALL.into_iter().zip(expected) {
            let mut z = [0.0; 2];
            activation.apply(&[-1.5, 0.5], &mut z);
            assert!((z[0] - low).abs() < 1e-14 && (z[1] - high).abs() < 1e-14, "{activation:?} {z:?}");
        }
    }

    #[test]
    fn gelu_in_single_precision_is_that_of_the_error_function() {
        for step in -800..=800 {
            let a = f64::from(step) / 80.0;
            let single = |values: &dyn Fn(&mut [f32; 1])| {
                let mut z = [1.0f32];
                values(&mut z);
                f64::from(z[0])
            };
            let cdf = 0.5 * libm::erfc(-a * std::f64::consts::FRAC_1_SQRT_2);
            let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let value = single(&|z| Activation::Gelu.apply(&[a as f32], z));
            let slope = single(&|z| Activation::Gelu.chain(&[a as f32], &[0.0], z));
            // The fit is good to 1.2e-7 of what is left of the distribution, and a is known to 6e-8 of itself.
            assert!((value - a * cdf).abs() < 3e-7 * a.abs().max(1.0), "{a} {value}");
            assert!((slope - cdf - a * density).abs() < 6e-7, "{a} {slope}");
        }
    }

    #[test]
    fn nan_is_not_hidden() {
        for activation in ALL {
            let mut z = [0.0f32];
            activation.apply(&[f32::NAN], &mut z);
            assert!(z[0].is_nan(), "{activation:?}");
        }
    }

    #[test]
    fn derivatives_agree_with_central_differences() {
        for activation in ALL {
            for a in [-3.0, -0.7, -0.01, 0.02, 0.9, 4.0] {
                let f = |a: f64| {
                    let mut z = [0.0];
                    activation.apply(&[a], &mut z);
                    z[0]
                };
                let mut gradient = [1.0];
                activation.chain(&[a], &[f(a)], &mut gradient);
                let h = 1e-6;
                // Truncation h^2 and cancellation eps/h are both below 1e-9.
                assert!((gradient[0] - (f(a + h) - f(a - h)) / (2.0 * h)).abs() < 1e-8, "{activation:?} {a}");
            }
        }
    }
}
