//! What every learning method keeps, whatever it learns by: run for each entry of `METHODS`.

use hsic::random::Stream;
use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::{LoadOptions, Split, load};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::Network;
use hsic_bottleneck::update::Update;

const ROWS: usize = 64;
const BATCHES: usize = 4;

struct Bench {
    data: Split,
    batches: Vec<Batch>,
}

impl Bench {
    fn new() -> Self {
        let options = LoadOptions { train_size: Some(ROWS * BATCHES), test_size: Some(10), ..LoadOptions::default() };
        let data = load("digits", &options).expect("built-in digits");
        let batch = |index: usize| {
            let mut batch = Batch::default();
            batch.fill(&data.train, &(index * ROWS..(index + 1) * ROWS).collect::<Vec<_>>()).unwrap();
            batch
        };
        let batches = (0..BATCHES).map(batch).collect();
        Self { data, batches }
    }

    /// The method with its defaults, and a network as it trains them, on this data.
    fn method(&self, method: &Method, adjust: impl Fn(&mut TrainOptions)) -> (Box<dyn Update>, Network, f64) {
        let mut options = TrainOptions::default();
        options.objective.method = Some(method.name.to_owned());
        options.network.widths = Some("48x2".to_owned());
        adjust(&mut options);
        let config = options.resolve().expect("defaults are valid");
        let (shape, classes) = (self.data.train.shape, self.data.train.classes());
        let network = build_network(&config, shape, classes).expect("a network");
        (build_method(&config, classes).expect("a method"), network, config.learning_rate.peak)
    }

    fn batch(&self, step: u64) -> Batch {
        Batch { step, ..self.batches[step as usize % BATCHES].clone() }
    }

    /// Steps `from..to`; the losses of all blocks, by step.
    fn run(
        &self,
        (update, network, rate): (&mut dyn Update, &mut Network, f64),
        steps: std::ops::Range<u64>,
    ) -> Vec<Vec<f64>> {
        let step = |step| {
            let report = update.step(network, &self.batch(step), rate).expect("a finite step");
            report.signals.iter().map(|signal| signal.loss).collect()
        };
        steps.map(step).collect()
    }
}

fn with_dropout(options: &mut TrainOptions) {
    options.network.dropout = Some(0.2);
}

/// Methods whose report has one loss, that of the outputs, at every block.
const OF_THE_OUTPUTS: [&str; 7] =
    ["dni", "dfa", "node-perturbation", "feedback-alignment", "sign-symmetry", "backprop", "frozen"];

#[test]
fn each_lowers_what_it_minimises() {
    let bench = Bench::new();
    let mut of_the_outputs = Vec::new();
    for method in METHODS {
        let (mut update, mut network, rate) = bench.method(method, |_| {});
        let before: Vec<f64> = bench.batches.iter().map(|batch| cross_entropy(&network, batch)).collect();
        let losses = bench.run((&mut *update, &mut network, rate), 0..200);
        if losses
            .iter()
            .flatten()
            .zip(losses.iter().flat_map(|step| step.iter().map(|_| &step[0])))
            .all(|(a, b)| a == b)
        {
            // Said once for all blocks: it must be the cross-entropy of the outputs, and that must fall.
            of_the_outputs.push(method.name);
            // Outputs of f32 are rounded to 6e-8 of their size, a few units at the start.
            assert!((losses[0][0] - before[0]).abs() < 1e-5, "{}: {} {}", method.name, losses[0][0], before[0]);
            let after: f64 = bench.batches.iter().map(|batch| cross_entropy(&network, batch)).sum();
            let before: f64 = before.iter().sum();
            // Frozen blocks, of which the output block alone learns, come to 0.75.
            assert!(after < 0.8 * before, "{}: {before} -> {after}", method.name);
            continue;
        }
        for block in 0..network.blocks().len() {
            let mean = |steps: &[Vec<f64>]| steps.iter().map(|step| step[block]).sum::<f64>() / steps.len() as f64;
            let (first, last) = (mean(&losses[..BATCHES]), mean(&losses[losses.len() - BATCHES..]));
            assert!(last < first, "{} block {block}: {first} -> {last}", method.name);
        }
    }
    assert_eq!(of_the_outputs, OF_THE_OUTPUTS);
}

