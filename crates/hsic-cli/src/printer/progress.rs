//! What is seen while something is at work: bars, a line an epoch, warnings.

use std::path::{Path, PathBuf};

use hsic_bottleneck::dataset::Transfer;
use hsic_bottleneck::log::{EpochReport, Observer, ValueReport, Warning};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::summary::JudgedOn;
use hsic_lab::figure::{Planned, Watcher};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::output::{note, told};
use super::text::{fitted, width};
use crate::table::significant;
use crate::words;

/// A bar with rate and time left, a line an epoch, warnings.
pub(crate) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// On which part of the data accuracies are.
    judged: JudgedOn,
    /// Keeps warnings to itself too: the run records them.
    mute: bool,
    /// The run whose training it shows.
    run: Option<PathBuf>,
}

impl Progress {
    pub(crate) fn new(quiet: bool, judged: JudgedOn) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        bar.set_style(style(width()));
        Self { bar, quiet, judged, mute: false, run: None }
    }

    /// This, for the training of a run that warnings are to name.
    pub(crate) fn of(self, run: &Path) -> Self {
        Self { run: Some(run.to_owned()), ..self }
    }

    /// This, for a training of a comparison or a reproduction: what a single training would be warned of, and its remedies,
    /// are none of these.
    pub(crate) fn of_many(self) -> Self {
        Self { mute: true, ..self }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How the bar looks on a terminal of so many columns; the message is how the last epoch was judged.
fn style(width: usize) -> ProgressStyle {
    let template = match width {
        80.. => "{bar:20} step {pos}/{len}  {rate}  {eta} left  {msg}",
        _ => "{bar:10} {pos}/{len}  {eta} left  {msg}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, to: &mut dyn std::fmt::Write| {
        // A bar has no way to say that it could not write.
        let _ = to.write_str(&rate(state.per_sec()));
    })
}

/// Steps a second, in few letters.
fn rate(steps: f64) -> String {
    match steps {
        s if s < 10.0 => format!("{s:.2}/s"),
        s if s < 1e3 => format!("{s:.0}/s"),
        s if s < 1e6 => format!("{:.0}k/s", s / 1e3),
        s => format!("{:.0}M/s", s / 1e6),
    }
}

/// How an epoch was judged, in short.
fn score(report: &EpochReport, judged: JudgedOn) -> String {
    match report.values {
        Some(ValueReport { test, .. }) => format!("{} R2 {:.4}", judged.name(), test.r2),
        None => format!("{} {:.2} %", judged.name(), 100.0 * report.test_accuracy),
    }
}

/// The line of an epoch, for a terminal of so many columns.
fn epoch(report: &EpochReport, judged: JudgedOn, width: usize) -> String {
    let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
    // An output block that learns by cross-entropy has none.
    let objective = match report.nhsic_y.iter().rposition(|&y| y != 0.0) {
        None => format!("loss {:6.4}", last(&report.loss)),
        Some(index) => format!("nHSIC X {:6.3} Y {:6.3}", last(&report.nhsic_x[..=index]), report.nhsic_y[index]),
    };
    let percent = |fraction: f64| format!("{:6.2} %", 100.0 * fraction);
    let (train, test) = match report.values {
        Some(ValueReport { train, test }) => {
            (format!("R2 {:7.4}", train.r2), format!("R2 {:7.4} RMSE {}", test.r2, significant(test.rmse, 4)))
        }
        None => (percent(report.train_accuracy), percent(report.test_accuracy)),
    };
    let seconds = format!("{:.1} s", report.seconds);
    let parts = [
        format!("epoch {:>3}", report.epoch),
        format!("train {train}"),
        format!("{} {test}", judged.name()),
        format!("{seconds:>7}"),
        objective,
    ];
    fitted(&parts, "epoch   1  ".len(), width)
}

