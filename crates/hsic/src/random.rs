//! Seeded streams of random numbers, one for each purpose.
//!
//! A stream is fixed by a seed, a purpose and an index alone, so that what one part of a program draws never moves
//! what another part gets, whatever the number of threads. Generator: ChaCha with 8 rounds (Bernstein 2008), whose
//! output is specified and does not change between versions or machines.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded stream of random numbers.
///
/// # Examples
/// ```
/// use hsic::random::Stream;
/// let draw = |index| Stream::new(7, "order", index).below(1000);
/// assert_eq!(draw(3), draw(3));
/// assert_ne!(draw(3), draw(4));
/// ```
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` for a named purpose; `index` tells apart streams of one purpose (an epoch, a permutation).
    #[must_use]
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(purpose.as_bytes()).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An integer in [0, n), without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "an integer below 0 does not exist");
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// A place from each of `most` equal parts of 0 to `rows`, in ascending order; all places where there are no more. Evenly
    /// spaced places would fall into step with rows that repeat themselves, such as classes that come in turn.
    pub fn spread(&mut self, rows: usize, most: usize) -> Vec<usize> {
        let parts = rows.min(most);
        let mut place = |part: usize| {
            let (first, end) = (part * rows / parts, (part + 1) * rows / parts);
            first + self.below((end - first) as u64) as usize
        };
        (0..parts).map(&mut place).collect()
    }

    /// Orders `items` at random (Fisher and Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// FNV-1a, 64 bits: a hash that is the same on every machine and in every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, "moments", 0);
        let n = 100_000;
        let (mut mean, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = stream.normal();
            mean += x / f64::from(n);
            square += x * x / f64::from(n);
        }
        // Standard errors are 0.0032 and 0.0045; five of them.
        assert!(mean.abs() < 0.016 && (square - 1.0).abs() < 0.023, "{mean} {square}");
    }

    #[test]
    fn places_come_from_equal_parts_and_from_each_class_of_rows_that_repeat_themselves() {
        let places = Stream::new(2, "spread", 0).spread(10_000, 2000);
        assert!(places.iter().enumerate().all(|(part, place)| (5 * part..5 * part + 5).contains(place)));
        // Of ten classes in turn, 200 places each are expected; evenly spaced ones would be of two classes alone. A class has a
        // fifth of every second part: binomial, of deviation 12.6; five of them.
        let of = |class| places.iter().filter(|&place| place % 10 == class).count();
        assert!((0..10).all(|class| (137..263).contains(&of(class))), "{:?}", (0..10).map(of).collect::<Vec<_>>());
        assert_eq!(Stream::new(2, "spread", 0).spread(4, 9), [0, 1, 2, 3]);
        assert!(Stream::new(2, "spread", 0).spread(0, 9).is_empty());
    }

    #[test]
    fn a_shuffle_is_uniform_over_the_orders_of_three() {
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..6000 {
            let mut order = [0, 1, 2];
            Stream::new(5, "shuffle", index).shuffle(&mut order);
            *counts.entry(order).or_insert(0) += 1;
        }
        // Binomial(6000, 1/6): standard deviation 29; five of them.
        assert!(counts.len() == 6 && counts.values().all(|&c| (855..1145).contains(&c)), "{counts:?}");
    }
}
