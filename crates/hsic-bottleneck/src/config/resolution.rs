//! Defaults filled in and everything checked: what is given becomes a configuration in which nothing is open.

use hsic::Approximation;
use hsic_data::dataset::source;
use hsic_data::fault::Faults;
use hsic_data::stage::DataPlan;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::method::{Outputs, Stages};
use hsic_learn::methods::Methods;
use hsic_learn::options::{Numbers, ObjectivePlan};
use hsic_nn::network::{NetworkPlan, PYRAMID};

use super::{ConfigError, Course, Sizes, TrainConfig, TrainOptions, sizes, written};

/// What is expected of an option that is given where nothing reads it.
pub(super) fn not_read(here: &str, readers: &str) -> String {
    format!("not given for {here}, which does not read it; read by {readers}")
}

impl TrainOptions {
    /// Takes a network of convolutions for images of a user's own where none is named: there are few of them, and what they
    /// show stands anywhere in them.
    fn choose_network(&mut self) {
        let images = self.data.dataset.as_deref().is_some_and(sizes::holds_images);
        if images && self.network.model.is_none() && self.network.widths.is_none() && self.blocks.is_empty() {
            self.network.model = Some(PYRAMID.to_owned());
        }
    }

    /// Fills in the defaults and checks everything.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn resolve(self) -> Result<TrainConfig, ConfigError> {
        self.resolve_among(&Methods::known())
    }

    /// Fills in the defaults and checks everything, where the method may be one of one's own.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn resolve_among(mut self, methods: &Methods) -> Result<TrainConfig, ConfigError> {
        let mut faults = Faults::default();
        self.network.forgive_case();
        let asked = self.objective.method.take().unwrap_or_else(|| "hsic".to_owned());
        let chosen = methods.named(&asked);
        let method = chosen.map_or(asked, |chosen| chosen.name.to_owned());
        self.objective.method = Some(method.clone());
        self.choose_network();
        self.optimizer.settle_rate();
        let recipe = match chosen {
            Some(known) => {
                if let Ok(toml::Value::Table(given)) = toml::Value::try_from(&self.rule) {
                    for (key, value) in given.iter().filter(|(key, _)| !known.reads(key)) {
                        faults.check(key, written(value), false, &not_read(&method, &methods.readers(key)));
                    }
                }
                let mut stages = Stages {
                    data: &self.data,
                    network: &mut self.network,
                    blocks: &self.blocks,
                    objective: &mut self.objective,
                    rule: &mut self.rule,
                    optimizer: &mut self.optimizer,
                };
                Some((known, (known.resolve)(&mut stages, &mut faults)))
            }
            None => {
                faults.check("method", &method, false, &methods.instead_of(&method));
                None
            }
        };
        let meaning = chosen.map(|chosen| chosen.outputs);
        let layered = meaning.is_some_and(|outputs| outputs != Outputs::Classes);
        let seed = *self.training.seed.get_or_insert(1);
        let data = self.data.resolve(seed, &mut faults);
        let named = source(&data.dataset).is_some();
        if !(sizes::holds_images(&data.dataset) && self.network.model.as_deref() == Some(PYRAMID)) {
            self.data.shift.get_or_insert(0);
        }
        if named {
            self.training.epochs.get_or_insert(Sizes::NAMED.epochs);
            self.training.batch_size.get_or_insert(Sizes::NAMED.batch_size);
        }
        let label_smoothing = self.rule.label_smoothing.unwrap_or(0.0);
        faults.share("label-smoothing", label_smoothing);
        let batch_known = self.training.batch_size.is_some();
        let network = self.network.resolve(&self.blocks, &mut faults);
        let objective = self.objective.resolve(&mut faults);
        let (optimizer, learning_rate) = self.optimizer.resolve(&mut faults);
        let average = *self.optimizer.average.get_or_insert_default();
        let course = self.training.resolve(&mut faults);
        let (protocol, authors_beside, test_time) = self.evaluation.resolve(course.batch_size);
        let open = (self.format.format_epochs, self.format.format_batch_size);
        if layered
            && (*self.format.format_epochs.get_or_insert(Sizes::NAMED.format_epochs) > 0
                || meaning != Some(Outputs::Units))
        {
            self.format.format_input.get_or_insert(FormatInput::All);
        }
        let format = self.format.resolve(seed, &mut faults);
        if !named && format.epochs > 0 {
            // They follow from the data, as epochs and batch do.
            (self.format.format_epochs, self.format.format_batch_size) = open;
        }
        let ObjectivePlan { sigmas, bottleneck, approximation } = objective;
        let expected = format!("at least 1 for {method}, whose outputs name no classes");
        faults.check("format-epochs", 0, meaning != Some(Outputs::Features) || format.epochs > 0, &expected);
        let read = chosen.is_some_and(|chosen| chosen.reads("approximation")) || approximation == Approximation::Exact;
        faults.check("approximation", approximation, read, &format!("exact for {method}, which does not read it"));
        if let Approximation::Nystroem(landmarks) = approximation {
            let expected = "at most as many landmarks as rows of a batch (batch-size)";
            // A batch whose size is not known yet is looked at once it is.
            faults.check("approximation", approximation, !batch_known || landmarks <= course.batch_size, expected);
        }
        let slices =
            self.rule.accumulate.filter(|_| chosen.is_some_and(|chosen| chosen.reads("accumulate"))).unwrap_or(1);
        let expected = format!("at most half the {} rows of a batch (batch-size)", course.batch_size);
        faults.check("accumulate", slices, !batch_known || slices <= 1 || 2 * slices <= course.batch_size, &expected);
        let combined = sigmas.len() > 1;
        faults.check("format-epochs", 0, !combined || format.epochs > 0, "at least 1 with several sigmas");
        faults.check(
            "sigma",
            Numbers(sigmas.clone()),
            !combined || method == "hsic",
            "one number for another method than hsic",
        );

        let (Some((method, recipe)), true) = (recipe, faults.0.is_empty()) else {
            return Err(ConfigError::Faults(faults.0));
        };
        let DataPlan { dataset, load, augmentation } = data;
        let NetworkPlan { model, widths, outputs, design, feature, input_norm, entrance } = network;
        let Course {
            epochs,
            batch_size,
            drop_last,
            restarts,
            norm_statistics,
            shuffle,
            order,
            schedule,
            unit,
            shards,
            seed,
            threads,
            checkpoints,
            monitor_steps,
            probe_epochs,
            keep_samples,
        } = course;
        Ok(TrainConfig {
            blocks: self.blocks.clone(),
            options: self,
            dataset,
            load,
            augmentation,
            model,
            widths,
            outputs,
            design,
            feature,
            input_norm,
            entrance,
            method,
            recipe,
            label_smoothing,
            methods: methods.clone(),
            sigmas,
            bottleneck,
            approximation,
            optimizer,
            average,
            learning_rate,
            epochs,
            batch_size,
            drop_last,
            restarts,
            norm_statistics,
            shuffle,
            order,
            schedule,
            unit,
            shards,
            seed,
            threads,
            checkpoints,
            monitor_steps,
            probe_epochs,
            keep_samples,
            protocol,
            authors_beside,
            test_time,
            format,
        })
    }
}
