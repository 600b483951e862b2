//! Blocks on a device: forward pass, evaluation and the way back by their own formulas, as those of `hsic-nn`.
//!
//! A block is read off the CPU's, and keeps its numbers as that does, in one flat tensor, so that optimizer states and
//! checkpoints need no translation. Activations are rows, one sample each; a map lies channels last. Rows of norms and
//! nonlinearities are those of pixels (pixels x channels).

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::block::class_names;
use hsic_bottleneck::network::layout::Module;
use hsic_bottleneck::network::{Activation, Block as HostBlock, Norm};
use tch::{Kind, Tensor};

use crate::activation::{apply, chain};
use crate::device::Device;
use crate::dropout::Dropout;
use crate::map::{Map, Window};
use crate::norm::{self, Normalized};
use crate::pool;

/// Linear map, norm, nonlinearity, pooling.
#[derive(Debug)]
struct Layers {
    map: Map,
    norm: Norm,
    activation: Activation,
    /// Side and step of the pooling window at the end; 1 for none.
    pool: usize,
    /// Sizes of what comes out before that pooling.
    shape: Shape,
}

/// What stands behind the sum of a residual block.
#[derive(Debug)]
struct Sum {
    norm: Norm,
    activation: Activation,
}

/// A block on a device.
#[derive(Debug)]
pub(crate) struct Block {
    /// What the way into the block leaves out, in training.
    dropout: Option<Dropout>,
    /// Sizes of what comes in, and the window by which it is pooled first; 1 for none.
    entrance: (Shape, usize),
    layers: Layers,
    /// Of a residual block, whose input is added to what the layers give.
    sum: Option<Sum>,
    /// Whether the bias is learned; else it is 0.
    biased: bool,
    shape: Shape,
    inputs: usize,
    /// Learned numbers, as the CPU's block stores them.
    pub(crate) parameters: Tensor,
    /// Running statistics, part by part.
    statistics: Vec<Tensor>,
}

/// Where a block of the CPU stands in its network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Index of the block.
    pub(crate) index: usize,
    /// Sizes of what comes in.
    pub(crate) from: Shape,
    /// It lies channel by channel, as a data set has it.
    pub(crate) planar: bool,
    /// Of the network, from which masks of dropout follow.
    pub(crate) seed: u64,
}

/// What a block keeps from its forward pass for its own gradient.
pub(crate) struct Kept {
    x: Tensor,
    mask: Option<Tensor>,
    entered: Option<pool::Pooled>,
    y: Tensor,
    layers: KeptLayers,
    sum: Option<KeptSum>,
}

struct KeptLayers {
    normalized: Option<Normalized>,
    /// What the nonlinearity takes and gives, by pixels.
    a: Tensor,
    z: Tensor,
    pooled: Option<pool::Pooled>,
}

struct KeptSum {
    normalized: Option<Normalized>,
    a: Tensor,
    z: Tensor,
}

impl Block {
    /// The block that the CPU has, on the device with its numbers.
    ///
    /// # Errors
    /// The block's layers, if one of them has no place here.
    pub(crate) fn of(host: &dyn HostBlock, place: Place, device: &Device) -> Result<Self, String> {
        let Place { index, from, planar, seed } = place;
        let unknown = || format!("a block {}", class_names(host));
        let modules = host.modules();
        let (dropout, modules) = match &modules[..] {
            [first, rest @ ..] if matches!(first.class, "Dropout" | "Dropout2d") => {
                let share = first.arguments.first().copied().unwrap_or_default();
                let (by_channel, index) = (first.class == "Dropout2d", index as u64);
                (Some(Dropout { share, by_channel, map: from, seed, index, device: device.clone() }), rest)
            }
            all => (None, all),
        };
        let (window, modules) = match modules {
            [first, rest @ ..] if first.class == "MaxPool2d" => (number(first, 0), rest),
            all => (1, all),
        };
        let taken = pool::pooled(from, window);
        let (layers, sum) = match modules {
            [residual] if residual.class == "Residual" => {
                let [inner, behind @ ..] = &residual.inner[..] else { return Err(unknown()) };
                let (norm, rest) = norm_of(behind);
                let (activation, rest) = activation_of(rest);
                if !rest.is_empty() {
                    return Err(unknown());
                }
                (Layers::of(&inner.inner, taken, planar).ok_or_else(unknown)?, Some(Sum { norm, activation }))
            }
            plain => (Layers::of(plain, taken, planar).ok_or_else(unknown)?, None),
        };
        let block = Self {
            dropout,
            entrance: (from, window),
            layers,
            sum,
            biased: true,
            shape: host.shape(),
            inputs: host.inputs(),
            parameters: device.zeros(&[0]),
            statistics: Vec::new(),
        };
        let count = block.layers.map.weights() + block.channels() + norm::learned(block.layers.norm, block.channels());
        if count != host.parameters().len() as i64 || pool::pooled(block.layers.shape, block.layers.pool) != block.shape
        {
            return Err(unknown());
        }
        Ok(block.loaded(host, device))
    }

