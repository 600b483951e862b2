//! SGD, AdamW and Muon on the parameters of a block, and learning rates over time. The state lasts as long as the run.

mod groups;
pub mod muon;
mod options;
mod rate;

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::norm;

pub use groups::{Group, GroupRates, Groups, Matrix};
pub use muon::Workspace;
pub use options::{Average, MuonRest, OptimizerName, OptimizerOptions};
pub use rate::{Decay, LearningRate};

/// How a gradient becomes a change of the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// What is done with a gradient.
    pub algorithm: Algorithm,
    /// If there is one, it is done with g min(1, bound / |g|) (Pascanu et al. 2013), |g| the norm of all that one learner
    /// learns from: a block's own gradient, or that of the whole network where one loss trains it. > 0.
    pub bound: Option<f64>,
    /// Factors of the rate by what the numbers of a block are. Weight decay goes by the rate without them.
    pub rates: GroupRates,
}

/// What is done with a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// The same with every number.
    Entrywise(Entrywise),
    /// Matrices before the output layer by their momentum with singular values near 1 (Jordan et al. 2024). The head of
    /// `optimizer/muon.rs` has the formula.
    Muon {
        /// Of the matrices, in [0, 1); it looks ahead by Nesterov.
        momentum: f64,
        /// What is done with all else.
        rest: Entrywise,
    },
}

/// An algorithm that treats each number by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entrywise {
    /// g <- g + decay w, v <- momentum v + g, w <- w - rate v (PyTorch's SGD without dampening).
    Sgd {
        /// In [0, 1).
        momentum: f64,
        /// Whether the step goes along g + momentum v, with the new v (Sutskever et al. 2013, PyTorch's form).
        nesterov: bool,
        /// >= 0.
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019), PyTorch's order of operations.
    AdamW {
        /// Decay of the mean of gradients, in [0, 1).
        beta1: f64,
        /// Decay of the mean of squared gradients, in [0, 1).
        beta2: f64,
        /// Added to the root, > 0.
        epsilon: f64,
        /// >= 0.
        weight_decay: f64,
    },
}

/// What an optimizer remembers of one block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState<T> {
    /// Momentum (SGD, if it is not 0, and Muon) or mean gradient (AdamW); empty before the first step.
    pub first: Vec<T>,
    /// Mean squared gradient (AdamW).
    pub second: Vec<T>,
    /// Steps done.
    pub steps: u64,
    /// Scratch.
    pub work: Workspace<T>,
}

impl Default for Optimizer {
    /// AdamW without weight decay.
    fn default() -> Self {
        Self::adamw()
    }
}

impl From<Algorithm> for Optimizer {
    fn from(algorithm: Algorithm) -> Self {
        Self { algorithm, bound: None, rates: GroupRates::EQUAL }
    }
}

impl From<Entrywise> for Optimizer {
    fn from(algorithm: Entrywise) -> Self {
        Self::entrywise(algorithm)
    }
}

impl Optimizer {
    const fn entrywise(algorithm: Entrywise) -> Self {
        Self { algorithm: Algorithm::Entrywise(algorithm), bound: None, rates: GroupRates::EQUAL }
    }

