//! The dense block: linear map, batch norm, activation.
//!
//! a = x W' + b,  n = (a - mean) / sqrt(var + 1e-5) over the batch,  z = f(n).
//!
//! A batch norm takes the bias out again, so in training b is not added and its gradient is 0; it moves the running
//! mean, as in PyTorch.

mod in_parts;

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::product::product;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

use super::activation::Activation;
use super::block::{Block, BlockInParts, Cache, MapKind, Weights};
use super::layout::{Module, TensorKind, TensorSpec};
use super::norm::{self, Norm};
use super::products::Products;
use super::start::HeadStart;
use crate::optimizer::{Group, Groups, Matrix};

/// Pieces of a product that may run at once where a cache allows it; fixed, so that threads are invisible.
const PIECES: usize = 4;

/// A dense block.
#[derive(Clone, Debug)]
pub struct Dense<T = f32> {
    inputs: usize,
    outputs: usize,
    activation: Activation,
    norm: Norm,
    /// Sizes of the input, if it is a map.
    map: Option<Shape>,
    /// Whether b is learned; else it is 0.
    biased: bool,
    /// What it is to optimizers, if that is an output layer or a classifier beside a block.
    layer: Option<Group>,
    /// W (outputs x inputs, row-major), b, then scale and shift if there are any.
    parameters: Vec<T>,
    /// Running mean, then running variance; empty without batch norm.
    statistics: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    /// A block with weights and biases uniform in +-1/sqrt(inputs), PyTorch's default for a linear layer.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, activation: Activation, norm: Norm, stream: &mut Stream) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut parameters: Vec<T> =
            (0..outputs * (inputs + 1)).map(|_| T::of(stream.between(-bound, bound))).collect();
        parameters.extend(norm.parameters::<T>(outputs));
        Self {
            inputs,
            outputs,
            activation,
            norm,
            map: None,
            biased: true,
            layer: None,
            parameters,
            statistics: norm.statistics(outputs),
        }
    }

    /// This block after a convolution: its inputs are a map, which PyTorch flattens channel by channel.
    #[must_use]
    pub fn after(mut self, map: Shape) -> Self {
        debug_assert_eq!(map.columns(), self.inputs, "a block takes the whole map");
        self.map = Some(map);
        self
    }

    /// This block with a bias of 0 that is not learned.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.biased = false;
        self.parameters[self.outputs * self.inputs..][..self.outputs].fill(T::ZERO);
        self
    }

    /// This block as an output layer, which optimizers treat by itself.
    #[must_use]
    pub fn as_head(mut self) -> Self {
        self.layer = Some(Group::Head);
        self
    }

    /// This block as a classifier beside another, which optimizers treat by itself.
    #[must_use]
    pub fn as_classifier(mut self) -> Self {
        self.layer = Some(Group::Classifier);
        self
    }

    /// This block with first weights of another kind; those that are there stay where they are uniform ones.
    #[must_use]
    pub fn starting(mut self, start: HeadStart, stream: &mut Stream) -> Self {
        start.draw((self.outputs, self.inputs), &mut self.parameters, stream);
        self
    }

    fn weight(&self) -> MatRef<'_, T> {
        MatRef::from_row_major_slice(&self.parameters[..self.outputs * self.inputs], self.outputs, self.inputs)
    }

    fn bias(&self) -> &[T] {
        &self.parameters[self.outputs * self.inputs..][..self.outputs]
    }

    /// Scale and shift; empty if there are none.
    fn affine(&self) -> &[T] {
        &self.parameters[self.outputs * (self.inputs + 1)..]
    }

    /// a = x W' into `a`.
    fn linear(&self, m: usize, x: &[T], a: &mut [T]) {
        let a = MatMut::from_row_major_slice_mut(a, m, self.outputs);
        let x = MatRef::from_row_major_slice(x, m, self.inputs);
        product(a, Accum::Replace, x, self.weight().transpose(), T::ONE);
    }

    /// [`Dense::linear`], by pieces of the batch on all threads if the cache says so.
    fn linear_on(&self, m: usize, shared: bool, x: &[T], a: &mut [T]) {
        if !shared {
            return self.linear(m, x, a);
        }
        let rows = m.div_ceil(PIECES);
        x.par_chunks(rows * self.inputs)
            .zip(a.par_chunks_mut(rows * self.outputs))
            .for_each(|(x, a)| self.linear(x.len() / self.inputs, x, a));
    }

    /// dL/dW = da' x, and dL/dx = da W where it is asked for.
    fn products(&self, shared: bool, x: &[T], da: &[T], weight: &mut [T], dx: Option<&mut [T]>) {
        let (m, d, p) = (da.len() / self.outputs, self.outputs, self.inputs);
        let (rows, units) = if shared { (m.div_ceil(PIECES), d.div_ceil(PIECES)) } else { (m, d) };
        let (all, x) = (MatRef::from_row_major_slice(da, m, d), MatRef::from_row_major_slice(x, m, p));
        let weights = |(piece, weight): (usize, &mut [T])| {
            let len = weight.len() / p;
            let weight = MatMut::from_row_major_slice_mut(weight, len, p);
            let da = all.subcols(piece * units, len);
            product(weight, Accum::Replace, da.transpose(), x, T::ONE);
        };
        let inputs = |(da, dx): (&[T], &mut [T])| {
            let m = da.len() / d;
            let (da, dx) = (MatRef::from_row_major_slice(da, m, d), MatMut::from_row_major_slice_mut(dx, m, p));
            product(dx, Accum::Replace, da, self.weight(), T::ONE);
        };
        if shared {
            weight.par_chunks_mut(units * p).enumerate().for_each(weights);
        } else {
            weights((0, weight));
        }
        match dx {
            Some(dx) if shared => da.par_chunks(rows * d).zip(dx.par_chunks_mut(rows * p)).for_each(inputs),
            Some(dx) => inputs((da, dx)),
            None => {}
        }
    }

    /// From a (m x outputs, in `n`) and the batch's statistics, if there is a norm, to normalized values and activations, row
    /// by row.
    fn activate(&self, n: &mut [T], (mean, inverse): (&[T], &[T]), y: &mut [T], z: &mut [T]) {
        match self.norm {
            Norm::None => {
                norm::add_bias(n, self.bias());
                self.activation.apply(n, z);
            }
            Norm::Batch => self.activation.normalize_and_apply(n, mean, inverse, z),
            Norm::BatchAffine | Norm::BatchBias => {
                vectorize(
                    #[inline(always)]
                    || {
                        norm::normalize_in_place(n, mean, inverse);
                        norm::scale(n, self.affine(), self.outputs, y);
                    },
                );
                self.activation.apply(y, z);
            }
        }
    }

    /// From dL/dz to what flows back through the activation, in its place, which is added to sums by channel: of it, and of
    /// it times the normalized values. Without a norm the first are the gradient of the biases.
    fn chain(&self, n: &[T], y: &[T], z: &[T], dz: &mut [T], (sum, product): (&mut [T], &mut [T])) {
        match self.norm {
            Norm::None => {
                self.activation.chain(n, z, dz);
                for row in dz.chunks_exact(self.outputs).filter(|_| self.biased) {
                    for (sum, &value) in sum.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            }
            Norm::Batch => self.activation.chain_and_sum(n, z, dz, sum, product),
            Norm::BatchAffine | Norm::BatchBias => {
                self.activation.chain(y, z, dz);
                vectorize(
                    #[inline(always)]
                    || norm::add_sums(n, dz, sum, product),
                );
            }
        }
    }

    /// From these sums over all `m` rows to the gradients of biases, scale and shift, and to what [`pull`](Self::pull) takes.
    fn close(&self, m: usize, (sum, product): (&mut [T], &mut [T]), inverse: &mut [T], gradients: &mut [T]) {
        let (bias, affine) = gradients.split_at_mut(self.outputs);
        if self.norm == Norm::None {
            bias.copy_from_slice(sum);
        } else {
            bias.fill(T::ZERO);
            norm::close_sums(m, sum, product, inverse, self.affine(), affine);
        }
    }

    /// From what flows back through the activation to dL/da, in its place, row by row.
    fn pull(&self, n: &[T], inverse: &[T], (sum, product): (&[T], &[T]), da: &mut [T]) {
        if self.norm != Norm::None {
            vectorize(
                #[inline(always)]
                || norm::backward(n, inverse, sum, product, da),
            );
        }
    }

    /// Kept from forward to gradient: n (m x outputs), batch mean, batch variance, 1/sqrt(var + eps), two sums, and
    /// scale n + shift.
    fn split<'c>(&self, m: usize, cache: &'c mut Cache<T>) -> [&'c mut [T]; 7] {
        let d = self.outputs;
        cache.buffers([m * d, d, d, d, d, d, if self.affine().is_empty() { 0 } else { m * d }])
    }
}