    /// This block with a bias that is not learned.
    pub(crate) fn without_bias(mut self) -> Self {
        self.biased = false;
        self
    }

    fn loaded(mut self, host: &dyn HostBlock, device: &Device) -> Self {
        self.load(host, device);
        self
    }

    /// Takes the numbers of the CPU's block.
    pub(crate) fn load(&mut self, host: &dyn HostBlock, device: &Device) {
        self.parameters = device.take(host.parameters());
        self.statistics = host.statistics().into_iter().map(|part| device.take(part)).collect();
    }

    /// Brings its numbers to the CPU's block.
    pub(crate) fn store(&self, host: &mut dyn HostBlock, device: &Device) {
        host.parameters_mut().copy_from_slice(&device.read(&self.parameters));
        for (to, from) in host.statistics_mut().into_iter().zip(&self.statistics) {
            to.copy_from_slice(&device.read(from));
        }
    }

    /// Sizes of its output.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Columns of its input.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether it follows statistics.
    pub(crate) fn has_statistics(&self) -> bool {
        self.statistics.iter().any(|part| part.numel() > 0)
    }

    /// Channels of the map's output.
    fn channels(&self) -> i64 {
        self.layers.shape.channels as i64
    }

    fn weight(&self) -> Tensor {
        self.parameters.narrow(0, 0, self.layers.map.weights())
    }

    fn bias(&self) -> Tensor {
        self.parameters.narrow(0, self.layers.map.weights(), self.channels())
    }

    /// Learned scale and shift.
    fn affine(&self) -> Option<(Tensor, Tensor)> {
        let (start, d) = (self.layers.map.weights() + self.channels(), self.channels());
        let part = |index: i64| self.parameters.narrow(0, start + index * d, d);
        (self.layers.norm == Norm::BatchAffine).then(|| (part(0), part(1)))
    }

    /// Training mode: outputs (m x outputs) with the statistics of this batch, and with the random draws of a step if one is
    /// named.
    pub(crate) fn forward(&self, x: &Tensor, step: Option<u64>) -> (Tensor, Kept) {
        let m = x.size()[0];
        let mask = self.dropout.as_ref().zip(step).map(|(dropout, step)| dropout.mask(m, step));
        let x = &mask.as_ref().map_or_else(|| x.shallow_clone(), |mask| x * mask);
        let (map, window) = self.entrance;
        let entered = (window > 1).then(|| pool::Pooled::of(x, map, window));
        let y = entered.as_ref().map_or_else(|| x.shallow_clone(), |pooled| pooled.rows());
        let a = self.layers.map.forward(&y, &self.weight());
        let (a, normalized) = match self.layers.norm {
            Norm::None => (a + self.bias(), None),
            Norm::Batch => {
                let normalized = Normalized::of(&a);
                (normalized.n.shallow_clone(), Some(normalized))
            }
            // A shift alone is refused before training.
            Norm::BatchAffine | Norm::BatchBias => {
                let normalized = Normalized::of(&a);
                (self.scaled(&normalized.n), Some(normalized))
            }
        };
        let z = apply(self.layers.activation, &a);
        let (u, pooled) = self.layers.pooled(&z, m);
        let layers = KeptLayers { normalized, a, z, pooled };
        let Some(Sum { norm, activation }) = &self.sum else {
            let kept = Kept { x: x.shallow_clone(), mask, entered, y, layers, sum: None };
            return (u, kept);
        };
        let rows = (u + &y).view([-1, self.shape.channels as i64]);
        let (a, normalized) = match norm {
            Norm::None => (rows, None),
            _ => {
                let normalized = Normalized::of(&rows);
                (normalized.n.shallow_clone(), Some(normalized))
            }
        };
        let z = apply(*activation, &a);
        let outputs = z.view([m, -1]);
        (outputs, Kept { x: x.shallow_clone(), mask, entered, y, layers, sum: Some(KeptSum { normalized, a, z }) })
    }

