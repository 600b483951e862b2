//! What the order of work must not change: bits for threads and schedules, and blocks above for blocks below.

use hsic::random::Stream;
use hsic::{Approximation, Bottleneck};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::engine::Local;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Activation, Block, Cache, Module, Network, Norm, TensorSpec};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};

fn batch(rows: usize, index: u64) -> Batch {
    let mut stream = Stream::new(4, "batch", index);
    let labels: Vec<usize> = (0..rows).map(|_| stream.below(4) as usize).collect();
    let x = labels.iter().flat_map(|&k| (0..20).map(move |j| (k, j))).map(|(k, j)| (k == j % 4) as u8 as f32);
    let x = x.map(|signal| signal + stream.normal() as f32).collect();
    Batch { x, columns: 20, labels, classes: 4, values: Vec::new(), smoothing: 0.0, step: 0 }
}

/// The short batch has fewer rows than there are landmarks.
const FORMS: [Approximation; 4] =
    [Approximation::Exact, Approximation::Blocks(16), Approximation::Nystroem(40), Approximation::Fourier(32)];

fn local(order: UpdateOrder, schedule: Schedule) -> Local<HsicObjective> {
    local_as(Approximation::Exact, order, schedule)
}

fn local_as(form: Approximation, order: UpdateOrder, schedule: Schedule) -> Local<HsicObjective> {
    let objective = HsicObjective::approximate(Bottleneck::default(), form, 7).unwrap();
    Local::new(objective, Optimizer::momentum(0.9).decayed(1e-3), order, schedule)
}

/// Weights after some steps, the last batch a short one, as bits.
fn trained(form: Approximation, order: UpdateOrder, schedule: Schedule, threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut network = Network::mlp(20, &[24, 16, 12, 16], 4, Activation::Relu, Norm::Batch, 7);
        let mut update = local_as(form, order, schedule);
        for index in 0..12 {
            let rows = if index == 11 { 37 } else { 70 };
            update.step(&mut network, &batch(rows, index), 1e-3).unwrap();
        }
        bits(&network)
    })
}

