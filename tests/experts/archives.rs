//! Names and sums of the published archives; fetching them from a small server.

use std::path::Path;

use coembed::data::experts::{FeatureArchive, FeatureArchiveError, Release, verify};

#[test]
fn names_follow_the_published_rule() {
    let archive = |dataset, release, code| FeatureArchive::new(dataset, release, code).unwrap();
    let plain = archive("MSRVTT", Release::default(), None);
    assert_eq!(plain.url("http://host/data/"), "http://host/data/features-v2/MSRVTT-experts.tar.gz");
    assert_eq!(plain.path(Path::new("p")), Path::new("p/data/MSRVTT/MSRVTT-experts.tar.gz"));
    let hq = archive("activity-net", "high-quality".parse().unwrap(), None);
    assert_eq!(hq.name(), "high-quality-activity-net-experts.tar.gz");
    // The SHA-256 of "abc" begins with ba7816bf8f (FIPS 180-2).
    let lsmdc = archive("LSMDC", Release::FeaturesV2, Some("abc"));
    assert_eq!(lsmdc.url("http://h"), "http://h/features-v2/ba7816bf8f-LSMDC-experts.tar.gz");
    assert_eq!(lsmdc.name(), "LSMDC-experts.tar.gz");
    assert_eq!(archive("MSRVTT", Release::HighQuality, None).sums().len(), 2);
    assert!(archive("QuerYD", Release::FeaturesV2, None).sums().is_empty());
}

#[test]
fn codes_and_names_are_asked_for() {
    let error = |dataset, code| FeatureArchive::new(dataset, Release::FeaturesV2, code).unwrap_err().to_string();
    assert!(error("LSMDC", None).contains("--access_code") && error("LSMDC", Some("")).contains("access code"));
    assert_eq!(error("MSVD", Some("x")), "--access_code: the features of MSVD need none");
    assert!(error("COCO", None).starts_with("--dataset: one of LSMDC, MSRVTT"));
    let release = "v3".parse::<Release>().unwrap_err().to_string();
    assert!(release.starts_with("--release: one of features-v1, features-v2"), "{release}");
}

#[test]
fn unpacked_archives_are_recognised() {
    let project = tempfile::tempdir().unwrap();
    let archive = FeatureArchive::new("MSVD", Release::FeaturesV2, None).unwrap();
    assert!(!archive.is_unpacked(project.path()));
    std::fs::create_dir_all(project.path().join("data/MSVD/symlinked-feats")).unwrap();
    assert!(archive.is_unpacked(project.path()));
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
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::thread;

    use coembed::data::experts::{FeatureArchiveError, download};

    /// A server that answers one request after the other, each given the first byte asked for, and then ends.
    fn server(answers: Vec<fn(Option<usize>) -> Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.tar.gz", listener.local_addr().unwrap());
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let range =
                    head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(String::from));
                stream.write_all(&answer(range.map(|range| range.trim_end_matches('-').parse().unwrap()))).unwrap();
            }
        });
        url
    }

    fn content() -> Vec<u8> {
        (0..300_000_u32).map(|i| (i % 251) as u8).collect()
    }

    fn whole(_: Option<usize>) -> Vec<u8> {
        let content = content();
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).as_bytes(), &content].concat()
    }

    /// Ends in the middle.
    fn half(from: Option<usize>) -> Vec<u8> {
        assert_eq!(from, None);
        let mut all = whole(from);
        all.truncate(150_000);
        all
    }

    fn rest(from: Option<usize>) -> Vec<u8> {
        let (content, from) = (content(), from.expect("a range"));
        let total = content.len();
        if from >= total {
            return format!("HTTP/1.1 416 X\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n").into();
        }
        let length = total - from;
        let range = format!("Content-Range: bytes {from}-{}/{total}", total - 1);
        [format!("HTTP/1.1 206 X\r\n{range}\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &content[from..]].concat()
    }

    fn absent(_: Option<usize>) -> Vec<u8> {
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".to_vec()
    }

    fn sum() -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content()).unwrap();
        super::verify(file.path(), &[]).unwrap()
    }

    struct Target(tempfile::TempDir);

    impl Target {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("data/X/a.tar.gz")
        }

        fn part(&self) -> PathBuf {
            self.0.path().join("data/X/a.tar.gz.part")
        }
    }

    #[test]
    fn an_interrupted_download_goes_on() {
        let (target, url) = (Target::new(), server(vec![half, rest]));
        let error = download(&url, &target.path(), &[&sum()], |_, _| ()).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Interrupted { .. }), "{error}");
        let kept = std::fs::metadata(target.part()).unwrap().len();
        assert!(kept > 0 && kept < 300_000 && !target.path().exists());
        let mut seen = vec![];
        assert_eq!(download(&url, &target.path(), &[&sum()], |there, all| seen.push((there, all))).unwrap(), sum());
        assert_eq!(seen.last(), Some(&(300_000, Some(300_000))));
        assert!(seen[0].0 > kept && !target.part().exists());
        assert_eq!(std::fs::read(target.path()).unwrap(), content());
    }

    #[test]
    fn a_server_without_ranges_starts_over() {
        let (target, url) = (Target::new(), server(vec![half, whole]));
        download(&url, &target.path(), &[], |_, _| ()).unwrap_err();
        download(&url, &target.path(), &[], |_, _| ()).unwrap();
        assert_eq!(std::fs::read(target.path()).unwrap(), content());
    }

    #[test]
    fn what_has_come_whole_is_only_checked() {
        let (target, url) = (Target::new(), server(vec![rest]));
        std::fs::create_dir_all(target.part().parent().unwrap()).unwrap();
        std::fs::write(target.part(), content()).unwrap();
        download(&url, &target.path(), &[&sum()], |_, _| ()).unwrap();
        assert!(target.path().exists());
    }

    #[test]
    fn a_wrong_sum_is_refused_and_nothing_is_left() {
        let (target, url) = (Target::new(), server(vec![whole]));
        let error = download(&url, &target.path(), &[super::ABC], |_, _| ()).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Sum { .. }), "{error}");
        assert!(!target.path().exists() && !target.part().exists());
    }

    #[test]
    fn other_answers_are_named() {
        let (target, url) = (Target::new(), server(vec![absent]));
        let error = download(&url, &target.path(), &[], |_, _| ()).unwrap_err().to_string();
        assert_eq!(error, format!("{url}: the server answers 404"));
        let error = download("http://127.0.0.1:1/a", &target.path(), &[], |_, _| ()).unwrap_err();
        assert!(matches!(error, FeatureArchiveError::Server { .. }), "{error}");
    }
}
