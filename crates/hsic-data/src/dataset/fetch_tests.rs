//! Fetching from a server of the test's own on the loopback interface.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::*;
use crate::dataset::{Content, Facts, KnownFile, LoadOptions, Shape, Split};
use crate::disk::{Fault, FileSystem, Recorder, Trouble};

/// What a server does with one request; after the last it refuses connections.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends the rest that was asked for, up to so many bytes, then closes the connection.
    Cut(usize),
    /// Sends the rest that was asked for.
    Rest,
    /// Sends everything, whatever was asked for.
    Everything,
    /// Sends something of the right length.
    Wrong,
    /// Sends everything and more.
    More,
    /// Says that it is not there.
    Missing,
    /// Says that it is at another address.
    LeadsOn(&'static str),
}

/// Starts a server; returns its address and, later, the ranges asked for.
fn serve(content: &[u8], answers: &[Answer]) -> (String, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/data/", listener.local_addr().unwrap());
    let (content, answers) = (content.to_vec(), answers.to_vec());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            respond(stream, &content, answer, &log);
        }
    });
    (address, asked)
}

fn respond(mut stream: TcpStream, content: &[u8], answer: Answer, log: &Mutex<Vec<u64>>) {
    let mut start = 0;
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(range) = lower.strip_prefix("range: bytes=") {
            start = range.trim().trim_end_matches('-').parse().unwrap();
        }
        line.clear();
    }
    log.lock().unwrap().push(start as u64);
    let all = content.len();
    let mut send = |head: String, body: &[u8]| {
        // The client may hang up first.
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
        let _ = stream.write_all(body);
    };
    let rest = match start {
        0 => format!("200 OK\r\nContent-Length: {all}"),
        _ => format!(
            "206 Partial Content\r\nContent-Range: bytes {start}-{}/{all}\r\nContent-Length: {}",
            all - 1,
            all - start
        ),
    };
    match answer {
        Answer::Cut(bytes) => send(rest, &content[start..][..bytes.min(all - start)]),
        Answer::Rest => send(rest, &content[start..]),
        Answer::Everything => send(format!("200 OK\r\nContent-Length: {all}"), content),
        Answer::Wrong => send(format!("200 OK\r\nContent-Length: {all}"), &vec![b'x'; all]),
        Answer::More => send("200 OK".to_owned(), &[content, b"more"].concat()),
        Answer::LeadsOn(address) => {
            send(format!("302 Found\r\nLocation: {address}\r\nContent-Length: 5"), b"there");
        }
        Answer::Missing => send("404 Not Found\r\nContent-Length: 0".to_owned(), b""),
    }
}

/// What is to be fetched: 200,000 bytes.
fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn download(content: &[u8]) -> Download {
    let sum = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Download { name: "file.gz", bytes: content.len() as u64, sha256: sum.leak() }
}

/// Fetches into a folder from these mirrors; the bytes transferred.
fn get(by: &dyn Transport, folder: &Path, mirrors: &[&str], content: &[u8]) -> Result<u64, DatasetError> {
    let mut last = 0;
    let fetcher = Fetcher { name: "test", folder, mirrors, transport: by };
    let result = fetcher.fetch(&[download(content)], &mut |transfer| {
        assert_eq!((transfer.file, transfer.total), ("file.gz", content.len() as u64));
        last = transfer.done;
    });
    assert!(matches!(result, Err(_) | Ok(0)) || last == content.len() as u64);
    result
}

/// Each of these runs for every transport that is built in.
macro_rules! by_each_transport {
    ($($name:ident),* $(,)?) => {
        mod by_curl {
            $(
                #[test]
                fn $name() {
                    if super::curl_is_here() {
                        super::$name(&super::curl::Curl::new(super::curl::PROGRAM));
                    }
                }
            )*
        }

        #[cfg(feature = "tls")]
        mod by_tls {
            $(
                #[test]
                fn $name() {
                    super::$name(&super::tls::Client::direct());
                }
            )*
        }
    };
}

