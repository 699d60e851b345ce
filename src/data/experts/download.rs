//! Fetching of archives that may take hours: what has come is kept, and continued.

mod part;
mod watched;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::archives::FeatureArchiveError;
use super::fetch::DownloadLimits;
use part::{Part, Validator};
use watched::Watched;

type Result<T> = std::result::Result<T, FeatureArchiveError>;

/// Fetches a file over HTTP to `path` and returns its SHA-1.
///
/// It is written to `NAME.part`, and gets its name once its sum is one of `sums` (any, if there are none). A file of a wrong sum is removed:
/// continuing it would not help. One process at a time fetches a file. `progress` is told the bytes there are and, where the server says so,
/// all there will be; if it does not, the file ends where the server ends it, which a sum alone can tell from an interruption.
///
/// What an earlier call left is continued if the server still has the same file, which its strong `ETag`, or else its `Last-Modified`, tells
/// (kept in `NAME.part.validator`). If it gave neither, the file is continued only towards a known sum, and starts over without one.
///
/// Up to five redirects are followed, within one host and port, or from `http` to `https` of the host.
///
/// # Errors
/// [`FeatureArchiveError`]; after [`FeatureArchiveError::Interrupted`], another call goes on with what is kept.
pub fn download(
    url: &str,
    path: &Path,
    sums: &[&str],
    limits: DownloadLimits,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<String> {
    let source = Source::new(url, limits, !sums.is_empty())?;
    let mut part = Part::open(path)?;
    match source.fetch(&mut part, progress) {
        Ok(()) => part.finish(path, sums),
        Err(error) => {
            part.leave();
            Err(error)
        }
    }
}

/// What a server sends.
enum Answer {
    /// The file from its start, and its length.
    Whole(Option<u64>),
    /// All that is missing of a file of this length.
    Rest(u64),
    /// Nothing is missing.
    Nothing,
}

/// Where a file comes from.
struct Source<'a> {
    url: &'a str,
    address: Uri,
    agent: Agent,
    limits: DownloadLimits,
    /// Whether a sum guards what is put together of several answers.
    has_sums: bool,
}

impl<'a> Source<'a> {
    const REDIRECTS: usize = 5;
    /// Sums of times overflow.
    const LONGEST_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

    fn new(url: &'a str, limits: DownloadLimits, has_sums: bool) -> Result<Self> {
        let address = parse(url).filter(|uri| matches!(uri.scheme_str(), Some("http" | "https"))).ok_or_else(|| {
            let problem = "an address that begins with http:// or https:// expected".into();
            FeatureArchiveError::Server { url: url.into(), problem }
        })?;
        let idle = Some(limits.idle.min(Self::LONGEST_IDLE));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .accept_encoding("identity")
            .timeout_resolve(idle)
            .timeout_connect(idle)
            .timeout_send_request(idle)
            .timeout_recv_response(idle);
        Ok(Self { url, address, agent: config.build().into(), limits, has_sums })
    }

    fn fetch(&self, part: &mut Part, progress: impl FnMut(u64, Option<u64>)) -> Result<()> {
        let kept = if self.resumes(part) { part.length() } else { 0 };
        let (mut response, answer) = self.ask(kept, part.validator())?;
        let total = match answer {
            Answer::Whole(total) => total,
            Answer::Rest(total) => Some(total),
            Answer::Nothing => return Ok(()),
        };
        self.check_coding(&response)?;
        if let Some(found) = total.filter(|total| *total > self.limits.bytes) {
            return Err(self.too_large(Some(found)));
        }
        if let Answer::Whole(_) = answer {
            part.restart(Validator::of(response.headers()))?;
        }
        let body = Watched::new(response.body_mut().as_reader(), self.agent.clone(), self.limits.idle);
        let body = body.map_err(|problem| self.refused(problem.to_string()))?;
        match self.receive(body, part, total, progress)? {
            None => Ok(()),
            Some(problem) => Err(FeatureArchiveError::Interrupted {
                url: self.url.into(),
                received: part.length(),
                total: total.map_or("an unknown number".into(), |total| total.to_string()),
                problem,
                kept: part.length() > 0 && self.resumes(part),
            }),
        }
    }

