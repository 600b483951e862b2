//! What trained networks give for whole data sets, and how unformatted outputs are judged.

use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, DatasetError, Shape};
use hsic_nn::network::Network;
use serde::{Deserialize, Serialize};

use crate::inference::Inference;
use crate::judge::assignment::{Assignment, Confusion};
use crate::judge::test_time::TestTime;

/// Rows that are evaluated at a time.
const ROWS: usize = 2048;

/// What the softmax layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum FormatInput {
    /// The outputs of the last block.
    Last,
    /// The features of all blocks, side by side.
    All,
}

/// How unformatted outputs become classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum ReadoutProtocol {
    /// One best assignment of classes to units, fitted on training data; plain accuracy.
    Fair,
    /// The published code's: classes in order take the unit of their largest mean output *on the evaluated data*; mean
    /// of the classes' accuracies. For comparison with the paper's numbers only.
    Authors,
}

/// Which statistics batch norm uses in evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum NormProtocol {
    /// The running ones of training.
    Fair,
    /// The published code's: those of the evaluated batch, of the training's batch size, without dropout. A sample's outputs
    /// then depend on its neighbors. For comparison with the paper's numbers only.
    Authors,
}

/// How a run is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// From outputs to classes.
    pub readout: ReadoutProtocol,
    /// Statistics of batch norm.
    pub norm: NormProtocol,
    /// Rows of a batch where statistics are the batch's.
    pub batch_size: usize,
}

impl Protocol {
    /// The published code's: of outputs that are trained to name classes it takes the largest, with the batch's norm.
    #[must_use]
    pub fn authors(formatted: bool, batch_size: usize) -> Self {
        let readout = if formatted { ReadoutProtocol::Fair } else { ReadoutProtocol::Authors };
        Self { readout, norm: NormProtocol::Authors, batch_size }
    }

    /// Whether it is for comparison with the paper's numbers only.
    #[must_use]
    pub fn is_authors(&self) -> bool {
        self.readout == ReadoutProtocol::Authors || self.norm == NormProtocol::Authors
    }
}

/// The networks that are looked at.
#[derive(Clone, Copy)]
pub enum Members<'n> {
    /// Several of equal shapes, or one.
    Networks(&'n [Network]),
    /// One, or what trains it.
    One(&'n dyn Inference),
}

impl<'n> From<&'n [Network]> for Members<'n> {
    fn from(networks: &'n [Network]) -> Self {
        Self::Networks(networks)
    }
}

impl<'n> From<&'n Vec<Network>> for Members<'n> {
    fn from(networks: &'n Vec<Network>) -> Self {
        Self::Networks(networks)
    }
}

impl<'n, const N: usize> From<&'n [Network; N]> for Members<'n> {
    fn from(networks: &'n [Network; N]) -> Self {
        Self::Networks(networks)
    }
}

impl<'n> Members<'n> {
    /// Whether there are several.
    #[must_use]
    pub fn are_several(self) -> bool {
        !self.others().is_empty()
    }

    /// Learned numbers of each block, of each network.
    #[must_use]
    pub fn block_parameters(self) -> Vec<Vec<usize>> {
        let others = self.others().iter().map(Inference::block_parameters);
        [self.first().block_parameters()].into_iter().chain(others).collect()
    }

    fn first(self) -> &'n dyn Inference {
        match self {
            Self::Networks(networks) => &networks[0],
            Self::One(network) => network,
        }
    }

    fn others(self) -> &'n [Network] {
        match self {
            Self::Networks(networks) => &networks[1..],
            Self::One(_) => &[],
        }
    }
}

/// Trained networks whose outputs are averaged (one network in the plain case), and what is taken from them.
#[derive(Clone, Copy)]
pub struct AtRest<'n> {
    members: Members<'n>,
    input: FormatInput,
    /// Rows whose own statistics batch norm uses; `None` for the running ones.
    batch: Option<usize>,
    /// Looks at each image, and its sizes, where there are several.
    looks: Option<(TestTime, Shape)>,
}

