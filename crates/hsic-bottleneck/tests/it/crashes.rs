//! Every state that a power cut can leave of a run's folder, and every call of the disk that can fail: the run goes on to the bytes
//! of one that nothing happened to.
//!
//! What is written is recorded below a folder of the test's own. Of the record each state is made in another folder: after every
//! operation, with none, all and each one of those lost that were on no disk yet, and with seeded choices of them, of writes by
//! sectors of 512 and 4,096 bytes. Each is opened as a user would after the cut.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};

use hsic::random::Stream;
use hsic_bottleneck::Error;
use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{Numbers, TrainOptions};
use hsic_bottleneck::dataset::Split;
use hsic_bottleneck::digests::Verdict;
use hsic_bottleneck::disk::{Fate, Fault, FileSystem, Journal, Operation, Recorder, Tree, Trouble, mount};
use hsic_bottleneck::log::{Observer, Record};
use hsic_bottleneck::position::Position;
use hsic_bottleneck::predict::Predictor;
use hsic_bottleneck::reformat::format_finished;
use hsic_bottleneck::run::Run;
use hsic_bottleneck::session::{OnCpu, Session};
use hsic_bottleneck::stages::StagePart;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::threads::on_threads;
use hsic_bottleneck::trainer::{Outcome, train};

use crate::points;

static POINTS: LazyLock<Split> = LazyLock::new(points);

/// What was promised to whoever waits for a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    /// There is a run.
    Begun,
    /// So many steps are saved.
    Saved(u64),
    /// The run is finished.
    Ended,
}

/// Hears of promises.
type Note<'n> = &'n (dyn Fn(Promise) + Sync);

struct Noting<'n>(Note<'n>);

impl Observer for Noting<'_> {
    fn state(
        &mut self,
        position: &Position,
        _session: &dyn Session,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        (self.0)(Promise::Saved(position.step));
        Ok(())
    }
}

