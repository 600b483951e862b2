//! The tile beside the definition of a convolution, over sizes of any kind.

use hsic::random::Stream;

use super::*;

/// The definition, in plain loops: out[y, x, o] = sum of image[y s + i - p, x s + j - p, c] w[i, j, c, o].
fn reference(g: &Geometry, image: &[f64], w: &[f64], mut visit: impl FnMut(usize, usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; g.out_len()];
    for y in 0..g.out_height() {
        for x in 0..g.out_width() {
            for (i, j) in (0..g.kernel).flat_map(|i| (0..g.kernel).map(move |j| (i, j))) {
                let (line, pixel) =
                    ((y * g.stride + i).wrapping_sub(g.padding), (x * g.stride + j).wrapping_sub(g.padding));
                if line >= g.height || pixel >= g.width {
                    continue;
                }
                for c in 0..g.channels {
                    for o in 0..g.outputs {
                        let (from, weight, to) = (
                            (line * g.width + pixel) * g.channels + c,
                            ((i * g.kernel + j) * g.channels + c) * g.outputs + o,
                            (y * g.out_width() + x) * g.outputs + o,
                        );
                        out[to] += image[from] * w[weight];
                        visit(from, weight, to);
                    }
                }
            }
        }
    }
    out
}

fn cases() -> Vec<Geometry> {
    let case = |height, width, channels, outputs, kernel, stride, padding| Geometry {
        height,
        width,
        channels,
        outputs,
        kernel,
        stride,
        padding,
    };
    vec![
        case(6, 5, 3, 4, 3, 1, 1),
        case(5, 7, 2, 33, 3, 1, 1),
        case(9, 33, 1, 16, 5, 1, 2),
        case(11, 12, 3, 10, 5, 2, 0),
        case(12, 12, 5, 40, 5, 1, 0),
        case(4, 4, 7, 6, 1, 1, 0),
        case(8, 8, 2, 3, 3, 2, 1),
        case(2, 2, 3, 70, 3, 1, 1),
    ]
}

fn random(len: usize, index: u64) -> Vec<f64> {
    let mut stream = Stream::new(5, "convolution", index);
    (0..len).map(|_| stream.normal()).collect()
}

#[track_caller]
fn close(left: &[f64], right: &[f64], case: &Geometry) {
    assert_eq!(left.len(), right.len());
    for (i, (l, r)) in left.iter().zip(right).enumerate() {
        // Sums of at most 600 products of order 1 in double precision.
        assert!((l - r).abs() < 1e-11, "{case:?} {i}: {l} {r}");
    }
}

/// Sizes of any kind: channels that are no whole tiles, windows as large as the image, steps beyond the window.
fn drawn(count: usize) -> impl Iterator<Item = Geometry> {
    let mut stream = Stream::new(5, "geometries", 0);
    (0..count).map(move |_| {
        let mut to = |most: u64| 1 + stream.below(most) as usize;
        let kernel = to(5);
        let padding = to(kernel as u64) - 1;
        let least = kernel.saturating_sub(2 * padding).max(1);
        Geometry {
            height: least - 1 + to(9),
            width: least - 1 + to(30),
            channels: to(9),
            outputs: if to(4) == 1 { to(70) } else { to(18) },
            kernel,
            stride: to(3),
            padding,
        }
    })
}

#[test]
fn pointers_lie_in_their_slices_to_the_last_entry() {
    let slice = &[0.0f32; 8][..];
    let from = |place: usize| slice.as_ptr().wrapping_add(place);
    assert!(lies_in(slice, from(0), 8) && lies_in(slice, from(7), 1));
    assert!(!lies_in(slice, from(1), 8) && !lies_in(slice, from(8), 1));
    assert!(!lies_in(slice, slice.as_ptr().wrapping_sub(1), 1));
}

#[test]
fn outputs_and_gradients_are_those_of_the_definition() {
    for (g, images) in cases().into_iter().map(|g| (g, 3)).chain(drawn(300).zip([1, 2].into_iter().cycle())) {
        let size = g.height * g.width * g.channels;
        let (x, w, v) = (random(images * size, 0), random(g.depth() * g.outputs, 1), random(images * g.out_len(), 2));
        let (mut dx, mut dw, mut out) = (vec![0.0; x.len()], vec![0.0; w.len()], Vec::new());
        for (image, (x, v)) in x.chunks(size).zip(v.chunks(g.out_len())).enumerate() {
            out.extend(reference(&g, x, &w, |from, weight, to| {
                dx[image * size + from] += v[to] * w[weight];
                dw[weight] += v[to] * x[from];
            }));
        }

        let mut padded = vec![f64::NAN; images * g.padded()];
        for (image, padded) in x.chunks(size).zip(padded.chunks_mut(g.padded())) {
            g.pad(image, false, padded);
        }
        let mut packed = vec![f64::NAN; g.depth() * g.lanes::<f64>()];
        g.pack(&w, &mut packed);
        let mut found = vec![f64::NAN; images * g.out_len()];
        g.forward(images, &padded, &packed, &mut found);
        close(&found, &out, &g);

        let lanes = g.lanes::<f64>();
        let mut spread = vec![0.0; images * g.out_height() * g.out_width() * lanes];
        for (to, from) in spread.chunks_mut(lanes).zip(v.chunks(g.outputs)) {
            to[..g.outputs].copy_from_slice(from);
        }
        let mut found = vec![0.0; w.len()];
        g.weight_gradient(images, &padded, &spread, &mut found);
        close(&found, &dw, &g);

        let t = g.transposed();
        let mut reversed = vec![0.0; w.len()];
        g.transpose_weights(&w, &mut reversed);
        let mut packed = vec![f64::NAN; t.depth() * t.lanes::<f64>()];
        t.pack(&reversed, &mut packed);
        for (v, dx) in v.chunks(g.out_len()).zip(dx.chunks(size)) {
            let mut apart = vec![0.0; t.height * t.width * t.channels];
            for (index, pixel) in v.chunks(g.outputs).enumerate() {
                let (y, x) = (index / g.out_width() * g.stride, index % g.out_width() * g.stride);
                apart[(y * t.width + x) * t.channels..][..t.channels].copy_from_slice(pixel);
            }
            let mut bordered = vec![f64::NAN; t.padded()];
            t.pad(&apart, false, &mut bordered);
            let mut whole = vec![f64::NAN; t.out_len()];
            t.forward(1, &bordered, &packed, &mut whole);
            // Lines and columns that no window reached have no gradient.
            let mut all = vec![0.0; g.padded()];
            let line = (g.width + 2 * g.padding) * g.channels;
            for (y, from) in whole.chunks(t.out_width() * t.outputs).enumerate() {
                all[y * line..][..from.len()].copy_from_slice(from);
            }
            let mut found = vec![f64::NAN; size];
            g.unpad(&all, &mut found);
            close(&found, dx, &g);
        }
    }
}

#[test]
fn planar_images_are_turned_while_they_are_padded() {
    let g = Geometry { height: 1, width: 2, channels: 3, outputs: 1, kernel: 1, stride: 1, padding: 0 };
    let mut padded = [0.0; 6];
    g.pad(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], true, &mut padded);
    assert_eq!(padded, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
}
