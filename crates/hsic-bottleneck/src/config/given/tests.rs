use super::super::{
    EvaluationOptions, FormatOptions, NetworkOptions, ObjectiveOptions, OptimizerOptions, RuleOptions, TrainingOptions,
};
use super::*;

/// Options that every training reads.
const ALWAYS: &[&str] = &[
    "dataset",
    "cache",
    "train_size",
    "test_size",
    "validation",
    "model",
    "widths",
    "between",
    "dropout",
    "input_norm",
    "method",
    "optimizer",
    "learning_rate",
    "decay",
    "warmup_steps",
    "weight_decay",
    "clip_norm",
    "average",
    "epochs",
    "batch_size",
    "drop_last",
    "restarts",
    "shuffle",
    "seed",
    "threads",
    "checkpoint_steps",
    "checkpoint_epochs",
    "checkpoint_minutes",
    "monitor_steps",
    "probe_epochs",
    "keep_samples",
    "readout",
    "format_epochs",
];

fn options(text: &str) -> TrainOptions {
    toml::from_str(text).unwrap()
}

/// What is told of options that are all given.
fn told(text: &str) -> Vec<String> {
    let given = options(text);
    let unread = given.clone().resolve().unwrap().unread(&given);
    unread.into_iter().map(|unread| Fault::from(unread).to_string()).collect()
}

#[test]
fn of_every_option_it_is_known_what_reads_it() {
    let stages = [
        DataOptions::FIELDS,
        NetworkOptions::FIELDS,
        ObjectiveOptions::FIELDS,
        OptimizerOptions::FIELDS,
        TrainingOptions::FIELDS,
        EvaluationOptions::FIELDS,
        FormatOptions::FIELDS,
    ];
    let conditional = |field: &&str| CONDITIONS.iter().any(|condition| condition.fields.contains(field));
    for field in stages.concat() {
        let always = ALWAYS.contains(&field);
        assert!(always != conditional(&field), "{field}: expected one of ALWAYS or a condition");
    }
    for field in RuleOptions::FIELDS {
        assert!(!readers(field).is_empty(), "{field}: expected a method that reads it");
    }
    let all = [&stages.concat()[..], RuleOptions::FIELDS].concat();
    for field in CONDITIONS.iter().flat_map(|condition| condition.fields).chain(ALWAYS) {
        assert!(all.contains(field), "{field}: expected an option");
    }
}

