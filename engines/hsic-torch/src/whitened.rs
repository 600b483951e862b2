//! The first layer of a network that does not learn on a device: whitened windows of the samples, as `hsic-nn`'s `Whitened` has
//! them. Their weights are the first of a block's statistics.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::Activation;
use hsic_bottleneck::network::layout::Module;
use tch::Tensor;

use crate::activation::apply;
use crate::layers::activation_of;
use crate::map::{Map, Window};

/// Windows of samples that lie channel by channel, and the nonlinearity behind them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whitened {
    window: Window,
    activation: Activation,
}

impl Whitened {
    /// That at the head of a list of modules on samples of sizes `from`, and the rest; `None` where the first linear map is the
    /// only one.
    pub(crate) fn of(modules: &[Module], from: Shape) -> (Option<Self>, &[Module]) {
        let maps = |module: &&Module| matches!(module.class, "Conv2d" | "Linear" | "Residual");
        match modules {
            [first, rest @ ..] if first.class == "Conv2d" && rest.iter().filter(maps).count() == 1 => {
                let (activation, rest) = activation_of(rest);
                (Some(Self { window: Window::of(first, from, true), activation }), rest)
            }
            all => (None, all),
        }
    }

    /// Sizes of what comes out.
    pub(crate) fn shape(&self) -> Shape {
        self.window.shape()
    }

    /// What comes out of samples (m x columns), by weights and biases that lie one after the other.
    pub(crate) fn apply(&self, x: &Tensor, numbers: &Tensor) -> Tensor {
        let map = Map::Convolution(self.window);
        let (weights, channels) = (map.weights(), self.shape().channels as i64);
        let a = map.forward(x, &numbers.narrow(0, 0, weights)) + numbers.narrow(0, weights, channels);
        apply(self.activation, &a).view([x.size()[0], -1])
    }
}
