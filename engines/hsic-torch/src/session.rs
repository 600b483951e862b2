//! A network in training on a device, as a session.
//!
//! The numbers are the device's. The CPU's network is brought up to date where weights are asked for: at a checkpoint, at the end.

use std::cell::{Cell, OnceCell};
use std::ops::Range;

use hsic::faer::MatRef;
use hsic_bottleneck::batch::{Batch, Batches};
use hsic_bottleneck::dataset::Dataset;
use hsic_bottleneck::inference::Inference;
use hsic_bottleneck::network::learner::StateMismatch;
use hsic_bottleneck::network::{NamedTensor, Network as HostNetwork, StoredTensor};
use hsic_bottleneck::objective::Signal;
use hsic_bottleneck::session::{InStages, Samples, Session, Visit};
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::{Relay, StepReport, UpdateState};
use tch::{Kind, Tensor};

use crate::block::Block;
use crate::device::Device;
use crate::feature::Seen;
use crate::objective::DeviceBatch;
use crate::samples::Kept;
use crate::step::{Measured, Method, Network, Step};

/// Rows that are evaluated at once.
const INFERENCE_ROWS: usize = 2_048;

/// Which steps are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reports {
    /// Every so many steps, >= 1.
    pub(crate) every: u64,
    /// And the last of so many, which are an epoch.
    pub(crate) epoch: u64,
    /// And those that the monitor looks at, every so many; 0 for none.
    pub(crate) monitor: u64,
}

impl Reports {
    /// Whether the step of this index is measured.
    fn is_due(&self, step: u64) -> bool {
        let done = step + 1;
        done.is_multiple_of(self.every)
            || done.is_multiple_of(self.epoch.max(1))
            || (self.monitor > 0 && done.is_multiple_of(self.monitor))
    }
}

/// A network in training on a device.
pub(crate) struct OnDevice {
    network: Network,
    method: Box<dyn Method>,
    seen: Vec<Seen>,
    reports: Reports,
    /// The samples of the training, if they are on the device.
    samples: Option<Kept>,
    /// How many of the network's tensors are of each block.
    tensors: Vec<usize>,
    /// The CPU's network: with the device's numbers, or with older ones. It is in one of the two.
    current: OnceCell<HostNetwork>,
    older: Cell<Option<HostNetwork>>,
    /// The blocks that learn here: all, or those of a stage.
    own: Range<usize>,
    /// Flags of steps that were not read yet: not finite, and lost, by block of these.
    pending: Vec<(Vec<Tensor>, Vec<Option<Tensor>>)>,
    report: StepReport,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) network: Network,
    pub(crate) method: Box<dyn Method>,
    pub(crate) host: HostNetwork,
    pub(crate) reports: Reports,
}

