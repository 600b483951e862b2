//! `hsic reproduce`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::names::same;
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::Outcome;
use hsic_lab::draw;
use hsic_lab::figure::record::FigureRecord;
use hsic_lab::figure::{FIGURES, Figure, Planned, Profile, Reproduction, Scope, Sources};
use serde::Serialize;

use super::launch::launch;
use super::running::{Signals, interrupted};
use super::share::{gathered, only, path_flag, plan, some_path_flag};
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
    if arguments.profile == Profile::Smoke {
        let unread = |key: &str, value: &dyn std::fmt::Display, why: &str| {
            anyhow::anyhow!(
                "{key} = {value}: expected not given for profile = smoke, which {why}; read by quick, paper"
            )
        };
        if let Some(folder) = &arguments.data_dir {
            return Err(unread("data-dir", &folder.display(), "draws its data"));
        }
        if arguments.check {
            return Err(unread("check", &true, "judges nothing"));
        }
    }
    let sources = match arguments.profile {
        Profile::Smoke => Sources::default(),
        Profile::Quick | Profile::Paper => Sources::find(arguments.data_dir.as_deref())?,
    };
    let seeds: Vec<u64> = (1..=arguments.seeds).collect();
    let scope = Scope { profile: arguments.profile, seeds: seeds.clone(), sources };
    let output = arguments.output.unwrap_or_else(|| Path::new("reproduction").join(arguments.profile.name()));
    let reproduction = Reproduction::new(&output, scope);
    let share = &arguments.share;
    if share.plan {
        let threads = arguments.threads.map_or_else(String::new, |threads| format!(" --threads {threads}"));
        let command = format!(
            "hsic reproduce {} --profile {} --seeds {}{}{}{threads}",
            arguments.figure,
            arguments.profile.name(),
            arguments.seeds,
            some_path_flag("data-dir", arguments.data_dir.as_ref()),
            path_flag("output", &output)
        );
        return plan(&reproduction.jobs(&figures)?, &command, &output, arguments.threads);
    }
    if let Some(id) = &share.only {
        let mut carry = |planned: &Planned, observers: &mut [&mut dyn Observer], stop: &AtomicBool| {
            let outcome = on_threads(arguments.threads, || reproduction.train_within(planned, observers, stop))??;
            Ok(matches!(outcome, Outcome::Finished(_)))
        };
        let jobs = reproduction.jobs(&figures)?;
        return only(&jobs, id, (arguments.quiet, arguments.json), &mut carry, &|_| Ok(None));
    }
    let mut missing = Vec::new();
    let signals = Signals::listen(|| printer::SAME_COMMAND.to_owned())?;
    let stop = signals.stop();
    let program = std::env::current_exe().context("the program's own path")?;
    let records = on_threads(arguments.threads, || {
        let mut bars = ReproductionBars::new(arguments.quiet, reproduction.missing(&figures)?.len());
        let mut records = Vec::new();
        for &figure in &figures {
            if share.gather {
                let open = reproduction.missing(&[figure])?;
                if !open.is_empty() {
                    missing.extend(open.into_iter().map(|planned| planned.folder));
                    continue;
                }
            }
            for planned in reproduction.missing(&[figure])? {
                let outcome = reproduction.train(
                    &planned,
                    &mut bars,
                    &|run| launch(&program, run, arguments.threads, stop),
                    stop,
                )?;
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
    // Figures share trainings.
    missing.sort();
    missing.dedup();
    let values = checked(&records);
    let outside = values.iter().filter(|value| !value.holds).count();
    if arguments.json {
        let figures = records.iter().map(|record| record.name.as_str()).collect();
        let profile = arguments.profile;
        printer::json(&Reproduced { output: &output, profile, seeds: &seeds, figures, values, outside })?;
    } else {
        printer::reproduction(&values, arguments.profile.judges(), &output)?;
    }
    if share.gather {
        let code = gathered(&missing);
        return Ok(if missing.is_empty() { ended(arguments.check, outside) } else { code });
    }
    Ok(ended(arguments.check, outside))
}

/// What a reproduction ends with that has so many values outside their bands.
fn ended(check: bool, outside: usize) -> ExitCode {
    if check && outside > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

/// The figures that a name stands for.
fn chosen(name: &str) -> Vec<&'static dyn Figure> {
    if same(ALL, name) {
        return FIGURES.to_vec();
    }
    FIGURES.iter().copied().filter(|figure| same(figure.name(), name)).collect()
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
    fn a_value_outside_its_band_fails_the_check() {
        let records = crate::report::tests::reproduction().figures;
        let outside = checked(&records).iter().filter(|value| !value.holds).count();
        assert_eq!(outside, 1);
        let told = |code: ExitCode| format!("{code:?}");
        assert_eq!(told(ended(true, outside)), told(ExitCode::from(1)));
        assert_eq!(
            [ended(true, 0), ended(false, outside)].map(told),
            [told(ExitCode::SUCCESS), told(ExitCode::SUCCESS)]
        );
    }

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
                    assert_eq!(read.unread(&training.options), [], "{command}");
                }
            }
        }
    }
}
