//! All output: results to standard output, progress and warnings to standard error.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hsic_bottleneck::dataset::{CheckedFile, Transfer};
use hsic_bottleneck::judge::assignment::Confusion;
use hsic_bottleneck::log::{EpochReport, Observer, Warning};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::summary::Summary;
use hsic_lab::comparison::ComparisonRecord;
use hsic_lab::figure::{Planned, Watcher};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::report::ComparedRow;
use crate::results::{Checked, Explained, Info, Listed, ListedMethod, Named, OptionHelp, Written};
use crate::table::Row;
use crate::words;

/// Prints a result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints one JSON object on one line.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Prints a note beside the results. A closed standard error is no reason to stop.
fn note(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints an error: what happened, then its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let remedy = words::remedy(cause).unwrap_or_default();
        let cause = format!("{cause}{remedy}");
        // Errors of some libraries tell their cause themselves.
        if text.ends_with(&cause) {
            continue;
        }
        for (index, line) in cause.lines().enumerate() {
            let lead = if depth == 0 && index == 0 { "error: " } else { "       " };
            let because = if depth > 0 && index == 0 { "because " } else { "" };
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = write!(text, "{lead}{because}{line}");
        }
    }
    note(&text);
}

/// The command that builds this program with one of its features.
pub(crate) fn install_with(feature: &str) -> String {
    format!("cargo install --path crates/hsic-cli --locked --features {feature}")
}

/// What is said once where figures were drawn: how to have them as PNG too, in a program that does not draw it.
fn as_png() -> String {
    if cfg!(feature = "png") { String::new() } else { format!("\nfor PNG beside SVG: {}", install_with("png")) }
}

/// Whether the reader of standard output has gone, which is no error.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// Prints what a user should know though the work goes on.
pub(crate) fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// Where a report is and what it found.
pub(crate) fn report(written: &Written) -> anyhow::Result<()> {
    let Written { html, markdown, figures, values, values_outside, claims, claims_failed, .. } = written;
    let mut text = format!("{}\n{}\nfigures: {figures}", html.display(), markdown.display());
    if *values > 0 {
        let _ = write!(text, ", values: {values}, outside their bands: {values_outside}");
    }
    if *claims > 0 {
        let _ = write!(text, ", claims: {claims}, that do not hold: {claims_failed}");
    }
    Ok(line(&text)?)
}

/// Says that a run was interrupted and how to go on.
pub(crate) fn interrupted(step: u64, run: &Path) {
    note(&format!("interrupted after step {step}; {}", go_on(run)));
}

/// How an interrupted training goes on.
pub(crate) fn go_on(run: &Path) -> String {
    format!("go on with: hsic train --resume {}", run.display())
}

/// Says that work was ended in its middle and how to go on; bars are no longer drawn.
pub(crate) fn left(what: &str, remedy: &str) {
    note(&format!("\n{what}; {remedy}"));
}

/// The result of a training.
pub(crate) fn summary(summary: &Summary, authors: bool) -> anyhow::Result<()> {
    let mut text = confusion(&summary.confusion, &summary.class_names);
    let memory =
        summary.peak_memory_bytes.map_or(String::new(), |bytes| format!(", {} MB at the peak", bytes / 1_000_000));
    let _ = write!(
        text,
        "\n{} of {} parameters on {} by {}: {}\n{} steps of {:.2} ms in {:.1} s on {} threads{memory}\nrun: {}",
        summary.model,
        summary.parameters,
        summary.dataset,
        summary.method,
        accuracies(summary),
        summary.steps,
        summary.milliseconds_per_step,
        summary.seconds,
        summary.threads,
        summary.run.display()
    );
    for (index, leg) in summary.legs.iter().enumerate() {
        let from = index.checked_sub(1).map_or(1, |before| summary.legs[before].epochs + 1);
        let accuracy = 100.0 * leg.format_accuracy.unwrap_or(leg.test_accuracy);
        let _ = write!(text, "\nepochs {from} to {}: {accuracy:.2} % in {:.1} s", leg.epochs, leg.seconds);
    }
    if authors {
        text.push_str(
            "\nby the authors' protocol, for comparison with the paper only: its readout is fitted on the test data, or its \
             batch norm sees the test batch",
        );
    }
    Ok(line(&text)?)
}

/// What a run's accuracies are, and of what.
fn accuracies(summary: &Summary) -> String {
    let (test, train) = (100.0 * summary.test_accuracy, 100.0 * summary.train_accuracy);
    match summary.format_accuracy {
        Some(format) => format!(
            "test accuracy {:.2} % after format training ({test:.2} % with outputs UNFORMATTED, training {train:.2} %)",
            100.0 * format
        ),
        None if summary.formatted => format!("test accuracy {test:.2} % (training {train:.2} %)"),
        None => format!("test accuracy {test:.2} % (training {train:.2} %), outputs UNFORMATTED"),
    }
}

