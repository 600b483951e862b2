//! What the targets share: the readers by name, the count of memory, and the sums of formats that a changed byte would break.

#[path = "../../crates/hsic-data/tests/inputs/memory.rs"]
mod memory;
#[path = "../../crates/hsic-data/tests/inputs/repair.rs"]
mod repair;

use std::error::Error;

use hsic_data::dataset::Reader;
use memory::{Counting, beyond, taken};

#[global_allocator]
static COUNTED: Counting = Counting;

/// All readers.
pub fn readers() -> impl Iterator<Item = &'static Reader> {
    let of_runs = hsic_bottleneck::READERS.iter().chain(hsic_lab::READERS);
    hsic_data::dataset::READERS.iter().chain(of_runs)
}

/// Reads an input by the reader of that name, and ends the process if it takes too much memory. Panics end it too, and what
/// takes longer than it may.
///
/// # Panics
/// If there is no such reader.
pub fn run(name: &str, input: &[u8]) {
    let reader = readers().find(|reader| reader.name == name).expect("a reader of the target's name");
    let repaired = repair::repaired(name, input);
    let taken = taken(|| {
        if let Err(error) = (reader.read)(&repaired) {
            drop(told(&*error));
        }
    });
    if let Some(said) = beyond(name, repaired.len(), taken) {
        panic!("{said}");
    }
}

/// The error in words, with its reasons: that is code too.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text += &format!(": {error}");
        reason = error.source();
    }
    text
}

/// The target of a reader.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::run($name, input));
    };
}
