//! NumPy arrays: `.npy` files of versions 1 to 3 and the `.npz` archives of them.
//!
//! Format: `\x93NUMPY`, version (2 bytes), length of the header (u16; u32 from version 2 on), the header (a Python
//! dictionary with `descr`, `fortran_order`, `shape`), then the values. Source: NumPy's `numpy.lib.format`.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::DatasetError;
use super::gzip::DEFLATE_RATIO;

/// Longest header accepted: what a version 1 file can have.
const LONGEST_HEADER: usize = 65_535;

/// An array of numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Array {
    /// Size of each dimension; at least one dimension.
    pub(super) shape: Vec<usize>,
    /// The values in row-major order, whatever the file's.
    pub(super) values: Vec<f64>,
    /// Whether they were stored as bytes (uint8).
    pub(super) bytes: bool,
}

impl Array {
    /// Rows and columns of the array as a table: the first dimension counts rows, the others are laid end to end.
    pub(super) fn table(&self) -> (usize, usize) {
        (self.shape[0], self.shape[1..].iter().product())
    }
}

/// Reads the array in the bytes of a `.npy` file; `path` is for messages.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Array, DatasetError> {
    let (header, data) = split(path, bytes)?;
    let wrong = |field, found: &str, expected| DatasetError::NpyHeader {
        path: path.to_owned(),
        field,
        found: found.into(),
        expected,
    };
    let missing = |field| move || wrong(field, header, "a dictionary with descr, fortran_order and shape");

    let descr = value(header, "descr").ok_or_else(missing("descr"))?;
    let kind = descr.strip_prefix(['\'', '"']).and_then(|text| text.split(['\'', '"']).next()).unwrap_or(descr);
    let kind = Kind::named(kind)
        .ok_or_else(|| wrong("descr", kind, "<f4, <f8, |b1, or a little-endian integer of 1, 2, 4 or 8 bytes"))?;

    let order = value(header, "fortran_order").ok_or_else(missing("fortran_order"))?;
    let fortran = match order {
        _ if order.starts_with("True") => true,
        _ if order.starts_with("False") => false,
        _ => return Err(wrong("fortran_order", order, "True or False")),
    };

    let text = value(header, "shape").ok_or_else(missing("shape"))?;
    let shape = sizes(text).ok_or_else(|| wrong("shape", text, "a tuple of sizes such as (3, 4) or (3,)"))?;
    if shape.is_empty() {
        return Err(wrong("shape", text, "at least one dimension"));
    }

    // The product is checked without the zeros, so that (2^40, 0, 2^40) does not overflow unseen.
    let count = shape.iter().filter(|&&size| size > 0).try_fold(1usize, |product, &size| product.checked_mul(size));
    let claimed = count.and_then(|count| count.checked_mul(kind.bytes())).map_or(u64::MAX, |bytes| bytes as u64);
    if shape.contains(&0) {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let found = data.len() as u64;
    if found < claimed {
        return Err(DatasetError::Truncated { path: path.to_owned(), what: "data", found, expected: claimed });
    }
    if found > claimed {
        return Err(DatasetError::Trailing { path: path.to_owned(), end: (bytes.len() - data.len()) as u64 + claimed });
    }

    let values =
        kind.values(data).map_err(|(index, value)| DatasetError::Inexact { path: path.to_owned(), index, value })?;
    let values = if fortran && shape.len() > 1 { row_major(&shape, &values) } else { values };
    Ok(Array { shape, values, bytes: matches!(kind, Kind::U1) })
}

/// Header and data of a file.
fn split<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a str, &'a [u8]), DatasetError> {
    let wrong = |field, found, expected| DatasetError::NpyHeader { path: path.to_owned(), field, found, expected };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let cut = |expected| DatasetError::Truncated {
        path: path.to_owned(),
        what: "header",
        found: bytes.len() as u64,
        expected,
    };
    if !bytes.starts_with(b"\x93NUMPY") && bytes.len() >= 6 {
        return Err(wrong("magic", text(&bytes[..6]), "\\x93NUMPY"));
    }
    let [version, minor] = *bytes.get(6..8).and_then(|slice| slice.as_array()).ok_or_else(|| cut(8))?;
    let prefix = match version {
        1 => 10,
        2 | 3 => 12,
        _ => return Err(wrong("version", format!("{version}.{minor}"), "1.0, 2.0 or 3.0")),
    };
    let length = bytes.get(8..prefix).ok_or_else(|| cut(prefix as u64))?;
    let length = length.iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
    if length > LONGEST_HEADER {
        return Err(wrong("length", length.to_string(), "at most 65535 bytes"));
    }
    let (header, data) = bytes[prefix..].split_at_checked(length).ok_or_else(|| cut((prefix + length) as u64))?;
    let header = std::str::from_utf8(header).map_err(|_| wrong("text", text(header), "UTF-8"))?;
    Ok((header, data))
}

