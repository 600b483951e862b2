//! Epochs after which the learning rate's course begins anew.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Epochs after which the learning rate's course, its warm-up too, begins anew and then lasts until the next of them or the
/// end; each larger than the one before. None for one course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Restarts(pub Vec<u64>);

impl Restarts {
    /// The first step of the course that `step` belongs to and the steps that this course takes, in a training of `epochs`
    /// epochs of `steps` each.
    #[must_use]
    pub fn course(&self, step: u64, epochs: u64, steps: u64) -> (u64, u64) {
        let starts = self.0.iter().map(|&epoch| epoch * steps);
        let start = starts.clone().rfind(|&start| start <= step).unwrap_or(0);
        let end = starts.filter(|&start| start > step).min().unwrap_or(epochs * steps);
        (start, end - start)
    }

    /// Whether they lie, in order, within a training of so many epochs.
    #[must_use]
    pub fn fit(&self, epochs: u64) -> bool {
        let bounds = [0].iter().chain(&self.0).zip(self.0.iter().chain([&epochs]));
        self.0.is_empty() || bounds.into_iter().all(|(before, after)| before < after)
    }
}

impl fmt::Display for Restarts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Restarts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let epochs: Option<Vec<u64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        epochs.map(Self).ok_or_else(|| "expected a number of epochs, or several separated by commas".to_owned())
    }
}

hsic_data::serde_as_text!(Restarts);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_belongs_to_the_course_that_began_last() {
        let courses = |text: &str| {
            let restarts: Restarts = text.parse().unwrap();
            [0, 14, 15, 59, 60, 99].map(|step| restarts.course(step, 20, 5))
        };
        assert_eq!(courses("3,12"), [(0, 15), (0, 15), (15, 45), (15, 45), (60, 40), (60, 40)]);
        assert_eq!(Restarts::default().course(7, 20, 5), (0, 100));
    }

    #[test]
    fn they_are_text_in_order_and_before_the_end() {
        let restarts: Restarts = " 3, 12".parse().unwrap();
        assert_eq!((restarts.to_string().as_str(), restarts.clone()), ("3,12", Restarts(vec![3, 12])));
        assert!("".parse::<Restarts>().is_err() && "3,x".parse::<Restarts>().is_err());
        assert!(restarts.fit(13) && !restarts.fit(12) && Restarts::default().fit(1));
        assert!(!Restarts(vec![0]).fit(5) && !Restarts(vec![3, 3]).fit(5) && !Restarts(vec![4, 3]).fit(5));
    }
}