/// Something that a user does with a run, and does again after a crash.
struct Story {
    name: &'static str,
    /// What was done before, of which nothing is recorded.
    before: fn(&Path),
    /// What is done in a folder that was left at any moment of it.
    act: fn(&Path, Note<'_>) -> Result<(), Error>,
    /// Whether the folder holds a finished run all the while.
    finished: bool,
}

fn options(seed: u64) -> TrainOptions {
    let mut options = TrainOptions::default();
    options.network.widths = Some("3".to_owned());
    options.training.seed = Some(seed);
    options.training.epochs = Some(3);
    options.training.threads = Some(1);
    options.format.format_epochs = Some(1);
    options
}

/// Trains what a folder holds to its end.
fn trained(run: &Run, note: Note<'_>) -> Result<(), Error> {
    let outcome = train(&run.config()?, &POINTS, run, &mut [&mut Noting(note)], &AtomicBool::new(false))?;
    assert!(matches!(outcome, Outcome::Finished(_)));
    note(Promise::Ended);
    Ok(())
}

/// Takes up the run of a folder, or makes it.
fn begun(root: &Path, options: TrainOptions, note: Note<'_>) -> Result<(), Error> {
    let path = root.join("r");
    let run = match Run::open(&path) {
        Ok(run) => run,
        Err(_) => Run::create(&path, &options.resolve()?)?,
    };
    note(Promise::Begun);
    trained(&run, note)
}

fn finished(root: &Path) {
    begun(root, options(1), &|_| ()).unwrap();
}

/// A batch that is given, or follows from the data and is noted in the run.
fn new(root: &Path, note: Note<'_>) -> Result<(), Error> {
    begun(root, options(1), note)
}

fn several(root: &Path, note: Note<'_>) -> Result<(), Error> {
    let mut options = options(1);
    options.training.epochs = Some(1);
    options.objective.sigma = Some(Numbers(vec![1.0, 5.0]));
    begun(root, options, note)
}

fn forced(root: &Path, note: Note<'_>) -> Result<(), Error> {
    let path = root.join("r");
    let is_new = Run::open(&path).is_ok_and(|run| run.options().unwrap().training.seed == Some(2));
    if !is_new {
        Run::clear(&path)?;
    }
    begun(root, options(2), note)
}

fn further(root: &Path, note: Note<'_>) -> Result<(), Error> {
    let run = Run::open(&root.join("r")).map_err(hsic_bottleneck::run::RunError::from)?;
    if run.config()?.epochs == 3 {
        run.extend(5)?;
    }
    trained(&run, note)
}

fn formatted(root: &Path, note: Note<'_>) -> Result<(), Error> {
    let run = Run::open(&root.join("r")).map_err(hsic_bottleneck::run::RunError::from)?;
    let mut settings = run.config()?.format;
    settings.epochs = 5;
    on_threads(Some(1), || format_finished(&run, &POINTS, &settings, &AtomicBool::new(false)))??.unwrap();
    note(Promise::Ended);
    Ok(())
}

/// A run that two processes have begun, each with some blocks.
fn staged(root: &Path) {
    let config = options(1).resolve().unwrap().for_data(&POINTS).unwrap();
    let run = Run::create(&root.join("r"), &config).unwrap();
    let mut network = build_network(&config, POINTS.train.shape, POINTS.train.classes()).unwrap();
    let mut update = build_method(&config, POINTS.train.classes()).unwrap();
    let (blocks, tensors) = (network.blocks().len(), network.tensors().len());
    // Before its first step a method has no state to be saved; the weights are any that all trainings of this story begin with.
    let mut batch = Batch::default();
    batch.fill(&POINTS.train, &(0..30).collect::<Vec<_>>()).unwrap();
    update.plan(&network, 6);
    update.step(&mut network, &batch, 1e-3).unwrap();
    let session = OnCpu::new(&mut network, &mut *update);
    // Weight, bias and two statistics of the first block, then the rest.
    let parts = [(0..1, 0..4), (1..blocks, 4..tensors)].map(|(blocks, tensors)| StagePart { blocks, tensors });
    parts.iter().for_each(|part| run.save_stage(0, &session, part).unwrap());
    let position = Position { dead: vec![false; blocks], ..Position::default() };
    run.save_stages(&position, &parts.map(|part| part.blocks)).unwrap();
}

const STORIES: [Story; 6] = [
    Story { name: "new", before: |_| (), act: new, finished: false },
    Story { name: "several", before: |_| (), act: several, finished: false },
    Story { name: "force", before: finished, act: forced, finished: false },
    Story { name: "further", before: finished, act: further, finished: true },
    Story { name: "format", before: finished, act: formatted, finished: true },
    Story { name: "stages", before: staged, act: new, finished: false },
];

/// A folder of the test's own, in memory where there is such a place: a sync costs nothing there, and is recorded all the same.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What there is to say of finished runs but for what a clock says: each file with its bytes, or what it says.
fn fingerprint(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in files(root) {
        let name = path.file_name().unwrap().to_str().unwrap();
        // Who works in a folder is no part of a run; where the file cannot be made for want of a writable disk there is none.
        if name == "lock" {
            continue;
        }
        let run = Run::open(path.parent().unwrap());
        let told = match name {
            "metrics.jsonl" => {
                let mut records = run.unwrap().records().unwrap();
                // The clock alone makes a timeline.
                records.retain(|record| !matches!(record, Record::Timeline(_)));
                records.iter_mut().for_each(|record| {
                    if let Record::Epoch(report) = record {
                        report.seconds = 0.0;
                    }
                });
                format!("{records:?}").into_bytes()
            }
            "summary.json" => {
                let run = run.unwrap();
                let summary = run.summary().unwrap();
                let verdicts = run.verify().unwrap();
                let intact = verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Intact);
                assert!(intact, "{verdicts:?}");
                brief(&summary)
            }
            // What they are of is compared; they know the time.
            "digests.json" | "state.safetensors" => Vec::new(),
            _ => fs::read(&path).unwrap(),
        };
        found.insert(path.strip_prefix(root).unwrap().to_owned(), told);
    }
    found
}

