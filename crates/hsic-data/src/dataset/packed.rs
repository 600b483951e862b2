//! A packed data set: its rows in a file, and behind them what else is known of it.
//!
//! The rows of the training part and of the test part stand first, each as long as the others; then comes a description in
//! JSON, its length (8 bytes), its CRC-32 (4 bytes) and eight bytes that name the format. Numbers begin with the byte that
//! counts least. A file is written aside and renamed, so that its name stands for a whole one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arrays::ImageArrays;
use super::content::Content;
use super::data::{Dataset, Origin, Samples, Split};
use super::error::DatasetError;
use super::given::Given;
use super::normalization::Normalize;
use super::packed_fault::PackedFault;
use super::packer::Packer;
use super::parted::{PART_BYTES, PartedFile};
use super::source::{ImagePlan, LoadOptions, TableColumns};
use super::standardization::Standardization;
use super::stored::{Chosen, Element, StoredRows};
use super::targets::{TargetScale, Targets};
use super::task::Task;
use crate::shape::Shape;

/// The last bytes of a file.
const MAGIC: &[u8; 8] = b"HSICROW1";

/// Bytes behind the description.
const TAIL: u64 = 20;

/// What was asked for when a data set was packed, as far as its rows follow from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Names, lengths and times of the files that it was read from, as one number.
    pub(super) stamp: String,
    /// The options that are the same in a training and in what is asked of it later.
    fixed: String,
    /// How images become samples of one shape.
    images: String,
    /// What is learned.
    task: String,
    /// What was given of a training, in the place of what is found out: standardization, encoding, scale, early tables, images
    /// as rows.
    given: [bool; 5],
    /// Whether the rows are to be judged by a training that was; then all options count as they are.
    judged: bool,
}

impl Asked {
    /// `known` are the classes of a training by which the rows are to be judged.
    pub(super) fn of(options: &LoadOptions, known: Option<&[String]>, stamp: String) -> Self {
        let all = LoadOptions { data_dir: None, cache: None, normalize: Normalize::None, ..options.clone() };
        let fixed = match known {
            Some(known) => format!("{all:?} {known:?}"),
            None => {
                let usual = LoadOptions::default();
                let fixed = LoadOptions {
                    images: usual.images,
                    task: usual.task,
                    standardization: None,
                    encoding: None,
                    target_scale: None,
                    tables: usual.tables,
                    image_arrays: usual.image_arrays,
                    ..all
                };
                format!("{fixed:?}")
            }
        };
        Self {
            stamp,
            fixed,
            judged: known.is_some(),
            images: format!("{:?}", options.images),
            task: format!("{:?}", options.task),
            given: [
                options.standardization.is_some(),
                options.encoding.is_some(),
                options.target_scale.is_some(),
                options.tables == TableColumns::Numbers,
                options.image_arrays == ImageArrays::Rows,
            ],
        }
    }

    /// All but the stamp, as one text.
    pub(super) fn text(&self) -> String {
        format!("{} {} {} {:?}", self.fixed, self.images, self.task, self.given)
    }
}

#[derive(Serialize, Deserialize)]
struct Part {
    name: String,
    chosen: Chosen,
    targets: Targets,
}

impl Part {
    /// Of rows that lie in one file.
    fn of(dataset: &Dataset) -> Option<Self> {
        let Samples::Stored(stored) = &dataset.samples else { return None };
        let chosen = stored.chosen()?.clone();
        Some(Self { name: dataset.name.clone(), chosen, targets: dataset.targets.clone() })
    }
}

/// The description behind the rows.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    asked: Asked,
    element: Element,
    shape: Shape,
    rows: u32,
    /// CRC-32 of each part.
    sums: Vec<u32>,
    train: Part,
    test: Option<Part>,
    standardization: Option<Standardization>,
    origin: Origin,
}

