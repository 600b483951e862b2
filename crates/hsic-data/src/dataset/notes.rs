//! What should be said of a data set that was loaded: what was chosen for its user, and what was left out.

use std::path::PathBuf;

use serde::Serialize;

use super::picture::ImageFit;
use super::task::Sign;

/// One thing to be said. Whoever shows it chooses the words.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
}
