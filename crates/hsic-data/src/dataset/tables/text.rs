//! A table of text: its encoding, what separates its columns, its records.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dataset::error::DatasetError;
use crate::dataset::table_fault::TableFault;

/// How a text is encoded: one of the encodings of the WHATWG standard, by any of its names.
///
/// # Examples
/// ```
/// use hsic_data::dataset::TextEncoding;
/// let encoding: TextEncoding = "latin1".parse()?;
/// assert_eq!(encoding.to_string(), "windows-1252");
/// assert!("latin-99".parse::<TextEncoding>().is_err());
/// # Ok::<(), hsic_data::dataset::TextEncodingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextEncoding(&'static Encoding);

/// A text that names no encoding.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "encoding = {text}: expected utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis or another of the WHATWG standard"
)]
pub struct TextEncodingError {
    /// What was given.
    pub text: String,
}

crate::serde_as_text!(TextEncoding);

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name().to_ascii_lowercase())
    }
}

impl FromStr for TextEncoding {
    type Err = TextEncodingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Encoding::for_label(text.as_bytes()).map(Self).ok_or_else(|| TextEncodingError { text: text.to_owned() })
    }
}

/// A text with what separates its columns.
pub(crate) struct Text<'b> {
    bytes: Cow<'b, [u8]>,
    /// Where the table begins: after a line `sep=;`, as spreadsheets write it.
    start: usize,
    pub(crate) separator: u8,
}

impl<'b> Text<'b> {
    /// The text of a file's bytes: in the encoding that is said, else in UTF-16 if it begins with a mark of that, else in
    /// UTF-8. `tabs` says that the file's name claims columns between tabs.
    ///
    /// # Errors
    /// `Encoding` with the first line that is not in that encoding.
    pub(crate) fn of(
        path: &Path,
        bytes: &'b [u8],
        encoding: Option<TextEncoding>,
        tabs: bool,
    ) -> Result<Self, DatasetError> {
        let wrong = |line, encoding: &'static Encoding| DatasetError::Table {
            path: path.to_owned(),
            fault: TableFault::Encoding { line, encoding: encoding.name().to_owned() },
        };
        let marked = match bytes.get(..2) {
            Some([0xff, 0xfe]) => Some(UTF_16LE),
            Some([0xfe, 0xff]) => Some(UTF_16BE),
            _ => encoding.map(|TextEncoding(encoding)| encoding),
        };
        let bytes = match marked.filter(|&encoding| encoding != UTF_8) {
            Some(encoding) => {
                let (text, _, damaged) = encoding.decode(bytes);
                if damaged {
                    let good = text.split('\u{fffd}').next().unwrap_or_default();
                    return Err(wrong(line(good.as_bytes()), encoding));
                }
                Cow::Owned(text.into_owned().into_bytes())
            }
            None => {
                if let Err(error) = std::str::from_utf8(bytes) {
                    return Err(wrong(line(&bytes[..error.valid_up_to()]), UTF_8));
                }
                // Text has no such byte, and UTF-16 without a mark has one beside most letters.
                if bytes.contains(&0) {
                    let before = bytes.iter().take_while(|&&byte| byte != 0).count();
                    return Err(wrong(line(&bytes[..before]), UTF_8));
                }
                Cow::Borrowed(bytes)
            }
        };
        let (start, said) = said_separator(&bytes);
        let separator = said.unwrap_or_else(|| if tabs { b'\t' } else { separator(&bytes) });
        Ok(Self { bytes, start, separator })
    }

    /// Calls `each` with every record: its first byte and its fields.
    ///
    /// # Errors
    /// Those of `each`; `Csv`, which text in UTF-8 never gives.
    pub(crate) fn records(
        &self,
        path: &Path,
        mut each: impl FnMut(usize, &StringRecord) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let mut reader: Reader<&[u8]> = ReaderBuilder::new()
            .delimiter(self.separator)
            .has_headers(false)
            // Lengths are checked where the line is known.
            .flexible(true)
            .trim(Trim::All)
            .from_reader(&self.bytes[self.start..]);
        let mut record = StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(source) => return Err(DatasetError::Csv { path: path.to_owned(), source }),
            }
            let byte = self.start + record.position().map_or(0, |position| position.byte() as usize);
            each(byte, &record)?;
        }
    }

    /// The line, from 1, of the record at a byte. The reader's own count stops at the empty lines before a record; ours
    /// goes past them.
    pub(crate) fn line(&self, byte: usize) -> u64 {
        let empty = self.bytes[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line(&self.bytes[..byte + empty])
    }
}

