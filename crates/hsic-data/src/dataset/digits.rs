//! `digits`: ten classes of 28 x 28 gray images that the program draws itself, so that there is data without a download.
//!
//! A glyph is a handful of strokes through control points. Each sample moves the points, then slants, turns, scales and
//! shifts the whole, and draws it with its own thickness and ink, anti-aliased by the distance to the stroke; some
//! pixels are lost, noise is added to all. The ranges were chosen by measurement, so that pixels alone do not tell the
//! classes and a small network learns them in seconds: see [`DIGITS_TRAIN`].
//!
//! Only `+ - * /` and the square root are used, which IEEE 754 rounds in one way: the bytes are the same on every
//! machine. Each sample has a stream of its own: they do not depend on the number of threads or of samples.

use hsic::random::Stream;
use rayon::prelude::*;

use super::{
    Content, Dataset, DatasetError, DatasetSource, Facts, LoadOptions, Origin, Samples, Shape, Split, Targets,
};

/// Training samples of `digits` unless another number is asked for.
///
/// Measured at this size on 4,000 test samples (PyTorch, seed 0): a softmax classifier on the pixels gets 0.79 to 0.86
/// (0.88 from 60,000 samples); the network 784-256x6-10 with batch normalization gets 0.993 by back-propagation and by
/// nHSIC (sigma 5, beta 500), each after 5 epochs of batches of 256.
pub const DIGITS_TRAIN: usize = 10_000;
/// Test samples of `digits` unless another number is asked for.
pub const DIGITS_TEST: usize = 2_000;

/// The most samples of a part: 3 GiB of pixels.
const MOST: usize = 4_000_000;

/// Rows and columns of an image.
const SIDE: usize = 28;
/// Classes.
const CLASSES: usize = 10;

/// Half the width and half the height of a glyph in pixels: from, to.
const HALF_WIDTH: [f64; 2] = [5.0, 7.5];
const HALF_HEIGHT: [f64; 2] = [6.5, 9.5];
/// The center moves by at most so many pixels to each side. Of all ranges this one costs a linear classifier most.
const SHIFT: f64 = 2.5;
/// Columns a glyph leans per row, at most, to each side.
const SLANT: f64 = 0.32;
/// Tangent of half the angle by which a glyph is turned, at most: 13.7 degrees.
const TURN: f64 = 0.12;
/// A control point moves by at most this fraction of the glyph's size.
const JITTER: f64 = 0.05;
/// Half the thickness of a stroke in pixels: from, to.
const RADIUS: [f64; 2] = [0.7, 1.6];
/// Brightness of a stroke: from, to.
const INK: [f64; 2] = [0.55, 1.0];
/// Noise added to each pixel: triangular, from minus to plus this.
const NOISE: f64 = 0.3;
/// Fraction of pixels that lose their ink.
const LOST: f64 = 0.03;

/// The data set that the program draws.
pub(super) struct Digits;

impl DatasetSource for Digits {
    fn name(&self) -> &'static str {
        "digits"
    }

    fn description(&self) -> &'static str {
        "digits drawn by the program, any number (10,000 + 2,000) of gray images of 28 x 28, 10 classes, fixed by the seed"
    }

    fn facts(&self) -> &'static Facts {
        &Facts {
            shape: Shape { channels: 1, height: SIDE, width: SIDE },
            classes: CLASSES,
            rows: [DIGITS_TRAIN, DIGITS_TEST],
            files: &[],
            downloads: &[],
            mirrors: &[],
            inner: None,
            package: None,
        }
    }

    fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError> {
        Ok(Split {
            train: part("training", "digits-train", options.seed, options.train_size.unwrap_or(DIGITS_TRAIN))?,
            test: part("test", "digits-test", options.seed, options.test_size.unwrap_or(DIGITS_TEST))?,
            standardization: None,
            origin: Origin { content: Some(content(options)), ..Origin::default() },
        })
    }

    fn content(&self, options: &LoadOptions) -> Result<Content, DatasetError> {
        Ok(content(options))
    }
}

/// What the digits of a seed and sizes are: all follows from these, so that nothing need be drawn for it. The first word
/// changes with the way of drawing.
fn content(options: &LoadOptions) -> Content {
    let (train, test) = (options.train_size.unwrap_or(DIGITS_TRAIN), options.test_size.unwrap_or(DIGITS_TEST));
    let told = format!("digits-1 seed {} train {train} test {test}", options.seed);
    let bytes = (train as u64).saturating_add(test as u64).saturating_mul((SIDE * SIDE) as u64);
    Content { bytes, ..Content::of(told.as_bytes()) }
}

