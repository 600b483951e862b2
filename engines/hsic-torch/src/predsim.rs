//! Prediction and similarity matching on a device, by the formulas of `hsic-learn`'s `predsim`.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::predsim::PredSim as Rule;
use hsic_bottleneck::network::{Feature, Learner as HostLearner};
use hsic_bottleneck::objective::Objective as HostObjective;
use hsic_bottleneck::objective::similarity::Similarity;
use hsic_bottleneck::rule_options::LocalLoss;
use hsic_bottleneck::step_error::StepError;
use tch::{Kind, Tensor};

use crate::cross_entropy::{Told, classify};
use crate::device::Device;
use crate::feature::Seen;
use crate::learner::Learner;
use crate::objective::{DeviceBatch, Objective, Signal, Site, Value, rows_are_equal};
use crate::similarity::{Moments, Pairs, Targets};

/// The rule, for blocks before the last.
pub(crate) struct PredSim {
    rule: Rule,
    device: Device,
    batch: Option<(Told, Targets)>,
    /// What the classifier sees of maps, and mean and deviation of their channels.
    seen: Vec<(Shape, Seen, Seen)>,
}

impl PredSim {
    /// By the CPU's rule.
    pub(crate) fn new(rule: Rule, device: &Device) -> Self {
        Self { rule, device: device.clone(), batch: None, seen: Vec::new() }
    }

    /// The weights of both losses; `None` for one that is left out.
    fn weights(&self) -> (Option<f64>, Option<f64>) {
        match self.rule.loss {
            LocalLoss::Pred => (Some(1.0), None),
            LocalLoss::Sim => (None, Some(1.0)),
            LocalLoss::Both => (Some(1.0 - self.rule.weight), Some(self.rule.weight)),
        }
    }

    /// The place of what is seen of such maps.
    fn seen(&mut self, map: Shape) -> usize {
        let known = self.seen.iter().position(|(known, ..)| *known == map);
        known.unwrap_or_else(|| {
            let sides = (1..=map.height.max(map.width)).rev().map(Feature::Pool);
            let fits = |pool: &Feature| pool.columns(map) <= self.rule.decoder_size;
            let pool = sides.into_iter().find(fits).unwrap_or(Feature::Pool(1));
            let of = |feature| Seen::of(feature, map, &self.device);
            self.seen.push((map, of(pool), of(Feature::Channels)));
            self.seen.len() - 1
        })
    }
}

impl Objective for PredSim {
    fn feature(&self, _chosen: Feature) -> Feature {
        Feature::Flat
    }

    fn learners(&self, block: usize, last: bool, shape: Shape) -> Vec<HostLearner<f32>> {
        HostObjective::<f32>::learners(&self.rule, block, last, shape)
    }

    fn is_unbiased(&self, learner: usize) -> bool {
        learner == usize::from(self.rule.loss == LocalLoss::Both) && self.rule.loss != LocalLoss::Pred
    }

    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError> {
        self.batch = Some((Told::of(batch), Targets::of(batch)));
        Ok(())
    }

    fn signal(
        &mut self,
        site: &Site<'_>,
        z: &Tensor,
        learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError> {
        let (pred, sim) = self.weights();
        let place = self.seen(site.feature);
        let (map, pool, channels) = &self.seen[place];
        let Some((told, targets)) = &self.batch else { unreachable!("a batch is prepared before a block") };
        let (v, g) = learners.split_at_mut(usize::from(pred.is_some()));
        let mut dz = z.zeros_like();
        let (mut cross_entropy, mut similarity) = (None, None);
        if let Some((weight, v)) = pred.zip(v.first_mut()) {
            let (d, loss) = classify(v, &pool.extract(z), told, weight, measured);
            dz += pool.spread(z, d);
            cross_entropy = loss;
        }
        if let Some((weight, g)) = sim.zip(g.first_mut()) {
            let by_channels = map.channels > 3 && map.height * map.width > 1;
            let (own, loss) = matched(g, z, by_channels.then_some(channels), targets, weight, measured);
            dz += own;
            similarity = loss;
        }
        let value = measured.then(|| {
            let none = || Tensor::zeros([] as [i64; 0], (Kind::Double, z.device()));
            let (cross_entropy, similarity) = (cross_entropy.unwrap_or_else(none), similarity.unwrap_or_else(none));
            let loss = &cross_entropy * pred.unwrap_or(0.0) + &similarity * sim.unwrap_or(0.0);
            Value { loss, terms: [("cross_entropy", Some(cross_entropy)), ("similarity", Some(similarity))] }
        });
        Ok(Signal { dz, value, dead: measured.then(|| rows_are_equal(z)), lost: None })
    }
}

/// `weight` times the gradient of L_sim is left in `g` and given for the maps `z`; with L_sim where it is measured. `channels` shows mean
/// and deviation of maps whose channels' deviations are compared.
fn matched(
    g: &mut Learner,
    z: &Tensor,
    channels: Option<&Seen>,
    targets: &Targets,
    weight: f64,
    measured: bool,
) -> (Tensor, Option<Tensor>) {
    const COSINE: Similarity = Similarity::Cosine { centered: true };
    let (y, kept) = g.forward(z);
    let deviations = channels.map(|channels| {
        let both = channels.extract(&y);
        let c = both.size()[1] / 2;
        both.narrow(1, c, c)
    });
    let pairs = Pairs::of(COSINE, deviations.as_ref().unwrap_or(&y));
    let slope = 2.0 * weight / (z.size()[0] as f64).powi(2);
    let df = pairs.backward(targets, (slope, -slope), None);
    let dy = match channels {
        Some(channels) => channels.spread(&y, Tensor::cat(&[&df.zeros_like(), &df], 1)),
        None => df,
    };
    let loss = measured.then(|| {
        let Moments { square, product, .. } = pairs.moments(targets);
        square - product * 2.0 + targets.square
    });
    (g.backward(&kept, dy), loss)
}
