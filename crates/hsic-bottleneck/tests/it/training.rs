//! Training in memory: the same bits as into a folder, for any threads, and what it ends with.

use std::sync::atomic::AtomicBool;

use faer::{MatMut, MatRef};
use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::{build_method, build_network, training};
use hsic_bottleneck::batch::{Batch, Batches};
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, Split, Targets, load};
use hsic_bottleneck::engine::Local;
use hsic_bottleneck::judge::monitor::{Monitor, MonitorReport};
use hsic_bottleneck::log::{EpochReport, Observer, Record, read_records};
use hsic_bottleneck::method::Outputs;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::{Activation, Network, Norm};
use hsic_bottleneck::objective::{Labels, Rule};
use hsic_bottleneck::run::{METRICS, Run};
use hsic_bottleneck::session::OnCpu;
use hsic_bottleneck::step_error::{BoxError, ObjectiveError, StepError};
use hsic_bottleneck::trainer::{Outcome, train};
use hsic_bottleneck::training::{History, Training};

/// Two epochs of four batches, the last of them short, on images that are shifted at random.
fn config(method: &str) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.network.widths = Some("16x2".to_owned());
    options.training.epochs = Some(2);
    options.training.batch_size = Some(32);
    options.training.seed = Some(3);
    options.data.shift = Some(1);
    options.resolve().unwrap()
}

fn data(rows: usize) -> Split {
    let options = LoadOptions { train_size: Some(rows), test_size: Some(40), ..LoadOptions::default() };
    load("digits", &options).unwrap()
}

fn fresh(config: &TrainConfig, data: &Split) -> Network {
    build_network(config, data.train.shape, data.train.classes()).unwrap()
}

fn bits(network: &Network) -> Vec<u32> {
    network.tensors().iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

/// The weights after training in memory as a configuration says, and what it told.
fn fitted(config: &TrainConfig, data: &Split, threads: Option<usize>) -> (Vec<u32>, History) {
    let mut network = fresh(config, data);
    let mut update = build_method(config, data.train.classes()).unwrap();
    let training = Training { threads, ..training(config) };
    let history = training.fit(&mut network, &mut *update, data, &mut []).unwrap();
    (bits(&network), history)
}

/// What a training on `data` ends with.
fn fault(training: Training, method: &str, data: &Split) -> Error {
    let config = config(method);
    let mut update = build_method(&config, 10).unwrap();
    training.fit(&mut fresh(&config, data), &mut *update, data, &mut []).unwrap_err()
}

/// Reports without what a clock says.
fn timeless(reports: &[EpochReport]) -> Vec<EpochReport> {
    reports.iter().map(|report| EpochReport { seconds: 0.0, ..report.clone() }).collect()
}

#[test]
fn in_memory_it_gives_the_bits_and_the_reports_of_a_run() {
    let data = data(100);
    for method in ["hsic", "backprop"] {
        let config = config(method);
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("r"), &config).unwrap();
        let outcome = train(&config, &data, &run, &mut [], &AtomicBool::new(false)).unwrap();
        let Outcome::Finished(summary) = outcome else { panic!("expected a finished run") };
        let mut kept = fresh(&config, &data);
        let untrained = bits(&kept);
        run.load_weights(&mut kept).unwrap();

        let (weights, history) = fitted(&config, &data, None);
        assert!(weights == bits(&kept) && weights != untrained, "{method}");
        let records = read_records(&run.file(METRICS)).unwrap();
        let epochs: Vec<EpochReport> = records
            .into_iter()
            .filter_map(|record| match record {
                Record::Epoch(report) => Some(report),
                _ => None,
            })
            .collect();
        assert_eq!(timeless(&history.epochs), timeless(&epochs), "{method}");
        assert_eq!((history.steps, history.epochs.len()), (8, 2));
        assert_eq!((history.steps, history.test_accuracy()), (summary.steps, Some(summary.test_accuracy)));
        assert!(history.seconds > 0.0 && history.milliseconds_per_step > 0.0);
    }
}

#[test]
fn threads_move_no_bit() {
    let (config, data) = (config("hsic"), data(100));
    let (one, two) = (fitted(&config, &data, Some(1)), fitted(&config, &data, Some(2)));
    assert!(one.0 == two.0);
    assert_eq!(timeless(&one.1.epochs), timeless(&two.1.epochs));
}

/// Keeps what the monitor says.
#[derive(Default)]
struct Looks(Vec<MonitorReport>);

impl Observer for Looks {
    fn monitor(&mut self, report: &MonitorReport) -> Result<(), BoxError> {
        self.0.push(report.clone());
        Ok(())
    }
}

#[test]
fn the_monitor_looks_at_whole_batches() {
    // Four batches of 32, 32, 32 and 4 rows.
    let (config, data) = (config("hsic"), data(100));
    let (mut network, mut update) = (fresh(&config, &data), build_method(&config, 10).unwrap());
    let (mut looks, kernels) = (Looks::default(), config.bottleneck);
    let training = Training { epochs: 1, monitor_steps: 1, ..training(&config) };
    training.fit(&mut network, &mut *update, &data, &mut [&mut looks]).unwrap();
    assert_eq!(looks.0.iter().map(|report| report.step).collect::<Vec<_>>(), [1, 2, 3, 4]);
    // After the last step: the network as it is, on the batch before the one that is left over.
    let augmentation = config.augmentation;
    let batches = Batches { size: 32, seed: 3, shuffle: true, augmentation, drop_last: false, smoothing: 0.0 };
    let mut batch = Batch::default();
    batches.fill(&data.train, 2, &mut batch).unwrap();
    let mut session = OnCpu::new(&mut network, &mut *update);
    let expected = Monitor::new(1, false, kernels).look(4, &mut session, &batch, &[]).unwrap();
    let found = &looks.0[3];
    assert_eq!((&found.nhsic_x, &found.nhsic_y), (&expected.nhsic_x, &expected.nhsic_y));
    assert_eq!((found.batch_accuracy, batch.rows()), (expected.batch_accuracy, 32));
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("mine, at {0}")]
struct Mine(u64);

