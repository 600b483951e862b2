//! Linear maps on a device: dense ones and convolutions, forward and back.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::layout::Module;
use tch::Tensor;

use crate::beside;

/// A window that moves over a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Sizes of what comes in.
    pub(crate) from: Shape,
    /// It lies channel by channel, as a data set has it.
    pub(crate) planar: bool,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

/// What a block's weights make.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Map {
    Dense { inputs: usize, outputs: usize },
    Convolution(Window),
}

impl Window {
    /// That of PyTorch's module of a convolution, on inputs of sizes `from`.
    pub(crate) fn of(module: &Module, from: Shape, planar: bool) -> Self {
        let [outputs, kernel, stride, padding] = [1, 2, 3, 4].map(|index| number(module, index));
        Self { from, planar, outputs, kernel, stride, padding }
    }

    /// Sizes of what comes out.
    pub(crate) fn shape(&self) -> Shape {
        let side = |side: usize| (side + 2 * self.padding).saturating_sub(self.kernel) / self.stride.max(1) + 1;
        Shape { channels: self.outputs, height: side(self.from.height), width: side(self.from.width) }
    }

    fn step(&self) -> (i64, i64) {
        (self.stride as i64, self.padding as i64)
    }

    /// Rows of samples as images (m x channels x height x width), without a copy.
    fn images(&self, x: &Tensor) -> Tensor {
        let [c, h, w] = [self.from.channels, self.from.height, self.from.width].map(|side| side as i64);
        if self.planar { x.view([-1, c, h, w]) } else { x.view([-1, h, w, c]).permute([0, 3, 1, 2]) }
    }

    /// Flat weights (taps x channels x outputs) as PyTorch's (outputs x channels x taps), without a copy.
    fn filters(&self, weight: &Tensor) -> Tensor {
        let (k, c, o) = (self.kernel as i64, self.from.channels as i64, self.outputs as i64);
        weight.view([k, k, c, o]).permute([3, 2, 0, 1])
    }
}

/// An argument of a module.
pub(crate) fn number(module: &Module, index: usize) -> usize {
    module.arguments.get(index).map_or(0, |&value| value as usize)
}

impl Map {
    /// Number of weights.
    pub(crate) fn weights(&self) -> i64 {
        let count = match self {
            Self::Dense { inputs, outputs } => inputs * outputs,
            Self::Convolution(window) => window.kernel * window.kernel * window.from.channels * window.outputs,
        };
        count as i64
    }

    /// From samples (m x inputs) and flat weights to pixels (rows x channels).
    pub(crate) fn forward(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        match self {
            Self::Dense { inputs, outputs } => x.matmul(&weight.view([*outputs as i64, *inputs as i64]).tr()),
            Self::Convolution(window) => {
                let (stride, padding) = window.step();
                let (images, filters) = (window.images(x), window.filters(weight));
                let a = images.conv2d::<Tensor>(&filters, None, [stride, stride], [padding, padding], [1, 1], 1);
                a.permute([0, 2, 3, 1]).reshape([-1, window.outputs as i64])
            }
        }
    }

    /// From dL/da of the pixels to dL/dweight, flat, and to dL/dx (m x inputs) where it is asked for.
    pub(crate) fn backward(&self, x: &Tensor, weight: &Tensor, da: &Tensor, with_x: bool) -> (Tensor, Option<Tensor>) {
        match self {
            Self::Dense { inputs, outputs } => {
                let dx = with_x.then(|| da.matmul(&weight.view([*outputs as i64, *inputs as i64])));
                (da.tr().matmul(x).view(-1), dx)
            }
            Self::Convolution(window) => {
                let Shape { channels, height, width } = window.shape();
                let da = da.view([-1, height as i64, width as i64, channels as i64]).permute([0, 3, 1, 2]);
                let (images, filters) = (window.images(x), window.filters(weight));
                let (dw, dx) = beside::convolution_backward(&da, &images, &filters, window.step(), with_x);
                let rows = |dx: Tensor| {
                    let dx = if window.planar { dx } else { dx.permute([0, 2, 3, 1]) };
                    dx.reshape([x.size()[0], -1])
                };
                (dw.permute([2, 3, 1, 0]).reshape(-1), dx.map(rows))
            }
        }
    }
}
