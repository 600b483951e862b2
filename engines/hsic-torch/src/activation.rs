//! Nonlinearities and their derivatives on a device, entry by entry as those of [`Activation`].

use hsic_bottleneck::network::Activation;
use tch::{Kind, Tensor};

/// 1 / sqrt(2).
const HALF_ROOT: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// z = f(a).
pub(crate) fn apply(activation: Activation, a: &Tensor) -> Tensor {
    match activation {
        Activation::Relu | Activation::OpenRelu => a.relu(),
        Activation::LeakyRelu => a.where_self(&a.ge(0.0), &(a * 0.01)),
        Activation::Tanh => a.tanh(),
        Activation::Elu => a.where_self(&a.gt(0.0), &a.expm1()),
        Activation::Sigmoid => a.sigmoid(),
        Activation::Gelu => a * distribution(a),
        Activation::Silu => a.silu(),
        Activation::Identity => a.shallow_clone(),
    }
}

/// dL/da from dL/dz, at `a` and z = f(a).
pub(crate) fn chain(activation: Activation, a: &Tensor, z: &Tensor, dz: Tensor) -> Tensor {
    match activation {
        Activation::Relu => dz * z.gt(0.0),
        Activation::LeakyRelu => dz.where_self(&z.gt(0.0), &(&dz * 0.01)),
        Activation::Tanh => dz * (1.0 - z * z),
        Activation::Elu => dz.where_self(&a.gt(0.0), &(&dz * (z + 1.0))),
        Activation::Sigmoid => dz * (z * (1.0 - z)),
        Activation::Gelu => {
            let density = (a * a * -0.5).exp() * (0.5 * HALF_ROOT * std::f64::consts::FRAC_2_SQRT_PI);
            dz * (distribution(a) + a * density)
        }
        Activation::Silu => {
            let gate = a.sigmoid();
            dz * (&gate + z * (1.0 - &gate))
        }
        Activation::OpenRelu | Activation::Identity => dz,
    }
}

/// The distribution function of the standard normal.
fn distribution(a: &Tensor) -> Tensor {
    ((a * -HALF_ROOT).special_erfc() * 0.5).to_kind(Kind::Float)
}
