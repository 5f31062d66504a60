//! What must be known to nobody: secrets in every place of the configuration, traffic good and bad
//! at the most talkative level, and then a search through everything that the gateway has said.

use std::net::{SocketAddr, TcpListener};

use http::StatusCode;
use tokio::io::AsyncWriteExt as _;

use crate::support::client::{Client, ask, ask_as, get, handshake, metric, post};
use crate::support::config::Folder;
use crate::support::frames::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, SETTINGS, frame, next, request,
};
use crate::support::process::{Process, output};
use crate::support::upstream::Upstream;
use crate::support::within;

/// Each stands in one place alone, so that a leak tells where it came from.
const SECRETS: [(&str, &str); 8] = [
    ("admin.token", "adm1n-t0ken-4711"),
    ("routes.secret of a header", "header-s3cret-4712"),
    ("routes.secret of a query", "query-s3cret-4713"),
    ("upstream.headers", "Bearer-s3cret-4714"),
    ("upstream.signing_secret", "signing-s3cret-4715"),
    ("upstream.url", "url-s3cret-4716"),
    ("routes.upstream.headers", "route-s3cret-4717"),
    ("a wrong secret of a sender", "guess-s3cret-4718"),
];
/// What a sender says of a customer: it is delivered, and listed to the operator on request, but
/// never logged.
const CUSTOMER: &str = "customer-4719";

