//! Features of all rows of a data set: what a softmax layer is trained on.
//!
//! Where the samples lie in a file because memory is short, features that take much lie in a file beside it, which goes with
//! them. Either way they are formed once, in the same order, and give the same bits.

use hsic_data::dataset::{Aside, AsideRows, Dataset, DatasetError, Samples};

use crate::judge::at_rest::AtRest;

/// Bytes of the features of one part that are kept in memory even where the samples are not.
pub const MEMORY_BYTES: u64 = 64 << 20;

/// Rows that are looked at together where all are.
const ROWS: usize = 2048;

/// Features of the rows of a data set, with their labels.
pub(super) struct Features {
    columns: usize,
    labels: Vec<usize>,
    kept: Kept,
}

enum Kept {
    Memory(Vec<f32>),
    /// As they were formed, with what they are standardized by when they are read.
    File(AsideRows, Option<Scale>),
}

/// Mean and deviation of each column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) means: Vec<f32>,
    pub(super) deviations: Vec<f32>,
}

impl Scale {
    /// One that changes nothing.
    pub(super) fn none(columns: usize) -> Self {
        Self { means: vec![0.0; columns], deviations: vec![1.0; columns] }
    }

    fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.means.len()) {
            for ((value, &mean), &deviation) in row.iter_mut().zip(&self.means).zip(&self.deviations) {
                *value = (*value - mean) / deviation;
            }
        }
    }
}

impl Features {
    /// Of all rows of a data set.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in; `Io` if features cannot be written beside it.
    pub(super) fn of(at_rest: &AtRest<'_>, dataset: &Dataset) -> Result<Self, DatasetError> {
        Self::within(at_rest, dataset, MEMORY_BYTES)
    }

    /// In a file, if the samples are in one and the features have more bytes than these.
    fn within(at_rest: &AtRest<'_>, dataset: &Dataset, bytes: u64) -> Result<Self, DatasetError> {
        let (columns, mut labels) = (at_rest.columns(), Vec::with_capacity(dataset.rows()));
        let values = dataset.rows() * columns;
        let kept = match &dataset.samples {
            Samples::Stored(stored) if (values * size_of::<f32>()) as u64 > bytes => {
                let (mut aside, mut failed) = (Aside::beside(stored, columns)?, None);
                at_rest.for_each(dataset, usize::MAX, |rows, features| {
                    labels.extend_from_slice(rows);
                    if failed.is_none() {
                        failed = aside.add(features).err();
                    }
                })?;
                match failed {
                    Some(error) => return Err(error),
                    None => Kept::File(aside.read()?, None),
                }
            }
            _ => {
                let mut features = Vec::with_capacity(values);
                at_rest.for_each(dataset, usize::MAX, |rows, values| {
                    labels.extend_from_slice(rows);
                    features.extend_from_slice(values);
                })?;
                Kept::Memory(features)
            }
        };
        Ok(Self { columns, labels, kept })
    }

    pub(super) fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Standardizes all rows.
    pub(super) fn standardize(&mut self, scale: &Scale) {
        match &mut self.kept {
            Kept::Memory(features) => scale.apply(features),
            Kept::File(_, standardized) => *standardized = Some(scale.clone()),
        }
    }

    /// Takes the rows, one after another.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn take(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), DatasetError> {
        out.clear();
        match &self.kept {
            Kept::Memory(features) => {
                rows.iter().for_each(|&row| out.extend_from_slice(&features[row * self.columns..][..self.columns]));
            }
            Kept::File(file, scale) => {
                out.resize(rows.len() * self.columns, 0.0);
                file.read(rows.iter().copied(), out)?;
                if let Some(scale) = scale {
                    scale.apply(out);
                }
            }
        }
        Ok(())
    }

    /// The first `limit` rows.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn first(&self, limit: usize) -> Result<Vec<f32>, DatasetError> {
        let mut out = Vec::new();
        self.take(&(0..self.labels.len().min(limit)).collect::<Vec<_>>(), &mut out)?;
        Ok(out)
    }

    /// Shows labels and features of all rows in order, some at a time.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn each(&self, mut each: impl FnMut(&[usize], &[f32])) -> Result<(), DatasetError> {
        if let Kept::Memory(features) = &self.kept {
            each(&self.labels, features);
            return Ok(());
        }
        let mut some = Vec::new();
        for (index, labels) in self.labels.chunks(ROWS).enumerate() {
            let first = index * ROWS;
            self.take(&(first..first + labels.len()).collect::<Vec<_>>(), &mut some)?;
            each(labels, &some);
        }
        Ok(())
    }

    /// Mean and deviation by column; a constant column has deviation 1.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn moments(&self) -> Result<Scale, DatasetError> {
        let (columns, rows) = (self.columns, self.labels.len() as f64);
        let mut means = vec![0.0f64; columns];
        self.each(|_, features| {
            for row in features.chunks_exact(columns) {
                means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
            }
        })?;
        means.iter_mut().for_each(|mean| *mean /= rows);
        let mut squares = vec![0.0f64; columns];
        self.each(|_, features| {
            for row in features.chunks_exact(columns) {
                for ((square, &mean), &value) in squares.iter_mut().zip(&means).zip(row) {
                    *square += (f64::from(value) - mean).powi(2);
                }
            }
        })?;
        let deviation = |square: &f64| (square / rows).sqrt();
        let deviations = squares.iter().map(deviation).map(|d| if d > 1e-6 { d as f32 } else { 1.0 }).collect();
        Ok(Scale { means: means.into_iter().map(|mean| mean as f32).collect(), deviations })
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Network, Norm};

    use super::*;
    use crate::judge::at_rest::FormatInput;

    #[test]
    fn features_of_a_file_are_those_of_memory_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let options = LoadOptions {
            train_size: Some(5000),
            test_size: Some(10),
            cache: Some(folder.path().join("cache")),
            ..LoadOptions::default()
        };
        let train = load("digits", &options).unwrap().train;
        let networks = [Network::mlp(784, &[40], 10, Activation::Relu, Norm::Batch, 1)];
        let at_rest = AtRest::new(&networks, FormatInput::All);
        let mut all = [u64::MAX, 0].map(|bytes| Features::within(&at_rest, &train, bytes).unwrap());
        assert!(matches!(all.each_ref().map(|features| &features.kept), [Kept::Memory(_), Kept::File(..)]));
        let [memory, file] = all.each_ref().map(|features| features.moments().unwrap());
        assert_eq!(memory, file);
        all.iter_mut().for_each(|features| features.standardize(&memory));
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let [memory, file] = all.each_ref().map(|features| {
            let (mut taken, mut passed) = (Vec::new(), Vec::new());
            features.take(&[4999, 0, 1, 2, 2500], &mut taken).unwrap();
            features.each(|_, rows| passed.extend_from_slice(rows)).unwrap();
            (bits(&taken), bits(&passed), bits(&features.first(7).unwrap()), features.labels().to_vec())
        });
        assert!(memory == file && memory.1.len() == 5000 * 50);
        // The file of samples alone is left, and nothing of the features where a name can go before its file.
        let names = || std::fs::read_dir(folder.path().join("cache")).unwrap().count();
        assert!(names() == 1 || !cfg!(unix));
        drop(all);
        assert_eq!(names(), 1);
    }
}
