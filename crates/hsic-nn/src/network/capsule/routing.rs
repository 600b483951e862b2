//! The arithmetic of routing by agreement, sixteen samples at a time.
//!
//! With u_i the input capsules and u_hat_ij = W_ij u_i the votes,
//!
//! ```text
//! b_ij^0 = 0;  c_i^t = softmax_j(b_ij^(t-1));  s_j^t = sum_i c_ij^t u_hat_ij + bias_j;  v_j^t = squash(s_j^t);
//! b_ij^t = b_ij^(t-1) + u_hat_ij . v_j^t
//! ```
//!
//! so that b_ij^t = u_hat_ij . V_j^t with V^t = v^1 + ... + v^t. Therefore neither logits nor votes are kept: a round is one
//! pass over the input capsules that forms a capsule's votes, its couplings and its share of s, all in the nearest
//! memory. Votes of a batch (m x 1152 x 10 x 16 numbers for the paper's network) never exist at once, and forming them
//! anew costs less than reading them back.
//!
//! The way back, from ds^t, with e_ij = c_ij (dc_ij - sum_k c_ik dc_ik) and dc_ij = u_hat_ij . ds_j^t:
//!
//! ```text
//! dV_j^(t-1) = sum_i e_ij^t u_hat_ij;   dv^t = sum over t' > t of dV^(t'-1)
//! du_hat_ij = sum_t c_ij^t ds_j^t + e_ij^t V_j^(t-1);   dW_ij = du_hat_ij u_i';   du_i = sum_j W_ij' du_hat_ij
//! ```
//!
//! A sample is a lane of a vector, so that every product and softmax is done for sixteen samples by the same
//! instructions; what a lane holds does not depend on the others.

use hsic::Scalar;

/// Samples that are worked on together, one a lane.
pub(super) const LANES: usize = 16;

/// A number of each sample.
pub(super) type Lane<T> = [T; LANES];

/// Columns of a sum that is done for the numbers of one sample.
const COLUMNS: usize = 8;

/// Rows whose sums run side by side, to use what was loaded more than once.
const ROWS: usize = 4;

/// How many capsules of how many values there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Input capsules.
    pub(super) inputs: usize,
    /// Values of one of them.
    pub(super) depth: usize,
    /// Output capsules.
    pub(super) outputs: usize,
    /// Values of one of them.
    pub(super) width: usize,
}

impl Sizes {
    /// Values of all input capsules.
    pub(super) fn columns(self) -> usize {
        self.inputs * self.depth
    }

    /// Values of all output capsules.
    pub(super) fn values(self) -> usize {
        self.outputs * self.width
    }

    /// Weights of one input capsule: a row of `depth` for each value of an output capsule.
    pub(super) fn weights(self) -> usize {
        self.values() * self.depth
    }
}

/// Memory of one thread for one input capsule.
pub(super) struct Scratch<'s, T> {
    /// Votes (values), their gradients (values), couplings and their slopes (outputs each), gradients of u (depth).
    votes: &'s mut [Lane<T>],
    d_votes: &'s mut [Lane<T>],
    c: &'s mut [Lane<T>],
    e: &'s mut [Lane<T>],
    /// u, sample by sample, each in whole [`COLUMNS`].
    rows: &'s mut [[T; COLUMNS]],
}

impl<'s, T: Scalar> Scratch<'s, T> {
    /// Numbers that it takes.
    pub(super) fn len(sizes: Sizes) -> usize {
        LANES * (2 * sizes.values() + 2 * sizes.outputs + sizes.depth.next_multiple_of(COLUMNS))
    }

    /// In this memory.
    pub(super) fn new(sizes: Sizes, memory: &'s mut [T]) -> Self {
        let (votes, rest) = memory.split_at_mut(LANES * sizes.values());
        let (d_votes, rest) = rest.split_at_mut(LANES * sizes.values());
        let (c, rest) = rest.split_at_mut(LANES * sizes.outputs);
        let (e, rows) = rest.split_at_mut(LANES * sizes.outputs);
        Self {
            votes: lanes_mut(votes),
            d_votes: lanes_mut(d_votes),
            c: lanes_mut(c),
            e: lanes_mut(e),
            rows: rows.as_chunks_mut().0,
        }
    }
}

/// Numbers as lanes.
pub(super) fn lanes<T>(values: &[T]) -> &[Lane<T>] {
    values.as_chunks().0
}

/// Values as lanes, to be written.
pub(super) fn lanes_mut<T>(values: &mut [T]) -> &mut [Lane<T>] {
    values.as_chunks_mut().0
}