impl OnDevice {
    /// A session of these parts; the CPU's network has the numbers of the device's.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { network, method, host, reports } = parts;
        let seen = |block: &Block| Seen::of(host.feature(), block.shape(), &network.device);
        let seen = network.blocks.iter().map(seen).collect();
        let tensors = host.blocks().iter().map(|block| block.layout().len()).collect();
        let (own, current) = (0..network.blocks.len(), OnceCell::from(host));
        Self {
            network,
            method,
            seen,
            reports,
            samples: None,
            tensors,
            own,
            current,
            older: Cell::new(None),
            pending: Vec::new(),
            report: StepReport::default(),
        }
    }

    /// Whether its method trains blocks by themselves.
    #[cfg(feature = "mpi")]
    pub(crate) fn is_staged(&mut self) -> bool {
        self.method.staged().is_some()
    }

    fn device(&self) -> &Device {
        &self.network.device
    }

    /// The CPU's network with the numbers of the device.
    fn host(&self) -> &HostNetwork {
        self.current.get_or_init(|| {
            let Some(mut host) = self.older.take() else { unreachable!("the network is older or current") };
            for (block, host) in self.network.blocks.iter().zip(host.blocks_mut()) {
                block.store(&mut **host, self.device());
            }
            host
        })
    }

    /// The device's numbers change: those of the CPU's network are older ones.
    fn changed(&mut self) {
        if let Some(host) = self.current.take() {
            self.older.set(Some(host));
        }
    }

    /// Reads the flags of all steps since the last time, and what was measured of the last one.
    fn read(&mut self, measured: &[Measured]) -> Result<(), StepError> {
        let blocks = self.own.len();
        let flag = |flag: &Tensor| flag.to_kind(Kind::Double);
        let mut numbers: Vec<Tensor> = Vec::new();
        for block in 0..blocks {
            let diverged: Vec<Tensor> = self.pending.iter().map(|(diverged, _)| flag(&diverged[block])).collect();
            let lost: Vec<Tensor> =
                self.pending.iter().filter_map(|(_, lost)| lost[block].as_ref().map(flag)).collect();
            let any = |flags: &[Tensor]| match flags {
                [] => None,
                flags => Some(Tensor::stack(flags, 0).max()),
            };
            let none = || self.device().zeros(&[]).to_kind(Kind::Double);
            let all = [any(&diverged), any(&lost)];
            numbers.extend(all.into_iter().map(|found| found.unwrap_or_else(none)));
        }
        self.pending.clear();
        for Measured { value, gradient_norm, dead } in measured {
            numbers.push(gradient_norm.to_kind(Kind::Double));
            numbers.extend(dead.iter().map(flag));
            if let Some(value) = value {
                numbers.push(value.loss.to_kind(Kind::Double));
                numbers.extend(
                    value.terms.iter().filter_map(|(_, term)| term.as_ref().map(|term| term.to_kind(Kind::Double))),
                );
            }
        }
        let read = self.device().read_double(&Tensor::stack(&numbers, 0));
        let (flags, rest) = read.split_at(2 * blocks);
        for (block, flags) in self.own.clone().zip(flags.chunks_exact(2)) {
            if flags[0] != 0.0 {
                return Err(StepError::Diverged { block });
            }
            if flags[1] != 0.0 {
                return Err(StepError::Own(lost(block).into()));
            }
        }
        let mut rest = rest.iter().copied();
        let mut next = || rest.next().unwrap_or(f64::NAN);
        let signal = |Measured { value, dead, .. }: &Measured| {
            let gradient_norm = next();
            let dead = dead.is_some() && next() != 0.0;
            let mut signal = Signal { gradient_norm, dead, ..Signal::default() };
            if let Some(value) = value {
                signal.loss = next();
                for (to, (name, term)) in signal.terms.iter_mut().zip(&value.terms) {
                    *to = (name, if term.is_some() { next() } else { 0.0 });
                }
            }
            signal
        };
        let signals = measured.iter().map(signal).collect::<Vec<_>>();
        self.report.signals.resize(self.network.blocks.len(), Signal::default());
        self.report.signals[self.own.clone()].copy_from_slice(&signals);
        Ok(())
    }

    /// Takes what a step of its blocks says of itself; of one that is measured it is read.
    fn take(&mut self, told: Step, due: bool) -> Result<&StepReport, StepError> {
        let Step { diverged, lost, measured, spans } = told;
        self.pending.push((diverged, lost));
        self.report.signals.clear();
        self.report.spans.clear();
        if self.device().is_host() {
            // Elsewhere they would be the times of asking.
            self.report.spans = spans;
        }
        if due {
            self.read(&measured)?;
        }
        Ok(&self.report)
    }
}

/// What is said where single precision was not enough.
fn lost(block: usize) -> String {
    format!(
        "block {block}: rounding in single precision has outgrown the ridge of its kernel: expected a larger epsilon, fewer rows in \
         a batch, or hsic train, which then goes on in double precision"
    )
}

impl Inference for OnDevice {
    fn inputs(&self) -> usize {
        self.network.blocks.first().map_or(0, Block::inputs)
    }

    fn units(&self) -> usize {
        self.network.blocks.last().map_or(0, |block| block.shape().columns())
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.network.blocks.iter().map(|block| block.parameters.numel()).collect()
    }

    fn feature_columns(&self, all: bool) -> usize {
        if all { self.seen.iter().map(|seen| seen.shape().columns()).sum() } else { self.units() }
    }

    fn block_columns(&self) -> Vec<usize> {
        self.seen.iter().map(|seen| seen.shape().columns()).collect()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        let (outputs, features) = self.infer_blocks(0..self.network.blocks.len(), m, x, all);
        if all { features } else { outputs }
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.features(m, x, false)
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.batch_outputs_of(0..self.network.blocks.len(), m, x)
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.batch_outputs(m, x)
    }
}

impl Session for OnDevice {
    fn plan(&mut self, steps: u64) {
        self.method.plan(steps);
    }

