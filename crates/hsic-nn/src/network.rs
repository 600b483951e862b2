//! Networks: lists of blocks, trained one by one.

pub mod activation;
pub mod block;
pub mod build;
pub mod capsule;
pub mod conv;
mod convolution;
pub mod dense;
pub mod design;
pub mod entrance;
mod error;
pub mod feature;
#[cfg(test)]
mod in_parts_tests;
pub mod label;
pub mod layout;
pub mod learner;
pub mod linear;
pub mod models;
pub mod norm;
mod options;
pub mod pooled;
pub mod products;
pub mod residual;
mod spec;
mod start;
pub mod whitened;

use std::ops::Range;

use hsic::Scalar;
use hsic::random::Stream;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

pub use activation::Activation;
pub use block::{Block, BlockInParts, Cache, MapKind, Weights, class_names};
pub use capsule::{PrimaryCapsules, RoutedCapsules, RoutedSettings, lengths};
pub use conv::{Conv, ConvSettings};
pub use dense::Dense;
pub use design::Design;
pub use entrance::{Between, DropoutBy, Entered, Entrance, InputNorm};
pub use error::NetworkError;
pub use feature::Feature;
pub use label::{LabelStyle, WrittenLabel};
pub use layout::{Module, TensorKind, TensorSpec};
pub use learner::{Learner, LearnerState};
pub use linear::Linear;
pub use models::{NETWORKS, NetworkKind, NetworkSettings, PYRAMID};
pub use norm::Norm;
pub use options::{NetworkOptions, NetworkPlan};
pub use pooled::{PoolAt, Pooled};
pub use products::Products;
pub use residual::Residual;
pub use spec::{BlockSpec, Width, parse_widths};
pub use start::{HeadStart, Start};
pub use whitened::Whitened;

/// Most rows that one task evaluates; fixed, so that the number of threads is invisible.
const INFERENCE_ROWS: usize = 256;

/// Most values of one block's activations in a task.
const INFERENCE_VALUES: usize = 1 << 21;

/// A list of blocks, each fed by the one before it.
pub struct Network<T: Scalar = f32> {
    blocks: Vec<Box<dyn Block<T>>>,
    feature: Feature,
    label: Option<WrittenLabel>,
}

/// A named tensor of a network, flat in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor<T> {
    /// Name in one flat PyTorch `Sequential` of the whole network: `0.weight`, `1.running_mean`, ...
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Entries.
    pub values: Vec<T>,
}

/// A tensor where a network keeps it.
pub struct StoredTensor<'n, T> {
    /// As in [`NamedTensor`].
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Index of the block that it belongs to.
    pub index: usize,
    block: &'n dyn Block<T>,
    spec: TensorSpec,
    /// Entries of the block's parameters and statistics before it.
    start: usize,
}

impl<T: Scalar> StoredTensor<'_, T> {
    /// Its entries, flat in row-major order.
    #[must_use]
    pub fn values(&self) -> Vec<T> {
        let mut start = self.start;
        for part in [self.block.parameters()].into_iter().chain(self.block.statistics()) {
            if start < part.len() {
                return self.spec.places().map(|place| part[start + place]).collect();
            }
            start -= part.len();
        }
        Vec::new()
    }
}

impl<T: Scalar> Network<T> {
    /// A network of the given blocks.
    ///
    /// # Panics
    /// If there is no block or a block's inputs are not the outputs of the one before it.
    #[must_use]
    pub fn new(blocks: Vec<Box<dyn Block<T>>>) -> Self {
        assert!(!blocks.is_empty(), "a network has at least one block");
        for pair in blocks.windows(2) {
            assert_eq!(pair[0].outputs(), pair[1].inputs(), "a block takes what the block before it gives");
        }
        Self { blocks, feature: Feature::Flat, label: None }
    }

    /// What objectives see of the blocks' maps.
    #[must_use]
    pub fn feature(&self) -> Feature {
        self.feature
    }

