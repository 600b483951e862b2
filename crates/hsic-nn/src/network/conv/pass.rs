//! The passes of a convolutional block: forward, evaluation, gradient.

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::parts::{AllHere, Parts, part_rows};
use hsic::product::product;
use hsic::scalar::vectorize;
use hsic_data::dataset::Shape;
use rayon::prelude::*;

use super::buffers::Buffers;
use super::lines::{Normalizer, pool, sums_of_activations};
use super::map::Conv;
use crate::network::activation::Activation;
use crate::network::block::{Block, BlockInParts, Cache, MapKind, Weights};
use crate::network::convolution::Geometry;
use crate::network::layout::{Module, TensorKind, TensorSpec};
use crate::network::norm::{self, Norm};
use crate::network::products::Products;
use crate::optimizer::{Groups, Matrix};

impl<T: Scalar> Conv<T> {
    /// dL/dx of a chunk from the spread dL/da: what each pixel sends to all of its window, added up.
    fn input_gradient_by_windows(&self, spread: &[T], scratch: &mut [T], dx: &mut [T]) {
        let g = &self.geometry;
        let (pixels, lanes) = (g.out_height() * g.out_width(), g.lanes::<T>());
        let (windows, padded) = scratch.split_at_mut(pixels * g.depth());
        let weight = MatRef::from_row_major_slice(self.weight(), g.depth(), g.outputs);
        let line = (g.width + 2 * g.padding) * g.channels;
        for (spread, dx) in spread.chunks_exact(pixels * lanes).zip(dx.chunks_exact_mut(self.inputs())) {
            let spread = MatRef::from_row_major_slice(spread, pixels, lanes).subcols(0, g.outputs);
            let to = MatMut::from_row_major_slice_mut(windows, pixels, g.depth());
            product(to, Accum::Replace, spread, weight.transpose(), T::ONE);
            padded.fill(T::ZERO);
            for (index, window) in windows.chunks_exact(g.depth()).enumerate() {
                let (y, x) = (index / g.out_width() * g.stride, index % g.out_width() * g.stride);
                for (i, from) in window.chunks_exact(g.kernel * g.channels).enumerate() {
                    let to = &mut padded[(y + i) * line + x * g.channels..][..from.len()];
                    to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
                }
            }
            g.unpad(padded, dx);
        }
    }

    /// dL/dx of a chunk from the spread dL/da.
    fn input_gradient(&self, spread: &[T], packed: &[T], scratch: &mut [T], dx: &mut [T]) {
        if self.by_windows() {
            return self.input_gradient_by_windows(spread, scratch, dx);
        }
        let g = &self.geometry;
        let (t, lanes, o) = (g.transposed(), g.lanes::<T>(), g.outputs);
        // What is not written below stays 0.
        scratch.fill(T::ZERO);
        let (apart, rest) = scratch.split_at_mut(t.height * t.width * t.channels);
        let (bordered, rest) = rest.split_at_mut(t.padded());
        let (whole, padded) = rest.split_at_mut(t.out_len());
        let line = (g.width + 2 * g.padding) * g.channels;
        for (spread, dx) in spread.chunks_exact(self.spread_len()).zip(dx.chunks_exact_mut(self.inputs())) {
            for (index, pixel) in spread.chunks_exact(lanes).enumerate() {
                let (y, x) = (index / g.out_width() * g.stride, index % g.out_width() * g.stride);
                apart[(y * t.width + x) * o..][..o].copy_from_slice(&pixel[..o]);
            }
            t.pad(apart, false, bordered);
            t.forward(1, bordered, packed, whole);
            for (y, from) in whole.chunks_exact(t.out_width() * t.outputs).enumerate() {
                padded[y * line..][..from.len()].copy_from_slice(from);
            }
            g.unpad(padded, dx);
        }
    }