    /// Whether another version of the file would not be continued unnoticed.
    fn resumes(&self, part: &Part) -> bool {
        self.has_sums || part.validator().is_some()
    }

    /// Asks for the file from the first byte that is missing. If what comes does not continue what is kept, the file is asked for from its
    /// start.
    fn ask(&self, kept: u64, validator: Option<&Validator>) -> Result<(Response<Body>, Answer)> {
        let response = self.request(kept, validator)?;
        let length = response.body().content_length();
        let answered = Validator::of(response.headers());
        let is_same = !validator.is_some_and(|kept| answered.is_some_and(|answered| answered != *kept));
        let answer = match (response.status().as_u16(), content_range(&response)) {
            (200, _) => Some(Answer::Whole(length)),
            (206, Some((Some((first, last)), total))) if kept > 0 => {
                let is_rest = first == kept && first <= last && last.checked_add(1) == Some(total);
                let fits = is_rest && length.is_none_or(|length| length == total - kept);
                (fits && is_same).then_some(Answer::Rest(total))
            }
            // A server that does not say how long the file is leaves the answer to the sum.
            (416, None) if kept > 0 => (self.has_sums && is_same).then_some(Answer::Nothing),
            (416, Some((None, total))) if kept > 0 => (total == kept && is_same).then_some(Answer::Nothing),
            (206 | 416, _) if kept > 0 => None,
            (status, _) => return Err(self.refused(format!("the server answers {status}"))),
        };
        match answer {
            Some(answer) => Ok((response, answer)),
            None => self.ask(0, None),
        }
    }

    /// Sums and ranges are of the bytes as they are.
    fn check_coding(&self, response: &Response<Body>) -> Result<()> {
        for (name, expected) in [("content-encoding", "identity"), ("transfer-encoding", "chunked")] {
            let mut values = response.headers().get_all(name).iter();
            if let Some(found) = values.find(|found| !found.as_bytes().eq_ignore_ascii_case(expected.as_bytes())) {
                return Err(self.refused(format!("{name}: {expected} expected, found {found:?}")));
            }
        }
        Ok(())
    }

