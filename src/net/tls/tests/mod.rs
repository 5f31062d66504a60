//! Handshakes between the server and clients of every sort.

mod hello;
mod keys;
mod lapse;

use std::net::{Ipv4Addr, SocketAddr};

use rustls::client::{Resumption, Tls12Resumption, WantsClientCert};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ALL_VERSIONS, ClientConfig, ConfigBuilder, HandshakeKind, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock;
use crate::net::{ClientSettings, Protocol, TlsMode};

/// What an operator has in files: a certificate and its key.
struct Files {
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Files {
    fn new() -> Self {
        Self::named(&["localhost"])
    }

    fn named(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Self { made: rcgen::generate_simple_self_signed(names).unwrap() }
    }

    fn mode(&self, clients: Option<ClientSettings>) -> TlsMode {
        let (chain, key) = self.identity();
        TlsMode::Files { pair: Pair::new(chain, key).unwrap(), clients }
    }

    fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.made.signing_key.serialize_der());
        (vec![self.made.cert.der().clone()], key.into())
    }
}

fn tls(mode: TlsMode, handshake_time: Duration) -> Result<Tls, TlsError> {
    Tls::new(&TlsSettings { mode, handshake_time, handshakes: 2 })
}

/// A client that trusts `tls`, and shows a certificate where it has one.
fn client(
    tls: &Tls,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
    identity: Option<&Files>,
) -> TlsConnector {
    let config = builder(&tls.certificate().unwrap(), versions);
    let mut config = match identity.map(Files::identity) {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// A client that trusts `root`.
fn trusting(
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    TlsConnector::from(Arc::new(builder(root, versions).with_no_client_auth()))
}

fn builder(
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

/// Clients with a certificate of this authority, and of one of the names where there are any.
fn clients(authority: &Files, names: &[&str]) -> ClientSettings {
    let mut authorities = RootCertStore::empty();
    authorities.add(authority.made.cert.der().clone()).unwrap();
    let names = names.iter().map(|name| ServerName::try_from(*name).unwrap().to_owned()).collect();
    ClientSettings { authorities: Arc::new(authorities), names }
}

/// What a reload with this mode would put in force.
fn changed(tls: &Tls, mode: TlsMode) -> Option<Identity> {
    let settings = TlsSettings { mode, handshake_time: PATIENCE, handshakes: 2 };
    tls.prepare(&settings).unwrap()
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// Both ends of one handshake; what the server made of it.
async fn shake(tls: &Tls, client: &TlsConnector) -> Result<Stream, HandshakeError> {
    shake_from(NEAR, tls, client, tls.handshake_time).await
}

/// The same with a client of this address, and so much time.
async fn shake_from(
    address: IpAddr,
    tls: &Tls,
    client: &TlsConnector,
    time: Duration,
) -> Result<Stream, HandshakeError> {
    let (near, far) = pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let server = tls.accept(far, address, Instant::now() + time);
    let (server, client) = tokio::join!(server, client.connect(name, near));
    // A client of TLS 1.3 is done before the server has looked at its certificate.
    assert!(client.is_ok() || server.is_err(), "only the client found a fault: {client:?}");
    server.map(|(stream, _)| stream)
}

const PATIENCE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_millis(20);
const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let files = Files::new();
    for mode in [files.mode(None), TlsMode::SelfSigned] {
        let tls = tls(mode, PATIENCE).unwrap();
        for version in [&TLS12, &TLS13] {
            for (alpn, expected) in [
                (&[&b"h2"[..], b"http/1.1"][..], Protocol::Http2),
                (&[b"http/1.1", b"h2"], Protocol::Http2),
                (&[b"http/1.1"], Protocol::Http1),
                (&[], Protocol::Http1),
            ] {
                let client = client(&tls, &[version], alpn, None);
                let stream = shake(&tls, &client).await.unwrap();
                assert_eq!(stream.protocol(), expected, "{version:?} {alpn:?}");
                let Stream::Tls(stream) = stream else { panic!("no TLS") };
                assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            }
            let unknown = client(&tls, &[version], &[b"spdy/3"], None);
            assert!(matches!(shake(&tls, &unknown).await, Err(HandshakeError::Failed(_))));
        }
    }
}

#[tokio::test]
async fn the_newer_version_is_preferred() {
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let client = client(&tls, &[&TLS12, &TLS13], &[], None);
    let Ok(Stream::Tls(stream)) = shake(&tls, &client).await else { panic!("no TLS") };
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn with_a_client_authority_a_certificate_must_be_shown() {
    let (files, friend, stranger) = (Files::new(), Files::new(), Files::new());
    let tls = tls(files.mode(Some(clients(&friend, &[]))), PATIENCE).unwrap();
    for version in [&TLS12, &TLS13] {
        let shown = client(&tls, &[version], &[], Some(&friend));
        assert!(shake(&tls, &shown).await.is_ok(), "{version:?}");
        for identity in [None, Some(&stranger)] {
            let refused = client(&tls, &[version], &[], identity);
            let failed = shake(&tls, &refused).await;
            assert!(matches!(failed, Err(HandshakeError::Failed(_))), "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_client_must_carry_one_of_the_names_where_there_are_any() {
    let server = Files::new();
    let sender = Files::named(&["sender.impact.example", "*.pool.example", "192.0.2.7"]);
    for (names, good) in [
        (&["sender.impact.example"][..], true),
        (&["other.example", "SENDER.impact.example"], true),
        (&["one.pool.example"], true),
        (&["192.0.2.7"], true),
        (&["other.example"], false),
        (&["impact.example"], false),
        (&["a.sender.impact.example"], false),
        (&["pool.example"], false),
        (&["a.b.pool.example"], false),
        (&["192.0.2.8"], false),
    ] {
        let tls = tls(server.mode(Some(clients(&sender, names))), PATIENCE).unwrap();
        for version in [&TLS12, &TLS13] {
            let shown = client(&tls, &[version], &[], Some(&sender));
            assert_eq!(shake(&tls, &shown).await.is_ok(), good, "{names:?} {version:?}");
        }
        // The name alone is nothing: the certificate must be of the authority.
        let forged = Files::named(&["sender.impact.example"]);
        let shown = client(&tls, &[&TLS13], &[], Some(&forged));
        assert!(shake(&tls, &shown).await.is_err(), "{names:?}");
    }
}

/// One connection on which a byte comes back, so that the client has read its tickets.
async fn resumed(tls: &Tls, client: &TlsConnector) -> bool {
    let (near, far) = pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let server = async {
        let (mut stream, _) = tls.accept(far, NEAR, tls.deadline()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let Stream::Tls(stream) = stream else { panic!("no TLS") };
        stream.get_ref().1.handshake_kind()
    };
    let client = async {
        let mut stream = client.connect(name, near).await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    };
    let (kind, ()) = tokio::join!(server, client);
    kind == Some(HandshakeKind::Resumed)
}

#[tokio::test]
async fn a_second_handshake_resumes_the_session() {
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let root = tls.certificate().unwrap();
    for (version, by) in [
        (&TLS13, Tls12Resumption::SessionIdOrTickets),
        (&TLS12, Tls12Resumption::SessionIdOrTickets),
        // Clients that know no tickets: the server keeps their session.
        (&TLS12, Tls12Resumption::SessionIdOnly),
    ] {
        let mut config = builder(&root, &[version]).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(8).tls12_resumption(by);
        let client = TlsConnector::from(Arc::new(config));
        assert!(!resumed(&tls, &client).await, "the first time");
        assert!(resumed(&tls, &client).await, "{version:?} {by:?}");
    }
}

/// A reload that changes the allowlist alone, say.
#[tokio::test]
async fn a_session_is_resumed_after_a_reload_that_changes_nothing_of_it() {
    let (files, other) = (Files::new(), Files::new());
    let tls = tls(files.mode(None), PATIENCE).unwrap();
    let client = client(&tls, &[&TLS13], &[], None);
    assert!(!resumed(&tls, &client).await, "the first time");
    // Read again, and found the same.
    assert!(changed(&tls, files.mode(None)).is_none());
    assert!(resumed(&tls, &client).await);
    assert!(changed(&tls, other.mode(None)).is_some());
}

/// A session would outlive the certificate that it was begun with.
#[tokio::test]
async fn a_client_that_must_show_a_certificate_resumes_nothing() {
    let (server, friend) = (Files::new(), Files::new());
    for names in [&[][..], &["localhost"]] {
        let asks = server.mode(Some(clients(&friend, names)));
        let tls = tls(asks, PATIENCE).unwrap();
        for version in [&TLS13, &TLS12] {
            for by in [Tls12Resumption::SessionIdOrTickets, Tls12Resumption::SessionIdOnly] {
                let (chain, key) = friend.identity();
                let config = builder(&tls.certificate().unwrap(), &[version]);
                let mut config = config.with_client_auth_cert(chain, key).unwrap();
                config.resumption = Resumption::in_memory_sessions(8).tls12_resumption(by);
                let client = TlsConnector::from(Arc::new(config));
                for time in 1..=3 {
                    assert!(!resumed(&tls, &client).await, "{version:?} {by:?} {time}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_new_identity_is_for_new_handshakes_of_every_clone() {
    let (old, new) = (Files::new(), Files::new());
    let tls = tls(old.mode(None), PATIENCE).unwrap();
    let serving = tls.clone();
    let before = client(&tls, &[&TLS13], &[], None);
    shake(&serving, &before).await.unwrap();

    let other = self::tls(new.mode(None), PATIENCE).unwrap();
    tls.replace(changed(&tls, new.mode(None)).expect("another certificate"));
    assert_eq!(serving.certificate(), other.certificate());
    assert!(shake(&serving, &client(&other, &[&TLS13], &[], None)).await.is_ok());
    let untrusted = shake(&serving, &before).await;
    assert!(untrusted.is_err(), "the old certificate is gone, and the old ticket with it");

    for mode in [TlsMode::Off, TlsMode::SelfSigned] {
        assert!(changed(&tls, mode).is_none(), "another mode takes a restart");
    }
    let off = self::tls(TlsMode::Off, PATIENCE).unwrap();
    assert!(changed(&off, new.mode(None)).is_none(), "another mode takes a restart");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let tls = tls(TlsMode::SelfSigned, Duration::from_millis(20)).unwrap();
    let (mut near, far) = pair().await;
    near.write_all(b"\x16\x03\x01").await.unwrap();
    assert!(matches!(tls.accept(far, NEAR, tls.deadline()).await, Err(HandshakeError::TooSlow)));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_and_no_more() {
    let time = Duration::from_secs(10);
    let tls = tls(TlsMode::SelfSigned, time).unwrap();
    let client = client(&tls, ALL_VERSIONS, &[], None);
    for (takes, expected) in [(Duration::from_millis(9_999), true), (time, false)] {
        let (near, far) = pair().await;
        let shaking = async {
            let name = ServerName::try_from("localhost").unwrap();
            let accepting = tls.accept(far, NEAR, tls.deadline());
            let connecting = async {
                tokio::time::advance(takes).await;
                client.connect(name, near).await
            };
            tokio::join!(accepting, connecting).0
        };
        // While there is something to do the clock stands still, whatever the kernel takes.
        let shaken = tokio::select! {
            shaken = shaking => shaken,
            () = async { loop { tokio::task::yield_now().await } } => unreachable!("it never ends"),
        };
        match shaken {
            Ok(_) => assert!(expected, "after {takes:?}"),
            Err(error) => {
                assert!(!expected && matches!(error, HandshakeError::TooSlow), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_leaves_without_a_word_is_told_from_what_is_no_tls() {
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let (near, far) = pair().await;
    drop(near);
    assert!(matches!(tls.accept(far, NEAR, tls.deadline()).await, Err(HandshakeError::Left(_))));
    let (mut near, far) = pair().await;
    near.write_all(b"\x16\x03\x01").await.unwrap();
    drop(near);
    assert!(matches!(tls.accept(far, NEAR, tls.deadline()).await, Err(HandshakeError::Failed(_))));
}

#[tokio::test]
async fn past_the_limit_a_handshake_waits_and_whoever_is_silent_holds_no_place() {
    // Two at once, and one of an address.
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let client = client(&tls, ALL_VERSIONS, &[], None);
    let tasks = TaskTracker::new();
    let begin = |far, from| {
        let tls = tls.clone();
        tasks.spawn(async move { tls.accept(far, from, tls.deadline()).await.map(drop) })
    };
    let (_silent, far) = pair().await;
    begin(far, NEAR);
    let mut stalled = Vec::new();
    for from in [NEAR, ELSEWHERE] {
        shake_from(from, &tls, &client, PATIENCE).await.unwrap();
        let (mut near, far) = pair().await;
        near.write_all(b"\x16\x03\x01").await.unwrap();
        stalled.push(near);
        begin(far, from);
        while tls.handshakes.free() > 2 - stalled.len() {
            tokio::task::yield_now().await;
        }
        let late = shake_from(from, &tls, &client, SOON).await;
        assert!(matches!(late, Err(HandshakeError::TooSlow)), "{from} has its half");
    }
    let late = shake_from(IpAddr::from([127, 0, 0, 3]), &tls, &client, SOON).await;
    assert!(matches!(late, Err(HandshakeError::TooSlow)), "there is no place for anybody");
    // The places are given back.
    drop(stalled);
    shake(&tls, &client).await.unwrap();
}

#[tokio::test]
async fn what_is_no_tls_fails_at_once() {
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let (mut near, far) = pair().await;
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(tls.accept(far, NEAR, tls.deadline()).await, Err(HandshakeError::Failed(_))));
}

#[tokio::test]
async fn without_tls_a_connection_passes_as_it_is() {
    let tls = tls(TlsMode::Off, PATIENCE).unwrap();
    assert!(tls.certificate().is_none());
    let (_near, far) = pair().await;
    let (stream, shown) = tls.accept(far, NEAR, tls.deadline()).await.unwrap();
    assert_eq!(tls.client_rule().ask(shown.as_ref(), clock::now()), Ok(()));
    assert_eq!(stream.protocol(), Protocol::Http1);
    assert!(matches!(stream, Stream::Plain(_)));
}

#[test]
fn a_certificate_needs_its_own_key() {
    let ((chain, _), (_, key)) = (Files::new().identity(), Files::new().identity());
    let error = Pair::new(chain, key.clone_key()).unwrap_err();
    assert!(matches!(error, rustls::Error::InconsistentKeys(_)), "{error}");
    assert!(Pair::new(Vec::new(), key).is_err());
}