    /// Chooses what objectives see of the blocks' maps; all of them at first.
    pub fn set_feature(&mut self, feature: Feature) {
        self.feature = feature;
    }

    /// These blocks, each but the first behind `entrance`; masks follow from the seed.
    #[must_use]
    pub fn with_entrances(mut self, entrance: Entrance, seed: u64) -> Self {
        if !entrance.is_open() {
            let mut map = None;
            let behind = |(index, block): (usize, Box<dyn Block<T>>)| -> Box<dyn Block<T>> {
                match map.replace(block.shape()) {
                    None => block,
                    Some(map) => Box::new(Entered::new(block, entrance, map, seed, index)),
                }
            };
            self.blocks = self.blocks.into_iter().enumerate().map(behind).collect();
        }
        self
    }

    /// These blocks, the first behind the normalization of its rows.
    #[must_use]
    pub fn with_input_norm(mut self, norm: InputNorm) -> Self {
        if norm == InputNorm::Rms {
            let entrance = Entrance { between: Between::Rms, ..Entrance::default() };
            let first = self.blocks.remove(0);
            // A row's length does not depend on where its values lie.
            let row = Shape { channels: first.inputs(), height: 1, width: 1 };
            self.blocks.insert(0, Box::new(Entered::new(first, entrance, row, 0, 0)));
        }
        self
    }

    /// This network, whose samples carry a label: features are those of a neutral one, and classes are read by
    /// writing each of them.
    ///
    /// # Panics
    /// If a sample has no more values than the label takes.
    #[must_use]
    pub fn with_label(mut self, label: WrittenLabel) -> Self {
        assert!(label.classes < self.inputs(), "a label leaves something of the sample");
        self.label = Some(label);
        self
    }

    /// A multilayer perceptron: `inputs` - widths - `outputs`, every layer with `norm` and activation, the output
    /// block too. Weights come from the seed, each block's from a stream of its own.
    #[must_use]
    pub fn mlp(inputs: usize, widths: &[usize], outputs: usize, activation: Activation, norm: Norm, seed: u64) -> Self {
        let mut blocks: Vec<Box<dyn Block<T>>> = Vec::with_capacity(widths.len() + 1);
        let mut from = inputs;
        for (index, &to) in widths.iter().chain([&outputs]).enumerate() {
            let mut stream = Stream::new(seed, "init", index as u64);
            blocks.push(Box::new(Dense::new(from, to, activation, norm, &mut stream)));
            from = to;
        }
        Self::new(blocks)
    }

