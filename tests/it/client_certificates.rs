//! Clients that must show a certificate: what becomes of their open connections when the rule
//! changes, and when the certificate ends.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tokio::net::TcpStream;

use crate::support::certs::{Authority, Issued};
use crate::support::client::{Client, get, handshake_as, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"h2"];
const NAMES: &str = "client_names = [\"sender.example\"]";

/// A gateway that lets in who has a certificate of this authority for `sender.example`.
async fn folder(authority: &Authority) -> Folder {
    let upstream = Upstream::away().await;
    let tls = format!("[tls]\nclient_ca = \"clients.pem\"\n{NAMES}\n{ROUTE}");
    let folder = Folder::new(upstream.address, &tls);
    std::fs::write(folder.path("clients.pem"), authority.pem()).unwrap();
    folder
}

/// An open connection of each protocol, with this certificate.
async fn connect(gateway: &Process, folder: &Folder, shown: Option<&Issued>) -> Vec<Client> {
    let mut clients = Vec::new();
    for protocol in PROTOCOLS {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let stream = handshake_as(shown, stream, &folder.certificate, protocol).await.unwrap();
        clients.push(Client::on(stream).await.unwrap());
    }
    clients
}

/// Asks without sending anything.
fn probe() -> Request<Full<bytes::Bytes>> {
    Request::head("/postback/actions").body(Full::default()).unwrap()
}

/// Requests are answered.
async fn are_served(clients: &mut [Client]) {
    for client in clients {
        assert_eq!(client.send(probe()).await.status(), 200);
    }
}

/// The next request is refused for this reason, and the connection ends.
async fn are_sent_away(clients: &mut [Client], gateway: &Process, reason: &str) {
    for client in clients {
        let refused = client.send(get("/postback/actions?action_id=1.2.3")).await;
        assert_eq!(refused.status(), 403);
        let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
        assert_eq!(problem["reason"], reason);
        // In HTTP/2 it takes a round trip until the end is agreed upon.
        within("the end of the connection", async {
            while let Ok(more) = client.try_send(probe()).await {
                assert_eq!(more.status(), 403);
            }
        })
        .await;
    }
    let count = format!("postgate_requests_refused_total{{route=\"\",reason=\"{reason}\"}} ");
    metric(gateway.admin, &count).await;
}

/// Waits until a changed rule is in force; what the log says of it.
fn changed(gateway: &Process) -> serde_json::Value {
    gateway.signal("HUP");
    gateway.logged("rule for client certificates changed")
}

#[tokio::test]
async fn a_name_that_is_taken_out_ends_its_connections_and_other_changes_end_none() {
    let authority = Authority::new();
    let folder = folder(&authority).await;
    let gateway = Process::run(&folder.config());
    let mut open = connect(&gateway, &folder, Some(&authority.issue("sender.example"))).await;
    are_served(&mut open).await;

    // Something else changes, and then the rule, but not for this one.
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("127.0.0.1/32", "127.0.0.0/8"));
    gateway.signal("HUP");
    gateway.logged("allowlist changed");
    are_served(&mut open).await;
    folder.write(&text.replace(NAMES, "client_names = [\"sender.example\", \"b.example\"]"));
    let told = changed(&gateway);
    assert_eq!(told["names"], "sender.example, b.example");
    assert_eq!(told["authorities"], 1);
    are_served(&mut open).await;

    // Even where the authorities cannot be read any longer: those of before stay.
    std::fs::write(folder.path("clients.pem"), "").unwrap();
    folder.write(&text.replace(NAMES, "client_names = [\"b.example\"]"));
    changed(&gateway);
    metric(gateway.admin, "postgate_reload_failed 1").await;
    let mut other = connect(&gateway, &folder, Some(&authority.issue("b.example"))).await;
    are_served(&mut other).await;
    are_sent_away(&mut open, &gateway, "client_certificate").await;
}

#[tokio::test]
async fn a_connection_ends_with_its_authority_and_one_that_showed_nothing_when_it_has_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = folder(&authority).await;
    let gateway = Process::run(&folder.config());
    let mut open = connect(&gateway, &folder, Some(&authority.issue("sender.example"))).await;
    are_served(&mut open).await;
    std::fs::write(folder.path("clients.pem"), other.pem()).unwrap();
    changed(&gateway);
    are_sent_away(&mut open, &gateway, "client_certificate").await;

    let text = std::fs::read_to_string(folder.config()).unwrap();
    let mut shown = connect(&gateway, &folder, Some(&other.issue("sender.example"))).await;
    folder.write(&text.replace("client_ca", "# client_ca").replace(NAMES, ""));
    changed(&gateway);
    are_served(&mut shown).await;
    let mut unknown = connect(&gateway, &folder, None).await;
    are_served(&mut unknown).await;
    folder.write(&text);
    changed(&gateway);
    are_served(&mut shown).await;
    are_sent_away(&mut unknown, &gateway, "client_certificate").await;
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let authority = Authority::new();
    let folder = folder(&authority).await;
    let gateway = Process::run(&folder.config());
    // Certificates end with a second, and there must be time for a request.
    let end = postgate::clock::now().plus(Duration::from_secs(2));
    let shown = authority.issue_until("sender.example", Some(end));
    let mut open = connect(&gateway, &folder, Some(&shown)).await;
    are_served(&mut open).await;
    within("the end of the certificate", async {
        while open[0].send(probe()).await.status() == 200 {}
    })
    .await;
    let over = postgate::clock::now();
    assert!(over.as_millis() / 1000 > end.as_millis() / 1000, "{over:?} is within its last second");
    are_sent_away(&mut open[1..], &gateway, "client_certificate_expired").await;
}
