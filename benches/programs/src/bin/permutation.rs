//! Times the permutation test for `benches/statistics`: started with two tables (`.npy`, `.csv`), it prints `ready` and
//! then answers lines in JSON. Kernels and their median widths are computed anew each time.
//! - `run N`: N times of a test in milliseconds.
//! - `result`: statistic and p-value.
//!
//! `cargo run --release -p bench-programs --bin permutation -- x.npy y.npy 1000 2` (permutations, threads)

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use faer::MatRef;
use hsic::{Kernel, permutation_test};
use hsic_bottleneck::dataset::{Table, read_table};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [x, y, permutations, threads] = &arguments[..] else {
        return Err("expected X Y PERMUTATIONS THREADS".into());
    };
    let (x, y): (Table, Table) = (read_table(Path::new(x))?, read_table(Path::new(y))?);
    let permutations: usize = permutations.parse()?;
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let kernel = Kernel::gaussian_median();
    let test = || permutation_test(matrix(&x), matrix(&y), &kernel, &kernel, permutations, 1);
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", count) => {
                let mut times = Vec::new();
                for _ in 0..count.trim().parse()? {
                    let start = Instant::now();
                    test()?;
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
                serde_json::to_string(&times)?
            }
            ("result", _) => {
                let tested = test()?;
                serde_json::to_string(&[tested.statistic, tested.p_value])?
            }
            (other, _) => return Err(format!("{other}: expected `run N` or `result`").into()),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

fn matrix(table: &Table) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(&table.values, table.rows, table.cols)
}
