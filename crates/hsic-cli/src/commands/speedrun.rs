//! `hsic speedrun`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::config::{ConfigError, TrainOptions};
use hsic_bottleneck::dataset::{self, DatasetError, LoadOptions};
use hsic_bottleneck::names::same;
use hsic_bottleneck::run::{REPORT_HTML, REPORT_MARKDOWN};
use hsic_lab::comparison::{Budget, Settled, VALIDATION};
use hsic_lab::draw;
use hsic_lab::figure::{Set, Sources, flags};
use hsic_lab::speedrun::{Race, SpeedRun, SpeedRunRecord, check};

use super::launch::launch;
use super::pictures;
use super::running::{Signals, interrupted};
use super::share::some_path_flag;
use super::train::given;
use crate::args::SpeedrunArguments;
use crate::notes;
use crate::printer::{self, ReproductionBars};
use crate::{html, markdown};

/// The record of a speed run in its folder.
pub(crate) const RECORD: &str = "speedrun.json";

pub(crate) fn run(arguments: SpeedrunArguments) -> anyhow::Result<ExitCode> {
    let SpeedrunArguments { goals, lengths, budget, recipe, options, output, quiet, json } = arguments;
    refuse(&options)?;
    let Budget::Seconds(seconds) = budget else {
        anyhow::bail!("budget = {budget}: expected a time as 2h, 30min or 90s");
    };
    let race = Race { goals: goals.iter().map(|goal| goal / 100.0).collect(), lengths, budget: seconds };
    let faults = check(&race);
    if !faults.0.is_empty() {
        return Err(ConfigError::Faults(faults.0).into());
    }
    let command = command(&race, budget, recipe.as_deref(), &options, output.as_deref());
    let mut options = found(options)?;
    // A recipe has a number of epochs of its own, and the lengths say which are tried.
    options.training.epochs = race.lengths.iter().max().copied();
    let (config, asked) = given(options, None, recipe.as_deref(), !quiet && !json)?;
    let held_out = asked.as_ref().and_then(|asked| asked.data.validation).unwrap_or(VALIDATION);
    let data = dataset::load(&config.dataset, &LoadOptions { validation: held_out, ..config.load_options() })?;
    if let Some(recipe) = recipe.as_deref().and_then(TrainingRecipe::named) {
        recipe.check_data(&data.train)?;
    }
    config.check_data(&data.train)?;
    anyhow::ensure!(
        data.train.of_values().is_none(),
        "{}: goals are accuracies, and these targets are values: expected --task classification",
        config.dataset
    );
    notes::print(&data.origin.notes);
    let unplaced = SpeedRun::new(Path::new(""), asked.unwrap_or_else(|| config.options.clone()), race).for_data(&data);
    drop(data);
    let folder = match output {
        Some(output) => output,
        None => Path::new("speedrun").join(unplaced.name()?),
    };
    let speed_run = unplaced.within(&folder);
    check_own(&folder, &speed_run.name()?)?;

    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    let stop = signals.stop();
    let program = std::env::current_exe().context("the program's own path")?;
    let mut bars = ReproductionBars::new(quiet, speed_run.most_trainings());
    while let Some((planned, settled)) = speed_run.next()? {
        bars.at(settled, speed_run.most_trainings());
        let done = speed_run.train(&planned, &mut bars, &|run| launch(&program, run, config.threads, stop), stop)?;
        // What is finished can be looked at while the rest is trained.
        save(&folder, &speed_run.record(&command)?)?;
        if done == Settled::Interrupted {
            bars.finish();
            printer::reproduction_interrupted();
            return Ok(interrupted());
        }
    }
    bars.finish();
    let record = speed_run.record(&command)?;
    save(&folder, &record)?;
    if json {
        printer::json(&record)?;
    } else {
        printer::speedrun(&record, &folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses options of a training that a speed run has in its own hands.
fn refuse(options: &TrainOptions) -> anyhow::Result<()> {
    anyhow::ensure!(
        options.training.epochs.is_none(),
        "epochs = {}: expected --lengths, the epochs that are tried",
        options.training.epochs.unwrap_or_default()
    );
    if let Some(restarts) = &options.training.restarts {
        anyhow::bail!("restarts = {restarts}: expected none, since trainings of several lengths are made");
    }
    anyhow::ensure!(
        options.data.dataset.as_deref() != Some(dataset::STANDARD_INPUT),
        "dataset = -: expected a file, since every training of a speed run reads it"
    );
    anyhow::ensure!(options.data.validation != Some(0.0), "validation = 0: expected a number in (0, 1)");
    Ok(())
}

/// These options with CIFAR-10 where it lies, if that is what they name or they name no data: the original, or its images.
fn found(mut options: TrainOptions) -> Result<TrainOptions, DatasetError> {
    let name = Set::Cifar10.source();
    if options.data.dataset.as_deref().is_none_or(|given| same(name, given)) {
        let sources = Sources::of(&[Set::Cifar10], options.data.data_dir.as_deref())?;
        (options.data.dataset, options.data.data_dir) = sources.place(Set::Cifar10);
    }
    Ok(options)
}

/// The command that makes it.
fn command(race: &Race, budget: Budget, recipe: Option<&str>, options: &TrainOptions, output: Option<&Path>) -> String {
    // 0.92 times a hundred is not 92 to the last bit.
    let goals: Vec<String> = race.goals.iter().map(|goal| ((1e6 * goal).round() / 1e4).to_string()).collect();
    let lengths: Vec<String> = race.lengths.iter().map(ToString::to_string).collect();
    let recipe = recipe.map_or_else(String::new, |recipe| format!(" --recipe {recipe}"));
    format!(
        "hsic speedrun --goals {} --lengths {} --budget {budget}{recipe}{}{}",
        goals.join(","),
        lengths.join(","),
        flags(options),
        some_path_flag("output", output.map(Path::to_owned).as_ref())
    )
}

/// A folder holds one speed run: one on other data or with other options is not written over.
fn check_own(folder: &Path, name: &str) -> anyhow::Result<()> {
    let path = folder.join(RECORD);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text.with_context(|| path.display().to_string())?,
    };
    let kept: SpeedRunRecord = serde_json::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{}: {error}, expected the record of a speed run", path.display()))?;
    anyhow::ensure!(
        kept.name == name,
        "{}: the speed run {}, expected {name} as asked for, or another folder",
        path.display(),
        kept.name
    );
    Ok(())
}

/// Writes what it came to, in every form.
fn save(folder: &Path, record: &SpeedRunRecord) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(record).context("the speed run's record")?;
    let svg = draw::svg(&record.plot, &crate::speedrun::title(record));
    pictures::with_page(
        folder,
        &svg,
        &[
            (RECORD, &json),
            ("speedrun.csv", &record.csv()),
            (REPORT_HTML, &html::speedrun(record, draw::readable)),
            (REPORT_MARKDOWN, &markdown::speedrun(record)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    #[test]
    fn the_command_of_a_speed_run_is_read_as_what_was_made() {
        let mut options = TrainOptions::default();
        options.data.dataset = Some("a b.csv".to_owned());
        options.objective.method = Some("hsic-local".to_owned());
        let race = Race { goals: vec![0.8, 0.92], lengths: vec![1, 3], budget: 5400.0 };
        let text = command(&race, Budget::Seconds(5400.0), Some("airbench"), &options, Some(Path::new("out")));
        let words = text.replace("'a b.csv'", "a_b.csv");
        let arguments = Arguments::try_parse_from(words.split(' ')).unwrap();
        let Command::Speedrun(read) = arguments.command else { panic!("{text}") };
        options.data.dataset = Some("a_b.csv".to_owned());
        assert_eq!((&read.goals[..], &read.lengths[..]), (&[80.0, 92.0][..], &[1, 3][..]));
        assert_eq!(
            (read.budget, read.options, read.recipe.as_deref()),
            (Budget::Seconds(5400.0), options, Some("airbench"))
        );
        assert_eq!(read.output.as_deref(), Some(Path::new("out")));
    }
}
