//! What data are: the size and the hash of their content, whatever they are called and wherever they lie.
//!
//! Of one file it is the file's own length and SHA-256. Of several it is the SHA-256 of a list with a line
//! `HASH  NAME` a file, as the program `sha256sum` prints it, in the order of the names' bytes; names are those within the
//! data set, so that a folder and its archive have one hash. What gzip, xz or tar adds is no part of it.

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Size and hash of a data set's content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    /// Bytes of all files, decompressed; of data that are drawn, those drawn.
    pub bytes: u64,
    /// SHA-256 of the content, of several files that of their list; in hexadecimal.
    pub sha256: String,
}

/// Finds out what content is while it comes, a piece at a time.
#[derive(Clone, Debug, Default)]
pub struct GrowingContent {
    digest: Sha256,
    bytes: u64,
}

impl GrowingContent {
    /// Takes the next piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.digest.update(piece);
        self.bytes += piece.len() as u64;
    }

    /// What all pieces are, one behind the other.
    #[must_use]
    pub fn content(self) -> Content {
        Content { bytes: self.bytes, sha256: hexadecimal(&self.digest.finalize()) }
    }
}

impl Content {
    /// Of what lies in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut growing = GrowingContent::default();
        growing.add(bytes);
        growing.content()
    }

    /// Of all that a reader gives.
    pub(super) fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let (mut growing, mut buffer) = (GrowingContent::default(), vec![0; 1 << 16]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(growing.content()),
                Ok(count) => growing.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Of several files, each with its name within the data set.
    pub(super) fn of_list(mut files: Vec<(Vec<u8>, Self)>) -> Self {
        files.sort();
        let mut digest = Sha256::new();
        for (name, content) in &files {
            digest.update(content.sha256.as_bytes());
            digest.update(b"  ");
            digest.update(name);
            digest.update(b"\n");
        }
        let bytes = files.iter().map(|(_, content)| content.bytes).sum();
        Self { bytes, sha256: hexadecimal(&digest.finalize()) }
    }

    /// The first digits of the hash, for names of folders.
    #[must_use]
    pub fn short(&self) -> &str {
        self.sha256.get(..8).unwrap_or(&self.sha256)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA-256 {} of {} bytes", self.sha256, self.bytes)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_hash_of_the_standard_whichever_way_it_comes() {
        // FIPS 180-4, appendix of examples: "abc".
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let expected = Content { bytes: 3, sha256 };
        assert_eq!(Content::of(b"abc"), expected);
        let mut growing = GrowingContent::default();
        [&b"a"[..], b"", b"bc"].into_iter().for_each(|piece| growing.add(piece));
        assert_eq!(growing.content(), expected);
        assert_eq!(Content::of_reader(&b"abc"[..]).unwrap(), expected);
        assert_eq!(expected.short(), "ba7816bf");
    }

    #[test]
    fn a_list_has_the_hash_of_what_sha256sum_prints_of_it() {
        let files = vec![(b"b/2".to_vec(), Content::of(b"two")), (b"a".to_vec(), Content::of(b"abc"))];
        // printf abc > a; mkdir b; printf two > b/2; sha256sum a b/2 | sha256sum
        let sha256 = "3d74d3f5deed5fb85308cbe4bab68d963e7ade106304de91a491b1ee441ab737".to_owned();
        let expected = Content { bytes: 6, sha256 };
        assert_eq!(Content::of_list(files.clone()), expected);
        assert_eq!(Content::of_list(files.into_iter().rev().collect()), expected);
        let other = vec![(b"b/3".to_vec(), Content::of(b"two")), (b"a".to_vec(), Content::of(b"abc"))];
        assert_ne!(Content::of_list(other), expected);
    }
}
