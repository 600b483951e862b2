//! Blocks on a device: forward pass, evaluation and the way back by their own formulas, as those of `hsic-nn`.
//!
//! A block is read off the CPU's, and keeps its numbers as that does, in one flat tensor, so that optimizer states and
//! checkpoints need no translation. Activations are rows, one sample each; a map lies channels last.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::block::class_names;
use hsic_bottleneck::network::{Activation, Block as HostBlock, Norm};
use hsic_bottleneck::optimizer::Groups;
use tch::Tensor;

use crate::activation::{apply, chain};
use crate::device::Device;
use crate::dropout::Dropout;
use crate::layers::{KeptLayers, Layers, activation_of, norm_of, pooling_of};
use crate::norm::{self, Normalized};
use crate::pool;
use crate::whitened::Whitened;

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
    /// What does not learn before a network's first block.
    whitened: Option<Whitened>,
    layers: Layers,
    /// Of a residual block, whose input is added to what the layers give.
    sum: Option<Sum>,
    shape: Shape,
    inputs: usize,
    groups: Groups,
    /// Learned numbers, as the CPU's block stores them.
    pub(crate) parameters: Tensor,
    /// Running statistics, and what else does not learn, part by part.
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
        let (window, modules) = pooling_of(modules);
        let pooled = pool::pooled(from, window);
        let (whitened, modules) = Whitened::of(modules, pooled);
        let taken = (whitened.map_or(pooled, |whitened| whitened.shape()), planar && whitened.is_none());
        let learned = host.parameters().len();
        let (layers, sum) = match modules {
            [residual] if residual.class == "Residual" => {
                let [inner, behind @ ..] = &residual.inner[..] else { return Err(unknown()) };
                let (norm, rest) = norm_of(behind);
                let (activation, rest) = activation_of(rest);
                if !rest.is_empty() {
                    return Err(unknown());
                }
                (Layers::of(&inner.inner, taken, learned).ok_or_else(unknown)?, Some(Sum { norm, activation }))
            }
            plain => (Layers::of(plain, taken, learned).ok_or_else(unknown)?, None),
        };
        if layers.outputs() != host.shape() {
            return Err(unknown());
        }
        let mut block = Self {
            dropout,
            entrance: (from, window),
            whitened,
            layers,
            sum,
            shape: host.shape(),
            inputs: host.inputs(),
            groups: host.groups(),
            parameters: device.zeros(&[0]),
            statistics: Vec::new(),
        };
        block.load(host, device);
        Ok(block)
    }

    /// This block with a bias that is not learned.
    pub(crate) fn without_bias(self) -> Self {
        Self { layers: self.layers.without_bias(), ..self }
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

    /// Parameters, then statistics: each a tensor, to be changed in its place.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.parameters).chain(&self.statistics)
    }

    /// Sizes of its output.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Columns of its input.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// What its parameters are, for the optimizer.
    pub(crate) fn groups(&self) -> Groups {
        self.groups
    }

    /// Whether it follows statistics.
    pub(crate) fn has_statistics(&self) -> bool {
        self.statistics.iter().any(|part| part.numel() > 0)
    }

    /// Running statistics of the layers' own norm.
    fn own_statistics(&self) -> Option<&Tensor> {
        self.statistics.get(usize::from(self.whitened.is_some()))
    }

    /// What the layers take of samples: pooled and whitened ones, where they are.
    fn entering(&self, x: &Tensor) -> (Tensor, Option<pool::Pooled>) {
        let (map, window) = self.entrance;
        let entered = (window > 1).then(|| pool::Pooled::of(x, map, window));
        let y = entered.as_ref().map_or_else(|| x.shallow_clone(), pool::Pooled::rows);
        let y = match (&self.whitened, self.statistics.first()) {
            (Some(whitened), Some(numbers)) => whitened.apply(&y, numbers),
            _ => y,
        };
        (y, entered)
    }

    /// Training mode: outputs (m x outputs) with the statistics of this batch, and with the random draws of a step if one is
    /// named.
    pub(crate) fn forward(&self, x: &Tensor, step: Option<u64>) -> (Tensor, Kept) {
        let m = x.size()[0];
        let mask = self.dropout.as_ref().zip(step).map(|(dropout, step)| dropout.mask(m, step));
        let x = mask.as_ref().map_or_else(|| x.shallow_clone(), |mask| x * mask);
        let (y, entered) = self.entering(&x);
        let (u, layers) = self.layers.forward(&y, &self.parameters);
        let Some(Sum { norm, activation }) = &self.sum else {
            return (u, Kept { x, mask, entered, y, layers, sum: None });
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
        (outputs, Kept { x, mask, entered, y, layers, sum: Some(KeptSum { normalized, a, z }) })
    }

    /// Evaluation mode: outputs (m x outputs) with the running statistics.
    pub(crate) fn infer(&self, x: &Tensor) -> Tensor {
        let y = self.entering(x).0;
        let u = self.layers.infer(&y, &self.parameters, self.own_statistics());
        let Some(Sum { norm, activation }) = &self.sum else { return u };
        let rows = (u + y).view([-1, self.shape.channels as i64]);
        let rows = match (norm, self.statistics.last()) {
            (Norm::None, _) | (_, None) => rows,
            (_, Some(statistics)) => norm::infer(&rows, statistics),
        };
        apply(*activation, &rows).view([x.size()[0], -1])
    }

    /// From dL/dz to dL/dparameters, flat in their order, and to dL/dx where it is asked for: never behind whitened windows, before
    /// which nothing learns.
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
        let with_x = with_x && self.whitened.is_none();
        let (gradient, dy) = self.layers.backward(&kept.layers, &kept.y, &self.parameters, du, with_x);
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
        (gradient, dx)
    }

    /// Moves the running statistics towards those of a forward pass; by the share of training where none is named.
    pub(crate) fn absorb(&mut self, kept: &Kept, share: Option<f64>) {
        if let Some(statistics) = self.own_statistics() {
            self.layers.absorb(&kept.layers, &self.parameters, share, statistics);
        }
        if let (Some(KeptSum { normalized: Some(normalized), .. }), Some(statistics)) =
            (&kept.sum, self.statistics.last())
        {
            normalized.absorb(share, None, statistics);
        }
    }

    /// Whether all its numbers are finite; a flag on the device.
    pub(crate) fn is_finite(&self) -> Tensor {
        let parts: Vec<&Tensor> = self.numbers().collect();
        Tensor::cat(&parts, 0).isfinite().all()
    }
}

impl Kept {
    /// What came in.
    pub(crate) fn x(&self) -> &Tensor {
        &self.x
    }
}
