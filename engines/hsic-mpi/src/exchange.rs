//! What a stage tells the last one of a step: the signals of its blocks, and when it did what.

use std::time::{SystemTime, UNIX_EPOCH};

use hsic_bottleneck::objective::Signal;
use hsic_bottleneck::span::Span;
use serde::{Deserialize, Serialize};

/// Numbers of a block in a message.
const NUMBERS: usize = 5;

/// Steps, from the first, of which stages tell when they did what.
const TIMED_STEPS: u64 = 21;

/// Whether stages tell of a step when they did what: one of these is drawn.
pub(crate) fn is_timed(step: u64) -> bool {
    step < TIMED_STEPS
}

/// What is told beside the signals of a step.
#[derive(Serialize, Deserialize)]
pub(crate) struct Timed {
    /// Names of the terms of each block.
    pub(crate) names: Vec<[String; 2]>,
    pub(crate) spans: Vec<Span>,
    /// When the step began, in milliseconds of the world's clock.
    pub(crate) began: f64,
    pub(crate) threads: usize,
}

/// Milliseconds of the world's clock.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_nanos() as f64 / 1e6)
}

/// Signals as numbers.
pub(crate) fn packed(signals: &[Signal]) -> Vec<f64> {
    let of = |signal: &Signal| {
        let [(_, first), (_, second)] = signal.terms;
        [signal.loss, first, second, signal.gradient_norm, f64::from(u8::from(signal.dead))]
    };
    signals.iter().flat_map(of).collect()
}

/// Puts numbers back into signals, under the names of their terms.
pub(crate) fn unpack(numbers: &[f64], names: &[[&'static str; 2]], signals: &mut [Signal]) {
    for ((numbers, names), signal) in numbers.chunks_exact(NUMBERS).zip(names).zip(signals) {
        let terms = [(names[0], numbers[1]), (names[1], numbers[2])];
        *signal = Signal { loss: numbers[0], terms, gradient_norm: numbers[3], dead: numbers[4] != 0.0 };
    }
}

/// Names of terms, each kept once.
#[derive(Default)]
pub(crate) struct Names(Vec<&'static str>);

impl Names {
    /// The name that lasts as long as the program.
    pub(crate) fn kept(&mut self, name: &str) -> &'static str {
        if let Some(known) = self.0.iter().find(|known| **known == name) {
            return known;
        }
        // A method has a few of them.
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        self.0.push(name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_and_come_bit_for_bit() {
        let sent = [
            Signal { loss: 0.1 + 0.2, terms: [("a", -1e-300), ("b", f64::NAN)], gradient_norm: 3.5, dead: true },
            Signal::default(),
        ];
        let mut names = Names::default();
        let kept = [["a", "b"], ["", ""]].map(|pair| pair.map(|name| names.kept(name)));
        let mut found = [Signal::default(); 2];
        unpack(&packed(&sent), &kept, &mut found);
        assert_eq!(format!("{found:?}"), format!("{sent:?}"));
        assert!(std::ptr::eq(names.kept("a"), kept[0][0]));
    }
}
