//! A network with the method that trains it, on whatever engine: the seam that trainers, checkpoints, logs and monitors
//! speak to.

mod in_stages;

use faer::MatRef;
use hsic_data::batch::{Batch, Batches};
use hsic_data::dataset::Dataset;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Cache, NamedTensor, Network, StoredTensor};

use crate::error::StepError;
use crate::inference::Inference;
use crate::update::{StepReport, Update, UpdateState};

pub use in_stages::InStages;

/// Takes the features of one block (m x columns); its index comes first.
pub type Visit<'v> = dyn FnMut(usize, MatRef<'_, f32>) -> Result<(), StepError> + 'v;

/// Where the samples of a training are, seen from a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// They come with each batch.
    Travel,
    /// The session has them, and forms the rows of a step by itself.
    Kept,
    /// They come with each batch, since the session has no room for them.
    TooMany {
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are free where the session works.
        free: u64,
    },
}

/// A network in training. The CPU's is [`OnCpu`]; devices, clusters and fakes in tests are others.
pub trait Session: Inference + Send {
    /// Told before the first step (or the next, after a state was restored) how many steps training takes in all.
    fn plan(&mut self, steps: u64);

    /// Shown the rows that it is about to be trained on, and how batches come of them. A session that keeps them is given batches
    /// without `x` for its steps: which rows those have, and what is drawn for each, follows from `batches` and the step.
    ///
    /// # Errors
    /// What the place where it would keep them says.
    fn keep(&mut self, _train: &Dataset, _batches: &Batches) -> Result<Samples, StepError> {
        Ok(Samples::Travel)
    }

    /// One step on a batch at a learning rate. The report is of the network before it.
    ///
    /// # Errors
    /// `Diverged` with the block whose activations are no longer finite; `Block` with what else the objective says.
    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError>;

    /// Whether its method learns values too, where a batch has these for targets; else classes alone.
    fn learns_values(&self) -> bool {
        false
    }

    /// Shows `visit` the features of every block on a batch, with the statistics of the batch and without dropout, and gives
    /// what then speaks for each unit (m x units). Nothing is learned.
    ///
    /// # Errors
    /// What `visit` says.
    ///
    /// # Cost
    /// A forward pass.
    fn observe(&mut self, batch: &Batch, visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError>;

    /// Lets running statistics become a mean over batches: of this one and of those before it, of `earlier` rows together;
    /// at 0 all that was is forgotten. Each block sees the batch as the blocks before it give it with its own statistics,
    /// no label is written, and nothing is learned. Says whether the network follows any statistics.
    ///
    /// # Cost
    /// A forward pass.
    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool;

    /// The network's tensors under PyTorch's names, in the order of storage.
    fn weights(&self) -> Vec<StoredTensor<'_, f32>>;

    /// What the method must keep, beside the weights, to go on exactly.
    fn state(&self) -> UpdateState;

    /// Goes on from weights, which are of the names, order and shapes of [`weights`](Self::weights), and a state.
    ///
    /// # Errors
    /// `StateMismatch` if the state is that of another network or method.
    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch>;

    /// The first block with a weight or statistic that is not finite.
    fn diverged(&self) -> Option<usize>;
}

/// A network and its method in this process.
pub struct OnCpu<'s> {
    network: &'s mut Network,
    update: &'s mut dyn Update,
    /// What blocks keep while they are observed, used again from call to call.
    caches: Vec<Cache<f32>>,
}

impl<'s> OnCpu<'s> {
    /// Trains `network` by `update`.
    pub fn new(network: &'s mut Network, update: &'s mut dyn Update) -> Self {
        Self { network, update, caches: Vec::new() }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.network
    }
}

impl Inference for OnCpu<'_> {
    fn inputs(&self) -> usize {
        self.network.inputs()
    }

    fn units(&self) -> usize {
        self.network.units()
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.network.block_parameters()
    }

    fn feature_columns(&self, all: bool) -> usize {
        self.network.feature_columns(all)
    }

    fn block_columns(&self) -> Vec<usize> {
        self.network.block_columns()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        self.network.features(m, x, all)
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.network.class_scores(m, x)
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.network.batch_outputs(m, x)
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.network.batch_scores(m, x)
    }
}

impl Session for OnCpu<'_> {
    fn plan(&mut self, steps: u64) {
        self.update.plan(self.network, steps);
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError> {
        self.update.step(self.network, batch, learning_rate)
    }

    fn learns_values(&self) -> bool {
        self.update.learns_values()
    }

    fn observe(&mut self, batch: &Batch, visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
        let (m, network) = (batch.rows(), &*self.network);
        self.caches.resize_with(network.blocks().len(), Cache::shared);
        let mut x = network.entered(&batch.x);
        for (index, (block, cache)) in network.blocks().iter().zip(&mut self.caches).enumerate() {
            let mut z = vec![0.0; m * block.outputs()];
            block.forward(m, &x, &mut z, cache);
            let columns = network.feature().columns(block.shape());
            let mut feature = vec![0.0; m * columns];
            network.feature().extract(block.shape(), &z, &mut feature);
            visit(index, MatRef::from_row_major_slice(&feature, m, columns))?;
            x = z;
        }
        Ok(if network.label().is_some() { network.class_scores(m, &batch.x) } else { network.scores(x) })
    }

    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool {
        if !self.has_statistics() {
            return false;
        }
        let (m, x) = (batch.rows(), self.network.entered(&batch.x));
        self.form_statistics_of(0..self.network.blocks().len(), m, &x, m as f64 / (m + earlier) as f64);
        true
    }

    fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
        self.network.stored_tensors()
    }

    fn state(&self) -> UpdateState {
        self.update.state()
    }

    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
        self.network.set_tensors(weights);
        self.update.restore(self.network, state)
    }

    fn diverged(&self) -> Option<usize> {
        self.network.blocks().iter().position(|block| {
            let statistics = block.statistics().into_iter().flatten();
            !block.parameters().iter().chain(statistics).all(|value| value.is_finite())
        })
    }
}
