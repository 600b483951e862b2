use std::io::Read;

use super::*;

/// Files are told by their text.
fn text(tree: &Tree, path: &str) -> Option<String> {
    let bytes = tree.get(Path::new(path))?.as_ref()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn put(path: &Path, opening: Opening, text: &str) -> Output {
    let mut out = open(path, opening).unwrap();
    out.write_all(text.as_bytes()).unwrap();
    out
}

#[test]
fn what_is_written_below_a_mount_is_recorded_and_nothing_else() {
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path();
    fs::write(root.join("old"), "before").unwrap();
    let recorder = Arc::new(Recorder::of(root).unwrap());
    let mounted = mount(root, Arc::clone(&recorder) as Arc<dyn FileSystem>);
    drop(put(&beside.path().join("elsewhere"), Opening::Emptied, "x"));
    create_dir_all(&root.join("a/b")).unwrap();
    let part = root.join("a/b/file.part");
    let mut out = put(&part, Opening::Emptied, "hello");
    out.seek(SeekFrom::Start(1)).unwrap();
    out.write_all(b"u").unwrap();
    out.sync().unwrap();
    drop(out);
    rename(&part, &root.join("a/b/file")).unwrap();
    drop(put(&root.join("old"), Opening::Appended, "+"));
    remove(&root.join("none")).unwrap();
    remove(&root.join("old")).unwrap();
    drop(mounted);
    drop(put(&root.join("late"), Opening::Emptied, "x"));
    let [a, b, file] = ["a", "a/b", "a/b/file"].map(|name| root.join(name));
    let expected = [
        Operation::DirCreated { path: a.clone() },
        Operation::DirSynced { path: root.to_owned() },
        Operation::DirCreated { path: b.clone() },
        Operation::DirSynced { path: a },
        Operation::Created { path: part.clone(), file: 1 },
        Operation::Written { file: 1, at: 0, bytes: b"hello".to_vec() },
        Operation::Written { file: 1, at: 1, bytes: b"u".to_vec() },
        Operation::Synced { file: 1 },
        Operation::Renamed { from: part, to: file.clone(), file: 1 },
        Operation::DirSynced { path: b },
        Operation::Written { file: 0, at: 6, bytes: b"+".to_vec() },
        Operation::Removed { path: root.join("old") },
        Operation::DirSynced { path: root.to_owned() },
    ];
    let journal = recorder.journal();
    assert_eq!(journal.operations, expected);
    // The appended byte was never synced, and its name is gone for good.
    assert_eq!(journal.pending(expected.len()), [10]);
    let mut read = String::new();
    File::open(&file).unwrap().read_to_string(&mut read).unwrap();
    assert_eq!(read, "hullo");
}

#[test]
fn a_power_cut_takes_what_was_on_no_disk_and_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("name"), "old").unwrap();
    let recorder = Arc::new(Recorder::of(root).unwrap());
    let _mounted = mount(root, Arc::clone(&recorder) as Arc<dyn FileSystem>);
    let out = put(&root.join("part"), Opening::Emptied, "new bytes");
    let written = recorder.done();
    let journal = recorder.journal();
    assert_eq!(journal.pending(written), [0, 1]);
    assert_eq!(text(&journal.found(written, |_| Fate::Kept), "part").as_deref(), Some("new bytes"));
    assert_eq!(text(&journal.found(written, |_| Fate::Lost), "part"), None);
    assert_eq!(text(&journal.found(written, |index| [Fate::Kept, Fate::Lost][index]), "part").as_deref(), Some(""));
    // Sectors of four bytes, the second of which came through: what was before it is zeros.
    let torn = |index| [Fate::Kept, Fate::Torn { size: 4, sectors: 2 }][index];
    assert_eq!(text(&journal.found(written, torn), "part").as_deref(), Some("\0\0\0\0byte"));
    out.sync().unwrap();
    let on = of(root);
    on.rename(&root.join("part"), &root.join("name")).unwrap();
    let journal = recorder.journal();
    let found = journal.found(recorder.done(), |_| Fate::Lost);
    assert_eq!((text(&found, "name").as_deref(), text(&found, "part")), (Some("old"), None));
    // Without the name that it had first, with the one that it came to have.
    let found = journal.found(recorder.done(), |index| if index == 0 { Fate::Lost } else { Fate::Kept });
    assert_eq!((text(&found, "name").as_deref(), text(&found, "part")), (Some("new bytes"), None));
    sync_name(&root.join("name")).unwrap();
    let found = recorder.journal().found(recorder.done(), |_| Fate::Lost);
    assert_eq!((text(&found, "name").as_deref(), found.len()), (Some("new bytes"), 1));
}

