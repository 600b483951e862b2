//! The training loop: batches, steps, evaluation, checkpoints, and those who listen.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::batch::{Batch, for_each_augmented, steps_per_epoch};
use crate::calibration::Readout;
use crate::checkpoint::Position;
use crate::config::TrainConfig;
use crate::dataset::{Dataset, Shape, Split};
use crate::error::Error;
use crate::log::{EpochReport, MetricsFile, Observer, Warning};
use crate::network::{NETWORKS, Network, NetworkSettings};
use crate::objective::Signal;
use crate::readout::{Assignment, Confusion};
use crate::record::DataRecord;
use crate::run::{Run, Summary};
use crate::update::{METHODS, MethodSettings, Update};

/// Training rows that an epoch's line looks at; the final figures look at all.
const EPOCH_ROWS: usize = 10_000;

/// Rows that are evaluated at a time.
const EVALUATION_ROWS: usize = 4096;

/// The network that a configuration names, with fresh weights, for samples of this shape.
///
/// # Errors
/// `Config` if the name is not known.
pub fn build_network(config: &TrainConfig, shape: Shape, classes: usize) -> Result<Network, Error> {
    let settings = NetworkSettings {
        input: shape,
        widths: config.widths.clone(),
        outputs: config.outputs,
        classes,
        activation: Some(config.activation),
        norm: config.norm,
        seed: config.seed,
    };
    let blocks = match NETWORKS.iter().find(|kind| kind.name == config.model) {
        Some(kind) => (kind.blocks)(&settings),
        None => config.blocks.clone(),
    };
    let mut network = Network::build(shape, &blocks, config.activation, config.norm, config.seed)?;
    network.set_feature(config.feature);
    Ok(network)
}

/// The method that a configuration names.
///
/// # Errors
/// `Config` if the name is not known or a number is out of its range.
pub fn build_method(config: &TrainConfig) -> Result<Box<dyn Update>, Error> {
    let settings = MethodSettings {
        bottleneck: config.bottleneck,
        optimizer: config.optimizer,
        order: config.update,
        schedule: config.schedule,
    };
    let method = METHODS.iter().find(|method| method.name == config.method);
    let method = method.ok_or_else(|| unknown("method", &config.method))?;
    (method.build)(&settings).map_err(Error::Batch)
}

fn unknown(key: &'static str, value: &str) -> Error {
    let fault = crate::config::Fault { key, value: value.to_owned(), expected: "a registered name".to_owned() };
    Error::Config(crate::config::ConfigError::Faults(vec![fault]))
}

/// Counts of samples by class and by output unit, with running statistics, on the first `limit` rows.
#[must_use]
pub fn count_outputs(network: &Network, dataset: &Dataset, limit: usize) -> Confusion {
    let mut table = Confusion::new(dataset.classes(), network.outputs());
    let mut batch = Batch::default();
    let rows: Vec<usize> = (0..dataset.rows().min(limit)).collect();
    for rows in rows.chunks(EVALUATION_ROWS) {
        batch.fill(dataset, rows);
        let outputs = network.infer(rows.len(), &batch.x);
        table.add(&batch.labels, &outputs, network.outputs());
    }
    table
}

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

/// Means of an epoch's signals, by block.
#[derive(Default)]
struct Means {
    steps: u64,
    sums: Vec<[f64; 3]>,
}

impl Means {
    fn add(&mut self, signals: &[Signal]) {
        self.steps += 1;
        self.sums.resize(signals.len(), [0.0; 3]);
        for (sum, signal) in self.sums.iter_mut().zip(signals) {
            sum[0] += signal.loss;
            sum[1] += signal.terms[0].1;
            sum[2] += signal.terms[1].1;
        }
    }

    fn take(&mut self) -> [Vec<f64>; 3] {
        let steps = self.steps.max(1) as f64;
        let means = [0, 1, 2].map(|part| self.sums.iter().map(|sum| sum[part] / steps).collect());
        *self = Self::default();
        means
    }
}

