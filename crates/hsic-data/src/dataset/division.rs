//! Which rows of a table are trained on and which judge, for other programs that are to learn from the same.

use serde::Serialize;

use super::notes::Note;

/// Rows of a table, from 0, the first line of names not counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Division {
    /// Those that are trained on, in the order of the training part.
    pub train: Vec<usize>,
    /// Those that judge, in the order of the part that does.
    pub test: Vec<usize>,
    /// What should be said of rows that are in neither part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

#[cfg(test)]
mod tests {
    use crate::dataset::Note;
    use crate::dataset::{LoadOptions, Missing, Samples, division, load};

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
        // Rows that are left out keep their numbers from those after them.
        let gaps = "x,y,port,kind\n0,1,n,a\n1,1,s,\n2,,n,a\n3,1,s,b\n4,1,n,b\n5,1,n,a\n6,1,s,b\n";
        std::fs::write(&path, gaps).unwrap();
        let dropping = LoadOptions { missing: Missing::Drop, ..LoadOptions::default() };
        let found = division(place, &dropping).unwrap();
        let mut rows = [found.train, found.test].concat();
        rows.sort_unstable();
        assert_eq!(rows, [0, 3, 4, 5, 6]);
        let columns = vec!["y".to_owned()];
        assert_eq!(found.notes, [Note::LabelsMissing { rows: 1 }, Note::RowsMissing { rows: 1, columns }]);
        let error = division("digits", &LoadOptions::default()).unwrap_err().to_string();
        assert_eq!(error, "digits: its rows are not divided by a seed: expected a table without a test part");
    }
}