impl<'n> AtRest<'n> {
    /// The features of networks of equal shapes, with running statistics.
    ///
    /// # Panics
    /// If there is no network or their outputs differ in number.
    #[must_use]
    pub fn new(members: impl Into<Members<'n>>, input: FormatInput) -> Self {
        let (members, all) = (members.into(), input == FormatInput::All);
        let columns = members.first().feature_columns(all);
        assert!(members.others().iter().all(|network| network.feature_columns(all) == columns));
        Self { members, input, batch: None, looks: None }
    }

    /// The last outputs of one network, or of what trains one, with running statistics.
    #[must_use]
    pub fn of(network: &'n dyn Inference) -> Self {
        Self { members: Members::One(network), input: FormatInput::Last, batch: None, looks: None }
    }

    /// These networks under a protocol. Under the authors' norm only last outputs are taken, and averages of several networks
    /// are normalized by the batch once more.
    #[must_use]
    pub fn under(mut self, protocol: &Protocol) -> Self {
        if protocol.norm == NormProtocol::Authors {
            self.input = FormatInput::Last;
            self.batch = Some(protocol.batch_size);
        }
        self
    }

    /// These networks where each image, of sizes `shape`, is looked at several times: what is taken from them is the mean.
    #[must_use]
    pub fn looking(mut self, looks: TestTime, shape: Shape) -> Self {
        self.looks = (looks != TestTime::None).then_some((looks, shape));
        self
    }

    /// Blocks of each network.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.members.first().block_parameters().len()
    }

    /// Columns of the features of each block.
    #[must_use]
    pub fn block_columns(&self) -> Vec<usize> {
        self.members.first().block_columns()
    }

    /// Columns of the features.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.members.first().feature_columns(self.input == FormatInput::All)
    }

    /// Features (m x columns) of `x` (m rows), averaged over the networks.
    #[must_use]
    pub fn features(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.looked_at(x, |x| {
            self.average(m, |network| match self.batch {
                None => network.features(m, x, self.input == FormatInput::All),
                Some(_) => network.batch_outputs(m, x),
            })
        })
    }

    /// What the units of the last block say (m x units) of `x` (m rows), averaged over the networks: classes are read
    /// from these. Directions of capsules have no meaning that two networks share, so lengths are averaged.
    #[must_use]
    pub fn scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.looked_at(x, |x| {
            self.average(m, |network| match self.batch {
                None => network.class_scores(m, x),
                Some(_) => network.batch_scores(m, x),
            })
        })
    }

    /// The mean of what `of` says over all looks at rows.
    fn looked_at(&self, x: &[f32], of: impl Fn(&[f32]) -> Vec<f32>) -> Vec<f32> {
        let Some((looks, shape)) = self.looks else { return of(x) };
        let mut mean: Vec<f32> = Vec::new();
        for look in looks.looks() {
            let said = of(&look.at(shape, x));
            mean.resize(said.len(), 0.0);
            mean.iter_mut().zip(said).for_each(|(mean, said)| *mean = look.share.mul_add(said, *mean));
        }
        mean
    }

    fn average(&self, m: usize, of: impl Fn(&dyn Inference) -> Vec<f32>) -> Vec<f32> {
        let mut sum = of(self.members.first());
        let others = self.members.others();
        for network in others {
            for (sum, value) in sum.iter_mut().zip(of(network)) {
                *sum += value;
            }
        }
        if !others.is_empty() {
            let share = 1.0 / (others.len() + 1) as f32;
            sum.iter_mut().for_each(|sum| *sum *= share);
            if self.batch.is_some() {
                let columns = sum.len() / m;
                hsic_nn::network::norm::normalize_batch(&mut sum, columns);
            }
        }
        sum
    }

    /// Calls `each` with labels and features of the first `limit` rows of a data set, some rows at a time.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn for_each(
        &self,
        dataset: &Dataset,
        limit: usize,
        mut each: impl FnMut(&[usize], &[f32]),
    ) -> Result<(), DatasetError> {
        self.for_each_batch(dataset, limit, |batch| each(&batch.labels, &self.features(batch.rows(), &batch.x)))
    }

    /// Calls `each` with the first `limit` rows of a data set, some rows at a time.
    pub(crate) fn for_each_batch(
        &self,
        dataset: &Dataset,
        limit: usize,
        mut each: impl FnMut(&Batch),
    ) -> Result<(), DatasetError> {
        let mut batch = Batch::default();
        let (rows, at_once) = (dataset.rows().min(limit), self.batch.unwrap_or(ROWS));
        for start in (0..rows).step_by(at_once) {
            let rows: Vec<usize> = (start..rows.min(start + at_once)).collect();
            batch.fill(dataset, &rows)?;
            each(&batch);
        }
        Ok(())
    }

    /// Which class each unit stands for, by the best assignment on a data set (the training data, never test data).
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn assignment(&self, dataset: &Dataset) -> Result<Assignment, DatasetError> {
        Ok(Assignment::fit(&self.outputs(dataset, usize::MAX)?.counts))
    }

    /// Share of a data set's samples whose unit k, the largest, stands for their class k: for networks that are trained to
    /// name classes.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn accuracy(&self, dataset: &Dataset) -> Result<f64, DatasetError> {
        self.accuracy_by(&Assignment::identity(self.members.first().units()), dataset)
    }

    /// Share of a data set's samples that are read right by an assignment of units to classes.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn accuracy_by(&self, assignment: &Assignment, dataset: &Dataset) -> Result<f64, DatasetError> {
        Ok(self.outputs(dataset, usize::MAX)?.counts.assigned(assignment).accuracy())
    }

    /// Share of a data set's samples that are read right under a protocol, with an assignment that was fitted on training
    /// data.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn accuracy_under(
        &self,
        protocol: &Protocol,
        assignment: &Assignment,
        dataset: &Dataset,
    ) -> Result<f64, DatasetError> {
        Ok(self.under(protocol).outputs(dataset, usize::MAX)?.accuracy(protocol, assignment))
    }

    /// [Scores](Self::scores) of the first `limit` rows of a data set, counted and summed.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn outputs(&self, dataset: &Dataset, limit: usize) -> Result<OutputTable, DatasetError> {
        let units = self.members.first().units();
        let mut table = OutputTable {
            counts: Confusion::new(dataset.classes(), units),
            sums: vec![vec![0.0; units]; dataset.classes()],
        };
        self.for_each_batch(dataset, limit, |batch| {
            let scores = self.scores(batch.rows(), &batch.x);
            table.counts.add(&batch.labels, &scores, units);
            for (row, &label) in scores.chunks_exact(units).zip(&batch.labels) {
                table.sums[label].iter_mut().zip(row).for_each(|(sum, &output)| *sum += f64::from(output));
            }
        })?;
        Ok(table)
    }
}

