//! Connections of bytes that nobody planned: never a panic, and never a request taken that the
//! allowlist forbids.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// What requests are made of, good and bad; `{}` ends up in any order.
const PIECES: [&str; 24] = [
    "GET /in?action_id=1 HTTP/1.1\r\n",
    "POST /in HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "HEAD /in HTTP/1.0\r\n",
    "GET http://a/in?action_id=2 HTTP/1.1\r\n",
    "Host: a\r\n",
    "Host: b\r\n",
    "Content-Length: 17\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "X-Forwarded-For: 203.0.113.9\r\n",
    "X-Forwarded-For: 192.0.2.1, 203.0.113.9\r\n",
    "X-Forwarded-For: 192.0.2.1\r\n 203.0.113.9\r\n",
    "X-Forwarded-For : 192.0.2.1\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "\r\n",
    "11\r\n{\"action_id\":\"3\"}\r\n",
    "{\"action_id\":\"4\"}",
    "0\r\n\r\n",
    "\n",
    "\r",
    "\0",
    "a=b",
];

/// Only what a proxy forwards for 192.0.2.1 may come in, and no piece says that well.
fn guarded() -> Plan {
    let mut plan = plan();
    plan.front.allowlist = AllowlistSettings {
        ranges: vec!["192.0.2.1/32".parse().unwrap()],
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        allow_any: false,
        proxy_protocol: false,
    };
    plan
}

/// Or all that follows would say nothing.
#[tokio::test]
async fn a_request_of_these_pieces_gets_in_when_its_address_may() {
    let house = House::build(guarded());
    let request = |address: &str| {
        let forwarded = format!("X-Forwarded-For: {address}\r\n");
        let pieces = [
            "POST /in HTTP/1.1\r\n",
            "Host: a\r\n",
            "Content-Length: 17\r\n",
            "Connection: close\r\n",
            "\r\n",
            "{\"action_id\":\"4\"}",
        ];
        assert!(pieces.iter().all(|piece| PIECES.contains(piece)));
        let [line, rest @ ..] = pieces;
        format!("{line}{forwarded}{}", rest.concat())
    };
    for (address, expected) in [("192.0.2.1", 200), ("203.0.113.9", 403)] {
        assert_eq!(status(&house.say(request(address)).await), expected, "{address}");
    }
    assert_eq!(house.spool.status().pending, 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_get_past_the_allowlist() {
    let mut plan = guarded();
    plan.front.limits.header_time = Duration::from_millis(50);
    plan.front.limits.body_time = Duration::from_millis(50);
    let house = House::build(plan);
    let bytes = prop_oneof![
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)
            .prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        runner
            .run(&bytes, |bytes| {
                let said = handle.block_on(async {
                    let mut stream = house.connect().await;
                    // Whoever is refused early cannot send all.
                    drop(stream.write_all(&bytes).await);
                    drop(stream.shutdown().await);
                    let mut said = Vec::new();
                    drop(within("the end", stream.read_to_end(&mut said)).await);
                    said
                });
                prop_assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", said.escape_ascii());
                Ok(())
            })
            .unwrap();
    });
    let status = house.spool.status();
    assert_eq!((status.pending, status.quarantined), (0, 0));
    house.close().await;
}
