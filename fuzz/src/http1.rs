//! Another reader of HTTP/1.1, which is naive: it knows one way to write a request, and stops at whatever else it
//! meets. A request that the gateway takes and this one does not find was smuggled.

use std::collections::VecDeque;

/// A request as far as it has come.
#[derive(Debug)]
pub struct Request<'a> {
    /// As written.
    pub method: &'a [u8],
    /// As written.
    pub target: &'a [u8],
    headers: Vec<(String, &'a [u8])>,
    /// Without the framing of chunks.
    pub body: Vec<u8>,
}

/// A final reply.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl<'a> Request<'a> {
    /// The values of the header lines of this name, in their order. `name` is in lower case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| *value)
    }

    /// What stands behind the first question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        let mark = self.target.iter().position(|byte| *byte == b'?')?;
        Some(&self.target[mark + 1..])
    }
}

/// The requests in what a client says, until one is odd.
#[must_use]
pub fn requests(mut bytes: &[u8]) -> Vec<Request<'_>> {
    let mut requests = Vec::new();
    loop {
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        let Some((mut request, rest)) = head(bytes) else { break };
        let length = request.values("content-length").next();
        let is_chunked = request.values("transfer-encoding").next().is_some();
        let body = match length {
            _ if is_chunked => chunks(rest),
            Some(digits) => str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.trim().parse().ok())
                .and_then(|length| rest.split_at_checked(length))
                .map(|(body, rest)| (body.to_vec(), rest)),
            None => Some((Vec::new(), rest)),
        };
        let Some((body, rest)) = body else {
            // It may be answered, but not as if it were whole.
            requests.push(request);
            break;
        };
        request.body = body;
        requests.push(request);
        bytes = rest;
    }
    requests
}

fn head(bytes: &[u8]) -> Option<(Request<'_>, &[u8])> {
    let (first, mut rest) = line(bytes)?;
    let mut words = first.split(|byte| *byte == b' ');
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let (line, after) = line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((Request { method, target, headers, body: Vec::new() }, rest));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
        headers.push((name, line[colon + 1..].trim_ascii()));
    }
}

/// Up to CR and LF, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

fn chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (size, rest) = line(bytes)?;
        let size = str::from_utf8(size).ok()?.split([';', ' ', '\t']).next()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            bytes = rest;
            break;
        }
        let (chunk, rest) = rest.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, rest) = line(bytes)?;
        bytes = rest;
        if trailer.is_empty() {
            return Some((body, bytes));
        }
    }
}

/// The final replies in what the gateway says. `methods`: of the requests that they answer, as far as known.
///
/// # Panics
/// Where they are not whole.
#[must_use]
pub fn replies<'a>(mut bytes: &[u8], methods: impl IntoIterator<Item = &'a [u8]>) -> Vec<Reply> {
    let mut methods: VecDeque<_> = methods.into_iter().collect();
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let (first, mut rest) = line(bytes).expect("a reply has a first line");
        let first = str::from_utf8(first).expect("it is text");
        let status = first.split(' ').nth(1).expect("it has a status").parse().expect("a number");
        let mut length = 0;
        loop {
            let (line, after) = line(rest).expect("a reply's head is whole");
            rest = after;
            if line.is_empty() {
                break;
            }
            if let Some(digits) = line.strip_prefix(b"content-length: ") {
                length = str::from_utf8(digits).unwrap().parse().expect("a length is a number");
            }
        }
        bytes = rest;
        if status < 200 {
            continue;
        }
        if methods.pop_front().is_some_and(|method| method == b"HEAD") {
            length = 0;
        }
        let (body, rest) = bytes.split_at_checked(length).expect("a reply is whole");
        bytes = rest;
        replies.push(Reply { status, body: body.to_vec() });
    }
    replies
}
