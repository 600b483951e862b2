//! From what a file says of each row to classes or values, and which rows judge.

use std::path::Path;

use super::DatasetError;
use super::labels::{ClassLabels, Label, RawLabels};
use super::notes::Note;
use super::parts::{Drawn, hold_out, split};
use super::source::LoadOptions;
use super::table_file::Labeled;
use super::tables::number::plain;
use super::targets::{Quantities, TargetScale, Targets};
use super::task::{Sign, Task};

/// The target of each row of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TargetColumn {
    /// The class of each row, and the names of all classes.
    Classes(Vec<u16>, Vec<String>),
    /// The value of each row, finite.
    Values(Vec<f64>),
}

/// What a file's targets are.
pub(super) struct Decided {
    pub(super) train: TargetColumn,
    pub(super) test: Option<TargetColumn>,
    /// What is to be said of the decision.
    pub(super) note: Option<Note>,
}

/// Decides whether what is to be learned is a class or a value, for a network that is to be trained: by what is asked for,
/// else by what the targets of the training part look like. There are two classes at least.
pub(super) fn decide(
    path: &Path,
    train: &Labeled,
    test: Option<&Labeled>,
    options: &LoadOptions,
) -> Result<Decided, DatasetError> {
    let sign = sign(&train.labels);
    let note = |sign: Option<Sign>| sign.filter(|sign| sign.is_worth_saying()).map(|sign| Note::TaskTaken { sign });
    let (quantity, note) = match options.task {
        Task::Auto => (sign.is_some_and(Sign::is_quantity), note(sign)),
        Task::Classification => (false, None),
        Task::Regression => (true, None),
    };
    if quantity {
        let (train, test) = (values(train)?, test.map(values).transpose()?);
        return Ok(Decided { train, test, note });
    }
    let of_train = train.classes(&[])?;
    let names = of_train.names(path)?;
    if names.len() < 2 {
        return Err(DatasetError::ClassCount { path: path.to_owned(), classes: names.len() });
    }
    // Labels of a file of its own are what the training part calls them; those of one file are of one kind.
    let known: Vec<String> = match options.test_dataset {
        Some(_) => names.iter().map(Label::name).collect(),
        None => Vec::new(),
    };
    let of_test = |test: &Labeled| named(&test.place, &test.classes(&known)?.renamed(&names), &names);
    let test = test.map(of_test).transpose()?;
    Ok(Decided { train: named(path, &of_train, &names)?, test, note })
}

/// What targets are for a network that was trained on others: classes if it knows classes of these names, values if it
/// learned values; of a network of which nothing is known, what they look like. One class is enough.
pub(super) fn decide_known(
    path: &Path,
    train: &Labeled,
    test: Option<&Labeled>,
    options: &LoadOptions,
    known: &[String],
) -> Result<Decided, DatasetError> {
    let looks = || options.task == Task::Auto && sign(&train.labels).is_some_and(Sign::is_quantity);
    if known.is_empty() && (options.task == Task::Regression || looks()) {
        return Ok(Decided { train: values(train)?, test: test.map(values).transpose()?, note: None });
    }
    let of_train = train.classes(known)?;
    let of_test = test.map(|test| test.classes(known)).transpose()?;
    let names = of_train.names_with(path, of_test.as_ref())?;
    let test = of_test.map(|labels| named(path, &labels, &names)).transpose()?;
    Ok(Decided { train: named(path, &of_train, &names)?, test, note: None })
}

/// What the targets look like, if they are numbers that may be quantities.
fn sign(labels: &RawLabels) -> Option<Sign> {
    match labels {
        RawLabels::Codes(_) => None,
        RawLabels::Numbers(numbers) => {
            Some(Sign::of(&(0..numbers.len()).map(|row| numbers.get(row)).collect::<Vec<f64>>()))
        }
        RawLabels::Words(words) => {
            let number = |row| words.get(row).and_then(plain);
            (0..words.len()).map(number).collect::<Option<Vec<f64>>>().map(|numbers| Sign::of(&numbers))
        }
    }
}

