//! A learning rule of one's own: trained by its name, stopped and taken up, then compared with others.

use std::sync::atomic::AtomicBool;

use hsic_bottleneck::prelude::*;
use hsic_lab::comparison::{Budget, Comparison, entries_named};

/// The mean over rows of |z - mean of the class|^2 - w |z - mean of all|^2: samples of a class move together.
struct Center(f32);

impl Rule for Center {
    fn signal(&self, labels: &Labels, z: MatRef<'_, f32>, mut dz: MatMut<'_, f32>) -> Result<f64, BoxError> {
        let (m, mut loss) = (z.nrows() as f32, 0.0);
        for column in 0..z.ncols() {
            let mut sums = vec![(0.0, 0.0); labels.classes];
            for (row, &class) in labels.of_rows.iter().enumerate() {
                sums[class] = (sums[class].0 + z[(row, column)], sums[class].1 + 1.0);
            }
            let mean = sums.iter().map(|(sum, _)| sum).sum::<f32>() / m;
            for (row, &class) in labels.of_rows.iter().enumerate() {
                let (own, all) = (z[(row, column)] - sums[class].0 / sums[class].1, z[(row, column)] - mean);
                loss += f64::from((own * own - self.0 * all * all) / m);
                dz[(row, column)] = 2.0 * (own - self.0 * all) / m;
            }
        }
        Ok(loss)
    }
}

/// The rule by name: a softmax layer reads what its blocks have learned.
static CENTER: Method = Method::own("center", "classes move together", Outputs::Features, |options, _| {
    options.adamw(1e-3);
    Recipe::new(|settings| settings.local(ByRule(Center(0.5))))
});

fn main() -> Result<(), BoxError> {
    let folder = std::env::temp_dir().join(format!("hsic-example-{}", std::process::id()));
    let (methods, never) = (Methods::known().with(&CENTER), AtomicBool::new(false));
    let mut options = TrainOptions::default();
    options.data.train_size = Some(2000);
    options.training.epochs = Some(10);
    options.network.widths = Some("64x2".into());
    options.objective.method = Some("center".into());
    let config = options.clone().resolve_among(&methods)?;
    let data = dataset::load(&config.dataset, &config.load_options())?;
    let run = Run::create(&folder.join("run"), &config)?;
    // Asked to stop at once, it saves where it stands; the same call takes it up again.
    println!("{:?}", train(&config, &data, &run, &mut [], &AtomicBool::new(true))?);
    if let Outcome::Finished(summary) = train(&config, &data, &run, &mut [], &never)? {
        println!("finished after {} steps: {:.1} %", summary.steps, 100.0 * summary.accuracy());
    }

    let rivals = entries_named("center,backprop,frozen", &methods)?;
    let comparison = Comparison::new(&folder.join("compare"), options, rivals, Budget::Epochs(10), vec![1]);
    for row in comparison.run_here(&mut (), &never)?.into_iter().flat_map(|record| record.rows) {
        println!("{:<9} {:.1} % of the test digits", row.method, 100.0 * row.test_accuracy[0]);
    }
    Ok(std::fs::remove_dir_all(folder)?)
}
