//! Names and sums of the published archives; fetching them from a small server.

use std::path::Path;

#[cfg(not(feature = "download"))]
use coembed::data::experts::FetchLimits;
use coembed::data::experts::{FeatureArchive, FeatureArchiveError, Fetch, Release, verify};

#[test]
fn names_follow_the_published_rule() {
    let archive = |dataset, release, code| FeatureArchive::new(dataset, release, code).unwrap();
    let plain = archive("MSRVTT", Release::default(), None);
    assert_eq!(plain.url("http://host/data/"), "http://host/data/features-v2/MSRVTT-experts.tar.gz");
    assert_eq!(plain.path(Path::new("p")), Path::new("p/data/MSRVTT/MSRVTT-experts.tar.gz"));
    let hq = archive("activity-net", "high-quality".parse().unwrap(), None);
    assert_eq!(hq.name(), "high-quality-activity-net-experts.tar.gz");
    assert_eq!(hq.folder(Path::new("p")).unwrap(), Path::new("p/data/activity-net/high-quality/structured-symlinks"));
    // The SHA-256 of "abc" begins with ba7816bf8f (FIPS 180-2).
    let lsmdc = archive("LSMDC", Release::FeaturesV2, Some("abc"));
    assert_eq!(lsmdc.url("http://h"), "http://h/features-v2/ba7816bf8f-LSMDC-experts.tar.gz");
    assert_eq!(lsmdc.name(), "LSMDC-experts.tar.gz");
    let first = archive("DiDeMo", Release::FeaturesV1, None);
    assert_eq!((first.url("http://h/"), first.folder(Path::new("p"))), ("http://h/didemo-experts.tar.gz".into(), None));
    // The published script puts any code into the address.
    let coded = archive("MSVD", Release::Challenge2, Some("abc")).url("http://h");
    assert_eq!(coded, "http://h/challenge-release-2/ba7816bf8f-challenge-release-2-MSVD-experts.tar.gz");
    assert_eq!(archive("MSRVTT", Release::HighQuality, None).sums().len(), 2);
    assert!(archive("QuerYD", Release::FeaturesV2, None).sums().is_empty());
}

#[test]
fn codes_and_names_are_asked_for() {
    let error = |dataset, code| FeatureArchive::new(dataset, Release::FeaturesV2, code).unwrap_err().to_string();
    assert!(error("LSMDC", None).contains("--access-code") && error("LSMDC", Some("")).contains("access code"));
    assert!(error("COCO", None).starts_with("--dataset: one of LSMDC, MSRVTT"));
    assert_eq!(
        error("YouCook2", None),
        "--release: of YouCook2 there are challenge-release-1, challenge-release-2, no features-v2"
    );
    let release = "v3".parse::<Release>().unwrap_err().to_string();
    assert!(release.starts_with("--release: one of features-v1, features-v2"), "{release}");
    for release in [Release::FeaturesV1, Release::HighQuality] {
        let archive = FeatureArchive::new("LSMDC", release, Some("abc")).unwrap();
        let error = archive.published_url().unwrap_err().to_string();
        assert!(error.starts_with(&format!("LSMDC, {}: ", release.name())) && error.contains("--from"), "{error}");
        assert!(Fetch::new(archive.clone(), Path::new("p"), None).is_err());
        assert!(Fetch::new(archive, Path::new("p"), Some("http://h")).unwrap().url().contains("ba7816bf8f-"));
    }
}

#[test]
fn unpacked_archives_are_recognised() {
    let project = tempfile::tempdir().unwrap();
    let archive = FeatureArchive::new("MSVD", Release::FeaturesV2, None).unwrap();
    let home = project.path().join("data/MSVD");
    // The marker of the published script, which no archive makes.
    std::fs::create_dir_all(home.join("symlinked-feats")).unwrap();
    std::fs::create_dir_all(home.join("structured-symlinks")).unwrap();
    assert!(!archive.is_unpacked(project.path()));
    std::fs::write(home.join("features-v2.unpacked"), "").unwrap();
    assert!(!archive.is_unpacked(project.path()), "being unpacked");
    std::fs::write(home.join("features-v2.unpacked"), ABC).unwrap();
    assert!(archive.is_unpacked(project.path()));
    std::fs::remove_dir(home.join("structured-symlinks")).unwrap();
    assert!(!archive.is_unpacked(project.path()));
}

