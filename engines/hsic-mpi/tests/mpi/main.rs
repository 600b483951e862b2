//! Trainings on several processes of this machine beside the same on one: needs `mpirun`.

mod shards;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hsic_bottleneck::log::{Record, read_records};
use tempfile::TempDir;

const SMALL: &str =
    "--train-size 300 --test-size 60 --widths 16x4 --batch-size 50 --epochs 2 --format-epochs 2 --threads 1 --quiet";

/// The methods whose blocks need their input and the batch alone.
const STAGED: [&str; 8] = ["hsic", "hsic-local", "phsic", "alignment", "predsim", "mono-forward", "greedy", "cwc-ff"];

/// Holds the arguments of the command that the program is started for.
const ARGUMENTS: &str = "HSIC_ARGUMENTS";

/// No test by itself: what a process does that [`Place::hsic`] starts. A command listens for signals once a process.
#[test]
fn the_command_itself() {
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let words = ["hsic"].into_iter().chain(arguments.split_whitespace()).map(str::to_owned);
        let code = hsic_cli::run(words);
        assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `hsic train` in a process of its own.
    fn alone(&self, options: &str, run: &str) {
        self.hsic(&format!("train {options} --run {run}"));
    }

    /// The command `hsic`: this program, started once more as [`the_command_itself`].
    fn hsic(&self, arguments: &str) {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["the_command_itself", "--exact"]).env(ARGUMENTS, arguments).current_dir(self.0.path());
        let output = command.output().expect("the command");
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    }

    /// `mpirun -n processes hsic-mpi train`.
    fn command(&self, processes: usize, options: &str) -> Command {
        let mut command = Command::new("mpirun");
        command.args(["--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-n", &processes.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_hsic-mpi")).arg("train").args(options.split_whitespace());
        // Containers run as root.
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, processes: usize, options: &str) -> Output {
        self.command(processes, options).output().expect("mpirun")
    }

    fn trains(&self, processes: usize, options: &str, run: &str) {
        let output = self.run(processes, &format!("{options} --run {run}"));
        assert!(output.status.success(), "{options} on {processes}: {}", stderr(&output));
    }

    fn refuses(&self, processes: usize, options: &str) -> String {
        let output = self.run(processes, options);
        assert_eq!(output.status.code(), Some(2), "{options}: {}", stderr(&output));
        stderr(&output)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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

/// The epochs of a run, without their times.
fn epochs(run: &Path) -> Vec<String> {
    let records = read_records(&run.join("metrics.jsonl")).expect("records");
    let told = |record| match record {
        Record::Epoch(mut report) => {
            report.seconds = 0.0;
            Some(format!("{report:?}"))
        }
        Record::Format { test_accuracy } => Some(format!("{test_accuracy:?}")),
        _ => None,
    };
    records.into_iter().filter_map(told).collect()
}

fn assert_the_same(one: &Path, other: &Path) {
    for file in ["weights.safetensors", "format.safetensors", "readout.json", "line.safetensors", "values.json"] {
        let [a, b] = [one, other].map(|run| std::fs::read(run.join(file)).ok());
        assert!(a == b, "{} and {}: {file}", one.display(), other.display());
    }
    assert_eq!(result(one), result(other));
    assert_eq!(epochs(one), epochs(other));
}

#[test]
fn every_staged_method_gives_the_bits_of_one_process() {
    let place = Place::new();
    for method in STAGED {
        let options = format!("{SMALL} --method {method}");
        place.alone(&options, method);
        for processes in [2, 4] {
            let run = format!("{method}-{processes}");
            place.trains(processes, &options, &run);
            assert_the_same(&place.path(method), &place.path(&run));
        }
    }
}

#[test]
fn one_process_maps_the_authors_readout_values_and_dropout_give_the_same_bits() {
    let place = Place::new();
    let table: String =
        (0..120).map(|row| format!("{},{},{}\n", row * 37 % 101, row * row % 17, 0.5 * f64::from(row % 23))).collect();
    std::fs::write(place.path("values.csv"), table).expect("written");
    let values = place.path("values.csv");
    for (name, processes, options) in [
        ("one", 1, SMALL.to_owned()),
        ("conv", 3, "--train-size 120 --test-size 40 --model conv --widths 4,6,8 --batch-size 40 --epochs 1 --format-input all --format-epochs 2 --threads 2 --quiet".to_owned()),
        ("authors", 2, format!("{} --bn authors --readout authors", SMALL.replace("--format-epochs 2", "--format-epochs 0"))),
        ("anew", 2, format!("{SMALL} --dropout 0.2 --between rms --norm-statistics anew --schedule sequential --stages 1,4")),
        ("values", 2, format!("--dataset {} --task regression --widths 8x3 --batch-size 16 --epochs 2 --threads 1 --quiet", values.display())),
    ] {
        place.alone(&options.replace(" --stages 1,4", ""), name);
        let run = format!("{name}-mpi");
        place.trains(processes, &options, &run);
        assert_the_same(&place.path(name), &place.path(&run));
    }
}

#[test]
fn the_records_draw_every_block_on_the_threads_of_its_stage() {
    let place = Place::new();
    place.trains(4, &format!("{SMALL} --stages 2,1,1,1"), "run");
    let records = read_records(&place.path("run/metrics.jsonl")).expect("records");
    let timeline = records.into_iter().find_map(|record| match record {
        Record::Timeline(timeline) => Some(timeline),
        _ => None,
    });
    let spans = timeline.expect("a timeline").spans;
    let mut places: Vec<(usize, usize)> = spans
        .iter()
        .filter(|span| span.work == hsic_bottleneck::span::Work::Block)
        .map(|span| (span.block, span.thread))
        .collect();
    places.sort_unstable();
    assert_eq!(places, [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)]);
    // A stage begins a batch after the one before it.
    let begin = |block: usize| {
        spans
            .iter()
            .filter(|span| span.block == block && span.work != hsic_bottleneck::span::Work::Operator)
            .map(|span| span.begin_milliseconds)
            .fold(f64::INFINITY, f64::min)
    };
    assert!(begin(0) < begin(2) && begin(2) < begin(3) && begin(3) < begin(4), "{spans:?}");
    place.hsic("report run");
    let page = std::fs::read_to_string(place.path("run/report.html")).expect("a page");
    assert!(page.contains("thread 3"));
}

#[test]
fn what_stages_cannot_do_is_refused_by_name() {
    let place = Place::new();
    for (options, told) in [
        ("--update gauss-seidel", "update = gauss-seidel: expected jacobi"),
        ("--sigma 1,5", "sigma: expected one number"),
        (
            "--method backprop",
            "method = backprop: expected one by which a block needs its input and the batch alone (hsic, hsic-local, phsic, alignment, predsim, mono-forward, greedy, cwc-ff)",
        ),
        ("--method forward-forward", "method = forward-forward: expected one"),
        ("--method frozen", "method = frozen: expected one"),
        ("--monitor-steps 5", "monitor-steps: expected 0"),
        ("--checkpoint-minutes 1", "checkpoint-minutes: expected checkpoint-steps"),
        ("--stages 2,2", "stages = 2,2: expected 5 blocks in all"),
        ("--stages 5", "stages = 5: expected 2 numbers, one a process"),
        ("--stages 2,x", "expected auto, or numbers of blocks >= 1"),
        ("--step-timeout 0", "--step-timeout"),
    ] {
        let error = place.refuses(2, &format!("{SMALL} {options} --run never"));
        assert!(error.contains(told), "{options}: {error}");
    }
    let error = place.refuses(4, "--widths 4 --run never");
    assert!(error.contains("4 processes for 2 blocks: expected one block each at the least"), "{error}");
    assert!(!place.path("never").exists());
}

/// A training that lasts: as many steps as are needed to be in the middle of it.
const LONG: &str = "--train-size 600 --test-size 60 --widths 64x4 --batch-size 50 --epochs 40 --format-epochs 1 --checkpoint-steps 20 --threads 1 --quiet";

/// Starts a training and waits until there is a file in its folder.
fn begun(place: &Place, processes: usize, options: &str, (run, saved): (&str, &str)) -> Child {
    let mut command = place.command(processes, &format!("{options} --run {run}"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun");
    let start = Instant::now();
    while !place.path(run).join(saved).exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// What stands in the folder of a training once all its stages are saved.
const STAGES: &str = "checkpoint/stages.json";

/// Process ids of the ranks of a training into `run`.
fn ranks(run: &Path) -> Vec<String> {
    let name = run.file_name().expect("a name").to_string_lossy().into_owned();
    let folder = run.parent().expect("a folder");
    let entries = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let is_rank = |path: &PathBuf| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|&byte| byte == 0).collect();
        let here = std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == folder.canonicalize().expect("a path"));
        here && words.first().is_some_and(|word| word.ends_with(b"hsic-mpi")) && words.contains(&name.as_bytes())
    };
    let ids = entries.map(|entry| entry.path()).filter(is_rank);
    let mut ids: Vec<u32> = ids.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids.iter().map(ToString::to_string).collect()
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().expect("kill").success());
}

#[test]
fn a_training_whose_process_was_killed_goes_on_with_any_number_of_processes() {
    let place = Place::new();
    place.alone(LONG, "whole");
    let mut child = begun(&place, 4, LONG, ("cut", STAGES));
    let ids = ranks(&place.path("cut"));
    assert_eq!(ids.len(), 4);
    signal("-9", &ids[2]);
    let status = child.wait().expect("mpirun ends");
    assert!(!status.success(), "{status}");
    assert!(!place.path("cut/summary.json").exists());
    // From the same state: as many processes, fewer, and none but this one.
    for copy in ["four", "two", "alone"] {
        let copied = Command::new("cp").args(["-r", "cut", copy]).current_dir(place.path("")).status();
        assert!(copied.expect("cp").success());
    }
    for (processes, run) in [(4, "four"), (2, "two")] {
        let output = place.run(processes, &format!("--resume {run} --quiet"));
        assert!(output.status.success(), "{}", stderr(&output));
    }
    place.hsic("train --quiet --resume alone");
    for run in ["four", "two", "alone"] {
        assert_the_same(&place.path("whole"), &place.path(run));
    }
    // The state of the whole network takes the place of those of the stages.
    let names = |run: &str| -> Vec<String> {
        let entries = std::fs::read_dir(place.path(run).join("checkpoint")).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("alone"), ["state.safetensors"]);
    let of_two = names("two");
    assert!(
        of_two.contains(&"stages.json".to_owned()) && of_two.iter().all(|name| !name.starts_with("state.")),
        "{of_two:?}"
    );
    // One that is finished is told again, and a run of stages is overwritten like any other.
    assert!(place.run(2, "--resume two --quiet").status.success());
    let output = place.run(2, &format!("{SMALL} --run two --force"));
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_stage_that_falls_silent_ends_all() {
    let place = Place::new();
    let child = begun(&place, 2, &format!("{LONG} --step-timeout 2"), ("silent", STAGES));
    let ids = ranks(&place.path("silent"));
    signal("-STOP", &ids[1]);
    let start = Instant::now();
    // A process that is stopped hears nothing until it goes on.
    let waker = std::thread::spawn({
        let id = ids[1].clone();
        move || {
            std::thread::sleep(Duration::from_secs(8));
            drop(Command::new("kill").args(["-CONT", &id]).stderr(Stdio::null()).status());
        }
    });
    let output = child.wait_with_output().expect("mpirun ends");
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(start.elapsed() < Duration::from_secs(30));
    let told = stderr(&output);
    assert!(told.contains("expected a sign of life within --step-timeout"), "{told}");
    waker.join().expect("woken");
}

#[test]
fn what_ended_a_training_is_kept_in_its_folder() {
    let place = Place::new();
    let options = format!("{SMALL} --optimizer sgd --learning-rate 1e38");
    // In stages the last one keeps it; where another one ends all of them it may not come to that.
    for (processes, shards) in [(1, ""), (2, " --shards 4")] {
        let run = format!("failed-{processes}");
        let output = place.run(processes, &format!("{options}{shards} --run {run}"));
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let kept = std::fs::read_to_string(place.path(&run).join("failure.txt")).expect("a failure");
        assert!(kept.contains("training diverged"), "{kept}");
    }
}
