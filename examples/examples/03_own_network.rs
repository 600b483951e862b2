//! A network of one's own, block by block: convolutions with pooling, then a hidden layer; each block learns by itself.

use hsic_bottleneck::network::Feature;
use hsic_bottleneck::prelude::*;

fn main() -> Result<(), BoxError> {
    let data = dataset::load("digits", &LoadOptions { train_size: Some(1000), ..LoadOptions::default() })?;
    let blocks = [
        // Channels, window, step, zeros around, pooling.
        BlockSpec::conv(8, 3, 1, 1, 2),
        BlockSpec::conv(16, 3, 1, 1, 2),
        BlockSpec::dense(64),
        BlockSpec::dense(10),
    ];
    let mut network = Network::build(data.train.shape, &blocks, Activation::LeakyRelu, Norm::Batch, 1)?;
    // What the objective sees of a map: the means of 4 x 4 fields.
    network.set_feature(Feature::Pool(4));
    for block in network.blocks() {
        println!("{} values -> {}: {} numbers to learn", block.inputs(), block.shape(), block.parameters().len());
    }

    let mut update = Hsic { optimizer: Optimizer::adamw(), ..Hsic::default() }.update()?;
    let training = Training { epochs: 20, batch_size: 100, ..Training::default() };
    let history = training.fit(&mut network, &mut update, &data, &mut [])?;
    println!("{:.1} % of the test digits", 100.0 * history.test_accuracy().unwrap_or_default());
    Ok(())
}
