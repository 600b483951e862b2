//! Every reader of files that others made, over bytes.
//!
//! Each leads to the function that the form with a path calls with what the file holds. Fuzzing calls them, and the tests that
//! replay what it found. What they read is dropped: what counts is that they come back, with a value or with an error.

use std::error::Error;
use std::io::Cursor;
use std::path::Path;

use super::archive;
use super::cifar;
use super::error::DatasetError;
use super::gzip::decompress;
use super::idx_folder;
use super::labeled;
use super::packed;
use super::picture::{ImageFit, Look, Reading as ImageReading, picture};
use super::source::LoadOptions;
use super::standard_input::text_of;
use super::store::Store;
use super::table::{self, Kind};
use super::table_file::{self, Reading};
use super::targets::Targets;
use crate::shape::Shape;

/// Why a reader gives no value.
pub type ReadError = Box<dyn Error + Send + Sync>;

/// A reader of files.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// Its name: that of its target, and of the folder of its inputs.
    pub name: &'static str,
    /// Reads what a file holds.
    pub read: fn(&[u8]) -> Result<(), ReadError>,
}

/// The readers of data.
pub static READERS: &[Reader] = &[
    Reader { name: "idx", read: idx },
    Reader { name: "csv", read: |bytes| text("f.csv", bytes) },
    Reader { name: "tsv", read: |bytes| text("f.tsv", bytes) },
    Reader { name: "npy", read: |bytes| arrays("f.npy", Kind::Npy, bytes) },
    Reader { name: "npz", read: |bytes| arrays("f.npz", Kind::Npz, bytes) },
    #[cfg(feature = "parquet")]
    Reader { name: "parquet", read: |bytes| arrays("f.parquet", Kind::Parquet, bytes) },
    Reader { name: "tar", read: |bytes| images(archive::Kind::Tar, bytes) },
    Reader { name: "tar-gz", read: |bytes| images(archive::Kind::Gz, bytes) },
    Reader { name: "tar-xz", read: |bytes| images(archive::Kind::Xz, bytes) },
    Reader { name: "zip", read: |bytes| images(archive::Kind::Zip, bytes) },
    Reader { name: "png", read: image },
    Reader { name: "jpeg", read: image },
    Reader { name: "gif", read: image },
    Reader { name: "webp", read: image },
    Reader { name: "bmp", read: image },
    Reader { name: "tiff", read: image },
    Reader { name: "cifar", read: cifar_archive },
    Reader { name: "packed", read: packed_file },
];

fn idx(bytes: &[u8]) -> Result<(), ReadError> {
    let (path, input) = (Path::new("f-idx3-ubyte"), || decompress(bytes, bytes.len() as u64));
    let images = idx_folder::images_of(path, input()?, None, &mut Store::memory());
    let labels = idx_folder::labels_of(path, input()?);
    // A file is one or the other.
    if images.is_err() {
        labels?;
    }
    Ok(())
}

/// A text: as a table of numbers, and as one to be learned from.
fn text(name: &str, bytes: &[u8]) -> Result<(), ReadError> {
    let path = Path::new(name);
    let bytes = text_of(path, bytes)?;
    let numbers = table::of_text(path, &bytes);
    table_to_learn(path, Kind::Text, &bytes)?;
    // What is no table of numbers may be one of words.
    drop(numbers);
    Ok(())
}

fn arrays(name: &str, kind: Kind, bytes: &[u8]) -> Result<(), ReadError> {
    let path = Path::new(name);
    let (place, stored) = table::stored_in(path, kind, bytes)?;
    let numbers = table::from_stored(&place, stored);
    table_to_learn(path, kind, bytes)?;
    drop(numbers);
    Ok(())
}

/// Rows to be learned from, and then to be judged by what was found out from them.
fn table_to_learn(path: &Path, kind: Kind, bytes: &[u8]) -> Result<(), DatasetError> {
    let options = LoadOptions::default();
    let file = table_file::of_bytes(path, kind, bytes, Reading { options: &options, known: None, train: None })?;
    let split = labeled::split(path, file, &options)?;
    let (known, target_scale) = match &split.train.targets {
        Targets::Classes(classes) => (classes.names.clone(), None),
        Targets::Values(quantities) => (Vec::new(), Some(quantities.scale)),
    };
    let options = LoadOptions {
        encoding: split.origin.encoding,
        standardization: split.standardization,
        target_scale,
        ..options
    };
    let file =
        table_file::of_bytes(path, kind, bytes, Reading { options: &options, known: Some(&known), train: None })?;
    labeled::judged(path, file, &options, &known).map(drop)
}

fn images(kind: archive::Kind, bytes: &[u8]) -> Result<(), ReadError> {
    let images = archive::images_of(Path::new("f.archive"), kind, "f".to_owned(), Cursor::new(bytes))?;
    let options = LoadOptions { skip_broken: true, ..LoadOptions::default() };
    images.load(&options, &mut Store::memory())?;
    Ok(())
}

/// An image, and the samples that it becomes.
fn image(bytes: &[u8]) -> Result<(), ReadError> {
    let picture = picture(Path::new("f.image"), bytes)?;
    let range = Look::at(&picture).range.filter(|[low, high]| low < high);
    let reading = ImageReading { fit: ImageFit::default(), background: 255, range };
    reading.apply(picture, Shape { channels: 3, height: 8, width: 8 });
    Ok(())
}

fn cifar_archive(bytes: &[u8]) -> Result<(), ReadError> {
    Ok(cifar::CIFAR10.read_archive(Path::new("f.tar.gz"), bytes).map(drop)?)
}

fn packed_file(bytes: &[u8]) -> Result<(), ReadError> {
    Ok(packed::description(Path::new("f.packed"), &mut Cursor::new(bytes), bytes.len() as u64).map(drop)?)
}
