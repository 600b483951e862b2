//! What a training computes, counted before it is made.

use hsic_data::dataset::{Shape, TargetKind};

use crate::assemble::{build_method, build_network, training};
use crate::config::TrainConfig;
use crate::error::Error;

/// Floating-point operations of a training on so many rows of this shape: two for each multiply-add of weights with values of
/// the samples, in the network and in what the method trains beside its blocks, as [`Update::products`] counts them;
/// of several networks (several sigmas) those of all. Not counted are kernels and other objectives, norms, the optimizer,
/// evaluation and format training. `None` for a method or a network that does not say what it computes.
///
/// A training by back-propagation has a forward pass, the gradient of the weights and the gradient of what each block but
/// the first is given; a local one has the last of these within its units alone.
///
/// [`Update::products`]: hsic_learn::update::Update::products
///
/// # Errors
/// Those of [`build_network`] and [`build_method`].
///
/// # Cost
/// That of making the network, and a number a step.
pub fn training_operations(
    config: &TrainConfig,
    shape: Shape,
    targets: impl Into<TargetKind>,
    rows: usize,
) -> Result<Option<u64>, Error> {
    let targets = targets.into();
    let network = build_network(config, shape, targets)?;
    let mut update = build_method(config, targets)?;
    let training = training(config);
    let steps = training.batches().steps(rows);
    update.plan(&network, training.epochs * steps);
    let of_step = |step: u64| training.batch_size.min(rows - step as usize * training.batch_size);
    let epoch: Vec<usize> = (0..steps).map(of_step).collect();
    let all = epoch.repeat(training.epochs as usize);
    let networks = config.sigmas.len() as u64;
    Ok(update.products(&network, &all).map(|products| 2 * networks * products))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainOptions;

    const IMAGES: Shape = Shape { channels: 1, height: 28, width: 28 };

    /// Multiply-adds of a training on 100 rows in batches of 30, of which the fourth has 10, for two epochs.
    fn products(text: &str) -> Option<u64> {
        let text = format!("[data]\ndataset = 'digits'\n[training]\nepochs = 2\nbatch-size = 30\n{text}");
        let config = toml::from_str::<TrainOptions>(&text).unwrap().resolve().unwrap();
        training_operations(&config, IMAGES, 10, 100).unwrap().map(|operations| operations / 2)
    }

    /// Those of the network 784-20-15-12-10 with a sample.
    const MAPS: [u64; 4] = [784 * 20, 20 * 15, 15 * 12, 12 * 10];

    fn sum(maps: &[u64]) -> u64 {
        maps.iter().sum()
    }

    #[test]
    fn passes_are_counted_by_method() {
        let plain = |more: &str| products(&format!("[network]\nwidths = '20,15,12'\n{more}"));
        let rows = 2 * 100;
        let all = sum(&MAPS);
        // Forward, weights, and what goes back to all blocks but the first.
        assert_eq!(plain("[objective]\nmethod = 'backprop'"), Some(rows * (3 * all - MAPS[0])));
        // The same numbers through other weights.
        assert_eq!(plain("[objective]\nmethod = 'sign-symmetry'"), Some(rows * (3 * all - MAPS[0])));
        // Two blocks a segment: the first two run again.
        let again = "[objective]\nmethod = 'backprop'\n[rule]\nrecompute = '2'";
        assert_eq!(plain(again), Some(rows * (3 * all - MAPS[0] + MAPS[0] + MAPS[1])));
        assert_eq!(plain("[objective]\nmethod = 'hsic-local'"), Some(rows * 2 * all));
        assert_eq!(plain("[objective]\nmethod = 'frozen'"), Some(rows * (all + MAPS[3])));
        // Authors' order: each block gives its outputs twice.
        let order =
            products("update = 'gauss-seidel'\n[network]\nwidths = '20,15,12'\n[objective]\nmethod = 'hsic-local'");
        assert_eq!(order, Some(rows * 3 * all));
        // A method that does not say.
        assert_eq!(plain("[objective]\nmethod = 'dfa'"), None);
        assert_eq!(
            plain("[objective]\nmethod = 'hsic'\nsigma = [1.0, 5.0]\n[format]\nformat-epochs = 1"),
            Some(2 * rows * 2 * all)
        );
    }

    #[test]
    fn units_and_classifiers_beside_them_count() {
        let of = |unit: &str| {
            products(&format!("unit = '{unit}'\n[network]\nwidths = '20,15,12'\n[objective]\nmethod = 'mono-forward'"))
        };
        let (rows, all) = (2 * 100, sum(&MAPS));
        // A linear classifier of ten classes beside each unit but the last: forward, its weights, and back to the unit.
        let beside = |widths: &[u64]| 3 * 10 * widths.iter().sum::<u64>();
        assert_eq!(of("1"), Some(rows * (2 * all + beside(&[20, 15, 12]))));
        // Blocks 0 and 1 learn together, then 2 alone, then the output block.
        assert_eq!(of("2"), Some(rows * (2 * all + MAPS[1] + beside(&[15, 12]))));
        assert_eq!(of("all"), Some(rows * (2 * all + MAPS[1] + MAPS[2] + beside(&[12]))));
    }

    #[test]
    fn a_last_batch_of_one_row_is_no_step_and_blocks_that_wait_only_pass_on() {
        let text = "[data]\ndataset = 'digits'\n[training]\nepochs = 3\nbatch-size = 50\n[network]\nwidths = '20,15'\n";
        let of = |more: &str| {
            let config = toml::from_str::<TrainOptions>(&format!("{text}{more}")).unwrap().resolve().unwrap();
            training_operations(&config, IMAGES, 10, 101).unwrap().unwrap()
        };
        let maps = [784 * 20, 20 * 15, 15 * 10];
        let backprop = of("[objective]\nmethod = 'backprop'");
        assert_eq!(backprop, 2 * 3 * 100 * (3 * sum(&maps) - maps[0]));
        // Greedy trains the first block for the first half of the steps and the second beside the last one for the rest.
        let greedy = of("[objective]\nmethod = 'greedy'\n[rule]\nauxiliary = 1");
        let beside = 3 * 10 * (20 + 15);
        let learned = 3 * maps[0] + 3 * (maps[1] + maps[2]);
        assert_eq!(greedy, 2 * 50 * (6 * (sum(&maps) + beside) + learned));
    }
}
