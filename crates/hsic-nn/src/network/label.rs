//! The label that a sample carries in its first values, for networks that tell a right label from a wrong one.
//!
//! Such a network (forward-forward, Hinton 2022, arXiv 2212.13345, section 3.3) has no units for classes. It is read in
//! two ways: by writing every class over the sample and seeing which makes it most active, or by a softmax layer on its
//! activations for a neutral label.

use hsic::Scalar;
use hsic::sums::dot;

use super::{Block, Module};

/// How a label is written over samples, whatever the number of classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelStyle {
    /// Value at the class, > 0.
    pub strength: f64,
    /// Whether a block's goodness is the mean of its squared values; else their sum.
    pub mean: bool,
}

impl LabelStyle {
    /// A label of this style for so many classes.
    #[must_use]
    pub fn of(self, classes: usize) -> WrittenLabel {
        WrittenLabel { classes, strength: self.strength, mean: self.mean }
    }
}

/// How labels are written, and what of a network's activity speaks for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrittenLabel {
    /// Values, the first of each row, that a label takes.
    pub classes: usize,
    /// Value at the class; the other classes have 0, and a neutral label has 1/C of it at each.
    pub strength: f64,
    /// Whether a block's goodness is the mean of its squared values; else their sum.
    pub mean: bool,
}

impl WrittenLabel {
    /// Writes `class` over a row.
    pub fn write<T: Scalar>(&self, row: &mut [T], class: usize) {
        row[..self.classes].fill(T::ZERO);
        row[class] = T::of(self.strength);
    }

    /// Writes the label that says nothing over a row.
    pub fn neutral<T: Scalar>(&self, row: &mut [T]) {
        row[..self.classes].fill(T::of(self.strength / self.classes as f64));
    }

    /// The layer of an exported network that writes the neutral label.
    pub(super) fn module(&self) -> Module {
        let arguments = vec![self.classes as f64, self.strength / self.classes as f64];
        Module { arguments, ..Module::new("NeutralLabel", &[]) }
    }

    /// Goodness of the blocks under each class, summed, into `scores` (m x classes). The first block of several is left
    /// out, as Hinton does: the label stands in its input, so it is active whether or not label and sample agree.
    ///
    /// Of a map it is the goodness of all its values, which is what blocks are trained by.
    ///
    /// # Cost
    /// A forward pass of all blocks for each class.
    pub(super) fn scores<T: Scalar>(&self, blocks: &[Box<dyn Block<T>>], x: &[T], scores: &mut [T]) {
        let m = scores.len() / self.classes;
        let columns = x.len() / m;
        let (mut from, mut to) = (Vec::new(), Vec::new());
        scores.fill(T::ZERO);
        for class in 0..self.classes {
            from.clear();
            from.extend_from_slice(x);
            from.chunks_exact_mut(columns).for_each(|row| self.write(row, class));
            for (index, block) in blocks.iter().enumerate() {
                to.resize(m * block.outputs(), T::ZERO);
                block.infer(m, &from, &mut to);
                if index > 0 || blocks.len() == 1 {
                    let width = block.outputs();
                    let scale = if self.mean { 1.0 / width as f64 } else { 1.0 };
                    for (row, own) in scores.chunks_exact_mut(self.classes).zip(to.chunks_exact(width)) {
                        row[class] += T::of(scale * dot(own, own));
                    }
                }
                std::mem::swap(&mut from, &mut to);
                to.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Network, Norm};

    fn label(mean: bool) -> WrittenLabel {
        WrittenLabel { classes: 3, strength: 0.5, mean }
    }

    fn network(widths: &[usize]) -> Network<f64> {
        Network::mlp(7, widths, 4, Activation::Relu, Norm::None, 3)
    }

    fn rows(m: usize) -> Vec<f64> {
        (0..m * 7).map(|i| (i as f64 * 0.37).sin()).collect()
    }

    #[test]
    fn features_are_those_of_the_neutral_label() {
        let mut written = rows(5);
        written.chunks_exact_mut(7).for_each(|row| row[..3].fill(0.5 / 3.0));
        let labelled = network(&[6]).with_label(label(false));
        for all in [false, true] {
            let neutral = network(&[6]).features(5, &written, all);
            assert_eq!(labelled.features(5, &rows(5), all), neutral);
            assert_ne!(network(&[6]).features(5, &rows(5), all), neutral);
        }
        assert_eq!((labelled.outputs(), labelled.units()), (4, 3));
    }

    #[test]
    fn a_class_scores_the_goodness_of_all_blocks_but_the_first() {
        for (mean, widths) in [(false, vec![6, 5]), (true, vec![6, 5]), (false, vec![])] {
            let plain = network(&widths);
            // More rows than one task takes.
            let scores = network(&widths).with_label(label(mean)).class_scores(300, &rows(300));
            let sizes: Vec<usize> = widths.iter().copied().chain([4]).collect();
            let first = if widths.is_empty() { 0 } else { 1 };
            for (index, row) in rows(300).chunks(7).enumerate() {
                for class in 0..3 {
                    let mut written = row.to_vec();
                    written[..3].copy_from_slice(&[0.0; 3]);
                    written[class] = 0.5;
                    let features = plain.features(1, &written, true);
                    let mut start = sizes[..first].iter().sum();
                    let mut expected = 0.0;
                    for &size in &sizes[first..] {
                        let squares: f64 = features[start..start + size].iter().map(|h| h * h).sum();
                        expected += if mean { squares / size as f64 } else { squares };
                        start += size;
                    }
                    let found = scores[index * 3 + class];
                    // Sums of fewer than 16 squares in another order.
                    assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{index} {class}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_label_is_a_module_of_its_own_and_comes_first() {
        let (plain, labelled) = (network(&[6]), network(&[6]).with_label(label(false)));
        let modules = labelled.modules();
        assert_eq!((modules[0].class, &modules[0].arguments[..]), ("NeutralLabel", &[3.0, 0.5 / 3.0][..]));
        assert_eq!(modules.len(), plain.modules().len() + 1);
        assert_eq!(plain.tensors()[0].name, "0.weight");
        assert_eq!(labelled.tensors()[0].name, "1.weight");
    }
}
