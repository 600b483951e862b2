//! A directory of numbers by tag: what a TIFF file begins with, and the EXIF data inside other files.

use super::fault::ImageFault;

/// Tags of a directory (TIFF 6.0, section 8, and its supplement for compression).
pub(super) mod tag {
    pub(crate) const WIDTH: u16 = 256;
    pub(crate) const HEIGHT: u16 = 257;
    pub(crate) const BITS: u16 = 258;
    pub(crate) const COMPRESSION: u16 = 259;
    pub(crate) const PHOTOMETRIC: u16 = 262;
    pub(crate) const FILL_ORDER: u16 = 266;
    pub(crate) const STRIP_OFFSETS: u16 = 273;
    pub(crate) const ORIENTATION: u16 = 274;
    pub(crate) const SAMPLES: u16 = 277;
    pub(crate) const ROWS_PER_STRIP: u16 = 278;
    pub(crate) const STRIP_BYTES: u16 = 279;
    pub(crate) const PLANAR: u16 = 284;
    pub(crate) const PREDICTOR: u16 = 317;
    pub(crate) const COLOR_MAP: u16 = 320;
    pub(crate) const TILE_WIDTH: u16 = 322;
    pub(crate) const TILE_HEIGHT: u16 = 323;
    pub(crate) const TILE_OFFSETS: u16 = 324;
    pub(crate) const TILE_BYTES: u16 = 325;
    pub(crate) const EXTRA_SAMPLES: u16 = 338;
    pub(crate) const SAMPLE_FORMAT: u16 = 339;
}

/// The magic number behind the order of bytes.
const MAGIC: u64 = 42;

/// Bytes of an entry: tag, type, count, and the value or where it lies.
const ENTRY: usize = 12;

/// The first directory of a file.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    /// The entries, one after another.
    entries: &'a [u8],
    big_endian: bool,
    format: &'static str,
}

impl<'a> Directory<'a> {
    /// Finds the first directory; `format` names what it is a part of in faults.
    pub(super) fn first(bytes: &'a [u8], format: &'static str) -> Result<Self, ImageFault> {
        let big_endian = match bytes {
            [b'I', b'I', ..] => false,
            [b'M', b'M', ..] => true,
            _ => return Err(ImageFault::of_start(bytes)),
        };
        let mut directory = Self { bytes, entries: &[], big_endian, format };
        let magic = directory.value(directory.part("the header", 2, 2)?);
        if magic != MAGIC {
            return Err(directory.strange("version", magic, "42"));
        }
        let at = directory.value(directory.part("the header", 4, 4)?);
        let count = directory.value(directory.part("the directory", at, 2)?);
        directory.entries = directory.part("the directory", at + 2, count * ENTRY as u64)?;
        Ok(directory)
    }

    /// Whether numbers have their highest byte first.
    pub(super) fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// The numbers of a tag; none if the tag is not there or holds no whole numbers of 8, 16 or 32 bits.
    pub(super) fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, ImageFault> {
        for entry in self.entries.chunks_exact(ENTRY) {
            if self.value(&entry[..2]) != u64::from(tag) {
                continue;
            }
            let bytes = match self.value(&entry[2..4]) {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => return Ok(None),
            };
            let length = self.value(&entry[4..8]) * bytes;
            let values = match entry[8..].get(..length as usize) {
                Some(inside) => inside,
                None => self.part("a list of numbers", self.value(&entry[8..]), length)?,
            };
            return Ok(Some(values.chunks_exact(bytes as usize).map(|value| self.value(value)).collect()));
        }
        Ok(None)
    }

    /// The first number of a tag.
    pub(super) fn number(&self, tag: u16) -> Result<Option<u64>, ImageFault> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// A part of the file.
    pub(super) fn part(&self, what: &'static str, start: u64, length: u64) -> Result<&'a [u8], ImageFault> {
        let end = start.saturating_add(length);
        let found = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        found.and_then(|(start, end)| self.bytes.get(start..end)).ok_or(ImageFault::Beyond {
            format: self.format,
            what,
            end,
            length: self.bytes.len() as u64,
        })
    }

    /// A fault of a value.
    pub(super) fn strange(&self, what: &'static str, found: u64, expected: &'static str) -> ImageFault {
        ImageFault::Value { format: self.format, what, found, expected }
    }

    /// A number of up to eight bytes in the file's order.
    fn value(&self, bytes: &[u8]) -> u64 {
        let join = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, a directory of these entries (tag, type, count, value or place), and what follows them.
    fn file(entries: &[[u32; 4]], rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((entries.len() as u16).to_le_bytes());
        for [tag, kind, count, value] in entries {
            bytes.extend((*tag as u16).to_le_bytes());
            bytes.extend((*kind as u16).to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn numbers_lie_in_their_entry_or_elsewhere() {
        let bytes = file(
            &[[256, 3, 2, 0x0002_0001], [257, 4, 1, 70_000], [258, 3, 3, 70], [259, 1, 3, 0x0009_0807], [260, 5, 1, 0]],
            &[4, 0, 5, 0, 6, 0],
        );
        let directory = Directory::first(&bytes, "TIFF").unwrap();
        for (tag, expected) in
            [(256, Some(vec![1, 2])), (257, Some(vec![70_000])), (258, Some(vec![4, 5, 6])), (259, Some(vec![7, 8, 9]))]
        {
            assert_eq!(directory.numbers(tag).unwrap(), expected, "{tag}");
        }
        assert_eq!((directory.numbers(260).unwrap(), directory.numbers(261).unwrap()), (None, None));
        assert_eq!(directory.number(256).unwrap(), Some(1));
    }

    #[test]
    fn what_lies_beyond_the_end_is_refused_without_memory_for_it() {
        let bytes = file(&[[256, 4, u32::MAX, 8], [257, 4, 2, u32::MAX]], &[]);
        let directory = Directory::first(&bytes, "TIFF").unwrap();
        let told = |tag| directory.numbers(tag).unwrap_err().to_string();
        assert_eq!(
            told(256),
            "TIFF: a list of numbers ends at byte 17179869188, expected at most 34, the file's bytes"
        );
        assert_eq!(told(257), "TIFF: a list of numbers ends at byte 4294967303, expected at most 34, the file's bytes");
        for length in 2..bytes.len() {
            assert!(Directory::first(&bytes[..length], "TIFF").is_err(), "{length}");
        }
        let message = Directory::first(b"II+\0\x08\0\0\0\0\0\0\0", "TIFF").err().unwrap().to_string();
        assert_eq!(message, "TIFF: version 43, expected 42");
    }
}
