//! All that a run's folder tells.

use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::filters::Filters;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::log::{EpochReport, ProbeReport, Record, TimelineReport, Warning};
use hsic_bottleneck::reconstruction::Reconstructions;
use hsic_bottleneck::run::{Run, SUMMARY};
use hsic_bottleneck::samples::Samples;
use hsic_bottleneck::summary::Summary;
use hsic_bottleneck::valued::ValuePairs;

/// All that a run's folder tells.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// Settings.
    pub config: TrainConfig,
    /// What it came to; `None` while it is not finished.
    pub summary: Option<Summary>,
    /// After each epoch.
    pub epochs: Vec<EpochReport>,
    /// What the monitor saw; empty without one.
    pub monitor: Vec<MonitorReport>,
    /// What linear readouts of the blocks told while training; empty without.
    pub probes: Vec<ProbeReport>,
    /// Test accuracy after each epoch of format training, fractions; empty without.
    pub format: Vec<f64>,
    /// Who worked on what, in the steps that were traced.
    pub timelines: Vec<TimelineReport>,
    /// What was amiss.
    pub warnings: Vec<Warning>,
    /// Some judged values beside the predicted ones; `None` where classes are learned.
    pub values: Option<ValuePairs>,
    /// What a network of capsules draws of some test images; `None` without a decoder.
    pub reconstructions: Option<Reconstructions>,
    /// Some judged samples and what each block knows; `None` where none are kept.
    pub samples: Option<Samples>,
    /// The first layer's weights as pictures; `None` until they are asked for, and where there is none to show.
    pub filters: Option<Filters>,
    /// Of several sigmas: each network's own run, as far as it has been started; empty in the plain case.
    pub members: Vec<(f64, RunReport)>,
}

impl RunReport {
    /// Reads a run's folder, finished or not. A last line that is still being written is left out.
    ///
    /// # Errors
    /// `Config` for its settings; `Run` naming the file and, of `metrics.jsonl`, the line that cannot be read.
    pub fn read(run: &Run) -> Result<Self, Error> {
        let mut report = Self::without_records(run)?;
        for sigma in report.sigmas() {
            if let Some(member) = run.started_member(sigma) {
                report.members.push((sigma, Self::read(&member)?));
            }
        }
        for record in run.records()? {
            report.add(record);
        }
        Ok(report)
    }

    /// What a run's folder tells beside its records and the networks of several sigmas: for one who [adds](Self::add) records
    /// as they come.
    ///
    /// # Errors
    /// `Config` for its settings; `Run` naming the file that cannot be read.
    pub fn without_records(run: &Run) -> Result<Self, Error> {
        let summary = match run.is_finished() {
            true => Some(run.read_json(SUMMARY, "the summary of a finished run")?),
            false => None,
        };
        Ok(Self {
            config: run.config()?,
            summary,
            epochs: Vec::new(),
            monitor: Vec::new(),
            probes: Vec::new(),
            format: Vec::new(),
            timelines: Vec::new(),
            warnings: Vec::new(),
            values: ValuePairs::read(run)?,
            reconstructions: Reconstructions::read(run)?,
            samples: Samples::read(run)?,
            filters: None,
            members: Vec::new(),
        })
    }

    /// The sigmas whose networks are runs of their own; none in the plain case.
    #[must_use]
    pub fn sigmas(&self) -> Vec<f64> {
        if self.config.sigmas.len() > 1 { self.config.sigmas.clone() } else { Vec::new() }
    }

    /// Takes up the next record.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Epoch(epoch) => self.epochs.push(epoch),
            Record::Monitor(monitor) => self.monitor.push(monitor),
            Record::Probe(probe) => self.probes.push(probe),
            Record::Format { test_accuracy } => self.format = test_accuracy,
            Record::Warning(warning) => self.warnings.push(warning),
            Record::Timeline(timeline) => self.timelines.push(timeline),
        }
    }

    /// This with at most so many epochs and so many sights of the monitor, at equal distances, the first and the last among
    /// them: what a drawing can show.
    #[must_use]
    pub fn thinned(&self, most: usize) -> Self {
        let members = self.members.iter().map(|(sigma, member)| (*sigma, member.thinned(most)));
        Self {
            config: self.config.clone(),
            summary: self.summary.clone(),
            epochs: thinned(&self.epochs, most),
            monitor: thinned(&self.monitor, most),
            probes: thinned(&self.probes, most),
            format: self.format.clone(),
            timelines: self.timelines.clone(),
            warnings: self.warnings.clone(),
            values: self.values.clone(),
            reconstructions: self.reconstructions.clone(),
            samples: self.samples.clone(),
            filters: self.filters.clone(),
            members: members.collect(),
        }
    }
}

/// At most `most` of some values, >= 2, at equal distances.
fn thinned<V: Clone>(values: &[V], most: usize) -> Vec<V> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|index| values[index * (values.len() - 1) / (most - 1)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::run::METRICS;

    use super::*;

    const LINE: &str = r#"{"type":"epoch","epoch":1,"step":10,"seconds":1.0,"learning_rate":0.1,"loss":[-1.0],"nhsic_x":[],"nhsic_y":[],"train_accuracy":0.5,"test_accuracy":0.25}"#;

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_one_in_the_making_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(folder.path(), &TrainOptions::default().resolve().unwrap()).unwrap();
        std::fs::write(run.file(METRICS), format!("{LINE}\n{LINE}\n{}", &LINE[..9])).unwrap();
        assert_eq!(RunReport::read(&run).unwrap().epochs.len(), 2);
        std::fs::write(run.file(METRICS), format!("{LINE}\n{}\n", &LINE[..9])).unwrap();
        let error = RunReport::read(&run).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl: line 2 column 9: EOF while parsing"), "{error}");
        assert!(error.ends_with("expected a record a line"), "{error}");
    }

    #[test]
    fn of_many_records_as_many_as_a_drawing_shows_are_kept_the_ends_among_them() {
        let all: Vec<usize> = (1..=1001).collect();
        assert_eq!(thinned(&all, 5), [1, 251, 501, 751, 1001]);
        assert_eq!(thinned(&all[..5], 5), [1, 2, 3, 4, 5]);
        for most in 2..60 {
            let kept = thinned(&all[..61], most);
            assert!(kept.len() == most && kept.is_sorted_by(|a, b| a < b) && kept[most - 1] == 61, "{kept:?}");
        }
    }
}
