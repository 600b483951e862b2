//! Downloads by the system's `curl`: a process of its own, whose output is the answer's head and then the file.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::transport::{Failure, Reply, SILENCE, Transport, USER_AGENT};

/// The program's name.
pub(super) const PROGRAM: &str = "curl";

/// Answers that only name another address and are followed, one after another.
const MOST_REDIRECTS: u32 = 10;

/// Bytes of the longest head of an answer that is read.
const LONGEST_HEAD: u64 = 1 << 20;

/// Downloads by a program.
pub(super) struct Curl {
    program: OsString,
    /// Whether a proxy that the environment names is left out.
    direct: bool,
}

impl Default for Curl {
    fn default() -> Self {
        Self { program: PROGRAM.into(), direct: false }
    }
}

impl Transport for Curl {
    fn get(&self, address: &str, from: u64) -> Result<Reply, Failure> {
        let mut child = match self.command(address, from).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::NoProgram(PROGRAM)),
            Err(error) => return Err(Failure::Reason(format!("{PROGRAM} does not start: {error}"))),
        };
        let stdout = child.stdout.take();
        let mut output = Output { child, stdout: stdout.map(BufReader::new) };
        match output.head() {
            Ok(head) => Ok(Reply { status: head.status, content_range: head.content_range, body: Box::new(output) }),
            Err(error) => Err(Failure::Reason(error.to_string())),
        }
    }
}

impl Curl {
    #[cfg(test)]
    pub(super) fn new(program: &str) -> Self {
        Self { program: program.into(), direct: true }
    }

    /// The process that writes an address' answer from that byte on: its head, then its content.
    fn command(&self, address: &str, from: u64) -> Command {
        let silence = SILENCE.as_secs().to_string();
        let mut command = Command::new(&self.program);
        // Files of settings are left out, since one could change what is written; it must come first.
        command.args(["--disable", "--silent", "--show-error", "--include", "--suppress-connect-headers", "--globoff"]);
        // No address, and no answer that names another, leads to a file of this machine.
        command.args(["--proto", "=http,https", "--proto-redir", "=http,https", "--location"]);
        command.args(["--max-redirs", &MOST_REDIRECTS.to_string(), "--user-agent", USER_AGENT]);
        // An end to silence: less than a byte a second for so long.
        command.args(["--connect-timeout", &silence, "--speed-limit", "1", "--speed-time", &silence]);
        if from > 0 {
            command.args(["--range", &format!("{from}-")]);
        }
        if self.direct {
            command.args(["--noproxy", "*"]);
        }
        command.args(["--url", address]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    content_range: Option<String>,
    /// Whether it names another address.
    located: bool,
}

impl Head {
    /// Reads up to the empty line; `None` if there is nothing.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let strange = |line: &str| io::Error::other(format!("an answer that begins with {line:?}, expected HTTP"));
        let mut from = from.take(LONGEST_HEAD);
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let first = String::from_utf8_lossy(&line).trim_end().to_owned();
        let status = first.strip_prefix("HTTP/").and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        let mut head = Self { status: status.ok_or_else(|| strange(&first))?, content_range: None, located: false };
        loop {
            line.clear();
            from.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                return Err(io::Error::other("the answer's head has no end"));
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if text.is_empty() {
                return Ok(Some(head));
            }
            let Some((name, value)) = text.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-range") {
                head.content_range = Some(value.trim().to_owned());
            }
            head.located |= name.eq_ignore_ascii_case("location");
        }
    }

    /// Whether another answer follows: this one is only on the way, or names an address that is asked next.
    fn is_followed(&self) -> bool {
        matches!(self.status, 100..=199) || self.located && matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// What the process writes. It ends with the process: early if it is dropped before.
struct Output {
    child: Child,
    /// None when all of it was read.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Output {
    /// The head of the last answer, whose content is next.
    fn head(&mut self) -> io::Result<Head> {
        while let Some(stdout) = &mut self.stdout {
            match Head::read(stdout)? {
                Some(head) if head.is_followed() => {}
                Some(head) => return Ok(head),
                None => self.end()?,
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Waits for the process; its own words if it failed.
    fn end(&mut self) -> io::Result<()> {
        self.stdout = None;
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        let status = self.child.wait()?;
        match (status.success(), said.trim()) {
            (true, _) => Ok(()),
            (false, "") => Err(io::Error::other(format!("{PROGRAM} ended with {status}"))),
            (false, said) => Err(io::Error::other(said.to_owned())),
        }
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = &mut self.stdout else { return Ok(0) };
        let count = stdout.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.end()?;
        }
        Ok(count)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // It has ended already where all was read.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(text: &str) -> Vec<(u16, Option<String>, bool)> {
        let mut bytes = text.as_bytes();
        let mut found = Vec::new();
        while let Some(head) = Head::read(&mut bytes).unwrap() {
            let followed = head.is_followed();
            found.push((head.status, head.content_range, followed));
            if !followed {
                assert_eq!(bytes, b"content");
                break;
            }
        }
        found
    }

    #[test]
    fn the_last_head_is_that_of_the_content() {
        let partial = "HTTP/2 206 \r\nCONTENT-RANGE: bytes 7-9/10\r\n\r\ncontent";
        assert_eq!(heads(partial), [(206, Some("bytes 7-9/10".to_owned()), false)]);
        let way = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nlocation: /b\r\nno header\r\n\r\n";
        let expected = [(100, None, true), (302, None, true), (200, None, false)];
        assert_eq!(heads(&format!("{way}HTTP/1.1 200 OK\n\ncontent")), expected);
        // A page that has moved nowhere is the last.
        assert_eq!(heads("HTTP/1.1 302 Found\r\n\r\ncontent"), [(302, None, false)]);
    }

    #[test]
    fn what_is_no_head_is_told() {
        let told = |text: &str| Head::read(&mut text.as_bytes()).unwrap_err().to_string();
        assert_eq!(told("220 ready\r\n"), "an answer that begins with \"220 ready\", expected HTTP");
        assert_eq!(told("HTTP/1.1 200 OK\r\nServer: x"), "the answer's head has no end");
        assert_eq!(told(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 << 20))), "the answer's head has no end");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = Curl::new("no-such-curl").get("http://127.0.0.1:1/", 0).err().unwrap();
        assert!(matches!(failure, Failure::NoProgram("curl")), "{failure:?}");
    }

    #[test]
    fn only_the_web_is_asked() {
        let command = Curl::default().command("file:///etc/hostname", 5);
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        assert_eq!(arguments[0], "--disable");
        let after = |name: &str| &*arguments[arguments.iter().position(|argument| argument == name).unwrap() + 1];
        assert_eq!((after("--proto"), after("--proto-redir")), ("=http,https", "=http,https"));
        assert_eq!((after("--range"), after("--url")), ("5-", "file:///etc/hostname"));
        assert!(!arguments.iter().any(|argument| argument == "--noproxy"));
    }
}
