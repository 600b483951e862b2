//! The end of a training: outputs are judged, the softmax layer is trained, the summary is written.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hsic_data::dataset::{Dataset, DatasetError, Quantities, Split, Task};
use hsic_learn::judge::assignment::{Assignment, Confusion};
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::at_rest::{AtRest, Members, Protocol};
use hsic_learn::judge::readout::Readout;
use hsic_learn::judge::softmax::{FormatSettings, Formatted, format};
use hsic_learn::judge::surety::Reading;
use hsic_learn::judge::test_time::TestTime;
use hsic_nn::network::Norm;

use crate::assemble::{format_input, training};
use crate::chance::no_better_than;
use crate::config::{NormStatistics, TrainConfig};
use crate::energy::Meter;
use crate::engines::CPU;
use crate::error::Error;
use crate::log::{Observer, Warning, tell, unmeasured};
use crate::run::{READOUT, Run, RunError, SUMMARY};
use crate::samples;
use crate::summary::{Looked, Summary, ValueSummary};
use crate::valued::{self, Valued};

/// What training took.
#[derive(Debug)]
pub struct Spent {
    /// Steps of all networks.
    pub steps: u64,
    /// Seconds until now.
    pub seconds: f64,
    /// Median time of a step.
    pub milliseconds_per_step: f64,
    /// Numbers that the method learned beside each block.
    pub beside: Vec<usize>,
    /// Counts the energy since training began, where one process of one machine has done all of it and is told.
    pub meter: Option<Meter>,
}

