//! A run for TensorBoard: what training said as curves over steps, weights as histograms, the confusion table as a picture.
//!
//! A training that is at work has an observer for that, and a run that was trained before is told to the same observer from
//! its records.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hsic_data::disk::{self, Opening, Output};
use hsic_learn::error::BoxError;
use hsic_learn::judge::monitor::MonitorReport;
use hsic_learn::session::Session;
use hsic_nn::network::StoredTensor;

use super::events::{Events, Moment, Values};
use super::picture::of_confusion;
use crate::error::Error;
use crate::files::FileError;
use crate::log::{EpochReport, Observer, Record};
use crate::position::Position;
use crate::predict::Predictor;
use crate::run::{EVENTS, METRICS, Run, RunError};
use crate::summary::{JudgedOn, Summary};

/// Writes a run, finished or not, as one file of events into a folder, which is made if it is not there; returns the file.
///
/// Curves are over steps, but for that of format training, which is over its epochs. The clock of an event is that of its
/// epoch, counted back from when the records were last written, to the second. Weights and confusion table are those of the end.
/// A run of several sigmas has records of its own on format training alone; those of its networks are runs.
///
/// # Errors
/// `Run` for what cannot be read or written.
pub fn tensorboard(run: &Run, folder: &Path) -> Result<PathBuf, Error> {
    let config = run.config()?;
    let records = run.records().map_err(RunError::from)?;
    let seconds = records.iter().rev().find_map(|record| match record {
        Record::Epoch(report) => Some(report.seconds),
        _ => None,
    });
    let begin = written(run) - seconds.unwrap_or(0.0);
    let file = folder.join(format!("{EVENTS}{:010.0}.hsic", begin.floor()));
    let said = |source| Error::from(RunError::from(FileError::Io { path: file.clone(), source }));
    disk::create_dir_all(folder).map_err(said)?;
    let mut told = Told { events: Events::begin(Vec::new(), begin).map_err(said)?, judged: config.judged_on() };
    let mut at = Moment { clock: begin, step: 0 };
    for record in &records {
        match record {
            Record::Epoch(report) => {
                at = Moment { clock: begin + report.seconds, step: report.step };
                told.epoch(at, report).map_err(said)?;
            }
            // The monitor has no clock: what it saw lies between two epochs.
            Record::Monitor(report) => told.monitor(Moment { step: report.step, ..at }, report).map_err(said)?,
            Record::Format { test_accuracy } => told.format(at.clock, test_accuracy).map_err(said)?,
            Record::Timeline(_) | Record::Warning(_) => {}
        }
    }
    if run.is_finished() {
        let summary = run.summary()?;
        at.step = summary.steps;
        if let [network] = Predictor::open(run)?.networks() {
            told.weights(at, network.stored_tensors()).map_err(said)?;
        }
        told.summary(at, &summary).map_err(said)?;
    }
    crate::files::write_atomically(&file, &told.events.into_inner()).map_err(RunError::from)?;
    Ok(file)
}

/// When a run's records were last written, in whole seconds since 1970; 0 where the system does not tell.
fn written(run: &Run) -> f64 {
    let at = fs::metadata(run.file(METRICS)).and_then(|file| file.modified());
    at.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |since| since.as_secs() as f64)
}

/// The names under which things are told.
struct Told<W> {
    events: Events<W>,
    judged: JudgedOn,
}

impl<W: io::Write> Told<W> {
    fn epoch(&mut self, at: Moment, report: &EpochReport) -> io::Result<()> {
        let mut values = Values::default();
        let judged = self.judged.name();
        values.scalar("epoch", report.epoch as f64);
        values.scalar("learning rate", report.learning_rate);
        values.scalar("accuracy/training", report.train_accuracy);
        values.scalar(&format!("accuracy/{judged}"), report.test_accuracy);
        if let Some(authors) = report.authors_test_accuracy {
            values.scalar(&format!("accuracy/{judged}, authors' protocol"), authors);
        }
        if let Some(scores) = &report.values {
            for (name, score) in [("training", scores.train), (judged, scores.test)] {
                values.scalar(&format!("R2/{name}"), score.r2);
                values.scalar(&format!("RMSE/{name}"), score.rmse);
            }
        }
        by_block(&mut values, "loss", &report.loss);
        by_block(&mut values, "nHSIC(X, Z)", &report.nhsic_x);
        by_block(&mut values, "nHSIC(Y, Z)", &report.nhsic_y);
        for (name, terms) in &report.terms {
            by_block(&mut values, name, terms);
        }
        self.events.add(at, &values)
    }

    fn monitor(&mut self, at: Moment, report: &MonitorReport) -> io::Result<()> {
        let mut values = Values::default();
        by_block(&mut values, "monitor nHSIC(X, Z)", &report.nhsic_x);
        by_block(&mut values, "monitor nHSIC(Y, Z)", &report.nhsic_y);
        by_block(&mut values, "monitor gradient norm", &report.gradient_norm);
        if let Some(accuracy) = report.batch_accuracy {
            values.scalar("accuracy/batch", accuracy);
        }
        self.events.add(at, &values)
    }

    fn format(&mut self, clock: f64, accuracies: &[f64]) -> io::Result<()> {
        for (index, &accuracy) in accuracies.iter().enumerate() {
            let mut values = Values::default();
            values.scalar(&format!("format training/{}", self.judged.name()), accuracy);
            self.events.add(Moment { clock, step: index as u64 + 1 }, &values)?;
        }
        Ok(())
    }