/// The result of format training.
pub(crate) fn formatted(summary: &Summary, epochs: &[f64]) -> anyhow::Result<()> {
    for (epoch, accuracy) in epochs.iter().enumerate() {
        note(&format!("format epoch {:>3}  test {:6.2} %", epoch + 1, 100.0 * accuracy));
    }
    let text = confusion(&summary.confusion, &summary.class_names);
    Ok(line(&format!("{text}\n{}: {}", summary.dataset, accuracies(summary)))?)
}

/// The result of an evaluation.
pub(crate) fn evaluation(
    dataset: &str,
    table: &Confusion,
    class_names: &[String],
    unformatted: f64,
    formatted: bool,
) -> anyhow::Result<()> {
    let text = confusion(table, class_names);
    let accuracy = if formatted {
        let format = 100.0 * table.accuracy();
        format!("{format:.2} % after format training ({:.2} % with outputs UNFORMATTED)", 100.0 * unformatted)
    } else {
        format!("{:.2} % as the run reads its outputs", 100.0 * unformatted)
    };
    Ok(line(&format!("{text}\n{dataset}: test accuracy {accuracy}"))?)
}

/// A line a sample: file, row (from 0), class, probability.
pub(crate) fn predictions(predictions: &[Named<'_>]) -> anyhow::Result<()> {
    let width = predictions.iter().map(|found| found.class.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Named { file, row, class, probability, .. } in predictions {
        let _ = writeln!(text, "{}:{row}  {class:width$}  {probability:.4}", file.display());
    }
    Ok(line(text.trim_end())?)
}

/// A confusion table: a row a class, a column a predicted class, and the share that is right. Beyond 20 classes only
/// that share.
fn confusion(table: &Confusion, class_names: &[String]) -> String {
    const WIDEST: usize = 20;
    let classes = table.counts.len();
    let name = |class: usize| class_names.get(class).map_or_else(|| class.to_string(), String::clone);
    let names: Vec<String> = (0..classes).map(name).collect();
    let lead = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    let cell = table.counts.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or(1).max(2) + 1;
    let mut text = format!("{:>lead$} ", "class");
    if classes <= WIDEST {
        for class in 0..classes {
            let _ = write!(text, "{class:>cell$}");
        }
    }
    text.push_str("   right\n");
    for (class, row) in table.counts.iter().enumerate() {
        let _ = write!(text, "{:>lead$} ", names[class]);
        if classes <= WIDEST {
            for count in row {
                let _ = write!(text, "{count:>cell$}");
            }
        }
        let all: u64 = row.iter().sum();
        let right = row.get(class).copied().unwrap_or(0);
        let share = if all == 0 { 0.0 } else { 100.0 * right as f64 / all as f64 };
        let _ = writeln!(text, " {share:6.1} %");
    }
    text
}

/// A bar with rate and time left, a line an epoch, warnings.
pub(crate) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// Keeps warnings to itself too: the run records them.
    mute: bool,
    /// The run whose training it shows.
    run: Option<PathBuf>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {per_sec}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, quiet, mute: false, run: None }
    }

    /// This, for the training of a run that warnings are to name.
    pub(crate) fn of(self, run: &Path) -> Self {
        Self { run: Some(run.to_owned()), ..self }
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
        self.bar.suspend(|| note(&format!("warning: {}", words::warning(warning, self.run.as_deref()))));
        Ok(())
    }
}

/// The data sets known by name.
pub(crate) fn datasets(list: &[Listed]) -> anyhow::Result<()> {
    let mut text = format!("{:<14} {:>12} {:>8} {:>16}  found", "name", "shape", "classes", "rows");
    for entry in list {
        let rows = format!("{} + {}", entry.train_rows, entry.test_rows);
        let found = match (&entry.found, entry.available) {
            (Some(path), _) => path.display().to_string(),
            (None, true) => "built in".to_owned(),
            (None, false) => format!("not here: hsic data fetch {}", entry.name),
        };
        let shape = entry.shape.to_string();
        let _ = write!(text, "\n{:<14} {shape:>12} {:>8} {rows:>16}  {found}", entry.name, entry.classes);
    }
    Ok(line(&text)?)
}

