//! A folder of trainings and figures: each training is done once, taken up where it was interrupted, and found again.
//!
//! `runs/` holds a run's folder a training, named by what is trained and a fingerprint of its options; `figures/NAME/`
//! holds what a figure shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::{Content, source, stem};
use hsic_bottleneck::disk;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::files::FileError;
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::log::Observer;
use hsic_bottleneck::methods::Methods;
use hsic_bottleneck::trainer::Outcome;
use serde::Serialize;

use super::job::{Job, JobState};
use super::record::{FigureRecord, Machine, RunRecord};
use super::store::{Launch, Planned, Store, Watcher};
use super::trained::{Trained, Trainings};
use super::{Figure, Scope};

/// What a figure shows, and how it was made.
pub const RECORD: &str = "figure.json";

/// The options of a figure's trainings.
pub const CONFIG: &str = "config.toml";

/// A folder of trainings and figures.
pub struct Reproduction {
    folder: PathBuf,
    scope: Scope,
    store: Store,
}

/// What stands in a figure's `config.toml`.
#[derive(Serialize)]
struct Configs {
    training: Vec<NamedOptions>,
}

/// A training there.
#[derive(Serialize)]
struct NamedOptions {
    label: String,
    options: TrainOptions,
}

impl Reproduction {
    /// In a folder, new or that of an earlier reproduction.
    #[must_use]
    pub fn new(folder: &Path, scope: Scope) -> Self {
        Self { folder: folder.into(), scope, store: Store::new(folder.join("runs"), Methods::known()) }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a figure's files are.
    #[must_use]
    pub fn figure_folder(&self, figure: &dyn Figure) -> PathBuf {
        self.folder.join("figures").join(figure.name())
    }

    /// The trainings of some figures that are not finished yet, each once.
    ///
    /// # Errors
    /// `Config` for options that cannot be used; `Dataset` for data that cannot be read; `Run` for a folder that holds
    /// another training, or figures of other data under the same name.
    pub fn missing(&self, figures: &[&dyn Figure]) -> Result<Vec<Planned>, Error> {
        let mut seen = BTreeSet::new();
        let mut missing = Vec::new();
        for figure in figures {
            let plan = self.plan(*figure)?;
            self.check_data(&contents(&plan))?;
            for planned in plan {
                if seen.insert(planned.folder.clone()) && self.store.finished(&planned)?.is_none() {
                    missing.push(planned);
                }
            }
        }
        Ok(missing)
    }

    /// Checks that no figure of the folder was made from other data of the same name: a page of both would mix them.
    fn check_data(&self, now: &BTreeMap<String, Content>) -> Result<(), Error> {
        let figures = self.folder.join("figures");
        let io = |source| FileError::Io { path: figures.clone(), source };
        let entries = match std::fs::read_dir(&figures) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(io(source).into()),
        };
        let mut records = Vec::new();
        for entry in entries {
            records.push(entry.map_err(io)?.path().join(RECORD));
        }
        records.sort();
        for path in records.into_iter().filter(|path| path.exists()) {
            let text = std::fs::read_to_string(&path).map_err(|source| FileError::Io { path: path.clone(), source })?;
            let kept: FigureRecord =
                serde_json::from_str(&text).map_err(|error| FileError::malformed(&path, error, "a figure's record"))?;
            let mut both = kept.contents.iter().filter_map(|(name, then)| Some((name, then, now.get(name)?)));
            if let Some((name, then, now)) = both.find(|(_, then, now)| then != now) {
                let expected = format!("{name} ({now}) as it is now, or another folder");
                return Err(FileError::malformed(&path, format!("made from {name} ({then})"), &expected).into());
            }
        }
        Ok(())
    }

    fn plan(&self, figure: &dyn Figure) -> Result<Vec<Planned>, Error> {
        let mut plan = Vec::new();
        for training in figure.trainings(&self.scope) {
            for &seed in &self.scope.seeds {
                plan.push(self.store.plan(&training, seed)?);
            }
        }
        Ok(plan)
    }

