//! Searches and final trainings, as they follow from each other.

use hsic::faer::{MatMut, MatRef};
use hsic_bottleneck::assemble::{build_method, build_network, training};
use hsic_bottleneck::dataset;
use hsic_bottleneck::method::{Method, Outputs, Recipe};
use hsic_bottleneck::objective::{ByRule, Labels, Rule};
use hsic_bottleneck::optimizer::OptimizerName;
use hsic_bottleneck::step_error::BoxError;

use super::*;

/// A rule whose loss is no number.
struct Nowhere;

impl Rule for Nowhere {
    fn signal(&self, _labels: &Labels, _z: MatRef<'_, f32>, mut dz: MatMut<'_, f32>) -> Result<f64, BoxError> {
        dz.fill(0.0);
        Ok(f64::NAN)
    }
}

static NOWHERE: Method = Method::own("nowhere", "diverges at once", Outputs::Classes, |stages, _| {
    stages.adamw(0.5);
    Recipe::new(|settings| settings.local(ByRule(Nowhere)))
});

/// A method with options of its own.
const SGD: &str = "backprop:optimizer=sgd:momentum=0.5";

fn small() -> TrainOptions {
    let mut options = TrainOptions::default();
    options.data.train_size = Some(100);
    options.data.test_size = Some(30);
    options.network.widths = Some("8".to_owned());
    options.training.batch_size = Some(30);
    options
}

fn comparison(folder: &Path, seeds: Vec<u64>) -> Comparison {
    let known = Methods::known().with(&NOWHERE);
    let entries = entries_named(&format!("nowhere, {SGD}, nowhere"), &known).unwrap();
    Comparison::new(folder, small(), entries, Budget::Epochs(5), seeds)
}

#[test]
fn a_method_that_diverges_is_a_row_beside_those_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (never, two) = (AtomicBool::new(false), comparison(folder.path(), vec![1, 2]));
    // Four trials and two seeds for each of two methods.
    assert_eq!((two.trainings().unwrap(), two.next().unwrap().unwrap().1), (12, 0));
    let record = two.run_here(&mut (), &never).unwrap().unwrap();
    assert!(two.next().unwrap().is_none());
    let [lost, kept] = &record.rows[..] else { panic!("{:?}", record.rows) };

    assert_eq!((lost.method.as_str(), lost.learning_rate, lost.at_edge), ("nowhere", None, false));
    let told = "training diverged: block 0 gives values that are not finite; expected a smaller learning rate";
    assert_eq!(lost.failure.as_deref(), Some(told));
    assert!(lost.test_accuracy.is_empty() && lost.commands.is_empty());
    let tried: Vec<(f64, Option<f64>)> =
        lost.trials.iter().map(|trial| (trial.learning_rate, trial.accuracy)).collect();
    // Around the method's own 0.5; where all have failed, a smaller one still.
    assert_eq!(tried, [(0.125, None), (0.5, None), (2.0, None), (0.03125, None)]);
    assert!(lost.trials.iter().all(|trial| trial.failure.as_deref() == Some(told)));

    // A quarter of five epochs, rounded up, for a trial; all five for the rate that was best.
    assert_eq!((kept.label.as_str(), kept.trial_epochs, kept.epochs), (SGD, 2, 5));
    let accuracies: Vec<f64> = kept.trials.iter().map(|trial| trial.accuracy.unwrap()).collect();
    let best = accuracies.iter().position(|&found| accuracies.iter().all(|&other| other <= found)).unwrap();
    assert_eq!(kept.learning_rate, Some(kept.trials[best].learning_rate));
    let rates = || kept.trials.iter().map(|trial| trial.learning_rate);
    let within =
        rates().any(|rate| Some(rate) < kept.learning_rate) && rates().any(|rate| Some(rate) > kept.learning_rate);
    assert!(if kept.at_edge { accuracies.len() == 8 } else { within && accuracies.len() >= 4 }, "{:?}", kept.trials);
    // Ten rows in a hundred judge a rate, thirty a training: accuracies are whole shares of them.
    let whole = |accuracy: f64, rows: f64| ((accuracy * rows).round() - accuracy * rows).abs() < 1e-9;
    assert!(accuracies.iter().all(|&accuracy| whole(accuracy, 10.0)), "{accuracies:?}");
    assert_eq!((kept.failure.as_ref(), kept.test_accuracy.len(), kept.seconds.len()), (None, 2, 2));
    // The numbers are those of the same trainings, made without a comparison.
    let alone = |seed: u64| {
        let mut options = small();
        options.objective.method = Some("backprop".to_owned());
        options.optimizer.optimizer = Some(OptimizerName::Sgd);
        options.optimizer.momentum = Some(0.5);
        options.optimizer.learning_rate = kept.learning_rate;
        options.training.epochs = Some(5);
        options.training.seed = Some(seed);
        let config = options.resolve().unwrap();
        let data = dataset::load(&config.dataset, &config.load_options()).unwrap();
        let mut network = build_network(&config, data.train.shape, data.train.classes()).unwrap();
        let mut update = build_method(&config, data.train.classes()).unwrap();
        training(&config).fit(&mut network, &mut *update, &data, &mut []).unwrap().test_accuracy().unwrap()
    };
    assert_eq!(kept.test_accuracy, [alone(1), alone(2)]);
    assert_eq!((kept.parameters, kept.parameters_at_once), (785 * 8 + 9 * 10, 785 * 8 + 9 * 10));
    assert_eq!(
        (&*record.model, &record.data[..], &record.seeds[..]),
        ("mlp", &["digits (100 + 30)".to_owned()][..], &[1, 2][..])
    );
    assert_eq!(record.csv().lines().count(), 3);
    assert!(record.csv().lines().skip(1).all(|line| line.starts_with(&format!("{SGD},"))));

    // All of it is found again; another seed is one training more, and the failed ones are not tried again.
    assert_eq!(two.run_here(&mut (), &never).unwrap().unwrap().rows, record.rows);
    let three = comparison(folder.path(), vec![1, 2, 3]);
    let (planned, settled) = three.next().unwrap().unwrap();
    assert_eq!((planned.seed, planned.training.label.as_str(), settled), (3, SGD, 6 + accuracies.len()));
}

