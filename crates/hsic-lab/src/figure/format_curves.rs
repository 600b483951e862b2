//! What the figures 6 to 8 share: test accuracy by epoch of format training on nets that HSIC trained before.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::at_rest::AtRest;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::judge::softmax::format;

use super::plot::{Axis, Marks, Panel, Plot, Series, Style, Value, mean};
use super::settings::{as_code, with_authors_format, with_fair_format};
use super::{Profile, Scope, Set, Trained, Training, Trainings};

/// Epochs of format training.
pub(super) const FORMAT_EPOCHS: u64 = 5;

/// The label of a training whose format training is ours, beside that of the authors'.
pub(super) fn fair(label: &str) -> String {
    format!("{label}, fair")
}

/// Both trainings of a curve: in the code's order with the authors' layer at this rate, and ours.
pub(super) fn trainings(label: &str, options: TrainOptions, format_rate: f64) -> [Training; 2] {
    let code = as_code(with_authors_format(options.clone(), FORMAT_EPOCHS, format_rate));
    [Training::new(label, code), Training::new(fair(label), with_fair_format(options, FORMAT_EPOCHS))]
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
        let mut options = with_fair_format(TrainOptions::default(), FORMAT_EPOCHS);
        options.training.seed = Some(run.config.seed);
        let settings = options.resolve()?.format;
        let at_rest = AtRest::new(std::slice::from_ref(&network), FormatInput::Last);
        let formatted = format(&at_rest, &data, &settings, &AtomicBool::new(false))?;
        Ok(formatted.map(|formatted| formatted.epochs).unwrap_or_default())
    })
}

/// A variant as it is shown.
pub(super) struct Curves {
    /// By the authors' protocol, then the paper's.
    pub(super) authors: Vec<Series>,
    /// By the fair protocol.
    pub(super) fair: Series,
    /// After the first epoch and after the last.
    pub(super) values: Vec<Value>,
}

/// A variant's curves and values. `what` begins the values' names; `margin` is how far below and above the paper's last
/// value the mean may lie in the paper's profile.
///
/// # Errors
/// `Run` for a record that cannot be read; what [`fair_format`] says.
pub(super) fn curves(
    scope: &Scope,
    trained: &Trainings<'_>,
    what: &str,
    variant: &Variant,
    margin: (f64, f64),
) -> Result<Curves, Error> {
    let (mut authors, mut fair) = (Vec::new(), Vec::new());
    for run in trained.of(&variant.label) {
        authors.push(run.format_epochs()?);
    }
    let fair_label = variant.fair.as_ref().unwrap_or(&variant.label);
    for run in trained.of(fair_label) {
        fair.push(if variant.fair.is_some() { run.format_epochs()? } else { fair_format(run)? });
    }
    let epochs = |seeds: &[Vec<f64>]| seeds.iter().map(Vec::len).min().unwrap_or(0);
    let at = |seeds: &[Vec<f64>], epoch: usize| -> Vec<f64> {
        seeds.iter().filter_map(|seed| seed.get(epoch)).map(|accuracy| 100.0 * accuracy).collect()
    };
    let curve = |seeds: &[Vec<f64>]| {
        let points = (0..epochs(seeds)).map(|epoch| ((epoch + 1) as f64, at(seeds, epoch)));
        Series::of_seeds(&variant.name, Style::Line, points)
    };
    let mut shown = vec![curve(&authors)];
    let of_paper = |paper: f64| (scope.profile == Profile::Paper).then_some(paper);
    if scope.profile == Profile::Paper {
        shown.push(Series::plain(&format!("{}, paper", variant.name), Style::Paper, variant.paper.iter().copied()));
    }
    let last = epochs(&authors).min(epochs(&fair));
    let mut values = Vec::new();
    for (epoch, when) in [(1, " after 1 format epoch"), (last, "")] {
        let paper =
            variant.paper.iter().find(|&&(at, _)| at == epoch as f64 || (when.is_empty() && at >= epoch as f64));
        values.push(Value {
            name: format!("{what}, {}{when}", variant.name),
            unit: "%".to_owned(),
            paper: paper.and_then(|&(_, value)| of_paper(value)),
            authors: at(&authors, epoch.saturating_sub(1)),
            ours: at(&fair, epoch.saturating_sub(1)),
            band: paper
                .filter(|_| when.is_empty())
                .and_then(|&(_, value)| of_paper(value))
                .map(|paper| (paper - margin.0, (paper + margin.1).min(100.0))),
            command: trained.command(fair_label),
        });
    }
    Ok(Curves { authors: shown, fair: curve(&fair), values })
}

/// Two panels, one a protocol, and the values of some variants.
///
/// # Errors
/// As [`curves`].
pub(super) fn plot(
    scope: &Scope,
    trained: &Trainings<'_>,
    variants: &[Variant],
    margin: (f64, f64),
    caption: &str,
) -> Result<Plot, Error> {
    let mut plot = Plot { caption: caption.to_owned(), columns: 2, ..Plot::default() };
    let what = scope.label(Set::Mnist);
    let (mut authors, mut fair) = (Vec::new(), Vec::new());
    for variant in variants {
        let curves = curves(scope, trained, what, variant, margin)?;
        plot.values.extend(curves.values);
        authors.extend(curves.authors);
        fair.push(curves.fair);
    }
    for (title, series) in [("authors' protocol", authors), ("fair protocol", fair)] {
        plot.panels.push(Panel {
            title: format!("{what}, {title}"),
            x: Axis::linear("epoch of format training"),
            y: Axis::linear("test accuracy (%)"),
            marks: Marks::Series(series),
        });
    }
    Ok(plot)
}

/// The last values by the two protocols of a plot of such curves: means over the seeds, one a variant.
pub(super) fn ends(plot: &Plot) -> [Vec<f64>; 2] {
    let last = || plot.values.iter().skip(1).step_by(2);
    [last().map(|value| mean(&value.authors)).collect(), last().map(|value| mean(&value.ours)).collect()]
}
