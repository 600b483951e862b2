//! A block of one's own: five duties, a check of its gradient, and the same training as for any other block.

use hsic_bottleneck::prelude::*;
use hsic_nn::testing::agrees;

/// Multiplies each column by a number that is learned.
struct Gain(Vec<f32>);

impl Block for Gain {
    fn inputs(&self) -> usize {
        self.0.len()
    }

    fn outputs(&self) -> usize {
        self.0.len()
    }

    fn forward(&self, _m: usize, x: &[f32], z: &mut [f32], _cache: &mut Cache<f32>) {
        let gains = self.0.iter().cycle();
        z.iter_mut().zip(x).zip(gains).for_each(|((z, x), gain)| *z = gain * x);
    }

    #[rustfmt::skip]
    fn gradient(&self, _m: usize, x: &[f32], _z: &[f32], dz: &mut [f32], _cache: &mut Cache<f32>,
        parameters: &mut [f32], dx: Option<&mut [f32]>) {
        parameters.fill(0.0);
        for (index, (dz, x)) in dz.iter().zip(x).enumerate() {
            parameters[index % self.0.len()] += dz * x;
        }
        let gains = self.0.iter().cycle();
        dx.into_iter().flatten().zip(dz).zip(gains).for_each(|((dx, dz), gain)| *dx = gain * *dz);
    }

    fn parameters(&self) -> &[f32] {
        &self.0
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

fn main() -> Result<(), BoxError> {
    agrees(&mut Gain(vec![0.5, -2.0, 3.0]), 1)?;
    println!("the gradient agrees with central differences");

    let data = dataset::load("digits", &LoadOptions { train_size: Some(2000), ..LoadOptions::default() })?;
    let mut network = Network::mlp(data.train.columns(), &[64], 64, Activation::Relu, Norm::Batch, 1);
    network.push(Gain(vec![1.0; 64]))?;
    let mut update = Hsic::default().update()?;
    let history = Training::default().fit(&mut network, &mut update, &data, &mut [])?;
    let gains = network.blocks()[2].parameters();
    let (least, most) = gains.iter().fold((1.0, 1.0), |(least, most), &g| (g.min(least), g.max(most)));
    println!("gains from {least:.3} to {most:.3} after {} steps", history.steps);
    Ok(())
}