#[test]
fn a_folder_that_was_not_synced_takes_its_files_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let recorder = Arc::new(Recorder::of(root).unwrap());
    let _mounted = mount(root, Arc::clone(&recorder) as Arc<dyn FileSystem>);
    of(root).create_dir(&root.join("a")).unwrap();
    put(&root.join("a/file"), Opening::New, "x").sync().unwrap();
    sync_name(&root.join("a/file")).unwrap();
    assert!(recorder.journal().found(recorder.done(), |_| Fate::Lost).is_empty());
    remove_dir_all(&root.join("a")).unwrap();
    sync_name(&root.join("name")).unwrap();
    let done = recorder.done();
    assert_eq!(recorder.journal().found(done, |_| Fate::Kept), Tree::new());
    // The folder's end is on disk, whatever became of the file's.
    assert_eq!(recorder.journal().found(done, |_| Fate::Lost), Tree::new());
}

#[test]
fn a_call_fails_once_or_from_then_on_and_one_that_is_interrupted_is_made_again() {
    let made = |call, trouble, lasting| {
        let folder = tempfile::tempdir().unwrap();
        let fault = Fault { call, trouble, lasting };
        let recorder = Arc::new(Recorder::failing(folder.path(), Some(fault)).unwrap());
        let _mounted = mount(folder.path(), Arc::clone(&recorder) as Arc<dyn FileSystem>);
        let write = |name: &str| {
            let mut out = open(&folder.path().join(name), Opening::Emptied)?;
            out.write_all(b"abc")?;
            out.sync()
        };
        let ends = [write("a"), write("b")].map(|end| end.map_err(|error| error.raw_os_error()));
        (ends, fs::read(folder.path().join("a")).unwrap_or_default(), recorder.troubled())
    };
    assert_eq!(made(1, Trouble::NoSpace, false), ([Err(Some(28)), Ok(())], vec![], 1));
    assert_eq!(made(1, Trouble::NoSpace, true), ([Err(Some(28)), Err(Some(28))], vec![], 2));
    assert_eq!(made(2, Trouble::InputOutput, false), ([Err(Some(5)), Ok(())], b"abc".to_vec(), 1));
    assert_eq!(made(0, Trouble::TooManyFiles, false), ([Err(Some(24)), Ok(())], vec![], 1));
    for call in 0..3 {
        assert_eq!(made(call, Trouble::Interrupted, false), ([Ok(()), Ok(())], b"abc".to_vec(), 1), "{call}");
        let short = usize::from(call == 1);
        assert_eq!(made(call, Trouble::ShortWrite, false), ([Ok(()), Ok(())], b"abc".to_vec(), short), "{call}");
    }
}

#[test]
fn folders_are_made_down_to_the_last_and_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    create_dir_all(&deep).unwrap();
    create_dir_all(&deep).unwrap();
    assert!(deep.is_dir());
    assert_eq!(create_dir(&deep).unwrap_err().kind(), ErrorKind::AlreadyExists);
    drop(put(&deep.join("file"), Opening::New, "x"));
    assert!(create_dir_all(&deep.join("file")).is_err());
    let again = open(&deep.join("file"), Opening::New).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(open(&deep.join("none"), Opening::Present).unwrap_err().kind(), ErrorKind::NotFound);
    remove_dir_all(&folder.path().join("a")).unwrap();
    assert!(!folder.path().join("a").exists());
    assert_eq!(remove_file(&deep).unwrap_err().kind(), ErrorKind::NotFound);
}
