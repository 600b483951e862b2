//! Every reader of runs and of records on inputs that fuzzing found; those of data are in `hsic-data`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unsafe_code, reason = "what is allocated is counted")]

#[path = "../../hsic-data/tests/inputs/memory.rs"]
mod memory;

use std::path::Path;

use memory::{Counting, beyond, taken};

#[global_allocator]
static COUNTED: Counting = Counting;

#[test]
fn inputs_that_fuzzing_found_are_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut inputs = 0;
    for reader in hsic_bottleneck::READERS.iter().chain(hsic_lab::READERS) {
        for entry in std::fs::read_dir(corpus.join(reader.name)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            // Either is right, a value or an error in words; it is to come back.
            let taken = taken(|| drop((reader.read)(&bytes).map_err(|error| error.to_string())));
            assert_eq!(beyond(reader.name, bytes.len(), taken), None);
            inputs += 1;
        }
    }
    assert!(inputs > 100, "{inputs} inputs");
}
