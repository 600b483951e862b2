//! What the workspace is built on: every dependency has its reason in the docs, every package a licence that fits and a
//! checksum of the registry.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Licences that allow what ours allow.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Whether an expression of SPDX (licences, AND, OR, parentheses; `/` is an old OR) can be fulfilled by what is allowed.
fn fits(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (fits, rest) = alternatives(&words);
    assert!(rest.is_empty(), "{expression}: {rest:?} is left");
    fits
}

fn alternatives<'w>(words: &'w [&'w str]) -> (bool, &'w [&'w str]) {
    let (mut fits, mut rest) = conjunction(words);
    while let Some((&"OR", behind)) = rest.split_first() {
        let (other, behind) = conjunction(behind);
        (fits, rest) = (fits | other, behind);
    }
    (fits, rest)
}

fn conjunction<'w>(words: &'w [&'w str]) -> (bool, &'w [&'w str]) {
    let (mut fits, mut rest) = licence(words);
    while let Some((&"AND", behind)) = rest.split_first() {
        let (other, behind) = licence(behind);
        (fits, rest) = (fits & other, behind);
    }
    (fits, rest)
}

fn licence<'w>(words: &'w [&'w str]) -> (bool, &'w [&'w str]) {
    match words {
        ["(", inside @ ..] => {
            let (fits, rest) = alternatives(inside);
            (fits, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [name, "WITH", exception, rest @ ..] => (ALLOWED.contains(&&*format!("{name} WITH {exception}")), rest),
        [name, rest @ ..] => (ALLOWED.contains(name), rest),
        [] => panic!("a licence expected"),
    }
}

#[test]
fn expressions_of_licences_are_read_as_they_are_meant() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-3.0-only WITH Classpath-exception-2.0", false),
        ("Unlicense/MIT", true),
    ] {
        assert_eq!(fits(expression), expected, "{expression}");
    }
}

#[test]
fn packages_come_from_the_registry_under_licences_that_fit() {
    let cargo = std::env::var_os("CARGO").expect("cargo runs this test");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo tells of the workspace");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = told["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages.iter().filter(|package| !package["source"].is_null()) {
        let (name, source) = (package["name"].as_str(), package["source"].as_str().unwrap_or_default());
        assert!(source.starts_with("registry+"), "{name:?} comes from {source}");
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name:?} names no licence"));
        assert!(fits(licence), "{name:?}: {licence}");
    }
    // Where a package comes from the registry, its checksum is in the lock file.
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("a lock file");
    assert_eq!(lock.matches("\nsource = ").count(), lock.matches("\nchecksum = ").count());
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let section = manifest.split("\n[workspace.dependencies]\n").nth(1).expect("dependencies");
    let section = section.split("\n[").next().unwrap_or_default();
    let name = |line: &str| line.split([' ', '=']).next().unwrap_or_default().to_owned();
    let used: BTreeSet<String> =
        section.lines().filter(|line| !line.is_empty() && !line.contains("path = ")).map(name).collect();
    let page = std::fs::read_to_string(root().join("docs/dependencies.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut told = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(matches!(cells[..], [name, reason] if !name.is_empty() && reason.len() > 4), "{row}");
        assert!(told.insert(cells[0].to_owned()), "{row} stands there twice");
    }
    assert_eq!(told, used, "docs/dependencies.md and [workspace.dependencies] of Cargo.toml");
}
