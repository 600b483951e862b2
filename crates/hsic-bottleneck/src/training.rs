//! The training loop, in memory: batches, steps, evaluation, and those who listen.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hsic::Bottleneck;
use hsic_data::augment::Augmentation;
use hsic_data::batch::{Batch, Batches, for_each_batch, for_each_batch_of};
use hsic_data::dataset::{Dataset, Quantities, Split};
use hsic_data::fault::Faults;
use hsic_learn::error::StepError;
use hsic_learn::judge::assignment::Assignment;
use hsic_learn::judge::at_rest::{AtRest, NormProtocol, Protocol, ReadoutProtocol};
use hsic_learn::judge::monitor::Monitor;
use hsic_learn::judge::values::{Line, Score, ValueReadout};
use hsic_learn::method::Outputs;
use hsic_learn::methods::METHODS;
use hsic_learn::objective::Signal;
use hsic_learn::session::{OnCpu, Samples, Session};
use hsic_learn::update::Update;
use hsic_nn::network::Network;
use hsic_nn::optimizer::{Decay, LearningRate};

use crate::config::{CheckpointRule, ConfigError, NormStatistics, Restarts, Sizes};
use crate::error::Error;
use crate::log::{EpochReport, Observer, TimelineReport, ValueReport, Warning, tell, unmeasured};
use crate::means::{EpochMeans, Means};
use crate::position::Position;
use crate::probed;
use crate::step_times::StepTimes;
use crate::threads::on_threads;

/// Training rows that an epoch's line looks at; the final figures look at all.
const EPOCH_ROWS: usize = 5_000;

/// Training rows that the line of an epoch is fitted to, where values are learned: the fit grows with their square.
const LINE_ROWS: usize = 1_000;

/// Index of the step whose timeline is told (of the last one, if there are fewer): memory has grown by then.
const TIMELINE_STEP: u64 = 20;

/// Fewer steps than these are told: weights have hardly left where they started.
const FEW_STEPS: u64 = 100;

/// How a network is trained, whatever it is and by whatever method.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Passes over the training data, >= 1.
    pub epochs: u64,
    /// Rows of a batch, >= 2.
    pub batch_size: usize,
    /// Whether the last batch of an epoch is left out if it is short of rows.
    pub drop_last: bool,
    /// Epochs after which the learning rate's course begins anew.
    pub restarts: Restarts,
    /// Running statistics of batch norm that the network keeps in the end.
    pub norm_statistics: NormStatistics,
    /// The learning rate with its course.
    pub learning_rate: LearningRate,
    /// Whether an epoch visits the samples in an order of its own, or in that of the data.
    pub shuffle: bool,
    /// Random changes of training images.
    pub augmentation: Augmentation,
    /// Share of each row's target that cross-entropy spreads over all classes alike, in [0, 1).
    pub label_smoothing: f64,
    /// Seed of order and changes.
    pub seed: u64,
    /// Threads, by the rule of [`on_threads`]: `None` for those of the pool that it is called on, or all cores. The result
    /// does not depend on them.
    pub threads: Option<usize>,
    /// What the network's outputs mean. Where units do not stand for classes by themselves, which does is read off the
    /// training data.
    pub outputs: Outputs,
    /// How outputs are judged.
    pub protocol: Protocol,
    /// Whether the test accuracy by the authors' protocol is recorded too.
    pub authors_beside: bool,
    /// Steps between records of the monitor; 0 for none.
    pub monitor_steps: u64,
    /// Epochs between readouts of the blocks, and one at the end; 0 for none.
    pub probe_epochs: u64,
    /// Kernels of the monitor, and of the labels whose vanishing is warned of.
    pub kernels: Bottleneck,
    /// When listeners are told the state. They always are at the end and when training is stopped.
    pub states: CheckpointRule,
}

impl Training {
    /// The usual training of data of so many training rows: batch and epochs follow from them ([`Sizes::of_rows`]).
    #[must_use]
    pub fn of_rows(rows: usize) -> Self {
        Self::sized(Sizes::of_rows(rows))
    }

