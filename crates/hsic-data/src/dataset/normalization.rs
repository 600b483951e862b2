//! Normalization of images, channel by channel.

use serde::{Deserialize, Serialize};

use crate::shape::Shape;

/// What is done to the values of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// Nothing: values from 0 to 1.
    #[default]
    None,
    /// Each channel of the training part gets mean 0 and deviation 1.
    Channel,
}

/// Mean and deviation of each channel, by which (value - mean) / deviation is formed from a value in 0..=1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Mean of each channel over the training part.
    pub means: Vec<f64>,
    /// Square root of the mean squared deviation (1/n) of each channel; 0 marks a constant channel, which becomes 0.
    pub deviations: Vec<f64>,
}

impl Normalization {
    /// Of images of sizes `shape`, one after another, a byte a value.
    #[must_use]
    pub fn of(bytes: &[u8], shape: Shape) -> Self {
        let mut sums = ChannelSums::new(shape);
        sums.add(bytes);
        sums.normalization()
    }

    /// Whether it has a finite mean and deviation for each of so many channels: what a file claims may be anything.
    #[must_use]
    pub fn fits(&self, channels: usize) -> bool {
        let usable = |values: &[f64]| values.len() == channels && values.iter().all(|value| value.is_finite());
        usable(&self.means) && usable(&self.deviations) && self.deviations.iter().all(|&deviation| deviation >= 0.0)
    }

    /// Writes one image, a byte a value channel by channel, to `out`.
    ///
    /// # Panics
    /// If the lengths differ, or are no multiple of the number of channels.
    pub fn apply(&self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(bytes.len(), out.len(), "an image has as many values as bytes");
        for (channel, (bytes, out)) in self.planes(bytes).zip(self.planes_mut(out)).enumerate() {
            let of = self.channel(channel);
            bytes.iter().zip(out).for_each(|(&byte, out)| *out = of(f32::from(byte)));
        }
    }

    /// Normalizes the values of one image in place, each 255 times a value from 0 to 1, which need be no whole number.
    ///
    /// # Panics
    /// If their number is no multiple of the number of channels.
    pub fn apply_in_place(&self, values: &mut [f32]) {
        for (channel, values) in self.planes_mut(values).enumerate() {
            let of = self.channel(channel);
            values.iter_mut().for_each(|value| *value = of(*value));
        }
    }

    /// What a channel's value of 0 to 255 becomes. This one function is what training, evaluation and prediction apply,
    /// in whatever file the value was: another order of the same operations rounds otherwise.
    fn channel(&self, channel: usize) -> impl Fn(f32) -> f32 + use<> {
        let (mean, deviation) = (self.means[channel], self.deviations[channel]);
        let (scale, shift) = if deviation > 0.0 { (1.0 / (255.0 * deviation), -mean / deviation) } else { (0.0, 0.0) };
        let (scale, shift) = (scale as f32, shift as f32);
        move |value| value * scale + shift
    }

    fn plane(&self, values: usize) -> usize {
        let channels = self.means.len();
        assert!(values.is_multiple_of(channels), "an image has the channels that were normalized");
        values / channels
    }

    fn planes<'v, V>(&self, values: &'v [V]) -> impl Iterator<Item = &'v [V]> + use<'v, V> {
        values.chunks_exact(self.plane(values.len()))
    }

    fn planes_mut<'v, V>(&self, values: &'v mut [V]) -> impl Iterator<Item = &'v mut [V]> + use<'v, V> {
        values.chunks_exact_mut(self.plane(values.len()))
    }
}

/// Sums over the pixels of each channel, from which mean and deviation follow.
pub(super) struct ChannelSums {
    plane: usize,
    /// Values of each channel.
    count: u64,
    /// Sum and sum of squares of each channel: whole numbers, exact, whatever the order. A byte's square times 2^48 values
    /// still fits.
    sums: Vec<(u64, u64)>,
}

impl ChannelSums {
    pub(super) fn new(shape: Shape) -> Self {
        Self { plane: shape.height * shape.width, count: 0, sums: vec![(0, 0); shape.channels] }
    }

    /// Adds whole images, one after another.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let channels = self.sums.len();
        for (index, values) in bytes.chunks_exact(self.plane).enumerate() {
            let (sum, squares) = &mut self.sums[index % channels];
            *sum += values.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            *squares += values.iter().map(|&byte| u64::from(byte) * u64::from(byte)).sum::<u64>();
        }
        self.count += (bytes.len() / channels) as u64;
    }

    pub(super) fn normalization(&self) -> Normalization {
        let count = self.count as f64;
        let of = |&(sum, squares): &(u64, u64)| {
            let mean = sum as f64 / count;
            // The difference of products of whole numbers is exact where a constant channel makes it 0.
            let scaled = u128::from(squares) * u128::from(self.count) - u128::from(sum) * u128::from(sum);
            (mean / 255.0, (scaled as f64).sqrt() / count / 255.0)
        };
        let (means, deviations) = self.sums.iter().map(of).unzip();
        Normalization { means, deviations }
    }
}

/// Writes the pixels of an image, a byte each, as a network takes them: byte / 255, or normalized by channel.
pub(crate) fn pixels(normalization: Option<&Normalization>, bytes: &[u8], out: &mut [f32]) {
    match normalization {
        Some(normalization) => normalization.apply(bytes, out),
        None => bytes.iter().zip(out).for_each(|(&byte, out)| *out = f32::from(byte) / 255.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_checked() {
        let numbers = |means: &[f64], deviations: &[f64]| Normalization {
            means: means.to_vec(),
            deviations: deviations.to_vec(),
        };
        assert!(numbers(&[0.5, 0.5], &[0.1, 0.0]).fits(2));
        for wrong in [numbers(&[0.5], &[0.1]), numbers(&[0.5, f64::NAN], &[0.1; 2]), numbers(&[0.5; 2], &[0.1, -1.0])] {
            assert!(!wrong.fits(2), "{wrong:?}");
        }
    }
}
