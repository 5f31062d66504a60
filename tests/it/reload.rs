//! The configuration, changed under a running gateway: by a signal to the real binary, and by the
//! watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::certs::Authority;
use crate::support::client::{Client, ask, client_config, handshake, id_in, metric, post};
use crate::support::config::{Folder, ROUTE};
use crate::support::gateway::TestGateway;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::{certs, within};

const BODY: &str = r#"{"action_id":"1.2.3"}"#;
static EVENTS: AtomicU64 = AtomicU64::new(1);
/// Short, because the tests wait for it.
const EVERY: Duration = Duration::from_millis(10);
/// So seldom that the kernel alone tells of a change.
const NEVER: Duration = Duration::from_hours(1);

/// A gateway in this process that watches its files.
async fn watching(folder: Folder) -> TestGateway {
    let mut gateway = TestGateway::start(folder).await;
    gateway.gateway.watch(gateway.folder.config(), EVERY);
    gateway
}

/// Waits until a handshake with this certificate succeeds, or no longer does.
async fn until(address: SocketAddr, trusted: &CertificateDer<'static>, succeeds: bool) {
    within("a change of handshakes", async {
        while handshake(address, trusted, b"http/1.1").await.is_ok() != succeeds {}
    })
    .await;
}

#[tokio::test]
async fn a_signal_brings_the_new_certificate_and_a_broken_pair_keeps_it() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    let mut old = Client::connect(gateway.address, &folder.certificate).await;
    metric(gateway.admin, "postgate_certificate_days{key=\"tls.certificate\"} ").await;
    // Nothing has changed, so this is the signal's doing.
    gateway.signal("HUP");
    metric(gateway.admin, "postgate_reloads_total{outcome=\"done\"} 1").await;

    let second = certs::write(folder.path("tls.crt").parent().unwrap());
    gateway.signal("HUP");
    until(gateway.address, &second, true).await;
    assert!(handshake(gateway.address, &folder.certificate, b"http/1.1").await.is_err());
    assert_eq!(old.post_json(BODY).await.status(), 200, "what was open stays open");
    metric(gateway.admin, "postgate_reload_failed 0").await;

    let stranger = tempfile::tempdir().unwrap();
    let third = certs::write(stranger.path());
    std::fs::copy(stranger.path().join("tls.crt"), folder.path("tls.crt")).unwrap();
    gateway.signal("HUP");
    metric(gateway.admin, "postgate_reload_failed 1").await;
    let mut new = Client::connect(gateway.address, &second).await;
    assert_eq!(new.post_json(BODY).await.status(), 200);
    assert!(handshake(gateway.address, &third, b"http/1.1").await.is_err());
    assert_eq!(ask(gateway.admin, "/readyz").await.0, 200);

    std::fs::copy(stranger.path().join("tls.key"), folder.path("tls.key")).unwrap();
    gateway.signal("HUP");
    until(gateway.address, &third, true).await;
    metric(gateway.admin, "postgate_reload_failed 0").await;
    assert_eq!(old.post_json(BODY).await.status(), 200);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

/// A certificate of this key, with a change to the usual.
fn lasting(key: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> rcgen::Certificate {
    let key = rcgen::KeyPair::from_pem(key).unwrap();
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    params.self_signed(&key).unwrap()
}

/// Whoever trusts one of the usual name trusts another of that name and key.
fn rename(params: &mut rcgen::CertificateParams) {
    params.distinguished_name.push(rcgen::DnType::CommonName, "postgate");
}

#[tokio::test]
async fn an_expired_certificate_does_not_take_the_place_of_a_good_one_and_the_rest_is_taken() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    let (address, certificate) = (gateway.address, &folder.certificate);
    // Of the same key, so that one file changes and nothing but the date is wrong.
    let key = std::fs::read_to_string(folder.path("tls.key")).unwrap();
    let expired = lasting(&key, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    std::fs::write(folder.path("new.crt"), expired.pem()).unwrap();
    std::fs::rename(folder.path("new.crt"), folder.path("tls.crt")).unwrap();
    gateway.signal("HUP");
    let kept = gateway.logged("TLS file not reloaded");
    assert_eq!(kept["level"], "ERROR");
    assert!(kept["problem"].as_str().unwrap().contains("the certificate has expired"), "{kept}");
    metric(gateway.admin, "postgate_reload_failed 1").await;
    let mut open = Client::connect(address, certificate).await;
    assert_eq!(open.post_json(BODY).await.status(), 200);

    // Whoever is taken off the list is out, whatever is wrong with the certificate.
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("127.0.0.1/32", "192.0.2.0/24"));
    gateway.signal("HUP");
    until(address, certificate, false).await;
    assert_eq!(open.post_json(BODY).await.status(), 403);
    metric(gateway.admin, "postgate_reload_failed 1").await;
    let days = "postgate_certificate_days{key=\"tls.certificate\"} ";
    let told = ask(gateway.admin, "/metrics").await.1;
    assert!(!told.contains(&format!("{days}-")), "of the one that is shown: {told}");

    std::fs::remove_file(folder.path("tls.key")).unwrap();
    folder.write(&text);
    gateway.signal("HUP");
    until(address, certificate, true).await;

    let good = certs::write(folder.path("tls.crt").parent().unwrap());
    gateway.signal("HUP");
    until(address, &good, true).await;
    metric(gateway.admin, "postgate_reload_failed 0").await;
}

