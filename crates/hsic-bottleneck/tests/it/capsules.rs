//! Networks of capsules under back-propagation of margins and reconstruction, by HSIC, and from training to prediction.

use std::sync::atomic::AtomicBool;

use hsic::random::Stream;
use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::{LoadOptions, Shape, Split, load};
use hsic_bottleneck::engine::Backprop;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::network::{Activation, Block, BlockSpec, Dense, Network, Norm, lengths};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::reconstruction::Reconstructions;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::trainer::{Outcome, train};
use hsic_bottleneck::update::Update;

const INPUT: Shape = Shape { channels: 2, height: 9, width: 8 };

fn blocks() -> Vec<BlockSpec> {
    vec![
        BlockSpec::conv(3, 3, 1, 0, 1),
        BlockSpec::PrimaryCapsules { outputs: 2, dimensions: 4, kernel: 3, stride: 2, padding: 0 },
        BlockSpec::Capsules { outputs: 3, dimensions: 5, rounds: 3, bias: true },
    ]
}

fn network(seed: u64) -> Network<f64> {
    let mut network = Network::build(INPUT, &blocks(), Activation::Tanh, Norm::None, seed).unwrap();
    // Capsules long enough for every part of the loss to say something.
    let mut stream = Stream::new(seed, "capsules", 0);
    for block in &mut network.blocks_mut()[1..] {
        block.parameters_mut().iter_mut().for_each(|value| *value += 0.3 * stream.normal());
    }
    network
}

fn batch() -> Batch<f64> {
    let mut stream = Stream::new(1, "batch", 0);
    let x = (0..9 * INPUT.columns()).map(|_| stream.uniform()).collect();
    Batch {
        x,
        columns: INPUT.columns(),
        labels: (0..9).map(|row| row % 3).collect(),
        classes: 3,
        values: Vec::new(),
        smoothing: 0.0,
        step: 0,
    }
}

/// The loss by its formula, with the decoder of these parameters (none: margins alone).
fn loss(network: &Network<f64>, decoder: &[Vec<f64>], weight: f64) -> f64 {
    let batch = batch();
    let capsules = network.batch_outputs(9, &batch.x);
    let (mut sum, mut values) = (0.0, vec![0.0; 9 * 15]);
    for ((v, &label), values) in capsules.chunks(15).zip(&batch.labels).zip(values.chunks_mut(15)) {
        for (k, length) in lengths(5, v).into_iter().enumerate() {
            sum += if k == label { (0.9 - length).max(0.0).powi(2) } else { 0.5 * (length - 0.1).max(0.0).powi(2) };
        }
        values[label * 5..(label + 1) * 5].copy_from_slice(&v[label * 5..(label + 1) * 5]);
    }
    for (layer, parameters) in decoder.iter().enumerate() {
        let activation = if layer < 2 { Activation::Relu } else { Activation::Sigmoid };
        let (inputs, outputs) = (values.len() / 9, parameters.len() / (values.len() / 9 + 1));
        let mut dense = Dense::new(inputs, outputs, activation, Norm::None, &mut Stream::new(0, "decoder", 0));
        dense.parameters_mut().copy_from_slice(parameters);
        let mut drawn = vec![0.0; 9 * outputs];
        dense.infer(9, &values, &mut drawn);
        values = drawn;
    }
    if !decoder.is_empty() {
        sum += weight * values.iter().zip(&batch.x).map(|(y, x)| (y - x) * (y - x)).sum::<f64>();
    }
    sum / 9.0
}