#[test]
fn what_nothing_reads_is_told_with_what_would_read_it() {
    const REST: &str = ", which does not read it; read by ";
    for (text, key, here, readers) in [
        (
            "[objective]\nmethod = 'backprop'\n[training]\nshards = 8",
            "shards = 8",
            "backprop",
            "hsic, hsic-local, phsic, alignment, predsim, mono-forward, greedy, cwc-ff",
        ),
        ("[network]\ndropout = 0.5\n[training]\nshards = 8", "shards = 8", "dropout = 0.5", "dropout = 0"),
        ("[objective]\nmethod = 'backprop'\nbeta = 100.0", "beta = 100", "backprop", "hsic, hsic-local"),
        ("[objective]\nmethod = 'dfa'\nsigma = [1.5]", "sigma = 1.5", "dfa", "hsic, hsic-local, or with monitor-steps"),
        ("[data]\nlabel-column = 'x'", "label-column = x", "dataset = digits", "tables (.csv, .tsv, .npy)"),
        (
            "[data]\ndataset = 't.npz'\nlabel-column = '0'",
            "label-column = 0",
            "dataset = t.npz",
            "tables (.csv, .tsv, .npy)",
        ),
        (
            "[data]\ndataset = 't.npy'\nencoding = 'latin1'",
            "encoding = windows-1252",
            "dataset = t.npy",
            "tables of text (.csv, .tsv)",
        ),
        (
            "[data]\ndataset = 't.csv'\ntest-dataset = 'u.csv'\ntest-fraction = 0.5",
            "test-fraction = 0.5",
            "data with a test-dataset",
            "data without a test part",
        ),
        ("[data]\ndrop = 'a,b'", "drop = a,b", "dataset = digits", "tables (.csv, .tsv, .npy)"),
        ("[data]\ndataset = 't.npy'\narrays = 'x=a,y=b'", "arrays = x=a,y=b", "dataset = t.npy", "arrays (.npz)"),
        ("[data]\ndataset = 't.csv'\nshift = 2", "shift = 2", "dataset = t.csv", IMAGES),
        ("[data]\nstandardize = false", "standardize = false", "dataset = digits", "tables (.csv, .tsv, .npy, .npz)"),
        (
            "[data]\ndataset = 'mnist'\ntest-fraction = 0.5",
            "test-fraction = 0.5",
            "dataset = mnist",
            "tables, folders and archives without a test part",
        ),
        (
            "[optimizer]\noptimizer = 'adamw'\nmomentum = 0.5",
            "momentum = 0.5",
            "optimizer = adamw",
            "optimizer = sgd or muon",
        ),
        (
            "[optimizer]\noptimizer = 'adamw'\nmomentum = 0.5\nclip-norm = 1.0",
            "momentum = 0.5",
            "optimizer = adamw",
            "optimizer = sgd or muon",
        ),
        (
            "[optimizer]\noptimizer = 'sgd'\nbeta1 = 0.5\nclip-norm = 1.0",
            "beta1 = 0.5",
            SGD,
            "optimizer = adamw, muon-rest = adamw",
        ),
        ("[optimizer]\nbeta1 = 0.5", "beta1 = 0.5", SGD, "optimizer = adamw, muon-rest = adamw"),
        ("[optimizer]\noptimizer = 'muon'\nnesterov = true", "nesterov = true", MUON, SGD),
        ("[optimizer]\nmuon-rest = 'sgd'", "muon-rest = sgd", SGD, MUON),
        (
            "[optimizer]\nnorm-bias-rate = 2.0",
            "norm-bias-rate = 2",
            "a network without shifts after norms",
            "networks with norm = batch-affine or batch-bias",
        ),
        (
            "[optimizer]\nhead-rate = 2.0",
            "head-rate = 2",
            "hsic",
            "methods whose outputs are trained to name classes, or with classifier > 0",
        ),
        ("[network]\nfeature = 'flat'", "feature = flat", "model = mlp", MAPS),
        (
            "[network]\nnorm = 'none'\n[evaluation]\nbn = 'authors'",
            "bn = authors",
            "a network without batch norm",
            "networks with batch norm, and several sigmas",
        ),
        (
            "[format]\nformat-epochs = 0\nformat-decay = 'linear'",
            "format-decay = linear",
            "format-epochs = 0",
            "format-epochs >= 1",
        ),
        (
            "[format]\nformat-epochs = 1\nformat-optimizer = 'adamw'\nformat-momentum = 0.5",
            "format-momentum = 0.5",
            "format-optimizer = adamw",
            "format-optimizer = sgd",
        ),
        ("[objective]\nx-weight = 0.0\n[rule]\nx = 'block'", "x = block", "x-weight = 0", "x-weight > 0"),
        (
            "[objective]\nmethod = 'predsim'\n[rule]\nlocal-loss = 'sim'\nsimilarity-weight = 0.5",
            "similarity-weight = 0.5",
            "local-loss = sim",
            "local-loss = both",
        ),
    ] {
        assert_eq!(told(text), [format!("{key}: expected not given for {here}{REST}{readers}")], "{text}");
    }
    let [schedule, update] =
        &told("[objective]\nmethod = 'frozen'\n[training]\nschedule = 'parallel'\nupdate = 'jacobi'")[..]
    else {
        panic!("expected two")
    };
    assert!(schedule.starts_with("schedule = parallel") && schedule.ends_with("forward-forward, cwc-ff"), "{schedule}");
    assert!(update.starts_with("update = jacobi") && update.ends_with("cwc-ff, softhebb"), "{update}");
}

