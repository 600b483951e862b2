//! The parts of a batch that a process has, and a training of which every process has some.
//!
//! Every process has all blocks, and ends each step with the same weights: sums come as parts and are added in the order of
//! parts, never on the way (MPI's own reductions add in an order that depends on the processes). So every process runs the
//! loop of training, evaluations included, and the one that leads keeps the run's folder.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::assemble::{build_method_on, network_for, training};
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::engines::CPU;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::folder::Folder;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::parts::{Parts, add_in_order, part_rows};
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::{OnCpu, Session};
use hsic_bottleneck::step_error::BoxError;
use hsic_bottleneck::trainer::{Outcome, finish, take_up};

use crate::link::Link;
use crate::saver::Unseen;

/// Numbers of all parts up to which everyone gets all of them and adds them up, in one exchange; of more, everyone adds up a
/// slice and tells it, which is two exchanges and fewer bytes.
const FEW: usize = 1 << 13;

/// The parts of this process: ranks have them in their order.
struct Ranks {
    link: Link,
    count: usize,
    /// What is sent and what has come, used again from call to call.
    sent: Vec<f32>,
    come: Vec<f32>,
}

/// The part of `all` that the `index`-th of so many has, as even as whole numbers are.
fn share(all: usize, index: usize, of: usize) -> Range<usize> {
    index * all / of..(index + 1) * all / of
}

impl Ranks {
    /// The parts of a rank.
    fn parts_of(&self, rank: usize) -> Range<usize> {
        share(self.count, rank, self.link.ranks())
    }

    /// Rows of each rank, of so many in all.
    fn rows_of_ranks(&self, rows: usize) -> impl Iterator<Item = usize> {
        let each = part_rows(rows, self.count);
        let end = move |part: usize| (part * each).min(rows);
        (0..self.link.ranks()).map(|rank| self.parts_of(rank)).map(move |parts| end(parts.end) - end(parts.start))
    }
}

impl Parts<f32> for Ranks {
    fn count(&self) -> usize {
        self.count
    }

    fn own(&self) -> Range<usize> {
        self.parts_of(self.link.rank())
    }

    fn gather(&mut self, rows: usize, all: &mut [f32]) {
        let length = all.len() / rows;
        let counts: Vec<usize> = self.rows_of_ranks(rows).map(|rows| rows * length).collect();
        let start: usize = counts[..self.link.rank()].iter().sum();
        self.sent.clear();
        self.sent.extend_from_slice(&all[start..start + counts[self.link.rank()]]);
        self.link.gather(&self.sent, all, &counts);
    }

    fn sum(&mut self, own: &[f32], sum: &mut [f32]) {
        let (length, ranks, rank) = (sum.len(), self.link.ranks(), self.link.rank());
        let mut come = std::mem::take(&mut self.come);
        if self.count * length <= FEW {
            come.resize(self.count * length, 0.0);
            let parts = self.own();
            come[parts.start * length..parts.end * length].copy_from_slice(own);
            self.gather(self.count, &mut come);
            add_in_order(&come, sum);
        } else {
            self.sent.clear();
            for to in 0..ranks {
                let slice = share(length, to, ranks);
                for part in own.chunks_exact(length) {
                    self.sent.extend_from_slice(&part[slice.clone()]);
                }
            }
            let slice = |rank| share(length, rank, ranks).len();
            let to: Vec<usize> = (0..ranks).map(|to| self.own().len() * slice(to)).collect();
            let from: Vec<usize> = (0..ranks).map(|from| self.parts_of(from).len() * slice(rank)).collect();
            come.resize(self.count * slice(rank), 0.0);
            self.link.exchange((&self.sent, &to), (&mut come, &from));
            // Slices of the parts of rank after rank are those of all parts in their order.
            self.sent.resize(slice(rank), 0.0);
            add_in_order(&come, &mut self.sent);
            let slices: Vec<usize> = (0..ranks).map(slice).collect();
            self.link.gather(&self.sent, sum, &slices);
        }
        self.come = come;
    }
}

/// Has all processes end with the same step: the one that leads says after each whether its user asks for the end.
struct Together<'t> {
    link: &'t Link,
    asked: &'t AtomicBool,
    last_step: &'t AtomicBool,
}

impl Observer for Together<'_> {
    fn step(&mut self, _done: u64, _total: u64) -> Result<(), BoxError> {
        let told = self.link.told_by_last(vec![u8::from(self.asked.load(Ordering::Relaxed))]);
        self.last_step.store(told == [1], Ordering::Relaxed);
        Ok(())
    }
}

/// Trains on `shards` parts of each batch, as many a process as there are.
pub(crate) fn in_shards(
    (link, shards): (&Link, usize),
    config: &TrainConfig,
    data: &Split,
    run: &Run,
    observers: &mut [&mut dyn Observer],
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let mut network = network_for(config, &data.train)?;
    let ranks = Ranks { link: link.clone(), count: shards, sent: Vec::new(), come: Vec::new() };
    let mut update = build_method_on(config, data.train.kind(), Some(Box::new(ranks)))?;
    let mut session = OnCpu::new(&mut network, &mut *update);
    let (training, last_step) = (training(config), AtomicBool::new(false));
    let total = training.steps(data)?;
    // The one that leads notes the data in the folder before the others look there.
    if !link.is_last() {
        link.meet();
    }
    let from = take_up(&mut session, data, run, total)?;
    if link.is_last() {
        link.meet();
    }
    let is_finished = from.step == total && run.is_finished();
    let mut together = Together { link, asked: stop, last_step: &last_step };
    if !link.is_last() {
        let mut unseen = Unseen(observers);
        let step = match is_finished {
            true => total,
            false => training.run(&mut session, data, from, &mut [&mut together, &mut unseen], &last_step)?.step,
        };
        return Ok(Outcome::Interrupted { step });
    }
    if is_finished {
        return Ok(Outcome::Finished(Box::new(run.summary()?)));
    }
    let mut folder = Folder::open(run, from.metrics_bytes)?;
    let mut listeners: Vec<&mut dyn Observer> = vec![&mut folder, &mut together];
    listeners.extend(observers.iter_mut().map(|observer| &mut **observer as &mut dyn Observer));
    // On processors, too: the bits are those of one process.
    run.note_engine(CPU, from.step, &mut listeners)?;
    let reached = training.run(&mut session, data, from, &mut listeners, &last_step)?;
    if reached.step < total {
        return Ok(Outcome::Interrupted { step: reached.step });
    }
    let learners = session.state().learners;
    let beside = learners.iter().map(|block| block.iter().map(|own| own.parameters.len()).sum()).collect();
    // The others have done what they are for.
    listeners.remove(1);
    finish(config, &session, data, run, (reached, beside), &mut listeners, stop)
}
