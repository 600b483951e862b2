//! What the numbers of a block are: optimizers treat matrices, biases and the output layer by their kind.

use std::ops::Range;

/// A matrix of weights as a block stores it, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Rows of the matrix of the map: units, or channels of a convolution.
    pub units: usize,
    /// Columns: numbers that one value of the map is a sum of.
    pub fan_in: usize,
    /// Whether the weights of a unit lie side by side; else those of an input do.
    pub by_unit: bool,
    /// Whether a norm follows, so that the size of the matrix does not show in what the block gives.
    pub normalized: bool,
}

/// What some numbers of a block are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// A matrix of weights before the output layer.
    Matrix(Matrix),
    /// Shifts that are learned after a norm.
    NormBias,
    /// All of a linear output layer.
    Head,
    /// All of a linear classifier beside a block.
    Classifier,
    /// Anything else.
    #[default]
    Other,
}

/// Most groups of a block.
const MOST: usize = 6;

/// The groups of a block's parameters, in their order; what lies behind the last is [`Group::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Where each ends, and what it is.
    ends: [(usize, Group); MOST],
    count: usize,
}

impl Groups {
    /// These groups, followed by one of so many numbers.
    ///
    /// # Panics
    /// If there are six already.
    #[must_use]
    pub fn then(mut self, numbers: usize, group: Group) -> Self {
        if numbers > 0 {
            self.ends[self.count] = (self.end() + numbers, group);
            self.count += 1;
        }
        self
    }

    /// Numbers that belong to one of them.
    fn end(&self) -> usize {
        self.ends[..self.count].last().map_or(0, |last| last.0)
    }

    /// Places and kind of each group of `numbers` parameters.
    pub fn of(self, numbers: usize) -> impl Iterator<Item = (Range<usize>, Group)> {
        let whole = self.then(numbers.saturating_sub(self.end()), Group::Other);
        let starts = [0].into_iter().chain(whole.ends.map(|(end, _)| end));
        starts.zip(whole.ends).take(whole.count).map(|(start, (end, group))| (start..end, group))
    }
}

/// Factors of the learning rate by group; of what is in none of them it is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupRates {
    /// Of the shifts after norms, >= 0.
    pub norm_bias: f64,
    /// Of a linear output layer, >= 0.
    pub head: f64,
    /// Of linear classifiers beside blocks, >= 0.
    pub classifier: f64,
}

impl GroupRates {
    /// The same rate for all.
    pub const EQUAL: Self = Self { norm_bias: 1.0, head: 1.0, classifier: 1.0 };

    /// That of a group.
    #[must_use]
    pub fn of(&self, group: Group) -> f64 {
        match group {
            Group::NormBias => self.norm_bias,
            Group::Head => self.head,
            Group::Classifier => self.classifier,
            Group::Matrix(_) | Group::Other => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_lie_one_behind_the_other_and_the_rest_is_another() {
        let groups = Groups::default().then(4, Group::Head).then(0, Group::Other).then(2, Group::NormBias);
        let found: Vec<_> = groups.of(9).collect();
        assert_eq!(found, [(0..4, Group::Head), (4..6, Group::NormBias), (6..9, Group::Other)]);
        assert_eq!(groups.of(6).count(), 2);
        assert_eq!(Groups::default().of(3).collect::<Vec<_>>(), [(0..3, Group::Other)]);
    }
}
