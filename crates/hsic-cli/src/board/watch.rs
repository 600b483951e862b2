//! What is seen of some runs, made once for all that look at them.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hsic_bottleneck::log::Record;
use hsic_bottleneck::run::{METRICS, Run};
use hsic_lab::draw;
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::runs::ListedRun;

use super::follower::{Follower, Growth};
use super::places::Places;
use crate::html::board::{self, Part, Seen};

/// The least time between two looks at the same runs.
const LEAST: Duration = Duration::from_secs(1);

/// The longest time.
const LONGEST: Duration = Duration::from_secs(30);

/// Of which the time of a look is at most this part: a training beside it is to have the machine for itself.
const SHARE: u32 = 200;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The list of runs.
    All,
    /// Runs by their names, each once.
    Runs(Vec<String>),
}

/// All that is looked at.
pub(super) struct Watches {
    places: Arc<Places>,
    open: Mutex<Vec<(Subject, Weak<Mutex<Watch>>)>>,
}

impl Watches {
    pub(super) fn new(places: Places) -> Self {
        Self { places: Arc::new(places), open: Mutex::new(Vec::new()) }
    }

    /// The places.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The watch of a subject, which others may have; `None` if it names something that is no run.
    pub(super) fn of(&self, subject: &Subject) -> Option<Arc<Mutex<Watch>>> {
        let mut open = held(&self.open);
        open.retain(|(_, watch)| watch.strong_count() > 0);
        let known = open.iter().find(|(known, _)| known == subject);
        if let Some(watch) = known.and_then(|(_, watch)| watch.upgrade()) {
            return Some(watch);
        }
        let watch = Arc::new(Mutex::new(Watch::new(Arc::clone(&self.places), subject)?));
        open.push((subject.clone(), Arc::downgrade(&watch)));
        Some(watch)
    }
}

/// Whoever panicked while holding it has left whole values.
pub(super) fn held<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is seen of a subject, as of the last look.
pub(super) struct Watch {
    places: Arc<Places>,
    followed: Option<Vec<Followed>>,
    /// Each part as it was made last.
    parts: Vec<Arc<Part>>,
    title: String,
    /// When it may be looked again.
    next: Instant,
}

impl Watch {
    fn new(places: Arc<Places>, subject: &Subject) -> Option<Self> {
        let followed = match subject {
            Subject::All => None,
            Subject::Runs(names) => {
                let all = names.iter().map(|name| Some(Followed::new(name, places.find(name)?)));
                Some(all.collect::<Option<Vec<_>>>()?)
            }
        };
        Some(Self { places, followed, parts: Vec::new(), title: String::new(), next: Instant::now() })
    }

    /// The title of the page and its parts; those that did not change are the same.
    pub(super) fn look(&mut self) -> (&str, &[Arc<Part>]) {
        if self.parts.is_empty() || Instant::now() >= self.next {
            let begin = Instant::now();
            let made = self.made();
            let keep = |part: Part| {
                let known = self.parts.iter().find(|known| ***known == part);
                known.map_or_else(|| Arc::new(part), Arc::clone)
            };
            self.parts = made.into_iter().map(keep).collect();
            self.next = begin + pause(begin.elapsed());
        }
        (&self.title, &self.parts)
    }

    fn made(&mut self) -> Vec<Part> {
        let Some(followed) = &mut self.followed else {
            "Runs".clone_into(&mut self.title);
            return match self.places.list() {
                Ok(runs) => board::list(&runs, None),
                Err(error) => board::list(&[], Some(&said(&error))),
            };
        };
        let moved = followed.iter_mut().fold(false, |moved, run| run.look() | moved);
        let seen: Vec<Seen<'_>> = followed.iter().map(Followed::seen).collect();
        self.title = board::title(&seen);
        if moved || self.parts.is_empty() {
            return board::runs(&seen, draw::readable);
        }
        // What follows from records is as it was: only how the run stands may have changed.
        let rest = self.parts.iter().skip(1).map(|part| Part::clone(part));
        [board::standing(&seen)].into_iter().chain(rest).collect()
    }
}

