//! Figure 4 of the paper (3 in the authors' code): what each output unit gives for each class.

use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::at_rest::AtRest;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::judge::readout::Readout;
use hsic_bottleneck::run::READOUT;
use serde::{Deserialize, Serialize};

use super::plot::{Axis, Claim, Heat, Marks, Panel, Plot, Verdict};
use super::unformatted::{DEPTHS, hsic_options};
use super::{Figure, Scope, Trained, Training, Trainings};

pub(super) struct Outputs;

/// Outputs of the test data by class.
#[derive(Serialize, Deserialize)]
struct Means {
    /// Names of the classes.
    classes: Vec<String>,
    /// Mean output by class and unit, units in the order of the classes that they stand for.
    means: Vec<Vec<f64>>,
    /// Share of each class that is read right.
    recall: Vec<f64>,
}

fn means(run: &Trained<'_>) -> Result<Means, Error> {
    run.derived("outputs", |run| {
        let (network, data) = (run.network()?, run.data()?);
        let at_rest = AtRest::new(std::slice::from_ref(&network), FormatInput::Last);
        let table = at_rest.outputs(&data.test, usize::MAX)?;
        let readout: Readout = run.run.read_json(READOUT, "how a run's outputs are read")?;
        let mut units: Vec<usize> = (0..network.outputs()).collect();
        units.sort_by_key(|&unit| readout.assignment.class_of_unit[unit]);
        let of_class = |(sums, counts): (&Vec<f64>, &Vec<u64>)| {
            let rows = counts.iter().sum::<u64>().max(1) as f64;
            units.iter().map(|&unit| sums[unit] / rows).collect()
        };
        Ok(Means {
            classes: data.test.class_names().to_vec(),
            means: table.sums.iter().zip(&table.counts.counts).map(of_class).collect(),
            recall: table.counts.assigned(&readout.assignment).recall(),
        })
    })
}

impl Figure for Outputs {
    fn name(&self) -> &'static str {
        "outputs"
    }

    fn title(&self) -> &'static str {
        "Mean activation of each output unit by class"
    }

    fn source(&self) -> &'static str {
        "figure 4 of the paper, figure 3 of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |&set| Training::new(scope.label(set), hsic_options(scope, set, DEPTHS[0]));
        scope.sets().iter().map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let mut plot = Plot {
            caption: "Means over the test data, seed 1; the net is that of the figure on unformatted outputs. Units stand in the order \
                      of the classes that the assignment (fitted on training data) gives them; on the right the share of \
                      the class that is read right."
                .to_owned(),
            columns: scope.sets().len(),
            ..Plot::default()
        };
        for &set in scope.sets() {
            let name = scope.label(set);
            let Some(run) = trained.of(name).first() else { continue };
            let Means { classes, means, recall } = means(run)?;
            let peaks = means.iter().enumerate().filter(|(class, row)| {
                let own = row.get(*class).copied().unwrap_or(f64::NEG_INFINITY);
                row.iter().enumerate().all(|(unit, &value)| unit == *class || value < own)
            });
            let (peaks, all) = (peaks.count(), classes.len());
            plot.claims.push(Claim {
                statement: format!("{name}: the mean activation of each class peaks at a unit of its own"),
                verdict: match peaks {
                    _ if peaks == all => Verdict::Holds,
                    _ if 2 * peaks > all => Verdict::Partly,
                    _ => Verdict::Fails,
                },
                evidence: format!("it does for {peaks} of {all} classes"),
            });
            let row_notes = recall.iter().map(|share| format!("{:.1} %", 100.0 * share)).collect();
            plot.panels.push(Panel {
                title: name.to_owned(),
                x: Axis::linear("output unit, by the class it stands for").named(0..means.first().map_or(0, Vec::len)),
                y: Axis::linear("class").named(classes),
                marks: Marks::Heat(Heat { values: means, row_notes }),
            });
        }
        Ok(plot)
    }
}
