//! What brings a file over the network.

use std::io::Read;
use std::time::Duration;

/// How long a server may be silent.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// What servers are told that asks them.
pub(super) const USER_AGENT: &str = concat!("hsic/", env!("CARGO_PKG_VERSION"));

/// How a file comes over the network.
pub(super) trait Transport {
    /// Asks an address for its content from that byte on; an answer need not keep to it.
    fn get(&self, address: &str, from: u64) -> Result<Reply, Failure>;
}

/// A server's answer.
pub(super) struct Reply {
    /// Its status.
    pub(super) status: u16,
    /// Which part of the content it has.
    pub(super) content_range: Option<String>,
    /// The content. An end before its time is an error, or so much less.
    pub(super) body: Box<dyn Read>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The program of that name, which brings files, is not on this machine.
    #[cfg_attr(all(feature = "tls", not(test)), expect(dead_code, reason = "a client within the program needs none"))]
    NoProgram(&'static str),
    /// Whatever else, in words.
    Reason(String),
}
