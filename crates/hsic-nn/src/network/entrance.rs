//! What happens to activations on their way from one block to the next.
//!
//! Dropout (Srivastava et al. 2014): a share p of the values becomes 0, the others grow by 1/(1 - p); in training only.
//! Root mean square (Hinton 2022, between forward-forward layers): x / sqrt(mean_j x_j^2 + 1e-8), so that a row's length
//! does not pass.
//! Divisive (Pogodin and Latham 2020): with the columns in g groups of n, x / (v_g + 1/n)^0.2, v_g the row's variance in
//! the group, after subtracting the group's mean.
//!
//! An entrance stands before the block that it leads to and belongs to it: what the block before is trained for sees
//! activations as they are.

use std::fmt;
use std::str::FromStr;

use hsic::Scalar;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic::sums::dot;
use hsic_data::dataset::Shape;
use serde::{Deserialize, Serialize};

use super::block::{Block, Cache, Weights};
use super::layout::{Module, TensorSpec};

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
    /// By the deviation of each of so many groups of columns.
    Divisive(usize),
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Rms => f.write_str("rms"),
            Self::Divisive(groups) => write!(f, "divisive:{groups}"),
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
                let groups = text.strip_prefix("divisive:").and_then(|groups| groups.parse().ok());
                let groups = groups.filter(|&groups: &usize| groups >= 1);
                groups.map(Self::Divisive).ok_or_else(|| "expected none, rms or divisive:GROUPS".to_owned())
            }
        }
    }
}

hsic_data::serde_as_text!(Between);

/// Everything on the way into a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entrance {
    /// The normalization, first.
    pub between: Between,
    /// Share of values that dropout takes, in [0, 1).
    pub dropout: f64,
}

impl Entrance {
    /// Whether nothing happens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// A block behind an entrance.
pub struct Entered<T: Scalar = f32> {
    block: Box<dyn Block<T>>,
    entrance: Entrance,
    seed: u64,
    index: u64,
}

impl<T: Scalar> Entered<T> {
    /// `block`, number `index` of its network, behind `entrance`; masks follow from the seed, the index and the step.
    #[must_use]
    pub fn new(block: Box<dyn Block<T>>, entrance: Entrance, seed: u64, index: usize) -> Self {
        Self { block, entrance, seed, index: index as u64 }
    }

    /// The normalized rows of `x` into `y`.
    fn normalize(&self, m: usize, x: &[T], y: &mut [T]) {
        let columns = x.len() / m;
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
            match self.entrance.between {
                Between::None => y.copy_from_slice(x),
                Between::Rms => {
                    let inverse = inverse_rms(x);
                    y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * inverse);
                }
                Between::Divisive(groups) => {
                    for_each_group(columns, groups, |range| divide(&x[range.clone()], &mut y[range]));
                }
            }
        }
    }

    /// From dL/dy in `dy` to dL/dx in its place, `x` being the rows before normalization.
    fn normalize_backward(&self, m: usize, x: &[T], dy: &mut [T]) {
        let columns = x.len() / m;
        for (x, dy) in x.chunks_exact(columns).zip(dy.chunks_exact_mut(columns)) {
            match self.entrance.between {
                Between::None => {}
                Between::Rms => {
                    // y = x r, r = (mean x^2 + eps)^-1/2: dx = r (dy - x r^2 mean(dy x)).
                    let inverse = inverse_rms(x);
                    let pull = T::of(dot(x, dy) / columns as f64) * inverse * inverse;
                    dy.iter_mut().zip(x).for_each(|(dy, &x)| *dy = inverse * (*dy - x * pull));
                }
                Between::Divisive(groups) => {
                    for_each_group(columns, groups, |range| divide_backward(&x[range.clone()], &mut dy[range]));
                }
            }
        }
    }

    /// Multiplies by the mask of a step.
    fn mask(&self, draw: u64, values: &mut [T]) {
        if self.entrance.dropout == 0.0 {
            return;
        }
        // No network has 2^20 blocks, no training 2^44 steps.
        let mut stream = Stream::new(self.seed, "dropout", (draw << 20) | self.index);
        let (dropout, kept) = (self.entrance.dropout, T::of(1.0 / (1.0 - self.entrance.dropout)));
        for value in values {
            *value = if stream.uniform() < dropout { T::ZERO } else { *value * kept };
        }
    }
}

/// (mean x^2 + 1e-8)^-1/2.
fn inverse_rms<T: Scalar>(x: &[T]) -> T {
    T::of((dot(x, x) / x.len() as f64 + RMS_EPSILON).sqrt().recip())
}

/// Calls `each` with the columns of each group; where groups do not divide columns, some have one column more.
pub fn for_each_group(columns: usize, groups: usize, mut each: impl FnMut(std::ops::Range<usize>)) {
    let groups = groups.min(columns);
    (0..groups).for_each(|group| each(group * columns / groups..(group + 1) * columns / groups));
}

/// Mean of a group, and its variance + 1/n.
#[inline(always)]
fn group_moments<T: Scalar>(x: &[T]) -> (T, f64) {
    let share = T::of(1.0 / x.len() as f64);
    let mean = x.iter().fold(T::ZERO, |sum, &x| sum + x) * share;
    let squares = x.iter().fold(T::ZERO, |sum, &x| (x - mean).mul_add(x - mean, sum));
    (mean, (squares.to_f64() + 1.0) / x.len() as f64)
}

