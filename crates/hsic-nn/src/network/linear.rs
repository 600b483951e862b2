//! The linear map inside a block, for rules that work on it alone.

use hsic::Scalar;
use hsic::scalar::vectorize;

use super::block::{Block, Weights};

/// The linear map of a block, as a block of its own: without bias, norm, activation and pooling.
pub struct Linear<T: Scalar = f32> {
    /// Gives u = W x: a row of `units` values, or one at each pixel of a map. Its parameters are those that the block it was
    /// taken from has first: W, then biases, which are 0.
    pub block: Box<dyn Block<T>>,
    /// Rows of W: units, or channels of a map.
    pub units: usize,
    /// Whether the weights of a unit lie side by side; else those of an input do.
    pub by_unit: bool,
}

impl<T: Scalar> Linear<T> {
    /// That of a block; `None` for one without exactly one that works on its input.
    #[must_use]
    pub fn of(block: &dyn Block<T>) -> Option<Self> {
        let Weights { map, units, by_unit, .. } = block.weights()?;
        map.map(|block| Self { block, units, by_unit })
    }

    /// Number of weights.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.block.parameters().len() - self.units
    }

    /// Euclidean length of each unit's weights, in memory that is used again.
    pub fn lengths<'l>(&self, lengths: &'l mut Vec<f64>) -> &'l [f64] {
        lengths.clear();
        lengths.resize(self.units, 0.0);
        self.for_each(
            #[inline(always)]
            |_, unit, w| lengths[unit] = w.to_f64().mul_add(w.to_f64(), lengths[unit]),
        );
        lengths.iter_mut().for_each(|length| *length = length.sqrt());
        lengths
    }

    /// Calls `each` with place, unit and value of every weight.
    #[inline(always)]
    pub fn for_each(&self, mut each: impl FnMut(usize, usize, T)) {
        let (units, by_unit, weights) = (self.units, self.by_unit, &self.block.parameters()[..self.weights()]);
        let side = if by_unit { weights.len() / units } else { units };
        vectorize(
            #[inline(always)]
            || {
                for (index, chunk) in weights.chunks_exact(side).enumerate() {
                    let start = index * side;
                    if by_unit {
                        chunk.iter().enumerate().for_each(|(offset, &w)| each(start + offset, index, w));
                    } else {
                        chunk.iter().enumerate().for_each(|(offset, &w)| each(start + offset, offset, w));
                    }
                }
            },
        );
    }

    /// Calls `each` with place, unit and value of every weight, to change it.
    #[inline(always)]
    pub fn for_each_mut(&mut self, mut each: impl FnMut(usize, usize, &mut T)) {
        let (units, by_unit, count) = (self.units, self.by_unit, self.weights());
        let side = if by_unit { count / units } else { units };
        let weights = &mut self.block.parameters_mut()[..count];
        vectorize(
            #[inline(always)]
            || {
                for (index, chunk) in weights.chunks_exact_mut(side).enumerate() {
                    let start = index * side;
                    if by_unit {
                        chunk.iter_mut().enumerate().for_each(|(offset, w)| each(start + offset, index, w));
                    } else {
                        chunk.iter_mut().enumerate().for_each(|(offset, w)| each(start + offset, offset, w));
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;
    use hsic_data::dataset::Shape;

    use super::*;
    use crate::network::{Activation, Cache, Conv, ConvSettings, Dense, Entered, Entrance, Norm, Residual};

    fn forward(block: &dyn Block<f64>, m: usize, x: &[f64]) -> Vec<f64> {
        let (mut z, mut cache) = (vec![0.0; m * block.outputs()], Cache::default());
        cache.set_draw(Some(3));
        block.forward(m, x, &mut z, &mut cache);
        z
    }

    #[test]
    fn a_dense_map_is_the_product_with_its_weights() {
        let mut stream = Stream::new(1, "linear", 0);
        let block = Dense::<f64>::new(3, 2, Activation::Relu, Norm::BatchAffine, &mut stream);
        let linear = Linear::of(&block).unwrap();
        assert_eq!((linear.units, linear.weights(), linear.by_unit), (2, 6, true));
        let (w, x) = (&block.parameters()[..6], [0.3, -0.2, 0.9, 1.0, 0.4, -0.6]);
        assert_eq!(linear.block.parameters()[..6], *w);
        assert_eq!(linear.block.parameters()[6..], [0.0; 2]);
        for (row, u) in x.chunks(3).zip(forward(&*linear.block, 2, &x).chunks(2)) {
            for (w, u) in w.chunks(3).zip(u) {
                let expected: f64 = w.iter().zip(row).map(|(w, x)| w * x).sum();
                assert!((u - expected).abs() < 1e-15);
            }
        }
        let mut lengths = Vec::new();
        let expected = (w[3] * w[3] + w[4] * w[4] + w[5] * w[5]).sqrt();
        assert!((linear.lengths(&mut lengths)[1] - expected).abs() < 1e-15);
    }

    #[test]
    fn a_convolutions_map_gives_every_pixel_before_pooling() {
        let mut stream = Stream::new(1, "linear", 0);
        let settings = |pool, activation, norm| ConvSettings {
            outputs: 2,
            kernel: 3,
            stride: 1,
            padding: 1,
            pool,
            activation,
            norm,
        };
        let input = Shape { channels: 3, height: 4, width: 4 };
        let block = Conv::<f64>::new(input, true, settings(2, Activation::Relu, Norm::Batch), &mut stream);
        let linear = Linear::of(&block).unwrap();
        assert_eq!((linear.units, linear.weights(), linear.by_unit), (2, 54, false));
        assert_eq!(linear.block.shape(), Shape { channels: 2, height: 4, width: 4 });
        let plain = settings(1, Activation::Identity, Norm::None);
        let mut expected = Conv::<f64>::new(input, true, plain, &mut stream).without_bias();
        expected.parameters_mut()[..54].copy_from_slice(&block.parameters()[..54]);
        let x: Vec<f64> = (0..96).map(|i| f64::from(i).sin()).collect();
        assert_eq!(forward(&*linear.block, 2, &x), forward(&expected, 2, &x));
        let mut changed = Linear::of(&block).unwrap();
        changed.for_each_mut(|_, unit, w| *w *= if unit == 1 { 2.0 } else { 1.0 });
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let (before, after) = (linear.lengths(&mut before), changed.lengths(&mut after));
        assert_eq!((after[0], after[1]), (before[0], 2.0 * before[1]));
    }

    #[test]
    fn an_entrance_stays_and_a_residual_block_has_the_map_inside() {
        let mut stream = Stream::new(1, "linear", 0);
        let dense = Dense::<f64>::new(3, 3, Activation::Tanh, Norm::None, &mut stream).without_bias();
        let plain = Linear::of(&dense).unwrap();
        let entrance = Entrance { dropout: 0.5, ..Entrance::default() };
        let map = Shape { channels: 3, height: 1, width: 1 };
        let entered = Entered::new(Box::new(dense.clone()), entrance, map, 5, 1);
        let x: Vec<f64> = (1..=12).map(f64::from).collect();
        let u = forward(&*Linear::of(&entered).unwrap().block, 4, &x);
        // tanh is all that the block does after its map.
        let z = forward(&entered, 4, &x);
        u.iter().zip(&z).for_each(|(u, z)| assert!((u.tanh() - z).abs() < 1e-15));
        assert_ne!(u, forward(&*plain.block, 4, &x));
        let residual = Residual::new(dense, Activation::Relu, Norm::Batch);
        assert_eq!(forward(&*Linear::of(&residual).unwrap().block, 4, &x), forward(&*plain.block, 4, &x));
    }
}
