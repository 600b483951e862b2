//! Dropout on the way into a block, by the very draws of the CPU: masks are drawn there, and follow from seed, block and step.

use hsic::random::Stream;
use hsic_bottleneck::dataset::Shape;
use tch::Tensor;

use crate::device::Device;

/// Dropout before one block.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// Share of the values that become 0; the others grow by 1/(1 - share).
    pub(crate) share: f64,
    /// It takes all pixels of a channel at once.
    pub(crate) by_channel: bool,
    /// Sizes of what comes in.
    pub(crate) map: Shape,
    pub(crate) seed: u64,
    /// Of the block.
    pub(crate) index: u64,
    pub(crate) device: Device,
}

impl Dropout {
    /// The factors of a step for `m` rows (m x columns).
    pub(crate) fn mask(&self, m: i64, step: u64) -> Tensor {
        let mut stream = Stream::new(self.seed, "dropout", (step << 20) | self.index);
        let kept = (1.0 / (1.0 - self.share)) as f32;
        let (columns, channels) = (self.map.columns(), self.map.channels);
        let drawn = if self.by_channel { channels } else { columns };
        let factor = |_| if stream.uniform() < self.share { 0.0 } else { kept };
        let factors: Vec<f32> = (0..m as usize * drawn).map(factor).collect();
        let factors = self.device.take(&factors);
        if !self.by_channel {
            return factors.view([m, columns as i64]);
        }
        let pixels = (columns / channels) as i64;
        factors.view([m, 1, channels as i64]).expand([m, pixels, channels as i64], false).reshape([m, columns as i64])
    }
}
