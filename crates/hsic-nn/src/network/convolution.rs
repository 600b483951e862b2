//! The arithmetic of a convolution, without a copy of the input by taps (im2col).
//!
//! Images lie channels last (NHWC), with a border of zeros. Then one line of a window is contiguous, and output,
//! weight gradient and input gradient are all sums of the form
//!
//! ```text
//! out[r][v] = sum over i, j, k of  a[r a_row + i a_i + j a_j + k a_k]  b[v + i b_i + j b_j + k b_k]
//! ```
//!
//! with r a pixel (output) or a tap and channel (weight gradient), v an output channel. One register tile computes it;
//! every entry is one chain of fused products in the order i, j, k, so neither tile size nor instruction set nor thread
//! can move a bit.

use hsic::Scalar;
use pulp::{Simd, WithSimd};

/// Vectors of output channels in a tile.
const VECTORS: usize = 2;

/// Most rows of a tile: 24 sums, two vectors of b and one of a; with more rows the compiler keeps sums in memory.
const MOST_ROWS: usize = 12;

/// Sizes of a convolution of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Lines of the input.
    pub(crate) height: usize,
    /// Pixels of an input line.
    pub(crate) width: usize,
    /// Input channels.
    pub(crate) channels: usize,
    /// Output channels.
    pub(crate) outputs: usize,
    /// Lines and columns of the window.
    pub(crate) kernel: usize,
    /// Step of the window.
    pub(crate) stride: usize,
    /// Zeros on each side.
    pub(crate) padding: usize,
}

impl Geometry {
    pub(crate) fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(crate) fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Values of an image with its border.
    pub(crate) fn padded(&self) -> usize {
        (self.height + 2 * self.padding) * self.padded_width() * self.channels
    }

    fn padded_width(&self) -> usize {
        self.width + 2 * self.padding
    }

    /// Values of an output image.
    pub(crate) fn out_len(&self) -> usize {
        self.out_height() * self.out_width() * self.outputs
    }

