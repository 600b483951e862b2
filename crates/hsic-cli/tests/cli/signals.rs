//! Ctrl-C and termination: heard within two seconds whatever is at work, at once the second time; and a second process.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::{Place, bytes, stderr};

/// A step of minutes: 201 blocks, each of 170 billion operations for a batch of 4,000 rows, one after another.
const LONG: &str = "--train-size 4000 --test-size 20 --batch-size 4000 --widths 16x200 --schedule sequential --epochs 1 \
                    --quiet";

/// Steps of less than a millisecond, for a minute and more, each with a checkpoint.
const SHORT: &str =
    "--train-size 300 --test-size 50 --widths 16 --batch-size 32 --epochs 100000 --checkpoint-steps 1 --quiet";

/// Within which a signal is heard: two seconds, and as many for a machine that does other things.
const SOON: Duration = Duration::from_secs(4);

fn begun(place: &Place, arguments: &str, sign: &Path) -> Child {
    let mut command = place.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    while !sign.exists() {
        assert_eq!(child.try_wait().expect("its state"), None, "ended before it began");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// What the process says in its end, and how long that took from now. One that does not hear is killed, which is too late:
/// so it goes where signals were ignored already, as behind `nohup`.
fn ended(mut child: Child) -> (Output, Duration) {
    let start = Instant::now();
    while child.try_wait().expect("its state").is_none() {
        if start.elapsed() > 4 * SOON {
            child.kill().expect("it is ours");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("its end");
    (output, start.elapsed())
}

#[test]
fn a_long_step_is_left_within_two_seconds() {
    let place = Place::new();
    for (run, signal) in [("a", "-INT"), ("b", "-TERM")] {
        // Records are opened when training begins.
        let child = begun(&place, &format!("train {LONG} --run {run}"), &place.path(run).join("metrics.jsonl"));
        std::thread::sleep(Duration::from_millis(200));
        send(&child, signal);
        let (output, took) = ended(child);
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert!(took < SOON, "{took:?}");
        let told =
            format!("interrupted in the middle of the work, which is left; go on with: hsic train --resume {run}\n");
        assert!(stderr(&output).ends_with(&told), "{}", stderr(&output));
        // As much was said before it began: five matrices of 4,000 x 4,000 numbers of 4 bytes.
        let announced = "warning: a step on 4000 rows takes about ";
        assert!(stderr(&output).starts_with(announced), "{}", stderr(&output));
        assert!(stderr(&output).contains(" and 320 MB by the exact objective: expected a smaller --batch-size or "));
        // Not a step of it was done.
        assert!(!place.path(run).join("checkpoint").exists());
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let child = begun(&place, &format!("train {LONG} --run r"), &place.path("r/metrics.jsonl"));
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(200));
        send(&child, "-INT");
    }
    let (output, took) = ended(child);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(took < SOON && stderr(&output).contains("ended at once; go on with"), "{took:?} {}", stderr(&output));
}

#[test]
fn short_steps_save_what_they_have_done() {
    let place = Place::new();
    let child = begun(&place, &format!("train {SHORT} --run r"), &place.path("r/checkpoint/state.safetensors"));
    send(&child, "-TERM");
    let (output, took) = ended(child);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(took < SOON && stderr(&output).starts_with("interrupted after step "), "{took:?} {}", stderr(&output));
}

#[test]
fn predictions_that_are_ended_leave_no_part_of_a_table() {
    let place = Place::new();
    place.write("x.csv", &(0..60).map(|i| format!("{},{}\n", i % 2, ["a", "b"][i % 2])).collect::<String>());
    place.json("train --dataset x.csv --widths 8 --epochs 1 --run r --quiet --json");
    // A table of some seconds, of which a part is written soon.
    place.write("new.csv", &"0.5\n".repeat(3_000_000));
    let child = begun(&place, "predict r new.csv --output told.csv", &place.path("told.csv.part"));
    send(&child, "-INT");
    let (output, took) = ended(child);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(took < SOON && stderr(&output).contains("interrupted; "), "{took:?} {}", stderr(&output));
    assert!(!place.path("told.csv.part").exists() && !place.path("told.csv").exists());
}

#[test]
fn permutations_are_ended_by_a_signal() {
    let place = Place::new();
    place.write("x.csv", &(0..2000).map(|i| format!("{}\n", (f64::from(i) * 0.7).sin())).collect::<String>());
    let start = Instant::now();
    let child = place.command("test x.csv x.csv --permutations 100000000").stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    send(&child, "-INT");
    let (output, _) = ended(child);
    assert!(!output.status.success() && start.elapsed() < SOON, "{:?}", output.status);
}

#[test]
fn a_run_in_use_is_not_touched_by_a_second_process() {
    let place = Place::new();
    let mut child = begun(&place, &format!("train {SHORT} --run r"), &place.path("r/checkpoint/state.safetensors"));
    for second in ["train --resume r", "train --widths 8 --epochs 1 --run r --force"] {
        let error = place.fails(second);
        let told = format!("error: r: in use by process {} (", child.id());
        assert!(error.starts_with(&told) && error.contains(" train --train-size 300 "), "{error}");
        let remedy = "expected one process at a time: wait until it ends, or name another folder by --run\n";
        assert!(error.ends_with(remedy), "{error}");
    }
    assert_eq!(child.try_wait().unwrap(), None);
    // Whatever way the first one ends, the folder is free.
    child.kill().unwrap();
    child.wait().unwrap();
    place.json("train --train-size 100 --test-size 20 --widths 8 --epochs 1 --run r --force --quiet --json");
    assert_eq!(bytes(&place.path("r/lock")), b"");
}
