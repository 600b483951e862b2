//! Checks of the repository itself: which file of a crate imports which, whether imports run in a circle, and which files write to
//! the disk.
//!
//! The imports are read from the text: `use` lines and paths that begin with `crate`, `super`, `self` or a module of the
//! file. A path is followed through re-exports to the file that defines what it names, so that a re-export neither hides
//! an import nor counts as one. Tests and documentation are left out.

mod circles;
mod source;
mod tree;
mod writing;

pub use circles::circles;
pub use tree::{Crate, Import};
