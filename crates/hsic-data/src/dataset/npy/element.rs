//! One type of entries in a `.npy` file: which numbers or letters its bytes are.

use half::f16;

use crate::dataset::array_fault::ArrayFault;

/// A type of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    kind: Kind,
    /// Bytes of an entry, at least 1.
    bytes: usize,
    /// Whether the byte that counts most comes first.
    big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    Signed,
    Unsigned,
    Float,
    /// Letters of four bytes.
    Letters,
    /// Text in bytes.
    Text,
}

/// What entries are, before they are brought to rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entries {
    /// Bytes (uint8).
    Bytes(Vec<u8>),
    /// Truth values, 0 or 1.
    Flags(Vec<u8>),
    /// Other numbers.
    Numbers(Vec<f64>),
    /// Strings.
    Texts(Vec<String>),
}

/// Why entries cannot be read.
#[derive(Debug)]
pub(super) enum EntryFault {
    /// An integer that double precision does not hold: its index in the file, and the integer.
    Inexact(usize, i128),
    Array(ArrayFault),
}

const NUMBERS: &str = "x.astype('float64') makes them numbers";

impl Element {
    /// Whether entries are bytes (uint8).
    pub(super) fn is_byte(self) -> bool {
        self.kind == Kind::Unsigned && self.bytes == 1
    }

    /// Whether entries are strings.
    pub(super) fn is_text(self) -> bool {
        matches!(self.kind, Kind::Letters | Kind::Text)
    }

    /// The type that NumPy writes so, such as `<f8`.
    pub(super) fn named(descr: &str) -> Result<Self, ArrayFault> {
        let wrong = |kind, remedy| ArrayFault::Type { found: descr.to_owned(), kind, remedy };
        let unknown = || wrong("unknown", NUMBERS);
        let mut letters = descr.chars();
        let order = letters.next().filter(|order| "|<>".contains(*order)).ok_or_else(unknown)?;
        let kind = letters.next().ok_or_else(unknown)?;
        let size = letters.as_str();
        match kind {
            'O' => return Err(wrong("Python objects", "x.astype('float64') or x.astype(str) makes plain entries")),
            'c' => return Err(wrong("complex numbers", "x.real, x.imag or abs(x) are numbers")),
            'M' | 'm' => return Err(wrong("dates or times", "x.astype('int64') counts their units")),
            'V' => return Err(wrong("raw bytes", "x.view of another type says what they are")),
            _ => {}
        }
        let size: usize = size.parse().map_err(|_| unknown())?;
        let (kind, bytes) = match (kind, size) {
            ('b', 1) => (Kind::Flag, Some(1)),
            ('i', 1 | 2 | 4 | 8) => (Kind::Signed, Some(size)),
            ('u', 1 | 2 | 4 | 8) => (Kind::Unsigned, Some(size)),
            ('f', 2 | 4 | 8) => (Kind::Float, Some(size)),
            ('f', 10 | 12 | 16) => return Err(wrong("long doubles, whose form depends on the machine", NUMBERS)),
            ('U', 0) | ('S' | 'a', 0) => return Err(wrong("strings without a letter", "there is nothing to read")),
            ('U', _) => (Kind::Letters, size.checked_mul(4)),
            ('S' | 'a', _) => (Kind::Text, Some(size)),
            _ => return Err(unknown()),
        };
        // Without an order, only single bytes have a meaning.
        let bytes = bytes.filter(|&bytes| order != '|' || bytes == 1 || kind == Kind::Text).ok_or_else(unknown)?;
        Ok(Self { kind, bytes, big: order == '>' })
    }

    /// Bytes of an entry, at least 1.
    pub(super) fn bytes(self) -> usize {
        self.bytes
    }

    /// All entries in `data`, which holds a whole number of them.
    pub(super) fn entries(self, data: &[u8]) -> Result<Entries, EntryFault> {
        Ok(match (self.kind, self.bytes) {
            (Kind::Unsigned, 1) => Entries::Bytes(data.to_vec()),
            (Kind::Flag, _) => Entries::Flags(data.iter().map(|&byte| u8::from(byte != 0)).collect()),
            (Kind::Letters | Kind::Text, _) => Entries::Texts(self.texts(data)?),
            (Kind::Signed, 1) => Entries::Numbers(self.all(data, |bytes| i8::from_le_bytes(bytes).into())),
            (Kind::Signed, 2) => Entries::Numbers(self.all(data, |bytes| i16::from_le_bytes(bytes).into())),
            (Kind::Signed, 4) => Entries::Numbers(self.all(data, |bytes| i32::from_le_bytes(bytes).into())),
            (Kind::Signed, _) => Entries::Numbers(self.exact(data, |bytes| i64::from_le_bytes(bytes).into())?),
            (Kind::Unsigned, 2) => Entries::Numbers(self.all(data, |bytes| u16::from_le_bytes(bytes).into())),
            (Kind::Unsigned, 4) => Entries::Numbers(self.all(data, |bytes| u32::from_le_bytes(bytes).into())),
            (Kind::Unsigned, _) => Entries::Numbers(self.exact(data, |bytes| u64::from_le_bytes(bytes).into())?),
            (Kind::Float, 2) => Entries::Numbers(self.all(data, |bytes| f16::from_le_bytes(bytes).to_f64())),
            (Kind::Float, 4) => Entries::Numbers(self.all(data, |bytes| f32::from_le_bytes(bytes).into())),
            (Kind::Float, _) => Entries::Numbers(self.all(data, f64::from_le_bytes)),
        })
    }

