//! The run's folder as one who listens to training: records into `metrics.jsonl`, states into `checkpoint/`.

use hsic_learn::error::BoxError;
use hsic_learn::judge::monitor::MonitorReport;
use hsic_learn::session::Session;

use crate::files::FileError;
use crate::log::{EpochReport, MetricsFile, Observer, ProbeReport, Record, TimelineReport, Warning};
use crate::position::Position;
use crate::run::{METRICS, Run};

/// Writes down what happens in a training.
#[derive(Debug)]
pub struct Folder<'r> {
    run: &'r Run,
    metrics: MetricsFile,
}

impl<'r> Folder<'r> {
    /// Goes on after the first `bytes` bytes of the run's records: 0 for a new training, [`Position::metrics_bytes`] for
    /// one that is taken up.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn open(run: &'r Run, bytes: u64) -> Result<Self, FileError> {
        run.unseal()?;
        Ok(Self { run, metrics: MetricsFile::open(&run.file(METRICS), bytes)? })
    }
}

impl Observer for Folder<'_> {
    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        Ok(self.metrics.write(&Record::Epoch(report.clone()))?)
    }

    fn monitor(&mut self, report: &MonitorReport) -> Result<(), BoxError> {
        Ok(self.metrics.write(&Record::Monitor(report.clone()))?)
    }

    fn probe(&mut self, report: &ProbeReport) -> Result<(), BoxError> {
        Ok(self.metrics.write(&Record::Probe(report.clone()))?)
    }

    fn timeline(&mut self, report: &TimelineReport) -> Result<(), BoxError> {
        Ok(self.metrics.write(&Record::Timeline(report.clone()))?)
    }

    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        Ok(self.metrics.write(&Record::Format { test_accuracy: accuracies.to_vec() })?)
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        if let Warning::NotAboveLargestClass { .. } | Warning::FewSteps { .. } = warning {
            // The confusion table and the steps of the summary say as much.
            return Ok(());
        }
        Ok(self.metrics.write(&Record::Warning(warning.clone()))?)
    }

    fn state(&mut self, position: &Position, session: &dyn Session) -> Result<(), BoxError> {
        let position = Position { metrics_bytes: self.run.synced_metrics_bytes()?, ..position.clone() };
        Ok(self.run.save_checkpoint(&position, session)?)
    }
}
