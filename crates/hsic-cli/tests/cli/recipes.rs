//! The recipes of `contrib/`, as far as a shell carries them out: the same runs as by one command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Place, bytes, stderr};

const COMPARE: &str = "compare --methods frozen --budget 1epochs --train-size 100 --test-size 40 --widths 8 --batch-size 25 \
                       --threads 1 --output parts";

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib").canonicalize().expect("contrib")
}

/// A shell in a place where `hsic` is the command under test.
fn shell(place: &Place, script: &str) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_hsic")).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(place.path("")).env_clear().env("PATH", path);
    command.output().expect("a shell")
}

#[test]
fn waves_of_one_training_after_the_other_end_with_the_tables() {
    let place = Place::new();
    let contrib = contrib();
    // What a scheduler does, in a folder whose name a shell would change: the plan's command is read as it was meant.
    place.write(
        "carry.sh",
        &format!("for n in $(seq $2); do sh '{0}/job.sh' \"$1\" $n || exit 1; done\n", contrib.display()),
    );
    let compare = COMPARE.replace("--output parts", "--output \"it's \\$HOME\"");
    let output = shell(&place, &format!("sh '{}/waves.sh' 'sh carry.sh' hsic {compare}", contrib.display()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("frozen"), "{output:?}");
    let told = stderr(&output);
    assert!(told.contains("waves.sh: 3 trainings of 5") && told.contains("waves.sh: 1 trainings of 2"), "{told}");
    place.json(&format!("{} --quiet --json", COMPARE.replace("parts", "whole")));
    for entry in std::fs::read_dir(place.path("whole/runs")).expect("runs") {
        let run = entry.expect("an entry").path();
        let other = place.path("it's $HOME/runs").join(run.file_name().expect("a name"));
        assert!(bytes(&run.join("weights.safetensors")) == bytes(&other.join("weights.safetensors")));
    }
}

#[test]
fn the_command_of_the_pods_carries_out_the_training_of_its_index() {
    let place = Place::new();
    let contrib = contrib();
    std::fs::copy(contrib.join("job.sh"), place.path("job.sh")).expect("copied");
    std::fs::write(place.path("plan.jsonl"), place.run(&format!("{COMPARE} --plan")).stdout).expect("written");
    let job = std::fs::read_to_string(contrib.join("kubernetes/job.yaml")).expect("text");
    let line = job.lines().find_map(|line| line.trim().strip_prefix("command: ")).expect("a command");
    let words: Vec<String> = serde_json::from_str(line).expect("words");
    assert_eq!(words[..2], ["sh", "-c"]);
    for (index, rate) in [(0, 1), (2, 3)] {
        let output = shell(&place, &format!("JOB_COMPLETION_INDEX={index}; export JOB_COMPLETION_INDEX; {}", words[2]));
        assert!(output.status.success(), "{}", stderr(&output));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.starts_with(&format!("frozen.rate{rate}: parts/runs/digits-mlp-frozen-")), "{told}");
    }
    let beyond = shell(&place, &format!("JOB_COMPLETION_INDEX=90; export JOB_COMPLETION_INDEX; {}", words[2]));
    assert_eq!(beyond.status.code(), Some(2));
    assert!(stderr(&beyond).contains("job.sh: plan.jsonl has no line 91"), "{}", stderr(&beyond));
}
