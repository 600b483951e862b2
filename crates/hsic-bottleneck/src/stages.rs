//! Where training stands, of a network that several processes train: a file a stage, and a list of them that is written
//! last, `checkpoint/stages.json`. Any number of processes goes on from it, one too.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use hsic_data::disk;
use hsic_learn::session::Session;
use serde::{Deserialize, Serialize};

use crate::files::{FileError, write_atomically};
use crate::position::Position;
use crate::run::Run;
use crate::state_files::{CHECKPOINT, Counts, STAGES, is_stage, stage_name, stage_start, tensors_of};
use crate::tensor_file::{self, Stored};

/// Some blocks in a row of a network, and where their tensors are among [`Session::weights`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePart {
    /// The blocks.
    pub blocks: Range<usize>,
    /// Their tensors.
    pub tensors: Range<usize>,
}

/// The list of the files of one step.
#[derive(Serialize, Deserialize)]
pub(crate) struct StageList {
    pub(crate) position: Position,
    /// First block and the one after the last of each stage, in order.
    stages: Vec<[usize; 2]>,
}

impl Run {
    /// Saves the state after `step` steps of some blocks that a session trains, whole or not at all.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_stage(&self, step: u64, session: &dyn Session, part: &StagePart) -> Result<(), FileError> {
        let folder = self.file("checkpoint");
        let path = folder.join(stage_name(&part.blocks, step));
        disk::create_dir_all(&folder).map_err(|source| FileError::Io { path: folder, source })?;
        let record = session.state();
        let weights = session.weights().into_iter().skip(part.tensors.start).take(part.tensors.len()).collect();
        let (tensors, counts) = tensors_of(weights, &record, part.blocks.clone());
        let counts = serde_json::to_string(&counts).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        tensor_file::save_sealed(&path, tensors, &counts)
    }

    /// Notes that the states of all stages after the step of `position` are saved: from now on training goes on from there.
    /// An earlier state of a whole network is removed, and states of stages that were cut in another way.
    ///
    /// # Errors
    /// `Io`.
    pub fn save_stages(&self, position: &Position, stages: &[Range<usize>]) -> Result<(), FileError> {
        let path = self.file(STAGES);
        let position = Position { metrics_bytes: self.synced_metrics_bytes()?, ..position.clone() };
        let list = StageList { position, stages: stages.iter().map(|stage| [stage.start, stage.end]).collect() };
        let text = serde_json::to_string(&list).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        write_atomically(&path, text.as_bytes())?;
        remove(&self.file(CHECKPOINT))?;
        // Stages of another cut are those of processes that are no more.
        let known: Vec<String> = stages.iter().map(stage_start).collect();
        self.each_stage(|name| !known.iter().any(|start| name.starts_with(start)))
    }

    /// Removes the files of some blocks that are of steps before this one.
    ///
    /// # Errors
    /// `Io`.
    pub fn forget_stages_before(&self, step: u64, blocks: &Range<usize>) -> Result<(), FileError> {
        let start = stage_start(blocks);
        self.each_stage(|name| {
            let of = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".safetensors"));
            of.and_then(|of| of.parse::<u64>().ok()).is_some_and(|of| of < step)
        })
    }

    /// Removes the states of stages, once that of a whole network is there.
    pub(crate) fn forget_stages(&self) -> Result<(), FileError> {
        remove(&self.file(STAGES))?;
        self.each_stage(|_| true)
    }

    /// Removes those files of stages that are chosen by name.
    fn each_stage(&self, chosen: impl Fn(&str) -> bool) -> Result<(), FileError> {
        let folder = self.file("checkpoint");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        for entry in entries {
            let path = entry.map_err(|source| FileError::Io { path: folder.clone(), source })?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if is_stage(name) && chosen(name) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The list of the saved stages, if training was saved by stages.
    pub(crate) fn stage_list(&self) -> Result<Option<StageList>, FileError> {
        match self.file(STAGES).exists() {
            true => self.read_json(STAGES, "a list of saved stages").map(Some),
            false => Ok(None),
        }
    }

    /// All stages of a list as the one file that they stand for.
    pub(crate) fn joined(&self, list: &StageList) -> Result<(Stored, Counts), FileError> {
        let mut all = Stored { tensors: HashMap::new(), state: None, sealed: true };
        let (mut counts, mut next) = (Counts::default(), 0);
        for &[start, end] in &list.stages {
            let path = self.file("checkpoint").join(stage_name(&(start..end), list.position.step));
            if start != next || end < start {
                let found = format!("blocks {start} to {end} after those up to {next}");
                return Err(FileError::malformed(&self.file(STAGES), found, "every block once, in order"));
            }
            let stored = tensor_file::load(&path)?;
            let own: Option<Counts> = stored.state.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let own = own.filter(|own| own.optimizer_steps.len() == end - start);
            let own =
                own.ok_or_else(|| FileError::malformed(&path, "no counts of its blocks", "the state of a stage"))?;
            counts.optimizer_steps.extend(own.optimizer_steps);
            counts.learner_steps.extend(own.learner_steps);
            all.tensors.extend(stored.tensors);
            next = end;
        }
        Ok((all, counts))
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<(), FileError> {
    disk::remove(path).map_err(|source| FileError::Io { path: path.into(), source })
}