/// The values of rows, which must be finite numbers.
fn values(of: &Labeled) -> Result<TargetColumn, DatasetError> {
    let value = |row: usize| {
        let (value, text) = match &of.labels {
            RawLabels::Numbers(numbers) | RawLabels::Codes(numbers) => {
                (Some(numbers.get(row)), numbers.get(row).to_string())
            }
            RawLabels::Words(words) => {
                let word = words.get(row).unwrap_or_default();
                (plain(word), word.to_owned())
            }
        };
        let wrong = || DatasetError::Target { path: of.place.clone(), row, text };
        value.filter(|value| value.is_finite()).ok_or_else(wrong)
    };
    if matches!(of.labels, RawLabels::Codes(_)) {
        return Err(DatasetError::TargetCodes { path: of.place.clone() });
    }
    (0..of.labels.len()).map(value).collect::<Result<_, _>>().map(TargetColumn::Values)
}

fn named(path: &Path, labels: &ClassLabels, names: &[Label]) -> Result<TargetColumn, DatasetError> {
    Ok(TargetColumn::Classes(labels.classes(path, names)?, names.iter().map(Label::name).collect()))
}

impl TargetColumn {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Classes(labels, _) => labels.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// The class by which rows are drawn, and how many there are: rows with values are drawn as if of one.
    fn strata(&self) -> (Vec<u16>, usize) {
        match self {
            Self::Classes(labels, names) => (labels.clone(), names.len()),
            Self::Values(values) => (vec![0; values.len()], 1),
        }
    }