/// What follows the colon after the key `name`.
fn value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let quoted = ["'", "\""].map(|quote| format!("{quote}{name}{quote}"));
    let key = quoted.iter().find_map(|key| header.find(key.as_str()))?;
    Some(header[key + name.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

/// The sizes in a tuple such as `(3, 4)`, `(3,)` or `()`.
fn sizes(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    if inside.is_empty() {
        return Some(Vec::new());
    }
    // Python 2 wrote long integers with an L.
    inside.split(',').map(|size| size.trim().trim_end_matches('L').parse().ok()).collect()
}

/// Reorders values that lie column by column (first index fastest).
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let (rows, columns) = (shape[0], values.len() / shape[0]);
    // Offset of each column in the file: the trailing indices in row-major order, with their column-major strides.
    let mut offsets = vec![0usize];
    let mut stride = rows;
    let mut strides = Vec::new();
    for &size in &shape[1..] {
        strides.push(stride);
        stride *= size;
    }
    for (&size, &stride) in shape[1..].iter().zip(&strides) {
        offsets = offsets.iter().flat_map(|&offset| (0..size).map(move |index| offset + index * stride)).collect();
    }
    let mut ordered = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        ordered.extend(offsets.iter().map(|&offset| values[offset + row]));
    }
    ordered
}

/// Types of numbers that are read.
#[derive(Clone, Copy)]
enum Kind {
    F4,
    F8,
    Bool,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
}

impl Kind {
    fn named(descr: &str) -> Option<Self> {
        let single = descr.strip_prefix(['|', '<', '>', '=']);
        if let Some(kind) = match single? {
            "b1" => Some(Self::Bool),
            "i1" => Some(Self::I1),
            "u1" => Some(Self::U1),
            _ => None,
        } {
            return Some(kind);
        }
        Some(match descr.strip_prefix('<')? {
            "f4" => Self::F4,
            "f8" => Self::F8,
            "i2" => Self::I2,
            "i4" => Self::I4,
            "i8" => Self::I8,
            "u2" => Self::U2,
            "u4" => Self::U4,
            "u8" => Self::U8,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I1 | Self::U1 => 1,
            Self::I2 | Self::U2 => 2,
            Self::F4 | Self::I4 | Self::U4 => 4,
            Self::F8 | Self::I8 | Self::U8 => 8,
        }
    }

    /// All values; or index and value of the first integer that f64 does not hold.
    fn values(self, data: &[u8]) -> Result<Vec<f64>, (usize, i128)> {
        fn all<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            data.as_chunks().0.iter().map(|&bytes| convert(bytes)).collect()
        }
        fn exact(data: &[u8], convert: impl Fn([u8; 8]) -> i128) -> Result<Vec<f64>, (usize, i128)> {
            let number = |(index, &bytes): (usize, &[u8; 8])| {
                let value = convert(bytes);
                if (value as f64) as i128 == value { Ok(value as f64) } else { Err((index, value)) }
            };
            data.as_chunks().0.iter().enumerate().map(number).collect()
        }
        Ok(match self {
            Self::F4 => all(data, |bytes| f32::from_le_bytes(bytes).into()),
            Self::F8 => all(data, f64::from_le_bytes),
            Self::Bool => all(data, |[byte]| f64::from(byte != 0)),
            Self::I1 => all(data, |bytes| i8::from_le_bytes(bytes).into()),
            Self::I2 => all(data, |bytes| i16::from_le_bytes(bytes).into()),
            Self::I4 => all(data, |bytes| i32::from_le_bytes(bytes).into()),
            Self::I8 => exact(data, |bytes| i64::from_le_bytes(bytes).into())?,
            Self::U1 => all(data, |[byte]| byte.into()),
            Self::U2 => all(data, |bytes| u16::from_le_bytes(bytes).into()),
            Self::U4 => all(data, |bytes| u32::from_le_bytes(bytes).into()),
            Self::U8 => exact(data, |bytes| u64::from_le_bytes(bytes).into())?,
        })
    }
}

