//! Frames of videos, decoded by the program `ffmpeg`.
//!
//! `ffprobe` says size and frames per second, `ffmpeg` writes raw RGB frames into a pipe. Each frame is looked at and dropped, or made into what is
//! kept, before the next one is read, so that memory does not grow with the video. The programs get a regular file and no other input, and are
//! ended when their time is over.

mod process;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde::Deserialize;

use super::picture::CHANNELS;
use super::{FrameSampling, Picture, PictureError};
use crate::files::open_regular;
use process::run;

/// The longest answer of `ffprobe` that is read.
const LONGEST_ANSWER: usize = 1 << 16;

/// Which programs decode, and how much they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    /// The decoder: a path, or a name that is searched for.
    pub decoder: PathBuf,
    /// The program that describes a video.
    pub prober: PathBuf,
    /// How long each may run.
    pub time: Duration,
    /// The most pixels of a frame.
    pub most_pixels: usize,
    /// The most frames of a video, kept or not.
    pub most_frames: usize,
}

impl Default for Ffmpeg {
    /// `ffmpeg` and `ffprobe` for at most an hour each, frames of at most 64 Mi pixels, four million of them.
    fn default() -> Self {
        Self {
            decoder: "ffmpeg".into(),
            prober: "ffprobe".into(),
            time: Duration::from_secs(3600),
            most_pixels: 1 << 26,
            most_frames: 1 << 22,
        }
    }
}

/// What a video says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoInfo {
    /// Columns of a frame, as it is shown.
    pub width: usize,
    /// Rows of a frame, as it is shown.
    pub height: usize,
    /// Frames per second, if it says so.
    pub frames_per_second: Option<f64>,
}