    fn sized(Sizes { epochs, batch_size, .. }: Sizes) -> Self {
        Self {
            epochs,
            batch_size,
            drop_last: false,
            restarts: Restarts::default(),
            norm_statistics: NormStatistics::Auto,
            learning_rate: LearningRate { peak: 2e-3, decay: Decay::Cosine, warmup_steps: 0 },
            shuffle: true,
            augmentation: Augmentation::default(),
            label_smoothing: 0.0,
            seed: 1,
            threads: None,
            outputs: Outputs::Units,
            protocol: Protocol { readout: ReadoutProtocol::Fair, norm: NormProtocol::Fair, batch_size },
            authors_beside: false,
            monitor_steps: 0,
            probe_epochs: 0,
            kernels: Bottleneck::default(),
            states: CheckpointRule { epochs: Some(1), ..CheckpointRule::default() },
        }
    }
}

impl Default for Training {
    /// That of a data set of tens of thousands of rows; [`of_rows`](Self::of_rows) is that of any other.
    fn default() -> Self {
        Self::sized(Sizes::NAMED)
    }
}

/// What a training told of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// After each epoch.
    pub epochs: Vec<EpochReport>,
    /// What was amiss.
    pub warnings: Vec<Warning>,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training, evaluation included.
    pub seconds: f64,
    /// Median time of a step.
    pub milliseconds_per_step: f64,
}

impl History {
    /// Test accuracy after the last epoch, a fraction; `None` before the first.
    #[must_use]
    pub fn test_accuracy(&self) -> Option<f64> {
        self.epochs.last().map(|report| report.test_accuracy)
    }

    /// R2 on the test data after the last epoch; `None` before the first, and where classes are learned.
    #[must_use]
    pub fn test_r2(&self) -> Option<f64> {
        self.epochs.last()?.values.map(|values| values.test.r2)
    }
}

/// Keeps what it hears.
#[derive(Default)]
struct Listener(History);

impl Observer for Listener {
    fn epoch(&mut self, report: &EpochReport) -> Result<(), hsic_learn::error::BoxError> {
        self.0.epochs.push(report.clone());
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), hsic_learn::error::BoxError> {
        self.0.warnings.push(warning.clone());
        Ok(())
    }
}

/// Where a training came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole training: fewer were done if it was stopped.
    pub total: u64,
    /// Seconds, those of earlier processes included.
    pub seconds: f64,
    /// Median time of a step.
    pub milliseconds_per_step: f64,
}

