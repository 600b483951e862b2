//! Every example runs, and `docs/library.md` shows its code and what it prints. `HSIC_WRITE_DOCS=1 cargo test -p examples`
//! writes both anew.

use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLES: [&str; 6] =
    ["01_train", "02_predict", "03_own_network", "04_own_block", "05_own_rule", "06_statistics"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository")
}

/// Where cargo has put an example: beside the folder of this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.parent().and_then(Path::parent).expect("a folder of a profile");
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// What an example prints, run in a folder of its own.
fn output(name: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(program(name)).current_dir(folder.path()).output().expect("the example runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The page with the code and the output of an example between its markers.
fn shown(page: &str, name: &str) -> String {
    let (start, end) = (format!("<!-- EXAMPLE {name} -->\n"), format!("<!-- END {name} -->\n"));
    let code = std::fs::read_to_string(repository().join(format!("examples/examples/{name}.rs"))).expect("an example");
    let (before, rest) = page.split_once(&start).expect("a place for the example");
    let after = rest.split_once(&end).map_or(rest, |(_, after)| after);
    let command = format!("cargo run --release -p examples --example {name}");
    let printed = output(name);
    format!("{before}{start}\n```rust\n{code}```\n\n`{command}` prints\n\n```text\n{printed}```\n\n{end}{after}")
}

#[test]
fn the_documents_show_every_example_and_what_it_prints() {
    let path = repository().join("docs/library.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let now = EXAMPLES.iter().fold(page.clone(), |page, name| shown(&page, name));
    if std::env::var_os("HSIC_WRITE_DOCS").is_some() {
        std::fs::write(&path, now).expect("the page written");
        return;
    }
    let differs = page.lines().zip(now.lines()).find(|(old, new)| old != new);
    assert!(page == now, "docs/library.md is not what the examples are: {differs:?}");
}

#[test]
fn examples_are_short() {
    for name in EXAMPLES {
        let code = std::fs::read_to_string(repository().join(format!("examples/examples/{name}.rs")));
        assert!(code.expect("an example").lines().count() < 60, "{name} has 60 lines or more");
    }
}
