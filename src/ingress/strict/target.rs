//! The grammar of a request's target: RFC 9112, with RFC 3986 for what is in it.

use http::uri::Authority;

use super::line::{Checked, digit};

/// `/path?query`, `http://host/path?query`, or `*` for OPTIONS (RFC 9112, 3.2).
pub(super) fn check(target: &[u8], method: &[u8]) -> Checked<()> {
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(()) } else { Err("the target * is for OPTIONS") };
    }
    if target.iter().any(u8::is_ascii_control) {
        return Err("the target has a control character");
    }
    let path = match after_scheme(target) {
        Some(rest) => {
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
            let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
            // Whose host it is, is seen where all hosts are.
            Authority::try_from(authority).map_err(|_| "the target has no good host")?;
            path
        }
        None if target.starts_with(b"/") => target,
        None => return Err("the target has no known form"),
    };
    if memchr::memchr(b'#', target).is_some() {
        return Err("the target has a fragment");
    }
    // The query is data of the sender, who may have pasted anything into it: not our matter here.
    let query = memchr::memchr(b'?', path);
    check_path(query.and_then(|at| path.get(..at)).unwrap_or(path))
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (found, rest) = target.split_at_checked(scheme.len())?;
        found.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Characters as RFC 3986, 3.3, has them. Control characters do not become harmless by an encoding.
fn check_path(path: &[u8]) -> Checked<()> {
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let [high, low, after @ ..] = rest else { return Err("the path has half an escape") };
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err("the path has an escape that is none");
            };
            if high < 2 || (high, low) == (7, 15) {
                return Err("the path has a control character");
            }
            rest = after;
        } else if !is_path(byte) {
            return Err("the path has a character that must be escaped");
        }
    }
    Ok(())
}

/// `pchar` but for `%`, and the slash.
const fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What hyper's type of a target does not take, it answers without saying why.
        #[test]
        fn what_is_good_fits_into_a_target(
            begin in prop::sample::select(vec!["/", "http://", "HTTPS://", "http://a"]),
            pieces in prop::collection::vec(prop::sample::select(vec![
                "a", "1", ":", "@", "[", "]", "::1", "/", "?", "%41", "%", "#", ".", "|", "\\", "{",
                "\t", "\x01", "\x7f",
            ]), 0..6),
        ) {
            let target = format!("{begin}{}", pieces.concat());
            if check(target.as_bytes(), b"GET").is_ok() {
                prop_assert!(http::Uri::try_from(&*target).is_ok(), "{target:?}");
            }
        }
    }
}
