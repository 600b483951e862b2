//! In which form a data set comes, as its name or path tells before a file is opened.

use std::path::Path;

use super::load::source;
use super::{archive, folder, idx_folder, table};

/// The form of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Drawn by the program.
    Drawn,
    /// Files that are found under the data set's name.
    Files,
    /// A folder of images, or of IDX files.
    Folder {
        /// Whether it has a test part of its own.
        parted: bool,
    },
    /// An archive of a folder of images.
    Archive,
    /// A table as text or as one array, which has a column of labels.
    Table,
    /// A table or images as arrays, whose labels have an array of their own.
    Arrays,
}

impl Form {
    /// The form of what [`load`](fn@super::load) would load; `None` for what it would not.
    #[must_use]
    pub fn of(name_or_path: &str) -> Option<Self> {
        if let Some(source) = source(name_or_path) {
            return Some(if source.facts().files.is_empty() { Self::Drawn } else { Self::Files });
        }
        let path = Path::new(name_or_path);
        if path.is_dir() {
            return Some(Self::Folder { parted: idx_folder::is_parted(path) || folder::has_test_part(path) });
        }
        if archive::kind(path).is_some() {
            return Some(Self::Archive);
        }
        table::kind(path).map(|kind| if kind == table::Kind::Npz { Self::Arrays } else { Self::Table })
    }

    /// Whether its samples may be images: of arrays only reading them tells.
    #[must_use]
    pub fn may_be_images(self) -> bool {
        self != Self::Table
    }

    /// Whether they are images of the user's own: files in a folder or archive.
    #[must_use]
    pub fn holds_images(self) -> bool {
        matches!(self, Self::Folder { .. } | Self::Archive)
    }

    /// Whether its samples may be rows of a table.
    #[must_use]
    pub fn may_be_table(self) -> bool {
        matches!(self, Self::Table | Self::Arrays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_path_tells_its_form() {
        for (name, form) in [
            ("digits", Some(Form::Drawn)),
            ("mnist", Some(Form::Files)),
            ("cifar10", Some(Form::Files)),
            ("a/b.tar.gz", Some(Form::Archive)),
            ("b.csv", Some(Form::Table)),
            ("b.NPY", Some(Form::Table)),
            ("b.npz", Some(Form::Arrays)),
            ("mnits", None),
        ] {
            assert_eq!(Form::of(name), form, "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let of = || Form::of(&folder.path().to_string_lossy());
        assert_eq!(of(), Some(Form::Folder { parted: false }));
        std::fs::create_dir(folder.path().join("val")).unwrap();
        assert_eq!(of(), Some(Form::Folder { parted: false }));
        std::fs::create_dir(folder.path().join("train")).unwrap();
        assert_eq!(of(), Some(Form::Folder { parted: true }));
        assert!(of().unwrap().may_be_images() && !of().unwrap().may_be_table());
        assert!(Form::Arrays.may_be_images() && Form::Arrays.may_be_table() && !Form::Table.may_be_images());
        // Of IDX files the names tell the parts.
        let idx = tempfile::tempdir().unwrap();
        let of = || Form::of(&idx.path().to_string_lossy());
        for (name, parted) in [("train-images-idx3-ubyte", false), ("t10k-images-idx3-ubyte.gz", true)] {
            std::fs::write(idx.path().join(name), "").unwrap();
            assert_eq!(of(), Some(Form::Folder { parted }), "{name}");
        }
    }
}
