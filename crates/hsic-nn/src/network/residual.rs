//! The residual block: y = f(norm(inner(x) + x)), the sum inside the block, so that it learns as one.

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

use super::activation::Activation;
use super::block::{Block, Cache, Weights};
use super::layout::{Module, TensorSpec};
use super::norm::{self, Norm};
use super::products::Products;
use crate::optimizer::Groups;

/// A residual block around a block whose input and output have equal sizes.
#[derive(Clone, Debug)]
pub struct Residual<B, T = f32> {
    inner: B,
    activation: Activation,
    norm: Norm,
    /// Running mean, then running variance, of the sum; empty without batch norm.
    statistics: Vec<T>,
}

/// Values that are worked on while they are in near memory: whole pixels of `d` channels.
fn chunk_values(d: usize) -> usize {
    const NEAR: usize = 1 << 13;
    (NEAR / d).max(1) * d
}

impl<T: Scalar, B: Block<T>> Residual<B, T> {
    /// Around `inner`. The norm after the sum has no learned scale and shift: the block's parameters are `inner`'s.
    ///
    /// # Panics
    /// If the outputs of `inner` are not of the number of its inputs.
    #[must_use]
    pub fn new(inner: B, activation: Activation, norm: Norm) -> Self {
        assert_eq!(inner.inputs(), inner.outputs(), "a residual block adds its input to its output");
        let norm = if norm == Norm::None { Norm::None } else { Norm::Batch };
        let statistics = norm.statistics(inner.shape().channels);
        Self { inner, activation, norm, statistics }
    }

    /// u, n, du, mean, variance, 1/sqrt(var + eps), two sums, parts; and the inner block's cache.
    /// `du` is empty where dL/dx is not asked for.
    fn split<'c>(&self, m: usize, with_dx: bool, cache: &'c mut Cache<T>) -> ([&'c mut [T]; 9], &'c mut Cache<T>) {
        let (len, d) = (m * self.inner.outputs(), self.inner.shape().channels);
        cache.with_inner([len, len, if with_dx { len } else { 0 }, d, d, d, d, d, 4 * d * norm::PARTS])
    }
}

impl<T: Scalar, B: Block<T>> Block<T> for Residual<B, T> {
    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    /// That of the inner block, whose parameters are all that the block has.
    fn weights(&self) -> Option<Weights<T>> {
        // The way around the map stands between it and the nonlinearity.
        self.inner.weights().map(|weights| Weights { activation: None, ..weights })
    }

    fn products(&self) -> Option<Products> {
        self.inner.products()
    }

    fn groups(&self) -> Groups {
        // A norm after the sum does not hide the size of the map inside.
        self.inner.groups()
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        let ([u, n, _, mean, variance, inverse, _, _, parts], inner) = self.split(m, false, cache);
        self.inner.forward(m, x, u, inner);
        let d = mean.len();
        let (size, chunk) = (norm::part_rows(n.len() / d) * d, chunk_values(d));
        let sums = n.par_chunks_mut(size).zip(u.par_chunks(size)).zip(x.par_chunks(size));
        if self.norm == Norm::None {
            sums.for_each(|((n, u), x)| add(u, x, n));
        } else {
            sums.zip(parts.par_chunks_mut(4 * d)).for_each(|(((n, u), x), part)| {
                let (total, more) = part.split_at_mut(2 * d);
                let ((mean, squares), (mean_more, squares_more)) = (total.split_at_mut(d), more.split_at_mut(d));
                let mut done = 0;
                for ((n, u), x) in n.chunks_mut(chunk).zip(u.chunks(chunk)).zip(x.chunks(chunk)) {
                    add(u, x, n);
                    if done == 0 {
                        norm::moments(n, mean, squares);
                    } else {
                        norm::moments(n, mean_more, squares_more);
                        norm::join((mean, squares, done), (mean_more, squares_more, n.len() / d));
                    }
                    done += n.len() / d;
                }
            });
            norm::join_parts(parts.chunks(4 * d), size / d, n.len() / d, mean, variance);
            norm::finish(n.len() / d, variance, inverse);
        }
        let (mean, inverse) = (&*mean, &*inverse);
        n.par_chunks_mut(size).zip(z.par_chunks_mut(size)).for_each(|(n, z)| {
            for (n, z) in n.chunks_mut(chunk).zip(z.chunks_mut(chunk)) {
                match self.norm {
                    Norm::None => self.activation.apply(n, z),
                    _ => self.activation.normalize_and_apply(n, mean, inverse, z),
                }
            }
        });
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let mut u = vec![T::ZERO; x.len()];
        self.inner.infer(m, x, &mut u);
        let mut a = vec![T::ZERO; x.len()];
        add(&u, x, &mut a);
        if self.norm != Norm::None {
            norm::infer(&mut a, &vec![T::ZERO; self.statistics.len() / 2], &self.statistics, &[]);
        }
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
        let ([u, n, du, _, _, inverse, sum, product, parts], inner) = self.split(m, dx.is_some(), cache);
        let d = sum.len();
        let (size, chunk) = (norm::part_rows(n.len() / d) * d, chunk_values(d));
        let n = &*n;
        n.par_chunks(size)
            .zip(z.par_chunks(size))
            .zip(dz.par_chunks_mut(size))
            .zip(parts.par_chunks_mut(2 * d))
            .for_each(|(((n, z), dz), sums)| {
                sums.fill(T::ZERO);
                let (sum, product) = sums.split_at_mut(d);
                for ((n, z), dz) in n.chunks(chunk).zip(z.chunks(chunk)).zip(dz.chunks_mut(chunk)) {
                    self.activation.chain_and_sum(n, z, dz, sum, product);
                }
            });
        if self.norm != Norm::None {
            sum.fill(T::ZERO);
            product.fill(T::ZERO);
            for sums in parts.chunks(2 * d).take((n.len()).div_ceil(size)) {
                for (total, &part) in sum.iter_mut().chain(product.iter_mut()).zip(sums) {
                    *total += part;
                }
            }
            norm::close_sums(n.len() / d, sum, product, inverse, &[], &mut []);
            let (sum, product, inverse) = (&*sum, &*product, &*inverse);
            n.par_chunks(size).zip(dz.par_chunks_mut(size)).for_each(|(n, dz)| {
                vectorize(
                    #[inline(always)]
                    || norm::backward(n, inverse, sum, product, dz),
                );
            });
        }
        let Some(dx) = dx else {
            return self.inner.gradient(m, x, u, dz, inner, parameters, None);
        };
        // The sum passes its gradient on to both sides; the inner block uses its own copy up.
        du.par_chunks_mut(size).zip(dz.par_chunks(size)).for_each(|(du, dz)| du.copy_from_slice(dz));
        self.inner.gradient(m, x, u, du, inner, parameters, Some(&mut *dx));
        dx.par_chunks_mut(size).zip(dz.par_chunks(size)).for_each(|(dx, dz)| {
            for (dx, &dz) in dx.iter_mut().zip(dz) {
                *dx += dz;
            }
        });
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        let share = cache.share();
        let ([u, _, _, mean, variance, ..], inner) = self.split(m, false, cache);
        if self.norm != Norm::None {
            norm::absorb(u.len() / mean.len(), share, mean, variance, &[], &mut self.statistics);
        }
        self.inner.absorb_statistics(m, inner);
    }

