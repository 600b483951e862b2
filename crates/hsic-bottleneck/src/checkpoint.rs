//! Where training stands, and when that is saved: `checkpoint/state.safetensors` in a run's folder.

use std::fs;
use std::path::{Path, PathBuf};

use hsic_data::disk;
use hsic_learn::session::Session;
use hsic_learn::update::UpdateState;
use hsic_nn::network::learner::{LearnerState, StateMismatch};
use hsic_nn::optimizer::OptimizerState;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::files::FileError;
use crate::position::Position;
use crate::run::Run;
use crate::state_files::{CHECKPOINT, Counts, LEARNER_PARTS, STAGES, tensors_of};
use crate::tensor_file::{self, Stored};

/// The position with the optimizers' step counts, as the file holds them.
#[derive(Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    position: Position,
    #[serde(flatten)]
    counts: Counts,
}

impl Run {
    /// Saves where training stands; the last good state stays until the new one is whole.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_checkpoint(&self, position: &Position, session: &dyn Session) -> Result<(), FileError> {
        let path = self.file(CHECKPOINT);
        let record = session.state();
        let blocks = record.optimizers.len().max(record.learners.len());
        let (tensors, counts) = tensors_of(session.weights(), &record, 0..blocks);
        let state = State { position: position.clone(), counts };
        let state = serde_json::to_string(&state).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        let folder = self.file("checkpoint");
        disk::create_dir_all(&folder).map_err(|source| FileError::Io { path: folder, source })?;
        tensor_file::save_sealed(&path, tensors, &state)?;
        self.forget_stages()
    }

    /// Takes up the saved state: the network's tensors, the method's state, and where training stands. `None` if no
    /// checkpoint was written yet.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming what is missing, foreign, of another shape or not finite.
    pub fn load_checkpoint(&self, session: &mut dyn Session) -> Result<Option<Position>, FileError> {
        let path = self.file(CHECKPOINT);
        if let Some(list) = self.stage_list()? {
            let (stored, counts) = self.joined(&list)?;
            return Saved { path: self.file(STAGES), stored, position: list.position, counts }
                .restore(session)
                .map(Some);
        }
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|source| FileError::Io { path: path.clone(), source })?;
        Saved::of_bytes(&path, bytes)?.restore(session).map(Some)
    }

    /// Steps that the saved state of this training of `config` is of; 0 before anything was saved. Of several networks they
    /// are those of the last one that was begun.
    ///
    /// # Errors
    /// `Io`; `Malformed` for a checkpoint that cannot be read.
    pub fn saved_steps(&self, config: &TrainConfig) -> Result<u64, FileError> {
        if config.sigmas.len() > 1 {
            let begun = config.sigmas.iter().rev().find_map(|&sigma| self.started_member(sigma));
            return begun.map_or(Ok(0), |member| member.own_saved_steps());
        }
        self.own_saved_steps()
    }

    fn own_saved_steps(&self) -> Result<u64, FileError> {
        if let Some(list) = self.stage_list()? {
            return Ok(list.position.step);
        }
        let path = self.file(CHECKPOINT);
        if !path.exists() {
            return Ok(0);
        }
        let stored = tensor_file::load(&path)?;
        Ok(state(&path, stored.state.as_deref())?.position.step)
    }

    /// Says that a checkpoint lies beyond the end of its run.
    pub(crate) fn beyond(&self, step: u64, total: u64) -> FileError {
        FileError::malformed(&self.file(CHECKPOINT), format_args!("step {step}"), &format!("at most {total}"))
    }
}

/// A state that was saved, as a file or several hold it.
pub(crate) struct Saved {
    /// For messages.
    path: PathBuf,
    stored: Stored,
    position: Position,
    counts: Counts,
}

impl Saved {
    /// The state of a whole network, of which `path` names the file.
    ///
    /// # Errors
    /// `Malformed`; `Changed` if the bytes are not those of their digest.
    pub(crate) fn of_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, FileError> {
        let stored = tensor_file::read(path, bytes)?;
        let State { position, counts } = state(path, stored.state.as_deref())?;
        Ok(Self { path: path.to_owned(), stored, position, counts })
    }