fn bits(network: &Network) -> Vec<u32> {
    network.tensors().iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

#[test]
fn threads_and_schedules_change_no_bit() {
    let mut seen = Vec::new();
    for form in FORMS {
        let expected = trained(form, UpdateOrder::Jacobi, Schedule::Sequential, 1);
        for threads in [1, 2, 3, 8] {
            let found = trained(form, UpdateOrder::Jacobi, Schedule::Parallel, threads);
            assert!(found == expected, "{form} {threads} threads");
        }
        assert!(trained(form, UpdateOrder::Jacobi, Schedule::Sequential, 2) == expected, "{form}");
        assert!(trained(form, UpdateOrder::GaussSeidel, Schedule::Sequential, 1) != expected, "{form}");
        assert!(!seen.contains(&expected), "{form} trains as another form does");
        seen.push(expected);
    }
}

#[test]
fn noise_in_a_block_leaves_the_blocks_below_bitwise_unchanged() {
    for order in [UpdateOrder::Jacobi, UpdateOrder::GaussSeidel] {
        for noisy in 1..5 {
            let mut plain = Network::mlp(20, &[24, 16, 12, 16], 4, Activation::Relu, Norm::Batch, 7);
            let mut other = Network::mlp(20, &[24, 16, 12, 16], 4, Activation::Relu, Norm::Batch, 7);
            let mut stream = Stream::new(1, "noise", noisy as u64);
            for weight in other.blocks_mut()[noisy].parameters_mut() {
                *weight += stream.normal() as f32;
            }
            for network in [&mut plain, &mut other] {
                let mut update = local(order, Schedule::Parallel);
                for index in 0..3 {
                    update.step(network, &batch(70, index), 1e-3).unwrap();
                }
            }
            for (index, (a, b)) in plain.blocks().iter().zip(other.blocks()).enumerate() {
                assert_eq!(a.parameters() == b.parameters(), index < noisy, "{order:?} {noisy} {index}");
                assert_eq!(a.statistics() == b.statistics(), index < noisy, "{order:?} {noisy} {index}");
            }
        }
    }
}

#[test]
fn a_record_goes_on_bit_for_bit() {
    for form in FORMS {
        let mut network = Network::mlp(20, &[24, 16], 4, Activation::Tanh, Norm::Batch, 3);
        let mut update = local_as(form, UpdateOrder::Jacobi, Schedule::Parallel);
        for index in 0..4 {
            update.step(&mut network, &batch(50, index), 1e-3).unwrap();
        }
        let (tensors, record) = (network.tensors(), update.state());
        for index in 4..8 {
            update.step(&mut network, &batch(50, index), 1e-3).unwrap();
        }
        let mut again = Network::mlp(20, &[24, 16], 4, Activation::Tanh, Norm::Batch, 99);
        again.set_tensors(&tensors);
        let mut update = local_as(form, UpdateOrder::Jacobi, Schedule::Sequential);
        update.restore(&network, record).unwrap();
        for index in 4..8 {
            update.step(&mut again, &batch(50, index), 1e-3).unwrap();
        }
        assert!(bits(&network) == bits(&again), "{form}");
    }
}

#[test]
fn every_block_lowers_its_own_loss() {
    for form in FORMS {
        let mut network = Network::mlp(20, &[24, 16], 4, Activation::Relu, Norm::Batch, 3);
        let mut update = local_as(form, UpdateOrder::Jacobi, Schedule::Parallel);
        let losses: Vec<Vec<f64>> = (0..40)
            .map(|_| {
                let report = update.step(&mut network, &batch(100, 0), 5e-4).unwrap();
                report.signals.iter().map(|signal| signal.loss).collect()
            })
            .collect();
        for (block, (first, last)) in losses[0].iter().zip(&losses[39]).enumerate() {
            // Bounded by -beta (classes - 1) = -1500, which rows in blocks of 16 are near from the start.
            let room = 1500.0 + first;
            assert!(first - last > 0.3 * room, "{form} {block}: {first} {last}");
        }
    }
}

#[test]
fn a_weight_that_is_not_finite_stops_training_with_its_block() {
    let mut network = Network::mlp(20, &[24, 16], 4, Activation::Relu, Norm::Batch, 3);
    network.blocks_mut()[1].parameters_mut()[5] = f32::NAN;
    for schedule in [Schedule::Parallel, Schedule::Sequential] {
        let error = local(UpdateOrder::Jacobi, schedule).step(&mut network, &batch(50, 0), 1e-3).unwrap_err();
        assert!(matches!(error, hsic_bottleneck::StepError::Diverged { block: 1 }), "{error}");
    }
}

/// A block of the user's own: a learned gain for every column, and nothing else.
struct Gain(Vec<f32>);

impl Block for Gain {
    fn inputs(&self) -> usize {
        self.0.len()
    }
    fn outputs(&self) -> usize {
        self.0.len()
    }
    fn forward(&self, m: usize, x: &[f32], z: &mut [f32], _: &mut Cache<f32>) {
        self.infer(m, x, z);
    }
    fn infer(&self, _: usize, x: &[f32], z: &mut [f32]) {
        for (z, x) in z.chunks_mut(self.0.len()).zip(x.chunks(self.0.len())) {
            for ((z, x), gain) in z.iter_mut().zip(x).zip(&self.0) {
                *z = x * gain;
            }
        }
    }
    fn gradient(
        &self,
        _: usize,
        x: &[f32],
        _: &[f32],
        dz: &mut [f32],
        _: &mut Cache<f32>,
        parameters: &mut [f32],
        _: Option<&mut [f32]>,
    ) {
        parameters.fill(0.0);
        for (dz, x) in dz.chunks(self.0.len()).zip(x.chunks(self.0.len())) {
            for ((sum, dz), x) in parameters.iter_mut().zip(dz).zip(x) {
                *sum += dz * x;
            }
        }
    }
    fn absorb_statistics(&mut self, _: usize, _: &mut Cache<f32>) {}
    fn parameters(&self) -> &[f32] {
        &self.0
    }
    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
    fn statistics(&self) -> Vec<&[f32]> {
        Vec::new()
    }
    fn statistics_mut(&mut self) -> Vec<&mut [f32]> {
        Vec::new()
    }
    fn layout(&self) -> Vec<TensorSpec> {
        let kind = hsic_bottleneck::network::TensorKind::Parameter;
        vec![TensorSpec::contiguous(0, "weight", &[self.0.len()], kind)]
    }
    fn modules(&self) -> Vec<Module> {
        vec![Module::new("Gain", &[])]
    }
}

#[test]
fn a_block_of_the_users_own_trains_beside_the_others() {
    let mut stream = Stream::new(1, "init", 0);
    let dense = hsic_bottleneck::network::Dense::new(20, 4, Activation::Relu, Norm::Batch, &mut stream);
    let mut network = Network::new(vec![Box::new(Gain(vec![1.0; 20])), Box::new(dense)]);
    let mut update = local(UpdateOrder::Jacobi, Schedule::Parallel);
    let first = update.step(&mut network, &batch(100, 0), 1e-3).unwrap().signals[0].loss;
    let mut last = first;
    for _ in 0..20 {
        last = update.step(&mut network, &batch(100, 0), 1e-3).unwrap().signals[0].loss;
    }
    assert!(last < first, "{first} {last}");
}