impl Description {
    /// Whether the rows are those that are wanted by `options`. What was found out in packing counts as well as what was given.
    fn serves(&self, wanted: &Asked, options: &LoadOptions) -> bool {
        let Self { asked, .. } = self;
        if asked.judged || wanted.judged {
            return asked == wanted;
        }
        let images = match &options.images {
            ImagePlan::Recorded { shape, reading } => *shape == self.shape && *reading == self.origin.reading,
            ImagePlan::Found { .. } => wanted.images == asked.images,
        };
        let scale = |targets: &Targets| match targets {
            Targets::Classes(_) => None,
            Targets::Values(quantities) => Some(quantities.scale),
        };
        let task = match options.task {
            Task::Classification => scale(&self.train.targets).is_none(),
            Task::Regression => scale(&self.train.targets).is_some(),
            Task::Auto => wanted.task == asked.task,
        };
        let found: Option<TargetScale> = scale(&self.train.targets);
        let same = [
            options.standardization.is_none() || options.standardization == self.standardization,
            options.encoding.is_none() || options.encoding == self.origin.encoding,
            options.target_scale.is_none() || options.target_scale == found,
            options.tables == TableColumns::All || self.origin.encoding.is_none(),
            options.image_arrays == ImageArrays::Images || (self.shape.channels, self.shape.height) == (1, 1),
        ];
        // What was given then and is not now would be found out anew.
        let given = asked.given.iter().zip(wanted.given).zip(same).all(|((&then, now), same)| same && (now || !then));
        asked.stamp == wanted.stamp && asked.fixed == wanted.fixed && images && task && given
    }

    /// What is wrong with what a file says of itself.
    fn fault(&self) -> Option<String> {
        let Shape { channels, height, width } = self.shape;
        let sizes = [channels, height, width, self.element.bytes()];
        let length = sizes.into_iter().try_fold(u64::from(self.rows), |all, size| all.checked_mul(size as u64));
        let Some(length) = length.filter(|&length| length > 0) else {
            return Some(format!("{} rows of {}", self.rows, self.shape));
        };
        if self.sums.len() as u64 != length.div_ceil(PART_BYTES) {
            return Some(format!("checksums of {} parts of {length} bytes", self.sums.len()));
        }
        for Part { name, chosen, targets } in [&self.train].into_iter().chain(&self.test) {
            if chosen.end() > u64::from(self.rows) || chosen.len() != targets.len() {
                return Some(format!(
                    "{} targets of {} rows among {} of {name}",
                    targets.len(),
                    chosen.len(),
                    self.rows
                ));
            }
            if let Targets::Classes(classes) = targets
                && let Some(label) = classes.labels.iter().find(|&&label| usize::from(label) >= classes.names.len())
            {
                return Some(format!("class {label} of {}", classes.names.len()));
            }
        }
        None
    }

    /// Bytes of all rows.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.rows) * (self.shape.columns() * self.element.bytes()) as u64
    }
}

/// A data set as it is loaded: in two parts, or in one where it is to be judged as a whole.
pub(super) struct Whole {
    pub(super) train: Dataset,
    pub(super) test: Option<Dataset>,
    pub(super) standardization: Option<Standardization>,
    pub(super) origin: Origin,
}

impl From<Split> for Whole {
    fn from(Split { train, test, standardization, origin }: Split) -> Self {
        Self { train, test: Some(test), standardization, origin }
    }
}

impl From<Given> for Whole {
    fn from(Given { train, test, content, notes }: Given) -> Self {
        Self { train, test, standardization: None, origin: Origin { content, notes, ..Origin::default() } }
    }
}

