//! Why a file is not read as an image.

use std::error::Error;

use thiserror::Error as ErrorKind;

/// What is wrong with a file that should be an image.
#[derive(Debug, ErrorKind)]
#[non_exhaustive]
pub enum ImageFault {
    /// The first bytes are not those of a format that is read.
    #[error("it begins with \"{found}\", which none of these formats does")]
    Format {
        /// The first bytes, those that are no text escaped.
        found: String,
    },
    /// The decoder of the format gives up.
    #[error("{format}: it cannot be decoded")]
    Decoder {
        /// The format that the first bytes are of.
        format: &'static str,
        /// The decoder's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A value in the file that cannot be, or that is not read.
    #[error("{format}: {what} {found}, expected {expected}")]
    Value {
        /// The format that the first bytes are of.
        format: &'static str,
        /// What the value says.
        what: &'static str,
        /// What it is.
        found: u64,
        /// What it should be.
        expected: &'static str,
    },
    /// A part of the file lies beyond its end.
    #[error("{format}: {what} ends at byte {end}, expected at most {length}, the file's bytes")]
    Beyond {
        /// The format that the first bytes are of.
        format: &'static str,
        /// The part.
        what: &'static str,
        /// Where it should end.
        end: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// Pixels end before the image is full.
    #[error("{format}: {found} bytes of pixels, expected {expected}")]
    Short {
        /// The format that the first bytes are of.
        format: &'static str,
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
}

impl ImageFault {
    /// A fault of the first bytes.
    pub(super) fn of_start(bytes: &[u8]) -> Self {
        let start = &bytes[..bytes.len().min(8)];
        Self::Format { found: start.escape_ascii().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_told_as_text() {
        let told = |bytes: &[u8]| ImageFault::of_start(bytes).to_string();
        assert_eq!(told(b"\x00ab\xffcdefgh"), r#"it begins with "\x00ab\xffcdef", which none of these formats does"#);
        assert_eq!(told(b""), "it begins with \"\", which none of these formats does");
    }
}
