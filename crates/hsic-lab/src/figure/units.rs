//! What the length of a unit of learning is worth: local rules whose units hold one block, two, three, all, beside
//! back-propagation.
//!
//! Everything but the rule and the length is the same: the recipe of the speed run on a part of CIFAR-10, judged on other
//! training images. In the smallest profile it is a dense net on digits.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::test_time::TestTime;
use hsic_bottleneck::update::UnitLength;

use super::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style, Value, Verdict, mean};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Units;

/// Lengths of a unit, with what they are called on the axis.
const LENGTHS: [(UnitLength, &str); 4] = [
    (UnitLength::Blocks(1), "1"),
    (UnitLength::Blocks(2), "2"),
    (UnitLength::Blocks(3), "3"),
    (UnitLength::All, "all"),
];

/// Local rules, by name and method. HSIC's is what the recipe makes of `hsic-local`: the fit that each row gets from the others,
/// beside a classifier.
const LOCAL: [(&str, &str); 3] =
    [("HSIC and classifiers", "hsic-local"), ("predsim", "predsim"), ("mono-forward", "mono-forward")];

const BACKPROP: &str = "back-propagation";

fn label(name: &str, length: &str) -> String {
    format!("{name}, units of {length}")
}

/// What all trainings share but for the method, before the recipe.
fn common(scope: &Scope, method: &str) -> TrainOptions {
    let mut options = TrainOptions { data: scope.data(Set::Cifar10), ..TrainOptions::default() };
    options.objective.method = Some(method.to_owned());
    options.training.epochs = Some(scope.pick(2, 2, 4));
    options.training.batch_size = Some(scope.pick(50, 250, 250));
    options.network.widths = scope.pick(Some("16x4"), Some("32,96,96"), None).map(str::to_owned);
    // A third is held out, so that no figure of this kind is chosen by test data.
    (options.data.train_size, options.data.test_size) = (Some(scope.pick(900, 6_000, 15_000)), None);
    options.data.validation = Some(1.0 / 3.0);
    options
}

/// The rest, by the recipe where the images are large enough for it.
fn by_recipe(scope: &Scope, mut options: TrainOptions) -> TrainOptions {
    let recipe = scope.pick(None, Some("airbench"), Some("airbench")).and_then(TrainingRecipe::named);
    let Some(recipe) = recipe else { return options };
    options.evaluation.test_time = Some(TestTime::None);
    match recipe.beside(&options) {
        Ok(own) => options.or(own),
        // What cannot be used is said where it is resolved: with the training, by name.
        Err(_) => options,
    }
}

fn local(scope: &Scope, method: &str, unit: UnitLength) -> TrainOptions {
    let mut options = common(scope, method);
    options.training.unit = Some(unit);
    by_recipe(scope, options)
}

impl Figure for Units {
    fn name(&self) -> &'static str {
        "units"
    }

    fn title(&self) -> &'static str {
        "Accuracy by the number of blocks that learn together"
    }

    fn source(&self) -> &'static str {
        "ours; units of several layers as in the literature on block-wise local learning"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |(name, method)| {
            LENGTHS.map(|(unit, length)| Training::new(label(name, length), local(scope, method, unit)))
        };
        let mut trainings: Vec<Training> = LOCAL.into_iter().flat_map(of).collect();
        trainings.push(Training::new(BACKPROP, by_recipe(scope, common(scope, "backprop"))));
        trainings
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let held_out = |label: &str| trained.each(label, |run| 100.0 * run.summary.test_accuracy);
        let value = |label: &str| Value {
            name: label.to_owned(),
            unit: "%".to_owned(),
            paper: None,
            authors: Vec::new(),
            ours: held_out(label),
            band: None,
            command: trained.command(label),
        };
        let mut series = Vec::new();
        let mut values = Vec::new();
        for (name, _) in LOCAL {
            let points = LENGTHS.iter().enumerate().map(|(place, (_, length))| {
                let value = value(&label(name, length));
                let point = (place as f64, value.ours.clone());
                values.push(value);
                point
            });
            series.push(Series::of_seeds(name, Style::Line, points.collect::<Vec<_>>()));
        }
        let rising = series.iter().map(|series| series.points.is_sorted_by(|a, b| a.y <= b.y)).collect::<Vec<_>>();
        let reference = value(BACKPROP);
        let everywhere = (0..LENGTHS.len()).map(|place| (place as f64, reference.ours.clone()));
        series.push(Series::of_seeds(BACKPROP, Style::Guide, everywhere));
        let evidence = LOCAL.iter().zip(values.chunks(LENGTHS.len())).map(|((name, _), values)| {
            let numbers: Vec<String> = values.iter().map(|value| format!("{:.2}", mean(&value.ours))).collect();
            format!("{name}: {} %", numbers.join(", "))
        });
        let claim = Claim {
            statement: "The more blocks learn together, the better the network classifies".to_owned(),
            verdict: match rising.iter().filter(|&&rising| rising).count() {
                0 => Verdict::Fails,
                all if all == rising.len() => Verdict::Holds,
                _ => Verdict::Partly,
            },
            evidence: evidence.collect::<Vec<_>>().join("; "),
        };
        values.push(reference);
        let rows = scope.pick(600, 4_000, 10_000);
        Ok(Plot {
            caption: format!(
                "{}, {rows} samples, {} epochs, judged on {} others of the training data. Gradients pass within a unit and not \
                 between units; the output block always learns alone, so that with all blocks in one unit nothing but that \
                 layer is local.",
                scope.label(Set::Cifar10),
                scope.pick(2, 2, 4),
                rows / 2,
            ),
            panels: vec![Panel {
                title: String::new(),
                x: Axis::linear("blocks of a unit").named(LENGTHS.map(|(_, length)| length)),
                y: Axis::linear("held-out accuracy (%)"),
                marks: Marks::Series(series),
            }],
            columns: 1,
            values,
            claims: vec![claim],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Profile, Sources};

    #[test]
    fn every_training_resolves_and_differs_in_rule_and_length_alone() {
        for profile in [Profile::Smoke, Profile::Quick, Profile::Paper] {
            let scope = Scope { profile, seeds: vec![1], sources: Sources::default() };
            let trainings = Units.trainings(&scope);
            assert_eq!(trainings.len(), LOCAL.len() * LENGTHS.len() + 1);
            for training in &trainings {
                let config = training.options.clone().resolve().expect("it can be used");
                assert_eq!(
                    config.options.optimizer.momentum == Some(0.6),
                    profile != Profile::Smoke,
                    "{}",
                    training.label
                );
                assert_eq!(config.options.data.validation, Some(1.0 / 3.0));
            }
            let mut first = trainings[0].options.clone();
            assert_eq!(first.training.unit, Some(UnitLength::Blocks(1)));
            first.training.unit = Some(UnitLength::Blocks(2));
            assert_eq!(first, trainings[1].options);
        }
    }
}
