//! The bytes that JSON strings hold as they are: all but `"`, `\` and control characters (RFC 8259
//! section 7). Asked of every name and value, when it is read and when it is written.

/// Bytes looked at in one step.
const STEP: usize = 8;

/// How many bytes at the beginning of `bytes` are plain.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut length = 0;
    for step in steps {
        let found = special(u64::from_le_bytes(*step));
        if found != 0 {
            return length + usize::try_from(found.trailing_zeros() / u8::BITS).unwrap_or_default();
        }
        length += STEP;
    }
    let is_special = |&byte: &u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    length + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Marks the first byte of a step that is not plain by its highest bit. Bits behind the first may
/// be wrong, because a subtraction borrows from them.
fn special(step: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; STEP]);
    const HIGHEST: u64 = EACH << 7;
    let is_zero = |bytes: u64| bytes.wrapping_sub(EACH) & !bytes;
    let is_control = step.wrapping_sub(EACH * 0x20) & !step;
    (is_control | is_zero(step ^ (EACH * 0x22)) | is_zero(step ^ (EACH * 0x5C))) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_in_every_place() {
        for byte in 0..=u8::MAX {
            let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                assert_eq!(plain(&bytes), if is_plain { 20 } else { place }, "{byte} at {place}");
                // What follows changes nothing.
                bytes[place..].fill(byte);
                assert_eq!(plain(&bytes), if is_plain { 20 } else { place }, "{byte} at {place}");
            }
        }
    }
}
