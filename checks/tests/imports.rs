//! Imports run one way: no circle between the files or the top-level modules of any crate, and none between crates but
//! downwards.

use std::path::{Path, PathBuf};

use checks::{Crate, circles};

/// The crates from the lowest to the highest: each may use those before it.
const ORDER: &[&str] = &["hsic", "hsic-data", "hsic-nn", "hsic-learn", "hsic-bottleneck", "hsic-lab", "hsic-cli"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("crates")
}

#[test]
fn no_import_runs_in_a_circle() {
    for name in ORDER {
        let found = Crate::read(&crates().join(name)).expect("the sources of a crate");
        let files: Vec<(String, String)> = found.imports().into_iter().map(|import| (import.from, import.to)).collect();
        assert!(found.files() > 1 && !files.is_empty(), "{name} is read");
        assert_eq!(circles(&files), Vec::<Vec<String>>::new(), "files of {name}");
        assert_eq!(circles(&found.rooms()), Vec::<Vec<String>>::new(), "modules of {name}");
    }
}

#[test]
fn crates_use_lower_ones_only() {
    let mut folders: Vec<String> = std::fs::read_dir(crates())
        .expect("the crates")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut known: Vec<&str> = ORDER.to_vec();
    known.sort_unstable();
    assert_eq!(folders, known, "every crate has its place in the order");
    for (place, name) in ORDER.iter().enumerate() {
        let manifest = std::fs::read_to_string(crates().join(name).join("Cargo.toml")).expect("a manifest");
        let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines() {
            let dependency = line.split([' ', '.', '=']).next().unwrap_or_default();
            let allowed = ORDER.iter().position(|other| *other == dependency).is_none_or(|other| other < place);
            assert!(allowed, "{name} depends on {dependency}, which is no lower crate");
        }
    }
}