    /// Taps times input channels.
    pub(crate) fn depth(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Output channels in whole tiles.
    pub(crate) fn lanes<T: Scalar>(&self) -> usize {
        self.outputs.next_multiple_of(lanes::<T>())
    }

    /// Writes an image and its border of zeros. `planar` images lie channel by channel.
    pub(crate) fn pad<T: Scalar>(&self, image: &[T], planar: bool, padded: &mut [T]) {
        let (c, line) = (self.channels, self.padded_width() * self.channels);
        let edge = self.padding * c;
        padded[..self.padding * line].fill(T::ZERO);
        padded[(self.height + self.padding) * line..].fill(T::ZERO);
        let lines = padded[self.padding * line..].chunks_exact_mut(line);
        for (y, to) in lines.take(self.height).enumerate() {
            to[..edge].fill(T::ZERO);
            to[line - edge..].fill(T::ZERO);
            let inner = &mut to[edge..line - edge];
            if planar && c > 1 {
                for (x, pixel) in inner.chunks_exact_mut(c).enumerate() {
                    for (channel, value) in pixel.iter_mut().enumerate() {
                        *value = image[(channel * self.height + y) * self.width + x];
                    }
                }
            } else {
                inner.copy_from_slice(&image[y * self.width * c..(y + 1) * self.width * c]);
            }
        }
    }

    /// The inside of a padded image, channels last.
    pub(crate) fn unpad<T: Scalar>(&self, padded: &[T], image: &mut [T]) {
        let (c, line) = (self.channels, self.padded_width() * self.channels);
        for (y, to) in image.chunks_exact_mut(self.width * c).enumerate() {
            let start = (y + self.padding) * line + self.padding * c;
            to.copy_from_slice(&padded[start..start + self.width * c]);
        }
    }

    /// Weights (taps x channels x outputs) in the order of [`Geometry::forward`]: by tile of output channels.
    pub(crate) fn pack<T: Scalar>(&self, weights: &[T], packed: &mut [T]) {
        let (tile, o) = (lanes::<T>(), self.outputs);
        for (index, to) in packed.chunks_exact_mut(self.depth() * tile).enumerate() {
            let from = index * tile;
            let len = tile.min(o - from);
            for (row, to) in weights.chunks_exact(o).zip(to.chunks_exact_mut(tile)) {
                to[..len].copy_from_slice(&row[from..from + len]);
                to[len..].fill(T::ZERO);
            }
        }
    }

    /// Outputs of `images` padded images from packed weights.
    pub(crate) fn forward<T: Scalar>(&self, images: usize, padded: &[T], packed: &[T], out: &mut [T]) {
        let (height, width, o) = (self.out_height(), self.out_width(), self.outputs);
        assert!(padded.len() >= images * self.padded(), "every image has its border");
        assert!(packed.len() >= self.depth() * self.lanes::<T>(), "every output channel has its weights");
        assert!(out.len() >= images * self.out_len(), "every output has its place");
        let (c, line) = (self.channels, self.padded_width() * self.channels);
        let walk = Walk {
            row: self.stride * c,
            counts: [1, self.kernel, self.kernel * c],
            a: [0, line, 1],
            b: [0, self.kernel * c * lanes::<T>(), lanes::<T>()],
        };
        run(Sweep {
            walk,
            accumulate: false,
            out_row: o,
            tiles: |each: &mut dyn FnMut(Place)| {
                for from in (0..o).step_by(lanes::<T>()) {
                    for line_index in 0..images * height {
                        let (image, y) = (line_index / height, line_index % height);
                        let a = image * self.padded() + y * self.stride * line;
                        each(Place {
                            a,
                            b: from * self.depth(),
                            out: line_index * width * o + from,
                            rows: width,
                            columns: lanes::<T>().min(o - from),
                        });
                    }
                }
            },
            a: padded,
            b: packed,
            out,
        });
    }

    /// Adds to `weights` (taps x channels x outputs) the gradient of `images` padded images whose outputs have the
    /// gradient `d_out`, with [`Geometry::lanes`] columns a pixel.
    pub(crate) fn weight_gradient<T: Scalar>(&self, images: usize, padded: &[T], d_out: &[T], weights: &mut [T]) {
        let (height, width, o, lane) = (self.out_height(), self.out_width(), self.outputs, self.lanes::<T>());
        assert!(padded.len() >= images * self.padded(), "every image has its border");
        assert!(d_out.len() >= images * height * width * lane, "every output has its gradient");
        assert!(weights.len() >= self.depth() * o, "every weight has its gradient");
        let (c, line) = (self.channels, self.padded_width() * self.channels);
        let walk = Walk {
            row: 1,
            counts: [images, height, width],
            a: [self.padded(), self.stride * line, self.stride * c],
            b: [height * width * lane, width * lane, lane],
        };
        run(Sweep {
            walk,
            accumulate: true,
            out_row: o,
            tiles: |each: &mut dyn FnMut(Place)| {
                for from in (0..o).step_by(lanes::<T>()) {
                    for tap_line in 0..self.kernel {
                        each(Place {
                            a: tap_line * line,
                            b: from,
                            out: tap_line * self.kernel * c * o + from,
                            rows: self.kernel * c,
                            columns: lanes::<T>().min(o - from),
                        });
                    }
                }
            },
            a: padded,
            b: d_out,
            out: weights,
        });
    }

    /// The convolution that gives the gradient with respect to the padded input from the outputs' gradient, set apart
    /// by `stride - 1` zeros and with a border of `kernel - 1`.
    pub(crate) fn transposed(&self) -> Self {
        Self {
            height: (self.out_height() - 1) * self.stride + 1,
            width: (self.out_width() - 1) * self.stride + 1,
            channels: self.outputs,
            outputs: self.channels,
            kernel: self.kernel,
            stride: 1,
            padding: self.kernel - 1,
        }
    }

    /// Weights of [`Geometry::transposed`]: taps in reverse, input and output channels exchanged.
    pub(crate) fn transpose_weights<T: Scalar>(&self, weights: &[T], transposed: &mut [T]) {
        let (taps, c, o) = (self.kernel * self.kernel, self.channels, self.outputs);
        for tap in 0..taps {
            for channel in 0..c {
                for output in 0..o {
                    transposed[((taps - 1 - tap) * o + output) * c + channel] =
                        weights[(tap * c + channel) * o + output];
                }
            }
        }
    }
}

/// Steps and counts of the three sums, outermost first.
#[derive(Clone, Copy)]
struct Walk {
    row: usize,
    counts: [usize; 3],
    a: [usize; 3],
    b: [usize; 3],
}

/// Where one run of rows starts, and its extent.
#[derive(Clone, Copy)]
struct Place {
    a: usize,
    b: usize,
    out: usize,
    rows: usize,
    columns: usize,
}

struct Sweep<'a, T, F> {
    walk: Walk,
    accumulate: bool,
    out_row: usize,
    tiles: F,
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
}

/// Output channels of a tile on this processor.
fn lanes<T: Scalar>() -> usize {
    struct Lanes<T>(std::marker::PhantomData<T>);
    impl<T: Scalar> WithSimd for Lanes<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            VECTORS * size_of::<T::SimdVec<S>>() / size_of::<T>()
        }
    }
    pulp::Arch::new().dispatch(Lanes::<T>(std::marker::PhantomData))
}

fn run<T: Scalar, F: Fn(&mut dyn FnMut(Place))>(sweep: Sweep<'_, T, F>) {
    pulp::Arch::new().dispatch(sweep);
}