    /// The gradient of all parts; dL/dx of those that are here.
    #[allow(clippy::too_many_arguments, reason = "those of the block's own methods")]
    fn gradient_of_parts(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
        parts: &mut dyn Parts<T>,
    ) {
        let (g, d, images, own) = (&self.geometry, self.geometry.outputs, part_rows(m, parts.count()), parts.own());
        let (here, counts) = (x.len() / self.inputs(), (own.len(), parts.count()));
        let Buffers {
            a,
            mean,
            inverse,
            factor,
            sums: totals,
            parts: each,
            scratch,
            partial,
            reversed,
            reversed_packed,
            input_scratch,
            ..
        } = self.buffers(here, counts, dx.is_some(), cache);
        // Parts without images are not worked on.
        let worked = here.div_ceil(images);
        let each = &mut each[..own.len() * 2 * d];
        each[worked * 2 * d..].fill(T::ZERO);
        partial[worked * self.weight_count()..].fill(T::ZERO);
        let (a, dz): (&[T], &[T]) = (a, dz);
        let (weight, rest) = parameters.split_at_mut(self.weight_count());
        let (bias, affine) = rest.split_at_mut(d);

        let with = Normalizer { mean, inverse, bias: self.bias(), affine: self.affine() };
        a.par_chunks(images * (self.taken() + self.raw()))
            .zip(z.par_chunks(images * self.outputs()).zip(dz.par_chunks(images * self.outputs())))
            .zip(scratch.par_chunks_mut(self.scratch_len()))
            .zip(each.par_chunks_mut(2 * d))
            .for_each(|(((a, (z, dz)), scratch), sums)| {
                sums.fill(T::ZERO);
                let (a, _) = self.kept(z.len() / self.outputs(), a);
                let (sum, product) = sums.split_at_mut(d);
                if let (Norm::Batch, Some(slope)) = (self.norm, self.activation.negative_slope()) {
                    return sums_of_activations(z, dz, T::of(slope), sum, product);
                }
                let mut lines = self.cut(scratch).2;
                self.groups(z, dz, |start, end, (z, dz)| {
                    if dz.is_empty() {
                        return;
                    }
                    self.chain(&a[start..end], with, (z, dz), &mut lines);
                    let (n, g) = (&lines.n[..end - start], &lines.g[..end - start]);
                    vectorize(
                        #[inline(always)]
                        || norm::add_sums(n, g, sum, product),
                    );
                });
            });
        parts.sum(each, totals);
        let (sum, product) = totals.split_at_mut(d);
        let plain = self.norm == Norm::None;
        // `factor` is 1/sqrt(var + eps) times the learned scale; the lines still need the former alone.
        factor.copy_from_slice(inverse);
        bias.fill(T::ZERO);
        if plain && self.biased {
            bias.copy_from_slice(sum);
        }
        if !plain {
            norm::close_sums(m * self.taken() / d, sum, product, factor, self.affine(), affine);
        }

        if dx.is_some() && !self.by_windows() {
            g.transpose_weights(self.weight(), reversed);
            g.transposed().pack(reversed, reversed_packed);
        }
        let packed: &[T] = reversed_packed;
        let with = Normalizer { mean, inverse, bias: self.bias(), affine: self.affine() };
        let (sum, product, factor) = (&*sum, &*product, &*factor);
        let lanes = g.lanes::<T>();
        type Part<'p, T> = ((((&'p [T], &'p [T]), (&'p [T], &'p [T])), &'p mut [T]), &'p mut [T]);
        let part = |((((a, x), (z, dz)), scratch), partial): Part<'_, T>, mut dx: Option<(&mut [T], &mut [T])>| {
            let (padded, spread, mut lines) = self.cut(scratch);
            partial.fill(T::ZERO);
            let chunk = self.chunk_images();
            let (a, raw) = self.kept(x.len() / self.inputs(), a);
            let chunks = a.chunks(chunk * self.taken()).zip(x.chunks(chunk * self.inputs()));
            let gradients = z.chunks(chunk * self.outputs()).zip(dz.chunks(chunk * self.outputs()));
            for (index, ((a, x), (z, dz))) in chunks.zip(gradients).enumerate() {
                if self.pools_first {
                    // Lines that no window reaches.
                    let used = g.out_height() / self.pool * self.pool * g.out_width() * lanes;
                    spread[..x.len() / self.inputs() * self.spread_len()]
                        .chunks_exact_mut(self.spread_len())
                        .for_each(|image| image[used..].fill(T::ZERO));
                }
                let raw = &raw[index * chunk * self.raw()..];
                self.groups(z, dz, |start, end, (z, dz)| {
                    if self.pools_first {
                        self.chain(&a[start..end], with, (z, dz), &mut lines);
                        if !plain {
                            let (n, g) = (&lines.n[..end - start], &mut lines.g[..end - start]);
                            vectorize(
                                #[inline(always)]
                                || norm::backward(n, factor, sum, product, g),
                            );
                        }
                        let (start, end) = self.unpool_first(raw, a, start, &mut lines);
                        let to = &mut spread[start / d * lanes..end / d * lanes];
                        for (to, from) in to.chunks_exact_mut(lanes).zip(lines.t[..end - start].chunks_exact(d)) {
                            to[..d].copy_from_slice(from);
                            to[d..].fill(T::ZERO);
                        }
                        return;
                    }
                    let to = &mut spread[start / d * lanes..end / d * lanes];
                    if self.in_one_pass() {
                        let da = if lanes == d { &mut *to } else { &mut lines.g[..end - start] };
                        let (norm, sums) = ((with.mean, with.inverse), (sum, product, factor));
                        self.activation.chain_normalized((&a[start..end], z, dz), norm, sums, da);
                        if lanes == d {
                            return;
                        }
                    } else {
                        self.chain(&a[start..end], with, (z, dz), &mut lines);
                        let (n, g) = (&lines.n[..end - start], &mut lines.g[..end - start]);
                        if !plain {
                            vectorize(
                                #[inline(always)]
                                || norm::backward(n, factor, sum, product, g),
                            );
                        }
                        if lanes == d {
                            return to.copy_from_slice(g);
                        }
                    }
                    for (to, from) in to.chunks_exact_mut(lanes).zip(lines.g[..end - start].chunks_exact(d)) {
                        to[..d].copy_from_slice(from);
                        to[d..].fill(T::ZERO);
                    }
                });
                let images = x.len() / self.inputs();
                self.pad(x, padded);
                g.weight_gradient(images, padded, spread, partial);
                if let Some((dx, scratch)) = &mut dx {
                    let dx = &mut dx[index * chunk * self.inputs()..][..x.len()];
                    self.input_gradient(&spread[..images * self.spread_len()], packed, scratch, dx);
                }
            }
        };
        let work = a
            .par_chunks(images * (self.taken() + self.raw()))
            .zip(x.par_chunks(images * self.inputs()))
            .zip(z.par_chunks(images * self.outputs()).zip(dz.par_chunks(images * self.outputs())))
            .zip(scratch.par_chunks_mut(self.scratch_len()))
            .zip(partial.par_chunks_mut(self.weight_count()));
        match dx {
            Some(dx) => {
                let dx = dx.par_chunks_mut(images * self.inputs());
                let scratch = input_scratch.par_chunks_mut(self.input_scratch_len());
                work.zip(dx.zip(scratch)).for_each(|(work, dx)| part(work, Some(dx)));
            }
            None => work.for_each(|work| part(work, None)),
        }
        parts.sum(partial, weight);
    }
}