    /// Entries of `N` bytes, turned to the order in which `convert` takes them.
    fn all<const N: usize>(self, data: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let chunks = data.as_chunks().0;
        if self.big {
            chunks.iter().map(|bytes| convert(reversed(bytes))).collect()
        } else {
            chunks.iter().map(|&bytes| convert(bytes)).collect()
        }
    }

    /// Integers of eight bytes, each of which double precision must hold.
    fn exact(self, data: &[u8], convert: impl Fn([u8; 8]) -> i128) -> Result<Vec<f64>, EntryFault> {
        let number = |(index, bytes): (usize, &[u8; 8])| {
            let value = convert(if self.big { reversed(bytes) } else { *bytes });
            if (value as f64) as i128 == value { Ok(value as f64) } else { Err(EntryFault::Inexact(index, value)) }
        };
        data.as_chunks().0.iter().enumerate().map(number).collect()
    }

    /// Strings, without the zeros that fill them up.
    fn texts(self, data: &[u8]) -> Result<Vec<String>, EntryFault> {
        let letters = |(index, bytes): (usize, &[u8])| -> Result<String, EntryFault> {
            let numbers = bytes.as_chunks().0.iter();
            let mut numbers: Vec<u32> = if self.big {
                numbers.map(|&bytes| u32::from_be_bytes(bytes)).collect()
            } else {
                numbers.map(|&bytes| u32::from_le_bytes(bytes)).collect()
            };
            numbers.truncate(numbers.iter().rposition(|&number| number != 0).map_or(0, |last| last + 1));
            let letter = |number| {
                char::from_u32(number).ok_or_else(|| {
                    let (found, expected) = (format!("letter {number:#x}"), "letters of Unicode");
                    EntryFault::Array(ArrayFault::Letters { index, found, expected })
                })
            };
            numbers.into_iter().map(letter).collect()
        };
        let text = |(index, bytes): (usize, &[u8])| -> Result<String, EntryFault> {
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            String::from_utf8(bytes[..end].to_vec()).map_err(|_| {
                let found = format!("bytes {}", bytes[..end].escape_ascii());
                let expected = "text in UTF-8: numpy.char.decode(x, 'latin-1') makes strings of letters";
                EntryFault::Array(ArrayFault::Letters { index, found, expected })
            })
        };
        let entries = data.chunks_exact(self.bytes).enumerate();
        if self.kind == Kind::Letters { entries.map(letters).collect() } else { entries.map(text).collect() }
    }
}

fn reversed<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    let mut bytes = *bytes;
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(descr: &str) -> String {
        Element::named(descr).unwrap_err().to_string()
    }

    #[test]
    fn types_that_are_not_read_are_named_with_what_to_do() {
        let expected = "expected numbers, booleans or strings";
        for (descr, kind, remedy) in [
            ("|O", "Python objects", "x.astype('float64') or x.astype(str) makes plain entries"),
            ("<c16", "complex numbers", "x.real, x.imag or abs(x) are numbers"),
            ("<M8[ns]", "dates or times", "x.astype('int64') counts their units"),
            ("|V5", "raw bytes", "x.view of another type says what they are"),
            ("<f16", "long doubles, whose form depends on the machine", NUMBERS),
            ("<U0", "strings without a letter", "there is nothing to read"),
            ("f8", "unknown", NUMBERS),
            ("|f8", "unknown", NUMBERS),
            ("<i3", "unknown", NUMBERS),
            ("<u", "unknown", NUMBERS),
            ("", "unknown", NUMBERS),
            ("<U4611686018427387904", "unknown", NUMBERS),
        ] {
            assert_eq!(message(descr), format!("entries of type {descr} ({kind}), {expected}: {remedy}"));
        }
    }

    #[test]
    fn letters_that_are_none_are_named() {
        // Half of a surrogate pair.
        let data = [0x61, 0, 0, 0, 0x00, 0xd8, 0, 0];
        let Err(EntryFault::Array(fault)) = Element::named("<U1").unwrap().entries(&data) else { panic!() };
        assert_eq!(fault.to_string(), "text at index 1: letter 0xd800, expected letters of Unicode");
        let Err(EntryFault::Array(fault)) = Element::named("|S2").unwrap().entries(&[0xe4, 0]) else { panic!() };
        let expected = "text in UTF-8: numpy.char.decode(x, 'latin-1') makes strings of letters";
        assert_eq!(fault.to_string(), format!("text at index 0: bytes \\xe4, expected {expected}"));
    }
}
