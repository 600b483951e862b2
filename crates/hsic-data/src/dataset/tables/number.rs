//! Numbers as people write them: with a decimal point or comma, with marks between thousands; and what stands for none.

/// Which mark stands before the fraction. The other one may then stand between thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Decimal {
    #[default]
    Point,
    Comma,
}

/// Marks between thousands beside the point or comma: apostrophes and spaces, those included that do not break a line.
const MARKS: [char; 5] = ['\'', '\u{2019}', ' ', '\u{a0}', '\u{202f}'];

/// The number that a text is to Rust.
pub(crate) fn plain(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The number of a text of a few digits, as most cells are: found without the work that other numbers take.
pub(crate) fn digits(text: &str) -> Option<f64> {
    // So many digits make a whole number that double precision holds exactly.
    const MOST: usize = 15;
    if text.is_empty() || text.len() > MOST {
        return None;
    }
    let mut number = 0u64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = 10 * number + u64::from(byte - b'0');
    }
    Some(number as f64)
}

/// The number that a text is under a decimal mark; `None` if it is none.
pub(crate) fn read(text: &str, decimal: Decimal) -> Option<f64> {
    let marked = || text.contains(['.', ',']);
    match decimal {
        Decimal::Point => plain(text),
        Decimal::Comma if !marked() => plain(text),
        Decimal::Comma => None,
    }
    .or_else(|| spelled(text, decimal))
}

/// A number with a decimal comma, with marks between thousands or with a minus sign of typography.
fn spelled(text: &str, decimal: Decimal) -> Option<f64> {
    let (point, other) = match decimal {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    };
    let (sign, rest) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = rest.split_once(point).unwrap_or((rest, ""));
    // What follows the mark begins with a digit; an exponent may follow it.
    if fraction.starts_with(|first: char| !first.is_ascii_digit()) {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mark = whole.chars().find(|&letter| letter == other || MARKS.contains(&letter));
    let fits = match mark {
        // An exponent without a fraction, as in 1e5, is one of the plain forms.
        None => digits(whole) && !(whole.is_empty() && fraction.is_empty()),
        Some(mark) => {
            let mut groups = whole.split(mark);
            // 0,123 is a fraction and never a number of thousands.
            let first = |group: &str| (1..=3).contains(&group.len()) && digits(group) && !group.starts_with('0');
            groups.next().is_some_and(first) && groups.all(|group| group.len() == 3 && digits(group))
        }
    };
    if !fits {
        return None;
    }
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction }).parse().ok()
}

/// Whether a text stands for a missing word: nothing, what pandas reads as missing, or the question mark of the UCI
/// repository.
pub(crate) fn is_missing(text: &str) -> bool {
    const MARKS: [&str; 19] = [
        "", "NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "NULL", "null",
        "None", "?", "-1.#IND", "1.#IND", "1.#QNAN",
    ];
    // Almost every cell is a number, or longer than the longest mark.
    let is_number = text.as_bytes().first().is_some_and(u8::is_ascii_digit) && !text.contains('#');
    text.len() <= 8 && !is_number && MARKS.contains(&text)
}

/// Whether a text among numbers stands for a missing one: also in another case, or as a mark without a digit.
pub(crate) fn is_missing_number(text: &str) -> bool {
    const WORDS: [&str; 9] = ["na", "n/a", "n.a.", "nan", "null", "none", "nil", "missing", "<na>"];
    const SIGNS: [&str; 5] = ["-", "--", ".", "..", "*"];
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return is_missing(text);
    }
    is_missing(text)
        || SIGNS.contains(&text)
        || text.len() <= 7 && WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// What a word of two says, if it is one of them.
pub(crate) fn flag(text: &str) -> Option<bool> {
    let any = |words: [&str; 2]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match text.len() {
        2..=5 if any(["true", "yes"]) => Some(true),
        2..=5 if any(["false", "no"]) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_under_the_mark_of_their_file() {
        let point = |text| read(text, Decimal::Point);
        for (text, number) in [
            ("1.5", 1.5),
            ("-3e1", -30.0),
            ("+.5", 0.5),
            ("1,234", 1234.0),
            ("12,345,678.25", 12_345_678.25),
            ("1 234.5", 1234.5),
            ("-1'234", -1234.0),
            ("\u{2212}7", -7.0),
            ("1\u{a0}234", 1234.0),
        ] {
            assert_eq!(point(text), Some(number), "{text}");
        }
        for text in ["1,5", "0,123", "1,23,456", "12,34", "1234,567", "1,234'567", "", "-", ".", ",", "1.2.3", "x"] {
            assert_eq!(point(text), None, "{text}");
        }
        assert_eq!(["0", "007", "999999999999999"].map(digits), [Some(0.0), Some(7.0), Some(999_999_999_999_999.0)]);
        assert_eq!(["", "-1", "1.5", "1234567890123456"].map(digits), [None; 4]);
        let comma = |text| read(text, Decimal::Comma);
        for (text, number) in [
            ("0,3103", 0.3103),
            ("-1,4593", -1.4593),
            ("7", 7.0),
            ("1.234,5", 1234.5),
            ("1.234", 1234.0),
            ("1,5e-3", 0.0015),
            ("2e3", 2000.0),
            (",5", 0.5),
            ("1 234,5", 1234.5),
        ] {
            assert_eq!(comma(text), Some(number), "{text}");
        }
        for text in ["1.5", "1,234,567", "1.23", "0.123", "1,-5", "x,5"] {
            assert_eq!(comma(text), None, "{text}");
        }
    }

    #[test]
    fn gaps_have_many_names() {
        assert!(["", "NA", "NaN", "null", "?", "#N/A", "None"].iter().all(|text| is_missing(text)));
        // Among words these may be words; among numbers they are none.
        for text in ["-", ".", "none", "Na", "N.A.", "missing"] {
            assert!(!is_missing(text) && is_missing_number(text), "{text}");
        }
        assert!(!["0", "x", "inf", "north"].iter().any(|text| is_missing_number(text)));
        assert_eq!(
            ["True", "NO", "yes", "false", "1", "maybe"].map(flag),
            [Some(true), Some(false), Some(true), Some(false), None, None]
        );
    }
}
