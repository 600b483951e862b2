//! TIFF files: gray, color and palettes of 1 to 16 bits, in strips or tiles, plain, by LZW, deflate or PackBits.

use std::io::Read;
use std::ops::Not;

use flate2::read::ZlibDecoder;
use weezl::{BitOrder, LzwStatus};

use super::directory::{Directory, tag};
use super::fault::ImageFault;
use super::levels::{Level, Levels};
use super::raster::{Raster, Source};
use super::turn::Turn;
use crate::dataset::DatasetError;

const FORMAT: &str = "TIFF";

/// No more bytes come from one: LZW gives at most 4096 for a code of 12 bits, deflate and PackBits give fewer.
const BYTES_PER_BYTE: u64 = 1 << 12;

/// A sample behind the colors that says how opaque the pixel is. In one that the colors are multiplied by, the picture lies
/// over black as it is.
const UNASSOCIATED: u64 = 2;

/// How a part of the image is compressed.
#[derive(Clone, Copy)]
enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
}

/// What a sample means.
enum Meaning {
    Gray { inverted: bool },
    Color,
    Palette(Vec<[u8; 3]>),
}

/// What the directory says.
struct Header {
    width: usize,
    height: usize,
    bits: usize,
    /// Samples of a pixel, opacity among them.
    samples: usize,
    /// Whether the first sample behind the colors is the opacity, which the colors are not multiplied by.
    opacity: bool,
    meaning: Meaning,
    compression: Compression,
    /// Whether a sample is stored as its difference from that of the pixel before.
    differences: bool,
    big_endian: bool,
    /// Whether each sample has parts of its own.
    planar: bool,
    /// Width and height of a part; strips are as wide as the image.
    part: (usize, usize),
    /// Whether parts are whole beyond the image's border.
    tiled: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    turn: Turn,
}

/// Decodes a TIFF file: the first of its images.
pub(super) fn decode(source: Source<'_>) -> Result<Raster, DatasetError> {
    let wrong = |fault| source.fault(fault);
    let directory = Directory::first(source.bytes, FORMAT).map_err(wrong)?;
    let header = Header::read(&directory).map_err(wrong)?;
    let Header { width, height, bits, samples, .. } = header;
    source.admit([width as u64, height as u64], (samples * bits.div_ceil(8)) as u64, 8 * BYTES_PER_BYTE)?;
    let channels = header.channels();
    let mut values = match bits {
        16 => Levels::Sixteen(vec![0; width * height * channels]),
        _ => Levels::Eight(vec![0; width * height * channels]),
    };
    let across = width.div_ceil(header.part.0);
    let down = height.div_ceil(header.part.1);
    // In one part lie all samples of its pixels, or one of them.
    let (planes, together) = if header.planar { (samples, 1) } else { (1, samples) };
    let stride = (header.part.0 as u64 * (together * bits) as u64).div_ceil(8);
    let part = stride.saturating_mul(header.part.1 as u64);
    let all = part.saturating_mul((across * down * planes) as u64);
    // Parts at the border may reach beyond it, and one alone is no larger than an image.
    for (found, limit) in [(part, source.limit()), (all, 2 * source.limit())] {
        if found > limit {
            return Err(DatasetError::TooLarge { path: source.path.to_owned(), found, limit });
        }
    }
    let stride = stride as usize;
    let parts = header.offsets.iter().zip(&header.lengths).take(across * down * planes);
    if parts.len() < across * down * planes {
        let expected = "as many as it takes to fill the image";
        return Err(source.strange(FORMAT, "parts", parts.len() as u64, expected));
    }
    for (index, (&start, &length)) in parts.enumerate() {
        let (plane, place) = (index / (across * down), index % (across * down));
        let (left, top) = (place % across * header.part.0, place / across * header.part.1);
        let rows = header.part.1.min(height - top);
        let stored = if header.tiled { header.part.1 } else { rows };
        let packed = directory.part("a part of the image", start, length).map_err(wrong)?;
        let mut pixels = unpack(header.compression, packed, stored * stride).map_err(wrong)?;
        let columns = header.part.0.min(width - left);
        for (row, line) in pixels.chunks_exact_mut(stride).take(rows).enumerate() {
            let line = Line::of(line, &header, together);
            let first = (top + row) * width + left;
            let pixels = first * channels..(first + columns) * channels;
            let index = |i: usize| line.sample(i);
            match &mut values {
                Levels::Eight(out) => header.write(source, plane, &mut out[pixels], |i| line.byte(i), index)?,
                Levels::Sixteen(out) => header.write(source, plane, &mut out[pixels], index, index)?,
            }
        }
    }
    Ok(Raster::new(width, height, channels, values).turned(header.turn))
}

