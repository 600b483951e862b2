//! Whole recipes by name: many options that belong together, in the place of defaults.
//!
//! What is given by flag or file comes before a recipe, and a recipe before the defaults. A run stores what came of it, so
//! that nothing that is taken up asks for the recipe again.

use hsic::LabelFit;
use hsic_data::augment::{Border, Flip};
use hsic_data::dataset::{Dataset, Normalize, Samples};
use hsic_data::fault::Faults;
use hsic_learn::judge::test_time::TestTime;
use hsic_learn::method::{Method, Outputs};
use hsic_learn::methods::Methods;
use hsic_learn::options::{InputTerm, Numbers};
use hsic_nn::network::models::{AIRBENCH, AIRBENCH_MAP};
use hsic_nn::network::{Feature, HeadStart, Start, parse_widths};
use hsic_nn::optimizer::{Decay, MuonRest, OptimizerName};

use super::given::entries;
use super::{ConfigError, OptimizerOptions, TrainOptions, written};

/// Options that belong together.
pub struct TrainingRecipe {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it is.
    pub summary: &'static str,
    /// Least side of the images that it is for.
    side: usize,
    /// What it sets beside what is given, on which some of its numbers depend.
    options: fn(&TrainOptions) -> TrainOptions,
}

/// Every recipe.
pub static RECIPES: &[TrainingRecipe] = &[TrainingRecipe {
    name: "airbench",
    summary: "the speed run on CIFAR-10 (Jordan 2024, by Muon), for images of 24 pixels and more",
    side: 24,
    options: airbench,
}];

/// Rows of a batch of the speed run here, and epochs.
const BATCH_SIZE: usize = 1000;
const EPOCHS: u64 = 8;

/// The same of local methods, which gain more by steps than back-propagation does, and whose steps cost two thirds.
const LOCAL_BATCH_SIZE: usize = 250;
const LOCAL_EPOCHS: u64 = 16;

/// What a local method sees of a map: 8 x 8 fields. Of 4 x 4 and 2 x 2 it learns less.
const LOCAL_FEATURE: Feature = Feature::Pool(8);

/// Its rates, of gradients of a loss that is summed over the batch: of matrices (which Muon makes independent of a gradient's
/// size), of shifts after norms, and of an output layer whose outputs are divided by the number of its inputs.
const MATRICES: f64 = 0.24;
const SHIFTS: f64 = 0.053;
const HEAD: f64 = 0.67;

/// Rates of local methods: of matrices, and of shifts, since each block's loss pulls at its own shifts alone.
const LOCAL_MATRICES: f64 = 0.05;
const LOCAL_SHIFTS: f64 = 0.0025;

/// The weight of nHSIC(Z, Y) with which HSIC's loss is as large as a sum.
const BETA: f64 = 500.0;

/// Factors of that rate for the output layer, which sees a map of 3 x 3, and for the linear classifiers beside blocks, which have to
/// follow blocks that move: of a mean's gradient a rate of about 80 over the inputs was the best of six, by a linear readout of the
/// last map, on a narrower network; ten times that diverged. The output layer has 2,304 inputs, classifiers have up to 12,544.
const LOCAL_HEAD: f64 = 0.4;
const LOCAL_CLASSIFIERS: f64 = 0.4 / 3.0;

/// Weight decay of a step, for each row of a batch.
const DECAY: f64 = 2e-6;

fn airbench(given: &TrainOptions) -> TrainOptions {
    let mut options = TrainOptions::default();
    let method = Methods::known().named(given.objective.method.as_deref().unwrap_or("hsic"));
    let reads = |key: &str| method.is_some_and(|method| method.reads(key));
    options.data.normalize = Some(Normalize::Channel);
    options.data.flip = Some(Flip::Alternating);
    options.data.shift = Some(2);
    options.data.shift_border = Some(Border::Reflect);
    let local = method.is_some_and(|method| method.local);
    options.network.model = Some(if local { AIRBENCH_MAP } else { AIRBENCH }.to_owned());
    options.network.whiten = Some(true);
    options.network.start = Some(Start::Dirac);
    options.network.head_start = Some(HeadStart::Small);
    // Where outputs name no classes a softmax layer sees the features of all blocks, which would be 48,000 numbers an image.
    let names_classes = method.is_some_and(|method| method.outputs == Outputs::Classes);
    options.network.feature = (local && names_classes).then_some(LOCAL_FEATURE);
    if names_classes && reads("label-fit") {
        by_fit_and_classifier(given, &mut options);
    }
    // A method that has no error to descend (softhebb) has a rule of its own in the place of an optimizer.
    if method.is_none_or(|method| method.outputs != Outputs::Features) {
        let beta = given.objective.beta.or(options.objective.beta);
        options.optimizer = by_muon(given, method, beta);
    }
    options.rule.label_smoothing = reads("label-smoothing").then_some(0.2);
    options.training.batch_size = Some(if local { LOCAL_BATCH_SIZE } else { BATCH_SIZE });
    options.training.epochs = Some(if local { LOCAL_EPOCHS } else { EPOCHS });
    options.evaluation.test_time = Some(TestTime::FlipShift);
    options
}

