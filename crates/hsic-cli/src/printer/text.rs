//! Lines that fit the terminal.

use std::path::Path;

use terminal_size::Width;

/// Columns where the terminal does not tell.
const USUAL: usize = 80;

/// The fewest columns for which lines are made.
const LEAST: usize = 40;

/// Columns for lines that are made to fit: those of the terminal, 80 where there is none.
pub(super) fn width() -> usize {
    terminal().unwrap_or(USUAL)
}

/// Columns of the terminal: those of `COLUMNS`, else of standard error or output, whichever is one.
pub(super) fn terminal() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns: &usize| columns > 0);
    let of = |size: Option<(Width, terminal_size::Height)>| size.map(|(Width(columns), _)| usize::from(columns));
    let found = told
        .or_else(|| of(terminal_size::terminal_size_of(std::io::stderr())))
        .or_else(|| of(terminal_size::terminal_size_of(std::io::stdout())));
    found.map(|columns| columns.max(LEAST))
}

/// The name or path of data as it is read from here: without the folder that the command runs in.
pub(super) fn from_here(place: &str) -> String {
    let here = std::env::current_dir().ok();
    let within = here.as_deref().and_then(|here| Path::new(place).strip_prefix(here).ok());
    within.map_or_else(|| place.to_owned(), |path| path.display().to_string())
}

/// Parts on one line, two blanks between them; those that have no room go to the next line, under `indent` blanks.
pub(super) fn fitted(parts: &[String], indent: usize, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + part.chars().count() <= width => {
                line.push_str("  ");
                line.push_str(part);
            }
            None => lines.push(part.clone()),
            Some(_) => lines.push(format!("{:indent$}{}", "", part.trim_start())),
        }
    }
    lines.join("\n")
}

/// A text whose lines are broken between words, what follows a break under `indent` blanks. A word that is wider than a
/// line stays whole.
pub(super) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let broken = |line: &str| {
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let lead = line.len() - line.trim_start().len();
        let mut lines = vec![" ".repeat(lead)];
        let mut empty = true;
        for word in line.split_whitespace() {
            let last = lines.last_mut().map_or(0, |line| line.chars().count());
            if !empty && last + 1 + word.chars().count() > width {
                lines.push(" ".repeat(lead + indent));
                empty = true;
            }
            if let Some(line) = lines.last_mut() {
                if !empty {
                    line.push(' ');
                }
                line.push_str(word);
            }
            empty = false;
        }
        lines.join("\n")
    };
    text.lines().map(broken).collect::<Vec<_>>().join("\n")
}

/// A text in paragraphs, each broken anew between words; lines that begin with a blank or a sign of a list stay lines.
pub(super) fn reflowed(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let starts = ["  ", "- ", "* ", "| "].iter().any(|sign| line.starts_with(sign));
        match lines.last_mut() {
            Some(paragraph) if open && !starts && !line.is_empty() => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        open = !line.is_empty() && !line.starts_with(' ');
    }
    let hanging = |line: &String| wrapped(line, if line.starts_with("  ") { 4 } else { 0 }, width);
    lines.iter().map(hanging).collect::<Vec<_>>().join("\n")
}

/// A number with a comma between each three digits.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 thread`, `2 threads`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_to_the_next_line_where_they_have_no_room() {
        let parts = ["epoch   1", "train 9 %", "", "   1.2 s"].map(str::to_owned);
        assert_eq!(fitted(&parts, 4, 80), "epoch   1  train 9 %     1.2 s");
        assert_eq!(fitted(&parts, 4, 30), "epoch   1  train 9 %     1.2 s");
        assert_eq!(fitted(&parts, 4, 29), "epoch   1  train 9 %\n    1.2 s");
        assert_eq!(fitted(&[], 4, 80), "");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three four", 2, 9), "one two\n  three\n  four");
        assert_eq!(wrapped("one two\nthree", 2, 80), "one two\nthree");
        assert_eq!(wrapped("    code stays in", 2, 12), "    code\n      stays\n      in");
        assert_eq!(wrapped("a averylongword b", 0, 5), "a\naverylongword\nb");
        assert_eq!(wrapped("a\n\nb", 0, 5), "a\n\nb");
    }

    #[test]
    fn paragraphs_are_broken_anew_and_formulas_stay() {
        let text = "One line that\ngoes on.\n\n    a = b + c\n    d = e\n\n- first\n- second";
        let expected = "One line\nthat goes\non.\n\n    a = b\n        +\n        c\n    d = e\n\n- first\n- second";
        assert_eq!(reflowed(text, 9), expected);
        assert_eq!(reflowed("a\nb\n\nc", 80), "a b\n\nc");
    }

    #[test]
    fn numbers_are_counted_with_their_plural() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "thread"), counted(2, "thread")], ["1 thread", "2 threads"]);
    }
}
