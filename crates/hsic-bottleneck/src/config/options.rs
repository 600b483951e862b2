//! What a user can say of the course of training.

use hsic_data::fault::Faults;
use hsic_data::options::options;
use hsic_learn::update::{Schedule, UnitLength, UpdateOrder};
use serde::{Deserialize, Serialize};

use super::checkpoints::CheckpointRule;
use super::norm_statistics::NormStatistics;
use super::restarts::Restarts;
use super::sizes::Sizes;

options! {
    /// How long and in which order.
    TrainingOptions, "Training" {
        /// Passes over the training data, >= 1 [default: 5; of data of one's own so many that there are 300 steps]
        epochs: u64,
        /// Rows of a batch, >= 2 [default: 256; of data of one's own with under 2,048 rows an eighth of them]
        batch_size: usize,
        /// Leave out the last batch of an epoch if it is short of rows [default: false]
        drop_last: bool,
        /// Epochs after which the learning rate's course begins anew, as 5,15; --resume RUN --epochs N adds the run's own
        restarts: Restarts,
        /// Running statistics of batch norm that the trained network keeps: auto forms them anew by a pass over the training
        /// data where the rate stays to the end or under 100 steps were made; no weight moves [default: auto]
        norm_statistics: NormStatistics,
        /// Visit the samples of each epoch in an order of its own, or in that of the file (the authors') [default: true]
        shuffle: bool,
        /// Which weights a block's input comes from [default: jacobi]
        update: UpdateOrder,
        /// What runs at once [default: parallel; gauss-seidel: sequential]
        schedule: Schedule,
        /// How many consecutive blocks before the output block learn together, by the objective of the last of them and with a
        /// gradient within: a whole number >= 1, or all [default: 1]
        unit: UnitLength,
        /// Cut each batch into so many fixed parts, >= 1, whose sums are formed by themselves and added in their order, so that
        /// processes can have some of them each (hsic-mpi); another number rounds otherwise [default: batches stay whole]
        shards: usize,
        /// Seed of weights, order and built-in data [default: 1]
        seed: u64,
        /// Threads, >= 1 [default: all cores]
        threads: usize,
        /// Save a checkpoint every so many steps, >= 1; of these three, what comes first saves
        checkpoint_steps: u64,
        /// Save a checkpoint every so many epochs, >= 1 [default: 1 if none of the three is given]
        checkpoint_epochs: u64,
        /// Record nHSIC(X, Z), nHSIC(Y, Z), gradient norms and batch accuracy every so many steps; 0 for never
        /// [default: 0; 50 costs under 5 % of back-propagation]
        monitor_steps: u64,
        /// Save a checkpoint so many minutes after the last, > 0
        checkpoint_minutes: f64,
        /// Fit a linear readout to each block every so many epochs and record its accuracy, judged on the validation part or, without
        /// one, on training rows that it was not fitted to; 0 for never [default: 0]
        probe_epochs: u64,
        /// Keep some judged samples in the run's folder, at most 200 KB, for its page: confused ones, the surest and the least sure, of
        /// values the largest and the smallest errors; false for data that must not be copied [default: true]
        keep_samples: bool,
    }
}

/// The course of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Passes over the training data.
    pub epochs: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Whether the last batch of an epoch is left out if it is short of rows.
    pub drop_last: bool,
    /// Epochs after which the learning rate's course begins anew.
    pub restarts: Restarts,
    /// Running statistics that the trained network keeps.
    pub norm_statistics: NormStatistics,
    /// Whether an epoch visits the samples in an order of its own.
    pub shuffle: bool,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
    /// What learns together.
    pub unit: UnitLength,
    /// Fixed parts of each batch; `None` where batches stay whole.
    pub shards: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; `None` for those of the pool that training is called on, or all cores.
    pub threads: Option<usize>,
    /// When checkpoints are saved.
    pub checkpoints: CheckpointRule,
    /// Steps between records of the monitor; 0 for none.
    pub monitor_steps: u64,
    /// Epochs between readouts of the blocks; 0 for none.
    pub probe_epochs: u64,
    /// Whether some judged samples are kept.
    pub keep_samples: bool,
}

impl TrainingOptions {
    /// The options of a run's folder: versions that had no choice of statistics kept the running ones, and those that kept no
    /// samples had none.
    #[must_use]
    pub fn as_stored(self) -> Self {
        Self {
            norm_statistics: self.norm_statistics.or(Some(NormStatistics::Running)),
            keep_samples: self.keep_samples.or(Some(false)),
            ..self
        }
    }

    /// Fills in the defaults and notes what is out of range. Epochs and rows of a batch that are not given stay open, since
    /// they follow from the data: the course has those of named data in their place.
    pub fn resolve(&mut self, faults: &mut Faults) -> Course {
        let epochs = self.epochs.unwrap_or(Sizes::NAMED.epochs);
        faults.check("epochs", epochs, epochs >= 1, "a whole number >= 1");
        let batch_size = self.batch_size.unwrap_or(Sizes::NAMED.batch_size);
        faults.check("batch-size", batch_size, batch_size >= 2, "a whole number >= 2");
        let drop_last = *self.drop_last.get_or_insert(false);
        let restarts = self.restarts.clone().unwrap_or_default();
        let fitting = self.epochs.is_none() || restarts.fit(epochs);
        faults.check("restarts", &restarts, fitting, "epochs in order, from 1 to less than epochs");
        let norm_statistics = *self.norm_statistics.get_or_insert(NormStatistics::Auto);
        let shuffle = *self.shuffle.get_or_insert(true);
        let order = *self.update.get_or_insert(UpdateOrder::Jacobi);
        let natural = if order == UpdateOrder::Jacobi { Schedule::Parallel } else { Schedule::Sequential };
        let schedule = *self.schedule.get_or_insert(natural);
        let together = order == UpdateOrder::Jacobi || schedule == Schedule::Sequential;
        faults.check("schedule", "parallel", together, "sequential, since gauss-seidel takes blocks in turn");
        let unit = *self.unit.get_or_insert_default();
        let shards = self.shards;
        let fitting = shards.is_none_or(|count| count >= 1 && (self.batch_size.is_none() || count <= batch_size));
        faults.check("shards", shards.unwrap_or_default(), fitting, "from 1 to the rows of a batch (batch-size)");
        let seed = *self.seed.get_or_insert(1);
        faults.check("threads", 0, self.threads != Some(0), "a whole number >= 1");
        if self.checkpoint_steps.is_none() && self.checkpoint_minutes.is_none() {
            self.checkpoint_epochs.get_or_insert(1);
        }
        let checkpoints = CheckpointRule {
            steps: self.checkpoint_steps,
            epochs: self.checkpoint_epochs,
            minutes: self.checkpoint_minutes,
        };
        faults.check("checkpoint-steps", 0, checkpoints.steps != Some(0), "a whole number >= 1");
        faults.check("checkpoint-epochs", 0, checkpoints.epochs != Some(0), "a whole number >= 1");
        if let Some(minutes) = checkpoints.minutes {
            faults.positive("checkpoint-minutes", minutes);
        }
        let (threads, monitor_steps) = (self.threads, *self.monitor_steps.get_or_insert(0));
        let probe_epochs = *self.probe_epochs.get_or_insert(0);
        let keep_samples = *self.keep_samples.get_or_insert(true);
        Course {
            epochs,
            batch_size,
            drop_last,
            restarts,
            norm_statistics,
            shuffle,
            order,
            schedule,
            unit,
            shards,
            seed,
            threads,
            checkpoints,
            monitor_steps,
            probe_epochs,
            keep_samples,
        }
    }
}
