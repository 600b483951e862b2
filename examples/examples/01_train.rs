//! Trains a perceptron by the HSIC bottleneck, in memory, and says after each epoch how well it reads digits.

use hsic_bottleneck::prelude::*;

/// Says how training goes.
struct Printing;

impl Observer for Printing {
    fn epoch(&mut self, report: &EpochReport) -> Result<(), BoxError> {
        println!("epoch {}: {:.1} % of the test digits are read right", report.epoch, 100.0 * report.test_accuracy);
        Ok(())
    }
}

fn main() -> Result<(), BoxError> {
    let data = dataset::load("digits", &LoadOptions { train_size: Some(4000), ..LoadOptions::default() })?;
    let mut network = Network::mlp(data.train.columns(), &[128; 3], 10, Activation::Relu, Norm::Batch, 1);
    let mut update = Hsic::default().update()?;
    let training = Training { epochs: 5, batch_size: 64, threads: Some(2), ..Training::default() };
    let history = training.fit(&mut network, &mut update, &data, &mut [&mut Printing])?;

    // Which unit stands for which class is read off the training data, once.
    let at_rest = AtRest::of(&network);
    let assignment = at_rest.assignment(&data.train)?;
    let accuracy = at_rest.accuracy_by(&assignment, &data.test)?;
    println!("{} steps, {:.1} % in the end", history.steps, 100.0 * accuracy);
    Ok(())
}
