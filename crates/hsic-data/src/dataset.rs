//! Data sets: contiguous samples with classes or values to be learned, and the sources that they come from.
//!
//! [`load`] gives what a network is trained on and what judges it, [`given`](given()) what another network is to be judged on,
//! [`content`](content()) says what data are. Each takes the name of a source in [`SOURCES`] or the path of a folder of images, of an archive of one (`.zip`,
//! `.tar`, `.tar.gz`, `.tar.xz`), or of a table (`.csv`, `.npy`, `.npz`). Every file is treated as untrusted: sizes in headers are checked before memory is taken, and whatever is wrong is a
//! [`DatasetError`] that names the file, the value and what was expected.

mod archive;
mod array_fault;
mod arrays;
mod cifar;
mod columns;
mod content;
mod data;
mod digits;
mod error;
mod facts;
mod fetch;
mod folder;
mod form;
mod given;
mod gzip;
mod idx;
mod idx_folder;
mod labeled;
mod labels;
mod layout;
mod listing;
mod load;
mod normalization;
mod notes;
mod npy;
mod npz;
mod part_folders;
mod parts;
mod picture;
mod place;
mod roles;
mod sample_rows;
mod source;
mod standardization;
mod survey;
mod table;
mod target_column;
mod targets;
mod task;
mod tree;
mod verify;
mod words;

pub use crate::shape::Shape;
pub use array_fault::ArrayFault;
pub use arrays::ImageArrays;
pub use content::Content;
pub use data::{Dataset, Origin, Samples, Split};
pub use digits::{DIGITS_TEST, DIGITS_TRAIN};
pub use error::DatasetError;
pub use facts::{Download, Facts, KnownFile};
pub use fetch::{Fetched, Transfer, fetch};
pub use folder::image_files;
pub use form::Form;
pub use given::{Given, Part};
pub use load::{SOURCES, content, given, known_as, load, source, stem};
pub(crate) use normalization::pixels;
pub use normalization::{Normalization, Normalize};
pub use notes::Note;
pub use parts::Drawn;
pub use picture::{ImageFault, ImageFit, Reading, is_image, read_image, read_sample};
pub use place::{is_in, placed};
pub use roles::{ArrayNames, ArrayNamesError};
pub use sample_rows::read_samples;
pub use source::{DatasetSource, ImagePlan, LoadOptions};
pub use standardization::Standardization;
pub use table::{Table, Values, read_table, read_values};
pub use targets::{Classes, Quantities, TargetKind, TargetScale, Targets};
pub use task::{Sign, Task};
pub use verify::{CheckedFile, files, verify};
pub use words::{Coded, WordColumns, read_words};
