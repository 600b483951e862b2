//! `hsic reproduce`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::Outcome;
use hsic_lab::draw;
use hsic_lab::figure::record::FigureRecord;
use hsic_lab::figure::{FIGURES, Figure, Profile, Reproduction, Scope, Sources};
use serde::Serialize;

use super::launch::launch;
use super::running::{Signals, interrupted};
use crate::args::{ALL, ReproduceArguments};

use crate::printer::{self, ReproductionBars};
use crate::results::Checked;

/// What `--json` prints.
#[derive(Serialize)]
struct Reproduced<'a> {
    output: &'a Path,
    profile: Profile,
    seeds: &'a [u64],
    figures: Vec<&'a str>,
    values: Vec<Checked<'a>>,
    outside: usize,
}

pub(crate) fn run(arguments: ReproduceArguments) -> anyhow::Result<ExitCode> {
    let figures = chosen(&arguments.figure);
    anyhow::ensure!(arguments.seeds >= 1, "seeds = 0: expected a whole number >= 1");
    let sources = match arguments.profile {
        Profile::Smoke => Sources::default(),
        Profile::Quick | Profile::Paper => Sources::find(arguments.data_dir.as_deref())?,
    };
    let seeds: Vec<u64> = (1..=arguments.seeds).collect();
    let scope = Scope { profile: arguments.profile, seeds: seeds.clone(), sources };
    let output = arguments.output.unwrap_or_else(|| Path::new("reproduction").join(arguments.profile.name()));
    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    let stop = signals.stop();
    let program = std::env::current_exe().context("the program's own path")?;
    let reproduction = Reproduction::new(&output, scope);
    let records = on_threads(arguments.threads, || {
        let mut bars = ReproductionBars::new(arguments.quiet, reproduction.missing(&figures)?.len());
        let mut records = Vec::new();
        for &figure in &figures {
            for planned in reproduction.missing(&[figure])? {
                let outcome = reproduction.train(&planned, &mut bars, &|run| launch(&program, run, stop), stop)?;
                if let Outcome::Interrupted { .. } = outcome {
                    return Ok(None);
                }
                bars.done();
            }
            let record = reproduction.plot(figure)?;
            let svg = draw::svg(&record.plot, &record.title);
            let files = draw::files(&svg)?;
            let pictures: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
            let folder = reproduction.figure_folder(figure);
            draw::clear(&folder, &svg).with_context(|| folder.display().to_string())?;
            reproduction.save(figure, &record, &pictures)?;
            bars.drawn(&record.name, &folder);
            records.push(record);
        }
        bars.finish();
        Ok::<_, anyhow::Error>(Some(records))
    })??;
    let Some(records) = records else {
        printer::reproduction_interrupted();
        return Ok(interrupted());
    };
    let values = checked(&records);
    let outside = values.iter().filter(|value| !value.holds).count();
    if arguments.json {
        let figures = records.iter().map(|record| record.name.as_str()).collect();
        let profile = arguments.profile;
        printer::json(&Reproduced { output: &output, profile, seeds: &seeds, figures, values, outside })?;
    } else {
        printer::reproduction(&values, &output)?;
    }
    Ok(if arguments.check && outside > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The figures that a name stands for.
fn chosen(name: &str) -> Vec<&'static dyn Figure> {
    if name == ALL {
        return FIGURES.to_vec();
    }
    FIGURES.iter().copied().filter(|figure| figure.name() == name).collect()
}

/// The values of all figures, and whether each lies in its band.
fn checked(records: &[FigureRecord]) -> Vec<Checked<'_>> {
    let mut all = Vec::new();
    for record in records {
        let values = record.plot.values.iter();
        all.extend(values.map(|value| Checked { figure: &record.name, value, holds: value.holds() }));
    }
    all
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use hsic_lab::figure::Profile;

    use super::*;
    use crate::args::{Arguments, Command};

    #[test]
    fn the_command_that_a_figure_names_is_read_as_the_training_it_did() {
        for profile in [Profile::Smoke, Profile::Quick, Profile::Paper] {
            let scope = Scope { profile, seeds: vec![3], sources: Sources::default() };
            for figure in FIGURES {
                for training in figure.trainings(&scope) {
                    let command = training.command(3);
                    let words = command.split(' ').map(|word| word.trim_matches('\''));
                    let arguments =
                        Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
                    let Command::Train(arguments) = arguments.command else { panic!("{command}") };
                    let read = arguments.options.resolve().unwrap();
                    assert_eq!(read, training.seeded(3).resolve().unwrap(), "{command}");
                }
            }
        }
    }
}
