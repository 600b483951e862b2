//! What an objective sees of a block's map.
//!
//! HSIC compares whole rows: of a map of thousands of values it may see all, means of k x k fields, or mean and deviation
//! of each channel. The fewer the columns, the cheaper the objective.

use std::fmt;
use std::str::FromStr;

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic_data::dataset::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A map's feature. Vectors (1 x 1 maps) are their own feature under each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Feature {
    /// All values.
    Flat,
    /// Means of k x k fields; a side that k does not divide is cut into fields that differ by one line at the most.
    Pool(usize),
    /// Mean and standard deviation of each channel.
    Channels,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => write!(f, "flat"),
            Self::Pool(side) => write!(f, "pool:{side}"),
            Self::Channels => write!(f, "channels"),
        }
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "flat" => Ok(Self::Flat),
            "channels" => Ok(Self::Channels),
            _ => {
                let side = text.strip_prefix("pool:").and_then(|side| side.parse().ok()).filter(|&side| side >= 1);
                side.map(Self::Pool).ok_or_else(|| "expected flat, channels or pool:K with K >= 1".to_owned())
            }
        }
    }
}

hsic_data::serde_as_text!(Feature);

/// Added to a channel's variance under the root.
const EPSILON: f64 = 1e-5;

/// The lines (or pixels) of field `index` of `fields` on a side.
fn field(index: usize, fields: usize, side: usize) -> std::ops::Range<usize> {
    index * side / fields..(index + 1) * side / fields
}

impl Feature {
    /// Whether the feature of a map of these sizes is the map itself.
    #[must_use]
    pub fn is_whole(self, map: Shape) -> bool {
        match self {
            Self::Flat => true,
            Self::Pool(side) => map.height <= side && map.width <= side,
            Self::Channels => map.height * map.width == 1,
        }
    }

    /// Columns of the feature of a map of these sizes.
    #[must_use]
    pub fn columns(self, map: Shape) -> usize {
        self.shape(map).columns()
    }

    /// The feature of a map of these sizes as a map: channels last, too; of [`Feature::Channels`] one pixel.
    #[must_use]
    pub fn shape(self, map: Shape) -> Shape {
        match self {
            _ if self.is_whole(map) => map,
            Self::Flat => map,
            Self::Pool(side) => Shape { height: side.min(map.height), width: side.min(map.width), ..map },
            Self::Channels => Shape { channels: 2 * map.channels, height: 1, width: 1 },
        }
    }

    /// Features of maps `z` (channels last) into `out`.
    pub fn extract<T: Scalar>(self, map: Shape, z: &[T], out: &mut [T]) {
        let c = map.channels;
        z.par_chunks_exact(map.columns()).zip(out.par_chunks_exact_mut(self.columns(map))).for_each(|(z, out)| {
            match self {
                _ if self.is_whole(map) => out.copy_from_slice(z),
                Self::Flat => out.copy_from_slice(z),
                Self::Pool(side) => {
                    let (rows, columns) = (side.min(map.height), side.min(map.width));
                    for (index, out) in out.chunks_exact_mut(c).enumerate() {
                        let lines = field(index / columns, rows, map.height);
                        let pixels = field(index % columns, columns, map.width);
                        let share = T::of(1.0 / (lines.len() * pixels.len()) as f64);
                        out.fill(T::ZERO);
                        vectorize(
                            #[inline(always)]
                            || {
                                for y in lines.clone() {
                                    let line = &z[(y * map.width + pixels.start) * c..(y * map.width + pixels.end) * c];
                                    for pixel in line.chunks_exact(c) {
                                        for (out, &z) in out.iter_mut().zip(pixel) {
                                            *out += z;
                                        }
                                    }
                                }
                                for out in out.iter_mut() {
                                    *out *= share;
                                }
                            },
                        );
                    }
                }
                Self::Channels => {
                    let (mean, deviation) = out.split_at_mut(c);
                    super::norm::moments(z, mean, deviation);
                    let share = T::of(1.0 / (map.height * map.width) as f64);
                    for square in deviation {
                        *square = Scalar::sqrt(share.mul_add(*square, T::of(EPSILON)));
                    }
                }
            }
        });
    }

