//! What a report tells, whether as a page or in Markdown.

use std::collections::BTreeSet;
use std::path::Path;

use hsic_bottleneck::log::{EpochReport, ValueReport};
use hsic_lab::figure::plot::{Value, Verdict};
use hsic_lab::figure::record::{FigureRecord, Machine};
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::figure::{FIGURES, Profile};
use hsic_lab::shell::quoted;

use crate::table::{Row, significant};
use crate::words;

/// What is said of a profile that judges nothing.
pub(crate) const NOT_JUDGED: &str =
    "The profile smoke judges nothing: its trainings are too small to say anything of the paper's claims.";

/// The figures of a reproduction.
pub(crate) struct ReproductionReport {
    /// In the order in which they are made.
    pub(crate) figures: Vec<FigureRecord>,
}

impl ReproductionReport {
    /// Puts figures into the order in which they are made; those that are not known come last.
    pub(crate) fn new(mut figures: Vec<FigureRecord>) -> Self {
        let place = |figure: &FigureRecord| FIGURES.iter().position(|known| known.name() == figure.name);
        for figure in figures.iter_mut().filter(|figure| figure.profile == Profile::Smoke.name()) {
            // Earlier versions judged it.
            figure.plot = std::mem::take(&mut figure.plot).unjudged();
        }
        figures.sort_by_cached_key(|figure| (place(figure).unwrap_or(usize::MAX), figure.name.clone()));
        Self { figures }
    }

    /// Heading of the report.
    pub(crate) fn title(&self) -> String {
        format!("Reproduction of the HSIC bottleneck, profile {}", self.profile())
    }

    fn profile(&self) -> String {
        joined(self.figures.iter().map(|figure| figure.profile.clone()), ", ")
    }

    /// The command that makes it all: that of each figure with `all` in place of its name, where they agree in the rest.
    pub(crate) fn command(&self) -> String {
        let all = |figure: &FigureRecord| figure.command.replacen(&figure.name, "all", 1);
        let commands = joined(self.figures.iter().map(all), "\n");
        match self.figures.first() {
            Some(figure) if commands.contains('\n') => format!("hsic reproduce all --profile {}", figure.profile),
            _ => commands,
        }
    }

    /// How it came about: name and text.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let meaning = match &*self.profile() {
            "smoke" => " (drawn digits, the least training: that everything runs)",
            "quick" => " (real data, shortened training)",
            "paper" => " (the paper's settings)",
            _ => "",
        };
        let seeds: BTreeSet<u64> = self.figures.iter().flat_map(|figure| figure.seeds.iter().copied()).collect();
        let data = self.figures.iter().flat_map(|figure| figure.data.iter().cloned());
        let machines = self.figures.iter().map(|figure| machine(&figure.machine));
        let runs = self.figures.iter().flat_map(|figure| &figure.runs);
        // A training that several figures show is told by each of them.
        let mut trained = BTreeSet::new();
        let seconds: f64 = runs.filter(|run| trained.insert((&run.command, run.seed))).map(|run| run.seconds).sum();
        vec![
            ("Profile", format!("{}{meaning}", self.profile())),
            ("Seeds", joined(seeds.into_iter().map(|seed| seed.to_string()), ", ")),
            ("Data", joined(data, ", ")),
            ("Machine", joined(machines, " and ")),
            ("Trained for", duration(seconds)),
        ]
    }

    /// Every value beside the paper's.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.figures.iter().flat_map(|figure| &figure.plot.values)
    }

    /// Values that lie outside their band or are missing.
    pub(crate) fn values_outside(&self) -> usize {
        self.values().filter(|value| Row::of(value).standing.is_broken()).count()
    }

    /// Number of claims with this verdict.
    pub(crate) fn claims(&self, verdict: Verdict) -> usize {
        self.figures.iter().flat_map(|figure| &figure.plot.claims).filter(|claim| claim.verdict == verdict).count()
    }

    /// How many values and claims are as they should be, in sentences.
    pub(crate) fn tally(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.claims(Verdict::NotJudged) > 0 {
            sentences.push(NOT_JUDGED.to_owned());
        }
        let banded = self.values().filter(|value| value.band.is_some()).count();
        if banded > 0 {
            let inside = banded - self.values_outside();
            let lie = if inside == 1 { "lies" } else { "lie" };
            sentences.push(format!("{inside} of {banded} values with a band {lie} inside it."));
        }
        let [holds, partly, fails] =
            [Verdict::Holds, Verdict::Partly, Verdict::Fails].map(|verdict| self.claims(verdict));
        let plural = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
        let parts = [
            (holds, plural(holds, "holds", "hold")),
            (partly, plural(partly, "holds partly", "hold partly")),
            (fails, plural(fails, "does not hold", "do not hold")),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part).collect();
        if !parts.is_empty() {
            sentences.push(format!("Of the claims {}.", parts.join(", ")));
        }
        sentences
    }
}