    /// Puts it into a session, which is left as it is where the state is not its own.
    ///
    /// # Errors
    /// `Malformed` naming what is missing, foreign, of another shape or not finite.
    pub(crate) fn restore(self, session: &mut dyn Session) -> Result<Position, FileError> {
        let Self { path, mut stored, position, counts } = self;
        let Counts { optimizer_steps, learner_steps } = counts;
        let blocks = session.block_parameters();
        let sums = position.epoch_sums.len().max(position.epoch_measured.len());
        if optimizer_steps.len() != blocks.len() || position.dead.len() != blocks.len() || sums > blocks.len() {
            let found = format!("state of {} blocks", optimizer_steps.len());
            return Err(FileError::malformed(&path, found, &format!("{}, those of the network", blocks.len())));
        }
        let mut record = UpdateState::default();
        for (block, (&parameters, steps)) in blocks.iter().zip(optimizer_steps).enumerate() {
            let mut part = |part: &str| {
                let name = format!("optimizer.{block}.{part}");
                let values = stored.tensors.remove(&name).map(|tensor| tensor.values);
                let whole = |values: &Vec<f32>| values.is_empty() || values.len() == parameters;
                let found = || FileError::malformed(&path, format_args!("no whole {name}"), "one number a parameter");
                values.filter(whole).ok_or_else(found)
            };
            let (first, second) = (part("first")?, part("second")?);
            record.optimizers.push(OptimizerState { first, second, steps, ..OptimizerState::default() });
        }
        for (block, steps) in learner_steps.into_iter().enumerate() {
            let mut learners = Vec::with_capacity(steps.len());
            for (index, steps) in steps.into_iter().enumerate() {
                let mut part = |part: &str| {
                    let name = format!("learner.{block}.{index}.{part}");
                    let values = stored.tensors.remove(&name).map(|tensor| tensor.values);
                    let missing =
                        || FileError::malformed(&path, format_args!("no {name}"), "every tensor of the method");
                    values.ok_or_else(missing)
                };
                let [parameters, statistics, first, second] = LEARNER_PARTS;
                let (parameters, statistics) = (part(parameters)?, part(statistics)?);
                let optimizer =
                    OptimizerState { first: part(first)?, second: part(second)?, steps, ..OptimizerState::default() };
                learners.push(LearnerState { parameters, statistics, optimizer });
            }
            record.learners.push(learners);
        }
        record.average.extend((0..blocks.len()).map_while(|block| {
            let tensor = stored.tensors.remove(&format!("average.{block}"))?;
            Some(tensor.values)
        }));
        let weights = tensor_file::matched(&path, &session.weights(), stored.tensors)?;
        session.restore(&weights, record).map_err(|mismatch| foreign(&path, &mismatch))?;
        Ok(position)
    }
}

/// The state that stands beside a checkpoint's tensors.
fn state(path: &Path, text: Option<&str>) -> Result<State, FileError> {
    let malformed = |found: &dyn std::fmt::Display, expected| FileError::malformed(path, found, expected);
    let text = text.ok_or_else(|| malformed(&"no state", "a checkpoint of training"))?;
    serde_json::from_str(text).map_err(|error| malformed(&format_args!("state {error}"), "where training stands"))
}

/// Says that a checkpoint is that of another network or method.
fn foreign(path: &Path, mismatch: &StateMismatch) -> FileError {
    FileError::malformed(path, mismatch, "the state of this method on this network")
}

#[cfg(test)]
mod tests {
    use hsic_data::batch::Batch;
    use hsic_learn::error::StepError;
    use hsic_learn::inference::Inference;
    use hsic_learn::session::Visit;
    use hsic_learn::update::StepReport;
    use hsic_nn::network::Activation;
    use hsic_nn::network::{NamedTensor, Network, StoredTensor};

    use super::*;
    use crate::config::TrainOptions;

    fn network(seed: u64) -> Network {
        Network::mlp(5, &[4, 3], 2, Activation::Relu, hsic_nn::network::Norm::Batch, seed)
    }

    /// A session that learns nothing: a network, and the state that it was given.
    struct Kept(Network, UpdateState);

    impl Inference for Kept {
        fn inputs(&self) -> usize {
            self.0.inputs()
        }

        fn units(&self) -> usize {
            self.0.units()
        }

        fn block_parameters(&self) -> Vec<usize> {
            self.0.block_parameters()
        }

        fn feature_columns(&self, all: bool) -> usize {
            self.0.feature_columns(all)
        }

        fn block_columns(&self) -> Vec<usize> {
            self.0.block_columns()
        }

        fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
            self.0.features(m, x, all)
        }

        fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
            self.0.class_scores(m, x)
        }

        fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
            self.0.batch_outputs(m, x)
        }

        fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
            self.0.batch_scores(m, x)
        }
    }

    impl Session for Kept {
        fn plan(&mut self, _steps: u64) {}

        fn step(&mut self, _batch: &Batch, _learning_rate: f64) -> Result<&StepReport, StepError> {
            Err(StepError::Own("this session does not learn".into()))
        }

        fn observe(&mut self, _batch: &Batch, _visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
            Ok(Vec::new())
        }

        fn form_statistics(&mut self, _batch: &Batch, _earlier: usize) -> bool {
            false
        }

        fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
            self.0.stored_tensors()
        }

        fn state(&self) -> UpdateState {
            self.1.clone()
        }

        fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
            self.0.set_tensors(weights);
            self.1 = state;
            Ok(())
        }

        fn diverged(&self) -> Option<usize> {
            None
        }
    }

    /// A session of `network(2)`.
    fn other() -> Kept {
        Kept(network(2), UpdateState::default())
    }

    /// A run with a checkpoint of `network(1)`.
    fn saved() -> (tempfile::TempDir, Run, Position, UpdateState) {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("r"), &TrainOptions::default().resolve().unwrap()).unwrap();
        let position = Position {
            step: 12,
            epoch_steps: 2,
            epoch_sums: vec![[0.1 + 0.2, 1.0 / 3.0, -1e-300]; 3],
            epoch_measured: vec![[7, 3]; 3],
            dead: vec![false, true, false],
            seconds: 1.5,
            milliseconds_per_step: 0.0,
            metrics_bytes: 77,
        };
        let mut record = UpdateState::default();
        for block in network(1).blocks() {
            let first = (0..block.parameters().len()).map(|i| (i as f32).sin()).collect();
            record.optimizers.push(OptimizerState { first, steps: 12, ..OptimizerState::default() });
            let optimizer =
                OptimizerState { first: vec![0.25; 2], second: vec![0.5; 2], steps: 11, ..OptimizerState::default() };
            let learner = LearnerState { parameters: vec![-1.5, 2.5], statistics: vec![3.5], optimizer };
            record.learners.push(vec![learner; 2]);
            record.average.push(vec![0.75; 3]);
        }
        run.save_checkpoint(&position, &Kept(network(1), record.clone())).unwrap();
        (folder, run, position, record)
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit() {
        let (_folder, run, position, record) = saved();
        let mut restored = other();
        assert_eq!(run.load_checkpoint(&mut restored).unwrap(), Some(position));
        assert_eq!((restored.0.tensors(), restored.1), (network(1).tensors(), record));
    }

    #[test]
    fn the_steps_of_the_saved_state_are_told_without_a_network() {
        let (_folder, run, _, _) = saved();
        let config = |sigmas: &str| {
            let mut options = TrainOptions::default();
            options.objective.sigma = Some(sigmas.parse().unwrap());
            options.format.format_epochs = Some(1);
            options.resolve().unwrap()
        };
        assert_eq!(run.saved_steps(&config("5")).unwrap(), 12);
        // Of several networks the last one that was begun counts, here none and then the second.
        let several = config("1,2,5");
        assert_eq!(run.saved_steps(&several).unwrap(), 0);
        for sigma in [1.0, 2.0] {
            let member = run.member(&config(&sigma.to_string())).unwrap();
            fs::create_dir_all(member.file("checkpoint")).unwrap();
            fs::copy(run.file(CHECKPOINT), member.file(CHECKPOINT)).unwrap();
        }
        let position = Position { step: 30, dead: vec![false; 3], ..Position::default() };
        let member = run.started_member(1.0).unwrap();
        member.save_checkpoint(&position, &Kept(network(1), UpdateState::default())).unwrap();
        assert_eq!(run.saved_steps(&several).unwrap(), 12);
        fs::write(run.file(CHECKPOINT), b"half").unwrap();
        let message = run.saved_steps(&config("5")).unwrap_err().to_string();
        assert!(message.ends_with("expected a safetensors file"), "{message}");
    }

    #[test]
    fn a_part_left_by_a_crash_is_ignored_and_overwritten() {
        let (_folder, run, position, record) = saved();
        let part = run.file("checkpoint/state.safetensors.part");
        fs::write(&part, b"half").unwrap();
        assert_eq!(run.load_checkpoint(&mut other()).unwrap().unwrap(), position);
        run.save_checkpoint(&position, &Kept(network(1), record)).unwrap();
        assert!(!part.exists());
    }

    /// The message of a checkpoint of these bytes, without the folder.
    fn message(run: &Run, bytes: &[u8]) -> String {
        fs::write(run.file(CHECKPOINT), bytes).unwrap();
        let mut session = other();
        let before = session.0.tensors();
        let message = run.load_checkpoint(&mut session).unwrap_err().to_string();
        assert_eq!(session.0.tensors(), before, "a damaged checkpoint changes nothing");
        assert!(message.contains("state.safetensors: "), "{message}");
        message[message.find(".safetensors: ").unwrap() + 14..].to_owned()
    }

    #[test]
    fn damaged_checkpoints_are_told() {
        let (_folder, run, _, _) = saved();
        let whole = fs::read(run.file(CHECKPOINT)).unwrap();
        for length in [0, 1, 7, 8, 20, whole.len() / 2, whole.len() - 1] {
            let text = message(&run, &whole[..length]);
            assert!(text.ends_with("expected a safetensors file"), "{length}: {text}");
        }
        let mut long = whole.clone();
        long.push(0);
        assert!(message(&run, &long).ends_with("expected a safetensors file"));
        assert!(message(&run, b"\x80\x02}q\x00X\x05\x00\x00\x00state").ends_with("expected a safetensors file"));
        // A header that claims 2^40 bytes, and one whose tensor does.
        let claims = [&(1u64 << 40).to_le_bytes()[..], &whole[8..]].concat();
        assert!(message(&run, &claims).ends_with("expected a safetensors file"));
        let header = r#"{"0.weight":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#;
        let claims = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 64]].concat();
        assert!(message(&run, &claims).ends_with("expected a safetensors file"));
        let overflow = header.replace("274877906944", "4294967296,4294967296,4294967296");
        let claims = [&(overflow.len() as u64).to_le_bytes()[..], overflow.as_bytes(), &[0; 64]].concat();
        assert!(message(&run, &claims).ends_with("expected a safetensors file"));
    }

    #[test]
    fn checkpoints_of_other_networks_are_told() {
        let (_folder, run, position, record) = saved();
        let fails = |network: Network, position: &Position, record: &UpdateState| {
            run.save_checkpoint(position, &Kept(network, record.clone())).unwrap();
            message(&run, &fs::read(run.file(CHECKPOINT)).unwrap())
        };
        let wide = || Network::mlp(6, &[4, 3], 2, Activation::Relu, hsic_nn::network::Norm::Batch, 1);
        let empty = UpdateState { optimizers: vec![OptimizerState::default(); 3], ..UpdateState::default() };
        assert_eq!(fails(wide(), &position, &empty), "tensor 0.weight has shape [4, 6], expected [4, 5]");
        let bare = Network::mlp(5, &[4, 3], 2, Activation::Relu, hsic_nn::network::Norm::None, 1);
        assert_eq!(fails(bare, &position, &empty), "no tensor 1.running_mean, expected every tensor of the network");
        assert_eq!(fails(wide(), &position, &record), "tensor 0.weight has shape [4, 6], expected [4, 5]");
        let deep = UpdateState { optimizers: vec![OptimizerState::default(); 4], ..UpdateState::default() };
        assert_eq!(fails(network(1), &position, &deep), "state of 4 blocks, expected 3, those of the network");
        let mut short = record.clone();
        short.optimizers[1].first.pop();
        assert_eq!(fails(network(1), &position, &short), "no whole optimizer.1.first, expected one number a parameter");
        let mut broken = network(1);
        broken.blocks_mut()[1].parameters_mut()[3] = f32::NAN;
        assert_eq!(fails(broken, &position, &record), "tensor 3.weight holds NaN at 3, expected finite numbers");
        let mut broken = record.clone();
        broken.optimizers[2].first[1] = f32::INFINITY;
        let text = fails(network(1), &position, &broken);
        assert_eq!(text, "tensor optimizer.2.first holds inf at 1, expected finite numbers");
        // A file of weights in the place of a checkpoint, and one with a tensor too many.
        run.save_weights(network(1).stored_tensors()).unwrap();
        let weights = fs::read(run.file("weights.safetensors")).unwrap();
        assert_eq!(message(&run, &weights), "no state, expected a checkpoint of training");
        let tensors = network(1).tensors();
        let more = tensor_file::views(&tensors).chain([("extra".to_owned(), vec![1], &[1.0f32][..])]);
        tensor_file::save(&run.file("weights.safetensors"), more, None).unwrap();
        let text = run.load_weights(&mut network(1)).unwrap_err().to_string();
        assert!(text.ends_with("tensor extra, expected no tensors but those of the network"), "{text}");
    }
}
