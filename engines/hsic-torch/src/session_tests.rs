use hsic_bottleneck::assemble::build_method;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::TargetKind;
use hsic_bottleneck::session::OnCpu;
use hsic_bottleneck::update::Update;

use super::*;
use crate::agreement::{CLASSES, IMAGE, assert_close, batch, device, network_of};
use crate::methods::{NAMES, method, network};

const SMALL: &str = "[network]\nmodel = 'vgg'\nwidths = '4,6p'\n";

/// The CPU's network and method of a configuration.
fn on_cpu(text: &str) -> (HostNetwork, Box<dyn Update>, TrainConfig) {
    let kind = TargetKind::Classes(CLASSES);
    let (config, host) = network_of(text, IMAGE, kind);
    let update = build_method(&config, kind).expect("a method");
    (host, update, config)
}

/// The same on the device, with a report every so many steps.
fn session(text: &str, every: u64) -> OnDevice {
    let (host, _, config) = on_cpu(text);
    let network = network(&host, IMAGE, config.seed, &device()).expect("blocks");
    let method = method(&config, CLASSES, &host, &network).expect("a method");
    OnDevice::new(Parts { network, method, host, reports: Reports { every, epoch: 1_000, monitor: 0 } })
}

fn at(step: u64) -> Batch {
    let mut batch = batch(IMAGE, 24, TargetKind::Classes(CLASSES));
    batch.x.iter_mut().enumerate().for_each(|(index, x)| *x += ((index as f32) * 0.37 + step as f32).sin());
    Batch { step, ..batch }
}

fn take(session: &mut dyn Session, steps: std::ops::Range<u64>) {
    for step in steps {
        session.step(&at(step), 1e-3).expect("a step");
    }
}

fn named(session: &dyn Session) -> Vec<NamedTensor<f32>> {
    let of =
        |stored: StoredTensor<'_, f32>| NamedTensor { values: stored.values(), name: stored.name, shape: stored.shape };
    session.weights().into_iter().map(of).collect()
}

#[test]
fn the_program_waits_for_the_device_once_in_as_many_steps_as_it_is_told() {
    for name in NAMES {
        let mut session = session(&format!("{SMALL}[objective]\nmethod = '{name}'\n"), 5);
        for step in 0..14 {
            let signals = session.step(&at(step), 1e-3).expect("a step").signals.len();
            let expected = if step % 5 == 4 { session.network.blocks.len() } else { 0 };
            assert_eq!((signals, session.device().waits()), (expected, (step + 1) / 5), "{name} {step}");
        }
    }
}

#[test]
fn reports_come_at_their_steps_at_the_end_of_an_epoch_and_for_the_monitor() {
    let due = |reports: Reports| (0..12).filter(|&step| reports.is_due(step)).collect::<Vec<_>>();
    assert_eq!(due(Reports { every: 5, epoch: 6, monitor: 0 }), [4, 5, 9, 11]);
    assert_eq!(due(Reports { every: 100, epoch: 100, monitor: 4 }), [3, 7, 11]);
}

#[test]
fn a_training_goes_on_from_its_state_on_the_device_and_on_the_cpu() {
    for name in NAMES {
        let ahead = "optimizer = 'muon'\naverage = 'lookahead'";
        for optimizer in ["optimizer = 'adamw'", "optimizer = 'sgd'\nmomentum = 0.9", ahead] {
            let text =
                format!("{SMALL}norm = 'batch-bias'\n[objective]\nmethod = '{name}'\n[optimizer]\n{optimizer}\n");
            let mut whole = session(&text, 1);
            take(&mut whole, 0..3);
            let (weights, state) = (named(&whole), whole.state());
            take(&mut whole, 3..5);

            let mut again = session(&text, 1);
            again.restore(&weights, state.clone()).expect("its own state");
            take(&mut again, 3..5);
            assert_eq!(named(&again), named(&whole), "{name} {optimizer}");
            assert!(again.state() == whole.state(), "{name} {optimizer}");

            // There and back: the device's state on the CPU, and what that comes to on the device.
            let (mut host, mut update, _) = on_cpu(&text);
            let mut cpu = OnCpu::new(&mut host, &mut *update);
            cpu.restore(&weights, state).expect("the device's state");
            cpu.step(&at(3), 1e-3).expect("a step");
            let mut back = session(&text, 1);
            back.restore(&named(&cpu), cpu.state()).expect("the CPU's state");
            back.step(&at(4), 1e-3).expect("a step");
            for (found, expected) in named(&back).iter().zip(named(&whole)) {
                assert_close(&format!("{name} {optimizer} {}", found.name), &found.values, &expected.values, 1e-3);
            }
        }
    }
    let mut own = session(&format!("{SMALL}[objective]\nmethod = 'backprop'\n"), 1);
    let other = session(&format!("{SMALL}[objective]\nmethod = 'predsim'\n"), 1);
    let error = own.restore(&named(&other), other.state()).expect_err("another method's state");
    assert_eq!(error.what, "the list of learners");
}