/// sum += factor * values, lane by lane.
#[inline(always)]
fn add_product<T: Scalar>(sum: &mut Lane<T>, factor: &Lane<T>, values: &Lane<T>) {
    for lane in 0..LANES {
        sum[lane] = factor[lane].mul_add(values[lane], sum[lane]);
    }
}

/// The votes of one input capsule: w (values x depth) times u (depth).
#[inline(always)]
fn vote<T: Scalar>(w: &[T], u: &[Lane<T>], votes: &mut [Lane<T>]) {
    let depth = u.len();
    let (groups, rest) = votes.as_chunks_mut::<ROWS>();
    let (w_groups, w_rest) = w.split_at(groups.len() * ROWS * depth);
    for (w, votes) in w_groups.chunks_exact(ROWS * depth).zip(groups) {
        let mut sums = [[T::ZERO; LANES]; ROWS];
        for (d, u) in u.iter().enumerate() {
            for (row, sum) in sums.iter_mut().enumerate() {
                add_product(sum, &[w[row * depth + d]; LANES], u);
            }
        }
        *votes = sums;
    }
    for (w, vote) in w_rest.chunks_exact(depth).zip(rest) {
        let mut sum = [T::ZERO; LANES];
        for (&w, u) in w.iter().zip(u) {
            add_product(&mut sum, &[w; LANES], u);
        }
        *vote = sum;
    }
}

/// The product of each output capsule's votes with `with` (values) into `out` (outputs).
#[inline(always)]
fn agree<T: Scalar>(width: usize, votes: &[Lane<T>], with: &[Lane<T>], out: &mut [Lane<T>]) {
    for ((votes, with), out) in votes.chunks_exact(width).zip(with.chunks_exact(width)).zip(out) {
        let mut sum = [T::ZERO; LANES];
        for (vote, with) in votes.iter().zip(with) {
            add_product(&mut sum, vote, with);
        }
        *out = sum;
    }
}

/// Logits become couplings: softmax over the output capsules.
#[inline(always)]
fn couple<T: Scalar>(logits: &mut [Lane<T>]) {
    let mut largest = logits[0];
    for logit in &*logits {
        for lane in 0..LANES {
            largest[lane] = if logit[lane] > largest[lane] { logit[lane] } else { largest[lane] };
        }
    }
    let mut sum = [T::ZERO; LANES];
    for logit in &mut *logits {
        for lane in 0..LANES {
            logit[lane] = Scalar::exp(logit[lane] - largest[lane]);
            sum[lane] += logit[lane];
        }
    }
    for lane in &mut sum {
        *lane = T::ONE / *lane;
    }
    for logit in logits {
        for lane in 0..LANES {
            logit[lane] *= sum[lane];
        }
    }
}

/// c of an input capsule whose votes and V^(t-1) these are; in the first round, without V, all are equal.
#[inline(always)]
fn couplings<T: Scalar>(sizes: Sizes, votes: &[Lane<T>], total: Option<&[Lane<T>]>, c: &mut [Lane<T>]) {
    match total {
        Some(total) => {
            agree(sizes.width, votes, total, c);
            couple(c);
        }
        None => c.fill([T::of(1.0 / sizes.outputs as f64); LANES]),
    }
}

/// e = c (dc - sum_k c_k dc_k) in place of dc.
#[inline(always)]
fn couple_backward<T: Scalar>(c: &[Lane<T>], dc: &mut [Lane<T>]) {
    let mut mean = [T::ZERO; LANES];
    for (c, dc) in c.iter().zip(&*dc) {
        add_product(&mut mean, c, dc);
    }
    for (c, dc) in c.iter().zip(dc) {
        for lane in 0..LANES {
            dc[lane] = c[lane] * (dc[lane] - mean[lane]);
        }
    }
}

/// sum_j += c_j x_j for capsules of `width` values.
#[inline(always)]
fn add_coupled<T: Scalar>(width: usize, c: &[Lane<T>], x: &[Lane<T>], sum: &mut [Lane<T>]) {
    for ((c, x), sum) in c.iter().zip(x.chunks_exact(width)).zip(sum.chunks_exact_mut(width)) {
        for (x, sum) in x.iter().zip(sum) {
            add_product(sum, c, x);
        }
    }
}