/// Sample i is of class i mod 10 and drawn from stream i of `purpose`.
fn part(part: &'static str, purpose: &str, seed: u64, rows: usize) -> Result<Dataset, DatasetError> {
    if !(1..=MOST).contains(&rows) {
        return Err(DatasetError::PartSize { part, asked: rows, available: MOST });
    }
    let mut pixels = vec![0u8; rows * SIDE * SIDE];
    pixels.par_chunks_exact_mut(SIDE * SIDE).enumerate().for_each(|(index, image)| {
        draw(&mut Stream::new(seed, purpose, index as u64), index % CLASSES, image);
    });
    Ok(Dataset {
        name: "digits".into(),
        samples: Samples::Bytes(pixels),
        shape: Shape { channels: 1, height: SIDE, width: SIDE },
        targets: Targets::classes(
            (0..rows).map(|index| (index % CLASSES) as u16).collect(),
            (0..CLASSES).map(|class| class.to_string()).collect(),
        ),
        normalization: None,
    })
}

/// Draws one sample of `class` into `image`, SIDE x SIDE bytes.
fn draw(stream: &mut Stream, class: usize, image: &mut [u8]) {
    let ways = GLYPHS[class];
    let glyph = ways[stream.below(ways.len() as u64) as usize];
    let placement = Placement::random(stream);
    let radius = stream.between(RADIUS[0], RADIUS[1]);
    let ink = stream.between(INK[0], INK[1]);
    let mut canvas = [0.0; SIDE * SIDE];
    for stroke in glyph {
        let (Line(points) | Curve(points)) = stroke;
        let placed: Vec<Point> = points.iter().map(|&point| placement.place(point, stream)).collect();
        for i in 1..placed.len() {
            match stroke {
                Line(_) => cover(&mut canvas, placed[i - 1], placed[i], radius),
                Curve(_) => {
                    let mut from = placed[i - 1];
                    for piece in 1..=PIECES {
                        let to = curve(&placed, i, f64::from(piece) / f64::from(PIECES));
                        cover(&mut canvas, from, to, radius);
                        from = to;
                    }
                }
            }
        }
    }
    for (pixel, coverage) in image.iter_mut().zip(canvas) {
        // One draw gives two independent numbers: its upper 26 bits and the 27 below.
        let scaled = stream.uniform() * f64::from(1 << 26);
        let (upper, lower) = (scaled.floor() / f64::from(1 << 26), scaled.fract());
        let stroke = if upper < LOST { 0.0 } else { ink * coverage };
        let value = stroke + NOISE * (upper + lower - 1.0);
        *pixel = (255.0 * value.clamp(0.0, 1.0)).round() as u8;
    }
}

/// x to the right, y down, in pixels.
type Point = [f64; 2];

/// How a sample's glyph lies in the image.
struct Placement {
    half: [f64; 2],
    slant: f64,
    cos: f64,
    sin: f64,
    center: Point,
}

impl Placement {
    fn random(stream: &mut Stream) -> Self {
        let half = [HALF_WIDTH, HALF_HEIGHT].map(|[low, high]| stream.between(low, high));
        let slant = stream.between(-SLANT, SLANT);
        // Cosine and sine from the tangent of the half angle need no function that differs between machines.
        let t = stream.between(-TURN, TURN);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let middle = (SIDE - 1) as f64 / 2.0;
        let center = [(); 2].map(|()| middle + stream.between(-SHIFT, SHIFT));
        Self { half, slant, cos, sin, center }
    }

    /// Where a control point comes to lie, after it has moved a little by itself.
    fn place(&self, (x, y): (u8, u8), stream: &mut Stream) -> Point {
        let [x, y] = [x, y].map(|percent| f64::from(percent) / 100.0 - 0.5 + stream.between(-JITTER, JITTER));
        let [x, y] = [2.0 * self.half[0] * (x - self.slant * y), 2.0 * self.half[1] * y];
        [self.center[0] + self.cos * x - self.sin * y, self.center[1] + self.sin * x + self.cos * y]
    }
}

/// The curve between points `i - 1` and `i` at `u` in 0..=1 (Catmull and Rom 1974); its ends double the outer points.
fn curve(points: &[Point], i: usize, u: f64) -> Point {
    let [p, q, r, s] = [points[i.saturating_sub(2)], points[i - 1], points[i], points[(i + 1).min(points.len() - 1)]];
    std::array::from_fn(|k| {
        let (linear, cubic) = (r[k] - p[k], 3.0 * (q[k] - r[k]) + s[k] - p[k]);
        let square = 2.0 * p[k] - 5.0 * q[k] + 4.0 * r[k] - s[k];
        q[k] + 0.5 * u * (linear + u * (square + u * cubic))
    })
}

