//! A first layer that does not learn: windows of 2 x 2 pixels, whitened, before a network's first block.
//!
//! Of the windows of training images, with mean mu and covariance C = V diag(l) V', each direction v_k gives two channels,
//! +-v_k' (p - mu) / sqrt(l_k + 5e-4), which go through the network's nonlinearity (Jordan 2024). They follow from the
//! training rows alone and stay: no rule sees them, and the block behind them learns as the network's first.

use hsic::Scalar;
use hsic::parts::Parts;
use hsic::random::Stream;
use hsic_data::dataset::Shape;

use super::activation::Activation;
use super::block::{Block, BlockInParts, Cache, Weights, in_parts};
use super::conv::{Conv, ConvSettings};
use super::layout::{Module, TensorKind, TensorSpec};
use super::norm::Norm;
use super::products::Products;
use crate::optimizer::Groups;

/// Side of a window.
pub(crate) const SIDE: usize = 2;

/// Added to each variance: directions that hardly vary stay small.
const EPSILON: f64 = 5e-4;

/// Rotations of all pairs after which a matrix of any size here has long been diagonal to the last bit.
const SWEEPS: usize = 60;

/// A block behind whitened windows of its input.
pub struct Whitened<T: Scalar = f32> {
    first: Conv<T>,
    block: Box<dyn Block<T>>,
}

/// The whitened map of an input of these sizes.
pub(crate) fn whitened(input: Shape) -> Shape {
    let channels = 2 * SIDE * SIDE * input.channels;
    Shape { channels, height: input.height + 1 - SIDE, width: input.width + 1 - SIDE }
}

/// The first layer of images of these sizes, which lie channel by channel, all of its weights 0.
fn first<T: Scalar>(input: Shape, activation: Activation) -> Conv<T> {
    let outputs = whitened(input).channels;
    let settings = ConvSettings { outputs, kernel: SIDE, stride: 1, padding: 0, pool: 1, activation, norm: Norm::None };
    // What is drawn is dropped: the stream does not matter.
    let mut first = Conv::new(input, true, settings, &mut Stream::new(0, "whiten", 0));
    first.parameters_mut().fill(T::ZERO);
    first
}

impl<T: Scalar> Whitened<T> {
    /// `block` behind whitened windows of images of sizes `input`; their weights are 0 until training rows are
    /// [seen](Block::see).
    ///
    /// # Panics
    /// If a side of the images is less than 2 or the block does not take the whitened map.
    #[must_use]
    pub fn new(block: Box<dyn Block<T>>, input: Shape, activation: Activation) -> Self {
        assert_eq!(block.inputs(), whitened(input).columns(), "a block takes the whole map");
        Self { first: first(input, activation), block }
    }

    /// Values of the whitened map of so many rows.
    fn values(&self, m: usize) -> usize {
        m * self.first.outputs()
    }
}

/// Mean and covariance (row-major) of the windows of `images`, channel by channel: in the order of a convolution's window,
/// line, pixel, channel.
fn moments<T: Scalar>(input: Shape, images: &[T]) -> (Vec<f64>, Vec<f64>) {
    let d = SIDE * SIDE * input.channels;
    let (mut mean, mut covariance, mut window) = (vec![0.0; d], vec![0.0; d * d], vec![0.0; d]);
    let plane = input.height * input.width;
    let mut each = |sum: &mut dyn FnMut(&[f64])| {
        for image in images.chunks_exact(input.columns()) {
            for y in 0..=input.height - SIDE {
                for x in 0..=input.width - SIDE {
                    for (index, value) in window.iter_mut().enumerate() {
                        let (tap, channel) = (index / input.channels, index % input.channels);
                        let at = (y + tap / SIDE) * input.width + x + tap % SIDE;
                        *value = image[channel * plane + at].to_f64();
                    }
                    sum(&window);
                }
            }
        }
    };
    let mut count = 0.0;
    each(&mut |window| {
        count += 1.0;
        mean.iter_mut().zip(window).for_each(|(mean, value)| *mean += value);
    });
    mean.iter_mut().for_each(|mean| *mean /= count);
    each(&mut |window| {
        for (i, line) in covariance.chunks_exact_mut(d).enumerate() {
            let own = (window[i] - mean[i]) / count;
            line.iter_mut().zip(window.iter().zip(&mean)).for_each(|(sum, (value, mean))| *sum += own * (value - mean));
        }
    });
    (mean, covariance)
}

