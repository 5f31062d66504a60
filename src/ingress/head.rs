//! What must hold of every head, whatever it asks for.

use std::net::Ipv6Addr;

use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Version};

use super::refusal::Refusal;
use super::{FrontSettings, strict};

/// The rules for heads.
#[derive(Debug)]
pub(super) struct HeadRules {
    /// Bytes of a head of HTTP/2 at most. hyper counts those of HTTP/1.1.
    header_bytes: usize,
    /// Header lines at most.
    headers: usize,
    /// Bytes of path and query at most.
    target_bytes: usize,
    /// The hosts that may be asked for, in lower case; none: all.
    server_names: Vec<String>,
}

impl HeadRules {
    pub(super) fn new(settings: &FrontSettings) -> Self {
        Self {
            header_bytes: settings.limits.header_bytes,
            headers: settings.limits.headers,
            target_bytes: settings.limits.target_bytes,
            server_names: settings.server_names.iter().map(|n| n.to_ascii_lowercase()).collect(),
        }
    }

    pub(super) fn check(&self, head: &Parts) -> Result<(), Refusal> {
        let is_large = head.version == Version::HTTP_2 && list_size(head) > self.header_bytes;
        if is_large || head.headers.len() > self.headers {
            return Err(Refusal::HeadSize);
        }
        if strict::is_disputed(head) {
            return Err(Refusal::Query);
        }
        let query = strict::received(head).map_or(0, |query| 1 + query.len());
        if head.uri.path().len() + query > self.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        // HTTP/1.1's targets were looked at before (`strict/line.rs`).
        if head
            .uri
            .scheme()
            .is_some_and(|scheme| *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP)
        {
            return Err(Refusal::Scheme);
        }
        let host = host(head)?;
        if !self.server_names.is_empty() && !host.is_some_and(|host| self.serves(&host)) {
            return Err(Refusal::Misdirected);
        }
        if expects_more_than_continue(&head.headers) {
            return Err(Refusal::Expectation);
        }
        Ok(())
    }

    fn serves(&self, host: &Named) -> bool {
        self.server_names.iter().any(|name| host.host().eq_ignore_ascii_case(name))
    }
}

/// What a line counts beside its text (RFC 9113, 6.5.2).
const LINE_SIZE: usize = 32;

/// A head as HTTP/2 counts it: its pseudo-headers are lines as well.
fn list_size(head: &Parts) -> usize {
    let uri = &head.uri;
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let pseudo = [
        Some(":method".len() + head.method.as_str().len()),
        uri.scheme_str().map(|scheme| ":scheme".len() + scheme.len()),
        uri.authority().map(|authority| ":authority".len() + authority.as_str().len()),
        Some(":path".len() + path),
    ];
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    pseudo.into_iter().flatten().chain(lines).map(|line| line + LINE_SIZE).sum()
}

/// What a header line takes in memory beside its text, in a map that has just grown.
const LINE_BYTES: usize = 120;

/// What a head takes in memory. HPACK makes a line of one byte.
pub(super) fn weight(head: &Parts) -> usize {
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = head.uri.path().len() + strict::received(head).map_or(0, <[u8]>::len);
    let lines = head.headers.iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES);
    authority + target + lines.sum::<usize>()
}

/// Who is asked for: `host [ ":" port ]`.
#[derive(Debug)]
struct Named {
    authority: Authority,
    /// `None` where none is said: an empty one is none (RFC 3986, 3.2.3).
    port: Option<u16>,
}

/// The host that is asked for: named once, and the same wherever it is named (RFC 9112, 3.2 and
/// 3.2.2; RFC 9113, 8.3.1).
fn host(head: &Parts) -> Result<Option<Named>, Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next(), head.version) {
        (None, _, Version::HTTP_10) => None,
        (None, _, Version::HTTP_2) if head.uri.authority().is_some() => None,
        (Some(host), None, _) => Some(Named::read(host.as_bytes()).ok_or(Refusal::Host)?),
        _ => return Err(Refusal::Host),
    };
    // `:authority`, or the target's own in absolute form.
    let target = match head.uri.authority() {
        Some(target) => Some(Named::read(target.as_str().as_bytes()).ok_or(Refusal::Host)?),
        None => None,
    };
    match (named, target) {
        (Some(named), Some(target)) if !named.is_same(&target, head.uri.scheme()) => {
            Err(Refusal::Host)
        }
        (named, target) => Ok(target.or(named)),
    }
}

