//! What trainings, evaluations and predictions come to.

use std::fmt::Write as _;
use std::path::Path;

use hsic_bottleneck::judge::assignment::Confusion;
use hsic_bottleneck::summary::Summary;

use super::output::{line, note};
use crate::results::Named;

/// Says that a run was interrupted and how to go on.
pub(crate) fn interrupted(step: u64, run: &Path) {
    note(&format!("interrupted after step {step}; go on with: hsic train --resume {}", run.display()));
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
        };
        let plain = "test accuracy 75.00 % (training 87.50 %)";
        assert_eq!(accuracies(&summary(None, true)), plain);
        assert_eq!(accuracies(&summary(None, false)), format!("{plain}, outputs UNFORMATTED"));
        assert_eq!(
            accuracies(&summary(Some(0.8125), true)),
            "test accuracy 81.25 % after format training (75.00 % with outputs UNFORMATTED, training 87.50 %)"
        );
    }
}
