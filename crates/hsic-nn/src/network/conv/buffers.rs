//! The memory of a convolutional block: how images are cut into parts and chunks, and what each of them works in.

use hsic::Scalar;

use super::lines::Lines;
use super::map::Conv;
use crate::network::block::{Block, Cache};

/// Most parts that may be worked on at once.
const PARTS: usize = 8;

/// Most values in the partial weight gradients of all parts.
const PARTIAL_VALUES: usize = 1 << 22;

/// Values of the padded images that are worked on together: they stay in the second-level cache.
const CHUNK_VALUES: usize = 1 << 17;

/// What a block keeps from its forward pass to its gradient, and scratch.
pub(super) struct Buffers<'c, T> {
    pub(super) a: &'c mut [T],
    pub(super) packed: &'c mut [T],
    pub(super) mean: &'c mut [T],
    pub(super) variance: &'c mut [T],
    pub(super) inverse: &'c mut [T],
    pub(super) factor: &'c mut [T],
    /// Two sums by channel.
    pub(super) sums: &'c mut [T],
    /// Moments or sums of each part.
    pub(super) parts: &'c mut [T],
    pub(super) scratch: &'c mut [T],
    pub(super) partial: &'c mut [T],
    /// Reversed weights, the same packed, and a part's scratch for dL/dx; empty where that is not asked for.
    pub(super) reversed: &'c mut [T],
    pub(super) reversed_packed: &'c mut [T],
    pub(super) input_scratch: &'c mut [T],
}

impl<T: Scalar> Conv<T> {
    /// Parts in which a batch is worked on that is not cut by whoever gives it: a function of the shapes alone.
    pub(super) fn usual_parts(&self, m: usize) -> usize {
        let images = m.div_ceil((PARTIAL_VALUES / self.weight_count()).clamp(2, PARTS));
        m.div_ceil(images)
    }

    /// Images that are worked on together.
    pub(super) fn chunk_images(&self) -> usize {
        (CHUNK_VALUES / self.geometry.padded()).clamp(1, 16)
    }

    pub(super) fn row(&self) -> usize {
        self.geometry.out_width() * self.geometry.outputs
    }

    /// Side of the pooling window behind the nonlinearity.
    pub(super) fn late_pool(&self) -> usize {
        if self.pools_first { 1 } else { self.pool }
    }

    /// Values of an image that norm and nonlinearity take.
    pub(super) fn taken(&self) -> usize {
        if self.pools_first { self.outputs() } else { self.geometry.out_len() }
    }

    /// Values of an image before the pooling that comes first.
    pub(super) fn raw(&self) -> usize {
        if self.pools_first { self.geometry.out_len() } else { 0 }
    }

    /// Values of a group of lines that norm and nonlinearity take together: those of a line of outputs.
    pub(super) fn group(&self) -> usize {
        if self.pools_first { self.pooled_row() } else { self.pool * self.row() }
    }

    /// A part of so many images of what a forward pass keeps: what norm and nonlinearity take, and what was pooled first.
    pub(super) fn kept<'a>(&self, images: usize, part: &'a [T]) -> (&'a [T], &'a [T]) {
        part.split_at(images * self.taken())
    }

    /// Columns of a pooled line.
    pub(super) fn pooled_row(&self) -> usize {
        self.geometry.out_width() / self.pool * self.geometry.outputs
    }

    pub(super) fn spread_len(&self) -> usize {
        self.geometry.out_height() * self.geometry.out_width() * self.geometry.lanes::<T>()
    }

    pub(super) fn scratch_len(&self) -> usize {
        let lines = 4 * self.pool * self.row();
        self.chunk_images() * self.geometry.padded() + self.spread_scratch_len() + lines
    }

    /// Spread gradients of a chunk; a forward pass keeps a chunk's moments there, which are more where maps are one pixel.
    pub(super) fn spread_scratch_len(&self) -> usize {
        (self.chunk_images() * self.spread_len()).max(2 * self.geometry.outputs)
    }

    /// Those of so many images, of which `parts` are worked on here, of `all` that the batch has.
    pub(super) fn buffers<'c>(
        &self,
        images: usize,
        (parts, all): (usize, usize),
        with_dx: bool,
        cache: &'c mut Cache<T>,
    ) -> Buffers<'c, T> {
        let (g, d, t) = (&self.geometry, self.geometry.outputs, self.geometry.transposed());
        let asked = usize::from(with_dx);
        let turned = usize::from(with_dx && !self.by_windows());
        let [
            a,
            packed,
            mean,
            variance,
            inverse,
            factor,
            sums,
            per_part,
            scratch,
            partial,
            reversed,
            reversed_packed,
            input_scratch,
        ] = cache.buffers([
            images * (self.taken() + self.raw()),
            g.depth() * g.lanes::<T>(),
            d,
            d,
            d,
            d,
            2 * d,
            all * 2 * d,
            parts * self.scratch_len(),
            parts * self.weight_count(),
            turned * self.weight_count(),
            turned * t.depth() * t.lanes::<T>(),
            asked * parts * self.input_scratch_len(),
        ]);
        Buffers {
            a,
            packed,
            mean,
            variance,
            inverse,
            factor,
            sums,
            parts: per_part,
            scratch,
            partial,
            reversed,
            reversed_packed,
            input_scratch,
        }
    }

    /// One image's gradients: by windows and with respect to the padded input; or apart by the stride, with a border, with
    /// respect to the padded input, that input's place.
    pub(super) fn input_scratch_len(&self) -> usize {
        let (g, t) = (&self.geometry, self.geometry.transposed());
        if self.by_windows() {
            return g.out_height() * g.out_width() * g.depth() + g.padded();
        }
        t.height * t.width * t.channels + t.padded() + t.out_len() + self.geometry.padded()
    }

    /// Cuts a part's scratch: padded images, spread gradients, lines.
    pub(super) fn cut<'s>(&self, scratch: &'s mut [T]) -> (&'s mut [T], &'s mut [T], Lines<'s, T>) {
        let images = self.chunk_images();
        let (padded, rest) = scratch.split_at_mut(images * self.geometry.padded());
        let (spread, rest) = rest.split_at_mut(self.spread_scratch_len());
        let len = self.pool * self.row();
        let (n, rest) = rest.split_at_mut(len);
        let (y, rest) = rest.split_at_mut(len);
        let (t, rest) = rest.split_at_mut(len);
        (padded, spread, Lines { n, y, t, g: &mut rest[..len] })
    }
}
