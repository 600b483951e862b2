//! Learning rates over time.

use serde::{Deserialize, Serialize};

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
    /// Straight lines, from a fifth of the rate up to all of it at 23 % of the steps, then down to 7 % of it (Jordan 2024).
    Triangular,
}

/// Of a triangular course: where it starts, when it is at its peak, where it ends; shares of the rate and of the steps.
const TRIANGLE: [f64; 3] = [0.2, 0.23, 0.07];

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
            Decay::Triangular => {
                let ([start, top, end], progress) = (TRIANGLE, progress.min(1.0));
                let share = if progress < top {
                    start + (1.0 - start) * progress / top
                } else {
                    1.0 - (1.0 - end) * (progress - top) / (1.0 - top)
                };
                self.peak * share
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_as_named() {
        let rate = |decay| LearningRate { peak: 1.0, decay, warmup_steps: 4 };
        assert_eq!(rate(Decay::Constant).at(0, 104), 0.2);
        assert_eq!(rate(Decay::Constant).at(90, 104), 1.0);
        assert_eq!(rate(Decay::Linear).at(54, 104), 0.5);
        assert!((rate(Decay::Cosine).at(29, 104) - 0.853_553_390_593_273_8).abs() < 1e-15);
        assert_eq!(rate(Decay::Cosine).at(104, 104), 0.0);
    }

    #[test]
    fn a_triangle_has_its_three_corners_and_straight_sides() {
        // numpy.interp(step, [0, 23, 100], [0.2, 1, 0.07]) at these steps.
        let rate = LearningRate { peak: 2.0, decay: Decay::Triangular, warmup_steps: 0 };
        for (step, expected) in
            [(0, 0.2), (10, 0.547_826_086_956_521_7), (23, 1.0), (50, 0.673_896_103_896_103_9), (100, 0.07)]
        {
            assert!((rate.at(step, 100) - 2.0 * expected).abs() < 1e-15, "{step}");
        }
    }
}