    fn keep(&mut self, train: &Dataset, batches: &Batches) -> Result<Samples, StepError> {
        let (samples, kept) = Kept::of(train, batches, self.device()).map_err(StepError::Own)?;
        self.samples = kept;
        Ok(samples)
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError> {
        self.changed();
        let device = &self.network.device;
        let on_device = match &mut self.samples {
            Some(samples) => DeviceBatch::with(batch, samples.batch(batch.step), device),
            None => DeviceBatch::of(batch, device),
        };
        let due = self.reports.is_due(batch.step);
        let told = self.method.step(&mut self.network, &on_device, learning_rate, due)?;
        self.own = 0..self.network.blocks.len();
        self.take(told, due)
    }

    fn learns_values(&self) -> bool {
        self.method.learns_values()
    }

    fn observe(&mut self, batch: &Batch, visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
        let (m, device) = (batch.rows(), self.network.device.clone());
        let mut x = device.take_rows(m, &batch.x);
        for (index, (block, seen)) in self.network.blocks.iter().zip(&self.seen).enumerate() {
            x = block.forward(&x, None).0;
            let (feature, columns) = (device.read(&seen.extract(&x)), seen.shape().columns());
            visit(index, MatRef::from_row_major_slice(&feature, m, columns))?;
        }
        Ok(device.read(&x))
    }

    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool {
        if !self.has_statistics() {
            return false;
        }
        let m = batch.rows();
        self.form_statistics_of(0..self.network.blocks.len(), m, &batch.x, m as f64 / (m + earlier) as f64);
        true
    }

    fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
        self.host().stored_tensors()
    }

    fn state(&self) -> UpdateState {
        self.method.state(self.device())
    }

    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
        let mut host = match self.current.take().or_else(|| self.older.take()) {
            Some(host) => host,
            None => unreachable!("the network is older or current"),
        };
        host.set_tensors(weights);
        for (block, host) in self.network.blocks.iter_mut().zip(host.blocks()) {
            block.load(&**host, &self.network.device);
        }
        self.current = OnceCell::from(host);
        self.method.restore(&self.network, state)
    }

    fn diverged(&self) -> Option<usize> {
        let flags: Vec<Tensor> = self.network.blocks.iter().map(Block::is_finite).collect();
        self.device().read(&Tensor::stack(&flags, 0)).iter().position(|&finite| finite == 0.0)
    }
}

impl InStages for OnDevice {
    fn block_inputs(&self) -> Vec<usize> {
        self.network.blocks.iter().map(Block::inputs).collect()
    }

    fn block_tensors(&self) -> Vec<usize> {
        self.tensors.clone()
    }

    fn step_of(
        &mut self,
        batch: &Batch,
        (blocks, input): (Range<usize>, &[f32]),
        learning_rate: f64,
        relay: &mut Relay<'_, f32>,
    ) -> Result<&StepReport, StepError> {
        self.changed();
        let device = self.network.device.clone();
        let (on_device, due) = (DeviceBatch::of(batch, &device), self.reports.is_due(batch.step));
        let first = if blocks.start == 0 { None } else { Some(device.take_rows(batch.rows(), input)) };
        let part = (blocks.clone(), first.as_ref().unwrap_or(&on_device.x));
        let unfit = || StepError::Own("a method whose blocks need more than their input and the batch".into());
        let staged = self.method.staged().ok_or_else(unfit)?;
        let mut relay = |z: &Tensor, learn: &mut dyn FnMut()| relay(&device.read(z), learn);
        let told = staged.step_of(&mut self.network, &on_device, part, (learning_rate, due), &mut relay)?;
        self.own = blocks;
        self.take(told, due)
    }

    fn infer_blocks(&self, blocks: Range<usize>, m: usize, x: &[f32], all: bool) -> (Vec<f32>, Vec<f32>) {
        let inputs = x.len() / m.max(1);
        let (mut outputs, mut features) = (Vec::new(), Vec::new());
        for rows in x.chunks((INFERENCE_ROWS * inputs).max(1)) {
            let (mut x, mut seen) = (self.device().take_rows(rows.len() / inputs, rows), Vec::new());
            for index in blocks.clone() {
                x = self.network.blocks[index].infer(&x);
                if all {
                    seen.push(self.seen[index].extract(&x));
                }
            }
            outputs.extend(self.device().read(&x));
            if all {
                features.extend(self.device().read(&Tensor::cat(&seen, 1)));
            }
        }
        (outputs, features)
    }

    fn batch_outputs_of(&self, blocks: Range<usize>, m: usize, x: &[f32]) -> Vec<f32> {
        let mut x = self.device().take_rows(m, x);
        for block in &self.network.blocks[blocks] {
            x = block.forward(&x, None).0;
        }
        self.device().read(&x)
    }

    fn form_statistics_of(&mut self, blocks: Range<usize>, m: usize, x: &[f32], share: f64) -> Vec<f32> {
        self.changed();
        let mut x = self.device().take_rows(m, x);
        for block in &mut self.network.blocks[blocks] {
            let (z, kept) = block.forward(&x, None);
            block.absorb(&kept, Some(share));
            x = z;
        }
        self.device().read(&x)
    }

    fn has_statistics(&self) -> bool {
        self.network.blocks.iter().any(Block::has_statistics)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