/// Writes the description of a data set whose rows a packer has.
///
/// # Errors
/// `Io`.
///
/// # Panics
/// If the rows lie elsewhere.
pub(super) fn describe(packer: &mut Packer, whole: &Whole, asked: Asked) -> Result<(), DatasetError> {
    let stored = |dataset: &Dataset| Part::of(dataset).expect("both parts of a data set lie in one file");
    let description = Description {
        asked,
        element: packer.element(),
        shape: whole.train.shape,
        rows: packer.next(),
        sums: packer.sums().to_vec(),
        train: stored(&whole.train),
        test: whole.test.as_ref().map(stored),
        standardization: whole.standardization.clone(),
        origin: whole.origin.clone(),
    };
    let malformed =
        |error: serde_json::Error| DatasetError::Io { path: packer.path().to_owned(), source: error.into() };
    let mut text = serde_json::to_vec(&description).map_err(malformed)?;
    let (length, sum) = (text.len() as u64, crc32fast::hash(&text));
    text.extend(length.to_le_bytes());
    text.extend(sum.to_le_bytes());
    text.extend(MAGIC);
    packer.end(&text)
}

/// Opens a packed file and reads its description; none of its rows.
///
/// # Errors
/// `Io`; `Packed` if the file is not whole, or says of itself what cannot be.
pub(super) fn open(path: &Path) -> Result<(File, Description), DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let description = description(path, &mut file, length)?;
    Ok((file, description))
}

/// The description in a packed file of so many bytes.
pub(super) fn description(
    path: &Path,
    file: &mut (impl Read + Seek),
    length: u64,
) -> Result<Description, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let wrong = |found: String, expected| {
        Err(DatasetError::Packed { path: path.to_owned(), fault: PackedFault::Form { found, expected } })
    };
    let cut = "the end of a packed file: it was cut or changed";
    if length < TAIL {
        return wrong(format!("{length} bytes"), cut);
    }
    let mut tail = [0; TAIL as usize];
    file.seek(SeekFrom::Start(length - TAIL)).and_then(|_| file.read_exact(&mut tail)).map_err(io)?;
    let (numbers, magic) = tail.split_at(12);
    let (text, sum) = numbers.split_at(8);
    let text = u64::from_le_bytes(text.try_into().unwrap_or_default());
    if magic != MAGIC || text > length - TAIL {
        return wrong("other bytes at the end".to_owned(), cut);
    }
    file.seek(SeekFrom::Start(length - TAIL - text)).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(text).read_to_end(&mut bytes).map_err(io)?;
    if crc32fast::hash(&bytes).to_le_bytes() != *sum {
        return wrong("a description of another checksum".to_owned(), "the one that was written: it was changed");
    }
    let description: Description = match serde_json::from_slice(&bytes) {
        Ok(description) => description,
        Err(error) => return wrong(error.to_string(), "a description as this version writes it"),
    };
    if let Some(fault) = description.fault() {
        return wrong(fault, "a description that agrees with itself");
    }
    if description.bytes() != length - TAIL - text {
        let found = format!("{} bytes of rows", length - TAIL - text);
        return wrong(found, "as many as the description says: it was cut or changed");
    }
    Ok(description)
}

/// What the data are of which a packed file was made, if those were files of that stamp.
///
/// # Errors
/// As [`open`].
pub(super) fn content(path: &Path, stamp: &str) -> Result<Option<Content>, DatasetError> {
    let (_, description) = open(path)?;
    Ok(description.origin.content.filter(|_| description.asked.stamp == stamp))
}

/// The data set in a packed file with its bytes, if its rows are those that are wanted by `options`.
///
/// # Errors
/// As [`open`].
pub(super) fn read(path: &Path, wanted: &Asked, options: &LoadOptions) -> Result<Option<(Whole, u64)>, DatasetError> {
    let (file, description) = open(path)?;
    if !description.serves(wanted, options) {
        return Ok(None);
    }
    let bytes = description.bytes();
    let Description { element, shape, sums, train, test, standardization, origin, .. } = description;
    let file = Arc::new(PartedFile::whole(path, file, (0, bytes), sums));
    let dataset = |Part { name, chosen, targets }| Dataset {
        name,
        samples: Samples::Stored(StoredRows::new(&file, element, shape.columns(), chosen)),
        shape,
        targets,
        normalization: None,
    };
    Ok(Some((Whole { train: dataset(train), test: test.map(dataset), standardization, origin }, bytes)))
}
