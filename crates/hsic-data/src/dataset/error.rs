//! What can be wrong with a data set's files or with what is asked of them.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::array_fault::ArrayFault;
use super::packed_fault::PackedFault;
use super::table_fault::TableFault;
use super::{ImageFault, Shape};
use crate::names::{did_you_mean, one_of};

/// A reason why a data set or a table cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// Neither a registered name nor a path of a table or of a folder.
    #[error("no data set is called {name}: expected {}, or the path of a folder of images, of a .zip, .tar, .tar.gz or .tar.xz of one, or of a .csv, .tsv, .npy, .npz or .parquet file{}", known.join(", "), did_you_mean(name, known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The registered names.
        known: Vec<&'static str>,
    },
    /// Not the name of a data set, where only a name will do.
    #[error("no data set is called {name}: expected {}", one_of(name, known))]
    UnknownSource {
        /// What was asked for.
        name: String,
        /// The registered names.
        known: Vec<&'static str>,
    },
    /// A file whose kind is not known.
    #[error("{}: expected a folder of images or a file that ends in .zip, .tar, .tar.gz, .tar.xz, .csv, .tsv (also with .gz), .txt, .data, .npy, .npz or .parquet", path.display())]
    FileKind {
        /// The file.
        path: PathBuf,
    },
    /// Files of a data set that are in none of the folders looked at.
    #[error(
        "{name}: {} not found in {}: expected each plain or with .gz, in the folder that is given or that HSIC_DATA names",
        files.join(", "),
        join(directories)
    )]
    FilesMissing {
        /// The data set.
        name: &'static str,
        /// The files that are missing, without `.gz`.
        files: Vec<&'static str>,
        /// The folders looked at.
        directories: Vec<PathBuf>,
    },
    /// The operating system, or a decompressor, refused.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// A file in which samples are kept packed is not what was written.
    #[error("{}: {fault}; the data themselves are not touched: expected this file to be deleted, to be made anew from them", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: PackedFault,
    },
    /// A file that is read where it lies is no longer what it was when it was loaded.
    #[error("{}: {fault}; it is read while a network is trained on it: expected it to stay as it is for so long", path.display())]
    ChangedData {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: PackedFault,
    },
    /// A file is another than it was when it was first looked at, a moment before.
    #[error("{}: was changed while it was read, expected it to stay as it is for so long", path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// An IDX file of another kind.
    #[error("{}: magic {found:#010x} at byte 0, expected {expected:#010x} ({kind})", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes, big endian.
        found: u32,
        /// What they should be.
        expected: u32,
        /// What the expected number stands for.
        kind: &'static str,
    },
    /// The file ends too early.
    #[error("{}: {found} bytes of {what}, expected {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part that is cut short.
        what: &'static str,
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// Something follows the data.
    #[error("{}: bytes follow byte {end}, expected the file to end there", path.display())]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Where it should end (after decompression).
        end: u64,
    },
    /// A header claims more than the file can hold.
    #[error("{}: the header claims {claimed} bytes of data, expected at most the {possible} that the file can hold", path.display())]
    Oversized {
        /// The file.
        path: PathBuf,
        /// Bytes claimed; the largest number if they cannot be counted.
        claimed: u64,
        /// Bytes that may be there.
        possible: u64,
    },
    /// A file without samples, or with samples of no values.
    #[error("{}: no values, expected at least one row and one column", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Samples and labels that do not pair.
    #[error("{} has {label_count} labels and {} has {sample_count} samples: expected the same number", labels.display(), samples.display())]
    CountMismatch {
        /// File of the samples.
        samples: PathBuf,
        /// How many.
        sample_count: usize,
        /// File of the labels.
        labels: PathBuf,
        /// How many.
        label_count: usize,
    },
    /// A label that is no class of the data set.
    #[error("{}: label {label} at index {index}, expected a class below {classes}", path.display())]
    LabelRange {
        /// The file.
        path: PathBuf,
        /// Index of the first such label, from 0.
        index: usize,
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// Training and test part with samples of different sizes.
    #[error("{name}: test samples are {test}, expected {train} as in the training part")]
    PartShape {
        /// The data set.
        name: String,
        /// Sizes of a training sample.
        train: Shape,
        /// Sizes of a test sample.
        test: Shape,
    },
    /// More rows asked for than there are, or none.
    #[error("{asked} rows asked of the {part} part: expected 1 to {available}")]
    PartSize {
        /// Which part.
        part: &'static str,
        /// Rows asked for.
        asked: usize,
        /// Rows there are.
        available: usize,
    },
    /// A fraction outside its range, or one that leaves a part without rows.
    #[error(
        "test fraction {value}: expected a number between 0 and 1 that leaves at least one of {rows} rows in each part"
    )]
    TestFraction {
        /// What was given.
        value: f64,
        /// Rows of the table.
        rows: usize,
    },
    /// A CSV file that cannot be read as text.
    #[error("{}: not readable, expected a table of text in UTF-8", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: csv::Error,
    },
    /// Text where a number should be.
    #[error("{}: line {line}, column {column}: {text:?}, expected a number", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// What stands there.
        text: String,
    },
    /// NaN, an infinity, or a number beyond what is computed with.
    #[error("{}: row {row}, column {column} (from 0): {value}, expected a finite number", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Row of the table, from 0.
        row: usize,
        /// Column of the table, from 0.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// A file whose reader is an optional feature that the program was built without.
    #[error(
        "{}: read by the optional feature {feature}, without which this program was built: expected another kind of file, or cargo install --path crates/hsic-cli --locked --features {feature}",
        path.display()
    )]
    Feature {
        /// The file.
        path: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// A file that is no Parquet file, or is damaged.
    #[error("{}: no whole Parquet file: {why}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        why: String,
    },
    /// An integer that double precision cannot hold.
    #[error("{}: integer {value} at index {index}, expected one that double precision holds exactly", path.display())]
    Inexact {
        /// The file.
        path: PathBuf,
        /// Index in the file's order, from 0.
        index: usize,
        /// The integer.
        value: i128,
    },
    /// A label that is a fraction: a quantity, not a class.
    #[error(
        "{}: label {value} in row {row} (from 0), expected a whole number or text (task = regression learns values)",
        path.display()
    )]
    LabelFraction {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        value: f64,
    },
    /// A target that is no value.
    #[error(
        "{}: target {text:?} in row {row} (from 0), expected a finite number (task = classification takes words)",
        path.display()
    )]
    Target {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// What is there.
        text: String,
    },
    /// Labels that are classes by their form, asked for as values.
    #[error("{}: labels that stand for classes (one-hot, or of an IDX file), expected task = classification", path.display())]
    TargetCodes {
        /// The file.
        path: PathBuf,
    },
    /// Targets of which there is only one.
    #[error(
        "{}: all {rows} targets of the training part are {value}, expected different ones (label-column says which column \
         is the target)",
        path.display()
    )]
    TargetConstant {
        /// The file.
        path: PathBuf,
        /// The value.
        value: f64,
        /// Rows of the training part.
        rows: usize,
    },
    /// Values asked of data that have classes.
    #[error(
        "task = regression: expected classification for {name}, which names a class for each sample; tables and arrays may \
         hold values"
    )]
    NoValues {
        /// The data set.
        name: String,
    },
    /// Labels that make too few or too many classes.
    #[error("{}: labels of {classes} classes, expected 2 to 65536", path.display())]
    ClassCount {
        /// The file.
        path: PathBuf,
        /// Distinct labels.
        classes: usize,
    },
    /// A test part with a label that the training part lacks.
    #[error("{}: label {label} in the test part, expected a label of the training part", path.display())]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// One of two parts of data that have none.
    #[error("{name}: no {part} part, since nothing divides it: expected all of it to be asked for")]
    NoParts {
        /// Name of the data set.
        name: String,
        /// The part that was asked for.
        part: &'static str,
    },
    /// Data whose two parts are not drawn.
    #[error("{name}: its rows are not divided by a seed: expected a table without a test part")]
    NotDivided {
        /// Name of the data set.
        name: String,
    },
    /// A table, or its columns, that cannot be used.
    #[error("{}: {fault}", path.display())]
    Table {
        /// The file; of an archive, followed by the member.
        path: PathBuf,
        /// What is wrong.
        fault: TableFault,
    },
    /// A header of a `.npy` file that says what cannot be.
    #[error("{}: {field} {found:?} in the npy header, expected {expected}", path.display())]
    NpyHeader {
        /// The file; of an archive, followed by the member.
        path: PathBuf,
        /// The part of the header.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// An array, or arrays, that cannot be used.
    #[error("{}: {fault}", path.display())]
    Array {
        /// The file or folder; of an archive, followed by the member.
        path: PathBuf,
        /// What is wrong.
        fault: ArrayFault,
    },
    /// An archive that cannot be read.
    #[error("{}: not readable, expected a zip archive of arrays", path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: zip::result::ZipError,
    },
    /// An archive without the arrays of a data set.
    #[error("{}: arrays {}, expected x and y, or x_train and y_train (with x_test and y_test for a test part)", path.display(), found.join(", "))]
    Members {
        /// The file.
        path: PathBuf,
        /// Names of the arrays it has.
        found: Vec<String>,
    },
    /// A file, or what it would give, beyond what is read.
    #[error("{}: {found} bytes, expected at most {limit}: make it smaller, or compress it less", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes of the file or of what it holds.
        found: u64,
        /// Bytes that are read at the most.
        limit: u64,
    },
    /// A file that is no image, or a damaged one.
    #[error("{}: not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ImageFault>,
    },
    /// A JPEG that ends before its last pixel, or that has several scans and ends without an end marker.
    #[error("{}: {found} bytes of JPEG without an end marker, expected a whole file", path.display())]
    ImageEnd {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
    },
    /// An image of another size or number of channels, for a run that resizes none.
    #[error("{}: an image of {found} (channels x height x width), expected {expected} as in training", path.display())]
    ImageShape {
        /// The file.
        path: PathBuf,
        /// Its sizes.
        found: Shape,
        /// The sizes that all images should have.
        expected: Shape,
    },
    /// A data set that the program draws.
    #[error("{name}: drawn by the program, expected a data set that has files")]
    NoDownload {
        /// The data set.
        name: &'static str,
    },
    /// No folder to put a data set into.
    #[error(
        "{name}: no folder for its files, expected one to be given, or HSIC_DATA, XDG_DATA_HOME or HOME to name one"
    )]
    NoFolder {
        /// The data set.
        name: &'static str,
    },
    /// A file that is there and is not the published one.
    #[error("{}: SHA-256 {found}, expected {expected}; move it away to have it fetched", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        found: String,
        /// The published one.
        expected: &'static str,
    },
    /// No mirror gives a file.
    #[error(
        "{name}: {file} cannot be fetched\n{}\nby hand, put {} into {}",
        reasons.join("\n"),
        lacking.join(", "),
        folder.display()
    )]
    Fetch {
        /// The data set.
        name: &'static str,
        /// The file.
        file: &'static str,
        /// Why, for each address.
        reasons: Box<[String]>,
        /// All files of the data set that are not there.
        lacking: Box<[&'static str]>,
        /// Where they belong.
        folder: PathBuf,
    },
    /// Nothing on this machine brings files.
    #[error(
        "{name}: {file} cannot be fetched: no program {program} on PATH\nby hand, put {} into {}",
        lacking.join(", "),
        folder.display()
    )]
    NoDownloader {
        /// The data set.
        name: &'static str,
        /// The file.
        file: &'static str,
        /// The program that is missing.
        program: &'static str,
        /// All files of the data set that are not there.
        lacking: Box<[&'static str]>,
        /// Where they belong.
        folder: PathBuf,
    },
    /// An archive of images that is damaged, or none.
    #[error("{}: not readable, expected {kind}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What its name says that it is.
        kind: &'static str,
        /// The reader's reason.
        source: io::Error,
    },
    /// A zip archive of images that is damaged, or none.
    #[error("{}: not readable, expected a zip archive of a folder of images", path.display())]
    ImageZip {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: zip::result::ZipError,
    },
    /// An archive of images that is cut short.
    #[error("{}: ends after {found} bytes (decompressed) without an end marker, expected a whole archive", path.display())]
    ArchiveEnd {
        /// The file.
        path: PathBuf,
        /// Bytes there are, after decompression.
        found: u64,
    },
    /// An entry of an archive that is neither unpacked nor read.
    #[error("{}: {}: {reason}, expected plain files below the folder", path.display(), entry.display())]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry.
        entry: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that is not made of whole records.
    #[error("{}: {found} bytes, expected 1 to {most} records of {record} bytes", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Bytes of a record.
        record: u64,
        /// Records of the published file.
        most: u64,
    },
    /// An archive that lacks a file.
    #[error("{}: no file {file} in the archive", path.display())]
    Member {
        /// The archive.
        path: PathBuf,
        /// The file that it lacks.
        file: &'static str,
    },
    /// Another number of class names than of classes.
    #[error("{}: {found} names, expected {expected}, one a line for each class", path.display())]
    NameCount {
        /// The file.
        path: PathBuf,
        /// Names in it.
        found: usize,
        /// Number of classes.
        expected: usize,
    },
    /// Channels of a table.
    #[error("normalize = channel: expected none, since {name} is a table (see standardize)")]
    NotImages {
        /// The data set.
        name: String,
    },
    /// A link to a folder that it lies in.
    #[error(
        "{}: a link that leads in a circle, to {}, expected links to other folders: remove it",
        path.display(),
        to.display()
    )]
    Circle {
        /// The link.
        path: PathBuf,
        /// The folder, by its own path.
        to: PathBuf,
    },
    /// A folder without images.
    #[error("{}: no image, expected files that end in .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff or .webp", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// Folders of parts that leave open which is which.
    #[error(
        "{}: the folders {}, expected one called train or training, at most one called test or testing, and at most one called val, valid or validation",
        path.display(),
        found.join(", ")
    )]
    PartFolders {
        /// The folder that they are in.
        path: PathBuf,
        /// Their names.
        found: Vec<String>,
    },
    /// A folder that holds too few or too many folders of images.
    #[error("{}: {found} folders, expected 2 to 65536, one for the images of each class{}", path.display(), lone_table(table.as_deref()))]
    ClassFolders {
        /// The folder.
        path: PathBuf,
        /// Folders in it.
        found: usize,
        /// A table that lies in it.
        table: Option<String>,
    },
    /// A class whose name is no text.
    #[error("{}: the folder's name is not UTF-8, expected the name of a class", path.display())]
    FolderName {
        /// The folder.
        path: PathBuf,
    },
}

/// The remedy where a table lies among what should be folders of images.
fn lone_table(table: Option<&str>) -> String {
    table.map_or_else(String::new, |name| format!("; {name} is a table: give its own path, unpacked or as .csv.gz"))
}

fn join(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn a_reason_is_told_by_the_source_and_not_twice() {
        let path = || PathBuf::from("f");
        let io = || io::Error::from(io::ErrorKind::NotFound);
        for (error, message) in [
            (DatasetError::Io { path: path(), source: io() }, "f"),
            (
                DatasetError::Csv { path: path(), source: io().into() },
                "f: not readable, expected a table of text in UTF-8",
            ),
            (
                DatasetError::Zip { path: path(), source: io().into() },
                "f: not readable, expected a zip archive of arrays",
            ),
            (
                DatasetError::Archive { path: path(), kind: "a tar archive", source: io() },
                "f: not readable, expected a tar archive",
            ),
        ] {
            assert_eq!(error.to_string(), message);
            assert!(error.source().is_some_and(|source| source.to_string().ends_with("entity not found")), "{error:?}");
        }
    }
}