#[test]
fn asked_to_stop_it_has_no_record_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let comparison = comparison(folder.path(), vec![1]);
    assert!(comparison.run_here(&mut (), &AtomicBool::new(true)).unwrap().is_none());
    let rows = comparison.run_here(&mut (), &AtomicBool::new(false)).unwrap().unwrap().rows;
    assert_eq!(rows[1].test_accuracy.len(), 1);
}

#[test]
fn a_given_rate_is_not_searched_and_the_best_size_of_a_batch_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let entries = entries_named("frozen:learning-rate=1e-2,frozen", &Methods::known()).unwrap();
    let of = |folder: &str, sizes: &[usize]| {
        let place = dir.path().join(folder);
        Comparison::new(&place, small(), entries.clone(), Budget::Epochs(1), vec![1]).searching_batches(sizes)
    };
    let record = of("one", &[]).run_here(&mut (), &AtomicBool::new(false)).unwrap().unwrap();
    let [given, searched] = &record.rows[..] else { panic!("{:?}", record.rows) };
    assert_eq!((given.label.as_str(), given.method.as_str()), ("frozen:learning-rate=1e-2", "frozen"));
    assert_eq!((given.learning_rate, given.trials.len(), given.test_accuracy.len()), (Some(1e-2), 0, 1));
    assert_eq!((given.batch_size, searched.batch_size), (30, 30));

    let two = of("two", &[20, 50]);
    let record = two.run_here(&mut (), &AtomicBool::new(false)).unwrap().unwrap();
    for row in &record.rows {
        let best = row.trials.iter().filter_map(|trial| trial.accuracy).fold(0.0, f64::max);
        let chosen = row.trials.iter().find(|trial| trial.accuracy == Some(best)).unwrap();
        assert_eq!((row.batch_size, row.learning_rate), (chosen.batch_size, Some(chosen.learning_rate)));
        assert!([20, 50].iter().all(|&size| row.trials.iter().any(|trial| trial.batch_size == size)));
        assert!(row.commands[0].contains(&format!("--batch-size {}", row.batch_size)), "{}", row.commands[0]);
    }
    assert_eq!(record.rows[0].trials.len(), 2);
    // All are found again, and their number is that of the trainings.
    let known: usize = record.rows.iter().map(|row| row.trials.len() + row.test_accuracy.len()).sum();
    assert_eq!((two.trainings().unwrap(), two.next().unwrap()), (known, None));
}
