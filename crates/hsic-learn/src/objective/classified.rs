//! A rule whose last block tells the target: it learns by the cross-entropy of its outputs, or for values by their squared
//! error, the blocks before it by the rule.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::{Feature, Learner};

use super::cross_entropy::CrossEntropyScratch;
use super::{Labels, Objective, ObjectiveInParts, Pace, Signal, Site};
use crate::error::{ObjectiveError, StepError};

/// `inner` for all blocks but the last, cross-entropy (of values the squared error) for the last. Each is still on its own: the classifier sees the
/// block before it, and that block does not see the classifier.
#[derive(Clone, Copy, Debug)]
pub struct Classified<O>(pub O);

/// What [`Classified`] shares: the labels, and what the rule shares.
pub struct ClassifiedShared<S> {
    labels: Labels,
    inner: S,
}

/// Memory of one thread: that of the rule, and that of the classifier's loss.
pub struct ClassifiedScratch<T, S> {
    inner: S,
    last: CrossEntropyScratch<T>,
}

impl<T: Scalar, S: Default> Default for ClassifiedScratch<T, S> {
    fn default() -> Self {
        Self { inner: S::default(), last: CrossEntropyScratch::default() }
    }
}

impl<T: Scalar, O: Objective<T>> Objective<T> for Classified<O> {
    type Shared = ClassifiedShared<O::Shared>;
    type Scratch = ClassifiedScratch<T, O::Scratch>;

    fn reads_input(&self) -> bool {
        self.0.reads_input()
    }

    fn learns_values(&self) -> bool {
        self.0.learns_values()
    }

    fn feature(&self, chosen: Feature) -> Feature {
        self.0.feature(chosen)
    }

    fn learners(&self, block: usize, last: bool, shape: Shape) -> Vec<Learner<T>> {
        if last { Vec::new() } else { self.0.learners(block, last, shape) }
    }

    fn plan(&mut self, blocks: usize, steps: u64) {
        self.0.plan(blocks, steps);
    }

    fn pace(&self, step: u64, block: usize, last: bool) -> Pace {
        self.0.pace(step, block, last)
    }

    fn check(&self, block: usize, last: bool, shape: Shape) -> Result<(), StepError> {
        if last { Ok(()) } else { self.0.check(block, last, shape) }
    }

    fn in_parts(
        &self,
        last: bool,
        rows: usize,
        parts: usize,
    ) -> Option<&dyn ObjectiveInParts<T, Shared = Self::Shared, Scratch = Self::Scratch>> {
        (!last && self.0.in_parts(last, rows, parts).is_some()).then_some(self)
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        let (labels, inner) = earlier.map_or((None, None), |shared| (Some(shared.labels), Some(shared.inner)));
        let labels = Labels::of(batch, labels);
        Ok(ClassifiedShared { labels, inner: self.0.prepare(batch, inner, &mut scratch.inner)? })
    }

    fn signal(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        if !site.last {
            return self.0.signal(&shared.inner, site, z, dz, learners, &mut scratch.inner);
        }
        scratch.last.evaluate(&shared.labels, z, dz)
    }
}

impl<T: Scalar, O: Objective<T>> ObjectiveInParts<T> for Classified<O> {
    fn signal_in_parts(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        scratch: &mut Self::Scratch,
        parts: &mut dyn Parts<T>,
    ) -> Result<Signal, ObjectiveError> {
        match self.0.in_parts(site.last, shared.labels.of_rows.len(), parts.count()) {
            Some(inner) => inner.signal_in_parts(&shared.inner, site, z, dz, &mut scratch.inner, parts),
            None => unreachable!("it was asked before"),
        }
    }
}
