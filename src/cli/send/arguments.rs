//! The arguments of `send`, each checked as it is read.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};

use super::super::convert;
use super::tally::LONGEST;
use crate::event::{Format, Kind};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct Arguments {
    /// Where to send: http or https, with the path of a route.
    #[arg(value_parser = url)]
    pub(super) url: Uri,
    /// What to send: action, clearing, inquiry, catalog, tracking, job, custom; several with commas,
    /// in turn; or all.
    #[arg(long, default_value = "action", value_name = "KINDS", value_parser = kinds)]
    pub(super) kind: Several<Kind>,
    /// How: json, xml, form, query; several with commas, in turn; or all. [default: json, or that of
    /// the template]
    #[arg(long, value_name = "FORMATS", value_parser = formats)]
    pub(super) format: Option<Several<Format>>,
    /// Fill this text that was pasted into impact.com, textually, as impact.com does.
    #[arg(long, value_name = "FILE")]
    pub(super) template: Option<PathBuf>,
    /// GET or POST. [default: GET for a query, POST for a body]
    #[arg(long, value_parser = method)]
    pub(super) method: Option<Method>,
    /// How many events.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(super) count: u32,
    /// Events a second, kept whatever the answers take; times then count from when an event was due.
    /// Without it, as fast as answers come.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Requests under way at once, at most.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) concurrency: u32,
    /// The same number gives the same events. [default: another each time]
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// With quotes, markup, line breaks, other scripts, blanks and macros that were not substituted;
    /// sub-ids of a form or a query are not encoded.
    #[arg(long)]
    pub(super) nasty: bool,
    /// `Name: value` to go with every request, the shared secret for one; a value of `env:NAME` or
    /// `file:PATH` is read from there. May be repeated.
    #[arg(long, value_name = "HEADER", value_parser = header)]
    pub(super) header: Vec<(HeaderName, HeaderValue)>,
    /// PEM of the authority, or of the certificate itself, to trust instead of the public ones.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// Trust any certificate; on loopback alone.
    #[arg(long, conflicts_with = "ca")]
    pub(super) insecure: bool,
    /// For one request, connecting included.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = time)]
    pub(super) timeout: Duration,
    /// Print the events, one JSON object a line, and send nothing.
    #[arg(long, conflicts_with = "json")]
    pub(super) dry_run: bool,
    /// Print the sum as one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Arguments {
    /// What no argument shows alone: a sentence for whoever typed them.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let formats = self.format.as_ref().map_or(&[][..], |formats| &formats.0);
        let has_body = formats.iter().any(|format| *format != Format::Query)
            || (formats.is_empty() && self.template.is_none());
        if self.method == Some(Method::GET) && has_body {
            return Some("--method GET has no body: use --format query");
        }
        if self.template.is_some() && (self.kind.0.len() > 1 || formats.len() > 1) {
            return Some("--template is of one --kind and one --format");
        }
        if self.insecure && !is_loopback(&self.url) {
            return Some("--insecure is for loopback alone: trust the certificate by --ca");
        }
        if (self.insecure || self.ca.is_some()) && self.url.scheme_str() != Some("https") {
            return Some("--ca and --insecure are for https alone");
        }
        None
    }
}

/// Values of a list with commas; not empty.
#[derive(Clone, Debug)]
pub(super) struct Several<T>(pub(super) Vec<T>);

fn kinds(words: &str) -> Result<Several<Kind>, String> {
    several(words, &Kind::ALL, convert::kind)
}

fn formats(words: &str) -> Result<Several<Format>, String> {
    several(words, &Format::ALL, convert::format)
}

fn several<T: Copy>(
    words: &str,
    all: &[T],
    one: fn(&str) -> Result<T, String>,
) -> Result<Several<T>, String> {
    if words == "all" {
        return Ok(Several(all.to_vec()));
    }
    words.split(',').map(one).collect::<Result<_, _>>().map(Several)
}

