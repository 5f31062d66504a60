//! Form bodies: the body says what the pairs hold for a browser, and the query says the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::{Leaves, converted, rules};
use postgate::event::{Format, Input, Kind};

fuzz_target!(|pairs: &[u8]| {
    let form = Input { body: pairs, ..Input::default() };
    let Ok(form) = converted(&form, &rules(Kind::Custom, Format::Form)) else { return };
    form.says_the_same(&Leaves::of_pairs(pairs));
    let query = Input { query: Some(pairs), ..Input::default() };
    let query = converted(&query, &rules(Kind::Custom, Format::Query));
    assert_eq!(query.expect("a query is read like a form").value, form.value);
});
