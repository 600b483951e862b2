//! What follows from the data, once, when they are there: batch and epochs, and how far images of one's own are moved.

use hsic_data::dataset::{Shape, Split};
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::method::Outputs;

use super::sizes::Sizes;
use super::{ConfigError, TrainConfig, TrainOptions};

/// The part of their side by which images of one's own are moved at random.
const SHIFTED: usize = 8;

impl TrainConfig {
    /// Whether batch and epochs, and how far images are moved, are settled. Of data that are no named data set they are not, where they are not given,
    /// until the data are there.
    #[must_use]
    pub fn is_sized(&self) -> bool {
        let TrainOptions { data, training, format, .. } = &self.options;
        let batches = training.batch_size.and(format.format_batch_size);
        training.epochs.and(format.format_epochs).is_some() && batches.is_some() && data.shift.is_some()
    }

    /// This configuration for data that are there: with batch and epochs that fit their training rows
    /// ([`Sizes::beside`]), where those are not given. [`train`](crate::trainer::train) does so by itself.
    ///
    /// Data in memory are taken for no named data set where `data.dataset` is a name that no source has.
    ///
    /// # Errors
    /// `Faults` for options that do not go with these numbers.
    pub fn for_data(self, data: &Split) -> Result<Self, ConfigError> {
        self.for_samples(data.train.rows(), data.train.shape)
    }

    /// This configuration for so many training rows of these sizes, as [`for_data`](Self::for_data) has it.
    ///
    /// # Errors
    /// `Faults` for options that do not go with these numbers.
    pub fn for_samples(self, rows: usize, shape: Shape) -> Result<Self, ConfigError> {
        if self.is_sized() {
            return Ok(self);
        }
        let mut options = self.options;
        let sizes = Sizes::at(&self.dataset, rows, options.training.batch_size, options.training.epochs);
        // It is open for images of one's own alone.
        options.data.shift.get_or_insert(shape.height.min(shape.width) / SHIFTED);
        options.training.epochs.get_or_insert(sizes.epochs);
        options.training.batch_size.get_or_insert(sizes.batch_size);
        options.format.format_epochs.get_or_insert(sizes.format_epochs);
        options.format.format_batch_size.get_or_insert(sizes.format_batch_size);
        // How the data were loaded and the threads may be others than the options say.
        Ok(Self { load: self.load, threads: self.threads, ..options.resolve_among(&self.methods)? })
    }
}

impl TrainOptions {
    /// These options without format training, where a method's outputs can be read as they are and it is not asked for: what
    /// is compared, and what the paper's figures show, are the network's own outputs. Those of several networks have a
    /// softmax layer in any case.
    #[must_use]
    pub fn unformatted(mut self, outputs: Outputs) -> Self {
        let several = self.objective.sigma.as_ref().is_some_and(|sigma| sigma.0.len() > 1);
        let layered = |epochs: Option<u64>| if several { epochs } else { epochs.or(Some(0)) };
        if outputs != Outputs::Units {
            return self;
        }
        self.format.format_epochs = layered(self.format.format_epochs);
        if self.format.format_epochs.is_some_and(|epochs| epochs > 0) {
            self.format.format_input.get_or_insert(FormatInput::Last);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_eight_batches_and_a_training_three_hundred_steps() {
        for (rows, batch_size, epochs) in [
            (5, 2, 150),
            (16, 2, 38),
            (120, 15, 38),
            (455, 56, 38),
            (2_047, 255, 38),
            (2_048, 256, 38),
            (8_000, 256, 10),
            (15_359, 256, 6),
            (15_360, 256, 5),
            (1_000_000, 256, 5),
        ] {
            let found = Sizes::of_rows(rows);
            assert_eq!((found.batch_size, found.epochs), (batch_size, epochs), "{rows}");
            let steps = hsic_data::batch::steps_per_epoch(rows, batch_size);
            assert!(steps * epochs >= 300 && (rows < 16 || steps >= 8), "{rows}");
        }
        assert_eq!((Sizes::of_rows(7_000).format_epochs, Sizes::of_rows(8_000).format_epochs), (12, 10));
        // A batch as large as the table: a step an epoch.
        assert_eq!(Sizes::beside(120, Some(256), None).epochs, 300);
        assert_eq!(Sizes::beside(120, None, Some(5)), Sizes { epochs: 5, ..Sizes::of_rows(120) });
    }

    fn options(method: &str, dataset: &str) -> TrainOptions {
        let mut options = TrainOptions::default();
        options.objective.method = Some(method.to_owned());
        options.data.dataset = Some(dataset.to_owned());
        options
    }

    #[test]
    fn a_named_data_set_is_sized_by_its_name() {
        for name in ["digits", "MNIST"] {
            let config = options("hsic", name).resolve().unwrap();
            assert!(config.is_sized());
            assert_eq!((config.epochs, config.batch_size), (5, 256));
            assert_eq!((config.format.epochs, config.format.batch_size), (10, 256));
            assert_eq!(config.clone().for_samples(100, Shape { channels: 1, height: 1, width: 4 }).unwrap(), config);
        }
    }

    #[test]
    fn outputs_that_must_be_read_are_formatted_unless_a_run_or_a_comparison_says_otherwise() {
        for (method, epochs, input) in [
            ("hsic", 10, FormatInput::All),
            ("softhebb", 10, FormatInput::All),
            ("forward-forward", 10, FormatInput::All),
            ("hsic-local", 0, FormatInput::Last),
            ("backprop", 0, FormatInput::Last),
        ] {
            let format = options(method, "digits").resolve().unwrap().format;
            assert_eq!((format.epochs, format.input), (epochs, input), "{method}");
        }
        let of = |options: TrainOptions| {
            let format = options.resolve().unwrap().format;
            (format.epochs, format.input)
        };
        // What a run of an earlier version leaves unsaid, and what is compared.
        assert_eq!(of(options("hsic", "digits").as_stored()), (0, FormatInput::Last));
        assert_eq!(of(options("hsic", "digits").unformatted(Outputs::Units)), (0, FormatInput::Last));
        assert_eq!(of(options("softhebb", "digits").unformatted(Outputs::Features)), (10, FormatInput::All));
        let mut asked = options("hsic", "digits");
        asked.format.format_epochs = Some(3);
        assert_eq!(of(asked.clone()), (3, FormatInput::All));
        assert_eq!(of(asked.clone().as_stored()), (3, FormatInput::Last));
        assert_eq!(of(asked.unformatted(Outputs::Units)), (3, FormatInput::Last));
    }
}