/// An error and what caused it, in a line.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        // Errors of some libraries tell their cause themselves.
        if lines.last().is_none_or(|line| !line.ends_with(&cause.to_string())) {
            lines.push(cause.to_string());
        }
        next = cause.source();
    }
    lines.join(": ")
}

/// How long to wait after a look that took so long.
fn pause(took: Duration) -> Duration {
    (SHARE * took).clamp(LEAST, LONGEST)
}

/// A run whose records are followed.
struct Followed {
    name: String,
    run: Run,
    listed: ListedRun,
    follower: Follower,
    report: Option<RunReport>,
    error: Option<String>,
    /// Records that came while the rest of the folder could not be read.
    untold: Vec<Record>,
    /// What the folder tells beside its records may be another.
    stale: bool,
    /// The networks of several sigmas, as far as they have been started.
    members: Vec<(f64, Followed)>,
}

impl Followed {
    fn new(name: &str, run: Run) -> Self {
        let listed = ListedRun::read(run.path());
        let follower = Follower::new(&run.file(METRICS));
        let name = name.to_owned();
        let (untold, members) = (Vec::new(), Vec::new());
        Self { name, run, listed, follower, report: None, error: None, untold, stale: false, members }
    }

    fn seen(&self) -> Seen<'_> {
        Seen { name: &self.name, listed: &self.listed, report: self.report.as_ref(), error: self.error.as_deref() }
    }

    /// Whether what follows from its records is another than at the last look.
    fn look(&mut self) -> bool {
        let before = self.listed.state;
        self.listed = ListedRun::read(self.run.path());
        self.stale |= before != self.listed.state;
        let failed_before = self.error.take();
        match self.follow() {
            Ok(moved) => moved || failed_before.is_some(),
            Err(said) => {
                let news = failed_before.as_ref() != Some(&said);
                self.error = Some(said);
                news
            }
        }
    }

    /// Reads what is new of the records, and where the run stands otherwise than before what else its folder tells.
    fn follow(&mut self) -> Result<bool, String> {
        let Growth { anew, records } = self.follower.look().map_err(|error| said(&error))?;
        if anew {
            self.report = None;
            self.members.clear();
            self.untold.clear();
        }
        self.untold.extend(records);
        let mut moved = anew || !self.untold.is_empty();
        if self.stale || self.report.is_none() {
            let mut report = RunReport::without_records(&self.run).map_err(|error| said(&error))?;
            if let Some(before) = self.report.take() {
                report = RunReport {
                    epochs: before.epochs,
                    monitor: before.monitor,
                    format: before.format,
                    timelines: before.timelines,
                    warnings: before.warnings,
                    members: before.members,
                    ..report
                };
            }
            self.report = Some(report);
            (self.stale, moved) = (false, true);
        }
        let Some(report) = &mut self.report else { return Ok(moved) };
        self.untold.drain(..).for_each(|record| report.add(record));
        for sigma in report.sigmas() {
            if !self.members.iter().any(|(known, _)| *known == sigma)
                && let Some(run) = self.run.started_member(sigma)
            {
                self.members.push((sigma, Self::new(&self.name, run)));
            }
        }
        let members = self.members.iter_mut().fold(false, |moved, (_, member)| member.look() | moved);
        if members {
            let known = self.members.iter().filter_map(|(sigma, member)| Some((*sigma, member.report.clone()?)));
            report.members = known.collect();
        }
        Ok(moved | members)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use hsic_bottleneck::config::TrainOptions;

    use super::*;

    fn write(run: &Path, epoch: u64) {
        let line = format!(
            r#"{{"type":"epoch","epoch":{epoch},"step":1,"seconds":1.0,"learning_rate":0.1,"loss":[1.0,{epoch}.5],"nhsic_x":[],"nhsic_y":[],"train_accuracy":0.5,"test_accuracy":0.25}}"#
        );
        let file = fs::File::options().create(true).append(true).open(run.join(METRICS));
        writeln!(file.unwrap(), "{line}").unwrap();
    }

    /// The parts that are other ones than before, by their names.
    fn changed(watch: &mut Watch, before: &mut Vec<Arc<Part>>) -> Vec<String> {
        watch.next = Instant::now();
        let parts = watch.look().1.to_vec();
        let is_new = |part: &&Arc<Part>| !before.iter().any(|known| Arc::ptr_eq(known, part));
        let names = parts.iter().filter(is_new).map(|part| part.0.clone()).collect();
        *before = parts;
        names
    }

    #[test]
    fn only_what_changed_is_made_anew_and_all_viewers_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        Run::create(&path, &TrainOptions::default().resolve().unwrap()).unwrap();
        let watches = Watches::new(Places::Named(folder.path().into()));
        let subject = Subject::Runs(vec!["a".to_owned()]);
        let (one, other) = (watches.of(&subject).unwrap(), watches.of(&subject).unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        assert!(watches.of(&Subject::Runs(vec!["b".to_owned()])).is_none());
        let mut watch = held(&one);
        let mut before = Vec::new();
        assert_eq!(changed(&mut watch, &mut before), ["state"]);
        assert_eq!(changed(&mut watch, &mut before), [""; 0]);
        write(&path, 1);
        let all = ["state", "blocks", "figure-0-Accuracy", "figure-0-Loss-by-block"];
        assert_eq!(changed(&mut watch, &mut before), all);
        assert_eq!(changed(&mut watch, &mut before), [""; 0]);
        write(&path, 2);
        assert_eq!(changed(&mut watch, &mut before), all);
        // A cut file begins anew.
        fs::write(path.join(METRICS), "").unwrap();
        assert_eq!(changed(&mut watch, &mut before), ["state"]);
        write(&path, 3);
        assert_eq!(changed(&mut watch, &mut before), all);
        assert!(before[1].1.contains("3.5") && !before[1].1.contains("2.5"), "{}", before[1].1);
        // Records that come while the options cannot be read are not lost.
        let options = fs::read(path.join("config.toml")).unwrap();
        fs::write(path.join("config.toml"), "broken").unwrap();
        fs::write(path.join(METRICS), "").unwrap();
        write(&path, 5);
        assert_eq!(changed(&mut watch, &mut before), ["state"]);
        assert!(before[0].1.contains("config.toml"), "{}", before[0].1);
        fs::write(path.join("config.toml"), options).unwrap();
        assert_eq!(changed(&mut watch, &mut before), all);
        assert!(before[1].1.contains("5.5"), "{}", before[1].1);
        // What cannot be read is told until it can be.
        fs::write(path.join(METRICS), "{}\n").unwrap();
        assert_eq!(changed(&mut watch, &mut before), ["state"]);
        assert!(before[0].1.contains("metrics.jsonl: line 1: "), "{}", before[0].1);
        // Between its looks it is left in peace.
        watch.next = Instant::now() + LONGEST;
        write(&path, 4);
        let parts = watch.look().1;
        assert!(parts.iter().zip(&before).all(|(now, then)| Arc::ptr_eq(now, then)));
    }

    #[test]
    fn a_look_takes_a_small_part_of_the_time() {
        let milliseconds = Duration::from_millis;
        assert_eq!(pause(milliseconds(1)), LEAST);
        assert_eq!(pause(milliseconds(10)), milliseconds(2000));
        assert_eq!(pause(milliseconds(900)), LONGEST);
    }

    #[test]
    fn the_list_has_every_run_and_a_folder_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().join("shown");
        Run::create(&shown.join("a"), &TrainOptions::default().resolve().unwrap()).unwrap();
        let watches = Watches::new(Places::Named(shown.clone()));
        let watch = watches.of(&Subject::All).unwrap();
        let mut watch = held(&watch);
        assert!(watch.look().1[0].1.contains("href=\"/?run=a\""));
        fs::rename(&shown, folder.path().join("gone")).unwrap();
        watch.next = Instant::now();
        assert!(watch.look().1[0].1.contains("shown: "), "{}", watch.look().1[0].1);
    }
}
