//! What the figures 6 to 8 share: test accuracy by epoch of format training on nets that HSIC trained before.

use std::sync::atomic::AtomicBool;

use super::plot::{Series, Style, Value};
use super::{Profile, Scope, Trained, Trainings};
use crate::error::Error;
use crate::evaluation::Frozen;
use crate::format::{FormatInput, FormatSettings, format};
use crate::optimizer::{Decay, Optimizer};

/// Epochs of format training.
pub(super) const FORMAT_EPOCHS: u64 = 5;

/// The label of a training whose format training is ours, beside that of the authors'.
pub(super) fn fair(label: &str) -> String {
    format!("{label}, fair")
}

/// One curve of such a figure.
pub(super) struct Variant {
    /// Label of its training, whose format training is the authors'.
    pub(super) label: String,
    /// Label of a training of its own for the fair curve; `None` to train a fair layer on the same net.
    pub(super) fair: Option<String>,
    /// Name in the legend.
    pub(super) name: String,
    /// What the paper's curve shows after some epochs of format training.
    pub(super) paper: Vec<(f64, f64)>,
}

/// Format training as ours has it, on a run's frozen network: standardized outputs, momentum, a rate from their curvature
/// that falls to 0. Test accuracy after each epoch, a fraction.
///
/// # Errors
/// What loading the data or the layer's training says.
pub(super) fn fair_format(run: &Trained<'_>) -> Result<Vec<f64>, Error> {
    run.derived("fair-format", |run| {
        let (network, data) = (run.network()?, run.data()?);
        let settings = FormatSettings {
            input: FormatInput::Last,
            epochs: FORMAT_EPOCHS,
            batch_size: 256,
            optimizer: Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0 },
            learning_rate: None,
            decay: Decay::Cosine,
            standardize: true,
            seed: run.config.seed,
        };
        let frozen = Frozen::new(std::slice::from_ref(&network), FormatInput::Last);
        let formatted = format(&frozen, &data, &settings, &AtomicBool::new(false))?;
        Ok(formatted.map(|formatted| formatted.epochs).unwrap_or_default())
    })
}

/// A variant's curves (fair, authors', the paper's) and its value after the last epoch. `what` begins the value's name;
/// `margin` is how far below and above the paper's value the mean may lie in the paper's profile.
///
/// # Errors
/// `Run` for a record that cannot be read; what [`fair_format`] says.
pub(super) fn curves(
    scope: &Scope,
    trained: &Trainings<'_>,
    what: &str,
    variant: &Variant,
    margin: (f64, f64),
) -> Result<(Vec<Series>, Value), Error> {
    let (mut authors, mut fair) = (Vec::new(), Vec::new());
    for run in trained.of(&variant.label) {
        authors.push(run.format_epochs()?);
    }
    for run in trained.of(variant.fair.as_ref().unwrap_or(&variant.label)) {
        fair.push(if variant.fair.is_some() { run.format_epochs()? } else { fair_format(run)? });
    }
    let curve = |name: String, seeds: &[Vec<f64>]| {
        let epochs = seeds.iter().map(Vec::len).min().unwrap_or(0);
        let at = |epoch: usize| seeds.iter().map(|seed| 100.0 * seed[epoch]).collect();
        Series::of_seeds(&name, Style::Line, (0..epochs).map(|epoch| ((epoch + 1) as f64, at(epoch))))
    };
    let name = &variant.name;
    let of_paper = scope.profile == Profile::Paper && !variant.paper.is_empty();
    let mut series = vec![curve(format!("{name}, fair"), &fair), curve(format!("{name}, authors' protocol"), &authors)];
    if of_paper {
        series.push(Series::plain(&format!("{name}, paper"), Style::Paper, variant.paper.iter().copied()));
    }
    let last = |seeds: &[Vec<f64>]| seeds.iter().filter_map(|seed| seed.last()).map(|value| 100.0 * value).collect();
    let paper = variant.paper.last().map(|&(_, value)| value).filter(|_| of_paper);
    let value = Value {
        name: format!("{what}, {name}"),
        unit: "%".to_owned(),
        paper,
        authors: last(&authors),
        ours: last(&fair),
        band: paper.map(|paper| (paper - margin.0, (paper + margin.1).min(100.0))),
        command: trained.command(&variant.label),
    };
    Ok((series, value))
}
