//! The command as its users meet it, in a folder of its own and without their environment.

mod arrays;
mod behaviour;
mod board;
mod compare;
mod data;
mod errors;
mod exports;
mod further;
mod images;
mod importance;
mod life;
mod options;
mod own_tables;
mod plan;
mod predict;
mod protocols;
#[cfg(unix)]
mod recipes;
mod regression;
mod report;
mod reproduce;
mod runs;
#[cfg(unix)]
mod signals;
mod speedrun;
mod statistics;
mod table_files;
mod tables;
mod train;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Who changes a file of a finished run on purpose removes the digests beside it.
pub(crate) fn unseal(file: &Path) {
    match std::fs::remove_file(file.with_file_name("digests.json")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}

/// A fresh folder in which the command runs.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file written");
        unseal(&self.path(name));
    }

    /// The command, to be run here.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hsic"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env_clear();
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the command runs")
    }

    /// Runs and returns the one JSON object on standard output.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).expect("one JSON object")
    }

    /// Runs, expects exit code 2 and returns standard error, the folder's name taken out.
    pub(crate) fn fails(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        stderr(&output).replace(&*self.0.path().to_string_lossy(), "DIR")
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file of the run")
}