/// Eigenvalues of a symmetric matrix (row-major), largest first, each with its vector, whose largest entry is positive: by
/// Jacobi's rotations, in one order on one thread.
fn spectrum(mut a: Vec<f64>, d: usize) -> Vec<(f64, Vec<f64>)> {
    let mut v = vec![0.0; d * d];
    (0..d).for_each(|i| v[i * d + i] = 1.0);
    for _ in 0..SWEEPS {
        for p in 0..d {
            for q in p + 1..d {
                if a[p * d + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * d + q] - a[p * d + p]) / (2.0 * a[p * d + q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..d {
                    let (x, y) = (a[k * d + p], a[k * d + q]);
                    (a[k * d + p], a[k * d + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..d {
                    let (x, y) = (a[p * d + k], a[q * d + k]);
                    (a[p * d + k], a[q * d + k]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..d {
                    let (x, y) = (v[k * d + p], v[k * d + q]);
                    (v[k * d + p], v[k * d + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let column = |j: usize| {
        let vector: Vec<f64> = (0..d).map(|i| v[i * d + j]).collect();
        let largest = vector.iter().fold(0.0f64, |most, &x| if x.abs() > most.abs() { x } else { most });
        (a[j * d + j], vector.into_iter().map(|x| x * largest.signum()).collect())
    };
    let mut pairs: Vec<_> = (0..d).map(column).collect();
    pairs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    pairs
}

impl<T: Scalar> Block<T> for Whitened<T> {
    fn inputs(&self) -> usize {
        self.first.inputs()
    }

    fn outputs(&self) -> usize {
        self.block.outputs()
    }

    fn shape(&self) -> Shape {
        self.block.shape()
    }

    fn capsule(&self) -> Option<usize> {
        self.block.capsule()
    }

    fn weights(&self) -> Option<Weights<T>> {
        let mut weights = self.block.weights()?;
        let behind = |block| -> Box<dyn Block<T>> { Box::new(Self { block, first: self.first.clone() }) };
        weights.map = weights.map.map(behind);
        Some(weights)
    }

    fn products(&self) -> Option<Products> {
        let (first, behind) = (self.first.products()?, self.block.products()?);
        Some(Products { forward: first.forward + behind.forward, ..behind })
    }

    fn groups(&self) -> Groups {
        self.block.groups()
    }

    fn see(&mut self, images: &[T]) {
        let input = self.first.input();
        let (mean, covariance) = moments(input, images);
        let (d, channels) = (mean.len(), 2 * mean.len());
        let parameters = self.first.parameters_mut();
        for (k, (variance, vector)) in spectrum(covariance, d).into_iter().enumerate() {
            let scale = 1.0 / (variance.max(0.0) + EPSILON).sqrt();
            let offset: f64 = vector.iter().zip(&mean).map(|(v, mean)| v * mean).sum();
            for (channel, sign) in [(k, scale), (d + k, -scale)] {
                for (place, v) in vector.iter().enumerate() {
                    parameters[place * channels + channel] = T::of(sign * v);
                }
                parameters[d * channels + channel] = T::of(-sign * offset);
            }
        }
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let ([y, _], own) = cache.with_inner([self.values(m), 0]);
        self.first.forward(m, x, y, own);
        self.block.forward(m, y, z, own.with_inner([]).1);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut y = vec![T::ZERO; self.values(m)];
        self.first.infer(m, x, &mut y);
        self.block.infer(m, &y, z);
    }

    fn gradient(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    ) {
        let len = self.values(m);
        let ([y, dy], own) = cache.with_inner([len, if dx.is_some() { len } else { 0 }]);
        match dx {
            None => self.block.gradient(m, y, z, dz, own.with_inner([]).1, parameters, None),
            Some(dx) => {
                self.block.gradient(m, y, z, dz, own.with_inner([]).1, parameters, Some(&mut *dy));
                // No training asks what is before a network's first block: this may take memory of its own.
                let mut unused = vec![T::ZERO; self.first.parameters().len()];
                let mut last = vec![T::ZERO; dx.len()];
                self.first.gradient(m, x, y, dy, own, &mut unused, Some(&mut last));
                let channels = self.first.input().channels;
                let (columns, pixels) = (self.inputs(), self.inputs() / channels);
                // A convolution gives it channels last, and images lie channel by channel.
                for (dx, last) in dx.chunks_exact_mut(columns).zip(last.chunks_exact(columns)) {
                    dx.iter_mut().enumerate().for_each(|(at, dx)| *dx = last[at % pixels * channels + at / pixels]);
                }
            }
        }
    }

    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        self.block.in_parts().is_some().then_some(self)
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        self.block.absorb_statistics(m, cache.with_inner([]).1.with_inner([]).1);
    }

    fn parameters(&self) -> &[T] {
        self.block.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        self.block.parameters_mut()
    }

    fn statistics(&self) -> Vec<&[T]> {
        let mut statistics = vec![self.first.parameters()];
        statistics.extend(self.block.statistics());
        statistics
    }

    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        let mut statistics = vec![self.first.parameters_mut()];
        statistics.extend(self.block.statistics_mut());
        statistics
    }

    fn layout(&self) -> Vec<TensorSpec> {
        let modules = self.first.modules().len();
        let behind = |spec: TensorSpec| TensorSpec { module: spec.module + modules, ..spec };
        let (learned, followed): (Vec<_>, Vec<_>) =
            self.block.layout().into_iter().map(behind).partition(|spec| spec.kind == TensorKind::Parameter);
        let fixed = self.first.layout().into_iter().map(|spec| TensorSpec { kind: TensorKind::Statistic, ..spec });
        learned.into_iter().chain(fixed).chain(followed).collect()
    }

    fn modules(&self) -> Vec<Module> {
        let mut modules = self.first.modules();
        modules.extend(self.block.modules());
        modules
    }
}

impl<T: Scalar> BlockInParts<T> for Whitened<T> {
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>) {
        let ([y, _], own) = cache.with_inner([self.values(x.len() / self.inputs()), 0]);
        self.first.forward_in_parts(m, x, y, own, parts);
        in_parts(&*self.block).forward_in_parts(m, y, z, own.with_inner([]).1, parts);
    }

    fn gradient_in_parts(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        parts: &mut dyn Parts<T>,
    ) {
        let ([y, _], own) = cache.with_inner([self.values(x.len() / self.inputs()), 0]);
        in_parts(&*self.block).gradient_in_parts(m, y, z, dz, own.with_inner([]).1, parameters, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Dense;
    use crate::testing::agrees;

    const INPUT: Shape = Shape { channels: 2, height: 4, width: 3 };

    fn block(activation: Activation) -> Whitened<f64> {
        let mut stream = Stream::new(1, "whitened", 0);
        let map = whitened(INPUT);
        let dense = Dense::new(map.columns(), 3, Activation::Tanh, Norm::BatchBias, &mut stream).after(map);
        Whitened::new(Box::new(dense), INPUT, activation)
    }

    fn images(count: usize) -> Vec<f64> {
        let mut stream = Stream::new(2, "whitened", 0);
        (0..count * 24).map(|i| stream.normal() + if i % 24 < 12 { 3.0 } else { 0.2 * (i % 5) as f64 }).collect()
    }

    #[test]
    fn whitened_windows_are_uncorrelated_and_come_with_their_negatives() {
        let (mut block, x) = (block(Activation::Identity), images(400));
        block.see(&x);
        let mut y = vec![0.0; 400 * block.first.outputs()];
        block.first.infer(400, &x, &mut y);
        let rows: Vec<&[f64]> = y.chunks(16).collect();
        for i in 0..8 {
            assert!(rows.iter().all(|row| (row[i] + row[8 + i]).abs() < 1e-12));
            assert!((rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).abs() < 1e-12);
            for j in 0..8 {
                let product = rows.iter().map(|row| row[i] * row[j]).sum::<f64>() / rows.len() as f64;
                // Variances are near 1, which 5e-4 takes a little off.
                assert!((product - f64::from(i == j)).abs() < 2e-3, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn a_spectrum_is_that_of_its_matrix() {
        // 2 - 2 cos(k pi / 5), k = 4 to 1: the eigenvalues of the second difference of four points, in closed form.
        let mut a = vec![0.0; 16];
        for i in 0..4 {
            a[i * 4 + i] = 2.0;
            if i > 0 {
                (a[i * 4 + i - 1], a[(i - 1) * 4 + i]) = (-1.0, -1.0);
            }
        }
        for ((value, vector), k) in spectrum(a.clone(), 4).into_iter().zip((1..5).rev()) {
            assert!((value - (2.0 - 2.0 * (f64::from(k) * std::f64::consts::PI / 5.0).cos())).abs() < 1e-14);
            for (line, v) in a.chunks(4).zip(&vector) {
                let product: f64 = line.iter().zip(&vector).map(|(a, v)| a * v).sum();
                assert!((product - value * v).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn the_block_behind_learns_and_the_windows_do_not() {
        let mut block = block(Activation::Tanh);
        block.see(&images(20));
        assert_eq!(agrees(&mut block, 3), Ok(()));
        assert_eq!(block.parameters(), block.block.parameters());
        let names: Vec<(usize, String)> = block.layout().into_iter().map(|spec| (spec.module, spec.name)).collect();
        // Conv2d, Tanh, Flatten, Linear, BatchNorm1d, Tanh.
        let expected = [
            (3, "weight"),
            (3, "bias"),
            (4, "bias"),
            (0, "weight"),
            (0, "bias"),
            (4, "running_mean"),
            (4, "running_var"),
            (4, "weight"),
        ];
        assert_eq!(names, expected.map(|(module, name)| (module, name.to_owned())));
    }
}