/// The objective of a block by the labels alone: the fit that each row gets from the others, and a classifier, which together
/// learn more than either.
fn by_fit_and_classifier(given: &TrainOptions, options: &mut TrainOptions) {
    let approximation = given.objective.approximation.unwrap_or_default();
    options.objective.label_fit =
        approximation.check_fit(LabelFit::LeaveOneOut).is_ok().then_some(LabelFit::LeaveOneOut);
    options.objective.sigma = Some(Numbers(vec![1.0]));
    options.objective.epsilon = Some(1e-3);
    options.objective.beta = Some(1.0);
    options.rule.x = Some(InputTerm::None);
    options.rule.classifier = Some(1.0);
}

/// The optimizer of the speed run, for gradients of losses that are means over a batch; `beta` where one is given.
fn by_muon(given: &TrainOptions, method: Option<&Method>, beta: Option<f64>) -> OptimizerOptions {
    let local = method.is_none_or(|method| method.local);
    let (own_batch, matrices) = if local { (LOCAL_BATCH_SIZE, LOCAL_MATRICES) } else { (BATCH_SIZE, MATRICES) };
    let rows = given.training.batch_size.unwrap_or(own_batch) as f64;
    let last = given.network.widths.as_deref().and_then(parse_widths).and_then(|widths| widths.last().copied());
    let inputs = last.map_or(256, |width| width.outputs) as f64;
    // What was the rate of a sum is so many times the rate of a mean.
    let shifts = match method {
        Some(method) if !method.local => rows * SHIFTS,
        Some(method) if method.reads("beta") => LOCAL_SHIFTS * BETA / beta.unwrap_or(BETA).max(1.0),
        _ => rows * LOCAL_SHIFTS,
    };
    // Weights that stand behind a division of their outputs by n have n times the size and 1/n of the gradient.
    let head = if local { LOCAL_HEAD } else { rows * HEAD / (inputs * inputs) / matrices };
    OptimizerOptions {
        optimizer: Some(OptimizerName::Muon),
        learning_rate: Some(matrices),
        decay: Some(Decay::Linear),
        momentum: Some(0.6),
        muon_rest: Some(MuonRest::Sgd),
        rest_momentum: Some(0.85),
        norm_bias_rate: Some(shifts / matrices),
        head_rate: Some(head),
        classifier_rate: Some(LOCAL_CLASSIFIERS),
        weight_decay: Some(rows * DECAY / MATRICES),
        ..OptimizerOptions::default()
    }
}

impl TrainingRecipe {
    /// The recipe of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        RECIPES.iter().find(|recipe| recipe.name == name)
    }

    /// What the recipe sets beside options that are given: nothing that they set, and nothing that a training with them would
    /// not read.
    ///
    /// # Errors
    /// `Faults` for given options that cannot be used with the recipe.
    pub fn beside(&self, given: &TrainOptions) -> Result<TrainOptions, ConfigError> {
        let own = (self.options)(given);
        let config = given.clone().or(own.clone()).resolve()?;
        let unread = config.unread(&own);
        let given = entries(given);
        Ok(own.without(&unread).without_keys(given.iter().map(|(key, _)| &**key)))
    }

    /// Whether the recipe is for such data.
    ///
    /// # Errors
    /// `Faults` for tables, and for images that are too small.
    pub fn check_data(&self, train: &Dataset) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        let images = matches!(train.samples, Samples::Bytes(_));
        let fits = images && train.shape.height.min(train.shape.width) >= self.side;
        let found = if images { format!("images of {}", train.shape) } else { "a table".to_owned() };
        let expected = format!("images of at least {0} x {0} pixels; {1} holds {found}", self.side, train.name);
        faults.check("recipe", self.name, fits, &expected);
        if fits { Ok(()) } else { Err(ConfigError::Faults(faults.0)) }
    }
}

