//! Defaults that are others where values are learned, known once the data are there.

use hsic_data::dataset::TargetKind;

use super::TrainOptions;
use super::given::Unread;

/// Hidden widths, of every method.
const WIDTHS: &str = "256x2";

/// Weight of nHSIC(Z, Y).
const BETA: f64 = 50.0;

/// Learning rate.
const RATE: f64 = 1e-2;

/// Share of a block's inputs that is dropped.
const DROPOUT: f64 = 0.3;

impl TrainOptions {
    /// These options for targets of a kind: what is not given and has another default for them is filled in. Of classes
    /// nothing is; the network that learns values has two hidden blocks of 256, and `hsic` a beta of 50, a rate of 1e-2 and a
    /// dropout of 0.3.
    ///
    /// A value tells a block more of each row than a class does, noise included, which the line that reads the values takes
    /// for signal: it is chosen on the rows that the blocks have seen. Dropout keeps them from it. The numbers were chosen
    /// on held-out training rows of two tables (docs/results.md).
    #[must_use]
    pub fn for_targets(mut self, targets: TargetKind) -> Self {
        let named = self.network.model.is_some() || self.network.widths.is_some() || !self.blocks.is_empty();
        if targets == TargetKind::Values && !named {
            self.network.widths = Some(WIDTHS.to_owned());
        }
        let hsic = self.objective.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case("hsic"));
        if targets == TargetKind::Values && hsic {
            self.objective.beta.get_or_insert(BETA);
            self.network.dropout.get_or_insert(DROPOUT);
            self.optimizer.learning_rate.get_or_insert(RATE);
        }
        self
    }

    /// What is given of these and is not read for targets of a kind: values have no format training and no readouts of classes by
    /// block.
    #[must_use]
    pub fn unread_for(&self, targets: TargetKind) -> Vec<Unread> {
        if targets != TargetKind::Values {
            return Vec::new();
        }
        let given = [
            ("format-epochs", self.format.format_epochs.filter(|&epochs| epochs > 0).map(|epochs| epochs.to_string())),
            ("probe-epochs", self.training.probe_epochs.filter(|&epochs| epochs > 0).map(|epochs| epochs.to_string())),
        ];
        let unread = |(key, value): (&str, Option<String>)| {
            let (here, readers) = ("targets that are values".to_owned(), "classes (task = classification)".to_owned());
            Some(Unread { key: key.to_owned(), value: value?, here, readers })
        };
        given.into_iter().filter_map(unread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stays_and_classes_change_nothing() {
        let given = TrainOptions::default();
        assert_eq!(given.clone().for_targets(TargetKind::Classes(3)), given);
        let config = given.clone().for_targets(TargetKind::Values).resolve().unwrap();
        assert_eq!((config.bottleneck.beta, config.learning_rate.peak, config.entrance.dropout), (50.0, 1e-2, 0.3));
        // The width of the values' kernel is that of the others.
        assert_eq!((config.bottleneck.sigma, config.bottleneck.sigma_labels), (5.0, 5.0));
        let mut given = given;
        (given.objective.beta, given.network.dropout) = (Some(7.0), Some(0.0));
        let config = given.for_targets(TargetKind::Values).resolve().unwrap();
        assert_eq!((config.bottleneck.beta, config.learning_rate.peak, config.entrance.dropout), (7.0, 1e-2, 0.0));
        let mut formatted = TrainOptions::default();
        formatted.format.format_epochs = Some(3);
        assert_eq!(formatted.unread_for(TargetKind::Classes(2)), []);
        (formatted.training.probe_epochs, formatted.training.keep_samples) = (Some(2), Some(true));
        let unread: Vec<String> = formatted.unread_for(TargetKind::Values).into_iter().map(|one| one.key).collect();
        assert_eq!(unread, ["format-epochs", "probe-epochs"]);
        let mut other = TrainOptions::default();
        other.objective.method = Some("backprop".to_owned());
        let config = other.for_targets(TargetKind::Values).resolve().unwrap();
        assert_eq!((config.entrance.dropout, config.widths.map(|widths| widths.len())), (0.0, Some(2)));
        let mut deep = TrainOptions::default();
        deep.network.model = Some("residual-mlp".to_owned());
        assert_eq!(deep.for_targets(TargetKind::Values).resolve().unwrap().widths, None);
    }
}
