//! The first capsules: a convolution whose channels, `dimensions` at a time, are squashed.

use hsic::Scalar;
use hsic::random::Stream;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

use super::{squash, squash_backward};
use crate::network::activation::Activation;
use crate::network::block::{Block, Cache, Weights};
use crate::network::conv::{Conv, ConvSettings};
use crate::network::layout::{Module, TensorSpec};
use crate::network::norm::Norm;
use crate::network::products::Products;

/// A convolution without norm and nonlinearity, then squash over capsules of one pixel.
#[derive(Clone, Debug)]
pub struct PrimaryCapsules<T = f32> {
    conv: Conv<T>,
    dimensions: usize,
}

impl<T: Scalar> PrimaryCapsules<T> {
    /// `types` capsules of `dimensions` values at each place of a window of `kernel` lines and columns that moves by
    /// `stride` over a map of sizes `input` with `padding` zeros on each side; weights as those of [`Conv`].
    ///
    /// # Panics
    /// If the window does not fit into the map; [`crate::network::models`] checks it first.
    #[must_use]
    pub fn new(
        input: Shape,
        planar: bool,
        (types, dimensions): (usize, usize),
        (kernel, stride, padding): (usize, usize, usize),
        stream: &mut Stream,
    ) -> Self {
        let settings = ConvSettings {
            outputs: types * dimensions,
            kernel,
            stride,
            padding,
            pool: 1,
            activation: Activation::Identity,
            norm: Norm::None,
        };
        Self { conv: Conv::new(input, planar, settings, stream), dimensions }
    }

    /// Calls `work` with the rows of two batches of outputs, on all threads.
    fn by_row<'a>(&self, from: &'a [T], to: &'a mut [T], work: impl Fn(&[T], &mut [T]) + Sync) {
        let columns = self.conv.outputs();
        from.par_chunks(columns).zip(to.par_chunks_mut(columns)).for_each(|(from, to)| work(from, to));
    }
}

impl<T: Scalar> Block<T> for PrimaryCapsules<T> {
    fn inputs(&self) -> usize {
        self.conv.inputs()
    }

    fn outputs(&self) -> usize {
        self.conv.outputs()
    }

    fn shape(&self) -> Shape {
        self.conv.shape()
    }

    fn capsule(&self) -> Option<usize> {
        Some(self.dimensions)
    }

    fn weights(&self) -> Option<Weights<T>> {
        self.conv.weights().map(|weights| Weights { activation: None, map: None, ..weights })
    }

    fn products(&self) -> Option<Products> {
        self.conv.products()
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let ([s], inner) = cache.with_inner([m * self.outputs()]);
        self.conv.forward(m, x, s, inner);
        self.by_row(s, z, |s, z| squash(self.dimensions, s, z));
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut s = vec![T::ZERO; m * self.outputs()];
        self.conv.infer(m, x, &mut s);
        squash(self.dimensions, &s, z);
    }

    fn gradient(
        &self,
        m: usize,
        x: &[T],
        _z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    ) {
        let ([s], inner) = cache.with_inner([m * self.outputs()]);
        self.by_row(s, dz, |s, dz| squash_backward(self.dimensions, s, dz));
        self.conv.gradient(m, x, s, dz, inner, parameters, dx);
    }

    fn parameters(&self) -> &[T] {
        self.conv.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        self.conv.parameters_mut()
    }

    fn statistics(&self) -> Vec<&[T]> {
        self.conv.statistics()
    }

    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        self.conv.statistics_mut()
    }

    fn layout(&self) -> Vec<TensorSpec> {
        self.conv.layout()
    }

    fn modules(&self) -> Vec<Module> {
        let mut modules = self.conv.modules();
        modules.push(Module::new("Squash", &[self.dimensions]));
        modules
    }
}

#[cfg(test)]
mod tests {
    use super::super::lengths;
    use super::*;

    #[test]
    fn gradients_agree_with_central_differences() {
        let (m, map) = (5, Shape { channels: 2, height: 6, width: 5 });
        let mut stream = Stream::new(8, "primary", 0);
        let mut block = PrimaryCapsules::<f64>::new(map, false, (2, 3), (3, 2, 0), &mut stream);
        assert_eq!((block.shape(), block.capsule()), (Shape { channels: 6, height: 2, width: 2 }, Some(3)));
        let mut x: Vec<f64> = (0..m * map.columns()).map(|_| stream.normal()).collect();
        let v: Vec<f64> = (0..m * block.outputs()).map(|_| stream.normal()).collect();
        let (mut z, mut cache) = (vec![0.0; v.len()], Cache::default());
        block.forward(m, &x, &mut z, &mut cache);
        assert!(lengths(3, &z).iter().all(|&length| length > 0.0 && length < 1.0));
        let (mut gradient, mut dx) = (vec![f64::NAN; block.parameters().len()], vec![f64::NAN; x.len()]);
        block.gradient(m, &x, &z, &mut v.clone(), &mut cache, &mut gradient, Some(&mut dx));
        let loss = |block: &PrimaryCapsules<f64>, x: &[f64]| {
            let mut z = vec![0.0; v.len()];
            block.infer(m, x, &mut z);
            z.iter().zip(&v).map(|(z, v)| z * v).sum::<f64>()
        };
        // Not by `testing::agrees`, which allows 4e-9 (1 + |L|): more than the 1e-8 here as soon as |L| > 2.
        let h = 1e-6;
        for (i, &expected) in gradient.iter().enumerate() {
            let kept = block.parameters()[i];
            block.parameters_mut()[i] = kept + h;
            let up = loss(&block, &x);
            block.parameters_mut()[i] = kept - h;
            let down = loss(&block, &x);
            block.parameters_mut()[i] = kept;
            // Cancellation 2e-16 |L| / h with |L| below 20, and truncation h^2.
            assert!((expected - (up - down) / (2.0 * h)).abs() < 1e-8, "parameter {i}");
        }
        for i in (0..x.len()).step_by(7) {
            let kept = x[i];
            x[i] = kept + h;
            let up = loss(&block, &x);
            x[i] = kept - h;
            let down = loss(&block, &x);
            x[i] = kept;
            assert!((dx[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "input {i}");
        }
    }

    #[test]
    fn a_capsule_is_made_of_the_channels_of_one_pixel() {
        // A 1x1 window that copies: the pixel (3, 4) is a capsule of length 5, squashed to 25/26.
        let map = Shape { channels: 2, height: 1, width: 2 };
        let mut block = PrimaryCapsules::<f64>::new(map, false, (1, 2), (1, 1, 0), &mut Stream::new(1, "p", 0));
        block.parameters_mut().copy_from_slice(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let mut z = [0.0; 4];
        block.infer(1, &[3.0, 4.0, 0.0, 1.0], &mut z);
        for (z, expected) in z.iter().zip([0.6 * 25.0 / 26.0, 0.8 * 25.0 / 26.0, 0.0, 0.5]) {
            assert!((z - expected).abs() < 1e-8, "{z}");
        }
    }
}