impl<T: Scalar, F: Fn(&mut dyn FnMut(Place))> WithSimd for Sweep<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { walk, accumulate, out_row, tiles, a, b, out } = self;
        // Two vectors of b, one of a, and the sums must fit the registers.
        let most = if S::REGISTER_COUNT >= 32 { MOST_ROWS } else { 6 };
        tiles(&mut |place: Place| {
            let count = place.rows.div_ceil(most);
            let size = place.rows.div_ceil(count);
            let mut row = 0;
            while row < place.rows {
                let rows = size.min(place.rows - row);
                let place = Place { a: place.a + row * walk.row, out: place.out + row * out_row, rows, ..place };
                macro_rules! pick {
                    ($($r:literal)*) => {
                        match rows {
                            $($r => simd.vectorize(Run::<T, $r> { walk, accumulate, out_row, place, a, b, out: &mut *out }),)*
                            _ => unreachable!("a tile has 1 to 12 rows"),
                        }
                    };
                }
                pick!(1 2 3 4 5 6 7 8 9 10 11 12);
                row += rows;
            }
        });
    }
}

/// Whether so many entries from a pointer on are entries of a slice.
fn lies_in<T>(slice: &[T], from: *const T, count: usize) -> bool {
    let (range, from) = (slice.as_ptr_range(), from.addr());
    let end = from.checked_add(count * size_of::<T>());
    range.start.addr() <= from && end.is_some_and(|end| end <= range.end.addr())
}

/// One tile of R rows.
struct Run<'a, T, const R: usize> {
    walk: Walk,
    accumulate: bool,
    out_row: usize,
    place: Place,
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar, const R: usize> WithSimd for Run<'_, T, R> {
    type Output = ();

    #[inline(always)]
    #[allow(unsafe_code, reason = "with bounds checks in the innermost loop the tile runs at half the rate")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { walk, accumulate, out_row, place, a, b, out } = self;
        let lanes = size_of::<T::SimdVec<S>>() / size_of::<T>();
        let end = |steps: [usize; 3]| (0..3).map(|i| (walk.counts[i] - 1) * steps[i]).sum::<usize>();
        assert!(place.a + (R - 1) * walk.row + end(walk.a) < a.len(), "a holds the last row");
        assert!(place.b + end(walk.b) + VECTORS * lanes <= b.len(), "b holds the last vectors");
        // Debug builds hold every pointer with its slice where it is formed.
        let (all_a, all_b) = (a, b);
        let context = T::simd_ctx(simd);
        let zero = T::simd_splat(&context, &T::ZERO);
        let mut sums = [[zero; VECTORS]; MOST_ROWS];
        for i in 0..walk.counts[0] {
            for j in 0..walk.counts[1] {
                // SAFETY: the largest offsets of both were checked against their lengths above.
                let mut a = unsafe { a.as_ptr().add(place.a + i * walk.a[0] + j * walk.a[1]) };
                // SAFETY: as above.
                let mut b = unsafe { b.as_ptr().add(place.b + i * walk.b[0] + j * walk.b[1]) };
                for _ in 0..walk.counts[2] {
                    debug_assert!(lies_in(all_b, b, VECTORS * lanes), "vectors beyond b");
                    // SAFETY: as above; vectors are plain data and are read unaligned.
                    let vectors: [T::SimdVec<S>; VECTORS] =
                        std::array::from_fn(|v| unsafe { b.add(v * lanes).cast::<T::SimdVec<S>>().read_unaligned() });
                    macro_rules! rows {
                        ($($r:literal)*) => {$(
                            if $r < R {
                                debug_assert!(lies_in(all_a, a.wrapping_add($r * walk.row), 1), "row {} beyond a", $r);
                                // SAFETY: as above.
                                let value = T::simd_splat(&context, unsafe { &*a.add($r * walk.row) });
                                for (sum, &vector) in sums[$r].iter_mut().zip(&vectors) {
                                    *sum = T::simd_mul_add(&context, value, vector, *sum);
                                }
                            }
                        )*};
                    }
                    // Not a loop: the compiler unrolls none of more than 8 rows, and then the sums live in memory.
                    rows!(0 1 2 3 4 5 6 7 8 9 10 11);
                    a = a.wrapping_add(walk.a[2]);
                    b = b.wrapping_add(walk.b[2]);
                }
            }
        }
        for (r, sums) in sums[..R].iter().enumerate() {
            // SAFETY: a vector is `lanes` entries of T side by side.
            let sums = unsafe { std::slice::from_raw_parts(sums.as_ptr().cast::<T>(), VECTORS * lanes) };
            let out = &mut out[place.out + r * out_row..][..place.columns];
            if accumulate {
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out += sum;
                }
            } else {
                out.copy_from_slice(&sums[..place.columns]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
