//! What reaches the upstream's connection: one request for each event, made by us alone. The upstream
//! is a bare socket, so that not even a parser stands between.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::post;
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::within;

/// A request for another place, to be hidden in all that a sender can say.
const EVIL: &str = "POST /evil HTTP/1.1\r\nHost: evil\r\nContent-Length: 0\r\n\r\n";

/// Every header that may reach the upstream.
const KNOWN: [&str; 12] = [
    "ce-id",
    "ce-source",
    "ce-specversion",
    "ce-time",
    "ce-type",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "postgate-attempt",
    "webhook-id",
    "webhook-timestamp",
];

/// A request as bytes: its head, line by line, and its body.
struct Raw {
    lines: Vec<String>,
    body: String,
}

/// Takes one request off the connection, and answers it.
async fn take(stream: &mut TcpStream) -> Raw {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "half a head: {bytes:?}");
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().unwrap();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        assert!(stream.read_buf(&mut body).await.unwrap() > 0, "half a body");
    }
    assert_eq!(body.len(), length, "more than one request at a time");
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    Raw { lines, body: String::from_utf8(body).unwrap() }
}

#[tokio::test]
async fn whatever_a_sender_says_is_one_request_to_the_upstream() {
    let upstream = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let folder = Folder::with_route(upstream.local_addr().unwrap());
    let gateway = TestGateway::start(folder).await;
    let mut client = gateway.client().await;

    let json = serde_json::json!({ "action_id": "1", "note": EVIL, EVIL: EVIL }).to_string();
    let escaped = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect::<String>();
    let form = format!("action_id=2&note={escaped}&{escaped}={escaped}");
    let xml =
        format!("<a><action_id>3</action_id><note>{}</note></a>", EVIL.replace('\r', "&#13;"));
    let mut requests = vec![
        post("/postback/actions", "application/json", json),
        post("/postback/actions", "application/x-www-form-urlencoded", form.clone()),
        post("/postback/actions", "application/xml", xml),
        post(&format!("/postback/actions?{form}&x=4"), "text/plain", ""),
    ];
    for request in &mut requests {
        for (name, value) in [
            ("connection", "keep-alive, x-custom"),
            ("x-custom", "hop"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x-after"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic evil"),
            ("authorization", "Bearer evil"),
            ("cookie", "evil=1"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-http-method-override", "DELETE"),
            ("idempotency-key", "evil"),
            ("webhook-id", "evil"),
            ("ce-id", "evil"),
            ("content-language", "evil"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    let count = requests.len();
    for request in requests {
        let what = format!("{:?}", request.body());
        let answer = client.send(request).await;
        assert_eq!(answer.status(), 200, "{what}: {:?}", answer.body());
    }

    let (mut stream, _) = within("a delivery", upstream.accept()).await.unwrap();
    let mut paths = Vec::new();
    while paths.len() < count {
        let raw = tokio::select! {
            raw = within("a delivery", take(&mut stream)) => raw,
            // Deliveries may use several connections.
            other = upstream.accept() => {
                stream = other.unwrap().0;
                continue;
            }
        };
        assert_eq!(raw.lines[0], "POST /postbacks HTTP/1.1");
        let names = raw.lines[1..].iter().map(|line| line.split_once(": ").unwrap().0);
        let unknown: BTreeSet<_> = names.filter(|name| !KNOWN.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(!raw.lines.iter().any(|line| line.contains("evil")), "{:?}", raw.lines);
        // All of it is one JSON text.
        assert!(!raw.body.contains('\n') && !raw.body.contains('\r'), "{}", raw.body);
        assert!(raw.body.contains(r"POST /evil HTTP/1.1\r\nHost: evil"), "{}", raw.body);
        paths.push(raw.body);
    }
    gateway.stop().await;
}
