//! The classifiers that local rules train beside a block.

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::grown;
use hsic_nn::network::{Activation, Dense, HeadStart, Learner, Norm};
use hsic_nn::optimizer::Group;

use super::Told;
use super::cross_entropy::cross_entropy;

/// A linear classifier of `inputs` columns, V x + b, that starts at zero: it says nothing at first, and so the block
/// that learns by it alone stands still for one step.
#[must_use]
pub fn zero_classifier<T: Scalar>(inputs: usize, classes: usize) -> Learner<T> {
    // Its weights are drawn, then dropped: the stream does not matter.
    let mut learner = classifier(inputs, classes, &mut Stream::new(0, "zero", 0));
    learner.block_mut().parameters_mut().fill(T::ZERO);
    learner
}

/// A linear classifier that starts as a linear layer does, with weights and biases uniform in +-1/sqrt(inputs).
#[must_use]
pub fn classifier<T: Scalar>(inputs: usize, classes: usize, stream: &mut Stream) -> Learner<T> {
    Learner::new(Box::new(Dense::new(inputs, classes, Activation::Identity, Norm::None, stream).as_classifier()))
}

/// Gives those of a block's `learners` that are linear classifiers first weights of another kind; uniform ones stay as the
/// objective has them. What is drawn follows from the seed and the block's index.
pub fn start_classifiers<T: Scalar>(start: HeadStart, (seed, block): (u64, usize), learners: &mut [Learner<T>]) {
    let mut stream = Stream::new(seed, "heads", block as u64);
    for own in learners.iter_mut().map(Learner::block_mut) {
        let sizes = (own.outputs(), own.inputs());
        let groups = own.groups();
        if groups.of(own.parameters().len()).all(|(_, group)| group == Group::Classifier) {
            start.draw(sizes, own.parameters_mut(), &mut stream);
        }
    }
}

/// Cross-entropy of a classifier's scores for `x` (m x inputs). `weight` times its gradient is left in the classifier
/// and written into `dx`; `scores` is scratch.
pub fn classify<T: Scalar>(
    classifier: &mut Learner<T>,
    x: &[T],
    told: Told<'_>,
    weight: f64,
    scores: &mut Vec<T>,
    dx: &mut [T],
) -> f64 {
    let (m, classes) = (told.labels.len(), classifier.block().outputs());
    let d_scores = grown(scores, m * classes);
    let loss = cross_entropy(classifier.forward(m, x), told, classes, d_scores);
    if weight != 1.0 {
        let weight = T::of(weight);
        d_scores.iter_mut().for_each(|value| *value *= weight);
    }
    classifier.backward(m, x, d_scores, Some(dx));
    loss
}
