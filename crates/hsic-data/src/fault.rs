//! A setting that cannot be used, and a collection of those.

use std::fmt;

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name, as flag and TOML key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What may be given.
    pub expected: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for Fault {}

/// Collects what is out of range.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Notes a setting that is not `valid`.
    pub fn check(&mut self, key: &str, value: impl fmt::Display, valid: bool, expected: &str) {
        if !valid {
            self.0.push(Fault { key: key.to_owned(), value: value.to_string(), expected: expected.to_owned() });
        }
    }

    /// Notes a setting that is no finite number > 0.
    pub fn positive(&mut self, key: &str, value: f64) {
        self.check(key, value, value > 0.0 && value.is_finite(), "a finite number > 0");
    }

    /// Notes a setting that is no finite number >= 0.
    pub fn not_negative(&mut self, key: &str, value: f64) {
        self.check(key, value, value >= 0.0 && value.is_finite(), "a finite number >= 0");
    }

    /// Notes a setting that lies outside [0, 1).
    pub fn share(&mut self, key: &str, value: f64) {
        self.check(key, value, (0.0..1.0).contains(&value), "a number in [0, 1)");
    }
}