/// One round: sum_i c_ij u_hat_ij into `s` (values), for weights `w` (inputs x values x depth), input capsules `u`
/// (inputs x depth) and, after the first round, `total` = V of the rounds before.
#[inline(always)]
pub(super) fn gather<T: Scalar>(
    sizes: Sizes,
    w: &[T],
    u: &[Lane<T>],
    total: Option<&[Lane<T>]>,
    s: &mut [Lane<T>],
    scratch: &mut Scratch<'_, T>,
) {
    let Scratch { votes, c, .. } = scratch;
    s.fill([T::ZERO; LANES]);
    for (w, u) in w.chunks_exact(sizes.weights()).zip(u.chunks_exact(sizes.depth)) {
        vote(w, u, votes);
        couplings(sizes, votes, total, c);
        add_coupled(sizes.width, c, votes, s);
    }
}

/// The way back of a round: dL/dV = sum_i e_ij u_hat_ij, added to `d_total` (values), from `ds` (values) of the round whose V of
/// the rounds before is `total`.
#[inline(always)]
pub(super) fn pull<T: Scalar>(
    sizes: Sizes,
    w: &[T],
    u: &[Lane<T>],
    (total, ds): (&[Lane<T>], &[Lane<T>]),
    d_total: &mut [Lane<T>],
    scratch: &mut Scratch<'_, T>,
) {
    let Scratch { votes, c, e, .. } = scratch;
    for (w, u) in w.chunks_exact(sizes.weights()).zip(u.chunks_exact(sizes.depth)) {
        vote(w, u, votes);
        couplings(sizes, votes, Some(total), c);
        agree(sizes.width, votes, ds, e);
        couple_backward(c, e);
        add_coupled(sizes.width, e, votes, d_total);
    }
}

/// dL/dW of one input capsule, added to `dw` (values x depth), and its dL/du into `du` (depth) where it is asked for;
/// `totals` are V of the rounds but the last, `ds` of all rounds, one after another.
#[inline(always)]
pub(super) fn spread<T: Scalar>(
    sizes: Sizes,
    w: &[T],
    u: &[Lane<T>],
    (totals, ds): (&[Lane<T>], &[Lane<T>]),
    dw: &mut [T],
    du: Option<&mut [Lane<T>]>,
    scratch: &mut Scratch<'_, T>,
) {
    let (values, width) = (sizes.values(), sizes.width);
    let Scratch { votes, d_votes, c, e, rows } = scratch;
    vote(w, u, votes);
    d_votes.fill([T::ZERO; LANES]);
    couplings(sizes, votes, None, c);
    let (first, later) = ds.split_at(values);
    add_coupled(width, c, first, d_votes);
    for (total, ds) in totals.chunks_exact(values).zip(later.chunks_exact(values)) {
        couplings(sizes, votes, Some(total), c);
        agree(width, votes, ds, e);
        couple_backward(c, e);
        add_coupled(width, c, ds, d_votes);
        add_coupled(width, e, total, d_votes);
    }

    let depth = sizes.depth;
    let parts = depth.div_ceil(COLUMNS);
    for (d, u) in u.iter().enumerate() {
        for (lane, &u) in u.iter().enumerate() {
            rows[d / COLUMNS * LANES + lane][d % COLUMNS] = u;
        }
    }
    for (part, rows) in rows.chunks_exact(LANES).enumerate().take(parts) {
        let start = part * COLUMNS;
        let columns = COLUMNS.min(depth - start);
        for (group, d_votes) in d_votes.chunks(ROWS).enumerate() {
            let mut sums = [[T::ZERO; COLUMNS]; ROWS];
            for (lane, row) in rows.iter().enumerate() {
                for (sum, d_vote) in sums.iter_mut().zip(d_votes) {
                    for column in 0..COLUMNS {
                        sum[column] = d_vote[lane].mul_add(row[column], sum[column]);
                    }
                }
            }
            for (index, sum) in sums.iter().enumerate().take(d_votes.len()) {
                let place = (group * ROWS + index) * depth + start;
                for (dw, &sum) in dw[place..place + columns].iter_mut().zip(sum) {
                    *dw += sum;
                }
            }
        }
    }
    if let Some(du) = du {
        for (part, du) in du.chunks_mut(ROWS).enumerate() {
            let mut sums = [[T::ZERO; LANES]; ROWS];
            for (w, d_vote) in w.chunks_exact(depth).zip(&**d_votes) {
                let w = &w[part * ROWS..part * ROWS + du.len()];
                for (sum, &w) in sums.iter_mut().zip(w) {
                    add_product(sum, &[w; LANES], d_vote);
                }
            }
            for (du, sum) in du.iter_mut().zip(sums) {
                *du = sum;
            }
        }
    }
}
