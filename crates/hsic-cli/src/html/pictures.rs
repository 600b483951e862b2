//! Pictures of bytes within a page: as PNG files in its text, since a page fetches nothing.

use hsic_bottleneck::dataset::Shape;
use maud::{Markup, html};

/// Pixels between pictures that share a sheet.
const GAP: usize = 1;

/// The letters of base 64 (RFC 4648).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Gray or red, green and blue bytes, pixel by pixel.
struct Pixels {
    width: usize,
    height: usize,
    /// 1 or 3.
    channels: usize,
    bytes: Vec<u8>,
}

impl Pixels {
    /// Of an image channel by channel. One of three channels is in color; of others the mean of the channels is shown.
    fn of(shape: Shape, image: &[u8]) -> Self {
        let Shape { channels, height, width } = shape;
        let size = height * width;
        let value = |channel: usize, place: usize| image.get(channel * size + place).copied().unwrap_or(0);
        let mean = |place: usize| {
            let sum: usize = (0..channels).map(|channel| usize::from(value(channel, place))).sum();
            ((sum + channels / 2) / channels.max(1)) as u8
        };
        let (shown, bytes) = match channels {
            3 => (3, (0..size).flat_map(|place| [0, 1, 2].map(|channel| value(channel, place))).collect()),
            _ => (1, (0..size).map(mean).collect()),
        };
        Self { width, height, channels: shown, bytes }
    }

    /// Pictures of one size beside and below each other, `columns` in a line, apart by gray pixels.
    fn sheet(pictures: &[Self], columns: usize) -> Option<Self> {
        let first = pictures.first()?;
        let columns = columns.clamp(1, pictures.len());
        let lines = pictures.len().div_ceil(columns);
        let (width, height) = (columns * (first.width + GAP) - GAP, lines * (first.height + GAP) - GAP);
        let mut bytes = vec![128; width * height * first.channels];
        for (index, picture) in pictures.iter().enumerate() {
            let (top, left) = (index / columns * (first.height + GAP), index % columns * (first.width + GAP));
            let line = first.width * first.channels;
            for (y, from) in picture.bytes.chunks_exact(line.max(1)).enumerate() {
                let start = ((top + y) * width + left) * first.channels;
                bytes[start..start + line].copy_from_slice(from);
            }
        }
        Some(Self { width, height, channels: first.channels, bytes })
    }

    /// As the address of a PNG file that is the address itself; empty if there are no pixels.
    fn address(&self) -> Result<String, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(if self.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.bytes)?;
        writer.finish()?;
        Ok(format!("data:image/png;base64,{}", base64(&file)))
    }
}

/// Bytes in base 64.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let all = part.iter().fold(0u32, |all, &byte| (all << 8) | u32::from(byte)) << (8 * (3 - part.len()));
        for index in 0..4 {
            let letter = LETTERS[((all >> (18 - 6 * index)) & 63) as usize];
            text.push(if index <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// An image channel by channel, `scale` times as large, with what is said to those who do not see it; nothing of an image without
/// pixels.
pub(super) fn picture(shape: Shape, image: &[u8], scale: usize, said: &str) -> Markup {
    tag(&Pixels::of(shape, image), scale, said)
}

/// Several images as one.
pub(super) fn sheet(shape: Shape, images: &[Vec<u8>], columns: usize, scale: usize, said: &str) -> Markup {
    let pictures: Vec<Pixels> = images.iter().map(|image| Pixels::of(shape, image)).collect();
    Pixels::sheet(&pictures, columns).map_or_else(|| html! {}, |sheet| tag(&sheet, scale, said))
}

fn tag(pixels: &Pixels, scale: usize, said: &str) -> Markup {
    // The encoder refuses pictures without pixels and nothing else.
    let Ok(address) = pixels.address() else { return html! {} };
    html! { img src=(address) width=(scale * pixels.width) height=(scale * pixels.height) alt=(said); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_its_standard() {
        // The test vectors of RFC 4648, section 10.
        let told = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(told, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn three_channels_are_in_color_and_a_sheet_has_all_pictures() {
        let shape = |channels| Shape { channels, height: 1, width: 2 };
        assert_eq!(Pixels::of(shape(3), &[1, 2, 3, 4, 5, 6]).bytes, [1, 3, 5, 2, 4, 6]);
        assert_eq!(Pixels::of(shape(2), &[10, 20, 13, 21]).bytes, [12, 21]);
        let pictures: Vec<Pixels> = (0..3).map(|k| Pixels::of(shape(1), &[k, k + 10])).collect();
        let sheet = Pixels::sheet(&pictures, 2).unwrap();
        assert_eq!((sheet.width, sheet.height), (5, 3));
        let expected = [0, 10, 128, 1, 11, 128, 128, 128, 128, 128, 2, 12, 128, 128, 128];
        assert_eq!(sheet.bytes, expected);
    }

    #[test]
    fn a_picture_is_read_back_by_a_decoder() {
        let shape = Shape { channels: 1, height: 2, width: 3 };
        let address = Pixels::of(shape, &[0, 50, 100, 150, 200, 250]).address().unwrap();
        let text = address.strip_prefix("data:image/png;base64,").unwrap();
        let place = |letter: u8| LETTERS.iter().position(|&one| one == letter).unwrap_or(0) as u32;
        let file: Vec<u8> = text
            .as_bytes()
            .chunks(4)
            .flat_map(|four| {
                let all = four.iter().fold(0u32, |all, &letter| (all << 6) | place(letter));
                let end = four.iter().filter(|&&letter| letter == b'=').count();
                all.to_be_bytes()[1..4 - end].to_vec()
            })
            .collect();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; 6];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [0, 50, 100, 150, 200, 250]);
        let none = picture(Shape { channels: 1, height: 0, width: 0 }, &[], 2, "nothing").into_string();
        assert_eq!(none, "");
        assert!(
            picture(shape, &[0; 6], 2, "<a>").into_string().ends_with("width=\"6\" height=\"4\" alt=\"&lt;a&gt;\">")
        );
    }
}
