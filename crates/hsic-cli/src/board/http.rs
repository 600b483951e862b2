//! Requests and answers of HTTP/1.1 (RFC 9112), as far as a server needs them that is only read: GET and HEAD, no bodies, one
//! request a connection. What is not plain is refused.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

/// Most bytes of a request's head.
const HEAD: usize = 8 << 10;

/// Bytes that are still taken from somebody whose request was refused, so that the answer is not lost with them.
const REST: usize = 64 << 10;

/// How long they are waited for.
const LINGER: Duration = Duration::from_millis(500);

/// What is to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Its content is asked for.
    Get,
    /// Only what would be said of it.
    Head,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Decoded.
    pub(super) path: String,
    /// Names and values, decoded, in their order.
    pub(super) query: Vec<(String, String)>,
    /// To whom it is addressed.
    pub(super) host: String,
}

/// Why a request is not answered as it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not what it should be: what is wrong.
    Malformed(&'static str),
    /// There is no such thing.
    Missing,
    /// Nothing here can be changed.
    Method,
    /// Its head did not come in time.
    Slow,
    /// It is addressed to somebody else.
    ForeignHost,
    /// Its head is too long.
    Large,
    /// More clients than are served at once.
    Busy,
    /// Another protocol.
    Version,
}

impl Refusal {
    /// The code, its name, and what the reader is told.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed(what) => ("400 Bad Request", what),
            Self::Missing => ("404 Not Found", "no such page or run: expected the list of runs at /"),
            Self::Method => ("405 Method Not Allowed", "this board can only be read: expected GET or HEAD"),
            Self::Slow => ("408 Request Timeout", "the request did not come in time"),
            Self::ForeignHost => {
                ("421 Misdirected Request", "this host is not this board: expected the address that hsic board printed")
            }
            Self::Large => ("431 Request Header Fields Too Large", "the request is longer than 8 KiB"),
            Self::Busy => ("503 Service Unavailable", "as many viewers as this board serves at once: close some"),
            Self::Version => ("505 HTTP Version Not Supported", "expected HTTP/1.1"),
        }
    }
}

/// Reads a request's head, for which there is so much time.
///
/// # Errors
/// Why it is refused; `None` if the connection is gone.
pub(super) fn read(stream: &mut TcpStream, within: Duration) -> Result<Request, Option<Refusal>> {
    let until = Instant::now() + within;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Some(Refusal::Slow));
        }
        stream.set_read_timeout(Some(left)).map_err(|_| None)?;
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(Some(Refusal::Slow));
            }
            Err(_) => return Err(None),
        };
        // The end may lie across two reads.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&buffer[..count]);
        let end = head[from..].windows(4).position(|bytes| bytes == b"\r\n\r\n");
        match end {
            Some(end) if from + end <= HEAD => return parse(&head[..from + end]).map_err(Some),
            None if head.len() <= HEAD => {}
            _ => return Err(Some(Refusal::Large)),
        }
    }
}

/// A request from its head, without the empty line that ends it.
fn parse(head: &[u8]) -> Result<Request, Refusal> {
    let malformed = Refusal::Malformed;
    // Texts beyond ASCII come encoded; control characters never belong into a head.
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    let text = std::str::from_utf8(head).ok().filter(|text| text.bytes().all(|byte| plain(&byte)));
    let text = text.ok_or(malformed("the request has bytes that are no text"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let [method, target, version] = first.split(' ').collect::<Vec<_>>()[..] else {
        return Err(malformed("the first line is no method, target and version"));
    };
    match version {
        "HTTP/1.1" | "HTTP/1.0" => {}
        _ if version.starts_with("HTTP/") => return Err(Refusal::Version),
        _ => return Err(malformed("the first line ends in no version")),
    }
    let mut host = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(malformed("a header without a colon"))?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) || value.contains(['\r', '\n']) {
            return Err(malformed("a header whose name is none"));
        }
        let value = value.trim_matches([' ', '\t']);
        match &*name.to_ascii_lowercase() {
            "host" if host.is_some() => return Err(malformed("more than one host")),
            "host" => host = Some(value.to_owned()),
            "transfer-encoding" => return Err(malformed("a request with a body")),
            "content-length" if value != "0" => return Err(malformed("a request with a body")),
            _ => {}
        }
    }
    let host = host.ok_or(malformed("no host"))?;
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return Err(Refusal::Method),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return Err(malformed("a target that is no path"));
    }
    let path = decoded(path)?;
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A form writes a blank as a plus.
        Ok((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
    });
    Ok(Request { method, path, query: query.collect::<Result<_, Refusal>>()?, host })
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| Refusal::Malformed("a target that is no text"))?.into_owned())
}

