//! Submissions to the challenge on video retrieval: what is packed, and what is refused.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coembed::data::experts::{ChallengePhase, Submission, SubmissionError, Submitted};
use coembed::digest::sha256;

/// What the published program asks for: data set, queries of the two phases, videos of the two lists.
const PUBLISHED: [(&str, [usize; 2], [usize; 2]); 6] = [
    ("MSRVTT", [9940, 59_794], [497, 2990]),
    ("LSMDC", [7408, 1000], [7408, 1000]),
    ("YouCook2", [969, 3310], [969, 3310]),
    ("MSVD", [4290, 27_763], [100, 670]),
    ("DiDeMo", [1065, 1004], [1065, 1004]),
    ("ActivityNet", [1001, 4917], [1001, 4917]),
];

/// So many lines of ten videos.
fn csv(lines: usize, videos: usize) -> String {
    let mut text = String::new();
    for line in 0..lines {
        (0..10).for_each(|column| write!(text, "{}{}", (line + 7 * column) % videos, [",", "\n"][column / 9]).unwrap());
    }
    text
}

/// 2020-06-01, noon, and seconds after it.
fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_591_012_800 + seconds)
}

fn of(phase: ChallengePhase, predictions: &[(&str, &Path)]) -> Result<Submission, SubmissionError> {
    Submission::new(phase, predictions.iter().map(|(dataset, path)| (dataset.to_string(), path.to_path_buf())))
}

/// A submission of one data set with these contents, and whether it was refused.
fn refusal(dataset: &str, contents: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (file, packed) = (folder.path().join("p.csv"), folder.path().join("packed"));
    std::fs::write(&file, contents).unwrap();
    let error = of(ChallengePhase::Val, &[(dataset, &file)]).unwrap().write(&packed, time(0)).unwrap_err();
    assert!(!packed.exists(), "nothing is written");
    error.to_string().replace(&file.display().to_string(), "p.csv")
}

#[test]
fn each_data_set_has_its_number_of_queries_and_videos() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    for (dataset, queries, videos) in PUBLISHED {
        for (phase, index) in [(ChallengePhase::Val, 0), (ChallengePhase::Test, 1)] {
            let (queries, videos) = (queries[index], videos[index]);
            let mut submission = of(phase, &[(dataset, &file)]).unwrap();
            submission.refresh = true;
            let write = |contents: &str| {
                std::fs::write(&file, contents).unwrap();
                let written = submission.write(folder.path(), time(0));
                written.map_err(|error| error.to_string().replace(&file.display().to_string(), "p.csv"))
            };
            let whole = csv(queries, videos);
            write(&whole).unwrap_or_else(|error| panic!("{dataset} {phase}: {error}"));
            let expected = format!("p.csv: {queries} lines expected for {dataset} {phase}, one for each query, found ");
            let short = whole.rsplit_once('\n').unwrap().0.rsplit_once('\n').unwrap().0;
            assert_eq!(write(short).unwrap_err(), format!("{expected}{}", queries - 1));
            assert_eq!(
                write(&format!("{whole}0,1,2,3,4,5,6,7,8,9")).unwrap_err(),
                format!("{expected}{}", queries + 1)
            );
            let beyond = whole.replacen("0,", &format!("{videos},"), 1);
            let last = videos - 1;
            let expected =
                format!("p.csv: line 1, column 1: the number of a video, 0 to {last}, expected, found \"{videos}\"");
            assert_eq!(write(&beyond).unwrap_err(), expected, "{dataset} {phase}");
        }
    }
}

#[test]
fn an_archive_holds_the_files_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    };
    // Windows' ends of lines, blanks, no end of the last line.
    let msvd = csv(4290, 100).replace('\n', "\r\n").replace(',', ", ");
    let didemo = csv(1065, 1065);
    let (b, a) = (file("b/MSVD.csv", &msvd), file("b-/DiDeMo.csv", didemo.trim_end()));
    let packed = folder.path().join("deep/packed");
    let submission = of(ChallengePhase::Val, &[("MSVD", &b), ("DiDeMo", &a)]).unwrap();
    // Sorted as texts: `-` before `/`.
    let hash = sha256(format!("{}{}", a.display(), b.display()).as_bytes())[..10].to_string();
    assert_eq!(submission.hash(), hash);
    let written = submission.write(&packed, time(61)).unwrap();
    let path = packed.join(format!("public_server_val-{hash}-2020-06-01_12-01-01.zip"));
    assert_eq!(written, Submitted::Written(path.clone()));
    assert_eq!(std::fs::read_dir(&packed).unwrap().count(), 1);

    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(
        (0..archive.len()).map(|i| archive.by_index(i).unwrap().name().unwrap().into_owned()).collect::<Vec<_>>(),
        ["MSVD.csv", "DiDeMo.csv"]
    );
    for (name, contents) in [("MSVD.csv", &msvd[..]), ("DiDeMo.csv", didemo.trim_end())] {
        let mut member = archive.by_name(name).unwrap();
        assert_eq!(member.compression(), zip::CompressionMethod::Stored);
        let mut read = String::new();
        member.read_to_string(&mut read).unwrap();
        assert_eq!(read, contents);
    }
}

