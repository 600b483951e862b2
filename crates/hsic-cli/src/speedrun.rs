//! A speed run as text: what page, Markdown and terminal show.

use hsic_lab::figure::plot::mean;
use hsic_lab::speedrun::{Attempt, GoalRow, SpeedRunRecord};

use crate::report::{duration, machine};
use crate::table::significant;

/// Heads of the table of goals.
pub(crate) const GOAL_HEADS: [&str; 6] =
    ["goal (%)", "epochs", "operations", "minutes", "test accuracy (%)", "by looks (%)"];

/// Heads of the table of lengths that were tried.
pub(crate) const ATTEMPT_HEADS: [&str; 4] = ["epochs", "held-out accuracy (%)", "by looks (%)", "minutes"];

/// Heading of a report.
pub(crate) fn title(record: &SpeedRunRecord) -> String {
    let data = record.data.as_ref().unwrap_or(&record.dataset);
    format!("Speed run: {} by {} on {data}", record.model, record.method)
}

/// The cells of a goal; of one that was not reached they are empty.
pub(crate) fn goal_cells(row: &GoalRow) -> [String; 6] {
    [
        percent(row.goal, 0),
        told(row.epochs, |epochs| epochs.to_string()),
        told(row.operations, operations),
        told(row.seconds, minutes),
        told(row.test_accuracy, |accuracy| percent(accuracy, 2)),
        told(row.test_time_accuracy, |accuracy| percent(accuracy, 2)),
    ]
}

/// The cells of a length that was tried.
pub(crate) fn attempt_cells(tried: &Attempt) -> [String; 4] {
    [
        tried.epochs.to_string(),
        told(tried.accuracy, |accuracy| percent(accuracy, 2)),
        told(tried.test_time_accuracy, |accuracy| percent(accuracy, 2)),
        told(tried.seconds, minutes),
    ]
}

fn told<V>(value: Option<V>, text: impl Fn(V) -> String) -> String {
    value.map_or_else(String::new, text)
}

/// A fraction in percent, with so many places unless it needs more.
fn percent(fraction: f64, places: usize) -> String {
    // 0.92 times a hundred is not 92 to the last bit.
    let percent = (1e6 * fraction).round() / 1e4;
    if places == 0 { percent.to_string() } else { format!("{percent:.places$}") }
}

fn minutes(seconds: f64) -> String {
    significant(seconds / 60.0, 3)
}

/// Floating-point operations in a unit that leaves few digits.
pub(crate) fn operations(count: u64) -> String {
    let count = count as f64;
    let (unit, name) = match count {
        c if c < 1e8 => (1e6, "MFLOP"),
        c if c < 1e11 => (1e9, "GFLOP"),
        c if c < 1e14 => (1e12, "TFLOP"),
        _ => (1e15, "PFLOP"),
    };
    format!("{} {name}", significant(count / unit, 3))
}

/// What is to be said of a speed run beside its tables, a sentence or two each.
pub(crate) fn notes(record: &SpeedRunRecord) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(left) = &record.left_out {
        let on = if left.whole { "all training data" } else { "a part of the training data" };
        notes.push(format!(
            "A training of {} on {on} was not begun: it would take about {}, and {} are left of the budget of {}. The same \
             command with a larger --budget goes on from here.",
            counted(left.epochs),
            duration(left.needs_seconds),
            duration(left.left_seconds),
            duration(record.budget_seconds)
        ));
    }
    if record.unfinished {
        notes.push("Not all trainings are made yet; the same command goes on from here.".to_owned());
    }
    let open: Vec<String> =
        record.goals.iter().filter(|row| row.epochs.is_none()).map(|row| percent(row.goal, 0)).collect();
    if !open.is_empty() && record.left_out.is_none() && !record.unfinished {
        notes.push(format!("No length that was tried reaches {} %.", open.join(" %, ")));
    }
    for (tried, failure) in record.attempts.iter().filter_map(|tried| Some((tried, tried.failure.as_ref()?))) {
        notes.push(format!("{}: {failure}", counted(tried.epochs)));
    }
    for (row, failure) in record.goals.iter().filter_map(|row| Some((row, row.failure.as_ref()?))) {
        notes.push(format!("{} % on all training data: {failure}", percent(row.goal, 0)));
    }
    notes
}

/// How it came about: name and text.
pub(crate) fn facts(record: &SpeedRunRecord) -> Vec<(&'static str, String)> {
    let of_trials: Vec<f64> = record.attempts.iter().filter_map(|tried| tried.seconds).collect();
    let trials = match of_trials.len() {
        0 => "none finished".to_owned(),
        count => format!("{count}, {} on average", duration(mean(&of_trials))),
    };
    vec![
        ("Data", record.data.clone().unwrap_or_else(|| record.dataset.clone())),
        ("Held out for trials", format!("{} % of the training data", percent(record.validation, 0))),
        ("Trials", trials),
        (
            "Budget",
            format!("{}, of which {} are spent", duration(record.budget_seconds), duration(record.spent_seconds)),
        ),
        ("Seed", record.seed.to_string()),
        ("Machine", machine(&record.machine)),
    ]
}

