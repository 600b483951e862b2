//! BMP files: palettes of 1, 4 and 8 bits (also run-length coded), 16 bits, 24 and 32.

use super::fault::ImageFault;
use super::raster::{Raster, Source, colored};
use crate::dataset::DatasetError;

const FORMAT: &str = "BMP";

/// Bytes before the header that says what the image is.
const FILE_HEADER: usize = 14;

/// Bytes of the oldest header, whose numbers are of 16 bits.
const CORE_HEADER: u64 = 12;

/// Bytes of the header that all later ones begin with.
const INFO_HEADER: u64 = 40;

/// Bytes of the longest header.
const LONGEST_HEADER: u64 = 124;

/// The most pixels that are taken to come from one byte: two bytes leave out a row, however long, so this is a bound of
/// what makes sense and not of what the format allows.
const PIXELS_PER_BYTE: u64 = 1 << 13;

/// How pixels lie in the file.
enum Coding {
    Plain,
    /// Numbers of 16 or 32 bits, in which masks tell red, green and blue apart.
    Masks([u32; 3]),
    /// Runs of equal pixels of so many bits.
    Runs,
}

/// What the headers say.
struct Header {
    width: usize,
    height: usize,
    /// Whether the first row is the upper one.
    top_down: bool,
    bits: u64,
    coding: Coding,
    palette: Vec<[u8; 3]>,
    /// Where pixels begin.
    start: usize,
}

/// Decodes a BMP file.
pub(super) fn decode(source: Source<'_>) -> Result<Raster, DatasetError> {
    let header = Header::read(source)?;
    let Header { width, height, .. } = header;
    source.admit([width as u64, height as u64], 3, PIXELS_PER_BYTE)?;
    let pixels = source.bytes.get(header.start..).unwrap_or_default();
    let (channels, mut values) = match &header.coding {
        Coding::Runs => {
            let indices = runs(source, pixels, &header)?;
            header.looked_up(source, indices)?
        }
        coding => {
            let stride = (width * header.bits as usize).div_ceil(32) * 4;
            let expected = stride * height;
            let pixels = pixels.get(..expected).ok_or_else(|| {
                let (found, expected) = (pixels.len() as u64, expected as u64);
                source.fault(ImageFault::Short { format: FORMAT, found, expected })
            })?;
            let rows = pixels.chunks_exact(stride);
            match (coding, header.bits) {
                (Coding::Masks(masks), 16) => (3, rows.flat_map(|row| masked::<2>(row, width, *masks)).collect()),
                (Coding::Masks(masks), _) => (3, rows.flat_map(|row| masked::<4>(row, width, *masks)).collect()),
                (_, 24) => {
                    let pixel = |bgr: &[u8]| [bgr[2], bgr[1], bgr[0]];
                    (3, rows.flat_map(|row| row[..3 * width].chunks_exact(3).flat_map(pixel)).collect())
                }
                (_, bits) => {
                    let per_byte = 8 / bits as usize;
                    let index = |row: &[u8], x: usize| {
                        let shift = 8 - bits as usize * (x % per_byte + 1);
                        row[x / per_byte] >> shift & (0xff >> (8 - bits))
                    };
                    let indices: Vec<u8> = rows.flat_map(|row| (0..width).map(move |x| index(row, x))).collect();
                    header.looked_up(source, indices)?
                }
            }
        }
    };
    if !header.top_down {
        let row = width * channels;
        values = values.chunks_exact(row).rev().flatten().copied().collect();
    }
    Ok(Raster::new(width, height, channels, values))
}

