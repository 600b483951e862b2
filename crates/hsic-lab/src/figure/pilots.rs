//! Pilots of a plan, each made once: a file a kind of training.

use std::path::{Path, PathBuf};

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::disk;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::{FileError, write_atomically};
use hsic_bottleneck::pilot::Pilot;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a pilot came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piloted {
    /// What the training will take.
    Takes(Pilot),
    /// It cannot begin, or comes to no end: why.
    Fails(String),
}

/// A folder of pilots.
pub struct Pilots(PathBuf);

impl Pilots {
    /// In the folder of a comparison or of a reproduction.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self(folder.join("pilots"))
    }

    /// The pilot of a training of these options, whatever their seed: the one that is kept, or what `make` says of them.
    ///
    /// # Errors
    /// `Run` if it cannot be kept; what `make` says.
    pub fn of<E: From<Error>>(
        &self,
        like: &TrainOptions,
        make: impl FnOnce(&TrainOptions) -> Result<Piloted, E>,
    ) -> Result<Piloted, E> {
        let mut like = like.clone();
        like.training.seed = None;
        let told = toml::to_string(&like).map_err(|error| Error::from(FileError::malformed(&self.0, error, "TOML")))?;
        let name: String = Sha256::digest(told.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let path = self.0.join(format!("{name}.json"));
        // One that cannot be read is made again.
        if let Some(kept) = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(kept);
        }
        let made = make(&like)?;
        let keep = || {
            let text = serde_json::to_string(&made).map_err(|error| FileError::malformed(&path, error, "JSON"))?;
            disk::create_dir_all(&self.0).map_err(|source| FileError::Io { path: self.0.clone(), source })?;
            write_atomically(&path, text.as_bytes())
        };
        keep().map_err(Error::from)?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_training_is_piloted_once_whatever_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        let (pilots, mut made) = (Pilots::within(folder.path()), 0);
        let mut of = |epochs: u64, seed: u64| {
            let mut like = TrainOptions::default();
            (like.training.epochs, like.training.seed) = (Some(epochs), Some(seed));
            let found = pilots.of(&like, |like| {
                made += 1;
                assert_eq!(like.training.seed, None);
                Ok::<_, Error>(Piloted::Fails(format!("pilot {made}")))
            });
            found.unwrap()
        };
        let told = [of(1, 1), of(1, 2), of(2, 1), of(1, 3)];
        let named = |number: u32| Piloted::Fails(format!("pilot {number}"));
        assert_eq!(told, [named(1), named(1), named(2), named(1)]);
        let file = std::fs::read_dir(folder.path().join("pilots")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(file, "half").unwrap();
        assert!([of(1, 1), of(2, 1)].contains(&named(3)));
    }
}
