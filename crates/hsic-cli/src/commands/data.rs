//! `hsic data`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::{ConfigError, DataOptions, TrainOptions};
use hsic_bottleneck::dataset::{
    self, CheckedFile, Dataset, DatasetError, DatasetSource, Form, LoadOptions, PackedFile, SOURCES, Targets, division,
    fetch, files, known_as, packed_files, source, uncache, verify,
};
use hsic_bottleneck::fault::Faults;
use hsic_bottleneck::threads::on_threads;
use serde::Serialize;

use crate::args::{
    DataCommand, DataFetchArguments, DataInfoArguments, DataListArguments, DataNameArguments, DataSplitArguments,
    DataUncacheArguments,
};
use crate::notes;
use crate::printer::{self, TransferBar};
use crate::results::{Class, Column, Info, Listed, Target};

pub(crate) fn run(command: DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::List(arguments) => list(&arguments),
        DataCommand::Info(arguments) => info(&arguments),
        DataCommand::Split(arguments) => split(&arguments),
        DataCommand::Verify(arguments) => check(&arguments),
        DataCommand::Fetch(arguments) => bring(&arguments),
        DataCommand::Uncache(arguments) => forget(&arguments),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct List {
    datasets: Vec<Listed>,
}

fn list(arguments: &DataListArguments) -> anyhow::Result<ExitCode> {
    let datasets = SOURCES.iter().map(|&source| listed(source, arguments.data_dir.as_deref()));
    let list = List { datasets: datasets.collect::<Result<_, _>>()? };
    if arguments.json {
        printer::json(&list)?;
    } else {
        printer::datasets(&list.datasets)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(source: &dyn DatasetSource, data_dir: Option<&Path>) -> Result<Listed, DatasetError> {
    let (available, found) = match files(source, data_dir) {
        Ok(paths) => {
            let place = |path: PathBuf| if paths.len() > 1 { path.parent().map(Path::to_owned) } else { Some(path) };
            (true, paths.first().cloned().and_then(place))
        }
        Err(DatasetError::FilesMissing { .. }) => (false, None),
        Err(error) => return Err(error),
    };
    let facts = source.facts();
    let [train_rows, test_rows] = facts.rows;
    Ok(Listed {
        name: source.name(),
        description: source.description(),
        shape: facts.shape,
        classes: facts.classes,
        train_rows,
        test_rows,
        available,
        found,
    })
}

fn info(arguments: &DataInfoArguments) -> anyhow::Result<ExitCode> {
    let data_dir = &arguments.data_dir;
    refuse_folder(&arguments.name, data_dir.as_deref())?;
    let options = asked(arguments);
    let config = options.clone().resolve()?;
    Unread::refuse(config.unread(&options))?;
    let options = LoadOptions { data_dir: data_dir.clone(), ..config.load_options() };
    let name = known_as(&arguments.name);
    let split = on_threads(None, || dataset::load(name, &options))??;
    let files = match source(name) {
        Some(source) => verify(source, arguments.data_dir.as_deref())?,
        None => Vec::new(),
    };
    notes::print(&split.origin.notes);
    let packed = packed_files(name, &options)?;
    let columns = split.origin.encoding.as_ref().map(|encoding| encoding.sources.iter().map(Column::of).collect());
    let label = split.origin.encoding.map(|encoding| encoding.label.name);
    let info = Info { notes: split.origin.notes, columns, label, packed, ..describe(&split.train, &split.test, files) };
    if arguments.json {
        printer::json(&info)?;
    } else {
        printer::dataset(&info)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn split(arguments: &DataSplitArguments) -> anyhow::Result<ExitCode> {
    let DataSplitArguments { name, json, .. } = arguments;
    let mut asked = DataOptions {
        label_column: arguments.label_column.clone(),
        test_fraction: arguments.test_fraction,
        validation: arguments.validation,
        split_seed: arguments.split_seed,
        missing: arguments.missing,
        drop: arguments.drop.clone(),
        header: arguments.header,
        encoding: arguments.encoding,
        task: arguments.task,
        ..DataOptions::default()
    };
    let mut faults = Faults::default();
    let load = asked.resolve(1, &mut faults).load;
    if !faults.0.is_empty() {
        return Err(ConfigError::Faults(faults.0).into());
    }
    let division = on_threads(None, || division(known_as(name), &load))??;
    notes::print(&division.notes);
    if *json {
        printer::json(&division)?;
    } else {
        let judge = if load.validation > 0.0 { "validation" } else { "test" };
        let parts = [(&division.train, "train"), (&division.test, judge)];
        let lines = parts.into_iter().flat_map(|(rows, part)| rows.iter().map(move |row| format!("{row},{part}")));
        printer::line(&["row,part".to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(train: &Dataset, test: &Dataset, files: Vec<CheckedFile>) -> Info {
    let (mut classes, mut target) = (Vec::new(), None);
    match (&train.targets, &test.targets) {
        (Targets::Values(train), Targets::Values(test)) => target = Some(Target::of(train, test)),
        _ => {
            let counts = train.class_counts().into_iter().zip(test.class_counts());
            let of = train.class_names().iter().zip(counts);
            classes = of.map(|(name, (train, test))| Class { name: name.clone(), train, test }).collect();
        }
    }
    Info {
        name: train.name.clone(),
        shape: train.shape,
        train_rows: train.rows(),
        test_rows: test.rows(),
        classes,
        target,
        files,
        label: None,
        columns: None,
        packed: Vec::new(),
        notes: Vec::new(),
    }
}

/// What the command was given, as a training would be.
fn asked(arguments: &DataInfoArguments) -> TrainOptions {
    let data = DataOptions {
        dataset: Some(arguments.name.clone()),
        cache: arguments.cache.clone(),
        test_dataset: arguments.test_dataset.clone(),
        label_column: arguments.label_column.clone(),
        drop: arguments.drop.clone(),
        columns: arguments.columns.clone(),
        missing: arguments.missing,
        header: arguments.header,
        encoding: arguments.encoding,
        arrays: arguments.arrays.clone(),
        image_size: arguments.image_size,
        image_fit: arguments.image_fit,
        skip_broken: arguments.skip_broken.then_some(true),
        ..DataOptions::default()
    };
    TrainOptions { data, ..TrainOptions::default() }
}

/// Nothing looks into a folder for data that are drawn or lie at a path.
fn refuse_folder(name: &str, data_dir: Option<&Path>) -> anyhow::Result<()> {
    if let (Some(folder), Some(form)) = (data_dir, Form::of(known_as(name))) {
        anyhow::ensure!(
            form == Form::Files,
            "data-dir = {}: expected not given for {}, which does not read it; read by data sets that are files under a \
             name (see hsic data list)",
            folder.display(),
            name
        );
    }
    Ok(())
}

/// The source of a name, or an error that lists the names.
fn known(name: &str) -> Result<&'static dyn DatasetSource, DatasetError> {
    let unknown = || DatasetError::UnknownSource {
        name: name.to_owned(),
        known: SOURCES.iter().map(|source| source.name()).collect(),
    };
    source(known_as(name)).ok_or_else(unknown)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Verification<'a> {
    name: &'a str,
    /// Whether no file differs.
    ok: bool,
    files: &'a [CheckedFile],
}

fn check(arguments: &DataNameArguments) -> anyhow::Result<ExitCode> {
    refuse_folder(&arguments.name, arguments.data_dir.as_deref())?;
    let files = verify(known(&arguments.name)?, arguments.data_dir.as_deref())?;
    let ok = files.iter().all(|file| file.matches != Some(false));
    if arguments.json {
        printer::json(&Verification { name: &arguments.name, ok, files: &files })?;
    } else {
        printer::verification(&arguments.name, &files)?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to do about an error, where it is this command's to say.
fn advised(error: DatasetError) -> anyhow::Error {
    match error {
        DatasetError::NoDownloader { program, .. } => {
            anyhow::anyhow!("{error}\ninstall {program}, or build with: {}", printer::install_with("tls"))
        }
        error => error.into(),
    }
}

fn bring(arguments: &DataFetchArguments) -> anyhow::Result<ExitCode> {
    let source = known(&arguments.name)?;
    let mut bar = TransferBar::new(arguments.quiet);
    let fetched = fetch(source, arguments.data_dir.as_deref(), arguments.mirror.as_deref(), &mut |transfer| {
        bar.show(transfer);
    });
    bar.finish();
    let fetched = fetched.map_err(advised)?;
    if arguments.json {
        printer::json(&fetched)?;
    } else {
        let (folder, files) = (fetched.folder.display(), printer::counted(fetched.files.len() as u64, "file"));
        printer::line(&format!("{}: {files} in {folder}, {} bytes fetched", source.name(), fetched.bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Uncached<'a> {
    name: &'a str,
    /// Files that were deleted.
    deleted: &'a [PackedFile],
}

fn forget(arguments: &DataUncacheArguments) -> anyhow::Result<ExitCode> {
    refuse_folder(&arguments.name, arguments.data_dir.as_deref())?;
    let (data_dir, cache) = (arguments.data_dir.clone(), arguments.cache.clone());
    let deleted = uncache(known_as(&arguments.name), &LoadOptions { data_dir, cache, ..LoadOptions::default() })?;
    if arguments.json {
        printer::json(&Uncached { name: &arguments.name, deleted: &deleted })?;
    } else {
        printer::uncached(&arguments.name, &deleted)?;
    }
    Ok(ExitCode::SUCCESS)
}