/// Options as they are written on a command line: `--epochs 8 --flip alternating`.
#[must_use]
pub fn as_flags(options: &TrainOptions) -> String {
    let flags = entries(options).into_iter().map(|(key, value)| format!("--{key} {}", written(&value)));
    flags.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{Shape, Targets};

    use super::*;

    fn given(text: &str) -> TrainOptions {
        toml::from_str(text).unwrap()
    }

    fn beside(text: &str) -> TrainOptions {
        TrainingRecipe::named("airbench").unwrap().beside(&given(text)).unwrap()
    }

    #[test]
    fn what_is_given_comes_before_a_recipe_and_what_nothing_reads_is_left_out() {
        let all = beside("[data]\ndataset = 'mnist'\n[objective]\nmethod = 'backprop'");
        assert_eq!((all.training.epochs, all.rule.label_smoothing), (Some(8), Some(0.2)));
        let text = "[data]\ndataset = 'mnist'\nflip = true\n[objective]\nmethod = 'backprop'\n[optimizer]\noptimizer = 'adamw'\n\
                    [training]\nepochs = 3";
        let less = beside(text);
        assert_eq!((less.data.flip, less.training.epochs, less.optimizer.optimizer), (None, None, None));
        assert_eq!((less.optimizer.muon_rest, less.optimizer.rest_momentum), (None, None));
        let config = given(text).or(less).resolve().unwrap();
        assert_eq!((config.epochs, config.augmentation.flip, config.batch_size), (3, Flip::Random, 1000));
        // A method without a cross-entropy has no targets to smooth.
        let softhebb = beside("[data]\ndataset = 'mnist'\n[objective]\nmethod = 'softhebb'");
        assert_eq!((softhebb.rule.label_smoothing, softhebb.optimizer.optimizer), (None, None));
    }

    #[test]
    fn rates_follow_from_batch_and_method() {
        let rates = |text: &str| {
            let options = beside(&format!("[data]\ndataset = 'mnist'\n{text}")).optimizer;
            let rate = options.learning_rate.unwrap();
            (options.norm_bias_rate.unwrap() * rate, options.head_rate.unwrap() * rate)
        };
        let near = |found: (f64, f64), expected: (f64, f64)| {
            assert!((found.0 - expected.0).abs() < 1e-12 && (found.1 - expected.1).abs() < 1e-12, "{found:?}");
        };
        near(rates("[objective]\nmethod = 'backprop'"), (53.0, 670.0 / 65536.0));
        let half = "[objective]\nmethod = 'backprop'\n[training]\nbatch-size = 500";
        near(rates(half), (26.5, 335.0 / 65536.0));
        near(rates("[objective]\nmethod = 'hsic-local'"), (1.25, 0.02));
        near(rates("[objective]\nmethod = 'hsic-local'\nbeta = 500"), (0.0025, 0.02));
        near(rates("[objective]\nmethod = 'mono-forward'"), (0.625, 0.02));
    }

    #[test]
    fn a_local_method_has_a_batch_a_feature_and_an_objective_of_its_own() {
        let own = beside("[data]\ndataset = 'mnist'\n[objective]\nmethod = 'hsic-local'");
        assert_eq!((own.training.batch_size, own.training.epochs), (Some(250), Some(16)));
        assert_eq!(
            (own.network.feature, own.objective.label_fit),
            (Some(Feature::Pool(8)), Some(LabelFit::LeaveOneOut))
        );
        assert_eq!(
            (own.objective.beta, own.rule.classifier, own.rule.x),
            (Some(1.0), Some(1.0), Some(InputTerm::None))
        );
        // What is given stays, and a form without that fit keeps the usual one.
        let fourier = beside(
            "[data]\ndataset = 'mnist'\n[objective]\nmethod = 'hsic-local'\napproximation = 'fourier:64'\nsigma = 5",
        );
        assert_eq!((fourier.objective.label_fit, &fourier.objective.sigma), (None, &None));
        // Outputs that name no classes are read off features, of which there must not be too many.
        let hsic = beside("[data]\ndataset = 'mnist'");
        assert_eq!((hsic.network.feature, hsic.objective.label_fit, hsic.training.batch_size), (None, None, Some(250)));
        // Classifiers alone have no kernel; back-propagation has the speed run's own batch.
        let classifiers = beside("[data]\ndataset = 'mnist'\n[objective]\nmethod = 'mono-forward'");
        assert_eq!((classifiers.objective.sigma, classifiers.training.batch_size), (None, Some(250)));
        let backprop = beside("[data]\ndataset = 'mnist'\n[objective]\nmethod = 'backprop'");
        assert_eq!((backprop.network.feature, backprop.training.batch_size), (None, Some(1000)));
    }

    #[test]
    fn tables_and_small_images_are_refused() {
        let shape = |side| Shape { channels: 1, height: side, width: 30 };
        let data = |samples, side| Dataset {
            name: "d".to_owned(),
            samples,
            shape: shape(side),
            targets: Targets::classes(vec![0], vec!["a".to_owned()]),
            normalization: None,
        };
        let recipe = TrainingRecipe::named("airbench").unwrap();
        assert!(recipe.check_data(&data(Samples::Bytes(vec![0; 720]), 24)).is_ok());
        let told = |data: Dataset| recipe.check_data(&data).unwrap_err().to_string();
        let expected = "recipe = airbench: expected images of at least 24 x 24 pixels; d holds ";
        let small = told(data(Samples::Bytes(vec![0; 690]), 23));
        assert_eq!(small, format!("{expected}images of {}", shape(23)));
        assert_eq!(told(data(Samples::Floats(vec![0.0; 900]), 30)), format!("{expected}a table"));
    }

    #[test]
    fn a_recipe_is_told_as_flags() {
        let options = given("[data]\nflip = 'alternating'\n[training]\nepochs = 8");
        assert_eq!(as_flags(&options), "--flip alternating --epochs 8");
    }
}