/// The line in which text ends.
fn line(before: &[u8]) -> u64 {
    1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// The separator that a first line `sep=;` says, and where the rest begins.
fn said_separator(bytes: &[u8]) -> (usize, Option<u8>) {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return (0, None) };
    match bytes[mark..end].trim_ascii_end() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator @ (b',' | b';' | b'|')] => (end + 1, Some(*separator)),
        // A tab is white space, so that it is not seen at the end of the line.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => (end + 1, Some(b'\t')),
        _ => (0, None),
    }
}

/// The separator: a tab if the first line has one outside quotes, else a semicolon, a comma or a bar if it has one, else a
/// comma. In this order because numbers may be written with commas, and then fields are not separated by them.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let mut quoted = false;
    let outside: Vec<u8> = line
        .iter()
        .copied()
        .filter(|&byte| {
            quoted ^= byte == b'"';
            !quoted
        })
        .collect();
    [b'\t', b';', b',', b'|'].into_iter().find(|separator| outside.contains(separator)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8], encoding: Option<&str>, tabs: bool) -> Result<Vec<Vec<String>>, String> {
        let path = Path::new("t.csv");
        let encoding = encoding.map(|name| name.parse().unwrap());
        let text = Text::of(path, bytes, encoding, tabs).map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        text.records(path, |_, record| {
            rows.push(record.iter().map(str::to_owned).collect());
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(rows)
    }

    #[test]
    fn the_first_line_tells_the_separator() {
        let expected = vec![vec!["a", "b,c"], vec!["1", "2"]];
        for text in ["a\tb,c\n1\t2\n", "a;b,c\n1;2\n", "a|b,c\n1|2\n", "sep=;\r\na;b,c\r\n1;2\r\n", "a,\"b,c\"\n1,2\n"]
        {
            let found = if text.starts_with("a|") { vec![vec!["a|b", "c"], vec!["1|2"]] } else { expected.clone() };
            assert_eq!(fields(text.as_bytes(), None, false).unwrap(), found, "{text:?}");
        }
        assert_eq!(fields(b"a|b\n1|2\n", None, false).unwrap(), [["a", "b"], ["1", "2"]]);
        assert_eq!(fields(b"sep=\t\na\tb\n", None, false).unwrap(), [["a", "b"]]);
        // A file of another name's claim: no comma separates, even in a line without a tab.
        assert_eq!(fields(b"a;b,c\n", None, true).unwrap(), [["a;b,c"]]);
    }

    #[test]
    fn text_comes_in_several_encodings() {
        let text = "größe,n\n1,2\n";
        let wide = |little: bool| -> Vec<u8> {
            let units = ['\u{feff}'].into_iter().chain(text.chars()).map(|letter| letter as u16);
            units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
        };
        let expected = [["größe", "n"], ["1", "2"]];
        for bytes in [wide(true), wide(false), text.into(), format!("\u{feff}{text}").into()] {
            assert_eq!(fields(&bytes, None, false).unwrap(), expected);
        }
        let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        assert_eq!(fields(&latin, Some("windows-1252"), false).unwrap(), expected);
        let told = fields(&latin, None, false).unwrap_err();
        assert!(told.starts_with("t.csv: line 1 is not in UTF-8, expected a table of text in UTF-8"), "{told}");
        let told = fields(b"1,2\n3,\xff\n", None, false).unwrap_err();
        assert!(told.starts_with("t.csv: line 2 is not in UTF-8"), "{told}");
        // UTF-16 without its mark, and half a letter at the end.
        assert!(fields(&wide(true)[2..], None, false).is_err());
        assert_eq!(fields(&wide(true)[2..], Some("utf-16le"), false).unwrap(), expected);
        let cut = [wide(true), vec![7]].concat();
        assert!(fields(&cut, None, false).unwrap_err().starts_with("t.csv: line 3 is not in UTF-16LE"));
    }
}
