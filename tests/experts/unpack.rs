//! Archives fetched from a small server, and archives that want to write elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use coembed::data::experts::{
    FeatureArchive, FeatureArchiveError, Fetch, FetchLimits, FetchProgress, Fetched, Release, UnpackLimits, Unpacked,
};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::server::{Answer, says, server, with_head};

/// A tar archive, written block by block: names and kinds as a library that writes archives would not take them.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A header of any kind, and what follows it.
    fn member(mut self, kind: u8, name: &str, to: &str, content: &[u8]) -> Self {
        self.header(kind, name, to, content.len() as u64);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn header(&mut self, kind: u8, name: &str, to: &str, size: u64) {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        match size < 1 << 33 {
            true => put(124, format!("{size:011o}\0").as_bytes()),
            // As GNU tar has it.
            false => put(124, &[&[0x80, 0, 0, 0], &size.to_be_bytes()[..]].concat()),
        }
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, to.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.member(b'0', name, "", content.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.member(b'5', name, "", &[])
    }

    fn link(self, name: &str, to: &str) -> Self {
        self.member(b'2', name, to, &[])
    }

    fn hard_link(self, name: &str, to: &str) -> Self {
        self.member(b'1', name, to, &[])
    }

    fn gz(self) -> Vec<u8> {
        zipped(&[self.0, vec![0; 1024]].concat())
    }
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const FILE: &str = "data/QuerYD/structured-symlinks/train_list.txt";

/// What every archive here has, in the folder that is read from.
fn plain() -> Tar {
    Tar::default().file(FILE, "v1\nv2\n")
}

/// An archive of which no sum is published.
fn queryd() -> FeatureArchive {
    FeatureArchive::new("QuerYD", Release::FeaturesV2, None).unwrap()
}

/// The folder of a project, in a folder of its own.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(project.at("data/QuerYD")).unwrap();
        project
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("project")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn unpack_with(&self, archive: &[u8], limits: UnpackLimits) -> Result<Unpacked, FeatureArchiveError> {
        fs::write(queryd().path(&self.root()), archive).unwrap();
        queryd().unpack(&self.root(), limits, |_, _| ())
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked, FeatureArchiveError> {
        self.unpack_with(archive, UnpackLimits::default())
    }

    fn fetch(&self, url: &str) -> Result<Fetched, FeatureArchiveError> {
        Fetch::new(queryd(), &self.root(), Some(url)).unwrap().run(FetchLimits::default(), |_| ())
    }

    /// Everything in it and beside it but the archive: the contents of files, where links lead, `/` for folders.
    fn all(&self) -> BTreeMap<String, String> {
        let (mut all, mut folders) = (BTreeMap::new(), vec![self.0.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                let content = match () {
                    () if kind.is_symlink() => format!("-> {}", fs::read_link(&path).unwrap().display()),
                    () if kind.is_dir() => "/".into(),
                    () => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
                };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let name = path.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned();
                if !name.ends_with(".tar.gz") {
                    all.insert(name, content);
                }
            }
        }
        all
    }
}

/// That the archive is refused with these words and that nothing of it is left, anywhere.
#[track_caller]
fn refused(archive: &[u8], expected: &str) {
    refused_with(archive, UnpackLimits::default(), expected);
}

#[track_caller]
fn refused_with(archive: &[u8], limits: UnpackLimits, expected: &str) {
    let project = Project::new();
    let before = project.all();
    let error = project.unpack_with(archive, limits).unwrap_err().to_string();
    let expected = format!("{}: {expected}", project.at("data/QuerYD/QuerYD-experts.tar.gz").display());
    assert_eq!(error, expected);
    assert_eq!(project.all(), before);
    assert!(!queryd().is_unpacked(&project.root()));
}

#[test]
fn an_archive_is_fetched_into_the_layout_that_is_read() {
    let tar = Tar::default()
        .folder("data/")
        .folder("data/QuerYD/")
        .folder("./data/QuerYD/structured-symlinks/")
        .file(FILE, "v1\nv2\n")
        .member(b'0', "data/QuerYD/structured-symlinks/a/big.npy", "", &[7; 100_000])
        .file("data/QuerYD/structured-symlinks/a/twice.txt", "first")
        .file("data/QuerYD/structured-symlinks/a/twice.txt", "last")
        .hard_link("data/QuerYD/structured-symlinks/b/again.npy", "data/QuerYD/structured-symlinks/a/big.npy");
    let archive = tar.gz();
    let (whole, half) = (archive.clone(), archive[..archive.len() / 2].to_vec());
    let length = archive.len();
    let head = move || format!("200 OK\r\nETag: \"1\"\r\nContent-Length: {length}");
    let interrupted: Answer = says(move |_| with_head(&head(), &half));
    let rest: Answer = says(move |asked| {
        let from = asked.from().expect("a range");
        let range = format!("ETag: \"1\"\r\nContent-Range: bytes {from}-{}/{length}", length - 1);
        with_head(&format!("206 X\r\n{range}\r\nContent-Length: {}", length - from), &whole[from..])
    });
    let (project, (url, asked)) = (Project::new(), server(vec![interrupted, rest]));
    let root = url.trim_end_matches("/x/a.tar.gz");
    let error = project.fetch(root).unwrap_err();
    assert!(matches!(error, FeatureArchiveError::Interrupted { kept: true, .. }), "{error}");
    assert!(!queryd().is_unpacked(&project.root()));

    let mut seen = vec![];
    let fetch = Fetch::new(queryd(), &project.root(), Some(root)).unwrap();
    let fetched = fetch.run(FetchLimits::default(), |progress| {
        if let FetchProgress::Unpacking(member, bytes) = progress {
            seen.push((member.to_owned(), bytes));
        }
    });
    let Ok(Fetched::Unpacked(Unpacked { files: 5, bytes: 100_015, .. }, None)) = fetched else { panic!("{fetched:?}") };
    assert_eq!(seen[1], (PathBuf::from("data/QuerYD/structured-symlinks/a/big.npy"), 6));
    for _ in 0..2 {
        assert_eq!(asked.recv().unwrap().0[0], "GET /features-v2/QuerYD-experts.tar.gz HTTP/1.1");
    }
    let folder = queryd().folder(&project.root()).unwrap();
    assert_eq!(fs::read_to_string(folder.join("train_list.txt")).unwrap(), "v1\nv2\n");
    assert_eq!(fs::read_to_string(folder.join("a/twice.txt")).unwrap(), "last");
    assert_eq!(fs::read(folder.join("b/again.npy")).unwrap(), [7; 100_000]);
    assert!(queryd().is_unpacked(&project.root()));
    let home = fs::read_dir(project.at("data/QuerYD")).unwrap().count();
    assert_eq!(home, 2, "the folder, and what says that it is whole");
    // Nobody is asked again.
    assert_eq!(project.fetch("http://127.0.0.1:1").unwrap(), Fetched::Before);
}

#[test]
fn archives_are_kept_if_wanted_and_taken_if_they_are_there() {
    let archive = plain().gz();
    let sent = archive.clone();
    let head = format!("200 OK\r\nContent-Length: {}", archive.len());
    let (project, (url, _)) = (Project::new(), server(vec![says(move |_| with_head(&head, &sent))]));
    let mut fetch = Fetch::new(queryd(), &project.root(), Some(url.trim_end_matches("/x/a.tar.gz"))).unwrap();
    fetch.keep_archive = true;
    let path = queryd().path(&project.root());
    let Ok(Fetched::Unpacked(_, Some(kept))) = fetch.run(FetchLimits::default(), |_| ()) else { panic!("not kept") };
    assert_eq!((&kept, fs::read(&path).unwrap()), (&path, archive));
    // What somebody put there is not removed.
    fs::remove_dir_all(project.at("data/QuerYD/structured-symlinks")).unwrap();
    let again = project.fetch("http://127.0.0.1:1").unwrap();
    assert!(matches!(again, Fetched::Unpacked(_, Some(_))), "{again:?}");
    assert!(path.exists() && project.at(FILE).exists());
}

#[test]
fn an_archive_of_a_wrong_sum_is_not_unpacked() {
    let archive = Tar::default().file("data/MSVD/structured-symlinks/train_list.txt", "v1\n").gz();
    let head = format!("200 OK\r\nContent-Length: {}", archive.len());
    let sent = archive.clone();
    let (project, (url, _)) = (Project::new(), server(vec![says(move |_| with_head(&head, &sent))]));
    let msvd = FeatureArchive::new("MSVD", Release::FeaturesV2, None).unwrap();
    let fetch = Fetch::new(msvd.clone(), &project.root(), Some(url.trim_end_matches("/x/a.tar.gz"))).unwrap();
    let error = fetch.run(FetchLimits::default(), |_| ()).unwrap_err();
    assert!(matches!(error, FeatureArchiveError::Sum { .. }), "{error}");
    assert_eq!(fs::read_dir(project.at("data/MSVD")).unwrap().count(), 0);
    // Nor is one that was there: it is left as it is.
    fs::write(msvd.path(&project.root()), &archive).unwrap();
    let error = fetch.run(FetchLimits::default(), |_| ()).unwrap_err();
    assert!(matches!(error, FeatureArchiveError::Sum { .. }), "{error}");
    assert_eq!(fs::read_dir(project.at("data/MSVD")).unwrap().count(), 1);
}

#[test]
fn members_elsewhere_are_refused() {
    for (name, problem) in [
        ("/etc/passwd", "an absolute path"),
        ("//data/QuerYD/x", "an absolute path"),
        ("../x", "a path with .."),
        ("data/QuerYD/../../../x", "a path with .."),
        ("data/QuerYD/structured-symlinks/..", "a path with .."),
        ("x", "a path outside data/QuerYD"),
        ("data/MSVD/x", "a path outside data/QuerYD"),
        ("data", "a path outside data/QuerYD"),
        ("data/QuerYD", "a path outside data/QuerYD"),
        ("", "a path outside data/QuerYD"),
        ("data/QuerYD/features-v2.unpacked", "the name is kept for archives and what says that they are unpacked"),
        ("data/QuerYD/features-V2.unpacking/x", "the name is kept for archives and what says that they are unpacked"),
        ("data/QuerYD/QuerYD-experts.tar.gz", "the name is kept for archives and what says that they are unpacked"),
    ] {
        let expected = format!("member {name:?}: {problem}");
        refused(&plain().file(name, "x").gz(), &expected);
        if !name.starts_with("data") {
            refused(&plain().link(name, "structured-symlinks").gz(), &expected);
            refused(&plain().hard_link(name, FILE).gz(), &expected);
        }
    }
    // Names of extended headers count.
    let long = format!("data/QuerYD/{}", "x".repeat(5000));
    let expected = "a path of at most 4096 bytes and 64 names without NUL expected";
    let tar = plain().member(b'L', "././@LongLink", "", format!("{long}\0").as_bytes()).file("x", "x");
    refused(&tar.gz(), &format!("member \"{}...\": {expected}", &long[..200]));
    let tar = plain().member(b'L', "././@LongLink", "", b"data/QuerYD/a\0b\0").file("x", "x");
    refused(&tar.gz(), &format!("member \"data/QuerYD/a\\0b\": {expected}"));
    let deep = format!("data/QuerYD/{}", "d/".repeat(70));
    let tar = plain().member(b'L', "././@LongLink", "", deep.as_bytes()).folder("x");
    refused(&tar.gz(), &format!("member {deep:?}: {expected}"));
    let tar = plain().member(b'x', "pax", "", b"28 path=../../../../escaped\n").file("data/QuerYD/a", "x");
    refused(&tar.gz(), "member \"../../../../escaped\": a path with ..");
}

#[test]
fn other_kinds_of_members_are_refused() {
    for (kind, what) in
        [(b'3', "a character device"), (b'4', "a block device"), (b'6', "a pipe"), (b'V', "a member of another kind")]
    {
        let tar = plain().member(kind, "data/QuerYD/x", "", &[]);
        let expected = format!("member \"data/QuerYD/x\": {what}: only files, folders and links are unpacked");
        refused(&tar.gz(), &expected);
    }
    let tar = plain().member(b'x', "pax", "", b"22 GNU.sparse.major=1\n").file("data/QuerYD/x", "x");
    refused(&tar.gz(), "member \"data/QuerYD/x\": a sparse file: only files, folders and links are unpacked");
}

#[cfg(unix)]
#[test]
fn links_within_are_kept() {
    let project = Project::new();
    let tar = plain()
        .file("data/QuerYD/shared/f", "shared")
        .link("data/QuerYD/structured-symlinks/shared", "../shared")
        .link("data/QuerYD/structured-symlinks/f", "shared/../shared/./f")
        .link("data/QuerYD/structured-symlinks/self", ".");
    let unpacked = project.unpack(&tar.clone().gz()).unwrap();
    assert_eq!(unpacked.files, 5);
    let read = |name: &str| fs::read_to_string(project.at("data/QuerYD/structured-symlinks").join(name)).unwrap();
    assert_eq!((read("shared/f"), read("f"), read("self/f")), ("shared".into(), "shared".into(), "shared".into()));
    // Unpacking again gives the same, and brings back what is gone.
    let before = project.all();
    fs::remove_file(project.at(FILE)).unwrap();
    fs::write(project.at("data/QuerYD/shared/f"), "changed").unwrap();
    project.unpack(&tar.gz()).unwrap();
    assert_eq!(project.all(), before);
}

#[cfg(unix)]
#[test]
fn links_to_elsewhere_are_refused() {
    let at = "data/QuerYD/structured-symlinks/l";
    let outside = |to: &str| format!("member {at:?}: a symbolic link to {to:?}, which leads outside data/QuerYD");
    for to in ["/etc", "../..", "../../QuerYD/structured-symlinks", "../../../../..", "../structured-symlinks/../../x"]
    {
        refused(&plain().link(at, to).gz(), &outside(to));
    }
    // By way of a link that is harmless itself.
    let tar = plain().folder("data/QuerYD/structured-symlinks/a/b").link("data/QuerYD/structured-symlinks/a/up", "..");
    refused(&tar.clone().link(at, "a/up/../..").gz(), &outside("a/up/../.."));
    refused(&tar.link(at, "a/up/a/up/a/up/../..").gz(), &outside("a/up/a/up/a/up/../.."));
    // By name alone this one stays within.
    let tar = plain().folder("data/QuerYD/d/e").link("data/QuerYD/structured-symlinks/top", "..");
    refused(&tar.link(at, "top/d/e/../../..").gz(), &outside("top/d/e/../../.."));
    let nothing = |to: &str| format!("member {at:?}: a symbolic link to {to:?}, where nothing is");
    for to in ["none", "none/..", "", "l/x/../none"] {
        let expected = match to {
            "l/x/../none" => format!("member {at:?}: a symbolic link to {to:?}, which leads through too many others"),
            _ => nothing(to),
        };
        refused(&plain().link(at, to).gz(), &expected);
    }
    let many = (0..60).fold(plain(), |tar, i| tar.link(&format!("data/QuerYD/l{i}"), &format!("l{}", i + 1)));
    let expected = "member \"data/QuerYD/l0\": a symbolic link to \"l1\", which leads through too many others";
    refused(&many.link("data/QuerYD/l60", "structured-symlinks").gz(), expected);
    // A link that is there already counts, too.
    let project = Project::new();
    std::os::unix::fs::symlink("/etc", project.at("data/QuerYD/theirs")).unwrap();
    let error = project.unpack(&plain().link(at, "../theirs/passwd").gz()).unwrap_err().to_string();
    assert!(error.ends_with(&outside("../theirs/passwd")), "{error}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_through_each_other_end() {
    // Each takes twice the steps of the one before it.
    let tar = (0..2000)
        .fold(plain().link("data/QuerYD/l", "."), |tar, i| tar.link(&format!("data/QuerYD/l{i}"), &"l/".repeat(45)));
    let error = Project::new().unpack(&tar.gz()).unwrap_err().to_string();
    assert!(error.ends_with("which leads through too many others"), "{error}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().to_str().unwrap();
    let folder = "data/QuerYD/structured-symlinks/a";
    let inner = format!("{folder}/x");
    let is = |at: &str, found| format!("{at:?} is {found} in the same archive already");
    let link = is("structured-symlinks/a", "a symbolic link");
    for archive in [
        plain().link(folder, to).file(&inner, "x"),
        plain().link(folder, to).folder(&inner),
        plain().link(folder, to).link(&inner, "y"),
        plain().link(folder, to).hard_link(&inner, FILE),
    ] {
        refused(&archive.gz(), &format!("member {inner:?}: {link}"));
    }
    for archive in [
        plain().link(folder, to).folder(folder),
        plain().link(folder, to).file(folder, "x"),
        plain().link(folder, to).link(folder, "elsewhere"),
        plain().link(folder, to).hard_link(folder, FILE),
    ] {
        refused(&archive.gz(), &format!("member {folder:?}: {link}"));
    }
    // A folder or file that a link takes the place of.
    let expected = format!("member {folder:?}: {}", is("structured-symlinks/a", "a folder"));
    refused(&plain().folder(folder).link(folder, to).file(&inner, "x").gz(), &expected);
    refused(&plain().file(&inner, "x").file(folder, "x").gz(), &expected);
    let expected = format!("member {folder:?}: {}", is("structured-symlinks/a", "a file"));
    refused(&plain().file(folder, "x").link(folder, to).gz(), &expected);
    let expected = format!("member {inner:?}: {}", is("structured-symlinks/a", "a file"));
    refused(&plain().file(folder, "x").file(&inner, "x").gz(), &expected);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn hard_links_to_elsewhere_are_refused() {
    let precious = tempfile::NamedTempFile::new().unwrap();
    let at = "data/QuerYD/structured-symlinks/l";
    let path = precious.path().to_str().unwrap();
    let link = Tar::default().link("data/QuerYD/structured-symlinks/s", "train_list.txt");
    for (tar, to) in [
        (plain(), path),
        (plain(), "../../../../../../etc/passwd"),
        (plain(), "data/QuerYD/../../x"),
        (plain(), "train_list.txt"),
        (plain(), "data/QuerYD/structured-symlinks"),
        (plain(), "data/QuerYD/structured-symlinks/later"),
        (plain(), "data/QuerYD/QuerYD-experts.tar.gz"),
        (link, "data/QuerYD/structured-symlinks/s"),
    ] {
        let expected = format!("member {at:?}: a hard link to {to:?}, which is no earlier file of the archive");
        refused(&tar.hard_link(at, to).file("data/QuerYD/structured-symlinks/later", "x").gz(), &expected);
    }
    // What is written later to one of two names is not written to the other.
    let project = Project::new();
    project.unpack(&plain().hard_link(at, FILE).file(at, "own").hard_link(FILE, FILE).gz()).unwrap();
    assert_eq!(fs::read_to_string(project.at(FILE)).unwrap(), "v1\nv2\n");
    assert_eq!(fs::read_to_string(project.at(at)).unwrap(), "own");
}

#[test]
fn more_than_the_limits_is_refused() {
    let few = UnpackLimits { members: 10, bytes: 100_000 };
    let zeros = plain().member(b'0', "data/QuerYD/zeros", "", &[0; 100_000]).gz();
    refused_with(&zeros, few, "member \"data/QuerYD/zeros\": more than 100000 bytes in the archive");
    // Sizes are believed before anything is read.
    for size in [1 << 40, u64::MAX >> 1] {
        let mut tar = plain();
        tar.header(b'0', "data/QuerYD/endless", "", size);
        let expected = format!("member \"data/QuerYD/endless\": more than {} bytes in the archive", 256_u64 << 30);
        refused(&tar.gz(), &expected);
    }
    let many = (0..9).fold(plain(), |tar, i| tar.file(&format!("data/QuerYD/{i}"), ""));
    refused_with(&many.gz(), few, "member \"data/QuerYD/8\": more than 10 members and folders in the archive");
    let deep = plain().file("data/QuerYD/1/2/3/4/5/6/7/8/9", "");
    let expected = "member \"data/QuerYD/1/2/3/4/5/6/7/8/9\": more than 10 members and folders in the archive";
    refused_with(&deep.gz(), few, expected);
    Project::new().unpack_with(&plain().gz(), UnpackLimits { members: 2, bytes: 6 }).unwrap();
    // What is no file has a budget, too: a name, a header for all, filling after the end.
    let (bomb, expected) = (vec![b'x'; 2 << 20], "a whole .tar.gz expected: too many bytes that are not of files");
    refused_with(&plain().member(b'L', "long", "", &bomb).file("x", "x").gz(), few, expected);
    refused_with(&plain().member(b'g', "all", "", &bomb).gz(), few, expected);
    refused_with(&plain().member(b'5', "data/QuerYD/a", "", &bomb).gz(), few, expected);
    refused_with(&zipped(&[plain().0, vec![0; 2 << 20]].concat()), few, expected);
}

#[test]
fn damaged_archives_are_named() {
    let noise: Vec<u8> = (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let tar = plain().member(b'0', "data/QuerYD/noise", "", &noise);
    let whole = tar.clone().gz();
    for length in [0, 5, 20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let project = Project::new();
        let before = project.all();
        let error = project.unpack(&whole[..length]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Damaged { .. }), "{length}: {error}");
        assert_eq!(project.all(), before, "{length}");
    }
    // The compressed file is whole, the archive in it is not.
    for length in [100, 512, 700, 1024, tar.0.len() - 512, tar.0.len()] {
        let error = Project::new().unpack(&zipped(&tar.0[..length])).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Damaged { .. }), "{length}: {error}");
    }
    refused(&tar.0, "a whole .tar.gz expected: invalid gzip header");
    // Messages have names of the archive, but not what a terminal obeys.
    let x = r"\u{1b}x".repeat(50);
    let problem = format!("numeric field was not a number: {} when getting cksum for {x}", r"\u{1b}x".repeat(4));
    refused(&zipped(&b"\x1bx".repeat(1024)), &format!("a whole .tar.gz expected: {problem}"));
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let error = Project::new().unpack(&changed).unwrap_err();
    assert!(matches!(error, FeatureArchiveError::Damaged { .. }), "{error}");
}

#[test]
fn an_archive_without_the_folder_that_is_read_is_refused() {
    let tar = Tar::default().file("data/QuerYD/other/x", "x");
    refused(&tar.gz(), "it has no folder data/QuerYD/structured-symlinks");
    refused(&Tar::default().gz(), "it has no folder data/QuerYD/structured-symlinks");
}

#[cfg(unix)]
#[test]
fn what_is_in_the_way_is_named() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    let tar = || plain().file("data/QuerYD/d/f", "f").link("data/QuerYD/l", "d").gz();
    let ways: [(&str, &str, fn(&Path, &Path)); 6] = [
        ("structured-symlinks", "a symbolic link is in the way of a folder", |at, to| symlink(to, at).unwrap()),
        ("d", "a file is in the way of a folder", |at, _| fs::write(at, "x").unwrap()),
        ("d/f", "a folder is in the way of a file", |at, _| fs::create_dir_all(at).unwrap()),
        ("d/f", "a symbolic link is in the way of a file", |at, to| {
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            symlink(to.join("f"), at).unwrap();
        }),
        ("l", "another symbolic link is in the way of a symbolic link", |at, to| symlink(to, at).unwrap()),
        ("l", "a folder is in the way of a symbolic link", |at, _| fs::create_dir(at).unwrap()),
    ];
    for (name, expected, block) in ways {
        let project = Project::new();
        let at = project.at("data/QuerYD").join(name);
        block(&at, outside.path());
        let before = project.all();
        let error = project.unpack(&tar()).unwrap_err().to_string();
        let archive = queryd().path(&project.root());
        assert_eq!(error, format!("{}: {expected} of {}", at.display(), archive.display()));
        assert_eq!(project.all(), before, "{name}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
    // The folder of the data set may be a link: it is its owner's.
    let project = Project::new();
    fs::remove_dir(project.at("data/QuerYD")).unwrap();
    symlink(outside.path(), project.at("data/QuerYD")).unwrap();
    project.unpack(&tar()).unwrap();
    assert!(outside.path().join("structured-symlinks/train_list.txt").exists() && project.at(FILE).exists());
}

#[test]
fn what_was_there_stays_and_what_a_dead_process_left_is_swept_away() {
    let project = Project::new();
    let left = project.at("data/QuerYD/features-v2.unpacking/structured-symlinks");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half.npy"), "half").unwrap();
    fs::create_dir_all(project.at("data/QuerYD/structured-symlinks")).unwrap();
    fs::write(project.at("data/QuerYD/structured-symlinks/mine"), "mine").unwrap();
    project.unpack(&plain().gz()).unwrap();
    let names: Vec<String> = project.all().into_keys().filter(|name| name.contains("structured")).collect();
    let folder = "project/data/QuerYD/structured-symlinks";
    assert_eq!(names, [folder.into(), format!("{folder}/mine"), format!("{folder}/train_list.txt")]);
    // A later archive that is refused leaves the earlier one whole.
    let before = project.all();
    project.unpack(&plain().file("../x", "x").gz()).unwrap_err();
    assert_eq!(project.all(), before);
    assert!(queryd().is_unpacked(&project.root()));
}

#[cfg(unix)]
#[test]
fn an_archive_is_unpacked_once_at_a_time() {
    let project = Project::new();
    let mark = project.at("data/QuerYD/features-v2.unpacked");
    let file = fs::File::create(&mark).unwrap();
    file.lock().unwrap();
    let error = project.unpack(&plain().gz()).unwrap_err();
    assert!(matches!(error, FeatureArchiveError::InUse { .. }), "{error}");
    drop(file);
    // Nor is it marked through a link.
    fs::remove_file(&mark).unwrap();
    std::os::unix::fs::symlink(project.at("elsewhere"), &mark).unwrap();
    let error = project.unpack(&plain().gz()).unwrap_err().to_string();
    assert_eq!(error, format!("{}: a symbolic link, not a regular file", mark.display()));
    assert!(!project.at("elsewhere").exists());
}
