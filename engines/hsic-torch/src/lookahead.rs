//! Weights that look ahead on a device, by the rule of `hsic-learn`'s `Lookahead`, whatever trains them.

use hsic_bottleneck::engine::Lookahead as Rule;
use hsic_bottleneck::network::learner::StateMismatch;
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::UpdateState;
use tch::Tensor;

use crate::device::Device;
use crate::objective::DeviceBatch;
use crate::step::{Method, Network, Step};

/// A method whose weights look ahead.
pub(crate) struct Lookahead {
    inner: Box<dyn Method>,
    /// Steps of the whole training.
    total: u64,
    /// Parameters, then statistics, of each block; empty before the first step.
    average: Vec<Vec<Tensor>>,
}

impl Lookahead {
    /// The weights that `inner` trains.
    pub(crate) fn new(inner: Box<dyn Method>) -> Self {
        Self { inner, total: 0, average: Vec::new() }
    }
}

/// Calls `each` with all numbers of a network, block by block and part by part, and their average.
fn for_each_pair(network: &Network, average: &mut [Vec<Tensor>], mut each: impl FnMut(&mut Tensor, &mut Tensor)) {
    for (block, average) in network.blocks.iter().zip(average) {
        for (own, average) in block.numbers().zip(average) {
            // The same memory: what is written there is the block's.
            each(&mut own.shallow_clone(), average);
        }
    }
}

impl Method for Lookahead {
    fn plan(&mut self, steps: u64) {
        self.total = steps;
        self.inner.plan(steps);
    }

    fn step(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        rate: f64,
        measured: bool,
    ) -> Result<Step, StepError> {
        let Self { inner, total, average } = self;
        if average.is_empty() {
            *average = network.blocks.iter().map(|block| block.numbers().map(Tensor::copy).collect()).collect();
        }
        let told = inner.step(network, batch, rate, measured)?;
        let done = batch.host.step + 1;
        if let Some(kept) = Rule::<f32>::kept(done, *total) {
            for_each_pair(network, average, |own, average| {
                *average += (&*own - &*average) * (1.0 - kept);
                own.copy_(average);
            });
        }
        if done == *total {
            for_each_pair(network, average, |own, average| own.copy_(average));
        }
        Ok(told)
    }

    fn state(&self, device: &Device) -> UpdateState {
        let of_block = |parts: &Vec<Tensor>| parts.iter().flat_map(|part| device.read(part)).collect();
        UpdateState { average: self.average.iter().map(of_block).collect(), ..self.inner.state(device) }
    }

    fn restore(&mut self, network: &Network, mut record: UpdateState) -> Result<(), StateMismatch> {
        let records = std::mem::take(&mut record.average);
        let mut average = Vec::new();
        // Before the first step there is none.
        if !records.is_empty() {
            let (what, found, expected) = ("the list of averages", records.len(), network.blocks.len());
            if found != expected {
                return Err(StateMismatch { what, block: 0, found, expected });
            }
            for (block, (record, own)) in records.iter().zip(&network.blocks).enumerate() {
                let (found, expected) = (record.len(), own.numbers().map(Tensor::numel).sum());
                if found != expected {
                    return Err(StateMismatch { what: "average", block, found, expected });
                }
                let mut rest = &record[..];
                let part = |own: &Tensor| {
                    let (part, later) = rest.split_at(own.numel());
                    rest = later;
                    network.device.take(part)
                };
                average.push(own.numbers().map(part).collect());
            }
        }
        self.inner.restore(network, record)?;
        self.average = average;
        Ok(())
    }

    fn learns_values(&self) -> bool {
        self.inner.learns_values()
    }
}
