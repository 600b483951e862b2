//! Batch and epochs that follow from the data: settled once, stored, and the same bits however the training goes on.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::config::{Sizes, TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Dataset, Split, load};
use hsic_bottleneck::log::{Observer, Warning};
use hsic_bottleneck::run::{Run, SUMMARY};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::trainer::{Outcome, train};
use hsic_bottleneck::training::Training;

use crate::points;

/// Asks a training to stop after so many steps, and keeps its warnings.
struct Stops<'s>(u64, &'s AtomicBool, Vec<Warning>);

impl Observer for Stops<'_> {
    fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
        self.1.store(step >= self.0, Ordering::Relaxed);
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        self.2.push(warning.clone());
        Ok(())
    }
}

/// The points as a table of 90 rows, of which 72 are trained on.
fn table(folder: &Path) -> String {
    let Split { train, test, .. } = points();
    let lines = |part: &Dataset| -> String {
        let line = |index: usize| {
            let values: Vec<String> = crate::row(part, index).iter().map(ToString::to_string).collect();
            format!("{},{}\n", values.join(","), part.class_names()[usize::from(part.labels()[index])])
        };
        (0..part.rows()).map(line).collect()
    };
    let path = folder.join("points.csv");
    std::fs::write(&path, format!("a,b,c,d,e,f,kind\n{}{}", lines(&train), lines(&test))).unwrap();
    path.to_str().unwrap().to_owned()
}

fn config(dataset: &str, threads: usize) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.data.dataset = Some(dataset.to_owned());
    options.network.widths = Some("12x2".to_owned());
    options.training.threads = Some(threads);
    options.resolve().unwrap()
}

#[test]
fn a_small_table_is_trained_by_its_size_with_the_same_bits_at_any_number_of_threads_and_resumed() {
    let place = tempfile::tempdir().unwrap();
    let dataset = table(place.path());
    let never = AtomicBool::new(false);
    let data = load(&dataset, &config(&dataset, 1).load).unwrap();
    let finished = |name: &str, threads: usize, stops: &[u64]| {
        let config = config(&dataset, threads);
        assert!(!config.is_sized());
        let run = Run::create(&place.path().join(name), &config).unwrap();
        for &steps in stops {
            let stop = AtomicBool::new(false);
            let outcome = train(&config, &data, &run, &mut [&mut Stops(steps, &stop, Vec::new())], &stop).unwrap();
            assert_eq!(outcome, Outcome::Interrupted { step: steps });
        }
        // What the folder says is enough to go on.
        let Outcome::Finished(summary) = train(&run.config().unwrap(), &data, &run, &mut [], &never).unwrap() else {
            panic!("nobody stops it")
        };
        (run, summary)
    };
    let (run, summary) = finished("one", 1, &[]);
    // 72 rows in batches of 9: 8 steps an epoch, 38 epochs.
    assert_eq!((summary.epochs, summary.steps), (38, 304));
    let stored = run.options().unwrap();
    assert_eq!((stored.training.batch_size, stored.training.epochs), (Some(9), Some(38)));
    assert_eq!((stored.format.format_batch_size, stored.format.format_epochs), (Some(9), Some(38)));
    assert!(run.config().unwrap().is_sized());
    // Three classes that overlap: chance is a third. 18 rows judge, of which 10 are read right.
    assert!(summary.format_accuracy.unwrap() > 0.4, "{:?}", summary.format_accuracy);
    for (name, threads, stops) in [("two", 2, &[][..]), ("resumed", 2, &[5, 200])] {
        let (other, _) = finished(name, threads, stops);
        for file in ["weights.safetensors", "readout.json", "format.safetensors"] {
            let bytes = |run: &Run| std::fs::read(run.file(file)).unwrap();
            assert!(bytes(&run) == bytes(&other), "{name}: {file}");
        }
    }
    assert!(run.file(SUMMARY).is_file());
}

#[test]
fn what_is_given_stays_and_the_rest_follows_from_it() {
    let place = tempfile::tempdir().unwrap();
    let dataset = table(place.path());
    let data = load(&dataset, &config(&dataset, 1).load).unwrap();
    let sized = |change: &dyn Fn(&mut TrainOptions)| {
        let mut options = TrainOptions::default();
        options.data.dataset = Some(dataset.clone());
        change(&mut options);
        let config = options.resolve().unwrap().for_data(&data).unwrap();
        assert!(config.is_sized());
        (config.batch_size, config.epochs, config.format.batch_size, config.format.epochs)
    };
    assert_eq!(sized(&|_| ()), (9, 38, 9, 38));
    assert_eq!(sized(&|options| options.training.batch_size = Some(36)), (36, 150, 9, 38));
    assert_eq!(sized(&|options| options.training.epochs = Some(2)), (9, 2, 9, 38));
    assert_eq!(sized(&|options| options.format.format_epochs = Some(3)), (9, 38, 9, 3));
    // A method that is trained to name classes has no softmax layer unless one is asked for.
    assert_eq!(sized(&|options| options.objective.method = Some("backprop".to_owned())), (9, 38, 256, 0));
    // What does not go with the numbers is told once they are there.
    let mut options = TrainOptions::default();
    options.data.dataset = Some(dataset.clone());
    options.training.restarts = Some("40".parse().unwrap());
    let error = options.resolve().unwrap().for_data(&data).unwrap_err().to_string();
    assert_eq!(error, "restarts = 40: expected epochs in order, from 1 to less than epochs");
}

#[test]
fn a_training_of_few_steps_says_so_and_one_by_the_rows_does_not() {
    let data = points();
    let told = |training: &Training| {
        let mut network = hsic_bottleneck::network::Network::mlp(
            6,
            &[8],
            3,
            hsic_bottleneck::network::Activation::Relu,
            hsic_bottleneck::network::Norm::Batch,
            1,
        );
        let mut update = hsic_bottleneck::method::bottleneck::Hsic::default().update().unwrap();
        training.fit(&mut network, &mut update, &data, &mut []).unwrap()
    };
    let history = told(&Training::default());
    assert_eq!(history.warnings, [Warning::FewSteps { steps: 5, epochs: 5, enough: 300 }]);
    let by_rows = Training::of_rows(data.train.rows());
    // 60 rows in batches of 7: 8 whole ones and one of 4.
    assert_eq!((by_rows.batch_size, by_rows.protocol.batch_size, by_rows.epochs), (7, 7, 38));
    let history = told(&by_rows);
    assert_eq!((history.warnings, history.steps), (Vec::new(), 9 * 38));
    assert_eq!(Training::of_rows(60_000), Training { protocol: Training::default().protocol, ..Training::default() });
    assert_eq!(Sizes::of_rows(60_000), Sizes::NAMED);
}
