//! The optimizers on a device, by the formulas of `hsic-nn`'s `optimizer`.

use hsic_bottleneck::optimizer::{Algorithm, Entrywise, Optimizer, OptimizerState};
use tch::{Kind, Tensor};

use crate::device::Device;

/// What an optimizer remembers of one block.
#[derive(Debug, Default)]
pub(crate) struct State {
    first: Option<Tensor>,
    second: Option<Tensor>,
    steps: u64,
}

impl State {
    /// A record on the device.
    pub(crate) fn of(record: &OptimizerState<f32>, device: &Device) -> Self {
        let moved = |values: &[f32]| (!values.is_empty()).then(|| device.take(values));
        Self { first: moved(&record.first), second: moved(&record.second), steps: record.steps }
    }

    /// The record of a checkpoint.
    pub(crate) fn record(&self, device: &Device) -> OptimizerState<f32> {
        let read = |tensor: &Option<Tensor>| tensor.as_ref().map_or_else(Vec::new, |tensor| device.read(tensor));
        OptimizerState {
            first: read(&self.first),
            second: read(&self.second),
            steps: self.steps,
            ..OptimizerState::default()
        }
    }
}

/// The Euclidean norm of a gradient, summed in double precision; a number on the device.
pub(crate) fn length(gradient: &Tensor) -> Tensor {
    gradient.square().sum(Kind::Double).sqrt()
}

/// One step of flat parameters along a gradient that is a part of one of norm `length`, which is not looked at without a bound.
pub(crate) fn step(
    optimizer: Optimizer,
    rate: f64,
    (parameters, gradient): (&mut Tensor, &Tensor),
    length: &Tensor,
    state: &mut State,
) {
    let shortened = optimizer.bound.map(|bound| {
        let factor = (length.reciprocal() * bound).clamp_max(1.0).to_kind(Kind::Float);
        gradient * factor
    });
    let gradient = shortened.as_ref().unwrap_or(gradient);
    state.steps += 1;
    let zeros = || parameters.zeros_like();
    match optimizer.algorithm {
        Algorithm::Entrywise(Entrywise::Sgd { momentum, nesterov, weight_decay }) => {
            let decayed = (weight_decay != 0.0).then(|| gradient + &*parameters * weight_decay);
            let gradient = decayed.as_ref().unwrap_or(gradient);
            if momentum == 0.0 {
                *parameters = &*parameters - gradient * rate;
                return;
            }
            let velocity = state.first.take().unwrap_or_else(zeros) * momentum + gradient;
            let along = nesterov.then(|| gradient + &velocity * momentum);
            *parameters = &*parameters - along.as_ref().unwrap_or(&velocity) * rate;
            state.first = Some(velocity);
        }
        Algorithm::Entrywise(Entrywise::AdamW { beta1, beta2, epsilon, weight_decay }) => {
            let first = state.first.take().unwrap_or_else(zeros) * beta1 + gradient * (1.0 - beta1);
            let second = state.second.take().unwrap_or_else(zeros) * beta2 + gradient.square() * (1.0 - beta2);
            let steps = state.steps as f64;
            let size = rate / (1.0 - beta1.powf(steps));
            let correction = (1.0 - beta2.powf(steps)).sqrt().recip();
            let root = second.sqrt() * correction + epsilon;
            *parameters = &*parameters * (1.0 - rate * weight_decay) - (&first / root) * size;
            (state.first, state.second) = (Some(first), Some(second));
        }
        Algorithm::Muon { .. } => unreachable!("refused before training"),
    }
}
