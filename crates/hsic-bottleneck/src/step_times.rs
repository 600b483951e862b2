//! How long steps took, in memory that does not grow with their number.

/// Times that are kept at most: 64 kB.
const MOST: usize = 8_192;

/// Times of steps, or of an even choice of them: every one, and once there are more than 8,192 every second, every fourth and so on.
#[derive(Debug)]
pub(crate) struct StepTimes {
    kept: Vec<f64>,
    /// Every so many steps one is kept, from the first on.
    stride: u64,
    seen: u64,
}

impl StepTimes {
    /// None yet, with room for all that will be kept.
    pub(crate) fn new() -> Self {
        Self { kept: Vec::with_capacity(MOST), stride: 1, seen: 0 }
    }

    /// The next step took so many milliseconds.
    pub(crate) fn add(&mut self, milliseconds: f64) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == MOST {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(milliseconds);
            }
        }
        self.seen += 1;
    }

    /// The median of those that are kept, the upper one of two; `None` before the first step.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_kept_and_of_many_an_even_choice_in_the_same_memory() {
        let mut times = StepTimes::new();
        assert_eq!(times.median(), None);
        for (time, expected) in [(3.0, 3.0), (1.0, 3.0), (2.0, 2.0), (9.0, 3.0)] {
            times.add(time);
            assert_eq!(times.median(), Some(expected));
        }
        let mut times = StepTimes::new();
        let place = times.kept.as_ptr();
        for step in 0..200_000_u32 {
            times.add(f64::from(step));
        }
        // 200,000 / 8,192 is between 16 and 32.
        let expected: Vec<f64> = (0..200_000).step_by(32).map(f64::from).collect();
        assert_eq!((times.kept.as_slice(), times.stride), (expected.as_slice(), 32));
        assert_eq!((times.kept.as_ptr(), times.kept.capacity()), (place, MOST));
        assert_eq!(times.median(), Some(100_000.0));
    }
}
