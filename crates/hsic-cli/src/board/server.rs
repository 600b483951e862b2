//! Who is served, how many at once, and for how long.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hsic_lab::figure::overlay::MOST_RUNS;
use serde::Serialize;

use super::hosts::Hosts;
use super::http::{self, Method, Refusal, Request};
use super::policy::POLICY;
use super::watch::{Subject, Watches, held};
use crate::html::board::{Part, page, query};

/// How much is given to how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once; further ones are told that they are too many.
    pub(super) clients: usize,
    /// Those that are told so at once; further ones are closed.
    pub(super) refused: usize,
    /// For a request's head.
    pub(super) head: Duration,
    /// For a client to take anything of what it is sent.
    pub(super) taking: Duration,
    /// Between two looks at what a viewer is shown.
    pub(super) look: Duration,
    /// After which a viewer to whom nothing was sent is sent a sign of life, by which one that has gone is noticed.
    pub(super) sign: Duration,
}

impl Limits {
    pub(super) fn usual() -> Self {
        let seconds = Duration::from_secs;
        Self {
            clients: 64,
            refused: 16,
            head: seconds(10),
            taking: seconds(60),
            look: Duration::from_millis(500),
            sign: seconds(15),
        }
    }
}

/// What is served.
pub(super) struct Site {
    pub(super) hosts: Hosts,
    pub(super) watches: Watches,
}

/// One of the connections that are counted, as long as it lasts.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers whoever connects, each on a thread of its own, and never ends.
pub(super) fn serve(listener: &TcpListener, site: &Arc<Site>, limits: Limits) {
    let count = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // Too many open files, for one; somebody will close some.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let before = count.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&count));
        if before >= limits.clients + limits.refused {
            continue;
        }
        let site = Arc::clone(site);
        let begun = std::thread::Builder::new().name("viewer".to_owned()).spawn(move || {
            // A client that has gone is nobody's error.
            drop(client(stream, &site, limits, before >= limits.clients));
            drop(counted);
        });
        // Where no thread can be had the connection is closed, and what it was counted by dropped.
        drop(begun);
    }
}

/// Serves one connection.
fn client(mut stream: TcpStream, site: &Site, limits: Limits, busy: bool) -> io::Result<()> {
    stream.set_write_timeout(Some(limits.taking))?;
    stream.set_nodelay(true)?;
    let request = match http::read(&mut stream, limits.head) {
        Ok(_) if busy => return http::refuse(&mut stream, Method::Get, Refusal::Busy),
        Ok(request) => request,
        Err(Some(refusal)) => return http::refuse(&mut stream, Method::Get, refusal),
        Err(None) => return Ok(()),
    };
    let method = request.method;
    match answer(&mut stream, site, limits, &request)? {
        Some(refusal) => http::refuse(&mut stream, method, refusal),
        None => Ok(()),
    }
}

/// Answers a request, or says why not.
fn answer(stream: &mut TcpStream, site: &Site, limits: Limits, request: &Request) -> io::Result<Option<Refusal>> {
    if !site.hosts.allow(&request.host) {
        return Ok(Some(Refusal::ForeignHost));
    }
    let subject = match subject(request) {
        Ok(subject) => subject,
        Err(refusal) => return Ok(Some(refusal)),
    };
    match &*request.path {
        "/" => {
            let Some(watch) = site.watches.of(&subject) else { return Ok(Some(Refusal::Missing)) };
            let (events, home) = match &subject {
                Subject::All => ("/events".to_owned(), true),
                Subject::Runs(names) => (format!("/events?{}", query(names)), false),
            };
            let body = {
                let mut watch = held(&watch);
                let (title, parts) = watch.look();
                let parts: Vec<Part> = parts.iter().map(|part| Part::clone(part)).collect();
                page(title, home, &parts, &events)
            };
            http::answer(stream, request.method, "text/html; charset=utf-8", &POLICY, body.as_bytes())?;
        }
        "/runs" => {
            let runs = match site.watches.places().list() {
                Ok(runs) => runs.into_iter().map(|(_, run)| run).collect(),
                Err(_) => Vec::new(),
            };
            let body = serde_json::to_vec(&serde_json::json!({ "runs": runs }))?;
            http::answer(stream, request.method, "application/json", "", &body)?;
        }
        "/events" => {
            let Some(watch) = site.watches.of(&subject) else { return Ok(Some(Refusal::Missing)) };
            http::begin_events(stream)?;
            if request.method == Method::Get {
                view(stream, limits, || held(&watch).look().1.to_vec())?;
            }
        }
        _ => return Ok(Some(Refusal::Missing)),
    }
    Ok(None)
}

/// What a request is about.
fn subject(request: &Request) -> Result<Subject, Refusal> {
    let mut names: Vec<String> = Vec::new();
    for (key, name) in &request.query {
        if key == "run" && !names.contains(name) {
            names.push(name.clone());
        }
    }
    match names.len() {
        0 => Ok(Subject::All),
        count if count <= MOST_RUNS => Ok(Subject::Runs(names)),
        _ => Err(Refusal::Malformed("more than eight runs at once")),
    }
}