impl Header {
    fn read(source: Source<'_>) -> Result<Self, DatasetError> {
        let strange = |what, found, expected| source.strange(FORMAT, what, found, expected);
        let number = |at: usize, length: usize| {
            let bytes = source.bytes.get(at..at + length).ok_or_else(|| {
                let (end, length) = ((at + length) as u64, source.bytes.len() as u64);
                source.fault(ImageFault::Beyond { format: FORMAT, what: "the header", end, length })
            })?;
            Ok::<_, DatasetError>(bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte)))
        };
        let start = number(10, 4)? as usize;
        let length = number(FILE_HEADER, 4)?;
        let core = length == CORE_HEADER;
        if !core && !(INFO_HEADER..=LONGEST_HEADER).contains(&length) {
            return Err(strange("a header of length", length, "12, or 40 to 124"));
        }
        let (width, height, bits, compression, colors) = if core {
            (number(18, 2)?, number(20, 2)? as i64, number(24, 2)?, 0, 0)
        } else {
            let signed = number(22, 4)? as u32 as i32;
            (number(18, 4)?, i64::from(signed), number(28, 2)?, number(30, 4)?, number(46, 4)?)
        };
        if width > i32::MAX as u64 {
            return Err(strange("width", width, "at most 2147483647"));
        }
        let top_down = height < 0;
        let mut coding = match (compression, bits) {
            (0, 1 | 4 | 8 | 24) => Coding::Plain,
            (0, 16) => Coding::Masks([0x7c00, 0x03e0, 0x001f]),
            (0, 32) => Coding::Masks([0xff_0000, 0xff00, 0xff]),
            (1, 8) | (2, 4) if !top_down => Coding::Runs,
            (3 | 6, 16 | 32) => Coding::Masks([0; 3]),
            (0, _) => return Err(strange("bits of a pixel", bits, "1, 4, 8, 16, 24 or 32")),
            _ => {
                return Err(strange("compression", compression, "0 (none), 1 or 2 (runs of 8 or 4 bits) or 3 (masks)"));
            }
        };
        let mut end = FILE_HEADER + length as usize;
        if compression == 3 || compression == 6 {
            // The masks follow the shortest header and are a part of the others, at the same place. A fourth, of
            // transparency, is not read.
            let place = FILE_HEADER + INFO_HEADER as usize;
            let mask = |at: usize| Ok::<_, DatasetError>(number(at, 4)? as u32);
            coding = Coding::Masks([mask(place)?, mask(place + 4)?, mask(place + 8)?]);
            end = end.max(place + 12);
        }
        let mut palette = Vec::new();
        if bits <= 8 {
            let most = 1 << bits;
            let count = if colors == 0 { most } else { colors.min(most) } as usize;
            let size = if core { 3 } else { 4 };
            let table = source.bytes.get(end..).unwrap_or_default();
            // A table that runs into the pixels, or the end, has the colors before them.
            let room = start.saturating_sub(end).min(table.len());
            palette = table[..room].chunks_exact(size).take(count).map(|bgr| [bgr[2], bgr[1], bgr[0]]).collect();
        }
        let height = usize::try_from(height.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(Self { width: width as usize, height, top_down, bits, coding, palette, start })
    }

    /// Values a pixel, and the values of indices into the palette.
    ///
    /// The format has nothing else for gray than a palette of the shades in order, or of black and white: that is one
    /// value a pixel.
    fn looked_up(&self, source: Source<'_>, indices: Vec<u8>) -> Result<(usize, Vec<u8>), DatasetError> {
        let values = colored(source, FORMAT, &indices, &self.palette)?;
        let shades = self.palette.iter().zip(0..=255).all(|(color, i)| *color == [i; 3]);
        let gray = shades || self.palette == [[0; 3], [255; 3]];
        Ok(if gray { (1, values.into_iter().step_by(3).collect()) } else { (3, values) })
    }
}

/// Red, green and blue of a row of numbers of `BYTES` bytes: the bits of each mask as a share of their largest value.
fn masked<const BYTES: usize>(row: &[u8], width: usize, masks: [u32; 3]) -> impl Iterator<Item = u8> {
    row.chunks_exact(BYTES).take(width).flat_map(move |bytes| {
        let number = bytes.iter().rev().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        masks.map(|mask| {
            let shift = mask.trailing_zeros().min(31);
            let (value, most) = (u64::from((number & mask) >> shift), u64::from(mask >> shift));
            // A color without a mask is not there.
            (value * 255 + most / 2).checked_div(most).unwrap_or(0) as u8
        })
    })
}

