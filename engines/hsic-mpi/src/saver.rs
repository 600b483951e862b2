//! Those who listen to a training in stages: each saves the state of its blocks, the last one keeps the records.

use std::ops::Range;

use hsic_bottleneck::folder::Folder;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::{EpochReport, Observer, ProbeReport, TimelineReport, Warning};
use hsic_bottleneck::position::Position;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::Session;
use hsic_bottleneck::stages::StagePart;
use hsic_bottleneck::step_error::BoxError;

use crate::link::Link;

/// Saves the state of a stage's blocks; once all have, the last stage notes that they have.
pub(crate) struct Saver<'s> {
    pub(crate) run: &'s Run,
    pub(crate) link: &'s Link,
    pub(crate) cuts: &'s [Range<usize>],
    pub(crate) part: StagePart,
    /// The step that was saved before.
    pub(crate) before: Option<u64>,
}

impl Observer for Saver<'_> {
    fn state(&mut self, position: &Position, session: &dyn Session) -> Result<(), BoxError> {
        self.run.save_stage(position.step, session, &self.part)?;
        // No outputs are on their way: a step ends when the next stage has taken them.
        self.link.meet();
        if self.link.is_last() {
            self.run.save_stages(position, self.cuts)?;
        }
        // The last stage came here after it had noted the state of before: what is older has served.
        if let Some(before) = self.before.replace(position.step) {
            self.run.forget_stages_before(before, &self.part.blocks)?;
        }
        Ok(())
    }
}

/// The records of a run's folder, without the states.
pub(crate) struct Records<'r>(pub(crate) Folder<'r>);

impl Observer for Records<'_> {
    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        self.0.epoch(report)
    }

    fn monitor(&mut self, report: &MonitorReport) -> Result<(), BoxError> {
        self.0.monitor(report)
    }

    fn probe(&mut self, report: &ProbeReport) -> Result<(), BoxError> {
        self.0.probe(report)
    }

    fn timeline(&mut self, report: &TimelineReport) -> Result<(), BoxError> {
        self.0.timeline(report)
    }

    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        self.0.format(accuracies)
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        self.0.warning(warning)
    }
}

/// Whoever listens in a process that does not tell of the training: it hears that the training stops, and nothing else.
pub(crate) struct Unseen<'o, 'p>(pub(crate) &'o mut [&'p mut dyn Observer]);

impl Observer for Unseen<'_, '_> {
    fn stopping(&mut self) -> Result<(), BoxError> {
        self.0.iter_mut().try_for_each(|observer| observer.stopping())
    }
}