/// Judges trained networks (several only under a combined sigma), trains the softmax layer if one is asked for, and
/// writes the run's last files, the summary at the very end. `None` if it was asked to stop: taken up again, the run
/// comes here at once.
///
/// # Errors
/// `Run` if the folder cannot be written; `Step` if the softmax layer diverges; what listeners say.
#[allow(
    clippy::too_many_arguments,
    reason = "what was trained, on what, what it took, who hears of it and who may stop it"
)]
pub fn conclude(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    members: Members<'_>,
    spent: Spent,
    listeners: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Option<Summary>, Error> {
    let stopped = || stop.load(Ordering::Relaxed);
    if stopped() {
        return Ok(None);
    }
    if let (Some(train), Some(test)) = (data.train.of_values(), data.test.of_values()) {
        return conclude_values(config, data, (train, test), run, members, &spent, listeners);
    }
    let start = Instant::now();
    let (train, test) = (&data.train, &data.test);
    let at_rest = AtRest::new(members, FormatInput::Last).under(&config.protocol);
    let table = at_rest.outputs(train, usize::MAX)?;
    let formatted = config.is_formatted();
    let assignment = Assignment::of_outputs(formatted, &table.counts);
    let read = table.counts.assigned(&assignment);
    let readout = Readout::fit(&at_rest, train, assignment.clone())?;
    run.write_json(READOUT, &readout)?;
    let test_table = at_rest.outputs(test, usize::MAX)?;
    let beside = config.authors_beside.then(|| {
        let protocol = Protocol::authors(formatted, config.batch_size);
        at_rest.accuracy_under(&protocol, &assignment, test)
    });
    let beside = beside.transpose()?;
    if stopped() {
        return Ok(None);
    }
    let format = match config.format.epochs {
        0 => None,
        _ => match format_run(config, data, run, members, &config.format, stop)? {
            Some(format) => Some(format),
            None => return Ok(None),
        },
    };
    match &format {
        Some(format) => tell(listeners, |observer| observer.format(&format.epochs))?,
        None => {
            for (class, share) in read.recall().into_iter().enumerate() {
                if share < 0.5 && read.accuracy() > 0.5 {
                    let class = train.class_names()[class].clone();
                    let warning = Warning::LostClass { class, formatted, share };
                    tell(listeners, |observer| observer.warning(&warning))?;
                }
            }
        }
    }
    let confusion = match &format {
        Some(format) => format.test.clone(),
        None => test_table.counts.assigned(&assignment),
    };
    if let Some(guess) = no_better_than(&confusion) {
        let warning = Warning::NotAboveLargestClass {
            accuracy: confusion.accuracy(),
            class: test.class_names()[guess.class].clone(),
            share: guess.share,
            rows: guess.rows,
            epochs: config.epochs,
        };
        tell(listeners, |observer| observer.warning(&warning))?;
    }
    let test_time = match (config.test_time, &format) {
        (TestTime::None, _) => None,
        (looks, Some(format)) => Some(looked(config, members, (config.format.input, format), looks, test)?),
        (looks, None) => {
            let table = at_rest.looking(looks, test.shape).outputs(test, usize::MAX)?;
            Some(Looked { looks, accuracy: table.accuracy(&config.protocol, &assignment) })
        }
    };
    // Before samples are chosen: their time and memory are no part of what the training took.
    let outline = outline(config, data, run, members, &spent, start)?;
    let begin = Instant::now();
    if config.keep_samples {
        let told = match &format {
            Some(format) => {
                let seen = format_input(config, members, config.format.input);
                Reading::Layer(&format.layer).told(&seen, test, usize::MAX)?
            }
            None => Reading::Units(&readout).told(&at_rest, test, usize::MAX)?,
        };
        samples::keep(config, data, run, members, &told)?;
    }
    let mut summary = Summary {
        samples_seconds: config.keep_samples.then(|| begin.elapsed().as_secs_f64()),
        train_accuracy: table.accuracy(&config.protocol, &assignment),
        test_accuracy: test_table.accuracy(&config.protocol, &assignment),
        authors_test_accuracy: beside,
        format_accuracy: format.as_ref().map(|format| format.test.accuracy()),
        test_time,
        formatted: format.is_some() || formatted,
        confusion,
        class_names: train.class_names().to_vec(),
        ..outline
    };
    if let Some(earlier) = run.earlier() {
        summary.follow(earlier);
    }
    // A finished run has all of its records.
    run.synced_metrics_bytes()?;
    run.write_json(SUMMARY, &summary)?;
    // What lies aside is sealed where it has taken its place.
    if !run.aside {
        run.seal()?;
    }
    Ok(Some(summary))
}

/// The end of a training of values.
fn conclude_values(
    config: &TrainConfig,
    data: &Split,
    values: (&Quantities, &Quantities),
    run: &Run,
    members: Members<'_>,
    spent: &Spent,
    listeners: &mut [&mut dyn Observer],
) -> Result<Option<Summary>, Error> {
    let start = Instant::now();
    let Valued { train, test, baseline, predicted, by_chance } = valued::conclude(config, data, values, run, members)?;
    if by_chance {
        let warning = Warning::NotAboveMean { r2: test.r2, rows: data.test.rows(), epochs: config.epochs };
        tell(listeners, |observer| observer.warning(&warning))?;
    }
    // Before samples are chosen: their time and memory are no part of what the training took.
    let outline = outline(config, data, run, members, spent, start)?;
    let begin = Instant::now();
    if config.keep_samples {
        samples::keep_values(config, data, run, (&values.1.values, &predicted))?;
    }
    let mut summary = Summary {
        samples_seconds: config.keep_samples.then(|| begin.elapsed().as_secs_f64()),
        task: Task::Regression,
        values: Some(ValueSummary {
            train_r2: train.r2,
            test_r2: test.r2,
            test_rmse: test.rmse,
            baseline_rmse: baseline.rmse,
        }),
        ..outline
    };
    if let Some(earlier) = run.earlier() {
        summary.follow(earlier);
    }
    // A finished run has all of its records.
    run.synced_metrics_bytes()?;
    run.write_json(SUMMARY, &summary)?;
    // What lies aside is sealed where it has taken its place.
    if !run.aside {
        run.seal()?;
    }
    Ok(Some(summary))
}

/// The engines of a run; none for the processors alone.
fn engines(run: &Run) -> Result<Vec<String>, Error> {
    let engines = run.engines().map_err(RunError::from)?;
    Ok(if engines == [CPU] { Vec::new() } else { engines })
}

/// What a summary says of any training, whatever was learned.
fn outline(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    members: Members<'_>,
    spent: &Spent,
    start: Instant,
) -> Result<Summary, Error> {
    Ok(Summary {
        run: run.path().to_owned(),
        dataset: config.dataset.clone(),
        model: config.model.clone(),
        method: config.method.name.to_owned(),
        engine: engines(run)?,
        epochs: config.epochs,
        steps: spent.steps,
        seed: config.seed,
        threads: rayon::current_num_threads(),
        task: Task::Classification,
        train_accuracy: unmeasured(),
        test_accuracy: unmeasured(),
        values: None,
        judged_on: config.judged_on(),
        authors_test_accuracy: None,
        format_accuracy: None,
        test_time: None,
        seconds: spent.seconds + start.elapsed().as_secs_f64(),
        samples_seconds: None,
        milliseconds_per_step: spent.milliseconds_per_step,
        peak_memory_bytes: peak_memory_bytes(),
        joules: spent.meter.as_ref().and_then(Meter::joules),
        parameters: members.block_parameters().concat().iter().sum(),
        auxiliary_parameters: spent.beside.iter().sum(),
        parameters_at_once: parameters_at_once(config, members, &spent.beside),
        formatted: false,
        confusion: Confusion::new(0, 0),
        class_names: Vec::new(),
        norm_statistics: norm_statistics(config, data)?,
        legs: Vec::new(),
    })
}

/// Which running statistics the networks have; `None` where there are none by the options.
fn norm_statistics(config: &TrainConfig, data: &Split) -> Result<Option<NormStatistics>, Error> {
    let steps = training(config).steps(data)?;
    let anew = config.norm_statistics.are_formed_anew(config.learning_rate.decay, steps);
    let kept = if anew { NormStatistics::Anew } else { NormStatistics::Running };
    Ok((config.design.norm != Norm::None || !config.blocks.is_empty()).then_some(kept))
}

/// What the softmax layer comes to by several looks at each image.
///
/// # Errors
/// What reading a sample says.
pub(crate) fn looked(
    config: &TrainConfig,
    members: Members<'_>,
    (input, format): (FormatInput, &Formatted),
    looks: TestTime,
    test: &Dataset,
) -> Result<Looked, DatasetError> {
    let at_rest = format_input(config, members, input).looking(looks, test.shape);
    Ok(Looked { looks, accuracy: format.layer.evaluate(&at_rest, test)?.accuracy() })
}

/// Trains the softmax layer on frozen networks and saves it; `None` if it was asked to stop.
fn format_run(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    members: Members<'_>,
    settings: &FormatSettings,
    stop: &AtomicBool,
) -> Result<Option<Formatted>, Error> {
    let formatted = format(&format_input(config, members, settings.input), data, settings, stop)?;
    if let Some(formatted) = &formatted {
        run.save_format(settings.input, &formatted.layer)?;
    }
    Ok(formatted)
}

/// Most numbers that one update touches: those of a block where no gradient passes on, of the output block where no other
/// learns, else of the network. Networks of several sigmas are trained one by one.
fn parameters_at_once(config: &TrainConfig, members: Members<'_>, beside: &[usize]) -> usize {
    let of = |network: Vec<usize>| {
        let blocks = network.into_iter().enumerate();
        let mut each = blocks.map(|(index, block)| block + beside.get(index).copied().unwrap_or(0));
        if config.recipe.output_alone() {
            each.next_back()
        } else if config.method.local {
            each.max()
        } else {
            Some(each.sum())
        }
    };
    members.block_parameters().into_iter().filter_map(of).max().unwrap_or(0)
}

/// Peak resident memory of this process, where the system tells (Linux).
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
