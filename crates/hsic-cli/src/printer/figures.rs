//! Reports, reproductions and comparisons.

use std::fmt::Write as _;
use std::path::Path;

use hsic_lab::comparison::ComparisonRecord;
use hsic_lab::speedrun::SpeedRunRecord;

use super::output::{as_png, line, note};
use super::tables::table;
use super::text::{width, wrapped};
use crate::compared::{ComparedTable, elsewhere};
use crate::report::NOT_JUDGED;
use crate::results::{Checked, Written};
use crate::speedrun::{GOAL_HEADS, goal_cells, notes};
use crate::table::Row;

/// Where a report is and what it found.
pub(crate) fn report(written: &Written) -> anyhow::Result<()> {
    let Written {
        html,
        markdown,
        pictures,
        figures,
        values,
        values_outside,
        claims,
        claims_failed,
        claims_not_judged,
        ..
    } = written;
    let mut text = format!("{}\n{}\n", html.display(), markdown.display());
    if let Some(folder) = pictures {
        let _ = writeln!(text, "{}", folder.display());
    }
    let _ = write!(text, "figures: {figures}");
    if *claims_not_judged > 0 {
        let _ = write!(text, ", values: {values}, claims: {claims}, none of which is judged\n{NOT_JUDGED}");
        return Ok(line(&text)?);
    }
    if *values > 0 {
        let _ = write!(text, ", values: {values}, outside their bands: {values_outside}");
    }
    if *claims > 0 {
        let _ = write!(text, ", claims: {claims}, that do not hold: {claims_failed}");
    }
    Ok(line(&text)?)
}

/// How interrupted trainings go on.
pub(crate) const SAME_COMMAND: &str = "the same command goes on from here";

/// Says that a reproduction was interrupted and how to go on.
pub(crate) fn reproduction_interrupted() {
    note(&format!("interrupted; {SAME_COMMAND}"));
}

/// Values beside the paper's; `judged` says whether the profile judges anything.
pub(crate) fn reproduction(values: &[Checked<'_>], judged: bool, output: &Path) -> anyhow::Result<()> {
    let told = beside_the_paper(values, judged, width());
    Ok(line(&format!("{told}figures: {}{}", output.join("figures").display(), as_png()))?)
}

fn beside_the_paper(values: &[Checked<'_>], judged: bool, width: usize) -> String {
    let heads = ["value", "paper", "authors' protocol", "ours", "band", ""].map(str::to_owned).to_vec();
    let cells = |checked: &Checked<'_>| {
        let row = Row::of(checked.value);
        let mark = if row.standing.is_broken() { row.standing.mark() } else { "" };
        vec![row.quantity, row.paper, row.authors.to_string(), row.ours.to_string(), row.band, mark.to_owned()]
    };
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(values.iter().map(cells)).collect();
    let mut text = table(&rows, width);
    if !judged {
        let _ = writeln!(text, "{}", wrapped(NOT_JUDGED, 2, width));
    }
    text
}

/// A comparison's table.
pub(crate) fn comparison(record: &ComparisonRecord, folder: &Path) -> anyhow::Result<()> {
    let page = folder.join(hsic_bottleneck::run::REPORT_HTML);
    Ok(line(&format!("{}report: {}{}", compared(record, width()), page.display(), as_png()))?)
}

fn compared(record: &ComparisonRecord, width: usize) -> String {
    let columns = ComparedTable::of(record);
    let mut rows = vec![columns.heads().into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(record.rows.iter().map(|row| columns.cells(row)));
    let mut text = table(&rows, width);
    for row in &record.rows {
        if let Some(failure) = &row.failure {
            let _ = writeln!(text, "{}", wrapped(&format!("{}: {failure}", row.label()), 2, width));
        }
    }
    if let Some(told) = elsewhere(&record.rows) {
        let _ = writeln!(text, "{}", wrapped(&told, 2, width));
    }
    if record.rows.iter().any(|row| row.at_edge) {
        let told = "* the least or the largest rate tried: a better one may lie beyond";
        let _ = writeln!(text, "{}", wrapped(told, 2, width));
    }
    text
}

/// A speed run's table.
pub(crate) fn speedrun(record: &SpeedRunRecord, folder: &Path) -> anyhow::Result<()> {
    let page = folder.join(hsic_bottleneck::run::REPORT_HTML);
    Ok(line(&format!("{}report: {}{}", raced(record, width()), page.display(), as_png()))?)
}

fn raced(record: &SpeedRunRecord, width: usize) -> String {
    let mut rows = vec![GOAL_HEADS.map(str::to_owned).to_vec()];
    rows.extend(record.goals.iter().map(|row| goal_cells(row).to_vec()));
    let mut text = table(&rows, width);
    for note in notes(record) {
        let _ = writeln!(text, "{}", wrapped(&note, 2, width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compared::tests::comparison;
    use crate::report::tests::reproduction;

    #[test]
    fn values_stand_beside_the_papers_in_the_width_that_there_is() {
        let figures = reproduction().figures;
        let values: Vec<Checked<'_>> = figures[0]
            .plot
            .values
            .iter()
            .map(|value| Checked { figure: "needle", value, holds: value.holds() })
            .collect();
        for width in [60, 80, 120] {
            let text = beside_the_paper(&values, true, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert_eq!(text.matches("outside").count(), 1, "{text}");
            assert!(!text.contains(NOT_JUDGED));
        }
        assert!(beside_the_paper(&values, false, 200).ends_with(&format!("{NOT_JUDGED}\n")));
    }

    #[test]
    fn a_speed_run_fits_the_terminal() {
        for width in [60, 80] {
            let text = raced(&crate::speedrun::tests::record(), width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("0.148 PFLOP") && text.contains("not begun"), "{text}");
        }
    }

    #[test]
    fn a_comparison_fits_the_terminal() {
        for width in [60, 80] {
            let text = compared(&comparison(), width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("97.50 (97.00 to 98.00)") && text.contains("2e-3*"), "{text}");
        }
    }
}
