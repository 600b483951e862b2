//! How a picture is turned before it is looked at: the note that cameras write (EXIF, tag 274, of 1 to 8).

use super::directory::{Directory, tag};

/// How to get from the pixels of a file to the picture that they are of.
///
/// The picture's pixel (x, y) is the file's (x, y), or (y, x) if both are exchanged, counted from the far side where it is
/// mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Rows become columns.
    exchanged: bool,
    /// The file's columns are counted from the right.
    across: bool,
    /// The file's rows are counted from below.
    down: bool,
}

impl Turn {
    /// By the number of the note; a number that means nothing turns nothing.
    pub(super) fn by_number(number: u64) -> Self {
        let [exchanged, across, down] = match number {
            2 => [false, true, false],
            3 => [false, true, true],
            4 => [false, false, true],
            5 => [true, false, false],
            6 => [true, false, true],
            7 => [true, true, true],
            8 => [true, true, false],
            _ => [false; 3],
        };
        Self { exchanged, across, down }
    }

    /// By the note in EXIF data, with their lead or without; data that cannot be read turn nothing.
    pub(super) fn by_exif(exif: &[u8]) -> Self {
        let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        let number =
            Directory::first(exif, "EXIF").ok().and_then(|directory| directory.number(tag::ORIENTATION).ok()?);
        Self::by_number(number.unwrap_or(1))
    }

    /// Whether the picture is the file's pixels as they lie.
    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Width and height of the picture of a file's width and height.
    pub(super) fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.exchanged { (height, width) } else { (width, height) }
    }

    /// Indices of the file's pixels in the order of the picture's, row by row.
    pub(super) fn order(self, (width, height): (usize, usize)) -> impl Iterator<Item = usize> {
        let (columns, rows) = self.size((width, height));
        (0..rows).flat_map(move |y| {
            (0..columns).map(move |x| {
                let (x, y) = if self.exchanged { (y, x) } else { (x, y) };
                let x = if self.across { width - 1 - x } else { x };
                let y = if self.down { height - 1 - y } else { y };
                y * width + x
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_turns_as_the_standard_says() {
        // The file's rows are 0 1 2 and 3 4 5. By the standard, row 0 and column 0 of the file are these sides of the
        // picture: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom,
        // 8 left bottom.
        for (number, rows) in [
            (1, &[[0, 1, 2], [3, 4, 5]][..]),
            (2, &[[2, 1, 0], [5, 4, 3]]),
            (3, &[[5, 4, 3], [2, 1, 0]]),
            (4, &[[3, 4, 5], [0, 1, 2]]),
        ] {
            let turn = Turn::by_number(number);
            assert_eq!(turn.size((3, 2)), (3, 2));
            assert_eq!(turn.order((3, 2)).collect::<Vec<_>>(), rows.concat(), "{number}");
        }
        for (number, rows) in [
            (5, [[0, 3], [1, 4], [2, 5]]),
            (6, [[3, 0], [4, 1], [5, 2]]),
            (7, [[5, 2], [4, 1], [3, 0]]),
            (8, [[2, 5], [1, 4], [0, 3]]),
        ] {
            let turn = Turn::by_number(number);
            assert_eq!(turn.size((3, 2)), (2, 3));
            assert_eq!(turn.order((3, 2)).collect::<Vec<_>>(), rows.concat(), "{number}");
        }
        assert!([0, 1, 9, u64::MAX].into_iter().all(|number| Turn::by_number(number).is_none()));
    }

    #[test]
    fn a_note_is_found_in_either_order_of_bytes_and_a_broken_one_turns_nothing() {
        // The header, one entry (tag 274, one number of 16 bits), and no further directory.
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        for whole in [&little[..], big] {
            assert_eq!(Turn::by_exif(whole), Turn::by_number(6));
            assert_eq!(Turn::by_exif(&[b"Exif\0\0", whole].concat()), Turn::by_number(6));
            for length in 0..22 {
                assert!(Turn::by_exif(&whole[..length]).is_none(), "{length}");
            }
        }
    }
}
