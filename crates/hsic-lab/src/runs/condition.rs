//! What runs are asked for: `method=hsic`, `accuracy>90%`, `seed!=3`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use hsic_bottleneck::names::did_you_mean;
use serde_json::Value;
use thiserror::Error;

use super::listed::{KEYS, ListedRun};

/// How a value is held against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer signs first, as the shorter ones begin them.
const RELATIONS: &[(&str, Relation)] = &[
    ("!=", Relation::Unequal),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("=", Relation::Equal),
    ("<", Relation::Less),
    (">", Relation::More),
];

/// A condition on one key of a run. A run that has no value under the key fulfils none, not even `!=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    key: String,
    relation: Relation,
    text: String,
    /// The text as a number: `90%` is 0.9.
    number: Option<f64>,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// No sign in it.
    #[error("{0}: expected a key, one of = != < <= > >=, and a value, as method=hsic or accuracy>90%")]
    NoRelation(String),
    /// Words have no order here.
    #[error("{text}: {value} is no number, expected one after {relation}")]
    NoNumber {
        /// The condition.
        text: String,
        /// What stands for a number.
        value: String,
        /// The sign before it.
        relation: &'static str,
    },
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.find(['=', '<', '>', '!']).ok_or_else(|| ConditionError::NoRelation(text.to_owned()))?;
        let (key, rest) = text.split_at(at);
        let found = RELATIONS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (Some(&(sign, relation)), false) = (found, key.trim().is_empty()) else {
            return Err(ConditionError::NoRelation(text.to_owned()));
        };
        let value = rest[sign.len()..].trim();
        let number = match value.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse().ok().map(|percent: f64| percent / 100.0),
            None => value.parse().ok(),
        };
        let ordered = !matches!(relation, Relation::Equal | Relation::Unequal);
        if ordered && number.is_none_or(f64::is_nan) {
            return Err(ConditionError::NoNumber { text: text.to_owned(), value: value.to_owned(), relation: sign });
        }
        Ok(Self { key: key.trim().to_owned(), relation, text: value.to_owned(), number })
    }
}

impl Condition {
    /// The key that it asks for.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether a run is one of those that are asked for. Words are equal whatever their case.
    #[must_use]
    pub fn holds(&self, run: &ListedRun) -> bool {
        let Some(found) = run.value(&self.key) else { return false };
        let order = match (&found, self.number) {
            (Value::Number(found), Some(number)) => found.as_f64().and_then(|found| found.partial_cmp(&number)),
            (Value::Number(_), None) => None,
            (found, _) => {
                let word = if let Value::String(word) = found { word.clone() } else { found.to_string() };
                let equal = word.eq_ignore_ascii_case(&self.text);
                // A word is neither less nor more than a number.
                return match self.relation {
                    Relation::Equal => equal,
                    Relation::Unequal => !equal,
                    _ => false,
                };
            }
        };
        match self.relation {
            Relation::Equal => order == Some(Ordering::Equal),
            Relation::Unequal => order != Some(Ordering::Equal),
            Relation::Less => order == Some(Ordering::Less),
            Relation::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Relation::More => order == Some(Ordering::Greater),
            Relation::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// A key that no run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// The key.
    pub key: String,
    /// What may be asked for: the keys of a run, and the options of the runs that are there.
    pub known: Vec<String>,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let near = did_you_mean(&self.key, &known);
        write!(f, "{}: no such key, expected {} or an option of the runs{near}", self.key, KEYS.join(", "))
    }
}

impl std::error::Error for KeyError {}

/// Refuses keys that are neither a run's nor an option of any of the runs.
///
/// # Errors
/// The first such key.
pub fn check_keys<'k>(keys: impl IntoIterator<Item = &'k str>, runs: &[ListedRun]) -> Result<(), KeyError> {
    let plain = |name: &str| name.replace('-', "_").to_lowercase();
    let is_known = |key: &str| {
        let key = plain(key);
        KEYS.contains(&&*key) || runs.iter().any(|run| run.options.keys().any(|name| plain(name) == key))
    };
    match keys.into_iter().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(key) => {
            let mut known: Vec<String> = KEYS.iter().map(|&name| name.to_owned()).collect();
            for run in runs {
                known.extend(run.options.keys().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>());
            }
            Err(KeyError { key: key.to_owned(), known })
        }
    }
}