impl Header {
    /// Values of a pixel: its colors, and its opacity if there is one.
    fn channels(&self) -> usize {
        let colors = if matches!(self.meaning, Meaning::Gray { .. }) { 1 } else { 3 };
        colors + usize::from(self.opacity)
    }

    /// Writes samples of a part's row, or of one plane of it, to its pixels. `level(i)` is the row's sample i as a level,
    /// `index(i)` as an index into the palette.
    fn write<V: Copy + From<u8> + Not<Output = V>>(
        &self,
        source: Source<'_>,
        plane: usize,
        pixels: &mut [V],
        level: impl Fn(usize) -> V,
        index: impl Fn(usize) -> u16,
    ) -> Result<(), DatasetError> {
        let channels = self.channels();
        for (x, out) in pixels.chunks_exact_mut(channels).enumerate() {
            if let Meaning::Palette(palette) = &self.meaning {
                // Planes beyond the first are none of colors.
                if plane == 0 {
                    let index = index(if self.planar { x } else { x * self.samples });
                    let color = palette.get(usize::from(index));
                    let color = color.ok_or_else(|| source.no_color(FORMAT, u64::from(index)))?;
                    out.iter_mut().zip(color).for_each(|(out, &level)| *out = level.into());
                }
                continue;
            }
            if self.planar {
                if let Some(out) = out.get_mut(plane) {
                    *out = level(x);
                }
            } else {
                out.iter_mut().enumerate().for_each(|(c, out)| *out = level(x * self.samples + c));
            }
            if matches!(self.meaning, Meaning::Gray { inverted: true }) && plane == 0 {
                out[0] = !out[0];
            }
        }
        Ok(())
    }

