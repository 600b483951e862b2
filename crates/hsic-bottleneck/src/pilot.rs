//! What a training will take, from twenty of its steps and from its evaluation on some rows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hsic_data::dataset::{Dataset, Origin, Samples, Split};
use hsic_learn::error::BoxError;
use hsic_learn::inference::Inference;
use hsic_learn::judge::at_rest::{AtRest, Members};
use hsic_learn::judge::softmax::{FEATURE_BYTES, FormatSettings, format};
use hsic_learn::judge::values::{Line, ValueReadout};
use hsic_learn::session::OnCpu;
use serde::{Deserialize, Serialize};

use crate::assemble::{build_method, check_targets, member_config, network_for, training};
use crate::conclusion::peak_memory_bytes;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::log::{EpochReport, Observer};
use crate::position::Position;
use crate::threads::on_threads;

/// Steps that are made.
pub const STEPS: u64 = 20;

/// The first steps, in which memory grows, are not counted.
const WARM: usize = 2;

/// Rows of each part on which the end of a training is tried.
const ROWS: usize = 2_000;

/// What a training will take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pilot {
    /// Steps that were made.
    pub steps: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Mean time of a step, the forming of its batch included.
    pub seconds_per_step: f64,
    /// Time of the evaluation after an epoch.
    pub seconds_per_evaluation: f64,
    /// Time of what is done once: the last evaluation and format training; whoever loads the data adds what that takes.
    pub seconds_once: f64,
    /// Epochs of the training.
    pub epochs: u64,
    /// Time of the whole training.
    pub seconds: f64,
    /// Most memory of the process, in bytes; `None` where the system does not tell.
    pub memory_bytes: Option<u64>,
}

impl Pilot {
    /// Seconds of a training of so many epochs.
    #[must_use]
    pub fn seconds_of(&self, epochs: u64) -> f64 {
        let epoch = self.steps_per_epoch as f64 * self.seconds_per_step + self.seconds_per_evaluation;
        epochs as f64 * epoch + self.seconds_once
    }

    /// This pilot with so many seconds more of what is done once.
    #[must_use]
    pub fn with_once(mut self, seconds: f64) -> Self {
        self.seconds_once += seconds;
        self.seconds += seconds;
        self
    }
}

/// Makes twenty steps of a training, one evaluation and a small format training, and leaves nothing. On a quiet machine the
/// training takes between half and twice as long as it says.
///
/// # Errors
/// As those of training: what does not begin, or diverges at once, is told here.
pub fn pilot(config: &TrainConfig, data: &Split) -> Result<Pilot, Error> {
    on_threads(config.threads, || {
        if config.sigmas.len() < 2 {
            return of_one(config, data);
        }
        // One network after the other, then what their outputs' average comes to.
        let one = of_one(&member_config(config, config.sigmas[0])?, data)?;
        let count = config.sigmas.len() as f64;
        let seconds_once = one.seconds_once * count;
        let pilot = Pilot {
            seconds_per_step: one.seconds_per_step * count,
            seconds_per_evaluation: one.seconds_per_evaluation * count,
            seconds_once,
            ..one
        };
        Ok(Pilot { seconds: pilot.seconds_of(config.epochs), ..pilot })
    })?
}

/// Notes when steps end, and asks for the end after twenty.
struct Clock<'s> {
    ends: Vec<Instant>,
    evaluations: u32,
    stop: &'s AtomicBool,
}

impl Observer for Clock<'_> {
    fn step(&mut self, step: u64, _total: u64) -> Result<(), BoxError> {
        self.ends.push(Instant::now());
        self.stop.store(step >= STEPS, Ordering::Relaxed);
        Ok(())
    }

    fn epoch(&mut self, _report: &EpochReport) -> Result<(), BoxError> {
        self.evaluations += 1;
        Ok(())
    }
}

fn of_one(config: &TrainConfig, data: &Split) -> Result<Pilot, Error> {
    check_targets(config, &data.train)?;
    let training = training(config);
    let total = training.steps(data)?;
    let mut network = network_for(config, &data.train)?;
    let mut update = build_method(config, data.train.kind())?;
    let mut session = OnCpu::new(&mut network, &mut *update);
    let stop = AtomicBool::new(false);
    let mut clock = Clock { ends: Vec::new(), evaluations: 0, stop: &stop };
    let begin = Instant::now();
    let reached = training.run(&mut session, data, Position::default(), &mut [&mut clock], &stop)?;
    let whole = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    training.evaluated(&session, data)?;
    let seconds_per_evaluation = begin.elapsed().as_secs_f64();
    let Clock { ends, evaluations, .. } = clock;
    let warm = WARM.min(ends.len() / 2);
    let (first, counted) = (ends.get(warm), ends.len() - warm);
    // Evaluations that fell among the steps are not theirs.
    let among = f64::from(evaluations) * seconds_per_evaluation;
    let seconds_per_step = match (first, ends.last()) {
        (Some(first), Some(last)) if counted > 1 => {
            ((*last - *first).as_secs_f64() - among).max(0.0) / (counted - 1) as f64
        }
        _ => whole / reached.step.max(1) as f64,
    }
    .max(1e-3 * reached.milliseconds_per_step);
    let (seconds_once, bytes) = end(config, &session, data)?;
    let pilot = Pilot {
        steps: reached.step,
        steps_per_epoch: total / config.epochs,
        seconds_per_step,
        seconds_per_evaluation,
        seconds_once,
        epochs: config.epochs,
        seconds: 0.0,
        memory_bytes: peak_memory_bytes().map(|peak| peak + bytes),
    };
    Ok(Pilot { seconds: pilot.seconds_of(config.epochs), ..pilot })
}