by_each_transport!(
    a_cut_transfer_goes_on_where_it_stood,
    a_later_process_takes_up_what_an_earlier_one_left,
    a_server_without_ranges_that_always_cuts_is_given_up,
    a_file_that_is_there_is_not_replaced,
    the_next_mirror_is_asked_when_one_fails,
    when_all_mirrors_fail_the_error_says_why_and_what_to_do,
    a_truncated_file_stays_as_a_part_and_is_no_file,
    an_address_that_leads_on_is_followed_and_only_on_the_web,
    an_archive_is_fetched_once_and_leaves_its_files,
);

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn curl_is_here() -> bool {
    let here = std::process::Command::new(curl::PROGRAM).arg("--version").output().is_ok();
    if !here {
        println!("skipped: curl is not installed");
    }
    here
}

fn a_cut_transfer_goes_on_where_it_stood(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let (address, asked) = serve(&content, &[Answer::Cut(70_000), Answer::Cut(30_000), Answer::Rest]);
    assert_eq!(get(by, folder.path(), &[&address], &content).unwrap(), 200_000);
    assert_eq!(*asked.lock().unwrap(), [0, 70_000, 100_000]);
    assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);
    assert!(!folder.path().join("file.gz.part").exists());
}

fn a_later_process_takes_up_what_an_earlier_one_left(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("file.gz.part"), &content[..150_000]).unwrap();
    let (address, asked) = serve(&content, &[Answer::Rest]);
    assert_eq!(get(by, folder.path(), &[&address], &content).unwrap(), 50_000);
    assert_eq!(*asked.lock().unwrap(), [150_000]);
    assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);

    // Of one that a power cut took bytes of all is fetched anew, and the mirror is not blamed.
    let folder = tempfile::tempdir().unwrap();
    let mut torn = content[..150_000].to_vec();
    torn[131_072..].fill(0);
    fs::write(folder.path().join("file.gz.part"), torn).unwrap();
    let (address, asked) = serve(&content, &[Answer::Rest, Answer::Rest]);
    assert_eq!(get(by, folder.path(), &[&address], &content).unwrap(), 250_000);
    assert_eq!(*asked.lock().unwrap(), [150_000, 0]);
    assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);

    // A server that knows no ranges sends all of it.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.gz.part"), &content[..150_000]).unwrap();
    let (address, _) = serve(&content, &[Answer::Everything]);
    assert_eq!(get(by, folder.path(), &[&address], &content).unwrap(), 200_000);
    assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);
}

fn a_server_without_ranges_that_always_cuts_is_given_up(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    // The stream ends at the same place each time, whatever was asked for.
    let (address, asked) = serve(&content[..90_000], &[Answer::Everything; 9]);
    assert!(get(by, folder.path(), &[&address], &content).is_err());
    assert_eq!(*asked.lock().unwrap(), [0, 90_000]);
}

fn a_file_that_is_there_is_not_replaced(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file.gz");
    fs::write(&path, &content).unwrap();
    assert_eq!(get(by, folder.path(), &[], &content).unwrap_or(0), 0);
    fs::write(&path, "another").unwrap();
    let error = get(by, folder.path(), &[], &content).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: SHA-256 ", path.display())) && error.contains("move it away"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"another");
}

fn the_next_mirror_is_asked_when_one_fails(by: &dyn Transport) {
    let content = content();
    for bad in [Answer::Missing, Answer::Wrong, Answer::More, Answer::Cut(0)] {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = serve(&content, &[bad]);
        let (second, asked) = serve(&content, &[Answer::Rest]);
        get(by, folder.path(), &[&first, &second], &content).unwrap();
        assert_eq!(*asked.lock().unwrap(), [0]);
        assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);
    }
}

