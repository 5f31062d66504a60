//! Kept headers as one column: lines of `name: value`, as they came.

use bytes::Bytes;

use super::super::event::Header;

/// The lines, each with a line feed at its end. A value cannot hold one.
pub(super) fn written(headers: &[Header]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(headers.iter().map(Header::bytes).sum());
    for Header { name, value } in headers {
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value);
        lines.push(b'\n');
    }
    lines
}

/// The headers again. A line that is none, which only damage makes, is left out.
pub(super) fn read(lines: &[u8]) -> Vec<Header> {
    let headers = lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = memchr::memmem::find(line, b": ")?;
        let name = str::from_utf8(line.get(..colon)?).ok()?.to_owned();
        Some(Header { name, value: Bytes::copy_from_slice(line.get(colon + 2..)?) })
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_their_lines() {
        let header = |name: &str, value: &'static [u8]| Header {
            name: name.to_owned(),
            value: Bytes::from_static(value),
        };
        let headers = [header("user-agent", b"a: b, c"), header("x", b""), header("y", b"\xff")];
        assert_eq!(read(&written(&headers)), headers);
        assert_eq!(written(&headers).len(), headers.iter().map(Header::bytes).sum::<usize>());
        assert_eq!(read(b""), []);
        assert_eq!(read(b"damage\nx: \n"), headers[1..2]);
    }
}
