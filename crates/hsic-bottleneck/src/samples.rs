//! What a run keeps of the samples that judged it, for its page: `samples.safetensors`.
//!
//! Some of them as they are: those that the most confused classes have in common, the surest and the least sure, each with
//! its class, the one that was read and its probability. Images are kept as bytes, brought to at most 32 pixels a side; rows
//! of a table as the text of their cells. Beside them stand the accuracy of a linear readout of each block, and where
//! some samples lie along the first two principal components of some blocks' features. Nothing of this enters the result
//! of a run, and the file has at most 200 KB. Same run, same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use hsic_data::dataset::{Dataset, Shape, Split};
use hsic_data::provenance::Provenance;
use hsic_learn::judge::at_rest::{AtRest, FormatInput, Members};
use hsic_learn::judge::probe::{Blocks, FITTED_ROWS};
use hsic_learn::judge::surety::Told;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::Error;
use crate::files::FileError;
use crate::probed::drawn;
use crate::run::{Run, RunError, SAMPLES};
use crate::summary::JudgedOn;
use crate::tensor_file::Values;

/// Most samples that are kept: of these 24 that were confused, 8 of which the network was surest, and 8 least sure.
const MOST: usize = 40;

/// Most samples of one confused pair.
const OF_A_PAIR: usize = 4;

/// Bytes of all images together.
const IMAGE_BYTES: usize = 100_000;

/// Bytes of the whole file.
pub const MOST_BYTES: usize = 200_000;

/// Longest side of an image that is kept, in pixels.
const SIDE: usize = 32;

/// Most columns of a table of which cells are kept.
const COLUMNS: usize = 16;

/// Longest text of a name or a cell, in characters.
const LONGEST: usize = 24;

/// Samples that are shown along principal components.
const SHOWN: usize = 300;

/// Most blocks whose components are kept, the first and the last among them.
const SHOWN_BLOCKS: usize = 8;

/// Why a sample is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was read as another class, and so were the most of its class that were.
    Confused,
    /// Of all samples the network was surest of it.
    Surest,
    /// Of all samples it was least sure of it.
    LeastSure,
}

/// A sample that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Why.
    pub why: Why,
    /// Its place in the part that judged, from 0.
    pub row: usize,
    /// Name of its class.
    pub class: String,
    /// Name of the class that was read.
    pub read: String,
    /// Probability of that class, as the network says.
    pub probability: f64,
    /// Of a row of a table the cells of its first columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
}

/// Where samples lie in the features of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockComponents {
    /// Index of the block.
    pub block: usize,
    /// Share of the variance along each of both components.
    pub shares: [f64; 2],
    /// Both coordinates of each sample; in the file they are tensors beside the text.
    #[serde(skip)]
    pub points: Vec<[f32; 2]>,
}

/// What a run keeps of the samples that judged it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// The part that they are of.
    pub judged_on: JudgedOn,
    /// Sizes of an image as it is kept; `None` where samples are rows of a table.
    pub shape: Option<Shape>,
    /// Names of the columns of which cells are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Columns that a row of the table has.
    #[serde(default)]
    pub all_columns: usize,
    /// The samples: confused ones from the most confused pair of classes on, then the surest and the least sure, both in order.
    pub samples: Vec<Sample>,
    /// The bytes of their images, in the same order, channel by channel; in the file they are a tensor beside the text.
    #[serde(skip)]
    pub images: Vec<Vec<u8>>,
    /// Training rows that the readouts of the blocks were fitted to.
    pub fitted_rows: usize,
    /// Rows that judged them.
    pub judged_rows: usize,
    /// Accuracy of a linear readout by block, a fraction; none of a block whose values are not finite.
    pub accuracy: Vec<Option<f64>>,
    /// Index, among the names below, of the class of each sample that is shown in the features of blocks.
    pub shown: Vec<usize>,
    /// Names of these classes.
    pub shown_classes: Vec<String>,
    /// Some blocks, from the input on.
    pub components: Vec<BlockComponents>,
}

/// At most so many of some blocks, the first and the last among them.
fn some(blocks: usize) -> Vec<usize> {
    if blocks <= SHOWN_BLOCKS {
        return (0..blocks).collect();
    }
    (0..SHOWN_BLOCKS).map(|index| (index * (blocks - 1) + (SHOWN_BLOCKS - 1) / 2) / (SHOWN_BLOCKS - 1)).collect()
}

