//! What a step says of its own time.

use hsic::Bottleneck;
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::engine::{Backprop, Local};
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Activation, Network, Norm};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::span::Span;
use hsic_bottleneck::span::Work;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};

const BLOCKS: usize = 5;

fn batch() -> Batch {
    let mut stream = Stream::new(4, "batch", 0);
    let labels: Vec<usize> = (0..60).map(|_| stream.below(4) as usize).collect();
    Batch {
        x: (0..60 * 20).map(|_| stream.normal() as f32).collect(),
        columns: 20,
        labels,
        classes: 4,
        values: Vec::new(),
        smoothing: 0.0,
        step: 0,
    }
}

/// The spans of the third of three steps.
fn spans(mut update: Box<dyn Update>, threads: usize) -> Vec<Span> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut network = Network::mlp(20, &[24, 16, 12, 16], 4, Activation::Relu, Norm::Batch, 7);
    pool.install(|| (0..3).map(|_| update.step(&mut network, &batch(), 1e-3).unwrap().spans.clone()).last().unwrap())
}

fn updates() -> Vec<(&'static str, Box<dyn Update>)> {
    let sgd = Optimizer::momentum(0.9);
    let local = |order, schedule| -> Box<dyn Update> {
        Box::new(Local::new(HsicObjective::new(Bottleneck::default()).unwrap(), sgd, order, schedule))
    };
    vec![
        ("parallel", local(UpdateOrder::Jacobi, Schedule::Parallel)),
        ("sequential", local(UpdateOrder::Jacobi, Schedule::Sequential)),
        ("gauss-seidel", local(UpdateOrder::GaussSeidel, Schedule::Parallel)),
        ("back-propagation", Box::new(Backprop::new(sgd))),
    ]
}

#[test]
fn spans_cover_every_block_once_for_each_kind_of_work() {
    for threads in [1, 2, 4] {
        for (name, update) in updates() {
            let spans = spans(update, threads);
            let blocks = |work| {
                let mut blocks: Vec<usize> =
                    spans.iter().filter(|span| span.work == work).map(|span| span.block).collect();
                blocks.sort_unstable();
                blocks
            };
            assert_eq!(blocks(Work::Forward), [0, 1, 2, 3, 4], "{name} {threads}");
            assert_eq!(blocks(Work::Block), [0, 1, 2, 3, 4], "{name} {threads}");
            assert_eq!(blocks(Work::Operator), [0], "{name} {threads}");
            assert_eq!(spans.len(), 2 * BLOCKS + 1);
            for span in &spans {
                assert!(span.begin_milliseconds >= 0.0 && span.end_milliseconds >= span.begin_milliseconds, "{span:?}");
                assert!(span.thread < threads, "{name} {threads}: {span:?}");
            }
            assert!(spans.is_sorted_by(|a, b| a.begin_milliseconds <= b.begin_milliseconds), "{name} {threads}");
        }
    }
}

#[test]
fn a_thread_does_one_thing_at_a_time_and_a_block_what_comes_first_first() {
    for threads in [1, 2, 4] {
        for (name, update) in updates() {
            let spans = spans(update, threads);
            for thread in 0..threads {
                let mut end = 0.0;
                for span in spans.iter().filter(|span| span.thread == thread) {
                    assert!(span.begin_milliseconds >= end, "{name} {threads}: {span:?} before {end}");
                    end = span.end_milliseconds;
                }
            }
            let find = |work, block| spans.iter().find(|span| (span.work, span.block) == (work, block)).unwrap();
            let shared = find(Work::Operator, 0);
            for block in 0..BLOCKS {
                let (forward, own) = (find(Work::Forward, block), find(Work::Block, block));
                assert!(own.begin_milliseconds >= forward.end_milliseconds, "{name} {threads} {block}");
                assert!(own.begin_milliseconds >= shared.end_milliseconds, "{name} {threads} {block}");
            }
        }
    }
}

#[test]
fn times_are_milliseconds_of_the_step() {
    let total = |spans: &[Span]| spans.iter().map(|span| span.end_milliseconds).fold(0.0, f64::max);
    let (_, update) = updates().swap_remove(1);
    let start = std::time::Instant::now();
    let spans = spans(update, 1);
    let wall = 1e3 * start.elapsed().as_secs_f64();
    assert!(total(&spans) > 1e-3 && total(&spans) < wall, "{} of {wall} ms", total(&spans));
}