/// A `.npz` archive.
pub(super) struct Archive<R> {
    path: PathBuf,
    zip: ZipArchive<R>,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive; reads its directory only. `path` is for messages.
    pub(super) fn open(path: &Path, file: R) -> Result<Self, DatasetError> {
        let zip = ZipArchive::new(file).map_err(|source| DatasetError::Zip { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), zip })
    }

    /// Names of the arrays, sorted, without `.npy`.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.zip.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned())).collect();
        names.sort();
        names
    }

    /// Path of an array for messages: the archive's, then the member's.
    pub(super) fn member(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.npy"))
    }

    /// Reads one array.
    pub(super) fn array(&mut self, name: &str) -> Result<Array, DatasetError> {
        let path = self.member(name);
        let member = self
            .zip
            .by_name(&format!("{name}.npy"))
            .map_err(|source| DatasetError::Zip { path: path.clone(), source })?;
        let (claimed, possible) = (member.size(), member.compressed_size().saturating_mul(DEFLATE_RATIO));
        if claimed > possible {
            return Err(DatasetError::Oversized { path, claimed, possible });
        }
        // The vector grows with what arrives; the checksum is verified at the end.
        let mut bytes = Vec::new();
        let read = member.take(possible).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: path.clone(), source })?;
        parse(&path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file as NumPy writes it.
    fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        [bytes, header.into(), data.into()].concat()
    }

    fn header(descr: &str, fortran: bool, shape: &str) -> String {
        let order = if fortran { "True" } else { "False" };
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}   \n")
    }

    fn read_bytes(bytes: &[u8]) -> Result<Array, DatasetError> {
        parse(Path::new("f"), bytes)
    }

    #[test]
    fn every_version_and_type_is_read() {
        let two = |descr: &str, data: &[u8]| {
            let read = |version| read_bytes(&npy(version, &header(descr, false, "(2,)"), data)).unwrap();
            assert!(read(1) == read(2) && read(1) == read(3));
            read(1).values
        };
        let f4: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let f8: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!((two("<f4", &f4), two("<f8", &f8)), (vec![1.5, -2.0], vec![1.5, -2.0]));
        assert_eq!(two("|u1", &[255, 1]), [255.0, 1.0]);
        assert_eq!(two("|i1", &[255, 1]), [-1.0, 1.0]);
        assert_eq!(two("|b1", &[0, 1]), [0.0, 1.0]);
        assert_eq!(two("<i2", &[0xfe, 0xff, 0, 1]), [-2.0, 256.0]);
        assert_eq!(two("<u2", &[0xfe, 0xff, 0, 1]), [65534.0, 256.0]);
        assert_eq!(two("<i4", &[0xfe, 0xff, 0xff, 0xff, 7, 0, 0, 0]), [-2.0, 7.0]);
        assert_eq!(two("<u4", &[0xfe, 0xff, 0xff, 0xff, 7, 0, 0, 0]), [4294967294.0, 7.0]);
        let i8: Vec<u8> = [-3i64, 1 << 53].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(two("<i8", &i8), [-3.0, 9_007_199_254_740_992.0]);
        let u8: Vec<u8> = [5u64, 1 << 63].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(two("<u8", &u8), [5.0, 9_223_372_036_854_775_808.0]);
    }

    #[test]
    fn both_orders_give_the_same_table() {
        let order = |fortran, shape, data: &[u8]| read_bytes(&npy(1, &header("|u1", fortran, shape), data)).unwrap();
        assert_eq!(order(false, "(2, 3)", &[0, 1, 2, 3, 4, 5]), order(true, "(2, 3)", &[0, 3, 1, 4, 2, 5]));
        // numpy: numpy.arange(12).reshape(2, 3, 2).ravel(order='F')
        let fortran = order(true, "(2, 3, 2)", &[0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
        assert_eq!(fortran, order(false, "(2, 3, 2)", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
        assert_eq!(fortran.table(), (2, 6));
        assert_eq!(order(true, "(3,)", &[1, 2, 3]).table(), (3, 1));
    }

    #[test]
    fn each_way_a_file_can_lie_has_its_message() {
        let large = (1i64 << 53) + 1;
        let cases = [
            (vec![1, 2, 3], "f: 3 bytes of header, expected 8"),
            (b"PK\x03\x04....".to_vec(), "f: magic \"PK\\u{3}\\u{4}..\" in the npy header, expected \\x93NUMPY"),
            (npy(4, "", &[]), "f: version \"4.0\" in the npy header, expected 1.0, 2.0 or 3.0"),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "f: length \"4294967295\" in the npy header, expected at most 65535 bytes",
            ),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "f: 11 bytes of header, expected 65545"),
            (
                npy(1, &header(">f8", false, "(1,)"), &[0; 8]),
                "f: descr \">f8\" in the npy header, expected <f4, <f8, |b1, or a little-endian integer of 1, 2, 4 or 8 bytes",
            ),
            (
                npy(1, &header("<f8", false, "()"), &[0; 8]),
                "f: shape \"(), }   \\n\" in the npy header, expected at least one dimension",
            ),
            (npy(1, &header("<f8", false, "(3, 2)"), &[0; 40]), "f: 40 bytes of data, expected 48"),
            (npy(1, &header("<f4", false, "(1,)"), &[0; 5]), "f: bytes follow byte 75, expected the file to end there"),
            (
                npy(1, &header("<f8", false, "(4294967296, 4294967296)"), &[]),
                "f: 0 bytes of data, expected 18446744073709551615",
            ),
            (npy(1, &header("<f8", false, "(0, 3)"), &[]), "f: no values, expected at least one row and one column"),
            (
                npy(1, &header("<i8", false, "(1,)"), &large.to_le_bytes()),
                "f: integer 9007199254740993 at index 0, expected one that double precision holds exactly",
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(read_bytes(&bytes).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn mutated_and_cut_files_never_panic(
            version in 1u8..4,
            fortran in any::<bool>(),
            cut in 0usize..120,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut bytes = npy(version, &header("<f4", fortran, "(2, 3)"), &[1; 24]);
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(60)));
            if let Ok(array) = read_bytes(&bytes) {
                prop_assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
            }
        }
    }
}