    /// Carries a training out, from where it was interrupted if it was.
    ///
    /// # Errors
    /// What training says, or `launch`.
    pub fn train(
        &self,
        planned: &Planned,
        watcher: &mut dyn Watcher,
        launch: Launch<'_>,
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        self.store.train(planned, watcher, launch, stop)
    }

    /// The trainings of some figures, each once, under the names of their runs' folders.
    ///
    /// # Errors
    /// As those of [`missing`](Self::missing).
    pub fn jobs(&self, figures: &[&dyn Figure]) -> Result<Vec<Job>, Error> {
        let mut jobs: Vec<Job> = Vec::new();
        for figure in figures {
            let plan = self.plan(*figure)?;
            self.check_data(&contents(&plan))?;
            for planned in plan {
                if jobs.iter().any(|job| job.id == planned.folder) {
                    continue;
                }
                let finished = self.store.finished(&planned)?.is_some();
                jobs.push(Job {
                    id: planned.folder.clone(),
                    state: if finished { JobState::Done } else { JobState::Ready },
                    needs: Vec::new(),
                    run: Some(self.store.path(&planned)),
                    like: planned.training.seeded(planned.seed),
                    planned: Some(planned),
                    given_seconds: None,
                });
            }
        }
        Ok(jobs)
    }

    /// Carries a training out in this process, whatever its place, from where it was interrupted if it was.
    ///
    /// # Errors
    /// What training says.
    pub fn train_within(
        &self,
        planned: &Planned,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, Error> {
        self.store.train_within(planned, observers, stop)
    }

    /// What a figure shows of its trainings, all of which are finished.
    ///
    /// # Errors
    /// `Run` for a run that is not there or damaged; what the figure says.
    pub fn plot(&self, figure: &dyn Figure) -> Result<FigureRecord, Error> {
        let mut trained: BTreeMap<String, Vec<Trained<'_>>> = BTreeMap::new();
        let (mut runs, mut data) = (Vec::new(), Vec::<String>::new());
        let plan = self.plan(figure)?;
        let contents = contents(&plan);
        for planned in plan {
            let run = self.store.trained(&planned)?;
            let record = run.run.data()?;
            let told = format!("{} ({} + {})", record.name, record.train_rows, record.test_rows);
            if !data.contains(&told) {
                data.push(told);
            }
            runs.push(RunRecord {
                label: planned.training.label.clone(),
                seed: planned.seed,
                command: planned.training.command(planned.seed),
                seconds: run.summary.seconds,
            });
            trained.entry(planned.training.label).or_default().push(run);
        }
        let plot = figure.plot(&self.scope, &Trainings(trained))?.finite();
        let profile = self.scope.profile.name();
        let seeds = self.scope.seeds.len();
        Ok(FigureRecord {
            name: figure.name().to_owned(),
            title: figure.title().to_owned(),
            source: figure.source().to_owned(),
            command: format!("hsic reproduce {} --profile {profile} --seeds {seeds}", figure.name()),
            profile: profile.to_owned(),
            seeds: self.scope.seeds.clone(),
            data,
            contents,
            machine: Machine::here(),
            runs,
            plot: if self.scope.profile.judges() { plot } else { plot.unjudged() },
        })
    }

    /// Writes a figure's files: record, points, options, and its pictures by name.
    ///
    /// # Errors
    /// `Run` if one cannot be written.
    pub fn save(
        &self,
        figure: &dyn Figure,
        record: &FigureRecord,
        pictures: &[(&str, &[u8])],
    ) -> Result<PathBuf, Error> {
        let folder = self.figure_folder(figure);
        disk::create_dir_all(&folder).map_err(|source| FileError::Io { path: folder.clone(), source })?;
        let malformed = |error: &dyn std::fmt::Display| FileError::malformed(&folder, error, "a figure");
        let trainings = figure.trainings(&self.scope).into_iter();
        let named = trainings.map(|training| NamedOptions { label: training.label, options: training.options });
        let configs = Configs { training: named.collect() };
        let config = toml::to_string(&configs).map_err(|error| malformed(&error))?;
        let json = serde_json::to_string_pretty(record).map_err(|error| malformed(&error))?;
        write_atomically(&folder.join(CONFIG), config.as_bytes())?;
        write_atomically(&folder.join("points.csv"), record.plot.csv().as_bytes())?;
        for (name, bytes) in pictures {
            write_atomically(&folder.join(name), bytes)?;
        }
        write_atomically(&folder.join(RECORD), json.as_bytes())?;
        Ok(folder)
    }
}

/// What the data of some trainings are that come from files, by name.
fn contents(plan: &[Planned]) -> BTreeMap<String, Content> {
    let of = |planned: &Planned| {
        let place = planned.training.options.data.dataset.as_deref()?;
        let drawn = source(place).is_some_and(|source| source.facts().files.is_empty());
        (!drawn).then(|| (stem(Path::new(place)), planned.content.clone()))
    };
    plan.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::config::OptimizerName;
    use hsic_bottleneck::run::Run;

    use super::*;
    use crate::figure::plot::{Claim, Plot, Value, Verdict};
    use crate::figure::{Profile, Sources, Training};

    /// One small training and its accuracy.
    struct Small;

    impl Figure for Small {
        fn name(&self) -> &'static str {
            "small"
        }

        fn title(&self) -> &'static str {
            "A small figure"
        }

