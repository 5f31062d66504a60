//! JSON: what we accept is JSON to serde_json as well, what we call no JSON is none, and the body
//! says what stood there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::{Leaves, converted, rules};
use postgate::event::{Format, Input, Kind};

fuzz_target!(|body: &[u8]| {
    let input = Input { body, ..Input::default() };
    let read = converted(&input, &rules(Kind::Custom, Format::Json));
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let said = str::from_utf8(text).ok().map(Leaves::of_json);
    match (read, said) {
        (Ok(body), Some(Ok(said))) => body.says_the_same(&said),
        // serde_json has to make a number of `1e999`; we keep its text.
        (Ok(_), Some(Err(error))) => assert!(error.to_string().contains("out of range"), "{error}"),
        (Ok(_), None) => panic!("it is not UTF-8"),
        (Err(malformed), Some(Ok(_))) => {
            assert!(!malformed.reason.starts_with("not valid JSON"), "{malformed}");
        }
        (Err(_), _) => {}
    }
});
