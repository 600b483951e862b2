//! Data sets and their files.

use std::fmt::Write as _;

use hsic_bottleneck::dataset::{CheckedFile, PackedFile};

use super::output::line;
use super::text::{fitted, width, wrapped};
use crate::results::{Column, Info, Listed, Target};

/// The data sets known by name.
pub(crate) fn datasets(list: &[Listed]) -> anyhow::Result<()> {
    Ok(line(&listed(list, width()))?)
}

/// A line a data set, two where the place of its files has no room beside the rest.
fn listed(list: &[Listed], width: usize) -> String {
    let mut text = format!("{:<14} {:>12} {:>8} {:>16}  found", "name", "shape", "classes", "rows");
    for entry in list {
        let rows = format!("{} + {}", entry.train_rows, entry.test_rows);
        let found = match (&entry.found, entry.available) {
            (Some(path), _) => path.display().to_string(),
            (None, true) => "built in".to_owned(),
            (None, false) => format!("not here: hsic data fetch {}", entry.name),
        };
        let shape = entry.shape.to_string();
        let facts = format!("{:<14} {shape:>12} {:>8} {rows:>16}", entry.name, entry.classes);
        let _ = write!(text, "\n{}", fitted(&[facts, found], 4, width));
    }
    text
}

/// A data set: sizes, samples of each class, files.
pub(crate) fn dataset(info: &Info) -> anyhow::Result<()> {
    let width = width();
    let learned = match &info.target {
        Some(_) => "values to learn (regression)".to_owned(),
        None => format!("{} classes", info.classes.len()),
    };
    let told = format!(
        "{}: {} training and {} test samples of {} (channels x height x width), {learned}",
        info.name, info.train_rows, info.test_rows, info.shape
    );
    let mut text = format!("{}\n", wrapped(&told, 2, width));
    if let Some(Target { least, mean, largest, deviation, test: [test_least, test_largest] }) = &info.target {
        let told = format!(
            "training targets from {least} to {largest}, mean {mean:.6}, deviation {deviation:.6}; test targets from \
             {test_least} to {test_largest}"
        );
        text.push_str(&wrapped(&told, 2, width));
        for file in &info.packed {
            let _ = write!(text, "\n{}", packed(file, width));
        }
        return Ok(line(&text)?);
    }
    let lead = info.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max("class".len());
    let _ = write!(text, "{:>lead$} {:>9} {:>9}", "class", "training", "test");
    for class in &info.classes {
        let _ = write!(text, "\n{:>lead$} {:>9} {:>9}", class.name, class.train, class.test);
    }
    if let (Some(label), Some(columns)) = (&info.label, &info.columns) {
        let _ = write!(text, "\n{}", of_columns(label, columns));
    }
    for file in &info.files {
        let _ = write!(text, "\n{}", checked(file, width));
    }
    for file in &info.packed {
        let _ = write!(text, "\n{}", packed(file, width));
    }
    Ok(line(&text)?)
}

/// A file of packed samples.
fn packed(PackedFile { path, bytes, whole }: &PackedFile, width: usize) -> String {
    let state = if *whole { "packed samples" } else { "packed samples, not whole" };
    fitted(&[path.display().to_string(), format!("{bytes} bytes"), state.to_owned()], 4, width)
}

/// Files of packed samples that were deleted.
pub(crate) fn uncached(name: &str, deleted: &[PackedFile]) -> anyhow::Result<()> {
    if deleted.is_empty() {
        return Ok(line(&format!("{name}: no packed samples"))?);
    }
    let width = width();
    let lines: Vec<String> = deleted.iter().map(|file| format!("deleted: {}", packed(file, width))).collect();
    Ok(line(&lines.join("\n"))?)
}

/// Most columns of a table that are listed.
const MOST_COLUMNS: usize = 40;

/// The columns of a table: kind, missing cells, and the values that a network gets of each.
fn of_columns(label: &str, columns: &[Column]) -> String {
    let shown = &columns[..columns.len().min(MOST_COLUMNS)];
    let lead = shown.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).max("column".len());
    let mut text = format!("label: {label}\n{:>lead$} {:>9} {:>9} {:>9}", "column", "kind", "missing", "values");
    for Column { name, kind, missing, values, .. } in shown {
        let _ = write!(text, "\n{name:>lead$} {kind:>9} {missing:>9} {values:>9}");
    }
    if columns.len() > shown.len() {
        let _ = write!(text, "\nand {} more columns", columns.len() - shown.len());
    }
    text
}

/// Files beside their published checksums.
pub(crate) fn verification(name: &str, files: &[CheckedFile]) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(line(&format!("{name}: drawn by the program, there are no files"))?);
    }
    let width = width();
    let lines: Vec<String> = files.iter().map(|file| checked(file, width)).collect();
    Ok(line(&lines.join("\n"))?)
}

/// What a file is beside its checksum, which has a line of its own where there is no room.
fn checked(file: &CheckedFile, width: usize) -> String {
    let CheckedFile { path, bytes, sha256, .. } = file;
    let verdict = match (file.matches, file.expected) {
        (Some(false), Some(expected)) => format!("differs, expected {expected}"),
        (Some(_), _) => "as published".to_owned(),
        (None, _) => "nothing published for a file of this form".to_owned(),
    };
    let parts = [path.display().to_string(), format!("{bytes} bytes"), format!("SHA-256 {sha256}"), verdict];
    fitted(&parts, 4, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_verdict_is_that_of_its_checksum() {
        let of = |matches, expected| {
            let file = CheckedFile { path: "f".into(), bytes: 12, sha256: "ab".to_owned(), matches, expected };
            checked(&file, 80)
        };
        assert_eq!(of(Some(true), Some("ab")), "f  12 bytes  SHA-256 ab  as published");
        assert_eq!(of(Some(false), Some("cd")), "f  12 bytes  SHA-256 ab  differs, expected cd");
        assert_eq!(of(None, None), "f  12 bytes  SHA-256 ab  nothing published for a file of this form");
    }

    #[test]
    fn lines_fit_the_terminal_but_for_what_cannot_be_broken() {
        let file = CheckedFile {
            path: "data/train-images-idx3-ubyte".into(),
            bytes: 47_040_016,
            sha256: "0".repeat(64),
            matches: Some(true),
            expected: Some("ab"),
        };
        let text = checked(&file, 80);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let entry = Listed {
            name: "fashion-mnist",
            description: "",
            shape: hsic_bottleneck::dataset::Shape { channels: 1, height: 28, width: 28 },
            classes: 10,
            train_rows: 60_000,
            test_rows: 10_000,
            available: false,
            found: None,
        };
        for width in [60, 80] {
            let text = listed(std::slice::from_ref(&entry), width);
            let below = text.lines().skip(1);
            assert!(below.clone().all(|line| line.len() <= width), "{text}");
            assert!(below.last().unwrap().ends_with("hsic data fetch fashion-mnist"), "{text}");
        }
    }
}