    fn parameters(&self) -> &[T] {
        self.inner.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [T] {
        self.inner.parameters_mut()
    }

    fn statistics(&self) -> Vec<&[T]> {
        let mut statistics = self.inner.statistics();
        statistics.push(&self.statistics);
        statistics
    }

    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        let mut statistics = self.inner.statistics_mut();
        statistics.push(&mut self.statistics);
        statistics
    }

    fn layout(&self) -> Vec<TensorSpec> {
        let mut layout = self.inner.layout();
        for spec in &mut layout {
            spec.name = format!("inner.{}.{}", spec.module, spec.name);
            spec.module = 0;
        }
        layout.extend(self.norm.layout(0, "norm.", self.inner.shape().channels));
        layout
    }

    fn modules(&self) -> Vec<Module> {
        let shape = self.inner.shape();
        let class = if shape.height * shape.width > 1 { "BatchNorm2d" } else { "BatchNorm1d" };
        let inner = Module { class: "Sequential", arguments: Vec::new(), inner: self.inner.modules() };
        let mut residual = Module::new("Residual", &[]);
        residual.inner.push(inner);
        residual.inner.extend(self.norm.module(class, shape.channels));
        residual.inner.extend(self.activation.module());
        vec![residual]
    }
}

/// sum <- u + x.
fn add<T: Scalar>(u: &[T], x: &[T], sum: &mut [T]) {
    vectorize(
        #[inline(always)]
        || {
            for ((sum, &u), &x) in sum.iter_mut().zip(u).zip(x) {
                *sum = u + x;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;
    use crate::network::conv::{Conv, ConvSettings};
    use crate::network::dense::Dense;
    use crate::testing::agrees;

    #[test]
    fn dense_gradients_agree_with_central_differences() {
        for norm in [Norm::Batch, Norm::None] {
            let inner = Dense::<f64>::new(5, 5, Activation::Tanh, norm, &mut Stream::new(1, "residual", 1));
            assert_eq!(agrees(&mut Residual::new(inner, Activation::Elu, norm), 4), Ok(()), "{norm:?}");
        }
    }

    #[test]
    fn convolutional_gradients_agree_with_central_differences() {
        let settings = ConvSettings {
            outputs: 3,
            kernel: 5,
            stride: 1,
            padding: 2,
            pool: 1,
            activation: Activation::Tanh,
            norm: Norm::Batch,
        };
        let input = Shape { channels: 3, height: 4, width: 5 };
        let inner = Conv::<f64>::new(input, false, settings, &mut Stream::new(1, "residual", 2));
        assert_eq!(agrees(&mut Residual::new(inner, Activation::Sigmoid, Norm::Batch), 4), Ok(()));
    }
}
