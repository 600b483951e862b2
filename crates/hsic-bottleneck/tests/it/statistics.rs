//! Running statistics of batch norm that are formed anew when training is over.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::assemble::{build_method, build_network, training};
use hsic_bottleneck::config::{NormStatistics, TrainConfig, TrainOptions};
use hsic_bottleneck::judge::at_rest::AtRest;
use hsic_bottleneck::network::{NamedTensor, Network};
use hsic_bottleneck::optimizer::Decay;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::trainer::{Outcome, train};
use hsic_bottleneck::training::History;

use crate::{points, row};

/// Three epochs of all 60 rows at once.
fn config(statistics: NormStatistics, more: impl FnOnce(&mut TrainOptions)) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.network.widths = Some("8,5".to_owned());
    options.training.epochs = Some(3);
    options.training.batch_size = Some(60);
    options.training.norm_statistics = Some(statistics);
    options.optimizer.learning_rate = Some(0.05);
    more(&mut options);
    options.resolve().unwrap()
}

fn fitted(config: &TrainConfig, threads: usize) -> (Network, History) {
    let data = points();
    let mut network = build_network(config, data.train.shape, 3).unwrap();
    let mut update = build_method(config, 3).unwrap();
    let mut training = training(config);
    training.threads = Some(threads);
    let history = training.fit(&mut network, &mut *update, &data, &mut []).unwrap();
    (network, history)
}

fn tensors(network: &Network, of_statistics: bool) -> Vec<NamedTensor<f32>> {
    let mut tensors = network.tensors();
    tensors.retain(|tensor| tensor.name.contains("running") == of_statistics);
    tensors
}

/// Mean and unbiased variance of each column.
fn moments(rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let (m, columns) = (rows.len() as f64, rows[0].len());
    let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / m;
    let variance = |column: usize| rows.iter().map(|row| (row[column] - mean(column)).powi(2)).sum::<f64>() / (m - 1.0);
    ((0..columns).map(mean).collect(), (0..columns).map(variance).collect())
}

#[test]
fn they_are_the_moments_of_the_training_rows_under_the_final_weights() {
    for (batch_size, tolerance) in [(60, 1e-5), (20, 0.25)] {
        let config = config(NormStatistics::Anew, |options| options.training.batch_size = Some(batch_size));
        let (network, _) = fitted(&config, 1);
        let all = network.tensors();
        let tensor = |name: &str| all.iter().find(|tensor| tensor.name == name).unwrap();
        let data = points().train;
        let mut x: Vec<Vec<f64>> =
            (0..60).map(|index| row(&data, index).iter().map(|&value| f64::from(value)).collect()).collect();
        for block in 0..3 {
            let (weight, bias) = (tensor(&format!("{}.weight", 3 * block)), tensor(&format!("{}.bias", 3 * block)));
            let unit = |x: &[f64], unit: usize| {
                let weights = &weight.values[unit * x.len()..][..x.len()];
                let sum: f64 = weights.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
                sum + f64::from(bias.values[unit])
            };
            let a: Vec<Vec<f64>> = x.iter().map(|x| (0..bias.values.len()).map(|k| unit(x, k)).collect()).collect();
            let (means, variances) = moments(&a);
            let found = |name: &str| &tensor(&format!("{}.{name}", 3 * block + 1)).values;
            for (unit, (mean, variance)) in means.iter().zip(&variances).enumerate() {
                let (own_mean, own_variance) =
                    (f64::from(found("running_mean")[unit]), f64::from(found("running_var")[unit]));
                // Where a batch holds all rows they are those of the rows, but for the rounding of f32. Of three batches a
                // variance is the mean of those about each batch's own mean, which also norms what the next block sees.
                // The first block's mean is that of the rows however they are cut.
                let exact = if block == 0 { 1e-5 } else { tolerance };
                assert!(
                    (own_mean - mean).abs() < exact * variance.sqrt().max(1e-3),
                    "{block} {unit}: {own_mean} {mean}"
                );
                assert!((own_variance / variance - 1.0).abs() < tolerance, "{block} {unit}: {own_variance} {variance}");
            }
            let share = 59.0 / 60.0;
            let normed = |row: &Vec<f64>| {
                let units = row.iter().enumerate();
                units.map(|(k, a)| ((a - means[k]) / (variances[k] * share + 1e-5).sqrt()).max(0.0)).collect()
            };
            x = a.iter().map(normed).collect();
        }
    }
}