/// Covers the pixels within `radius` of the straight piece from `from` to `to`; the edge fades over one pixel.
fn cover(canvas: &mut [f64; SIDE * SIDE], from: Point, to: Point, radius: f64) {
    let reach = radius + 0.5;
    // Pixels that can be reached; a negative number becomes 0 in the conversion, and the range may be empty.
    let range = |k: usize| {
        let low = (from[k].min(to[k]) - reach).ceil() as usize;
        let high = (from[k].max(to[k]) + reach + 1.0).floor() as usize;
        low..high.min(SIDE)
    };
    let along = [to[0] - from[0], to[1] - from[1]];
    let squared = along[0] * along[0] + along[1] * along[1];
    let inverse = if squared > 0.0 { 1.0 / squared } else { 0.0 };
    for y in range(1) {
        for x in range(0) {
            let offset = [x as f64 - from[0], y as f64 - from[1]];
            let t = ((offset[0] * along[0] + offset[1] * along[1]) * inverse).clamp(0.0, 1.0);
            let [u, v] = [offset[0] - t * along[0], offset[1] - t * along[1]];
            let pixel = &mut canvas[y * SIDE + x];
            *pixel = pixel.max((reach - (u * u + v * v).sqrt()).clamp(0.0, 1.0));
        }
    }
}

/// Straight pieces into which a curve's span between two control points is cut: each about a pixel long.
const PIECES: u32 = 6;

