//! Blocks on a batch in parts, beside the same on the whole batch.

use hsic::parts::{AllHere, Parts, own_rows};
use hsic::random::Stream;
use hsic_data::dataset::Shape;

use super::*;

/// Outputs, gradient and statistics of a step.
type Step = [Vec<f64>; 3];

fn whole(block: &mut dyn Block<f64>, m: usize, x: &[f64], dz: &[f64]) -> Step {
    let (mut z, mut cache) = (vec![0.0; dz.len()], Cache::default());
    let mut gradient = vec![f64::NAN; block.parameters().len()];
    block.forward(m, x, &mut z, &mut cache);
    block.absorb_statistics(m, &mut cache);
    block.gradient(m, x, &z, &mut dz.to_vec(), &mut cache, &mut gradient, None);
    [z, gradient, block.statistics().concat()]
}

fn in_parts(block: &mut dyn Block<f64>, m: usize, x: &[f64], dz: &[f64], count: usize) -> Step {
    let mut parts = AllHere::new(count);
    let (mut z, mut cache) = (vec![0.0; dz.len()], Cache::default());
    let mut gradient = vec![f64::NAN; block.parameters().len()];
    // Twice, so that nothing of an earlier step is left in a part that has no rows.
    for m in [m + 3, m] {
        let rows =
            |values: &[f64], columns: usize| values.iter().cycle().take(m * columns).copied().collect::<Vec<_>>();
        let (x, mut dz) = (rows(x, block.inputs()), rows(dz, block.outputs()));
        z.resize(dz.len(), 0.0);
        let own = block.in_parts().expect("a block that takes parts");
        own.forward_in_parts(m, &x, &mut z, &mut cache, &mut parts);
        own.gradient_in_parts(m, &x, &z, &mut dz, &mut cache, &mut gradient, &mut parts);
    }
    block.absorb_statistics(m, &mut cache);
    [z, gradient, block.statistics().concat()]
}

fn assert_near(make: &dyn Fn() -> Box<dyn Block<f64>>, told: &str) {
    let mut stream = Stream::new(3, "in parts", 0);
    for m in [2, 9, 16] {
        let mut normal = |count: usize| -> Vec<f64> { (0..count).map(|_| stream.normal()).collect() };
        let (x, dz) = (normal(m * make().inputs()), normal(m * make().outputs()));
        let expected = whole(&mut *make(), m, &x, &dz);
        for count in [1, 2, 3, 8] {
            let found = in_parts(&mut *make(), m, &x, &dz, count);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.len(), expected.len());
                let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    // Sums of at most a few hundred terms, added in another order; a batch of two rows has variances near 0,
                    // by which their rounding grows.
                    assert!(
                        (found - expected).abs() < 1e-10 * largest,
                        "{told}, {m} rows, {count} parts: {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn blocks_give_on_parts_what_they_give_on_the_whole_batch() {
    let image = Shape { channels: 2, height: 6, width: 5 };
    for norm in [Norm::None, Norm::Batch, Norm::BatchAffine, Norm::BatchBias] {
        for activation in [Activation::Tanh, Activation::LeakyRelu] {
            let told = format!("{norm:?} {activation:?}");
            let dense = || Dense::<f64>::new(60, 5, activation, norm, &mut Stream::new(1, "dense", 0));
            assert_near(&|| Box::new(dense()), &told);
            let settings = |pool| ConvSettings { outputs: 3, kernel: 3, stride: 1, padding: 1, pool, activation, norm };
            let conv = |pool| Conv::<f64>::new(image, true, settings(pool), &mut Stream::new(1, "conv", 0));
            assert_near(&|| Box::new(conv(1)), &told);
            assert_near(&|| Box::new(conv(2)), &told);
            let entrance = Entrance { between: Between::Divisive(2), ..Entrance::default() };
            assert_near(&|| Box::new(Entered::new(Box::new(dense()), entrance, image, 1, 1)), &told);
            let wide = Shape { height: 12, width: 10, ..image };
            assert_near(&|| Box::new(Pooled::new(Box::new(dense()), wide, 2)), &told);
        }
    }
}

#[test]
fn a_block_that_drops_values_or_has_one_inside_that_takes_no_parts_takes_none() {
    let dense = || Box::new(Dense::<f64>::new(6, 6, Activation::Relu, Norm::Batch, &mut Stream::new(1, "dense", 0)));
    let map = Shape { channels: 6, height: 1, width: 1 };
    let entered = |entrance| Entered::new(dense(), entrance, map, 1, 1);
    assert!(entered(Entrance { between: Between::Rms, ..Entrance::default() }).in_parts().is_some());
    assert!(entered(Entrance { dropout: 0.1, ..Entrance::default() }).in_parts().is_none());
    let residual = Residual::new(*dense(), Activation::Relu, Norm::Batch);
    assert!(residual.in_parts().is_none());
    let behind = Entered::new(Box::new(residual), Entrance { between: Between::Rms, ..Entrance::default() }, map, 1, 1);
    assert!(behind.in_parts().is_none());
}

/// The parts of one of two processes, which hears what the other one would send.
struct Half<'h> {
    own: std::ops::Range<usize>,
    /// What all parts have at each exchange, in turn.
    told: &'h mut Vec<Vec<f64>>,
    heard: std::collections::VecDeque<Vec<f64>>,
}

impl Parts<f64> for Half<'_> {
    fn count(&self) -> usize {
        4
    }

    fn own(&self) -> std::ops::Range<usize> {
        self.own.clone()
    }

    fn gather(&mut self, rows: usize, all: &mut [f64]) {
        let length = all.len() / rows;
        let own = own_rows(self, rows);
        self.told.push(all[own.start * length..own.end * length].to_vec());
        if let Some(heard) = self.heard.pop_front() {
            let other = if own.start == 0 { own.end * length..all.len() } else { 0..own.start * length };
            all[other].copy_from_slice(&heard);
        }
    }

    fn sum(&mut self, own: &[f64], sum: &mut [f64]) {
        let mut all = vec![0.0; 4 * sum.len()];
        all[self.own.start * sum.len()..self.own.end * sum.len()].copy_from_slice(own);
        self.gather(4, &mut all);
        hsic::parts::add_in_order(&all, sum);
    }
}