/// Outputs of a data set by class.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputTable {
    /// Samples by class and by unit with the largest output.
    pub counts: Confusion,
    /// Sum of each unit's outputs, by class.
    pub sums: Vec<Vec<f64>>,
}

impl OutputTable {
    /// The authors' assignment: class after class takes the unit of its largest mean output among those not taken (where
    /// their search would not end, since all that is left is 0, the first of them). A class beyond the units has none.
    #[must_use]
    pub fn authors_units(&self) -> Vec<Option<usize>> {
        let mut taken = vec![false; self.counts.counts.first().map_or(0, Vec::len)];
        let sums = self.sums.iter();
        sums.map(|sums| {
            let free = (0..taken.len()).filter(|&unit| !taken[unit]);
            let unit = free.reduce(|best, unit| if sums[unit] > sums[best] { unit } else { best });
            if let Some(unit) = unit {
                taken[unit] = true;
            }
            unit
        })
        .collect()
    }

    /// The authors' accuracy: the mean over the classes of the share that is read right.
    #[must_use]
    pub fn authors_accuracy(&self) -> f64 {
        let units = self.authors_units();
        let share = |(row, unit): (&Vec<u64>, &Option<usize>)| {
            let all: u64 = row.iter().sum();
            let right = unit.map_or(0, |unit| row[unit]);
            if all == 0 { 0.0 } else { right as f64 / all as f64 }
        };
        let rows = &self.counts.counts;
        rows.iter().zip(&units).map(share).sum::<f64>() / rows.len() as f64
    }