impl Named {
    /// Without the user that a URL may have.
    fn read(text: &[u8]) -> Option<Self> {
        let authority = Authority::try_from(text).ok()?;
        let host = authority.host();
        // The library looks at the brackets alone.
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || inside.is_some_and(|address| address.parse::<Ipv6Addr>().is_err()) {
            return None;
        }
        let rest = authority.as_str().strip_prefix(host)?;
        let digits = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
        // A number may have a sign in front of it, a port may not.
        let port = match digits {
            "" => None,
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { authority, port })
    }

    fn host(&self) -> &str {
        self.authority.host()
    }

    /// Of this scheme a port may be said or left out (RFC 9110, 4.2.3).
    fn is_same(&self, other: &Self, scheme: Option<&Scheme>) -> bool {
        let usual = match scheme {
            Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
            Some(scheme) if *scheme == Scheme::HTTP => Some(80),
            _ => None,
        };
        self.host().eq_ignore_ascii_case(other.host())
            && self.port.or(usual) == other.port.or(usual)
    }
}

/// RFC 9110, 10.1.1: there is one expectation.
fn expects_more_than_continue(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    expectations.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, target: &str, hosts: &[&str]) -> Parts {
        let mut request = http::Request::get(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn rules(names: &[&str]) -> HeadRules {
        let server_names = names.iter().map(|&name| name.to_owned()).collect();
        HeadRules { header_bytes: 1024, headers: 100, target_bytes: 8, server_names }
    }

    #[test]
    fn a_target_ends_at_its_limit() {
        let head = |target: &str| head(Version::HTTP_11, target, &["a"]);
        for target in ["/234?678", "http://a/234?678"] {
            assert!(rules(&[]).check(&head(target)).is_ok(), "{target}");
            let past = rules(&[]).check(&head(&format!("{target}9")));
            assert!(matches!(past, Err(Refusal::TargetTooLong)), "{target}");
        }
    }

    #[test]
    fn a_host_is_named_once_and_is_a_host() {
        use Version as V;
        for (version, target, hosts, good) in [
            (V::HTTP_11, "/", &["a"][..], true),
            (V::HTTP_11, "/", &["a:8443"], true),
            (V::HTTP_11, "/", &["[2001:db8::1]:8443"], true),
            (V::HTTP_11, "http://a/", &["A"], true),
            (V::HTTP_10, "/", &[], true),
            (V::HTTP_2, "https://a/", &[], true),
            (V::HTTP_2, "https://a/", &["a"], true),
            (V::HTTP_2, "/", &["a"], true),
            (V::HTTP_2, "/", &[], false),
            (V::HTTP_11, "/", &[], false),
            (V::HTTP_11, "http://a/", &[], false),
            (V::HTTP_11, "http://a/", &["b"], false),
            (V::HTTP_11, "http://u@a/", &["a"], false),
            (V::HTTP_11, "/", &["a", "a"], false),
            (V::HTTP_10, "/", &["a", "b"], false),
            (V::HTTP_11, "/", &[""], false),
            (V::HTTP_11, "/", &["u@a"], false),
            (V::HTTP_11, "/", &["a/b"], false),
            (V::HTTP_11, "/", &["a, b"], false),
            (V::HTTP_11, "/", &["a:b"], false),
            (V::HTTP_11, "/", &["a:65535"], true),
            (V::HTTP_11, "/", &["a:65536"], false),
            (V::HTTP_11, "/", &["a:+80"], false),
            (V::HTTP_11, "/", &["a:-1"], false),
            (V::HTTP_11, "/", &["a:80:80"], false),
            (V::HTTP_11, "/", &["[::1]"], true),
            (V::HTTP_11, "/", &["[::1]80"], false),
            (V::HTTP_11, "/", &["[]"], false),
            (V::HTTP_11, "/", &["[zz]"], false),
            (V::HTTP_11, "/", &["[a]:80"], false),
            (V::HTTP_2, "https://a/", &["b"], false),
            (V::HTTP_2, "https://a/", &["a", "a"], false),
            (V::HTTP_2, "https://a:+80/", &[], false),
            (V::HTTP_2, "https://[zz]/", &[], false),
            // An empty port is no port, and the usual one of a scheme may be left out.
            (V::HTTP_11, "/", &["a:"], true),
            (V::HTTP_11, "/", &[":"], false),
            (V::HTTP_11, "/", &[":80"], false),
            (V::HTTP_11, "http://a:/", &["a"], true),
            (V::HTTP_11, "http://a/", &["a:"], true),
            (V::HTTP_11, "http://a/", &["a:80"], true),
            (V::HTTP_11, "http://a:80/", &["a"], true),
            (V::HTTP_11, "http://a:080/", &["A:80"], true),
            (V::HTTP_11, "HTTPS://a:443/", &["a"], true),
            (V::HTTP_11, "https://a/", &["a:443"], true),
            (V::HTTP_11, "http://a/", &["a:443"], false),
            (V::HTTP_11, "https://a:80/", &["a"], false),
            (V::HTTP_11, "http://a:8080/", &["a"], false),
            (V::HTTP_11, "http://a:8080/", &["a:8443"], false),
            (V::HTTP_2, "https://a/", &["a:443"], true),
            (V::HTTP_2, "https://a:443/", &["a:"], true),
            (V::HTTP_2, "https://a:8443/", &["a:8443"], true),
            (V::HTTP_2, "https://a:8443/", &["a"], false),
            (V::HTTP_2, "http://a/", &["a:443"], false),
        ] {
            let found = host(&head(version, target, hosts));
            assert_eq!(found.is_ok(), good, "{version:?} {target} {hosts:?}: {found:?}");
        }
    }

    #[test]
    fn a_query_that_was_read_in_two_ways_is_refused() {
        for (target, good) in [("/?a=_", true), ("/?a=b", false), ("/", false)] {
            let unescaped = strict::Unescaped::default();
            unescaped.note(1, b"a=\"");
            let parts = head(Version::HTTP_11, target, &["a"]);
            let mut request = http::Request::from_parts(parts, ());
            unescaped.restore(1, &mut request);
            let found = rules(&[]).check(&request.into_parts().0);
            assert!(matches!((good, found), (true, Ok(())) | (false, Err(Refusal::Query))));
        }
    }

    #[test]
    fn another_scheme_is_refused() {
        for (target, good) in
            [("https://a/", true), ("http://a/", true), ("HTTPS://a/", true), ("ftp://a/", false)]
        {
            let found = rules(&[]).check(&head(Version::HTTP_2, target, &[]));
            assert!(matches!((good, found), (true, Ok(())) | (false, Err(Refusal::Scheme))));
        }
    }

    #[test]
    fn a_list_of_names_lets_no_other_host_in() {
        let rules = rules(&["a.example"]);
        for (version, target, hosts, good) in [
            (Version::HTTP_11, "/", &["a.example"][..], true),
            (Version::HTTP_11, "/", &["A.Example:8443"], true),
            (Version::HTTP_2, "https://a.example/", &[], true),
            (Version::HTTP_11, "/", &["b.example"], false),
            (Version::HTTP_11, "/", &["x.a.example"], false),
            (Version::HTTP_10, "/", &[], false),
            (Version::HTTP_2, "https://b.example/", &[], false),
        ] {
            let found = rules.check(&head(version, target, hosts));
            assert_eq!(found.is_ok(), good, "{version:?} {target} {hosts:?}");
            assert!(matches!(found, Ok(()) | Err(Refusal::Misdirected)), "{found:?}");
        }
    }

    #[test]
    fn one_thing_may_be_expected() {
        let rules = rules(&[]);
        for (expect, good) in [("100-continue", true), ("100-Continue", true), ("200-ok", false)] {
            let mut head = head(Version::HTTP_11, "/", &["a"]);
            head.headers.insert(EXPECT, expect.parse().unwrap());
            assert_eq!(rules.check(&head).is_ok(), good, "{expect}");
        }
    }
}