#[test]
fn what_would_be_fetched_is_said() {
    let archive = |dataset, release| FeatureArchive::new(dataset, release, None).unwrap();
    let said = |archive, from| Fetch::new(archive, Path::new("p"), from).unwrap().to_string();
    assert_eq!(
        said(archive("MSVD", Release::FeaturesV2), None),
        "archive   MSVD-experts.tar.gz of features-v2\n\
         address   http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts/data/features-v2/MSVD-experts.tar.gz\n\
         size      1.3 GiB\n\
         SHA-1     999ef6e34c9d9ffe15363ade90400741bae5cb34\n\
         fetched   to p/data/MSVD/MSVD-experts.tar.gz\n\
         unpacked  to p/data/MSVD/structured-symlinks"
    );
    let first = said(archive("MSVD", Release::FeaturesV1), Some("http://h/x/"));
    assert!(first.contains("address   http://h/x/MSVD-experts.tar.gz\n"), "{first}");
    assert!(first.contains("6071827257c14de455b3a13fe1e885c2a7887c9e or a3dc395eddd48527b01b4af7321e4fcee1386ee7"));
    let bare = said(archive("QuerYD", Release::FeaturesV2), None);
    assert!(bare.contains("size      not published\nSHA-1     not published\n"), "{bare}");
}

#[cfg(not(feature = "download"))]
#[test]
fn a_build_without_downloads_says_so() {
    let project = tempfile::tempdir().unwrap();
    let archive = FeatureArchive::new("MSVD", Release::FeaturesV2, None).unwrap();
    let error = Fetch::new(archive, project.path(), None).unwrap().run(FetchLimits::default(), |_| ()).unwrap_err();
    assert!(error.to_string().contains("--features download"), "{error}");
}

/// FIPS 180-2, appendix A.1.
const ABC: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

#[test]
fn sums_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar.gz");
    std::fs::write(&path, "abc").unwrap();
    assert_eq!(verify(&path, &["0", ABC]).unwrap(), ABC);
    assert_eq!(verify(&path, &[]).unwrap(), ABC);
    std::fs::write(&path, "ab").unwrap();
    let error = verify(&path, &[ABC]).unwrap_err();
    assert!(error.to_string().contains(&format!("a.tar.gz: SHA-1 {ABC} expected, found ")), "{error}");
    assert!(matches!(verify(&folder.path().join("none"), &[]), Err(FeatureArchiveError::Io { .. })));
}

#[cfg(feature = "download")]
mod fetching {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use coembed::data::experts::{DownloadLimits, FeatureArchiveError, download};

    use crate::server::{Answer, repeats, says, server, stalls, with_head};

    fn content() -> Vec<u8> {
        (0..300_000_u32).map(|i| (i % 251) as u8).collect()
    }

    /// The whole file, after these lines of the head.
    fn whole_with(lines: &str) -> Vec<u8> {
        with_head(&format!("200 OK\r\n{lines}Content-Length: 300000"), &content())
    }

    fn whole() -> Answer {
        says(|asked| {
            assert_eq!(asked.from(), None);
            whole_with("")
        })
    }

    /// Ends in the middle.
    fn half_with(lines: &'static str) -> Answer {
        says(move |_| whole_with(lines)[..150_000].to_vec())
    }

    fn half() -> Answer {
        half_with("")
    }

    fn rest_with(lines: &'static str) -> Answer {
        says(move |asked| {
            let (content, from) = (content(), asked.from().expect("a range"));
            let total = content.len();
            if from >= total {
                return with_head(&format!("416 X\r\n{lines}Content-Range: bytes */{total}\r\nContent-Length: 0"), &[]);
            }
            let range = format!("{lines}Content-Range: bytes {from}-{}/{total}", total - 1);
            with_head(&format!("206 X\r\n{range}\r\nContent-Length: {}", total - from), &content[from..])
        })
    }

