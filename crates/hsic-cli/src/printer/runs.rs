//! What trainings, evaluations and predictions come to.

use std::fmt::Write as _;
use std::path::Path;

use hsic_bottleneck::judge::assignment::Confusion;
use hsic_bottleneck::judge::values::Score;
use hsic_bottleneck::judged::{Judged, Rows};
use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::pilot::Pilot;
use hsic_bottleneck::summary::{Looked, Summary, ValueSummary};
use hsic_lab::shell::quoted;

use super::curve::{self, Characters};
use super::output::{line, note};
use super::text::{counted, from_here, width, wrapped};
use crate::table::significant;

/// Says that a run was interrupted and how to go on.
pub(crate) fn interrupted(step: u64, run: &Path) {
    note(&format!("interrupted after step {step}; {}", go_on(run)));
}

/// How an interrupted training goes on.
pub(crate) fn go_on(run: &Path) -> String {
    format!("go on with: hsic train --resume {}", path(run))
}

/// Says that work was ended in its middle and how to go on; bars are no longer drawn.
pub(crate) fn left(what: &str, remedy: &str) {
    note(&format!("\n{what}; {remedy}"));
}

/// A path as a shell reads it back.
fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// What a training will take.
pub(crate) fn pilot(pilot: &Pilot) -> anyhow::Result<()> {
    Ok(line(&wrapped(&piloted(pilot), 2, width()))?)
}

fn piloted(pilot: &Pilot) -> String {
    let memory = pilot.memory_bytes.map_or(String::new(), |bytes| format!(" and {} MB", bytes.div_ceil(1_000_000)));
    let steps = counted(pilot.steps_per_epoch * pilot.epochs, "step");
    format!(
        "{steps} of {:.2} ms, {} in all: about {} s{memory}",
        1e3 * pilot.seconds_per_step,
        counted(pilot.epochs, "epoch"),
        significant(pilot.seconds, 2)
    )
}

/// The result of a training, with its course if epochs are told.
pub(crate) fn summary(summary: &Summary, epochs: &[EpochReport], authors: bool) -> anyhow::Result<()> {
    let curve = curve::by_epoch(epochs, summary.judged_on, Characters::of_locale());
    Ok(line(&summarized(summary, curve, authors, width()))?)
}

fn summarized(summary: &Summary, curve: Option<String>, authors: bool, width: usize) -> String {
    let memory =
        summary.peak_memory_bytes.map_or(String::new(), |bytes| format!(", {} MB at the peak", bytes / 1_000_000));
    let energy = summary
        .joules
        .map_or(String::new(), |joules| format!(", {} kJ of the machine's processors", significant(joules / 1e3, 3)));
    let engines = match &summary.engine[..] {
        [] => String::new(),
        engines => format!(", engine {}", engines.join(", then ")),
    };
    let told = [
        format!(
            "{} on {} by {}, {}",
            summary.model,
            from_here(&summary.dataset),
            summary.method,
            counted(summary.parameters as u64, "parameter")
        ),
        accuracies(summary),
        curve.unwrap_or_default(),
        format!(
            "{} of {:.2} ms in {:.1} s on {}{engines}{memory}{energy}",
            counted(summary.steps, "step"),
            summary.milliseconds_per_step,
            summary.seconds,
            counted(summary.threads as u64, "thread"),
        ),
        if authors {
            "by the authors' protocol, for comparison with the paper only: its readout is fitted on the evaluated data, or \
             its batch norm sees the evaluated batch"
                .to_owned()
        } else {
            String::new()
        },
    ];
    let mut text = match summary.values {
        Some(_) => String::new(),
        None => confusion(&summary.confusion, &summary.class_names, width) + "\n",
    };
    let told: Vec<String> = told.iter().filter(|told| !told.is_empty()).map(|told| wrapped(told, 2, width)).collect();
    text.push_str(&told.join("\n"));
    for (index, leg) in summary.legs.iter().enumerate() {
        let from = index.checked_sub(1).map_or(1, |before| summary.legs[before].epochs + 1);
        let figure = match leg.test_r2 {
            Some(r2) => format!("R2 {r2:.4}"),
            None => format!("{:.2} %", 100.0 * leg.format_accuracy.unwrap_or(leg.test_accuracy)),
        };
        let _ = write!(text, "\nepochs {from} to {}: {figure} in {:.1} s", leg.epochs, leg.seconds);
    }
    // What is to be copied stays on one line, however long.
    let _ = write!(text, "\nrun: {}\nnext: hsic report {}", summary.run.display(), path(&summary.run));
    text
}