/// A data set: sizes, samples of each class, files.
pub(crate) fn dataset(info: &Info) -> anyhow::Result<()> {
    let mut text = format!(
        "{}: {} training and {} test samples of {} (channels x height x width), {} classes\n",
        info.name,
        info.train_rows,
        info.test_rows,
        info.shape,
        info.classes.len()
    );
    let lead = info.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max("class".len());
    let _ = write!(text, "{:>lead$} {:>9} {:>9}", "class", "training", "test");
    for class in &info.classes {
        let _ = write!(text, "\n{:>lead$} {:>9} {:>9}", class.name, class.train, class.test);
    }
    for file in &info.files {
        let _ = write!(text, "\n{}", checked(file));
    }
    Ok(line(&text)?)
}

/// Files beside their published checksums.
pub(crate) fn verification(name: &str, files: &[CheckedFile]) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(line(&format!("{name}: drawn by the program, there are no files"))?);
    }
    let lines: Vec<String> = files.iter().map(checked).collect();
    Ok(line(&lines.join("\n"))?)
}

fn checked(file: &CheckedFile) -> String {
    let CheckedFile { path, bytes, sha256, .. } = file;
    let verdict = match (file.matches, file.expected) {
        (Some(false), Some(expected)) => format!("differs, expected {expected}"),
        (Some(_), _) => "as published".to_owned(),
        (None, _) => "nothing published for a file of this form".to_owned(),
    };
    format!("{}  {bytes} bytes  SHA-256 {sha256}  {verdict}", path.display())
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

/// How interrupted trainings go on.
pub(crate) const SAME_COMMAND: &str = "the same command goes on from here";

/// Says that a reproduction was interrupted and how to go on.
pub(crate) fn reproduction_interrupted() {
    note(&format!("interrupted; {SAME_COMMAND}"));
}

/// Head of a column, and its cell of a row.
type Column = (&'static str, fn(&Row) -> String);

/// Values beside the paper's.
pub(crate) fn reproduction(values: &[Checked<'_>], output: &Path) -> anyhow::Result<()> {
    let rows: Vec<Row> = values.iter().map(|checked| Row::of(checked.value)).collect();
    let width = |text: fn(&Row) -> String, head: &str| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0).max(head.chars().count())
    };
    let columns: [Column; 6] = [
        ("value", |row| row.quantity.clone()),
        ("paper", |row| row.paper.clone()),
        ("authors' protocol", |row| row.authors.to_string()),
        ("ours", |row| row.ours.to_string()),
        ("band", |row| row.band.clone()),
        ("", |row| if row.standing.is_broken() { row.standing.mark().to_owned() } else { String::new() }),
    ];
    let widths = columns.map(|(head, text)| width(text, head));
    let mut text = String::new();
    let mut print = |cells: [String; 6]| {
        let [name, cells @ ..] = &cells;
        let mut line = format!("{name:<lead$}", lead = widths[0]);
        for (cell, width) in cells.iter().zip(&widths[1..]) {
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    print(columns.map(|(head, _)| head.to_owned()));
    rows.iter().for_each(|row| print(columns.map(|(_, text)| text(row))));
    let _ = write!(text, "figures: {}{}", output.join("figures").display(), as_png());
    Ok(line(&text)?)
}

/// Lines of cells, each column as wide as its widest cell; all but the first are set to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if index == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A comparison's table.
pub(crate) fn comparison(record: &ComparisonRecord, folder: &Path) -> anyhow::Result<()> {
    let mut rows = vec![ComparedRow::HEADS.map(str::to_owned).to_vec()];
    rows.extend(record.rows.iter().map(|row| ComparedRow::of(row).cells().to_vec()));
    let mut text = aligned(&rows);
    for row in &record.rows {
        if let Some(failure) = &row.failure {
            let _ = writeln!(text, "{}: {failure}", row.method);
        }
    }
    if record.rows.iter().any(|row| row.at_edge) {
        text.push_str("* the least or the largest rate tried: a better one may lie beyond\n");
    }
    let _ = write!(text, "report: {}{}", folder.join(hsic_bottleneck::run::REPORT_HTML).display(), as_png());
    Ok(line(&text)?)
}

/// The learning methods.
pub(crate) fn methods(list: &[ListedMethod]) -> anyhow::Result<()> {
    let width = |of: fn(&ListedMethod) -> &str| list.iter().map(|method| of(method).len()).max().unwrap_or(0);
    let lead = width(|method| method.name);
    let mut text = String::new();
    for method in list {
        let ListedMethod { name, summary, reference, cost, local, parallel, .. } = method;
        let kind = match (local, parallel) {
            (true, true) => "local, blocks at once",
            (true, false) => "local, block after block",
            (false, true) => "a signal from the output, blocks at once",
            (false, false) => "a gradient through all blocks",
        };
        let _ = write!(text, "{name:<lead$}  {summary}\n{:lead$}  {reference}\n{:lead$}  {kind}; {cost}\n", "", "");
    }
    text.push_str("hsic methods NAME explains one; hsic train --method NAME trains by it");
    Ok(line(&text)?)
}

/// A learning method in full.
pub(crate) fn method(method: &Explained) -> anyhow::Result<()> {
    let Explained { listed, explanation, optimizer, learning_rate, options } = method;
    let mut text = format!("{}: {}\n\n{explanation}\n\n", listed.name, listed.summary);
    let outputs = match listed.outputs {
        "classes" => "unit k of the output block stands for class k",
        "units" => "each class has a unit, which is read off training data",
        _ => "a softmax layer learns on the features of all blocks afterwards (format training)",
    };
    let facts = [
        ("reference", listed.reference.to_owned()),
        ("cost", listed.cost.to_owned()),
        ("outputs", outputs.to_owned()),
        ("default", format!("{optimizer}, learning rate {learning_rate:e}")),
    ];
    for (name, fact) in facts {
        let _ = writeln!(text, "{name:<10} {fact}");
    }
    for OptionHelp { flag, help } in options {
        let _ = writeln!(text, "\n{flag}\n    {}", help.replace('\n', "\n    "));
    }
    let _ = write!(text, "\nhsic train --method {}", listed.name);
    Ok(line(&text)?)
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
        self.run = Progress { bar: self.bars.add(Progress::new(self.quiet).bar), quiet: true, mute: true, run: None };
    }

    fn observer(&mut self) -> &mut dyn Observer {
        &mut self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_confusion_table_has_a_row_a_class_and_its_share() {
        let table = Confusion { counts: vec![vec![3, 1, 0], vec![0, 120, 0], vec![0, 0, 0]] };
        // A class that has no samples has nothing right; one without a name is known by its index.
        assert_eq!(
            confusion(&table, &names(&["ant", "butterfly"])),
            "    class    0   1   2   right\n\
             \x20     ant    3   1   0   75.0 %\n\
             butterfly    0 120   0  100.0 %\n\
             \x20       2    0   0   0    0.0 %\n"
        );
        let wide = Confusion { counts: vec![vec![2; 21]; 21] };
        let text = confusion(&wide, &[]);
        assert_eq!((text.lines().count(), text.lines().nth(5)), (22, Some("    4     4.8 %")));
    }

    #[test]
    fn accuracies_say_what_they_are_of() {
        let summary = |format_accuracy, formatted| Summary {
            run: "r".into(),
            dataset: "digits".to_owned(),
            model: "mlp".to_owned(),
            method: "hsic".to_owned(),
            epochs: 1,
            steps: 1,
            seed: 1,
            threads: 1,
            train_accuracy: 0.875,
            test_accuracy: 0.75,
            authors_test_accuracy: None,
            format_accuracy,
            seconds: 0.0,
            milliseconds_per_step: 0.0,
            peak_memory_bytes: None,
            parameters: 1,
            auxiliary_parameters: 0,
            parameters_at_once: 1,
            formatted,
            confusion: Confusion::new(2, 2),
            class_names: Vec::new(),
            norm_statistics: None,
            legs: Vec::new(),
        };
        let plain = "test accuracy 75.00 % (training 87.50 %)";
        assert_eq!(accuracies(&summary(None, true)), plain);
        assert_eq!(accuracies(&summary(None, false)), format!("{plain}, outputs UNFORMATTED"));
        assert_eq!(
            accuracies(&summary(Some(0.8125), true)),
            "test accuracy 81.25 % after format training (75.00 % with outputs UNFORMATTED, training 87.50 %)"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [names(&["a", "10", "x"]), names(&["longer", "9"]), names(&["ü", "", "yy"])];
        assert_eq!(aligned(&rows), "a       10   x\nlonger   9\nü           yy\n");
        assert_eq!(aligned(&[]), "");
    }

    #[test]
    fn a_files_verdict_is_that_of_its_checksum() {
        let of = |matches, expected| {
            let file = CheckedFile { path: "f".into(), bytes: 12, sha256: "ab".to_owned(), matches, expected };
            checked(&file)
        };
        assert_eq!(of(Some(true), Some("ab")), "f  12 bytes  SHA-256 ab  as published");
        assert_eq!(of(Some(false), Some("cd")), "f  12 bytes  SHA-256 ab  differs, expected cd");
        assert_eq!(of(None, None), "f  12 bytes  SHA-256 ab  nothing published for a file of this form");
    }

    #[test]
    fn a_reader_that_went_away_is_told_from_other_errors() {
        let of = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind)).context("while printing");
        assert!(is_broken_pipe(&of(io::ErrorKind::BrokenPipe)) && !is_broken_pipe(&of(io::ErrorKind::StorageFull)));
    }
}