#[test]
fn a_step_is_along_the_gradient_of_margins_and_reconstruction() {
    let (rate, h) = (1e-4, 1e-5);
    for weight in [0.0, 0.05] {
        let sgd = Optimizer::sgd();
        let mut update = Backprop::<f64>::new(sgd).with_reconstruction(weight, 7);
        let mut stepped = network(1);
        let signal = update.step(&mut stepped, &batch(), rate).unwrap().signals[0];
        // The decoder before the step: another method's, of the same seed and rate 0.
        let mut idle = Backprop::<f64>::new(sgd).with_reconstruction(weight, 7);
        idle.step(&mut network(1), &batch(), 0.0).unwrap();
        let of = |update: &Backprop<f64>| -> Vec<Vec<f64>> {
            let learners = update.state().learners.pop().unwrap_or_default();
            learners.into_iter().map(|learner| learner.parameters).collect()
        };
        let (mut decoder, after) = (of(&idle), of(&update));
        assert_eq!(decoder.len(), if weight > 0.0 { 3 } else { 0 });
        let mut before = network(1);
        assert!((signal.loss - loss(&before, &decoder, weight)).abs() < 1e-12);
        assert_eq!((signal.terms[0].0, signal.terms[1].0), ("margin", "reconstruction"));
        assert!((signal.terms[0].1 + signal.terms[1].1 - signal.loss).abs() < 1e-14);
        for block in 0..3 {
            let count = before.blocks()[block].parameters().len();
            for i in (0..count).step_by(count / 12) {
                let kept = before.blocks()[block].parameters()[i];
                before.blocks_mut()[block].parameters_mut()[i] = kept + h;
                let up = loss(&before, &decoder, weight);
                before.blocks_mut()[block].parameters_mut()[i] = kept - h;
                let down = loss(&before, &decoder, weight);
                before.blocks_mut()[block].parameters_mut()[i] = kept;
                let found = (kept - stepped.blocks()[block].parameters()[i]) / rate;
                // Truncation h^2; the step itself is known to 1e-16 / rate.
                assert!((found - (up - down) / (2.0 * h)).abs() < 1e-8, "block {block} parameter {i}: {found}");
            }
        }
        for layer in 0..decoder.len() {
            let count = decoder[layer].len();
            for i in (0..count).step_by(count / 5) {
                let kept = decoder[layer][i];
                decoder[layer][i] = kept + h;
                let up = loss(&before, &decoder, weight);
                decoder[layer][i] = kept - h;
                let down = loss(&before, &decoder, weight);
                decoder[layer][i] = kept;
                let found = (kept - after[layer][i]) / rate;
                assert!((found - (up - down) / (2.0 * h)).abs() < 1e-8, "layer {layer} {i}: {found}");
            }
        }
    }
}

fn options(method: &str) -> TrainOptions {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.network.model = Some("capsnet".to_owned());
    options.network.widths = Some("6,2".to_owned());
    options.training.epochs = Some(2);
    options.training.batch_size = Some(32);
    options
}

fn digits(rows: usize) -> Split {
    let options = LoadOptions { train_size: Some(rows), test_size: Some(30), ..LoadOptions::default() };
    load("digits", &options).unwrap()
}

#[test]
fn threads_move_no_bit_and_a_record_goes_on() {
    let data = digits(192);
    let batch = |step: u64| {
        let mut batch = Batch::default();
        batch.fill(&data.train, &(0..40).map(|row| (row + 40 * step as usize) % 192).collect::<Vec<_>>()).unwrap();
        Batch { step, ..batch }
    };
    for method in ["backprop", "hsic"] {
        let config = options(method).resolve().unwrap();
        let made = || (build_method(&config, 10).unwrap(), build_network(&config, data.train.shape, 10).unwrap());
        let trained = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut update, mut network) = made();
                (0..4).for_each(|step| {
                    update.step(&mut network, &batch(step), 1e-3).unwrap();
                });
                (network.tensors(), update.state())
            })
        };
        let whole = trained(2);
        assert!(trained(1) == whole, "{method}");
        let (mut first, mut network) = made();
        (0..2).for_each(|step| {
            first.step(&mut network, &batch(step), 1e-3).unwrap();
        });
        let (mut second, mut other) = made();
        other.set_tensors(&network.tensors());
        second.restore(&other, first.state()).unwrap();
        (2..4).for_each(|step| {
            second.step(&mut other, &batch(step), 1e-3).unwrap();
        });
        assert!((other.tensors(), second.state()) == whole, "{method}");
    }
}

fn trained(options: TrainOptions, data: &Split) -> (tempfile::TempDir, Run, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let config = options.resolve().unwrap();
    let run = Run::create(&folder.path().join("r"), &config).unwrap();
    let Outcome::Finished(summary) = train(&config, data, &run, &mut [], &AtomicBool::new(false)).unwrap() else {
        panic!("expected a finished run")
    };
    (folder, run, *summary)
}

