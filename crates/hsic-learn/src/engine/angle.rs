//! How well a method's gradients agree with those of back-propagation.

use hsic::Scalar;
use hsic::sums::{dot, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::{Cache, Network};

use super::pass::Pass;
use crate::objective::Told;
use crate::objective::cross_entropy::cross_entropy;

/// Name of the term.
const TERM: &str = "bp_cosine";

/// Compares gradients with the true ones every so many steps.
pub(crate) struct Angle<T> {
    /// Steps between measurements; 0 for none.
    every: u64,
    /// Whether the gradients are those of the current step.
    measured: bool,
    blocks: Vec<Place<T>>,
    dz: Vec<T>,
    dx: Vec<T>,
}

/// A block's part of a backward pass.
struct Place<T> {
    z: Vec<T>,
    cache: Cache<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Angle<T> {
    /// Measures at steps 0, `every`, 2 `every`, ...; never if `every` is 0.
    pub(crate) fn new(every: u64) -> Self {
        Self { every, measured: false, blocks: Vec::new(), dz: Vec::new(), dx: Vec::new() }
    }

    /// Whether anything is ever measured.
    pub(crate) fn is_asked(&self) -> bool {
        self.every > 0
    }

    /// Back-propagates the cross-entropy, if the batch's step is one that is measured; nothing of the network changes.
    ///
    /// # Cost
    /// A step of back-propagation without its update.
    pub(crate) fn measure(&mut self, network: &Network<T>, batch: &Batch<T>, pass: Pass) {
        self.measured = self.every > 0 && batch.step.is_multiple_of(self.every);
        if !self.measured {
            return;
        }
        let (m, blocks) = (pass.m, network.blocks());
        self.blocks.resize_with(blocks.len(), || Place { z: Vec::new(), cache: Cache::shared(), gradient: Vec::new() });
        let mut x: &[T] = &batch.x;
        for (index, (block, Place { z, cache, .. })) in blocks.iter().zip(&mut self.blocks).enumerate() {
            let z = pass.room(&**block, z);
            pass.forward(index, &**block, x, z, cache);
            x = z;
        }
        self.dz.resize(x.len(), T::ZERO);
        cross_entropy(x, Told::of(batch), network.outputs(), &mut self.dz);
        for (index, block) in blocks.iter().enumerate().rev() {
            let (before, rest) = self.blocks.split_at_mut(index);
            let Place { z, cache, gradient } = &mut rest[0];
            let x = before.last().map_or(&batch.x, |place| &place.z);
            gradient.resize(block.parameters().len(), T::ZERO);
            self.dx.resize(x.len(), T::ZERO);
            let dx = (index > 0).then_some(&mut self.dx[..]);
            block.gradient(m, x, z, &mut self.dz, cache, gradient, dx);
            std::mem::swap(&mut self.dz, &mut self.dx);
        }
    }

    /// The term of a block: the cosine between `gradient` and the true one; NaN at a step that is not measured.
    pub(crate) fn term(&self, block: usize, gradient: &[T]) -> (&'static str, f64) {
        match self.blocks.get(block).filter(|_| self.measured) {
            _ if self.every == 0 => ("", 0.0),
            Some(place) => (TERM, cosine(&place.gradient, gradient)),
            None => (TERM, f64::NAN),
        }
    }
}

/// Cosine of the angle between two vectors; 0 if one of them is.
pub(crate) fn cosine<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    let lengths = norm(a) * norm(b);
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_that_of_the_angle() {
        let a: Vec<f64> = (0..70).map(|i| f64::from(i % 2)).collect();
        let b: Vec<f64> = (0..70).map(|i| f64::from(1 - i % 2)).collect();
        assert_eq!(cosine(&a, &b), 0.0);
        assert!((cosine(&a, &vec![-3.0; 70]) + 0.5f64.sqrt()).abs() < 1e-15);
        assert_eq!(cosine(&a, &[0.0; 70]), 0.0);
    }
}
