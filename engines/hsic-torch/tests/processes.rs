//! One network over two processes, each on libtorch's processors, beside the same in one process: needs `mpirun`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SMALL: &str =
    "--train-size 200 --test-size 60 --batch-size 50 --epochs 2 --format-epochs 2 --threads 1 --device cpu --quiet";

struct Place(TempDir);

impl Place {
    fn run(&self, command: &mut Command, options: &str) -> Output {
        command.arg("train").args(options.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        // Threads of libtorch spin where cores are busy; containers run as root.
        command.env("OMP_NUM_THREADS", "1");
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.output().expect("the program")
    }

    fn alone(&self, options: &str) -> Output {
        self.run(&mut Command::new(env!("CARGO_BIN_EXE_hsic-torch")), options)
    }

    fn on_two(&self, options: &str) -> Output {
        let mut command = Command::new("mpirun");
        command.args(["--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-n", "2"]);
        self.run(command.arg(env!("CARGO_BIN_EXE_hsic-torch-mpi")), options)
    }

    fn path(&self, run: &str) -> PathBuf {
        self.0.path().join(run)
    }
}

fn done(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a run came to, without what tells of time, place and memory.
fn result(run: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("summary.json")).expect("a summary");
    let mut summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for key in ["run", "seconds", "samples_seconds", "milliseconds_per_step", "peak_memory_bytes", "joules"] {
        summary[key] = serde_json::Value::Null;
    }
    summary
}

#[test]
fn two_processes_give_the_bytes_of_one() {
    let place = Place(tempfile::tempdir().expect("a folder"));
    let maps = "--model airbench --widths 4,6 --whiten true --pool-at map --head-start small --optimizer muon \
                --norm-statistics running";
    for (run, options) in [
        ("hsic", "--method hsic --widths 16x3"),
        ("local", "--method hsic-local --widths 16x3 --dropout 0.2 --norm-statistics anew --report-steps 3"),
        ("phsic", &format!("--method phsic {maps} --stages 2,3")),
        ("predsim", &format!("--method predsim {maps} --format-input all")),
        ("mono", "--method mono-forward --widths 16x3 --label-smoothing 0.2 --checkpoint-steps 3"),
    ] {
        let plain = options.split(" --stages").next().unwrap_or(options);
        done(run, &place.alone(&format!("{SMALL} {plain} --run {run}")));
        done(run, &place.on_two(&format!("{SMALL} {options} --run {run}-2")));
        let [one, two] = [place.path(run), place.path(&format!("{run}-2"))];
        for file in ["weights.safetensors", "format.safetensors", "readout.json"] {
            let [a, b] = [&one, &two].map(|run| std::fs::read(run.join(file)).ok());
            assert!(a == b, "{run}: {file}");
        }
        assert!(one.join("weights.safetensors").exists());
        assert_eq!(result(&one), result(&two));
    }
}

#[test]
fn what_processes_cannot_do_is_refused_by_name() {
    let place = Place(tempfile::tempdir().expect("a folder"));
    for (options, told) in [
        (
            "--method backprop",
            "method = backprop: expected one by which a block needs its input and the batch alone (hsic, hsic-local, \
             phsic, predsim, mono-forward)",
        ),
        ("--method greedy", "method = greedy: expected one of hsic, hsic-local"),
        ("--shards 2", "shards = 2: expected none"),
        ("--monitor-steps 3", "monitor-steps: expected 0"),
    ] {
        let output = place.on_two(&format!("{SMALL} --widths 16x3 {options} --run never"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(told), "{options}: {said}");
    }
    assert!(!place.path("never").exists());
}