/// Seconds of the end of a training, and bytes that its softmax layer has in memory.
fn end(config: &TrainConfig, session: &dyn Inference, data: &Split) -> Result<(f64, u64), Error> {
    let some = |part: &Dataset| part.select(&(0..part.rows().min(ROWS)).collect::<Vec<_>>());
    let (train, test) = (some(&data.train), some(&data.test));
    let few = Split { train, test, standardization: None, origin: Origin::default() };
    let rows = |split: &Split| (split.train.rows() + split.test.rows()) as f64;
    let share = rows(data) / rows(&few);
    if let Some(scale) = few.train.of_values().map(|values| values.scale) {
        // The fit of a line of all features grows with the square of the rows.
        let at_rest = AtRest::of(session);
        let fitted = timed(|| Line::fit(&at_rest, &few.train, usize::MAX))?;
        let told = timed(|| ValueReadout::Output.predicted(&at_rest, &few.train, scale, usize::MAX))?;
        let fits = if config.method.outputs.name_classes() { 0.0 } else { fitted * share * share };
        return Ok((fits + 2.0 * told * share, 0));
    }
    let at_rest = AtRest::of(session).under(&config.protocol);
    let judged =
        timed(|| [&few.train, &few.test].into_iter().try_for_each(|part| at_rest.outputs(part, usize::MAX).map(drop)))?;
    if config.format.epochs == 0 {
        return Ok((judged * share, 0));
    }
    let at_rest = AtRest::new(Members::One(session), config.format.input);
    let never = AtomicBool::new(false);
    let formatted = |epochs: u64| {
        let settings = FormatSettings { epochs, ..config.format };
        timed(|| format(&at_rest, &few, &settings, &never))
    };
    let (one, three) = (formatted(1)?, formatted(3)?);
    let epoch = ((three - one) / 2.0).max(0.0);
    let format = (one - epoch).max(0.0) + config.format.epochs as f64 * epoch;
    // The features of all samples are kept as numbers of four bytes.
    let bytes = [&data.train, &data.test].map(|part| {
        let bytes = 4 * at_rest.columns() as u64 * part.rows() as u64;
        if matches!(part.samples, Samples::Stored(_)) { bytes.min(FEATURE_BYTES) } else { bytes }
    });
    Ok(((judged + format) * share, bytes.iter().sum()))
}

/// Seconds that a piece of work takes.
fn timed<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<f64, E> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset;

    use super::*;
    use crate::config::TrainOptions;

    fn piloted(change: impl FnOnce(&mut TrainOptions)) -> Pilot {
        let mut options = TrainOptions::default();
        options.data.train_size = Some(400);
        options.data.test_size = Some(100);
        options.network.widths = Some("16x2".to_owned());
        options.training.batch_size = Some(20);
        options.training.epochs = Some(3);
        change(&mut options);
        let config = options.resolve().unwrap();
        let data = dataset::load(&config.dataset, &config.load_options()).unwrap();
        pilot(&config, &data).unwrap()
    }

    #[test]
    fn a_pilot_counts_steps_and_epochs_and_adds_up_what_they_take() {
        let found = piloted(|_| ());
        assert_eq!((found.steps, found.steps_per_epoch, found.epochs), (20, 20, 3));
        assert!(found.seconds_per_step > 0.0 && found.seconds_per_evaluation > 0.0 && found.seconds_once > 0.0);
        let sum = 3.0 * (20.0 * found.seconds_per_step + found.seconds_per_evaluation) + found.seconds_once;
        assert!((found.seconds - sum).abs() < 1e-9 * sum, "{found:?}");
        assert!((found.seconds_of(3) - found.seconds).abs() < 1e-12);
        let more = found.with_once(2.0);
        assert!((more.seconds - found.seconds - 2.0).abs() < 1e-9 && (more.seconds_of(3) - more.seconds).abs() < 1e-9);
        // The features of 500 rows, 16 + 16 + 10 columns of 4 bytes, beside what the process has.
        assert!(cfg!(not(target_os = "linux")) || found.memory_bytes > Some(84_000), "{found:?}");
    }

    #[test]
    fn a_training_of_fewer_steps_is_made_whole_and_several_networks_take_their_number() {
        let short = piloted(|options| {
            options.training.epochs = Some(1);
            options.training.batch_size = Some(100);
        });
        assert_eq!((short.steps, short.steps_per_epoch), (4, 4));
        let three = piloted(|options| {
            options.objective.sigma = Some("1,2,5".parse().unwrap());
            options.format.format_epochs = Some(2);
        });
        let sum = 3.0 * (20.0 * three.seconds_per_step + three.seconds_per_evaluation) + three.seconds_once;
        assert!((three.seconds - sum).abs() < 1e-9 * sum);
    }
}
