//! Which of a file's arrays are samples and which are labels, and of which part: by their usual names, or as a user says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Words for samples, the likelier first.
const SAMPLES: [&str; 13] = [
    "x", "xs", "images", "image", "imgs", "img", "data", "features", "feature", "inputs", "input", "samples", "pixels",
];

/// Words for labels, the likelier first.
const LABELS: [&str; 8] = ["y", "ys", "labels", "label", "targets", "target", "classes", "class"];

/// Words for parts; a longer one stands before its beginning.
const PARTS: [(&str, Part); 9] = [
    ("training", Part::Train),
    ("train", Part::Train),
    ("tr", Part::Train),
    ("validation", Part::Validation),
    ("valid", Part::Validation),
    ("val", Part::Validation),
    ("testing", Part::Test),
    ("test", Part::Test),
    ("te", Part::Test),
];

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Train,
    Validation,
    Test,
}

/// Names of the arrays of a `.npz`: of samples and labels, and of those of a test part.
///
/// Written as `x=NAME,y=NAME`, or `x=NAME,y=NAME,x_test=NAME,y_test=NAME`.
///
/// # Examples
/// ```
/// use hsic_data::dataset::ArrayNames;
/// let names: ArrayNames = "x=spectra,y=kind".parse()?;
/// assert_eq!((names.x.as_str(), names.y.as_str(), &names.test), ("spectra", "kind", &None));
/// assert!("x=spectra".parse::<ArrayNames>().is_err());
/// # Ok::<(), hsic_data::dataset::ArrayNamesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArrayNames {
    /// Samples, of the training part if there is a test part.
    pub x: String,
    /// Their labels.
    pub y: String,
    /// Samples and labels of the test part.
    pub test: Option<(String, String)>,
}

/// A text that names no arrays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("arrays = {text}: expected x=NAME,y=NAME, and x_test=NAME,y_test=NAME for a test part")]
pub struct ArrayNamesError {
    /// What was given.
    pub text: String,
}

crate::serde_as_text!(ArrayNames);

