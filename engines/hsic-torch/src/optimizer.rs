//! The optimizers on a device, by the formulas of `hsic-nn`'s `optimizer`.

use std::ops::Range;

use hsic_bottleneck::optimizer::muon::{COEFFICIENTS, EPSILON, STEPS};
use hsic_bottleneck::optimizer::{Algorithm, Entrywise, Group, Groups, Matrix, Optimizer, OptimizerState};
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

/// What is done with some of a block's numbers.
#[derive(Clone, Copy, PartialEq)]
enum Treatment {
    /// By Muon, with this momentum.
    Matrix(Matrix, f64),
    /// Each by itself, at a factor of the rate.
    Entrywise(Entrywise, f64),
}

/// What an optimizer does with so many numbers, by groups: neighbors that are treated alike are taken together.
fn treatments(optimizer: Optimizer, groups: Groups, numbers: usize) -> Vec<(Range<usize>, Treatment)> {
    let mut all: Vec<(Range<usize>, Treatment)> = Vec::new();
    for (place, group) in groups.of(numbers) {
        let treatment = match (optimizer.algorithm, group) {
            (Algorithm::Muon { momentum, .. }, Group::Matrix(matrix)) => Treatment::Matrix(matrix, momentum),
            (Algorithm::Entrywise(rule) | Algorithm::Muon { rest: rule, .. }, _) => {
                Treatment::Entrywise(rule, optimizer.rates.of(group))
            }
        };
        match all.last_mut() {
            Some((before, same)) if *same == treatment => before.end = place.end,
            _ => all.push((place, treatment)),
        }
    }
    all
}

/// One step of flat parameters, which are of these groups, along a gradient that is a part of one of norm `length`, which is not
/// looked at without a bound.
pub(crate) fn step(
    optimizer: Optimizer,
    rate: f64,
    groups: Groups,
    (parameters, gradient): (&Tensor, &Tensor),
    length: &Tensor,
    state: &mut State,
) {
    let shortened = optimizer.bound.map(|bound| {
        let factor = (length.reciprocal() * bound).clamp_max(1.0).to_kind(Kind::Float);
        gradient * factor
    });
    let gradient = shortened.as_ref().unwrap_or(gradient);
    let State { first, second, steps } = state;
    *steps += 1;
    for (place, treatment) in treatments(optimizer, groups, parameters.numel()) {
        let part = |whole: &Tensor| whole.narrow(0, place.start as i64, place.len() as i64);
        // Memory is there from the first step that needs it, for all numbers.
        let remembered = |memory: &mut Option<Tensor>| part(memory.get_or_insert_with(|| parameters.zeros_like()));
        let (w, g) = (part(parameters), part(gradient));
        match treatment {
            Treatment::Matrix(matrix, momentum) => by_muon(matrix, (rate, momentum), (w, g), remembered(first)),
            Treatment::Entrywise(rule, factor) => match rule {
                Entrywise::Sgd { momentum, nesterov, weight_decay } => {
                    let velocity = (momentum != 0.0).then(|| (momentum, nesterov, remembered(first)));
                    by_sgd((rate, factor, weight_decay), (w, g), velocity);
                }
                Entrywise::AdamW { .. } => {
                    by_adamw(rule, (rate, factor, *steps), (w, g), (remembered(first), remembered(second)));
                }
            },
        }
    }
}

/// SGD at a rate, a factor of the gradient and a decay; `velocity` is momentum, whether it looks ahead, and memory.
fn by_sgd((rate, factor, decay): (f64, f64, f64), (mut w, g): (Tensor, Tensor), velocity: Option<(f64, bool, Tensor)>) {
    let g = if factor == 1.0 { g } else { g * factor };
    let g = if decay == 0.0 { g } else { g + &w * decay };
    let along = match velocity {
        None => g,
        Some((momentum, nesterov, mut v)) => {
            v.copy_(&(&v * momentum + &g));
            if nesterov { g + v * momentum } else { v }
        }
    };
    w -= along * rate;
}

/// AdamW at a rate, a factor of it and after so many steps, this one included.
fn by_adamw(
    rule: Entrywise,
    (rate, factor, steps): (f64, f64, u64),
    (mut w, g): (Tensor, Tensor),
    (mut first, mut second): (Tensor, Tensor),
) {
    let Entrywise::AdamW { beta1, beta2, epsilon, weight_decay } = rule else { return };
    first.copy_(&(&first * beta1 + &g * (1.0 - beta1)));
    second.copy_(&(&second * beta2 + g.square() * (1.0 - beta2)));
    let steps = steps as f64;
    let size = rate * factor / (1.0 - beta1.powf(steps));
    let correction = (1.0 - beta2.powf(steps)).sqrt().recip();
    let root = second.sqrt() * correction + epsilon;
    w.copy_(&(&w * (1.0 - rate * weight_decay) - (first / root) * size));
}

/// Muon at a rate and with a momentum, whose memory is `v`.
fn by_muon(matrix: Matrix, (rate, momentum): (f64, f64), (mut w, g): (Tensor, Tensor), mut v: Tensor) {
    let Matrix { units, fan_in, by_unit, normalized } = matrix;
    let (lines, columns) = if by_unit { (units, fan_in) } else { (fan_in, units) };
    v.copy_(&(&v * momentum + &g));
    let ahead = (g + &v * momentum).view([lines as i64, columns as i64]);
    let along = orthogonal(&ahead).reshape(-1);
    if normalized {
        // A matrix of zeros has no size to be brought to another.
        let size = length(&w);
        let factor = (size.reciprocal() * (units as f64).sqrt()).where_self(&size.gt(0.0), &size.ones_like());
        w *= factor.to_kind(Kind::Float);
    }
    w -= along * rate;
}

/// The matrix with its singular values brought near 1: Newton and Schulz's iteration.
fn orthogonal(u: &Tensor) -> Tensor {
    let x = u * (length(u) + EPSILON).reciprocal().to_kind(Kind::Float);
    // The smaller side becomes that of XX'.
    let is_wide = u.size()[0] <= u.size()[1];
    let mut x = if is_wide { x } else { x.tr() };
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..STEPS {
        let gram = x.matmul(&x.tr());
        let both = &gram * b + gram.matmul(&gram) * c;
        x = &x * a + both.matmul(&x);
    }
    if is_wide { x } else { x.tr() }
}