fn when_all_mirrors_fail_the_error_says_why_and_what_to_do(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let (missing, _) = serve(&content, &[Answer::Missing]);
    let (wrong, _) = serve(&content, &[Answer::Wrong]);
    let (more, _) = serve(&content, &[Answer::More]);
    // Bound and closed again: nothing listens there.
    let refused = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = get(by, folder.path(), &[&missing, &wrong, &more, &refused], &content).unwrap_err().to_string();
    for part in [
        format!("{missing}file.gz: HTTP status 404"),
        format!("{wrong}file.gz: SHA-256 "),
        format!("{more}file.gz: more than the expected 200000 bytes"),
        format!("{refused}file.gz: "),
        format!("by hand, put file.gz into {}", folder.path().display()),
    ] {
        assert!(error.contains(&part), "{part}\n---\n{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing wrong is left");
}

fn a_truncated_file_stays_as_a_part_and_is_no_file(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let (address, _) = serve(&content, &[Answer::Cut(10_000), Answer::Cut(0)]);
    assert!(get(by, folder.path(), &[&address], &content).is_err());
    assert!(!folder.path().join("file.gz").exists());
    assert_eq!(fs::read(folder.path().join("file.gz.part")).unwrap(), content[..10_000]);
}

fn an_address_that_leads_on_is_followed_and_only_on_the_web(by: &dyn Transport) {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let (address, asked) = serve(&content, &[Answer::Rest]);
    let (first, _) = serve(&[], &[Answer::LeadsOn(format!("{address}file.gz").leak())]);
    assert_eq!(get(by, folder.path(), &[&first], &content).unwrap(), 200_000);
    assert_eq!(*asked.lock().unwrap(), [0]);
    assert_eq!(fs::read(folder.path().join("file.gz")).unwrap(), content);

    // A file of this machine is right and yet not taken, whether it is asked for or led to.
    let place = folder.path().join("file.gz").display().to_string();
    let other = tempfile::tempdir().unwrap();
    let (leads, _) = serve(&[], &[Answer::LeadsOn(format!("file://{place}").leak())]);
    let direct = format!("file://{}", folder.path().display());
    let error = get(by, other.path(), &[&direct, &leads], &content).unwrap_err().to_string();
    let refused = format!("{direct}/file.gz: expected an address that begins with http:// or https://");
    assert!(error.contains(&refused) && error.contains(&format!("{leads}file.gz: ")), "{error}");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
}

#[test]
fn without_a_program_the_error_names_the_file_and_no_mirror_is_asked() {
    let (content, folder) = (content(), tempfile::tempdir().unwrap());
    let (address, asked) = serve(&content, &[Answer::Rest]);
    let error = get(&curl::Curl::new("no-such-curl"), folder.path(), &[&address, &address], &content).unwrap_err();
    let place = folder.path().display();
    assert_eq!(
        error.to_string(),
        format!("test: file.gz cannot be fetched: no program curl on PATH\nby hand, put file.gz into {place}")
    );
    assert!(matches!(error, DatasetError::NoDownloader { program: "curl", .. }), "{error:?}");
    assert!(asked.lock().unwrap().is_empty());
    // What is there already needs no program.
    fs::write(folder.path().join("file.gz"), &content).unwrap();
    assert_eq!(get(&curl::Curl::new("no-such-curl"), folder.path(), &[&address], &content).unwrap(), 0);
}

/// An archive of entries: kind, path as it stands in the header, content.
fn archive(folder: &Path, entries: &[(tar::EntryType, &str, &[u8])]) -> PathBuf {
    let mut bytes = Vec::new();
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Straight into the field: the crate's own setters refuse such paths.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    let path = folder.join("a.tar.gz");
    let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap();
    path
}

/// A data set of one file in an archive.
struct Packed(&'static Facts);

impl DatasetSource for Packed {
    fn name(&self) -> &'static str {
        "packed"
    }

    fn description(&self) -> &'static str {
        "a file in an archive"
    }

    fn facts(&self) -> &'static Facts {
        self.0
    }

    fn load(&self, _: &LoadOptions) -> Result<Split, DatasetError> {
        Err(DatasetError::NoDownload { name: self.name() })
    }

    fn content(&self, _: &LoadOptions) -> Result<Content, DatasetError> {
        Err(DatasetError::NoDownload { name: self.name() })
    }
}