/// A summary but for what a clock says.
fn brief(summary: &Summary) -> Vec<u8> {
    let accuracies = (summary.train_accuracy, summary.test_accuracy, summary.format_accuracy);
    format!("{} {} {accuracies:?} {:?}", summary.epochs, summary.steps, summary.confusion).into_bytes()
}

/// What a finished run has come to: its results, which must be those of one training.
fn results(run: &Run) -> Vec<Option<Vec<u8>>> {
    let read = |name: &str| fs::read(run.file(name)).ok();
    let mut found = vec![Some(brief(&run.summary().unwrap()))];
    found.extend(["weights.safetensors", "readout.json", "format.safetensors"].map(read));
    found
}

/// Names that files have while they are written.
fn parts(root: &Path) -> Vec<PathBuf> {
    files(root).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "part")).collect()
}

fn assert_same(now: &BTreeMap<PathBuf, Vec<u8>>, whole: &BTreeMap<PathBuf, Vec<u8>>, told: &str) {
    assert_eq!(now.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{told}");
    for (path, bytes) in now {
        assert!(*bytes == whole[path], "{told}: {} is another", path.display());
    }
}

/// What a story comes to where nothing happens to it.
struct Told {
    journal: Journal,
    /// What was promised after how many operations.
    promises: Vec<(usize, Promise)>,
    whole: BTreeMap<PathBuf, Vec<u8>>,
    /// The results that a finished run may have: those from before, and those that it comes to.
    results: Vec<Vec<Option<Vec<u8>>>>,
}

fn recorded(story: &Story) -> Told {
    let folder = place();
    let root = folder.path();
    (story.before)(root);
    let mut known: Vec<_> = Run::open(&root.join("r")).iter().filter(|run| run.is_finished()).map(results).collect();
    let recorder = Arc::new(Recorder::of(root).unwrap());
    let mounted = mount(root, Arc::clone(&recorder) as Arc<dyn FileSystem>);
    let promises = Mutex::new(Vec::new());
    (story.act)(root, &|promise| promises.lock().unwrap().push((recorder.done(), promise))).unwrap();
    drop(mounted);
    known.push(results(&Run::open(&root.join("r")).unwrap()));
    let (journal, promises) = (recorder.journal(), promises.into_inner().unwrap());
    Told { journal, promises, whole: fingerprint(root), results: known }
}

/// What a power cut does to what was on no disk.
#[derive(Clone, Copy, Debug)]
enum Cut {
    NoneLost,
    AllLost,
    OneLost(usize),
    Drawn(u64),
}

fn state(journal: &Journal, done: usize, cut: Cut) -> Tree {
    match cut {
        Cut::NoneLost => journal.found(done, |_| Fate::Kept),
        Cut::AllLost => journal.found(done, |_| Fate::Lost),
        Cut::OneLost(lost) => journal.found(done, |index| if index == lost { Fate::Lost } else { Fate::Kept }),
        Cut::Drawn(seed) => {
            let mut stream = Stream::new(seed, "power cut", 0);
            journal.found(done, |_| match stream.below(4) {
                0 => Fate::Kept,
                1 => Fate::Lost,
                drawn => Fate::Torn { size: [512, 4096][drawn as usize - 2], sectors: stream.below(u64::MAX) },
            })
        }
    }
}

/// States that differ, each with what was promised by then and how it came about: of the single losses one in `stride`.
fn states(
    journal: &Journal,
    promises: &[(usize, Promise)],
    (stride, drawn): (usize, u64),
) -> BTreeMap<(Tree, BTreeSet<Promise>), (usize, Cut)> {
    let all = journal.operations.len();
    let mut cuts = Vec::new();
    for done in 0..=all {
        cuts.extend([(done, Cut::NoneLost), (done, Cut::AllLost)]);
        cuts.extend(journal.pending(done).into_iter().map(|index| (done, Cut::OneLost(index))));
    }
    let mut single = 0;
    cuts.retain(|(_, cut)| {
        single += usize::from(matches!(cut, Cut::OneLost(_)));
        !matches!(cut, Cut::OneLost(_)) || single % stride == 0
    });
    let mut stream = Stream::new(0, "moment of a power cut", 0);
    cuts.extend((0..drawn).map(|seed| (stream.below(all as u64 + 1) as usize, Cut::Drawn(seed))));
    let mut found = BTreeMap::new();
    for (done, cut) in cuts {
        let promised = promises.iter().filter(|(at, _)| *at <= done).map(|(_, promise)| *promise).collect();
        found.entry((state(journal, done, cut), promised)).or_insert((done, cut));
    }
    found
}

/// Makes each state, looks whether what was promised is there, and has the user go on; returns how many there were.
fn cut(story: &Story, amount: (usize, u64)) -> usize {
    let Told { journal, promises, whole, results } = recorded(story);
    let states = states(&journal, &promises, amount);
    let amiss = all_amiss(&states, |((tree, promised), (done, cut))| {
        let last = done.checked_sub(1).map(|last| &journal.operations[last]);
        let told = format!("{}: {cut:?} after {done} operations, the last of them {}", story.name, short(last));
        let folder = place();
        let root = folder.path();
        for (path, content) in tree {
            match content {
                None => fs::create_dir(root.join(path)).unwrap(),
                Some(bytes) => fs::write(root.join(path), bytes).unwrap(),
            }
        }
        look(&root.join("r"), promised, (story, &results), &told);
        (story.act)(root, &|_| ()).unwrap_or_else(|error| panic!("{told}: {}", chain(&error)));
        assert_same(&fingerprint(root), &whole, &told);
    });
    assert!(amiss.is_empty(), "{} of {} states:\n{}", amiss.len(), states.len(), first(&amiss));
    states.len()
}

/// What is amiss, of all that is looked at.
fn all_amiss<I>(of: impl IntoIterator<Item = I>, look: impl Fn(I)) -> Vec<String> {
    let said = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    };
    let each = |item| catch_unwind(AssertUnwindSafe(|| look(item))).err().map(said);
    of.into_iter().filter_map(each).collect()
}

