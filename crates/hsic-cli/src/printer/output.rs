//! Lines to standard output and to standard error.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::text::{terminal, wrapped};
use crate::words;

/// Prints a result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints a text that ends its own lines.
pub(crate) fn bytes(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}

/// Prints one JSON object on one line.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Prints a note beside the results. A closed standard error is no reason to stop.
pub(super) fn note(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints a note, on a terminal with its lines broken between words.
pub(crate) fn told(text: &str) {
    match terminal() {
        Some(width) => note(&wrapped(text, 2, width)),
        None => note(text),
    }
}

/// Prints an error: what happened, then its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let remedy = words::remedy(cause).unwrap_or_default();
        let cause = format!("{cause}{remedy}");
        // Errors of some libraries tell their cause themselves.
        if text.ends_with(&cause) {
            continue;
        }
        for (index, line) in cause.lines().enumerate() {
            let lead = if depth == 0 && index == 0 { "error: " } else { "       " };
            let because = if depth > 0 && index == 0 { "because " } else { "" };
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = write!(text, "{lead}{because}{line}");
        }
    }
    note(&text);
}

/// Prints the help that was asked for, or a fault of the command line, and gives its exit code.
pub(crate) fn of_the_line(error: &clap::Error) -> ExitCode {
    // A reader that has gone is no error.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The command that builds this program with one of its features.
pub(crate) fn install_with(feature: &str) -> String {
    format!("cargo install --path crates/hsic-cli --locked --features {feature}")
}

/// What is said once where figures were drawn: how to have them as PNG too, in a program that does not draw it.
pub(super) fn as_png() -> String {
    if cfg!(feature = "png") { String::new() } else { format!("\nfor PNG beside SVG: {}", install_with("png")) }
}

/// Whether the reader of standard output has gone, which is no error.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// Prints what a user should know though the work goes on.
pub(crate) fn warning(text: &str) {
    told(&format!("warning: {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_told_from_other_errors() {
        let of = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind)).context("while printing");
        assert!(is_broken_pipe(&of(io::ErrorKind::BrokenPipe)) && !is_broken_pipe(&of(io::ErrorKind::StorageFull)));
    }
}