/// A name or a cell that is short enough.
fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['\u{2026}']).collect()
}

/// Rows to keep, `most` of them: three fifths confused, a fifth surest, a fifth least sure. Rows of which nothing finite is
/// said are left out, and of equal ones the first comes first.
fn chosen(told: &[Told], most: usize) -> Vec<(Why, Told)> {
    let mut by_surety: Vec<Told> = told.iter().copied().filter(|told| told.probability.is_finite()).collect();
    by_surety.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
    let mut pairs: BTreeMap<(usize, usize), Vec<Told>> = BTreeMap::new();
    for &told in by_surety.iter().filter(|told| told.class != told.read) {
        pairs.entry((told.class, told.read)).or_default().push(told);
    }
    let mut pairs: Vec<Vec<Told>> = pairs.into_values().collect();
    // The order is stable: of pairs of one size the first by class.
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.len()));
    let each = most / 5;
    let confused = pairs.into_iter().flat_map(|pair| pair.into_iter().take(OF_A_PAIR)).take(most - 2 * each);
    let surest = by_surety.iter().take(each).copied();
    let mut doubtful = by_surety.clone();
    doubtful.sort_by(|a, b| a.probability.total_cmp(&b.probability).then(a.row.cmp(&b.row)));
    let least = doubtful.into_iter().take(each);
    let with = |why| move |told| (why, told);
    confused
        .map(with(Why::Confused))
        .chain(surest.map(with(Why::Surest)))
        .chain(least.map(with(Why::LeastSure)))
        .collect()
}

/// How many pixels of each side become one, so that an image is small enough.
fn factor(shape: Shape) -> usize {
    shape.height.max(shape.width).div_ceil(SIDE).max(1)
}

/// Sizes of an image once it is small enough; what is left over at the right and below is left out.
fn kept_shape(shape: Shape) -> Shape {
    let factor = factor(shape);
    Shape { height: (shape.height / factor).max(1), width: (shape.width / factor).max(1), ..shape }
}

/// The bytes of a sample of an image, as it was before channels were normalized, and small enough.
fn image(dataset: &Dataset, sample: &[f32]) -> Vec<u8> {
    let (shape, kept, side) = (dataset.shape, kept_shape(dataset.shape), factor(dataset.shape));
    let mut bytes = Vec::with_capacity(kept.columns());
    for (channel, plane) in sample.chunks_exact(shape.height * shape.width).enumerate() {
        let (mean, deviation) = dataset
            .normalization
            .as_ref()
            .map_or((0.0, 1.0), |numbers| (numbers.means[channel], numbers.deviations[channel]));
        for index in 0..kept.height * kept.width {
            let (top, left) = (index / kept.width * side, index % kept.width * side);
            let lines = top..(top + side).min(shape.height);
            let pixels = || left..(left + side).min(shape.width);
            let count = (lines.len() * pixels().len()) as f64;
            let sum: f64 = lines.flat_map(|y| pixels().map(move |x| f64::from(plane[y * shape.width + x]))).sum();
            bytes.push((255.0 * (mean + deviation * sum / count)).round().clamp(0.0, 255.0) as u8);
        }
    }
    bytes
}

