//! Batches in parts: processes have some of them each, and leave the bytes of one process that has all.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{LONG, Place, SMALL, assert_the_same, begun, ranks, signal, stderr};

/// What stands in the folder of a training once it is saved.
const STATE: &str = "checkpoint/state.safetensors";

#[test]
fn shards_leave_the_bytes_of_one_process() {
    let place = Place::new();
    let maps = "--train-size 120 --test-size 40 --model conv --widths 4,6,8 --batch-size 40 --epochs 1 --format-input all \
                --format-epochs 2 --threads 2 --quiet";
    for (name, options) in [
        ("exact", SMALL.to_owned()),
        ("fourier", format!("{SMALL} --approximation fourier:16 --average lookahead --monitor-steps 3")),
        // Of 50 rows a batch 10 blocks, which 8 parts do not divide, and of 40 rows 8.
        ("gathered", format!("{SMALL} --approximation blocks:5 --x block --momentum 0.9")),
        ("blocks", format!("{} --approximation blocks:5", SMALL.replace("batch-size 50", "batch-size 40"))),
        ("classifier", format!("{SMALL} --method hsic-local --classifier 0.5 --norm batch-affine --between rms")),
        ("greedy", format!("{SMALL} --method greedy --optimizer muon")),
        ("maps", maps.to_owned()),
        ("pooled", format!("{maps} --feature pool:2 --pool-at entrance --whiten true")),
    ] {
        let options = format!("{options} --shards 8");
        place.alone(&options, name);
        for processes in [1, 2, 4] {
            let run = format!("{name}-{processes}");
            place.trains(processes, &options, &run);
            assert_the_same(&place.path(name), &place.path(&run));
        }
    }
    // Processes with 1 and with 2 parts, and with weights of which each adds up a slice.
    let options = format!("{} --shards 5", SMALL.replace("16x4", "70x2"));
    place.alone(&options, "uneven");
    place.trains(3, &options, "uneven-3");
    assert_the_same(&place.path("uneven"), &place.path("uneven-3"));
}

#[test]
fn a_training_in_shards_that_was_killed_or_stopped_goes_on_with_any_number_of_processes() {
    let place = Place::new();
    // Processes meet many times a step.
    let shorter = LONG.replace("--epochs 40", "--epochs 8").replace("--checkpoint-steps 20", "--checkpoint-steps 10");
    let options = format!("{shorter} --shards 4");
    place.alone(&options, "whole");
    let mut child = begun(&place, 4, &options, ("cut", STATE));
    signal("-9", &ranks(&place.path("cut"))[2]);
    assert!(!child.wait().expect("mpirun ends").success());
    assert!(!place.path("cut/summary.json").exists());
    let copied = std::process::Command::new("cp").args(["-r", "cut", "alone"]).current_dir(place.path("")).status();
    assert!(copied.expect("cp").success());
    place.hsic("train --quiet --resume alone");
    assert_the_same(&place.path("whole"), &place.path("alone"));
    // On two processes, of which the one that leads is asked for the end once both train: both save what they have done.
    let state = place.path("cut").join(STATE);
    let saved = || std::fs::metadata(&state).and_then(|found| found.modified()).expect("a state");
    let before = saved();
    let mut command = place.command(2, "--quiet --resume cut");
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun");
    let start = Instant::now();
    while saved() == before {
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal("-TERM", &ranks(&place.path("cut"))[0]);
    let output = child.wait_with_output().expect("mpirun ends");
    // It may have come to its end before.
    let code = output.status.code();
    assert!(code == Some(130) || place.path("cut/summary.json").exists(), "{code:?}: {}", stderr(&output));
    assert!(place.run(2, "--resume cut --quiet").status.success());
    assert_the_same(&place.path("whole"), &place.path("cut"));
    // One that is finished is told again.
    assert!(place.run(2, "--resume cut --quiet").status.success());
}

#[test]
fn what_shards_cannot_do_is_refused_by_name() {
    let place = Place::new();
    for (options, told) in [
        ("--shards 8 --stages 2,3", "stages = 2,3 and shards = 8: expected one of them, since processes are either"),
        ("--shards 1", "2 processes for shards = 1: expected a part each at the least"),
        ("--shards 0", "shards = 0: expected from 1 to the rows of a batch (batch-size)"),
        ("--shards 51", "shards = 51: expected from 1 to the rows of a batch (batch-size)"),
        (
            "--shards 8 --method backprop",
            "shards = 8: expected not given for backprop, which does not read it; read by hsic,",
        ),
        ("--shards 8 --update gauss-seidel", "shards = 8: expected not given for update = gauss-seidel"),
        ("--shards 8 --dropout 0.1", "shards = 8: expected not given for dropout = 0.1"),
        ("--shards 8 --sigma 1,5", "sigma: expected one number"),
        ("--shards 8 --model residual-mlp", "shards cannot train block 1 (Residual"),
    ] {
        let error = place.refuses(2, &format!("{SMALL} {options} --run never"));
        assert!(error.contains(told), "{options}: {error}");
    }
    assert!(!place.path("never").exists());
}
