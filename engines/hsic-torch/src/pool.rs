//! Max pooling of maps (m x columns, channels last) on a device, and the way back.

use hsic_bottleneck::dataset::Shape;
use tch::Tensor;

/// Sizes of a map after pooling by windows of so many lines and pixels.
pub(crate) fn pooled(map: Shape, side: usize) -> Shape {
    Shape { height: map.height / side.max(1), width: map.width / side.max(1), ..map }
}

/// A pooled map, and which values of each window were the largest.
pub(crate) struct Pooled {
    side: i64,
    images: Tensor,
    largest: Tensor,
    indices: Tensor,
}

impl Pooled {
    /// Of samples of sizes `map`.
    pub(crate) fn of(x: &Tensor, map: Shape, side: usize) -> Self {
        let [c, h, w, side] = [map.channels, map.height, map.width, side].map(|side| side as i64);
        let images = x.view([-1, h, w, c]).permute([0, 3, 1, 2]);
        let (largest, indices) = images.max_pool2d_with_indices([side, side], [side, side], [0, 0], [1, 1], false);
        Self { side, images, largest, indices }
    }

    /// The pooled samples.
    pub(crate) fn rows(&self) -> Tensor {
        self.largest.permute([0, 2, 3, 1]).reshape([self.images.size()[0], -1])
    }

    /// From dL/d([`rows`](Self::rows)) to dL/dx: to the first of the largest values of each window.
    pub(crate) fn backward(&self, dy: &Tensor) -> Tensor {
        let size = self.largest.size();
        let (m, c, h, w) = (size[0], size[1], size[2], size[3]);
        let dy = dy.view([m, h, w, c]).permute([0, 3, 1, 2]);
        let side = [self.side, self.side];
        let dx = self.images.max_pool2d_with_indices_backward(&dy, side, side, [0, 0], [1, 1], false, &self.indices);
        dx.permute([0, 2, 3, 1]).reshape([m, -1])
    }
}
