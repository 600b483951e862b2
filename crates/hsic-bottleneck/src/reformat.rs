//! Format training of a run: with the rest of its training, or at any time after it.

use std::sync::atomic::AtomicBool;

use hsic_data::dataset::Split;
use hsic_learn::judge::softmax::{FormatSettings, format};
use hsic_learn::judge::surety::Reading;
use hsic_learn::judge::test_time::TestTime;

use crate::assemble::format_input;
use crate::conclusion::looked;
use crate::error::Error;
use crate::predict::Predictor;
use crate::run::{FORMAT, RESULTS, Run, SAMPLES, SUMMARY};
use crate::samples;
use crate::summary::Summary;

/// `hsic format`: trains a softmax layer on a finished run, in place of an earlier one, and notes its accuracy in the
/// summary, both at once; `None` if it was asked to stop, and the run is as it was.
///
/// # Errors
/// `Run` for a run that is not finished or damaged, or data that are no longer those of its training; `Shape` if the data
/// are not of its shape; `Diverged`.
pub fn format_finished(
    run: &Run,
    data: &Split,
    settings: &FormatSettings,
    stop: &AtomicBool,
) -> Result<Option<(Summary, Vec<f64>)>, Error> {
    let _held = run.lock()?;
    run.settle()?;
    let config = run.config()?;
    let predictor = Predictor::open(run)?;
    run.check_content(&data.origin.place, data.origin.content.as_ref())?;
    if data.train.of_values().is_some() {
        return Err(Error::needs_classes(&data.train, "format training", config.methods.iter()));
    }
    predictor.check(&data.train)?;
    predictor.check(&data.test)?;
    let input = format_input(&config, predictor.networks(), settings.input);
    let Some(formatted) = format(&input, data, settings, stop)? else { return Ok(None) };
    let mut summary: Summary = run.summary()?;
    summary.format_accuracy = Some(formatted.test.accuracy());
    summary.formatted = true;
    summary.judged_on = config.judged_on();
    if config.test_time != TestTime::None {
        let layer = (settings.input, &formatted);
        summary.test_time = Some(looked(&config, predictor.networks().into(), layer, config.test_time, &data.test)?);
    }
    // A layer beside the accuracy of another would be wrong without a word.
    let aside = run.aside()?;
    aside.save_format(settings.input, &formatted.layer)?;
    summary.confusion = formatted.test;
    aside.write_json(SUMMARY, &summary)?;
    let mut written = vec![FORMAT, SUMMARY];
    if run.has(SAMPLES)? {
        // What the earlier layer said of them no longer holds.
        let told = Reading::Layer(&formatted.layer).told(&input, &data.test, usize::MAX)?;
        samples::keep(&config, data, &aside, predictor.networks().into(), &told)?;
        written.push(SAMPLES);
    }
    let kept: Vec<&str> = RESULTS.iter().copied().filter(|name| !written.contains(name)).collect();
    run.take_aside(&kept)?;
    Ok(Some((summary, formatted.epochs)))
}