#[tokio::test]
async fn a_certificate_whose_time_comes_is_shown_from_then_on_and_not_before() {
    const UNTIL_THEN: Duration = Duration::from_secs(5);
    let upstream = Upstream::away().await;
    let gateway = watching(Folder::with_route(upstream.address)).await;
    let (address, folder) = (gateway.gateway.address(), &gateway.folder);
    let key = std::fs::read_to_string(folder.path("tls.key")).unwrap();
    let now = Duration::from_millis(postgate::clock::now().as_millis());
    let begin = rcgen::date_time_ymd(1970, 1, 1) + now + UNTIL_THEN;
    let new = lasting(&key, |params| {
        params.not_before = begin;
        rename(params);
    });
    std::fs::write(folder.path("new.crt"), new.pem()).unwrap();
    std::fs::rename(folder.path("new.crt"), folder.path("tls.crt")).unwrap();
    metric(gateway.admin(), "postgate_reload_failed 1").await;
    assert_eq!(gateway.client().await.post_json(BODY).await.status(), 200);
    // No file changes any more: time alone mends it.
    until(address, new.der(), true).await;
    metric(gateway.admin(), "postgate_reload_failed 0").await;
    let told = ask(gateway.admin(), "/metrics").await.1;
    let failures = told.lines().find_map(|line| {
        line.strip_prefix("postgate_reloads_total{outcome=\"failed\"} ")?.parse::<u32>().ok()
    });
    // The kernel may show one rename as two changes.
    assert!(failures.is_some_and(|failures| failures <= 2), "{failures:?}, at every look: {told}");
    gateway.stop().await;
}

/// Clients turn away from what stands behind the first certificate, too.
#[tokio::test]
async fn a_chain_of_which_any_cannot_be_used_does_not_take_the_place_of_a_good_one() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    // Of the same key, so that one file changes, at one stroke.
    let key = std::fs::read_to_string(folder.path("tls.key")).unwrap();
    let new = lasting(&key, rename);
    let chain = |behind: &str| {
        std::fs::write(folder.path("new.crt"), new.pem() + behind).unwrap();
        std::fs::rename(folder.path("new.crt"), folder.path("tls.crt")).unwrap();
        gateway.signal("HUP");
    };
    let expired = lasting(&key, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)).pem();
    let good = Authority::new().pem();
    // The length that it begins with.
    let damaged = good.replacen("MII", "MIJ", 1);
    assert_ne!(good, damaged);
    for (behind, problem) in [(&expired, "has expired"), (&damaged, "is damaged")] {
        chain(behind);
        let told = std::iter::repeat_with(|| gateway.logged("TLS file not reloaded"));
        let problem = format!("certificate 2 of the chain {problem}");
        assert!(told.take(10).any(|line| line["problem"].as_str().unwrap().contains(&problem)));
        assert!(handshake(gateway.address, &folder.certificate, b"http/1.1").await.is_ok());
    }
    chain(&good);
    until(gateway.address, new.der(), true).await;
    metric(gateway.admin, "postgate_reload_failed 0").await;
}

/// Files may change at any time, so that a good pair needs no signal.
#[tokio::test]
async fn a_good_pair_is_found_after_a_bad_one() {
    let upstream = Upstream::away().await;
    let gateway = watching(Folder::with_route(upstream.address)).await;
    std::fs::write(gateway.folder.path("tls.crt"), "").unwrap();
    metric(gateway.admin(), "postgate_reload_failed 1").await;
    let good = certs::write(gateway.folder.path("tls.crt").parent().unwrap());
    until(gateway.gateway.address(), &good, true).await;
    metric(gateway.admin(), "postgate_reload_failed 0").await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_days_are_those_of_the_certificate_that_is_shown() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let files = std::fs::read_to_string(folder.config()).unwrap();
    let made = format!("{files}[tls]\nmode = \"self-signed\"\n");
    let days = "postgate_certificate_days{";

    // One that is made at the start is no file's, and needs a restart to go.
    folder.write(&made);
    let gateway = watching(folder).await;
    gateway.folder.write(&files);
    metric(gateway.admin(), "postgate_reloads_total{outcome=\"done\"} 1").await;
    gateway.gateway.reload();
    metric(gateway.admin(), "postgate_reloads_total{outcome=\"done\"} 2").await;
    assert!(!ask(gateway.admin(), "/metrics").await.1.contains(days));
    let folder = gateway.stop().await;

    // And the other way round: the one of the files is shown, and ends as it does.
    let gateway = watching(folder).await;
    gateway.folder.write(&made);
    metric(gateway.admin(), "postgate_reloads_total{outcome=\"done\"} 1").await;
    metric(gateway.admin(), days).await;
    std::fs::write(gateway.folder.path("tls.crt"), "").unwrap();
    gateway.folder.write(&files);
    metric(gateway.admin(), "postgate_reload_failed 1").await;
    assert_eq!(gateway.client().await.post_json(BODY).await.status(), 200);
    gateway.stop().await;
}