    /// scale n + shift; n itself where neither is learned.
    fn scaled(&self, n: &Tensor) -> Tensor {
        match self.affine() {
            Some((scale, shift)) => n * scale + shift,
            None => n.shallow_clone(),
        }
    }

    /// Evaluation mode: outputs (m x outputs) with the running statistics.
    pub(crate) fn infer(&self, x: &Tensor) -> Tensor {
        let m = x.size()[0];
        let (map, window) = self.entrance;
        let y = if window > 1 { pool::Pooled::of(x, map, window).rows() } else { x.shallow_clone() };
        let a = self.layers.map.forward(&y, &self.weight()) + self.bias();
        let a = match (self.layers.norm, self.statistics.first()) {
            (Norm::None, _) | (_, None) => a,
            (_, Some(statistics)) => self.scaled(&norm::infer(&a, statistics)),
        };
        let (u, _) = self.layers.pooled(&apply(self.layers.activation, &a), m);
        let Some(Sum { norm, activation }) = &self.sum else { return u };
        let rows = (u + y).view([-1, self.shape.channels as i64]);
        let rows = match (norm, self.statistics.last()) {
            (Norm::None, _) | (_, None) => rows,
            (_, Some(statistics)) => norm::infer(&rows, statistics),
        };
        apply(*activation, &rows).view([m, -1])
    }

    /// From dL/dz to dL/dparameters, flat in their order, and to dL/dx where it is asked for.
    pub(crate) fn gradient(&self, kept: &Kept, dz: Tensor, with_x: bool) -> (Tensor, Option<Tensor>) {
        let m = dz.size()[0];
        let (du, passed) = match (&self.sum, &kept.sum) {
            (Some(Sum { activation, .. }), Some(KeptSum { normalized, a, z })) => {
                let g = chain(*activation, a, z, dz.view([-1, self.shape.channels as i64]));
                let g =
                    normalized.as_ref().map_or_else(|| g.shallow_clone(), |normalized| normalized.backward(&g, None).0);
                let g = g.view([m, -1]);
                (g.shallow_clone(), Some(g))
            }
            _ => (dz, None),
        };
        let KeptLayers { normalized, a, z, pooled } = &kept.layers;
        let d = match pooled {
            Some(pooled) => pooled.backward(&du),
            None => du,
        };
        let g = chain(self.layers.activation, a, z, d.view([-1, self.channels()]));
        let (da, bias, affine) = match normalized {
            None if self.biased => (g.shallow_clone(), g.sum_dim_intlist(0, false, Kind::Float), Vec::new()),
            None => (g.shallow_clone(), self.bias().zeros_like(), Vec::new()),
            Some(normalized) => {
                let affine = self.affine();
                let (da, scale, shift) = normalized.backward(&g, affine.as_ref().map(|(scale, _)| scale));
                (da, self.bias().zeros_like(), if affine.is_some() { vec![scale, shift] } else { Vec::new() })
            }
        };
        let (weight, dy) = self.layers.map.backward(&kept.y, &self.weight(), &da, with_x);
        let parts: Vec<Tensor> = [weight, bias].into_iter().chain(affine).collect();
        let dx = dy.map(|dy| {
            let dy = match &passed {
                Some(passed) => dy + passed,
                None => dy,
            };
            let dx = match &kept.entered {
                Some(pooled) => pooled.backward(&dy),
                None => dy,
            };
            match &kept.mask {
                Some(mask) => dx * mask,
                None => dx,
            }
        });
        (Tensor::cat(&parts, 0), dx)
    }

