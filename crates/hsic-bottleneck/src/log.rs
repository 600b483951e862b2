//! What training says while it runs: typed records, and who hears them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use hsic_data::disk::{self, Opening, Output};
use hsic_learn::error::BoxError;
use hsic_learn::judge::monitor::MonitorReport;
use hsic_learn::judge::values::Score;
use hsic_learn::session::Session;
use hsic_learn::span::Span;
use serde::{Deserialize, Serialize};

use crate::files::FileError;
use crate::position::Position;

/// The state of training after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Seconds of training, evaluation included, by all processes that took part.
    pub seconds: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean loss of the epoch's steps, by block.
    pub loss: Vec<f64>,
    /// Mean nHSIC(Z, X), by block; empty for a method that does not use it.
    pub nhsic_x: Vec<f64>,
    /// Mean nHSIC(Z, Y), by block; empty for a method that does not use it.
    pub nhsic_y: Vec<f64>,
    /// Means of what else the method measures, by name and block.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, Vec<f64>>,
    /// Accuracy on (part of) the training data, a fraction; NaN, and left out of the record, where values are learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub train_accuracy: f64,
    /// Accuracy on the test data, a fraction; NaN, and left out of the record, where values are learned.
    #[serde(default = "unmeasured", skip_serializing_if = "is_unmeasured")]
    pub test_accuracy: f64,
    /// Where values are learned, how right they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueReport>,
    /// Test accuracy by the authors' protocol, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors_test_accuracy: Option<f64>,
}

/// How right values are after an epoch, read by a line of the last block's features that at most 1,000 training rows fit, or
/// from the first output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueReport {
    /// On those training rows.
    pub train: Score,
    /// On the test data.
    pub test: Score,
}

/// What a linear readout of each block tells after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Training rows that the readouts were fitted to.
    pub fitted_rows: usize,
    /// Which rows judged.
    pub judged_on: ProbedOn,
    /// How many.
    pub judged_rows: usize,
    /// Accuracy by block, a fraction; none of a block whose values are not finite.
    pub accuracy: Vec<Option<f64>>,
}

/// Which rows judge the readouts of blocks while a network is trained: never those of the test part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbedOn {
    /// The part that was held out of the training data.
    Validation,
    /// Training rows that the readouts were not fitted to, though the network was.
    Training,
}

/// An accuracy where there are no classes.
pub(crate) fn unmeasured() -> f64 {
    f64::NAN
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_unmeasured(value: &f64) -> bool {
    value.is_nan()
}

/// What one training step did when, on which thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineReport {
    /// Index of the step, from 0.
    pub step: u64,
    /// Threads that took part.
    pub threads: usize,
    /// In the order of their beginnings.
    pub spans: Vec<Span>,
}

