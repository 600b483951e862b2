//! Reports, reproductions and comparisons.

use std::fmt::Write as _;
use std::path::Path;

use hsic_lab::comparison::ComparisonRecord;

use super::output::{as_png, line, note};
use super::tables::aligned;
use crate::report::ComparedRow;
use crate::results::{Checked, Written};
use crate::table::Row;

/// Where a report is and what it found.
pub(crate) fn report(written: &Written) -> anyhow::Result<()> {
    let Written { html, markdown, figures, values, values_outside, claims, claims_failed, .. } = written;
    let mut text = format!("{}\n{}\nfigures: {figures}", html.display(), markdown.display());
    if *values > 0 {
        let _ = write!(text, ", values: {values}, outside their bands: {values_outside}");
    }
    if *claims > 0 {
        let _ = write!(text, ", claims: {claims}, that do not hold: {claims_failed}");
    }
    Ok(line(&text)?)
}

/// Says that a reproduction was interrupted and how to go on.
pub(crate) fn reproduction_interrupted() {
    note("interrupted; the same command goes on from here");
}

/// Head of a column, and its cell of a row.
type Column = (&'static str, fn(&Row) -> String);

/// Values beside the paper's.
pub(crate) fn reproduction(values: &[Checked<'_>], output: &Path) -> anyhow::Result<()> {
    let rows: Vec<Row> = values.iter().map(|checked| Row::of(checked.value)).collect();
    let width = |text: fn(&Row) -> String, head: &str| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0).max(head.chars().count())
    };
    let columns: [Column; 6] = [
        ("value", |row| row.quantity.clone()),
        ("paper", |row| row.paper.clone()),
        ("authors' protocol", |row| row.authors.to_string()),
        ("ours", |row| row.ours.to_string()),
        ("band", |row| row.band.clone()),
        ("", |row| if row.standing.is_broken() { row.standing.mark().to_owned() } else { String::new() }),
    ];
    let widths = columns.map(|(head, text)| width(text, head));
    let mut text = String::new();
    let mut print = |cells: [String; 6]| {
        let [name, cells @ ..] = &cells;
        let mut line = format!("{name:<lead$}", lead = widths[0]);
        for (cell, width) in cells.iter().zip(&widths[1..]) {
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    print(columns.map(|(head, _)| head.to_owned()));
    rows.iter().for_each(|row| print(columns.map(|(_, text)| text(row))));
    let _ = write!(text, "figures: {}{}", output.join("figures").display(), as_png());
    Ok(line(&text)?)
}

/// A comparison's table.
pub(crate) fn comparison(record: &ComparisonRecord, folder: &Path) -> anyhow::Result<()> {
    let mut rows = vec![ComparedRow::HEADS.map(str::to_owned).to_vec()];
    rows.extend(record.rows.iter().map(|row| ComparedRow::of(row).cells().to_vec()));
    let mut text = aligned(&rows);
    for row in &record.rows {
        if let Some(failure) = &row.failure {
            let _ = writeln!(text, "{}: {failure}", row.method);
        }
    }
    if record.rows.iter().any(|row| row.at_edge) {
        text.push_str("* the least or the largest rate tried: a better one may lie beyond\n");
    }
    let _ = write!(text, "report: {}{}", folder.join(hsic_bottleneck::run::REPORT_HTML).display(), as_png());
    Ok(line(&text)?)
}