    /// The blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Box<dyn Block<T>>] {
        &self.blocks
    }

    /// Adds a block behind the others.
    ///
    /// # Errors
    /// `Joint` if it does not take what the last one gives.
    pub fn push(&mut self, block: impl Block<T> + 'static) -> Result<(), NetworkError> {
        let (given, taken) = (self.outputs(), block.inputs());
        if given != taken {
            return Err(NetworkError::Joint { block: self.blocks.len(), given, taken });
        }
        self.blocks.push(Box::new(block));
        Ok(())
    }

    /// The blocks, to be trained.
    pub fn blocks_mut(&mut self) -> &mut [Box<dyn Block<T>>] {
        &mut self.blocks
    }

    /// Forms what does not learn but follows from the data, from training rows (rows x inputs).
    pub fn see(&mut self, rows: &[T]) {
        let rows = self.entered(rows);
        self.blocks[0].see(&rows);
    }

    /// Columns of the input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.blocks[0].inputs()
    }

    /// Columns of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.blocks[self.blocks.len() - 1].outputs()
    }

    /// Values of a capsule, if the outputs are capsules.
    #[must_use]
    pub fn capsule(&self) -> Option<usize> {
        self.blocks[self.blocks.len() - 1].capsule()
    }

    /// The label that its samples carry, if they do.
    #[must_use]
    pub fn label(&self) -> Option<WrittenLabel> {
        self.label
    }

    /// What may stand for classes: columns of the output, the capsules that they make, or the labels that may be written.
    #[must_use]
    pub fn units(&self) -> usize {
        self.label.map_or(self.outputs() / self.capsule().unwrap_or(1), |label| label.classes)
    }

    /// What units say (m x units) in `outputs` (m x outputs): their values as they are, capsules by their lengths.
    #[must_use]
    pub fn scores(&self, outputs: Vec<T>) -> Vec<T> {
        match self.capsule() {
            Some(dimensions) => lengths(dimensions, &outputs),
            None => outputs,
        }
    }

    /// Number of learned numbers.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.blocks.iter().map(|block| block.parameters().len()).sum()
    }

    /// Evaluation mode: `z` (m x outputs) from `x` (m x inputs), rows in parallel.
    #[must_use]
    pub fn infer(&self, m: usize, x: &[T]) -> Vec<T> {
        self.features(m, x, false)
    }

    /// What speaks for each unit (m x units) in evaluation mode: values of the output block, lengths of its capsules, or
    /// the [goodness](WrittenLabel) of each label, which takes a forward pass a class. Rows in parallel.
    #[must_use]
    pub fn class_scores(&self, m: usize, x: &[T]) -> Vec<T> {
        let Some(label) = self.label else { return self.scores(self.infer(m, x)) };
        let mut scores = vec![T::ZERO; m * label.classes];
        let rows = self.inference_rows();
        scores
            .par_chunks_mut(rows * label.classes)
            .zip(x.par_chunks(rows * self.inputs()))
            .for_each(|(scores, x)| label.scores(&self.blocks, x, scores));
        scores
    }

    /// What speaks for each unit with the statistics of these very rows, from the output block alone: what a label's goodness says is of
    /// evaluation mode.
    #[must_use]
    pub fn batch_scores(&self, m: usize, x: &[T]) -> Vec<T> {
        match self.label {
            Some(_) => self.class_scores(m, x),
            None => self.scores(self.batch_outputs(m, x)),
        }
    }

    /// The outputs of `x` (m x inputs) with the statistics of these very rows and without dropout; nothing is kept.
    #[must_use]
    pub fn batch_outputs(&self, m: usize, x: &[T]) -> Vec<T> {
        let mut from = self.entered(x);
        for block in &self.blocks {
            let mut to = vec![T::ZERO; m * block.outputs()];
            block.forward(m, &from, &mut to, &mut Cache::shared());
            from = to;
        }
        from
    }

    /// Columns of [`Network::features`].
    #[must_use]
    pub fn feature_columns(&self, all: bool) -> usize {
        if all { self.blocks.iter().map(|block| self.feature.columns(block.shape())).sum() } else { self.outputs() }
    }

    /// Evaluation mode: the outputs, or the features of `all` blocks side by side, rows in parallel.
    #[must_use]
    pub fn features(&self, m: usize, x: &[T], all: bool) -> Vec<T> {
        let (outputs, features) = self.infer_blocks(0..self.blocks.len(), m, x, all);
        if all { features } else { outputs }
    }

    /// Evaluation mode of some blocks alone: from the inputs of the first of them (m x inputs; the samples as they are for the
    /// first of the network) to the outputs of the last, and if `all` the features of each side by side. One range after
    /// the other gives the bits of [`features`](Self::features).
    #[must_use]
    pub fn infer_blocks(&self, blocks: Range<usize>, m: usize, x: &[T], all: bool) -> (Vec<T>, Vec<T>) {
        let own = &self.blocks[blocks.clone()];
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return (x.to_vec(), Vec::new()) };
        let columns: usize = if all { own.iter().map(|block| self.feature.columns(block.shape())).sum() } else { 0 };
        let mut outputs = vec![T::ZERO; m * last.outputs()];
        let mut features = vec![T::ZERO; m * columns];
        let rows = self.inference_rows();
        // Without features each tile has an empty part of them.
        let parts: Vec<&mut [T]> = match columns {
            0 => (0..m.div_ceil(rows)).map(|_| &mut [][..]).collect(),
            _ => features.chunks_mut(rows * columns).collect(),
        };
        let tiles = outputs.par_chunks_mut(rows * last.outputs()).zip(x.par_chunks(rows * first.inputs())).zip(parts);
        tiles.for_each(|((outputs, x), features)| {
            let x = if blocks.start == 0 { self.entered(x) } else { x.to_vec() };
            self.infer_tile(own, x, outputs, features);
        });
        (outputs, features)
    }

    /// The outputs of some blocks at `x`, and their features side by side if there is room for them.
    fn infer_tile(&self, blocks: &[Box<dyn Block<T>>], x: Vec<T>, outputs: &mut [T], features: &mut [T]) {
        let m = x.len() / blocks[0].inputs();
        let columns = features.len() / m;
        let (mut from, mut to, mut own) = (x, Vec::new(), Vec::new());
        let mut start = 0;
        for block in blocks {
            to.resize(m * block.outputs(), T::ZERO);
            block.infer(m, &from, &mut to);
            if columns > 0 {
                let width = self.feature.columns(block.shape());
                own.resize(m * width, T::ZERO);
                self.feature.extract(block.shape(), &to, &mut own);
                for (features, own) in features.chunks_exact_mut(columns).zip(own.chunks_exact(width)) {
                    features[start..start + width].copy_from_slice(own);
                }
                start += width;
            }
            std::mem::swap(&mut from, &mut to);
            to.clear();
        }
        outputs.copy_from_slice(&from);
    }

    /// Rows that one task evaluates: those of a whole number of tasks come to the same numbers, to the bit, whatever rows follow them.
    #[must_use]
    pub fn inference_rows(&self) -> usize {
        let widest = self.blocks.iter().map(|block| block.outputs()).fold(self.inputs(), usize::max);
        (INFERENCE_VALUES / widest).clamp(1, INFERENCE_ROWS)
    }

    /// A copy of the rows, behind the neutral label where samples carry one.
    #[must_use]
    pub fn entered(&self, x: &[T]) -> Vec<T> {
        let mut x = x.to_vec();
        if let Some(label) = self.label {
            x.chunks_exact_mut(self.inputs()).for_each(|row| label.neutral(row));
        }
        x
    }

    /// The layers of one flat `Sequential` that evaluates it, in their order.
    #[must_use]
    pub fn modules(&self) -> Vec<Module> {
        let label = self.label.iter().map(WrittenLabel::module);
        label.chain(self.blocks.iter().flat_map(|block| block.modules())).collect()
    }

    /// All tensors under the names, in the shapes and the order of PyTorch: those of one flat `Sequential`.
    #[must_use]
    pub fn tensors(&self) -> Vec<NamedTensor<T>> {
        let named = |tensor: StoredTensor<'_, T>| {
            let values = tensor.values();
            NamedTensor { name: tensor.name, shape: tensor.shape, values }
        };
        self.stored_tensors().into_iter().map(named).collect()
    }

    /// All tensors, each where it is kept: what is written tensor by tensor needs no copy of the whole network.
    #[must_use]
    pub fn stored_tensors(&self) -> Vec<StoredTensor<'_, T>> {
        let mut tensors = Vec::new();
        let mut module = self.label.iter().count();
        for (index, block) in self.blocks.iter().enumerate() {
            let mut start = 0;
            for spec in block.layout() {
                let (name, shape) = (format!("{}.{}", module + spec.module, spec.name), spec.shape.clone());
                let len = spec.len();
                tensors.push(StoredTensor { name, shape, index, block: &**block, spec, start });
                start += len;
            }
            module += block.modules().len();
        }
        tensors
    }

    /// Puts tensors back, in the order and of the shapes of [`Network::tensors`].
    ///
    /// # Panics
    /// If the tensors are not of the shapes of the network's; readers of files check them first.
    pub fn set_tensors(&mut self, tensors: &[NamedTensor<T>]) {
        let mut tensors = tensors.iter();
        for block in &mut self.blocks {
            let mut values = Vec::new();
            for (spec, tensor) in block.layout().iter().zip(&mut tensors) {
                assert_eq!(spec.shape, tensor.shape, "a tensor has the shape of its place");
                let start = values.len();
                values.resize(start + spec.len(), T::ZERO);
                for (place, &value) in spec.places().zip(&tensor.values) {
                    values[start + place] = value;
                }
            }
            let mut values = values.into_iter();
            let places = block.parameters_mut().iter_mut();
            places.zip(&mut values).for_each(|(place, value)| *place = value);
            for statistics in block.statistics_mut() {
                statistics.iter_mut().zip(&mut values).for_each(|(place, value)| *place = value);
            }
        }
        assert!(tensors.next().is_none(), "every tensor has its place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_perceptron_has_its_parameters_and_names() {
        let network = Network::<f32>::mlp(784, &[256; 6], 10, Activation::Relu, Norm::Batch, 0);
        assert_eq!(network.parameter_count(), 784 * 256 + 256 + 5 * (256 * 256 + 256) + 256 * 10 + 10);
        let names: Vec<String> = network.tensors().into_iter().map(|tensor| tensor.name).collect();
        assert_eq!(names[..5], ["0.weight", "0.bias", "1.running_mean", "1.running_var", "3.weight"]);
        assert_eq!(names.last().map(String::as_str), Some("19.running_var"));
    }

    #[test]
    fn tensors_go_out_and_come_back() {
        let network = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Tanh, Norm::Batch, 1);
        let mut other = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Tanh, Norm::Batch, 2);
        assert_ne!(network.tensors(), other.tensors());
        other.set_tensors(&network.tensors());
        assert_eq!(network.tensors(), other.tensors());
    }

    #[test]
    fn blocks_in_parts_give_the_bits_of_the_whole() {
        let network = Network::<f32>::mlp(5, &[4, 3, 6], 2, Activation::Relu, Norm::Batch, 1);
        let x: Vec<f32> = (0..5 * 600).map(|i| (i as f32 * 0.37).sin()).collect();
        let parts = |all: bool, cuts: &[usize]| {
            let (mut from, mut sides) = (x.clone(), Vec::new());
            for pair in cuts.windows(2) {
                let (to, features) = network.infer_blocks(pair[0]..pair[1], 600, &from, all);
                sides.push((features.len() / 600, features));
                from = to;
            }
            let row =
                |row: usize| sides.iter().flat_map(move |(columns, own)| &own[row * columns..(row + 1) * columns]);
            let features: Vec<f32> = (0..600).flat_map(row).copied().collect();
            (from, features)
        };
        for cuts in [&[0, 4][..], &[0, 1, 4], &[0, 2, 3, 4], &[0, 2, 2, 4]] {
            assert_eq!(parts(false, cuts), (network.features(600, &x, false), Vec::new()));
            assert_eq!(parts(true, cuts), (network.infer(600, &x), network.features(600, &x, true)));
        }
    }

    #[test]
    fn batch_statistics_come_without_dropout() {
        let network = || Network::<f32>::mlp(5, &[4, 3], 2, Activation::Relu, Norm::Batch, 1);
        let x: Vec<f32> = (0..5 * 30).map(|i| (i as f32 * 0.37).sin()).collect();
        let dropping = network().with_entrances(Entrance { dropout: 0.5, ..Entrance::default() }, 1);
        assert_eq!(dropping.batch_outputs(30, &x), network().batch_outputs(30, &x));
        assert_ne!(network().batch_outputs(30, &x), network().infer(30, &x));
    }

    #[test]
    fn inference_does_not_see_the_other_rows() {
        let network = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Relu, Norm::Batch, 1);
        let x: Vec<f32> = (0..5 * 600).map(|i| (i as f32 * 0.37).sin()).collect();
        let all = network.infer(600, &x);
        assert_eq!(network.infer(1, &x[5 * 400..5 * 401]), all[2 * 400..2 * 401]);
    }
}
