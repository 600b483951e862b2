//! The seam between networks and everything else: a block is the unit of local training.

use std::ops::Range;

use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::dataset::Shape;

use super::activation::Activation;
use super::layout::{Module, TensorKind, TensorSpec};
use super::products::Products;
use crate::optimizer::Groups;

/// What a block keeps from its forward pass for its own gradient, and its scratch: buffers that grow to the largest
/// batch and are then used again.
#[derive(Clone, Debug, Default)]
pub struct Cache<T> {
    buffers: Vec<Vec<T>>,
    inner: Option<Box<Cache<T>>>,
    shared: bool,
    draw: Option<u64>,
    share: Option<f64>,
}

impl<T: Scalar> Cache<T> {
    /// A cache whose block may spread its work over all threads. Blocks that run at once must not.
    #[must_use]
    pub fn shared() -> Self {
        Self { buffers: Vec::new(), inner: None, shared: true, draw: None, share: None }
    }

    /// Which random numbers a block draws that draws any (dropout): those of the step of this index, or none at all, which
    /// is how a cache starts. The same number, the same draws, so that a forward pass can be repeated. Statistics are the
    /// batch's either way: whether there is dropout is a mode of its own.
    #[must_use]
    pub fn draw(&self) -> Option<u64> {
        self.draw
    }

    /// Says which step it is; `None` for no draws: the statistics of the batch, and nothing is dropped.
    pub fn set_draw(&mut self, draw: Option<u64>) {
        self.draw = draw;
    }

    /// What [`Block::absorb_statistics`] gives the batch of the running statistics, in (0, 1]: 1 forgets what they were, and
    /// with the share that a batch's rows have among those seen until then they become a mean over all of these. `None`, as a
    /// cache starts, for a share that is the same at each step of training (0.1 in batch norm).
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.share
    }

    /// Says which share it is.
    pub fn set_share(&mut self, share: Option<f64>) {
        self.share = share;
    }

    /// Whether the block may spread its work over all threads.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// N separate buffers of the given lengths; what was written to one is there again at the next call with the same
    /// lengths.
    pub fn buffers<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [T]; N] {
        self.with_inner(lengths).0
    }

    /// N separate buffers as those of [`buffers`](Self::buffers), and the cache of a block inside the block.
    pub fn with_inner<const N: usize>(&mut self, lengths: [usize; N]) -> ([&mut [T]; N], &mut Self) {
        let Self { buffers, inner, shared, draw, share } = self;
        if buffers.len() < N {
            buffers.resize_with(N, Vec::new);
        }
        for (buffer, &length) in buffers.iter_mut().zip(&lengths) {
            if buffer.len() < length {
                buffer.resize(length, T::ZERO);
            }
        }
        let mut buffers = buffers.iter_mut();
        let lent = lengths.map(|length| match buffers.next() {
            Some(buffer) => &mut buffer[..length],
            None => &mut [],
        });
        let fresh = || Box::new(Self { buffers: Vec::new(), inner: None, shared: *shared, draw: None, share: None });
        let inner = inner.get_or_insert_with(fresh);
        inner.draw = *draw;
        inner.share = *share;
        (lent, inner)
    }
}

/// What kind of map a block's weights make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// Each unit sees the whole input.
    Dense,
    /// Each unit (channel) sees a window that moves over a map.
    Convolution,
    /// Each pair of an input capsule and an output capsule has a matrix of its own.
    Votes,
}

/// What a learning rule may know of the inside of a block: its one tensor of weights, and what stands behind it.
pub struct Weights<T: Scalar = f32> {
    /// What they are the weights of.
    pub kind: MapKind,
    /// Where they lie among the block's parameters.
    pub place: Range<usize>,
    /// Rows of the matrix: units, or channels of a map.
    pub units: usize,
    /// Numbers that one value of the map is a sum of: all inputs of a dense unit, a window's of a channel, an input capsule's
    /// of a vote.
    pub fan_in: usize,
    /// Whether the gradient of the block's own parameters stays what it is, to the last bit, while other numbers stand in the
    /// place of these weights between [`Block::forward`] and [`Block::gradient`]: so it does where only dL/dx reads them. Not
    /// so where weights are read again on the way back, as routing does to form its votes anew.
    /// [`testing::agrees`](crate::testing::agrees) checks it.
    pub exchangeable: bool,
    /// Whether the weights of a unit lie side by side; else those of an input do.
    pub by_unit: bool,
    /// The nonlinearity, of a block that is nonlinearity(norm(map(x) + bias)) and nothing else.
    pub activation: Option<Activation>,
    /// A copy of the linear map alone, without bias, norm, nonlinearity and pooling, where it works on the block's own
    /// input: u = W x, a row of `units` values or one at each pixel. Its parameters are those that the block has first:
    /// the weights, then biases, which are 0.
    pub map: Option<Box<dyn Block<T>>>,
}

/// A block: a map from m x `inputs` to m x `outputs` with parameters of its own.
///
/// Activations are row-major, one sample a row; a map lies channels last (line, pixel, channel). `forward` must not
/// depend on anything but its arguments and the block's parameters, and must give the same bits however many threads
/// there are.
///
/// A block has five duties: its sizes, [`forward`](Self::forward), [`gradient`](Self::gradient) and its parameters, to be
/// read and to be changed. All else has a default that fits a block of plain numbers.
pub trait Block<T: Scalar = f32>: Send + Sync {
    /// Columns of the input.
    fn inputs(&self) -> usize;

