//! Softmax and cross-entropy, and the squared error where values are told, on a device.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::mono_forward::MonoForward as Rule;
use hsic_bottleneck::network::{Feature, Learner as HostLearner};
use hsic_bottleneck::objective::Objective as HostObjective;
use hsic_bottleneck::step_error::StepError;
use tch::{Kind, Tensor};

use crate::learner::Learner;
use crate::objective::{DeviceBatch, Objective, Signal, Site, Value, rows_are_equal};

/// The targets of a batch.
#[derive(Debug)]
pub(crate) struct Told {
    labels: Tensor,
    values: Tensor,
    /// Share of each row's target that is spread over all classes alike.
    smoothing: f64,
}

impl Told {
    /// Those of a batch.
    pub(crate) fn of(batch: &DeviceBatch<'_>) -> Self {
        let (labels, values) = (batch.labels.shallow_clone(), batch.values.shallow_clone());
        Self { labels, values, smoothing: batch.host.smoothing }
    }

    /// Mean of -ln softmax(a)_label over rows (m x classes), of smoothed targets a share of it for each class, or of (a_0 - y)^2
    /// where rows have values; and its gradient.
    pub(crate) fn loss(&self, a: &Tensor, measured: bool) -> (Tensor, Option<Tensor>) {
        let m = a.size()[0] as f64;
        if self.values.numel() > 0 {
            let missed = a.select(1, 0) - &self.values;
            let da = a.zeros_like();
            da.select(1, 0).copy_(&(&missed * (2.0 / m)));
            return (da, measured.then(|| missed.square().mean(Kind::Double)));
        }
        let classes = self.labels.view([-1, 1]);
        let logarithm = a.log_softmax(1, Kind::Float);
        let (own, other) = (1.0 - self.smoothing, self.smoothing / a.size()[1] as f64);
        let loss = measured.then(|| {
            let told = -logarithm.gather(1, &classes, false).mean(Kind::Double);
            if other > 0.0 {
                told * own - logarithm.sum_dim_intlist(1, false, Kind::Double).mean(Kind::Double) * other
            } else {
                told
            }
        });
        let truth = a.zeros_like().scatter_value(1, &classes, own);
        let truth = if other > 0.0 { truth + other } else { truth };
        ((logarithm.exp() - truth) * (1.0 / m), loss)
    }
}

/// `weight` times the gradient of a classifier's cross-entropy at `x` (m x inputs) is left in the classifier and given; with the
/// cross-entropy itself where it is measured.
pub(crate) fn classify(
    classifier: &mut Learner,
    x: &Tensor,
    told: &Told,
    weight: f64,
    measured: bool,
) -> (Tensor, Option<Tensor>) {
    let (scores, kept) = classifier.forward(x);
    let (d, loss) = told.loss(&scores, measured);
    let d = if weight == 1.0 { d } else { d * weight };
    (classifier.backward(&kept, d), loss)
}

/// A rule whose last block tells the target by its outputs, the blocks before it learn by the rule.
pub(crate) struct Classified<O> {
    inner: O,
    told: Option<Told>,
}

impl<O: Objective> Classified<O> {
    /// `inner` for all blocks but the last.
    pub(crate) fn new(inner: O) -> Self {
        Self { inner, told: None }
    }
}

impl<O: Objective> Objective for Classified<O> {
    fn feature(&self, chosen: Feature) -> Feature {
        self.inner.feature(chosen)
    }

    fn learners(&self, block: usize, last: bool, shape: Shape) -> Vec<HostLearner<f32>> {
        if last { Vec::new() } else { self.inner.learners(block, last, shape) }
    }

    fn is_unbiased(&self, learner: usize) -> bool {
        self.inner.is_unbiased(learner)
    }

    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError> {
        self.told = Some(Told::of(batch));
        self.inner.prepare(batch)
    }

    fn signal(
        &mut self,
        site: &Site<'_>,
        z: &Tensor,
        learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError> {
        match (&self.told, site.last) {
            (Some(told), true) => Ok(told_signal(told, z, measured)),
            _ => self.inner.signal(site, z, learners, measured),
        }
    }

    fn learns_values(&self) -> bool {
        self.inner.learns_values()
    }
}

/// The signal of a block whose outputs tell the target.
pub(crate) fn told_signal(told: &Told, z: &Tensor, measured: bool) -> Signal {
    let (dz, loss) = told.loss(z, measured);
    Signal { dz, value: loss.map(|loss| Value { loss, terms: [("", None), ("", None)] }), dead: None, lost: None }
}

/// Every block by the cross-entropy of a linear classifier of its own: `mono-forward`.
pub(crate) struct MonoForward {
    rule: Rule,
    told: Option<Told>,
}

impl MonoForward {
    /// By the CPU's rule.
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, told: None }
    }
}

impl Objective for MonoForward {
    fn learners(&self, block: usize, last: bool, shape: Shape) -> Vec<HostLearner<f32>> {
        HostObjective::<f32>::learners(&self.rule, block, last, shape)
    }

    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError> {
        self.told = Some(Told::of(batch));
        Ok(())
    }

    fn signal(
        &mut self,
        _site: &Site<'_>,
        z: &Tensor,
        learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError> {
        let (Some(told), Some(classifier)) = (&self.told, learners.first_mut()) else {
            unreachable!("a batch is prepared, and a block has its classifier")
        };
        let (dz, loss) = classify(classifier, z, told, 1.0, measured);
        let value = loss.map(|loss| Value { loss, terms: [("", None), ("", None)] });
        Ok(Signal { dz, value, dead: measured.then(|| rows_are_equal(z)), lost: None })
    }
}
