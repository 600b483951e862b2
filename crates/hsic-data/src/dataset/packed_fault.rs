//! What can be wrong with a file that samples are read from.

use thiserror::Error;

/// Why a file cannot be read. What helps against a packed one is always the same: it is deleted and made anew from the data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackedFault {
    /// A part is not what was written.
    #[error(
        "part {part} of {parts} (from 0, 4 MiB each) was changed since it was written or loaded: expected its checksum"
    )]
    Changed {
        /// The part, from 0.
        part: u64,
        /// How many there are.
        parts: u64,
    },
    /// The file ends before a part does.
    #[error("the file ends within part {part} of {parts} (from 0, 4 MiB each): expected all of it")]
    Cut {
        /// The part, from 0.
        part: u64,
        /// How many there are.
        parts: u64,
    },
    /// Another process has made the file since it was looked for. Whoever loads the data takes that one.
    #[error("another process made the file meanwhile: expected it to be read")]
    Meanwhile,
    /// What stands at the end of the file, or does not.
    #[error("{found}, expected {expected}")]
    Form {
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
}
