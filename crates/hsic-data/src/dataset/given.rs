//! Data as they are, for a network that was trained on others: nothing is drawn from them and nothing fitted to them.

use super::content::Content;
use super::data::{Dataset, Samples, Split};
use super::error::DatasetError;
use super::notes::Note;

/// Which samples of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Part {
    /// All samples.
    All,
    /// Those of the training part.
    Train,
    /// Those of the test part.
    Test,
}

/// Data as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// All samples, or the training part where there is a test part.
    pub train: Dataset,
    /// The test part, where there is one.
    pub test: Option<Dataset>,
    /// What they are.
    pub content: Option<Content>,
    /// What should be said of them.
    pub notes: Vec<Note>,
}

impl Given {
    /// The samples of a part: where none is asked for, the test part if there is one, else all. Says which it is.
    ///
    /// # Errors
    /// `NoParts` if one of two parts is asked for where there are none.
    pub fn part(self, asked: Option<Part>) -> Result<(Part, Dataset), DatasetError> {
        let Self { train, test, .. } = self;
        match (asked, test) {
            (None | Some(Part::Test), Some(test)) => Ok((Part::Test, test)),
            (None | Some(Part::All), None) => Ok((Part::All, train)),
            (Some(Part::All), Some(test)) => Ok((Part::All, both(train, &test))),
            (Some(Part::Train), Some(_)) => Ok((Part::Train, train)),
            (Some(Part::Train), None) => Err(DatasetError::NoParts { name: train.name, part: "training" }),
            (Some(Part::Test), None) => Err(DatasetError::NoParts { name: train.name, part: "test" }),
        }
    }
}

impl Split {
    /// The samples of a part.
    #[must_use]
    pub fn part(self, part: Part) -> Dataset {
        match part {
            Part::All => both(self.train, &self.test),
            Part::Train => self.train,
            Part::Test => self.test,
        }
    }
}

/// The samples of two parts of a data set, one after the other.
fn both(mut first: Dataset, second: &Dataset) -> Dataset {
    match (&mut first.samples, &second.samples) {
        (Samples::Bytes(all), Samples::Bytes(more)) => all.extend_from_slice(more),
        (Samples::Floats(all), Samples::Floats(more)) => all.extend_from_slice(more),
        (Samples::Stored(all), Samples::Stored(more)) => all.extend(more),
        _ => unreachable!("both parts of a data set are pixels, or both numbers, and lie in memory, or both in a file"),
    }
    first.targets.extend(&second.targets);
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Targets;
    use crate::shape::Shape;

    fn dataset(bytes: &[u8]) -> Dataset {
        Dataset {
            name: "d".into(),
            samples: Samples::Bytes(bytes.to_vec()),
            shape: Shape { channels: 1, height: 1, width: 1 },
            targets: Targets::classes(
                bytes.iter().map(|&byte| u16::from(byte % 2)).collect(),
                vec!["even".into(), "odd".into()],
            ),
            normalization: None,
        }
    }

    #[test]
    fn data_without_parts_are_taken_whole_and_others_by_their_test_part() {
        let whole = Given { train: dataset(&[1, 2, 3]), test: None, content: None, notes: Vec::new() };
        let two = Given { test: Some(dataset(&[4])), ..whole.clone() };
        for (given, asked, part, bytes) in [
            (&whole, None, Part::All, &[1, 2, 3][..]),
            (&whole, Some(Part::All), Part::All, &[1, 2, 3]),
            (&two, None, Part::Test, &[4]),
            (&two, Some(Part::Test), Part::Test, &[4]),
            (&two, Some(Part::Train), Part::Train, &[1, 2, 3]),
            (&two, Some(Part::All), Part::All, &[1, 2, 3, 4]),
        ] {
            assert_eq!(given.clone().part(asked).unwrap(), (part, dataset(bytes)), "{asked:?}");
        }
        for (asked, name) in [(Part::Train, "training"), (Part::Test, "test")] {
            let error = whole.clone().part(Some(asked)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("d: no {name} part, since nothing divides it: expected all of it to be asked for")
            );
        }
    }
}