/// What a user should know though training goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Warning {
    /// A block gives one and the same row for every sample: its gradient is 0 and stays so.
    DeadBlock {
        /// Index from 0.
        block: usize,
        /// Step at which it was first seen.
        step: u64,
    },
    /// A class is mostly read as another at the end. Without format training no output unit came to stand for it, which
    /// happens to some starting weights: another seed is the remedy, or a softmax layer. Units that are trained to name
    /// classes have not learned it yet.
    LostClass {
        /// Name of the class.
        class: String,
        /// Units are trained to name classes.
        formatted: bool,
        /// Share of its training samples that is read right.
        share: f64,
    },
    /// Right answers are not clearly more than naming the largest class for every sample would give.
    NotAboveLargestClass {
        /// Share of the judged rows that is read right.
        accuracy: f64,
        /// Name of the largest class.
        class: String,
        /// Its share of the judged rows.
        share: f64,
        /// Rows that are judged.
        rows: u64,
        /// Epochs of the training.
        epochs: u64,
    },
    /// Errors are not clearly less than those of the training part's mean.
    NotAboveMean {
        /// R2 of the judged rows.
        r2: f64,
        /// Rows that are judged.
        rows: usize,
        /// Epochs of the training.
        epochs: u64,
    },
    /// The batch is larger than the training data.
    BatchOverData {
        /// Rows of a batch.
        batch: usize,
        /// Training rows.
        rows: usize,
    },
    /// A training has so few steps that little can be learned in them.
    FewSteps {
        /// Steps of the whole training.
        steps: u64,
        /// Its epochs.
        epochs: u64,
        /// Epochs that would be enough.
        enough: u64,
    },
    /// One step of the exact objective takes minutes.
    LongStep {
        /// Rows of the batch.
        rows: usize,
        /// About so many seconds a step.
        seconds: f64,
        /// Memory of the objective's matrices.
        bytes: u64,
    },
    /// A run goes on on another engine than the one that it was trained on.
    OtherEngine {
        /// The engine before.
        before: String,
        /// The engine from here on.
        now: String,
        /// Steps done before.
        step: u64,
    },
    /// tr R_Y is under half its bound: sigma is so large that the labels have all but vanished.
    LabelsVanished {
        /// tr R_Y of the first batch.
        trace: f64,
        /// Classes - 1.
        bound: f64,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DeadBlock { block, step } => {
                write!(
                    f,
                    "block {block} is dead since step {step}: it gives the same row for every sample and cannot learn"
                )
            }
            Self::LostClass { class, formatted, share } => {
                let (what, remedy) = match formatted {
                    true => ("the output unit does not name", "more epochs or another learning rate"),
                    false => ("no output unit stands for", "another seed or a softmax layer"),
                };
                let percent = 100.0 * share;
                write!(
                    f,
                    "{what} class {class} ({percent:.1} % of its training samples are read right): expected {remedy}"
                )
            }
            Self::NotAboveMean { r2, rows, .. } => write!(
                f,
                "R2 {r2:.3} on {rows} rows is not clearly above 0, that of the training rows' mean for every row: expected \
                 more epochs, more rows, or another learning rate"
            ),
            Self::NotAboveLargestClass { accuracy, class, share, rows, .. } => {
                let (accuracy, share) = (100.0 * accuracy, 100.0 * share);
                write!(
                    f,
                    "{accuracy:.1} % of {rows} rows are read right, not clearly more than the {share:.1} % of the largest class, \
                     {class}: expected more epochs or another learning rate"
                )
            }
            Self::BatchOverData { batch, rows } => {
                write!(f, "a batch of {batch} rows holds all {rows} training rows: each epoch is one step")
            }
            Self::FewSteps { steps, epochs, enough } => {
                let plural = |count: u64, of: &str| format!("{count} {of}{}", if count == 1 { "" } else { "s" });
                let (steps, epochs) = (plural(*steps, "step"), plural(*epochs, "epoch"));
                write!(f, "{steps} in {epochs} are few to learn from: expected a smaller batch or {enough} epochs")
            }
            Self::LongStep { rows, seconds, bytes } => {
                let time = match *seconds {
                    seconds if seconds < 120.0 => format!("{seconds:.0} seconds"),
                    seconds if seconds < 7200.0 => format!("{:.0} minutes", seconds / 60.0),
                    seconds => format!("{:.1} hours", seconds / 3600.0),
                };
                let memory = hsic::error::Amount(*bytes);
                write!(
                    f,
                    "a step on {rows} rows takes about {time} and {memory} by the exact objective: expected a smaller batch or an \
                     approximation"
                )
            }
            Self::OtherEngine { before, now, step } => {
                write!(
                    f,
                    "from step {step} on {now}, before it on {before}: the bits are no longer those of a training on one engine"
                )
            }
            Self::LabelsVanished { trace, bound } => {
                write!(
                    f,
                    "the labels have all but vanished (tr R_Y = {trace:.3} of {bound}): expected a smaller sigma-labels or epsilon"
                )
            }
        }
    }
}

/// Hears what happens in training; screen, folder and whatever one writes oneself are observers. Each may end training by
/// an error of its own.
pub trait Observer: Send {
    /// After every step: steps done, of how many.
    ///
    /// # Errors
    /// Ends training.
    fn step(&mut self, _step: u64, _total: u64) -> Result<(), BoxError> {
        Ok(())
    }

