//! The trainings of an entry as a search with some sizes of a batch, then the final ones with the best of them.

use super::search;
use crate::figure::Planned;

/// The trainings of an entry, as far as earlier ones tell what they are.
#[derive(Default)]
pub(super) struct Plan {
    /// One a size of a batch, in the order in which they are tried.
    pub(super) legs: Vec<Leg>,
    /// The best, once all trials are settled.
    pub(super) chosen: Option<Chosen>,
    pub(super) finals: Vec<Planned>,
}

/// The search with one size of a batch.
#[derive(Default)]
pub(super) struct Leg {
    pub(super) batch: Option<usize>,
    pub(super) batch_size: usize,
    /// 0 while a pilot has not told.
    pub(super) epochs: u64,
    pub(super) trial_epochs: u64,
    /// Tells what an epoch takes, under a budget of time.
    pub(super) pilot: Option<Planned>,
    pub(super) trials: Vec<Planned>,
    /// Rates of the trials and their accuracies; `None` of one that failed, is not settled yet, or was given and not tried.
    pub(super) tried: Vec<(f64, Option<f64>)>,
    /// Whether what is here is not settled, so that more may follow from it.
    pub(super) is_open: bool,
    /// Whether the pilot came to no end.
    pub(super) is_lost: bool,
}

/// What the final trainings are made with.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    /// Index of the size of a batch.
    pub(super) leg: usize,
    pub(super) rate: f64,
    /// Whether the rate is the least or the largest of those tried with it.
    pub(super) at_edge: bool,
}

impl Plan {
    /// Trials of all sizes of a batch that are known by now.
    pub(super) fn trials(&self) -> usize {
        self.legs.iter().map(|leg| leg.trials.len()).sum()
    }

    /// All that are known by now, in the order in which one process carries them out: what one of them decides comes after
    /// it.
    pub(super) fn known(&self) -> impl Iterator<Item = &Planned> {
        let pilots = self.legs.iter().filter_map(|leg| leg.pilot.as_ref());
        pilots.chain(self.legs.iter().flat_map(|leg| &leg.trials)).chain(&self.finals)
    }

    /// The rate of the best accuracy of all, the first of equals.
    pub(super) fn best(&self) -> Option<Chosen> {
        let all = self.legs.iter().enumerate().filter_map(|(index, leg)| {
            let rate = search::best(&leg.tried)?;
            let accuracy = leg.tried.iter().find(|&&(tried, _)| tried == rate)?.1?;
            let at_edge = search::end(rate, &leg.tried).is_some();
            Some((accuracy, Chosen { leg: index, rate, at_edge }))
        });
        let better = |best: (f64, Chosen), next: (f64, Chosen)| if next.0 > best.0 { next } else { best };
        all.reduce(better).map(|(_, chosen)| chosen)
    }

    /// The rate that was given.
    pub(super) fn given(&self) -> Option<Chosen> {
        let rate = self.legs.first()?.tried.first()?.0;
        Some(Chosen { leg: 0, rate, at_edge: false })
    }
}