/// One pull of the pen: control points (x to the right, y down) in hundredths of the glyph's box.
enum Stroke {
    /// Straight from point to point.
    Line(&'static [(u8, u8)]),
    /// A smooth curve through the points.
    Curve(&'static [(u8, u8)]),
}

use Stroke::{Curve, Line};

/// The ways to write each digit.
#[rustfmt::skip] // one line a way
const GLYPHS: [&[&[Stroke]]; CLASSES] = [
    &[
        &[Curve(&[(50, 0), (18, 14), (6, 50), (18, 86), (50, 100), (82, 86), (94, 50), (82, 14), (50, 0)])],
        &[Curve(&[(62, 4), (30, 10), (14, 50), (24, 90), (54, 98), (80, 80), (86, 42), (72, 10), (40, 2)])],
    ],
    &[
        &[Line(&[(50, 0), (50, 100)])],
        &[Line(&[(26, 26), (56, 0), (56, 100)])],
        &[Line(&[(28, 22), (52, 0), (52, 100)]), Line(&[(22, 100), (82, 100)])],
    ],
    &[
        &[Curve(&[(10, 26), (26, 4), (58, 0), (86, 20), (76, 50), (40, 78), (8, 100)]), Line(&[(8, 100), (94, 100)])],
        &[Curve(&[(12, 20), (40, 0), (80, 14), (74, 48), (36, 84), (12, 92), (16, 76), (42, 82), (70, 100), (96, 92)])],
    ],
    &[
        &[Curve(&[(12, 14), (42, 0), (80, 10), (82, 34), (44, 48)]), Curve(&[(44, 48), (86, 58), (90, 84), (54, 100), (8, 88)])],
        &[Line(&[(12, 2), (86, 2), (46, 42)]), Curve(&[(46, 42), (86, 54), (88, 84), (50, 100), (10, 88)])],
    ],
    &[
        &[Line(&[(66, 100), (66, 0), (6, 68), (96, 68)])],
        &[Line(&[(20, 2), (12, 52), (84, 50)]), Line(&[(78, 4), (72, 100)])],
    ],
    &[
        &[Line(&[(86, 2), (24, 2), (18, 44)]), Curve(&[(18, 44), (52, 34), (88, 52), (88, 82), (54, 100), (10, 88)])],
        &[Curve(&[(20, 8), (18, 44), (60, 42), (84, 68), (60, 96), (14, 94)]), Line(&[(20, 6), (86, 0)])],
    ],
    &[
        &[Curve(&[(74, 0), (36, 20), (12, 60), (20, 92), (52, 100), (84, 86), (80, 60), (50, 50), (18, 66)])],
        &[Curve(&[(40, 0), (20, 40), (18, 84), (50, 100), (80, 82), (68, 58), (40, 58), (20, 78)])],
    ],
    &[
        &[Line(&[(8, 2), (92, 2), (40, 100)])],
        &[Line(&[(10, 4), (90, 2), (46, 100)]), Line(&[(34, 52), (86, 50)])],
        &[Curve(&[(10, 16), (30, 4), (60, 10), (90, 2)]), Line(&[(90, 2), (50, 50), (42, 100)])],
    ],
    &[
        &[Curve(&[(50, 48), (18, 30), (26, 6), (50, 0), (76, 6), (82, 30), (50, 48), (12, 70), (20, 94), (50, 100), (80, 94), (88, 70), (50, 48)])],
        &[Curve(&[(82, 12), (50, 0), (20, 18), (42, 44), (80, 72), (64, 98), (30, 98), (18, 74), (50, 48), (78, 24), (82, 12)])],
    ],
    &[
        &[Curve(&[(84, 28), (66, 4), (32, 4), (14, 28), (30, 50), (64, 48), (84, 28)]), Curve(&[(84, 28), (82, 64), (66, 100)])],
        &[Curve(&[(80, 20), (50, 0), (20, 20), (30, 46), (62, 46), (80, 20)]), Curve(&[(80, 20), (82, 70), (60, 98), (20, 92)])],
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_stroke_covers_pixels_by_their_distance() {
        let mut canvas = [0.0; SIDE * SIDE];
        cover(&mut canvas, [5.0, 8.0], [10.0, 8.0], 1.25);
        // Full to 0.75 from the line, nothing from 1.75 on, straight between.
        for (x, y, expected) in [
            (5, 8, 1.0),
            (7, 8, 1.0),
            (7, 9, 0.75),
            (7, 7, 0.75),
            (7, 10, 0.0),
            (11, 8, 0.75),
            (4, 8, 0.75),
            (12, 8, 0.0),
            (11, 9, 1.75 - 2f64.sqrt()),
            (4, 7, 1.75 - 2f64.sqrt()),
        ] {
            // A root and a difference of numbers near 1.
            assert!((canvas[y * SIDE + x] - expected).abs() < 1e-15, "{x} {y}: {}", canvas[y * SIDE + x]);
        }
        // A second stroke takes nothing from the first; one beyond the border does no harm.
        let before = canvas;
        cover(&mut canvas, [5.0, 9.0], [5.0, 9.0], 0.1);
        assert!(canvas.iter().zip(&before).all(|(after, before)| after >= before) && canvas[9 * SIDE + 5] == 0.75);
        cover(&mut canvas, [-9.0, -9.0], [-5.0, 40.0], 1.0);
        cover(&mut canvas, [-3.0, 2.0], [40.0, 2.0], 0.5);
        // The foot of a pixel on a line of 43 pixels is known to 1e-14.
        assert!((0..SIDE).all(|x| (canvas[2 * SIDE + x] - 1.0).abs() < 1e-13));
    }

    #[test]
    fn curves_go_through_their_points_and_are_straight_where_the_points_are() {
        let points = [[1.0, 2.0], [4.0, 0.0], [7.0, 5.0], [3.0, 9.0]];
        for i in 1..4 {
            let near = |a: Point, b: Point| (0..2).all(|k| (a[k] - b[k]).abs() < 1e-14);
            assert!(near(curve(&points, i, 0.0), points[i - 1]) && near(curve(&points, i, 1.0), points[i]), "{i}");
        }
        let line = [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]];
        let [x, y] = curve(&line, 2, 0.25);
        assert!((x - 1.25).abs() < 1e-15 && (y - 2.5).abs() < 1e-15, "{x} {y}");
    }

    #[test]
    fn a_placement_turns_without_stretching_and_stays_within_its_ranges() {
        for index in 0..200 {
            let placement = Placement::random(&mut Stream::new(1, "placement", index));
            assert!((placement.cos.powi(2) + placement.sin.powi(2) - 1.0).abs() < 1e-15);
            // 13.7 degrees.
            assert!(placement.cos > 0.0 && placement.sin.abs() < 0.2366, "{}", placement.sin);
            for (half, [low, high]) in placement.half.into_iter().zip([HALF_WIDTH, HALF_HEIGHT]) {
                assert!((low..=high).contains(&half));
            }
            assert!(placement.center.iter().all(|center| (center - 13.5).abs() <= SHIFT));
        }
    }

    #[test]
    fn samples_come_in_turn_of_their_classes_whatever_their_number() {
        let of = |rows| part("test", "digits-test", 5, rows).unwrap();
        let (few, many) = (of(13), of(40));
        assert_eq!(few.labels(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
        let pixels = |part: &Dataset| match &part.samples {
            Samples::Bytes(pixels) => pixels.clone(),
            _ => panic!("pixels expected"),
        };
        assert!(pixels(&many).starts_with(&pixels(&few)));
        for image in pixels(&many).chunks(SIDE * SIDE) {
            // A stroke of at least 0.55 x 255 stands out of noise of at most 0.3 x 255 = 77, on a tenth of the image or so.
            let ink = image.iter().filter(|&&pixel| pixel > 77).count();
            assert!((20..400).contains(&ink), "{ink}");
        }
        for asked in [0, MOST + 1] {
            let error = part("test", "digits-test", 5, asked).unwrap_err();
            assert!(matches!(error, DatasetError::PartSize { part: "test", available: MOST, .. }), "{error}");
        }
    }
}