/// Ends training after so many steps.
struct Ends(u64);

impl Observer for Ends {
    fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
        if step == self.0 { Err(Mine(step).into()) } else { Ok(()) }
    }
}

#[test]
fn an_observers_error_comes_out_as_itself() {
    let (config, data) = (config("hsic"), data(100));
    let mut update = build_method(&config, 10).unwrap();
    let mut network = fresh(&config, &data);
    let error = training(&config).fit(&mut network, &mut *update, &data, &mut [&mut Ends(3)]).unwrap_err();
    let Error::Own(own) = error else { panic!("{error}") };
    assert_eq!(own.downcast_ref(), Some(&Mine(3)));
}

/// Learns nothing, and fails at blocks of so many columns.
struct Fails(usize);

impl Rule for Fails {
    fn signal(&self, _labels: &Labels, z: MatRef<'_, f32>, mut dz: MatMut<'_, f32>) -> Result<f64, BoxError> {
        dz.fill(0.0);
        if z.ncols() == self.0 { Err(Mine(z.nrows() as u64).into()) } else { Ok(0.0) }
    }
}

#[test]
fn a_rules_error_comes_out_as_itself_with_the_block() {
    // The output block alone has ten columns.
    let (config, data) = (config("hsic"), data(100));
    let mut update = Local::by_rule(Fails(10));
    let error = training(&config).fit(&mut fresh(&config, &data), &mut update, &data, &mut []).unwrap_err();
    let Error::Step(StepError::Block { block: 2, source: ObjectiveError::Own(own) }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(own.downcast_ref(), Some(&Mine(32)));
    // And nothing where no block has so many.
    let history = training(&config).fit(&mut fresh(&config, &data), &mut Local::by_rule(Fails(11)), &data, &mut []);
    assert_eq!(history.unwrap().steps, 8);
}

#[test]
fn training_that_diverges_or_cannot_begin_says_so() {
    let of = |method| training(&config(method));
    let mut diverging = of("backprop");
    diverging.learning_rate.peak = 1e30;
    let error = fault(diverging, "backprop", &data(100));
    assert!(matches!(error, Error::Step(StepError::Diverged { block: 0..=2 })), "{error}");

    let error = fault(of("hsic"), "hsic", &data(1));
    assert!(matches!(error, Error::TooSmall { rows: 1, classes: Some(10), .. }), "{error}");
    let mut single = data(100);
    let Targets::Classes(classes) = &mut single.train.targets else { panic!("classes expected") };
    classes.names.truncate(1);
    classes.labels.fill(0);
    let config = config("hsic");
    let mut network = build_network(&config, single.train.shape, 10).unwrap();
    let mut update = build_method(&config, 10).unwrap();
    let error = of("hsic").fit(&mut network, &mut *update, &single, &mut []).unwrap_err();
    assert!(matches!(error, Error::TooSmall { rows: 100, classes: Some(1), .. }), "{error}");

    // Target propagation inverts dense blocks, and no others.
    let mut options = TrainOptions::default();
    options.network.model = Some("conv".to_owned());
    options.network.widths = Some("4".to_owned());
    let mut network = fresh(&options.resolve().unwrap(), &data(100));
    let mut update = build_method(&self::config("difference-target-propagation"), 10).unwrap();
    let error = of("backprop").fit(&mut network, &mut *update, &data(100), &mut []).unwrap_err();
    let Error::Step(StepError::Method { method, .. }) = error else { panic!("{error}") };
    assert_eq!(method, "difference-target-propagation");
}

#[test]
fn fewer_outputs_than_classes_end_no_method_in_a_panic() {
    let data = data(64);
    let mut scored = Vec::new();
    for method in METHODS {
        let config = config(method.name);
        let mut network = Network::mlp(data.train.columns(), &[16, 16], 5, Activation::Relu, Norm::Batch, 1);
        let mut update = build_method(&config, data.train.classes()).unwrap();
        // Units are read off data, which five of them can be; the method that names classes by units notices itself.
        let training = Training { outputs: Outputs::Units, ..training(&config) };
        match training.fit(&mut network, &mut *update, &data, &mut []) {
            Err(Error::Step(StepError::Block { block: 2, source })) => {
                assert!(
                    matches!(source, ObjectiveError::Classes { outputs: 5, classes: 10 }),
                    "{}: {source}",
                    method.name
                );
                scored.push(method.name);
            }
            Err(error) => panic!("{}: {error}", method.name),
            Ok(_) => {}
        }
    }
    let named = METHODS.iter().filter(|method| method.outputs == Outputs::Classes).map(|method| method.name);
    assert_eq!(scored, named.collect::<Vec<_>>(), "all that name classes by units");
}
