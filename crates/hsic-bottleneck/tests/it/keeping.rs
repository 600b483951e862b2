//! Sessions that have the samples at hand: the loop of training gives them batches without pixels, to the same bits.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::assemble::{build_method, build_network, training};
use hsic_bottleneck::batch::{Batch, Batches};
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::{Dataset, LoadOptions, Split, load};
use hsic_bottleneck::inference::Inference;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::{Observer, Warning};
use hsic_bottleneck::network::learner::StateMismatch;
use hsic_bottleneck::network::{NamedTensor, StoredTensor};
use hsic_bottleneck::position::Position;
use hsic_bottleneck::session::{OnCpu, Samples, Session, Visit};
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::update::{StepReport, UpdateState};

/// A session that forms its batches by itself, as a device would, and counts those that come without pixels.
struct Keeping<'s> {
    inner: OnCpu<'s>,
    says: Samples,
    kept: Option<(Dataset, Batches)>,
    without: usize,
}

impl Inference for Keeping<'_> {
    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn units(&self) -> usize {
        self.inner.units()
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.inner.block_parameters()
    }

    fn feature_columns(&self, all: bool) -> usize {
        self.inner.feature_columns(all)
    }

    fn block_columns(&self) -> Vec<usize> {
        self.inner.block_columns()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        self.inner.features(m, x, all)
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.inner.class_scores(m, x)
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.inner.batch_outputs(m, x)
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.inner.batch_scores(m, x)
    }
}

impl Session for Keeping<'_> {
    fn plan(&mut self, steps: u64) {
        self.inner.plan(steps);
    }

    fn keep(&mut self, train: &Dataset, batches: &Batches) -> Result<Samples, StepError> {
        self.kept = (self.says == Samples::Kept).then(|| (train.clone(), *batches));
        Ok(self.says)
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError> {
        self.without += usize::from(batch.x.is_empty());
        let Some((train, batches)) = &self.kept else { return self.inner.step(batch, learning_rate) };
        let mut own = Batch::default();
        batches.fill(train, batch.step, &mut own).map_err(|error| StepError::Own(Box::new(error)))?;
        assert_eq!(own.labels, batch.labels);
        self.inner.step(&own, learning_rate)
    }

    fn observe(&mut self, batch: &Batch, visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
        self.inner.observe(batch, visit)
    }

    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool {
        self.inner.form_statistics(batch, earlier)
    }

    fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
        self.inner.weights()
    }

    fn state(&self) -> UpdateState {
        self.inner.state()
    }

    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
        self.inner.restore(weights, state)
    }

    fn diverged(&self) -> Option<usize> {
        self.inner.diverged()
    }
}

/// Hears what the monitor sees, and warnings.
#[derive(Default)]
struct Heard(Vec<MonitorReport>, Vec<Warning>);

impl Observer for Heard {
    fn monitor(&mut self, report: &MonitorReport) -> Result<(), BoxError> {
        self.0.push(report.clone());
        Ok(())
    }

    fn warning(&mut self, warning: &Warning) -> Result<(), BoxError> {
        self.1.push(warning.clone());
        Ok(())
    }
}

/// Three epochs of four batches, the last of which is short: weights, what was heard, and steps without pixels.
fn trained(config: &TrainConfig, data: &Split, says: Samples) -> (Vec<NamedTensor<f32>>, Heard, usize) {
    let mut network = build_network(config, data.train.shape, data.train.kind()).unwrap();
    let mut update = build_method(config, data.train.kind()).unwrap();
    let mut session = Keeping { inner: OnCpu::new(&mut network, &mut *update), says, kept: None, without: 0 };
    let mut heard = Heard::default();
    let never = AtomicBool::new(false);
    training(config).run(&mut session, data, Position::default(), &mut [&mut heard], &never).unwrap();
    let without = session.without;
    (network.tensors(), heard, without)
}

#[test]
fn a_session_that_keeps_the_samples_gets_targets_alone_and_comes_to_the_same_bits() {
    let load_options = LoadOptions { train_size: Some(110), test_size: Some(20), ..LoadOptions::default() };
    let data = load("digits", &load_options).unwrap();
    for monitor in [0, 4, 5] {
        let mut options = TrainOptions::default();
        options.network.widths = Some("8x2".to_owned());
        options.training.epochs = Some(3);
        options.training.batch_size = Some(30);
        options.data.shift = Some(1);
        options.training.monitor_steps = Some(monitor);
        let config = options.resolve().unwrap();
        let (weights, heard, without) = trained(&config, &data, Samples::Travel);
        let (kept_weights, kept_heard, kept_without) = trained(&config, &data, Samples::Kept);
        assert!(weights == kept_weights && heard.0 == kept_heard.0, "monitor every {monitor} steps");
        // The monitor looks at the samples of 4, 8 and 12, or of 5 and 10.
        let looks = [0, 3, 2][[0, 4, 5].iter().position(|&every| every == monitor).unwrap()];
        assert_eq!((without, kept_without, heard.0.len()), (0, 12 - looks, looks));
        let (needed, free) = (2_000_000_000, 1_000_000_000);
        let (weights_again, heard, without) = trained(&config, &data, Samples::TooMany { needed, free });
        assert!(weights_again == weights && without == 0);
        assert!(heard.1.contains(&Warning::SamplesTravel { needed, free }));
    }
    let told = Warning::SamplesTravel { needed: 2_000_000_000, free: 1_000_000_000 }.to_string();
    assert_eq!(told, "the samples take 2.0 GB, and 1.0 GB are free on the device: each batch travels there");
}
