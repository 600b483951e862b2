//! A comparison as text: what page, Markdown and terminal show.

use hsic_lab::comparison::{ComparisonRecord, MethodRow};
use hsic_lab::figure::plot::mean;

use crate::table::{MISSING, significant};

/// Marks a row of trainings that were made elsewhere.
pub(crate) const ELSEWHERE: &str = " \u{2020}";

/// What is said of such rows: by what each was made, and that nobody checked the rest.
pub(crate) fn elsewhere(rows: &[MethodRow]) -> Option<String> {
    let made: Vec<String> =
        rows.iter().filter_map(|row| Some(format!("{} by {}", row.label(), row.made_elsewhere_by.as_ref()?))).collect();
    let told = "whether data, network and effort were the same was not checked";
    (!made.is_empty()).then(|| format!("{} made elsewhere: {}; {told}.", ELSEWHERE.trim_start(), made.join("; ")))
}

/// The table of a comparison as text: what page, Markdown and terminal show.
pub(crate) struct ComparedTable {
    /// Whether there is a column of energy.
    energy: bool,
}

impl ComparedTable {
    /// Of a comparison: a column of energy stands where any of it is known.
    pub(crate) fn of(record: &ComparisonRecord) -> Self {
        Self { energy: record.tells_energy() }
    }