#[test]
fn two_processes_with_a_half_of_the_parts_each_have_the_bits_of_one() {
    let image = Shape { channels: 2, height: 6, width: 5 };
    let (activation, norm) = (Activation::Tanh, Norm::BatchAffine);
    let dense = Dense::<f64>::new(60, 5, activation, norm, &mut Stream::new(1, "dense", 0));
    let settings = ConvSettings { outputs: 3, kernel: 3, stride: 1, padding: 1, pool: 2, activation, norm };
    let conv = Conv::<f64>::new(image, true, settings, &mut Stream::new(1, "conv", 0));
    let blocks: [&dyn Block<f64>; 2] = [&dense, &conv];
    for block in blocks {
        let block = block.in_parts().unwrap();
        let mut stream = Stream::new(3, "in parts", 0);
        // Parts of 3, 3, 3 and 1 rows.
        let m = 10;
        let mut normal = |count: usize| -> Vec<f64> { (0..count).map(|_| stream.normal()).collect() };
        let (x, dz) = (normal(m * block.inputs()), normal(m * block.outputs()));
        let step = |parts: &mut dyn Parts<f64>| {
            let own = own_rows(parts, m);
            let x = &x[own.start * block.inputs()..own.end * block.inputs()];
            let mut dz = dz[own.start * block.outputs()..own.end * block.outputs()].to_vec();
            let (mut z, mut cache) = (vec![0.0; dz.len()], Cache::default());
            let mut gradient = vec![f64::NAN; block.parameters().len()];
            block.forward_in_parts(m, x, &mut z, &mut cache, parts);
            block.gradient_in_parts(m, x, &z, &mut dz, &mut cache, &mut gradient, parts);
            (z, gradient)
        };
        let (z, gradient) = step(&mut AllHere::new(4));
        let mut told = [Vec::new(), Vec::new()];
        // What a process tells does not depend on what it hears only before the first exchange: after as many rounds as there
        // are exchanges both have heard all.
        let mut found = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
        for _ in 0..4 {
            let heard = [told[1].clone(), told[0].clone()];
            for (index, heard) in heard.into_iter().enumerate() {
                told[index].clear();
                let own = if index == 0 { 0..2 } else { 2..4 };
                found[index] = step(&mut Half { own, told: &mut told[index], heard: heard.into() });
            }
        }
        assert_eq!([&found[0].0[..], &found[1].0[..]].concat(), z);
        assert_eq!((&found[0].1, &found[1].1), (&gradient, &gradient));
    }
}
