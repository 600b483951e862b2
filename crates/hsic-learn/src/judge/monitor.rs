//! What a network's blocks know of input and labels while any method trains it.

use faer::MatMut;
use hsic::{BatchOperator, Bottleneck, Workspace};
use hsic_data::batch::Batch;
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::judge::assignment::{Assignment, Confusion};
use crate::objective::Signal;
use crate::session::Session;

/// The blocks after a step, seen on its batch, or on the one before where its own is what is left over of an epoch: all
/// reports are of batches of one size, if an epoch has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorReport {
    /// Steps done.
    pub step: u64,
    /// nHSIC(X, Z), by block.
    pub nhsic_x: Vec<f64>,
    /// nHSIC(Y, Z), by block.
    pub nhsic_y: Vec<f64>,
    /// Norm of the gradient with respect to the block's parameters in the step, by block.
    pub gradient_norm: Vec<f64>,
    /// Share of the batch that is read right (unformatted outputs by the best assignment of this batch); `None` where rows
    /// have values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_accuracy: Option<f64>,
}

/// Measures every so many steps.
pub struct Monitor {
    every: u64,
    formatted: bool,
    bottleneck: Bottleneck,
    operator: Option<BatchOperator<f32>>,
    workspace: Workspace<f32>,
    /// The gradient, which nobody asks for.
    unused: Vec<f32>,
}

impl Monitor {
    /// Measures every `every` steps (0: never) with the kernels of `bottleneck`. `formatted` says that unit k stands for
    /// class k.
    #[must_use]
    pub fn new(every: u64, formatted: bool, bottleneck: Bottleneck) -> Self {
        Self { every, formatted, bottleneck, operator: None, workspace: Workspace::default(), unused: Vec::new() }
    }

    /// Whether a report is due after so many steps.
    #[must_use]
    pub fn is_due(&self, step: u64) -> bool {
        self.every > 0 && step.is_multiple_of(self.every)
    }

    /// The report after `step` steps.
    ///
    /// # Errors
    /// `Diverged` or `Block` as in training; `Batch` if the batch allows no measure.
    ///
    /// # Cost
    /// A forward pass and an evaluation of the HSIC objective at each block.
    pub fn look(
        &mut self,
        step: u64,
        session: &mut dyn Session,
        batch: &Batch,
        signals: &[Signal],
    ) -> Result<MonitorReport, StepError> {
        let m = batch.rows();
        match &mut self.operator {
            Some(operator) => {
                operator.fill_of(batch.matrix(), batch.targets(), &mut self.workspace).map_err(StepError::of_batch)?
            }
            None => {
                let operator =
                    BatchOperator::of(Some(batch.matrix()), batch.targets(), self.bottleneck, &mut self.workspace);
                self.operator = Some(operator.map_err(StepError::of_batch)?);
            }
        }
        let (mut nhsic_x, mut nhsic_y) = (Vec::new(), Vec::new());
        let Self { operator, workspace, unused, .. } = self;
        let scores = session.observe(batch, &mut |index, z| {
            if let Some(operator) = operator {
                unused.resize(m * z.ncols(), 0.0);
                let dz = MatMut::from_row_major_slice_mut(unused, m, z.ncols());
                let terms = operator.evaluate_into(dz, z, workspace);
                let terms = terms.map_err(|source| StepError::at_block(index, source))?;
                nhsic_x.push(terms.x);
                nhsic_y.push(terms.y);
            }
            Ok(())
        })?;
        let batch_accuracy = batch.values.is_empty().then(|| {
            let units = session.units();
            let mut table = Confusion::new(batch.classes, units);
            table.add(&batch.labels, &scores, units);
            let assignment = Assignment::of_outputs(self.formatted, &table);
            table.assigned(&assignment).accuracy()
        });
        Ok(MonitorReport {
            step,
            nhsic_x,
            nhsic_y,
            gradient_norm: signals.iter().map(|signal| signal.gradient_norm).collect(),
            batch_accuracy,
        })
    }
}

#[cfg(test)]
mod tests {
    use faer::MatRef;
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Entrance, Network, Norm};
    use hsic_nn::optimizer::Optimizer;

    use super::*;
    use crate::engine::Backprop;
    use crate::session::OnCpu;

    #[test]
    fn what_is_measured_is_what_the_objective_sees_before_its_step() {
        let options = LoadOptions { train_size: Some(60), test_size: Some(10), ..LoadOptions::default() };
        let data = load("digits", &options).unwrap().train;
        let mut batch = Batch::default();
        batch.fill(&data, &(0..60).collect::<Vec<_>>()).unwrap();
        let mut network = Network::mlp(784, &[20, 15], 10, Activation::Tanh, Norm::Batch, 3);
        let bottleneck = Bottleneck::default();
        let mut update = Backprop::new(Optimizer::sgd());
        let signals = [Signal { gradient_norm: 2.0, ..Signal::default() }; 3];
        let mut monitor = Monitor::new(5, false, bottleneck);
        assert!(!monitor.is_due(4) && monitor.is_due(5));
        let report = monitor.look(5, &mut OnCpu::new(&mut network, &mut update), &batch, &signals).unwrap();
        assert_eq!((report.nhsic_x.len(), &report.gradient_norm), (3, &vec![2.0; 3]));
        let z = network.batch_outputs(60, &batch.x);
        let operator = BatchOperator::new(batch.matrix(), &batch.labels, 10, bottleneck).unwrap();
        let terms = operator.evaluate(MatRef::from_row_major_slice(&z, 60, 10)).unwrap().terms;
        assert_eq!((report.nhsic_x[2], report.nhsic_y[2]), (terms.x, terms.y));
        // Dropout is for training alone: a network with it is seen as it is.
        let mut dropping = network.with_entrances(Entrance { dropout: 0.5, ..Entrance::default() }, 3);
        let seen = monitor.look(5, &mut OnCpu::new(&mut dropping, &mut update), &batch, &signals).unwrap();
        assert_eq!(seen, report);
    }
}
