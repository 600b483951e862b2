//! A session whose blocks several processes train, some in a row each: what one of them does, on whatever engine.

use std::ops::Range;

use hsic_data::batch::Batch;
use hsic_nn::network::Cache;

use super::{OnCpu, Session};
use crate::error::StepError;
use crate::update::{Relay, StepReport};

/// A session that can train some of its blocks alone, by a method by which a block needs its own input and the batch and nothing
/// else: a stage. It holds the whole network; blocks of other stages stay as they were made or restored.
///
/// Ranges of blocks one after the other, each with the outputs of the one before it for its input, give the bits of the whole
/// network: of [`Session::step`], [`features`](crate::inference::Inference::features), `batch_outputs` and
/// [`Session::form_statistics`].
pub trait InStages: Session {
    /// Columns of the input of each block.
    fn block_inputs(&self) -> Vec<usize>;

    /// How many of [`Session::weights`] are of each block; they stand in the order of blocks.
    fn block_tensors(&self) -> Vec<usize>;

    /// One step of a range of blocks alone, at the input (m x inputs) of the first of them; the batch's own rows for the network's
    /// first. `relay` is told the outputs of the last of them by the weights before the step, and has the blocks learn. Signals of
    /// other blocks in the report are empty, and all of them in a step that measured nothing.
    ///
    /// # Errors
    /// Those of [`Session::step`]; `Own` with what `relay` says, and for a method whose blocks need more.
    fn step_of(
        &mut self,
        batch: &Batch,
        part: (Range<usize>, &[f32]),
        learning_rate: f64,
        relay: &mut Relay<'_, f32>,
    ) -> Result<&StepReport, StepError>;

    /// Evaluation mode: the outputs of the last of some blocks at the input (m x inputs) of the first, and if `all` the features of
    /// each side by side, else none.
    fn infer_blocks(&self, blocks: Range<usize>, m: usize, x: &[f32], all: bool) -> (Vec<f32>, Vec<f32>);

    /// The outputs of the last of some blocks with the statistics of these very rows, without dropout; nothing is kept.
    fn batch_outputs_of(&self, blocks: Range<usize>, m: usize, x: &[f32]) -> Vec<f32>;

    /// The same, and the running statistics of these blocks take such a share of what these rows have, in (0, 1].
    fn form_statistics_of(&mut self, blocks: Range<usize>, m: usize, x: &[f32], share: f64) -> Vec<f32>;

    /// Whether any block of the network follows statistics.
    fn has_statistics(&self) -> bool;
}

