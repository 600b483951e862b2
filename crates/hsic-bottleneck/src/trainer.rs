//! The training loop: batches, steps, evaluation, checkpoints, and those who listen.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hsic_data::batch::{Batch, Batches, for_each_batch, steps_per_epoch};
use hsic_data::dataset::Split;
use hsic_data::provenance::Provenance;
use hsic_learn::error::StepError;
use hsic_learn::judge::assignment::Assignment;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::at_rest::{AtRest, Protocol};
use hsic_learn::judge::monitor::Monitor;
use hsic_learn::objective::Signal;
use hsic_nn::network::Network;

use crate::assemble::{build_method, build_network, member_config};
use crate::checkpoint::Position;
use crate::conclusion::{Spent, conclude};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::log::{EpochReport, MetricsFile, Observer, TimelineReport, Warning, tell};
use crate::reconstruction;
use crate::run::{METRICS, Run, SUMMARY};
use crate::summary::Summary;

/// Training rows that an epoch's line looks at; the final figures look at all.
const EPOCH_ROWS: usize = 5_000;

/// Index of the step whose timeline is told (of the last one, if there are fewer): memory has grown by then.
const TIMELINE_STEP: u64 = 20;

/// How training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done and the run is saved.
    Finished(Box<Summary>),
    /// It was asked to stop; the state after `step` steps is saved.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

impl Outcome {
    /// After the last step: with a summary, or asked to stop before there was one.
    fn concluded(summary: Option<Summary>, step: u64) -> Self {
        summary.map_or(Self::Interrupted { step }, |summary| Self::Finished(Box::new(summary)))
    }
}

/// Means of an epoch's signals, by block.
#[derive(Default)]
struct Means {
    steps: u64,
    sums: Vec<[f64; 3]>,
    /// Steps that measured the second and third, if not all did.
    measured: Vec<[u64; 2]>,
    /// Of the second and third sum.
    names: [&'static str; 2],
}

/// Means of an epoch, by block.
struct EpochMeans {
    loss: Vec<f64>,
    /// Those that have a name.
    terms: BTreeMap<String, Vec<f64>>,
}

impl Means {
    fn add(&mut self, signals: &[Signal]) {
        self.steps += 1;
        self.sums.resize(signals.len(), [0.0; 3]);
        self.measured.resize(signals.len(), [0; 2]);
        for ((sum, measured), signal) in self.sums.iter_mut().zip(&mut self.measured).zip(signals) {
            sum[0] += signal.loss;
            for (index, (name, value)) in signal.terms.into_iter().enumerate() {
                if !value.is_nan() {
                    sum[index + 1] += value;
                    measured[index] += 1;
                }
                // A block may have no such term (the classifier among blocks of another rule).
                let known = &mut self.names[index];
                *known = if known.is_empty() { name } else { known };
            }
        }
    }

