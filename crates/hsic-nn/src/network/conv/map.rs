//! What a convolutional block is made of.

use hsic::Scalar;
use hsic::random::Stream;
use hsic_data::dataset::Shape;

use crate::network::activation::Activation;
use crate::network::convolution::Geometry;
use crate::network::norm::Norm;

/// What a convolutional block is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSettings {
    /// Output channels.
    pub outputs: usize,
    /// Lines and columns of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Side and step of the pooling window; 1 for none.
    pub pool: usize,
    /// Nonlinearity.
    pub activation: Activation,
    /// What stands before it.
    pub norm: Norm,
}

/// A convolutional block.
#[derive(Clone, Debug)]
pub struct Conv<T = f32> {
    pub(super) geometry: Geometry,
    /// The input lies channel by channel, as a data set has it.
    pub(super) planar: bool,
    pub(super) pool: usize,
    /// Whether it is pooled before norm and nonlinearity; else behind them.
    pub(super) pools_first: bool,
    pub(super) activation: Activation,
    pub(super) norm: Norm,
    /// Whether b is learned; else it is 0.
    pub(super) biased: bool,
    /// W (taps x channels x outputs), b, then scale and shift if there are any.
    pub(super) parameters: Vec<T>,
    /// Running mean, then running variance; empty without batch norm.
    pub(super) statistics: Vec<T>,
}

impl<T: Scalar> Conv<T> {
    /// A block on maps of sizes `input`, with weights and biases uniform in +-1/sqrt(fan-in), PyTorch's default. A
    /// `planar` input lies channel by channel, as a data set has it.
    ///
    /// # Panics
    /// If window or pooling do not fit into the map; [`crate::network::models`] checks them first.
    #[must_use]
    pub fn new(input: Shape, planar: bool, settings: ConvSettings, stream: &mut Stream) -> Self {
        let ConvSettings { outputs, kernel, stride, padding, pool, activation, norm } = settings;
        let geometry = Geometry {
            height: input.height,
            width: input.width,
            channels: input.channels,
            outputs,
            kernel,
            stride,
            padding,
        };
        assert!(kernel >= 1 && stride >= 1 && padding < kernel && pool >= 1, "a window has a side and a step");
        assert!(input.height.min(input.width) + 2 * padding >= kernel, "the window fits into the map");
        assert!(geometry.out_height().min(geometry.out_width()) >= pool, "the pooling window fits into the map");
        let bound = 1.0 / (geometry.depth() as f64).sqrt();
        let count = (geometry.depth() + 1) * outputs;
        let mut parameters: Vec<T> = (0..count).map(|_| T::of(stream.between(-bound, bound))).collect();
        parameters.extend(norm.parameters::<T>(outputs));
        Self {
            geometry,
            planar,
            pool,
            pools_first: false,
            activation,
            norm,
            biased: true,
            parameters,
            statistics: norm.statistics(outputs),
        }
    }

    /// Sizes of the input.
    pub(in crate::network) fn input(&self) -> Shape {
        let g = &self.geometry;
        Shape { channels: g.channels, height: g.height, width: g.width }
    }

    /// This block with a bias of 0 that is not learned.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.biased = false;
        let (start, outputs) = (self.weight_count(), self.geometry.outputs);
        self.parameters[start..start + outputs].fill(T::ZERO);
        self
    }

    /// This block pooling before its norm and nonlinearity, if it pools.
    #[must_use]
    pub fn pooling_first(mut self) -> Self {
        self.pools_first = self.pool > 1;
        self
    }

    /// This block with the identity written over the weights of its first channels, as many as come in: at the middle of the
    /// window each passes one of these on as it is.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        let g = &self.geometry;
        let (depth, outputs, channels) = (g.depth(), g.outputs, g.channels);
        let (middle, through) = ((g.kernel / 2) * (g.kernel + 1), channels.min(outputs));
        for (place, weights) in self.parameters[..depth * outputs].chunks_exact_mut(outputs).enumerate() {
            weights[..through].fill(T::ZERO);
            let channel = place % channels;
            if place / channels == middle && channel < through {
                weights[channel] = T::ONE;
            }
        }
        self
    }

    pub(super) fn weight_count(&self) -> usize {
        self.geometry.depth() * self.geometry.outputs
    }

    pub(super) fn weight(&self) -> &[T] {
        &self.parameters[..self.weight_count()]
    }

    pub(super) fn bias(&self) -> &[T] {
        &self.parameters[self.weight_count()..][..self.geometry.outputs]
    }

    pub(super) fn affine(&self) -> &[T] {
        &self.parameters[self.weight_count() + self.geometry.outputs..]
    }

    pub(super) fn pad(&self, x: &[T], padded: &mut [T]) {
        let size = self.geometry.height * self.geometry.width * self.geometry.channels;
        for (image, padded) in x.chunks_exact(size).zip(padded.chunks_exact_mut(self.geometry.padded())) {
            self.geometry.pad(image, self.planar, padded);
        }
    }

    /// Whether dL/dx is formed window by window. As a convolution of gradients that lie apart by the stride, most of
    /// its work would be on the zeros between them: for a window of 9 x 9 that moves by 2 over 20 x 20, ten parts of
    /// eleven.
    pub(super) fn by_windows(&self) -> bool {
        self.geometry.stride > 1
    }
}
