//! Where a data set was found, said so that it is found again from another folder and without the environment.

use std::path::{Path, PathBuf};

use super::load::source;
use super::source::DatasetSource;
use super::verify::files;

/// A data set's name or path, and the folder that holds it, as they can be kept: paths from the root, and for a data set
/// known by name the folder in which its files were found, whoever named that folder. What is not found stays as it is.
#[must_use]
pub fn placed(name_or_path: &str, data_dir: Option<&Path>) -> (String, Option<PathBuf>) {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(source) = source(name_or_path) {
        let folder = folder_of(source, data_dir).or_else(|| data_dir.map(Path::to_owned));
        return (name_or_path.to_owned(), folder.as_deref().map(absolute));
    }
    let path = Path::new(name_or_path);
    let found = path.exists().then(|| absolute(path).into_os_string().into_string().ok()).flatten();
    (found.unwrap_or_else(|| name_or_path.to_owned()), data_dir.map(absolute))
}

/// Whether a data set known by name is found in this folder; one that is drawn is everywhere, and so is a path.
#[must_use]
pub fn is_in(name_or_path: &str, folder: &Path) -> bool {
    source(name_or_path).is_none_or(|source| files(source, Some(folder)).is_ok())
}

/// The outermost folder by which the same files are found: where data sets lie side by side it holds the others, too.
fn folder_of(source: &dyn DatasetSource, data_dir: Option<&Path>) -> Option<PathBuf> {
    // Files may lie in a folder that their archive makes, in one with the data set's name, in the one that is named.
    const DEPTH: usize = 3;
    let found = files(source, data_dir).ok()?;
    let folders = found.first()?.ancestors().skip(1).take(DEPTH);
    let same = |folder: &&Path| files(source, Some(folder)).is_ok_and(|again| again == found);
    folders.filter(same).last().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MNIST: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];

    #[test]
    fn files_are_found_again_by_the_folder_that_is_kept() {
        let place = tempfile::tempdir().unwrap();
        // Side by side, in a folder of its own, and in a folder that is named after nothing.
        for (inside, given, kept) in
            [("data/mnist", "data", "data"), ("data/mnist", "data/mnist", "data"), ("own", "own", "own")]
        {
            let folder = place.path().join(inside);
            fs::create_dir_all(&folder).unwrap();
            MNIST.iter().for_each(|name| fs::write(folder.join(name), "").unwrap());
            let (name, found) = placed("mnist", Some(&place.path().join(given)));
            assert_eq!((name.as_str(), found), ("mnist", Some(place.path().join(kept))), "{inside} by {given}");
        }
        assert!(is_in("mnist", &place.path().join("own")) && !is_in("cifar10", &place.path().join("own")));
        assert!(is_in("digits", place.path()) && is_in("a.csv", place.path()));
        // A relative folder without the files is kept from the root, so that the error that follows names it.
        let (_, missing) = placed("kmnist", Some(Path::new("nowhere")));
        assert_eq!(missing, Some(std::env::current_dir().unwrap().join("nowhere")));
        assert_eq!(placed("digits", None), ("digits".to_owned(), None));
    }

    #[test]
    fn a_path_is_kept_from_the_root() {
        // The tests run in the folder of their crate.
        let (path, _) = placed("src/lib.rs", None);
        assert!(Path::new(&path).is_absolute() && Path::new(&path).ends_with("src/lib.rs"), "{path}");
        assert_eq!(placed("none.csv", None).0, "none.csv");
    }
}
