//! What a run keeps of the samples that judged it, as a file: `samples.safetensors`.

use std::path::Path;

use hsic_data::dataset::Shape;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::files::FileError;
use crate::run::{Run, SAMPLES};
use crate::summary::JudgedOn;
use crate::tensor_file::Values;

/// Bytes of the whole file.
pub const MOST_BYTES: usize = 200_000;

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
    /// Of all values it was furthest off.
    LargestError,
    /// Of all values it was nearest.
    SmallestError,
}

/// What was read of a sample, beside what is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Said {
    /// Of one that has a class.
    Class {
        /// Name of its class.
        class: String,
        /// Name of the class that was read.
        read: String,
        /// Probability of that class, as the network says.
        probability: f64,
    },
    /// Of one that has a value, both in the unit of the target.
    Value {
        /// Its value.
        truth: f64,
        /// The value that was read.
        predicted: f64,
    },
}

/// A sample that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Why.
    pub why: Why,
    /// Its place in the part that judged, from 0.
    pub row: usize,
    /// What was read of it.
    #[serde(flatten)]
    pub said: Said,
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
    /// The samples: of classes confused ones from the most confused pair of classes on, then the surest and the least sure, both
    /// in order; of values those of the largest errors and of the smallest, both in order.
    pub samples: Vec<Sample>,
    /// The bytes of their images, in the same order, channel by channel; in the file they are a tensor beside the text.
    #[serde(skip)]
    pub images: Vec<Vec<u8>>,
    /// Training rows that the readouts of the blocks were fitted to; 0 where values are learned, which have none.
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

impl Samples {
    /// Writes them into a run's folder, without the last ones if they were too large together.
    pub(super) fn write(mut self, run: &Run) -> Result<(), FileError> {
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
        let of =
            |sample: &Sample| if let Said::Class { probability, .. } = sample.said { Some(probability) } else { None };
        let shares = self.samples.iter().filter_map(of).chain(self.accuracy.iter().flatten().copied());
        let mut shares = shares.chain(self.components.iter().flat_map(|own| own.shares));
        // Rounding may leave a probability by its last digit above 1.
        shares.find(|share| !(0.0..=1.0 + 1e-9).contains(share)).map(|share| format!("a share of {share}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(probability: f64) -> Said {
        Said::Class { class: "\"\u{1}".repeat(12), read: "b".to_owned(), probability }
    }

    fn kept(samples: usize) -> Samples {
        let sample = Sample { why: Why::Surest, row: 3, said: class(0.75), cells: Vec::new() };
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
        let values = || {
            let mut values = kept(2);
            values.samples[1].said = Said::Value { truth: -3.5, predicted: 1e-7 };
            values
        };
        values().write(&run).unwrap();
        assert_eq!(Samples::read(&run).unwrap(), Some(values()));
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
            (&|kept: &mut Samples| kept.samples[1].said = class(1.5), "a share of 1.5"),
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