impl<T: Scalar> Block<T> for Conv<T> {
    fn inputs(&self) -> usize {
        self.geometry.height * self.geometry.width * self.geometry.channels
    }

    fn outputs(&self) -> usize {
        self.shape().columns()
    }

    fn shape(&self) -> Shape {
        let g = &self.geometry;
        Shape { channels: g.outputs, height: g.out_height() / self.pool, width: g.out_width() / self.pool }
    }

    fn weights(&self) -> Option<Weights<T>> {
        let parameters = self.parameters[..self.weight_count() + self.geometry.outputs].to_vec();
        let (activation, norm) = (Activation::Identity, Norm::None);
        let block = Self { pool: 1, pools_first: false, activation, norm, parameters, statistics: Vec::new(), ..*self };
        Some(Weights {
            kind: MapKind::Convolution,
            place: 0..self.weight_count(),
            units: self.geometry.outputs,
            fan_in: self.geometry.depth(),
            exchangeable: true,
            by_unit: false,
            activation: (self.pool == 1).then_some(self.activation),
            map: Some(Box::new(block.without_bias())),
        })
    }

    fn products(&self) -> Option<Products> {
        Some(Products::all(self.geometry.out_len() * self.geometry.depth()))
    }

    fn groups(&self) -> Groups {
        let (units, fan_in) = (self.geometry.outputs, self.geometry.depth());
        let matrix = Matrix { units, fan_in, by_unit: false, normalized: self.norm != Norm::None };
        norm::groups(matrix, self.affine().len())
    }

    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        self.forward_in_parts(m, x, z, cache, &mut AllHere::new(self.usual_parts(m)));
    }

    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        let g = &self.geometry;
        let chunk = self.chunk_images().min(m.max(1));
        let mut packed = vec![T::ZERO; g.depth() * g.lanes::<T>()];
        g.pack(self.weight(), &mut packed);
        let mut padded = vec![T::ZERO; chunk * g.padded()];
        let mut a = vec![T::ZERO; chunk * g.out_len()];
        let mut t = vec![T::ZERO; a.len()];
        for (x, z) in x.chunks(chunk * self.inputs()).zip(z.chunks_mut(chunk * self.outputs())) {
            let images = x.len() / self.inputs();
            let (a, t) = (&mut a[..images * g.out_len()], &mut t[..images * g.out_len()]);
            self.pad(x, &mut padded);
            g.forward(images, &padded, &packed, a);
            if self.pools_first {
                let t = &mut t[..images * self.taken()];
                self.pool_first(a, t);
                norm::infer(t, self.bias(), &self.statistics, self.affine());
                self.activation.apply(t, z);
                continue;
            }
            norm::infer(a, self.bias(), &self.statistics, self.affine());
            self.activation.apply(a, t);
            if self.pool == 1 {
                z.copy_from_slice(t);
                continue;
            }
            let (group, row) = (self.pool * self.row(), self.pooled_row());
            for (t, z) in t.chunks_exact(g.out_len()).zip(z.chunks_exact_mut(self.outputs())) {
                for (t, z) in t.chunks_exact(group).zip(z.chunks_exact_mut(row)) {
                    pool(t, self.pool, self.row(), g.outputs, z);
                }
            }
        }
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
        self.gradient_of_parts(m, x, z, dz, cache, parameters, dx, &mut AllHere::new(self.usual_parts(m)));
    }

    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        Some(self)
    }

    fn absorb_statistics(&mut self, m: usize, cache: &mut Cache<T>) {
        if self.norm == Norm::None {
            return;
        }
        let share = cache.share();
        // Of the images nothing is asked, of which this process may have had a part.
        let Buffers { mean, variance, .. } = self.buffers(0, (0, 0), false, cache);
        let rows = m * self.taken() / self.geometry.outputs;
        let bias = &self.parameters[self.weight_count()..][..self.geometry.outputs];
        norm::absorb(rows, share, mean, variance, bias, &mut self.statistics);
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
        let Geometry { channels: c, outputs: o, kernel: k, .. } = self.geometry;
        let mut weight = TensorSpec::contiguous(0, "weight", &[o, c, k, k], TensorKind::Parameter);
        weight.axes = vec![(o, 1), (c, o), (k, k * c * o), (k, c * o)];
        let mut layout = vec![weight, TensorSpec::contiguous(0, "bias", &[o], TensorKind::Parameter)];
        layout.extend(self.norm.layout(1 + usize::from(self.pools_first), "", o));
        layout
    }

    fn modules(&self) -> Vec<Module> {
        let Geometry { channels, outputs, kernel, stride, padding, .. } = self.geometry;
        let mut modules = vec![Module::new("Conv2d", &[channels, outputs, kernel, stride, padding])];
        let pooling = (self.pool > 1).then(|| Module::new("MaxPool2d", &[self.pool]));
        modules.extend(pooling.clone().filter(|_| self.pools_first));
        modules.extend(self.norm.module("BatchNorm2d", outputs));
        modules.extend(self.activation.module());
        modules.extend(pooling.filter(|_| !self.pools_first));
        modules
    }
}