/// Indices of run-length coded pixels; those that are left out are 0.
fn runs(source: Source<'_>, bytes: &[u8], header: &Header) -> Result<Vec<u8>, DatasetError> {
    let (width, height) = (header.width, header.height);
    let mut indices = vec![0; width * height];
    let short = |found: usize| {
        let (found, expected) = (found as u64, (width * height) as u64);
        source.fault(ImageFault::Short { format: FORMAT, found, expected })
    };
    let outside = |x: usize| source.strange(FORMAT, "a run that ends at column", x as u64, "at most the image's width");
    // Of two pixels in a byte the left one has the higher bits.
    let nibble = |byte: u8, k: usize| if k.is_multiple_of(2) { byte >> 4 } else { byte & 0xf };
    let pixel = |bytes: &[u8], k: usize| if header.bits == 8 { bytes[k] } else { nibble(bytes[k / 2], k) };
    let (mut x, mut y, mut at) = (0, 0, 0);
    while y < height {
        let Some(&[count, value]) = bytes.get(at..at + 2) else { return Err(short(y * width + x)) };
        at += 2;
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => break,
            (0, 2) => {
                let Some(&[right, up]) = bytes.get(at..at + 2) else { return Err(short(y * width + x)) };
                at += 2;
                (x, y) = (x + usize::from(right), y + usize::from(up));
                if x > width {
                    return Err(outside(x));
                }
            }
            _ => {
                let literal = count == 0;
                let length = usize::from(if literal { value } else { count });
                let line = indices[y * width..][..width].get_mut(x..x + length).ok_or_else(|| outside(x + length))?;
                if literal {
                    let taken = if header.bits == 8 { length } else { length.div_ceil(2) };
                    let Some(values) = bytes.get(at..at + taken) else { return Err(short(y * width + x)) };
                    line.iter_mut().enumerate().for_each(|(k, index)| *index = pixel(values, k));
                    at += taken.next_multiple_of(2);
                } else if header.bits == 8 {
                    line.fill(value);
                } else {
                    line.iter_mut().enumerate().for_each(|(k, index)| *index = nibble(value, k));
                }
                x += length;
            }
        }
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A file of 16-bit or 32-bit pixels with masks, or of runs, after a header of 40 bytes.
    fn file(size: [i32; 2], bits: u16, compression: u32, behind: &[&[u8]], colors: u32) -> Vec<u8> {
        let start = 54 + behind[..behind.len() - 1].iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((start as u32).to_le_bytes());
        bytes.extend(40u32.to_le_bytes());
        bytes.extend(size.map(i32::to_le_bytes).concat());
        bytes.extend([1u16, bits].map(u16::to_le_bytes).concat());
        bytes.extend([compression, 0, 0, 0, colors, 0].map(u32::to_le_bytes).concat());
        bytes.extend(behind.concat());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(usize, Vec<u8>), String> {
        let raster = decode(Source { path: Path::new("f"), bytes });
        raster.map(|raster| (raster.channels, raster.values.into_bytes())).map_err(|error| match error {
            DatasetError::Image { source, .. } => source.to_string(),
            error => error.to_string(),
        })
    }

    #[test]
    fn sixteen_bits_are_shares_of_their_largest_value() {
        // 5 bits each: 31, 0, 16 of 31; 16/31 of 255 is 131.6.
        let plain = [0x7c10u16, 0x03e0].map(u16::to_le_bytes).concat();
        assert_eq!(read(&file([2, -1], 16, 0, &[&plain], 0)).unwrap(), (3, vec![255, 0, 132, 0, 255, 0]));
        // Masks of 5, 6 and 5 bits: 32 of 63 is 129.5, rounded up.
        let masks = [0xf800u32, 0x07e0, 0x001f].map(u32::to_le_bytes).concat();
        let values = [0xfc00u16, 0x001f].map(u16::to_le_bytes).concat();
        assert_eq!(read(&file([2, 1], 16, 3, &[&masks, &values], 0)).unwrap(), (3, vec![255, 130, 0, 0, 0, 255]));
        // Ten bits, and a color without a mask.
        let masks = [0x3ff0_0000u32, 0, 0x3ff].map(u32::to_le_bytes).concat();
        let values = 0x2000_03ffu32.to_le_bytes();
        assert_eq!(read(&file([1, 1], 32, 3, &[&masks, &values], 0)).unwrap(), (3, vec![128, 0, 255]));
    }

    #[test]
    fn runs_literals_and_jumps_are_followed() {
        let palette = [[0, 0, 0, 0], [0, 0, 9, 0], [0, 8, 0, 0], [7, 0, 0, 0]].concat();
        let error = read(&file([3, 3], 8, 1, &[&palette, &[2, 2, 1, 1, 3, 5]], 4)).unwrap_err();
        assert_eq!(error, "BMP: a run that ends at column 6, expected at most the image's width");
        // From the lower row: 2 2 1; then three literals 3 0 1; then, by a jump over a pixel, 1.
        let eight = [[2, 2, 1, 1], [0, 0, 0, 3], [3, 0, 1, 0], [0, 0, 0, 2], [1, 0, 1, 1], [0, 1, 9, 9]].concat();
        let colors = |indices: [usize; 9]| -> Vec<u8> {
            indices.iter().flat_map(|&i| [[0, 0, 0], [9, 0, 0], [0, 8, 0], [0, 0, 7]][i]).collect()
        };
        let expected = colors([0, 1, 0, 3, 0, 1, 2, 2, 1]);
        assert_eq!(read(&file([3, 3], 8, 1, &[&palette, &eight], 4)).unwrap(), (3, expected.clone()));
        let four = [[3, 0x22], [0, 0], [0, 3], [0x30, 0x10], [0, 0], [3, 0x01], [0, 1]].concat();
        assert_eq!(read(&file([3, 3], 4, 2, &[&palette, &four], 4)).unwrap(), (3, colors([0, 1, 0, 3, 0, 1, 2, 2, 2])));
        for length in 0..eight.len() - 4 {
            let error = read(&file([3, 3], 8, 1, &[&palette, &eight[..length]], 4)).unwrap_err();
            assert!(error.contains("bytes of pixels, expected 9"), "{length}: {error}");
        }
    }

    #[test]
    fn a_palette_of_the_shades_in_order_is_gray() {
        let of = |palette: &[[u8; 4]]| {
            let bytes = file([2, 1], 8, 0, &[&palette.concat(), &[1, 0, 0, 0]], palette.len() as u32);
            read(&bytes).unwrap()
        };
        assert_eq!(of(&[[0; 4], [1, 1, 1, 0], [2, 2, 2, 0]]), (1, vec![1, 0]));
        assert_eq!(of(&[[0; 4], [255, 255, 255, 0]]), (1, vec![255, 0]));
        assert_eq!(of(&[[0; 4], [254, 254, 254, 0]]), (3, vec![254, 254, 254, 0, 0, 0]));
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (bytes, message) in [
            (
                file([1, 1], 8, 4, &[b""], 0),
                "BMP: compression 4, expected 0 (none), 1 or 2 (runs of 8 or 4 bits) or 3 (masks)",
            ),
            (file([1, 1], 7, 0, &[b""], 0), "BMP: bits of a pixel 7, expected 1, 4, 8, 16, 24 or 32"),
            (file([-1, 1], 8, 0, &[b""], 0), "BMP: width 4294967295, expected at most 2147483647"),
            (file([1, 2], 24, 0, &[&[0; 7]], 0), "BMP: 7 bytes of pixels, expected 8"),
            (file([1, 1], 8, 0, &[&[9, 9, 9, 0], &[1, 0, 0, 0]], 1), "BMP: color 1, expected one of the palette"),
        ] {
            assert_eq!(read(&bytes).unwrap_err(), message);
        }
        let whole = file([1, 1], 24, 0, &[&[1, 2, 3, 0]], 0);
        assert_eq!(read(&whole).unwrap(), (3, vec![3, 2, 1]));
        for length in 2..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }
}
