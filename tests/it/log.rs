//! The log never holds the gateway up, and no stranger fills it.

use std::io::BufRead as _;
use std::net::SocketAddr;

use postgate::clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::client::{Client, ask, get, metric};
use crate::support::config::Folder;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

const STRANGERS: u64 = 200;
const LOST: u64 = 50;

fn folder(upstream: &Upstream, level: &str) -> Folder {
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let format = "format = \"json\"";
    folder.write(&text.replace(format, &format!("{format}\nlevel = \"{level}\"")));
    folder
}

/// Asks until lines of the log have been lost: two are said of each request at the level `debug`.
async fn log_more_than_is_read(gateway: &Process, folder: &Folder) {
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let lost = async {
        for number in 0_u32.. {
            let mut request = get("/postback/actions");
            *request.method_mut() = http::Method::OPTIONS;
            assert_eq!(client.send(request).await.status(), 204);
            let none = "postgate_log_lines_lost_total 0\n";
            let is_time = number % 100 == 0;
            if is_time && !ask(gateway.admin, "/metrics").await.1.contains(none) {
                break;
            }
        }
    };
    within("the loss of lines", lost).await;
    // It works as before.
    assert_eq!(client.post_json(r#"{"action_id":"1"}"#).await.status(), 200);
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, "debug");
    let (gateway, _unread) = Process::run_unheard(&folder.config());
    log_more_than_is_read(&gateway, &folder).await;
    assert_eq!(ask(gateway.admin, "/readyz").await.0, 200);
    gateway.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| gateway.wait());
    assert!(within("the end of the process", ended).await.unwrap().success());
}

#[tokio::test]
async fn what_was_lost_is_told_and_the_last_words_are_heard() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, "debug");
    let (gateway, log) = Process::run_unheard(&folder.config());
    log_more_than_is_read(&gateway, &folder).await;
    let mut lines = log.lines().map(|line| {
        let line = line.unwrap();
        // Whole lines are lost, never a part of one.
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let said =
        |line: &Value, what: &str| line["message"].as_str().is_some_and(|m| m.starts_with(what));
    let told = lines.find(|line| said(line, "log lines lost")).expect("the loss is told");
    assert!(told["lines"].as_u64().unwrap() > 0, "{told}");
    gateway.signal("TERM");
    let last = lines.last().unwrap();
    assert!(said(&last, "stopped"), "{last}");
    assert!(gateway.wait().success());
}

/// Comes from another address of loopback, and waits until it is shut out.
async fn knock(gateway: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut stream = socket.connect(gateway).await.unwrap();
    // Closed or reset.
    drop(within("the end", stream.read_to_end(&mut Vec::new())).await);
}

#[tokio::test]
async fn strangers_are_all_counted_and_told_a_few_at_a_time() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, "info");
    let began = clock::instant();
    let gateway = Process::run(&folder.config());
    for _ in 0..STRANGERS {
        knock(gateway.address).await;
    }
    let refused = r#"postgate_connections_refused_total{reason="address"}"#;
    metric(gateway.admin, &format!("{refused} {STRANGERS}\n")).await;
    // And whoever may come in, and asks for what is not there.
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    for _ in 0..LOST {
        assert_eq!(client.send(get("/nowhere")).await.status(), 404);
    }
    let lost = r#"postgate_requests_refused_total{route="",reason="path"}"#;
    metric(gateway.admin, &format!("{lost} {LOST}\n")).await;
    for number in 0..LOST {
        assert_eq!(client.post_json(format!("{{\"{number}")).await.status(), 422);
    }
    // And what is no TLS, and at the operator's listener.
    for _ in 0..LOST {
        let mut plain = TcpStream::connect(gateway.address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(within("the end", plain.read_to_end(&mut Vec::new())).await);
        assert_eq!(ask(gateway.admin, "/nowhere").await.0, 404);
    }
    let failed = r#"postgate_handshake_failures_total{reason="failed"}"#;
    metric(gateway.admin, &format!("{failed} {LOST}\n")).await;
    gateway.signal("TERM");
    let said = gateway.said();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Those that had only begun count as well.
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let about =
        |what: &str| lines.iter().filter(|line| line["message"] == what).collect::<Vec<_>>();
    let (untold, unknown) = ("not told one by one", "not understood; kept in quarantine");
    for (one, many, key, value, number) in [
        ("connection refused", "connections refused", "reason", "address", STRANGERS),
        ("request refused", "requests refused", "reason", "path", LOST),
        (unknown, "requests kept in quarantine", "route", "actions", LOST),
        ("no TLS", "no TLS", "reason", "failed", LOST),
        ("admin request refused", "admin requests refused", "reason", "unknown_path", LOST),
    ] {
        // What is not understood is refused as well, under a reason of its own.
        let of = |what: &str| {
            let lines = about(what).into_iter();
            lines.filter(|line| line[key] == value).collect::<Vec<_>>()
        };
        let (one_by_one, more) = (of(one), of(&format!("{many}, {untold}")));
        let told = more.iter().map(|line| line["more"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(u64::try_from(one_by_one.len()).unwrap() + told, number, "{said}");
        assert!(one_by_one.len() <= 10 * seconds, "{said}");
    }
    assert_eq!(about("connection refused")[0]["client"], "127.0.0.2");
}
