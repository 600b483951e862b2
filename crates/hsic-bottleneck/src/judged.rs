//! What a finished run is judged on: its own test part, or other data as they are.
//!
//! A run's own data are known by their content, wherever they lie now. They are divided as in training, or rows that were
//! trained on would judge. Other data are not divided at all: they are judged as a whole, or by the test part that they
//! come with.

use hsic_data::dataset::{self, ColumnList, Dataset, Header, LoadOptions, Missing, Note, Part};
use hsic_data::fault::Faults;
use hsic_data::stage::DataOptions;
use serde::Serialize;

use crate::config::{ConfigError, TrainOptions};
use crate::error::Error;
use crate::predict::Predictor;
use crate::run::{Run, RunError};

/// Which rows judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// All of the data.
    All,
    /// The training part.
    Train,
    /// The test part.
    Test,
    /// The part that was held out of the training part.
    Validation,
}

/// Data that judge a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Name or path of the data.
    pub place: String,
    /// Which of their rows.
    pub rows: Rows,
    /// The rows, as the network takes them.
    pub dataset: Dataset,
    /// What should be said of the data.
    pub notes: Vec<Note>,
}

/// A run's options with the place of the data that are asked for.
#[must_use]
pub fn placed(mut options: TrainOptions, asked: &DataOptions) -> TrainOptions {
    if let (Some(name), None, Some(folder)) = (&asked.dataset, &asked.data_dir, &options.data.data_dir)
        && options.data.dataset.as_ref() != Some(name)
        && !dataset::is_in(name, &folder.join(name))
    {
        // The folder of the run's data is not that of these. Files of several data sets have the same names, so that only a
        // folder of this one's name within it speaks for them.
        options.data.data_dir = None;
    }
    options.data.dataset = asked.dataset.clone().or(options.data.dataset);
    options.data.data_dir = asked.data_dir.clone().or(options.data.data_dir);
    options.data.cache = asked.cache.clone().or(options.data.cache);
    options
}

/// The rows that judge a run: by what is asked for, else of the run's data. Of its own data the test part, of others what
/// [`Given::part`](hsic_data::dataset::Given::part) says, unless another part is named.
///
/// # Errors
/// `Config` for options that would divide the run's own data otherwise, or other data at all; `Run` if no other data were
/// asked for and the run's are no longer there; `Dataset` for data that cannot be read.
pub fn judged(run: &Run, predictor: &Predictor, asked: &DataOptions, part: Option<Part>) -> Result<Judged, Error> {
    let (config, record) = (predictor.config(), predictor.provenance());
    let mut options = placed(config.options.clone(), asked);
    let place = options.data.dataset.clone().unwrap_or_default();
    let elsewhere = asked.dataset.is_some() || asked.data_dir.is_some();
    let now = LoadOptions { data_dir: options.data.data_dir.clone(), ..config.load_options() };
    let own = match &record.content {
        None => place == config.dataset,
        Some(expected) => {
            let found = dataset::content(&place, &now)?;
            let own = found == *expected;
            if !own && !elsewhere {
                let (run, expected) = (run.path().into(), expected.clone());
                return Err(RunError::OtherData { run, place, found, expected }.into());
            }
            own
        }
    };
    refuse_images(asked)?;
    // What training found out from its rows is not found out again.
    let as_trained = |load: LoadOptions| LoadOptions {
        standardization: record.standardization.clone(),
        images: record.image_plan(),
        image_arrays: config.load.image_arrays,
        tables: record.table_columns(),
        encoding: record.encoding.clone(),
        task: record.task(),
        target_scale: record.target,
        ..load
    };
    let (rows, mut dataset, notes) = if own {
        refuse_divisions(asked, &config.options.data)?;
        options.data.test_size = asked.test_size.or(options.data.test_size);
        options.data.validation = asked.validation.or(options.data.validation);
        let load = as_trained(options.resolve_among(&config.methods)?.load);
        let held_out = load.validation > 0.0;
        let part = part.unwrap_or(Part::Test);
        let rows = if part == Part::Test && held_out { Rows::Validation } else { part.into() };
        let mut split = dataset::load(&place, &load)?;
        let notes = std::mem::take(&mut split.origin.notes);
        (rows, split.part(part), notes)
    } else {
        refuse_drawing(asked)?;
        // The encoding names the column of labels, which may lie elsewhere in these.
        let recorded = record.encoding.as_ref().is_some_and(|encoding| encoding.named);
        let own = options.data.label_column.filter(|_| !recorded);
        options.data.label_column = asked.label_column.clone().or(own);
        // What judges is this file, and not the one that the run was tested on.
        (options.data.test_dataset, options.data.drop, options.data.columns) = (None, None, None);
        options.data.header = asked.header.or(options.data.header.filter(|&header| header == Header::No));
        options.data.encoding = asked.encoding.or(options.data.encoding);
        options.data.missing = asked.missing;
        options.data.arrays = asked.arrays.clone().or(options.data.arrays);
        options.data.skip_broken = asked.skip_broken.or(options.data.skip_broken);
        (options.data.train_size, options.data.test_size) = (asked.train_size, asked.test_size);
        let load = as_trained(options.resolve_among(&config.methods)?.load);
        let mut given = dataset::given(&place, &load, &record.class_names)?;
        let notes = std::mem::take(&mut given.notes);
        // What is amiss with them is told with the name by which they were asked for.
        for dataset in given.test.iter_mut().chain([&mut given.train]) {
            place.clone_into(&mut dataset.name);
        }
        let (part, dataset) = given.part(part)?;
        (part.into(), dataset, notes)
    };
    // Other data than that trained on is seen through the numbers of the training.
    dataset.normalization.clone_from(&record.normalization);
    Ok(Judged { place, rows, dataset, notes })
}

