//! What is shown to an upstream, and whom it is believed by, when the files change under a running
//! gateway.

use std::sync::atomic::{AtomicU64, Ordering};

use postgate::clock::Timestamp;
use rustls::pki_types::CertificateDer;

use crate::support::certs::Authority;
use crate::support::client::{Client, ask, metric};
use crate::support::config::{Folder, ROUTE};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

static EVENTS: AtomicU64 = AtomicU64::new(1);

/// Sends an event on this connection; what was shown to the upstream when it came there.
async fn delivered(client: &mut Client, upstream: &Upstream) -> CertificateDer<'static> {
    let body = format!(r#"{{"action_id":"{}"}}"#, EVENTS.fetch_add(1, Ordering::Relaxed));
    let before = upstream.so_far().len();
    assert_eq!(client.post_json(body).await.status(), 200);
    let received = upstream.received(before + 1).await;
    received.last().unwrap().shown.clone().expect("the upstream asks for a certificate")
}

#[tokio::test]
async fn files_that_go_bad_keep_what_was_good_and_the_rest_is_taken() {
    let authority = Authority::new();
    let upstream = Upstream::start_tls(authority.server()).await;
    let folder = Folder::new(upstream.address, ROUTE);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let port = upstream.address.port();
    let text = text.replace(
        &format!("http://{}/postbacks\"", upstream.address),
        &format!(
            "https://localhost:{port}/postbacks\"\nca = \"ca.pem\"\n\
             client_certificate = \"me.crt\"\nclient_key = \"me.key\""
        ),
    );
    folder.write(&text);
    std::fs::write(folder.path("ca.pem"), authority.pem()).unwrap();
    let first = authority.issue("postgate");
    first.write(&folder, "me");
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    assert_eq!(delivered(&mut client, &upstream).await, first.certificate);

    let end = Timestamp::from_millis(1_577_836_800_000);
    authority.issue_until("postgate", Some(end)).write(&folder, "me");
    gateway.signal("HUP");
    let mut told = gateway.logged("TLS file not reloaded");
    // The key is written first, and may be found before its certificate.
    while !told["problem"].as_str().unwrap().contains("has expired") {
        told = gateway.logged("TLS file not reloaded");
    }
    assert_eq!(told["level"], "ERROR");
    let problem = told["problem"].as_str().unwrap();
    assert!(problem.contains("upstream.client_certificate"), "{problem}");
    assert!(problem.ends_with("renew it; the upstream may refuse it"), "{problem}");
    metric(gateway.admin, "postgate_reload_failed 1").await;
    assert_eq!(delivered(&mut client, &upstream).await, first.certificate);

    // Whoever is taken off the list is out, whatever is wrong with the upstream's files.
    std::fs::write(folder.path("ca.pem"), "").unwrap();
    folder.write(&text.replace("127.0.0.1/32", "192.0.2.0/24"));
    gateway.signal("HUP");
    gateway.logged("allowlist changed");
    assert_eq!(client.post_json("{}").await.status(), 403);
    folder.write(&text);
    gateway.signal("HUP");
    gateway.logged("allowlist changed");
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    assert_eq!(delivered(&mut client, &upstream).await, first.certificate);
    assert!(ask(gateway.admin, "/metrics").await.1.contains("postgate_reload_failed 1"));

    std::fs::write(folder.path("ca.pem"), authority.pem()).unwrap();
    let second = authority.issue("postgate");
    second.write(&folder, "me");
    gateway.signal("HUP");
    metric(gateway.admin, "postgate_reload_failed 0").await;
    assert_eq!(delivered(&mut client, &upstream).await, second.certificate);
}
