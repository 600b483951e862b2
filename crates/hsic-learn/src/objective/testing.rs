//! What tests of local rules share: gradients against central differences.

use faer::{Mat, MatMut, MatRef};
use hsic::random::Stream;
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::Learner;

use super::{Objective, Signal, Site};

/// A rule at one block, in double precision.
pub(crate) struct Bench<O: Objective<f64>> {
    pub(crate) objective: O,
    pub(crate) shape: Shape,
    pub(crate) batch: Batch<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) learners: Vec<Learner<f64>>,
}

impl<O: Objective<f64>> Bench<O> {
    /// At random outputs of sizes `shape`, one row a label; the learners' weights are moved off their start, since zeros
    /// hide mistakes.
    pub(crate) fn new(objective: O, shape: Shape, labels: &[usize], classes: usize) -> Self {
        let mut stream = Stream::new(5, "bench", 0);
        let mut learners = objective.learners(0, false, shape);
        for learner in &mut learners {
            let still = learner.block().parameters().iter().map(|&w| w == 0.0).collect::<Vec<_>>();
            let linear = learner.block().outputs() == classes;
            for (w, still) in learner.block_mut().parameters_mut().iter_mut().zip(still) {
                // Biases that a rule leaves out stay out.
                *w += if linear || !still { 0.3 * stream.normal() } else { 0.0 };
            }
        }
        let z = (0..labels.len() * shape.columns()).map(|_| 0.4 + stream.normal()).collect();
        let x = (0..labels.len() * 3).map(|_| stream.normal()).collect();
        let batch =
            Batch { x, columns: 3, labels: labels.to_vec(), classes, values: Vec::new(), smoothing: 0.0, step: 0 };
        Self { objective, shape, batch, z, learners }
    }

    /// Signal and dL/dz.
    pub(crate) fn signal(&mut self) -> (Signal, Vec<f64>) {
        let (m, d) = (self.batch.rows(), self.shape.columns());
        let mut scratch = O::Scratch::default();
        let shared = self.objective.prepare(&self.batch, None, &mut scratch).unwrap();
        let x: Mat<f64> = self.batch.matrix().to_owned();
        let site = Site { block: 0, last: false, shape: self.shape, x: x.as_ref() };
        let mut dz = vec![f64::NAN; m * d];
        let signal = self.objective.signal(
            &shared,
            site,
            MatRef::from_row_major_slice(&self.z, m, d),
            MatMut::from_row_major_slice_mut(&mut dz, m, d),
            &mut self.learners,
            &mut scratch,
        );
        (signal.unwrap(), dz)
    }

    fn loss(&mut self) -> f64 {
        self.signal().0.loss
    }

    /// Compares dL/dz and the gradients of all learners with central differences.
    pub(crate) fn check_gradients(&mut self, tolerance: f64) {
        let h = 1e-6;
        let (_, dz) = self.signal();
        let gradients: Vec<Vec<f64>> = self.learners.iter().map(|learner| learner.gradient().to_vec()).collect();
        for (i, dz) in dz.into_iter().enumerate() {
            let kept = self.z[i];
            self.z[i] = kept + h;
            let up = self.loss();
            self.z[i] = kept - h;
            let down = self.loss();
            self.z[i] = kept;
            let expected = (up - down) / (2.0 * h);
            assert!((dz - expected).abs() < tolerance, "z {i}: {dz} {expected}");
        }
        for (index, gradient) in gradients.into_iter().enumerate() {
            for (i, gradient) in gradient.into_iter().enumerate() {
                let kept = self.learners[index].block().parameters()[i];
                self.learners[index].block_mut().parameters_mut()[i] = kept + h;
                let up = self.loss();
                self.learners[index].block_mut().parameters_mut()[i] = kept - h;
                let down = self.loss();
                self.learners[index].block_mut().parameters_mut()[i] = kept;
                let expected = (up - down) / (2.0 * h);
                let fixed = gradient == 0.0 && kept == 0.0;
                assert!(
                    fixed || (gradient - expected).abs() < tolerance,
                    "learner {index}, {i}: {gradient} {expected}"
                );
            }
        }
    }
}
