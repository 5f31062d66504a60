//! How an XML text becomes bytes.

use encoding_rs::WINDOWS_1252;

#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Utf8,
    Little,
    Big,
    /// Where the text can be written so.
    Western,
}

impl Encoding {
    /// The bytes, and what the sender says of them.
    pub(super) fn encode(self, text: &str) -> (Option<&'static [u8]>, Vec<u8>) {
        let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        match (self, WINDOWS_1252.encode(text)) {
            (Self::Little, _) => (None, wide(u16::to_le_bytes)),
            (Self::Big, _) => (None, wide(u16::to_be_bytes)),
            (Self::Western, (bytes, _, false)) => {
                (Some(b"text/xml; charset=windows-1252"), bytes.into_owned())
            }
            (Self::Western | Self::Utf8, _) => (None, text.as_bytes().to_vec()),
        }
    }
}