#[test]
fn capsules_trained_by_margins_are_read_by_their_lengths_and_draw_what_they_saw() {
    let data = digits(96);
    let mut options = options("backprop");
    options.training.epochs = Some(12);
    options.training.batch_size = Some(16);
    options.optimizer.learning_rate = Some(4e-3);
    let (_folder, run, summary) = trained(options, &data);
    let predictor = Predictor::open(&run).unwrap();
    let network = &predictor.networks()[0];
    assert_eq!((network.blocks().len(), network.outputs(), network.units()), (3, 160, 10));
    assert!(summary.formatted && summary.train_accuracy > 0.5, "{}", summary.train_accuracy);
    assert_eq!(predictor.unformatted_accuracy(&data.test).unwrap(), summary.test_accuracy);
    let mut row = vec![0.0; 784];
    data.test.fill_row(3, &mut row).unwrap();
    let long = lengths(16, &network.infer(1, &row));
    let longest = (0..10).reduce(|best, k| if long[k] > long[best] { k } else { best }).unwrap();
    assert_eq!(predictor.predict(&row)[0].class, longest);

    let drawn = Reconstructions::read(&run).unwrap().expect("a decoder was trained");
    assert_eq!((drawn.shape, drawn.pairs.len()), (data.test.shape, 10));
    assert!(drawn.pairs.iter().all(|pair| pair.drawn.iter().any(|&value| value != pair.drawn[0])));
    assert!(run.file("decoder.safetensors").exists());
    Run::clear(run.path()).unwrap();
    assert!(!run.file("reconstructions.json").exists());
}

#[test]
fn capsules_by_hsic_are_read_by_a_softmax_layer_on_all_their_values() {
    let data = digits(192);
    let mut options = options("hsic");
    options.format.format_epochs = Some(5);
    options.format.format_input = Some(FormatInput::Last);
    let (_folder, run, summary) = trained(options, &data);
    let predictor = Predictor::open(&run).unwrap();
    let (_, layer) = predictor.format().expect("a softmax layer");
    assert_eq!(layer.inputs(), 160);
    assert!(summary.format_accuracy.unwrap() > 0.2, "{:?}", summary.format_accuracy);
    assert_eq!(predictor.evaluate(&data.test).unwrap().accuracy(), summary.format_accuracy.unwrap());
    assert_eq!(Reconstructions::read(&run).unwrap(), None);
}

#[test]
fn a_reconstruction_is_asked_for_only_where_there_are_capsules_and_values_it_can_draw() {
    let message = |change: &dyn Fn(&mut TrainOptions)| {
        let mut options = options("backprop");
        change(&mut options);
        options.resolve().unwrap_err().to_string()
    };
    assert_eq!(
        message(&|options| {
            options.network.model = None;
            options.rule.reconstruction_weight = Some(0.1);
        }),
        "reconstruction-weight = 0.1: expected not given for a network that does not end in capsules (model = capsnet)"
    );
    assert_eq!(
        message(&|options| options.rule.reconstruction_weight = Some(-1.0)),
        "reconstruction-weight = -1: expected a finite number >= 0"
    );
    assert_eq!(
        message(&|options| options.data.normalize = Some(hsic_bottleneck::dataset::Normalize::Channel)),
        "normalize = channel: expected none where values in [0, 1] are drawn again (reconstruction-weight > 0)"
    );
    let plain = TrainOptions::default().resolve().unwrap();
    assert_eq!((plain.design.norm, plain.options.rule.reconstruction_weight), (Norm::Batch, None));
    let config = options("backprop").resolve().unwrap();
    assert_eq!((config.design.norm, config.options.rule.reconstruction_weight), (Norm::None, Some(5e-4)));
    // Another number of capsules than of classes: a linear output block behind them, as behind any other block.
    let mut others = options("backprop");
    others.network.outputs = Some(12);
    let network = build_network(&others.resolve().unwrap(), digits(192).train.shape, 10).unwrap();
    assert_eq!((network.blocks().len(), network.units(), network.capsule()), (4, 10, None));
}