    fn take(&mut self) -> EpochMeans {
        let loss = self.sums.iter().map(|sum| sum[0] / self.steps.max(1) as f64).collect();
        let means = |term: usize| {
            let blocks = self.sums.iter().zip(&self.measured);
            blocks.map(|(sum, measured)| sum[term + 1] / measured[term].max(1) as f64).collect()
        };
        let named = self
            .names
            .iter()
            .enumerate()
            .filter(|(index, name)| !name.is_empty() && self.measured.iter().any(|measured| measured[*index] > 0));
        let terms = named.map(|(index, &name)| (name.to_owned(), means(index))).collect();
        let means = EpochMeans { loss, terms };
        *self = Self::default();
        means
    }
}

/// Trains a configuration on data into a run's folder, from its checkpoint if it holds one.
///
/// The weights depend on configuration and data alone: not on the number of threads, the schedule, or on how often
/// the run was interrupted and taken up again. `stop` is looked at after every step and between the passes that follow
/// training.
///
/// # Errors
/// `Diverged` (the last checkpoint, before it, stays), `TooSmall`, `Run` if the folder cannot be written.
pub fn train(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    if config.sigmas.len() > 1 {
        train_combined(config, data, run, observers, stop)
    } else {
        train_one(config, data, run, observers, stop)
    }
}

fn train_one(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    let (train, test) = (&data.train, &data.test);
    let steps = steps_per_epoch(train.rows(), config.batch_size);
    if steps == 0 || train.classes() < 2 {
        return Err(Error::TooSmall { dataset: train.name.clone(), rows: train.rows(), classes: train.classes() });
    }
    config.check_data(train)?;
    let total = steps * config.epochs;
    let mut network = build_network(config, train.shape, train.classes())?;
    let mut update = build_method(config, train.classes())?;
    update.plan(&network, total);
    run.record_data(&Provenance::of(data))?;
    let mut from = Position { dead: vec![false; network.blocks().len()], ..Position::default() };
    if let Some((position, record)) = run.load_checkpoint(&mut network)? {
        if position.step > total {
            return Err(run.beyond(position.step, total).into());
        }
        from = position;
        update.restore(&network, record).map_err(|mismatch| run.foreign(&mismatch))?;
        if from.step == total && run.is_finished() {
            let summary = run.read_json(SUMMARY, "the summary of a finished run")?;
            return Ok(Outcome::Finished(Box::new(summary)));
        }
    }
    let mut metrics = MetricsFile::open(&run.file(METRICS), from.metrics_bytes)?;
    let mut listeners: Vec<&mut dyn Observer> = vec![&mut metrics];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));

    let mut done = from.step;
    let mut means = Means {
        steps: from.epoch_steps,
        sums: from.epoch_sums.clone(),
        measured: from.epoch_measured.clone(),
        ..Means::default()
    };
    let mut dead = from.dead.clone();
    let mut times = Vec::new();
    let seconds = || from.seconds + start.elapsed().as_secs_f64();
    let mut saved = Instant::now();
    let formatted = config.is_formatted();
    let mut monitor = Monitor::new(config.monitor_steps, formatted, config.bottleneck);
    let batches = Batches {
        size: config.batch_size,
        seed: config.seed,
        shuffle: config.shuffle,
        augmentation: config.augmentation,
    };
    for_each_batch(train, &batches, done..total, |step, batch| {
        if step == 0 && !formatted {
            warn_of_labels(config, batch, &mut listeners)?;
        }
        let rate = config.learning_rate.at(step, total);
        let began = Instant::now();
        let report = update.step(&mut network, batch, rate)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        means.add(&report.signals);
        for (block, (signal, dead)) in report.signals.iter().zip(&mut dead).enumerate() {
            if signal.dead && !*dead {
                *dead = true;
                tell(&mut listeners, |observer| observer.warning(&Warning::DeadBlock { block, step }))?;
            }
        }
        done = step + 1;
        tell(&mut listeners, |observer| observer.step(done, total))?;
        if step == TIMELINE_STEP.min(total - 1) {
            let threads = rayon::current_num_threads();
            let timeline = TimelineReport { step, threads, spans: report.spans.clone() };
            tell(&mut listeners, |observer| observer.timeline(&timeline))?;
        }
        if let Some(report) = monitor.look(done, &network, batch, &report.signals)? {
            tell(&mut listeners, |observer| observer.monitor(&report))?;
        }
        let epoch_ends = done.is_multiple_of(steps);
        let stopping = stop.load(Ordering::Relaxed);
        let saves = stopping || done == total || config.checkpoints.due(done, steps, saved.elapsed().as_secs_f64());
        if saves || epoch_ends {
            check_finite(&network)?;
        }
        if epoch_ends {
            let EpochMeans { loss, mut terms } = means.take();
            let at_rest = AtRest::new(std::slice::from_ref(&network), FormatInput::Last).under(&config.protocol);
            let table = at_rest.outputs(train, EPOCH_ROWS);
            let assignment = match formatted {
                true => Assignment::identity(train.classes()),
                false => Assignment::fit(&table.counts),
            };
            let beside = config.authors_beside.then(|| {
                let protocol = Protocol::authors(formatted, config.batch_size);
                at_rest.under(&protocol).outputs(test, usize::MAX).accuracy(&protocol, &assignment)
            });
            let report = EpochReport {
                epoch: done / steps,
                step: done,
                seconds: seconds(),
                learning_rate: rate,
                loss,
                nhsic_x: terms.remove("nhsic_x").unwrap_or_default(),
                nhsic_y: terms.remove("nhsic_y").unwrap_or_default(),
                terms,
                train_accuracy: table.accuracy(&config.protocol, &assignment),
                test_accuracy: at_rest.outputs(test, usize::MAX).accuracy(&config.protocol, &assignment),
                authors_test_accuracy: beside,
            };
            tell(&mut listeners, |observer| observer.epoch(&report))?;
        }
        // After the epoch's record, which a run that is taken up from here does not write again.
        if saves {
            let position = Position {
                step: done,
                epoch_steps: means.steps,
                epoch_sums: means.sums.clone(),
                epoch_measured: means.measured.clone(),
                dead: dead.clone(),
                seconds: seconds(),
                milliseconds_per_step: if done == total { median(&mut times) } else { 0.0 },
                metrics_bytes: run.synced_metrics_bytes()?,
            };
            run.save_checkpoint(&position, &network, &update.state())?;
            saved = Instant::now();
        }
        Ok::<_, Error>(if stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if done < total {
        return Ok(Outcome::Interrupted { step: done });
    }
    run.save_weights(&network)?;
    let learners = update.state().learners;
    if network.capsule().is_some() {
        reconstruction::save(run, &network, &learners, test)?;
    }
    let spent = Spent {
        steps: total,
        seconds: seconds(),
        milliseconds_per_step: if times.is_empty() { from.milliseconds_per_step } else { median(&mut times) },
        beside: learners.iter().map(|block| block.iter().map(|own| own.parameters.len()).sum()).collect(),
    };
    let summary = conclude(config, data, run, std::slice::from_ref(&network), spent, &mut listeners, stop)?;
    Ok(Outcome::concluded(summary, total))
}

/// Trains a network for each sigma, then concludes on the average of their outputs.
fn train_combined(
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    run.record_data(&Provenance::of(data))?;
    if run.is_finished() {
        let summary = run.read_json(SUMMARY, "the summary of a finished run")?;
        return Ok(Outcome::Finished(Box::new(summary)));
    }
    let mut networks = Vec::new();
    let mut spent = Spent { steps: 0, seconds: 0.0, milliseconds_per_step: 0.0, beside: Vec::new() };
    for &sigma in &config.sigmas {
        let own = member_config(config, sigma)?;
        let member = run.member(&own)?;
        match train_one(&own, data, &member, observers, stop)? {
            Outcome::Interrupted { step } => return Ok(Outcome::Interrupted { step }),
            Outcome::Finished(summary) => {
                spent.steps += summary.steps;
                spent.seconds += summary.seconds;
                spent.milliseconds_per_step += summary.milliseconds_per_step / config.sigmas.len() as f64;
            }
        }
        let mut network = build_network(&own, data.train.shape, data.train.classes())?;
        member.load_weights(&mut network)?;
        networks.push(network);
    }
    let mut metrics = MetricsFile::open(&run.file(METRICS), 0)?;
    let mut listeners: Vec<&mut dyn Observer> = vec![&mut metrics];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));
    let steps = spent.steps;
    let summary = conclude(config, data, run, &networks, spent, &mut listeners, stop)?;
    Ok(Outcome::concluded(summary, steps))
}