/// The line of format training, which reads the network better than its units do.
fn formatted(epochs: usize, accuracy: f64, judged: JudgedOn) -> String {
    let plural = if epochs == 1 { "" } else { "s" };
    format!("format training, {epochs} epoch{plural}  {} {:6.2} %", judged.name(), 100.0 * accuracy)
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
        self.bar.set_message(score(report, self.judged));
        if !self.quiet {
            let text = epoch(report, self.judged, width());
            self.bar.suspend(|| note(&text));
        }
        Ok(())
    }

    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        if let (false, Some(last)) = (self.quiet, accuracies.last()) {
            let text = formatted(accuracies.len(), *last, self.judged);
            self.bar.suspend(|| note(&text));
        }
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        if self.mute {
            return Ok(());
        }
        self.bar.suspend(|| told(&format!("warning: {}", words::warning(warning, self.run.as_deref()))));
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
        Self { bars, whole, run: Progress::new(true, JudgedOn::Test), quiet }
    }

    /// So many trainings of so many are finished.
    pub(crate) fn at(&self, finished: usize, total: usize) {
        self.run.finish();
        self.whole.set_length(total as u64);
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
        let run = Progress::new(self.quiet, JudgedOn::Test);
        self.run = Progress { bar: self.bars.add(run.bar), quiet: true, mute: true, ..run };
    }

    fn observer(&mut self) -> &mut dyn Observer {
        &mut self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(nhsic: bool) -> EpochReport {
        EpochReport {
            epoch: 100,
            step: 1,
            seconds: 12_345.67,
            learning_rate: 0.1,
            loss: vec![-1.0, 2.345_678],
            nhsic_x: if nhsic { vec![1.0, 123.456_7, 0.0] } else { Vec::new() },
            nhsic_y: if nhsic { vec![1.0, 8.765_4, 0.0] } else { Vec::new() },
            terms: std::collections::BTreeMap::default(),
            train_accuracy: 1.0,
            test_accuracy: 1.0,
            values: None,
            authors_test_accuracy: None,
        }
    }

    #[test]
    fn the_bar_has_the_last_epoch_s_accuracy_and_fits_the_terminal() {
        use indicatif::{ProgressDrawTarget, TermLike};

        /// A terminal that keeps what was drawn last.
        #[derive(Clone, Debug)]
        struct Kept(u16, std::sync::Arc<std::sync::Mutex<String>>);

        impl TermLike for Kept {
            fn width(&self) -> u16 {
                self.0
            }
            fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn write_line(&self, text: &str) -> std::io::Result<()> {
                self.write_str(text)
            }
            fn write_str(&self, text: &str) -> std::io::Result<()> {
                if text.contains("left") {
                    *self.1.lock().unwrap() = text.trim().to_owned();
                }
                Ok(())
            }
            fn clear_line(&self) -> std::io::Result<()> {
                Ok(())
            }
            fn flush(&self) -> std::io::Result<()> {
                Ok(())
            }
        }

        for (columns, parts) in [
            (80, ["step 12000/99999", "/s", "validation 97.50 %"]),
            (60, ["12000/99999", "left", "validation 97.50 %"]),
        ] {
            let kept = Kept(columns, std::sync::Arc::default());
            let mut progress = Progress::new(true, JudgedOn::Validation);
            progress.bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(kept.clone())));
            progress.bar.set_style(style(columns.into()));
            progress.step(1, 99_999).unwrap();
            progress.epoch(&EpochReport { test_accuracy: 0.975, ..report(true) }).unwrap();
            progress.bar.set_position(12_000);
            progress.bar.force_draw();
            let drawn = kept.1.lock().unwrap().clone();
            assert!(parts.iter().all(|part| drawn.contains(part)), "{drawn}");
            assert!(drawn.chars().count() <= columns.into(), "{drawn}");
        }
    }

    #[test]
    fn a_rate_has_few_letters() {
        assert_eq!([0.123, 42.4, 1234.0, 2.5e9].map(rate), ["0.12/s", "42/s", "1k/s", "2500M/s"]);
    }

    #[test]
    fn format_training_is_a_line_of_its_own() {
        assert_eq!(formatted(10, 0.9712, JudgedOn::Test), "format training, 10 epochs  test  97.12 %");
        assert_eq!(formatted(1, 1.0, JudgedOn::Validation), "format training, 1 epoch  validation 100.00 %");
    }

    #[test]
    fn the_line_of_an_epoch_fits_80_columns_and_is_two_lines_at_60() {
        let line = epoch(&report(true), JudgedOn::Test, 80);
        assert_eq!(line, "epoch 100  train 100.00 %  test 100.00 %  12345.7 s  nHSIC X 123.457 Y  8.765");
        assert_eq!(
            epoch(&report(true), JudgedOn::Test, 60),
            "epoch 100  train 100.00 %  test 100.00 %  12345.7 s\n           nHSIC X 123.457 Y  8.765"
        );
        assert_eq!(
            epoch(&report(false), JudgedOn::Test, 80),
            "epoch 100  train 100.00 %  test 100.00 %  12345.7 s  loss 2.3457"
        );
        for (nhsic, judged) in [(true, JudgedOn::Test), (true, JudgedOn::Validation), (false, JudgedOn::Validation)] {
            for width in [60, 80] {
                let text = epoch(&report(nhsic), judged, width);
                assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
                assert!(text.contains(judged.name()), "{text}");
            }
        }
        // On most terminals a validation part has a line too.
        assert_eq!(epoch(&EpochReport { seconds: 9.5, ..report(true) }, JudgedOn::Validation, 84).lines().count(), 1);
    }
}