    /// After every epoch.
    ///
    /// # Errors
    /// Ends training.
    fn epoch(&mut self, _report: &EpochReport) -> Result<(), BoxError> {
        Ok(())
    }

    /// When the monitor has measured.
    ///
    /// # Errors
    /// Ends training.
    fn monitor(&mut self, _report: &MonitorReport) -> Result<(), BoxError> {
        Ok(())
    }

    /// After every so many epochs, if readouts of the blocks were asked for: behind the epoch's own report.
    ///
    /// # Errors
    /// Ends training.
    fn probe(&mut self, _report: &ProbeReport) -> Result<(), BoxError> {
        Ok(())
    }

    /// Once in a training, after the step that was timed.
    ///
    /// # Errors
    /// Ends training.
    fn timeline(&mut self, _report: &TimelineReport) -> Result<(), BoxError> {
        Ok(())
    }

    /// After format training: test accuracy after each of its epochs.
    ///
    /// # Errors
    /// Ends training.
    fn format(&mut self, _accuracies: &[f64]) -> Result<(), BoxError> {
        Ok(())
    }

    /// When something is amiss.
    ///
    /// # Errors
    /// Ends training.
    fn warning(&mut self, _warning: &Warning) -> Result<(), BoxError> {
        Ok(())
    }

    /// When training that was asked to stop has heard it and is about to tell its state.
    ///
    /// # Errors
    /// Ends training.
    fn stopping(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// When training stands at a point from which it can be taken up again: as often as was asked for, when it is stopped,
    /// and at its end. After the epoch's report.
    ///
    /// # Errors
    /// Ends training.
    fn state(&mut self, _position: &Position, _session: &dyn Session) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Nobody listens.
impl Observer for () {}

/// Tells all.
pub(crate) fn tell(
    listeners: &mut [&mut dyn Observer],
    mut what: impl FnMut(&mut dyn Observer) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    listeners.iter_mut().try_for_each(|listener| what(&mut **listener))
}

/// A record of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Record {
    /// After an epoch.
    Epoch(EpochReport),
    /// Every so many steps, if asked for.
    Monitor(MonitorReport),
    /// Every so many epochs, if asked for.
    Probe(ProbeReport),
    /// Of one step, once in a training.
    Timeline(TimelineReport),
    /// After format training.
    Format {
        /// Test accuracy after each epoch, a fraction.
        test_accuracy: Vec<f64>,
    },
    /// Something amiss.
    Warning(Warning),
}

/// Reads the records of a `metrics.jsonl`. A last line without its end, which is still being written or was when a process or
/// a machine failed, is left out.
///
/// # Errors
/// `Io`; `Malformed` with the line.
pub fn read_records(path: &Path) -> Result<Vec<Record>, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.into(), source })?;
    records_of(path, &bytes)
}

/// The records in what a file holds.
pub(crate) fn records_of(path: &Path, bytes: &[u8]) -> Result<Vec<Record>, FileError> {
    // Before bytes are taken for text: what is left out may end within a letter.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text =
        std::str::from_utf8(&bytes[..whole]).map_err(|error| FileError::malformed(path, error, "a record a line"))?;
    let read = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            // The parser counts lines within what it is given, and none where a key is missing.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = error.to_string().replace(&place, "");
            let column = if error.line() > 0 { format!(" column {}", error.column()) } else { String::new() };
            FileError::malformed(path, format_args!("line {}{column}: {message}", index + 1), "a record a line")
        })
    };
    text.lines().enumerate().map(read).collect()
}

