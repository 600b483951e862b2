//! What a network of capsules draws from what it has seen: some test images beside what the decoder makes of their
//! longest capsule. Saved with a run when training ends: the decoder as `decoder.safetensors`, under the names of one
//! flat PyTorch `Sequential(Linear, ReLU, Linear, ReLU, Linear, Sigmoid)`, and the pairs as `reconstructions.json`.

use std::path::Path;

use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, DatasetError, Shape};
use hsic_learn::judge::assignment::largest;
use hsic_learn::objective::margin::{decoder, mask};
use hsic_nn::network::{Block, LearnerState, Network};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::FileError;
use crate::run::{DECODER, RECONSTRUCTIONS, Run, json_of};
use crate::tensor_file;

/// Pairs that are kept.
const PAIRS: usize = 10;

/// Images beside what was drawn of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstructions {
    /// Sizes of an image.
    pub shape: Shape,
    /// In order of their classes.
    pub pairs: Vec<Reconstruction>,
}

/// One image and what was drawn of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    /// Name of its class.
    pub class: String,
    /// Name of the class of its longest capsule, from which it was drawn.
    pub read: String,
    /// Its values, 0 to 255 for 0 to 1, channel by channel.
    pub image: Vec<u8>,
    /// Those that were drawn.
    pub drawn: Vec<u8>,
}

impl Reconstructions {
    /// The shades of an image's lines, in [0, 1]: the means of its channels.
    #[must_use]
    pub fn shades(&self, image: &[u8]) -> Vec<Vec<f64>> {
        let Shape { channels, height, width } = self.shape;
        let shade = |place: usize| {
            let channel = |c: usize| image.get(c * height * width + place).map_or(0.0, |&value| f64::from(value));
            (0..channels).map(channel).sum::<f64>() / (255.0 * channels as f64)
        };
        (0..height).map(|line| (0..width).map(|pixel| shade(line * width + pixel)).collect()).collect()
    }

    /// What is wrong with pairs that were read.
    fn fault(&self) -> Option<String> {
        let Shape { channels, height, width } = self.shape;
        let columns = channels.checked_mul(height).and_then(|size| size.checked_mul(width)).filter(|&size| size > 0);
        let of_size = |image: &[u8]| Some(image.len()) == columns;
        let wrong = self.pairs.iter().find(|pair| !of_size(&pair.image) || !of_size(&pair.drawn))?;
        Some(format!("images of {} and {} values", wrong.image.len(), wrong.drawn.len()))
    }

    /// The pairs of a run; `None` if it has none.
    ///
    /// # Errors
    /// `Io`; `Malformed` if images are not of the size that is told.
    pub fn read(run: &Run) -> Result<Option<Self>, FileError> {
        if !run.has(RECONSTRUCTIONS)? {
            return Ok(None);
        }
        Self::of_bytes(&run.file(RECONSTRUCTIONS), &run.content(RECONSTRUCTIONS)?).map(Some)
    }

    /// The pairs in what a file holds.
    pub(crate) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let read: Self = json_of(path, bytes, "images and what was drawn of them")?;
        match read.fault() {
            None => Ok(read),
            Some(found) => {
                Err(FileError::malformed(path, found, &format!("as many as an image of {} has", read.shape)))
            }
        }
    }
}

/// The first rows of each class in turn, [`PAIRS`] at the most.
fn chosen(dataset: &Dataset) -> Vec<usize> {
    let each = (PAIRS / dataset.classes()).max(1);
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for class in 0..dataset.classes().min(PAIRS) {
        let of_class = (0..dataset.rows()).filter(|&row| usize::from(dataset.labels()[row]) == class);
        rows.extend(of_class.take(each).map(|row| (class, row)));
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The decoder that a method trained beside a network of capsules, `learners` being what it keeps of each block; `None`
/// if it trained none.
fn trained(network: &Network, learners: &[Vec<LearnerState>]) -> Option<Network> {
    let records = learners.last()?;
    let layers = decoder::<f32>(network.outputs(), network.inputs(), 0);
    if records.len() != layers.len() {
        return None;
    }
    let mut blocks: Vec<Box<dyn Block>> = Vec::new();
    for (mut layer, record) in layers.into_iter().zip(records) {
        if layer.parameters().len() != record.parameters.len() {
            return None;
        }
        layer.parameters_mut().copy_from_slice(&record.parameters);
        blocks.push(Box::new(layer));
    }
    Some(Network::new(blocks))
}

/// Saves a trained decoder and some pairs of `test` with a run; nothing where no decoder was trained.
///
/// # Errors
/// `Run` if the folder cannot be written; `Dataset` of samples that lie in a file.
pub(crate) fn save(run: &Run, network: &Network, learners: &[Vec<LearnerState>], test: &Dataset) -> Result<(), Error> {
    let Some(decoder) = trained(network, learners) else { return Ok(()) };
    run.save_tensors(DECODER, tensor_file::stored(decoder.stored_tensors()), None)?;
    Ok(run.write_json(RECONSTRUCTIONS, &draw(network, &decoder, test)?)?)
}

/// Draws some samples of a data set from their longest capsules.
fn draw(network: &Network, decoder: &Network, test: &Dataset) -> Result<Reconstructions, DatasetError> {
    let rows = chosen(test);
    let mut batch = Batch::default();
    batch.fill(test, &rows)?;
    let mut capsules = network.infer(rows.len(), &batch.x);
    let read: Vec<usize> = network.scores(capsules.clone()).chunks_exact(network.units()).map(largest).collect();
    if let Some(dimensions) = network.capsule() {
        mask(dimensions, &read, &mut capsules);
    }
    let drawn = decoder.infer(rows.len(), &capsules);
    let bytes = |values: &[f32]| values.iter().map(|&value| (255.0 * value).round() as u8).collect();
    let name = |class: usize| test.class_names().get(class).map_or_else(|| class.to_string(), String::clone);
    let images = batch.x.chunks_exact(batch.columns).zip(drawn.chunks_exact(batch.columns));
    let pairs = images.zip(batch.labels.iter().zip(read)).map(|((image, drawn), (&class, read))| Reconstruction {
        class: name(class),
        read: name(read),
        image: bytes(image),
        drawn: bytes(drawn),
    });
    Ok(Reconstructions { shape: test.shape, pairs: pairs.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_are_the_means_of_channels_line_by_line() {
        let shape = Shape { channels: 2, height: 2, width: 1 };
        let pairs = Reconstructions { shape, pairs: Vec::new() };
        assert_eq!(pairs.shades(&[255, 0, 255, 51]), [[1.0], [0.1]]);
    }

    #[test]
    fn images_of_another_size_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(folder.path(), &crate::config::TrainOptions::default().resolve().unwrap()).unwrap();
        assert_eq!(Reconstructions::read(&run).unwrap(), None);
        let pair = |image| Reconstruction { class: "3".into(), read: "5".into(), image, drawn: vec![9; 4] };
        let shape = Shape { channels: 1, height: 2, width: 2 };
        let good = Reconstructions { shape, pairs: vec![pair(vec![1; 4])] };
        run.write_json(RECONSTRUCTIONS, &good).unwrap();
        assert_eq!(Reconstructions::read(&run).unwrap(), Some(good));
        run.write_json(RECONSTRUCTIONS, &Reconstructions { shape, pairs: vec![pair(vec![1; 3])] }).unwrap();
        let error = Reconstructions::read(&run).unwrap_err().to_string();
        assert!(error.ends_with("images of 3 and 4 values, expected as many as an image of 1 x 2 x 2 has"), "{error}");
    }
}
