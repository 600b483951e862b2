//! Tensors in files of the safetensors format: written aside, read with distrust.

use std::collections::HashMap;
use std::fs;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use hsic_data::dataset::{Content, GrowingContent};
use hsic_data::disk::{self, Opening};
use hsic_nn::network::{NamedTensor, Network, StoredTensor};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::files::{FileError, replace};

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Tensors by name.
    pub(crate) tensors: HashMap<String, NamedTensor<f32>>,
    /// What stands beside them, as text.
    pub(crate) state: Option<String>,
    /// Whether the file carries the SHA-256 of itself, which was found to be right.
    pub(crate) sealed: bool,
}

/// A tensor's entries, from a list or from where a network keeps them.
pub(crate) enum Values<'a> {
    Slice(&'a [f32]),
    Stored(StoredTensor<'a, f32>),
    Bytes(&'a [u8]),
}

impl Values<'_> {
    /// Name of the type, and bytes of an entry.
    fn kind(&self) -> (&'static str, usize) {
        match self {
            Self::Slice(_) | Self::Stored(_) => ("F32", size_of::<f32>()),
            Self::Bytes(_) => ("U8", 1),
        }
    }
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Slice(values)
    }
}

/// Streams tensors (name, shape, entries) to a file aside, which then takes the place of `path`. Equal arguments give
/// equal bytes.
///
/// The format: length of the header (u64), the header (JSON, padded with spaces to a multiple of 8), the entries. The
/// safetensors crate's own writer is not used: it makes a file of a random name, which a killed process would leave
/// behind, readable by its owner alone.
pub(crate) fn save<'a, V: Into<Values<'a>>>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Vec<usize>, V)>,
    state: Option<&str>,
) -> Result<(), FileError> {
    let metadata: Vec<(&str, &str)> = state.map(|state| ("state", state)).into_iter().collect();
    save_with(path, tensors, &metadata)
}

/// [`save`], with the SHA-256 of the file in the file: that of its bytes with [`UNSEALED`] in the place of the digest.
pub(crate) fn save_sealed<'a, V: Into<Values<'a>>>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Vec<usize>, V)>,
    state: &str,
) -> Result<(), FileError> {
    save_with(path, tensors, &[(SEAL, UNSEALED), ("state", state)])
}

/// The key of a file's own digest.
const SEAL: &str = "sha256";

/// Stands for a digest that is not known yet.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the digest lies in a header that has one; within a text quotes would be escaped.
fn digest_at(header: &[u8]) -> Option<usize> {
    let key = format!("\"{SEAL}\":\"");
    let at = header.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    (header.get(at + UNSEALED.len()) == Some(&b'"')).then_some(at)
}

