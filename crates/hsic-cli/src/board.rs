//! The live view: a server that answers one machine's browser with the runs below some folders, and what they come to while
//! they are trained. It reads and never writes, and knows no more of HTTP/1.1 than that takes.
//!
//! A request takes this way: `http` reads it with distrust, `hosts` refuses one that was addressed to somebody else,
//! `places` finds the runs that it names, `watch` follows their records (`follower`) and makes what is seen of them, which all
//! viewers of the same runs share; `server` sends that once, or again and again to a viewer that listens.

mod follower;
mod hosts;
mod http;
mod places;
mod policy;
mod server;
mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

pub(crate) use places::Places;

use hosts::Hosts;
use server::{Limits, Site};
use watch::Watches;

/// A server that is bound and does not answer yet.
pub(crate) struct Board {
    listener: TcpListener,
    at: SocketAddr,
    site: Arc<Site>,
}

impl Board {
    /// Binds an address, a number or a name, and a port; 0 for a free one.
    ///
    /// # Errors
    /// What the system says of the address.
    pub(crate) fn bind(places: Places, listen: &str, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((listen, port))?;
        let at = listener.local_addr()?;
        let hosts = Hosts::of(listen, at.ip());
        Ok(Self { listener, at, site: Arc::new(Site { hosts, watches: Watches::new(places) }) })
    }

    /// Where a browser on this machine finds it.
    pub(crate) fn url(&self) -> String {
        let ip = self.at.ip();
        if ip.is_unspecified() {
            return format!("http://localhost:{}/", self.at.port());
        }
        format!("http://{}/", self.at)
    }

    /// Whether other machines can reach it.
    pub(crate) fn is_open(&self) -> bool {
        !self.at.ip().is_loopback()
    }

    /// Answers whoever asks, and never ends.
    pub(crate) fn serve(&self) {
        server::serve(&self.listener, &self.site, Limits::usual());
    }
}