    /// Training and test rows: see [`split`].
    pub(super) fn split(&self, drawn: Drawn) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
        let (strata, count) = self.strata();
        split(&strata, count, drawn)
    }

    /// Of these rows, those that stay in the training part and those that are held out of it: see [`hold_out`].
    pub(super) fn hold_out(&self, rows: &[usize], drawn: Drawn) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
        let (strata, count) = self.pick(rows).strata();
        let (kept, held) = hold_out(&strata, count, drawn)?;
        let of = |places: Vec<usize>| places.into_iter().map(|place| rows[place]).collect();
        Ok((of(kept), of(held)))
    }

    /// Those of `rows`, in that order.
    pub(super) fn pick(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes(labels, names) => Self::Classes(rows.iter().map(|&row| labels[row]).collect(), names.clone()),
            Self::Values(values) => Self::Values(rows.iter().map(|&row| values[row]).collect()),
        }
    }

    /// How the values of a training part are standardized; `None` for classes.
    ///
    /// # Errors
    /// `TargetConstant` if all are equal.
    pub(super) fn scale(&self, path: &Path) -> Result<Option<TargetScale>, DatasetError> {
        match self {
            Self::Classes(..) => Ok(None),
            Self::Values(values) => match TargetScale::of(values) {
                Some(scale) => Ok(Some(scale)),
                None => Err(DatasetError::TargetConstant {
                    path: path.to_owned(),
                    value: values.first().copied().unwrap_or_default(),
                    rows: values.len(),
                }),
            },
        }
    }

    /// The targets of a data set; `scale` is that of values.
    pub(super) fn targets(self, scale: Option<TargetScale>) -> Targets {
        match self {
            Self::Classes(labels, names) => Targets::classes(labels, names),
            Self::Values(values) => Targets::Values(Quantities { values, scale: scale.unwrap_or(TargetScale::UNIT) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, Split, given, load};

    fn options(task: Task) -> LoadOptions {
        LoadOptions { standardize: false, test_fraction: 0.25, task, ..LoadOptions::default() }
    }

    /// What a text loads as, under the name `t.csv`; messages without its folder.
    fn loaded(text: &str, options: &LoadOptions) -> Result<Split, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        load(path, options).map_err(|error| error.to_string().replace(path, "t.csv"))
    }

    fn quantities(part: &Dataset) -> &Quantities {
        let Targets::Values(quantities) = &part.targets else { panic!("values expected") };
        quantities
    }

    /// Rows `r, r + r / 8` for r below `rows`.
    fn slope(rows: usize) -> String {
        (0..rows).map(|row| format!("{row},{}\n", row as f64 * 1.125)).collect()
    }

    #[test]
    fn values_stay_with_their_rows_and_are_scaled_by_the_training_part() {
        for validation in [0.0, 0.25] {
            let split = loaded(&slope(40), &LoadOptions { validation, ..options(Task::Auto) }).unwrap();
            let (train, test) = (quantities(&split.train), quantities(&split.test));
            // A quarter of 40 is tested; of the 30 others 7.5 are held out, rounded.
            let expected = if validation > 0.0 { (22, 8) } else { (30, 10) };
            assert_eq!((train.values.len(), test.values.len()), expected);
            let mut row = [0.0];
            for part in [&split.train, &split.test] {
                for (index, value) in quantities(part).values.iter().enumerate() {
                    part.fill_row(index, &mut row).unwrap();
                    assert_eq!(f64::from(row[0]) * 1.125, *value);
                }
            }
            let rows = train.values.len() as f64;
            let mean = train.values.iter().sum::<f64>() / rows;
            let variance = train.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
            // Some 30 roundings of 1e-16 of numbers up to 45.
            assert!((train.scale.mean - mean).abs() < 1e-12 && (train.scale.deviation - variance.sqrt()).abs() < 1e-12);
            assert_eq!(train.scale, test.scale);
            let note = Note::TaskTaken { sign: Sign::Fraction { value: 1.125 } };
            assert_eq!(of_the_task(&split), [note]);
        }
        let other = LoadOptions { split_seed: 7, ..options(Task::Auto) };
        assert_ne!(loaded(&slope(40), &other).unwrap().test, loaded(&slope(40), &options(Task::Auto)).unwrap().test);
    }

    /// What is said of the decision.
    fn of_the_task(split: &Split) -> Vec<Note> {
        let notes = split.origin.notes.iter().filter(|note| matches!(note, Note::TaskTaken { .. }));
        notes.cloned().collect()
    }

    #[test]
    fn what_is_asked_for_is_what_is_learned() {
        let whole: String = (0..60).map(|row| format!("{row},{}\n", row % 40)).collect();
        // 40 different numbers in 60 rows look like a quantity.
        let sign = Sign::Many { distinct: 40, rows: 60 };
        let found = loaded(&whole, &options(Task::Auto)).unwrap();
        assert_eq!((quantities(&found.train).values.len(), of_the_task(&found)), (45, vec![Note::TaskTaken { sign }]));
        let classes = loaded(&whole, &options(Task::Classification)).unwrap();
        assert_eq!((classes.train.classes(), of_the_task(&classes)), (40, vec![]));
        let few: String = (0..60).map(|row| format!("{row},{}\n", row % 3)).collect();
        let classes = loaded(&few, &options(Task::Auto)).unwrap();
        assert_eq!((classes.train.classes(), of_the_task(&classes)), (3, vec![]));
        let values = loaded(&few, &options(Task::Regression)).unwrap();
        assert_eq!((quantities(&values.train).values.len(), of_the_task(&values)), (45, vec![]));
    }

    #[test]
    fn targets_that_are_no_values_are_told() {
        let told = |text: &str, task| loaded(text, &options(task)).unwrap_err();
        let regression = Task::Regression;
        assert_eq!(
            told("1,2.5\n2,oak\n3,1\n", regression),
            "t.csv: target \"oak\" in row 1 (from 0), expected a finite number (task = classification takes words)"
        );
        assert_eq!(
            told("1,2.5\n2,3\n3,inf\n", Task::Auto),
            "t.csv: target \"inf\" in row 2 (from 0), expected a finite number (task = classification takes words)"
        );
        assert_eq!(
            told("1,2.5\n2,2.5\n3,2.5\n4,2.5\n", regression),
            "t.csv: all 3 targets of the training part are 2.5, expected different ones (label-column says which column \
             is the target)"
        );
        assert_eq!(
            told("1,2.5\n2,2\n", Task::Classification),
            "t.csv: label 2.5 in row 0 (from 0), expected a whole number or text (task = regression learns values)"
        );
        let digits = load("digits", &LoadOptions { task: regression, ..LoadOptions::default() }).unwrap_err();
        assert_eq!(
            digits.to_string(),
            "task = regression: expected classification for digits, which names a class for each sample; tables and arrays \
             may hold values"
        );
    }

    #[test]
    fn rows_to_be_judged_keep_the_scale_of_the_training() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "1,4\n2,6\n3,8\n").unwrap();
        let path = path.to_str().unwrap();
        let scale = TargetScale { mean: 4.0, deviation: 2.0 };
        let of = |task, target_scale| LoadOptions { task, target_scale, ..LoadOptions::default() };
        // Three whole numbers look like classes: the network says what they are.
        let found = given(path, &of(Task::Regression, Some(scale)), &[]).unwrap().train;
        assert_eq!(found.targets, Targets::Values(Quantities { values: vec![4.0, 6.0, 8.0], scale }));
        let known = ["4", "6", "8"].map(str::to_owned);
        let found = given(path, &of(Task::Auto, None), &known).unwrap().train;
        assert_eq!(found.targets, Targets::classes(vec![0, 1, 2], known.to_vec()));
    }
}