/// The first of many messages.
fn first(amiss: &[String]) -> String {
    amiss.iter().take(12).map(|said| said.chars().take(600).collect::<String>()).collect::<Vec<_>>().join("\n")
}

/// The beginning of what was done.
fn short(operation: Option<&Operation>) -> String {
    format!("{operation:?}").chars().take(200).collect()
}

/// What lies in a folder after a power cut, before anything is done about it.
fn look(path: &Path, promised: &BTreeSet<Promise>, (story, known): (&Story, &[Vec<Option<Vec<u8>>>]), told: &str) {
    let Ok(run) = Run::open(path) else {
        assert!(promised.is_empty() && !story.finished, "{told}: there is no run, and {promised:?}");
        return;
    };
    let config = run.config().unwrap_or_else(|error| panic!("{told}: {error}"));
    if run.is_finished() && !run.is_unsettled() {
        Predictor::open(&run).unwrap_or_else(|error| panic!("{told}: {}", chain(&error)));
        // Behind the last checkpoint of one that is being trained further a line may be torn, which is told until it is taken up.
        if run.summary().unwrap().epochs == config.epochs {
            run.records().unwrap_or_else(|error| panic!("{told}: {error}"));
        }
        assert!(known.contains(&results(&run)), "{told}: the results are of no training");
        let verdicts = run.verify().unwrap();
        let damaged = |verdict: &Verdict| matches!(verdict, Verdict::Changed | Verdict::Missing);
        assert!(!verdicts.iter().any(|(_, verdict)| damaged(verdict)), "{told}: {verdicts:?}");
    } else {
        let lost = promised.contains(&Promise::Ended) || story.finished && !run.is_unsettled();
        assert!(!lost, "{told}: the run is not finished");
    }
    let saved = run.saved_steps(&config).unwrap_or_else(|error| panic!("{told}: {error}"));
    for promise in promised {
        if let Promise::Saved(step) = promise {
            assert!(saved >= *step || config.sigmas.len() > 1, "{told}: {saved} steps are saved, {step} were");
        }
    }
}

