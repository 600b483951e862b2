//! The command on libtorch's processors, beside `hsic train` and before `hsic eval`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hsic_bottleneck::log::{Record, read_records};
use tempfile::TempDir;

const SMALL: &str =
    "--train-size 300 --test-size 60 --widths 16x3 --batch-size 50 --format-epochs 2 --threads 1 --quiet";

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

    /// The command `hsic`: this program, started once more as [`the_command_itself`].
    fn hsic(&self, arguments: &str) -> String {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["the_command_itself", "--exact", "--nocapture"]).env(ARGUMENTS, arguments);
        let output = command.current_dir(self.0.path()).output().expect("the command");
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
        stderr(&output) + &String::from_utf8_lossy(&output.stdout)
    }

    /// `hsic-torch train`.
    fn run(&self, options: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hsic-torch"));
        command.arg("train").args(options.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        // Threads of libtorch spin where cores are busy.
        command.env("OMP_NUM_THREADS", "1").output().expect("the program")
    }

    fn trains(&self, options: &str) -> String {
        let output = self.run(&format!("--device cpu {options}"));
        assert!(output.status.success(), "{options}: {}", stderr(&output));
        stderr(&output)
    }

    fn refuses(&self, options: &str) -> String {
        let output = self.run(options);
        assert_eq!(output.status.code(), Some(2), "{options}: {}", stderr(&output));
        stderr(&output)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(run: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("JSON")
}

fn accuracies(run: &Path) -> Vec<f64> {
    let records = read_records(&run.join("metrics.jsonl")).expect("records");
    let epoch = |record: &Record| if let Record::Epoch(report) = record { Some(report.test_accuracy) } else { None };
    records.iter().filter_map(epoch).collect()
}

#[test]
fn a_run_is_whole_and_the_command_goes_on_with_it() {
    let place = Place::new();
    place.trains(&format!("{SMALL} --epochs 3 --monitor-steps 4 --report-steps 7 --run r"));
    let run = place.path("r");
    assert_eq!(summary(&run)["engine"], serde_json::json!(["torch-cpu"]));
    let records = read_records(&run.join("metrics.jsonl")).expect("records");
    let count = |kind: fn(&Record) -> bool| records.iter().filter(|record| kind(record)).count();
    assert_eq!(count(|record| matches!(record, Record::Epoch(_))), 3);
    assert_eq!(count(|record| matches!(record, Record::Monitor(_))), 4);
    assert_eq!(count(|record| matches!(record, Record::Timeline(_))), 1);
    for record in &records {
        match record {
            Record::Epoch(report) => assert!(report.loss.len() == 4 && report.loss.iter().all(|loss| loss.is_finite())),
            Record::Monitor(report) => assert!(report.gradient_norm.iter().all(|&norm| norm > 0.0)),
            _ => {}
        }
    }
    for command in ["eval r", "report r", "export r --format safetensors --output e.safetensors"] {
        place.hsic(command);
    }
    // A table, so that there are rows to predict.
    let line = |row: u32| format!("{},{},{}\n", row % 7, row % 5, if row % 7 > 3 { "more" } else { "less" });
    let table: String = ["a,b,c\n".to_owned()].into_iter().chain((0..120).map(line)).collect();
    std::fs::write(place.path("t.csv"), table).expect("a table");
    place.trains("--dataset t.csv --epochs 2 --threads 1 --quiet --run t");
    place.hsic("predict t t.csv --output p.csv");
    let predicted = std::fs::read_to_string(place.path("p.csv")).expect("predictions");
    assert_eq!(predicted.lines().count(), 121, "{predicted}");
    let told = place.hsic("eval r --json");
    let from = told.find('{').expect("JSON");
    let judged: serde_json::Value =
        serde_json::Deserializer::from_str(&told[from..]).into_iter().next().expect("JSON").expect("JSON");
    let near =
        |key: &str| (judged[key].as_f64().unwrap_or(-1.0) - summary(&run)[key].as_f64().unwrap_or(-2.0)).abs() < 0.02;
    assert!(near("test_accuracy"), "{judged}");
}

/// 200 steps of the drawn digits: another engine's rounding moves an accuracy of 1,000 rows by few rows at rates at which the
/// training is not chaotic; the band is five standard deviations of a share of 1,000.
#[test]
fn trainings_come_to_what_those_of_the_cpu_do() {
    let place = Place::new();
    let data = "--train-size 3200 --test-size 1000 --batch-size 64 --epochs 4 --format-epochs 0 --threads 1 --quiet";
    for (index, method) in ["hsic", "hsic-local", "phsic", "mono-forward", "backprop"].iter().enumerate() {
        let options = format!("{data} --method {method} --widths 32x2");
        place.trains(&format!("{options} --run own{index}"));
        place.hsic(&format!("train {options} --run cpu{index}"));
        let (own, cpu) =
            (accuracies(&place.path(&format!("own{index}"))), accuracies(&place.path(&format!("cpu{index}"))));
        let (own, cpu) = (own[3], cpu[3]);
        assert!((own - cpu).abs() < 5.0 * (cpu * (1.0 - cpu) / 1000.0).sqrt(), "{method}: {own}, on the CPU {cpu}");
        // Chance is 0.1.
        assert!(cpu > 0.3, "{method}: {cpu}");
    }
}

/// The recipe with all its options, and what it leaves out: averages, units of several blocks, one row left out at a time. Bands are
/// those of the test above.
#[test]
fn the_recipe_comes_to_what_it_does_on_the_cpu() {
    let place = Place::new();
    let recipe = "--recipe airbench --widths 8,16 --average lookahead --epochs 2 --batch-size 40";
    let data = "--train-size 800 --test-size 1000 --format-epochs 0 --threads 1 --quiet";
    for (index, options) in [
        format!("{recipe} --method backprop"),
        format!("{recipe} --method hsic-local --x none --classifier 1 --beta 1 --unit 2"),
        "--widths 32x2 --batch-size 40 --method hsic-local --label-fit leave-one-out --epsilon 1e-3 --epochs 10 --learning-rate 0.01".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        place.trains(&format!("{data} {options} --run own{index}"));
        place.hsic(&format!("train {data} {options} --run cpu{index}"));
        let last = |run: &str| *accuracies(&place.path(&format!("{run}{index}"))).last().expect("epochs");
        let (own, cpu) = (last("own"), last("cpu"));
        assert!((own - cpu).abs() < 5.0 * (cpu * (1.0 - cpu) / 1000.0).sqrt(), "{options}: {own}, on the CPU {cpu}");
        assert!(cpu > 0.3, "{options}: {cpu}");
    }
}

#[test]
fn a_run_goes_on_on_the_other_engine_and_says_so() {
    let place = Place::new();
    let options = format!("{SMALL} --method predsim --optimizer adamw --decay constant");
    place.hsic(&format!("train {options} --epochs 4 --run whole"));
    // Two of four epochs, then the others elsewhere.
    for (run, first_on_cpu) in [("a", true), ("b", false)] {
        let stopped = format!("{options} --epochs 4 --run {run}");
        stop_after_two_epochs(&place, &stopped, run, first_on_cpu);
        let told = if first_on_cpu {
            place.trains(&format!("--resume {run} --quiet"))
        } else {
            place.hsic(&format!("train --resume {run} --quiet"))
        };
        let expected = if first_on_cpu { ["cpu", "torch-cpu"] } else { ["torch-cpu", "cpu"] };
        let line =
            format!("from step 12 on {}, before it on {}: the bits are no longer those", expected[1], expected[0]);
        assert!(told.contains(&line), "{told}");
        let run = place.path(run);
        assert_eq!(summary(&run)["engine"], serde_json::json!(expected));
        let (found, whole) = (accuracies(&run), accuracies(&place.path("whole")));
        assert_eq!(found.len(), 4);
        assert!(found.iter().zip(&whole).all(|(found, whole)| (found - whole).abs() < 0.05), "{found:?} {whole:?}");
    }
    // A finished run is trained further, on either engine, and keeps what it was worth before.
    place.trains("--resume b --epochs 6 --quiet");
    let further = summary(&place.path("b"));
    assert_eq!(
        (&further["epochs"], &further["engine"]),
        (&6.into(), &serde_json::json!(["torch-cpu", "cpu", "torch-cpu"]))
    );
    assert_eq!(further["legs"].as_array().map(Vec::len), Some(2), "{further}");
    // Its own run goes on without a word, to the same bits.
    place.trains(&format!("{options} --epochs 4 --run own"));
    stop_after_two_epochs(&place, &format!("{options} --epochs 4 --run c"), "c", false);
    assert!(!place.trains("--resume c --quiet").contains("the bits are no longer"));
    let weights = |run: &str| std::fs::read(place.path(run).join("weights.safetensors")).expect("weights");
    assert!(weights("c") == weights("own"));
}

/// A run whose state is that after two of its four epochs, as if it had been stopped there: one of two epochs is trained, whose
/// rate does not depend on their number, and its configuration then asks for four.
fn stop_after_two_epochs(place: &Place, options: &str, run: &str, on_cpu: bool) {
    let shorter = options.replace("--epochs 4", "--epochs 2");
    match on_cpu {
        true => drop(place.hsic(&format!("train {shorter}"))),
        false => drop(place.trains(&shorter)),
    }
    let (path, folder) = (place.path(run).join("config.toml"), place.path(run));
    let config = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(&path, config.replace("epochs = 2\n", "epochs = 4\n")).expect("a configuration");
    for name in ["summary.json", "digests.json"] {
        std::fs::remove_file(folder.join(name)).expect("what a finished run has");
    }
}

#[test]
fn what_has_no_place_on_a_device_is_refused_by_name() {
    let place = Place::new();
    for (options, told) in [
        (
            "--method greedy",
            "method = greedy: expected one of hsic, hsic-local, phsic, predsim, mono-forward, backprop, frozen",
        ),
        ("--sigma 1,5", "sigma: expected one number"),
        ("--shards 2", "shards = 2: expected none"),
        ("--approximation blocks:64", "approximation = blocks:64: expected exact or fourier:R"),
        ("--approximation nystroem:32", "approximation = nystroem:32: expected exact or fourier:R"),
        ("--between rms", "between = rms: expected none"),
        ("--input-norm rms", "input-norm = rms: expected none"),
        ("--activation open-relu", "activation = open-relu: expected another"),
        ("--method backprop --recompute 2", "recompute: expected none"),
        ("--method backprop --accumulate 2", "accumulate = 2: expected 1"),
        ("--model capsnet --method backprop", "a network of capsules"),
    ] {
        let said = place.refuses(&format!("--device cpu {options} {SMALL} --run r"));
        assert!(said.contains(told) && said.contains("hsic train"), "{options}: {said}");
        assert!(!place.path("r").exists(), "{options}");
    }
    let said = place.refuses(&format!("--device cpu --pilot {SMALL}"));
    assert!(said.contains("--pilot: expected none, since its steps are those of hsic train"), "{said}");
    let said = place.refuses("--device tpu");
    assert!(said.contains("expected cpu, cuda or cuda:N"), "{said}");
    // Where there is no GPU, what is missing has a name. Where there is one, it has no hundredth.
    let said = place.refuses(&format!("--device cuda:99 {SMALL} --run r"));
    let reasons = ["libtorch_cuda.so cannot be loaded", "finds"];
    assert!(said.contains("device = cuda:99") && reasons.iter().any(|reason| said.contains(reason)), "{said}");
}
