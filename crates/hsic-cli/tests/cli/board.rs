//! `board`: the live view, over sockets as a browser has them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use sha2::Digest;

use crate::Place;

/// Longer than anything here waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A board at work, and where it is.
struct Served {
    child: Child,
    at: String,
}

impl Served {
    fn begin(place: &Place, arguments: &str) -> Self {
        let mut command = place.command(&format!("board {arguments}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let at = url.trim_end().strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
        Self { at: at.unwrap_or_else(|| panic!("{url}")).to_owned(), child }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn told(&self, request: &str) -> String {
        let mut told = String::new();
        self.send(request).read_to_string(&mut told).unwrap();
        told
    }

    fn get(&self, target: &str) -> String {
        self.told(&format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.at))
    }

    /// The lines that a viewer is sent.
    fn listen(&self, target: &str) -> BufReader<TcpStream> {
        BufReader::new(self.send(&format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.at)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The next update that a viewer is sent.
fn update(events: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert!(events.read_line(&mut line).unwrap() > 0, "the board hung up");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

fn status(told: &str) -> &str {
    told.split(' ').nth(1).unwrap_or(told)
}

/// Two small runs.
fn runs() -> Place {
    let place = Place::new();
    for seed in [1, 2] {
        let small = "--train-size 200 --test-size 50 --widths 16x2 --batch-size 50 --format-epochs 0 --quiet";
        let output = place.run(&format!("train {small} --epochs 3 --seed {seed} --run runs/seed{seed}"));
        assert!(output.status.success(), "{}", crate::stderr(&output));
    }
    place
}

#[test]
fn pages_show_the_runs_and_what_is_no_plain_request_is_refused() {
    let place = runs();
    fs::create_dir(place.path("secret")).unwrap();
    fs::copy(place.path("runs/seed1/config.toml"), place.path("secret/config.toml")).unwrap();
    let board = Served::begin(&place, "runs");
    let list = board.get("/");
    assert!(list.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{list}");
    assert!(list.contains("href=\"/?run=seed1\"") && list.contains("href=\"/?run=seed2\""), "{list}");
    // The policy names the hash of the script that the page has, and allows no other.
    let policy = list.lines().find(|line| line.starts_with("Content-Security-Policy: ")).unwrap();
    let (_, script) = list.split_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let hash = sha2::Sha256::digest(script.as_bytes());
    assert!(policy.contains("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert_eq!(decoded(policy.split_once("'sha256-").unwrap().1.split_once('\'').unwrap().0), hash[..]);

    let one = board.get("/?run=seed1");
    for part in ["id=\"state\"", "id=\"blocks\"", "id=\"figure-0-Accuracy\"", "id=\"figure-0-Confusion\""] {
        assert!(one.contains(part), "{part}");
    }
    let both = board.get("/?run=seed1&run=seed2");
    assert!(both.contains("id=\"figure-0-Loss-of-the-last-block\"") && both.contains("<h1>2 runs</h1>"));
    let listed: Value = serde_json::from_str(board.get("/runs").split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 2);

    // Of HEAD all but the content.
    let head = board.told(&format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", board.at));
    assert_eq!(status(&head), "200");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert!(length.parse::<usize>().unwrap() > 1000 && head.ends_with("\r\n\r\n"), "{head}");
    assert!(board.told("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n").ends_with("\r\n\r\n"));

    let host = |host: &str| board.told(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!([host("localhost:1"), host("127.0.0.1")].each_ref().map(|told| status(told)), ["200", "200"]);
    let foreign = [host("example.com"), host("192.168.0.1"), host("localhost.example.com")];
    assert_eq!(foreign.each_ref().map(|told| status(told)), ["421", "421", "421"]);

    let secret = place.path("secret").to_string_lossy().replace('/', "%2F");
    for name in ["../secret", "..%2Fsecret", "seed1/../../secret", "%2e%2e/secret", &secret, "seed1%00", ".", "none"] {
        for page in ["/", "/events"] {
            assert_eq!(status(&board.get(&format!("{page}?run={name}"))), "404", "{name}");
        }
    }
    for path in ["/../secret/config.toml", "/runs/seed1/config.toml", "/favicon.ico", "//"] {
        assert_eq!(status(&board.get(path)), "404", "{path}");
    }
    let request = |first: &str| board.told(&format!("{first}\r\nHost: localhost\r\n\r\n"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let told = request(&format!("{method} / HTTP/1.1"));
        assert!(status(&told) == "405" && told.contains("\r\nAllow: GET, HEAD\r\n"), "{told}");
    }
    assert_eq!(status(&request(&format!("GET /?{} HTTP/1.1", "a".repeat(9000)))), "431");
    assert_eq!(status(&request(&format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(5000)))), "431");
    assert_eq!(status(&request("GET / HTTP/1.1\r\nContent-Length: 4")), "400");
    assert_eq!(status(&request("nonsense")), "400");
    assert_eq!(status(&request("GET / HTTP/3")), "505");
    let many: String = (0..9).map(|index| format!("run={index}&")).collect();
    assert_eq!(status(&board.get(&format!("/?{many}"))), "400");
}

/// Letters in bytes (RFC 4648), by another way than the board's: digit by digit.
fn decoded(letters: &str) -> Vec<u8> {
    let digit = |letter: char| match letter {
        'A'..='Z' => letter as u32 - 65,
        'a'..='z' => letter as u32 - 71,
        '0'..='9' => letter as u32 + 4,
        '+' => 62,
        _ => 63,
    };
    let bits: String = letters.trim_end_matches('=').chars().map(|letter| format!("{:06b}", digit(letter))).collect();
    let bytes = bits.as_bytes().chunks_exact(8).map(|byte| std::str::from_utf8(byte).unwrap());
    bytes.map(|byte| u8::from_str_radix(byte, 2).unwrap()).collect()
}

#[test]
fn a_viewer_is_sent_what_changes_as_records_come_and_are_cut() {
    let place = runs();
    let records = fs::read_to_string(place.path("runs/seed1/metrics.jsonl")).unwrap();
    let epochs: Vec<&str> = records.lines().filter(|line| line.contains("\"type\":\"epoch\"")).collect();
    // A run that has just begun, held by a process.
    fs::create_dir(place.path("runs/now")).unwrap();
    for file in ["config.toml", "data.json"] {
        fs::copy(place.path(&format!("runs/seed1/{file}")), place.path(&format!("runs/now/{file}"))).unwrap();
    }
    let mut lock = File::create(place.path("runs/now/lock")).unwrap();
    lock.try_lock().unwrap();
    writeln!(lock, "process 1 (hsic train)").unwrap();
    let metrics = place.path("runs/now/metrics.jsonl");
    // Without a folder it shows the usual ones.
    let board = Served::begin(&place, "");
    let (mut list, mut one) = (board.listen("/events"), board.listen("/events?run=runs/now"));
    let first = update(&mut one);
    assert_eq!(first["order"], serde_json::json!(["state"]));
    assert!(first["changed"]["state"].as_str().unwrap().contains("running"), "{first}");
    assert!(update(&mut list)["changed"]["runs"].as_str().unwrap().contains("0 of 3"));

    let mut file = File::options().create(true).append(true).open(&metrics).unwrap();
    writeln!(file, "{}", epochs[0]).unwrap();
    let grown = update(&mut one);
    let figure = "figure-0-Accuracy";
    let (short, state) = (grown["changed"][figure].as_str().unwrap(), grown["changed"]["state"].as_str().unwrap());
    assert!(state.contains("1 of 3") && state.contains("about "), "{state}");
    assert!(update(&mut list)["changed"]["runs"].as_str().unwrap().contains("1 of 3"));
    // A second of two records, in two pieces: the half of a line is none yet.
    write!(file, "{}\n{}", epochs[1], &epochs[2][..30]).unwrap();
    let longer = update(&mut one);
    assert!(longer["changed"]["state"].as_str().unwrap().contains("2 of 3"));
    let drawn = longer["changed"][figure].as_str().unwrap();
    assert!(drawn != short && drawn.contains("after each epoch, 2 in all"), "{drawn}");
    writeln!(file, "{}", &epochs[2][30..]).unwrap();
    assert!(update(&mut one)["changed"][figure].as_str().unwrap().contains("3 in all"));
    // What a resume leaves: the file is cut and grows again.
    file.set_len(epochs[0].len() as u64 + 1).unwrap();
    let cut = update(&mut one);
    assert!(cut["changed"][figure].as_str().unwrap().contains("1 in all"), "{cut}");
    let again = epochs[1].replace("\"seconds\":", "\"seconds\":9");
    writeln!(file, "{again}").unwrap();
    assert!(update(&mut one)["changed"][figure].as_str().unwrap().contains("2 in all"));
}

#[test]
fn more_clients_than_it_serves_are_told_so() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    let board = Served::begin(&place, "");
    let idle: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(&board.at).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(status(&board.get("/")), "503");
    drop(idle);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(status(&board.get("/")), "200");
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = Place::new();
    assert!(place.fails("board").contains("no runs/, comparison/ or speedrun/ here, expected"));
    assert!(place.fails("board none").contains("none"));
    fs::create_dir(place.path("runs")).unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let error = place.fails(&format!("board --port {port}"));
    assert!(error.contains(&format!("127.0.0.1 port {port}: expected an address of this machine")), "{error}");
    assert!(place.fails("board --listen 203.0.113.7").contains("203.0.113.7 port 0: "));
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_it() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    let mut board = Served::begin(&place, "");
    // Somebody looks at it.
    let mut viewer = board.listen("/events");
    update(&mut viewer);
    let sent = std::process::Command::new("kill").args(["-INT", &board.child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let begin = std::time::Instant::now();
    let status = board.child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}