/// Distinct texts in the order of their first appearance.
fn joined(texts: impl Iterator<Item = String>, separator: &str) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct.join(separator)
}

/// A machine as far as it is known.
pub(crate) fn machine(machine: &Machine) -> String {
    let Machine { processor, cores, memory_bytes, system } = machine;
    let mut parts = Vec::new();
    if !processor.is_empty() {
        parts.push(processor.clone());
    }
    parts.push(format!("{cores} {}", if *cores == 1 { "core" } else { "cores" }));
    if *memory_bytes > 0 {
        parts.push(format!("{:.1} GB of memory", *memory_bytes as f64 / 1e9));
    }
    parts.push(system.clone());
    parts.join(", ")
}

/// Seconds, minutes or hours.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// What a run came to.
pub(crate) struct RunFacts {
    /// Heading of the report.
    pub(crate) title: String,
    /// How far it has come, in a sentence.
    pub(crate) state: String,
    /// Quantity and value.
    pub(crate) rows: Vec<(String, String)>,
    /// What was amiss.
    pub(crate) warnings: Vec<String>,
    /// The command that makes such a run.
    pub(crate) command: String,
}

impl RunFacts {
    /// Of what a run's folder tells.
    pub(crate) fn of(report: &RunReport, folder: &Path) -> Self {
        let config = &report.config;
        let percent = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
        let part = config.judged_on().name();
        let mut rows = Vec::new();
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        if let Some(summary) = &report.summary {
            if let Some(format) = summary.format_accuracy {
                row(&format!("{part} accuracy after format training"), percent(format));
            }
            if let Some((looked, told)) = summary.test_time.and_then(|looked| Some((looked, looked.looks.told()?))) {
                row(&format!("{part} accuracy {told}"), percent(looked.accuracy));
            }
            let unformatted =
                if summary.format_accuracy.is_some() || !summary.formatted { ", outputs unformatted" } else { "" };
            if let Some(values) = summary.values {
                row(&format!("{part} R2"), format!("{:.4}", values.test_r2));
                row(&format!("{part} RMSE"), significant(values.test_rmse, 5));
                row(&format!("{part} RMSE of the training rows' mean"), significant(values.baseline_rmse, 5));
                row("training R2", format!("{:.4}", values.train_r2));
            } else {
                row(&format!("{part} accuracy{unformatted}"), percent(summary.test_accuracy));
                if let Some(authors) = summary.authors_test_accuracy {
                    row(&format!("{part} accuracy{unformatted}, authors' protocol"), percent(authors));
                }
                row(&format!("training accuracy{unformatted}"), percent(summary.train_accuracy));
            }
            row("epochs", summary.epochs.to_string());
            row("steps", summary.steps.to_string());
            row("median time of a step", format!("{} ms", significant(summary.milliseconds_per_step, 3)));
            row("time of training, evaluation included", duration(summary.seconds));
            if let Some(bytes) = summary.peak_memory_bytes {
                row("peak memory", format!("{} MB", bytes / 1_000_000));
            }
            if let Some(joules) = summary.joules {
                row("energy of the machine's processors", format!("{} kJ", significant(joules / 1e3, 3)));
            }
            row("parameters", summary.parameters.to_string());
            row("threads", summary.threads.to_string());
        } else if let Some(EpochReport { epoch, step, seconds, train_accuracy, test_accuracy, values, .. }) =
            report.epochs.last()
        {
            if let Some(ValueReport { train, test }) = values {
                row(&format!("{part} R2 so far"), format!("{:.4}", test.r2));
                row(&format!("{part} RMSE so far"), significant(test.rmse, 5));
                row("training R2 so far", format!("{:.4}", train.r2));
            } else {
                row(&format!("{part} accuracy so far"), percent(*test_accuracy));
                row("training accuracy so far", percent(*train_accuracy));
            }
            row("epochs so far", format!("{epoch} of {}", config.epochs));
            row("steps so far", step.to_string());
            row("time so far", duration(*seconds));
        }
        row("seed", config.seed.to_string());
        let mut warnings: Vec<String> = report.warnings.iter().map(|warning| words::warning(warning, None)).collect();
        for (sigma, member) in &report.members {
            warnings.extend(
                member.warnings.iter().map(|warning| format!("sigma {sigma}: {}", words::warning(warning, None))),
            );
        }
        let quoted = |path: &Path| quoted(&path.to_string_lossy());
        Self {
            title: format!("{} on {} by {}", config.model, name_of(&config.dataset), config.method.name),
            state: match (&report.summary, report.epochs.is_empty() && report.members.is_empty()) {
                (Some(_), _) => "This run is finished.".to_owned(),
                (None, true) => "This run is not finished: no epoch is done yet.".to_owned(),
                (None, false) => "This run is not finished: what follows is as far as it has come.".to_owned(),
            },
            rows,
            warnings,
            command: match report.summary {
                Some(_) => format!("hsic train --config {}", quoted(&folder.join("config.toml"))),
                None => format!("hsic train --resume {}", quoted(folder)),
            },
        }
    }
}