    /// Columns of the output.
    fn outputs(&self) -> usize;

    /// Training mode: `z` (m x outputs) from `x` (m x inputs), with the statistics of this batch, and with the random draws
    /// of the step that the cache names, if it names one.
    fn forward(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>);

    /// The vector-Jacobian product: from `dz` = dL/dz (used up as scratch) to dL/dparameters, in the order of
    /// [`Block::parameters`], and to `dx` = dL/dx where a method asks for it. `z` and `cache` are those of the last
    /// `forward` with this `x`.
    #[allow(clippy::too_many_arguments, reason = "the batch, what forward left, and two results, all lent")]
    fn gradient(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        dx: Option<&mut [T]>,
    );

    /// All learned numbers.
    fn parameters(&self) -> &[T];

    /// All learned numbers, to be changed.
    fn parameters_mut(&mut self) -> &mut [T];

    /// Sizes of the output as a map; a vector is 1 x 1 with its length as channels.
    fn shape(&self) -> Shape {
        Shape { channels: self.outputs(), height: 1, width: 1 }
    }

    /// Values of a capsule, if outputs are capsules: groups of so many consecutive values (channels of one pixel). A
    /// last block's classes are then read from their lengths.
    fn capsule(&self) -> Option<usize> {
        None
    }

    /// The block's weights, for rules that look inside a block; `None` for one that has not exactly one tensor of them.
    fn weights(&self) -> Option<Weights<T>> {
        None
    }

    /// What its parameters are, for optimizers that treat them by their kind: nothing in particular, unless the block says
    /// otherwise.
    fn groups(&self) -> Groups {
        Groups::default()
    }

    /// What it computes with a sample; `None` unless the block says so.
    fn products(&self) -> Option<Products> {
        None
    }

    /// Forms what does not learn but follows from the data, from training rows (rows x inputs): nothing, unless the block says
    /// otherwise. It is one of the [statistics](Self::statistics), which are restored with the weights.
    fn see(&mut self, _rows: &[T]) {}

    /// Evaluation mode: with the running statistics; the row of a sample does not depend on the others, but for the
    /// rounding of a product by their number. The training mode, unless the block says otherwise.
    fn infer(&self, m: usize, x: &[T], z: &mut [T]) {
        self.forward(m, x, z, &mut Cache::default());
    }

    /// This block as one that takes a batch in parts; `None` for one that does not.
    fn in_parts(&self) -> Option<&dyn BlockInParts<T>> {
        None
    }

    /// Moves the running statistics towards those of the last `forward`, by the share that the cache names.
    fn absorb_statistics(&mut self, _m: usize, _cache: &mut Cache<T>) {}

    /// All running statistics, one slice after another.
    fn statistics(&self) -> Vec<&[T]> {
        Vec::new()
    }

    /// All running statistics, to be restored.
    fn statistics_mut(&mut self) -> Vec<&mut [T]> {
        Vec::new()
    }

    /// The tensors of `parameters`, then of `statistics`, in order of storage: one flat tensor named `parameters`, unless
    /// the block says otherwise. A block with statistics has to.
    fn layout(&self) -> Vec<TensorSpec> {
        match self.parameters().len() {
            0 => Vec::new(),
            count => vec![TensorSpec::contiguous(0, "parameters", &[count], TensorKind::Parameter)],
        }
    }

    /// The modules of a PyTorch `Sequential` that the block stands for; one that nobody knows, unless the block says
    /// otherwise.
    fn modules(&self) -> Vec<Module> {
        vec![Module::new("Block", &[])]
    }
}

/// A block that takes a batch in parts, of which other processes may have some: what it needs of the whole batch are sums,
/// which are formed a part each.
///
/// `m` are the rows of the whole batch; `x`, `z` and `dz` have those of this process's [own](hsic::parts::own_rows) parts. The
/// results differ from those of [`Block::forward`] and [`Block::gradient`] by rounding, for another number of parts too; for
/// the same number they have the same bits however many processes have the parts.
pub trait BlockInParts<T: Scalar = f32>: Block<T> {
    /// As [`Block::forward`]. The statistics of the whole batch are then in the cache, where
    /// [`Block::absorb_statistics`] finds them.
    fn forward_in_parts(&self, m: usize, x: &[T], z: &mut [T], cache: &mut Cache<T>, parts: &mut dyn Parts<T>);

    /// As [`Block::gradient`] without dL/dx: the gradient of the whole batch, in every process.
    #[allow(clippy::too_many_arguments, reason = "the batch, what forward left, and the result, all lent")]
    fn gradient_in_parts(
        &self,
        m: usize,
        x: &[T],
        z: &[T],
        dz: &mut [T],
        cache: &mut Cache<T>,
        parameters: &mut [T],
        parts: &mut dyn Parts<T>,
    );
}

/// A block inside another one that says of itself that it takes a batch in parts, since this one does.
pub(super) fn in_parts<T: Scalar>(block: &dyn Block<T>) -> &dyn BlockInParts<T> {
    match block.in_parts() {
        Some(block) => block,
        None => unreachable!("a block around one that does not take a batch in parts does not either"),
    }
}

/// The classes of a block's modules, to name a block that a rule cannot train.
#[must_use]
pub fn class_names<T: Scalar>(block: &dyn Block<T>) -> String {
    block.modules().iter().map(|module| module.class).collect::<Vec<_>>().join("-")
}
