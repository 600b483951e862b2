//! What happens to activations on their way from one block to the next.
//!
//! Dropout (Srivastava et al. 2014): a share p of the values becomes 0, the others grow by 1/(1 - p); in training only.
//! Root mean square (Hinton 2022, between forward-forward layers): x / sqrt(mean_j x_j^2 + 1e-8), so that a row's length
//! does not pass.
//! Divisive (Pogodin and Latham 2020): with the columns in g groups of n, x / (v_g + 1/n)^0.2, v_g the row's variance in
//! the group, after subtracting the group's mean. Of a map a group holds whole channels, all pixels of each.
//! Dropout takes values, or of a map whole channels (Tompson et al. 2015), which neighboring pixels would give away.
//!
//! An entrance stands before the block that it leads to and belongs to it: what the block before is trained for sees
//! activations as they are.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use hsic::Scalar;
use hsic::parts::Parts;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic::sums::dot;
use hsic_data::dataset::Shape;
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockInParts, Cache, Weights, in_parts};
use super::layout::{Module, TensorSpec};
use super::products::Products;
use crate::optimizer::Groups;

/// Inside the root of the mean square.
const RMS_EPSILON: f64 = 1e-8;

/// The power of the divisor of divisive normalization.
const DIVISIVE_POWER: f64 = 0.2;

/// A normalization of each row on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Between {
    /// As it is.
    #[default]
    None,
    /// To a mean square of 1.
    Rms,
    /// By the deviation of each of so many groups of columns, of a map groups of channels.
    Divisive(usize),
    /// By the deviation of each of so many groups of values in the order of storage, which are bands of pixels of a map: what
    /// stored runs of an earlier version were trained with, under the name of the other.
    DivisiveBands(usize),
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Rms => f.write_str("rms"),
            Self::Divisive(groups) => write!(f, "divisive:{groups}"),
            Self::DivisiveBands(groups) => write!(f, "divisive-bands:{groups}"),
        }
    }
}

impl FromStr for Between {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "rms" => Ok(Self::Rms),
            _ => {
                let (kind, groups) = text.split_once(':').unwrap_or_default();
                match (kind, groups.parse().ok().filter(|&groups: &usize| groups >= 1)) {
                    ("divisive", Some(groups)) => Ok(Self::Divisive(groups)),
                    ("divisive-bands", Some(groups)) => Ok(Self::DivisiveBands(groups)),
                    _ => Err("expected none, rms or divisive:GROUPS".to_owned()),
                }
            }
        }
    }
}

hsic_data::serde_as_text!(Between);

/// A normalization of each row of the input, after a label is written over it where a network has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum InputNorm {
    /// As it is.
    #[default]
    None,
    /// To a mean square of 1.
    Rms,
}

/// What dropout takes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum DropoutBy {
    /// Each value by itself.
    #[default]
    Value,
    /// All pixels of a channel; of a vector each value by itself.
    Channel,
}

/// Everything on the way into a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entrance {
    /// The normalization, first.
    pub between: Between,
    /// Share of values that dropout takes, in [0, 1).
    pub dropout: f64,
    /// What it takes at once.
    pub dropout_by: DropoutBy,
}

impl Entrance {
    /// Whether nothing happens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.between == Between::None && self.dropout == 0.0
    }
}

/// A block behind an entrance.
pub struct Entered<T: Scalar = f32> {
    block: Box<dyn Block<T>>,
    entrance: Entrance,
    /// Sizes of what comes in, channels last.
    map: Shape,
    seed: u64,
    index: u64,
}

impl<T: Scalar> Entered<T> {
    /// `block`, number `index` of its network, behind `entrance`, for what a block with outputs of sizes `map` gives; masks
    /// follow from the seed, the index and the step.
    ///
    /// # Panics
    /// If the block does not take the whole map.
    #[must_use]
    pub fn new(block: Box<dyn Block<T>>, entrance: Entrance, map: Shape, seed: u64, index: usize) -> Self {
        assert_eq!(block.inputs(), map.columns(), "a block takes the whole map");
        Self { block, entrance, map, seed, index: index as u64 }
    }

    /// Values of a pixel that are cut into groups, and how many groups.
    fn cut(&self) -> Option<(usize, usize)> {
        match self.entrance.between {
            Between::None | Between::Rms => None,
            Between::Divisive(groups) => Some((self.map.channels, groups)),
            Between::DivisiveBands(groups) => Some((self.map.columns(), groups)),
        }
    }

