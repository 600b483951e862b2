//! When training saves a checkpoint.

/// When checkpoints are saved: at whatever comes first of those given. The end of training always saves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckpointRule {
    /// Every so many steps, >= 1.
    pub steps: Option<u64>,
    /// Every so many epochs, >= 1.
    pub epochs: Option<u64>,
    /// So many minutes after the last one, > 0.
    pub minutes: Option<f64>,
}

impl CheckpointRule {
    /// Whether to save after `step` steps, `seconds` after the last save (or the start of the process).
    #[must_use]
    pub fn due(&self, step: u64, steps_per_epoch: u64, seconds: f64) -> bool {
        self.steps.is_some_and(|steps| step.is_multiple_of(steps))
            || self.epochs.is_some_and(|epochs| step.is_multiple_of(epochs.saturating_mul(steps_per_epoch)))
            || self.minutes.is_some_and(|minutes| seconds >= 60.0 * minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_saves() {
        let rule = CheckpointRule { steps: Some(7), epochs: Some(2), minutes: Some(0.5) };
        let due = |rule: CheckpointRule, seconds| -> Vec<u64> {
            (1..=21).filter(|&step| rule.due(step, 5, seconds)).collect()
        };
        assert_eq!(due(rule, 0.0), [7, 10, 14, 20, 21]);
        assert_eq!(due(CheckpointRule { steps: None, ..rule }, 29.9), [10, 20]);
        assert_eq!(due(rule, 30.0).len(), 21);
        assert_eq!(due(CheckpointRule::default(), 1e9).len(), 0);
        assert_eq!(due(CheckpointRule { epochs: Some(u64::MAX), ..Default::default() }, 0.0).len(), 0);
    }
}
