//! Where runs lie, and the names by which a page asks for them.
//!
//! A name is the run's path below the folder that is shown, part by part. It is looked up only if every part is a plain one: no
//! `..`, no root, nothing that the system takes for more than a name.

use std::path::{Component, Path, PathBuf};

use hsic_bottleneck::files::FileError;
use hsic_bottleneck::run::Run;
use hsic_lab::runs::{ListedRun, runs};

/// The folders that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// One that was named: names are paths below it, and the name of a run that it is itself is empty.
    Named(PathBuf),
    /// Those in which trainings and comparisons put runs: names begin with the folder's.
    Usual(Vec<PathBuf>),
}

impl Places {
    /// All runs, with the names by which they can be asked for: none where a name is no text.
    ///
    /// # Errors
    /// `Io` if a folder itself cannot be listed.
    pub(super) fn list(&self) -> Result<Vec<(Option<String>, ListedRun)>, FileError> {
        let mut found = Vec::new();
        match self {
            Self::Named(folder) => found.extend(named(runs(folder)?, folder)),
            Self::Usual(folders) => {
                for folder in folders {
                    found.extend(named(runs(folder)?, Path::new("")));
                }
            }
        }
        Ok(found)
    }

    /// The run of a name; `None` for what is no name, or no run.
    pub(super) fn find(&self, name: &str) -> Option<Run> {
        let path = match self {
            Self::Named(folder) if name.is_empty() => folder.clone(),
            Self::Named(folder) => folder.join(plain(name)?),
            Self::Usual(folders) => {
                let path = plain(name)?;
                folders.iter().any(|folder| path.starts_with(folder)).then(|| path.to_owned())?
            }
        };
        Run::open(&path).ok()
    }
}

fn named(found: Vec<ListedRun>, below: &Path) -> impl Iterator<Item = (Option<String>, ListedRun)> {
    found.into_iter().map(move |run| (run.run.strip_prefix(below).ok().and_then(name), run))
}

/// The name of a path below a folder.
fn name(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.components().map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// A name as a path, if each of its parts is a plain one.
fn plain(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    // The system drops empty parts and single dots from a path, which are no names either.
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_))).count();
    let is_plain = parts == name.split('/').count() && parts == path.components().count();
    (is_plain && !name.contains('\0')).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_plain_parts_make_a_name() {
        for name in ["a", "runs/digits-mlp-hsic-seed1", "a b/ä.b/sigma-0.5", "..a", "a..", "..."] {
            assert_eq!(plain(name), Some(Path::new(name)), "{name}");
        }
        for name in ["", ".", "..", "../a", "a/..", "a/../b", "/", "/a", "//a", "a//b", "a/", "./a", "a/./b", "a\0b"] {
            assert_eq!(plain(name), None, "{name}");
        }
        if cfg!(windows) {
            assert_eq!((plain("C:/a"), plain("C:a"), plain("a\\..\\b")), (None, None, None));
        }
    }

    #[test]
    fn a_run_is_found_by_the_name_under_which_it_is_listed_and_nothing_outside_is() {
        let folder = tempfile::tempdir().unwrap();
        let run = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("config.toml"), "").unwrap();
        };
        ["shown/a", "shown/deep/b", "secret"].iter().for_each(|path| run(path));
        let shown = folder.path().join("shown");
        let places = Places::Named(shown.clone());
        let names: Vec<_> = places.list().unwrap().into_iter().map(|(name, _)| name.unwrap()).collect();
        assert_eq!(names, ["a", "deep/b"]);
        assert_eq!(places.find("deep/b").unwrap().path(), shown.join("deep/b"));
        let secret = folder.path().join("secret").to_string_lossy().into_owned();
        for name in ["../secret", "a/../../secret", &*secret, "deep", "none", ""] {
            assert_eq!(places.find(name), None, "{name}");
        }
        // A folder that is a run itself.
        let places = Places::Named(shown.join("a"));
        assert_eq!(places.list().unwrap()[0].0.as_deref(), Some(""));
        assert_eq!(places.find("").unwrap().path(), shown.join("a"));
    }

    #[test]
    fn the_usual_folders_show_what_lies_in_them_alone() {
        let places = Places::Usual(vec!["runs".into()]);
        assert_eq!((places.find("src"), places.find("runsx/a"), places.find("")), (None, None, None));
    }
}
