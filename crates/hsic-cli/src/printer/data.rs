//! Data sets and their files.

use std::fmt::Write as _;

use hsic_bottleneck::dataset::CheckedFile;

use super::output::line;
use crate::results::{Info, Listed};

/// The data sets known by name.
pub(crate) fn datasets(list: &[Listed]) -> anyhow::Result<()> {
    let mut text = format!("{:<14} {:>12} {:>8} {:>16}  found", "name", "shape", "classes", "rows");
    for entry in list {
        let rows = format!("{} + {}", entry.train_rows, entry.test_rows);
        let found = match (&entry.found, entry.available) {
            (Some(path), _) => path.display().to_string(),
            (None, true) => "built in".to_owned(),
            (None, false) => format!("not here: hsic data fetch {}", entry.name),
        };
        let shape = entry.shape.to_string();
        let _ = write!(text, "\n{:<14} {shape:>12} {:>8} {rows:>16}  {found}", entry.name, entry.classes);
    }
    Ok(line(&text)?)
}

/// A data set: sizes, samples of each class, files.
pub(crate) fn dataset(info: &Info) -> anyhow::Result<()> {
    let mut text = format!(
        "{}: {} training and {} test samples of {} (channels x height x width), {} classes\n",
        info.name,
        info.train_rows,
        info.test_rows,
        info.shape,
        info.classes.len()
    );
    let lead = info.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max("class".len());
    let _ = write!(text, "{:>lead$} {:>9} {:>9}", "class", "training", "test");
    for class in &info.classes {
        let _ = write!(text, "\n{:>lead$} {:>9} {:>9}", class.name, class.train, class.test);
    }
    for file in &info.files {
        let _ = write!(text, "\n{}", checked(file));
    }
    Ok(line(&text)?)
}

/// Files beside their published checksums.
pub(crate) fn verification(name: &str, files: &[CheckedFile]) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(line(&format!("{name}: drawn by the program, there are no files"))?);
    }
    let lines: Vec<String> = files.iter().map(checked).collect();
    Ok(line(&lines.join("\n"))?)
}

fn checked(file: &CheckedFile) -> String {
    let CheckedFile { path, bytes, sha256, .. } = file;
    let verdict = match (file.matches, file.expected) {
        (Some(false), Some(expected)) => format!("differs, expected {expected}"),
        (Some(_), _) => "as published".to_owned(),
        (None, _) => "nothing published for a file of this form".to_owned(),
    };
    format!("{}  {bytes} bytes  SHA-256 {sha256}  {verdict}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_verdict_is_that_of_its_checksum() {
        let of = |matches, expected| {
            let file = CheckedFile { path: "f".into(), bytes: 12, sha256: "ab".to_owned(), matches, expected };
            checked(&file)
        };
        assert_eq!(of(Some(true), Some("ab")), "f  12 bytes  SHA-256 ab  as published");
        assert_eq!(of(Some(false), Some("cd")), "f  12 bytes  SHA-256 ab  differs, expected cd");
        assert_eq!(of(None, None), "f  12 bytes  SHA-256 ab  nothing published for a file of this form");
    }
}
