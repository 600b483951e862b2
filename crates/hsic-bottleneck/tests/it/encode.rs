//! Small image files for tests.

/// A PNG file of gray or, with three values a pixel, of colors.
pub(crate) fn png(width: u32, height: u32, values: &[u8]) -> Vec<u8> {
    let gray = values.len() == (width * height) as usize;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(if gray { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.write_header().unwrap().write_image_data(values).unwrap();
    bytes
}

/// A PNG file of any kind of values.
pub(crate) fn png_of(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

/// A JPEG file of one shade of gray, of at most 8 x 8 pixels (ITU T.81): its only block has nothing but a mean.
///
/// The mean is stored as 8 (shade - 128) in units of 8, so that no shade is rounded.
pub(crate) fn jpeg(width: u8, height: u8, shade: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        bytes.extend([0xff, marker, 0, content.len() as u8 + 2]);
        bytes.extend(content);
    };
    segment(0xdb, &[&[0][..], &[8; 64]].concat());
    segment(0xc0, &[8, 0, height, 0, width, 1, 1, 0x11, 0]);
    // The codes of means: the sizes 0 to 8 in four bits each. The codes of the rest: an end, in one bit.
    segment(0xc4, &[&[0, 0, 0, 0, 9][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
    segment(0xc4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
    segment(0xda, &[1, 1, 0, 0, 63, 0]);
    let mean = i32::from(shade) - 128;
    let size = 32 - mean.unsigned_abs().leading_zeros();
    // A negative number is stored as what is left to the largest one of its size.
    let number = if mean < 0 { mean + (1 << size) - 1 } else { mean };
    let (bits, count) = (((size as i32) << size | number) << 1, 4 + size + 1);
    let stored = ((bits << (16 - count)) | ((1 << (16 - count)) - 1)) as u16;
    for byte in stored.to_be_bytes() {
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}
