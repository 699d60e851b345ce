use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use coembed::vision::Picture;
use coembed::vision::ffmpeg::{Ffmpeg, FfmpegError, VideoInfo};

/// A program that is still open for writing in a child that another test has just started cannot be run.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder with two programs and a video.
struct Fake {
    folder: tempfile::TempDir,
    ffmpeg: Ffmpeg,
}

/// Two rows of four pixels.
const SMALL: &str = r#"echo '{"streams": [{"width": 4, "height": 2, "avg_frame_rate": "2/1"}]}'"#;
const FRAME: usize = 24;

impl Fake {
    fn new(prober: &str, decoder: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, script: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (prober, decoder) = (program("ffprobe", prober), program("ffmpeg", decoder));
        fs::write(folder.path().join("video"), b"bytes").unwrap();
        let ffmpeg = Ffmpeg { decoder, prober, time: Duration::from_secs(20), ..Ffmpeg::default() };
        Self { folder, ffmpeg }
    }

    fn frames(&self) -> Result<Vec<Picture>, FfmpegError> {
        self.ffmpeg.read_frames(&self.folder.path().join("video"), |picture| Ok(picture.clone()))
    }

    #[track_caller]
    fn error(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.frames().unwrap_err().to_string().replace(&folder, "")
    }
}

fn alone<T>(test: impl FnOnce() -> T) -> T {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    test()
}

#[test]
fn kept_frames_are_read_in_order_and_the_last_one_stands_twice() {
    alone(|| {
        // Five frames of the bytes 1 to 5, at two frames per second.
        let decoder = format!("for i in 1 2 3 4 5; do head -c {FRAME} /dev/zero | tr '\\0' \"\\\\$i\"; done");
        let kept = Fake::new(SMALL, &decoder).frames().unwrap();
        let values: Vec<u8> = kept.iter().map(|picture| picture.values()[0]).collect();
        assert_eq!(values, [1, 2, 4, 4]);
        assert!(kept.iter().all(|picture| (picture.height(), picture.width()) == (2, 4)));
    });
}

#[test]
fn what_programs_do_wrong_is_said() {
    alone(|| {
        let of = |decoder: &str| Fake::new(SMALL, decoder).error();
        assert_eq!(of(&format!("head -c {} /dev/zero", FRAME + 7)), "ffmpeg: 7 bytes of a frame of 24 were written");
        let failed = of("head -c 24 /dev/zero; echo 'no such codec' >&2; exit 3");
        assert_eq!(failed, "ffmpeg failed (exit status: 3): no such codec");
        assert_eq!(of("true"), "video: no frame");
        // More messages than a pipe holds.
        let loud = of("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1");
        assert!(loud.starts_with("ffmpeg failed (exit status: 1): xxx") && loud.len() < 3000);

        let probed = |prober: &str| Fake::new(prober, "true").error();
        assert_eq!(probed("echo '{}'"), "video: no video stream");
        assert_eq!(
            probed("echo '{\"streams\": [{\"width\": 0, \"height\": 4}]}'"),
            "video: the size of the frames is not known"
        );
        assert_eq!(probed("echo moov"), "video: ffprobe's answer is not understood");
        assert_eq!(probed("head -c 100000 /dev/zero"), "ffprobe wrote more than 65536 bytes");
        assert_eq!(probed("echo 'Invalid data' >&2; exit 1"), "ffprobe failed (exit status: 1): Invalid data");
        let huge = r#"echo '{"streams": [{"width": 4294967296, "height": 4294967296}]}'"#;
        assert_eq!(probed(huge), "video: the frames are too large");
    });
}

#[test]
fn programs_that_do_not_end_are_ended() {
    alone(|| {
        for decoder in ["sleep 60", "exec sleep 60", "exec yes", "exec >&-; sleep 60"] {
            let mut fake = Fake::new(SMALL, decoder);
            (fake.ffmpeg.time, fake.ffmpeg.most_frames) = (Duration::from_secs(1), usize::MAX);
            let start = Instant::now();
            assert_eq!(fake.error(), "ffmpeg was ended after 1 s", "{decoder}");
            assert!(start.elapsed() < Duration::from_secs(10), "{decoder}");
        }
        let mut fake = Fake::new(SMALL, "exec yes");
        fake.ffmpeg.most_frames = 1000;
        assert_eq!(fake.error(), "ffmpeg wrote more than 1000 frames");
    });
}

#[test]
fn absent_programs_and_videos_are_named() {
    let video = std::env::current_exe().unwrap();
    let absent = Ffmpeg { prober: "no-such-ffprobe".into(), ..Ffmpeg::default() };
    let error = absent.probe(&video).unwrap_err();
    assert!(matches!(&error, FfmpegError::Absent(program) if program == Path::new("no-such-ffprobe")), "{error}");
    for path in ["/no/such/video", "/", "/dev/null"] {
        assert!(matches!(absent.probe(Path::new(path)), Err(FfmpegError::File { .. })), "{path}");
    }
}

#[test]
fn pictures_on_their_side_have_the_size_that_is_shown() {
    alone(|| {
        let probe = |more: &str| {
            let answer = format!(r#"echo '{{"streams": [{{"width": 4, "height": 2, {more}}}]}}'"#);
            let fake = Fake::new(&answer, "true");
            let VideoInfo { width, height, frames_per_second } =
                fake.ffmpeg.probe(&fake.folder.path().join("video")).unwrap();
            (width, height, frames_per_second)
        };
        let rate = r#""avg_frame_rate": "0/0", "r_frame_rate": "30000/1001""#;
        assert_eq!(probe(rate), (4, 2, Some(30000.0 / 1001.0)));
        assert_eq!(probe(r#""side_data_list": [{"rotation": -90}]"#), (2, 4, None));
        assert_eq!(probe(r#""tags": {"rotate": "270"}"#), (2, 4, None));
        assert_eq!(probe(r#""tags": {"rotate": "180"}"#), (4, 2, None));
    });
}

/// With the real programs, where they are installed.
#[test]
fn a_real_video_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let video: PathBuf = folder.path().join("-a video.mkv");
    let source = "testsrc=size=64x48:rate=5:duration=2";
    let mut encoder = Command::new("ffmpeg");
    encoder.args(["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "ffv1", "-pix_fmt", "bgr0"]);
    match encoder.arg(&video).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => return eprintln!("skipped: ffmpeg cannot be run: {error}"),
    }
    let ffmpeg = Ffmpeg::default();
    let info = VideoInfo { width: 64, height: 48, frames_per_second: Some(5.0) };
    assert_eq!(ffmpeg.probe(&video).unwrap(), info);
    // Ten frames: 0, 4, 9 and 9 again.
    let kept = ffmpeg.read_frames(&video, |picture| Ok(picture.clone())).unwrap();
    assert!(kept.len() == 4 && kept[0] != kept[1] && kept[1] != kept[2] && kept[2] == kept[3]);
    fs::write(&video, b"no video").unwrap();
    assert!(matches!(ffmpeg.probe(&video), Err(FfmpegError::Failed { .. })));
}
