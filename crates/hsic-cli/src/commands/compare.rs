//! `hsic compare`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use hsic_bottleneck::config::given::Unread;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::config::{ConfigError, Sizes, TrainOptions};
use hsic_bottleneck::dataset::{self, LoadOptions, source};
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::methods::{METHODS, Methods};
use hsic_bottleneck::run::{REPORT_HTML, REPORT_MARKDOWN};
use hsic_lab::comparison::{
    Budget, Comparison, ComparisonRecord, Elsewhere, Entry, Settled, VALIDATION, entries_named, training_rows,
};
use hsic_lab::draw;
use hsic_lab::figure::{Planned, flags};
use hsic_lab::shell::quoted;

use super::launch::launch;
use super::pictures;
use super::running::{Signals, interrupted};
use super::share::{gathered, only, path_flag, plan};
use crate::args::CompareArguments;
use crate::notes;
use crate::printer::{self, ReproductionBars};
use crate::{html, markdown};

/// The record of a comparison in its folder.
pub(crate) const RECORD: &str = "comparison.json";

pub(crate) fn run(arguments: CompareArguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(arguments.seeds >= 1, "seeds = 0: expected a whole number >= 1");
    let entries =
        entries_named(&arguments.methods, &Methods::known()).map_err(|fault| ConfigError::Faults(vec![fault]))?;
    let elsewhere = imported(&arguments.import, &entries)?;
    let mut options = TrainOptions { data: arguments.data, network: arguments.network, ..TrainOptions::default() };
    let sizes = arguments.batch_size;
    options.training.batch_size = if let [size] = sizes[..] { Some(size) } else { None };
    options.training.threads = arguments.threads;
    options.training.unit = arguments.unit;
    options.rule.label_smoothing = arguments.label_smoothing;
    options.evaluation.test_time = arguments.test_time;
    let recipe = arguments.recipe.as_deref().and_then(TrainingRecipe::named);
    let validation = options.data.validation;
    anyhow::ensure!(validation != Some(0.0), "validation = 0: expected a number in (0, 1)");
    // Whatever is amiss with the common options is told before anything is trained.
    let config = options.clone().resolve()?;
    let held_out = validation.unwrap_or(VALIDATION);
    let several = if sizes.len() > 1 { &sizes[..] } else { &[] };
    let seeds: Vec<u64> = (1..=arguments.seeds).collect();
    let comparison = |folder: &Path, budget: Budget| {
        let (options, entries) = (options.clone(), entries.clone());
        Comparison::new(folder, options, entries, budget, seeds.clone()).by_recipe(recipe).searching_batches(several)
    };
    anyhow::ensure!(
        options.data.dataset.as_deref() != Some(dataset::STANDARD_INPUT),
        "dataset = -: expected a file, since every training of a comparison reads it"
    );
    let named = Budget::Epochs(Sizes::NAMED.epochs);
    Unread::refuse(comparison(Path::new(""), arguments.budget.unwrap_or(named)).unread()?)?;
    let data = dataset::load(&config.dataset, &LoadOptions { validation: held_out, ..config.load_options() })?;
    let budget = arguments.budget.unwrap_or_else(|| match source(&config.dataset) {
        Some(_) => named,
        // Of several batches the largest has the fewest steps an epoch.
        None => {
            Budget::Epochs(Sizes::at(&config.dataset, training_rows(&data), sizes.iter().copied().max(), None).epochs)
        }
    });
    let output = match arguments.output {
        Some(output) => output,
        None => {
            let unplaced = comparison(Path::new(""), budget).for_data(&data);
            place(&config.dataset, &config.model, &unplaced.fingerprint()?)
        }
    };
    let comparison = comparison(&output, budget).for_data(&data);
    let mut command = command(&options, &arguments.methods, &budget.to_string(), arguments.seeds);
    if sizes.len() > 1 {
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        command.push_str(&format!(" --batch-size {}", sizes.join(",")));
    }
    if let Some(recipe) = recipe {
        recipe.check_data(&data.train)?;
        command.push_str(&format!(" --recipe {}", recipe.name));
    }
    for file in &arguments.import {
        command.push_str(&path_flag("import", file));
    }
    notes::print(&data.origin.notes);
    for (file, other) in arguments.import.iter().zip(&elsewhere).filter(|(_, other)| !other.is_of(&config.dataset)) {
        printer::warning(&format!(
            "{}: trainings on {}, and this comparison is on {}",
            file.display(),
            other.dataset,
            config.dataset
        ));
    }
    anyhow::ensure!(
        data.train.of_values().is_none(),
        "{}: a comparison is of accuracies, and these targets are values: expected --task classification, or hsic train for \
         each method that learns values ({})",
        config.dataset,
        METHODS.iter().filter(|method| method.values).map(|method| method.name).collect::<Vec<_>>().join(", ")
    );

    let share = &arguments.share;
    if share.plan {
        let command = format!("{command}{}", path_flag("output", comparison.folder()));
        return plan(&comparison.jobs()?, &command, comparison.folder(), arguments.threads);
    }
    if let Some(id) = &share.only {
        // The training reads its own.
        drop(data);
        let mut carry = |planned: &Planned, observers: &mut [&mut dyn Observer], stop: &AtomicBool| {
            Ok(comparison.train_within(planned, observers, stop)? == Settled::Done)
        };
        let failure = |planned: &Planned| Ok(comparison.failure(planned)?);
        return only(&comparison.jobs()?, id, (arguments.quiet, arguments.json), &mut carry, &failure);
    }
    if share.gather {
        let record = comparison.record(&command)?.beside(elsewhere);
        comparison.note()?;
        told(&record, comparison.folder(), arguments.json)?;
        return Ok(gathered(&record.missing));
    }

    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    let stop = signals.stop();
    let program = std::env::current_exe().context("the program's own path")?;
    let mut bars = ReproductionBars::new(arguments.quiet, comparison.trainings()?);
    while let Some((planned, settled)) = comparison.next()? {
        bars.at(settled, comparison.trainings()?);
        if comparison.train(&planned, &mut bars, &|run| launch(&program, run, arguments.threads, stop), stop)?
            == Settled::Interrupted
        {
            bars.finish();
            printer::reproduction_interrupted();
            return Ok(interrupted());
        }
    }
    bars.finish();
    told(&comparison.record(&command)?.beside(elsewhere), comparison.folder(), arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The trainings made elsewhere that files tell of, each under a label of its own.
fn imported(files: &[PathBuf], entries: &[Entry]) -> anyhow::Result<Vec<Elsewhere>> {
    let mut all: Vec<Elsewhere> = Vec::new();
    for file in files {
        let within = || file.display().to_string();
        let text = fs::read_to_string(file).with_context(within)?;
        let read = Elsewhere::from_json(&text).with_context(within)?;
        let rows = entries.iter().map(|entry| &*entry.label).chain(all.iter().map(|other| &*other.label));
        read.check_label(rows).with_context(within)?;
        all.push(read);
    }
    Ok(all)
}

/// Writes what a comparison came to, and prints it.
fn told(record: &ComparisonRecord, folder: &Path, json: bool) -> anyhow::Result<()> {
    save(folder, record)?;
    if json { printer::json(record) } else { printer::comparison(record, folder) }
}

/// Where a comparison goes that is not told: other data of the same name, or other settings, have a folder of their own.
fn place(dataset: &str, model: &str, fingerprint: &str) -> PathBuf {
    Path::new("comparison").join(format!("{}-{model}-{fingerprint}", dataset::stem(Path::new(dataset))))
}

/// The command that makes the comparison: what differs from the defaults.
fn command(options: &TrainOptions, methods: &str, budget: &str, seeds: u64) -> String {
    format!("hsic compare --methods {} --budget {budget} --seeds {seeds}{}", quoted(methods), flags(options))
}

/// Writes what a comparison came to, in every form.
fn save(folder: &Path, record: &ComparisonRecord) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(record).context("the comparison's record")?;
    let svg = draw::svg(&record.plot, &format!("Learning methods on {}", record.data.join(", ")));
    pictures::with_page(
        folder,
        &svg,
        &[
            (RECORD, &json),
            ("comparison.csv", &record.csv()),
            ("points.csv", &record.plot.csv()),
            (REPORT_HTML, &html::comparison(record, draw::readable)),
            (REPORT_MARKDOWN, &markdown::comparison(record)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    #[test]
    fn the_command_of_a_comparison_is_read_as_what_was_compared() {
        let mut options = TrainOptions::default();
        options.data.dataset = Some("mnist".to_owned());
        options.network.widths = Some("64x2".to_owned());
        options.training.batch_size = Some(100);
        let text = command(&options, "hsic,backprop", "5epochs", 2);
        let arguments = Arguments::try_parse_from(text.split(' ')).unwrap();
        let Command::Compare(arguments) = arguments.command else { panic!("{text}") };
        assert_eq!((arguments.data, arguments.network), (options.data, options.network));
        assert_eq!((&arguments.batch_size[..], arguments.seeds, &*arguments.methods), (&[100][..], 2, "hsic,backprop"));
        assert_eq!(arguments.budget.map(|budget| budget.to_string()).as_deref(), Some("5epochs"));
    }

    #[test]
    fn a_comparison_goes_to_a_folder_named_by_data_and_network() {
        let expected = Path::new("comparison/cifar10-jpeg-vgg-0123abcd");
        assert_eq!(place("data/cifar10-jpeg.tar.xz", "vgg", "0123abcd"), expected);
    }
}
