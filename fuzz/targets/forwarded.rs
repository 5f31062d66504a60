//! The headers about others: whatever a forger writes, once a trusted proxy has appended the
//! forger's address, the client is the forger or cannot be told.
//!
//! Every line is a header: one that begins with `F` is a `Forwarded`, every other one an
//! `X-Forwarded-For`.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use postgate::ingress::{AllowlistSettings, Gate, Rule};
use postgate::net::Origin;

const NAMES: [&str; 2] = ["x-forwarded-for", "forwarded"];
const FORGER: &str = "203.0.113.9";

fuzz_target!(|data: &[u8]| {
    let gate = Gate::new(&AllowlistSettings {
        ranges: vec!["192.0.2.0/24".parse().unwrap()],
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
        allow_any: false,
        proxy_protocol: false,
    });
    let proxy = Origin::direct("10.0.0.1".parse().unwrap());
    let lines = data.split(|byte| *byte == b'\n').map(header);
    // Those that HTTP can carry.
    let lines: Vec<_> = lines.filter(|(_, value)| HeaderValue::from_bytes(value).is_ok()).collect();

    let ruling = gate.rule(&proxy, &headers(&lines));
    if ruling.allowed {
        let client = ruling.client.expect("nobody unknown comes in");
        assert!(client.address.to_string().starts_with("192.0.2."), "{client:?}");
        assert!(matches!(client.rule, Rule::XForwardedFor | Rule::Forwarded));
    }

    for (name, appended) in [(NAMES[0], FORGER.to_owned()), (NAMES[1], format!("for={FORGER}"))] {
        // As a line of its own, and behind the last of that name.
        let mut new_line = lines.clone();
        new_line.push((name, appended.clone().into_bytes()));
        let mut same_line = lines.clone();
        match same_line.iter_mut().rev().find(|(other, _)| *other == name) {
            Some((_, value)) => value.extend(format!(", {appended}").into_bytes()),
            None => same_line.push((name, appended.into_bytes())),
        }
        for lines in [new_line, same_line] {
            let ruling = gate.rule(&proxy, &headers(&lines));
            assert!(!ruling.allowed, "a forger came in: {lines:?}");
            if let Ok(client) = ruling.client {
                assert_eq!(client.address.to_string(), FORGER, "{lines:?}");
            }
        }
    }
});

fn header(line: &[u8]) -> (&'static str, Vec<u8>) {
    match line.strip_prefix(b"F") {
        Some(value) => (NAMES[1], value.to_vec()),
        None => (NAMES[0], line.to_vec()),
    }
}

fn headers(lines: &[(&'static str, Vec<u8>)]) -> HeaderMap {
    // HTTP takes the blanks at both ends off.
    let value = |value: &[u8]| HeaderValue::from_bytes(value.trim_ascii()).expect("as before");
    let mut headers = HeaderMap::new();
    for (name, text) in lines {
        headers.append(*name, value(text));
    }
    headers
}