/// The name of data, of those at a path the last part of it.
pub(crate) fn name_of(dataset: &str) -> String {
    Path::new(dataset).file_name().map_or_else(|| dataset.to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use hsic_lab::figure::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style};
    use hsic_lab::figure::record::RunRecord;

    use super::*;
    use crate::table::tests::value;

    /// Two figures; of their values one lies outside its band.
    pub(crate) fn reproduction() -> ReproductionReport {
        let claim = |verdict| Claim { statement: "it learns".to_owned(), verdict, evidence: "97 %".to_owned() };
        let run = |seed| RunRecord {
            label: "hsic".to_owned(),
            seed,
            command: "hsic train --dataset mnist".to_owned(),
            seconds: 45.0,
        };
        let ratio = Value {
            name: "ratio".to_owned(),
            unit: String::new(),
            paper: None,
            authors: Vec::new(),
            ours: vec![2.0],
            band: Some((0.0, 1.0)),
            command: "hsic train | tee".to_owned(),
        };
        let marks = Marks::Series(vec![Series::plain("a \"b\"", Style::Line, [(1.0, 0.5)])]);
        let panel = Panel { title: "p".to_owned(), x: Axis::linear("x"), y: Axis::linear("y"), marks };
        let figure = |name: &str, values| FigureRecord {
            name: name.to_owned(),
            title: "Depth | width".to_owned(),
            source: "figure 3a".to_owned(),
            command: format!("hsic reproduce {name} --profile quick"),
            profile: "quick".to_owned(),
            seeds: vec![1, 2],
            data: vec!["mnist (60000 + 10000)".to_owned()],
            contents: Default::default(),
            machine: Machine {
                processor: "Some CPU".to_owned(),
                cores: 2,
                memory_bytes: 8_000_000_000,
                system: "linux x86_64".to_owned(),
            },
            runs: vec![run(1), run(2)],
            plot: Plot {
                caption: "What depth does.".to_owned(),
                panels: vec![panel.clone()],
                columns: 1,
                values,
                claims: Vec::new(),
            },
        };
        let mut tenth = figure("widths", Vec::new());
        tenth.plot.claims = vec![claim(Verdict::Holds), claim(Verdict::Partly), claim(Verdict::Fails)];
        ReproductionReport::new(vec![tenth, figure("needle", vec![value(), ratio])])
    }

    #[test]
    fn figures_stand_in_the_order_in_which_they_are_made() {
        let names =
            |content: ReproductionReport| content.figures.into_iter().map(|figure| figure.name).collect::<Vec<_>>();
        assert_eq!(names(reproduction()), ["needle", "widths"]);
        let mut figures = reproduction().figures;
        figures[0].name = "another".to_owned();
        assert_eq!(names(ReproductionReport::new(figures)), ["widths", "another"]);
    }

    #[test]
    fn the_command_is_that_of_all_figures_where_they_agree() {
        let mut content = reproduction();
        content.figures.iter_mut().for_each(|figure| figure.command.push_str(" --seeds 3"));
        assert_eq!(content.command(), "hsic reproduce all --profile quick --seeds 3");
        content.figures[1].command.push('0');
        assert_eq!(content.command(), "hsic reproduce all --profile quick");
    }

    #[test]
    fn values_outside_and_claims_are_counted() {
        let content = reproduction();
        assert_eq!((content.values().count(), content.values_outside()), (2, 1));
        assert_eq!(content.claims(Verdict::Partly), 1);
    }

    #[test]
    fn a_training_that_two_figures_show_counts_once() {
        let facts = reproduction().facts();
        assert_eq!(facts.last().unwrap(), &("Trained for", "90 s".to_owned()));
    }

    #[test]
    fn durations_are_told_in_their_own_unit() {
        assert_eq!([0.44, 45.4, 600.0, 9000.0].map(duration), ["0.4 s", "45 s", "10 min", "2.5 h"]);
    }

    #[test]
    fn a_machine_is_told_as_far_as_it_is_known() {
        let unknown =
            Machine { processor: String::new(), cores: 1, memory_bytes: 0, system: "macos aarch64".to_owned() };
        assert_eq!(machine(&unknown), "1 core, macos aarch64");
    }
}