/// What an error says, and why.
fn chain(error: &Error) -> String {
    let (mut said, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

/// Makes one call fail, or all from it on; returns whether there was one to fail.
fn fail(story: &Story, fault: Fault, whole: &BTreeMap<PathBuf, Vec<u8>>) -> bool {
    let folder = place();
    let root = folder.path();
    (story.before)(root);
    let recorder = Arc::new(Recorder::failing(root, Some(fault)).unwrap());
    let mounted = mount(root, Arc::clone(&recorder) as Arc<dyn FileSystem>);
    let ended = (story.act)(root, &|_| ());
    drop(mounted);
    let told = format!("{}: {fault:?}", story.name);
    match ended {
        Ok(()) => assert_same(&fingerprint(root), whole, &told),
        Err(error) => {
            let said = chain(&error);
            let cause = match fault.trouble {
                Trouble::NoSpace => "No space left on device",
                Trouble::InputOutput => "Input/output error",
                Trouble::ReadOnly => "Read-only file system",
                Trouble::TooManyFiles => "Too many open files",
                Trouble::Interrupted | Trouble::ShortWrite => "nothing is wrong",
            };
            assert!(said.contains(cause) && said.contains(&*root.to_string_lossy()), "{told}: {said}");
        }
    }
    assert_eq!(parts(root), Vec::<PathBuf>::new(), "{told}");
    (story.act)(root, &|_| ()).unwrap_or_else(|error| panic!("{told}, and then: {}", chain(&error)));
    assert_same(&fingerprint(root), whole, &told);
    recorder.troubled() > 0
}

/// Lets calls of a story fail, one in `stride` of all that could; returns how many did.
fn fails(story: &Story, stride: usize) -> usize {
    let folder = place();
    (story.before)(folder.path());
    let recorder = Arc::new(Recorder::of(folder.path()).unwrap());
    let mounted = mount(folder.path(), Arc::clone(&recorder) as Arc<dyn FileSystem>);
    (story.act)(folder.path(), &|_| ()).unwrap();
    drop(mounted);
    let whole = fingerprint(folder.path());
    let calls = 0..recorder.calls();
    let faults = calls.flat_map(|call| {
        let once = Trouble::ALL.map(|trouble| Fault { call, trouble, lasting: false });
        once.into_iter().chain([Fault { call, trouble: Trouble::NoSpace, lasting: true }])
    });
    let failed = Cell::new(0);
    let amiss = all_amiss(faults.step_by(stride), |fault| {
        failed.set(failed.get() + usize::from(fail(story, fault, &whole)));
    });
    assert!(amiss.is_empty(), "{} calls:\n{}", amiss.len(), first(&amiss));
    failed.get()
}

fn each_on_one_thread(visit: impl Fn(&Story) + Sync + Send) {
    on_threads(Some(1), || STORIES.iter().for_each(visit)).unwrap();
}

#[test]
fn a_run_goes_on_from_what_a_power_cut_left() {
    each_on_one_thread(|story| {
        assert!(cut(story, (5, 60)) > 20, "{}", story.name);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_goes_on_after_a_call_that_failed_which_is_told() {
    each_on_one_thread(|story| {
        assert!(fails(story, 11) > 10, "{}", story.name);
    });
}

/// `cargo test --release -p hsic-bottleneck --test it crashes -- --ignored --nocapture`.
#[test]
#[ignore = "all states and all calls take minutes"]
fn all_power_cuts_and_all_calls_that_fail() {
    use std::io::Write;
    each_on_one_thread(|story| {
        let start = std::time::Instant::now();
        let states = cut(story, (1, 2_000));
        let failed = if cfg!(target_os = "linux") { fails(story, 1) } else { 0 };
        let seconds = start.elapsed().as_secs_f64();
        let told = format!("{}: {states} states, {failed} calls that failed, {seconds:.0} s", story.name);
        writeln!(std::io::stdout(), "{told}").unwrap();
    });
}