    /// Accuracy under a protocol, with an assignment that was fitted on training data.
    #[must_use]
    pub fn accuracy(&self, protocol: &Protocol, assignment: &Assignment) -> f64 {
        match protocol.readout {
            ReadoutProtocol::Fair => self.counts.assigned(assignment).accuracy(),
            ReadoutProtocol::Authors => self.authors_accuracy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Entrance, Norm};

    use super::*;

    #[test]
    fn the_authors_readout_is_greedy_in_class_order_and_balanced() {
        // Class 0 takes unit 0, class 1 then has to take unit 1.
        let counts = Confusion { counts: vec![vec![6, 2], vec![3, 1]] };
        let table = OutputTable { counts, sums: vec![vec![5.0, 1.0], vec![4.0, 2.0]] };
        assert_eq!(table.authors_units(), [Some(0), Some(1)]);
        assert_eq!(table.authors_accuracy(), 0.5 * (6.0 / 8.0 + 1.0 / 4.0));
        let dead = OutputTable { sums: vec![vec![5.0, 0.0], vec![0.0, 0.0]], ..table };
        assert_eq!(dead.authors_units(), [Some(0), Some(1)]);
    }

    #[test]
    fn several_looks_give_the_mean_of_what_each_gives() {
        let network = [Network::mlp(4, &[3], 2, Activation::Tanh, Norm::Batch, 1)];
        let shape = Shape { channels: 1, height: 2, width: 2 };
        let (x, mirrored) = ([0.1, -0.4, 0.3, 0.9], [-0.4, 0.1, 0.9, 0.3]);
        let found = AtRest::new(&network, FormatInput::Last).looking(TestTime::Flip, shape).scores(1, &x);
        for ((found, plain), mirrored) in found.iter().zip(network[0].infer(1, &x)).zip(network[0].infer(1, &mirrored))
        {
            assert!((found - 0.5 * (plain + mirrored)).abs() < 1e-7);
        }
        let single = AtRest::new(&network, FormatInput::Last).looking(TestTime::None, shape);
        assert_eq!(single.scores(1, &x), network[0].infer(1, &x));
    }

    #[test]
    fn averaged_networks_give_mean_outputs() {
        let networks = [1, 2].map(|seed| Network::mlp(4, &[3], 2, Activation::Tanh, Norm::Batch, seed));
        let x = [0.1, -0.4, 0.3, 0.9];
        let mean = AtRest::new(&networks, FormatInput::Last).features(1, &x);
        let each = [networks[0].infer(1, &x), networks[1].infer(1, &x)];
        for unit in 0..2 {
            assert!((mean[unit] - 0.5 * (each[0][unit] + each[1][unit])).abs() < 1e-7);
        }
    }

    #[test]
    fn the_authors_norm_takes_the_batchs_own_statistics() {
        let networks = [Network::mlp(3, &[], 2, Activation::Identity, Norm::Batch, 1)];
        let protocol = Protocol { readout: ReadoutProtocol::Fair, norm: NormProtocol::Authors, batch_size: 4 };
        let x: Vec<f32> = (0..12).map(|i| (i as f32).sin()).collect();
        let outputs = AtRest::new(&networks, FormatInput::Last).under(&protocol).features(4, &x);
        for unit in 0..2 {
            let mean: f32 = outputs.iter().skip(unit).step_by(2).sum::<f32>() / 4.0;
            assert!(mean.abs() < 1e-6, "{mean}");
        }
        // It says nothing of dropout, which is not there in evaluation.
        let deep = || Network::mlp(3, &[6], 2, Activation::Relu, Norm::Batch, 1);
        let dropping = [deep().with_entrances(Entrance { dropout: 0.6, ..Entrance::default() }, 1)];
        let outputs = |networks: &[Network; 1]| AtRest::of(&networks[0]).under(&protocol).scores(4, &x);
        assert_eq!(outputs(&dropping), outputs(&[deep()]));
    }
}