    fn weights(&mut self, at: Moment, tensors: Vec<StoredTensor<'_, f32>>) -> io::Result<()> {
        let mut values = Values::default();
        for tensor in tensors {
            values.histogram(&format!("weights/block {} ({})", tensor.index, tensor.name), &tensor.values());
        }
        self.events.add(at, &values)
    }

    fn summary(&mut self, at: Moment, summary: &Summary) -> io::Result<()> {
        let mut values = Values::default();
        // Of values there are no classes to confuse.
        if summary.confusion.counts.iter().any(|row| !row.is_empty()) {
            let picture = of_confusion(&summary.confusion)?;
            values.picture("confusion", picture.size, &picture.png);
        }
        self.events.add(at, &values)
    }
}

fn by_block(values: &mut Values, name: &str, of: &[f64]) {
    for (block, &value) in of.iter().enumerate() {
        values.scalar(&format!("{name}/block {block}"), value);
    }
}

/// Tells TensorBoard of a training while it is at work: a file of events for each process that worked on it.
pub struct TensorBoard {
    told: Told<Output>,
    path: PathBuf,
    /// Steps done.
    step: u64,
    begun: bool,
}

impl TensorBoard {
    /// Begins a file in a folder, which is made if it is not there. `judged` is the part of the data that accuracies are of.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin(folder: &Path, judged: JudgedOn) -> Result<Self, FileError> {
        let clock = now();
        let path = folder.join(format!("{EVENTS}{:010.0}.{}.hsic", clock.floor(), std::process::id()));
        let io = |source| FileError::Io { path: path.clone(), source };
        disk::create_dir_all(folder).map_err(io)?;
        let file = disk::open(&path, Opening::Appended).map_err(io)?;
        let events = Events::begin(file, clock).map_err(io)?;
        Ok(Self { told: Told { events, judged }, path, step: 0, begun: false })
    }

    fn said(&self, written: io::Result<()>) -> Result<(), BoxError> {
        written.map_err(|source| FileError::Io { path: self.path.clone(), source }.into())
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Observer for TensorBoard {
    fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
        self.step = step;
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        // A training that was taken up repeats what an earlier process told of later steps.
        let restarted = self.told.events.restart(Moment { clock: now(), step });
        self.said(restarted)
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        let written = self.told.epoch(Moment { clock: now(), step: report.step }, report);
        self.said(written)
    }

    fn monitor(&mut self, report: &MonitorReport) -> Result<(), BoxError> {
        let written = self.told.monitor(Moment { clock: now(), step: report.step }, report);
        self.said(written)
    }

    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        let written = self.told.format(now(), accuracies);
        self.said(written)
    }

    fn state(&mut self, _position: &Position, session: &dyn Session) -> Result<(), BoxError> {
        let written = self.told.weights(Moment { clock: now(), step: self.step }, session.weights());
        self.said(written)
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};

    use super::*;
    use crate::config::TrainOptions;

    /// The tags of a file of events and how often each comes, by looking for names behind their lengths.
    fn count(bytes: &[u8], tag: &str) -> usize {
        let named = [&[b'\n', tag.len() as u8], tag.as_bytes()].concat();
        bytes.windows(named.len()).filter(|window| *window == named).count()
    }

    #[test]
    fn a_run_is_told_as_it_was_while_it_was_trained() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = TrainOptions::default();
        options.network.widths = Some("8x2".into());
        options.training.epochs = Some(3);
        options.training.monitor_steps = Some(2);
        options.format.format_epochs = Some(2);
        let config = options.resolve().unwrap();
        let load_options = LoadOptions { train_size: Some(96), test_size: Some(20), ..LoadOptions::default() };
        let data = load("digits", &load_options).unwrap();
        let run = Run::create(&folder.path().join("run"), &config).unwrap();
        let live = folder.path().join("live");
        let mut board = TensorBoard::begin(&live, config.judged_on()).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        crate::trainer::train(&config, &data, &run, &mut [&mut board], &stop).unwrap();
        let live = fs::read(board.path).unwrap();
        let file = tensorboard(&run, &folder.path().join("made")).unwrap();
        assert!(file.file_name().unwrap().to_str().unwrap().starts_with(EVENTS));
        let made = fs::read(&file).unwrap();
        let monitored = run.records().unwrap().iter().filter(|record| matches!(record, Record::Monitor(_))).count();
        for (tag, times) in [
            ("accuracy/test", 3),
            ("loss/block 0", 3),
            ("nHSIC(Y, Z)/block 1", 3),
            ("monitor gradient norm/block 2", monitored),
            ("format training/test", 2),
        ] {
            assert_eq!((count(&made, tag), count(&live, tag)), (times, times), "{tag}");
        }
        // At the end, and at each checkpoint.
        assert_eq!((count(&made, "weights/block 1 (3.weight)"), count(&made, "confusion")), (1, 1));
        assert!(count(&live, "weights/block 1 (3.weight)") >= 3);
        // The same run gives the same bytes.
        let again = tensorboard(&run, &folder.path().join("again")).unwrap();
        assert!(fs::read(again).unwrap() == made);
    }
}
