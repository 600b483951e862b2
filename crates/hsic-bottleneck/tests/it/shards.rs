//! Batches in parts: the step of the whole batch but for rounding, by every method whose type says that it can be, and the
//! same bits for any number of processes that have the parts.

use std::ops::Range;
use std::sync::{Arc, Barrier, Mutex};

use hsic::parts::{AllHere, Parts, own_rows};
use hsic::random::Stream;
use hsic::{Approximation, Bottleneck};
use hsic_bottleneck::assemble::{build_method, build_method_on, build_network, check_shards};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{OptimizerName, TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, Shape, Split, load};
use hsic_bottleneck::engine::{InParts, Local};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::{
    Activation, Conv, ConvSettings, Dense, Feature, InputNorm, Network, Norm, PoolAt, Pooled,
};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::rule_options::InputTerm;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};

const STEPS: u64 = 6;

fn digits() -> Split {
    let options = LoadOptions { train_size: Some(160), test_size: Some(10), ..LoadOptions::default() };
    load("digits", &options).expect("built-in digits")
}

fn config(method: &Method, adjust: impl Fn(&mut TrainOptions)) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.name.to_owned());
    options.network.widths = Some("24x3".to_owned());
    adjust(&mut options);
    options.resolve().expect("options that fit")
}

fn maps(options: &mut TrainOptions) {
    options.network.model = Some("conv".to_owned());
    // As many channels as classes, which one method needs.
    options.network.widths = Some("10,12".to_owned());
    options.network.feature = Some(Feature::Pool(2));
}

fn ridged_maps(options: &mut TrainOptions) {
    maps(options);
    options.objective.epsilon = Some(1e-2);
}

/// Batches of 40 rows, the last one of 11: of eight parts six have any, and of four the last one has two.
fn batch(data: &Split, step: u64) -> Batch {
    let mut batch = Batch::default();
    let first = step as usize % 4 * 40;
    let rows = if step + 1 == STEPS { 11 } else { 40 };
    batch.fill(&data.train, &(first..first + rows).collect::<Vec<_>>()).unwrap();
    Batch { step, ..batch }
}

/// Parameters and running statistics.
fn numbers(network: &Network) -> Vec<f32> {
    let blocks = network.blocks().iter();
    blocks.flat_map(|block| [block.parameters().to_vec(), block.statistics().concat()].concat()).collect()
}

/// Some steps of a configuration's method on parts of each batch.
fn trained(config: &TrainConfig, data: &Split, parts: Option<Box<dyn Parts<f32>>>, steps: u64) -> Vec<f32> {
    let mut network = build_network(config, data.train.shape, data.train.classes()).expect("a network");
    let mut update = build_method_on(config, data.train.classes(), parts).expect("a method");
    update.plan(&network, steps);
    for step in 0..steps {
        update.step(&mut network, &batch(data, step + STEPS - steps), 1e-3).expect("a step");
    }
    numbers(&network)
}

fn on_threads<R: Send>(threads: usize, task: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(task)
}

/// The parts of one of several processes, which threads stand for.
struct Process {
    count: usize,
    own: Range<usize>,
    /// Where all meet, and what they have written.
    place: Arc<(Barrier, Mutex<Vec<f32>>)>,
}

impl Process {
    /// The parts of all processes.
    fn all(count: usize, processes: usize) -> Vec<Self> {
        let place = Arc::new((Barrier::new(processes), Mutex::default()));
        let of = |index| Self {
            count,
            own: index * count / processes..(index + 1) * count / processes,
            place: Arc::clone(&place),
        };
        (0..processes).map(of).collect()
    }
}

impl Parts<f32> for Process {
    fn count(&self) -> usize {
        self.count
    }

    fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    fn gather(&mut self, rows: usize, all: &mut [f32]) {
        let (own, length) = (own_rows(self, rows), all.len() / rows);
        let own = own.start * length..own.end * length;
        let (barrier, written) = &*self.place;
        {
            let mut written = written.lock().unwrap();
            written.resize(all.len(), f32::NAN);
            written[own.clone()].copy_from_slice(&all[own]);
        }
        barrier.wait();
        all.copy_from_slice(&written.lock().unwrap());
        // Nobody writes before all have read.
        barrier.wait();
    }

    fn sum(&mut self, own: &[f32], sum: &mut [f32]) {
        let mut all = vec![f32::NAN; self.count * sum.len()];
        all[self.own.start * sum.len()..self.own.end * sum.len()].copy_from_slice(own);
        self.gather(self.count, &mut all);
        hsic::parts::add_in_order(&all, sum);
    }
}

/// What each of so many processes ends with.
fn by_processes(config: &TrainConfig, data: &Split, count: usize, processes: usize) -> Vec<Vec<f32>> {
    std::thread::scope(|scope| {
        let train = |process| move || on_threads(1, || trained(config, data, Some(Box::new(process)), STEPS));
        let all: Vec<_> =
            Process::all(count, processes).into_iter().map(|process| scope.spawn(train(process))).collect();
        all.into_iter().map(|thread| thread.join().expect("trained")).collect()
    })
}

