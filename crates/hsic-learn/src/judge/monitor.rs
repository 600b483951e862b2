//! What a network's blocks know of input and labels while any method trains it.

use faer::{MatMut, MatRef};
use hsic::{BatchOperator, Bottleneck, Workspace};
use hsic_data::batch::Batch;
use hsic_nn::network::{Cache, Network};
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::judge::assignment::{Assignment, Confusion};
use crate::objective::Signal;

/// The blocks after a step, seen on its batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorReport {
    /// Steps done.
    pub step: u64,
    /// nHSIC(X, Z), by block.
    pub nhsic_x: Vec<f64>,
    /// nHSIC(Y, Z), by block.
    pub nhsic_y: Vec<f64>,
    /// Norm of the gradient with respect to the block's parameters, by block.
    pub gradient_norm: Vec<f64>,
    /// Share of the batch that is read right (unformatted outputs by the best assignment of this batch).
    pub batch_accuracy: f64,
}

/// Measures every so many steps.
pub struct Monitor {
    every: u64,
    formatted: bool,
    bottleneck: Bottleneck,
    operator: Option<BatchOperator<f32>>,
    workspace: Workspace<f32>,
    caches: Vec<Cache<f32>>,
}

impl Monitor {
    /// Measures every `every` steps (0: never) with the kernels of `bottleneck`. `formatted` says that unit k stands for
    /// class k.
    #[must_use]
    pub fn new(every: u64, formatted: bool, bottleneck: Bottleneck) -> Self {
        Self { every, formatted, bottleneck, operator: None, workspace: Workspace::default(), caches: Vec::new() }
    }

    /// The report after `step` steps, if one is due.
    ///
    /// # Errors
    /// `Diverged` or `Block` as in training; `Batch` if the batch allows no measure.
    ///
    /// # Cost
    /// A forward pass and an evaluation of the HSIC objective at each block.
    pub fn look(
        &mut self,
        step: u64,
        network: &Network,
        batch: &Batch,
        signals: &[Signal],
    ) -> Result<Option<MonitorReport>, StepError> {
        if self.every == 0 || !step.is_multiple_of(self.every) {
            return Ok(None);
        }
        let m = batch.rows();
        match &mut self.operator {
            Some(operator) => operator
                .fill(batch.matrix(), &batch.labels, batch.classes, &mut self.workspace)
                .map_err(StepError::of_batch)?,
            None => {
                let operator = BatchOperator::new(batch.matrix(), &batch.labels, batch.classes, self.bottleneck);
                self.operator = Some(operator.map_err(StepError::of_batch)?);
            }
        }
        self.caches.resize_with(network.blocks().len(), Cache::shared);
        let (mut nhsic_x, mut nhsic_y) = (Vec::new(), Vec::new());
        let mut x = network.entered(&batch.x);
        for (index, (block, cache)) in network.blocks().iter().zip(&mut self.caches).enumerate() {
            let mut z = vec![0.0; m * block.outputs()];
            block.forward(m, &x, &mut z, cache);
            let columns = network.feature().columns(block.shape());
            let mut feature = vec![0.0; m * columns];
            network.feature().extract(block.shape(), &z, &mut feature);
            let mut unused = vec![0.0; feature.len()];
            if let Some(operator) = &self.operator {
                let (z, dz) = (
                    MatRef::from_row_major_slice(&feature, m, columns),
                    MatMut::from_row_major_slice_mut(&mut unused, m, columns),
                );
                let terms = operator.evaluate_into(dz, z, &mut self.workspace);
                let terms = terms.map_err(|source| StepError::at_block(index, source))?;
                nhsic_x.push(terms.x);
                nhsic_y.push(terms.y);
            }
            x = z;
        }
        let units = network.units();
        let mut table = Confusion::new(batch.classes, units);
        let scores = if network.label().is_some() { network.class_scores(m, &batch.x) } else { network.scores(x) };
        table.add(&batch.labels, &scores, units);
        let assignment = if self.formatted { Assignment::identity(units) } else { Assignment::fit(&table) };
        Ok(Some(MonitorReport {
            step,
            nhsic_x,
            nhsic_y,
            gradient_norm: signals.iter().map(|signal| signal.gradient_norm).collect(),
            batch_accuracy: table.assigned(&assignment).accuracy(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Norm};

    use super::*;

    #[test]
    fn what_is_measured_is_what_the_objective_sees_before_its_step() {
        let options = LoadOptions { train_size: Some(60), test_size: Some(10), ..LoadOptions::default() };
        let data = load("digits", &options).unwrap().train;
        let mut batch = Batch::default();
        batch.fill(&data, &(0..60).collect::<Vec<_>>());
        let network = Network::mlp(784, &[20, 15], 10, Activation::Tanh, Norm::Batch, 3);
        let bottleneck = Bottleneck::default();
        let signals = [Signal { gradient_norm: 2.0, ..Signal::default() }; 3];
        let mut monitor = Monitor::new(5, false, bottleneck);
        assert_eq!(monitor.look(4, &network, &batch, &signals).unwrap(), None);
        let report = monitor.look(5, &network, &batch, &signals).unwrap().unwrap();
        assert_eq!((report.nhsic_x.len(), report.gradient_norm), (3, vec![2.0; 3]));
        let z = network.batch_outputs(60, &batch.x);
        let operator = BatchOperator::new(batch.matrix(), &batch.labels, 10, bottleneck).unwrap();
        let terms = operator.evaluate(MatRef::from_row_major_slice(&z, 60, 10)).unwrap().terms;
        assert_eq!((report.nhsic_x[2], report.nhsic_y[2]), (terms.x, terms.y));
    }
}