    /// AdamW with the usual decays and without weight decay.
    #[must_use]
    pub const fn adamw() -> Self {
        Self::entrywise(Entrywise::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 })
    }

    /// Gradient descent without momentum and weight decay.
    #[must_use]
    pub const fn sgd() -> Self {
        Self::momentum(0.0)
    }

    /// Gradient descent with a momentum in [0, 1) and without weight decay.
    #[must_use]
    pub const fn momentum(momentum: f64) -> Self {
        Self::entrywise(Entrywise::Sgd { momentum, nesterov: false, weight_decay: 0.0 })
    }

    /// This optimizer with a weight decay, >= 0: by Muon of all but the matrices.
    #[must_use]
    pub const fn decayed(mut self, decay: f64) -> Self {
        let (Algorithm::Entrywise(rule) | Algorithm::Muon { rest: rule, .. }) = &mut self.algorithm;
        let (Entrywise::Sgd { weight_decay, .. } | Entrywise::AdamW { weight_decay, .. }) = rule;
        *weight_decay = decay;
        self
    }

    /// This optimizer on gradients whose norm is at most `bound`, > 0.
    #[must_use]
    pub const fn clipped(self, bound: f64) -> Self {
        Self { bound: Some(bound), ..self }
    }

    /// One step of one block's parameters, whose gradient is by itself all that its learner learns from; `groups` says what
    /// they are.
    pub fn step<T: Scalar>(
        &self,
        rate: f64,
        groups: Groups,
        (parameters, gradient): (&mut [T], &[T]),
        state: &mut OptimizerState<T>,
    ) {
        let length = if self.bound.is_some() { norm(gradient) } else { 0.0 };
        self.step_of(length, rate, groups, (parameters, gradient), state);
    }

    /// One step of one block's parameters, whose gradient is a part of one of norm `length`. The norm is not looked at
    /// without a bound.
    pub fn step_of<T: Scalar>(
        &self,
        length: f64,
        rate: f64,
        groups: Groups,
        (parameters, gradient): (&mut [T], &[T]),
        state: &mut OptimizerState<T>,
    ) {
        match self.bound {
            Some(bound) if length > bound => {
                let factor = T::of(bound / length);
                self.change(
                    rate,
                    groups,
                    (parameters, gradient),
                    state,
                    #[inline(always)]
                    |g| factor * g,
                );
            }
            _ => self.change(
                rate,
                groups,
                (parameters, gradient),
                state,
                #[inline(always)]
                |g| g,
            ),
        }
    }

    /// One step along what `of` makes of each entry of the gradient.
    #[inline(always)]
    fn change<T: Scalar>(
        &self,
        rate: f64,
        groups: Groups,
        (parameters, gradient): (&mut [T], &[T]),
        state: &mut OptimizerState<T>,
        of: impl Fn(T) -> T + Copy,
    ) {
        let OptimizerState { first, second, steps, work } = state;
        *steps += 1;
        let (by_first, by_second) = match self.algorithm {
            Algorithm::Entrywise(rule) => rule.memory(),
            Algorithm::Muon { rest, .. } => (true, rest.memory().1),
        };
        first.resize(if by_first { parameters.len() } else { first.len() }, T::ZERO);
        second.resize(if by_second { parameters.len() } else { second.len() }, T::ZERO);
        for (place, group) in groups.of(parameters.len()) {
            let first = first.get_mut(place.clone()).unwrap_or_default();
            let second = second.get_mut(place.clone()).unwrap_or_default();
            let (w, gradient) = (&mut parameters[place.clone()], &gradient[place]);
            let factor = self.rates.of(group);
            match (self.algorithm, group) {
                (Algorithm::Muon { momentum, .. }, Group::Matrix(matrix)) => {
                    muon::step(matrix, (rate, momentum), (w, gradient, first), work, of);
                }
                (Algorithm::Entrywise(rule) | Algorithm::Muon { rest: rule, .. }, _) => {
                    rule.change((rate, factor), *steps, (w, gradient), (first, second), of);
                }
            }
        }
    }
}

impl Entrywise {
    /// Whether it has a first and a second memory of each number.
    const fn memory(self) -> (bool, bool) {
        match self {
            Self::Sgd { momentum, .. } => (momentum != 0.0, false),
            Self::AdamW { .. } => (true, true),
        }
    }