/// Trains a configuration on data into a run's folder, from its checkpoint if it holds one.
///
/// The weights depend on configuration and data alone: not on the number of threads, the schedule, or on how often
/// the run was interrupted and taken up again. `stop` is looked at after every step.
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
    let start = Instant::now();
    let (train, test) = (&data.train, &data.test);
    let steps = steps_per_epoch(train.rows(), config.batch_size);
    if steps == 0 || train.classes() < 2 {
        return Err(Error::TooSmall { dataset: train.name.clone(), rows: train.rows(), classes: train.classes() });
    }
    config.check_data(train)?;
    let total = steps * config.epochs;
    let mut network = build_network(config, train.shape, train.classes())?;
    let mut update = build_method(config)?;
    run.record_data(&DataRecord::of(data))?;
    let mut from = Position { dead: vec![false; network.blocks().len()], ..Position::default() };
    if let Some((position, record)) = run.load_checkpoint(&mut network)? {
        if position.step > total {
            return Err(run.beyond(position.step, total).into());
        }
        from = position;
        update.load(record);
        if from.step == total && run.is_finished() {
            let summary = run.read_json("summary.json", "the summary of a finished run")?;
            return Ok(Outcome::Finished(Box::new(summary)));
        }
    }
    let mut metrics = MetricsFile::open(&run.file("metrics.jsonl"), from.metrics_bytes)?;
    let mut listeners: Vec<&mut dyn Observer> = vec![&mut metrics];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));

    let mut done = from.step;
    let mut means = Means { steps: from.epoch_steps, sums: from.epoch_sums.clone() };
    let mut dead = from.dead.clone();
    let mut times = Vec::new();
    let seconds = || from.seconds + start.elapsed().as_secs_f64();
    let mut saved = Instant::now();
    for_each_augmented(train, &config.augmentation, config.batch_size, config.seed, done..total, |step, batch| {
        if step == 0 {
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
        let epoch_ends = done.is_multiple_of(steps);
        let stopping = stop.load(Ordering::Relaxed);
        let saves = stopping || done == total || config.checkpoints.due(done, steps, saved.elapsed().as_secs_f64());
        if saves || epoch_ends {
            check_finite(&network)?;
        }
        if epoch_ends {
            let [loss, nhsic_x, nhsic_y] = means.take();
            let table = count_outputs(&network, train, EPOCH_ROWS);
            let assignment = Assignment::fit(&table);
            let report = EpochReport {
                epoch: done / steps,
                step: done,
                seconds: seconds(),
                learning_rate: rate,
                loss,
                nhsic_x,
                nhsic_y,
                train_accuracy: table.assigned(&assignment).accuracy(),
                test_accuracy: count_outputs(&network, test, usize::MAX).assigned(&assignment).accuracy(),
            };
            tell(&mut listeners, |observer| observer.epoch(&report))?;
        }
        // After the epoch's record, which a run that is taken up from here does not write again.
        if saves {
            let position = Position {
                step: done,
                epoch_steps: means.steps,
                epoch_sums: means.sums.clone(),
                dead: dead.clone(),
                seconds: seconds(),
                milliseconds_per_step: if done == total { median(&mut times) } else { 0.0 },
                metrics_bytes: run.synced_metrics_bytes()?,
            };
            run.save_checkpoint(&position, &network, &update.record())?;
            saved = Instant::now();
        }
        Ok::<_, Error>(if stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if done < total {
        return Ok(Outcome::Interrupted { step: done });
    }
    run.save_weights(&network)?;
    let table = count_outputs(&network, train, usize::MAX);
    let assignment = Assignment::fit(&table);
    run.write_json("readout.json", &Readout::fit(&network, train, assignment.clone()))?;
    for (class, share) in table.assigned(&assignment).recall().into_iter().enumerate() {
        if share < 0.5 && table.assigned(&assignment).accuracy() > 0.5 {
            let warning = Warning::LostClass { class: train.class_names[class].clone(), share };
            tell(&mut listeners, |observer| observer.warning(&warning))?;
        }
    }
    let confusion = count_outputs(&network, test, usize::MAX).assigned(&assignment);
    let summary = Summary {
        run: run.path().to_owned(),
        dataset: config.dataset.clone(),
        model: config.model.clone(),
        method: config.method.clone(),
        epochs: config.epochs,
        steps: total,
        seed: config.seed,
        threads: rayon::current_num_threads(),
        train_accuracy: table.assigned(&assignment).accuracy(),
        test_accuracy: confusion.accuracy(),
        format_accuracy: None,
        seconds: seconds(),
        milliseconds_per_step: if times.is_empty() { from.milliseconds_per_step } else { median(&mut times) },
        peak_memory_bytes: peak_memory_bytes(),
        parameters: network.parameter_count(),
        confusion,
        class_names: train.class_names.clone(),
    };
    run.write_json("summary.json", &summary)?;
    Ok(Outcome::Finished(Box::new(summary)))
}

fn tell(
    listeners: &mut [&mut dyn Observer],
    mut what: impl FnMut(&mut dyn Observer) -> Result<(), crate::run::RunError>,
) -> Result<(), Error> {
    for listener in listeners {
        what(&mut **listener)?;
    }
    Ok(())
}

/// Says once when the labels' kernel is so wide that there is nothing to learn from.
fn warn_of_labels(config: &TrainConfig, batch: &Batch, listeners: &mut [&mut dyn Observer]) -> Result<(), Error> {
    let options = &config.bottleneck;
    let labels = hsic::LabelFactor::<f32>::new(&batch.labels, batch.classes, options.sigma_labels, options.epsilon);
    let labels = labels.map_err(Error::Batch)?;
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
            return Err(Error::Diverged { block });
        }
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Peak resident memory of this process, where the system tells (Linux).
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
