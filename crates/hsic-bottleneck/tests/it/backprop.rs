//! Back-propagation through every kind of block, against central differences of the loss.

use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::engine::Backprop;
use hsic_bottleneck::network::models::with_classifier;
use hsic_bottleneck::network::{Activation, BlockSpec, Network, Norm};
use hsic_bottleneck::objective::cross_entropy::cross_entropy;
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::update::Update;

#[test]
fn a_step_is_along_the_gradient_of_the_loss() {
    let input = Shape { channels: 2, height: 7, width: 6 };
    let mut residual = BlockSpec::conv(3, 3, 1, 1, 1);
    if let BlockSpec::Conv { residual, .. } = &mut residual {
        *residual = true;
    }
    let blocks = vec![
        BlockSpec::conv(3, 3, 1, 0, 2),
        residual,
        BlockSpec::conv(4, 3, 2, 1, 1),
        BlockSpec::dense(5),
        BlockSpec::dense(3),
    ];
    let blocks = with_classifier(blocks, 3);
    let network = || Network::<f64>::build(input, &blocks, Activation::Tanh, Norm::BatchAffine, 1).unwrap();
    let mut stream = Stream::new(1, "backprop", 0);
    let (m, columns) = (9, input.columns());
    let x: Vec<f64> = (0..m * columns).map(|_| stream.normal()).collect();
    let labels: Vec<usize> = (0..m).map(|row| row % 3).collect();
    let batch = Batch { x, columns, labels, classes: 3, values: Vec::new(), smoothing: 0.0, step: 0 };
    let loss = |network: &Network<f64>| {
        let outputs = network.batch_outputs(m, &batch.x);
        cross_entropy(&outputs, &batch.labels[..], 3, &mut vec![0.0; outputs.len()])
    };

    let mut stepped = network();
    let rate = 1e-3;
    let mut update = Backprop::<f64>::new(Optimizer::sgd());
    let report = update.step(&mut stepped, &batch, rate).unwrap();
    let mut before = network();
    assert!((report.signals[0].loss - loss(&before)).abs() < 1e-12);
    let norms: Vec<f64> = report.signals.iter().map(|signal| signal.gradient_norm).collect();
    for (block, &norm) in norms.iter().enumerate() {
        let mut square = 0.0;
        for i in 0..before.blocks()[block].parameters().len() {
            let (kept, h) = (before.blocks()[block].parameters()[i], 1e-5);
            before.blocks_mut()[block].parameters_mut()[i] = kept + h;
            let up = loss(&before);
            before.blocks_mut()[block].parameters_mut()[i] = kept - h;
            let down = loss(&before);
            before.blocks_mut()[block].parameters_mut()[i] = kept;
            let found = (kept - stepped.blocks()[block].parameters()[i]) / rate;
            // Truncation h^2 and cancellation 1e-16 / h are below 1e-9; the step itself is known to 1e-16 / rate.
            assert!((found - (up - down) / (2.0 * h)).abs() < 1e-7, "block {block} parameter {i}: {found}");
            square += found * found;
        }
        assert!((norm - square.sqrt()).abs() < 1e-9, "block {block}");
    }
}
