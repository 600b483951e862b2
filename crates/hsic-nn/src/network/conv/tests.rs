//! Gradients, statistics, threads.

use hsic::random::Stream;
use hsic_data::dataset::Shape;

use super::*;
use crate::network::activation::Activation;
use crate::network::block::{Block, Cache};
use crate::network::norm::Norm;
use crate::testing::agrees;

fn settings(pool: usize, stride: usize, activation: Activation, norm: Norm) -> ConvSettings {
    ConvSettings { outputs: 3, kernel: 3, stride, padding: 1, pool, activation, norm }
}

fn random(len: usize, index: u64) -> Vec<f64> {
    let mut stream = Stream::new(3, "conv", index);
    (0..len).map(|_| stream.normal()).collect()
}

#[test]
fn gradients_agree_with_central_differences() {
    let input = Shape { channels: 2, height: 5, width: 7 };
    for (pool, stride) in [(1, 1), (2, 1), (1, 2)] {
        for (activation, norm) in [
            (Activation::Tanh, Norm::Batch),
            (Activation::Elu, Norm::BatchAffine),
            (Activation::Silu, Norm::BatchBias),
            (Activation::Sigmoid, Norm::None),
            (Activation::Relu, Norm::Batch),
            (Activation::LeakyRelu, Norm::Batch),
        ] {
            let mut stream = Stream::new(1, "conv", 0);
            let mut block = Conv::<f64>::new(input, false, settings(pool, stride, activation, norm), &mut stream);
            assert_eq!(agrees(&mut block, 1), Ok(()), "pool {pool} stride {stride} {activation:?} {norm:?}");
        }
    }
}

#[test]
fn pooling_first_has_its_gradients_and_is_pooling_behind_what_keeps_the_order() {
    // One of five lines and one of seven pixels are over.
    let input = Shape { channels: 2, height: 5, width: 7 };
    let made = |activation, norm| {
        Conv::<f64>::new(input, false, settings(2, 1, activation, norm), &mut Stream::new(1, "conv", 0))
    };
    for (activation, norm) in
        [(Activation::Tanh, Norm::Batch), (Activation::Silu, Norm::BatchBias), (Activation::Elu, Norm::None)]
    {
        assert_eq!(agrees(&mut made(activation, norm).pooling_first(), 1), Ok(()), "{activation:?} {norm:?}");
    }
    // A nonlinearity that rises everywhere keeps the order of a window's values.
    let (late, first) = (made(Activation::Tanh, Norm::None), made(Activation::Tanh, Norm::None).pooling_first());
    let x = random(3 * 70, 6);
    let outputs = |block: &Conv<f64>| {
        let (mut z, mut rest) = (vec![0.0; 3 * block.outputs()], vec![0.0; 3 * block.outputs()]);
        block.forward(3, &x, &mut z, &mut Cache::default());
        block.infer(3, &x, &mut rest);
        (z, rest)
    };
    assert_eq!(outputs(&first), outputs(&late));
    let classes: Vec<&str> =
        made(Activation::Relu, Norm::Batch).pooling_first().modules().iter().map(|m| m.class).collect();
    assert_eq!(classes, ["Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU"]);
}

#[test]
fn evaluation_with_the_batch_statistics_is_the_training_pass() {
    let m = 9;
    let input = Shape { channels: 3, height: 6, width: 4 };
    let settings = settings(2, 1, Activation::Relu, Norm::BatchAffine);
    let mut block = Conv::<f64>::new(input, true, settings, &mut Stream::new(2, "conv", 1));
    let x = random(m * block.inputs(), 3);
    let (mut trained, mut cache) = (vec![0.0; m * block.outputs()], Cache::default());
    block.forward(m, &x, &mut trained, &mut cache);
    // 300 steps with momentum 0.1 leave 0.9^300 = 2e-14 of the start; the variance kept is the unbiased one.
    for _ in 0..300 {
        block.absorb_statistics(m, &mut cache);
    }
    let rows = (m * 24) as f64;
    for variance in &mut block.statistics[3..] {
        *variance *= (rows - 1.0) / rows;
    }
    let mut inferred = vec![0.0; trained.len()];
    block.infer(m, &x, &mut inferred);
    for (a, b) in trained.iter().zip(&inferred) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

#[test]
fn maps_of_one_pixel_have_room_for_their_moments() {
    // Images this large come one at a time, and 80 moments are more than the 64 lanes of one pixel.
    let input = Shape { channels: 2700, height: 7, width: 7 };
    let settings = ConvSettings { outputs: 40, kernel: 7, padding: 0, ..settings(1, 1, Activation::Relu, Norm::Batch) };
    let block = Conv::<f32>::new(input, false, settings, &mut Stream::new(2, "conv", 2));
    let m = 20;
    let x: Vec<f32> = random(m * block.inputs(), 4).into_iter().map(|x| x as f32).collect();
    let (mut z, mut cache) = (vec![f32::NAN; m * 40], Cache::default());
    block.forward(m, &x, &mut z, &mut cache);
    let mut gradient = vec![f32::NAN; block.parameters.len()];
    block.gradient(m, &x, &z, &mut z.clone(), &mut cache, &mut gradient, None);
    assert!(z.iter().chain(&gradient).all(|value| value.is_finite()));
}

#[test]
fn a_convolution_that_starts_by_passing_on_gives_back_what_comes_in() {
    // torch.nn.init.dirac_ on the first C_in filters: those give the input, pixel by pixel; the others are as they were.
    let input = Shape { channels: 2, height: 4, width: 5 };
    let made = || {
        let settings = settings(1, 1, Activation::Identity, Norm::None);
        Conv::<f64>::new(input, false, settings, &mut Stream::new(1, "conv", 0)).without_bias()
    };
    let (plain, block) = (made(), made().passing_on());
    let x = random(2 * 40, 5);
    let outputs = |block: &Conv<f64>| {
        let mut z = vec![0.0; 2 * block.outputs()];
        block.forward(2, &x, &mut z, &mut Cache::default());
        z
    };
    for ((z, plain), x) in outputs(&block).chunks(3).zip(outputs(&plain).chunks(3)).zip(x.chunks(2)) {
        assert_eq!((&z[..2], z[2]), (x, plain[2]));
    }
}

#[test]
fn threads_do_not_move_a_bit() {
    let m = 37;
    let input = Shape { channels: 3, height: 8, width: 8 };
    let settings = settings(2, 1, Activation::Relu, Norm::Batch);
    let block = Conv::<f32>::new(input, true, settings, &mut Stream::new(2, "conv", 1));
    let x: Vec<f32> = random(m * block.inputs(), 3).into_iter().map(|x| x as f32).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut z, mut cache) = (vec![0.0; m * block.outputs()], Cache::default());
            block.forward(m, &x, &mut z, &mut cache);
            let mut gradient = vec![0.0; block.parameters.len()];
            block.gradient(m, &x, &z, &mut z.clone(), &mut cache, &mut gradient, None);
            (z, gradient)
        })
    };
    assert_eq!(run(1), run(3));
}
