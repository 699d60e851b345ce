//! Fetching of archives that may take hours: what has come is kept, and continued.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Response;

use super::archives::{FeatureArchiveError, verify};

type Result<T> = std::result::Result<T, FeatureArchiveError>;

/// Fetches a file over HTTP to `path` and returns its SHA-1. It is written to `path` with `.part` at the end; where that is there already,
/// the server is asked for the rest. It gets its name once its sum is one of `sums` (any, if there are none). A file of a wrong sum is
/// removed: continuing it would not help. `progress` is told the bytes there are and, where the server says so, all there will be.
///
/// # Errors
/// [`FeatureArchiveError`]; after [`FeatureArchiveError::Interrupted`], another call goes on.
pub fn download(url: &str, path: &Path, sums: &[&str], mut progress: impl FnMut(u64, Option<u64>)) -> Result<String> {
    let part = with_part(path);
    let failed = |source| FeatureArchiveError::Io { path: part.clone(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let there = fs::metadata(&part).map_or(0, |metadata| metadata.len());
    let mut response = request(url, there)?;
    let total = match response.status().as_u16() {
        206 if range_start(&response) == Some(there) => length(&response).map(|rest| rest.saturating_add(there)),
        // Without ranges, or of a shorter file: all over again.
        200 => length(&response),
        // Nothing is left to send. A server that does not say how long the file is leaves the answer to the sum.
        416 if there > 0 && complete_length(&response).map_or(!sums.is_empty(), |total| total == there) => {
            return finish(&part, path, sums);
        }
        416 if there > 0 => {
            fs::remove_file(&part).map_err(failed)?;
            let problem =
                format!("the server has a shorter file than the {there} bytes kept, which were removed: run again");
            return Err(FeatureArchiveError::Server { url: url.into(), problem });
        }
        status => {
            let problem = format!("the server answers {status}");
            return Err(FeatureArchiveError::Server { url: url.into(), problem });
        }
    };
    let append = response.status() == 206;
    let mut received = if append { there } else { 0 };
    let mut file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(&part);
    let file = file.as_mut().map_err(|e| failed(std::io::Error::new(e.kind(), e.to_string())))?;
    let interrupted = |received, problem: String| {
        let total = total.map_or("an unknown number".into(), |total| total.to_string());
        FeatureArchiveError::Interrupted { url: url.into(), received, total, problem }
    };
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => file.write_all(&buffer[..read]).map_err(failed)?,
            Err(problem) => return Err(interrupted(received, problem.to_string())),
        }
        received = file.metadata().map_err(failed)?.len();
        progress(received, total);
    }
    file.sync_all().map_err(failed)?;
    if total.is_some_and(|total| received < total) {
        return Err(interrupted(received, "too few bytes".into()));
    }
    finish(&part, path, sums)
}

fn with_part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Names the file once its sum is right.
fn finish(part: &Path, path: &Path, sums: &[&str]) -> Result<String> {
    let failed = |source| FeatureArchiveError::Io { path: part.into(), source };
    let sum = match verify(part, sums) {
        Err(wrong @ FeatureArchiveError::Sum { .. }) => {
            fs::remove_file(part).map_err(failed)?;
            return Err(wrong);
        }
        other => other?,
    };
    fs::rename(part, path).map_err(failed)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(sum)
}

fn request(url: &str, there: u64) -> Result<Response<ureq::Body>> {
    let minute = Some(Duration::from_secs(60));
    let config = Agent::config_builder().http_status_as_error(false);
    let agent: Agent = config.timeout_connect(minute).timeout_recv_response(minute).build().into();
    let mut request = agent.get(url);
    if there > 0 {
        request = request.header("Range", format!("bytes={there}-"));
    }
    request.call().map_err(|problem| FeatureArchiveError::Server { url: url.into(), problem: problem.to_string() })
}

fn header<'r>(response: &'r Response<ureq::Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

fn length(response: &Response<ureq::Body>) -> Option<u64> {
    header(response, "content-length")?.trim().parse().ok()
}

/// `a` of `bytes a-b/total`.
fn range_start(response: &Response<ureq::Body>) -> Option<u64> {
    header(response, "content-range")?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// `total` of `bytes */total`.
fn complete_length(response: &Response<ureq::Body>) -> Option<u64> {
    header(response, "content-range")?.rsplit('/').next()?.trim().parse().ok()
}
