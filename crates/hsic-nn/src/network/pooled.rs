//! A block behind max pooling: what the block before is trained for sees its map as it is, before any pooling.

use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::dataset::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockInParts, Cache, Weights, in_parts};
use super::conv::lines::{pool, unpool};
use super::layout::{Module, TensorSpec};
use super::products::Products;
use crate::optimizer::Groups;

/// Where the max pooling of a convolution happens. Networks that pool at the end of a block and on the way into the next give
/// the same outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum PoolAt {
    /// At the end of its block: the block is trained for what it gives to the next.
    #[default]
    Block,
    /// On the way into the next block: the block is trained for its map before pooling. The last block, which nothing
    /// follows, pools at its end.
    Entrance,
    /// Right behind the convolution, before norm and nonlinearity: these have less to do.
    Map,
}

/// A block behind max pooling of its input.
pub struct Pooled<T: Scalar = f32> {
    block: Box<dyn Block<T>>,
    /// Sizes of what comes in, channels last.
    map: Shape,
    side: usize,
}

impl<T: Scalar> Pooled<T> {
    /// `block`, which takes maps of sizes `map` after pooling by windows of so many lines and pixels.
    ///
    /// # Panics
    /// If the block does not take the pooled map.
    #[must_use]
    pub fn new(block: Box<dyn Block<T>>, map: Shape, side: usize) -> Self {
        assert_eq!(block.inputs(), pooled(map, side).columns(), "a block takes the whole map");
        Self { block, map, side }
    }

    fn row(&self) -> usize {
        self.map.width * self.map.channels
    }

    fn pooled_row(&self) -> usize {
        self.map.width / self.side * self.map.channels
    }

    fn pool(&self, x: &[T], y: &mut [T]) {
        let images = x.par_chunks_exact(self.map.columns()).zip(y.par_chunks_exact_mut(self.block.inputs()));
        images.for_each(|(x, y)| {
            for (x, y) in x.chunks_exact(self.side * self.row()).zip(y.chunks_exact_mut(self.pooled_row())) {
                pool(x, self.side, self.row(), self.map.channels, y);
            }
        });
    }

    /// From dL/dy of the pooled maps `y` to dL/dx: to the first of the largest values of each window.
    fn unpool(&self, x: &[T], y: &[T], dy: &[T], dx: &mut [T]) {
        let (columns, inputs) = (self.map.columns(), self.block.inputs());
        let pooled = y.par_chunks_exact(inputs).zip(dy.par_chunks_exact(inputs));
        x.par_chunks_exact(columns).zip(dx.par_chunks_exact_mut(columns)).zip(pooled).for_each(|((x, dx), (y, dy))| {
            // Lines that no window reaches.
            dx[self.map.height / self.side * self.side * self.row()..].fill(T::ZERO);
            let groups = x.chunks_exact(self.side * self.row()).zip(dx.chunks_exact_mut(self.side * self.row()));
            let windows = y.chunks_exact(self.pooled_row()).zip(dy.chunks_exact(self.pooled_row()));
            for ((x, dx), (y, dy)) in groups.zip(windows) {
                unpool(x, y, dy, self.side, self.row(), self.map.channels, dx);
            }
        });
    }
}

/// Sizes of a map after pooling.
pub(super) fn pooled(map: Shape, side: usize) -> Shape {
    Shape { height: map.height / side, width: map.width / side, ..map }
}

impl<T: Scalar> Block<T> for Pooled<T> {
    fn inputs(&self) -> usize {
        self.map.columns()
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

    fn products(&self) -> Option<Products> {
        self.block.products()
    }

    fn groups(&self) -> Groups {
        self.block.groups()
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let ([y, _], inner) = cache.with_inner([m * self.block.inputs(), 0]);
        self.pool(x, y);
        self.block.forward(m, y, z, inner);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut y = vec![T::ZERO; m * self.block.inputs()];
        self.pool(x, &mut y);
        self.block.infer(m, &y, z);
    }

    fn gradient(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    ) {
        let len = m * self.block.inputs();
        let ([y, dy], inner) = cache.with_inner([len, if dx.is_some() { len } else { 0 }]);
        match dx {
            None => self.block.gradient(m, y, z, dz, inner, parameters, None),
            Some(dx) => {
                self.block.gradient(m, y, z, dz, inner, parameters, Some(&mut *dy));
                self.unpool(x, y, dy, dx);
            }
        }
    }

    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        self.block.in_parts().is_some().then_some(self)
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
        let behind = |spec: TensorSpec| TensorSpec { module: spec.module + 1, ..spec };
        self.block.layout().into_iter().map(behind).collect()
    }

    fn modules(&self) -> Vec<Module> {
        let mut modules = vec![Module::new("MaxPool2d", &[self.side])];
        modules.extend(self.block.modules());
        modules
    }
}

