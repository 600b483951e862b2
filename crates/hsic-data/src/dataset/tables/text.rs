//! A table of text: its encoding, what separates its columns, its records.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::stored_text::{Input, Shared, StoredText, Sum, not_in, read_up_to};
use crate::dataset::error::DatasetError;
use crate::dataset::standard_input::{is_standard_input, text_bytes};

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
    pub(crate) path: PathBuf,
    content: Content<'b>,
    /// Where the table begins: after a line `sep=;`, as spreadsheets write it.
    start: usize,
    pub(crate) separator: u8,
}

/// Where the bytes of a text are.
enum Content<'b> {
    Borrowed(&'b [u8]),
    Owned(Arc<Vec<u8>>),
    /// In a file, which is read as often as it is asked for.
    File(StoredText),
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
        let content = match foreign(bytes, encoding) {
            Some(encoding) => Content::Owned(Arc::new(decoded(path, bytes, encoding)?)),
            None => {
                check(path, bytes)?;
                Content::Borrowed(bytes)
            }
        };
        Ok(Self::with(path, content, tabs))
    }

    /// A text that is in memory, as [`of`](Self::of) has it.
    ///
    /// # Errors
    /// As those of [`of`](Self::of).
    pub(crate) fn of_owned(
        path: &Path,
        bytes: Vec<u8>,
        encoding: Option<TextEncoding>,
        tabs: bool,
    ) -> Result<Self, DatasetError> {
        let bytes = match foreign(&bytes, encoding) {
            Some(encoding) => decoded(path, &bytes, encoding)?,
            None => {
                check(path, &bytes)?;
                bytes
            }
        };
        Ok(Self::with(path, Content::Owned(Arc::new(bytes)), tabs))
    }

    /// The text of a file, as [`of`](Self::of) has it, of which no more is in memory than is worked on. What comes by standard
    /// input or from a pipe can be read once only, and another encoding than UTF-8 is decoded at once: those are in memory.
    ///
    /// # Errors
    /// Those of [`of`](Self::of); `Io`; `TooLarge` for a compressed text that is in memory and has no room there.
    pub(crate) fn open(path: &Path, encoding: Option<TextEncoding>, tabs: bool) -> Result<Self, DatasetError> {
        let is_file = !is_standard_input(path) && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !is_file || foreign(&StoredText::first(path)?, encoding).is_some() {
            return Self::of_owned(path, text_bytes(path)?, encoding, tabs);
        }
        let (stored, head) = StoredText::open(path)?;
        let (start, separator) = separated(&head, tabs);
        Ok(Self { path: path.to_owned(), content: Content::File(stored), start, separator })
    }

    fn with(path: &Path, content: Content<'b>, tabs: bool) -> Self {
        let bytes: &[u8] = match &content {
            Content::Borrowed(bytes) => bytes,
            Content::Owned(bytes) => bytes,
            Content::File(_) => &[],
        };
        let (start, separator) = separated(bytes, tabs);
        Self { path: path.to_owned(), content, start, separator }
    }

    /// The bytes from the table's first on, and, of a file, what they have to come to.
    fn input(&self) -> Result<Input<'b>, DatasetError> {
        let (mut reader, expected): (Box<dyn Read + 'b>, _) = match &self.content {
            Content::Borrowed(bytes) => (Box::new(*bytes), None),
            Content::Owned(bytes) => (Box::new(Shared { bytes: Arc::clone(bytes), place: 0 }), None),
            Content::File(stored) => (stored.reader()?, Some(stored.sum)),
        };
        let mut sum = Sum::default();
        let mut skipped = vec![0; self.start];
        // A file that ends within is found to be another at its end.
        let count = read_up_to(&mut reader, &mut skipped).map_err(|source| self.unread(source))?;
        sum.add(&skipped[..count]);
        Ok(Input { reader, sum, expected })
    }

    fn unread(&self, source: io::Error) -> DatasetError {
        DatasetError::Io { path: self.path.clone(), source }
    }

    /// Its records, from the first on.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn records(&self) -> Result<Records<'b>, DatasetError> {
        let reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .has_headers(false)
            // Lengths are checked where the line is known.
            .flexible(true)
            .trim(Trim::All)
            .buffer_capacity(1 << 16)
            .from_reader(self.input()?);
        Ok(Records { path: self.path.clone(), start: self.start, reader, record: StringRecord::new() })
    }

    /// The line, from 1, of the record at a byte. The reader's own count stops at the empty lines before a record; ours
    /// goes past them.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn line(&self, byte: usize) -> Result<u64, DatasetError> {
        Ok(self.lines(&[byte])?[&byte])
    }

    /// The lines of the records at some bytes, by one reading of what is before them.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn lines(&self, bytes: &[usize]) -> Result<BTreeMap<usize, u64>, DatasetError> {
        let mut lines: BTreeMap<usize, u64> = bytes.iter().map(|&byte| (byte, 1)).collect();
        let numbered = match &self.content {
            _ if lines.is_empty() => Ok(()),
            Content::Borrowed(text) => number(&mut lines, *text),
            Content::Owned(text) => number(&mut lines, &text[..]),
            Content::File(stored) => number(&mut lines, BufReader::with_capacity(1 << 16, stored.reader()?)),
        };
        numbered.map_err(|source| self.unread(source))?;
        Ok(lines)
    }
}

