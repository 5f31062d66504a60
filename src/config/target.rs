//! The URL of an upstream.

use std::num::NonZeroU16;

use http::Uri;
use http::uri::PathAndQuery;

use super::key::Key;
use super::report::Report;
use super::word;
use crate::deliver::UpstreamUrl;

const MEND: &str = "write a URL such as \"http://127.0.0.1:8080/postbacks\", \
                    \"https://shop.example/postbacks\" or \"unix:/run/shop.sock:/postbacks\"";

/// Where `text` leads. Problems do not show it: a query may carry a secret.
pub(super) fn url(text: &str, key: &Key, report: &mut Report) -> Option<UpstreamUrl> {
    match read(text, report) {
        Ok(url) => Some(url),
        Err(what) => {
            report.problem(key, what, MEND);
            None
        }
    }
}

fn read(text: &str, report: &Report) -> Result<UpstreamUrl, String> {
    if let Some(rest) = text.strip_prefix("unix:") {
        let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
        if socket.is_empty() || !path.starts_with('/') {
            return Err("needs a socket and a request path that starts with /".to_owned());
        }
        let path: PathAndQuery =
            path.parse().map_err(|_| "has a request path that is none".to_owned())?;
        let socket = report.path(socket);
        return Ok(UpstreamUrl::Unix { socket, path });
    }
    if text.contains('#') {
        return Err("has a fragment (#), which is never sent".to_owned());
    }
    let uri: Uri = text.parse().map_err(|error| format!("is no URL: {error}"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !["http", "https"].contains(&scheme) {
        let near = word::nearest(scheme, ["http", "https", "unix"].into_iter());
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Err(format!("does not begin with http://, https:// or unix:{near}"));
    }
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err("carries a password; put it into headers.Authorization".to_owned());
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    // A client that cannot read it would take the port of the scheme.
    let rest = authority.strip_prefix(host).unwrap_or_default();
    let port = rest.strip_prefix(':').map(str::parse::<NonZeroU16>);
    if !rest.is_empty() && !matches!(port, Some(Ok(_))) {
        return Err("has a port that is none of 1 to 65535".to_owned());
    }
    Ok(UpstreamUrl::Http(uri))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{report, report_in};
    use super::*;

    #[test]
    fn reads_the_three_kinds() {
        let folder = Path::new("/etc/postgate");
        let read = |text: &str| read(text, &report_in(folder));
        for text in [
            "http://127.0.0.1:8080/postbacks?a=b",
            "https://shop.example",
            "http://[::1]:1/",
            "http://a:65535",
        ] {
            let uri = text.parse().expect("a URL");
            assert_eq!(read(text), Ok(UpstreamUrl::Http(uri)), "{text}");
        }
        let unix = |socket: &str, path: &str| {
            let path = path.parse().expect("a path");
            Ok(UpstreamUrl::Unix { socket: socket.into(), path })
        };
        assert_eq!(read("unix:/run/a.sock:/p?q=1"), unix("/run/a.sock", "/p?q=1"));
        assert_eq!(read("unix:/run/a.sock"), unix("/run/a.sock", "/"));
        assert_eq!(read("unix:a.sock:/p"), unix("/etc/postgate/a.sock", "/p"));
    }

    #[test]
    fn refuses_the_rest_without_showing_it() {
        for text in [
            "",
            "127.0.0.1:8080",
            "/postbacks",
            "ftp://shop.example/",
            "htp://shop.example/s3cret",
            "http://user:s3cret@shop.example/",
            "http://shop.example/#s3cret",
            "http:///s3cret",
            "http://shop.example:65536/s3cret",
            "http://shop.example:0/",
            "http://shop.example:/",
            "http://shop.example:s3cret",
            "http://[::1]:s3cret/",
            "http://[::1]s3cret/",
            "unix:",
            "unix:/run/a.sock:s3cret",
            "http://shop.example/a b?s3cret",
        ] {
            let mut report = report();
            assert_eq!(url(text, &Key::top("url"), &mut report), None, "{text}");
            assert_eq!(report.problems.len(), 1, "{text}");
            assert!(!report.problems[0].to_string().contains("s3cret"), "{text}");
        }
    }
}
