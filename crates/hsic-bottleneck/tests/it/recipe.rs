//! What every method keeps with all pieces of a recipe on: Muon, groups of numbers, whitened windows, shifts after norms, smoothed
//! targets, weights that look ahead.

use hsic::random::Stream;
use hsic_bottleneck::assemble::{build_method, network_for};
use hsic_bottleneck::audit::audit;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, Split, load};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::{HeadStart, LearnerState, Network};
use hsic_bottleneck::optimizer::Average;
use hsic_bottleneck::update::{UnitLength, Update};

const ROWS: usize = 32;
const STEPS: u64 = 12;

fn data() -> Split {
    let options = LoadOptions { train_size: Some(4 * ROWS), test_size: Some(10), ..LoadOptions::default() };
    load("digits", &options).unwrap()
}

/// All methods but one that trains dense blocks alone.
fn methods() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().copied().filter(|method| method.name != "difference-target-propagation")
}

fn config(method: &Method) -> TrainConfig {
    let mut given = TrainOptions::default();
    given.objective.method = Some(method.name.to_owned());
    given.network.widths = Some("20,20".to_owned());
    given.training.batch_size = Some(ROWS);
    given.optimizer.average = Some(Average::Lookahead);
    let own = TrainingRecipe::named("airbench").unwrap().beside(&given).unwrap();
    given.or(own).resolve().unwrap()
}

struct Trained {
    network: Network,
    update: Box<dyn Update>,
    rate: f64,
}

fn fresh(config: &TrainConfig, data: &Split) -> Trained {
    let network = network_for(config, &data.train).unwrap();
    let mut update = build_method(config, data.train.classes()).unwrap();
    update.plan(&network, STEPS);
    Trained { network, update, rate: config.learning_rate.peak }
}

impl Trained {
    fn run(&mut self, method: &Method, data: &Split, steps: std::ops::Range<u64>) {
        for step in steps {
            let rows: Vec<usize> = (0..ROWS).map(|row| (step as usize % 4) * ROWS + row).collect();
            let mut batch = Batch::default();
            batch.fill(&data.train, &rows).unwrap();
            (batch.step, batch.smoothing) = (step, 0.2);
            let done = self.update.step(&mut self.network, &batch, self.rate);
            assert!(done.is_ok(), "{}: {:?}", method.name, done.err());
        }
    }
}

#[test]
fn each_goes_on_from_a_record_as_if_it_had_never_stopped_with_any_number_of_threads() {
    let data = data();
    for method in methods() {
        let config = config(method);
        let on = |threads: usize, work: &(dyn Fn() -> Trained + Sync)| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let Trained { network, update, .. } = work();
                (network.tensors(), update.state())
            })
        };
        let whole = on(1, &|| {
            let mut trained = fresh(&config, &data);
            trained.run(method, &data, 0..STEPS);
            trained
        });
        let stopped = on(2, &|| {
            let mut first = fresh(&config, &data);
            first.run(method, &data, 0..7);
            let mut second = fresh(&config, &data);
            second.network.set_tensors(&first.network.tensors());
            second.update.restore(&second.network, first.update.state()).unwrap();
            second.run(method, &data, 7..STEPS);
            second
        });
        assert!(whole == stopped, "{}", method.name);
        assert!(!whole.1.average.is_empty());
    }
}

#[test]
fn an_audit_finds_local_rules_local_and_the_others_not() {
    let data = data();
    for method in methods() {
        for unit in [UnitLength::Blocks(1), UnitLength::Blocks(2)] {
            let found = audit(&TrainConfig { unit, ..config(method) }, &data.train).unwrap();
            // Four convolutions, and an output block where the method has one.
            let starts: Vec<usize> = found.iter().map(|moved| moved.from).collect();
            let expected = if unit == UnitLength::Blocks(1) { &[1, 2, 3][..] } else { &[2] };
            assert!(starts.starts_with(expected), "{}: {starts:?}", method.name);
            let local = found.iter().all(|moved| moved.changed.is_empty());
            // Of a frozen network only the last block learns, which has nothing above it.
            assert_eq!(local, method.local || method.name == "frozen", "{} {unit}: {found:?}", method.name);
        }
    }
}

#[test]
fn heads_of_the_network_and_beside_blocks_start_small() {
    let data = data();
    let deviation =
        |weights: &[f32]| (weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64).sqrt();
    for name in ["hsic-local", "predsim", "mono-forward", "greedy"] {
        let method = METHODS.iter().find(|method| method.name == name).unwrap();
        for start in [HeadStart::Small, HeadStart::Uniform] {
            let mut config = config(method);
            config.options.network.head_start = Some(start);
            config.options.rule.classifier = (name == "hsic-local").then_some(1.0);
            let config = config.options.clone().resolve().unwrap();
            let mut trained = fresh(&config, &data);
            // A step at no rate: what is learned beside is there, as it started.
            trained.rate = 0.0;
            trained.run(method, &data, 0..1);
            let heads = trained.update.state().learners.into_iter();
            // The classifier of each block: before g of predsim, behind the other layers of greedy.
            let classifier = |mut learners: Vec<LearnerState>| {
                let index = if name == "greedy" { learners.len().checked_sub(1) } else { Some(0) };
                index.filter(|&index| index < learners.len()).map(|index| learners.swap_remove(index).parameters)
            };
            let heads: Vec<Vec<f32>> = heads.filter_map(classifier).collect();
            assert!(heads.len() >= 4, "{name}: {}", heads.len());
            for weights in heads.iter().map(|parameters| &parameters[..parameters.len() - 10]) {
                let found = deviation(weights) * (weights.len() / 10) as f64;
                assert_eq!((0.8..1.2).contains(&found), start == HeadStart::Small, "{name} {start:?}: {found}");
            }
            let own = trained.network.blocks().last().unwrap();
            let found = deviation(&own.parameters()[..own.inputs() * 10]) * own.inputs() as f64;
            assert_eq!((0.8..1.2).contains(&found), start == HeadStart::Small, "{name} {start:?}: {found}");
        }
    }
}

#[test]
fn no_gradient_of_a_local_rule_reaches_an_earlier_block() {
    let data = data();
    for method in methods().filter(|method| method.local) {
        let config = config(method);
        let trained = |disturb: Option<usize>| {
            let mut trained = fresh(&config, &data);
            if let Some(from) = disturb {
                let mut stream = Stream::new(8, "disturb", from as u64);
                for block in &mut trained.network.blocks_mut()[from..] {
                    block.parameters_mut().iter_mut().for_each(|value| *value += 0.1 * stream.normal() as f32);
                }
            }
            trained.run(method, &data, 0..2);
            let blocks = trained.network.blocks();
            blocks.iter().map(|block| block.parameters().to_vec()).collect::<Vec<_>>()
        };
        let alone = trained(None);
        for from in 1..alone.len() {
            assert!(trained(Some(from))[..from] == alone[..from], "{} disturbed from {from}", method.name);
        }
    }
}