/// The records of a text, one after another.
pub(crate) struct Records<'b> {
    path: PathBuf,
    start: usize,
    reader: Reader<Input<'b>>,
    record: StringRecord,
}

impl Records<'_> {
    /// The next one: its first byte and its fields.
    ///
    /// # Errors
    /// `Csv`, which text in UTF-8 never gives; `Io`; `ChangedMeanwhile` at the end of a file that is not what it was at first.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, &StringRecord)>, DatasetError> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => {
                let byte = self.start + self.record.position().map_or(0, |position| position.byte() as usize);
                Ok(Some((byte, &self.record)))
            }
            Ok(false) if self.reader.get_ref().is_another() => Err(self.changed()),
            Ok(false) => Ok(None),
            // What was text at first is none any more.
            Err(error) if !error.is_io_error() && self.reader.get_ref().expected.is_some() => Err(self.changed()),
            Err(error) => {
                let path = self.path.clone();
                Err(if error.is_io_error() {
                    DatasetError::Io { path, source: error.into() }
                } else {
                    DatasetError::Csv { path, source: error }
                })
            }
        }
    }

    /// That the file is not what it was at first.
    pub(crate) fn changed(&self) -> DatasetError {
        DatasetError::ChangedMeanwhile { path: self.path.clone() }
    }
}

/// The encoding in which bytes are, if it is not UTF-8.
fn foreign(bytes: &[u8], encoding: Option<TextEncoding>) -> Option<&'static Encoding> {
    let marked = match bytes.get(..2) {
        Some([0xff, 0xfe]) => Some(UTF_16LE),
        Some([0xfe, 0xff]) => Some(UTF_16BE),
        _ => encoding.map(|TextEncoding(encoding)| encoding),
    };
    marked.filter(|&encoding| encoding != UTF_8)
}

/// Bytes of another encoding in UTF-8.
fn decoded(path: &Path, bytes: &[u8], encoding: &'static Encoding) -> Result<Vec<u8>, DatasetError> {
    let (text, _, damaged) = encoding.decode(bytes);
    if damaged {
        let good = text.split('\u{fffd}').next().unwrap_or_default();
        return Err(not_in(path, line(good.as_bytes()), encoding));
    }
    Ok(text.into_owned().into_bytes())
}

/// Whether bytes are text in UTF-8, or which line is not.
fn check(path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(not_in(path, line(&bytes[..error.valid_up_to()]), UTF_8));
    }
    // Text has no such byte, and UTF-16 without a mark has one beside most letters.
    match bytes.iter().position(|&byte| byte == 0) {
        Some(before) => Err(not_in(path, line(&bytes[..before]), UTF_8)),
        None => Ok(()),
    }
}

