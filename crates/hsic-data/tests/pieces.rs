//! Rows by pieces take the memory of a piece. A program of its own, since all of its threads are counted together.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unsafe_code, reason = "what is allocated is counted")]

#[path = "inputs/memory.rs"]
#[allow(dead_code, reason = "bounds of readers are not those of pieces")]
mod memory;

use hsic_data::dataset::{LoadOptions, load};
use hsic_data::provenance::Provenance;
use hsic_data::rows::{Pieces, TextRules};
use memory::{Counting, taken};

#[global_allocator]
static COUNTED: Counting = Counting;

#[test]
fn rows_by_pieces_take_memory_for_a_piece() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.csv"), folder.path().join("new.csv"));
    let row = |row: u32| format!("{}.{:03},{}", row % 50, row % 1000, row % 7);
    std::fs::write(&old, (0..100).map(|of| format!("{},x{}\n", row(of), of % 2)).collect::<String>()).unwrap();
    // 1.8 MB, and all rows together have 1.6 MB as a network takes them.
    std::fs::write(&new, (0..200_000).map(|of| row(of) + "\n").collect::<String>()).unwrap();
    let record = Provenance::of(&load(old.to_str().unwrap(), &LoadOptions::default()).unwrap());
    let read = |most| {
        let mut rows = 0;
        let taken = taken(|| {
            let pieces = Pieces::open(&new, &record, TextRules::default(), most).unwrap();
            rows = pieces.map(|piece| piece.unwrap().len() / 2).sum();
        });
        assert_eq!(rows, 200_000);
        taken.together
    };
    let (by_pieces, at_once) = (read(1000), read(usize::MAX));
    // Buffers of 64 KiB, and some tens of bytes for each cell of a piece; a value of each cell in double and in single precision.
    assert!(by_pieces < 600_000 && at_once > 3_000_000, "{by_pieces} and {at_once} bytes");
}
