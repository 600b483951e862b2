//! Networks: lists of blocks, trained one by one.

pub mod activation;
pub mod block;
pub mod dense;

use hsic::Scalar;
use hsic::random::Stream;
use rayon::prelude::*;

pub use activation::Activation;
pub use block::{Block, Cache, TensorKind, TensorSpec};
pub use dense::Dense;

/// Rows that one task evaluates; fixed, so that the number of threads is invisible.
const INFERENCE_ROWS: usize = 256;

/// A list of blocks, each fed by the one before it.
pub struct Network<T: Scalar = f32> {
    blocks: Vec<Box<dyn Block<T>>>,
}

/// What networks are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Columns of the input.
    pub inputs: usize,
    /// Widths of the hidden blocks.
    pub widths: Vec<usize>,
    /// Units of the output block.
    pub outputs: usize,
    /// Nonlinearity of every block.
    pub activation: Activation,
    /// Batch norm in every block.
    pub batch_norm: bool,
    /// Seed of the weights.
    pub seed: u64,
}

/// A network by name.
pub struct NetworkKind {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: its shape.
    pub summary: &'static str,
    /// Makes the network with fresh weights.
    pub build: fn(&NetworkSettings) -> Network,
}

/// Every network.
pub static NETWORKS: &[NetworkKind] = &[NetworkKind {
    name: "mlp",
    summary: "multilayer perceptron: dense blocks of the given widths, then the output block",
    build: |s| Network::mlp(s.inputs, &s.widths, s.outputs, s.activation, s.batch_norm, s.seed),
}];

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
        Self { blocks }
    }

    /// A multilayer perceptron: `inputs` - widths - `outputs`, every layer with batch norm and activation, the output
    /// block too. Weights come from the seed, each block's from a stream of its own.
    #[must_use]
    pub fn mlp(
        inputs: usize,
        widths: &[usize],
        outputs: usize,
        activation: Activation,
        batch_norm: bool,
        seed: u64,
    ) -> Self {
        let mut blocks: Vec<Box<dyn Block<T>>> = Vec::with_capacity(widths.len() + 1);
        let mut from = inputs;
        for (index, &to) in widths.iter().chain([&outputs]).enumerate() {
            let mut stream = Stream::new(seed, "init", index as u64);
            blocks.push(Box::new(Dense::new(from, to, activation, batch_norm, &mut stream)));
            from = to;
        }
        Self::new(blocks)
    }

    /// The blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Box<dyn Block<T>>] {
        &self.blocks
    }

    /// The blocks, to be trained.
    pub fn blocks_mut(&mut self) -> &mut [Box<dyn Block<T>>] {
        &mut self.blocks
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

    /// Number of learned numbers.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.blocks.iter().map(|block| block.parameters().len()).sum()
    }

    /// Evaluation mode: `z` (m x outputs) from `x` (m x inputs), rows in parallel.
    #[must_use]
    pub fn infer(&self, m: usize, x: &[T]) -> Vec<T> {
        let mut z = vec![T::ZERO; m * self.outputs()];
        z.par_chunks_mut(INFERENCE_ROWS * self.outputs())
            .zip(x.par_chunks(INFERENCE_ROWS * self.inputs()))
            .for_each(|(z, x)| self.infer_tile(x, z));
        z
    }

    fn infer_tile(&self, x: &[T], z: &mut [T]) {
        let m = x.len() / self.inputs();
        let last = self.blocks.len() - 1;
        let (mut from, mut to) = (x.to_vec(), Vec::new());
        for block in &self.blocks[..last] {
            to.resize(m * block.outputs(), T::ZERO);
            block.infer(m, &from, &mut to);
            std::mem::swap(&mut from, &mut to);
            to.clear();
        }
        self.blocks[last].infer(m, &from, z);
    }

    /// All tensors under the names of one flat PyTorch `Sequential`.
    #[must_use]
    pub fn tensors(&self) -> Vec<NamedTensor<T>> {
        let mut tensors = Vec::new();
        let mut module = 0;
        for block in &self.blocks {
            let stored = [block.parameters(), block.statistics()].concat();
            let mut start = 0;
            for spec in block.layout() {
                let end = start + spec.len();
                let name = format!("{}.{}", module + spec.module, spec.name);
                tensors.push(NamedTensor { name, values: stored[start..end].to_vec(), shape: spec.shape });
                start = end;
            }
            module += block.modules();
        }
        tensors
    }

    /// Puts tensors back, in the order and of the shapes of [`Network::tensors`].
    ///
    /// # Panics
    /// If the number of entries is not that of the network; readers of files check names and shapes first.
    pub fn set_tensors(&mut self, tensors: &[NamedTensor<T>]) {
        let mut values = tensors.iter().flat_map(|tensor| tensor.values.iter().copied());
        for block in &mut self.blocks {
            for entry in block.parameters_mut().iter_mut() {
                *entry = values.next().expect("there is a value for each parameter");
            }
            for entry in block.statistics_mut().iter_mut() {
                *entry = values.next().expect("there is a value for each statistic");
            }
        }
        assert!(values.next().is_none(), "every value has its place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_perceptron_has_its_parameters_and_names() {
        let network = Network::<f32>::mlp(784, &[256; 6], 10, Activation::Relu, true, 0);
        assert_eq!(network.parameter_count(), 784 * 256 + 256 + 5 * (256 * 256 + 256) + 256 * 10 + 10);
        let names: Vec<String> = network.tensors().into_iter().map(|tensor| tensor.name).collect();
        assert_eq!(names[..5], ["0.weight", "0.bias", "1.running_mean", "1.running_var", "3.weight"]);
        assert_eq!(names.last().map(String::as_str), Some("19.running_var"));
    }

    #[test]
    fn tensors_go_out_and_come_back() {
        let network = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Tanh, true, 1);
        let mut other = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Tanh, true, 2);
        assert_ne!(network.tensors(), other.tensors());
        other.set_tensors(&network.tensors());
        assert_eq!(network.tensors(), other.tensors());
    }

    #[test]
    fn inference_does_not_see_the_other_rows() {
        let network = Network::<f32>::mlp(5, &[4, 3], 2, Activation::Relu, true, 1);
        let x: Vec<f32> = (0..5 * 600).map(|i| (i as f32 * 0.37).sin()).collect();
        let all = network.infer(600, &x);
        assert_eq!(network.infer(1, &x[5 * 400..5 * 401]), all[2 * 400..2 * 401]);
    }
}