/// What every answer says: nobody keeps it, nobody guesses what it is, no other site shows it or has it read.
const ALWAYS: &str = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
                      Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n";

/// Sends a page, or what would be said of it.
///
/// # Errors
/// The connection is gone.
pub(super) fn answer(stream: &mut TcpStream, method: Method, kind: &str, more: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}{ALWAYS}\r\n");
    send(stream, method, &head, body)
}

/// Begins an answer that goes on as long as somebody listens.
///
/// # Errors
/// The connection is gone.
pub(super) fn begin_events(stream: &mut TcpStream) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{ALWAYS}\r\n");
    stream.write_all(head.as_bytes())
}

/// Says why a request is not answered, and waits a little for what its sender still sends: an unread rest would have the system
/// throw the answer away.
///
/// # Errors
/// The connection is gone.
pub(super) fn refuse(stream: &mut TcpStream, method: Method, refusal: Refusal) -> io::Result<()> {
    let (code, told) = refusal.told();
    let body = format!("{told}\n");
    let more = match refusal {
        Refusal::Method => "Allow: GET, HEAD\r\n",
        Refusal::Busy => "Retry-After: 5\r\n",
        _ => "",
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n{more}{ALWAYS}\r\n"
    );
    send(stream, method, &head, body.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let (until, mut rest, mut buffer) = (Instant::now() + LINGER, 0, [0; 1024]);
    while rest < REST && Instant::now() < until {
        stream.set_read_timeout(Some(LINGER))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => rest += count,
        }
    }
    Ok(())
}

fn send(stream: &mut TcpStream, method: Method, head: &str, body: &[u8]) -> io::Result<()> {
    let mut bytes = head.as_bytes().to_vec();
    if method == Method::Get {
        bytes.extend_from_slice(body);
    }
    stream.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: &str) -> Result<Request, Refusal> {
        parse(format!("{first}\r\nHost: localhost").as_bytes())
    }

    #[test]
    fn a_request_is_its_method_path_and_query_decoded() {
        let request = of("GET /a%20b?run=x%2Fy+z&run=%C3%A4&live HTTP/1.1").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!((&*request.path, request.method, &*request.host), ("/a b", Method::Get, "localhost"));
        assert_eq!(request.query, [pair("run", "x/y z"), pair("run", "ä"), pair("live", "")]);
        assert_eq!(of("HEAD / HTTP/1.0").unwrap().method, Method::Head);
        let more = parse(b"GET / HTTP/1.1\r\nhOsT:\t[::1]:80 \r\nContent-Length: 0\r\nX-A: b: c").unwrap();
        assert_eq!(more.host, "[::1]:80");
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        let malformed = [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / GOPHER",
            "GET http://localhost/ HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /%ff HTTP/1.1",
            "GET /\u{e4} HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET / HTTP/1.1\r\nHost: other",
            "GET / HTTP/1.1\r\nno colon",
            "GET / HTTP/1.1\r\n folded: on",
            "GET / HTTP/1.1\r\nname : value",
            "GET / HTTP/1.1\r\na: b\nc: d",
            "GET / HTTP/1.1\r\nContent-Length: 5",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked",
        ];
        for first in malformed {
            assert!(matches!(of(first), Err(Refusal::Malformed(_))), "{first:?}: {:?}", of(first));
        }
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(Refusal::Malformed("no host")));
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "CONNECT"] {
            assert_eq!(of(&format!("{method} / HTTP/1.1")), Err(Refusal::Method));
        }
        assert_eq!(of("GET / HTTP/2.0"), Err(Refusal::Version));
    }
}
