//! Image files: PNG and JPEG, to bytes channel by channel.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::gzip::DEFLATE_RATIO;
use super::{DatasetError, Shape};

/// The largest file that is read and the most values that an image may have: 256 MiB.
const MOST_BYTES: u64 = 1 << 28;

/// No more pixels come from one byte: deflate gives at most 1032 bytes of 8 pixels each; a JPEG takes a bit or more for
/// each block of 64 values, so at most 512 pixels come from a byte of it.
const PIXELS_PER_BYTE: u64 = 8 * DEFLATE_RATIO;

/// Decodes one PNG or JPEG file; what it is, its first bytes say.
///
/// The values come channel by channel (red, green, blue), row by row, a byte each. Gray stays one channel; palettes
/// become red, green, blue; 16 bits are rounded to 8; transparency is dropped. Notes on how to turn a photograph are
/// not followed.
///
/// # Errors
/// `Io`; `TooLarge` or `Oversized` before memory is taken for what a header claims; `ImageEnd` for a JPEG that ends
/// early; `Image` with the decoder's reason.
///
/// # Examples
/// ```no_run
/// use hsic_data::dataset::read_image;
/// let (shape, bytes) = read_image("cat.png".as_ref())?;
/// assert_eq!(bytes.len(), shape.columns());
/// # Ok::<(), hsic_data::dataset::DatasetError>(())
/// ```
pub fn read_image(path: &Path) -> Result<(Shape, Vec<u8>), DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let too_large = |found| DatasetError::TooLarge { path: path.to_owned(), found, limit: MOST_BYTES };
    if length > MOST_BYTES {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    Read::by_ref(&mut file).take(MOST_BYTES).read_to_end(&mut bytes).map_err(io)?;
    decode(path, &bytes)
}

/// Decodes an image; `path` names it in errors.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<(Shape, Vec<u8>), DatasetError> {
    let wrong = |source| DatasetError::Image { path: path.to_owned(), source };
    let format = image::guess_format(bytes).map_err(wrong)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MOST_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    let (pixels, possible) = (u64::from(width) * u64::from(height), bytes.len() as u64 * PIXELS_PER_BYTE);
    if decoder.total_bytes() > MOST_BYTES {
        let found = decoder.total_bytes();
        return Err(DatasetError::TooLarge { path: path.to_owned(), found, limit: MOST_BYTES });
    }
    if pixels > possible {
        return Err(DatasetError::Oversized { path: path.to_owned(), claimed: pixels, possible });
    }
    // The decoder fills in gray for what a file lacks; such a sample would be trained on.
    if format == ImageFormat::Jpeg && !ends(bytes) {
        return Err(DatasetError::ImageEnd { path: path.to_owned(), found: bytes.len() as u64 });
    }
    let image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    let (channels, interleaved) = match image {
        DynamicImage::ImageLuma8(gray) => (1, gray.into_raw()),
        DynamicImage::ImageRgb8(colors) => (3, colors.into_raw()),
        other if other.color().has_color() => (3, other.to_rgb8().into_raw()),
        other => (1, other.to_luma8().into_raw()),
    };
    let shape = Shape { channels, height: height as usize, width: width as usize };
    let planar = match channels {
        1 => interleaved,
        _ => (0..channels).flat_map(|c| interleaved.iter().skip(c).step_by(channels)).copied().collect(),
    };
    Ok((shape, planar))
}

/// Whether the pixels of a JPEG are followed by its end marker (ITU T.81, B.1.1): an end marker before them may be that
/// of a thumbnail.
fn ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        at += match (marker, bytes.get(at + 2..at + 4)) {
            // A fill byte.
            (0xff, _) => 1,
            (START_OF_SCAN, _) => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            (_, Some(&[high, low])) => 2 + usize::from(u16::from_be_bytes([high, low])),
            (_, _) => return false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};
    use proptest::prelude::*;

    use super::*;

    fn png(width: u32, height: u32, color: image::ExtendedColorType, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(data, width, height, color).unwrap();
        bytes
    }

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        let data: Vec<u8> = (0..16 * 8 * 3).map(|i| (i % 251) as u8).collect();
        JpegEncoder::new(&mut bytes).write_image(&data, 16, 8, image::ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    #[test]
    fn colors_come_channel_by_channel_and_gray_stays_gray() {
        let colored = png(2, 1, image::ExtendedColorType::Rgb8, &[1, 2, 3, 4, 5, 6]);
        let wide = Shape { channels: 3, height: 1, width: 2 };
        assert_eq!(decode(Path::new("f"), &colored).unwrap(), (wide, vec![1, 4, 2, 5, 3, 6]));
        let gray = png(1, 3, image::ExtendedColorType::L8, &[7, 8, 9]);
        let tall = Shape { channels: 1, height: 3, width: 1 };
        assert_eq!(decode(Path::new("f"), &gray).unwrap(), (tall, vec![7, 8, 9]));
        let transparent = png(1, 1, image::ExtendedColorType::Rgba8, &[1, 2, 3, 0]);
        assert_eq!(decode(Path::new("f"), &transparent).unwrap().1, [1, 2, 3]);
        // 0x8001 / 257 = 127.5.., rounded.
        let deep = png(1, 1, image::ExtendedColorType::L16, &0x8001u16.to_ne_bytes());
        assert_eq!(decode(Path::new("f"), &deep).unwrap().1, [128]);
    }

    #[test]
    fn a_jpeg_that_ends_early_is_refused() {
        let whole = jpeg();
        assert_eq!(decode(Path::new("f"), &whole).unwrap().0, Shape { channels: 3, height: 8, width: 16 });
        for length in [whole.len() - 2, whole.len() - 20] {
            let error = decode(Path::new("f"), &whole[..length]).unwrap_err().to_string();
            assert_eq!(error, format!("f: {length} bytes of JPEG without an end marker, expected a whole file"));
        }
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
        let claim = |width: u32, height: u32| {
            let mut bytes = png(1, 1, image::ExtendedColorType::L8, &[7]);
            bytes[16..20].copy_from_slice(&width.to_be_bytes());
            bytes[20..24].copy_from_slice(&height.to_be_bytes());
            // The header's own checksum (CRC-32 of type and content), so that only the claim is wrong.
            let crc = !bytes[12..29].iter().fold(!0u32, |crc, &byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
            });
            bytes[29..33].copy_from_slice(&crc.to_be_bytes());
            decode(Path::new("f"), &bytes).unwrap_err()
        };
        let error = claim(1 << 20, 1 << 20);
        assert!(matches!(error, DatasetError::TooLarge { found: 0x100_0000_0000, .. }), "{error}");
        let error = claim(1 << 10, 1 << 10);
        assert!(matches!(error, DatasetError::Oversized { claimed: 0x10_0000, .. }), "{error}");
    }

    #[test]
    fn another_kind_of_file_is_named() {
        let error = decode(Path::new("f.png"), b"GIF89a...").unwrap_err().to_string();
        assert!(error.starts_with("f.png: ") && error.contains("expected a PNG or JPEG image"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn mutated_and_cut_images_never_panic(
            kind in any::<bool>(),
            cut in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut bytes = if kind { jpeg() } else { png(2, 2, image::ExtendedColorType::L8, &[1, 2, 3, 4]) };
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(2 * cut.index(bytes.len()));
            if let Ok((shape, data)) = decode(Path::new("f"), &bytes) {
                prop_assert_eq!(shape.columns(), data.len());
            }
        }
    }
}
