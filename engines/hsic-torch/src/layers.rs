//! The layers of a block on a device: linear map, norm, nonlinearity and pooling, forward and back by the formulas of `hsic-nn`.
//!
//! Rows of norms and nonlinearities are those of pixels (pixels x channels).

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::layout::Module;
use hsic_bottleneck::network::{Activation, Norm};
use tch::{Kind, Tensor};

use crate::activation::{apply, chain};
use crate::map::{Map, Window, number};
use crate::norm::{self, Normalized};
use crate::pool;

/// Linear map, norm, nonlinearity, pooling.
#[derive(Debug)]
pub(crate) struct Layers {
    map: Map,
    norm: Norm,
    activation: Activation,
    /// Side and step of the pooling window; 1 for none.
    pool: usize,
    /// It pools right behind the map, before norm and nonlinearity.
    pools_first: bool,
    /// Sizes of what the map gives.
    shape: Shape,
    /// Whether the bias is learned; else it is 0.
    biased: bool,
}

/// What layers keep from their forward pass.
pub(crate) struct KeptLayers {
    normalized: Option<Normalized>,
    /// What the nonlinearity takes and gives, by pixels.
    a: Tensor,
    z: Tensor,
    pooled: Option<pool::Pooled>,
}

impl Layers {
    /// The layers of a list of PyTorch's modules on inputs of sizes `from`, which lie channel by channel if they are `planar`,
    /// with so many learned numbers; `None` if one of them has no place here.
    pub(crate) fn of(modules: &[Module], (from, planar): (Shape, bool), learned: usize) -> Option<Self> {
        let modules = match modules {
            [first, rest @ ..] if first.class == "Flatten" => rest,
            all => all,
        };
        let (first, rest) = modules.split_first()?;
        let (map, shape) = match first.class {
            "Linear" => {
                let (inputs, outputs) = (number(first, 0), number(first, 1));
                (Map::Dense { inputs, outputs }, Shape { channels: outputs, height: 1, width: 1 })
            }
            "Conv2d" => {
                let window = Window::of(first, from, planar);
                let shape = window.shape();
                (Map::Convolution(window), shape)
            }
            _ => return None,
        };
        let (before, rest) = pooling_of(rest);
        let (norm, rest) = norm_of(rest);
        let (activation, rest) = activation_of(rest);
        let (behind, rest) = pooling_of(rest);
        // Of a learned scale and shift, or of a shift alone, modules say the same.
        let (channels, beside) = (shape.channels as i64, learned as i64 - map.weights() - shape.channels as i64);
        let norm = if norm == Norm::BatchAffine && beside == channels { Norm::BatchBias } else { norm };
        let layers =
            Self { map, norm, activation, pool: before.max(behind), pools_first: before > 1, shape, biased: true };
        let is_whole = rest.is_empty() && before.min(behind) == 1 && beside == norm::learned(norm, channels);
        is_whole.then_some(layers)
    }

    /// These layers with a bias that is not learned.
    pub(crate) fn without_bias(self) -> Self {
        Self { biased: false, ..self }
    }

    /// Sizes of what comes out.
    pub(crate) fn outputs(&self) -> Shape {
        pool::pooled(self.shape, self.pool)
    }

    fn channels(&self) -> i64 {
        self.shape.channels as i64
    }

    fn weight(&self, parameters: &Tensor) -> Tensor {
        parameters.narrow(0, 0, self.map.weights())
    }

    /// The bias, which training leaves out where a norm follows.
    pub(crate) fn bias(&self, parameters: &Tensor) -> Tensor {
        parameters.narrow(0, self.map.weights(), self.channels())
    }

    /// scale n + shift, as far as they are learned.
    fn scaled(&self, n: &Tensor, parameters: &Tensor) -> Tensor {
        let (start, d) = (self.map.weights() + self.channels(), self.channels());
        match self.norm {
            Norm::BatchAffine => n * parameters.narrow(0, start, d) + parameters.narrow(0, start + d, d),
            Norm::BatchBias => n + parameters.narrow(0, start, d),
            Norm::Batch | Norm::None => n.shallow_clone(),
        }
    }

    /// What the map gives of samples (m x columns), by pixels, and pooled if that comes first.
    fn mapped(&self, y: &Tensor, parameters: &Tensor) -> (Tensor, Option<pool::Pooled>) {
        let a = self.map.forward(y, &self.weight(parameters));
        if !self.pools_first {
            return (a, None);
        }
        let pooled = pool::Pooled::of(&a.view([y.size()[0], -1]), self.shape, self.pool);
        (pooled.rows().view([-1, self.channels()]), Some(pooled))
    }

    /// Pixels as samples (m x columns), pooled if that comes last.
    fn gathered(&self, z: &Tensor, m: i64) -> (Tensor, Option<pool::Pooled>) {
        let whole = z.view([m, -1]);
        if self.pool == 1 || self.pools_first {
            return (whole, None);
        }
        let pooled = pool::Pooled::of(&whole, self.shape, self.pool);
        (pooled.rows(), Some(pooled))
    }