/// What a run's accuracies are, and of what.
fn accuracies(summary: &Summary) -> String {
    let (own, train) = (100.0 * summary.test_accuracy, 100.0 * summary.train_accuracy);
    let part = summary.judged_on.name();
    if let Some(ValueSummary { train_r2, test_r2: r2, test_rmse: rmse, baseline_rmse }) = summary.values {
        return format!("{part} {}, training R2 {train_r2:.4}", scores(Score { r2, rmse }, baseline_rmse));
    }
    let plain = match summary.format_accuracy {
        Some(format) => format!(
            "{part} accuracy {:.2} % after format training ({own:.2} % with outputs UNFORMATTED, training {train:.2} %)",
            100.0 * format
        ),
        None if summary.formatted => format!("{part} accuracy {own:.2} % (training {train:.2} %)"),
        None => format!("{part} accuracy {own:.2} % (training {train:.2} %), outputs UNFORMATTED"),
    };
    plain + &beside(summary.test_time)
}

/// What is said of an accuracy by several looks at each image, behind the plain one.
fn beside(looked: Option<Looked>) -> String {
    let told = looked.and_then(|looked| Some((looked.accuracy, looked.looks.told()?)));
    told.map_or(String::new(), |(accuracy, told)| format!("; {:.2} % {told}", 100.0 * accuracy))
}

/// The result of format training.
pub(crate) fn formatted(summary: &Summary, epochs: &[f64]) -> anyhow::Result<()> {
    let part = summary.judged_on.name();
    for (epoch, accuracy) in epochs.iter().enumerate() {
        note(&format!("format epoch {:>3}  {part} {:6.2} %", epoch + 1, 100.0 * accuracy));
    }
    let width = width();
    let text = confusion(&summary.confusion, &summary.class_names, width);
    let told = format!("{}: {}", from_here(&summary.dataset), accuracies(summary));
    Ok(line(&format!("{text}\n{}", wrapped(&told, 2, width)))?)
}

/// The result of an evaluation of values.
pub(crate) fn evaluation_of_values(judged: &Judged, score: Score, baseline: Score) -> anyhow::Result<()> {
    let told = format!("{}, {}: {}", from_here(&judged.place), judging(judged).0, scores(score, baseline.rmse));
    Ok(line(&wrapped(&told, 2, width()))?)
}

/// How right values are, beside what the training rows' mean comes to.
fn scores(score: Score, baseline: f64) -> String {
    let Score { r2, rmse } = score;
    format!("R2 {r2:.4}, RMSE {} ({} by the mean of the training rows)", significant(rmse, 5), significant(baseline, 5))
}

/// The rows that judge, and what their accuracy is called.
fn judging(judged: &Judged) -> (String, &'static str) {
    let rows = judged.dataset.rows();
    match judged.rows {
        Rows::All if rows == 1 => ("the one row".to_owned(), "accuracy"),
        Rows::All => (format!("all {rows} rows"), "accuracy"),
        Rows::Train => (format!("{rows} rows of the training part"), "training accuracy"),
        Rows::Test => (format!("{rows} rows of the test part"), "test accuracy"),
        Rows::Validation => (format!("{rows} rows held out of the training part"), "validation accuracy"),
    }
}

/// The result of an evaluation: which rows judged, how many, and what came of it.
pub(crate) fn evaluation(
    judged: &Judged,
    table: &Confusion,
    class_names: &[String],
    (unformatted, formatted): (f64, bool),
    looked: Option<Looked>,
) -> anyhow::Result<()> {
    let width = width();
    let text = confusion(table, class_names, width);
    let accuracy = if formatted {
        let format = 100.0 * table.accuracy();
        format!("{format:.2} % after format training ({:.2} % with outputs UNFORMATTED)", 100.0 * unformatted)
    } else {
        format!("{:.2} % as the run reads its outputs", 100.0 * unformatted)
    };
    let (which, kind) = judging(judged);
    let told = format!("{}, {which}: {kind} {accuracy}{}", from_here(&judged.place), beside(looked));
    Ok(line(&format!("{text}\n{}", wrapped(&told, 2, width)))?)
}