fn here(count: usize) -> Option<Box<dyn Parts<f32>>> {
    Some(Box::new(AllHere::new(count)))
}

#[test]
fn every_method_that_takes_parts_has_one_outcome_for_any_number_of_processes_and_threads() {
    let data = digits();
    let mut taking = Vec::new();
    for method in METHODS {
        let plain = config(method, |_| {});
        if build_method(&plain, data.train.classes()).expect("a method").in_parts().is_none() {
            continue;
        }
        taking.push(method.name);
        let mut configs = vec![plain, config(method, maps)];
        // By sums over parts, but for the short batch, which five rows a block do not divide.
        if ["hsic", "hsic-local"].contains(&method.name) {
            for form in [Approximation::Fourier(16), Approximation::Blocks(5)] {
                let by_sums = |options: &mut TrainOptions| options.objective.approximation = Some(form);
                configs.push(config(method, by_sums));
                configs.push(config(method, |options| {
                    by_sums(options);
                    maps(options);
                }));
            }
        }
        for (index, config) in configs.iter().enumerate() {
            let whole = on_threads(1, || trained(config, &data, here(8), STEPS));
            assert!(
                on_threads(3, || trained(config, &data, here(8), STEPS)) == whole,
                "{} {index}: threads",
                method.name
            );
            for processes in [2, 3, 8] {
                for found in by_processes(config, &data, 8, processes) {
                    assert!(found == whole, "{} {index}: {processes} processes", method.name);
                }
            }
            // Another number of parts adds up in another order.
            assert!(trained(config, &data, here(4), STEPS) != whole, "{} {index}", method.name);
        }
    }
    let staged = ["hsic", "hsic-local", "phsic", "alignment", "predsim", "mono-forward", "greedy", "cwc-ff"];
    assert_eq!(taking, staged);
}

#[test]
fn a_step_in_parts_is_that_of_the_whole_batch_but_for_rounding() {
    let data = digits();
    let sgd = |options: &mut TrainOptions| options.optimizer.optimizer = Some(OptimizerName::Sgd);
    // Relative errors of a gradient in single precision: those of another engine (docs/gpu.md), where a convolution's sums run over
    // hundreds of places and the largest of a window may be another one. At the usual ridge of 1e-5 a kernel's condition makes
    // more of them, so maps have a ridge of 1e-2.
    type Adjust = fn(&mut TrainOptions);
    let cases: [(Adjust, f32); 2] = [(|_| {}, 1e-3), (ridged_maps, 1e-2)];
    for method in METHODS {
        for (adjust, tolerance) in cases {
            let config = config(method, |options| {
                sgd(options);
                adjust(options);
            });
            if build_method(&config, data.train.classes()).expect("a method").in_parts().is_none() {
                continue;
            }
            let start = trained(&config, &data, None, 0);
            let whole = trained(&config, &data, None, 1);
            let largest = start.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
            for count in [1, 2, 3, 5, 8] {
                let found = trained(&config, &data, here(count), 1);
                let apart = found.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
                let name = (method.name, &config.model, count);
                // What the weights themselves round to, of size 1, comes with it.
                assert!(apart <= tolerance * largest + 2.4e-7, "{name:?}: {apart} of {largest}");
            }
        }
    }
}

/// Steps in double precision, in which nothing but rounding at the sixteenth digit can tell parts from the whole.
fn in_double(objective: HsicObjective, feature: Feature, parts: Option<usize>, schedule: Schedule) -> Vec<f64> {
    let image = Shape { channels: 2, height: 8, width: 8 };
    let (activation, norm) = (Activation::Tanh, Norm::BatchAffine);
    let mut stream = Stream::new(1, "network", 0);
    let settings = ConvSettings { outputs: 4, kernel: 3, stride: 1, padding: 1, pool: 2, activation, norm };
    let conv = Conv::<f64>::new(image, true, settings, &mut stream);
    let map = Shape { channels: 4, height: 4, width: 4 };
    let pooled = Shape { channels: 4, height: 2, width: 2 };
    let dense = Dense::new(16, 5, activation, Norm::Batch, &mut stream).after(pooled);
    let last = Dense::new(5, 6, activation, Norm::None, &mut stream);
    let mut network =
        Network::<f64>::new(vec![Box::new(conv), Box::new(Pooled::new(Box::new(dense), map, 2)), Box::new(last)])
            .with_input_norm(InputNorm::Rms);
    network.set_feature(feature);
    let local = Local::new(objective, Optimizer::momentum(0.9), UpdateOrder::Jacobi, schedule);
    let mut update: Box<dyn Update<f64>> = match parts {
        Some(count) => Box::new(InParts::new(Box::new(local), Box::new(AllHere::new(count))).unwrap()),
        None => Box::new(local),
    };
    for step in 0..4 {
        let mut stream = Stream::new(2, "batch", step);
        let rows = if step == 3 { 9 } else { 20 };
        let labels: Vec<usize> = (0..rows).map(|_| stream.below(3) as usize).collect();
        let x = (0..rows * 128).map(|i| stream.normal() + labels[i / 128] as f64).collect();
        let batch = Batch { x, columns: 128, labels, classes: 3, values: Vec::new(), smoothing: 0.0, step };
        update.step(&mut network, &batch, 1e-2).unwrap();
    }
    network.tensors().into_iter().flat_map(|tensor| tensor.values).collect()
}