#[test]
fn what_something_reads_is_not_told() {
    for text in [
        "[objective]\nmethod = 'backprop'\nsigma = 3.0\nepsilon = 0.1\nsigma-labels = 2.0\n[training]\nmonitor-steps = 5",
        "[network]\nmodel = 'vgg'\nfeature = 'flat'",
        "[objective]\nmethod = 'backprop'\n[network]\nmodel = 'vgg'\nfeature = 'flat'\n[format]\nformat-epochs = 1\nformat-input = 'all'",
        "[data]\ndataset = 't.csv'\nlabel-column = 'k'\ntest-fraction = 0.3\nstandardize = false",
        "[data]\ndataset = 't.tsv.gz'\nheader = 'yes'\nencoding = 'utf-8'\nmissing = 'drop'\ncolumns = 'a, b'\ndrop = '0'",
        "[data]\ndataset = 't.csv'\ntest-dataset = 'u.csv'\nsplit-seed = 3\nvalidation = 0.1",
        "[data]\ndataset = 'mnist'\ndata-dir = 'd'\nflip = true\nnormalize = 'channel'\nvalidation = 0.1\ntest-size = 5",
        "[data]\ndataset = 't.npz'\narrays = 'x=a,y=b'\nstandardize = false\nshift = 1\nnormalize = 'channel'",
        "[rule]\nx = 'none'",
        "[optimizer]\noptimizer = 'sgd'\nmomentum = 0.5\nclip-norm = 1.0",
        "[objective]\nmethod = 'softhebb'\n[format]\nformat-momentum = 0.5",
    ] {
        assert_eq!(told(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_file_of_a_run_may_hold_defaults_of_what_nothing_reads() {
    for method in METHODS {
        let mut given = TrainOptions::default();
        given.objective.method = Some(method.name.to_owned());
        let config = given.resolve().unwrap();
        assert_eq!(config.unread_of_file(&config.options), [], "{}", method.name);
        // By flag even a default is refused.
        assert!(!config.unread(&config.options).is_empty(), "{}", method.name);
    }
    let file = options("[objective]\nmethod = 'backprop'\nbeta = 500.0\nx-weight = 2.0\n[optimizer]\nmomentum = 0.0");
    let unread = file.clone().resolve().unwrap().unread_of_file(&file);
    assert_eq!(unread.iter().map(|unread| &*unread.key).collect::<Vec<_>>(), ["x-weight"]);
    let error = Unread::refuse(unread).unwrap_err().to_string();
    assert!(error.starts_with("x-weight = 2: expected not given for backprop"), "{error}");
    assert!(Unread::refuse(Vec::new()).is_ok());
}

#[test]
fn an_evaluation_reads_less_than_a_training() {
    let config = TrainOptions::default().resolve().unwrap();
    let keys = |text: &str| {
        let unread = config.unread_by_evaluation(&options(text).data);
        unread.into_iter().map(|unread| unread.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("[data]\nflip = true\nnormalize = 'channel'\ntest-size = 5"), ["flip", "normalize"]);
    assert_eq!(keys("[data]\ntrain-size = 50\nstandardize = true"), ["standardize", "train-size"]);
    let held = options("[data]\nvalidation = 0.2\ntrain-size = 50");
    assert_eq!(held.clone().resolve().unwrap().unread_by_evaluation(&held.data), []);
}

#[test]
fn options_without_some_are_the_others() {
    let given = options("[objective]\nmethod = 'backprop'\nbeta = 1.0\n[network]\nwidths = '8'\n[training]\nseed = 7");
    let unread = given.clone().resolve().unwrap().unread(&given);
    let expected = options("[objective]\nmethod = 'backprop'\n[network]\nwidths = '8'\n[training]\nseed = 7");
    assert_eq!(given.without(&unread), expected);
}
