//! The grammar of a chunk's first line (RFC 9112, 7.1).

use super::line::{Checked, digit, is_tchar};

/// What a chunk's first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Last,
    Of(u64),
}

/// `1a;name=value` (RFC 9112, 7.1).
pub(super) fn size(line: &[u8]) -> Checked<Chunk> {
    let end = line.iter().position(|&byte| digit(byte).is_none()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(end);
    let mut size: u64 = 0;
    for &byte in digits {
        let digit = digit(byte).unwrap_or_default();
        size = size.checked_mul(16).ok_or("a chunk is too long")? + u64::from(digit);
    }
    if digits.is_empty() {
        return Err("the length of a chunk is no number");
    }
    check_extensions(extensions)?;
    Ok(if size == 0 { Chunk::Last } else { Chunk::Of(size) })
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112, 7.1.1).
fn check_extensions(extensions: &[u8]) -> Checked<()> {
    const FAULT: &str = "a chunk extension is not well formed";
    let mut rest = extensions;
    while !rest.is_empty() {
        rest = rest.trim_ascii_start().strip_prefix(b";").ok_or(FAULT)?;
        rest = after_token(rest.trim_ascii_start()).ok_or(FAULT)?;
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => after_quoted(quoted).ok_or(FAULT)?,
                None => after_token(value).ok_or(FAULT)?,
            };
        }
    }
    Ok(())
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|&byte| !is_tchar(byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// What follows the closing quote.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        let printable = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        match byte {
            b'"' => return Some(rest),
            b'\\' => rest = rest.split_first().filter(|(byte, _)| printable(**byte))?.1,
            byte if printable(byte) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_hexadecimal_digits_and_extensions() {
        for (line, expected) in [
            ("0", Chunk::Last),
            ("000", Chunk::Last),
            ("a", Chunk::Of(10)),
            ("A", Chunk::Of(10)),
            ("ffffffffffffffff", Chunk::Of(u64::MAX)),
            ("5;a", Chunk::Of(5)),
            ("5 ; a = b;c=\"d \\\" ;\"", Chunk::Of(5)),
        ] {
            assert_eq!(size(line.as_bytes()), Ok(expected), "{line:?}");
        }
        for line in [
            "",
            " 5",
            "5 ",
            "+5",
            "-5",
            "0x5",
            "1_0",
            "5;",
            "5;;a",
            "5;a=",
            "5;a b",
            "5;a[=b",
            "5;\0a",
            "5;a=\"b",
            "5;a=\"b\\\"",
            "5;a=\"\0\"",
            "5,a",
            "5;a=b ",
            "10000000000000000",
            "FFFFFFFFFFFFFFFF0",
        ] {
            assert!(size(line.as_bytes()).is_err(), "{line:?}");
        }
    }
}
