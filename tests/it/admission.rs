//! Nobody else gets in.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{Client, handshake, post};
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

const BODY: &str = r#"{"action_id":"1.2.3"}"#;

/// A gateway whose `[allowlist]` is `allowlist`.
async fn gateway(upstream: &Upstream, allowlist: &str) -> TestGateway {
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("ranges = [\"127.0.0.1/32\"]", allowlist));
    TestGateway::start(folder).await
}

#[tokio::test]
async fn an_address_outside_the_allowlist_gets_no_tls_handshake() {
    let upstream = Upstream::away().await;
    let gateway = gateway(&upstream, "ranges = [\"192.0.2.0/24\"]").await;
    let address = gateway.gateway.address();

    let refused = handshake(address, &gateway.folder.certificate, b"http/1.1").await;
    assert!(refused.is_err(), "the handshake must not succeed");

    // Not even one byte of TLS comes back.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = Vec::new();
    drop(stream.write_all(b"\x16\x03\x01").await);
    drop(within("the end of the connection", stream.read_to_end(&mut bytes)).await);
    assert!(bytes.is_empty(), "{bytes:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_log_names_who_was_refused_and_what_told_so() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let list = "ranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1\"]";
    folder.write(&text.replace("ranges = [\"127.0.0.1/32\"]", list));
    let gateway = Process::run(&folder.config());
    let (list, pairs) = ("x-forwarded-for", "forwarded");
    for (headers, reason, who, by) in [
        (&[][..], "address", "127.0.0.1", "peer"),
        (&[(list, "203.0.113.9")], "address", "203.0.113.9", "X-Forwarded-For"),
        (&[(pairs, "for=203.0.113.9")], "address", "203.0.113.9", "Forwarded"),
        (&[(list, "unknown")], "forwarded", "127.0.0.1", "X-Forwarded-For"),
        (&[(pairs, "for=_hidden")], "forwarded", "127.0.0.1", "Forwarded"),
        (
            &[(list, "192.0.2.7"), (pairs, "for=192.0.2.8")],
            "forwarded",
            "127.0.0.1",
            "X-Forwarded-For and Forwarded",
        ),
    ] {
        let mut request = post("/postback/actions", "application/json", BODY);
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let mut client = Client::connect(gateway.address, &folder.certificate).await;
        assert_eq!(client.send(request).await.status(), 403, "{headers:?}");
        let line = gateway.logged("request refused");
        let found = ["reason", "client", "by"].map(|key| line[key].as_str().unwrap());
        assert_eq!(found, [reason, who, by], "{headers:?}");
    }
    gateway.kill();
}

/// A request with this `X-Forwarded-For`; its status.
async fn status(client: &mut Client, forwarded: &[&str]) -> u16 {
    let mut request = post("/postback/actions", "application/json", BODY);
    for value in forwarded {
        request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
    }
    client.send(request).await.status().as_u16()
}

#[tokio::test]
async fn a_forged_header_changes_nothing() {
    let upstream = Upstream::away().await;
    // Loopback may come in, and is no proxy: whatever it says of others is ignored.
    let direct = gateway(&upstream, "ranges = [\"127.0.0.1/32\", \"192.0.2.0/24\"]").await;
    assert_eq!(status(&mut direct.client().await, &["203.0.113.9"]).await, 200);
    direct.stop().await;

    // Loopback is a proxy: only what it appended counts, whatever stood to its left.
    let proxied =
        gateway(&upstream, "ranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1/32\"]")
            .await;
    for (forwarded, expected) in [
        (vec!["192.0.2.7"], 200),
        (vec!["203.0.113.9"], 403),
        (vec!["192.0.2.7, 203.0.113.9"], 403),
        (vec!["192.0.2.7", "203.0.113.9"], 403),
        (vec!["203.0.113.9, 192.0.2.7"], 200),
        (vec!["192.0.2.7, garbage"], 403),
        (vec!["192.0.2.7, unknown"], 403),
        (vec![], 403),
    ] {
        let mut client = proxied.client().await;
        assert_eq!(status(&mut client, &forwarded).await, expected, "{forwarded:?}");
    }
    proxied.stop().await;

    // And an address that is neither is not helped by the header.
    let closed = gateway(&upstream, "ranges = [\"192.0.2.0/24\"]").await;
    let address = closed.gateway.address();
    assert!(handshake(address, &closed.folder.certificate, b"http/1.1").await.is_err());
    closed.stop().await;
}

#[tokio::test]
async fn a_file_of_ranges_lets_in_as_well() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    std::fs::write(folder.path("impact.txt"), "# pasted by hand\n127.0.0.0/8 # loopback\n")
        .unwrap();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("ranges = [\"127.0.0.1/32\"]", "files = [\"impact.txt\"]"));
    let gateway = TestGateway::start(folder).await;
    assert_eq!(status(&mut gateway.client().await, &[]).await, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_route_may_take_fewer_than_may_come_in() {
    let upstream = Upstream::away().await;
    let list = "ranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1/32\"]";
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let text = text.replace("ranges = [\"127.0.0.1/32\"]", list);
    std::fs::write(folder.path("few.txt"), "192.0.2.8\n").unwrap();
    let narrow = "[[routes]]\nname = \"narrow\"\npath = \"/narrow\"\nkind = \"action\"\n\
                  allowlist = { ranges = [\"192.0.2.7\", \"203.0.113.9\"], files = [\"few.txt\"] }\n";
    folder.write(&format!("{text}\n{narrow}"));
    let gateway = TestGateway::start(folder).await;
    for (from, wide, narrow) in [
        ("for=192.0.2.7", 200, 200),
        ("for=192.0.2.8", 200, 200),
        ("for=192.0.2.9", 200, 403),
        // In the route's list alone: that lets nobody in.
        ("for=203.0.113.9", 403, 403),
    ] {
        for (path, expected) in [("/postback/actions", wide), ("/narrow", narrow)] {
            let mut request = post(path, "application/json", BODY);
            request.headers_mut().insert("forwarded", from.parse().unwrap());
            let answer = gateway.client().await.send(request).await;
            assert_eq!(answer.status().as_u16(), expected, "{from} {path}");
        }
    }
    gateway.stop().await;
}