/// The last epoch in a `metrics.jsonl`, looked for from its end; `None` where none is done, or none is among the last
/// 256 KiB.
///
/// # Errors
/// `Io`.
pub fn last_epoch(path: &Path) -> Result<Option<EpochReport>, FileError> {
    const TAIL: u64 = 256 << 10;
    let io = |source| FileError::Io { path: path.into(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).map_err(io)?;
    // The first line may have begun before these bytes, the last may be half written: neither is a record.
    let records = bytes.split(|&byte| byte == b'\n').rev().filter_map(|line| serde_json::from_slice(line).ok());
    Ok(records.filter_map(|record| if let Record::Epoch(epoch) = record { Some(epoch) } else { None }).next())
}

/// Appends records to `metrics.jsonl`, a line each.
#[derive(Debug)]
pub struct MetricsFile {
    file: Output,
    path: std::path::PathBuf,
}

impl MetricsFile {
    /// Opens the file after its first `bytes` bytes; what an earlier process wrote behind them, after the state from
    /// which the run is taken up, is dropped. So is a line that a damaged file ends within.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn open(path: &Path, bytes: u64) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.into(), source };
        let file = disk::open(path, Opening::Appended).map_err(io)?;
        let mut kept = Vec::new();
        file.file().take(bytes).read_to_end(&mut kept).map_err(io)?;
        let whole = kept.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(io)?;
        // A checkpoint counts on the records before it.
        disk::sync_name(path).map_err(io)?;
        Ok(Self { file, path: path.into() })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// `Io` with the path.
    pub fn write(&mut self, record: &Record) -> Result<(), FileError> {
        let io = |source| FileError::Io { path: self.path.clone(), source };
        let mut line = serde_json::to_string(record).map_err(|error| io(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use hsic_learn::span::Work;

    use super::*;

    #[test]
    fn a_timeline_is_a_line_of_these_names() {
        let span = |work, block, begin| Span {
            work,
            block,
            thread: 1,
            begin_milliseconds: begin,
            end_milliseconds: begin + 0.5,
        };
        let spans = vec![span(Work::Forward, 0, 0.0), span(Work::Operator, 0, 0.25), span(Work::Block, 7, 1.0)];
        let record = Record::Timeline(TimelineReport { step: 20, threads: 2, spans });
        let text = serde_json::to_string(&record).unwrap();
        let span = |work, block, begin: f64| {
            let end = begin + 0.5;
            format!(
                r#"{{"work":"{work}","block":{block},"thread":1,"begin_milliseconds":{begin:?},"end_milliseconds":{end:?}}}"#
            )
        };
        let spans = [span("forward", 0, 0.0), span("operator", 0, 0.25), span("block", 7, 1.0)].join(",");
        assert_eq!(text, format!(r#"{{"type":"timeline","step":20,"threads":2,"spans":[{spans}]}}"#));
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn a_last_line_without_its_end_is_left_out_wherever_it_was_cut() {
        let record = Record::Warning(Warning::LostClass { class: "\u{e4}".to_owned(), formatted: false, share: 0.25 });
        let line = serde_json::to_string(&record).unwrap() + "\n";
        let path = Path::new("metrics.jsonl");
        for cut in 0..line.len() {
            let torn = [line.as_bytes(), &line.as_bytes()[..cut]].concat();
            assert_eq!(records_of(path, &torn).unwrap(), std::slice::from_ref(&record), "cut at {cut}");
        }
        // What a file system leaves of bytes that never came to the disk.
        assert_eq!(records_of(path, &[line.as_bytes(), &[0; 100]].concat()).unwrap(), [record]);
        let error = records_of(path, &[line.as_bytes(), b"\xc3\n"].concat()).unwrap_err().to_string();
        assert!(error.contains("invalid utf-8 sequence"), "{error}");
    }

    #[test]
    fn a_long_step_is_told_in_fitting_units() {
        let told = |seconds| Warning::LongStep { rows: 20_000, seconds, bytes: 8_000_000_000 }.to_string();
        assert!(
            told(90.0).starts_with("a step on 20000 rows takes about 90 seconds and 8.0 GB by the exact objective")
        );
        assert!(told(300.0).contains("about 5 minutes and") && told(9000.0).contains("about 2.5 hours and"));
    }

    #[test]
    fn a_lost_class_is_told_with_the_remedy_that_helps() {
        let told = |formatted| Warning::LostClass { class: "9".to_owned(), formatted, share: 0.314 }.to_string();
        assert!(told(false).contains("class 9 (31.4 %") && told(false).ends_with("another seed or a softmax layer"));
        assert!(told(true).ends_with("more epochs or another learning rate"), "{}", told(true));
    }
}
