//! What a folder compares on: data and settings, noted when it is begun, so that no table mixes two of them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::Content;
use hsic_bottleneck::disk;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::{FileError, write_atomically};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::budget::Budget;
use crate::figure::{Place, same_options};

/// The note in a comparison's folder.
const SETTINGS: &str = "settings.json";

/// What a comparison leaves in its folder beside the note.
const TRACES: [&str; 2] = ["runs", "comparison.json"];

/// What all trainings of a comparison share. Methods and seeds may be added to it later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Name of the data set, or of its file without the folder.
    pub(super) dataset: String,
    /// What the data are.
    pub(super) content: Content,
    /// What each training is given.
    pub(super) budget: Budget,
    /// Sizes of a batch that are tried; none where the options name the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) batches: Vec<usize>,
    /// The recipe that says what is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recipe: Option<String>,
    /// Options of all trainings, those of data and training with their defaults, but for name and place of the data.
    pub(super) options: TrainOptions,
}

impl Settings {
    /// Of what all trainings are asked for.
    pub(super) fn new(dataset: &str, content: Content, budget: Budget, options: &TrainOptions) -> Self {
        let file = Path::new(dataset).file_name();
        let dataset = file.map_or_else(|| dataset.to_owned(), |file| file.to_string_lossy().into_owned());
        let options = same_options(options, Place::Own);
        Self { dataset, content, budget, batches: Vec::new(), recipe: None, options }
    }

    /// A few digits that tell them from others: of what the data are, not of what they are called.
    pub(super) fn fingerprint(&self) -> Result<String, Error> {
        let options = self.table()?;
        let mut text = format!("{}\n{}\n{:?}\n{options}", self.content.sha256, self.budget, self.batches);
        text.extend(self.recipe.iter().map(|recipe| format!("\nrecipe = {recipe}")));
        Ok(Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Checks that a folder holds no comparison on other data or with other settings.
    ///
    /// # Errors
    /// `Malformed` naming the folder's note, and both.
    pub(super) fn check(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(SETTINGS);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return match TRACES.into_iter().find(|trace| folder.join(trace).exists()) {
                    None => Ok(()),
                    Some(trace) => {
                        let found = format!("{trace} of a comparison that did not note its data");
                        Err(FileError::malformed(folder, found, "a new folder").into())
                    }
                };
            }
            Err(source) => return Err(FileError::Io { path, source }.into()),
        };
        let kept: Self = serde_json::from_str(&text)
            .map_err(|error| FileError::malformed(&path, error, "a comparison's settings"))?;
        match self.difference(&kept)? {
            None => Ok(()),
            Some((found, expected)) => {
                let expected = format!("{expected} as asked for, or another folder");
                Err(FileError::malformed(&path, format!("a comparison of {found}"), &expected).into())
            }
        }
    }

    /// Notes them in a folder, if they are not there yet. Several processes may do so at once, as jobs of a cluster that
    /// begin together.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn note(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(SETTINGS);
        if path.exists() {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
        disk::create_dir_all(folder).map_err(|source| FileError::Io { path: folder.into(), source })?;
        // Each of them writes a file of its own, and the names of all become one: what is in them is the same.
        let own = folder.join(format!("{SETTINGS}.{:016x}", RandomState::new().build_hasher().finish()));
        write_atomically(&own, text.as_bytes())?;
        let named = disk::rename(&own, &path).inspect_err(|_| drop(disk::remove_file(&own)));
        Ok(named.map_err(|source| FileError::Io { path, source })?)
    }

    /// In what those of a folder differ from these: what the folder has, what is asked for.
    fn difference(&self, kept: &Self) -> Result<Option<(String, String)>, Error> {
        if self.content != kept.content {
            let of = |settings: &Self| format!("{} ({})", settings.dataset, settings.content);
            return Ok(Some((of(kept), of(self))));
        }
        if self.budget != kept.budget {
            return Ok(Some((format!("budget = {}", kept.budget), format!("budget = {}", self.budget))));
        }
        if self.batches != kept.batches {
            return Ok(Some((format!("batches {:?}", kept.batches), format!("{:?}", self.batches))));
        }
        if self.recipe != kept.recipe {
            let told = |recipe: &Option<String>| {
                recipe.as_ref().map_or_else(|| "no recipe".to_owned(), |name| format!("recipe = {name}"))
            };
            return Ok(Some((told(&kept.recipe), told(&self.recipe))));
        }
        let (ours, theirs) = (self.table()?, kept.table()?);
        let lines = |text: &str, other: &str| -> Vec<String> {
            let not_there = |line: &&str| !other.lines().any(|known| known == *line);
            text.lines().filter(not_there).map(str::to_owned).collect()
        };
        let (asked, found) = (lines(&ours, &theirs), lines(&theirs, &ours));
        let told = |lines: Vec<String>| if lines.is_empty() { "other options".to_owned() } else { lines.join(", ") };
        Ok((ours != theirs).then(|| (told(found), told(asked))))
    }

    /// The options as text, a line each.
    fn table(&self) -> Result<String, Error> {
        let malformed = |error| FileError::malformed(Path::new(&self.dataset), error, "settings that can be written");
        Ok(toml::to_string(&self.options).map_err(malformed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(data: &str, widths: &str, budget: u64) -> Settings {
        let mut options = TrainOptions::default();
        options.network.widths = Some(widths.to_owned());
        options.data.dataset = Some("a/data.csv".to_owned());
        Settings::new("a/data.csv", Content::of(data.as_bytes()), Budget::Epochs(budget), &options)
    }

    #[test]
    fn a_folder_takes_one_set_of_data_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("c");
        let first = settings("1,a", "8", 3);
        first.check(&place).unwrap();
        assert!(!place.exists());
        first.note(&place).unwrap();
        first.check(&place).unwrap();
        let told = |other: &Settings| {
            let error = other.check(&place).unwrap_err().to_string();
            error.replace(place.to_str().unwrap(), "DIR")
        };
        assert_eq!(
            told(&settings("2,a", "8", 3)),
            format!(
                "DIR/settings.json: a comparison of data.csv (SHA-256 {} of 3 bytes), expected data.csv (SHA-256 {} of 3 \
                 bytes) as asked for, or another folder",
                Content::of(b"1,a").sha256,
                Content::of(b"2,a").sha256
            )
        );
        assert_eq!(
            told(&settings("1,a", "9", 3)),
            "DIR/settings.json: a comparison of widths = \"8\", expected widths = \"9\" as asked for, or another folder"
        );
        assert!(told(&settings("1,a", "8", 4)).contains("budget = 3epochs, expected budget = 4epochs as asked for"));
        // A folder of an earlier version says nothing of its data.
        let old = folder.path().join("old");
        std::fs::create_dir_all(old.join("runs")).unwrap();
        let error = first.check(&old).unwrap_err().to_string();
        assert!(
            error.ends_with("old: runs of a comparison that did not note its data, expected a new folder"),
            "{error}"
        );
    }

    #[test]
    fn a_fingerprint_follows_data_and_settings_and_not_the_name_of_the_data() {
        let of = |settings: Settings| settings.fingerprint().unwrap();
        let first = of(settings("1,a", "8", 3));
        assert_eq!(first.len(), 8);
        let moved = Settings { dataset: "other.csv".to_owned(), ..settings("1,a", "8", 3) };
        assert_eq!(of(moved), first);
        let searched = Settings { batches: vec![64, 128], ..settings("1,a", "8", 3) };
        for other in [settings("2,a", "8", 3), settings("1,a", "9", 3), settings("1,a", "8", 4), searched] {
            assert_ne!(of(other), first);
        }
    }
}
