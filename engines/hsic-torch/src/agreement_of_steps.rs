//! Steps beside those of the CPU, from the same weights: losses, norms of gradients, and the way that weights went.
//!
//! Tolerances are those of `agreement.rs`.

use hsic_bottleneck::assemble::build_method;
use hsic_bottleneck::dataset::TargetKind;
use hsic_bottleneck::network::Network as HostNetwork;
use hsic_bottleneck::objective::Signal;

use crate::agreement::{
    BLOCKS, CLASSES, CONVOLUTION, DENSE, IMAGE, RECIPE, assert_close, batch, device, distance, network_of,
};
use crate::methods::{method, network};
use crate::objective::DeviceBatch;
use crate::step::{Measured, Step};

/// Of a training's steps at a rate, on networks of which the first so many blocks are convolutions.
struct Steps {
    count: u64,
    /// Of the whole training, of which these are the first.
    total: u64,
    rate: f64,
    convolutions: usize,
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn parameters(host: &HostNetwork) -> Vec<Vec<f32>> {
    host.blocks().iter().map(|block| block.parameters().to_vec()).collect()
}

/// Makes the steps on both engines and compares the first step's report and where all of them led to.
fn check(text: &str, steps: &Steps) {
    let (device, kind) = (device(), TargetKind::Classes(CLASSES));
    let (config, mut host) = network_of(text, IMAGE, kind);
    let mut update = build_method(&config, kind).expect("a method");
    let mut own = network(&host, IMAGE, config.seed, &device).expect("blocks");
    let mut own_method = method(&config, CLASSES, &host, &own).expect("a method");
    update.plan(&host, steps.total);
    own_method.plan(steps.total);
    let before = parameters(&host);
    for step in 0..steps.count {
        let batch = hsic_bottleneck::batch::Batch { step, smoothing: config.label_smoothing, ..batch(IMAGE, 40, kind) };
        let report = update.step(&mut host, &batch, steps.rate).expect("a step");
        let on_device = DeviceBatch::of(&batch, &device);
        let Step { measured, .. } = own_method.step(&mut own, &on_device, steps.rate, true).expect("a step");
        if step == 0 {
            check_signals(text, &measured, &report.signals);
        }
    }
    for (index, (block, own)) in host.blocks().iter().zip(&own.blocks).enumerate() {
        let what = format!("block {index} of {text}");
        let went = |after: &[f32]| -> Vec<f32> {
            after.iter().zip(&before[index]).map(|(after, before)| after - before).collect()
        };
        let (found, expected) = (went(&device.read(&own.parameters)), went(block.parameters()));
        // A difference of weights keeps fewer digits than the gradient: its rounding is that of the weights.
        let rounding = 1e-7 * steps.count as f64 * length(&before[index]);
        let tolerance = if index < steps.convolutions { CONVOLUTION } else { DENSE };
        if length(&expected) > 0.0 {
            assert_close(&what, &found, &expected, tolerance + rounding / length(&expected));
        } else {
            assert!(found.iter().all(|&found| found == 0.0), "{what}");
        }
    }
}

fn check_signals(text: &str, measured: &[Measured], signals: &[Signal]) {
    assert_eq!(measured.len(), signals.len());
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-3 * expected.abs() + 1e-4;
    for (index, (signal, own)) in signals.iter().zip(measured).enumerate() {
        let what = format!("block {index} of {text}");
        let norm = own.gradient_norm.double_value(&[]);
        assert!(near(norm, signal.gradient_norm), "{what}: |dW| {norm}, expected {}", signal.gradient_norm);
        let value = own.value.as_ref().expect("it is measured");
        let loss = value.loss.double_value(&[]);
        assert!(near(loss, signal.loss), "{what}: loss {loss}, expected {}", signal.loss);
        for ((found_name, found), (name, term)) in value.terms.iter().zip(signal.terms) {
            assert_eq!(*found_name, name, "{what}");
            let found = found.as_ref().map_or(0.0, |found| found.double_value(&[]));
            assert!(near(found, term), "{what}: {name} {found}, expected {term}");
        }
        let dead = own.dead.as_ref().is_some_and(|dead| dead.int64_value(&[]) != 0);
        assert_eq!(dead, signal.dead, "{what}");
    }
}

/// By gradient descent, so that weights move by their gradients.
#[test]
fn steps_have_the_numbers_of_the_cpu_s() {
    let table = [
        ("hsic", ""),
        ("hsic", "x = 'block'"),
        ("hsic", "x = 'none'\nclassifier = 0.5"),
        ("hsic-local", ""),
        ("phsic", ""),
        ("phsic", "phsic-kernel = 'cosine'\ngroups = 3"),
        ("phsic", "groups = 0"),
        ("predsim", ""),
        ("predsim", "local-loss = 'pred'\ndecoder-size = 20"),
        ("predsim", "local-loss = 'sim'"),
        ("mono-forward", ""),
        ("mono-forward", "label-smoothing = 0.2"),
        ("backprop", ""),
        ("backprop", "label-smoothing = 0.2"),
        ("frozen", ""),
    ];
    let steps = Steps { count: 1, total: 1, rate: 1e-3, convolutions: 3 };
    let optimizers = [
        "optimizer = 'sgd'\nmomentum = 0.0",
        "optimizer = 'sgd'\nmomentum = 0.9\nclip-norm = 0.1",
        "optimizer = 'sgd'\nmomentum = 0.9\nnesterov = true\nnorm-bias-rate = 3.0\nhead-rate = 0.5\nclassifier-rate = 2.0\nweight-decay = 0.1",
    ];
    for (name, rule) in table {
        for optimizer in optimizers {
            check(&text(name, rule, &format!("{optimizer}\n[training]")), &steps);
        }
    }
    let by_all_but_the_last = |name: &str| !matches!(name, "backprop" | "frozen");
    for (name, rule) in table.into_iter().filter(|(name, _)| by_all_but_the_last(name)) {
        for unit in ["2", "all"] {
            check(&text(name, rule, &format!("{}\n[training]\nunit = '{unit}'", optimizers[1])), &steps);
        }
    }
    let in_turn = format!("{}\n[training]\nunit = '3'\nupdate = 'gauss-seidel'", optimizers[1]);
    check(&text("predsim", "", &in_turn), &steps);
}

/// A network with blocks of all kinds, trained by a method.
fn text(name: &str, rule: &str, rest: &str) -> String {
    let plain = "[network]\nmodel = 'custom'\nfeature = 'pool:3'\n";
    format!("{plain}[objective]\nmethod = '{name}'\n[rule]\n{rule}\n[optimizer]\n{rest}\n{BLOCKS}")
}

/// Three steps of the recipe, and six with an average, which exchanges numbers with the weights after five and, of six,
/// at the end.
#[test]
fn steps_of_the_recipe_have_the_numbers_of_the_cpu_s() {
    for (name, rule, rates) in [
        ("backprop", "label-smoothing = 0.2", "norm-bias-rate = 2.0\nhead-rate = 0.5"),
        ("hsic", "x = 'none'\nclassifier = 1.0\nlabel-smoothing = 0.2", "norm-bias-rate = 0.1\nclassifier-rate = 0.1"),
        ("mono-forward", "label-smoothing = 0.2", "norm-bias-rate = 2.0\nclassifier-rate = 0.1"),
        ("predsim", "label-smoothing = 0.2", "norm-bias-rate = 2.0\nclassifier-rate = 0.1"),
    ] {
        for (rest, average, count, total) in
            [("sgd", "none", 3, 3), ("adamw", "none", 3, 3), ("sgd", "lookahead", 6, 6), ("sgd", "lookahead", 6, 10)]
        {
            let optimizer = format!(
                "optimizer = 'muon'\nmuon-rest = '{rest}'\naverage = '{average}'\nweight-decay = 1e-3\n{rates}\n"
            );
            let text =
                format!("{RECIPE}[objective]\nmethod = '{name}'\nbeta = 5.0\n[rule]\n{rule}\n[optimizer]\n{optimizer}");
            let text = if name == "hsic" { text } else { text.replace("beta = 5.0\n", "") };
            check(&text, &Steps { count, total, rate: 0.02, convolutions: 4 });
        }
    }
}

/// Matrices by themselves: singular values of very different sizes, wide and tall, with a norm behind and without one.
#[test]
fn muon_s_matrices_are_those_of_the_cpu_s() {
    use hsic::random::Stream;
    use hsic_bottleneck::optimizer::{Algorithm, Entrywise, Group, Groups, Matrix, Optimizer, OptimizerState};

    let rest = Entrywise::Sgd { momentum: 0.85, nesterov: true, weight_decay: 0.0 };
    let optimizer = Optimizer::from(Algorithm::Muon { momentum: 0.6, rest });
    let device = device();
    for (units, fan_in) in [(5, 9), (9, 5), (6, 6)] {
        for (by_unit, normalized) in [(true, false), (false, true), (true, true)] {
            let matrix = Matrix { units, fan_in, by_unit, normalized };
            let groups = Groups::default().then(units * fan_in, Group::Matrix(matrix)).then(units, Group::Other);
            let mut stream = Stream::new(5, "muon", 0);
            let mut draw = || -> Vec<f32> { (0..units * fan_in + units).map(|_| stream.normal() as f32).collect() };
            let mut w = draw();
            let own = device.take(&w);
            let (mut state, mut own_state) = (OptimizerState::default(), crate::optimizer::State::default());
            for _ in 0..4 {
                let gradient = draw();
                optimizer.step(0.1, groups, (&mut w, &gradient), &mut state);
                let gradient = device.take(&gradient);
                let length = crate::optimizer::length(&gradient);
                crate::optimizer::step(optimizer, 0.1, groups, (&own, &gradient), &length, &mut own_state);
            }
            let found = distance(&device.read(&own), &w);
            // Four steps of sums of a few products in single precision.
            assert!(found < 3e-6, "{matrix:?}: {found:e}");
        }
    }
}