        fn source(&self) -> &'static str {
            "ours"
        }

        fn trainings(&self, _: &Scope) -> Vec<Training> {
            let mut options = TrainOptions::default();
            options.data.train_size = Some(60);
            options.data.test_size = Some(20);
            options.network.widths = Some("12".to_owned());
            options.training.epochs = Some(2);
            options.training.batch_size = Some(20);
            options.training.checkpoint_steps = Some(1);
            options.optimizer.optimizer = Some(OptimizerName::Sgd);
            vec![Training::new("small", options)]
        }

        fn plot(&self, _: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
            let ours = trained.each("small", |run| run.summary.test_accuracy);
            let value = Value {
                name: "accuracy".to_owned(),
                unit: String::new(),
                paper: None,
                authors: Vec::new(),
                ours,
                band: Some((2.0, 3.0)),
                command: trained.command("small"),
            };
            let claim = Claim { statement: "s".to_owned(), verdict: Verdict::Fails, evidence: "e".to_owned() };
            // Kept from the first call: the second may not make it again.
            let run = &trained.of("small")[0];
            assert_eq!(run.derived("answer", |_| Ok(42))?, 42);
            assert_eq!(run.derived("answer", |_| Ok(43))?, 42);
            Ok(Plot { values: vec![value], claims: vec![claim], ..Plot::default() })
        }
    }

    struct Silent;

    impl Observer for Silent {}

    impl Watcher for Silent {
        fn begin(&mut self, _: &Planned) {}

        fn observer(&mut self) -> &mut dyn Observer {
            self
        }
    }

    fn scope(seeds: &[u64]) -> Scope {
        Scope { profile: Profile::Smoke, seeds: seeds.to_vec(), sources: Sources::default() }
    }

    fn alone(_: &Run) -> Result<bool, Error> {
        unreachable!("no training asks for a process of its own")
    }

    #[test]
    fn a_training_is_done_once_and_taken_up_where_it_was_interrupted() {
        let place = tempfile::TempDir::new().unwrap();
        let reproduction = Reproduction::new(place.path(), scope(&[1, 2]));
        let missing = reproduction.missing(&[&Small, &Small]).unwrap();
        assert_eq!(missing.iter().map(|planned| planned.seed).collect::<Vec<_>>(), [1, 2]);
        let train = |planned: &Planned, stop: bool| {
            reproduction.train(planned, &mut Silent, &alone, &AtomicBool::new(stop)).unwrap()
        };
        assert_eq!(train(&missing[0], true), Outcome::Interrupted { step: 1 });
        assert!(reproduction.plot(&Small).is_err());
        assert_eq!(reproduction.missing(&[&Small]).unwrap(), missing);
        for planned in &missing {
            assert!(matches!(train(planned, false), Outcome::Finished(_)));
        }
        assert_eq!(reproduction.missing(&[&Small]).unwrap(), []);
        // A seed more trains only that one.
        let more = Reproduction::new(place.path(), scope(&[1, 2, 3]));
        assert_eq!(more.missing(&[&Small]).unwrap().len(), 1);

        let record = reproduction.plot(&Small).unwrap();
        assert_eq!((record.plot.values[0].ours.len(), record.runs.len()), (2, 2));
        assert_eq!(record.data, ["digits (60 + 20)"]);
        // The smoke profile judges nothing, whatever the figure says.
        assert_eq!((record.plot.values[0].band, record.plot.claims[0].verdict), (None, Verdict::NotJudged));
        let quick = Scope { profile: Profile::Quick, ..scope(&[1, 2]) };
        let judged = Reproduction::new(place.path(), quick).plot(&Small).unwrap();
        assert_eq!((judged.plot.values[0].band, judged.plot.claims[0].verdict), (Some((2.0, 3.0)), Verdict::Fails));
        let folder = reproduction.save(&Small, &record, &[("figure.svg", b"picture")]).unwrap();
        assert_eq!(std::fs::read(folder.join("figure.svg")).unwrap(), b"picture");
        let kept: FigureRecord = serde_json::from_str(&std::fs::read_to_string(folder.join(RECORD)).unwrap()).unwrap();
        assert_eq!(kept, record);
        assert!(std::fs::read_to_string(folder.join(CONFIG)).unwrap().contains("checkpoint-steps = 1"));
    }

    #[test]
    fn figures_of_a_folder_are_made_from_the_same_data() {
        let place = tempfile::TempDir::new().unwrap();
        let table = place.path().join("mnist.csv");
        std::fs::write(&table, (0..40).map(|row| format!("{row},k{}\n", row % 2)).collect::<String>()).unwrap();
        let (now, other) = (Content::of(&std::fs::read(&table).unwrap()), Content::of(b"another mnist"));
        let reproduction = Reproduction::new(&place.path().join("r"), scope(&[1]));
        let mut training = Small.trainings(&scope(&[1])).remove(0);
        training.options.data.dataset = Some(table.to_str().unwrap().to_owned());
        (training.options.data.train_size, training.options.data.test_size) = (None, None);
        let plan = vec![reproduction.store.plan(&training, 1).unwrap()];
        assert_eq!(contents(&plan), BTreeMap::from([("mnist".to_owned(), now.clone())]));
        // Digits are drawn: each seed has its own.
        assert!(contents(&reproduction.plan(&Small).unwrap()).is_empty());

        let figure = |contents: BTreeMap<String, Content>| {
            let planned = reproduction.missing(&[&Small]).unwrap();
            for planned in &planned {
                reproduction.train(planned, &mut Silent, &alone, &AtomicBool::new(false)).unwrap();
            }
            let record = FigureRecord { contents, ..reproduction.plot(&Small).unwrap() };
            reproduction.save(&Small, &record, &[]).unwrap();
        };
        // A figure that did not record its data leaves nothing to compare.
        for kept in [BTreeMap::new(), contents(&plan)] {
            figure(kept);
            reproduction.check_data(&contents(&plan)).unwrap();
        }
        figure(BTreeMap::from([("mnist".to_owned(), other.clone())]));
        let error = reproduction.check_data(&contents(&plan)).unwrap_err().to_string();
        let told =
            format!("small/figure.json: made from mnist ({other}), expected mnist ({now}) as it is now, or another");
        assert!(error.contains(&told), "{error}");
    }

    #[test]
    fn a_folder_that_holds_another_training_is_not_taken_for_it() {
        let place = tempfile::TempDir::new().unwrap();
        let reproduction = Reproduction::new(place.path(), scope(&[1]));
        let planned = reproduction.missing(&[&Small]).unwrap().remove(0);
        let mut other = planned.training.options.clone();
        other.training.epochs = Some(3);
        let path = place.path().join("runs").join(&planned.folder);
        Run::create(&path, &other.resolve().unwrap()).unwrap();
        let error = reproduction.missing(&[&Small]).unwrap_err().to_string();
        assert!(error.contains("config.toml: other options, expected those of small"), "{error}");
    }
}