#[tokio::test]
async fn what_differs_in_the_list_is_logged() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let ranges = "[\"192.0.2.0/24\", \"198.51.100.7\"]\ntrusted_proxies = [\"10.0.0.1\"]";
    folder.write(
        &text
            .replace("[\"127.0.0.1/32\"]", ranges)
            .replace("kind =", "allowlist = { ranges = [\"192.0.2.9\"] }\nkind ="),
    );
    gateway.signal("HUP");
    for (list, added, removed) in [
        ("ranges", "192.0.2.0/24, 198.51.100.7/32", "127.0.0.1/32"),
        ("trusted_proxies", "10.0.0.1/32", ""),
    ] {
        let line = gateway.logged("allowlist changed");
        let said = ["list", "added_ranges", "removed_ranges"].map(|name| line[name].as_str());
        assert_eq!(said, [Some(list), Some(added), Some(removed)], "{line}");
        assert_eq!(line["removed"], u8::from(!removed.is_empty()), "{line}");
    }
    let narrowed = gateway.logged("the route has a list of its own");
    assert_eq!(
        (&narrowed["list"], &narrowed["ranges"]),
        (&"route actions".into(), &"192.0.2.9/32".into())
    );

    // The same addresses in another spelling are no change: the first line is about the others.
    let before = std::fs::read_to_string(folder.config()).unwrap();
    let halves = before.replace("192.0.2.0/24", "192.0.2.128/25\", \"192.0.2.0/25");
    folder.write(&halves.replace("[\"10.0.0.1\"]", "[\"10.0.0.2\"]"));
    gateway.signal("HUP");
    assert_eq!(gateway.logged("allowlist changed")["list"], "trusted_proxies");

    // Without its list the route is open to more, whatever was taken away.
    folder.write(&text.replace("[\"127.0.0.1/32\"]", "[\"127.0.0.1/32\"]\nallow_any = true"));
    gateway.signal("HUP");
    gateway.logged("allow_any was switched on");
    let widened = gateway.logged("the route has no list of its own any more");
    assert_eq!((&widened["list"], &widened["level"]), (&"route actions".into(), &"WARN".into()));
    folder.write(&text);
    gateway.signal("HUP");
    gateway.logged("allow_any was switched off");
}

/// One request on a connection of its own; whether its session was one of before.
async fn resumed(address: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    let mut stream = connector.connect(address.ip().into(), stream).await.unwrap();
    let request = "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // The ticket for a next time comes before the answer.
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}

#[tokio::test]
async fn sessions_go_on_being_resumed_until_the_certificate_changes() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    let client = client_config(None, &folder.certificate, b"http/1.1");
    assert!(!resumed(gateway.address, &client).await, "the first time");
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("127.0.0.1/32", "127.0.0.0/8"));
    gateway.signal("HUP");
    gateway.logged("allowlist changed");
    assert!(resumed(gateway.address, &client).await, "nothing of TLS has changed");

    let key = std::fs::read_to_string(folder.path("tls.key")).unwrap();
    std::fs::write(folder.path("tls.crt"), lasting(&key, |_| ()).pem()).unwrap();
    gateway.signal("HUP");
    gateway.logged("certificate replaced");
    assert!(!resumed(gateway.address, &client).await, "it would hide the new certificate");
}

/// Turns the link, or makes it.
fn turn(folder: &Folder, link: &str, to: &str) {
    let new = folder.path(link).with_file_name("new");
    std::os::unix::fs::symlink(to, &new).unwrap();
    std::fs::rename(new, folder.path(link)).unwrap();
}

fn certificate_in(folder: &Folder, name: &str) -> CertificateDer<'static> {
    std::fs::create_dir_all(folder.path(name)).unwrap();
    certs::write(&folder.path(name))
}

