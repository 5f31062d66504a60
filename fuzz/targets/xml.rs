//! XML: what we accept is well-formed to roxmltree as well, the body says what stood there, and
//! UTF-16 says the same as UTF-8.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::{Leaves, converted, rules};
use postgate::event::{Format, Input, Kind};

fuzz_target!(|body: &[u8]| {
    let rules = rules(Kind::Custom, Format::Xml);
    let read = converted(&Input { body, ..Input::default() }, &rules);
    let Ok(text) = str::from_utf8(body) else { return };
    // Whether the bytes are of another encoding is for the declaration to say.
    if text.contains("encoding") || text.contains('\0') {
        return;
    }
    let wide: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(text.trim_start_matches('\u{feff}').encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let wide = converted(&Input { body: &wide, ..Input::default() }, &rules);
    if let Ok(body) = read {
        // XML 1.0, 2.11. roxmltree forgets a carriage return between a reference and a tag.
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let said = Leaves::of_xml(&lines).expect("what we accept is well-formed");
        body.says_the_same(&said);
        assert_eq!(wide.expect("UTF-16 is accepted like UTF-8").value, body.value);
    }
});