    /// The way back: from dL/d(feature) to dL/dz. `features` are those that [`Feature::extract`] made of `z`.
    pub fn spread<T: Scalar>(self, map: Shape, z: &[T], features: &[T], gradient: &[T], dz: &mut [T]) {
        let (c, columns) = (map.channels, self.columns(map));
        let rows = z.par_chunks_exact(map.columns()).zip(features.par_chunks_exact(columns));
        let work = rows.zip(gradient.par_chunks_exact(columns)).zip(dz.par_chunks_exact_mut(map.columns()));
        work.for_each(|(((z, feature), gradient), dz)| match self {
            _ if self.is_whole(map) => dz.copy_from_slice(gradient),
            Self::Flat => dz.copy_from_slice(gradient),
            Self::Pool(side) => {
                let (rows, columns) = (side.min(map.height), side.min(map.width));
                for (index, gradient) in gradient.chunks_exact(c).enumerate() {
                    let lines = field(index / columns, rows, map.height);
                    let pixels = field(index % columns, columns, map.width);
                    let share = T::of(1.0 / (lines.len() * pixels.len()) as f64);
                    vectorize(
                        #[inline(always)]
                        || {
                            for y in lines.clone() {
                                let line =
                                    &mut dz[(y * map.width + pixels.start) * c..(y * map.width + pixels.end) * c];
                                for pixel in line.chunks_exact_mut(c) {
                                    for (dz, &gradient) in pixel.iter_mut().zip(gradient) {
                                        *dz = gradient * share;
                                    }
                                }
                            }
                        },
                    );
                }
            }
            Self::Channels => {
                let share = T::of(1.0 / (map.height * map.width) as f64);
                let ((mean, deviation), (to_mean, to_deviation)) = (feature.split_at(c), gradient.split_at(c));
                for (z, dz) in z.chunks_exact(c).zip(dz.chunks_exact_mut(c)) {
                    for channel in 0..c {
                        let slope = to_deviation[channel] * (z[channel] - mean[channel]) / deviation[channel];
                        dz[channel] = share * (to_mean[channel] + slope);
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    #[test]
    fn names_go_out_and_come_back() {
        for feature in [Feature::Flat, Feature::Pool(3), Feature::Channels] {
            assert_eq!(feature.to_string().parse(), Ok(feature));
        }
        for wrong in ["pool", "pool:0", "pool:x", "flatten", ""] {
            assert!(wrong.parse::<Feature>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn pooled_fields_are_means() {
        let map = Shape { channels: 1, height: 3, width: 3 };
        let z: Vec<f64> = (1..=9).map(f64::from).collect();
        let mut out = [0.0; 4];
        Feature::Pool(2).extract(map, &z, &mut out);
        // Fields of 1 and 2 lines and pixels.
        assert_eq!(out, [1.0, 2.5, 5.5, 7.0]);
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let map = Shape { channels: 3, height: 5, width: 4 };
        let mut stream = Stream::new(1, "feature", 0);
        let mut z: Vec<f64> = (0..2 * map.columns()).map(|_| stream.normal()).collect();
        for feature in [Feature::Flat, Feature::Pool(2), Feature::Pool(3), Feature::Channels] {
            let columns = feature.columns(map);
            let v: Vec<f64> = (0..2 * columns).map(|_| stream.normal()).collect();
            let value = |z: &[f64]| {
                let mut out = vec![0.0; v.len()];
                feature.extract(map, z, &mut out);
                out.iter().zip(&v).map(|(out, v)| out * v).sum::<f64>()
            };
            let mut out = vec![0.0; v.len()];
            feature.extract(map, &z, &mut out);
            let mut dz = vec![f64::NAN; z.len()];
            feature.spread(map, &z, &out, &v, &mut dz);
            for i in 0..z.len() {
                let (kept, h) = (z[i], 1e-6);
                z[i] = kept + h;
                let up = value(&z);
                z[i] = kept - h;
                let down = value(&z);
                z[i] = kept;
                // Cancellation 2e-16 * 20 / h and truncation h^2.
                assert!((dz[i] - (up - down) / (2.0 * h)).abs() < 1e-8, "{feature} {i}");
            }
        }
    }
}