impl<T: Scalar> BlockInParts<T> for Conv<T> {
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>) {
        let (g, d, images, own) = (&self.geometry, self.geometry.outputs, part_rows(m, parts.count()), parts.own());
        let (here, counts) = (x.len() / self.inputs(), (own.len(), parts.count()));
        let Buffers { a, packed, mean, variance, inverse, parts: each, scratch, .. } =
            self.buffers(here, counts, false, cache);
        g.pack(self.weight(), packed);
        let packed: &[T] = packed;
        x.par_chunks(images * self.inputs())
            .zip(a.par_chunks_mut(images * (self.taken() + self.raw())))
            .zip(scratch.par_chunks_mut(self.scratch_len()))
            .zip(each[own.start * 2 * d..].par_chunks_mut(2 * d))
            .for_each(|(((x, a), scratch), moments)| {
                let (padded, chunk_moments, _) = self.cut(scratch);
                let (mean, squares) = moments.split_at_mut(d);
                let mut rows = 0;
                let chunk = self.chunk_images();
                let (a, raw) = a.split_at_mut(x.len() / self.inputs() * self.taken());
                let chunks = x.chunks(chunk * self.inputs()).zip(a.chunks_mut(chunk * self.taken()));
                for (index, (x, a)) in chunks.enumerate() {
                    let images = x.len() / self.inputs();
                    self.pad(x, padded);
                    if self.pools_first {
                        let raw = &mut raw[index * chunk * self.raw()..][..images * self.raw()];
                        g.forward(images, padded, packed, raw);
                        self.pool_first(raw, a);
                    } else {
                        g.forward(images, padded, packed, a);
                    }
                    if self.norm == Norm::None {
                        continue;
                    }
                    if rows == 0 {
                        norm::moments(a, mean, squares);
                    } else {
                        let (mean_more, rest) = chunk_moments.split_at_mut(d);
                        let squares_more = &mut rest[..d];
                        norm::moments(a, mean_more, squares_more);
                        norm::join((mean, squares, rows), (mean_more, squares_more, a.len() / d));
                    }
                    rows += a.len() / d;
                }
            });
        let pixels = self.taken() / d;
        if self.norm != Norm::None {
            parts.gather(parts.count(), each);
            norm::join_parts(each.chunks_exact(2 * d), images * pixels, m * pixels, mean, variance);
            norm::finish(m * pixels, variance, inverse);
        }
        let with = Normalizer { mean, inverse, bias: self.bias(), affine: self.affine() };
        a.par_chunks(images * (self.taken() + self.raw()))
            .zip(z.par_chunks_mut(images * self.outputs()))
            .zip(scratch.par_chunks_mut(self.scratch_len()))
            .for_each(|((a, z), scratch)| {
                let (a, _) = self.kept(z.len() / self.outputs(), a);
                self.finish(a, with, &mut self.cut(scratch).2, z);
            });
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
        self.gradient_of_parts(m, x, z, dz, cache, parameters, None, parts);
    }
}
