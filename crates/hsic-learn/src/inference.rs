//! What a trained network gives for samples, whatever it runs on.

use hsic_nn::network::Network;

/// A network at rest: outputs and features of samples. Rows are m x inputs, row-major.
pub trait Inference {
    /// Values of a sample.
    fn inputs(&self) -> usize;

    /// What may stand for classes: columns of the output, capsules, or labels that may be written.
    fn units(&self) -> usize;

    /// Learned numbers of each block.
    fn block_parameters(&self) -> Vec<usize>;

    /// Columns of [`features`](Self::features).
    fn feature_columns(&self, all: bool) -> usize;

    /// Columns of the features of each block, in the order in which they stand side by side.
    fn block_columns(&self) -> Vec<usize>;

    /// Evaluation mode: the outputs of the last block, or the features of `all` blocks side by side (m x columns).
    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32>;

    /// Evaluation mode: what speaks for each unit (m x units).
    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32>;

    /// The outputs of the last block with the statistics of these very rows, without dropout; nothing is kept.
    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32>;

    /// What speaks for each unit, with the statistics of these very rows and without dropout.
    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32>;
}

impl Inference for Network {
    fn inputs(&self) -> usize {
        Self::inputs(self)
    }

    fn units(&self) -> usize {
        Self::units(self)
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.blocks().iter().map(|block| block.parameters().len()).collect()
    }

    fn feature_columns(&self, all: bool) -> usize {
        Self::feature_columns(self, all)
    }

    fn block_columns(&self) -> Vec<usize> {
        self.blocks().iter().map(|block| self.feature().columns(block.shape())).collect()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        Self::features(self, m, x, all)
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        Self::class_scores(self, m, x)
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        Self::batch_outputs(self, m, x)
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        Self::batch_scores(self, m, x)
    }
}
