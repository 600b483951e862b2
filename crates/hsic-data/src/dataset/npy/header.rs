//! What a `.npy` file says of itself: the type of its entries, their order, and the size of each dimension.

use super::element::Element;
use super::literal::{self, Literal};
use crate::dataset::array_fault::ArrayFault;

/// Longest header accepted: what a version 1 file can have.
const LONGEST: usize = 65_535;

/// Longest text of a header that an error repeats.
const SHOWN: usize = 120;

/// A header.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Whether the first index runs fastest.
    pub(super) fortran: bool,
    /// Size of each dimension, at least one dimension.
    pub(super) shape: Vec<usize>,
}

/// What an entry of the array is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Plain(Element),
    /// A record of so many bytes.
    Record {
        fields: Vec<Field>,
        bytes: usize,
    },
}

/// A field of a record.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) element: Element,
    /// Where in the record it begins.
    pub(super) offset: usize,
    /// Size of each dimension; none for a single entry.
    pub(super) shape: Vec<usize>,
}

/// What is wrong with a header.
#[derive(Debug)]
pub(super) enum HeaderFault {
    /// Part of the header, what it says, and what it should say.
    Says {
        field: &'static str,
        found: String,
        expected: &'static str,
    },
    /// The file ends within: bytes there are, bytes there should be.
    Cut {
        found: u64,
        expected: u64,
    },
    Array(ArrayFault),
}

impl From<ArrayFault> for HeaderFault {
    fn from(fault: ArrayFault) -> Self {
        Self::Array(fault)
    }
}

impl Kind {
    /// Bytes of an entry, at least 1.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Plain(element) => element.bytes(),
            Self::Record { bytes, .. } => *bytes,
        }
    }
}

fn says(field: &'static str, found: &str, expected: &'static str) -> HeaderFault {
    let found = found.chars().take(SHOWN).collect();
    HeaderFault::Says { field, found, expected }
}

impl Header {
    /// The header at the start of a file, and the data that follow.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), HeaderFault> {
        let cut = |expected| HeaderFault::Cut { found: bytes.len() as u64, expected };
        if !bytes.starts_with(b"\x93NUMPY") && bytes.len() >= 6 {
            return Err(says("magic", &String::from_utf8_lossy(&bytes[..6]), "\\x93NUMPY"));
        }
        let [version, minor] = *bytes.get(6..8).and_then(|slice| slice.as_array()).ok_or_else(|| cut(8))?;
        let prefix = match version {
            1 => 10,
            2 | 3 => 12,
            _ => return Err(says("version", &format!("{version}.{minor}"), "1.0, 2.0 or 3.0")),
        };
        let length = bytes.get(8..prefix).ok_or_else(|| cut(prefix as u64))?;
        let length = length.iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
        if length > LONGEST {
            return Err(says("length", &length.to_string(), "at most 65535 bytes"));
        }
        let (text, data) = bytes[prefix..].split_at_checked(length).ok_or_else(|| cut((prefix + length) as u64))?;
        let text = match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            // Before version 3, letters are those of Latin-1.
            Err(_) if version < 3 => text.iter().copied().map(char::from).collect(),
            Err(_) => return Err(says("text", &String::from_utf8_lossy(text), "UTF-8")),
        };
        Ok((Self::parse(&text)?, data))
    }

    fn parse(text: &str) -> Result<Self, HeaderFault> {
        let whole = || says("text", text, "a dictionary with descr, fortran_order and shape");
        let entries = literal::dictionary(text).ok_or_else(whole)?;
        let value = |name: &str| {
            let entry = entries.iter().find(|(key, _)| key == name).ok_or_else(whole)?;
            Ok::<_, HeaderFault>((entry.1, literal::parse(entry.1).ok_or_else(whole)?))
        };
        let (text, descr) = value("descr")?;
        let kind = kind(&descr)?.ok_or_else(|| says("descr", text, "a type, or a list of the fields of a record"))?;
        let fortran = match value("fortran_order")? {
            (_, Literal::Flag(fortran)) => fortran,
            (text, _) => return Err(says("fortran_order", text, "True or False")),
        };
        let (text, shape) = value("shape")?;
        let shape = sizes(&shape).ok_or_else(|| says("shape", text, "a tuple of sizes such as (3, 4) or (3,)"))?;
        if shape.is_empty() {
            return Err(says("shape", text, "at least one dimension"));
        }
        Ok(Self { kind, fortran, shape })
    }
}

/// What entries are; `None` if the literal is neither a type nor a list of fields.
fn kind(descr: &Literal) -> Result<Option<Kind>, ArrayFault> {
    match descr {
        Literal::Text(name) => Element::named(name).map(|element| Some(Kind::Plain(element))),
        Literal::List(list) => {
            let mut record = Record { fields: Vec::new(), bytes: 0 };
            if record.add(list, "")?.is_none() || record.fields.is_empty() {
                return Ok(None);
            }
            Ok(Some(Kind::Record { fields: record.fields, bytes: record.bytes }))
        }
        _ => Ok(None),
    }
}

/// A record as far as it is read.
struct Record {
    fields: Vec<Field>,
    bytes: usize,
}

impl Record {
    /// Adds fields, each a tuple of name, type and, if it is an array, sizes. A record in a record gives fields by both
    /// names, as `outer.inner`. `None` if the list is none of fields.
    fn add(&mut self, list: &[Literal], outer: &str) -> Result<Option<()>, ArrayFault> {
        for field in list {
            let Literal::List(parts) = field else { return Ok(None) };
            let (name, descr, shape) = match parts.as_slice() {
                [name, descr] => (name, descr, Vec::new()),
                [name, descr, shape] => match sizes(shape) {
                    Some(shape) => (name, descr, shape),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            // A field may have a title before its name.
            let name = match name {
                Literal::Text(name) => name,
                Literal::List(names) => match names.as_slice() {
                    [_, Literal::Text(name)] => name,
                    _ => return Ok(None),
                },
                _ => return Ok(None),
            };
            match descr {
                Literal::Text(descr) => {
                    if let Some(padding) = descr.strip_prefix("|V").filter(|_| name.is_empty()) {
                        let Some(bytes) = padding.parse().ok().and_then(|padding| self.bytes.checked_add(padding))
                        else {
                            return Ok(None);
                        };
                        self.bytes = bytes;
                        continue;
                    }
                    let element = Element::named(descr)?;
                    let bytes = shape.iter().try_fold(element.bytes(), |bytes, &size| bytes.checked_mul(size));
                    let Some(end) = bytes.filter(|&bytes| bytes > 0).and_then(|bytes| self.bytes.checked_add(bytes))
                    else {
                        return Ok(None);
                    };
                    self.fields.push(Field { name: format!("{outer}{name}"), element, offset: self.bytes, shape });
                    self.bytes = end;
                }
                Literal::List(inner) if shape.is_empty() => {
                    if self.add(inner, &format!("{outer}{name}."))?.is_none() {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(()))
    }
}

/// The sizes in a tuple such as `(3, 4)`, `(3,)` or `()`, or the one that stands alone.
fn sizes(literal: &Literal) -> Option<Vec<usize>> {
    let size = |literal: &Literal| match literal {
        Literal::Whole(size) => Some(*size),
        _ => None,
    };
    match literal {
        Literal::List(list) => list.iter().map(size).collect(),
        single => size(single).map(|size| vec![size]),
    }
}