#[test]
fn an_archive_of_the_same_paths_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (file, packed) = (at("p.csv"), at("packed"));
    std::fs::write(&file, csv(1004, 1004)).unwrap();
    let mut submission = of(ChallengePhase::Test, &[("DiDeMo", &file)]).unwrap();
    let Submitted::Written(first) = submission.write(&packed, time(0)).unwrap() else { panic!("nothing was there") };
    let contents = std::fs::read(&first).unwrap();
    std::fs::write(&file, csv(1004, 1003)).unwrap();
    assert_eq!(submission.write(&packed, time(1)).unwrap(), Submitted::Kept(first.clone()));
    assert_eq!(std::fs::read(&first).unwrap(), contents);
    submission.refresh = true;
    let Submitted::Written(second) = submission.write(&packed, time(2)).unwrap() else { panic!("it is written anew") };
    assert!(second != first && first.exists() && std::fs::read(&second).unwrap() != contents);
    submission.refresh = false;
    assert_eq!(submission.write(&packed, time(3)).unwrap(), Submitted::Kept(second), "the newest");
    // Of another phase, of other paths.
    std::fs::write(at("q.csv"), csv(1004, 1004)).unwrap();
    let other = of(ChallengePhase::Test, &[("DiDeMo", &at("q.csv"))]).unwrap();
    assert!(matches!(other.write(&packed, time(4)), Ok(Submitted::Written(_))));
    std::fs::write(&file, csv(1065, 1065)).unwrap();
    let other = of(ChallengePhase::Val, &[("DiDeMo", &file)]).unwrap();
    assert!(matches!(other.write(&packed, time(5)), Ok(Submitted::Written(_))));
    // A file that is not in order is said so, kept or not.
    std::fs::write(&file, "0").unwrap();
    assert!(other.write(&packed, time(6)).unwrap_err().to_string().contains("10 columns expected, found 1"));
}

#[test]
fn what_is_no_prediction_is_named() {
    let good = csv(1065, 1065);
    let with = |line: &str| good.replacen(good.lines().nth(1).unwrap(), line, 1);
    for (contents, expected) in [
        (with("0,1,2,3,4,5,6,7,8"), "p.csv: line 2: 10 columns expected, found 9"),
        (with("0,1,2,3,4,5,6,7,8,9,10"), "p.csv: line 2: 10 columns expected, found 11"),
        (with("0,1,2,,4,5,6,7,8,9"), "p.csv: line 2, column 4: the number of a video, 0 to 1064, expected, found \"\""),
        (
            with("0,1,2.0,3,4,5,6,7,8,9"),
            "p.csv: line 2, column 3: the number of a video, 0 to 1064, expected, found \"2.0\"",
        ),
        (
            with("-1,1,2,3,4,5,6,7,8,9"),
            "p.csv: line 2, column 1: the number of a video, 0 to 1064, expected, found \"-1\"",
        ),
        (
            with("0,1,2,3,4,5,6,7,8,99999999999999999999999"),
            "column 10: the number of a video, 0 to 1064, expected, found \"99999999999999999999999\"",
        ),
        (
            with("\"0\",1,2,3,4,5,6,7,8,9"),
            "line 2, column 1: the number of a video, 0 to 1064, expected, found \"\\\"0\\\"\"",
        ),
        (String::new(), "p.csv: 1065 lines expected for DiDeMo public_server_val, one for each query, found 0"),
        ("x".repeat(100_000), "p.csv: line 1: 10 columns expected, found 1"),
        (format!("{},1,2,3,4,5,6,7,8,9", "x".repeat(100_000)), "found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\""),
    ] {
        let said = refusal("DiDeMo", contents.as_bytes());
        assert!(said.contains(expected) && said.len() < 200, "{said}");
    }
    let bytes = [&b"\xff\xfe\x00"[..], b",1,2,3,4,5,6,7,8,9\n"].concat();
    assert!(refusal("DiDeMo", &bytes).starts_with("p.csv: line 1, column 1: the number of a video"));
    // As published, a video may stand in a line twice.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    std::fs::write(&file, with("0,0,0,0,0,0,0,0,0,0")).unwrap();
    of(ChallengePhase::Val, &[("DiDeMo", &file)]).unwrap().write(folder.path(), time(0)).unwrap();
}