    /// Heads of the columns.
    pub(crate) fn heads(&self) -> Vec<&'static str> {
        let energy = self.energy.then_some("energy (kJ)");
        let before = ["method", "accuracy (%)", "epochs", "rate", "seconds", "memory (MB)"];
        before.into_iter().chain(energy).chain(["parameters", "at once", "parallel"]).collect()
    }

    /// The cells of a row.
    pub(crate) fn cells(&self, row: &MethodRow) -> Vec<String> {
        let missing = || MISSING.to_owned();
        let known = !row.test_accuracy.is_empty();
        let of =
            |values: &[f64], text: fn(f64) -> String| if values.is_empty() { missing() } else { text(mean(values)) };
        let accuracies: Vec<f64> = row.test_accuracy.iter().map(|accuracy| 100.0 * accuracy).collect();
        let (least, most) = accuracies.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &a| (l.min(a), m.max(a)));
        let range = if accuracies.len() > 1 { format!(" ({least:.2} to {most:.2})") } else { String::new() };
        let looks: Vec<f64> = row.test_time_accuracy.iter().map(|accuracy| 100.0 * accuracy).collect();
        let looks = if looks.is_empty() { String::new() } else { format!("; {:.2} by looks", mean(&looks)) };
        let memory: Vec<f64> = row.peak_memory_bytes.iter().map(|&bytes| bytes as f64 / 1e6).collect();
        let edge = if row.at_edge { "*" } else { "" };
        let elsewhere = row.made_elsewhere_by.is_some();
        // What nobody told of trainings made elsewhere is no 0.
        let count = |count: usize| if known && !(elsewhere && count == 0) { count.to_string() } else { missing() };
        let all = row.parameters + row.auxiliary_parameters;
        let kilojoules: Vec<f64> = row.joules.iter().map(|joules| joules / 1e3).collect();
        let energy = self.energy.then(|| of(&kilojoules, |kilojoules| significant(kilojoules, 3)));
        let before = [
            if elsewhere { format!("{}{ELSEWHERE}", row.label()) } else { row.label().to_owned() },
            of(&accuracies, |accuracy| format!("{accuracy:.2}")) + &range + &looks,
            count(usize::try_from(row.epochs).unwrap_or(usize::MAX)),
            row.learning_rate.map_or_else(missing, |rate| format!("{rate:e}{edge}")),
            of(&row.seconds, |seconds| format!("{seconds:.1}")),
            of(&memory, |megabytes| format!("{megabytes:.0}")),
        ];
        let behind = [
            count(all),
            count(row.parameters_at_once),
            match (elsewhere, row.parallel) {
                (true, _) => missing(),
                (false, true) => "yes".to_owned(),
                (false, false) => "no".to_owned(),
            },
        ];
        before.into_iter().chain(energy).chain(behind).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hsic_lab::comparison::{Budget, Trial};
    use hsic_lab::figure::plot::Plot;
    use hsic_lab::figure::record::Machine;

    use super::*;

    /// Two methods, one of which cannot train the network.
    pub(crate) fn comparison() -> ComparisonRecord {
        let trial = |learning_rate, accuracy| Trial {
            learning_rate,
            batch_size: 256,
            accuracy,
            failure: accuracy.is_none().then(|| "diverged".to_owned()),
            command: "hsic train --method hsic".to_owned(),
        };
        let learned = MethodRow {
            label: String::new(),
            method: "hsic".to_owned(),
            summary: "HSIC bottleneck".to_owned(),
            reference: "Ma 2020".to_owned(),
            trials: vec![trial(2e-3, Some(0.95)), trial(4e-3, None)],
            trial_epochs: 2,
            learning_rate: Some(2e-3),
            batch_size: 256,
            at_edge: true,
            epochs: 5,
            seeds: vec![1, 2],
            test_accuracy: vec![0.97, 0.98],
            test_time_accuracy: vec![0.98, 0.985],
            seconds: vec![10.0, 12.0],
            milliseconds_per_step: vec![4.0, 5.0],
            peak_memory_bytes: vec![100_000_000, 102_000_000],
            joules: Vec::new(),
            parameters: 1000,
            auxiliary_parameters: 10,
            parameters_at_once: 500,
            local: true,
            parallel: true,
            commands: vec!["hsic train".to_owned(); 2],
            failure: None,
            made_elsewhere_by: None,
        };
        let failed = MethodRow {
            method: "dtp".to_owned(),
            failure: Some("the network <conv> cannot be trained".to_owned()),
            ..MethodRow::default()
        };
        let machine = Machine { cores: 2, system: "linux x86_64".to_owned(), ..Machine::default() };
        ComparisonRecord {
            command: "hsic compare --methods hsic,dtp".to_owned(),
            data: vec!["mnist (60000 + 10000)".to_owned()],
            content: None,
            model: "mlp".to_owned(),
            budget: Budget::Epochs(5),
            seeds: vec![1, 2],
            validation: 0.1,
            machine,
            rows: vec![learned, failed],
            missing: Vec::new(),
            plot: Plot::default(),
        }
    }

    #[test]
    fn a_compared_row_tells_mean_range_and_edge() {
        let record = comparison();
        let cells = ComparedTable::of(&record).cells(&record.rows[0]);
        assert_eq!(
            cells,
            ["hsic", "97.50 (97.00 to 98.00); 98.25 by looks", "5", "2e-3*", "11.0", "101", "1010", "500", "yes"]
        );
        let cells = ComparedTable::of(&record).cells(&record.rows[1]);
        assert_eq!(cells[..4], ["dtp", MISSING, MISSING, MISSING]);
        let csv = record.csv();
        assert_eq!(
            csv.lines().nth(2),
            Some("hsic,0.002,256,5,2,0.98,12,5,102000000,1000,10,500,true,true,0.985,false")
        );
        assert_eq!(csv.lines().count(), 3);
    }

    #[test]
    fn energy_has_a_column_where_any_of_it_is_known() {
        let mut record = comparison();
        assert!(!record.csv().contains("joules") && !ComparedTable::of(&record).heads().contains(&"energy (kJ)"));
        record.rows[0].joules = vec![1500.0, 2500.0];
        let table = ComparedTable::of(&record);
        assert_eq!(table.heads()[5..7], ["memory (MB)", "energy (kJ)"]);
        assert_eq!(table.cells(&record.rows[0])[5..8], ["101", "2", "1010"]);
        assert_eq!(
            (table.cells(&record.rows[1])[6].as_str(), table.heads().len()),
            (MISSING, table.cells(&record.rows[1]).len())
        );
        assert!(record.csv().lines().next().unwrap().ends_with(",made_elsewhere,joules"));
        assert!(record.csv().lines().nth(2).unwrap().ends_with(",false,2500"), "{}", record.csv());
        let page = crate::html::comparison(&record, |_, _| "<svg viewBox=\"0 0 1 1\" width=\"1\"></svg>".to_owned());
        assert!(page.contains(">energy (kJ)</th>") && page.contains("whatever else ran there"));
        assert!(crate::markdown::comparison(&record).contains("| energy (kJ) |"));
    }

    #[test]
    fn a_row_made_elsewhere_is_marked_and_what_it_does_not_tell_is_no_zero() {
        let mut row = comparison().rows.remove(0);
        row.made_elsewhere_by = Some("torch <2>".to_owned());
        (row.learning_rate, row.epochs, row.auxiliary_parameters) = (None, 0, 0);
        let cells = ComparedTable::of(&comparison()).cells(&row);
        assert_eq!((&*cells[0], &*cells[2], &*cells[6], &*cells[8]), ("hsic \u{2020}", MISSING, "1000", MISSING));
        let record = ComparisonRecord { rows: vec![row], ..comparison() };
        let told = elsewhere(&record.rows).unwrap();
        assert!(told.starts_with("\u{2020} made elsewhere: hsic by torch <2>; "), "{told}");
        assert!(record.csv().lines().nth(1).unwrap().ends_with(",,,0.98,true"), "{}", record.csv());
        let page = crate::html::comparison(&record, |_, _| "<svg viewBox=\"0 0 1 1\" width=\"1\"></svg>".to_owned());
        assert!(page.contains("hsic \u{2020}") && page.contains("made elsewhere: hsic by torch &lt;2&gt;"));
        assert!(crate::markdown::comparison(&record).contains("made elsewhere: hsic by torch &lt;2>"));
        assert_eq!(elsewhere(&comparison().rows), None);
    }
}
