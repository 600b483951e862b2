//! A confusion table as a picture of gray pixels.

use std::io;

use hsic_learn::judge::assignment::Confusion;

/// Pixels of a cell's side.
const CELL: usize = 16;

/// Largest side of a picture in pixels: of more classes a cell is smaller, and a pixel at the least.
const LARGEST: usize = 1024;

/// A picture, width and height first.
pub(super) struct Picture {
    pub(super) size: (usize, usize),
    /// As a PNG file.
    pub(super) png: Vec<u8>,
}

/// The table with a cell for each true class (row) and predicted class (column), the darker the larger the share of the row.
///
/// # Errors
/// What the encoder says; none of a table with cells.
pub(super) fn of_confusion(table: &Confusion) -> io::Result<Picture> {
    let (rows, columns) = (table.counts.len(), table.counts.iter().map(Vec::len).max().unwrap_or(0));
    let side = (LARGEST / rows.max(columns).max(1)).clamp(1, CELL);
    let mut pixels = Vec::with_capacity(rows * columns * side * side);
    for row in &table.counts {
        let all = row.iter().sum::<u64>().max(1) as f64;
        let shade = |column: usize| {
            let share = row.get(column).map_or(0.0, |&count| count as f64 / all);
            (255.0 * (1.0 - share)).round() as u8
        };
        let line: Vec<u8> = (0..columns * side).map(|pixel| shade(pixel / side)).collect();
        (0..side).for_each(|_| pixels.extend_from_slice(&line));
    }
    let size = (columns * side, rows * side);
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, size.0 as u32, size.1 as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(Picture { size, png })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_dark_as_its_share_of_the_row() {
        let table = Confusion { counts: vec![vec![3, 1], vec![0, 0]] };
        let picture = of_confusion(&table).unwrap();
        assert_eq!(picture.size, (32, 32));
        let mut reader = png::Decoder::new(io::Cursor::new(&picture.png)).read_info().unwrap();
        let mut pixels = vec![0; 32 * 32];
        reader.next_frame(&mut pixels).unwrap();
        // 255 less three quarters of it, and less one; an empty row is white.
        assert_eq!([pixels[0], pixels[31], pixels[15 * 32 + 16], pixels[31 * 32]], [64, 191, 191, 255]);
        let many = Confusion { counts: vec![vec![1; 300]; 300] };
        assert_eq!(of_confusion(&many).unwrap().size, (900, 900));
    }
}