    fn request(&self, kept: u64, validator: Option<&Validator>) -> Result<Response<Body>> {
        let mut address = self.address.clone();
        for _ in 0..=Self::REDIRECTS {
            let mut request = self.agent.get(&address);
            if kept > 0 {
                request = request.header("Range", format!("bytes={kept}-"));
                request = validator.iter().fold(request, |request, kept| request.header("If-Range", kept.as_str()));
            }
            let response = request.call().map_err(|problem| self.refused(problem.to_string()))?;
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => address = self.redirected(&address, header(&response, "location"))?,
                _ => return Ok(response),
            }
        }
        Err(self.refused(format!("more than {} redirects", Self::REDIRECTS)))
    }

    /// Where a redirect leads.
    fn redirected(&self, from: &Uri, location: Option<&str>) -> Result<Uri> {
        let to = location.and_then(|location| resolve(from, location));
        let to = to.ok_or_else(|| {
            self.refused(format!("redirected to {}, which is no address", location.unwrap_or("nowhere")))
        })?;
        let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let is_host = from.host().zip(to.host()).is_some_and(|(from, to)| from.eq_ignore_ascii_case(to));
        let is_allowed = match (from.scheme_str(), to.scheme_str()) {
            (Some("http"), Some("https")) => true,
            (a, b) => a == b && port(from) == port(&to),
        };
        match is_host && is_allowed {
            true => Ok(to),
            false => Err(FeatureArchiveError::Redirected { url: self.url.into(), from: origin(from), to: origin(&to) }),
        }
    }

    /// Takes what a server sends up to the length of the file; says why it ended early, if it did.
    fn receive(
        &self,
        body: impl Read,
        part: &mut Part,
        total: Option<u64>,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Option<String>> {
        let mut body = body.take(total.map_or(u64::MAX, |total| total - part.length()));
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(problem) => return Ok(Some(problem.to_string())),
            };
            if part.length() + read as u64 > self.limits.bytes {
                part.restart(None)?;
                return Err(self.too_large(None));
            }
            part.append(&buffer[..read])?;
            progress(part.length(), total);
        }
        Ok(total.filter(|total| part.length() < *total).map(|_| "too few bytes".into()))
    }

    fn refused(&self, problem: String) -> FeatureArchiveError {
        FeatureArchiveError::Server { url: self.url.into(), problem }
    }

    fn too_large(&self, found: Option<u64>) -> FeatureArchiveError {
        FeatureArchiveError::TooLarge { url: self.url.into(), limit: self.limits.bytes, found }
    }
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// `a`, `b` and `total` of `bytes a-b/total` or `bytes */total`.
fn content_range(response: &Response<Body>) -> Option<(Option<(u64, u64)>, u64)> {
    let (range, total) = header(response, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let range = match range.split_once('-') {
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
        None => (range == "*").then_some(None)?,
    };
    Some((range, total.parse().ok()?))
}

/// An address with a host and, if any, a port that there is.
fn parse(address: &str) -> Option<Uri> {
    let uri = address.parse::<Uri>().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    (uri.port().is_some() || uri.authority()?.as_str().ends_with(host)).then_some(uri)
}

/// Scheme, host and port, without names and passwords.
fn origin(uri: &Uri) -> String {
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default())
}

/// A reference in the light of the address that has it (RFC 3986, 5.2; the server itself resolves `..`).
fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let (scheme, authority, path) = (base.scheme_str()?, base.authority()?, base.path());
    let whole = match reference {
        _ if reference.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()) => reference.into(),
        _ if reference.starts_with("//") => format!("{scheme}:{reference}"),
        _ if reference.starts_with('/') => format!("{scheme}://{authority}{reference}"),
        _ if reference.starts_with('?') => format!("{scheme}://{authority}{path}{reference}"),
        _ => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{reference}")
        }
    };
    parse(&whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_with_the_host() {
        let source = Source::new("http://h/a", DownloadLimits::default(), false).unwrap();
        let follow = |from: &str, to| source.redirected(&from.parse().unwrap(), Some(to)).map(|uri| uri.to_string());
        for (from, to, expected) in [
            ("http://h/a/b?c", "d", "http://h/a/d"),
            ("http://h/a/b?c", "?d", "http://h/a/b?d"),
            ("http://h:8/a/b", "/d#e", "http://h:8/d"),
            ("http://h/a", "//H:80/d", "http://H:80/d"),
            ("http://h:8/a", "https://h/d", "https://h/d"),
            ("https://h/a", "https://h:443/d", "https://h:443/d"),
        ] {
            assert_eq!(follow(from, to).unwrap(), expected, "{from} {to}");
        }
        for (from, to) in [
            ("https://h/a", "http://h/a"),
            ("http://h/a", "http://h:81/a"),
            ("http://h/a", "//g/a"),
            ("http://h/a", "https://h@g/a"),
            ("http://h/a", "ftp://h/a"),
        ] {
            assert!(matches!(follow(from, to), Err(FeatureArchiveError::Redirected { .. })), "{from} {to}");
        }
        for to in ["a b", "//", "http://h:99999/"] {
            assert!(matches!(follow("http://h/a", to), Err(FeatureArchiveError::Server { .. })), "{to}");
        }
        let named =
            source.redirected(&"http://u:p@h/a".parse().unwrap(), Some("http://g:81/")).unwrap_err().to_string();
        assert!(named.starts_with("http://h/a: redirected from http://h to http://g:81: "), "{named}");
    }
}