    /// Moves the running statistics towards those of a forward pass; by the share of training where none is named.
    pub(crate) fn absorb(&mut self, kept: &Kept, share: Option<f64>) {
        let bias = self.bias();
        if let (Some(normalized), Some(statistics)) = (&kept.layers.normalized, self.statistics.first_mut()) {
            normalized.absorb(share, Some(&bias), statistics);
        }
        if let (Some(KeptSum { normalized: Some(normalized), .. }), Some(statistics)) =
            (&kept.sum, self.statistics.last_mut())
        {
            normalized.absorb(share, None, statistics);
        }
    }

    /// Whether all its numbers are finite; a flag on the device.
    pub(crate) fn is_finite(&self) -> Tensor {
        let parts: Vec<&Tensor> = std::iter::once(&self.parameters).chain(&self.statistics).collect();
        Tensor::cat(&parts, 0).isfinite().all()
    }
}

impl Kept {
    /// What came in.
    pub(crate) fn x(&self) -> &Tensor {
        &self.x
    }
}

impl Layers {
    /// The layers of a list of PyTorch's modules on inputs of sizes `from`; `None` if one of them has no place here.
    fn of(modules: &[Module], from: Shape, planar: bool) -> Option<Self> {
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
                let [kernel, stride, padding] = [2, 3, 4].map(|index| number(first, index));
                let window = Window { from, planar, outputs: number(first, 1), kernel, stride, padding };
                let shape = window.shape();
                (Map::Convolution(window), shape)
            }
            _ => return None,
        };
        let (norm, rest) = norm_of(rest);
        let (activation, rest) = activation_of(rest);
        let pool = match rest {
            [] => 1,
            [last] if last.class == "MaxPool2d" => number(last, 0),
            _ => return None,
        };
        Some(Self { map, norm, activation, pool, shape })
    }

    /// Pixels (rows x channels) as samples (m x columns), pooled if they are.
    fn pooled(&self, z: &Tensor, m: i64) -> (Tensor, Option<pool::Pooled>) {
        let whole = z.view([m, -1]);
        if self.pool == 1 {
            return (whole, None);
        }
        let pooled = pool::Pooled::of(&whole, self.shape, self.pool);
        (pooled.rows(), Some(pooled))
    }
}

/// An argument of a module.
fn number(module: &Module, index: usize) -> usize {
    module.arguments.get(index).map_or(0, |&value| value as usize)
}

/// The norm at the head of a list, and the rest.
fn norm_of(modules: &[Module]) -> (Norm, &[Module]) {
    match modules {
        [first, rest @ ..] if matches!(first.class, "BatchNorm1d" | "BatchNorm2d") => {
            (if number(first, 1) == 1 { Norm::BatchAffine } else { Norm::Batch }, rest)
        }
        all => (Norm::None, all),
    }
}

/// The nonlinearity at the head of a list, and the rest.
fn activation_of(modules: &[Module]) -> (Activation, &[Module]) {
    let [first, rest @ ..] = modules else { return (Activation::Identity, modules) };
    let activation = match first.class {
        "ReLU" => Activation::Relu,
        "LeakyReLU" => Activation::LeakyRelu,
        "Tanh" => Activation::Tanh,
        "ELU" => Activation::Elu,
        "Sigmoid" => Activation::Sigmoid,
        "GELU" => Activation::Gelu,
        _ => return (Activation::Identity, modules),
    };
    (activation, rest)
}