/// Which rows judge, and how many.
pub(super) fn rows_of(judged: &Judged) -> String {
    let rows = judged.dataset.rows();
    match judged.rows {
        Rows::All if rows == 1 => "the one row".to_owned(),
        Rows::All => format!("all {rows} rows"),
        Rows::Train => format!("{rows} rows of the training part"),
        Rows::Test => format!("{rows} rows of the test part"),
        Rows::Validation => format!("{rows} rows held out of the training part"),
    }
}

/// A confusion table: a row a true class, a column a predicted class, and the share that is right. Where that is wider
/// than the terminal, a row has the class that its samples are most often taken for in place of the columns.
fn confusion(table: &Confusion, class_names: &[String], width: usize) -> String {
    let classes = table.counts.len();
    let name = |class: usize| class_names.get(class).map_or_else(|| class.to_string(), String::clone);
    let names: Vec<String> = (0..classes).map(name).collect();
    let lead = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("true".len());
    let cell = table.counts.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or(1).max(2) + 1;
    let columns = table.counts.first().map_or(0, Vec::len);
    let share = |class: usize| {
        let row = &table.counts[class];
        let all: u64 = row.iter().sum();
        let right = row.get(class).copied().unwrap_or(0);
        if all == 0 { 0.0 } else { 100.0 * right as f64 / all as f64 }
    };
    let mut text = String::new();
    if lead + 1 + columns * cell + "  100.0 %".len() <= width {
        let _ = writeln!(text, "{:lead$}  predicted", "");
        let _ = write!(text, "{:>lead$} ", "true");
        for class in 0..columns {
            let _ = write!(text, "{class:>cell$}");
        }
        text.push_str("   right\n");
        for (class, row) in table.counts.iter().enumerate() {
            let _ = write!(text, "{:>lead$} ", names[class]);
            for count in row {
                let _ = write!(text, "{count:>cell$}");
            }
            let _ = writeln!(text, " {:6.1} %", share(class));
        }
        return text;
    }
    let _ = writeln!(text, "{:>lead$}   right   else most often predicted", "true");
    for (class, row) in table.counts.iter().enumerate() {
        let others = row.iter().enumerate().filter(|&(other, &count)| other != class && count > 0);
        let most = others.fold(None, |most: Option<(usize, u64)>, (other, &count)| match most {
            Some((_, before)) if before >= count => most,
            _ => Some((other, count)),
        });
        let most = most.map_or_else(String::new, |(other, count)| {
            let all: u64 = row.iter().sum();
            format!("   {} ({:.1} %)", name(other), 100.0 * count as f64 / all as f64)
        });
        let _ = writeln!(text, "{:>lead$} {:6.1} %{most}", names[class], share(class));
    }
    text
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::dataset::Task;
    use hsic_bottleneck::summary::JudgedOn;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_confusion_table_has_a_row_a_class_and_its_share() {
        let table = Confusion { counts: vec![vec![3, 1, 0], vec![0, 120, 0], vec![0, 0, 0]] };
        // A class that has no samples has nothing right; one without a name is known by its index.
        assert_eq!(
            confusion(&table, &names(&["ant", "butterfly"]), 80),
            "           predicted\n\
             \x20    true    0   1   2   right\n\
             \x20     ant    3   1   0   75.0 %\n\
             butterfly    0 120   0  100.0 %\n\
             \x20       2    0   0   0    0.0 %\n"
        );
        let narrow = "     true   right   else most often predicted\n\
                      \x20     ant   75.0 %   butterfly (25.0 %)\n\
                      butterfly  100.0 %\n\
                      \x20       2    0.0 %\n";
        assert_eq!(confusion(&table, &names(&["ant", "butterfly"]), 30), narrow);
        // Ten classes of a thousand samples each stand at 80 columns as a table.
        let ten = Confusion { counts: vec![vec![1000; 10]; 10] };
        let lines = |table: &Confusion, width| confusion(table, &[], width).lines().map(str::len).max();
        assert_eq!([lines(&ten, 80), lines(&ten, 60)], [Some(4 + 1 + 50 + 9), Some(40)]);
        let wide = Confusion { counts: vec![vec![2; 30]; 30] };
        let text = confusion(&wide, &[], 80);
        assert_eq!((text.lines().count(), text.lines().nth(5)), (31, Some("   4    3.3 %   0 (3.3 %)")));
    }

    #[test]
    fn a_summary_fits_the_terminal_and_says_what_comes_next() {
        let summary = Summary {
            run: "runs/my run".into(),
            dataset: "fashion-mnist".to_owned(),
            model: "residual-mlp".to_owned(),
            peak_memory_bytes: Some(123_000_000),
            joules: None,
            seconds: 12.34,
            milliseconds_per_step: 5.678,
            parameters: 1_234_567,
            ..of_test(Some(0.8125), true)
        };
        for width in [60, 80] {
            let text = summarized(&summary, None, true, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.ends_with("\nrun: runs/my run\nnext: hsic report 'runs/my run'"), "{text}");
        }
        let text = summarized(&summary, Some("test accuracy by epoch _# 1.00 to 2.00 %".to_owned()), false, 200);
        assert!(text.contains("\ntest accuracy by epoch _# 1.00 to 2.00 %\n1 step"), "{text}");
        assert!(text.contains("\nresidual-mlp on fashion-mnist by hsic, 1,234,567 parameters\n"), "{text}");
        assert!(text.contains("\n1 step of 5.68 ms in 12.3 s on 1 thread, 123 MB at the peak\n"), "{text}");
    }

    #[test]
    fn a_pilot_says_what_the_training_takes() {
        let pilot = Pilot {
            steps: 20,
            steps_per_epoch: 235,
            seconds_per_step: 0.004_12,
            seconds_per_evaluation: 0.3,
            seconds_once: 5.0,
            epochs: 5,
            seconds: 11.34,
            memory_bytes: Some(500_000_001),
        };
        assert_eq!(piloted(&pilot), "1,175 steps of 4.12 ms, 5 epochs in all: about 11 s and 501 MB");
    }

    fn of_test(format_accuracy: Option<f64>, formatted: bool) -> Summary {
        Summary {
            run: "r".into(),
            dataset: "digits".to_owned(),
            model: "mlp".to_owned(),
            method: "hsic".to_owned(),
            engine: Vec::new(),
            epochs: 1,
            steps: 1,
            seed: 1,
            threads: 1,
            task: Task::Classification,
            train_accuracy: 0.875,
            test_accuracy: 0.75,
            values: None,
            judged_on: JudgedOn::Test,
            authors_test_accuracy: None,
            format_accuracy,
            test_time: None,
            seconds: 0.0,
            samples_seconds: None,
            milliseconds_per_step: 0.0,
            peak_memory_bytes: None,
            joules: None,
            parameters: 1,
            auxiliary_parameters: 0,
            parameters_at_once: 1,
            formatted,
            confusion: Confusion::new(2, 2),
            class_names: Vec::new(),
            norm_statistics: None,
            legs: Vec::new(),
        }
    }

    #[test]
    fn accuracies_say_what_they_are_of() {
        let summary = of_test;
        let plain = "test accuracy 75.00 % (training 87.50 %)";
        assert_eq!(accuracies(&summary(None, true)), plain);
        assert_eq!(accuracies(&summary(None, false)), format!("{plain}, outputs UNFORMATTED"));
        assert_eq!(
            accuracies(&summary(Some(0.8125), true)),
            "test accuracy 81.25 % after format training (75.00 % with outputs UNFORMATTED, training 87.50 %)"
        );
        let values = ValueSummary { train_r2: 0.875, test_r2: 0.5, test_rmse: 54.321_9, baseline_rmse: 76.8 };
        let of_values = Summary { values: Some(values), ..summary(None, false) };
        assert_eq!(
            accuracies(&of_values),
            "test R2 0.5000, RMSE 54.322 (76.8 by the mean of the training rows), training R2 0.8750"
        );
        let held_out = Summary { judged_on: JudgedOn::Validation, ..summary(None, true) };
        assert_eq!(accuracies(&held_out), "validation accuracy 75.00 % (training 87.50 %)");
    }
}
