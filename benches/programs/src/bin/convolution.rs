//! Times one convolution for `benches/compare/convolution.py`: forward and gradient of its own weights, without the
//! input's. Prints `ready`, then answers each line `run N` with a JSON list of N times in milliseconds.
//!
//! `cargo run --release -p bench-programs --bin convolution -- --images 64 --from 64 --to 64 --side 14 --kernel 3
//! --padding 1 --planar no --threads 2 --part both`

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use hsic::random::Stream;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::{Activation, Block, Cache, Conv, ConvSettings, Norm};

const OPTIONS: &[&str] =
    &["--images", "--from", "--to", "--side", "--kernel", "--padding", "--planar", "--threads", "--part"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut given = BTreeMap::new();
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if OPTIONS.contains(&name.as_str()) => given.insert(name.as_str(), value.as_str()),
            _ => return Err(format!("{}: expected pairs of {} and a value", pair[0], OPTIONS.join(", ")).into()),
        };
    }
    let option = |name: &str, default: &'static str| given.get(name).copied().unwrap_or(default);
    let number = |name: &str, default: &'static str| option(name, default).parse::<usize>();
    let (m, side) = (number("--images", "64")?, number("--side", "14")?);
    let input = Shape { channels: number("--from", "64")?, height: side, width: side };
    let settings = ConvSettings {
        outputs: number("--to", "64")?,
        kernel: number("--kernel", "3")?,
        stride: 1,
        padding: number("--padding", "1")?,
        pool: 1,
        activation: Activation::Identity,
        norm: Norm::None,
    };
    let (forward, backward) = match option("--part", "both") {
        "both" => (true, true),
        "forward" => (true, false),
        "gradient" => (false, true),
        other => return Err(format!("--part {other}: expected both, forward or gradient").into()),
    };
    // The first block of a network reads the data set's order: channel by channel.
    let planar = match option("--planar", "no") {
        "yes" => true,
        "no" => false,
        other => return Err(format!("--planar {other}: expected yes or no").into()),
    };
    rayon::ThreadPoolBuilder::new().num_threads(number("--threads", "2")?).build_global()?;

    let mut stream = Stream::new(1, "convolution", 0);
    let block = Conv::<f32>::new(input, planar, settings, &mut stream);
    let mut normal = |len: usize| -> Vec<f32> { (0..len).map(|_| stream.normal() as f32).collect() };
    let (x, slopes) = (normal(m * input.columns()), normal(m * block.outputs()));
    let (mut z, mut dz) = (vec![0.0; slopes.len()], slopes.clone());
    let (mut gradient, mut cache) = (vec![0.0; block.parameters().len()], Cache::shared());
    block.forward(m, &x, &mut z, &mut cache);

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let count: usize = line.strip_prefix("run ").ok_or("expected `run N`")?.trim().parse()?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            dz.copy_from_slice(&slopes); // `gradient` may use it up
            let start = Instant::now();
            rayon::in_place_scope(|_| {
                if forward {
                    block.forward(m, &x, &mut z, &mut cache);
                }
                if backward {
                    block.gradient(m, &x, &z, &mut dz, &mut cache, &mut gradient, None);
                }
            });
            times.push(start.elapsed().as_secs_f64() * 1e3);
            black_box((&z, &gradient));
        }
        writeln!(stdout, "{}", serde_json::to_string(&times)?)?;
        stdout.flush()?;
    }
    Ok(())
}
