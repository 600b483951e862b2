//! A step allocates nothing once its memory has grown: counted by an allocator, hence alone in its process.

use std::alloc::System;

use hsic::Bottleneck;
use hsic::parts::AllHere;
use hsic::random::Stream;
use hsic_bottleneck::assemble::build_method;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::engine::{Backprop, Feedback, InParts, Local};
use hsic_bottleneck::method::Method;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::method::direct_feedback::DirectFeedback;
use hsic_bottleneck::method::phsic::Phsic;
use hsic_bottleneck::methods::METHODS;
use hsic_bottleneck::network::parse_widths;
use hsic_bottleneck::network::{Feature, NETWORKS, Network, NetworkSettings, Norm};
use hsic_bottleneck::objective::similarity::Similarity;
use hsic_bottleneck::objective::{Classified, Objective};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::rule_options::InputTerm;
use hsic_bottleneck::rule_options::Recompute;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rows of a batch: two blocks of 32, and more than there are landmarks.
const ROWS: usize = 64;

const SHAPE: Shape = Shape { channels: 1, height: 12, width: 12 };

fn batch(index: u64) -> Batch {
    let mut stream = Stream::new(5, "batch", index);
    let labels: Vec<usize> = (0..ROWS).map(|_| stream.below(4) as usize).collect();
    let x = (0..ROWS * SHAPE.columns()).map(|_| stream.normal() as f32).collect();
    Batch { x, columns: SHAPE.columns(), labels, classes: 4, values: Vec::new(), smoothing: 0.0, step: index }
}

fn network(name: &str, widths: &str) -> Network {
    let kind = NETWORKS.iter().find(|kind| kind.name == name).expect("a network of that name");
    let settings = NetworkSettings { widths: parse_widths(widths), outputs: None, classes: 4, side: 8 };
    let mut network = Network::build(SHAPE, &(kind.blocks)(&settings), kind.activation, Norm::Batch, 1)
        .expect("blocks that fit the samples");
    network.set_feature(Feature::Pool(2));
    network
}

/// Steps of a round, more than the 7 after which angles are looked at again: a round has each kind of step that is known
/// here. A method that did something less often than that would need more.
const STEPS: usize = 10;

/// Most rounds until memory has grown. Threads meet blocks in no fixed order, and each must have met the largest one.
const ROUNDS: usize = 30;

/// What the last round of `update` on `network` allocated: rounds follow each other until one allocates nothing. Memory grows
/// no more than so often; what allocates in steps for ever does so in the last round, too.
fn last_round(update: &mut dyn Update, network: &mut Network, batches: &[Batch]) -> Stats {
    let mut last = Stats::default();
    for _ in 0..ROUNDS {
        let region = Region::new(ALLOCATOR);
        for index in 0..STEPS {
            update.step(network, &batches[index % batches.len()], 1e-4).expect("a finite step");
        }
        last = region.change();
        if last.allocations + last.reallocations == 0 {
            break;
        }
    }
    last
}

/// A rule, its output block a classifier.
fn classified(rule: impl Objective + 'static) -> Box<dyn Update> {
    let adamw = Optimizer::adamw();
    Box::new(Local::new(Classified(rule), adamw, UpdateOrder::Jacobi, Schedule::Parallel))
}

fn with_defaults(method: &Method) -> Box<dyn Update> {
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.name.to_owned());
    build_method(&options.resolve().expect("defaults are valid"), 4).expect("a method")
}

#[test]
fn a_step_allocates_nothing_in_the_steady_state() {
    let batches: Vec<Batch> = (0..2).map(batch).collect();
    let objective = |x_weight| {
        HsicObjective::new(Bottleneck { x_weight, ..Bottleneck::default() }).expect("numbers in their ranges")
    };
    let sgd = Optimizer::momentum(0.9).decayed(1e-4);
    let adamw = Optimizer::adamw().decayed(1e-4);
    let local = |optimizer, order, schedule, x_weight| -> Box<dyn Update> {
        Box::new(Local::new(objective(x_weight), optimizer, order, schedule))
    };
    let approximate = |approximation: &str| -> Box<dyn Update> {
        let approximation = approximation.parse().expect("the name of an approximation");
        let objective = HsicObjective::approximate(Bottleneck::default(), approximation, 1).expect("numbers in ranges");
        Box::new(Local::new(objective, sgd, UpdateOrder::Jacobi, Schedule::Parallel))
    };
    let phsic = |similarity, groups| Phsic { similarity, groups, power: 0.5, balance: 2.0 };
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for (name, widths) in [("mlp", "64x6"), ("residual-mlp", "48x4"), ("vgg", "8p,16p"), ("resnet-conv", "8x3")] {
            let mut updates = vec![
                ("sequential", local(sgd, UpdateOrder::Jacobi, Schedule::Sequential, 1.0)),
                ("gauss-seidel", local(sgd, UpdateOrder::GaussSeidel, Schedule::Sequential, 1.0)),
                ("parallel", local(sgd, UpdateOrder::Jacobi, Schedule::Parallel, 1.0)),
                ("parallel, AdamW, no X term", local(adamw, UpdateOrder::Jacobi, Schedule::Parallel, 0.0)),
                ("blocks", approximate("blocks:32")),
                ("nystroem", approximate("nystroem:24")),
                ("fourier", approximate("fourier:32")),
                ("hsic", classified(objective(1.0).comparing(InputTerm::Block).classifying(1.0, 4))),
                ("phsic, no groups", classified(phsic(Similarity::Cosine { centered: true }, 0))),
                ("back-propagation", Box::new(Backprop::new(sgd))),
                ("direct feedback", Box::new(DirectFeedback::new(sgd, 1).with_angle(7))),
                ("feedback", Box::new(Backprop::new(sgd).with_feedback("test", Feedback::Random, 1).with_angle(7))),
                ("signs", Box::new(Backprop::new(sgd).with_feedback("test", Feedback::Sign, 1))),
                ("recomputed by 1", Box::new(Backprop::new(sgd).recomputing(Recompute::Every(1)))),
                ("recomputed by the root", Box::new(Backprop::new(sgd).recomputing(Recompute::Auto))),
            ];
            if network(name, widths).blocks().iter().all(|block| block.in_parts().is_some()) {
                let inner = local(sgd, UpdateOrder::Jacobi, Schedule::Parallel, 1.0);
                let parts = InParts::new(inner, Box::new(AllHere::new(4))).expect("a method that takes parts");
                updates.push(("in parts", Box::new(parts)));
            }
            // Without the two that stand above. A dense net is all that target propagation takes.
            let others = METHODS.iter().filter(|method| !["hsic", "backprop"].contains(&method.name));
            let others = others.filter(|method| name == "mlp" || method.name != "difference-target-propagation");
            updates.extend(others.map(|method| (method.name, with_defaults(method))));
            for (schedule, mut update) in updates {
                let mut network = network(name, widths);
                let counted = pool.install(|| last_round(&mut *update, &mut network, &batches));
                let found = (counted.allocations, counted.reallocations);
                assert_eq!(found, (0, 0), "{name}, {schedule}, {threads} threads: {} bytes", counted.bytes_allocated);
            }
        }
        // The parallel schedule forks blocks in groups where there are more than 64 of them.
        let mut deep = network("mlp", "64x70");
        let mut update = local(sgd, UpdateOrder::Jacobi, Schedule::Parallel, 1.0);
        let counted = pool.install(|| last_round(&mut *update, &mut deep, &batches));
        let found = (counted.allocations, counted.reallocations);
        assert_eq!(found, (0, 0), "70 blocks, {threads} threads: {} bytes", counted.bytes_allocated);
    }
}
