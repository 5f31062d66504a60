//! The bytes that JSON strings hold as they are: all but `"`, `\` and control characters (RFC 8259
//! section 7). Asked of every name and value, when it is read and when it is written.

/// Bytes looked at in one step.
const STEP: usize = 8;

/// How many bytes at the beginning of `bytes` are plain.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut length = 0;
    for step in steps {
        let found = special(u64::from_le_bytes(*step));
        if found != 0 {
            return length + usize::try_from(found.trailing_zeros() / u8::BITS).unwrap_or_default();
        }
        length += STEP;
    }
    length + rest.iter().position(|&byte| !is_plain_byte(byte)).unwrap_or(rest.len())
}

/// Whether all of `bytes` are plain.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let is_clean = |step: &[u8; STEP]| special(u64::from_le_bytes(*step)) == 0;
    match bytes.last_chunk() {
        // The last step overlaps the one before: quicker than byte by byte.
        Some(last) => bytes.as_chunks().0.iter().all(is_clean) && is_clean(last),
        None => bytes.iter().all(|&byte| is_plain_byte(byte)),
    }
}

fn is_plain_byte(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, b'"' | b'\\')
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
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                assert_eq!(plain_length(&bytes), if is_special { place } else { 20 }, "{byte}");
                assert_eq!(is_plain(&bytes), !is_special, "{byte}");
                assert_eq!(is_plain(&bytes[place..]), !is_special, "{byte}");
                // What follows changes nothing.
                bytes[place..].fill(byte);
                assert_eq!(plain_length(&bytes), if is_special { place } else { 20 }, "{byte}");
            }
        }
    }
}
