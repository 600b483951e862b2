//! What configurations of methods come to: their networks, and what they refuse.

use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::{Activation, InputNorm, Network, Norm};

fn forward_forward(adjust: impl Fn(&mut TrainOptions)) -> TrainConfig {
    let mut options = TrainOptions::default();
    options.objective.method = Some("forward-forward".to_owned());
    options.network.widths = Some("20x2".to_owned());
    adjust(&mut options);
    options.resolve().unwrap()
}

#[test]
fn the_network_has_no_output_block_unless_one_is_asked_for_and_reads_neutral_labels() {
    let shape = Shape { channels: 1, height: 4, width: 4 };
    let network = build_network(&forward_forward(|_| {}), shape, 3).unwrap();
    assert_eq!((network.blocks().len(), network.outputs()), (2, 20));
    assert_eq!(forward_forward(|_| {}).format.epochs, 10);
    assert_eq!(
        forward_forward(|options| options.format.format_epochs = Some(0)).format.epochs,
        0,
        "goodness is enough"
    );
    let with = forward_forward(|options| options.network.outputs = Some(3));
    assert_eq!(build_network(&with, shape, 3).unwrap().outputs(), 3);
    let (mut x, plain) = (vec![0.3; 16], network.infer(1, &[0.3; 16]));
    let scores = network.class_scores(1, &x);
    x[..3].fill(9.0);
    assert_eq!(network.infer(1, &x), plain, "what stands in the label's place is not seen");
    assert_eq!((network.class_scores(1, &x), scores.len()), (scores, 3));
}

#[test]
fn a_row_with_its_label_enters_the_first_block_with_a_mean_square_of_one() {
    let shape = Shape { channels: 1, height: 4, width: 4 };
    let block = |input_norm, x: &[f32]| {
        let config = forward_forward(|options| options.network.input_norm = input_norm);
        let network = build_network(&config, shape, 3).unwrap();
        let (first, mut z) = (&network.blocks()[0], vec![0.0; 20]);
        first.infer(1, x, &mut z);
        z
    };
    let x: Vec<f32> = (0..16).map(|i| (i as f32 * 0.7).sin().abs()).collect();
    let length = (x.iter().map(|x| x * x).sum::<f32>() / 16.0).sqrt();
    let unit: Vec<f32> = x.iter().map(|x| x / length).collect();
    let (own, expected) = (block(None, &x), block(Some(InputNorm::None), &unit));
    // Of f32, with 1e-8 under the root of a mean square of 0.4.
    own.iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} {b}"));
    assert_ne!(own, block(Some(InputNorm::None), &x));
}

#[test]
fn samples_without_room_for_a_label_are_told() {
    let narrow = Shape { channels: 3, height: 1, width: 1 };
    let expected = "forward-forward cannot train samples of 3 values and 3 classes: expected more values than classes, \
                    whose label is written there";
    let error = build_network(&forward_forward(|_| {}), narrow, 3).err().unwrap();
    assert_eq!(error.to_string(), expected);
    let mut update = build_method(&forward_forward(|_| {}), 3).unwrap();
    let mut network = Network::<f32>::mlp(3, &[4], 4, Activation::Relu, Norm::None, 2);
    let batch = Batch {
        x: vec![0.5; 12],
        columns: 3,
        labels: vec![0, 1, 2, 0],
        classes: 3,
        values: Vec::new(),
        smoothing: 0.0,
        step: 0,
    };
    assert_eq!(update.step(&mut network, &batch, 1e-3).unwrap_err().to_string(), expected);
}

#[test]
fn a_network_of_the_method_has_hidden_blocks_only() {
    let mut options = TrainOptions::default();
    options.objective.method = Some("softhebb".to_owned());
    options.network.widths = Some("7x2".to_owned());
    let config = options.resolve().unwrap();
    let network = build_network(&config, Shape { channels: 1, height: 4, width: 4 }, 3).unwrap();
    assert_eq!((network.blocks().len(), network.outputs()), (2, 7));
    assert!(build_method(&config, 3).is_ok());
}

#[test]
fn softhebb_has_no_momentum() {
    let mut options = TrainOptions::default();
    options.objective.method = Some("softhebb".to_owned());
    options.optimizer.momentum = Some(0.9);
    assert!(options.resolve().unwrap_err().to_string().contains("momentum = 0.9: expected 0: softhebb has none"));
}