    fn rest() -> Answer {
        rest_with("")
    }

    fn sum() -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content()).unwrap();
        super::verify(file.path(), &[]).unwrap()
    }

    fn quick() -> DownloadLimits {
        DownloadLimits { idle: Duration::from_millis(300), bytes: 1 << 20 }
    }

    struct Target(tempfile::TempDir);

    impl Target {
        fn new() -> Self {
            let target = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(target.part().parent().unwrap()).unwrap();
            target
        }

        /// With what an earlier call left.
        fn with(part: &[u8], validator: Option<&str>) -> Self {
            let target = Self::new();
            fs::write(target.part(), part).unwrap();
            validator.iter().for_each(|validator| fs::write(target.validator(), validator).unwrap());
            target
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("data/X/a.tar.gz")
        }

        fn part(&self) -> PathBuf {
            self.0.path().join("data/X/a.tar.gz.part")
        }

        fn validator(&self) -> PathBuf {
            self.0.path().join("data/X/a.tar.gz.part.validator")
        }

        fn fetch(&self, url: &str, sums: &[&str]) -> Result<String, FeatureArchiveError> {
            download(url, &self.path(), sums, quick(), |_, _| ())
        }

        /// Whether the file is there, and nothing else.
        fn is_complete(&self) -> bool {
            fs::read(self.path()).is_ok_and(|found| found == content()) && self.files() == 1
        }

        fn files(&self) -> usize {
            fs::read_dir(self.path().parent().unwrap()).unwrap().count()
        }
    }

    #[test]
    fn an_interrupted_download_goes_on() {
        let (target, (url, _)) = (Target::new(), server(vec![half(), rest()]));
        let error = target.fetch(&url, &[&sum()]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Interrupted { kept: true, .. }), "{error}");
        let kept = fs::metadata(target.part()).unwrap().len();
        assert!(kept > 0 && kept < 300_000 && !target.path().exists());
        let mut seen = vec![];
        let progress = |there, all| seen.push((there, all));
        assert_eq!(download(&url, &target.path(), &[&sum()], quick(), progress).unwrap(), sum());
        assert_eq!(seen.last(), Some(&(300_000, Some(300_000))));
        assert!(seen[0].0 > kept && target.is_complete());
    }

    #[test]
    fn a_server_without_ranges_starts_over() {
        let answers = vec![half_with("ETag: \"1\"\r\n"), says(|_| whole_with("ETag: \"2\"\r\n"))];
        let (target, (url, asked)) = (Target::new(), server(answers));
        target.fetch(&url, &[]).unwrap_err();
        target.fetch(&url, &[]).unwrap();
        assert!(asked.recv().unwrap().from().is_none() && asked.recv().unwrap().from().is_some());
        assert!(target.is_complete());
    }

    #[test]
    fn what_has_come_whole_is_only_checked() {
        let unknown = || says(|_| with_head("416 X\r\nContent-Encoding: gzip\r\nContent-Length: 1", b"x"));
        for answer in [rest(), unknown()] {
            let (target, (url, _)) = (Target::with(&content(), None), server(vec![answer]));
            target.fetch(&url, &[&sum()]).unwrap();
            assert!(target.is_complete());
        }
    }

    #[test]
    fn a_wrong_sum_is_refused_and_nothing_is_left() {
        let (target, (url, _)) = (Target::new(), server(vec![says(|_| whole_with("ETag: \"1\"\r\n"))]));
        let error = target.fetch(&url, &[super::ABC]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Sum { .. }), "{error}");
        assert_eq!(target.files(), 0);
    }

    #[test]
    fn only_the_same_file_is_continued() {
        // Validators are sent back as they came; a weak tag is none, even beside a date; nor is a date of the same second.
        let day = "Sun, 06 Nov 1994 08:49:37 GMT";
        let cases = [
            ("ETag: \"a-1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some("\"a-1\"")),
            ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\n", Some(day)),
            ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
            ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
            ("ETag: W/\"a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
            ("ETag: a\r\n", None),
            ("ETag: \"a\"b\"\r\n", None),
            ("Last-Modified: yesterday\r\nDate: today\r\n", None),
            ("", None),
        ];
        for (lines, expected) in cases {
            let again = if expected.is_some() { rest_with(lines) } else { whole() };
            let (target, (url, asked)) = (Target::new(), server(vec![half_with(lines), again]));
            let error = target.fetch(&url, &[]).unwrap_err().to_string();
            assert_eq!(error.contains("what has come is kept"), expected.is_some(), "{error}");
            assert_eq!(fs::read_to_string(target.validator()).ok().as_deref(), expected);
            target.fetch(&url, &[]).unwrap();
            let (_, second) = (asked.recv().unwrap(), asked.recv().unwrap());
            assert_eq!((second.header("if-range"), second.from().is_some()), (expected, expected.is_some()), "{lines}");
            assert!(target.is_complete(), "{lines}");
        }
    }

    #[test]
    fn an_answer_that_does_not_continue_what_is_kept_starts_over() {
        let heads = [
            // Another file, where the server takes no notice of If-Range.
            "206 X\r\nETag: \"2\"\r\nContent-Range: bytes 100-299999/300000",
            "416 X\r\nETag: \"2\"\r\nContent-Range: bytes */100",
            "416 X\r\nContent-Range: bytes */99",
            "416 X",
            "206 X",
            "206 X\r\nContent-Range: bytes 0-299999/300000",
            "206 X\r\nContent-Range: bytes 100-199/300000",
            "206 X\r\nContent-Range: bytes 100-299999/*",
            "206 X\r\nContent-Range: bytes 100-299999/300000\r\nContent-Length: 299901",
            "206 X\r\nContent-Range: bytes 100-99/100",
            "206 X\r\nContent-Range: bytes 100-0/0",
            "206 X\r\nContent-Range: bytes -100--1/0",
            "206 X\r\nContent-Range: bytes 100-18446744073709551615/18446744073709551615",
            "206 X\r\nContent-Range: bytes 100-99999999999999999999/99999999999999999999",
            "206 X\r\nContent-Range: lines 100-299999/300000",
            "206 X\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Range: ",
        ];
        for head in heads {
            let target = Target::with(&[7; 100], Some("\"1\""));
            let (url, asked) = server(vec![says(move |_| with_head(head, &[9; 200])), whole()]);
            target.fetch(&url, &[]).unwrap();
            assert!(asked.recv().unwrap().from() == Some(100) && asked.recv().unwrap().from().is_none(), "{head}");
            assert!(target.is_complete(), "{head}");
        }
    }

    #[test]
    fn what_is_no_validator_is_not_sent() {
        let long = format!("\"{}\"", "x".repeat(100_000));
        for validator in ["\"1\"\r\nX-Injected: 1", "\"1\"\n", "W/\"1\"", "\"\u{e9}\"", "", "\"", &long] {
            let (target, (url, asked)) = (Target::with(&[7; 100], Some(validator)), server(vec![whole()]));
            target.fetch(&url, &[]).unwrap();
            let asked = asked.recv().unwrap();
            assert!(asked.header("if-range").is_none() && asked.header("x-injected").is_none(), "{validator:?}");
            assert!(target.is_complete());
        }
    }

    #[test]
    fn a_silent_server_is_left() {
        let (target, begun) = (Target::new(), Instant::now());
        let drips = repeats("HTTP/1.1 200 OK\r\nX: ", b"x", Duration::from_millis(20));
        let hints = repeats("", b"HTTP/1.1 103 Early\r\n\r\n", Duration::from_millis(20));
        for answer in [stalls(vec![]), stalls(b"HTTP/1.1 200".to_vec()), drips, hints] {
            let error = target.fetch(&server(vec![answer]).0, &[]).unwrap_err();
            assert!(matches!(error, FeatureArchiveError::Server { .. }), "{error}");
            assert_eq!(target.files(), 0);
        }
        // Trailers of chunks are no content, however many come.
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";
        let (url, _) = server(vec![repeats(head, b"X: y\r\n", Duration::ZERO)]);
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert!(
            error.ends_with("3 bytes of an unknown number: nothing came for 300ms; run again to start over"),
            "{error}"
        );
        // Without a length, too, the connection that is closed here is not the end of the file.
        let error = target.fetch(&server(vec![stalls(with_head("200 OK", b"abc"))]).0, &[]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Interrupted { received: 3, kept: false, .. }), "{error}");
        let idle = stalls(whole_with("ETag: \"1\"\r\n")[..1000].to_vec());
        let (url, _) = server(vec![idle, stalls(b"HTTP/1.1 206 X\r\n".to_vec()), rest()]);
        let error = target.fetch(&url, &[]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Interrupted { kept: true, .. }), "{error}");
        assert!(
            error.to_string().contains("bytes of 300000: nothing came for 300ms; what has come is kept"),
            "{error}"
        );
        target.fetch(&url, &[]).unwrap_err();
        target.fetch(&url, &[]).unwrap();
        assert!(target.is_complete() && begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_slow_server_may_take_longer_than_it_may_be_silent() {
        let slow: Answer = Box::new(|_, stream| {
            for piece in whole_with("").chunks(60_000) {
                stream.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(80));
            }
        });
        let (target, (url, _), begun) = (Target::new(), server(vec![slow]), Instant::now());
        target.fetch(&url, &[]).unwrap();
        assert!(begun.elapsed() > quick().idle && target.is_complete());
    }

    #[test]
    fn a_file_of_too_many_bytes_is_refused() {
        for length in ["1048577", "18446744073709551615"] {
            let answer = says(move |_| with_head(&format!("200 OK\r\nContent-Length: {length}"), &content()));
            let (target, (url, _)) = (Target::new(), server(vec![answer]));
            let error = target.fetch(&url, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("{url}: a file of at most 1048576 bytes expected, found {length} bytes"));
            assert_eq!(target.files(), 0);
        }
        let (target, (url, _)) = (Target::with(&[7; 100], Some("\"1\"")), server(vec![rest()]));
        let few = DownloadLimits { bytes: 299_999, ..quick() };
        let error = download(&url, &target.path(), &[], few, |_, _| ()).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::TooLarge { found: Some(300_000), .. }), "{error}");
        assert_eq!((fs::read(target.part()).unwrap(), target.files()), (vec![7; 100], 2), "nothing is written");
        let most = DownloadLimits { bytes: 300_000, ..quick() };
        download(&server(vec![whole()]).0, &Target::new().path(), &[], most, |_, _| ()).unwrap();
    }

    #[test]
    fn a_file_without_a_length_ends_at_the_limit() {
        let (plain, chunked) = ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (head, bytes) in [(plain, [b'x'; 1 << 16].as_slice()), (chunked, b"5\r\nabcde\r\n".as_slice())] {
            let (target, (url, _)) = (Target::new(), server(vec![repeats(head, bytes, Duration::ZERO)]));
            let (few, mut most) = (DownloadLimits { bytes: 100_000, ..quick() }, 0);
            let error = download(&url, &target.path(), &[], few, |there, _| most = there).unwrap_err();
            assert_eq!(error.to_string(), format!("{url}: a file of at most 100000 bytes expected, found more"));
            assert!(most <= 100_000 && target.files() == 0);
        }
    }

    #[test]
    fn no_more_is_written_than_was_promised() {
        let surplus = says(|_| [whole_with(""), b"more".to_vec()].concat());
        let target = Target::new();
        target.fetch(&server(vec![surplus]).0, &[]).unwrap();
        assert!(target.is_complete());
        let target = Target::with(&content()[..299_998], Some("\"1\""));
        let lines = "Content-Range: bytes 299998-299999/300000\r\nTransfer-Encoding: chunked";
        let body = [b"5\r\n", &content()[299_998..], b"abc\r\n0\r\n\r\n"].concat();
        target.fetch(&server(vec![says(move |_| with_head(&format!("206 X\r\n{lines}"), &body))]).0, &[]).unwrap();
        assert!(target.is_complete());
    }

    fn redirects(status: u16, to: &str) -> Answer {
        let head = format!("{status} X\r\nLocation: {to}\r\nContent-Length: 0");
        says(move |_| with_head(&head, &[]))
    }

    #[test]
    fn redirects_within_a_host_are_followed() {
        let target = Target::with(&content()[..100], Some("\"1\""));
        let (url, asked) = server(vec![redirects(302, "b"), redirects(308, "/y/c?d=e"), rest()]);
        target.fetch(&url, &[]).unwrap();
        assert!(target.is_complete());
        for path in ["/x/a.tar.gz", "/x/b", "/y/c?d=e"] {
            let asked = asked.recv().unwrap();
            assert_eq!(asked.0[0], format!("GET {path} HTTP/1.1"));
            assert_eq!((asked.from(), asked.header("if-range")), (Some(100), Some("\"1\"")));
        }
    }

    #[test]
    fn redirects_to_elsewhere_are_refused() {
        let (elsewhere, asked) = server(vec![whole()]);
        let to = elsewhere.replace("127.0.0.1", "localhost");
        let (target, (url, _)) = (Target::new(), server(vec![redirects(301, &to)]));
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        let origin = |url: &str| url.trim_end_matches("/x/a.tar.gz").to_owned();
        let expected = format!("{url}: redirected from {} to {}: ", origin(&url), origin(&to));
        assert!(error.starts_with(&expected), "{error}");
        assert!(asked.try_recv().is_err() && target.files() == 0);
    }

    #[test]
    fn redirects_end() {
        let (target, (url, _)) = (Target::new(), server((0..9).map(|_| redirects(307, "/x")).collect()));
        assert_eq!(target.fetch(&url, &[]).unwrap_err().to_string(), format!("{url}: more than 5 redirects"));
        let (url, _) = server(vec![says(|_| with_head("302 X\r\nContent-Length: 0", &[]))]);
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{url}: redirected to nowhere, which is no address"));
    }

    #[test]
    fn a_file_is_fetched_once_at_a_time() {
        let (target, (began, begun), (sender, receiver)) = (Target::new(), channel(), channel());
        let waits: Answer = Box::new(move |_, stream| {
            began.send(()).unwrap();
            receiver.recv().unwrap();
            stream.write_all(&whole_with("")).unwrap();
        });
        let (url, _) = server(vec![waits]);
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                let patient = DownloadLimits { idle: Duration::from_secs(10), ..quick() };
                download(&url, &target.path(), &[], patient, |_, _| ())
            });
            begun.recv().unwrap();
            let error = target.fetch(&url, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("{}: another process is fetching it", target.part().display()));
            sender.send(()).unwrap();
            first.join().unwrap().unwrap();
        });
        assert!(target.is_complete());
    }

    #[cfg(unix)]
    #[test]
    fn only_a_regular_file_is_continued() {
        use std::os::unix::fs::symlink;

        let target = Target::new();
        let other = target.0.path().join("other");
        fs::write(&other, "precious").unwrap();
        let refused = |expected: &str| {
            let error = target.fetch("http://127.0.0.1:1/a", &[]).unwrap_err().to_string();
            assert_eq!(error, format!("{}: {expected}", target.part().display()));
        };
        symlink(&other, target.part()).unwrap();
        refused("a symbolic link, not a regular file");
        fs::remove_file(target.part()).unwrap();
        symlink(target.0.path().join("none"), target.part()).unwrap();
        refused("a symbolic link, not a regular file");
        assert!(!target.0.path().join("none").exists());
        fs::remove_file(target.part()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(target.part()).status().unwrap().success());
        refused("a pipe or device, not a regular file");
        fs::remove_file(target.part()).unwrap();
        fs::create_dir(target.part()).unwrap();
        refused("a folder, not a file");
        fs::remove_dir(target.part()).unwrap();
        // A validator behind a link is neither sent nor written.
        fs::write(&other, "\"precious\"").unwrap();
        fs::write(target.part(), "x").unwrap();
        symlink(&other, target.validator()).unwrap();
        let (url, asked) = server(vec![half_with("ETag: \"1\"\r\n")]);
        target.fetch(&url, &[&sum()]).unwrap_err();
        assert!(asked.recv().unwrap().header("if-range").is_none());
        assert_eq!(fs::read_to_string(&other).unwrap(), "\"precious\"");
        fs::create_dir(target.path()).unwrap();
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{}: a folder, not a file", target.path().display()));
    }

    #[test]
    fn encoded_files_are_refused() {
        let (target, (url, asked)) = (Target::new(), server(vec![says(|_| whole_with("Content-Encoding: gzip\r\n"))]));
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{url}: content-encoding: identity expected, found \"gzip\""));
        assert_eq!(asked.recv().unwrap().header("accept-encoding"), Some("identity"));
        let (url, _) = server(vec![says(|_| whole_with("Transfer-Encoding: gzip, chunked\r\n"))]);
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{url}: transfer-encoding: chunked expected, found \"gzip, chunked\""));
        let (url, _) = server(vec![says(|_| whole_with("Content-Encoding: Identity\r\n"))]);
        target.fetch(&url, &[]).unwrap();
    }

    #[test]
    fn other_answers_are_named() {
        let (target, (url, _)) =
            (Target::new(), server(vec![says(|_| with_head("404 X\r\nContent-Length: 4", b"none"))]));
        let error = target.fetch(&url, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{url}: the server answers 404"));
        for url in
            ["ftp://h/a", "file:///etc/passwd", "h/a", "", "http://", "http:///a", "https://a b/", "http://h:99999/"]
        {
            let error = target.fetch(url, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("{url}: an address that begins with http:// or https:// expected"));
        }
        let error = target.fetch("http://127.0.0.1:1/a", &[]).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Server { .. }), "{error}");
        assert_eq!(target.files(), 0);
    }

    #[test]
    fn absurd_answers_are_errors() {
        let (many, long) = ("X: y\r\n".repeat(1000), format!("X: {}\r\n", "y".repeat(1 << 20)));
        let heads = [
            "200 OK\r\nContent-Length: -5",
            "200 OK\r\nContent-Length: 99999999999999999999",
            "200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
            "200 OK\r\nTransfer-Encoding: chunked",
            "200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "206 X\r\nContent-Range: bytes 0-4/5",
            "416 X\r\nContent-Range: bytes */0",
            "101 X\r\nUpgrade: x",
            "100 X",
            "204 X",
            "304 X",
            "300 X\r\nLocation: /b",
            "302 X\r\nLocation: \u{e9}",
            "000 X",
            "999 X",
            "\0",
            &format!("200 OK\r\n{many}"),
            &format!("200 OK\r\n{long}"),
        ];
        for head in heads {
            let (target, answer) = (Target::new(), with_head(head, b"FFFFFFFFFFFFFFFFFFFF\r\nabc"));
            let error = target.fetch(&server(vec![says(move |_| answer)]).0, &[]).unwrap_err();
            let (is_server, text) = (matches!(error, FeatureArchiveError::Server { .. }), error.to_string());
            assert!(
                is_server || matches!(error, FeatureArchiveError::Interrupted { received: 0, .. }),
                "{text} {head}"
            );
            assert_eq!(target.files(), 0, "{head}");
        }
        for idle in [Duration::ZERO, Duration::MAX] {
            let (target, (url, _)) = (Target::new(), server(vec![whole()]));
            let done = download(&url, &target.path(), &[], DownloadLimits { idle, ..quick() }, |_, _| ());
            assert_eq!(done.is_ok(), idle > Duration::ZERO);
        }
    }
}