    /// The normalized rows of `x` into `y`.
    fn normalize(&self, x: &[T], y: &mut [T]) {
        let columns = self.map.columns();
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
            if let Some((channels, groups)) = self.cut() {
                for_each_group(channels, groups, |range| divide(channels, range, x, y));
            } else if self.entrance.between == Between::Rms {
                let inverse = inverse_rms(x);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * inverse);
            } else {
                y.copy_from_slice(x);
            }
        }
    }

    /// From dL/dy in `dy` to dL/dx in its place, `x` being the rows before normalization.
    fn normalize_backward(&self, m: usize, x: &[T], dy: &mut [T]) {
        let columns = x.len() / m;
        for (x, dy) in x.chunks_exact(columns).zip(dy.chunks_exact_mut(columns)) {
            if let Some((channels, groups)) = self.cut() {
                for_each_group(channels, groups, |range| divide_backward(channels, range, x, dy));
            } else if self.entrance.between == Between::Rms {
                // y = x r, r = (mean x^2 + eps)^-1/2: dx = r (dy - x r^2 mean(dy x)).
                let inverse = inverse_rms(x);
                let pull = T::of(dot(x, dy) / columns as f64) * inverse * inverse;
                dy.iter_mut().zip(x).for_each(|(dy, &x)| *dy = inverse * (*dy - x * pull));
            }
        }
    }

    /// Multiplies rows by the mask of a step; without a step nothing is dropped.
    fn mask(&self, draw: Option<u64>, values: &mut [T]) {
        let Some(draw) = draw.filter(|_| self.entrance.dropout > 0.0) else { return };
        // No network has 2^20 blocks, no training 2^44 steps.
        let mut stream = Stream::new(self.seed, "dropout", (draw << 20) | self.index);
        let (dropout, kept) = (self.entrance.dropout, T::of(1.0 / (1.0 - self.entrance.dropout)));
        let channels = self.map.channels;
        match self.entrance.dropout_by {
            DropoutBy::Channel if self.map.columns() > channels => {
                for row in values.chunks_exact_mut(self.map.columns()) {
                    for channel in 0..channels {
                        let factor = if stream.uniform() < dropout { T::ZERO } else { kept };
                        row[channel..].iter_mut().step_by(channels).for_each(|value| *value *= factor);
                    }
                }
            }
            _ => {
                for value in values {
                    *value = if stream.uniform() < dropout { T::ZERO } else { *value * kept };
                }
            }
        }
    }
}

/// (mean x^2 + 1e-8)^-1/2.
fn inverse_rms<T: Scalar>(x: &[T]) -> T {
    T::of((dot(x, x) / x.len() as f64 + RMS_EPSILON).sqrt().recip())
}

/// Calls `each` with the columns of each group; where groups do not divide columns, some have one column more.
pub fn for_each_group(columns: usize, groups: usize, mut each: impl FnMut(Range<usize>)) {
    let groups = groups.min(columns);
    (0..groups).for_each(|group| each(group * columns / groups..(group + 1) * columns / groups));
}

/// Mean of a group of channels of a row of pixels, the group's variance + 1/n, and n.
#[inline(always)]
fn group_moments<T: Scalar>(channels: usize, group: &Range<usize>, x: &[T]) -> (T, f64, f64) {
    let count = (group.len() * (x.len() / channels)) as f64;
    let (mut sum, mut squares) = (T::ZERO, T::ZERO);
    for pixel in x.chunks_exact(channels) {
        for &x in &pixel[group.clone()] {
            sum += x;
        }
    }
    let mean = sum * T::of(1.0 / count);
    for pixel in x.chunks_exact(channels) {
        for &x in &pixel[group.clone()] {
            squares = (x - mean).mul_add(x - mean, squares);
        }
    }
    (mean, (squares.to_f64() + 1.0) / count, count)
}

fn divide<T: Scalar>(channels: usize, group: Range<usize>, x: &[T], y: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            let (mean, variance, _) = group_moments(channels, &group, x);
            let factor = T::of(variance.powf(-DIVISIVE_POWER));
            for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                let (y, x) = (&mut y[group.clone()], &x[group.clone()]);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * factor);
            }
        },
    );
}