/// Chooses samples, reads every block out, and keeps both with the run. `told` is what the network says of each row of the
/// part that judges.
///
/// # Errors
/// `Run` if the folder cannot be written; `Dataset` of samples that lie in a file.
///
/// # Cost
/// That of [`Blocks::readouts`] on at most 5,000 training rows, and a forward pass of all rows that judge.
pub(crate) fn keep(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    members: Members<'_>,
    told: &[Told],
) -> Result<(), Error> {
    let (train, test) = (&data.train, &data.test);
    let blocks = Blocks::of(AtRest::new(members, FormatInput::All));
    let readouts = blocks.readouts(train, &drawn(train.rows(), FITTED_ROWS))?;
    let judging: Vec<usize> = (0..test.rows()).collect();
    let accuracy = readouts.accuracies(&blocks, test, &judging)?;
    let shown = drawn(test.rows(), SHOWN);
    let of_blocks = some(blocks.len());
    let found = blocks.components(test, &shown, &of_blocks)?;
    let components = of_blocks.into_iter().zip(found).filter_map(|(block, found)| {
        let found = found?;
        let points = found.scores.chunks_exact(2).map(|point| [point[0], point[1]]).collect();
        Some(BlockComponents { block, shares: [found.shares[0], found.shares[1]], points })
    });
    // Units may stand for classes that the data do not have.
    let name = |class: usize| train.class_names().get(class).map_or_else(|| class.to_string(), |name| cut(name));
    let (shown, shown_classes) =
        named(&shown.iter().map(|&row| usize::from(test.labels()[row])).collect::<Vec<_>>(), name);
    let record = Provenance::of(data);
    let mut kept = Samples {
        judged_on: config.judged_on(),
        shape: (!record.is_table()).then(|| kept_shape(test.shape)),
        columns: Vec::new(),
        all_columns: 0,
        samples: Vec::new(),
        images: Vec::new(),
        fitted_rows: readouts.rows,
        judged_rows: judging.len(),
        accuracy,
        shown,
        shown_classes,
        components: components.collect(),
    };
    let most = kept.shape.map_or(MOST, |shape| (IMAGE_BYTES / shape.columns()).min(MOST));
    let mut values = vec![0.0; test.columns()];
    for (why, told) in chosen(told, most) {
        test.fill_row(told.row, &mut values)?;
        let cells = match kept.shape {
            Some(_) => {
                kept.images.push(image(test, &values));
                Vec::new()
            }
            None => {
                let cells = record.cells(&values);
                kept.all_columns = cells.len();
                kept.columns = cells.iter().take(COLUMNS).map(|(column, _)| cut(column)).collect();
                cells.iter().take(COLUMNS).map(|(_, cell)| cut(cell)).collect()
            }
        };
        let (class, read) = (name(told.class), name(told.read));
        kept.samples.push(Sample { why, row: told.row, class, read, probability: told.probability, cells });
    }
    Ok(kept.write(run).map_err(RunError::from)?)
}

/// Classes by their place among the names of those that there are.
fn named(classes: &[usize], name: impl Fn(usize) -> String) -> (Vec<usize>, Vec<String>) {
    let mut known: Vec<usize> = classes.to_vec();
    known.sort_unstable();
    known.dedup();
    let places = classes.iter().map(|class| known.partition_point(|one| one < class)).collect();
    (places, known.into_iter().map(name).collect())
}

