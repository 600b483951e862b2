//! How long each training of a comparison may take.

use std::fmt;
use std::str::FromStr;

use hsic_bottleneck::error::Error;
use serde::{Deserialize, Serialize};

use crate::figure::Trained;

/// What each training of a comparison is given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Budget {
    /// So many epochs, >= 1.
    Epochs(u64),
    /// So many seconds, > 0, evaluation and format training included: as many whole epochs as fit, one at least.
    Seconds(f64),
}

impl Budget {
    /// Whether it must be measured first what an epoch takes.
    #[must_use]
    pub fn needs_pilot(self) -> bool {
        matches!(self, Self::Seconds(_))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Epochs(1) => f.write_str("1epoch"),
            Self::Epochs(epochs) => write!(f, "{epochs}epochs"),
            Self::Seconds(seconds) if seconds % 60.0 == 0.0 => write!(f, "{}min", seconds / 60.0),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a time as 5min or 90s, or epochs as 10epochs".to_owned();
        let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = (text[..split].trim(), &text[split..]);
        let seconds = |unit: f64| {
            let number = number.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
            number.map(|number| Self::Seconds(number * unit)).ok_or_else(expected)
        };
        match unit {
            "min" => seconds(60.0),
            "s" => seconds(1.0),
            "h" => seconds(3600.0),
            "epoch" | "epochs" => {
                number.parse().ok().filter(|&epochs| epochs >= 1).map(Self::Epochs).ok_or_else(expected)
            }
            _ => Err(expected()),
        }
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Epochs of a training and of a trial that fit into so many seconds and a share of them, by a pilot of one epoch: the
/// rest of its time (evaluation of all data, the softmax layer) is spent once.
///
/// # Errors
/// `Run` for records that cannot be read.
pub(super) fn fitting_epochs(pilot: &Trained<'_>, seconds: f64, share: f64) -> Result<(u64, u64), Error> {
    let epoch = pilot.epochs()?.first().map_or(pilot.summary.seconds, |report| report.seconds);
    let once = (pilot.summary.seconds - epoch).max(0.0);
    Ok((whole_epochs(seconds - once, epoch), whole_epochs(seconds * share - once, epoch)))
}

fn whole_epochs(seconds: f64, epoch: f64) -> u64 {
    // Of an epoch that took no measurable time a whole budget's is not to be had.
    ((seconds / epoch.max(1e-3)).floor() as u64).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_times_or_epochs() {
        for (text, budget) in [
            ("5min", Budget::Seconds(300.0)),
            ("90s", Budget::Seconds(90.0)),
            ("0.5h", Budget::Seconds(1800.0)),
            ("10epochs", Budget::Epochs(10)),
            ("1 epoch", Budget::Epochs(1)),
        ] {
            assert_eq!(text.parse(), Ok(budget), "{text}");
            assert_eq!(budget.to_string().parse(), Ok(budget));
        }
        for wrong in ["", "5", "0epochs", "-1min", "min", "1.5epochs", "nans", "infmin"] {
            assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_training_gets_the_whole_epochs_that_fit_and_one_at_least() {
        assert_eq!(whole_epochs(10.0, 3.0), 3);
        assert_eq!(whole_epochs(-1.0, 3.0), 1);
        assert_eq!(whole_epochs(60.0, 0.0), 10_000);
    }
}
