//! What is seen while something is at work: bars, a line an epoch, warnings.

use std::path::Path;

use hsic_bottleneck::dataset::Transfer;
use hsic_bottleneck::log::{EpochReport, Observer, Warning};
use hsic_bottleneck::step_error::BoxError;
use hsic_lab::figure::{Planned, Watcher};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::note;
use crate::words;

/// A bar with rate and time left, a line an epoch, warnings.
pub(crate) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// Keeps warnings to itself too: the run records them.
    mute: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {per_sec}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, quiet, mute: false }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn step(&mut self, step: u64, total: u64) -> Result<(), BoxError> {
        if self.bar.length().is_none() {
            self.bar.set_length(total);
            // What an earlier process did is no part of this one's rate.
            self.bar.reset_eta();
        }
        self.bar.set_position(step);
        Ok(())
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        if !self.quiet {
            let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
            // An output block that learns by cross-entropy has none.
            let objective = match report.nhsic_y.iter().rposition(|&y| y != 0.0) {
                None => format!("loss {:6.4}", last(&report.loss)),
                Some(index) => {
                    let block = if index + 1 == report.nhsic_y.len() { "last block" } else { "last hidden block" };
                    let (x, y) = (last(&report.nhsic_x[..=index]), report.nhsic_y[index]);
                    format!("{block}: nHSIC(X) {x:6.3}  nHSIC(Y) {y:6.3}")
                }
            };
            let text = format!(
                "epoch {:>3}  train {:6.2} %  test {:6.2} %  {objective}  {:7.1} s",
                report.epoch,
                100.0 * report.train_accuracy,
                100.0 * report.test_accuracy,
                report.seconds
            );
            self.bar.suspend(|| note(&text));
        }
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        if self.mute {
            return Ok(());
        }
        self.bar.suspend(|| note(&format!("warning: {}", words::warning(warning))));
        Ok(())
    }
}

/// A bar for a transfer.
pub(crate) struct TransferBar {
    bar: ProgressBar,
    file: String,
}

impl TransferBar {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template("{bar:30} {msg}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, file: String::new() }
    }

    pub(crate) fn show(&mut self, transfer: Transfer<'_>) {
        if self.file != transfer.file {
            transfer.file.clone_into(&mut self.file);
            self.bar.set_message(self.file.clone());
            self.bar.set_length(transfer.total);
            self.bar.set_position(transfer.done);
            // What an earlier attempt brought is no part of this one's rate.
            self.bar.reset_eta();
        }
        self.bar.set_position(transfer.done);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for all trainings and one for the training at work.
pub(crate) struct ReproductionBars {
    bars: MultiProgress,
    whole: ProgressBar,
    run: Progress,
    quiet: bool,
}

impl ReproductionBars {
    pub(crate) fn new(quiet: bool, total: usize) -> Self {
        let bars = MultiProgress::new();
        let whole = if quiet { ProgressBar::hidden() } else { bars.add(ProgressBar::new(total as u64)) };
        let style = ProgressStyle::with_template("{bar:30} training {pos}/{len}  {elapsed}  {msg}");
        whole.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bars, whole, run: Progress::new(true), quiet }
    }

    /// So many trainings are finished.
    pub(crate) fn at(&self, finished: usize) {
        self.run.finish();
        self.whole.set_position(finished as u64);
    }

    /// The training at work is finished.
    pub(crate) fn done(&self) {
        self.run.finish();
        self.whole.inc(1);
    }

    /// A figure is there.
    pub(crate) fn drawn(&self, name: &str, folder: &Path) {
        if !self.quiet {
            self.bars.suspend(|| note(&format!("{name}: {}", folder.display())));
        }
    }

    pub(crate) fn finish(&self) {
        self.run.finish();
        self.whole.finish_and_clear();
    }
}

impl Watcher for ReproductionBars {
    fn begin(&mut self, planned: &Planned) {
        let label = format!("{}, seed {}", planned.training.label, planned.seed);
        self.whole.set_message(label);
        self.run = Progress { bar: self.bars.add(Progress::new(self.quiet).bar), quiet: true, mute: true };
    }

    fn observer(&mut self) -> &mut dyn Observer {
        &mut self.run
    }
}