/// [`save`], with texts by name beside the tensors.
pub(crate) fn save_with<'a, V: Into<Values<'a>>>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Vec<usize>, V)>,
    metadata: &[(&str, &str)],
) -> Result<(), FileError> {
    let with = |(name, shape, values): (String, Vec<usize>, V)| (name, shape, values.into());
    let mut tensors: Vec<(String, Vec<usize>, Values<'a>)> = tensors.into_iter().map(with).collect();
    tensors.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    replace(path, |aside| {
        let mut header = header(&tensors, metadata)?.into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = BufWriter::with_capacity(1 << 20, disk::open(aside, Opening::Emptied)?);
        let seal = metadata.iter().any(|&(_, text)| text == UNSEALED).then(|| digest_at(&header)).flatten();
        let mut digest = GrowingContent::default();
        let mut write = |bytes: &[u8]| {
            if seal.is_some() {
                digest.add(bytes);
            }
            file.write_all(bytes)
        };
        write(&(header.len() as u64).to_le_bytes())?;
        write(&header)?;
        for (_, _, values) in &tensors {
            match values {
                Values::Slice(values) => write(bytemuck::cast_slice(values))?,
                Values::Bytes(bytes) => write(bytes)?,
                Values::Stored(tensor) => write(bytemuck::cast_slice(&tensor.values()))?,
            }
        }
        let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        if let Some(at) = seal {
            file.seek(SeekFrom::Start((size_of::<u64>() + at) as u64))?;
            file.write_all(digest.content().sha256.as_bytes())?;
        }
        file.sync()
    })
}

/// Where each tensor lies, and the metadata, under one key.
fn header(tensors: &[(String, Vec<usize>, Values<'_>)], metadata: &[(&str, &str)]) -> std::io::Result<String> {
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        let entry = |(key, text): &(&str, &str)| {
            Ok(format!("{}:{}", serde_json::to_string(key)?, serde_json::to_string(text)?))
        };
        let texts = metadata.iter().map(entry).collect::<std::io::Result<Vec<String>>>()?;
        entries.push(format!(r#""__metadata__":{{{}}}"#, texts.join(",")));
    }
    let mut start = 0;
    for (name, shape, values) in tensors {
        let (kind, size) = values.kind();
        let end = start + size * shape.iter().product::<usize>();
        let name = serde_json::to_string(name)?;
        entries.push(format!(r#"{name}:{{"dtype":"{kind}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#));
        start = end;
    }
    Ok(format!("{{{}}}", entries.join(",")))
}

/// Tensors where they are kept, as [`save`] takes them: copied one at a time.
pub(crate) fn stored(tensors: Vec<StoredTensor<'_, f32>>) -> impl Iterator<Item = (String, Vec<usize>, Values<'_>)> {
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone(), Values::Stored(tensor)))
}

/// Tensors of a list, as [`save`] takes them.
pub(crate) fn views(tensors: &[NamedTensor<f32>]) -> impl Iterator<Item = (String, Vec<usize>, &[f32])> {
    tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone(), &tensor.values[..]))
}

/// Reads a file; sizes that its header claims are checked against its length before memory is taken.
pub(crate) fn load(path: &Path) -> Result<Stored, FileError> {
    read(path, fs::read(path).map_err(|source| FileError::Io { path: path.into(), source })?)
}

/// [`load`] of what a file holds.
pub(crate) fn read(path: &Path, mut bytes: Vec<u8>) -> Result<Stored, FileError> {
    let malformed = |error: safetensors::SafeTensorError| FileError::malformed(path, error, "a safetensors file");
    let (length, header) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
    let expected = header.metadata().as_ref().and_then(|metadata| metadata.get(SEAL)).cloned();
    if let Some(expected) = &expected {
        // The digest is of the bytes around it.
        let start = size_of::<u64>();
        let at = digest_at(&bytes[start..start + length]);
        let at = at.ok_or_else(|| FileError::malformed(path, format_args!("{SEAL} {expected}"), "a SHA-256"))?;
        bytes[start + at..][..UNSEALED.len()].copy_from_slice(UNSEALED.as_bytes());
        let found = Content::of(&bytes).sha256;
        if found != *expected {
            return Err(FileError::Changed { path: path.into(), found, expected: expected.clone() });
        }
    }
    let state = header.metadata().as_ref().and_then(|metadata| metadata.get("state")).cloned();
    let mut tensors = HashMap::new();
    for (key, view) in SafeTensors::deserialize(&bytes).map_err(malformed)?.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(FileError::malformed(path, format_args!("tensor {key} of {:?}", view.dtype()), "f32"));
        }
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let found = format_args!("tensor {key} holds {} at {index}", values[index]).to_string();
            return Err(FileError::malformed(path, found, "finite numbers"));
        }
        let tensor = NamedTensor { name: key.to_owned(), shape: view.shape().to_vec(), values };
        tensors.insert(key.to_owned(), tensor);
    }
    Ok(Stored { tensors, state, sealed: expected.is_some() })
}

/// The tensors of a file in the order of a network's, which are of just these names and shapes.
pub(crate) fn matched(
    path: &Path,
    known: &[StoredTensor<'_, f32>],
    mut stored: HashMap<String, NamedTensor<f32>>,
) -> Result<Vec<NamedTensor<f32>>, FileError> {
    let mut tensors = Vec::new();
    for tensor in known {
        let Some(found) = stored.remove(&tensor.name) else {
            let found = format!("no tensor {}", tensor.name);
            return Err(FileError::malformed(path, found, "every tensor of the network"));
        };
        if found.shape != tensor.shape {
            let found = format!("tensor {} has shape {:?}", tensor.name, found.shape);
            return Err(FileError::malformed(path, found, &format!("{:?}", tensor.shape)));
        }
        tensors.push(found);
    }
    if let Some(name) = stored.keys().min() {
        return Err(FileError::malformed(path, format_args!("tensor {name}"), "no tensors but those of the network"));
    }
    Ok(tensors)
}

/// Puts the tensors of a file into a network that has tensors of just these names and shapes.
pub(crate) fn restore(
    path: &Path,
    network: &mut Network,
    stored: HashMap<String, NamedTensor<f32>>,
) -> Result<(), FileError> {
    let tensors = matched(path, &network.stored_tensors(), stored)?;
    network.set_tensors(&tensors);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let tensors = [("b".to_owned(), vec![2, 1], &[1.0f32, -2.0][..]), ("a".to_owned(), vec![1], &[0.5][..])];
        save(&path, tensors, Some(r#"{"step":1}"#)).unwrap();
        let header = concat!(
            r#"{"__metadata__":{"state":"{\"step\":1}"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#,
            r#""b":{"dtype":"F32","shape":[2, 1],"data_offsets":[4,12]}}"#
        );
        let length = header.len().next_multiple_of(8);
        let padded = format!("{header:length$}");
        let values: Vec<u8> = [0.5f32, 1.0, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let expected = [&(length as u64).to_le_bytes()[..], padded.as_bytes(), &values].concat();
        assert_eq!(fs::read(&path).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let stored = load(&path).unwrap();
        assert_eq!(stored.state.as_deref(), Some(r#"{"step":1}"#));
        let b = NamedTensor { name: "b".into(), shape: vec![2, 1], values: vec![1.0, -2.0] };
        assert_eq!((stored.tensors.len(), &stored.tensors["b"]), (2, &b));
    }
}