#[test]
fn files_are_not_held_to_anything_where_that_is_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    std::fs::write(&file, b"\xff").unwrap();
    let mut submission = of(ChallengePhase::Val, &[("DiDeMo", &file)]).unwrap();
    submission.validate = false;
    assert!(matches!(submission.write(folder.path(), time(0)), Ok(Submitted::Written(_))));
    std::fs::remove_file(&file).unwrap();
    let error = submission.write(folder.path(), time(0)).unwrap_err().to_string();
    assert!(error.contains("p.csv: No such file"), "{error}");
    std::fs::File::create(&file).unwrap().set_len((16 << 20) + 1).unwrap();
    let error = submission.write(folder.path(), time(0)).unwrap_err().to_string();
    assert!(error.contains("p.csv") && error.contains("16777217"), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_waits_for_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = of(ChallengePhase::Val, &[("MSVD", &pipe)]).unwrap().write(folder.path(), time(0)).unwrap_err();
    assert!(error.to_string().contains("a pipe or device, not a regular file"), "{error}");
    let error = Submission::read(ChallengePhase::Val, &pipe).unwrap_err().to_string();
    assert!(error.contains("a pipe or device"), "{error}");
    let error = of(ChallengePhase::Val, &[("MSVD", folder.path())]).unwrap().write(folder.path(), time(0)).unwrap_err();
    assert!(error.to_string().contains("a folder, not a file"), "{error}");
}

#[test]
fn names_are_checked_before_anything_is_read() {
    let error = |predictions: &[(&str, &str)]| {
        let predictions: Vec<_> = predictions.iter().map(|(dataset, path)| (*dataset, Path::new(*path))).collect();
        of(ChallengePhase::Val, &predictions).unwrap_err().to_string()
    };
    let known =
        "one of MSRVTT, LSMDC, YouCook2, MSVD, DiDeMo, ActivityNet expected as a data set of the challenge, got";
    assert_eq!(error(&[("Vine", "a")]), format!("{known} \"Vine\""));
    assert_eq!(error(&[("VaTeX", "a")]), format!("{known} \"VaTeX\""), "it has no challenge");
    assert_eq!(error(&[]), "no predictions are given: a submission has those of at least one data set");
    let twice = "ActivityNet: its predictions are given twice, a and b";
    assert_eq!(error(&[("activity-net", "a"), ("ActivityNet", "b")]), twice);
    let same = "x/p.csv and y/p.csv would both be \"p.csv\" in the archive: rename one";
    assert_eq!(error(&[("MSVD", "x/p.csv"), ("DiDeMo", "y/p.csv")]), same);
    assert_eq!(error(&[("MSVD", "x/..")]), "x/..: it has no name to be stored under");
    assert_eq!(error(&[("MSVD", "")]), ": it has no name to be stored under");
    let phase = "one of public_server_val, public_server_test expected as the phase of the challenge, got \"val\"";
    assert_eq!("val".parse::<ChallengePhase>().unwrap_err().to_string(), phase);
    for phase in ChallengePhase::ALL {
        assert_eq!(phase.to_string().parse::<ChallengePhase>().unwrap(), phase);
    }
}

#[test]
fn the_published_list_names_data_sets_phases_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let list: PathBuf = folder.path().join("list.json");
    let read = |phase, text: &str| {
        std::fs::write(&list, text).unwrap();
        Submission::read(phase, &list).map_err(|error| error.to_string().replace(&list.display().to_string(), "list"))
    };
    let both = r#"{"MSVD": {"public_server_val": "a/v.csv", "public_server_test": "a/t.csv"},
                  "ActivityNet": {"public_server_val": "b/w.csv"}}"#;
    let submission = read(ChallengePhase::Val, both).unwrap();
    assert_eq!(submission.hash(), sha256(b"a/v.csvb/w.csv")[..10]);
    let missing = "list: ActivityNet has no predictions of public_server_test, there are public_server_val";
    assert_eq!(read(ChallengePhase::Test, both).unwrap_err(), missing);
    assert!(read(ChallengePhase::Val, r#"{"MSVD": {}}"#).unwrap_err().ends_with("public_server_val, there are none"));
    assert!(read(ChallengePhase::Val, "{}").unwrap_err().starts_with("no predictions are given"));
    let deep = "[".repeat(100_000);
    for wrong in ["", "[]", r#"{"MSVD": "a.csv"}"#, r#"{"MSVD": {"public_server_val": 1}}"#, "\u{0}", &deep] {
        let error = read(ChallengePhase::Val, wrong).unwrap_err();
        assert!(error.starts_with("list: ") && error.contains("line 1 column"), "{error}");
    }
    std::fs::write(&list, b"{\"MSVD\": \"\xff\"}").unwrap();
    assert!(Submission::read(ChallengePhase::Val, &list).unwrap_err().to_string().contains("UTF-8"));
}