/// Where the table begins, and what separates its columns.
fn separated(bytes: &[u8], tabs: bool) -> (usize, u8) {
    let (start, said) = said_separator(bytes);
    (start, said.unwrap_or_else(|| if tabs { b'\t' } else { separator(bytes) }))
}

/// Fills in the line of each byte: that of the first record from there on.
fn number(lines: &mut BTreeMap<usize, u64>, mut text: impl BufRead) -> io::Result<()> {
    let (mut place, mut ends) = (0, 0);
    for (&byte, line) in lines {
        loop {
            let bytes = text.fill_buf()?;
            let before = byte.saturating_sub(place).min(bytes.len());
            // Behind the byte, as far as there is nothing but ends of lines.
            let empty = if place + before < byte {
                0
            } else {
                bytes[before..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
            };
            let (passed, all) = (before + empty, bytes.len());
            ends += bytes[..passed].iter().filter(|&&byte| byte == b'\n').count() as u64;
            text.consume(passed);
            place += passed;
            if all == 0 || passed < all {
                break;
            }
        }
        *line = 1 + ends;
    }
    Ok(())
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
        let mut records = text.records().map_err(|error| error.to_string())?;
        while let Some((_, record)) = records.next().map_err(|error| error.to_string())? {
            rows.push(record.iter().map(str::to_owned).collect());
        }
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

    #[test]
    fn a_text_in_its_file_is_the_same_as_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        // A letter of two bytes, half a letter and a zero around the places where one reading ends and the next begins.
        let around = (1 << 16) - 3..(1 << 16) + 6;
        let filled = |before: usize, rest: &[u8]| {
            [&b"a,b\n"[..], &b"1,2\n".repeat(before / 4 - 1), &vec![b'\n'; before % 4], rest].concat()
        };
        let rests: [&[u8]; 5] = ["é,4\n".as_bytes(), b"3,\xff\n", b"3,4\xc3", b"\0,4\n", b"3,4"];
        let large = around.flat_map(|before| rests.map(|rest| filled(before, rest)));
        let small: [&[u8]; 9] = [
            b"",
            b"\n\n",
            b"a",
            b"\n sep=;\n",
            b"sep=;\r\na,1;b\n",
            b"\xef\xbb\xbfsep=\n1\t2\n",
            b"\n\r\n1;2\n",
            b"\0",
            b"\xff",
        ];
        for bytes in large.chain(small.map(<[u8]>::to_vec)) {
            std::fs::write(&path, &bytes).unwrap();
            let all = |text: Result<Text<'_>, DatasetError>| {
                let text = text.map_err(|error| error.to_string())?;
                let (mut records, mut found, mut places) = (text.records().unwrap(), Vec::new(), Vec::new());
                while let Some((byte, record)) = records.next().unwrap() {
                    found.push((byte, record.iter().map(str::to_owned).collect::<Vec<_>>()));
                    places.push(byte);
                }
                Ok::<_, String>((text.start, text.separator, text.lines(&places).unwrap(), found))
            };
            let (stored, memory) = (all(Text::open(&path, None, false)), all(Text::of(&path, &bytes, None, false)));
            assert!(stored == memory, "{} bytes, {:?}", bytes.len(), stored.map(|_| ()));
        }
    }

    #[test]
    fn lines_of_records_are_behind_empty_ones() {
        let path = Path::new("t.csv");
        let text = Text::of(path, b"\n\r\na,b\n\n\n1,2\n\"3\n\",4\r\n5,6", None, false).unwrap();
        let (mut records, mut places) = (text.records().unwrap(), Vec::new());
        while let Some((byte, _)) = records.next().unwrap() {
            places.push(byte);
        }
        let lines: Vec<u64> = text.lines(&places).unwrap().into_values().collect();
        assert_eq!(lines, [3, 6, 7, 9]);
        for (&place, line) in places.iter().zip(lines) {
            assert_eq!(text.line(place).unwrap(), line);
        }
    }
}
