//! pHSIC on a device, by the formulas of `hsic-learn`'s `phsic`.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::phsic::Phsic as Rule;
use hsic_bottleneck::step_error::StepError;
use tch::{Kind, Tensor};

use crate::device::Device;
use crate::learner::Learner;
use crate::objective::{DeviceBatch, Objective, Signal, Site, Value, rows_are_equal};
use crate::similarity::{Moments, Pairs, Targets};

/// Columns of the smallest group.
const SMALLEST_GROUP: usize = 4;

/// The rule, for blocks before the last.
pub(crate) struct Phsic {
    rule: Rule,
    device: Device,
    targets: Option<Targets>,
    groupings: Vec<Grouping>,
}

/// Consecutive channels in groups.
struct Grouping {
    map: Shape,
    /// channels x groups: 1 where a channel is in a group.
    of_channels: Tensor,
    /// Values of each group.
    sizes: Tensor,
}

/// One number a group: v^p less its mean over groups, v the variance; with what the way back needs.
struct Grouped {
    feature: Tensor,
    /// 2 p v^(p - 1) / n.
    slope: Tensor,
    /// m x pixels x channels, less the mean of their group.
    centered: Tensor,
}

impl Grouping {
    fn of(map: Shape, groups: usize, device: &Device) -> Self {
        let channels = map.channels;
        let mut of_channels = vec![0.0; channels * groups];
        let mut sizes = Vec::new();
        for group in 0..groups {
            let range = group * channels / groups..(group + 1) * channels / groups;
            sizes.push((range.len() * map.height * map.width) as f32);
            range.for_each(|channel| of_channels[channel * groups + group] = 1.0);
        }
        let of_channels = device.take(&of_channels).view([channels as i64, groups as i64]);
        Self { map, of_channels, sizes: device.take(&sizes) }
    }

    fn form(&self, z: &Tensor, power: f64) -> Grouped {
        let pixels = z.view([z.size()[0], -1, self.map.channels as i64]);
        let means = pixels.sum_dim_intlist(1, false, Kind::Float).matmul(&self.of_channels) / &self.sizes;
        let centered = pixels - means.matmul(&self.of_channels.tr()).unsqueeze(1);
        let squares = centered.square().sum_dim_intlist(1, false, Kind::Float).matmul(&self.of_channels);
        let variance = (squares + 1.0) / &self.sizes;
        let value = variance.pow_tensor_scalar(power);
        let slope = &value / (variance * &self.sizes) * (2.0 * power);
        let feature = &value - value.mean_dim(1, true, Kind::Float);
        Grouped { feature, slope, centered }
    }

    /// From dL/d(feature) to dL/dz (m x columns).
    fn backward(&self, grouped: &Grouped, df: &Tensor) -> Tensor {
        let df = (df - df.mean_dim(1, true, Kind::Float)) * &grouped.slope;
        let factor = df.matmul(&self.of_channels.tr()).unsqueeze(1);
        (factor * &grouped.centered).view([df.size()[0], -1])
    }
}

impl Phsic {
    /// By the CPU's rule.
    pub(crate) fn new(rule: Rule, device: &Device) -> Self {
        Self { rule, device: device.clone(), targets: None, groupings: Vec::new() }
    }

    /// The place of the grouping of such maps; `None` if outputs are compared themselves.
    fn grouping(&mut self, map: Shape) -> Option<usize> {
        let groups = self.rule.groups.min(map.columns() / SMALLEST_GROUP).min(map.channels);
        if groups < 2 {
            return None;
        }
        let known = self.groupings.iter().position(|grouping| grouping.map == map);
        Some(known.unwrap_or_else(|| {
            self.groupings.push(Grouping::of(map, groups, &self.device));
            self.groupings.len() - 1
        }))
    }
}

impl Objective for Phsic {
    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError> {
        self.targets = Some(Targets::of(batch));
        Ok(())
    }

    fn signal(
        &mut self,
        site: &Site<'_>,
        z: &Tensor,
        _learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError> {
        let pixels = site.feature.columns() / site.channels;
        let map = Shape { channels: site.channels, height: 1, width: pixels };
        let grouping = self.grouping(map).map(|place| &self.groupings[place]);
        let Some(targets) = &self.targets else { unreachable!("a batch is prepared before a block") };
        let grouped = grouping.map(|grouping| grouping.form(z, self.rule.power));
        let pairs = Pairs::of(self.rule.similarity, grouped.as_ref().map_or(z, |grouped| &grouped.feature));
        let Moments { mean, square, product } = pairs.moments(targets);
        let (slope, balance) = (1.0 / (z.size()[0] as f64).powi(2), self.rule.balance);
        let constant = (&mean * -2.0 + balance * targets.mean) * slope;
        let df = pairs.backward(targets, (2.0 * slope, -balance * slope), Some(&constant));
        let dz = match (grouping, &grouped) {
            (Some(grouping), Some(grouped)) => grouping.backward(grouped, &df),
            _ => df,
        };
        let value = measured.then(|| {
            let own = square - &mean * &mean;
            let labels = product - mean * targets.mean;
            let loss = &own - &labels * balance;
            Value { loss, terms: [("phsic_z", Some(own)), ("phsic_y", Some(labels))] }
        });
        Ok(Signal { dz, value, dead: measured.then(|| rows_are_equal(z)), lost: None })
    }
}
