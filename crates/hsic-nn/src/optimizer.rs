//! SGD and AdamW on flat parameters, and learning rates over time. The state lasts as long as the run.

mod options;

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::norm;
use serde::{Deserialize, Serialize};

pub use options::{OptimizerName, OptimizerOptions};

/// How a gradient becomes a change of the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Optimizer {
    /// g <- g + decay w, v <- momentum v + g, w <- w - rate v (PyTorch's SGD without dampening).
    Sgd {
        /// In [0, 1).
        momentum: f64,
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
    /// One of the others on g min(1, bound / |g|) (Pascanu et al. 2013), |g| the norm of all that one learner learns from: a
    /// block's own gradient, or that of the whole network where one loss trains it.
    Clipped {
        /// The largest norm that is left as it is, > 0.
        bound: f64,
        /// What learns from the shortened gradient.
        rule: ClippedRule,
    },
}

/// An optimizer behind a bound of the gradient's norm: those of [`Optimizer`], by the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum ClippedRule {
    /// [`Optimizer::Sgd`]
    Sgd {
        /// In [0, 1).
        momentum: f64,
        /// >= 0.
        weight_decay: f64,
    },
    /// [`Optimizer::AdamW`]
    AdamW {
        /// In [0, 1).
        beta1: f64,
        /// In [0, 1).
        beta2: f64,
        /// > 0.
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

impl Optimizer {
    /// AdamW with the usual decays and without weight decay.
    #[must_use]
    pub const fn adamw() -> Self {
        Self::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }

    /// Gradient descent without momentum and weight decay.
    #[must_use]
    pub const fn sgd() -> Self {
        Self::Sgd { momentum: 0.0, weight_decay: 0.0 }
    }

    /// This optimizer on gradients whose norm is at most `bound`, > 0.
    #[must_use]
    pub const fn clipped(self, bound: f64) -> Self {
        let rule = match self {
            Self::Sgd { momentum, weight_decay } => ClippedRule::Sgd { momentum, weight_decay },
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                ClippedRule::AdamW { beta1, beta2, epsilon, weight_decay }
            }
            Self::Clipped { rule, .. } => rule,
        };
        Self::Clipped { bound, rule }
    }

    /// The largest norm of a gradient that is left as it is, if there is one.
    #[must_use]
    pub const fn bound(&self) -> Option<f64> {
        match *self {
            Self::Clipped { bound, .. } => Some(bound),
            _ => None,
        }
    }

    /// This optimizer without a bound.
    #[must_use]
    pub const fn unclipped(self) -> Self {
        match self {
            Self::Clipped { rule: ClippedRule::Sgd { momentum, weight_decay }, .. } => {
                Self::Sgd { momentum, weight_decay }
            }
            Self::Clipped { rule: ClippedRule::AdamW { beta1, beta2, epsilon, weight_decay }, .. } => {
                Self::AdamW { beta1, beta2, epsilon, weight_decay }
            }
            plain => plain,
        }
    }

    /// One step of one block's parameters, whose gradient is by itself all that its learner learns from.
    pub fn step<T: Scalar>(&self, rate: f64, parameters: &mut [T], gradient: &[T], state: &mut OptimizerState<T>) {
        let length = if self.bound().is_some() { norm(gradient) } else { 0.0 };
        self.step_of(length, rate, parameters, gradient, state);
    }

    /// One step of one block's parameters, whose gradient is a part of one of norm `length`. The norm is not looked at
    /// without a [`bound`](Self::bound).
    pub fn step_of<T: Scalar>(
        &self,
        length: f64,
        rate: f64,
        parameters: &mut [T],
        gradient: &[T],
        state: &mut OptimizerState<T>,
    ) {
        match self.bound() {
            Some(bound) if length > bound => {
                let factor = T::of(bound / length);
                self.unclipped().change(
                    rate,
                    parameters,
                    gradient,
                    state,
                    #[inline(always)]
                    |g| factor * g,
                );
            }
            _ => self.unclipped().change(
                rate,
                parameters,
                gradient,
                state,
                #[inline(always)]
                |g| g,
            ),
        }
    }

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
            Self::Sgd { momentum: 0.0, weight_decay } => {
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
            Self::Sgd { momentum, weight_decay } => {
                state.first.resize(parameters.len(), T::ZERO);
                let (rate, momentum, decay) = (T::of(-rate), T::of(momentum), T::of(weight_decay));
                vectorize(
                    #[inline(always)]
                    || {
                        for ((w, &g), v) in parameters.iter_mut().zip(gradient).zip(&mut state.first) {
                            *v = momentum.mul_add(*v, decay.mul_add(*w, of(g)));
                            *w = rate.mul_add(*v, *w);
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
            Self::Clipped { .. } => unreachable!("an optimizer without its bound"),
        }
    }
}

/// How the learning rate goes from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Stays.
    Constant,
    /// Half a cosine down to 0 (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// A straight line down to 0.
    Linear,
}

/// The learning rate by step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// The rate after warm-up.
    pub peak: f64,
    /// Its course.
    pub decay: Decay,
    /// Steps over which it rises linearly from 0; the first step has peak / (warmup + 1).
    pub warmup_steps: u64,
}

impl LearningRate {
    /// The rate of step `step` (from 0) of `total`.
    #[must_use]
    pub fn at(&self, step: u64, total: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let length = total.saturating_sub(self.warmup_steps).max(1);
        let progress = (step - self.warmup_steps) as f64 / length as f64;
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine => self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
            Decay::Linear => self.peak * (1.0 - progress.min(1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sgd_keeps_its_momentum() {
        let sgd = Optimizer::Sgd { momentum: 0.9, weight_decay: 0.1 };
        let (mut w, mut state) = ([1.0f64], OptimizerState::default());
        sgd.step(0.5, &mut w, &[2.0], &mut state);
        // v = 2 + 0.1 = 2.1, w = 1 - 1.05; then v = 1.89 + (1 - 0.005) = 2.885, w = -0.05 - 1.4425.
        assert!((w[0] + 0.05).abs() < 1e-15);
        sgd.step(0.5, &mut w, &[1.0], &mut state);
        assert!((w[0] + 1.4925).abs() < 1e-15, "{}", w[0]);
    }

    #[test]
    fn the_first_step_of_adamw_has_the_size_of_the_rate() {
        let adamw = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
        for gradient in [1e-3, -7.0] {
            let (mut w, mut state) = ([0.0f64], OptimizerState::default());
            adamw.step(0.01, &mut w, &[gradient], &mut state);
            assert!((w[0] + 0.01 * gradient.signum()).abs() < 1e-6);
        }
    }

    #[test]
    fn a_gradient_beyond_its_bound_is_shortened_to_it_and_another_is_not() {
        let decayed = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 };
        for plain in [Optimizer::Sgd { momentum: 0.9, weight_decay: 0.1 }, Optimizer::sgd(), decayed] {
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
            assert_eq!((clipped.unclipped(), clipped.bound(), plain.bound()), (plain, Some(2.5), None));
            assert_eq!(clipped.clipped(1.0), plain.clipped(1.0));
        }
    }

    #[test]
    fn rates_rise_and_fall_as_named() {
        let rate = |decay| LearningRate { peak: 1.0, decay, warmup_steps: 4 };
        assert_eq!(rate(Decay::Constant).at(0, 104), 0.2);
        assert_eq!(rate(Decay::Constant).at(90, 104), 1.0);
        assert_eq!(rate(Decay::Linear).at(54, 104), 0.5);
        assert!((rate(Decay::Cosine).at(29, 104) - 0.853_553_390_593_273_8).abs() < 1e-15);
        assert_eq!(rate(Decay::Cosine).at(104, 104), 0.0);
    }
}