fn url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| url.authority().is_some());
    let url = url.filter(|url| matches!(url.scheme_str(), Some("http" | "https")));
    let url = url.ok_or("it must begin with http://HOST or https://HOST")?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("it holds credentials: use --header".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn method(word: &str) -> Result<Method, String> {
    match word {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        _ => Err("expected GET or POST".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "expected a number from 0.001 to 1000000".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let time: Duration =
        text.parse::<humantime::Duration>().map_err(|error| error.to_string())?.into();
    let is_sane = (Duration::from_millis(1)..=LONGEST).contains(&time);
    is_sane.then_some(time).ok_or_else(|| "expected a time from 1ms to 1h".to_owned())
}

/// The errors do not show the value.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the name is no header name")?;
    let is_framing = matches!(
        name,
        header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::TE
            | header::UPGRADE
    );
    if is_framing {
        return Err(format!("`{name}` is set by postgate itself"));
    }
    let value = referred(value.trim())?;
    let mut value: HeaderValue =
        value.parse().map_err(|_| format!("`{name}` has characters that a header cannot carry"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The text itself, or what it names: a command line is in the list of processes.
fn referred(text: &str) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        return std::env::var(name).map_err(|error| format!("{name}: {error}"));
    }
    if let Some(path) = text.strip_prefix("file:") {
        let content = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        return Ok(content.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(arguments: &str) -> Result<Arguments, String> {
        let words = std::iter::once("send").chain(arguments.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        match line.arguments.contradiction() {
            Some(what) => Err(what.to_owned()),
            None => Ok(line.arguments),
        }
    }

    #[test]
    fn good_arguments_are_read() {
        let read = |arguments: &str| read(arguments).unwrap_or_else(|error| panic!("{error}"));
        let all = read("https://h/p --kind all --format json,xml --rate 0.5 --timeout 2s");
        assert_eq!((all.kind.0.len(), all.format.expect("formats").0.len()), (7, 2));
        for loopback in ["https://127.0.0.2:8443/", "https://[::1]/p", "https://localhost:1/p"] {
            assert!(read(&format!("{loopback} --insecure")).insecure);
        }
        read("http://h/p?a=b --method GET --format query");
        read("https://h/p --count 100000000 --concurrency 10000 --rate 1000000 --timeout 1h");
    }

    #[test]
    fn bad_arguments_are_refused_with_the_reason() {
        for (arguments, reason) in [
            ("", "URL"),
            ("h/p", "must begin with http"),
            ("ftp://h/p", "must begin with http"),
            ("https://u:p@h/p", "credentials"),
            ("https://h/p --kind actoin", "expected one of: action"),
            ("https://h/p --method PUT", "expected GET or POST"),
            ("https://h/p --method GET", "no body"),
            ("https://h/p --method GET --format query,json", "no body"),
            ("https://h/p --template t --kind action,job", "one --kind"),
            ("https://h/p --insecure", "loopback alone"),
            ("https://127.0.0.1.evil.example/p --insecure", "loopback alone"),
            ("https://localhost/p --insecure --ca x", "cannot be used with"),
            ("http://localhost/p --insecure", "https alone"),
            ("https://h/p --count 0", "not in 1..=100000000"),
            ("https://h/p --count 100000001", "not in 1..=100000000"),
            ("https://h/p --concurrency 10001", "not in 1..=10000"),
            ("https://h/p --rate 1000001", "from 0.001 to"),
            ("https://h/p --rate NaN", "from 0.001 to"),
            ("https://h/p --timeout 3601s", "from 1ms to 1h"),
            ("https://h/p --header X-Token", "expected `Name: value`"),
            ("https://h/p --header Content-Length:1", "set by postgate"),
            ("https://h/p --header X-Token:env:POSTGATE_NOT_SET", "POSTGATE_NOT_SET"),
            ("https://h/p --header X-Token:file:/nowhere", "/nowhere"),
        ] {
            let refused = read(arguments).err().unwrap_or_else(|| panic!("{arguments} is taken"));
            assert!(refused.contains(reason), "{arguments}: {refused}");
        }
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "s3cret\n").expect("written");
        let (name, value) =
            header(&format!("X-Token: file:{}", file.path().display())).expect("read");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-token", &b"s3cret"[..]));
        assert!(!format!("{value:?}").contains("s3cret"));
    }
}