#[test]
fn in_double_precision_parts_and_the_whole_agree_to_the_last_digits() {
    let options = Bottleneck { epsilon: 1e-3, beta: 5.0, ..Bottleneck::default() };
    let forms =
        [Approximation::Exact, Approximation::Blocks(5), Approximation::Nystroem(8), Approximation::Fourier(16)];
    let cases = [(InputTerm::Input, 0.0), (InputTerm::Input, 0.5), (InputTerm::Block, 0.0), (InputTerm::None, 0.0)];
    for form in forms {
        for (x, weight) in cases {
            for feature in [Feature::Flat, Feature::Pool(2), Feature::Channels] {
                let objective = HsicObjective::approximate(options, form, 3).unwrap().comparing(x);
                let objective = objective.classifying(weight, 3);
                let whole = in_double(objective, feature, None, Schedule::Parallel);
                for count in 1..=8 {
                    let found = in_double(objective, feature, Some(count), Schedule::Parallel);
                    for (found, whole) in found.iter().zip(&whole) {
                        // Rounding of 1e-16, grown by the inverse of a ridge of 1e-3 and by four steps.
                        assert!((found - whole).abs() < 1e-10, "{form} {x:?} {feature} {count}: {found} {whole}");
                    }
                    assert!(
                        in_double(objective, feature, Some(count), Schedule::Sequential) == found,
                        "{form} {count}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_training_in_parts_goes_on_from_its_state_with_the_same_bits() {
    let data = digits();
    for method in METHODS.iter().filter(|method| ["hsic", "greedy"].contains(&method.name)) {
        let config = config(method, |options| options.training.shards = Some(4));
        let made = || {
            let network = build_network(&config, data.train.shape, data.train.classes()).expect("a network");
            let mut update = build_method(&config, data.train.classes()).expect("a method");
            update.plan(&network, STEPS);
            (network, update)
        };
        let (mut network, mut update) = made();
        let (mut again, mut other) = made();
        for step in 0..STEPS {
            if step == 3 {
                again.set_tensors(&network.tensors());
                other.restore(&again, update.state()).expect("a state that fits");
            }
            update.step(&mut network, &batch(&data, step), 1e-3).expect("a step");
            if step >= 3 {
                other.step(&mut again, &batch(&data, step), 1e-3).expect("a step");
            }
        }
        assert!(numbers(&again) == numbers(&network) && other.state() == update.state(), "{}", method.name);
        assert!(trained(&config, &data, here(4), STEPS) == numbers(&network), "{}", method.name);
    }
}

#[test]
fn what_takes_no_parts_is_refused_by_name() {
    let data = digits();
    let told = |method: &str, adjust: &dyn Fn(&mut TrainOptions)| {
        let method = METHODS.iter().find(|known| known.name == method).expect("a method");
        let config = config(method, |options| {
            options.training.shards = Some(8);
            adjust(options);
        });
        check_shards(&config, &data.train).expect_err("a refusal").to_string()
    };
    const NEEDS: &str = "shards cannot train a network by this method: expected one by which a block needs its input and the \
                         batch alone, and update = jacobi";
    assert_eq!(told("backprop", &|_| {}), NEEDS);
    assert_eq!(told("hsic", &|options| options.training.update = Some(UpdateOrder::GaussSeidel)), NEEDS);
    assert_eq!(
        told("hsic", &|options| options.network.dropout = Some(0.1)),
        "shards cannot train block 1 (Dropout-Linear-BatchNorm1d-ReLU): expected dense and convolutional blocks, without \
         dropout between them (dropout = 0)"
    );
    let error = told("hsic", &|options| options.network.model = Some("residual-mlp".to_owned()));
    assert!(error.starts_with("shards cannot train block 1 (Residual"), "{error}");
    let plain = config(METHODS[0], |options| {
        options.training.shards = Some(8);
        options.network.pool_at = Some(PoolAt::Map);
    });
    check_shards(&plain, &data.train).expect("shards that fit");
    let error = TrainOptions {
        training: hsic_bottleneck::config::TrainingOptions { shards: Some(0), ..Default::default() },
        ..TrainOptions::default()
    };
    assert_eq!(
        error.resolve().unwrap_err().to_string(),
        "shards = 0: expected from 1 to the rows of a batch (batch-size)"
    );
}