/// The mean over a batch of -log of the share that softmax gives the label.
fn cross_entropy(network: &Network, batch: &Batch) -> f64 {
    let outputs = network.batch_outputs(ROWS, &batch.x);
    let of_row = |(row, &label): (&[f32], &usize)| {
        row.iter().map(|&z| (f64::from(z) - f64::from(row[label])).exp()).sum::<f64>().ln()
    };
    outputs.chunks(outputs.len() / ROWS).zip(&batch.labels).map(of_row).sum::<f64>() / ROWS as f64
}

#[test]
fn no_gradient_of_a_local_rule_reaches_an_earlier_block() {
    let bench = Bench::new();
    for method in METHODS.iter().filter(|method| method.local) {
        let trained = |disturb: Option<usize>| {
            let (mut update, mut network, rate) = bench.method(method, |_| {});
            if let Some(from) = disturb {
                let mut stream = Stream::new(8, "disturb", from as u64);
                for block in &mut network.blocks_mut()[from..] {
                    block.parameters_mut().iter_mut().for_each(|value| *value += 0.1 * stream.normal() as f32);
                }
            }
            let losses = bench.run((&mut *update, &mut network, rate), 0..2);
            let parameters: Vec<Vec<f32>> = network.blocks().iter().map(|b| b.parameters().to_vec()).collect();
            (parameters, losses)
        };
        let (alone, losses) = trained(None);
        for from in 1..alone.len() {
            assert_eq!(trained(Some(from)).0[..from], alone[..from], "{} disturbed from {from}", method.name);
        }
        let above = trained(Some(0)).1;
        assert!(losses[0].last() != above[0].last(), "{}: the last block sees those before it", method.name);
    }
}

#[test]
fn the_number_of_threads_moves_no_bit() {
    let bench = Bench::new();
    for method in METHODS {
        let trained = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let (mut update, mut network, rate) = bench.method(method, with_dropout);
                bench.run((&mut *update, &mut network, rate), 0..5);
                (network.tensors(), update.state())
            })
        };
        assert!(trained(1) == trained(2), "{}", method.name);
    }
}

#[test]
fn each_goes_on_from_a_record_as_if_it_had_never_stopped() {
    let bench = Bench::new();
    for method in METHODS {
        let (mut update, mut network, rate) = bench.method(method, with_dropout);
        bench.run((&mut *update, &mut network, rate), 0..6);
        let (mut first, mut resumed, _) = bench.method(method, with_dropout);
        bench.run((&mut *first, &mut resumed, rate), 0..3);
        let (mut second, mut other, _) = bench.method(method, with_dropout);
        other.set_tensors(&resumed.tensors());
        second.restore(&other, first.state()).expect("a record of this method");
        bench.run((&mut *second, &mut other, rate), 3..6);
        assert!(other.tensors() == network.tensors() && second.state() == update.state(), "{}", method.name);
    }
}

#[test]
fn a_dead_input_and_a_single_class_do_no_harm() {
    let bench = Bench::new();
    for method in METHODS {
        for (what, batch) in [
            ("dead input", Batch { x: vec![0.0; bench.batches[0].x.len()], ..bench.batch(0) }),
            ("one class", Batch { labels: vec![3; ROWS], ..bench.batch(0) }),
        ] {
            let (mut update, mut network, rate) = bench.method(method, |_| {});
            for step in 0..3 {
                let batch = Batch { step, ..batch.clone() };
                update
                    .step(&mut network, &batch, rate)
                    .unwrap_or_else(|error| panic!("{} {what}: {error}", method.name));
            }
            let finite = |block: &dyn hsic_bottleneck::network::Block| block.parameters().iter().all(|v| v.is_finite());
            assert!(network.blocks().iter().all(|block| finite(&**block)), "{} {what}", method.name);
        }
    }
}

#[test]
fn each_explains_itself() {
    for method in METHODS {
        assert!(method.explanation().lines().count() >= 3, "{}", method.name);
        assert!(!method.reference.is_empty() && !method.cost.is_empty());
    }
}
