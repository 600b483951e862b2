//! Every reader of records of experiments, over bytes; beside those of data and of runs.
//!
//! What is read is drawn too, as a page draws it: a record from others must not break the program that shows it.

use hsic_bottleneck::dataset::{ReadError, Reader};

use crate::comparison::{ComparisonRecord, Elsewhere};
use crate::draw::svg;
use crate::figure::record::FigureRecord;
use crate::speedrun::SpeedRunRecord;

/// The readers of records.
pub static READERS: &[Reader] = &[
    Reader { name: "comparison", read: comparison },
    Reader { name: "elsewhere", read: |bytes| Ok(Elsewhere::from_json(std::str::from_utf8(bytes)?).map(drop)?) },
    Reader { name: "figure", read: figure },
    Reader { name: "speedrun", read: speedrun },
];

fn comparison(bytes: &[u8]) -> Result<(), ReadError> {
    let record: ComparisonRecord = serde_json::from_slice(bytes)?;
    drop(svg(&record.plot, "comparison"));
    drop(record.csv());
    drop(record.search());
    Ok(())
}

fn figure(bytes: &[u8]) -> Result<(), ReadError> {
    let record: FigureRecord = serde_json::from_slice(bytes)?;
    drop(svg(&record.plot, &record.title));
    drop(record.plot.csv());
    Ok(())
}

fn speedrun(bytes: &[u8]) -> Result<(), ReadError> {
    let record: SpeedRunRecord = serde_json::from_slice(bytes)?;
    drop(svg(&record.plot, "speedrun"));
    drop(record.csv());
    Ok(())
}
