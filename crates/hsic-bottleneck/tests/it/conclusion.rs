//! The end of a training: what the summary says against a count of its own, row by row.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::assemble::build_network;
use hsic_bottleneck::conclusion::{Spent, conclude};
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::Dataset;
use hsic_bottleneck::judge::at_rest::Members;
use hsic_bottleneck::judge::readout::Readout;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::network::Network;
use hsic_bottleneck::run::{READOUT, Run, SUMMARY};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::trainer::{Outcome, train};
use tempfile::TempDir;

use crate::{largest, points, row};

fn config(method: &str) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.network.widths = Some("8,5".to_owned());
    options.training.epochs = Some(20);
    options.training.batch_size = Some(16);
    options.training.seed = Some(4);
    options.format.format_epochs = Some(0);
    // Few steps: larger ones than the method's own.
    options.optimizer.learning_rate = (method == "backprop").then_some(0.02);
    options.resolve().unwrap()
}

/// Rows by class and unit of the largest output.
fn counts(network: &Network, data: &Dataset) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; 3]; 3];
    for index in 0..data.rows() {
        let unit = largest(&network.infer(1, &row(data, index)));
        counts[usize::from(data.labels()[index])][unit] += 1;
    }
    counts
}

/// The columns of a table by unit in the order of the classes that the units stand for.
fn by_class(counts: &[Vec<u64>], class_of_unit: &[usize]) -> Vec<Vec<u64>> {
    let unit_of = |class| class_of_unit.iter().position(|&of| of == class).unwrap();
    counts.iter().map(|row| (0..3).map(|class| row[unit_of(class)]).collect()).collect()
}

fn right(counts: &[Vec<u64>]) -> u64 {
    (0..3).map(|class| counts[class][class]).sum()
}

#[test]
fn a_summary_says_what_a_count_of_the_rows_says() {
    let data = points();
    for method in ["hsic", "backprop"] {
        let config = config(method);
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        let outcome = train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap();
        let Outcome::Finished(summary) = outcome else { panic!("expected a finished run") };
        let mut network = build_network(&config, data.train.shape, 3).unwrap();
        run.load_weights(&mut network).unwrap();

        // Units of a network that was trained to name classes stand for them; else for what gets most training rows right,
        // here the best of all six orders.
        let (train, test) = (counts(&network, &data.train), counts(&network, &data.test));
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let most = orders.iter().map(|order| right(&by_class(&train, order))).max().unwrap();
        let readout: Readout = run.read_json(READOUT, "a readout").unwrap();
        let units = &readout.assignment.class_of_unit;
        let chosen = right(&by_class(&train, units));
        assert_eq!(chosen, if method == "hsic" { most } else { right(&train) }, "{method}: {units:?}");

        assert_eq!(summary.confusion.counts, by_class(&test, units), "{method}");
        assert_eq!(summary.train_accuracy, chosen as f64 / 60.0, "{method}");
        assert_eq!(summary.test_accuracy, right(&by_class(&test, units)) as f64 / 30.0, "{method}");
        assert!(summary.test_accuracy > 0.5 && summary.test_accuracy < 1.0, "{method}: {}", summary.test_accuracy);
        // Four batches of 60 rows in each of 20 epochs; 6-8-5-3 with biases.
        assert_eq!((summary.epochs, summary.steps, summary.seed), (20, 80, 4));
        let blocks = [7 * 8, 9 * 5, 6 * 3];
        assert_eq!((summary.parameters, summary.auxiliary_parameters), (blocks.iter().sum(), 0));
        assert_eq!(summary.parameters_at_once, if method == "hsic" { 7 * 8 } else { blocks.iter().sum() });
        assert_eq!((summary.formatted, summary.format_accuracy), (method == "backprop", None));
        assert_eq!((summary.method.as_str(), &summary.run), (method, &run.path().to_path_buf()));
        assert_eq!(summary.class_names, ["left", "middle", "right"]);
        let stored: Summary = run.read_json(SUMMARY, "a summary").unwrap();
        assert_eq!(stored, *summary);
    }
}

/// Hears of the accuracies of format training.
#[derive(Default)]
struct Ear(Vec<f64>);

impl Observer for Ear {
    fn format(&mut self, accuracies: &[f64]) -> Result<(), BoxError> {
        self.0.extend_from_slice(accuracies);
        Ok(())
    }
}

/// Concludes on a network that has learned nothing.
fn concluded(config: &TrainConfig, ear: &mut Ear, stop: bool) -> (TempDir, Run, Option<Summary>) {
    let (data, folder) = (points(), tempfile::tempdir().unwrap());
    let run = Run::create(&folder.path().join("r"), config).unwrap();
    let networks = [build_network(config, data.train.shape, 3).unwrap()];
    let spent = Spent { steps: 7, seconds: 2.0, milliseconds_per_step: 0.25, beside: vec![3, 40, 0], meter: None };
    let members = Members::Networks(&networks);
    let summary = conclude(config, &data, &run, members, spent, &mut [ear], &AtomicBool::new(stop)).unwrap();
    (folder, run, summary)
}

#[test]
fn what_training_took_and_what_was_learned_beside_goes_into_the_summary() {
    for (method, at_once) in [("hsic", 9 * 5 + 40), ("backprop", 7 * 8 + 9 * 5 + 6 * 3 + 43), ("frozen", 6 * 3)] {
        let (_folder, _, summary) = concluded(&config(method), &mut Ear::default(), false);
        let summary = summary.unwrap();
        assert_eq!((summary.steps, summary.milliseconds_per_step), (7, 0.25));
        assert!(summary.seconds > 2.0 && summary.seconds < 60.0, "{}", summary.seconds);
        assert_eq!((summary.auxiliary_parameters, summary.parameters_at_once), (43, at_once), "{method}");
    }
}

#[test]
fn asked_to_stop_it_leaves_no_summary() {
    let (_folder, run, summary) = concluded(&config("hsic"), &mut Ear::default(), true);
    assert!(summary.is_none() && !run.is_finished());
}

#[test]
fn format_training_is_told_and_judges_the_run() {
    let mut options = config("hsic").options;
    options.format.format_epochs = Some(4);
    let mut ear = Ear::default();
    let (_folder, run, summary) = concluded(&options.resolve().unwrap(), &mut ear, false);
    let summary = summary.unwrap();
    assert_eq!((ear.0.len(), ear.0.last().copied()), (4, summary.format_accuracy));
    assert_eq!(summary.format_accuracy, Some(right(&summary.confusion.counts) as f64 / 30.0));
    assert!(summary.formatted && summary.accuracy() == summary.format_accuracy.unwrap());
    assert!(run.load_format().unwrap().is_some());
}
