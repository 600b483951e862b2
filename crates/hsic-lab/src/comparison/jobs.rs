//! A comparison as a list of trainings that other programs carry out: in waves, since a rate that is tried follows from
//! what others came to.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::log::Observer;

use super::{Budget, Comparison, Entry, Leg, Plan, Settled, TRIAL_SEED, TRIAL_SHARE, search};
use crate::figure::{Job, JobState, Planned};

impl Comparison {
    /// All trainings, as far as they are known by now, each under a name that it keeps: `METHOD.rateN` for the trials,
    /// `METHOD.seedN` for the trainings at the best rate, `METHOD.pilot` for what tells the length of an epoch;
    /// `METHOD.batchN.rateN` where several sizes of a batch are tried. A search that goes on adds trials.
    ///
    /// # Errors
    /// As those of [`next`](Self::next).
    pub fn jobs(&self) -> Result<Vec<Job>, Error> {
        self.settings()?.check(self.folder())?;
        let mut jobs = Vec::new();
        for entry in &self.entries {
            let plan = self.plan(entry)?;
            let first = jobs.len();
            for leg in &plan.legs {
                self.of_leg(entry, leg, &mut jobs)?;
            }
            let needs = unsettled(&jobs[first..]);
            self.of_seeds(entry, &plan, needs, &mut jobs)?;
        }
        Ok(jobs)
    }

    /// What the plan calls the trainings that are not settled.
    ///
    /// # Errors
    /// As those of [`next`](Self::next).
    pub fn missing(&self) -> Result<Vec<String>, Error> {
        Ok(unsettled(&self.jobs()?))
    }

    /// Carries a training out in this process, from its checkpoint if it has one. One that diverges, or whose network the
    /// method cannot train, is noted as such, and is settled by that.
    ///
    /// # Errors
    /// `Run` for a folder that cannot be written, holds another training, or in which another process works.
    pub fn train_within(
        &self,
        planned: &Planned,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Settled, Error> {
        self.settings()?.note(self.folder())?;
        self.store.settled(planned, self.store.train_within(planned, observers, stop))
    }

    /// Notes in the folder what it compares on, as the first training does: what is written there before belongs to it.
    ///
    /// # Errors
    /// `Run` for a folder that cannot be written.
    pub fn note(&self) -> Result<(), Error> {
        self.settings()?.note(self.folder())
    }

    /// Why a training came to no end, if it did not.
    ///
    /// # Errors
    /// `Run` if the note cannot be read.
    pub fn failure(&self, planned: &Planned) -> Result<Option<String>, Error> {
        self.store.failure(planned)
    }

    /// The pilot and the trials with one size of a batch.
    fn of_leg(&self, entry: &Entry, leg: &Leg, jobs: &mut Vec<Job>) -> Result<(), Error> {
        let name = match leg.batch {
            Some(size) => format!("{}.batch{size}", entry.label),
            None => entry.label.clone(),
        };
        let (first, rate) = (jobs.len(), self.resolved(entry, leg.batch)?.learning_rate.peak);
        if let Some(pilot) = &leg.pilot {
            jobs.push(self.known(format!("{name}.pilot"), pilot, rate)?);
        }
        let pilot = unsettled(&jobs[first..]);
        for (index, planned) in leg.trials.iter().enumerate() {
            jobs.push(self.known(format!("{name}.rate{}", index + 1), planned, rate)?);
        }
        let least = self.least_trials(entry) / self.batches.len();
        if leg.is_lost || leg.trials.len() >= least {
            return Ok(());
        }
        let (epochs, given_seconds) = self.length(leg.trial_epochs, TRIAL_SHARE);
        let mut like = self.trial(entry, leg.batch, rate, epochs)?;
        like.training.seed = Some(TRIAL_SEED);
        for number in leg.trials.len() + 1..=least {
            let needs = if number <= search::FIRST { pilot.clone() } else { unsettled(&jobs[first..]) };
            jobs.push(waiting(format!("{name}.rate{number}"), needs, like.clone(), given_seconds));
        }
        Ok(())
    }

    /// The trainings at the best rate; none of a method of which it is known that there is no such rate.
    fn of_seeds(&self, entry: &Entry, plan: &Plan, needs: Vec<String>, jobs: &mut Vec<Job>) -> Result<(), Error> {
        let name = |seed: u64| format!("{}.seed{seed}", entry.label);
        let Some(leg) = plan.legs.first() else { return Ok(()) };
        let rate = self.resolved(entry, leg.batch)?.learning_rate.peak;
        for planned in &plan.finals {
            jobs.push(self.known(name(planned.seed), planned, rate)?);
        }
        if needs.is_empty() {
            return Ok(());
        }
        let (epochs, given_seconds) = self.length(leg.epochs, 1.0);
        for &seed in &self.seeds {
            let mut like = self.options(entry, leg.batch, rate, epochs)?;
            like.training.seed = Some(seed);
            jobs.push(waiting(name(seed), needs.clone(), like, given_seconds));
        }
        Ok(())
    }

    /// Epochs that a training has, and the seconds that it is given by a budget of time where they are not known yet.
    fn length(&self, epochs: u64, share: f64) -> (u64, Option<f64>) {
        match self.budget {
            Budget::Seconds(seconds) if epochs == 0 => (1, Some(share * seconds)),
            _ => (epochs, None),
        }
    }

    /// A training of which is known what it is. What it takes does not depend on its rate: that of `rate` stands for all.
    fn known(&self, id: String, planned: &Planned, rate: f64) -> Result<Job, Error> {
        let state = if self.store.failure(planned)?.is_some() {
            JobState::Failed
        } else if self.store.finished(planned)?.is_some() {
            JobState::Done
        } else {
            JobState::Ready
        };
        let mut like = planned.training.seeded(planned.seed);
        like.optimizer.learning_rate = Some(rate);
        Ok(Job {
            id,
            state,
            needs: Vec::new(),
            run: Some(self.store.path(planned)),
            like,
            planned: Some(planned.clone()),
            given_seconds: None,
        })
    }
}

/// A training that others decide.
fn waiting(id: String, needs: Vec<String>, like: TrainOptions, given_seconds: Option<f64>) -> Job {
    Job { id, state: JobState::Waiting, needs, planned: None, run: None, like, given_seconds }
}

/// The names of those that are not settled.
fn unsettled(jobs: &[Job]) -> Vec<String> {
    jobs.iter().filter(|job| !job.state.is_settled()).map(|job| job.id.clone()).collect()
}
