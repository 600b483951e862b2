//! PNG, JPEG, GIF and WebP, each by the library of its format.

use std::borrow::Cow;
use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use image_webp::WebPDecoder;
use png::{BitDepth, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::levels::Levels;
use super::raster::{MOST_BYTES, Raster, Source, colored};
use super::turn::Turn;
use crate::dataset::DatasetError;
use crate::dataset::gzip::DEFLATE_RATIO;

/// No more pixels come from one byte of a PNG: deflate gives at most 1032 bytes of 8 pixels each.
const PNG_PIXELS_PER_BYTE: u64 = 8 * DEFLATE_RATIO;

/// No more pixels come from one byte of a JPEG: it takes a bit or more for each block of 64 values.
const JPEG_PIXELS_PER_BYTE: u64 = 8 * 64;

/// Bytes that follow a JPEG without an end marker on trial: more than the blocks take that one sees nothing of, at the
/// right and the lower border, so that those that are seen take some of them too.
const FOLLOWING: usize = 1024;

/// What ends a JPEG.
const END_MARKER: &[u8] = &[0xff, 0xd9];

/// No more pixels come from one byte of a GIF: a code of 12 bits stands for at most 4096 of them.
const GIF_PIXELS_PER_BYTE: u64 = 1 << 12;

/// Decodes a PNG file. Palettes become colors, gray of fewer than 8 bits becomes gray of 8.
pub(super) fn png(source: Source<'_>) -> Result<Raster, DatasetError> {
    let wrong = |error| source.damaged("PNG", error);
    let limits = png::Limits { bytes: 2 * MOST_BYTES as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(source.bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(wrong)?;
    let (color, depth) = reader.output_color_type();
    let (width, height) = reader.info().size();
    let (channels, bytes) = (color.samples(), if depth == BitDepth::Sixteen { 2 } else { 1 });
    source.admit([width.into(), height.into()], (channels * bytes) as u64, PNG_PIXELS_PER_BYTE)?;
    let (width, height) = (width as usize, height as usize);
    let mut values = vec![0; width * height * channels * bytes];
    reader.next_frame(&mut values).map_err(wrong)?;
    let values = if bytes == 2 {
        let number = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
        Levels::from(values.chunks_exact(2).map(number).collect::<Vec<_>>())
    } else {
        Levels::from(values)
    };
    let turn = reader.info().exif_metadata.as_ref().map_or_else(Turn::default, |exif| Turn::by_exif(exif));
    Ok(Raster::new(width, height, channels, values).turned(turn))
}

/// Decodes a JPEG file. Gray stays gray; other spaces of colors (CMYK) become red, green, blue.
///
/// A file without an end marker is read if all its pixels are there, as libjpeg has it.
pub(super) fn jpeg(source: Source<'_>) -> Result<Raster, DatasetError> {
    let wrong = |error| source.damaged("JPEG", error);
    let scan = Scan::of(source.bytes);
    // The first byte of a marker may be there.
    let open = source.bytes.strip_suffix(&END_MARKER[..1]).unwrap_or(source.bytes);
    let closed: Cow<'_, [u8]> = if scan.ends { source.bytes.into() } else { [open, END_MARKER].concat().into() };
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&closed[..]), options);
    decoder.decode_headers().map_err(wrong)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (channels, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (1, ColorSpace::Luma),
        _ => (3, ColorSpace::RGB),
    };
    source.admit([width as u64, height as u64], channels as u64, JPEG_PIXELS_PER_BYTE)?;
    let ends_early = || DatasetError::ImageEnd { path: source.path.to_owned(), found: source.bytes.len() as u64 };
    if !scan.ends && !scan.is_only {
        return Err(ends_early());
    }
    let options = options.jpeg_set_out_colorspace(space);
    decoder.set_options(options);
    let mut values = vec![0; width * height * channels];
    decoder.decode_into(&mut values).map_err(wrong)?;
    // The decoder fills in gray for what a file lacks; such a sample would be trained on.
    if !scan.ends && !is_whole(open, options, &values) {
        return Err(ends_early());
    }
    let turn = decoder.exif().map_or_else(Turn::default, |exif| Turn::by_exif(exif));
    Ok(Raster::new(width, height, channels, values).turned(turn))
}

/// What the markers of a JPEG tell of the scan that holds its pixels (ITU T.81, B.1.1 and B.2).
#[derive(Default)]
struct Scan {
    /// Whether an end marker follows it; one before it may be that of a thumbnail.
    ends: bool,
    /// Whether it holds all pixels, each once: one coded in sequence that has every component of the frame.
    is_only: bool,
}

impl Scan {
    fn of(bytes: &[u8]) -> Self {
        const START_OF_SCAN: u8 = 0xda;
        let (mut at, mut components) = (2, None);
        while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
            let number = |offset: usize| bytes.get(at + offset).copied();
            at += match (marker, bytes.get(at + 2..at + 4)) {
                // A fill byte.
                (0xff, _) => 1,
                (START_OF_SCAN, _) => {
                    let ends = bytes[at..].windows(2).any(|pair| pair == END_MARKER);
                    return Self { ends, is_only: components.is_some() && components == number(4) };
                }
                (_, Some(&[high, low])) => {
                    // Frames that are coded in sequence, by Huffman codes.
                    if matches!(marker, 0xc0 | 0xc1) {
                        components = number(9);
                    }
                    2 + usize::from(u16::from_be_bytes([high, low]))
                }
                (_, _) => return Self::default(),
            };
        }
        Self::default()
    }
}

