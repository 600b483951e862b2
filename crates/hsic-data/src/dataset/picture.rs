//! Image files to bytes, channel by channel: PNG, JPEG, BMP, GIF, TIFF and WebP.
//!
//! What a file is, its first bytes say, whatever its name. No profile of colors is applied: values are those of the file.

mod bmp_file;
mod decoders;
mod directory;
mod fault;
mod fit;
mod levels;
mod look;
mod raster;
mod reading;
mod tiff_file;
mod turn;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use fault::ImageFault;
pub use fit::ImageFit;
pub(super) use levels::Picture;
pub(super) use look::Look;
#[cfg(test)]
pub(super) use look::Veil;
pub use reading::Reading;

use super::{DatasetError, Shape};
use raster::{MOST_BYTES, Source};

/// Endings of the names of images. Of what is in a file, its first bytes decide.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp"];

/// Whether a path has the ending of an image's name.
///
/// # Examples
/// ```
/// use hsic_data::dataset::is_image;
/// assert!(is_image("cats/1.JPG".as_ref()) && !is_image("cats/Thumbs.db".as_ref()));
/// ```
#[must_use]
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Decodes one image file: PNG, JPEG, BMP, GIF (its first picture), TIFF (its first image) or WebP; what it is, its first
/// bytes say.
///
/// The values come channel by channel (red, green, blue), row by row, a byte each. Gray stays one channel; palettes
/// become red, green, blue (but gray is what BMP stores by a palette of the shades in order, having nothing else for it);
/// 16 bits are rounded to 8; transparency is dropped. The note of how a photograph is turned (EXIF) is followed.
///
/// A data set's images are read otherwise ([`Reading`]): what is transparent lies over a background.
///
/// # Errors
/// `Io`; `TooLarge` or `Oversized` before memory is taken for what a header claims; `Empty` for an image of no pixels;
/// `ImageEnd` for a JPEG that ends before its last pixel; `Image` with the reason.
///
/// # Examples
/// ```no_run
/// use hsic_data::dataset::read_image;
/// let (shape, bytes) = read_image("cat.png".as_ref())?;
/// assert_eq!(bytes.len(), shape.columns());
/// # Ok::<(), hsic_data::dataset::DatasetError>(())
/// ```
pub fn read_image(path: &Path) -> Result<(Shape, Vec<u8>), DatasetError> {
    decode(path, &read_bytes(path)?)
}

/// Decodes one image file to a sample of the given sizes, as the images of a training became samples.
///
/// # Errors
/// As those of [`read_image`].
///
/// # Panics
/// If a size is 0.
///
/// # Examples
/// ```
/// use hsic_data::dataset::{ImageFit, Reading, Shape, read_sample};
/// let path = std::env::temp_dir().join(format!("hsic-doc-{}.bmp", std::process::id()));
/// // Two pixels beside each other, black and white: a header, and a row of red, green, blue filled up to eight bytes.
/// let mut bytes = b"BM\x3e\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
/// bytes.extend([0; 24]);
/// bytes.extend([0, 0, 0, 255, 255, 255, 0, 0]);
/// std::fs::write(&path, bytes)?;
/// let reading = Reading { fit: ImageFit::Stretch, background: 255, range: None };
/// let one = Shape { channels: 1, height: 1, width: 1 };
/// assert_eq!(read_sample(&path, one, &reading)?, [128]);
/// std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_sample(path: &Path, shape: Shape, reading: &Reading) -> Result<Vec<u8>, DatasetError> {
    Ok(reading.apply(picture(path, &read_bytes(path)?)?, shape))
}

/// The bytes of an image file, at most as many as are read of one.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let too_large = |found| DatasetError::TooLarge { path: path.to_owned(), found, limit: MOST_BYTES };
    if length > MOST_BYTES {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    Read::by_ref(&mut file).take(MOST_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// Decodes an image to bytes, transparency dropped; `path` names it in errors.
fn decode(path: &Path, bytes: &[u8]) -> Result<(Shape, Vec<u8>), DatasetError> {
    let picture = picture(path, bytes)?;
    Ok((picture.shape(), picture.into_bytes()))
}

/// Decodes an image as its file stores it; `path` names it in errors.
pub(super) fn picture(path: &Path, bytes: &[u8]) -> Result<Picture, DatasetError> {
    let source = Source { path, bytes };
    let raster = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => decoders::png(source),
        [0xff, 0xd8, 0xff, ..] => decoders::jpeg(source),
        [b'G', b'I', b'F', b'8', ..] => decoders::gif(source),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => decoders::webp(source),
        // The second number tells TIFF from BigTIFF, which is named and not read.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => tiff_file::decode(source),
        [b'B', b'M', ..] => bmp_file::decode(source),
        _ => Err(source.fault(ImageFault::of_start(bytes))),
    }?;
    Ok(raster.picture())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG file as the encoder of its library writes it.
    fn png(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    fn png8(width: u32, height: u32, color: png::ColorType, data: &[u8]) -> Vec<u8> {
        png(width, height, color, png::BitDepth::Eight, data)
    }

    #[test]
    fn colors_come_channel_by_channel_and_gray_stays_gray() {
        let colored = png8(2, 1, png::ColorType::Rgb, &[1, 2, 3, 4, 5, 6]);
        let wide = Shape { channels: 3, height: 1, width: 2 };
        assert_eq!(decode(Path::new("f"), &colored).unwrap(), (wide, vec![1, 4, 2, 5, 3, 6]));
        let gray = png8(1, 3, png::ColorType::Grayscale, &[7, 8, 9]);
        let tall = Shape { channels: 1, height: 3, width: 1 };
        assert_eq!(decode(Path::new("f"), &gray).unwrap(), (tall, vec![7, 8, 9]));
        let transparent = png8(1, 1, png::ColorType::Rgba, &[1, 2, 3, 0]);
        assert_eq!(decode(Path::new("f"), &transparent).unwrap().1, [1, 2, 3]);
        // 0x8001 / 257 = 127.5.., rounded.
        let deep = png(1, 1, png::ColorType::Grayscale, png::BitDepth::Sixteen, &0x8001u16.to_be_bytes());
        assert_eq!(decode(Path::new("f"), &deep).unwrap().1, [128]);
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
        let claim = |width: u32, height: u32| {
            let mut bytes = png8(1, 1, png::ColorType::Grayscale, &[7]);
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
        let error = decode(Path::new("f.png"), b"%PDF-1.7...").unwrap_err().to_string();
        assert_eq!(error, "f.png: not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image");
    }
}
