//! What the files of a checkpoint are called, and which tensors they hold.

use std::ops::Range;

use hsic_learn::update::UpdateState;
use hsic_nn::network::StoredTensor;
use serde::{Deserialize, Serialize};

use crate::tensor_file::{self, Values};

/// The state of a whole network, in a run's folder.
pub(crate) const CHECKPOINT: &str = "checkpoint/state.safetensors";

/// The list of the stages' states, in a run's folder.
pub(crate) const STAGES: &str = "checkpoint/stages.json";

/// Starts the name of a stage's file.
const STAGE: &str = "stage-";

/// Tensors of a learner.
pub(crate) const LEARNER_PARTS: [&str; 4] = ["parameters", "statistics", "first", "second"];

/// The name of a stage's file in `checkpoint/`.
pub(crate) fn stage_name(blocks: &Range<usize>, step: u64) -> String {
    format!("{}{step}.safetensors", stage_start(blocks))
}

/// Starts the names of the files of one stage.
pub(crate) fn stage_start(blocks: &Range<usize>) -> String {
    format!("{STAGE}{}-{}-", blocks.start, blocks.end)
}

/// Whether a file of `checkpoint/` is one of a stage.
pub(crate) fn is_stage(name: &str) -> bool {
    let middle = name.strip_prefix(STAGE).and_then(|rest| rest.strip_suffix(".safetensors"));
    middle.is_some_and(|middle| {
        middle.split('-').count() == 3 && middle.split('-').all(|part| part.parse::<u64>().is_ok())
    })
}

/// Steps that optimizers counted, by block.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) optimizer_steps: Vec<u64>,
    /// Of what the method trains beside each block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) learner_steps: Vec<Vec<u64>>,
}

/// A tensor as a file takes it: name, shape, entries.
type Entry<'a> = (String, Vec<usize>, Values<'a>);

/// The tensors of a checkpoint of some blocks: their weights, and what their method keeps of them.
pub(crate) fn tensors_of<'a>(
    weights: Vec<StoredTensor<'a, f32>>,
    record: &'a UpdateState,
    blocks: Range<usize>,
) -> (Vec<Entry<'a>>, Counts) {
    let mut tensors: Vec<Entry<'_>> = tensor_file::stored(weights).collect();
    let mut counts = Counts::default();
    for block in blocks {
        if let Some(average) = record.average.get(block) {
            tensors.push((format!("average.{block}"), vec![average.len()], average[..].into()));
        }
        if let Some(state) = record.optimizers.get(block) {
            for (part, values) in [("first", &state.first), ("second", &state.second)] {
                tensors.push((format!("optimizer.{block}.{part}"), vec![values.len()], values[..].into()));
            }
            counts.optimizer_steps.push(state.steps);
        }
        let Some(learners) = record.learners.get(block) else { continue };
        for (index, learner) in learners.iter().enumerate() {
            let parts = [&learner.parameters, &learner.statistics, &learner.optimizer.first, &learner.optimizer.second];
            for (part, values) in LEARNER_PARTS.into_iter().zip(parts) {
                tensors.push((format!("learner.{block}.{index}.{part}"), vec![values.len()], values[..].into()));
            }
        }
        counts.learner_steps.push(learners.iter().map(|learner| learner.optimizer.steps).collect());
    }
    (tensors, counts)
}