#[test]
fn a_network_at_rest_says_what_the_cpu_s_does() {
    let text = format!("{SMALL}feature = 'pool:2'\n[objective]\nmethod = 'backprop'\n");
    let (mut device, (mut host, mut update, _)) = (session(&text, 1), on_cpu(&text));
    let mut cpu = OnCpu::new(&mut host, &mut *update);
    let (batch, m) = (at(0), 24);
    assert!(device.form_statistics(&batch, 0) && cpu.form_statistics(&batch, 0));
    assert!(device.form_statistics(&at(1), 24) && cpu.form_statistics(&at(1), 24));
    for all in [false, true] {
        assert_eq!(device.feature_columns(all), cpu.feature_columns(all));
        assert_close("features", &device.features(m, &batch.x, all), &cpu.features(m, &batch.x, all), 1e-5);
    }
    assert_close("scores", &device.class_scores(m, &batch.x), &cpu.class_scores(m, &batch.x), 1e-5);
    assert_close("of the batch", &device.batch_scores(m, &batch.x), &cpu.batch_scores(m, &batch.x), 1e-5);
    assert_eq!((device.inputs(), device.units()), (cpu.inputs(), cpu.units()));
    assert_eq!(device.block_parameters(), cpu.block_parameters());
    let seen = |session: &mut dyn Session| {
        let mut seen = Vec::new();
        let scores = session.observe(&batch, &mut |index, z| {
            seen.push(index as f32);
            seen.extend((0..z.nrows()).flat_map(|i| (0..z.ncols()).map(move |j| z[(i, j)])));
            Ok(())
        });
        seen.extend(scores.expect("no error"));
        seen
    };
    assert_close("observed", &seen(&mut device), &seen(&mut cpu), 1e-5);
    for (own, cpu) in named(&device).iter().zip(named(&cpu)) {
        assert_eq!((&own.name, &own.shape), (&cpu.name, &cpu.shape));
        assert_close(&own.name, &own.values, &cpu.values, 1e-5);
    }
    assert_eq!(device.diverged(), None);
}

#[test]
fn what_goes_wrong_on_the_device_is_told_at_the_next_report() {
    // Infinite values.
    let mut diverging = session(&format!("{SMALL}[objective]\nmethod = 'hsic'\n"), 3);
    let mut batch = at(0);
    batch.x[5] = f32::INFINITY;
    diverging.step(&batch, 1e-3).expect("nobody has looked yet");
    diverging.step(&at(1), 1e-3).expect("nobody has looked yet");
    let error = diverging.step(&at(2), 1e-3).expect_err("infinite values");
    assert!(matches!(error, StepError::Diverged { block: 0 }), "{error}");
    // A ridge below the rounding of single precision; weights stay what they were.
    let mut lost = session(&format!("{SMALL}[objective]\nmethod = 'hsic'\nepsilon = 1e-11\n[rule]\nx = 'none'\n"), 1);
    let parameters = |session: &OnDevice| -> Vec<Vec<f32>> {
        session.network.blocks.iter().map(|block| session.device().read(&block.parameters)).collect()
    };
    let before = parameters(&lost);
    let error = lost.step(&at(0), 1e-3).expect_err("no factor").to_string();
    // Which block it is hangs on rounding.
    let block: usize = error["block ".len()..].split(':').next().and_then(|index| index.parse().ok()).expect("a block");
    assert!(error.contains(": rounding in single precision has outgrown the ridge"), "{error}");
    assert_eq!(parameters(&lost)[block], before[block]);
    // One row for every sample.
    let mut dead = session(&format!("{SMALL}norm = 'none'\n[objective]\nmethod = 'hsic'\n"), 1);
    let zeros = dead.network.blocks[0].parameters.zeros_like();
    dead.network.blocks[0].parameters = zeros.shallow_clone();
    let report = dead.step(&at(0), 1e-3).expect("a step");
    assert!(report.signals[0].dead && report.signals[0].loss == 0.0);
    assert_eq!(dead.device().read(&dead.network.blocks[0].parameters), dead.device().read(&zeros));
}