    fn read(directory: &Directory<'_>) -> Result<Self, ImageFault> {
        let strange = |what, found, expected| directory.strange(what, found, expected);
        let or = |tag, default| Ok::<_, ImageFault>(directory.number(tag)?.unwrap_or(default));
        let (width, height) = (or(tag::WIDTH, 0)? as usize, or(tag::HEIGHT, 0)? as usize);
        let samples = or(tag::SAMPLES, 1)?;
        let depths = directory.numbers(tag::BITS)?.unwrap_or_else(|| vec![1]);
        let bits = depths.first().copied().unwrap_or(1);
        if let Some(&other) = depths.iter().find(|&&depth| depth != bits || ![1, 2, 4, 8, 16].contains(&depth)) {
            return Err(strange("bits of a sample", other, "1, 2, 4, 8 or 16, the same for all"));
        }
        let formats = directory.numbers(tag::SAMPLE_FORMAT)?.unwrap_or_default();
        if let Some(&format) = formats.iter().find(|&&format| format != 1) {
            return Err(strange("sample format", format, "1 (whole numbers without a sign)"));
        }
        let (meaning, colors) = match or(tag::PHOTOMETRIC, u64::MAX)? {
            kind @ (0 | 1) => (Meaning::Gray { inverted: kind == 0 }, 1),
            2 => (Meaning::Color, 3),
            3 => (Meaning::Palette(palette(directory, bits)?), 1),
            kind => return Err(strange("photometric interpretation", kind, "0 or 1 (gray), 2 (RGB) or 3 (palette)")),
        };
        if !(colors..=16).contains(&samples) {
            return Err(strange("samples of a pixel", samples, "those of its colors, and at most 16"));
        }
        let extra = directory.number(tag::EXTRA_SAMPLES)?;
        let compression = match or(tag::COMPRESSION, 1)? {
            1 => Compression::None,
            5 => Compression::Lzw,
            8 | 32_946 => Compression::Deflate,
            32_773 => Compression::PackBits,
            kind => return Err(strange("compression", kind, "1 (none), 5 (LZW), 8 (deflate) or 32773 (PackBits)")),
        };
        let predictor = or(tag::PREDICTOR, 1)?;
        if !(predictor == 1 || predictor == 2 && bits >= 8) {
            return Err(strange("predictor", predictor, "1 (none), or 2 (differences) of samples of 8 or 16 bits"));
        }
        let (fill_order, planar) = (or(tag::FILL_ORDER, 1)?, or(tag::PLANAR, 1)?);
        if fill_order != 1 {
            return Err(strange("fill order", fill_order, "1 (the highest bit first)"));
        }
        if ![1, 2].contains(&planar) {
            return Err(strange("planar configuration", planar, "1 or 2"));
        }
        let tiled = directory.number(tag::TILE_WIDTH)?.is_some();
        let (offsets, lengths, part) = if tiled {
            let part = (or(tag::TILE_WIDTH, 0)?, or(tag::TILE_HEIGHT, 0)?);
            (tag::TILE_OFFSETS, tag::TILE_BYTES, (part.0 as usize, part.1 as usize))
        } else {
            let rows = or(tag::ROWS_PER_STRIP, u64::from(u32::MAX))? as usize;
            (tag::STRIP_OFFSETS, tag::STRIP_BYTES, (width, rows.min(height)))
        };
        if (part.0 == 0 || part.1 == 0) && width > 0 && height > 0 {
            return Err(strange("the least side of a part of the image", 0, "a pixel or more"));
        }
        Ok(Self {
            width,
            height,
            bits: bits as usize,
            samples: samples as usize,
            opacity: samples > colors && extra == Some(UNASSOCIATED) && !matches!(meaning, Meaning::Palette(_)),
            meaning,
            compression,
            differences: predictor == 2,
            big_endian: directory.is_big_endian(),
            planar: planar == 2,
            part,
            tiled,
            offsets: directory.numbers(offsets)?.unwrap_or_default(),
            lengths: directory.numbers(lengths)?.unwrap_or_default(),
            turn: Turn::by_number(or(tag::ORIENTATION, 1)?),
        })
    }
}

/// The colors of a palette, of which the file has all reds, then all greens, then all blues.
///
/// They are of 16 bits, of which the higher eight are taken: some programs write a byte b as 256 b, others as 257 b.
fn palette(directory: &Directory<'_>, bits: u64) -> Result<Vec<[u8; 3]>, ImageFault> {
    if bits > 8 {
        return Err(directory.strange("bits of a palette's index", bits, "at most 8"));
    }
    let colors = directory.numbers(tag::COLOR_MAP)?.unwrap_or_default();
    let count = 1 << bits;
    if colors.len() != 3 * count {
        return Err(directory.strange("numbers of the palette", colors.len() as u64, "three for each color"));
    }
    let byte = |place: usize| (colors[place] >> 8) as u8;
    Ok((0..count).map(|i| [byte(i), byte(count + i), byte(2 * count + i)]).collect())
}

