//! The way between stages: messages forward, and what all of them agree on.

use std::time::Duration;

use mpi::Count;
use mpi::Tag;
use mpi::collective::{CommunicatorCollectives, Root};
use mpi::datatype::{Equivalence, Partition, PartitionMut};
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Communicator, SimpleCommunicator};

use crate::watch::Watch;

/// This process among those that train one network.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Index of its stage.
    stage: usize,
    stages: usize,
    watch: Watch,
}

impl Link {
    /// Of the process that calls, once MPI is there.
    pub(crate) fn start(timeout: Duration) -> Self {
        let world = SimpleCommunicator::world();
        let stages = world.size() as usize;
        let stage = stages - 1 - world.rank() as usize;
        Self { stage, stages, watch: Watch::start(stage, timeout) }
    }

    /// Index of this process's stage.
    pub(crate) fn stage(&self) -> usize {
        self.stage
    }

    /// How many there are.
    pub(crate) fn stages(&self) -> usize {
        self.stages
    }

    /// Number of this process in the order of MPI.
    pub(crate) fn rank(&self) -> usize {
        self.stages - 1 - self.stage
    }

    /// How many processes there are.
    pub(crate) fn ranks(&self) -> usize {
        self.stages
    }

    /// Whether its blocks are the first.
    pub(crate) fn is_first(&self) -> bool {
        self.stage == 0
    }

    /// Whether its blocks are the last: it keeps the run's folder.
    pub(crate) fn is_last(&self) -> bool {
        self.stage + 1 == self.stages
    }

    /// Ranks count stages from behind.
    fn rank_of(&self, stage: usize) -> i32 {
        (self.stages - 1 - stage) as i32
    }

    /// Waits for a message of a stage that fills `message`.
    pub(crate) fn receive<E: Equivalence>(&self, from: usize, tag: Tag, message: &mut [E]) {
        let world = SimpleCommunicator::world();
        let _waiting = self.watch.waits(Some(from));
        world.process_at_rank(self.rank_of(from)).receive_into_with_tag(message, tag);
    }

    /// Waits for a message of a stage, of whatever length.
    pub(crate) fn receive_any<E: Equivalence>(&self, from: usize, tag: Tag) -> Vec<E> {
        let world = SimpleCommunicator::world();
        let _waiting = self.watch.waits(Some(from));
        world.process_at_rank(self.rank_of(from)).receive_vec_with_tag(tag).0
    }

    /// Sends a message to a stage.
    pub(crate) fn send<E: Equivalence>(&self, to: usize, tag: Tag, message: &[E]) {
        let world = SimpleCommunicator::world();
        let _waiting = self.watch.waits(Some(to));
        world.process_at_rank(self.rank_of(to)).send_with_tag(message, tag);
    }

    /// Sends a message to a stage while this process works. It comes back once the other stage takes the message, so that no
    /// stage is more than a step ahead of the next one, however small the messages are.
    pub(crate) fn send_while(&self, to: usize, tag: Tag, message: &[f32], work: &mut dyn FnMut()) {
        let world = SimpleCommunicator::world();
        mpi::request::scope(|scope| {
            let next = world.process_at_rank(self.rank_of(to));
            let request = next.immediate_synchronous_send_with_tag(scope, message, tag);
            work();
            let _waiting = self.watch.waits(Some(to));
            request.wait();
        });
    }

    /// Waits until all stages are here. Only where no message is on its way: a stage that waits for one of a stage that waits
    /// here would never get it.
    pub(crate) fn meet(&self) {
        let _waiting = self.watch.waits(None);
        SimpleCommunicator::world().barrier();
    }

    /// Gives all stages the bytes of the last one.
    pub(crate) fn told_by_last(&self, bytes: Vec<u8>) -> Vec<u8> {
        let world = SimpleCommunicator::world();
        let _waiting = self.watch.waits(None);
        let root = world.process_at_rank(0);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        let mut bytes = bytes;
        bytes.resize(length as usize, 0);
        root.broadcast_into(&mut bytes[..]);
        bytes
    }

    /// Fills `all` with what each rank has, `counts` numbers of each in the order of ranks; `own` are this one's.
    pub(crate) fn gather(&self, own: &[f32], all: &mut [f32], counts: &[usize]) {
        let (counts, starts) = layout(counts);
        let mut all = PartitionMut::new(all, counts, starts);
        let _waiting = self.watch.waits(None);
        SimpleCommunicator::world().all_gather_varcount_into(own, &mut all);
    }

    /// Sends each rank its numbers, `to` of each in the order of ranks, and receives those for this one, `from` of each.
    pub(crate) fn exchange(&self, (sent, to): (&[f32], &[usize]), (come, from): (&mut [f32], &[usize])) {
        let ((to, sent_from), (from, come_to)) = (layout(to), layout(from));
        let (sent, mut come) = (Partition::new(sent, to, sent_from), PartitionMut::new(come, from, come_to));
        let _waiting = self.watch.waits(None);
        SimpleCommunicator::world().all_to_all_varcount_into(&sent, &mut come);
    }

    /// Ends all processes.
    pub(crate) fn abort(&self, code: i32) -> ! {
        SimpleCommunicator::world().abort(code)
    }
}

/// Counts as MPI has them, and where each begins.
fn layout(counts: &[usize]) -> (Vec<Count>, Vec<Count>) {
    // What no memory of today holds, MPI does not count either.
    let counted = |number: usize| Count::try_from(number).expect("fewer than 2^31 numbers a message");
    let starts = counts.iter().scan(0, |start, count| {
        *start += count;
        Some(counted(*start - count))
    });
    (counts.iter().map(|&count| counted(count)).collect(), starts.collect())
}
