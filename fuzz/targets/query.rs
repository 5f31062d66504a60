//! Query strings: the secret's parameter is as if it were not there, under any spelling that
//! decodes to it, and what is not text is refused and never replaced.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::{converted, rules};
use percent_encoding::percent_decode;
use postgate::event::{Format, Input, Kind, Rules};

const SECRET: &str = "token";

fuzz_target!(|query: &[u8]| {
    let plain = rules(Kind::Action, Format::Query);
    let secret = Rules { secret_parameter: Some(SECRET.to_owned()), ..plain.clone() };
    let input = Input { query: Some(query), ..Input::default() };
    let with = converted(&input, &secret);
    let rest: Vec<&[u8]> =
        query.split(|&byte| byte == b'&').filter(|pair| !is_secret(pair)).collect();
    let rest = rest.join(&b'&');
    let without = converted(&Input { query: Some(&rest), ..Input::default() }, &plain);
    match (with, without) {
        (Ok(with), Ok(without)) => {
            assert_eq!(with.value, without.value);
            // A replacement that nobody sent would be text of ours. What the secret is, is not read.
            let is_replaced = with.value.to_string().contains('\u{fffd}');
            assert!(!is_replaced || percent_decode(&rest).decode_utf8().is_ok());
        }
        (Err(_), Err(_)) => {}
        // An empty query is none at all, and is refused for that.
        (with, without) => panic!("{with:?} and {without:?}"),
    }
});

/// Whether the name before `=` decodes to the secret's.
fn is_secret(pair: &[u8]) -> bool {
    let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
    percent_decode(name).collect::<Vec<u8>>() == SECRET.as_bytes()
}
