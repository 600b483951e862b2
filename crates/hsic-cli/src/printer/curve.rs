//! A curve as one line of plain characters, without color: what a training came to, epoch by epoch.

use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::summary::JudgedOn;

/// Most characters of a curve: of more epochs some are shown, at equal distances.
const MOST: usize = 40;

/// Characters from the lowest to the highest, where the terminal shows blocks, and where it shows letters alone.
const BLOCKS: [char; 8] =
    ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
const LETTERS: [char; 8] = ['_', '.', ',', '-', '~', '=', '+', '#'];

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Characters {
    /// All of Unicode.
    Unicode,
    /// ASCII.
    Ascii,
}

impl Characters {
    /// Those of the locale: what `LC_ALL`, `LC_CTYPE` or `LANG`, the first that says anything, names. Windows always takes all.
    pub(super) fn of_locale() -> Self {
        let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        if cfg!(windows) { Self::Unicode } else { Self::named(said) }
    }

    /// By the first text that is not empty: `de_DE.UTF-8`, `C.utf8`.
    fn named(mut said: impl Iterator<Item = String>) -> Self {
        let locale = said.find(|text| !text.is_empty()).unwrap_or_default().to_lowercase();
        if locale.ends_with("utf-8") || locale.ends_with("utf8") { Self::Unicode } else { Self::Ascii }
    }
}

/// The accuracy after each epoch, or R2, as a line with its least and largest value; none of fewer than two epochs.
pub(super) fn by_epoch(epochs: &[EpochReport], judged: JudgedOn, characters: Characters) -> Option<String> {
    let of_values = epochs.first()?.values.is_some();
    let value = |report: &EpochReport| match report.values {
        Some(values) => values.test.r2,
        None => 100.0 * report.test_accuracy,
    };
    let all: Vec<f64> = epochs.iter().map(value).filter(|value| value.is_finite()).collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let curve = drawn(&all, (low, high), characters)?;
    let (what, range) = match of_values {
        true => ("R2", format!("{low:.4} to {high:.4}")),
        false => ("accuracy", format!("{low:.2} to {high:.2} %")),
    };
    Some(format!("{} {what} by epoch {curve} {range}", judged.name()))
}

fn drawn(values: &[f64], (low, high): (f64, f64), characters: Characters) -> Option<String> {
    if values.len() < 2 {
        return None;
    }
    let shown = values.len().min(MOST);
    let levels = if characters == Characters::Unicode { BLOCKS } else { LETTERS };
    let level = |index: usize| {
        let value = values[index * (values.len() - 1) / (shown - 1)];
        // Values that are all equal lie in the middle.
        let share = if low < high { (value - low) / (high - low) } else { 0.5 };
        levels[(share * (levels.len() - 1) as f64).round() as usize]
    };
    Some((0..shown).map(level).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(accuracies: &[f64]) -> Vec<EpochReport> {
        let report = |(index, &test_accuracy): (usize, &f64)| EpochReport {
            epoch: index as u64 + 1,
            step: index as u64 + 1,
            seconds: 1.0,
            learning_rate: 0.1,
            loss: Vec::new(),
            nhsic_x: Vec::new(),
            nhsic_y: Vec::new(),
            terms: std::collections::BTreeMap::default(),
            train_accuracy: 1.0,
            test_accuracy,
            values: None,
            authors_test_accuracy: None,
        };
        accuracies.iter().enumerate().map(report).collect()
    }

    #[test]
    fn a_curve_goes_from_the_least_to_the_largest_value() {
        let own = epochs(&[0.5, 0.75, 1.0, 0.9]);
        let told = |characters| by_epoch(&own, JudgedOn::Test, characters).unwrap();
        assert_eq!(
            told(Characters::Unicode),
            "test accuracy by epoch \u{2581}\u{2585}\u{2588}\u{2587} 50.00 to 100.00 %"
        );
        assert_eq!(told(Characters::Ascii), "test accuracy by epoch _~#+ 50.00 to 100.00 %");
        assert_eq!(by_epoch(&own[..1], JudgedOn::Test, Characters::Ascii), None);
        assert_eq!(by_epoch(&[], JudgedOn::Test, Characters::Ascii), None);
        let flat = by_epoch(&epochs(&[0.5; 3]), JudgedOn::Validation, Characters::Ascii).unwrap();
        assert_eq!(flat, "validation accuracy by epoch ~~~ 50.00 to 50.00 %");
        let broken = by_epoch(&epochs(&[0.25, f64::NAN, 0.5]), JudgedOn::Test, Characters::Ascii).unwrap();
        assert_eq!(broken, "test accuracy by epoch _# 25.00 to 50.00 %");
    }

    #[test]
    fn of_many_epochs_as_many_as_fit_are_shown_the_ends_among_them() {
        let many: Vec<f64> = (0..1000).map(|index| f64::from(index) / 1000.0).collect();
        let told = by_epoch(&epochs(&many), JudgedOn::Test, Characters::Ascii).unwrap();
        let curve = told.split(' ').nth(4).unwrap();
        assert_eq!((curve.len(), &curve[..1], &curve[39..]), (MOST, "_", "#"));
        assert!(told.len() <= 80, "{told}");
    }

    #[test]
    fn the_first_locale_that_is_named_says_which_characters_there_are() {
        let of = |said: [&str; 3]| Characters::named(said.into_iter().map(str::to_owned));
        assert_eq!(of(["", "de_DE.UTF-8", "C"]), Characters::Unicode);
        assert_eq!(of(["POSIX", "C.utf8", ""]), Characters::Ascii);
        assert_eq!(of(["", "", ""]), Characters::Ascii);
    }
}