fn folder(upstream: &Upstream) -> Folder {
    let routes = format!(
        r#"
[[routes]]
name = "actions"
path = "/postback/actions"
kind = "action"
secret = {{ header = "X-Postback-Token", value = "{}" }}
[[routes]]
name = "pixels"
path = "/pixels"
kind = "tracking"
secret = {{ query = "token", value = "file:token.txt" }}
upstream.headers = {{ Authorization = "{}" }}
"#,
        SECRETS[1].1, SECRETS[6].1
    );
    let folder = Folder::new(upstream.address, &routes);
    std::fs::write(folder.path("token.txt"), format!("{}\n", SECRETS[2].1)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let text = text
        .replace(
            "[admin]\naddress = \"127.0.0.1:0\"",
            &format!("[admin]\naddress = \"{free}\"\ntoken = \"{}\"", SECRETS[0].1),
        )
        .replace("/postbacks\"", &format!("/postbacks?key={}\"", SECRETS[5].1))
        .replace("[log]\n", "[log]\nlevel = \"trace\"\n")
        .replace(
            "[retry]\n",
            &format!(
                "headers = {{ Authorization = \"{}\" }}\nsigning_secret = \"{}\"\n[retry]\n\
                 max_attempts = 3\n",
                SECRETS[3].1, SECRETS[4].1
            ),
        );
    folder.write(&text);
    folder
}

/// Good and bad requests over both protocols; everything that was answered.
async fn traffic(gateway: &Process, folder: &Folder) -> String {
    let mut said = Vec::new();
    let body = format!(r#"{{"action_id":"1.2.3","sub_id1":"{CUSTOMER}"}}"#);
    let at_pixels = format!("/pixels?token={}", SECRETS[2].1);
    let query = format!("{at_pixels}&sub_id1={CUSTOMER}");
    let form = format!("sub_id1={CUSTOMER}&t%6Fken={}&b=", SECRETS[2].1);
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        for (secret, body, expected) in [
            (SECRETS[1].1, body.as_str(), StatusCode::OK),
            (SECRETS[7].1, &body, StatusCode::UNAUTHORIZED),
            (SECRETS[1].1, &format!("{{ broken {CUSTOMER}"), StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            let mut client = connect(gateway, folder, protocol).await;
            let mut request = post("/postback/actions", "application/json", body.to_owned());
            request.headers_mut().insert("x-postback-token", secret.parse().unwrap());
            let answer = client.send(request).await;
            assert_eq!(answer.status(), expected, "{protocol}");
            said.push(format!("{answer:?}"));
        }
        for (form, expected) in [
            (form.clone(), StatusCode::OK),
            (format!("{form}&sub_id1=another"), StatusCode::UNPROCESSABLE_ENTITY),
            (format!("{{ broken &token={}", SECRETS[2].1), StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            let request = post(&at_pixels, "application/x-www-form-urlencoded", form);
            let answer = connect(gateway, folder, protocol).await.send(request).await;
            assert_eq!(answer.status(), expected, "{protocol}");
            said.push(format!("{answer:?}"));
        }
        for (query, expected) in [
            (query.as_str(), StatusCode::OK),
            (&format!("{query}&sub_id1=another"), StatusCode::UNPROCESSABLE_ENTITY),
            (&format!("/pixels?token={}&a=1", SECRETS[7].1), StatusCode::UNAUTHORIZED),
            (&format!("/nowhere?token={}", SECRETS[2].1), StatusCode::NOT_FOUND),
        ] {
            let answer = connect(gateway, folder, protocol).await.send(get(query)).await;
            assert_eq!(answer.status(), expected, "{protocol} {query}");
            said.push(format!("{answer:?}"));
        }
    }
    unreadable(gateway, folder, &at_pixels).await;
    said.join("\n")
}

/// What the library of HTTP/2 refuses by itself.
async fn unreadable(gateway: &Process, folder: &Folder, at_pixels: &str) {
    let quoted = format!("{at_pixels}&sub_id1=\"{CUSTOMER}");
    for block in [request("GET", &quoted, &[]), request("GET", at_pixels, &[("te", CUSTOMER)])] {
        let mut stream = handshake(gateway.address, &folder.certificate, b"h2").await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await.unwrap();
        within("an answer of any kind", async {
            while let Some(frame) = next(&mut stream).await {
                if frame.stream == 1 || frame.kind == GOAWAY {
                    break;
                }
            }
        })
        .await;
    }
}

async fn connect(gateway: &Process, folder: &Folder, protocol: &str) -> Client {
    match protocol {
        "HTTP/2" => Client::connect_http2(gateway.address, &folder.certificate).await,
        _ => Client::connect(gateway.address, &folder.certificate).await,
    }
}

/// What the command prints on both of its outputs.
fn printed(folder: &Folder, arguments: &[&str]) -> String {
    let config = folder.config();
    let mut all = arguments.to_vec();
    all.extend(["--config", config.to_str().unwrap()]);
    let output = output(&all, b"");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
}

/// What is said to anybody, and to an operator who knows the token.
async fn metrics(admin: SocketAddr) -> [(&'static str, String); 2] {
    let refused = ask(admin, "/metrics").await.1;
    let metrics = ask_as(admin, "/metrics", SECRETS[0].1).await.1;
    assert!(metrics.contains("postgate_requests_refused"), "{metrics}");
    [("refused metrics", refused), ("metrics", metrics)]
}

#[tokio::test]
async fn no_secret_is_in_anything_that_is_said() {
    let upstream = Upstream::start().await;
    upstream.then(http::Response::builder().status(500));
    upstream.then(http::Response::builder().status(404));
    let folder = folder(&upstream);
    let good = std::fs::read_to_string(folder.config()).unwrap();
    let gateway = Process::run(&folder.config());
    let mut said = vec![("answers", traffic(&gateway, &folder).await)];
    upstream.received(3).await;

    said.extend(metrics(gateway.admin).await);
    for command in [
        &["check"][..],
        &["check", "--json"],
        &["spool", "list"],
        &["spool", "list", "--json"],
        &["spool", "export"],
        &["spool", "verify"],
        &["allowlist", "check", "127.0.0.1"],
    ] {
        said.push(("a command", printed(&folder, command)));
    }
    let listed = within("an event of each kind", async {
        loop {
            let listed = printed(&folder, &["spool", "list", "--json"]);
            let states = ["delivered", "dead", "quarantined"];
            if states.iter().all(|state| listed.contains(&format!("\"state\":\"{state}\""))) {
                return listed;
            }
        }
    })
    .await;
    for event in listed.lines() {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        said.push(("show", printed(&folder, &["spool", "show", event["id"].as_str().unwrap()])));
    }

    // Mistakes in the very lines that hold the secrets.
    let secret = |at: usize| format!("\"{}\"", SECRETS[at].1);
    for (from, to) in [
        (secret(0), format!("[{}]", secret(0))),
        (secret(0), SECRETS[0].1.to_owned()),
        (secret(1), format!("{}\"", secret(1))),
        (secret(4), format!("\"whsec_{}!\"", SECRETS[4].1)),
        (format!("token = {}", secret(0)), format!("tokn = {}", secret(0))),
        (secret(6), format!("{{ a = {} }}", secret(6))),
        (format!("Authorization = {}", secret(3)), format!("\"a b\" = {}", secret(3))),
        ("http://".to_owned(), format!("htp://user:{}@", SECRETS[5].1)),
    ] {
        assert!(good.contains(&from), "{from}");
        folder.write(&good.replace(&from, &to));
        gateway.signal("HUP");
        gateway.logged("configuration not reloaded");
        said.push(("check of a mistake", printed(&folder, &["check"])));
    }
    gateway.signal("TERM");
    let log = gateway.said();
    assert!(log.contains("\"level\":\"TRACE\""), "the most talkative level");
    assert!(!log.contains(CUSTOMER), "customer data in the log");
    said.push(("the log", log));
    let kept = std::fs::read(folder.path("spool.db")).unwrap();
    let kept = String::from_utf8_lossy(&kept).into_owned();
    for pairs in
        [format!("sub_id1={CUSTOMER}&b="), format!("sub_id1={CUSTOMER}&b=&sub_id1=another")]
    {
        assert!(kept.contains(&pairs), "all of a request but the secret is kept");
    }
    said.push(("the spool's file", kept));

    for (what, text) in &said {
        for (place, secret) in SECRETS {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place} is in {what}");
        }
    }
}

#[tokio::test]
async fn a_crash_writes_no_core_file() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    metric(gateway.admin, "postgate_connections_open 0").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(&words[4..6], ["0", "0"], "{core}");
}