impl Samples {
    /// Writes them into a run's folder, without the last ones if they were too large together.
    fn write(mut self, run: &Run) -> Result<(), FileError> {
        let points: Vec<(usize, Vec<f32>)> =
            self.components.iter().map(|own| (own.block, own.points.concat())).collect();
        let text = loop {
            let text = serde_json::to_string(&self).map_err(|error| run.malformed(SAMPLES, error, "JSON"))?;
            let numbers: usize = points.iter().map(|(_, points)| size_of::<f32>() * points.len()).sum();
            // The text is written as a text of JSON once more, with a mark before each quote; names of tensors are short.
            let header = text.len() + text.matches(['"', '\\']).count() + 100 * (points.len() + 2);
            if header + numbers + self.images.concat().len() <= MOST_BYTES || self.samples.pop().is_none() {
                break text;
            }
            self.images.truncate(self.samples.len());
        };
        let images = self.images.concat();
        let mut tensors: Vec<(String, Vec<usize>, Values<'_>)> = points
            .iter()
            .map(|(block, points)| (format!("components.{block}"), vec![points.len() / 2, 2], Values::Slice(points)))
            .collect();
        if let Some(Shape { channels, height, width }) = self.shape {
            tensors.push((
                "images".to_owned(),
                vec![self.images.len(), channels, height, width],
                Values::Bytes(&images),
            ));
        }
        run.save_tensors(SAMPLES, tensors, Some(&text))
    }

    /// Those of a run; `None` if it keeps none.
    ///
    /// # Errors
    /// `Io`; `Malformed` naming what is missing or of another size; `Changed` if the file is not what training left.
    pub fn read(run: &Run) -> Result<Option<Self>, FileError> {
        if !run.has(SAMPLES)? {
            return Ok(None);
        }
        Self::of_bytes(&run.file(SAMPLES), &run.content(SAMPLES)?).map(Some)
    }

    /// Those in what a file holds.
    pub(crate) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let malformed = |found: &dyn std::fmt::Display, expected: &str| FileError::malformed(path, found, expected);
        let expected = "samples that a run keeps";
        let unread = |error: safetensors::SafeTensorError| malformed(&error, "a safetensors file");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unread)?;
        let state = header.metadata().as_ref().and_then(|metadata| metadata.get("state")).cloned();
        let state = state.ok_or_else(|| malformed(&"no word of what it holds", expected))?;
        let mut found: Self = serde_json::from_str(&state).map_err(|error| malformed(&error, expected))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unread)?;
        let tensor = |name: &str, kind: Dtype, length: usize| {
            let view = tensors.tensor(name).map_err(unread)?;
            let fits = view.dtype() == kind && view.data().len() == length;
            let what = || format!("tensor {name} of {:?} and {} bytes", view.dtype(), view.data().len());
            if fits {
                Ok(view.data().to_vec())
            } else {
                Err(malformed(&what(), &format!("{kind:?} and {length} bytes")))
            }
        };
        if let Some(shape) = found.shape {
            let size = shape.channels.checked_mul(shape.height).and_then(|size| size.checked_mul(shape.width));
            let size = size.filter(|&size| size > 0 && size <= MOST_BYTES);
            let size = size.ok_or_else(|| malformed(&format_args!("images of {shape}"), "a size that can be"))?;
            found.images = tensor("images", Dtype::U8, size * found.samples.len())?
                .chunks_exact(size)
                .map(<[u8]>::to_vec)
                .collect();
        }
        let shown = found.shown.len();
        for own in &mut found.components {
            let bytes = tensor(&format!("components.{}", own.block), Dtype::F32, 8 * shown)?;
            let number = |bytes: &[u8]| bytes.first_chunk().map_or(f32::NAN, |bytes| f32::from_le_bytes(*bytes));
            own.points = bytes.chunks_exact(8).map(|pair| [number(&pair[..4]), number(&pair[4..])]).collect();
        }
        match found.fault() {
            None => Ok(found),
            Some(said) => Err(malformed(&said, expected)),
        }
    }

    /// What is wrong with samples that were read.
    fn fault(&self) -> Option<String> {
        if let Some(class) = self.shown.iter().find(|&&class| class >= self.shown_classes.len()) {
            return Some(format!("class {class} of {}", self.shown_classes.len()));
        }
        if let Some(sample) = self.samples.iter().find(|sample| sample.cells.len() != self.columns.len()) {
            return Some(format!("{} cells of {} columns", sample.cells.len(), self.columns.len()));
        }
        let shares =
            self.samples.iter().map(|sample| sample.probability).chain(self.accuracy.iter().flatten().copied());
        let mut shares = shares.chain(self.components.iter().flat_map(|own| own.shares));
        // Rounding may leave a probability by its last digit above 1.
        shares.find(|share| !(0.0..=1.0 + 1e-9).contains(share)).map(|share| format!("a share of {share}"))
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{Classes, Normalization, Targets};

    use super::*;

    fn told(row: usize, class: usize, read: usize, probability: f64) -> Told {
        Told { row, class, read, probability }
    }

    #[test]
    fn the_most_confused_pair_comes_first_and_each_end_of_surety_is_kept() {
        let mut all = vec![told(0, 0, 1, 0.5), told(1, 2, 0, 0.9), told(2, 2, 0, 0.95), told(3, 1, 1, f64::NAN)];
        all.extend((4..14).map(|row| told(row, 1, 1, row as f64 / 20.0)));
        let kept: Vec<(Why, usize)> = chosen(&all, 10).into_iter().map(|(why, told)| (why, told.row)).collect();
        let expected = [(Why::Confused, 2), (Why::Confused, 1), (Why::Confused, 0)];
        assert_eq!(kept[..3], expected);
        assert_eq!(kept[3..], [(Why::Surest, 2), (Why::Surest, 1), (Why::LeastSure, 4), (Why::LeastSure, 5)]);
        let many: Vec<Told> = (0..20).map(|row| told(row, 0, 1, 0.5)).collect();
        let rows: Vec<usize> = chosen(&many, 40).iter().map(|(_, told)| told.row).collect();
        // Four of a pair; of equal ones the first.
        assert_eq!(rows[..6], [0, 1, 2, 3, 0, 1]);
        assert_eq!(rows.len(), 4 + 8 + 8);
    }

    #[test]
    fn images_are_kept_as_their_bytes_and_large_ones_as_means_of_fields() {
        let of = |shape: Shape, normalization: Option<Normalization>| Dataset {
            name: "d".into(),
            samples: hsic_data::dataset::Samples::Bytes(vec![0; shape.columns()]),
            shape,
            targets: Targets::Classes(Classes { labels: vec![0], names: vec!["a".into()] }),
            normalization,
        };
        let small = Shape { channels: 2, height: 1, width: 3 };
        let normalization = Normalization { means: vec![0.25, 0.5], deviations: vec![0.125, 0.0] };
        let dataset = of(small, Some(normalization));
        let mut values = [0.0; 6];
        dataset.convert(&[0, 17, 255, 9, 9, 9], &mut values);
        // A constant channel becomes 0 and comes back as its mean.
        assert_eq!(image(&dataset, &values), [0, 17, 255, 128, 128, 128]);
        let large = Shape { channels: 1, height: 65, width: 40 };
        assert_eq!(kept_shape(large), Shape { channels: 1, height: 21, width: 13 });
        let values: Vec<f32> = (0..65 * 40).map(|i| (i % 40) as f32 / 255.0).collect();
        assert_eq!(image(&of(large, None), &values)[..3], [1, 4, 7]);
    }

    #[test]
    fn blocks_that_are_shown_and_names_are_few_and_short() {
        assert_eq!(some(3), [0, 1, 2]);
        assert_eq!((some(50).len(), some(50)[0], some(50)[7]), (8, 0, 49));
        assert_eq!(cut(&"x".repeat(30)), "x".repeat(23) + "\u{2026}");
        let (places, names) = named(&[7, 3, 7], |class| class.to_string());
        assert_eq!((places, names), (vec![1, 0, 1], vec!["3".to_owned(), "7".to_owned()]));
    }

    fn kept(samples: usize) -> Samples {
        let sample = Sample {
            why: Why::Surest,
            row: 3,
            class: "\"\u{1}".repeat(12),
            read: "b".to_owned(),
            probability: 0.75,
            cells: Vec::new(),
        };
        Samples {
            judged_on: JudgedOn::Test,
            shape: Some(Shape { channels: 1, height: 2, width: 2 }),
            columns: Vec::new(),
            all_columns: 0,
            samples: vec![sample; samples],
            images: vec![vec![1, 2, 3, 255]; samples],
            fitted_rows: 5,
            judged_rows: 2,
            accuracy: vec![Some(0.5), None],
            shown: vec![1, 0],
            shown_classes: vec!["a".to_owned(), "b".to_owned()],
            components: vec![BlockComponents { block: 1, shares: [0.5, 0.25], points: vec![[1.0, 2.0], [3.0, 4.0]] }],
        }
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(folder.path(), &crate::config::TrainOptions::default().resolve().unwrap()).unwrap();
        assert_eq!(Samples::read(&run).unwrap(), None);
        kept(2).write(&run).unwrap();
        assert_eq!(Samples::read(&run).unwrap(), Some(kept(2)));
        // Too many are left out from behind.
        kept(3000).write(&run).unwrap();
        let length = std::fs::metadata(run.file(SAMPLES)).unwrap().len();
        assert!((150_000..=MOST_BYTES as u64).contains(&length), "{length}");
        let fewer = Samples::read(&run).unwrap().unwrap();
        assert_eq!(fewer.samples.len(), fewer.images.len());
        let fails = |damage: &dyn Fn(&mut Samples)| {
            let mut damaged = kept(2);
            damage(&mut damaged);
            damaged.write(&run).unwrap();
            Samples::read(&run).unwrap_err().to_string()
        };
        for (damage, told) in [
            (&(|kept: &mut Samples| kept.shown[0] = 2) as &dyn Fn(&mut Samples), "class 2 of 2"),
            (&|kept: &mut Samples| kept.samples[1].probability = 1.5, "a share of 1.5"),
            (&|kept: &mut Samples| kept.samples[0].cells.push(String::new()), "1 cells of 0 columns"),
            (&|kept: &mut Samples| kept.images.truncate(1), "tensor images of U8 and 4 bytes, expected U8 and 8 bytes"),
            (&|kept: &mut Samples| kept.shown.truncate(1), "tensor components.1 of F32 and 16 bytes"),
        ] {
            let error = fails(damage);
            assert!(error.contains("samples.safetensors") && error.contains(told), "{error}");
        }
        std::fs::write(run.file(SAMPLES), b"no tensors").unwrap();
        assert!(Samples::read(&run).unwrap_err().to_string().contains("expected a safetensors file"));
    }
}
