//! How much of a figure is made: profile, seeds, data.

use std::path::{Path, PathBuf};

use hsic_bottleneck::config::DataOptions;
use hsic_bottleneck::dataset::{DatasetError, files, source};
use serde::{Deserialize, Serialize};

/// How much is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Built-in digits, smallest sizes: shows that all of it works. Under 2 minutes on 2 cores.
    Smoke,
    /// The real data, shortened trainings: the shape of each figure. Under 10 minutes.
    Quick,
    /// The settings of the paper. About two hours for one seed.
    Paper,
}

impl Profile {
    /// Whether values and claims are judged: not of the least trainings, which learn too little.
    #[must_use]
    pub fn judges(self) -> bool {
        self != Self::Smoke
    }

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Paper => "paper",
        }
    }
}

/// A data set of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// The built-in digits, where only time and memory count.
    Digits,
    /// MNIST.
    Mnist,
    /// Fashion-MNIST.
    FashionMnist,
    /// CIFAR-10: the original where it is there, else the copy as JPEG images.
    Cifar10,
}

impl Set {
    /// The three of the paper.
    pub const PAPER: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Cifar10];

    /// Its name as a source.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
        }
    }
}

/// Names under which a folder of data may hold CIFAR-10 as JPEG images.
const JPEG: [&str; 2] = ["cifar10-jpeg", "cifar10-jpeg.tar.xz"];

/// Where the data sets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Folder with one folder a data set.
    pub data_dir: Option<PathBuf>,
    /// CIFAR-10 as images, where the original is not there.
    jpeg: Option<PathBuf>,
}

impl Sources {
    /// Looks for all data sets that the paper uses.
    ///
    /// # Errors
    /// `FilesMissing` naming the data set and how to fetch it.
    pub fn find(data_dir: Option<&Path>) -> Result<Self, DatasetError> {
        Self::of(&Set::PAPER, data_dir)
    }

    /// Looks for some data sets.
    ///
    /// # Errors
    /// `FilesMissing` naming the data set and how to fetch it.
    pub fn of(sets: &[Set], data_dir: Option<&Path>) -> Result<Self, DatasetError> {
        let mut sources = Self { data_dir: data_dir.map(Path::to_owned), jpeg: None };
        for &set in sets {
            let Some(source) = source(set.source()) else { continue };
            if let Err(missing) = files(source, data_dir) {
                let folder = data_dir.map(Path::to_owned).or_else(|| std::env::var_os("HSIC_DATA").map(PathBuf::from));
                let paths = JPEG.iter().filter_map(|name| Some(folder.as_ref()?.join(name)));
                let jpeg = paths.into_iter().find(|path| set == Set::Cifar10 && path.exists());
                sources.jpeg = Some(jpeg.ok_or(missing)?);
            }
        }
        Ok(sources)
    }

    /// Name or path of a data set, and the folder that it is looked for in, if one is given and it has a name.
    #[must_use]
    pub fn place(&self, set: Set) -> (Option<String>, Option<PathBuf>) {
        match self.jpeg.as_ref().filter(|_| set == Set::Cifar10) {
            Some(path) => (Some(path.to_string_lossy().into_owned()), None),
            None => (Some(set.source().to_owned()), self.data_dir.clone()),
        }
    }
}

/// How much of a figure is made, and from what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// How much is trained.
    pub profile: Profile,
    /// Each training is done once for every seed.
    pub seeds: Vec<u64>,
    /// Where the data are; not looked at in the smallest profile.
    pub sources: Sources,
}

impl Scope {
    /// What a profile has of something.
    pub fn pick<T>(&self, smoke: T, quick: T, paper: T) -> T {
        match self.profile {
            Profile::Smoke => smoke,
            Profile::Quick => quick,
            Profile::Paper => paper,
        }
    }

    /// The data sets that a figure of all three shows: in the smallest profile only one.
    #[must_use]
    pub fn sets(&self) -> &'static [Set] {
        self.pick(&Set::PAPER[..1], &Set::PAPER, &Set::PAPER)
    }

    /// What a set is called in a figure of this scope.
    #[must_use]
    pub fn label(&self, set: Set) -> &'static str {
        match (self.profile, set) {
            (Profile::Smoke, _) | (_, Set::Digits) => "digits",
            (_, Set::Mnist) => "MNIST",
            (_, Set::FashionMnist) => "Fashion-MNIST",
            (_, Set::Cifar10) if self.sources.jpeg.is_some() => "CIFAR-10 (JPEG)",
            (_, Set::Cifar10) => "CIFAR-10",
        }
    }

    /// The options that name a data set: built-in digits in the smallest profile, its first samples in the next.
    #[must_use]
    pub fn data(&self, set: Set) -> DataOptions {
        let (dataset, data_dir) = match self.profile {
            Profile::Smoke => (Some(Set::Digits.source().to_owned()), self.sources.data_dir.clone()),
            Profile::Quick | Profile::Paper => self.sources.place(set),
        };
        DataOptions {
            dataset,
            data_dir: if set == Set::Digits { None } else { data_dir },
            train_size: self.pick(Some(600), Some(10_000), None),
            test_size: self.pick(Some(300), Some(2_000), None),
            ..DataOptions::default()
        }
    }
}