/// The bytes of a part of the image, `expected` of them.
fn unpack(compression: Compression, packed: &[u8], expected: usize) -> Result<Vec<u8>, ImageFault> {
    let short = |found: usize| ImageFault::Short { format: FORMAT, found: found as u64, expected: expected as u64 };
    if expected as u64 > (packed.len() as u64).saturating_mul(BYTES_PER_BYTE) {
        return Err(short(packed.len()));
    }
    let mut bytes = vec![0; expected];
    let found = match compression {
        Compression::None => {
            let count = packed.len().min(expected);
            bytes[..count].copy_from_slice(&packed[..count]);
            count
        }
        Compression::Deflate => {
            let mut decoder = ZlibDecoder::new(packed);
            let mut found = 0;
            while found < expected {
                match decoder.read(&mut bytes[found..]) {
                    Ok(0) => break,
                    Ok(count) => found += count,
                    Err(source) => return Err(ImageFault::Decoder { format: FORMAT, source: source.into() }),
                }
            }
            found
        }
        Compression::Lzw => {
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
            let (mut taken, mut found) = (0, 0);
            while found < expected {
                let step = decoder.decode_bytes(&packed[taken..], &mut bytes[found..]);
                taken += step.consumed_in;
                found += step.consumed_out;
                match step.status {
                    Ok(LzwStatus::Ok) => {}
                    Ok(LzwStatus::NoProgress | LzwStatus::Done) => break,
                    Err(source) => return Err(ImageFault::Decoder { format: FORMAT, source: source.into() }),
                }
            }
            found
        }
        Compression::PackBits => pack_bits(packed, &mut bytes),
    };
    if found < expected { Err(short(found)) } else { Ok(bytes) }
}

/// Fills `bytes` from runs and literals; returns how many there were.
fn pack_bits(packed: &[u8], bytes: &mut [u8]) -> usize {
    let (mut taken, mut found) = (0, 0);
    while found < bytes.len()
        && let Some(&head) = packed.get(taken)
    {
        taken += 1;
        let room = bytes.len() - found;
        match head {
            // The next byte many times.
            129.. => {
                let Some(&byte) = packed.get(taken) else { break };
                let count = room.min(257 - usize::from(head));
                bytes[found..][..count].fill(byte);
                taken += 1;
                found += count;
            }
            128 => {}
            _ => {
                let literal = &packed[taken..packed.len().min(taken + usize::from(head) + 1)];
                let count = room.min(literal.len());
                bytes[found..][..count].copy_from_slice(&literal[..count]);
                taken += literal.len();
                found += count;
            }
        }
    }
    found
}

/// A row of a part.
struct Line<'a> {
    bytes: &'a [u8],
    bits: usize,
    big_endian: bool,
}

impl<'a> Line<'a> {
    /// A row as it is stored, `together` samples a pixel; differences are added up.
    fn of(bytes: &'a mut [u8], header: &Header, together: usize) -> Self {
        let &Header { bits, big_endian, .. } = header;
        if header.differences && bits == 8 {
            for i in together..bytes.len() {
                bytes[i] = bytes[i].wrapping_add(bytes[i - together]);
            }
        } else if header.differences {
            for i in together..bytes.len() / 2 {
                let line = Line { bytes, bits, big_endian };
                let sum = line.sample(i).wrapping_add(line.sample(i - together));
                let sum = if big_endian { sum.to_be_bytes() } else { sum.to_le_bytes() };
                bytes[2 * i..][..2].copy_from_slice(&sum);
            }
        }
        Self { bytes, bits, big_endian }
    }

    /// Sample `i` of the row as it is.
    fn sample(&self, i: usize) -> u16 {
        match self.bits {
            16 => {
                let bytes = [self.bytes[2 * i], self.bytes[2 * i + 1]];
                if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
            }
            bits => {
                let per_byte = 8 / bits;
                let shift = 8 - bits * (i % per_byte + 1);
                u16::from(self.bytes[i / per_byte] >> shift & (0xff >> (8 - bits)))
            }
        }
    }

    /// Sample `i` of the row brought to eight bits.
    fn byte(&self, i: usize) -> u8 {
        match self.bits {
            16 => self.sample(i).byte(),
            // 255 is a multiple of the largest value of 1, 2, 4 and 8 bits.
            bits => (self.sample(i) * (255 / (0xff_u16 >> (8 - bits)))) as u8,
        }
    }
}