/// The files of a Kubernetes secret: a link to a link to a folder, of which only the middle one is
/// turned.
#[tokio::test]
async fn a_secret_of_kubernetes_is_followed_by_what_the_kernel_tells() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let first = certificate_in(&folder, "..1");
    turn(&folder, "..data", "..1");
    turn(&folder, "tls.crt", "..data/tls.crt");
    turn(&folder, "tls.key", "..data/tls.key");
    let mut gateway = TestGateway::start(folder).await;
    gateway.gateway.watch(gateway.folder.config(), NEVER);
    let address = gateway.gateway.address();
    until(address, &first, true).await;

    let second = certificate_in(&gateway.folder, "..2");
    turn(&gateway.folder, "..data", "..2");
    until(address, &second, true).await;
    assert_eq!(gateway.gateway.certificate(), Some(second));
    // And what lies behind the new link now.
    let third = certificate_in(&gateway.folder, "..2");
    until(address, &third, true).await;
    metric(gateway.admin(), "postgate_reload_failed 0").await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_list_lets_in_and_keeps_out_and_an_empty_file_keeps_the_last_one() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("ranges = [\"127.0.0.1/32\"]", "files = [\"impact.txt\"]"));
    std::fs::write(folder.path("impact.txt"), "127.0.0.0/8\n").unwrap();
    let gateway = watching(folder).await;
    let (address, certificate) = (gateway.gateway.address(), &gateway.folder.certificate);
    let write = |text: &str| std::fs::write(gateway.folder.path("impact.txt"), text).unwrap();
    let mut open = gateway.client().await;

    for broken in ["", "# gone\n", "127.0.0.0/8\nimpact.com\n"] {
        write(broken);
        metric(gateway.admin(), "postgate_reload_failed 1").await;
        assert_eq!(gateway.client().await.post_json(BODY).await.status(), 200, "{broken:?}");
        assert_eq!(ask(gateway.admin(), "/readyz").await.0, 200);
        write("127.0.0.0/8\n");
        metric(gateway.admin(), "postgate_reload_failed 0").await;
    }

    write("192.0.2.0/24\n");
    until(address, certificate, false).await;
    let refused = open.post_json(BODY).await;
    assert_eq!(refused.status(), 403, "an open connection is no way in");

    write("127.0.0.1\n");
    until(address, certificate, true).await;
    assert_eq!(gateway.client().await.post_json(BODY).await.status(), 200);
    gateway.stop().await;
}

#[tokio::test]
async fn routes_come_and_change_and_go_with_nothing_left_behind() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let mut away = Upstream::away().await;
    let gateway = watching(Folder::new(away.address, ROUTE)).await;
    let base = std::fs::read_to_string(gateway.folder.config()).unwrap();
    let base = base.split("[[routes]]").next().unwrap().to_owned();
    let route = |name: &str, to: SocketAddr| {
        let head =
            format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nkind = \"action\"\n");
        format!("{head}[routes.upstream]\nurl = \"http://{to}/\"\n")
    };
    let left = id_in(&gateway.client().await.post_json(BODY).await);

    // The first route goes, another comes.
    gateway.folder.write(&format!("{base}{}", route("new", first.address)));
    let answer = accepted(&gateway, "/new").await;
    assert_eq!(first.received(1).await[0].header("webhook-id"), id_in(&answer));
    assert_eq!(gateway.client().await.post_json(BODY).await.status(), 404);

    // Its upstream changes; a mistake changes nothing.
    gateway.folder.write(&format!("{base}{}", route("new", second.address)));
    within("the other upstream", async {
        while second.so_far().is_empty() {
            accepted(&gateway, "/new").await;
        }
    })
    .await;
    gateway.folder.write(&format!("{base}{}kind = 1\n", route("new", first.address)));
    metric(gateway.admin(), "postgate_reload_failed 1").await;
    let id = id_in(&accepted(&gateway, "/new").await);
    within("delivery as before", async {
        while !second.so_far().iter().any(|one| one.header("webhook-id") == id) {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // What the removed route had left is delivered, once its upstream is there.
    away.up();
    assert_eq!(away.received(1).await[0].header("webhook-id"), left);
    gateway.stop().await;
}

/// Sends events, each on a connection of its own, until the route takes one: a refusal ends a
/// connection.
async fn accepted(gateway: &TestGateway, path: &str) -> Response<Bytes> {
    within("an accepted event", async {
        loop {
            // Another event each time, for a repeat would not be delivered.
            let body = format!(r#"{{"action_id":"{}"}}"#, EVENTS.fetch_add(1, Ordering::Relaxed));
            let request = post(path, "application/json", body);
            let answer = gateway.client().await.send(request).await;
            if answer.status() == 200 {
                return answer;
            }
        }
    })
    .await
}