/// Says once when the labels' kernel is so wide that there is nothing to learn from.
fn warn_of_labels(config: &TrainConfig, batch: &Batch, listeners: &mut [&mut dyn Observer]) -> Result<(), Error> {
    let options = &config.bottleneck;
    let labels = hsic::LabelFactor::<f32>::new(&batch.labels, batch.classes, options.sigma_labels, options.epsilon);
    let labels = labels.map_err(StepError::of_batch)?;
    if labels.vanished() {
        let warning = Warning::LabelsVanished { trace: labels.trace(), bound: batch.classes as f64 - 1.0 };
        tell(listeners, |observer| observer.warning(&warning))?;
    }
    Ok(())
}

/// Weights that are no longer finite must not take the place of a good checkpoint.
fn check_finite(network: &Network) -> Result<(), Error> {
    for (block, trained) in network.blocks().iter().enumerate() {
        if !trained.parameters().iter().chain(trained.statistics().into_iter().flatten()).all(|value| value.is_finite())
        {
            return Err(StepError::Diverged { block }.into());
        }
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_is_not_measured_at_every_step_has_the_mean_of_those_that_are() {
        let mut means = Means::default();
        for (loss, cosine) in [(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.25), (6.0, f64::NAN)] {
            let measured = Signal { loss, terms: [("bp_cosine", cosine), ("", 0.0)], ..Signal::default() };
            means.add(&[measured, Signal { loss, ..Signal::default() }]);
        }
        let EpochMeans { loss, terms } = means.take();
        assert_eq!((loss, terms), (vec![3.0; 2], BTreeMap::from([("bp_cosine".to_owned(), vec![0.375, 0.0])])));
        let never = Signal { loss: 1.0, terms: [("bp_cosine", f64::NAN), ("", 0.0)], ..Signal::default() };
        means.add(&[never]);
        assert!(means.take().terms.is_empty());
    }
}
