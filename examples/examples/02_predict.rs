//! Trains into a folder, as the command does, and lets the finished run say what new samples are.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::prelude::*;

fn main() -> Result<(), BoxError> {
    let mut options = TrainOptions::default();
    options.data.train_size = Some(2000);
    options.network.widths = Some("64x2".into());
    options.objective.method = Some("hsic-local".into());
    options.training.epochs = Some(20);
    let config = options.resolve()?;
    let data = dataset::load(&config.dataset, &config.load_options())?;

    let folder = std::env::temp_dir().join(format!("hsic-example-{}", std::process::id()));
    let run = Run::create(&folder, &config)?;
    let Outcome::Finished(summary) = train(&config, &data, &run, &mut [], &AtomicBool::new(false))? else {
        unreachable!("nobody stops it")
    };
    println!("{}: {:.1} % of the test digits", summary.method, 100.0 * summary.accuracy());

    // Any later program needs the folder alone.
    let predictor = Predictor::open(&Run::open(&folder)?)?;
    let mut rows = vec![0.0; 3 * data.test.columns()];
    for (index, row) in rows.chunks_exact_mut(data.test.columns()).enumerate() {
        data.test.fill_row(index, row)?;
    }
    for (prediction, label) in predictor.predict(&rows).iter().zip(data.test.labels()) {
        let name = &predictor.provenance().class_names[prediction.class];
        println!("a {label} is taken for a {name} ({:.0} % sure)", 100.0 * prediction.probability);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
