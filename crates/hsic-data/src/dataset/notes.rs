//! What should be said of a data set that was loaded: what was chosen for its user, and what was left out.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::picture::ImageFit;
use super::task::Sign;

/// One thing to be said. Whoever shows it chooses the words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Note {
    /// Images of other sizes than the samples' were resized.
    Resized {
        /// How many.
        images: usize,
        /// Height and width of the smallest image and of the largest.
        from: [[usize; 2]; 2],
        /// Height and width of the samples.
        to: [usize; 2],
        /// What became of what does not fit.
        fit: ImageFit,
        /// Whether the size was asked for; else it is the median side, or the largest default.
        asked: bool,
    },
    /// Samples are read from a file while they are trained on.
    Packed {
        /// The file.
        file: PathBuf,
        /// Bytes of all samples.
        bytes: u64,
        /// Bytes of memory that were free, of which they would have taken more than half; `None` if the file was asked for.
        free: Option<u64>,
        /// Whether the file was made now; else it was there.
        made: bool,
    },
    /// Samples are read from the file of the data, where they lie, while they are trained on.
    Lying {
        /// The file.
        file: PathBuf,
        /// Bytes of all samples.
        bytes: u64,
        /// Bytes of memory that were free, of which they would have taken more than half; `None` if that was asked for.
        free: Option<u64>,
    },
    /// Gray images among colored ones.
    Mixed {
        /// Gray images.
        gray: usize,
        /// Colored images.
        colored: usize,
        /// Channels of the samples.
        channels: usize,
    },
    /// Images with transparent pixels were laid over a background.
    Transparent {
        /// How many.
        images: usize,
        /// Those of which all that shows is of one color: what there is to see is the outline.
        alone: usize,
        /// Level of the background, from 0 to 255.
        background: u8,
    },
    /// Levels of 16 bits lay in a small part of the scale, which became the whole.
    Stretched {
        /// The levels, of 65535, that became 0 and 255.
        range: [u16; 2],
    },
    /// Files that cannot be read as images were left out.
    Broken {
        /// How many.
        files: usize,
        /// The first error, with its causes.
        first: String,
    },
    /// Files that have no ending of images were left out.
    Strangers {
        /// How many of each ending, without the dot.
        endings: Vec<(String, usize)>,
        /// The first of them.
        first: PathBuf,
    },
    /// Images that lie beside the folders of classes were left out.
    Loose {
        /// How many.
        images: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// Folders beside those of the parts were left out.
    OtherFolders {
        /// The folders.
        folders: Vec<PathBuf>,
        /// Images in them.
        images: usize,
    },
    /// Numbers as targets were taken for quantities or for classes by what they look like, where it may not be plain.
    TaskTaken {
        /// What they look like.
        #[serde(flatten)]
        sign: Sign,
    },
    /// Arrays of a file were not read.
    OtherArrays {
        /// Their names.
        names: Vec<String>,
    },
    /// There is a validation part and no test part: it is the test part.
    ValidationIsTest {
        /// Its folder, or the name of its array of samples.
        folder: PathBuf,
    },
    /// There are a validation part and a test part.
    ValidationPart {
        /// Its folder.
        folder: PathBuf,
        /// Its images.
        images: usize,
        /// Whether it stands in the place of the test part; else it was left out.
        used: bool,
    },
    /// Classes of which a part has no rows.
    NoRows {
        /// The part: training, test or validation.
        part: Cow<'static, str>,
        /// Their names.
        classes: Vec<String>,
    },
    /// Columns of a table that hold one value in the training part.
    Constant {
        /// Their indices among the columns that are learned from, from 0.
        columns: Vec<usize>,
    },
    /// Many of the rows that judge lie in the training part too.
    Shared {
        /// The part that judges: test or validation.
        part: Cow<'static, str>,
        /// How many.
        rows: usize,
        /// Of how many.
        of: usize,
    },
    /// The first line of a table holds numbers and was taken for names, since it is not like the lines below it.
    NumbersAreNames {
        /// The names.
        names: Vec<String>,
    },
    /// A column that nobody named is the label, and another is called as a label is.
    LikelierLabel {
        /// The column that was taken.
        taken: String,
        /// The one that is called so.
        likelier: String,
    },
    /// Rows without a label were left out.
    LabelsMissing {
        /// How many.
        rows: usize,
    },
    /// Rows in which something is missing were left out.
    RowsMissing {
        /// How many.
        rows: usize,
        /// The columns in which it is missing.
        columns: Vec<String>,
    },
    /// Columns of words became a column for each word.
    WordColumns {
        /// The columns, each with the number of words in the training part.
        columns: Vec<(String, usize)>,
    },
    /// Missing cells of the training part were filled, and a column beside says where.
    GapsFilled {
        /// The columns, each with the number of missing cells.
        columns: Vec<(String, usize)>,
    },
    /// Columns with nothing in them in the training part were left out.
    EmptyColumns {
        /// The columns.
        columns: Vec<String>,
    },
    /// Cells are missing in columns that had no gap in the training part, and were filled as there.
    GapsElsewhere {
        /// The columns, each with the number of missing cells.
        columns: Vec<(String, usize)>,
    },
    /// Words that the training part does not have.
    UnknownWords {
        /// The columns, each with the number of such cells and the first of the words.
        columns: Vec<(String, usize, String)>,
    },
    /// Columns that the training did not have were ignored.
    OtherColumns {
        /// Their names.
        names: Vec<String>,
    },
    /// Columns were matched by their places, since one of two files has no names.
    MatchedByPlace {
        /// Whether the file has names, and that of the training has none.
        file: bool,
    },
    /// A column counts the rows.
    CountsRows {
        /// The column.
        column: String,
    },
    /// A column is different in every row, as names and numbers of rows are.
    AllDifferent {
        /// The column.
        column: String,
    },
    /// Columns are the same in every row.
    ConstantColumns {
        /// The columns.
        columns: Vec<String>,
    },
    /// Columns tell the label: each of its classes is one value of them.
    TellsLabel {
        /// The columns.
        columns: Vec<String>,
        /// The column of the labels.
        label: String,
    },
}