impl Training {
    /// Trains `network` by `update` on data that are in memory, and leaves nothing on disk.
    ///
    /// # Errors
    /// `TooSmall`; `NeedsClasses` for targets that are values, of which the method learns none; `Shape` if the network does not take the data; `Config` for a number out of its range, or if the data
    /// cannot be changed as asked; `Step` if training diverges or the method cannot train
    /// this network; `Own` with what an observer or a rule of one's own says.
    pub fn fit(
        &self,
        network: &mut Network,
        update: &mut dyn Update,
        data: &Split,
        observers: &mut [&mut dyn Observer],
    ) -> Result<History, Error> {
        let never = AtomicBool::new(false);
        let mut kept = Listener::default();
        let mut listeners: Vec<&mut dyn Observer> = vec![&mut kept];
        listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));
        let mut session = OnCpu::new(network, update);
        let reached = self.run(&mut session, data, Position::default(), &mut listeners, &never)?;
        let Listener(history) = kept;
        let Reached { step: steps, seconds, milliseconds_per_step, .. } = reached;
        Ok(History { steps, seconds, milliseconds_per_step, ..history })
    }

    /// Trains a session from where it stands until the end, or until `stop` is set, which is looked at after every step.
    ///
    /// # Errors
    /// As those of [`fit`](Self::fit).
    pub fn run(
        &self,
        session: &mut dyn Session,
        data: &Split,
        from: Position,
        listeners: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Reached, Error> {
        on_threads(self.threads, || self.go(session, data, from, listeners, stop))?
    }

    /// Steps of the whole training on these data.
    ///
    /// # Errors
    /// `Config` for a number out of its range, or if the data cannot be changed as asked; `TooSmall` if there is nothing to
    /// be learned from them.
    pub fn steps(&self, data: &Split) -> Result<u64, Error> {
        let train = &data.train;
        let mut faults = Faults::default();
        faults.check("epochs", self.epochs, self.epochs >= 1, "a whole number >= 1");
        faults.check("batch-size", self.batch_size, self.batch_size >= 2, "a whole number >= 2");
        faults.positive("learning-rate", self.learning_rate.peak);
        faults.share("label-smoothing", self.label_smoothing);
        faults.check("restarts", &self.restarts, self.restarts.fit(self.epochs), "epochs in order, before the last");
        let filled = !self.drop_last || self.batch_size <= train.rows() || train.rows() < 2;
        let expected = format!("at most the {} training rows, or drop-last = false", train.rows());
        faults.check("batch-size", self.batch_size, filled, &expected);
        if !faults.0.is_empty() {
            return Err(ConfigError::Faults(faults.0).into());
        }
        let steps = self.batches().steps(train.rows());
        let classes = train.of_values().is_none().then(|| train.classes());
        if classes.is_none() && self.probe_epochs > 0 {
            let mut faults = Faults::default();
            faults.check("probe-epochs", self.probe_epochs, false, "0 for targets that are values");
            return Err(ConfigError::Faults(faults.0).into());
        }
        if steps == 0 || classes.is_some_and(|classes| classes < 2) {
            return Err(Error::TooSmall { dataset: train.name.clone(), rows: train.rows(), classes });
        }
        let faults = self.augmentation.faults(train);
        if !faults.is_empty() {
            return Err(ConfigError::Faults(faults).into());
        }
        Ok(steps * self.epochs)
    }

    pub(crate) fn batches(&self) -> Batches {
        Batches {
            size: self.batch_size,
            seed: self.seed,
            shuffle: self.shuffle,
            augmentation: self.augmentation,
            drop_last: self.drop_last,
            smoothing: self.label_smoothing,
        }
    }

    /// Whether the session takes samples as these, and names as many classes where its units do.
    fn check_sizes(&self, session: &dyn Session, data: &Split) -> Result<(), Error> {
        for part in [&data.train, &data.test] {
            let named = !self.outputs.name_classes() || part.kind().outputs() <= session.units();
            if part.columns() != session.inputs() || !named {
                return Err(Error::Shape {
                    dataset: part.name.clone(),
                    found: part.columns(),
                    found_classes: part.kind().outputs(),
                    expected: session.inputs(),
                    expected_classes: session.units(),
                });
            }
        }
        Ok(())
    }

    fn go(
        &self,
        session: &mut dyn Session,
        data: &Split,
        from: Position,
        listeners: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Reached, Error> {
        let start = Instant::now();
        let total = self.steps(data)?;
        if data.train.of_values().is_some() && !session.learns_values() {
            return Err(Error::needs_classes(&data.train, "the method", METHODS.iter().copied()));
        }
        self.check_sizes(session, data)?;
        let steps = total / self.epochs;
        session.plan(total);
        if from.step == 0 && total < FEW_STEPS {
            let warning = Warning::FewSteps { steps: total, epochs: self.epochs, enough: Sizes::epochs_of(steps) };
            tell(listeners, |observer| observer.warning(&warning))?;
        }
        let mut done = from.step;
        let mut means = Means {
            steps: from.epoch_steps,
            sums: from.epoch_sums.clone(),
            measured: from.epoch_measured.clone(),
            ..Means::default()
        };
        let mut dead = from.dead.clone();
        dead.resize(session.block_parameters().len(), false);
        // A step that nobody waited for ends with the next that is measured.
        let (mut times, mut spent, mut unfinished) = (StepTimes::new(), 0.0, 0.0);
        let seconds = || from.seconds + start.elapsed().as_secs_f64();
        let mut saved = Instant::now();
        let mut monitor = Monitor::new(self.monitor_steps, self.outputs.name_classes(), self.kernels);
        let batches = self.batches();
        let anew = self.norm_statistics.are_formed_anew(self.learning_rate.decay, total);
        let mut whole = Batch::default();
        let samples = session.keep(&data.train, &batches)?;
        if let Samples::TooMany { needed, free } = samples {
            tell(listeners, |observer| observer.warning(&Warning::SamplesTravel { needed, free }))?;
        }
        // The monitor compares blocks with the samples themselves.
        let every = self.monitor_steps;
        let formed = move |step: u64| samples != Samples::Kept || (every > 0 && (step + 1).is_multiple_of(every));
        for_each_batch_of(&data.train, &batches, done..total, formed, |step, batch| {
            if step == 0 && !self.outputs.name_classes() {
                self.warn_of_labels(batch, listeners)?;
            }
            let (start, length) = self.restarts.course(step, self.epochs, steps);
            let rate = self.learning_rate.at(step - start, length);
            let began = Instant::now();
            let report = session.step(batch, rate)?;
            spent += began.elapsed().as_secs_f64() * 1e3;
            unfinished += 1.0;
            if !report.signals.is_empty() {
                times.add(spent / unfinished);
                (spent, unfinished) = (0.0, 0.0);
            }
            means.add(&report.signals);
            tell_of_dead(&report.signals, &mut dead, step, listeners)?;
            done = step + 1;
            tell(listeners, |observer| observer.step(done, total))?;
            // An engine that cannot say when it did what has no spans.
            if step == TIMELINE_STEP.min(total - 1) && !report.spans.is_empty() {
                let threads = rayon::current_num_threads();
                let timeline = TimelineReport { step, threads, spans: report.spans.clone() };
                tell(listeners, |observer| observer.timeline(&timeline))?;
            }
            if monitor.is_due(done) {
                let signals = report.signals.clone();
                // What is left over at the end of an epoch has fewer rows, by which nHSIC would fall: the batch before it is
                // looked at instead. It is made anew, since a training that is taken up here has not seen it.
                let short = batch.rows() < self.batch_size && step % steps > 0;
                if short {
                    batches.fill(&data.train, step - 1, &mut whole)?;
                }
                let report = monitor.look(done, session, if short { &whole } else { batch }, &signals)?;
                tell(listeners, |observer| observer.monitor(&report))?;
            }
            let epoch_ends = done.is_multiple_of(steps);
            let stopping = stop.load(Ordering::Relaxed);
            let saves = stopping || done == total || self.states.due(done, steps, saved.elapsed().as_secs_f64());
            if (saves || epoch_ends)
                && let Some(block) = session.diverged()
            {
                // Weights that are no longer finite must not take the place of a good state.
                return Err(StepError::Diverged { block }.into());
            }
            if done == total && anew {
                self.form_statistics(session, &data.train)?;
            }
            if epoch_ends {
                let report = self.epoch(session, data, means.take(), (done, steps), (seconds(), rate))?;
                tell(listeners, |observer| observer.epoch(&report))?;
                if probed::is_due(self.probe_epochs, done / steps, self.epochs) {
                    let report = probed::probe(session, data, (done / steps, done))?;
                    tell(listeners, |observer| observer.probe(&report))?;
                }
            }
            if stopping {
                tell(listeners, |observer| observer.stopping())?;
            }
            // After the epoch's record, which a training that is taken up from here does not write again.
            if saves {
                let position = Position {
                    step: done,
                    epoch_steps: means.steps,
                    epoch_sums: means.sums.clone(),
                    epoch_measured: means.measured.clone(),
                    dead: dead.clone(),
                    seconds: seconds(),
                    milliseconds_per_step: if done == total { times.median().unwrap_or(0.0) } else { 0.0 },
                    metrics_bytes: 0,
                };
                tell(listeners, |observer| observer.state(&position, session))?;
                saved = Instant::now();
            }
            Ok::<_, Error>(if stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let milliseconds_per_step = times.median().unwrap_or(from.milliseconds_per_step);
        Ok(Reached { step: done, total, seconds: seconds(), milliseconds_per_step })
    }

    /// Forms the running statistics anew from the training data as they are, which is how a network at rest sees data. Rows
    /// come in the order of one more epoch, whatever order training has them in: a batch of one class would say little.
    fn form_statistics(&self, session: &mut dyn Session, train: &Dataset) -> Result<(), Error> {
        let batches = Batches { shuffle: true, augmentation: Augmentation::default(), ..self.batches() };
        let steps = batches.steps(train.rows());
        let mut rows = 0;
        for_each_batch(train, &batches, self.epochs * steps..(self.epochs + 1) * steps, |_, batch| {
            let follows_any = session.form_statistics(batch, rows);
            rows += batch.rows();
            Ok::<_, Error>(if follows_any { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        session.diverged().map_or(Ok(()), |block| Err(StepError::Diverged { block }.into()))
    }

    /// What an evaluation after an epoch finds, for its time.
    pub(crate) fn evaluated(&self, session: &dyn Session, data: &Split) -> Result<(), Error> {
        self.epoch(session, data, EpochMeans::default(), (1, 1), (0.0, 0.0)).map(drop)
    }

    /// The report after an epoch, `done` steps of `steps` an epoch.
    fn epoch(
        &self,
        session: &dyn Session,
        data: &Split,
        means: EpochMeans,
        (done, steps): (u64, u64),
        (seconds, learning_rate): (f64, f64),
    ) -> Result<EpochReport, Error> {
        let EpochMeans { loss, mut terms } = means;
        let report = EpochReport {
            epoch: done / steps,
            step: done,
            seconds,
            learning_rate,
            loss,
            nhsic_x: terms.remove("nhsic_x").unwrap_or_default(),
            nhsic_y: terms.remove("nhsic_y").unwrap_or_default(),
            terms,
            train_accuracy: unmeasured(),
            test_accuracy: unmeasured(),
            values: None,
            authors_test_accuracy: None,
        };
        if let (Some(train), Some(test)) = (data.train.of_values(), data.test.of_values()) {
            let values = Some(self.epoch_of_values(session, data, (train, test))?);
            return Ok(EpochReport { values, ..report });
        }
        let at_rest = AtRest::of(session).under(&self.protocol);
        let table = at_rest.outputs(&data.train, EPOCH_ROWS)?;
        let formatted = self.outputs.name_classes();
        let assignment = Assignment::of_outputs(formatted, &table.counts);
        let beside = self.authors_beside.then(|| {
            let protocol = Protocol::authors(formatted, self.batch_size);
            at_rest.accuracy_under(&protocol, &assignment, &data.test)
        });
        let beside = beside.transpose()?;
        Ok(EpochReport {
            train_accuracy: table.accuracy(&self.protocol, &assignment),
            test_accuracy: at_rest.accuracy_under(&self.protocol, &assignment, &data.test)?,
            authors_test_accuracy: beside,
            ..report
        })
    }

    /// How right values are after an epoch: from the first output, or by a line of the last block's features.
    fn epoch_of_values(
        &self,
        session: &dyn Session,
        data: &Split,
        (train, test): (&Quantities, &Quantities),
    ) -> Result<ValueReport, Error> {
        let at_rest = AtRest::of(session);
        let readout = match self.outputs.name_classes() {
            true => ValueReadout::Output,
            false => ValueReadout::Line(Line::fit(&at_rest, &data.train, LINE_ROWS)?),
        };
        let score = |part: &Dataset, truth: &[f64], limit: usize| {
            let told = readout.predicted(&at_rest, part, train.scale, limit)?;
            Ok::<_, Error>(Score::of(&told, &truth[..told.len()]))
        };
        let train = score(&data.train, &train.values, LINE_ROWS)?;
        Ok(ValueReport { train, test: score(&data.test, &test.values, usize::MAX)? })
    }

    /// Says once when the labels' kernel is so wide that there is nothing to learn from.
    fn warn_of_labels(&self, batch: &Batch, listeners: &mut [&mut dyn Observer]) -> Result<(), Error> {
        let Bottleneck { sigma_labels, epsilon, .. } = self.kernels;
        let labels = hsic::LabelFactor::<f32>::of(batch.targets(), sigma_labels, epsilon);
        let labels = labels.map_err(StepError::of_batch)?;
        if labels.vanished() {
            // Values that vary leave one direction at the least.
            let bound = if batch.values.is_empty() { batch.classes as f64 - 1.0 } else { 1.0 };
            let warning = Warning::LabelsVanished { trace: labels.trace(), bound };
            tell(listeners, |observer| observer.warning(&warning))?;
        }
        Ok(())
    }
}

/// Warns of blocks that were not known to be dead.
fn tell_of_dead(
    signals: &[Signal],
    dead: &mut [bool],
    step: u64,
    listeners: &mut [&mut dyn Observer],
) -> Result<(), Error> {
    for (block, (signal, dead)) in signals.iter().zip(dead).enumerate() {
        if signal.dead && !*dead {
            *dead = true;
            tell(listeners, |observer| observer.warning(&Warning::DeadBlock { block, step }))?;
        }
    }
    Ok(())
}
