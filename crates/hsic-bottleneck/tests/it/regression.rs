//! Trainings whose targets are values.

use std::sync::atomic::{AtomicBool, Ordering};

use hsic::random::Stream;
use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::{build_method, build_network, training};
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Dataset, Origin, Quantities, Samples, Shape, Split, TargetKind, TargetScale, Targets};
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::run::{Run, SUMMARY};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::trainer::{Outcome, train};
use tempfile::TempDir;

/// y = 100 + 10 (sin 2a + b^2) with noise of deviation 1, of normal a and b and a third column that tells nothing.
fn curve() -> Split {
    let part = |purpose: &str, rows: usize| {
        let mut stream = Stream::new(4, purpose, 0);
        let (mut samples, mut values) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row = [(); 3].map(|()| stream.normal());
            samples.extend(row.map(|value| value as f32));
            values.push(100.0 + 10.0 * ((2.0 * row[0]).sin() + row[1] * row[1]) + stream.normal());
        }
        (samples, values)
    };
    let (train, test) = (part("train", 240), part("test", 80));
    let scale = TargetScale::of(&train.1).unwrap();
    let dataset = |(samples, values): (Vec<f32>, Vec<f64>)| Dataset {
        name: "curve".to_owned(),
        samples: Samples::Floats(samples),
        shape: Shape { channels: 1, height: 1, width: 3 },
        targets: Targets::Values(Quantities { values, scale }),
        normalization: None,
    };
    Split { train: dataset(train), test: dataset(test), standardization: None, origin: Origin::default() }
}

fn config(method: &str, threads: usize) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.network.widths = Some("32x2".to_owned());
    (options.training.epochs, options.training.batch_size) = (Some(30), Some(40));
    options.training.threads = Some(threads);
    options.for_targets(TargetKind::Values).resolve().unwrap()
}

/// Asks to stop after so many steps.
struct Stops<'s>(u64, &'s AtomicBool);

impl Observer for Stops<'_> {
    fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
        self.1.store(step >= self.0, Ordering::Relaxed);
        Ok(())
    }
}

/// A finished run; `stopped` says after how many steps it was stopped and taken up again.
fn finished(method: &str, threads: usize, stopped: Option<u64>) -> (TempDir, Run, Summary) {
    let (place, config, data) = (tempfile::tempdir().unwrap(), config(method, threads), curve());
    let run = Run::create(&place.path().join("r"), &config).unwrap();
    let stop = AtomicBool::new(false);
    if let Some(after) = stopped {
        let outcome = train(&config, &data, &run, &mut [&mut Stops(after, &stop)], &stop).unwrap();
        assert_eq!(outcome, Outcome::Interrupted { step: after });
        stop.store(false, Ordering::Relaxed);
    }
    let Outcome::Finished(summary) = train(&config, &data, &run, &mut [], &stop).unwrap() else { panic!("finished") };
    (place, run, *summary)
}

/// What a run leaves that must not depend on threads and stops.
fn results(run: &Run) -> Vec<Vec<u8>> {
    let files = ["weights.safetensors", "readout.json", "line.safetensors", "values.json"];
    files.iter().filter_map(|name| std::fs::read(run.file(name)).ok()).collect()
}

#[test]
fn methods_that_learn_values_learn_these_with_the_same_bits_for_any_threads_and_stops() {
    let learning: Vec<&str> = METHODS.iter().filter(|method| method.values).map(|method| method.name).collect();
    assert_eq!(learning, ["hsic", "hsic-local", "backprop", "frozen"]);
    for method in learning {
        let (_place, run, summary) = finished(method, 1, None);
        let values = summary.values.unwrap();
        // The noise leaves 1 - 1 / 250; thirty epochs of a small network, some of it.
        let least = if method == "hsic-local" || method == "frozen" { 0.1 } else { 0.6 };
        assert!(values.test_r2 > least && values.test_r2 < 1.0, "{method}: {values:?}");
        assert!(values.test_rmse < values.baseline_rmse, "{method}: {values:?}");
        for (threads, stopped) in [(2, None), (2, Some(31))] {
            let (_place, other, again) = finished(method, threads, stopped);
            assert!(results(&run) == results(&other), "{method} {threads} {stopped:?}");
            assert_eq!(again.values, summary.values, "{method} {threads} {stopped:?}");
        }
        // The line's weights lie beside the network where its outputs are not the value.
        assert_eq!(run.file("line.safetensors").exists(), method == "hsic", "{method}");
        let text = std::fs::read_to_string(run.file(SUMMARY)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["task"], "regression");
        assert_eq!(json["test_r2"].as_f64(), Some(values.test_r2));
        assert!(json.get("test_accuracy").is_none(), "{text}");

        // What is predicted of rows is what the summary judged, in the unit of the target.
        let (predictor, data) = (Predictor::open(&run).unwrap(), curve());
        let Samples::Floats(rows) = &data.test.samples else { panic!("numbers expected") };
        let told = predictor.values(rows).unwrap();
        let truth = &data.test.of_values().unwrap().values;
        let square = told.iter().zip(truth).map(|(told, truth)| (told - truth).powi(2)).sum::<f64>() / 80.0;
        assert!((square.sqrt() / values.test_rmse - 1.0).abs() < 1e-12, "{method}");
        let found = predictor.evaluate_values(&data.test).unwrap();
        assert_eq!((found.score.r2, found.score.rmse), (values.test_r2, values.test_rmse));
        assert_eq!(found.baseline.rmse, values.baseline_rmse);
        let classes = crate::points().test;
        let error = predictor.evaluate_values(&classes).unwrap_err().to_string();
        assert_eq!(error, "points has classes for targets: expected values, which the run learned");
        assert!(matches!(predictor.check(&data.test), Err(Error::OtherTask { values: true, learned: true, .. })));
    }
}

#[test]
fn what_needs_classes_says_so_and_names_what_learns_values() {
    let data = curve();
    let able = "expected a method that learns values (hsic, hsic-local, backprop, frozen), or task = classification";
    let place = tempfile::tempdir().unwrap();
    let never = AtomicBool::new(false);
    for method in METHODS.iter().filter(|method| !method.values) {
        let config = config(method.name, 1);
        let run = Run::create(&place.path().join(method.name), &config).unwrap();
        let error = train(&config, &data, &run, &mut [], &never).unwrap_err().to_string();
        let expected = format!("{} learns classes, and the targets of curve are values: {able}", method.name);
        assert_eq!(error, expected);
        // In memory nobody knows a method by its name.
        let mut update = build_method(&config, 3).unwrap();
        let mut network = build_network(&config, data.train.shape, 2).unwrap();
        let error = training(&config).fit(&mut network, &mut *update, &data, &mut []).unwrap_err().to_string();
        assert_eq!(error, format!("the method learns classes, and the targets of curve are values: {able}"));
    }
    let (mut classifying, mut beside) = (TrainOptions::default(), TrainOptions::default());
    classifying.rule.classifier = Some(0.5);
    beside.evaluation.authors_beside = Some(true);
    for (options, needing) in
        [(classifying, "classifier = 0.5"), (beside, "the authors' protocol (readout, bn, authors-beside)")]
    {
        let config = options.resolve().unwrap();
        let run = Run::create(&place.path().join(needing), &config).unwrap();
        let error = train(&config, &data, &run, &mut [], &never).unwrap_err().to_string();
        let why = "learns classes, and the targets of curve are values: expected none, or task = classification";
        assert_eq!(error, format!("{needing} {why}"));
    }
}