/// Why a video has no frames.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// The video is no readable file.
    #[error("{}: {source}", path.display())]
    File {
        /// The video.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program is not installed.
    #[error("there is no program {}: install ffmpeg, or name the program", .0.display())]
    Absent(PathBuf),
    /// A program cannot be run, or its output not be read.
    #[error("{}: {source}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{} failed ({status}): {message}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        message: String,
    },
    /// A program took too long.
    #[error("{} was ended after {} s", program.display(), time.as_secs_f64())]
    Time {
        /// The program.
        program: PathBuf,
        /// How long it might take.
        time: Duration,
    },
    /// `ffprobe` does not describe a video.
    #[error("{}: {reason}", path.display())]
    NoVideo {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The decoder stopped within a frame.
    #[error("{}: {got} bytes of a frame of {wanted} were written", program.display())]
    Truncated {
        /// The program.
        program: PathBuf,
        /// Bytes of the last frame.
        got: usize,
        /// Bytes of a frame.
        wanted: usize,
    },
    /// More is written than may be.
    #[error("{} wrote more than {most} {what}", program.display())]
    TooMuch {
        /// The program.
        program: PathBuf,
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// A frame that cannot be prepared.
    #[error("frame {frame}: {source}")]
    Picture {
        /// Its number, counted from 0.
        frame: usize,
        /// Why.
        source: PictureError,
    },
}

impl Ffmpeg {
    /// Asks for the first video stream of a file.
    ///
    /// # Errors
    /// [`FfmpegError`].
    pub fn probe(&self, path: &Path) -> Result<VideoInfo, FfmpegError> {
        let mut command = command(&self.prober, path)?;
        command.args(["-select_streams", "v:0", "-of", "json", "-show_entries"]);
        command.arg("stream=width,height,avg_frame_rate,r_frame_rate:stream_tags=rotate:stream_side_data=rotation");
        let mut answer = vec![];
        run(command, self.time, LONGEST_ANSWER + 1, |piece| {
            answer = piece;
            let fits = answer.len() <= LONGEST_ANSWER;
            if fits { Ok(()) } else { Err(Self::too_much(&self.prober, "bytes", LONGEST_ANSWER)) }
        })?;
        let no_video = |reason| FfmpegError::NoVideo { path: path.into(), reason };
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| no_video("ffprobe's answer is not understood"))?;
        let stream = answer.streams.first().ok_or_else(|| no_video("no video stream"))?;
        let info = stream.info().ok_or_else(|| no_video("the size of the frames is not known"))?;
        let pixels = info.width.checked_mul(info.height);
        match pixels.filter(|pixels| *pixels <= self.most_pixels) {
            Some(_) => Ok(info),
            None => Err(no_video("the frames are too large")),
        }
    }

    /// The frames of a video that [`FrameSampling`] keeps, each as `prepare` makes it; the last one twice, as published. Of a damaged video these are
    /// the frames that the decoder makes out.
    ///
    /// # Errors
    /// [`FfmpegError`], also for a video without a frame.
    pub fn read_frames<T: Clone>(
        &self,
        path: &Path,
        mut prepare: impl FnMut(&Picture) -> Result<T, PictureError>,
    ) -> Result<Vec<T>, FfmpegError> {
        let VideoInfo { width, height, frames_per_second } = self.probe(path)?;
        let mut command = command(&self.decoder, path)?;
        // Frames as they are stored: none repeated or left out for a constant rate.
        command.args(["-map", "0:v:0", "-vsync", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]);
        let (sampling, wanted) =
            (FrameSampling::new(frames_per_second), width.saturating_mul(height).saturating_mul(CHANNELS));
        let (mut kept, mut frame) = (vec![], 0);
        run(command, self.time, wanted, |values| {
            if values.len() < wanted {
                let (program, got) = (self.decoder.clone(), values.len());
                return Err(FfmpegError::Truncated { program, got, wanted });
            }
            if frame == self.most_frames {
                return Err(Self::too_much(&self.decoder, "frames", self.most_frames));
            }
            if sampling.keeps(frame) {
                let prepared = Picture::new(values, height, width).and_then(|picture| prepare(&picture));
                kept.push(prepared.map_err(|source| FfmpegError::Picture { frame, source })?);
            }
            frame += 1;
            Ok(())
        })?;
        if kept.is_empty() {
            return Err(FfmpegError::NoVideo { path: path.into(), reason: "no frame" });
        }
        kept.extend(kept.last().cloned());
        Ok(kept)
    }

    fn too_much(program: &Path, what: &'static str, most: usize) -> FfmpegError {
        FfmpegError::TooMuch { program: program.into(), what, most }
    }
}

/// A program that reads a regular file, and nothing that the file names.
fn command(program: &Path, video: &Path) -> Result<Command, FfmpegError> {
    open_regular(video).map_err(|source| FfmpegError::File { path: video.into(), source })?;
    let mut input = OsString::from("file:");
    input.push(video);
    let mut command = Command::new(program);
    command.args(["-v", "error", "-protocol_whitelist", "file", "-i"]).arg(input);
    Ok(command)
}

/// What `ffprobe` writes.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    width: Option<usize>,
    height: Option<usize>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize, Default)]
struct Tags {
    rotate: Option<String>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl Stream {
    fn info(&self) -> Option<VideoInfo> {
        let (width, height) = (self.width.filter(|width| *width > 0)?, self.height.filter(|height| *height > 0)?);
        let rates = [&self.avg_frame_rate, &self.r_frame_rate];
        let frames_per_second = rates.into_iter().flatten().find_map(|rate| ratio(rate));
        // The decoder turns frames as the file asks for.
        let turned = self.side_data_list.iter().find_map(|data| data.rotation);
        let turned = turned.or_else(|| self.tags.rotate.as_ref()?.parse().ok()).unwrap_or(0.0);
        let (width, height) = if (turned.abs() % 180.0 - 90.0).abs() < 1.0 { (height, width) } else { (width, height) };
        Some(VideoInfo { width, height, frames_per_second })
    }
}

/// `30000/1001`; nothing where a side is 0.
fn ratio(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}
