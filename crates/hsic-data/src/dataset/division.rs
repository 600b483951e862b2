//! Which rows of a table are trained on and which judge, for other programs that are to learn from the same.

use serde::Serialize;

use super::data::Dataset;
use super::error::DatasetError;
use super::form::Form;
use super::given::Given;
use super::load::given;
use super::parts::{Drawn, first, hold_out, split};
use super::source::LoadOptions;
use super::targets::{Classes, Quantities, Targets};

/// Rows of a table, from 0, the first line of names not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Division {
    /// Those that are trained on, in the order of the training part.
    pub train: Vec<usize>,
    /// Those that judge, in the order of the part that does.
    pub test: Vec<usize>,
}

/// The rows that [`load`](super::load()) makes the two parts of, by the same options.
///
/// # Errors
/// `NotDivided` for data that are no table, or have a test part; as [`load`](super::load()).
pub fn division(name_or_path: &str, options: &LoadOptions) -> Result<Division, DatasetError> {
    let not_divided = || DatasetError::NotDivided { name: name_or_path.to_owned() };
    if !Form::of(name_or_path).is_some_and(Form::may_be_table) {
        return Err(not_divided());
    }
    let whole = LoadOptions { train_size: None, test_size: None, standardization: None, ..options.clone() };
    let Given { train: Dataset { targets, .. }, test: None, .. } = given(name_or_path, &whole, &[])? else {
        return Err(not_divided());
    };
    // Rows with values are drawn as if of one class.
    let (labels, classes) = match targets {
        Targets::Classes(Classes { labels, names }) => (labels, names.len()),
        Targets::Values(Quantities { values, .. }) => (vec![0; values.len()], 1),
    };
    let drawn = Drawn { seed: options.split_seed, fraction: options.test_fraction, rows: labels.len() };
    let (train, test) = split(&labels, classes, drawn)?;
    let train = first(train, "training", options.train_size)?;
    let test = first(test, "test", options.test_size)?;
    if options.validation == 0.0 {
        return Ok(Division { train, test });
    }
    let drawn = Drawn { seed: options.split_seed, fraction: options.validation, rows: train.len() };
    let of: Vec<u16> = train.iter().map(|&row| labels[row]).collect();
    let (kept, held) = hold_out(&of, classes, drawn)?;
    let rows = |places: Vec<usize>| places.into_iter().map(|place| train[place]).collect();
    Ok(Division { train: rows(kept), test: rows(held) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Samples, load};

    #[test]
    fn rows_are_those_that_are_loaded_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        // The value of a row is its index; 20 rows of c, 13 of b, 7 of a.
        let kind = |row: usize| match row % 6 {
            0 | 2 | 4 => "c",
            3 => "a",
            _ => "b",
        };
        let lines: String = (0..40).map(|row| format!("{row},{}\n", kind(row))).collect();
        std::fs::write(&path, format!("x,kind\n{lines}")).unwrap();
        let place = path.to_str().unwrap();
        let plain = LoadOptions { standardize: false, split_seed: 3, ..LoadOptions::default() };
        let held_out = LoadOptions { validation: 0.25, ..plain.clone() };
        let cut = LoadOptions { train_size: Some(11), test_size: Some(4), ..plain.clone() };
        for options in [plain, held_out, cut] {
            let (loaded, rows) = (load(place, &options).unwrap(), division(place, &options).unwrap());
            for (part, rows) in [(&loaded.train, &rows.train), (&loaded.test, &rows.test)] {
                let Samples::Floats(values) = &part.samples else { panic!("a table") };
                let found: Vec<usize> = values.iter().map(|&value| value as usize).collect();
                assert_eq!(found, *rows);
            }
        }
        let error = division("digits", &LoadOptions::default()).unwrap_err().to_string();
        assert_eq!(error, "digits: its rows are not divided by a seed: expected a table without a test part");
    }
}