    /// Training mode: what comes out of samples `y` (m x columns), with the statistics of this batch.
    pub(crate) fn forward(&self, y: &Tensor, parameters: &Tensor) -> (Tensor, KeptLayers) {
        let (a, first) = self.mapped(y, parameters);
        let (a, normalized) = match self.norm {
            Norm::None => (a + self.bias(parameters), None),
            _ => {
                let normalized = Normalized::of(&a);
                (self.scaled(&normalized.n, parameters), Some(normalized))
            }
        };
        let z = apply(self.activation, &a);
        let (u, last) = self.gathered(&z, y.size()[0]);
        (u, KeptLayers { normalized, a, z, pooled: first.or(last) })
    }

    /// Evaluation mode: the same with running statistics.
    pub(crate) fn infer(&self, y: &Tensor, parameters: &Tensor, statistics: Option<&Tensor>) -> Tensor {
        let a = self.mapped(y, parameters).0 + self.bias(parameters);
        let a = match (self.norm, statistics) {
            (Norm::None, _) | (_, None) => a,
            (_, Some(statistics)) => self.scaled(&norm::infer(&a, statistics), parameters),
        };
        self.gathered(&apply(self.activation, &a), y.size()[0]).0
    }

    /// From dL/d(what came out) to dL/dparameters, flat in their order, and to dL/dy where it is asked for.
    pub(crate) fn backward(
        &self,
        kept: &KeptLayers,
        y: &Tensor,
        parameters: &Tensor,
        du: Tensor,
        with_y: bool,
    ) -> (Tensor, Option<Tensor>) {
        let KeptLayers { normalized, a, z, pooled } = kept;
        let dz = match pooled {
            Some(pooled) if !self.pools_first => pooled.backward(&du),
            _ => du,
        };
        let g = chain(self.activation, a, z, dz.view([-1, self.channels()]));
        let zeros = || self.bias(parameters).zeros_like();
        let (da, bias, learned) = match normalized {
            None if self.biased => (g.shallow_clone(), g.sum_dim_intlist(0, false, Kind::Float), Vec::new()),
            None => (g.shallow_clone(), zeros(), Vec::new()),
            Some(normalized) => {
                let start = self.map.weights() + self.channels();
                let scale = (self.norm == Norm::BatchAffine).then(|| parameters.narrow(0, start, self.channels()));
                let (da, scale, shift) = normalized.backward(&g, scale.as_ref());
                let learned = match self.norm {
                    Norm::BatchAffine => vec![scale, shift],
                    Norm::BatchBias => vec![shift],
                    Norm::Batch | Norm::None => Vec::new(),
                };
                (da, zeros(), learned)
            }
        };
        let da = match pooled {
            Some(pooled) if self.pools_first => {
                pooled.backward(&da.view([y.size()[0], -1])).view([-1, self.channels()])
            }
            _ => da,
        };
        let (weight, dy) = self.map.backward(y, &self.weight(parameters), &da, with_y);
        let parts: Vec<Tensor> = [weight, bias].into_iter().chain(learned).collect();
        (Tensor::cat(&parts, 0), dy)
    }

    /// Moves running statistics towards those of a forward pass; by the share of training where none is named.
    pub(crate) fn absorb(&self, kept: &KeptLayers, parameters: &Tensor, share: Option<f64>, statistics: &Tensor) {
        if let Some(normalized) = &kept.normalized {
            normalized.absorb(share, Some(&self.bias(parameters)), statistics);
        }
    }
}

/// The side of a pooling window at the head of a list, 1 for none, and the rest.
pub(crate) fn pooling_of(modules: &[Module]) -> (usize, &[Module]) {
    match modules {
        [first, rest @ ..] if first.class == "MaxPool2d" => (number(first, 0), rest),
        all => (1, all),
    }
}

/// The norm at the head of a list, and the rest.
pub(crate) fn norm_of(modules: &[Module]) -> (Norm, &[Module]) {
    match modules {
        [first, rest @ ..] if matches!(first.class, "BatchNorm1d" | "BatchNorm2d") => {
            (if number(first, 1) == 1 { Norm::BatchAffine } else { Norm::Batch }, rest)
        }
        all => (Norm::None, all),
    }
}

/// The nonlinearity at the head of a list, and the rest.
pub(crate) fn activation_of(modules: &[Module]) -> (Activation, &[Module]) {
    let [first, rest @ ..] = modules else { return (Activation::Identity, modules) };
    let activation = match first.class {
        "ReLU" => Activation::Relu,
        "LeakyReLU" => Activation::LeakyRelu,
        "Tanh" => Activation::Tanh,
        "ELU" => Activation::Elu,
        "Sigmoid" => Activation::Sigmoid,
        "GELU" => Activation::Gelu,
        "SiLU" => Activation::Silu,
        _ => return (Activation::Identity, modules),
    };
    (activation, rest)
}