/// Whether a JPEG without an end marker holds all its pixels, which are then decoded to the same values whatever bits
/// follow the file. Of a file that is cut earlier, the last pixels would change with those bits, or these would be no code.
fn is_whole(bytes: &[u8], options: DecoderOptions, values: &[u8]) -> bool {
    // Otherwise what cannot be decoded is filled with gray, and that is the same each time.
    let options = options.set_strict_mode(true);
    [0x00, 0x55, 0xaa, 0x7f].into_iter().all(|byte| {
        let followed = [bytes, &[byte; FOLLOWING], END_MARKER].concat();
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&followed[..]), options);
        let mut found = vec![0; values.len()];
        decoder.decode_headers().is_ok() && decoder.decode_into(&mut found).is_ok() && found == values
    })
}

/// Decodes a GIF file: its first picture. Where that does not cover the screen lies the transparent color, or the first.
pub(super) fn gif(source: Source<'_>) -> Result<Raster, DatasetError> {
    const FORMAT: &str = "GIF";
    let wrong = |error| source.damaged(FORMAT, error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(NonZeroU64::new(MOST_BYTES).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    let mut decoder = options.read_info(source.bytes).map_err(wrong)?;
    let screen = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info().map_err(wrong)?;
    let frame = frame.ok_or_else(|| source.strange(FORMAT, "pictures", 0, "one or more"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (columns, rows) = (usize::from(frame.width), usize::from(frame.height));
    let transparent = frame.transparent;
    let ground = transparent.unwrap_or(0);
    // A picture that leaves the screen makes it larger: there are files that say so, and this is how they are shown.
    let (width, height) = (usize::from(screen.0).max(left + columns), usize::from(screen.1).max(top + rows));
    source.admit([width as u64, height as u64], 3, GIF_PIXELS_PER_BYTE)?;
    let mut picture = vec![0; columns * rows];
    if !picture.is_empty() {
        decoder.read_into_buffer(&mut picture).map_err(wrong)?;
    }
    let palette: Vec<[u8; 3]> = decoder.palette().map_err(wrong)?.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect();
    let mut indices = picture;
    if (columns, rows) != (width, height) {
        let mut whole = vec![ground; width * height];
        for (row, line) in indices.chunks_exact(columns.max(1)).enumerate() {
            whole[(top + row) * width + left..][..columns].copy_from_slice(line);
        }
        indices = whole;
    }
    let colors = colored(source, FORMAT, &indices, &palette)?;
    let Some(transparent) = transparent else { return Ok(Raster::new(width, height, 3, colors)) };
    let opacity = indices.iter().map(|&index| if index == transparent { 0 } else { u8::MAX });
    let values = colors.chunks_exact(3).zip(opacity).flat_map(|(c, opacity)| [c[0], c[1], c[2], opacity]).collect();
    Ok(Raster::new(width, height, 4, Levels::Eight(values)))
}

/// Decodes a WebP file: its first picture.
///
/// No bound of pixels by bytes holds: one color takes no bits at all, however large the image.
pub(super) fn webp(source: Source<'_>) -> Result<Raster, DatasetError> {
    let wrong = |error| source.damaged("WebP", error);
    let mut decoder = WebPDecoder::new(Cursor::new(source.bytes)).map_err(wrong)?;
    // Parts of the file are never larger than the file, whatever their headers claim.
    decoder.set_memory_limit(source.bytes.len());
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    // Within the decoder a pixel has four values, opaque or not.
    source.admit([width.into(), height.into()], 4, u64::MAX)?;
    if let Some(side) = larger_frame(source.bytes, [width, height]) {
        return Err(source.strange("WebP", "a frame with a side of", side.into(), "at most that of the picture"));
    }
    let (width, height) = (width as usize, height as usize);
    let mut values = vec![0; width * height * channels];
    decoder.read_image(&mut values).map_err(wrong)?;
    let exif = decoder.exif_metadata().map_err(wrong)?;
    let turn = exif.map_or_else(Turn::default, |exif| Turn::by_exif(&exif));
    Ok(Raster::new(width, height, channels, values).turned(turn))
}

/// A side of a lossy frame that is larger than the picture, or than its place in an animation, says: the decoder takes memory for
/// the frame before it compares them, and may write beyond the place.
///
/// Format: a chunk `ANMF` begins with its place, 24 bits for each number, the sides less 1 from byte 6 on; a chunk `VP8 ` has three
/// bytes, the code 9d 01 2a and 14 bits for each side. Source: RFC 9649, 2.7, and RFC 6386, 9.1.
fn larger_frame(bytes: &[u8], picture: [u32; 2]) -> Option<u32> {
    let number = |part: &[u8]| part.iter().rev().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
    let mut place = picture;
    for at in 0..bytes.len() {
        let chunk = &bytes[at..];
        if let (b"ANMF", Some(sides)) = (&chunk[..chunk.len().min(4)], chunk.get(14..20)) {
            place = [number(&sides[..3]) + 1, number(&sides[3..]) + 1];
        } else if let (b"VP8 ", Some([0x9d, 0x01, 0x2a, sides @ ..])) =
            (&chunk[..chunk.len().min(4)], chunk.get(11..18))
        {
            let sides = [number(&sides[..2]) & 0x3fff, number(&sides[2..]) & 0x3fff];
            if let Some(index) = (0..2).find(|&index| sides[index] > place[index]) {
                return Some(sides[index]);
            }
        }
    }
    None
}