impl<T: Scalar> Block<T> for Dense<T> {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn weights(&self) -> Option<Weights<T>> {
        let parameters = self.parameters[..self.outputs * (self.inputs + 1)].to_vec();
        let block =
            Self { activation: Activation::Identity, norm: Norm::None, parameters, statistics: Vec::new(), ..*self };
        Some(Weights {
            kind: MapKind::Dense,
            place: 0..self.outputs * self.inputs,
            units: self.outputs,
            fan_in: self.inputs,
            exchangeable: true,
            by_unit: true,
            activation: self.map.is_none().then_some(self.activation),
            map: Some(Box::new(block.without_bias())),
        })
    }

    fn products(&self) -> Option<Products> {
        Some(Products::all(self.inputs * self.outputs))
    }

    fn groups(&self) -> Groups {
        if let Some(layer) = self.layer {
            return Groups::default().then(self.parameters.len(), layer);
        }
        let (units, fan_in, normalized) = (self.outputs, self.inputs, self.norm != Norm::None);
        let matrix = Matrix { units, fan_in, by_unit: true, normalized };
        norm::groups(matrix, self.affine().len())
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let shared = cache.is_shared();
        let [n, mean, variance, inverse, _, _, y] = self.split(m, cache);
        self.linear_on(m, shared, x, n);
        if self.norm != Norm::None {
            norm::moments(n, mean, variance);
            norm::finish(m, variance, inverse);
        }
        self.activate(n, (mean, inverse), y, z);
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut a = vec![T::ZERO; m * self.outputs];
        self.linear(m, x, &mut a);
        norm::infer(&mut a, self.bias(), &self.statistics, self.affine());
        self.activation.apply(&a, z);
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
        let (d, shared) = (self.outputs, cache.is_shared());
        let [n, _, _, inverse, sum, product, y] = self.split(m, cache);
        let (weight, rest) = parameters.split_at_mut(d * self.inputs);
        sum.fill(T::ZERO);
        product.fill(T::ZERO);
        self.chain(n, y, z, dz, (sum, product));
        self.close(m, (sum, product), inverse, rest);
        self.pull(n, inverse, (sum, product), dz);
        self.products(shared, x, dz, weight, dx);
    }

    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        Some(self)
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        if self.norm == Norm::None {
            return;
        }
        let share = cache.share();
        // Of the rows nothing is asked, of which this process may have had a part.
        let [_, mean, variance, ..] = self.split(0, cache);
        let bias = &self.parameters[self.outputs * self.inputs..][..self.outputs];
        norm::absorb(m, share, mean, variance, bias, &mut self.statistics);
    }

    fn parameters(&self) -> &[T] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    fn statistics(&self) -> Vec<&[T]> {
        vec![&self.statistics]
    }

    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        vec![&mut self.statistics]
    }

    fn layout(&self) -> Vec<TensorSpec> {
        let linear = usize::from(self.map.is_some());
        let mut weight = TensorSpec::contiguous(linear, "weight", &[self.outputs, self.inputs], TensorKind::Parameter);
        if let Some(map) = self.map {
            weight.axes = vec![
                (self.outputs, self.inputs),
                (map.channels, 1),
                (map.height, map.width * map.channels),
                (map.width, map.channels),
            ];
        }
        let mut layout = vec![weight, TensorSpec::contiguous(linear, "bias", &[self.outputs], TensorKind::Parameter)];
        layout.extend(self.norm.layout(linear + 1, "", self.outputs));
        layout
    }

    fn modules(&self) -> Vec<Module> {
        let mut modules = Vec::new();
        if self.map.is_some() {
            modules.push(Module::new("Flatten", &[]));
        }
        modules.push(Module::new("Linear", &[self.inputs, self.outputs]));
        modules.extend(self.norm.module("BatchNorm1d", self.outputs));
        modules.extend(self.activation.module());
        modules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::agrees;

    #[test]
    fn gradients_agree_with_central_differences() {
        use Activation::{Elu, Gelu, Relu, Sigmoid, Silu, Tanh};
        for activation in [Relu, Tanh, Elu, Sigmoid, Gelu, Silu] {
            for norm in [Norm::Batch, Norm::BatchAffine, Norm::BatchBias, Norm::None] {
                let mut stream = Stream::new(11, "dense", 0);
                let mut block = Dense::<f64>::new(5, 4, activation, norm, &mut stream);
                for value in &mut block.parameters[4 * 6..] {
                    *value += 0.3 * stream.normal();
                }
                assert_eq!(agrees(&mut block, 11), Ok(()), "{activation:?} {norm:?}");
            }
        }
    }

    #[test]
    fn evaluation_with_the_batch_statistics_is_the_training_pass() {
        let (m, p, d) = (9, 4, 3);
        let mut stream = Stream::new(2, "dense", 1);
        let mut block = Dense::<f64>::new(p, d, Activation::Tanh, Norm::BatchAffine, &mut stream);
        let x: Vec<f64> = (0..m * p).map(|_| stream.normal()).collect();
        let (mut trained, mut cache) = (vec![0.0; m * d], Cache::default());
        block.forward(m, &x, &mut trained, &mut cache);
        // 300 steps with momentum 0.1 leave 0.9^300 = 2e-14 of the start; the variance kept is the unbiased one.
        for _ in 0..300 {
            block.absorb_statistics(m, &mut cache);
        }
        for variance in &mut block.statistics[d..] {
            *variance *= (m as f64 - 1.0) / m as f64;
        }
        let mut inferred = vec![0.0; m * d];
        block.infer(m, &x, &mut inferred);
        for (a, b) in trained.iter().zip(&inferred) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }
}
