//! Every reader of the files of a run, over bytes; beside those of data in [`hsic_data::dataset`].
//!
//! Each leads to the function that the run's folder is read by. Fuzzing calls them, and the tests that replay what it found.

use std::path::Path;

use hsic_data::dataset::{ReadError, Reader};
use hsic_learn::judge::readout::Readout;
use hsic_learn::session::OnCpu;

use crate::assemble::{build_method, build_network};
use crate::checkpoint::Saved;
use crate::config::TrainOptions;
use crate::digests::Digests;
use crate::log::{last_epoch_of, records_of};
use crate::reconstruction::Reconstructions;
use crate::run::{data_of, json_of};
use crate::samples::Samples;
use crate::stages::StageList;
use crate::summary::Summary;
use crate::tensor_file;
use crate::valued::{Stored, ValuePairs};
use hsic_data::dataset::Shape;

/// The readers of a run's files.
pub static READERS: &[Reader] = &[
    Reader { name: "config", read: config },
    Reader { name: "data-json", read: |bytes| Ok(data_of(Path::new("data.json"), bytes).map(drop)?) },
    Reader { name: "metrics", read: metrics },
    Reader { name: "tensors", read: tensors },
    Reader { name: "checkpoint", read: checkpoint },
    Reader { name: "samples", read: |bytes| Ok(Samples::of_bytes(Path::new("f"), bytes).map(drop)?) },
    Reader { name: "run-json", read: small },
];

fn config(bytes: &[u8]) -> Result<(), ReadError> {
    let options = TrainOptions::of_text(Path::new("config.toml"), std::str::from_utf8(bytes)?)?;
    let given = options.clone().resolve();
    options.as_stored().resolve()?;
    given?;
    Ok(())
}

fn metrics(bytes: &[u8]) -> Result<(), ReadError> {
    last_epoch_of(bytes);
    Ok(records_of(Path::new("metrics.jsonl"), bytes).map(drop)?)
}

fn tensors(bytes: &[u8]) -> Result<(), ReadError> {
    Ok(tensor_file::read(Path::new("weights.safetensors"), bytes.to_vec()).map(drop)?)
}

/// A checkpoint of a small network, which is in the folder of inputs.
fn checkpoint(bytes: &[u8]) -> Result<(), ReadError> {
    let saved = Saved::of_bytes(Path::new("state.safetensors"), bytes.to_vec())?;
    let mut options = TrainOptions::default();
    options.network.widths = Some("3".to_owned());
    let config = options.resolve()?;
    let mut network = build_network(&config, Shape { channels: 1, height: 1, width: 2 }, 2)?;
    let mut update = build_method(&config, 2)?;
    saved.restore(&mut OnCpu::new(&mut network, &mut *update))?;
    Ok(())
}

/// The small files of JSON: each is one of them.
fn small(bytes: &[u8]) -> Result<(), ReadError> {
    let path = Path::new("f.json");
    let read = [
        json_of::<Digests>(path, bytes, "digests").map(drop),
        json_of::<StageList>(path, bytes, "stages").map(drop),
        json_of::<Vec<String>>(path, bytes, "engines").map(drop),
        json_of::<Readout>(path, bytes, "a readout").map(|readout| drop(readout.fault(2, 2))),
        json_of::<Stored>(path, bytes, "how values are read").map(drop),
        json_of::<ValuePairs>(path, bytes, "pairs").map(drop),
        json_of::<Summary>(path, bytes, "a summary").map(drop),
        Reconstructions::of_bytes(path, bytes).map(|found| {
            found.pairs.first().map(|pair| found.shades(&pair.image));
        }),
    ];
    if read.iter().all(Result::is_err) {
        read.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    Ok(())
}