fn an_archive_is_fetched_once_and_leaves_its_files(by: &dyn Transport) {
    let root = tempfile::tempdir().unwrap();
    let path = archive(root.path(), &[(tar::EntryType::Regular, "inner/one.bin", b"one")]);
    let content = fs::read(&path).unwrap();
    let known = Download { name: "a.tar.gz", ..download(&content) };
    let source = Packed(Box::leak(Box::new(Facts {
        files: Box::leak(Box::new([KnownFile { name: "one.bin", sha256: Some(download(b"one").sha256) }])),
        downloads: Box::leak(Box::new([known])),
        inner: Some("inner"),
        mirrors: &[],
        shape: Shape { channels: 1, height: 1, width: 1 },
        classes: 2,
        rows: [1, 1],
        package: None,
    })));
    let (address, asked) = serve(&content, &[Answer::Rest, Answer::Rest]);
    let data = root.path().join("data");
    let get = || fetch_by(by, &source, Some(&data), Some(&address), &mut |_| ());
    let file = data.join("packed/inner/one.bin");
    let fetched = get().unwrap();
    assert_eq!((fetched.bytes, &fetched.files[..]), (content.len() as u64, &[file.clone()][..]));
    assert_eq!(fs::read(&file).unwrap(), b"one");
    assert_eq!(fs::read_dir(data.join("packed")).unwrap().count(), 1, "no archive and no part is left");
    assert_eq!(get().unwrap().bytes, 0);
    assert_eq!(asked.lock().unwrap().len(), 1);
    fs::write(&file, "two").unwrap();
    assert!(matches!(get().unwrap_err(), DatasetError::Differs { path, .. } if path == file));
    // What the user has put there by hand is unpacked.
    fs::remove_file(&file).unwrap();
    fs::write(data.join("packed/a.tar.gz"), &content).unwrap();
    assert_eq!((get().unwrap().bytes, fs::read(&file).unwrap()), (0, b"one".to_vec()));
}

#[test]
fn an_archive_is_unpacked_whole_after_any_call_of_the_disk_has_failed() {
    use tar::EntryType;
    let files = [(EntryType::Regular, "inner/one.bin", &b"one"[..]), (EntryType::Regular, "two.bin", b"two")];
    for lasting in [false, true] {
        for call in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let place = archive(folder.path(), &files);
            let fault = Fault { call, trouble: Trouble::NoSpace, lasting };
            let recorder = Arc::new(Recorder::failing(folder.path(), Some(fault)).unwrap());
            let mounted = disk::mount(folder.path(), Arc::clone(&recorder) as Arc<dyn FileSystem>);
            let ended = unpack(&place, folder.path());
            drop(mounted);
            if recorder.troubled() == 0 {
                ended.unwrap();
                assert!(call > 15, "{call}");
                break;
            }
            let DatasetError::Io { path, source } = ended.unwrap_err() else { panic!("call {call}") };
            assert!(path.starts_with(folder.path()) && source.raw_os_error() == Some(28), "{call}: {path:?} {source}");
            let aside = folder.path().join(".unpacking");
            // The failure may be that of the removal, once all is in its place.
            let moved = folder.path().join("two.bin").exists();
            assert!(moved || !aside.exists(), "{call}");
            unpack(&place, folder.path()).unwrap();
            assert_eq!(fs::read(folder.path().join("inner/one.bin")).unwrap(), b"one");
            assert_eq!(fs::read(folder.path().join("two.bin")).unwrap(), b"two");
            assert!(!aside.exists());
        }
    }
}

#[test]
fn an_archive_is_unpacked_into_its_folder_and_never_out_of_it() {
    use tar::EntryType;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    let good: (EntryType, &str, &[u8]) = (EntryType::Regular, "inner/one.bin", b"one");
    unpack(&archive(&folder, &[(EntryType::Directory, "inner/", b""), good]), &folder).unwrap();
    assert_eq!(fs::read(folder.join("inner/one.bin")).unwrap(), b"one");
    fs::remove_dir_all(folder.join("inner")).unwrap();

    let outside = "a path that leads out of the folder";
    let other = "neither a file nor a folder";
    for (bad, reason) in [
        ((EntryType::Regular, "../evil", &b"x"[..]), outside),
        ((EntryType::Regular, "inner/../../evil", b"x"), outside),
        ((EntryType::Regular, "/tmp/evil", b"x"), outside),
        ((EntryType::Symlink, "inner/link", b""), other),
        ((EntryType::Fifo, "inner/fifo", b""), other),
    ] {
        let path = archive(&folder, &[good, bad]);
        let error = unpack(&path, &folder).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {}: {reason}, expected plain files below the folder", path.display(), bad.1));
        // The good file before it is not left either.
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
    let path = archive(&folder, &[good, good]);
    assert!(matches!(unpack(&path, &folder).unwrap_err(), DatasetError::Io { .. }), "a name twice");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(unpack(&path, &folder).is_err());
}