/// y = u v^-p, u = x - mean, v = (sum u^2 + 1)/n: du = v^-p (dy - (2 p / (n v)) u (u . dy)), dx = du - mean(du).
fn divide_backward<T: Scalar>(channels: usize, group: Range<usize>, x: &[T], dy: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            let (mean, variance, count) = group_moments(channels, &group, x);
            let share = T::of(1.0 / count);
            let factor = T::of(variance.powf(-DIVISIVE_POWER));
            let mut product = T::ZERO;
            for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
                for (&x, &dy) in x[group.clone()].iter().zip(&dy[group.clone()]) {
                    product = (x - mean).mul_add(dy, product);
                }
            }
            let pull = product * T::of(2.0 * DIVISIVE_POWER / (count * variance));
            let mut sum = T::ZERO;
            for (dy, x) in dy.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for (dy, &x) in dy[group.clone()].iter_mut().zip(&x[group.clone()]) {
                    *dy = factor * (*dy - (x - mean) * pull);
                    sum += *dy;
                }
            }
            let mean = sum * share;
            for dy in dy.chunks_exact_mut(channels) {
                dy[group.clone()].iter_mut().for_each(|dy| *dy -= mean);
            }
        },
    );
}

impl<T: Scalar> Block<T> for Entered<T> {
    fn inputs(&self) -> usize {
        self.block.inputs()
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
        let behind = |block| -> Box<dyn Block<T>> { Box::new(Self { block, ..*self }) };
        weights.map = weights.map.map(behind);
        Some(weights)
    }

    fn see(&mut self, rows: &[T]) {
        let mut entered = vec![T::ZERO; rows.len()];
        self.normalize(rows, &mut entered);
        self.block.see(&entered);
    }

    fn products(&self) -> Option<Products> {
        self.block.products()
    }

    fn groups(&self) -> Groups {
        self.block.groups()
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let draw = cache.draw();
        let ([entered], inner) = cache.with_inner([x.len()]);
        self.normalize(x, entered);
        self.mask(draw, entered);
        self.block.forward(m, entered, z, inner);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut entered = vec![T::ZERO; x.len()];
        self.normalize(x, &mut entered);
        self.block.infer(m, &entered, z);
    }

    fn gradient(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        mut dx: Option<&mut [T]>,
    ) {
        let draw = cache.draw();
        let ([entered], inner) = cache.with_inner([x.len()]);
        self.block.gradient(m, entered, z, dz, inner, parameters, dx.as_deref_mut());
        if let Some(dx) = dx {
            self.mask(draw, dx);
            self.normalize_backward(m, x, dx);
        }
    }

    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        // Which values are dropped is drawn for the rows of a batch one after the other.
        (self.entrance.dropout == 0.0 && self.block.in_parts().is_some()).then_some(self)
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        self.block.absorb_statistics(m, cache.with_inner([]).1);
    }

    fn parameters(&self) -> &[T] {
        self.block.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        self.block.parameters_mut()
    }

    fn statistics(&self) -> Vec<&[T]> {
        self.block.statistics()
    }

    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        self.block.statistics_mut()
    }

    fn layout(&self) -> Vec<TensorSpec> {
        let modules = self.entrance_modules().len();
        let behind = |spec: TensorSpec| TensorSpec { module: spec.module + modules, ..spec };
        self.block.layout().into_iter().map(behind).collect()
    }

    fn modules(&self) -> Vec<Module> {
        let mut modules = self.entrance_modules();
        modules.extend(self.block.modules());
        modules
    }
}

impl<T: Scalar> BlockInParts<T> for Entered<T> {
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>) {
        let ([entered], inner) = cache.with_inner([x.len()]);
        self.normalize(x, entered);
        in_parts(&*self.block).forward_in_parts(m, entered, z, inner, parts);
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
        let ([entered], inner) = cache.with_inner([x.len()]);
        in_parts(&*self.block).gradient_in_parts(m, entered, z, dz, inner, parameters, parts);
    }
}

impl<T: Scalar> Entered<T> {
    fn entrance_modules(&self) -> Vec<Module> {
        let mut modules = Vec::new();
        match self.entrance.between {
            Between::None => {}
            Between::Rms => modules.push(Module::new("RowRms", &[])),
            Between::Divisive(groups) => modules.push(Module::new("DivisiveNorm", &[groups])),
            Between::DivisiveBands(groups) => modules.push(Module::new("DivisiveBands", &[groups])),
        }
        if self.entrance.dropout > 0.0 {
            let by_channel = self.entrance.dropout_by == DropoutBy::Channel && self.map.columns() > self.map.channels;
            let class = if by_channel { "Dropout2d" } else { "Dropout" };
            let dropout = Module { arguments: vec![self.entrance.dropout], ..Module::new(class, &[]) };
            modules.push(dropout);
        }
        modules
    }
}

#[cfg(test)]
#[path = "entrance_tests.rs"]
mod tests;
