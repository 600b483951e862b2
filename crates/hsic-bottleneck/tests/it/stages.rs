//! A network trained in parts, each of which sees its own input and the batch alone, is the network trained as a whole, by
//! every method whose type says that it can be.

use std::ops::Range;

use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{LoadOptions, Split, load};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::Network;
use hsic_bottleneck::position::Position;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::OnCpu;
use hsic_bottleneck::stages::StagePart;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};

const STEPS: u64 = 12;

/// The methods whose blocks need no more than their input and the batch.
const STAGED: [&str; 8] = ["hsic", "hsic-local", "phsic", "alignment", "predsim", "mono-forward", "greedy", "cwc-ff"];

fn digits() -> Split {
    let options = LoadOptions { train_size: Some(160), test_size: Some(10), ..LoadOptions::default() };
    load("digits", &options).expect("built-in digits")
}

fn config(method: &Method, adjust: impl Fn(&mut TrainOptions)) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.name.to_owned());
    options.network.widths = Some("24x3".to_owned());
    options.network.dropout = Some(0.1);
    adjust(&mut options);
    options.resolve().expect("options that fit")
}

fn made(config: &TrainConfig, data: &Split) -> (Network, Box<dyn Update>) {
    let network = build_network(config, data.train.shape, data.train.classes()).expect("a network");
    let mut update = build_method(config, data.train.classes()).expect("a method");
    update.plan(&network, STEPS);
    (network, update)
}

fn batch(data: &Split, step: u64) -> Batch {
    let mut batch = Batch::default();
    let first = step as usize % 4 * 40;
    batch.fill(&data.train, &(first..first + 40).collect::<Vec<_>>()).unwrap();
    Batch { step, ..batch }
}

/// Parameters and running statistics of some blocks.
fn numbers(network: &Network, blocks: Range<usize>) -> Vec<f32> {
    let of = |index: usize| {
        let block = &network.blocks()[index];
        [block.parameters().to_vec(), block.statistics().concat()].concat()
    };
    blocks.flat_map(of).collect()
}

/// Trains the whole network and the same in parts, and compares all numbers and what the steps say.
fn assert_the_same(config: &TrainConfig, data: &Split, cuts: &[usize]) {
    let (mut network, mut whole) = made(config, data);
    let mut parts: Vec<_> = cuts.windows(2).map(|pair| (pair[0]..pair[1], made(config, data))).collect();
    for step in 0..STEPS {
        let batch = batch(data, step);
        let told = whole.step(&mut network, &batch, 1e-3).expect("a step").signals.clone();
        let mut x = batch.x.clone();
        for (blocks, (network, update)) in &mut parts {
            let staged = update.staged().expect("a staged method");
            let (mut next, mut learned) = (Vec::new(), 0);
            let mut relay = |z: &[f32], learn: &mut dyn FnMut()| {
                next = z.to_vec();
                learn();
                learned += 1;
                Ok(())
            };
            let report = staged.step_of(network, &batch, (blocks.clone(), &x), 1e-3, &mut relay).expect("a step");
            for index in blocks.clone() {
                let (a, b) = (report.signals[index], told[index]);
                let bits = |signal: hsic_bottleneck::objective::Signal| {
                    let [first, second] = signal.terms.map(|(name, value)| (name, value.to_bits()));
                    (signal.loss.to_bits(), first, second, signal.gradient_norm.to_bits(), signal.dead)
                };
                assert_eq!(bits(a), bits(b), "{} block {index} step {step}", config.method.name);
            }
            assert_eq!(learned, 1);
            x = next;
        }
    }
    let state = whole.state();
    for (blocks, (own, update)) in &parts {
        assert!(numbers(own, blocks.clone()) == numbers(&network, blocks.clone()), "{} {blocks:?}", config.method.name);
        let own = update.state();
        assert!(own.optimizers[blocks.clone()] == state.optimizers[blocks.clone()], "{}", config.method.name);
        assert!(own.learners.is_empty() || own.learners[blocks.clone()] == state.learners[blocks.clone()]);
    }
}

#[test]
fn every_method_that_is_staged_gives_the_bits_of_the_whole() {
    let data = digits();
    let mut staged = Vec::new();
    for method in METHODS {
        let config = config(method, |_| {});
        if made(&config, &data).1.staged().is_none() {
            continue;
        }
        staged.push(method.name);
        for cuts in [&[0, 4][..], &[0, 2, 4], &[0, 1, 2, 3, 4]] {
            // Networks of methods that need no output block have one block less.
            let blocks = made(&config, &data).0.blocks().len();
            let cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(blocks)).collect();
            assert_the_same(&config, &data, &cuts);
        }
    }
    assert_eq!(staged, STAGED);
}

#[test]
fn schedules_and_maps_give_the_same_bits_in_parts_and_taking_turns_is_not_staged() {
    let data = digits();
    let sequential = config(METHODS[0], |options| options.training.schedule = Some(Schedule::Sequential));
    assert_the_same(&sequential, &data, &[0, 2, 4]);
    let maps = config(METHODS[1], |options| {
        options.network.model = Some("conv".to_owned());
        options.network.widths = Some("4,6".to_owned());
    });
    assert_the_same(&maps, &data, &[0, 1, made(&maps, &data).0.blocks().len()]);
    let turns = config(METHODS[0], |options| options.training.update = Some(UpdateOrder::GaussSeidel));
    assert!(made(&turns, &data).1.staged().is_none());
}