impl From<Part> for Rows {
    fn from(part: Part) -> Self {
        match part {
            Part::All => Self::All,
            Part::Train => Self::Train,
            Part::Test => Self::Test,
        }
    }
}

/// Refuses what would divide a run's own data otherwise than in training: rows that were trained on would judge.
fn refuse_divisions(asked: &DataOptions, own: &DataOptions) -> Result<(), ConfigError> {
    fn told<V: std::fmt::Display>(value: Option<V>) -> String {
        value.map_or_else(|| "its default".to_owned(), |value| value.to_string())
    }
    let mut faults = Faults::default();
    let mut check = |key: &str, asked: Option<String>, own: String| {
        let Some(asked) = asked else { return };
        let expected = format!("{own}, with which the run's own data were divided, or other data");
        faults.check(key, &asked, asked == own, &expected);
    };
    let text = |size: Option<usize>| size.map(|size| size.to_string());
    check("train-size", text(asked.train_size), told(own.train_size));
    check("label-column", asked.label_column.clone(), told(own.label_column.as_ref()));
    check("arrays", asked.arrays.as_ref().map(ToString::to_string), told(own.arrays.as_ref()));
    let list = |list: &Option<ColumnList>| list.as_ref().map(ToString::to_string);
    check(
        "test-dataset",
        asked.test_dataset.as_ref().map(|path| path.display().to_string()),
        told(own.test_dataset.as_ref().map(|path| path.display())),
    );
    check("drop", list(&asked.drop), told(own.drop.as_ref()));
    check("columns", list(&asked.columns), told(own.columns.as_ref()));
    check("encoding", asked.encoding.map(|encoding| encoding.to_string()), told(own.encoding));
    let named = |header: Header| format!("{header:?}").to_lowercase();
    check("header", asked.header.map(named), told(own.header.map(named)));
    let named = |missing: Missing| format!("{missing:?}").to_lowercase();
    check("missing", asked.missing.map(named), told(own.missing.map(named)));
    check("test-fraction", asked.test_fraction.map(|share| share.to_string()), told(own.test_fraction));
    check("split-seed", asked.split_seed.map(|seed| seed.to_string()), told(own.split_seed));
    // Without a part held out the test part judges, of which no row was trained on.
    let validation = asked.validation.filter(|&share| share != 0.0);
    check("validation", validation.map(|share| share.to_string()), told(own.validation));
    faults_or(faults)
}

/// Refuses what would read images otherwise than in training.
fn refuse_images(asked: &DataOptions) -> Result<(), ConfigError> {
    let mut faults = Faults::default();
    let expected = "not given for a run, which reads images as in training";
    if let Some(size) = asked.image_size {
        faults.check("image-size", size, false, expected);
    }
    if let Some(fit) = asked.image_fit {
        faults.check("image-fit", fit, false, expected);
    }
    faults_or(faults)
}

/// Refuses what draws a part of other data than the run's, of which none is drawn.
fn refuse_drawing(asked: &DataOptions) -> Result<(), ConfigError> {
    let mut faults = Faults::default();
    let expected = "not given for other data than the run's, which are judged as a whole or by their own test part";
    let shares = [("test-fraction", asked.test_fraction), ("validation", asked.validation)];
    for (key, share) in shares.into_iter().filter_map(|(key, share)| Some((key, share?))) {
        faults.check(key, share, false, expected);
    }
    if let Some(seed) = asked.split_seed {
        faults.check("split-seed", seed, false, expected);
    }
    if let Some(test) = &asked.test_dataset {
        faults.check("test-dataset", test.display(), false, expected);
    }
    let expected = "not given for other data than the run's, of which the columns of the training are read";
    for (key, list) in [("drop", &asked.drop), ("columns", &asked.columns)] {
        if let Some(list) = list {
            faults.check(key, list, false, expected);
        }
    }
    faults_or(faults)
}

fn faults_or(faults: Faults) -> Result<(), ConfigError> {
    if faults.0.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults.0)) }
}