fn divide<T: Scalar>(x: &[T], y: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            let (mean, variance) = group_moments(x);
            let factor = T::of(variance.powf(-DIVISIVE_POWER));
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * factor);
        },
    );
}

/// y = u v^-p, u = x - mean, v = (sum u^2 + 1)/n: du = v^-p (dy - (2 p / (n v)) u (u . dy)), dx = du - mean(du).
fn divide_backward<T: Scalar>(x: &[T], dy: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            let (mean, variance) = group_moments(x);
            let share = T::of(1.0 / x.len() as f64);
            let factor = T::of(variance.powf(-DIVISIVE_POWER));
            let product = x.iter().zip(&*dy).fold(T::ZERO, |sum, (&x, &dy)| (x - mean).mul_add(dy, sum));
            let pull = product * T::of(2.0 * DIVISIVE_POWER / (x.len() as f64 * variance));
            dy.iter_mut().zip(x).for_each(|(dy, &x)| *dy = factor * (*dy - (x - mean) * pull));
            let mean = dy.iter().fold(T::ZERO, |sum, &dy| sum + dy) * share;
            dy.iter_mut().for_each(|dy| *dy -= mean);
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

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let draw = cache.draw();
        let ([entered], inner) = cache.with_inner([x.len()]);
        self.normalize(m, x, entered);
        self.mask(draw, entered);
        self.block.forward(m, entered, z, inner);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut entered = vec![T::ZERO; x.len()];
        self.normalize(m, x, &mut entered);
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

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        let columns = self.block.inputs();
        self.block.absorb_statistics(m, cache.with_inner([m * columns]).1);
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

impl<T: Scalar> Entered<T> {
    fn entrance_modules(&self) -> Vec<Module> {
        let mut modules = Vec::new();
        match self.entrance.between {
            Between::None => {}
            Between::Rms => modules.push(Module::new("RowRms", &[])),
            Between::Divisive(groups) => modules.push(Module::new("DivisiveNorm", &[groups])),
        }
        if self.entrance.dropout > 0.0 {
            let dropout = Module { arguments: vec![self.entrance.dropout], ..Module::new("Dropout", &[]) };
            modules.push(dropout);
        }
        modules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Dense, Norm};
    use crate::testing::agrees;

    const M: usize = 5;

    fn entered(entrance: Entrance) -> Entered<f64> {
        let mut stream = Stream::new(3, "entrance", 0);
        Entered::new(Box::new(Dense::new(6, 4, Activation::Tanh, Norm::Batch, &mut stream)), entrance, 9, 2)
    }

    fn input() -> Vec<f64> {
        let mut stream = Stream::new(4, "entrance", 1);
        (0..M * 6).map(|_| stream.normal()).collect()
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        for between in [Between::None, Between::Rms, Between::Divisive(2), Between::Divisive(4)] {
            for dropout in [0.0, 0.4] {
                let mut block = entered(Entrance { between, dropout });
                assert_eq!(agrees(&mut block, 4), Ok(()), "{between} {dropout}");
            }
        }
    }

    #[test]
    fn a_step_repeats_its_mask_and_another_has_another() {
        let block = entered(Entrance { dropout: 0.5, ..Entrance::default() });
        let outputs = |draw| {
            let (mut z, mut cache) = (vec![0.0; M * 4], Cache::default());
            cache.set_draw(draw);
            block.forward(M, &input(), &mut z, &mut cache);
            z
        };
        assert_eq!(outputs(5), outputs(5));
        assert_ne!(outputs(5), outputs(6));
    }

    #[test]
    fn dropout_keeps_the_mean_and_is_not_there_in_evaluation() {
        let block = entered(Entrance { dropout: 0.3, ..Entrance::default() });
        let mut values = vec![1.0; 100_000];
        block.mask(0, &mut values);
        let mean = values.iter().sum::<f64>() / 1e5;
        // A value's deviation is sqrt(0.3 / 0.7) = 0.65; five standard errors of the mean.
        assert!((mean - 1.0).abs() < 0.0104, "{mean}");
        let (mut with, mut without) = (vec![0.0; M * 4], vec![0.0; M * 4]);
        block.infer(M, &input(), &mut with);
        entered(Entrance::default()).infer(M, &input(), &mut without);
        assert_eq!(with, without);
    }

    #[test]
    fn the_root_mean_square_takes_a_rows_length() {
        let block = entered(Entrance { between: Between::Rms, ..Entrance::default() });
        let (x, mut y) = (input(), vec![0.0; M * 6]);
        block.normalize(M, &x, &mut y);
        for row in y.chunks(6) {
            assert!((row.iter().map(|y| y * y).sum::<f64>() / 6.0 - 1.0).abs() < 1e-7);
        }
        let doubled: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
        let mut again = vec![0.0; M * 6];
        block.normalize(M, &doubled, &mut again);
        y.iter().zip(&again).for_each(|(a, b)| assert!((a - b).abs() < 1e-7));
        block.normalize(1, &[0.0; 6], &mut again[..6]);
        assert_eq!(again[..6], [0.0; 6]);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for between in [Between::None, Between::Rms, Between::Divisive(16)] {
            assert_eq!(between.to_string().parse(), Ok(between));
        }
        assert!("divisive:0".parse::<Between>().is_err());
    }
}