    /// Step number `steps` (from 1) of one group along what `of` makes of each entry of its gradient, at a factor of the rate.
    #[inline(always)]
    fn change<T: Scalar>(
        self,
        (rate, factor): (f64, f64),
        steps: u64,
        (parameters, gradient): (&mut [T], &[T]),
        (first, second): (&mut [T], &mut [T]),
        of: impl Fn(T) -> T + Copy,
    ) {
        // A factor of SGD's rate is one of the gradient, so that it leaves the decay alone. At 1 it changes no bit.
        let scale = T::of(factor);
        match self {
            Self::Sgd { momentum: 0.0, weight_decay, .. } => {
                // The same bits as below with a velocity of 0, without its memory.
                let (rate, decay) = (T::of(-rate), T::of(weight_decay));
                vectorize(
                    #[inline(always)]
                    || {
                        for (w, &g) in parameters.iter_mut().zip(gradient) {
                            *w = rate.mul_add(decay.mul_add(*w, scale * of(g)), *w);
                        }
                    },
                );
            }
            Self::Sgd { momentum, nesterov, weight_decay } => {
                let (rate, momentum, decay) = (T::of(-rate), T::of(momentum), T::of(weight_decay));
                vectorize(
                    #[inline(always)]
                    || {
                        let each = parameters.iter_mut().zip(gradient).zip(first.iter_mut());
                        if nesterov {
                            for ((w, &g), v) in each {
                                let g = decay.mul_add(*w, scale * of(g));
                                *v = momentum.mul_add(*v, g);
                                *w = rate.mul_add(momentum.mul_add(*v, g), *w);
                            }
                        } else {
                            for ((w, &g), v) in each {
                                *v = momentum.mul_add(*v, decay.mul_add(*w, scale * of(g)));
                                *w = rate.mul_add(*v, *w);
                            }
                        }
                    },
                );
            }
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                let steps = steps as f64;
                let shrink = T::of(1.0 - rate * weight_decay);
                let size = T::of(-rate * factor / (1.0 - beta1.powf(steps)));
                let correction = T::of(1.0 / (1.0 - beta2.powf(steps)).sqrt());
                let (keep1, new1) = (T::of(beta1), T::of(1.0 - beta1));
                let (keep2, new2) = (T::of(beta2), T::of(1.0 - beta2));
                let epsilon = T::of(epsilon);
                vectorize(
                    #[inline(always)]
                    || {
                        let moments = first.iter_mut().zip(second.iter_mut());
                        for ((w, &g), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
                            let g = of(g);
                            *first = keep1.mul_add(*first, new1 * g);
                            *second = keep2.mul_add(*second, new2 * g * g);
                            let root = Scalar::sqrt(*second).mul_add(correction, epsilon);
                            *w = size.mul_add(*first / root, *w * shrink);
                        }
                    },
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sgd_keeps_its_momentum() {
        let sgd = Optimizer::momentum(0.9).decayed(0.1);
        let (mut w, mut state) = ([1.0f64], OptimizerState::default());
        sgd.step(0.5, Groups::default(), (&mut w, &[2.0]), &mut state);
        // v = 2 + 0.1 = 2.1, w = 1 - 1.05; then v = 1.89 + (1 - 0.005) = 2.885, w = -0.05 - 1.4425.
        assert!((w[0] + 0.05).abs() < 1e-15);
        sgd.step(0.5, Groups::default(), (&mut w, &[1.0]), &mut state);
        assert!((w[0] + 1.4925).abs() < 1e-15, "{}", w[0]);
    }

    #[test]
    fn the_first_step_of_adamw_has_the_size_of_the_rate() {
        let adamw = Optimizer::adamw();
        for gradient in [1e-3, -7.0] {
            let (mut w, mut state) = ([0.0f64], OptimizerState::default());
            adamw.step(0.01, Groups::default(), (&mut w, &[gradient]), &mut state);
            assert!((w[0] + 0.01 * gradient.signum()).abs() < 1e-6);
        }
    }

    #[test]
    fn a_gradient_beyond_its_bound_is_shortened_to_it_and_another_is_not() {
        let decayed = Optimizer::adamw().decayed(0.1);
        for plain in [Optimizer::momentum(0.9).decayed(0.1), Optimizer::sgd(), decayed] {
            let after = |optimizer: Optimizer, gradient: [f64; 2], length: Option<f64>| {
                let (mut w, mut state) = ([1.0, -2.0], OptimizerState::default());
                for _ in 0..2 {
                    match length {
                        Some(length) => {
                            optimizer.step_of(length, 0.5, Groups::default(), (&mut w, &gradient), &mut state)
                        }
                        None => optimizer.step(0.5, Groups::default(), (&mut w, &gradient), &mut state),
                    }
                }
                (w, state)
            };
            // 3 and 4 have the norm 5: a bound of 2.5 halves them, exactly. As part of a norm of 20 they are an eighth.
            let clipped = plain.clipped(2.5);
            assert_eq!(after(clipped, [3.0, 4.0], None), after(plain, [1.5, 2.0], None), "{plain:?}");
            assert_eq!(after(clipped, [3.0, 4.0], Some(20.0)), after(plain, [0.375, 0.5], None), "{plain:?}");
            assert_eq!(after(clipped, [1.5, 2.0], None), after(plain, [1.5, 2.0], None), "{plain:?}");
            assert_eq!(clipped.clipped(1.0), plain.clipped(1.0));
        }
    }

    #[test]
    fn a_step_by_nesterov_looks_ahead_along_the_new_momentum() {
        // torch.optim.SGD's rule: g + decay w into the buffer, the step along that and momentum times the buffer.
        let sgd = Optimizer::from(Entrywise::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1 });
        let (mut w, mut state) = ([1.0f64], OptimizerState::default());
        sgd.step(0.5, Groups::default(), (&mut w, &[2.0]), &mut state);
        // g = 2.1, v = 2.1, w = 1 - 0.5 (2.1 + 1.89); then g = 1 - 0.0995, v = 1.89 + 0.9005, w -= 0.5 (0.9005 + 2.51145).
        assert!((w[0] + 0.995).abs() < 1e-15, "{}", w[0]);
        sgd.step(0.5, Groups::default(), (&mut w, &[1.0]), &mut state);
        assert!((w[0] + 2.700_975).abs() < 1e-14, "{}", w[0]);
    }

    #[test]
    fn groups_have_rates_of_their_own_and_one_decay() {
        let rates = GroupRates { norm_bias: 0.5, head: 0.0, classifier: 2.0 };
        let groups = Groups::default().then(2, Group::NormBias).then(1, Group::Head);
        let (g, decay) = ([1.0, -2.0, 3.0, 4.0], 0.1);
        let step = |optimizer: Optimizer, steps| {
            let (mut w, mut state) = ([1.0, 2.0, 3.0, 4.0], OptimizerState::default());
            (0..steps).for_each(|_| optimizer.step(0.5, groups, (&mut w, &g), &mut state));
            w
        };
        let sgd = Optimizer { rates, ..Optimizer::sgd().decayed(decay) };
        let scaled = |w: f64, g: f64, factor: f64| w - 0.5 * (decay * w + factor * g);
        let expected = [scaled(1.0, 1.0, 0.5), scaled(2.0, -2.0, 0.5), scaled(3.0, 3.0, 0.0), scaled(4.0, 4.0, 1.0)];
        step(sgd, 1).iter().zip(expected).for_each(|(w, e)| assert!((w - e).abs() < 1e-15, "{w} {e}"));
        // The first step of AdamW is of the size of the rate, whatever the gradient is.
        let adamw = Optimizer { rates, ..Optimizer::adamw().decayed(decay) };
        let expected = [0.95 - 0.25, 1.9 + 0.25, 2.85, 3.8 - 0.5];
        step(adamw, 1).iter().zip(expected).for_each(|(w, e)| assert!((w - e).abs() < 1e-7, "{w} {e}"));
        assert_eq!(step(Optimizer { rates: GroupRates::EQUAL, ..sgd }, 3)[3], step(sgd, 3)[3]);
    }

    #[test]
    fn muon_leaves_what_is_no_matrix_to_the_other_algorithm() {
        let matrix = Matrix { units: 2, fan_in: 1, by_unit: true, normalized: false };
        let groups = Groups::default().then(2, Group::Matrix(matrix)).then(1, Group::Head);
        for rest in [
            Entrywise::Sgd { momentum: 0.85, nesterov: true, weight_decay: 0.1 },
            Entrywise::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 },
        ] {
            let (mut w, mut state) = ([1.0, 2.0, 3.0, 4.0], OptimizerState::default());
            let (mut plain, mut plain_state) = ([3.0, 4.0], OptimizerState::default());
            let muon = Optimizer::from(Algorithm::Muon { momentum: 0.6, rest });
            for g in [[3.0, 4.0, -1.0, 0.5], [0.3, 0.4, 2.0, 1.0]] {
                muon.step(0.1, groups, (&mut w, &g), &mut state);
                Optimizer::from(rest).step(0.1, Groups::default(), (&mut plain, &g[2..]), &mut plain_state);
            }
            assert_eq!(w[2..], plain);
            // Both gradients point the same way, so that X is (0.6, 0.8) times what the iteration makes of 1.
            let each = (0..3).fold(1.0f64, |s, _| 3.4445 * s - 4.7750 * s.powi(3) + 2.0315 * s.powi(5));
            assert!((w[0] - (1.0 - 0.2 * 0.6 * each)).abs() < 1e-6 && (w[1] - (2.0 - 0.2 * 0.8 * each)).abs() < 1e-6);
        }
    }
}
