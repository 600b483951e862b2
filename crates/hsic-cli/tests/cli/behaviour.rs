//! What small trainings leave, to the last bit: of every method, kind of block, form of the objective and way of
//! evaluation the SHA-256 of the run's tensors and readout, and of the numbers in its records.
//!
//! So, too, of two runs that commit c67ca27 left (`kept`): what is said of the finished one, of two networks and a softmax
//! layer, and what the stopped one goes on to.
//!
//! The store is `behaviour.txt` beside this file. `HSIC_WRITE_BEHAVIOUR=1 cargo test -p hsic-cli --test cli behaviour`
//! writes it anew; a commit that does so says which line moved and why.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hsic_bottleneck::methods::METHODS;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Place, bytes, stderr};

/// What all runs share: two epochs of three batches, the last of 16 rows.
const DATA: &str = "--train-size 80 --test-size 30 --batch-size 32 --epochs 2 --seed 3 --quiet";

/// What all runs share that do not say otherwise: statistics that are formed anew would hide those of training.
const RUNNING: &str = "--norm-statistics running";

/// Runs beside those of every method on a perceptron: their names and flags.
const RUNS: &[(&str, &str)] = &[
    ("sequential", "--widths 12x2 --schedule sequential"),
    ("gauss-seidel", "--widths 12x2 --update gauss-seidel"),
    ("adamw", "--widths 12x2 --optimizer adamw --weight-decay 0.01 --warmup-steps 2 --decay linear"),
    ("momentum", "--widths 12x2 --momentum 0.9 --weight-decay 0.01 --decay constant"),
    ("x-block", "--widths 12x2 --x block --classifier 0.5"),
    ("x-none", "--widths 12x2 --x none"),
    ("fourier", "--widths 12x2 --approximation fourier:16"),
    ("nystroem", "--widths 12x2 --approximation nystroem:8"),
    ("blocks", "--widths 12x2 --approximation blocks:16"),
    ("sigmas", "--widths 12x2 --outputs 16 --sigma 1,5 --format-epochs 2 --format-input all"),
    ("format-all", "--widths 12x2 --format-epochs 2 --format-input all --format-start uniform"),
    ("format-default", "--widths 12x2 --format-input all"),
    ("format-last", "--widths 12x2 --format-epochs 2 --format-optimizer adamw --format-standardize false"),
    ("authors", "--widths 12x2 --readout authors --bn authors --authors-beside true --shuffle false"),
    ("monitor", "--widths 12x2 --monitor-steps 2"),
    ("no-norm", "--widths 12x2 --norm none --activation tanh"),
    ("between-rms", "--widths 12x2 --between rms --dropout 0.2"),
    ("between-divisive", "--widths 12x2 --between divisive:4 --dropout 0.2 --norm batch-affine"),
    ("augmented", "--widths 12x2 --flip true --shift 2 --cutout 5 --normalize channel --validation 0.2 --split-seed 3"),
    ("residual-mlp", "--model residual-mlp --widths 12x3"),
    ("needle", "--model needle --widths 12,6 --format-epochs 1"),
    ("conv", "--model conv --widths 3x2"),
    ("vgg", "--model vgg --widths 3p,4p --norm batch-affine --activation leaky-relu"),
    ("units", "--widths 12x3 --unit 2 --classifier 0.5"),
    ("vgg-channels", "--model vgg --widths 3p,4p --feature channels --method hsic-local"),
    ("vgg-backprop", "--model vgg --widths 3p,4p,4 --method backprop --recompute auto"),
    ("vgg-greedy", "--model vgg --widths 3p,4p --method greedy --auxiliary 2"),
    ("vgg-predsim", "--model vgg --widths 4p,4p --method predsim"),
    ("vgg-phsic", "--model vgg --widths 8p,8p --method phsic --between divisive:4"),
    ("vgg-cwc-ff", "--model vgg --widths 20p,20p --method cwc-ff"),
    ("vgg-dni", "--model vgg --widths 3p,4p --method dni --predictor-widths 4 --angle-steps 2"),
    ("vgg-dfa", "--model vgg --widths 3p,4p --method dfa --angle-steps 2"),
    ("vgg-softhebb", "--model vgg --widths 3p,4p --method softhebb"),
    ("resnet-conv", "--model resnet-conv --widths 3x2 --outputs 12 --format-epochs 1"),
    ("resnet-backprop", "--model resnet-conv --widths 3x2 --outputs 12 --method backprop"),
    ("resnet-feedback", "--model vgg --widths 3p,4p --method feedback-alignment --angle-steps 2 --recompute 2"),
    ("capsnet", "--model capsnet --widths 4,2 --method backprop"),
    ("capsnet-hsic", "--model capsnet --widths 4,2 --method hsic --format-epochs 1"),
    ("dni-lambda", "--widths 12x2 --method dni --conditioned false --bp-lambda 0.5"),
    ("statistics", "--widths 12x2 --norm-statistics anew"),
    ("statistics-vgg", "--model vgg --widths 3p,4p --norm-statistics anew --norm batch-affine"),
    ("restarts", "--widths 12x2 --restarts 1 --warmup-steps 2 --momentum 0.9"),
    ("drop-last", "--widths 12x2 --drop-last true"),
    ("clipped", "--widths 12x2 --clip-norm 0.01 --optimizer sgd --momentum 0.9"),
    ("clipped-backprop", "--widths 12x2 --method backprop --clip-norm 0.1 --recompute 2"),
    ("greedy-decoupled", "--widths 12x2 --method greedy --decoupled true"),
    (
        "forward-forward-square",
        "--widths 24x2 --method forward-forward --goodness square --negatives random --peer 0.1",
    ),
    (
        "target-reconstruct",
        "--widths 12x2 --method difference-target-propagation --inverse reconstruct --angle-steps 2",
    ),
    // Divided by the seed of training, as versions without --split-seed did.
    ("table", "--dataset table.csv --widths 12x2 --split-seed 3"),
    ("table-held-out", "--dataset table.csv --widths 12x2 --validation 0.2"),
    ("custom", "--model custom --config custom.toml"),
];