impl fmt::Display for ArrayNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x={},y={}", self.x, self.y)?;
        match &self.test {
            Some((x, y)) => write!(f, ",x_test={x},y_test={y}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ArrayNames {
    type Err = ArrayNamesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ArrayNamesError { text: text.to_owned() };
        let [mut x, mut y, mut x_test, mut y_test] = [None, None, None, None];
        for pair in text.split(',') {
            let (key, name) = pair.split_once('=').ok_or_else(wrong)?;
            let place = match key.trim() {
                "x" | "x_train" => &mut x,
                "y" | "y_train" => &mut y,
                "x_test" => &mut x_test,
                "y_test" => &mut y_test,
                _ => return Err(wrong()),
            };
            let name = name.trim();
            // The ending of the file in the archive is no part of the name.
            let name = name.strip_suffix(".npy").unwrap_or(name);
            if name.is_empty() || place.replace(name.to_owned()).is_some() {
                return Err(wrong());
            }
        }
        let test = match (x_test, y_test) {
            (Some(x), Some(y)) => Some((x, y)),
            (None, None) => None,
            _ => return Err(wrong()),
        };
        Ok(Self { x: x.ok_or_else(wrong)?, y: y.ok_or_else(wrong)?, test })
    }
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Role {
    part: Part,
    labels: bool,
    /// How likely the word is, 0 for the likeliest.
    rank: usize,
}

/// What a name says, in any case and with any signs between its words: `x_train`, `trainX`, `Test-Labels`.
fn role(name: &str) -> Option<Role> {
    let letters: String = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let word = |part, word: &str| {
        let of = |words: &[&str], labels| {
            words.iter().position(|&known| known == word).map(|rank| Role { part, labels, rank })
        };
        of(&SAMPLES, false).or_else(|| of(&LABELS, true))
    };
    let of_part = |&(mark, part): &(&str, Part)| {
        [letters.strip_prefix(mark), letters.strip_suffix(mark)].into_iter().flatten().find_map(|rest| word(part, rest))
    };
    word(Part::Whole, &letters).or_else(|| PARTS.iter().find_map(of_part))
}

/// Whether a name is that of a validation part's array.
pub(super) fn is_of_validation(name: &str) -> bool {
    role(name).is_some_and(|role| role.part == Part::Validation)
}

/// The arrays of a data set among `names`: `x` and `y`, else a training part, with a test part if there is one, or a
/// validation part in its place. `None` if there are no samples with labels.
pub(super) fn choose(names: &[String]) -> Option<ArrayNames> {
    let pair = |part| Some((find(names, part, false)?.to_owned(), find(names, part, true)?.to_owned()));
    let (x, y) = pair(Part::Whole).or_else(|| pair(Part::Train))?;
    Some(ArrayNames { x, y, test: pair(Part::Test).or_else(|| pair(Part::Validation)) })
}

/// The array of samples among `names`, where no labels are asked for: the only one, else the one of a whole data set, else
/// the only one of samples.
pub(super) fn samples(names: &[String]) -> Option<&str> {
    if let [only] = names {
        return Some(only);
    }
    find(names, Part::Whole, false).or_else(|| {
        let mut found = names.iter().filter(|name| role(name).is_some_and(|role| !role.labels));
        found.next().filter(|_| found.next().is_none()).map(String::as_str)
    })
}

/// The likeliest name of samples or labels of a part; of equally likely ones, the first.
fn find(names: &[String], part: Part, labels: bool) -> Option<&str> {
    let fitting = names.iter().filter_map(|name| {
        let role = role(name).filter(|role| role.part == part && role.labels == labels)?;
        Some((role.rank, name.as_str()))
    });
    fitting.min_by_key(|&(rank, _)| rank).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Option<String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        choose(&names).map(|chosen| chosen.to_string())
    }

    #[test]
    fn usual_names_are_known_in_any_case() {
        let test = |x: &str, y: &str, x_test: &str, y_test: &str| {
            let expected = format!("x={x},y={y},x_test={x_test},y_test={y_test}");
            assert_eq!(chosen(&[x, x_test, y, y_test]), Some(expected));
        };
        test("x_train", "y_train", "x_test", "y_test");
        test("X_train", "Y_train", "X_test", "Y_test");
        test("train_images", "train_labels", "test_images", "test_labels");
        test("trainX", "trainY", "testX", "testY");
        test("Xtr", "Ytr", "Xte", "Yte");
        test("train-data", "train-target", "testing.data", "testing.target");
        test("x_train", "y_train", "x_val", "y_val");
        test("training_inputs", "training_classes", "valid_inputs", "valid_classes");
        for (x, y) in [("x", "y"), ("X", "Y"), ("data", "target"), ("images", "labels"), ("Features", "label")] {
            assert_eq!(chosen(&[x, y]), Some(format!("x={x},y={y}")));
        }
    }

    #[test]
    fn the_likelier_word_and_the_test_part_come_first() {
        let medmnist =
            ["test_images", "test_labels", "train_images", "train_labels", "val_images", "val_labels"].as_slice();
        let expected = "x=train_images,y=train_labels,x_test=test_images,y_test=test_labels";
        assert_eq!(chosen(medmnist).as_deref(), Some(expected));
        // What scikit-learn's load_digits gives.
        let digits = ["DESCR", "data", "feature_names", "images", "target", "target_names"].as_slice();
        assert_eq!(chosen(digits).as_deref(), Some("x=images,y=target"));
        assert_eq!(chosen(&["x", "x_train", "y", "y_train"]).as_deref(), Some("x=x,y=y"));
        // Half of a test part is none.
        assert_eq!(chosen(&["x_test", "x_train", "y_train"]).as_deref(), Some("x=x_train,y=y_train"));
    }

    #[test]
    fn other_names_are_left_alone() {
        for names in [["arr_0", "arr_1"], ["latest", "y"], ["x_train", "y_test"], ["x", "test"], ["train", "labels"]] {
            assert_eq!(chosen(&names), None, "{names:?}");
        }
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(samples(&names(&["anything"])), Some("anything"));
        assert_eq!(samples(&names(&["labels", "test_images"])), Some("test_images"));
        assert_eq!(samples(&names(&["x", "x_test"])), Some("x"));
        assert_eq!(samples(&names(&["x_test", "x_train"])), None);
        assert_eq!(samples(&names(&["a", "b"])), None);
    }

    #[test]
    fn names_that_are_given_are_read_as_they_are_written() {
        for text in ["x=a,y=b", "x=a,y=b,x_test=c,y_test=d"] {
            assert_eq!(text.parse::<ArrayNames>().unwrap().to_string(), text);
        }
        assert_eq!("y_train=b.npy, x_train = a".parse::<ArrayNames>().unwrap().to_string(), "x=a,y=b");
        for text in ["", "x", "x=a", "x=a,y=", "x=a,x=b,y=c", "x=a,y=b,z=c", "x=a,y=b,x_test=c"] {
            let error = text.parse::<ArrayNames>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("arrays = {text}: expected x=NAME")), "{error}");
        }
    }
}