/// What a viewer is sent: which parts there are, and those that it does not have.
#[derive(Serialize)]
struct Update<'u> {
    order: Vec<&'u str>,
    changed: serde_json::Map<String, serde_json::Value>,
}

/// Sends what changes of a view, until the viewer is gone.
fn view(stream: &mut TcpStream, limits: Limits, look: impl Fn() -> Vec<Arc<Part>>) -> io::Result<()> {
    let mut shown: Vec<Arc<Part>> = Vec::new();
    let mut last = Instant::now();
    stream.write_all(b"retry: 2000\n\n")?;
    loop {
        let parts = look();
        let is_shown = |part: &Arc<Part>| shown.iter().any(|known| Arc::ptr_eq(known, part));
        let changed: serde_json::Map<_, _> =
            parts.iter().filter(|part| !is_shown(part)).map(|part| (part.0.clone(), part.1.clone().into())).collect();
        if !changed.is_empty() || parts.len() != shown.len() {
            let order = parts.iter().map(|part| &*part.0).collect();
            let update = serde_json::to_string(&Update { order, changed })?;
            stream.write_all(format!("event: view\ndata: {update}\n\n").as_bytes())?;
            (shown, last) = (parts, Instant::now());
        } else if last.elapsed() >= limits.sign {
            stream.write_all(b":\n\n")?;
            last = Instant::now();
        }
        std::thread::sleep(limits.look);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::SocketAddr;

    use super::super::places::Places;
    use super::*;

    /// A server with limits of its own, over an empty folder.
    fn started(limits: Limits) -> (SocketAddr, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let hosts = Hosts::of("127.0.0.1", at.ip());
        let site = Site { hosts, watches: Watches::new(Places::Named(folder.path().into())) };
        std::thread::spawn(move || serve(&listener, &Arc::new(site), limits));
        (at, folder)
    }

    fn told(mut stream: TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told
    }

    const PLAIN: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[test]
    fn those_beyond_the_limit_are_told_so_and_served_when_others_have_gone() {
        let limits = Limits { clients: 2, refused: 1, head: Duration::from_secs(5), ..Limits::usual() };
        let (at, _folder) = started(limits);
        let connect = || TcpStream::connect(at).unwrap();
        let idle = [connect(), connect()];
        std::thread::sleep(Duration::from_millis(100));
        let busy = told(connect(), PLAIN);
        assert!(busy.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{busy}");
        assert!(busy.contains("\r\nRetry-After: 5\r\n") && busy.ends_with("close some\n"), "{busy}");
        drop(idle);
        std::thread::sleep(Duration::from_millis(300));
        assert!(told(connect(), PLAIN).starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[test]
    fn a_head_that_does_not_come_in_time_is_refused() {
        let (at, _folder) = started(Limits { head: Duration::from_millis(100), ..Limits::usual() });
        let told = told(TcpStream::connect(at).unwrap(), "GET / HTTP/1.1\r\n");
        assert!(told.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{told}");
    }

    #[test]
    fn a_viewer_that_takes_nothing_is_dropped() {
        let limits = Limits { taking: Duration::from_millis(200), look: Duration::ZERO, ..Limits::usual() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_write_timeout(Some(limits.taking)).unwrap();
        let begin = Instant::now();
        // New content at each look, more than the system keeps for somebody who does not read.
        let error = view(&mut stream, limits, || vec![Arc::new(("a".to_owned(), "x".repeat(1 << 20)))]).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
        assert!(begin.elapsed() >= limits.taking, "{:?}", begin.elapsed());
        drop(viewer);
    }

    #[test]
    fn a_viewer_that_has_gone_is_noticed_by_a_sign_of_life() {
        let limits = Limits { look: Duration::from_millis(5), sign: Duration::from_millis(10), ..Limits::usual() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        drop(viewer);
        let part = Arc::new(("a".to_owned(), String::new()));
        assert!(view(&mut stream, limits, || vec![Arc::clone(&part)]).is_err());
    }

    #[test]
    fn a_run_that_is_named_twice_is_one_and_there_is_room_for_eight() {
        let request = |names: &[&str]| Request {
            method: Method::Get,
            path: "/".to_owned(),
            query: names.iter().map(|name| ("run".to_owned(), (*name).to_owned())).collect(),
            host: String::new(),
        };
        assert_eq!(subject(&request(&[])), Ok(Subject::All));
        assert_eq!(subject(&request(&["b", "a", "b"])), Ok(Subject::Runs(vec!["b".to_owned(), "a".to_owned()])));
        let many: Vec<String> = (0..9).map(|index| index.to_string()).collect();
        let many: Vec<&str> = many.iter().map(|name| &**name).collect();
        assert!(subject(&request(&many[..8])).is_ok());
        assert_eq!(subject(&request(&many)), Err(Refusal::Malformed("more than eight runs at once")));
    }
}
