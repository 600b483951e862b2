//! How a block's tensors are stored and named, and which PyTorch modules it stands for.

use serde::Serialize;

/// What a stored tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Learned: an entry of [`Block::parameters`](super::Block::parameters).
    Parameter,
    /// Followed along (running mean and variance): an entry of [`Block::statistics`](super::Block::statistics).
    Statistic,
}

/// Name, shape and storage of a tensor of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Index of the PyTorch module inside the block that owns it.
    pub module: usize,
    /// PyTorch's name, `weight`, `bias`, `running_mean`, `running_var`; with a path inside a compound module.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Extent and stored stride of each axis of PyTorch's order, outermost first; an axis of `shape` may be several
    /// here. A convolution is stored taps x channels x outputs, PyTorch has outputs x channels x taps.
    pub axes: Vec<(usize, usize)>,
    /// Where it is stored.
    pub kind: TensorKind,
}

impl TensorSpec {
    /// A tensor that is stored in PyTorch's order.
    pub fn contiguous(module: usize, name: &str, shape: &[usize], kind: TensorKind) -> Self {
        let len = shape.iter().product();
        Self { module, name: name.to_owned(), shape: shape.to_vec(), axes: vec![(len, 1)], kind }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where PyTorch's entries, in PyTorch's order, are stored (from the start of the tensor).
    pub fn places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|index| {
            let mut rest = index;
            self.axes.iter().rev().fold(0, |place, &(extent, stride)| {
                let along = rest % extent;
                rest /= extent;
                place + along * stride
            })
        })
    }
}

/// A PyTorch module: its class and the numbers that make it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Module {
    /// Name of the class (`Linear`, `Conv2d`, `BatchNorm1d`, `MaxPool2d`, `Flatten`, `ReLU`, ...; `Residual` is
    /// activation(norm(inner(x) + x))).
    pub class: &'static str,
    /// Positional arguments; `BatchNorm` has channels and whether it is affine (1) or not (0).
    pub arguments: Vec<f64>,
    /// The modules inside a `Residual`: those of `inner`, then norm and activation as far as there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Module>,
}

impl Module {
    /// A module without others inside.
    #[must_use]
    pub fn new(class: &'static str, arguments: &[usize]) -> Self {
        Self { class, arguments: arguments.iter().map(|&argument| argument as f64).collect(), inner: Vec::new() }
    }
}