fn counted(epochs: u64) -> String {
    if epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
}

#[cfg(test)]
pub(crate) mod tests {
    use hsic_bottleneck::dataset::Content;
    use hsic_lab::figure::plot::Plot;
    use hsic_lab::figure::record::Machine;
    use hsic_lab::speedrun::LeftOut;

    use super::*;

    /// Three goals, of which the first is reached, the second diverged on all data, and the third needs too long.
    pub(crate) fn record() -> SpeedRunRecord {
        let reached = GoalRow {
            goal: 0.8,
            epochs: Some(4),
            operations: Some(148_000_000_000_000),
            seconds: Some(930.0),
            test_accuracy: Some(0.8123),
            test_time_accuracy: Some(0.8275),
            peak_memory_bytes: Some(1_000_000_000),
            failure: None,
            command: Some("hsic train --epochs 4".to_owned()),
        };
        let failed = GoalRow {
            goal: 0.855,
            epochs: Some(6),
            operations: Some(222_000_000_000_000),
            failure: Some("training diverged in <block> 1".to_owned()),
            command: Some("hsic train --epochs 6".to_owned()),
            ..GoalRow::default()
        };
        let tried = |epochs, accuracy| Attempt {
            epochs,
            accuracy,
            test_time_accuracy: None,
            seconds: accuracy.map(|_| 60.0),
            failure: accuracy.is_none().then(|| "diverged".to_owned()),
            command: format!("hsic train --epochs {epochs} --validation 0.1"),
        };
        SpeedRunRecord {
            command: "hsic speedrun --method hsic-local".to_owned(),
            name: "a".to_owned(),
            data: Some("cifar10-jpeg (50000 + 10000)".to_owned()),
            dataset: "cifar10-jpeg.tar.xz".to_owned(),
            content: Content::of(b"data"),
            model: "airbench".to_owned(),
            method: "hsic-local".to_owned(),
            seed: 1,
            validation: 0.1,
            budget_seconds: 7200.0,
            spent_seconds: 6500.0,
            goals: vec![reached, failed, GoalRow { goal: 0.9, ..GoalRow::default() }],
            attempts: vec![tried(3, None), tried(4, Some(0.81)), tried(6, Some(0.86))],
            left_out: Some(LeftOut { epochs: 8, whole: false, needs_seconds: 1800.0, left_seconds: 700.0 }),
            unfinished: false,
            machine: Machine { cores: 2, system: "linux x86_64".to_owned(), ..Machine::default() },
            plot: Plot::default(),
        }
    }

    #[test]
    fn what_was_not_reached_is_an_empty_cell() {
        let record = record();
        assert_eq!(goal_cells(&record.goals[0]), ["80", "4", "0.148 PFLOP", "15.5", "81.23", "82.75"]);
        assert_eq!(goal_cells(&record.goals[1]), ["85.5", "6", "0.222 PFLOP", "", "", ""]);
        assert_eq!(goal_cells(&record.goals[2]), ["90", "", "", "", "", ""]);
        assert_eq!(attempt_cells(&record.attempts[0]), ["3", "", "", ""]);
        assert_eq!(attempt_cells(&record.attempts[1]), ["4", "81.00", "", "1"]);
    }

    #[test]
    fn notes_say_what_was_not_begun_and_why() {
        let told = notes(&record());
        let expected = "A training of 8 epochs on a part of the training data was not begun: it would take about 30 min, and \
                        12 min are left of the budget of 2.0 h. The same command with a larger --budget goes on from here.";
        assert_eq!(told[0], expected);
        assert_eq!(told[1..], ["3 epochs: diverged", "85.5 % on all training data: training diverged in <block> 1"]);
        let told = notes(&SpeedRunRecord { left_out: None, ..record() });
        assert_eq!(told[0], "No length that was tried reaches 90 %.");
    }

    #[test]
    fn operations_have_few_digits() {
        let told = [92_000_000, 940_000_000, 99_000_000_000, 1_234_000_000_000, 284_000_000_000_000].map(operations);
        assert_eq!(told, ["92 MFLOP", "0.94 GFLOP", "99 GFLOP", "1.23 TFLOP", "0.284 PFLOP"]);
    }

    #[test]
    fn markdown_has_both_tables() {
        let text = crate::markdown::speedrun(&record());
        assert!(
            text.starts_with("# Speed run: airbench by hsic-local on cifar10-jpeg (50000 + 10000)\n\n| goal (%) |")
        );
        assert!(text.contains("| 80 | 4 | 0.148 PFLOP | 15.5 | 81.23 | 82.75 |\n"), "{text}");
        assert!(text.contains("| 90 |  |  |  |  |  |\n") && text.contains("| 3 |  |  |  |\n"), "{text}");
        assert!(text.contains("diverged in &lt;block> 1") && text.ends_with("Made by `hsic report`.\n"));
    }
}
