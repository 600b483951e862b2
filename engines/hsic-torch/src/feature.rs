//! What an objective sees of a block's map, on a device, as `hsic-nn`'s [`Feature`] has it.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::Feature;
use tch::{Kind, Tensor};

use crate::device::Device;

/// Added to a channel's variance under the root.
const EPSILON: f64 = 1e-5;

/// A map's feature, with what is constant of it.
pub(crate) struct Seen {
    feature: Feature,
    map: Shape,
    /// Means of fields as a matrix (fields x pixels).
    fields: Option<Tensor>,
}

impl Seen {
    /// Of maps of these sizes.
    pub(crate) fn of(feature: Feature, map: Shape, device: &Device) -> Self {
        let fields = match feature {
            Feature::Pool(side) if !feature.is_whole(map) => {
                let (rows, columns) = (side.min(map.height), side.min(map.width));
                let along = |fields: usize, side: usize| -> Vec<std::ops::Range<usize>> {
                    (0..fields).map(|field| field * side / fields..(field + 1) * side / fields).collect()
                };
                let mut matrix = vec![0.0; rows * columns * map.height * map.width];
                let fields = along(rows, map.height)
                    .into_iter()
                    .flat_map(|lines| along(columns, map.width).into_iter().map(move |pixels| (lines.clone(), pixels)));
                for ((lines, pixels), row) in fields.zip(matrix.chunks_exact_mut(map.height * map.width)) {
                    let share = 1.0 / (lines.len() * pixels.len()) as f32;
                    lines.for_each(|line| row[line * map.width..][pixels.clone()].fill(share));
                }
                Some(device.take(&matrix).view([(rows * columns) as i64, (map.height * map.width) as i64]))
            }
            _ => None,
        };
        Self { feature, map, fields }
    }

    /// Sizes of the feature as a map.
    pub(crate) fn shape(&self) -> Shape {
        self.feature.shape(self.map)
    }

    fn pixels(&self, z: &Tensor) -> Tensor {
        z.view([z.size()[0], (self.map.height * self.map.width) as i64, self.map.channels as i64])
    }

    /// Features (m x columns) of maps `z` (m x outputs).
    pub(crate) fn extract(&self, z: &Tensor) -> Tensor {
        let m = z.size()[0];
        match (&self.fields, self.feature) {
            (Some(fields), _) => fields.matmul(&self.pixels(z)).view([m, -1]),
            (None, Feature::Channels) if !self.feature.is_whole(self.map) => {
                let (mean, deviation, _) = self.moments(z);
                Tensor::cat(&[mean, deviation], 1)
            }
            _ => z.shallow_clone(),
        }
    }

    /// Mean and deviation of each channel (m x channels), and pixels less the mean.
    fn moments(&self, z: &Tensor) -> (Tensor, Tensor, Tensor) {
        let pixels = self.pixels(z);
        let mean = pixels.mean_dim(1, false, Kind::Float);
        let centered = pixels - mean.unsqueeze(1);
        let deviation = ((&centered * &centered).mean_dim(1, false, Kind::Float) + EPSILON).sqrt();
        (mean, deviation, centered)
    }

    /// From dL/d(feature) to dL/dz.
    pub(crate) fn spread(&self, z: &Tensor, gradient: Tensor) -> Tensor {
        let m = z.size()[0];
        match (&self.fields, self.feature) {
            (Some(fields), _) => {
                let gradient = gradient.view([m, -1, self.map.channels as i64]);
                fields.tr().matmul(&gradient).view([m, -1])
            }
            (None, Feature::Channels) if !self.feature.is_whole(self.map) => {
                let (_, deviation, centered) = self.moments(z);
                let c = self.map.channels as i64;
                let (to_mean, to_deviation) = (gradient.narrow(1, 0, c), gradient.narrow(1, c, c));
                let slope = (to_deviation / deviation).unsqueeze(1) * centered;
                let share = 1.0 / (self.map.height * self.map.width) as f64;
                ((to_mean.unsqueeze(1) + slope) * share).view([m, -1])
            }
            _ => gradient,
        }
    }
}