impl<T: Scalar> BlockInParts<T> for Pooled<T> {
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>) {
        let len = x.len() / self.inputs() * self.block.inputs();
        let ([y, _], inner) = cache.with_inner([len, 0]);
        self.pool(x, y);
        in_parts(&*self.block).forward_in_parts(m, y, z, inner, parts);
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
        let len = x.len() / self.inputs() * self.block.inputs();
        let ([y, _], inner) = cache.with_inner([len, 0]);
        in_parts(&*self.block).gradient_in_parts(m, y, z, dz, inner, parameters, parts);
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;
    use crate::network::{Activation, BlockSpec, Conv, ConvSettings, Dense, Design, Linear, Network, Norm};
    use crate::testing::agrees;

    #[test]
    fn gradients_agree_with_central_differences() {
        // One of five lines and one of seven pixels are over.
        let map = Shape { channels: 3, height: 5, width: 7 };
        let small = Shape { channels: 3, height: 2, width: 3 };
        let mut stream = Stream::new(1, "pooled", 0);
        let dense = Dense::<f64>::new(18, 4, Activation::Tanh, Norm::Batch, &mut stream).after(small);
        assert_eq!(agrees(&mut Pooled::new(Box::new(dense), map, 2), 3), Ok(()));
        let settings = ConvSettings {
            outputs: 2,
            kernel: 3,
            stride: 1,
            padding: 1,
            pool: 1,
            activation: Activation::Tanh,
            norm: Norm::BatchAffine,
        };
        let conv = Conv::<f64>::new(small, false, settings, &mut stream);
        let mut pooled = Pooled::new(Box::new(conv), map, 2);
        assert_eq!(agrees(&mut pooled, 3), Ok(()));
        assert_eq!(Linear::of(&pooled).map(|linear| linear.block.inputs()), Some(105));
    }

    #[test]
    fn where_a_network_pools_does_not_show_in_what_it_gives() {
        let input = Shape { channels: 2, height: 9, width: 8 };
        let specs = [BlockSpec::conv(4, 3, 1, 1, 2), BlockSpec::conv(5, 3, 1, 1, 2), BlockSpec::dense(3)];
        let network = |pool_at| {
            let design = Design { pool_at, ..Design::new(Activation::Relu, Norm::Batch) };
            Network::<f32>::designed(design, input, &specs, 7).unwrap()
        };
        let (own, later) = (network(PoolAt::Block), network(PoolAt::Entrance));
        let x: Vec<f32> = (0..20 * 144).map(|i| (i as f32 * 0.37).sin()).collect();
        assert_eq!(own.infer(20, &x), later.infer(20, &x));
        assert_eq!(own.batch_outputs(20, &x), later.batch_outputs(20, &x));
        // Nor in the names of its tensors and modules.
        assert_eq!(own.tensors(), later.tensors());
        assert_eq!(own.modules(), later.modules());
        let sides = |network: &Network| network.blocks().iter().map(|block| block.shape().height).collect::<Vec<_>>();
        assert_eq!((sides(&own), sides(&later)), (vec![4, 2, 1], vec![9, 4, 1]));
    }

    #[test]
    fn what_blocks_are_is_the_same_behind_a_pooling() {
        let input = Shape { channels: 2, height: 9, width: 8 };
        let primary = BlockSpec::PrimaryCapsules { outputs: 2, dimensions: 4, kernel: 3, stride: 1, padding: 0 };
        let capsules = BlockSpec::Capsules { outputs: 3, dimensions: 5, rounds: 2, bias: false };
        let specs = [BlockSpec::conv(4, 3, 1, 1, 2), primary, capsules];
        let told = |pool_at| {
            let design = Design { pool_at, ..Design::new(Activation::Relu, Norm::Batch) };
            let network = Network::<f32>::designed(design, input, &specs, 7).unwrap();
            let of = |block: &dyn Block<f32>| (block.capsule(), block.products(), block.weights().is_some());
            network.blocks().iter().map(|block| of(&**block)).collect::<Vec<_>>()
        };
        let values: Vec<_> = told(PoolAt::Block).iter().map(|(capsule, ..)| *capsule).collect();
        assert_eq!(values, [None, Some(4), Some(5)]);
        assert_eq!(told(PoolAt::Block), told(PoolAt::Entrance));
    }

    #[test]
    fn a_window_that_does_not_fit_is_named_wherever_it_is() {
        let input = Shape { channels: 1, height: 4, width: 4 };
        let specs = [BlockSpec::conv(2, 3, 1, 0, 3), BlockSpec::dense(3)];
        for pool_at in [PoolAt::Block, PoolAt::Entrance] {
            let design = Design { pool_at, ..Design::new(Activation::Relu, Norm::Batch) };
            let built = Network::<f32>::designed(design, input, &specs, 7);
            assert_eq!(built.err().unwrap().to_string(), "block 0: pool = 3: expected 1 to 2, the side of the map");
        }
    }
}
