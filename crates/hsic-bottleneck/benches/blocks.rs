//! Blocks on one thread: forward in training mode, the gradient of their own parameters (without the input's), and
//! evaluation mode. Batch norm and ReLU throughout.
//!
//! Items are the floating-point operations of the products, 2 a weight and place; norm and activation are not counted.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use hsic::Scalar;
use hsic::random::Stream;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::{Activation, Block, Cache, Conv, ConvSettings, Dense, Norm, Residual};

/// Rows, inputs, outputs.
const DENSE: &[(usize, usize, usize)] =
    &[(64, 784, 256), (256, 784, 256), (256, 256, 256), (256, 256, 10), (256, 12_544, 64), (2048, 256, 256)];
/// Images, input channels, output channels, side of the map; 3 x 3 windows, padding 1.
const CONV: &[(usize, usize, usize, usize)] =
    &[(64, 1, 64, 28), (64, 3, 64, 32), (64, 64, 64, 14), (64, 64, 128, 16), (64, 256, 256, 4)];

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

#[divan::bench(types = [f32, f64], args = DENSE)]
fn dense_forward<T: Scalar>(bencher: Bencher, (m, inputs, outputs): (usize, usize, usize)) {
    forward(bencher.counter(ItemsCount::new(2 * m * inputs * outputs)), m, &dense::<T>(inputs, outputs));
}

#[divan::bench(types = [f32, f64], args = DENSE)]
fn dense_gradient<T: Scalar>(bencher: Bencher, (m, inputs, outputs): (usize, usize, usize)) {
    gradient(bencher.counter(ItemsCount::new(2 * m * inputs * outputs)), m, &dense::<T>(inputs, outputs));
}

#[divan::bench(types = [f32, f64], args = DENSE)]
fn dense_infer<T: Scalar>(bencher: Bencher, (m, inputs, outputs): (usize, usize, usize)) {
    infer(bencher.counter(ItemsCount::new(2 * m * inputs * outputs)), m, &dense::<T>(inputs, outputs));
}

/// The first block of a network (1 or 3 channels) reads images channel by channel, the others channels last.
#[divan::bench(types = [f32, f64], args = CONV)]
fn conv_forward<T: Scalar>(bencher: Bencher, (m, from, to, side): (usize, usize, usize, usize)) {
    forward(bencher.counter(conv_operations(m, from, to, side)), m, &conv::<T>(from, to, side));
}

#[divan::bench(types = [f32, f64], args = CONV)]
fn conv_gradient<T: Scalar>(bencher: Bencher, (m, from, to, side): (usize, usize, usize, usize)) {
    gradient(bencher.counter(conv_operations(m, from, to, side)), m, &conv::<T>(from, to, side));
}

#[divan::bench(types = [f32, f64], args = CONV)]
fn conv_infer<T: Scalar>(bencher: Bencher, (m, from, to, side): (usize, usize, usize, usize)) {
    infer(bencher.counter(conv_operations(m, from, to, side)), m, &conv::<T>(from, to, side));
}

#[divan::bench(types = [f32, f64], args = [(64, 256), (256, 256)])]
fn residual_dense_forward<T: Scalar>(bencher: Bencher, (m, width): (usize, usize)) {
    let block = Residual::new(dense::<T>(width, width), Activation::Relu, Norm::Batch);
    forward(bencher.counter(ItemsCount::new(2 * m * width * width)), m, &block);
}

#[divan::bench(types = [f32, f64], args = [(64, 256), (256, 256)])]
fn residual_dense_gradient<T: Scalar>(bencher: Bencher, (m, width): (usize, usize)) {
    let block = Residual::new(dense::<T>(width, width), Activation::Relu, Norm::Batch);
    gradient(bencher.counter(ItemsCount::new(2 * m * width * width)), m, &block);
}

#[divan::bench(types = [f32, f64], args = [(64, 64, 14)])]
fn residual_conv_forward<T: Scalar>(bencher: Bencher, (m, channels, side): (usize, usize, usize)) {
    let block = Residual::new(conv::<T>(channels, channels, side), Activation::Relu, Norm::Batch);
    forward(bencher.counter(conv_operations(m, channels, channels, side)), m, &block);
}

#[divan::bench(types = [f32, f64], args = [(64, 64, 14)])]
fn residual_conv_gradient<T: Scalar>(bencher: Bencher, (m, channels, side): (usize, usize, usize)) {
    let block = Residual::new(conv::<T>(channels, channels, side), Activation::Relu, Norm::Batch);
    gradient(bencher.counter(conv_operations(m, channels, channels, side)), m, &block);
}

fn dense<T: Scalar>(inputs: usize, outputs: usize) -> Dense<T> {
    Dense::new(inputs, outputs, Activation::Relu, Norm::Batch, &mut Stream::new(1, "weights", 0))
}

fn conv<T: Scalar>(from: usize, to: usize, side: usize) -> Conv<T> {
    let settings = ConvSettings {
        outputs: to,
        kernel: 3,
        stride: 1,
        padding: 1,
        pool: 1,
        activation: Activation::Relu,
        norm: Norm::Batch,
    };
    let input = Shape { channels: from, height: side, width: side };
    Conv::new(input, from <= 3, settings, &mut Stream::new(1, "weights", 0))
}

/// 9 taps; the border's count as if they were inside.
fn conv_operations(m: usize, from: usize, to: usize, side: usize) -> ItemsCount {
    ItemsCount::new(2 * m * side * side * 9 * from * to)
}

fn forward<T: Scalar>(bencher: Bencher, m: usize, block: &impl Block<T>) {
    let (x, mut z) = (normal::<T>(m * block.inputs()), vec![T::ZERO; m * block.outputs()]);
    let mut cache = Cache::default();
    bencher.bench_local(|| block.forward(m, &x, &mut z, &mut cache));
}

fn gradient<T: Scalar>(bencher: Bencher, m: usize, block: &impl Block<T>) {
    let (x, mut z) = (normal::<T>(m * block.inputs()), vec![T::ZERO; m * block.outputs()]);
    let mut cache = Cache::default();
    block.forward(m, &x, &mut z, &mut cache);
    let slopes = normal::<T>(z.len());
    let (mut dz, mut own) = (slopes.clone(), vec![T::ZERO; block.parameters().len()]);
    bencher.bench_local(|| {
        // Used up by each call; the copy is part of the time.
        dz.copy_from_slice(&slopes);
        block.gradient(m, &x, &z, &mut dz, &mut cache, &mut own, None);
    });
}

fn infer<T: Scalar>(bencher: Bencher, m: usize, block: &impl Block<T>) {
    let (x, mut z) = (normal::<T>(m * block.inputs()), vec![T::ZERO; m * block.outputs()]);
    bencher.bench_local(|| block.infer(m, &x, &mut z));
}

fn normal<T: Scalar>(len: usize) -> Vec<T> {
    let mut stream = Stream::new(1, "bench", 0);
    (0..len).map(|_| T::of(stream.normal())).collect()
}
