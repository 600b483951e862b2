//! SGD and AdamW on flat parameters, and learning rates over time. The state lasts as long as the run.

mod options;
mod rate;

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::norm;

pub use options::{OptimizerName, OptimizerOptions};
pub use rate::{Decay, LearningRate};

/// How a gradient becomes a change of the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// What is done with a gradient.
    pub algorithm: Algorithm,
    /// If there is one, it is done with g min(1, bound / |g|) (Pascanu et al. 2013), |g| the norm of all that one learner
    /// learns from: a block's own gradient, or that of the whole network where one loss trains it. > 0.
    pub bound: Option<f64>,
}

/// What is done with a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
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
    /// Momentum (SGD, if it is not 0) or mean gradient (AdamW); empty before the first step.
    pub first: Vec<T>,
    /// Mean squared gradient (AdamW).
    pub second: Vec<T>,
    /// Steps done.
    pub steps: u64,
}

impl Default for Optimizer {
    /// AdamW without weight decay.
    fn default() -> Self {
        Self::adamw()
    }
}

impl From<Algorithm> for Optimizer {
    fn from(algorithm: Algorithm) -> Self {
        Self { algorithm, bound: None }
    }
}

impl Optimizer {
    /// AdamW with the usual decays and without weight decay.
    #[must_use]
    pub const fn adamw() -> Self {
        let algorithm = Algorithm::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
        Self { algorithm, bound: None }
    }

    /// Gradient descent without momentum and weight decay.
    #[must_use]
    pub const fn sgd() -> Self {
        Self::momentum(0.0)
    }

    /// Gradient descent with a momentum in [0, 1) and without weight decay.
    #[must_use]
    pub const fn momentum(momentum: f64) -> Self {
        Self { algorithm: Algorithm::Sgd { momentum, nesterov: false, weight_decay: 0.0 }, bound: None }
    }

    /// This optimizer with a weight decay, >= 0.
    #[must_use]
    pub const fn decayed(mut self, decay: f64) -> Self {
        match &mut self.algorithm {
            Algorithm::Sgd { weight_decay, .. } | Algorithm::AdamW { weight_decay, .. } => *weight_decay = decay,
        }
        self
    }

    /// This optimizer on gradients whose norm is at most `bound`, > 0.
    #[must_use]
    pub const fn clipped(self, bound: f64) -> Self {
        Self { bound: Some(bound), ..self }
    }

    /// One step of one block's parameters, whose gradient is by itself all that its learner learns from.
    pub fn step<T: Scalar>(&self, rate: f64, parameters: &mut [T], gradient: &[T], state: &mut OptimizerState<T>) {
        let length = if self.bound.is_some() { norm(gradient) } else { 0.0 };
        self.step_of(length, rate, parameters, gradient, state);
    }

    /// One step of one block's parameters, whose gradient is a part of one of norm `length`. The norm is not looked at
    /// without a bound.
    pub fn step_of<T: Scalar>(
        &self,
        length: f64,
        rate: f64,
        parameters: &mut [T],
        gradient: &[T],
        state: &mut OptimizerState<T>,
    ) {
        match self.bound {
            Some(bound) if length > bound => {
                let factor = T::of(bound / length);
                self.algorithm.change(
                    rate,
                    parameters,
                    gradient,
                    state,
                    #[inline(always)]
                    |g| factor * g,
                );
            }
            _ => self.algorithm.change(
                rate,
                parameters,
                gradient,
                state,
                #[inline(always)]
                |g| g,
            ),
        }
    }
}

impl Algorithm {
    /// One step along what `of` makes of each entry of the gradient.
    #[inline(always)]
    fn change<T: Scalar>(
        self,
        rate: f64,
        parameters: &mut [T],
        gradient: &[T],
        state: &mut OptimizerState<T>,
        of: impl Fn(T) -> T + Copy,
    ) {
        state.steps += 1;
        match self {
            Self::Sgd { momentum: 0.0, weight_decay, .. } => {
                // The same bits as below with a velocity of 0, without its memory.
                let (rate, decay) = (T::of(-rate), T::of(weight_decay));
                vectorize(
                    #[inline(always)]
                    || {
                        for (w, &g) in parameters.iter_mut().zip(gradient) {
                            *w = rate.mul_add(decay.mul_add(*w, of(g)), *w);
                        }
                    },
                );
            }
            Self::Sgd { momentum, nesterov, weight_decay } => {
                state.first.resize(parameters.len(), T::ZERO);
                let (rate, momentum, decay) = (T::of(-rate), T::of(momentum), T::of(weight_decay));
                vectorize(
                    #[inline(always)]
                    || {
                        let each = parameters.iter_mut().zip(gradient).zip(&mut state.first);
                        if nesterov {
                            for ((w, &g), v) in each {
                                let g = decay.mul_add(*w, of(g));
                                *v = momentum.mul_add(*v, g);
                                *w = rate.mul_add(momentum.mul_add(*v, g), *w);
                            }
                        } else {
                            for ((w, &g), v) in each {
                                *v = momentum.mul_add(*v, decay.mul_add(*w, of(g)));
                                *w = rate.mul_add(*v, *w);
                            }
                        }
                    },
                );
            }
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                state.first.resize(parameters.len(), T::ZERO);
                state.second.resize(parameters.len(), T::ZERO);
                let steps = state.steps as f64;
                let shrink = T::of(1.0 - rate * weight_decay);
                let size = T::of(-rate / (1.0 - beta1.powf(steps)));
                let correction = T::of(1.0 / (1.0 - beta2.powf(steps)).sqrt());
                let (keep1, new1) = (T::of(beta1), T::of(1.0 - beta1));
                let (keep2, new2) = (T::of(beta2), T::of(1.0 - beta2));
                let epsilon = T::of(epsilon);
                vectorize(
                    #[inline(always)]
                    || {
                        let moments = state.first.iter_mut().zip(&mut state.second);
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
        sgd.step(0.5, &mut w, &[2.0], &mut state);
        // v = 2 + 0.1 = 2.1, w = 1 - 1.05; then v = 1.89 + (1 - 0.005) = 2.885, w = -0.05 - 1.4425.
        assert!((w[0] + 0.05).abs() < 1e-15);
        sgd.step(0.5, &mut w, &[1.0], &mut state);
        assert!((w[0] + 1.4925).abs() < 1e-15, "{}", w[0]);
    }

    #[test]
    fn the_first_step_of_adamw_has_the_size_of_the_rate() {
        let adamw = Optimizer::adamw();
        for gradient in [1e-3, -7.0] {
            let (mut w, mut state) = ([0.0f64], OptimizerState::default());
            adamw.step(0.01, &mut w, &[gradient], &mut state);
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
                        Some(length) => optimizer.step_of(length, 0.5, &mut w, &gradient, &mut state),
                        None => optimizer.step(0.5, &mut w, &gradient, &mut state),
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
        let sgd = Optimizer::from(Algorithm::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1 });
        let (mut w, mut state) = ([1.0f64], OptimizerState::default());
        sgd.step(0.5, &mut w, &[2.0], &mut state);
        // g = 2.1, v = 2.1, w = 1 - 0.5 (2.1 + 1.89); then g = 1 - 0.0995, v = 1.89 + 0.9005, w -= 0.5 (0.9005 + 2.51145).
        assert!((w[0] + 0.995).abs() < 1e-15, "{}", w[0]);
        sgd.step(0.5, &mut w, &[1.0], &mut state);
        assert!((w[0] + 2.700_975).abs() < 1e-14, "{}", w[0]);
    }
}