#[test]
fn what_the_way_of_the_outputs_says_ends_the_step_after_the_blocks_have_learned() {
    let data = digits();
    let (mut network, mut update) = made(&config(METHODS[0], |_| {}), &data);
    let before = numbers(&network, 0..2);
    let mut cut = |_: &[f32], _: &mut dyn FnMut()| Err("the cable is cut".into());
    let batch = batch(&data, 0);
    let error = update.staged().unwrap().step_of(&mut network, &batch, (0..2, &batch.x), 1e-3, &mut cut).unwrap_err();
    assert_eq!(error.to_string(), "the cable is cut");
    assert_ne!(numbers(&network, 0..2), before);
}

/// Trained for some steps: what is saved of it has something in every part.
fn trained(config: &TrainConfig, data: &Split, steps: u64) -> (Network, Box<dyn Update>) {
    let (mut network, mut update) = made(config, data);
    for step in 0..steps {
        update.step(&mut network, &batch(data, step), 1e-3).expect("a step");
    }
    (network, update)
}

/// Blocks and where their tensors are: weight, bias and two statistics of the first block, then the rest.
fn parts(network: &Network) -> [StagePart; 2] {
    [
        StagePart { blocks: 0..1, tensors: 0..4 },
        StagePart { blocks: 1..network.blocks().len(), tensors: 4..network.tensors().len() },
    ]
}

/// A run whose state after five steps two stages saved.
fn saved(method: &Method, data: &Split) -> (tempfile::TempDir, Run, TrainConfig) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(method, |_| {});
    let run = Run::create(&folder.path().join("r"), &config).expect("a run");
    let (mut network, mut update) = trained(&config, data, 5);
    let parts = parts(&network);
    let session = OnCpu::new(&mut network, &mut *update);
    for part in &parts {
        run.save_stage(5, &session, part).expect("saved");
    }
    let position = Position { step: 5, dead: vec![false; 4], seconds: 1.5, ..Position::default() };
    run.save_stages(&position, &parts.map(|part| part.blocks)).expect("noted");
    (folder, run, config)
}

#[test]
fn states_of_stages_come_back_as_that_of_the_whole_and_give_way_to_it() {
    let data = digits();
    // One without learners beside its blocks, and one with.
    for method in METHODS.iter().filter(|method| ["hsic", "mono-forward"].contains(&method.name)) {
        let (_folder, run, config) = saved(method, &data);
        let (expected, update) = trained(&config, &data, 5);
        let (mut network, mut other) = made(&config, &data);
        let mut session = OnCpu::new(&mut network, &mut *other);
        let position = run.load_checkpoint(&mut session).expect("a state").expect("there is one");
        assert_eq!((position.step, position.seconds, run.saved_steps(&config).expect("steps")), (5, 1.5, 5));
        assert!(session.network().tensors() == expected.tensors(), "{}", method.name);
        run.save_checkpoint(&position, &session).expect("saved");
        assert!(other.state() == update.state(), "{}", method.name);
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(run.path().join("checkpoint")).expect("a folder");
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(), ["state.safetensors"]);
        // And the other way round; files of a cut that is no more are removed with it.
        let parts = parts(&network);
        let whole = StagePart { blocks: 0..4, tensors: 0..parts[1].tensors.end };
        let session = OnCpu::new(&mut network, &mut *other);
        for part in &parts {
            run.save_stage(6, &session, part).expect("saved");
        }
        run.save_stage(7, &session, &whole).expect("saved");
        run.save_stages(&Position { step: 7, ..position }, &[whole.blocks]).expect("noted");
        let mut left = names();
        left.sort();
        assert_eq!(left, ["stage-0-4-7.safetensors", "stages.json"]);
        Run::clear(run.path()).expect("a folder of a run and nothing else");
        assert!(!run.path().join("checkpoint").exists());
    }
}

#[test]
fn states_of_stages_that_are_damaged_are_told() {
    let data = digits();
    let (_folder, run, config) = saved(METHODS[0], &data);
    let list = run.path().join("checkpoint/stages.json");
    let whole = std::fs::read_to_string(&list).expect("a list");
    let told = || {
        let (mut network, mut update) = made(&config, &data);
        run.load_checkpoint(&mut OnCpu::new(&mut network, &mut *update)).expect_err("a fault").to_string()
    };
    for (from, to, expected) in [
        ("[1,4]", "[2,4]", "stages.json: blocks 2 to 4 after those up to 1, expected every block once, in order"),
        ("[0,1],[1,4]", "[0,1]", "stages.json: state of 1 blocks, expected 4, those of the network"),
        ("\"step\":5", "\"step\":6", "stage-0-1-6.safetensors"),
        ("{", "", "stages.json: "),
    ] {
        assert!(whole.contains(from), "{whole}");
        std::fs::write(&list, whole.replacen(from, to, 1)).expect("written");
        assert!(told().contains(expected), "{}", told());
    }
    std::fs::write(&list, &whole).expect("written");
    std::fs::write(run.path().join("checkpoint/stage-1-4-5.safetensors"), b"half").expect("written");
    let error = told();
    assert!(error.contains("stage-1-4-5.safetensors: ") && error.ends_with("expected a safetensors file"), "{error}");
}