/// A network of one's own, of every kind of block but capsules.
const CUSTOM: &str = "[network]\nmodel = \"custom\"\n\n[[block]]\nkind = \"conv\"\noutputs = 3\nkernel = 5\nstride = 2\n\n\
                      [[block]]\nkind = \"conv\"\noutputs = 3\nkernel = 3\npadding = 1\nresidual = true\n\n\
                      [[block]]\nkind = \"dense\"\noutputs = 10\nactivation = \"tanh\"\nnorm = \"none\"\n";

/// Names of numbers in a record that say how long something took.
const TIMES: &[&str] = &["seconds", "threads", "spans"];

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The records without times, as text.
fn records(run: &Path) -> String {
    let text = String::from_utf8(bytes(&run.join("metrics.jsonl"))).expect("text");
    let mut all = String::new();
    for line in text.lines() {
        let mut record: Value = serde_json::from_str(line).expect("a record");
        let fields = record.as_object_mut().expect("an object");
        TIMES.iter().for_each(|time| drop(fields.remove(*time)));
        all.push_str(&record.to_string());
        all.push('\n');
    }
    all
}

/// A table of three classes in four columns, of different scales.
fn table() -> String {
    let mut text = "a,b,c,d,kind\n".to_owned();
    for row in 0..150u32 {
        let kind = row % 3;
        let of = |k: u32| f64::from((row * 37 + k * 11 + kind * (k + 1) * 29) % 101) * 10f64.powi(k as i32 - 2);
        text.push_str(&format!("{},{},{},{},k{kind}\n", of(0), of(1), of(2), of(3)));
    }
    text
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let (path, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("a file copied");
        }
    }
}

/// Lines of the store for the two kept runs.
fn kept(place: &Place) -> String {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/kept"), &place.path(""));
    let mut lines = String::new();
    for said in ["predict combined rows.csv --json", "eval combined --json"] {
        let output = place.run(said);
        assert!(output.status.success(), "{said}: {}", stderr(&output));
        lines.push_str(&format!("{} stdout {}\n", said.replace(' ', "_"), hash(&output.stdout)));
    }
    for command in [
        "export combined/sigma-1 --format npz --output one.npz",
        "report combined --json",
        "train --resume stopped --quiet",
    ] {
        let output = place.run(command);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    lines.push_str(&format!("combined one.npz {}\n", hash(&bytes(&place.path("one.npz")))));
    for file in ["report.html", "report.md"] {
        lines.push_str(&format!("combined {file} {}\n", hash(&bytes(&place.path("combined").join(file)))));
    }
    lines + &of_run(place, "stopped")
}

/// Lines of the store for a new run.
fn lines(place: &Place, name: &str, flags: &str) -> String {
    let statistics = if flags.contains("--norm-statistics") { "" } else { RUNNING };
    // Without a softmax layer, and with one on the last outputs, as these runs were when a layer on all blocks was no default.
    let hsic = !flags.contains("--method") || flags.split(' ').any(|word| word == "hsic");
    let layer = match flags {
        _ if !hsic || flags.contains("--format-input") => "",
        _ if flags.contains("--format-") => "--format-input last",
        _ => "--format-epochs 0",
    };
    let output = place.run(&format!("train {DATA} {statistics} {layer} {flags} --run {name}"));
    assert!(output.status.success(), "{name}: {}", stderr(&output));
    of_run(place, name)
}

/// Lines of the store for the run of a folder: name, file, hash.
fn of_run(place: &Place, name: &str) -> String {
    let folder = place.path(name);
    let mut lines = String::new();
    let mut files = vec!["weights.safetensors", "format.safetensors", "readout.json", "decoder.safetensors"];
    files.extend(["sigma-1/weights.safetensors", "sigma-5/weights.safetensors"]);
    for file in files {
        let path = folder.join(file);
        if path.exists() {
            lines.push_str(&format!("{name} {file} {}\n", hash(&bytes(&path))));
        }
    }
    lines.push_str(&format!("{name} metrics.jsonl {}\n", hash(records(&folder).as_bytes())));
    lines
}

#[test]
fn behaviour_is_that_of_the_store_to_the_last_bit() {
    let place = Place::new();
    place.write("table.csv", &table());
    place.write("custom.toml", CUSTOM);
    let of_methods = METHODS.iter().map(|method| (method.name, format!("--widths 24x2 --method {}", method.name)));
    let others = RUNS.iter().map(|&(name, flags)| (name, flags.to_owned()));
    let runs: Vec<(&str, String)> = of_methods.chain(others).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); runs.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((index, (name, flags))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    runs.get(index).map(|run| (index, run))
                } {
                    let own = lines(&place, name, flags);
                    found.lock().unwrap_or_else(PoisonError::into_inner)[index] = own;
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner).concat() + &kept(&place);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/behaviour.txt");
    if std::env::var_os("HSIC_WRITE_BEHAVIOUR").is_some() {
        std::fs::write(&path, &found).expect("the store written");
        return;
    }
    let store = std::fs::read_to_string(&path).expect("the store");
    let moved: Vec<&str> = found.lines().filter(|line| !store.lines().any(|known| known == *line)).collect();
    assert!(moved.is_empty() && found.lines().count() == store.lines().count(), "moved:\n{}", moved.join("\n"));
}