impl InStages for OnCpu<'_> {
    fn block_inputs(&self) -> Vec<usize> {
        self.network.blocks().iter().map(|block| block.inputs()).collect()
    }

    fn block_tensors(&self) -> Vec<usize> {
        self.network.blocks().iter().map(|block| block.layout().len()).collect()
    }

    fn step_of(
        &mut self,
        batch: &Batch,
        part: (Range<usize>, &[f32]),
        learning_rate: f64,
        relay: &mut Relay<'_, f32>,
    ) -> Result<&StepReport, StepError> {
        let unfit = || StepError::Own("a method whose blocks need more than their input and the batch".into());
        let staged = self.update.staged().ok_or_else(unfit)?;
        staged.step_of(self.network, batch, part, learning_rate, relay)
    }

    fn infer_blocks(&self, blocks: Range<usize>, m: usize, x: &[f32], all: bool) -> (Vec<f32>, Vec<f32>) {
        self.network.infer_blocks(blocks, m, x, all)
    }

    fn batch_outputs_of(&self, blocks: Range<usize>, m: usize, x: &[f32]) -> Vec<f32> {
        let mut from = x.to_vec();
        for block in &self.network.blocks()[blocks] {
            let mut to = vec![0.0; m * block.outputs()];
            block.forward(m, &from, &mut to, &mut Cache::shared());
            from = to;
        }
        from
    }

    fn form_statistics_of(&mut self, blocks: Range<usize>, m: usize, x: &[f32], share: f64) -> Vec<f32> {
        self.caches.resize_with(self.network.blocks().len(), Cache::shared);
        let mut from = x.to_vec();
        let own = self.network.blocks_mut()[blocks.clone()].iter_mut();
        for (block, cache) in own.zip(&mut self.caches[blocks]) {
            let mut to = vec![0.0; m * block.outputs()];
            block.forward(m, &from, &mut to, cache);
            cache.set_share(Some(share));
            block.absorb_statistics(m, cache);
            from = to;
        }
        from
    }

    fn has_statistics(&self) -> bool {
        self.network.blocks().iter().any(|block| !block.statistics().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, NamedTensor, Network, Norm};
    use hsic_nn::optimizer::Optimizer;

    use super::*;
    use crate::engine::Local;
    use crate::inference::Inference;
    use crate::method::alignment::Alignment;
    use crate::method::bottleneck::Hsic;
    use crate::objective::Classified;
    use crate::update::{Schedule, Update, UpdateOrder};

    fn batch(step: u64) -> Batch {
        let x = (0..48).map(|i| (i as f32 * 0.7 + step as f32).sin()).collect();
        let labels = (0..12).map(|row| row % 3).collect();
        Batch { x, columns: 4, labels, classes: 3, values: Vec::new(), smoothing: 0.0, step }
    }

    const MOMENTUM: Optimizer = Optimizer::momentum(0.9);

    fn network() -> Network {
        Network::mlp(4, &[6, 5], 3, Activation::Tanh, Norm::Batch, 1)
    }

    fn by_hsic() -> Box<dyn Update> {
        Box::new(Hsic { optimizer: MOMENTUM, ..Hsic::default() }.update().expect("numbers"))
    }

    /// The last block learns by the cross-entropy.
    fn by_alignment() -> Box<dyn Update> {
        Box::new(Local::new(Classified(Alignment), MOMENTUM, UpdateOrder::Jacobi, Schedule::Parallel))
    }

    fn named(session: &dyn Session) -> Vec<NamedTensor<f32>> {
        let of = |stored: hsic_nn::network::StoredTensor<'_, f32>| NamedTensor {
            values: stored.values(),
            name: stored.name,
            shape: stored.shape,
        };
        session.weights().into_iter().map(of).collect()
    }

    #[test]
    fn two_stages_give_the_bits_of_the_whole() {
        stages_and_the_whole(by_hsic);
        stages_and_the_whole(by_alignment);
    }

    fn stages_and_the_whole(made: fn() -> Box<dyn Update>) {
        let [mut network, mut first, mut second] = [network(), network(), network()];
        let [mut update, mut by_first, mut by_second] = [made(), made(), made()];
        let mut whole = OnCpu::new(&mut network, &mut *update);
        let mut stages = [OnCpu::new(&mut first, &mut *by_first), OnCpu::new(&mut second, &mut *by_second)];
        assert_eq!((whole.block_inputs(), whole.block_tensors()), (vec![4, 6, 5], vec![4; 3]));
        let cuts = [0..2, 2..3];
        for step in 0..3 {
            let batch = batch(step);
            let signals = whole.step(&batch, 1e-2).expect("a step").signals.clone();
            let mut x = batch.x.clone();
            for (stage, cut) in stages.iter_mut().zip(cuts.clone()) {
                let mut outputs = Vec::new();
                let mut relay = |z: &[f32], learn: &mut dyn FnMut()| {
                    outputs.extend_from_slice(z);
                    learn();
                    Ok(())
                };
                let report = stage.step_of(&batch, (cut.clone(), &x), 1e-2, &mut relay).expect("a step");
                assert_eq!(report.signals[cut.clone()], signals[cut]);
                x = outputs;
            }
        }
        // Statistics formed anew, then evaluation in both modes.
        assert!(whole.has_statistics() && whole.form_statistics(&batch(7), 0));
        let x = batch(7).x;
        let between = stages[0].form_statistics_of(0..2, 12, &x, 1.0);
        stages[1].form_statistics_of(2..3, 12, &between, 1.0);
        let (z, features) = stages[0].infer_blocks(0..2, 12, &x, true);
        assert_eq!(features.len(), 12 * (6 + 5));
        assert_eq!(stages[1].infer_blocks(2..3, 12, &z, false), (whole.features(12, &x, false), Vec::new()));
        let z = stages[0].batch_outputs_of(0..2, 12, &x);
        assert_eq!(stages[1].batch_outputs_of(2..3, 12, &z), whole.batch_outputs(12, &x));
        // Each stage has its own blocks' weights, and the first blocks of the second never moved.
        let (whole, stages) = (named(&whole), stages.each_ref().map(|stage| named(stage)));
        assert!(stages[0][..8] == whole[..8] && stages[1][8..] == whole[8..]);
        assert!(stages[1][..8] != whole[..8]);
    }

    #[test]
    fn a_session_learns_what_its_update_learns() {
        let mut network = network();
        assert!(OnCpu::new(&mut network, &mut *by_hsic()).learns_values());
        let mut of_classes = Local::new(Alignment, MOMENTUM, UpdateOrder::Jacobi, Schedule::Parallel);
        assert!(!OnCpu::new(&mut network, &mut of_classes).learns_values());
    }
}
