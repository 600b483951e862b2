//! `hsic report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use hsic_bottleneck::disk;
use hsic_bottleneck::files::write_atomically;
use hsic_bottleneck::filters::Filters;
use hsic_bottleneck::run::{REPORT_HTML, REPORT_MARKDOWN, Run};
use hsic_lab::comparison::ComparisonRecord;
use hsic_lab::draw;
use hsic_lab::figure::RECORD;
use hsic_lab::figure::overlay::overlaid;
use hsic_lab::figure::plot::{Plot, Verdict};
use hsic_lab::figure::record::FigureRecord;
use hsic_lab::figure::run_page::plots;
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::speedrun::SpeedRunRecord;
use serde::de::DeserializeOwned;

use super::pictures::{self, Figure};
use super::{compare, speedrun};
use crate::args::ReportArguments;
use crate::report::{ReproductionReport, RunFacts};
use crate::results::Written;
use crate::several::SeveralRuns;
use crate::{html, markdown, printer};

/// Where reproductions lie, and which is taken first.
const PLACES: &[&str] = &["reproduction/paper", "reproduction/quick", "reproduction/smoke"];

/// Folder of a reproduction with a folder for each figure.
const FIGURES: &str = "figures";

pub(crate) fn run(arguments: ReportArguments) -> anyhow::Result<ExitCode> {
    let folder = match arguments.runs.first() {
        Some(folder) => folder.clone(),
        None => {
            let found = PLACES.iter().map(PathBuf::from).find(|place| place.is_dir());
            found.context("no reproduction here, expected the folder of one or of a run, or one made by: hsic reproduce all --profile quick")?
        }
    };
    let several = arguments.runs.len() > 1;
    ensure!(
        arguments.output.is_some() || !several,
        "--output: expected a folder for the page of several runs, which is no part of any of them"
    );
    pictures::check(arguments.width)?;
    let output = arguments.output.unwrap_or_else(|| folder.clone());
    let mut written = Written {
        kind: "run",
        html: output.join(REPORT_HTML),
        markdown: output.join(REPORT_MARKDOWN),
        pictures: arguments.figures.clone(),
        figures: 0,
        values: 0,
        values_outside: 0,
        claims: 0,
        claims_failed: 0,
        claims_not_judged: 0,
    };
    let titled = |plots: Vec<(String, Plot)>| -> Vec<Figure> {
        plots.into_iter().map(|(title, plot)| Figure::titled(title, plot)).collect()
    };
    let (page, text, drawn) = if several {
        let content = SeveralRuns::read(&arguments.runs)?;
        written.kind = "runs";
        let runs: Vec<_> = content.runs.iter().map(|(name, report)| (name.clone(), report)).collect();
        let drawn = overlaid(&runs);
        (html::several(&content, draw::readable), markdown::several(&content), titled(drawn))
    } else if folder.join(FIGURES).is_dir() {
        let content = reproduction(&folder.join(FIGURES))?;
        written.kind = "reproduction";
        written.values = content.values().count();
        written.values_outside = content.values_outside();
        written.claims = content.figures.iter().map(|figure| figure.plot.claims.len()).sum();
        written.claims_failed = content.claims(Verdict::Fails);
        written.claims_not_judged = content.claims(Verdict::NotJudged);
        let own = |figure: &FigureRecord| Figure {
            name: figure.name.clone(),
            title: figure.title.clone(),
            plot: figure.plot.clone(),
        };
        let drawn = content.figures.iter().map(own).collect();
        (html::reproduction(&content, draw::readable), markdown::reproduction(&content), drawn)
    } else if folder.join(compare::RECORD).is_file() {
        let record = read::<ComparisonRecord>(&folder.join(compare::RECORD), "the record of a comparison")?;
        written.kind = "comparison";
        let drawn = titled(vec![("comparison".to_owned(), record.plot.clone())]);
        (html::comparison(&record, draw::readable), markdown::comparison(&record), drawn)
    } else if folder.join(speedrun::RECORD).is_file() {
        let record = read::<SpeedRunRecord>(&folder.join(speedrun::RECORD), "the record of a speed run")?;
        written.kind = "speedrun";
        let drawn = titled(vec![("speedrun".to_owned(), record.plot.clone())]);
        (html::speedrun(&record, draw::readable), markdown::speedrun(&record), drawn)
    } else if let Ok(run) = Run::open(&folder) {
        let report = RunReport { filters: Filters::read(&run)?, ..RunReport::read(&run)? };
        let settings = run.file("config.toml");
        let settings = fs::read_to_string(&settings).with_context(|| settings.display().to_string())?;
        let facts = RunFacts::of(&report, &folder);
        let drawn = titled(plots(&report));
        (html::run(&report, &facts, &settings, draw::readable), markdown::run(&facts), drawn)
    } else {
        let found = if folder.is_dir() {
            "no figures/, comparison.json, speedrun.json or config.toml"
        } else {
            "no such folder"
        };
        bail!(
            "{}: {found}, expected the folder of a reproduction, a comparison, a speed run or a run",
            folder.display()
        );
    };
    written.figures = drawn.len();
    for (path, known) in [(&written.html, html::GENERATOR), (&written.markdown, markdown::MADE_BY)] {
        check_own(path, known)?;
    }
    disk::create_dir_all(&output).with_context(|| output.display().to_string())?;
    write_atomically(&written.html, page.as_bytes())?;
    write_atomically(&written.markdown, text.as_bytes())?;
    if let Some(folder) = &arguments.figures {
        pictures::write(folder, &drawn, arguments.width)?;
    }
    if arguments.json {
        printer::json(&written)?;
    } else {
        printer::report(&written)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The figures in a folder; one that is still being made is left out with a warning.
fn reproduction(folder: &Path) -> anyhow::Result<ReproductionReport> {
    let within = || folder.display().to_string();
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(within)? {
        entries.push(entry.with_context(within)?.path());
    }
    entries.sort();
    let mut figures = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.is_dir()) {
        let path = entry.join(RECORD);
        if path.is_file() {
            figures.push(read::<FigureRecord>(&path, "the record of a figure")?);
        } else {
            printer::warning(&format!("{}: no {RECORD}, this figure is left out", entry.display()));
        }
    }
    ensure!(!figures.is_empty(), "{}: no figure, expected a folder with a {RECORD} for each", folder.display());
    Ok(ReproductionReport::new(figures))
}

/// A file's JSON; `what` it is to be.
fn read<V: DeserializeOwned>(path: &Path, what: &str) -> anyhow::Result<V> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    match serde_json::from_str(&text) {
        Ok(value) => Ok(value),
        Err(error) => bail!("{}: {error}, expected {what}", path.display()),
    }
}

/// What another program or a person wrote under a report's name stays.
fn check_own(path: &Path, known: &str) -> anyhow::Result<()> {
    if path.exists() {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        let own = String::from_utf8_lossy(&text).contains(known);
        ensure!(own, "{}: not written by hsic report, expected no such file or an earlier report", path.display());
    }
    Ok(())
}