#[test]
fn weights_and_what_is_judged_by_the_authors_norm_stay() {
    let beside = |options: &mut TrainOptions| options.evaluation.authors_beside = Some(true);
    let (kept, before) = fitted(&config(NormStatistics::Running, beside), 1);
    let (formed, after) = fitted(&config(NormStatistics::Anew, beside), 1);
    assert_eq!(tensors(&formed, false), tensors(&kept, false));
    assert_ne!(tensors(&formed, true), tensors(&kept, true));
    let authors = |history: &History| -> Vec<_> {
        history.epochs.iter().map(|report| report.authors_test_accuracy.unwrap()).collect()
    };
    assert_eq!(authors(&before), authors(&after));
    // Only the last epoch's report is of the network that training ends with.
    let accuracies =
        |history: &History| -> Vec<f64> { history.epochs.iter().map(|report| report.test_accuracy).collect() };
    assert_eq!(accuracies(&before)[..2], accuracies(&after)[..2]);
    let data = points();
    let judged = |network: &Network| {
        let at_rest = AtRest::of(network);
        at_rest.accuracy_by(&at_rest.assignment(&data.train).unwrap(), &data.test).unwrap()
    };
    assert_eq!(after.test_accuracy(), Some(judged(&formed)));
    assert_eq!(before.test_accuracy(), Some(judged(&kept)));
    assert_ne!(before.test_accuracy(), after.test_accuracy());
}

#[test]
fn threads_and_a_stop_move_no_bit_of_them() {
    let shifted = |options: &mut TrainOptions| options.training.batch_size = Some(16);
    let config = config(NormStatistics::Anew, shifted);
    let (one, _) = fitted(&config, 1);
    assert_eq!(fitted(&config, 2).0.tensors(), one.tensors());
    // Stopped after each step.
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let mut stops = 0;
    let summary = loop {
        match train(&config, &points(), &run, &mut [], &AtomicBool::new(stops < 12)).unwrap() {
            Outcome::Interrupted { .. } => stops += 1,
            Outcome::Finished(summary) => break summary,
        }
    };
    assert_eq!((stops, summary.steps, summary.norm_statistics), (12, 12, Some(NormStatistics::Anew)));
    let mut kept = build_network(&config, points().train.shape, 3).unwrap();
    run.load_weights(&mut kept).unwrap();
    assert_eq!(kept.tensors(), one.tensors());
}

#[test]
fn by_themselves_they_are_formed_where_they_lag_and_the_options_are_recorded() {
    let stated = |decay, epochs| -> (Summary, Run, tempfile::TempDir) {
        let config = config(NormStatistics::Auto, |options| {
            options.optimizer.decay = Some(decay);
            options.training.epochs = Some(epochs);
        });
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        let outcome = train(&config, &points(), &run, &mut [], &AtomicBool::new(false)).unwrap();
        let Outcome::Finished(summary) = outcome else { panic!("expected a finished run") };
        (*summary, run, folder)
    };
    for (decay, epochs, expected) in [
        (Decay::Cosine, 99, NormStatistics::Anew),
        (Decay::Cosine, 100, NormStatistics::Running),
        (Decay::Constant, 100, NormStatistics::Anew),
    ] {
        let (summary, run, _folder) = stated(decay, epochs);
        assert_eq!(summary.norm_statistics, Some(expected), "{decay:?} {epochs}");
        let path = run.file("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("norm-statistics = \"auto\"\n"), "{text}");
        // A version without a choice kept the running ones: its runs go on as they began.
        std::fs::write(&path, text.replace("norm-statistics = \"auto\"\n", "")).unwrap();
        // Who changes a file of a finished run on purpose removes its digests.
        drop(std::fs::remove_file(run.file("digests.json")));
        assert_eq!(run.config().unwrap().norm_statistics, NormStatistics::Running);
    }
}
