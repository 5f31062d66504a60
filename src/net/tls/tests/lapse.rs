//! What a client has shown, asked about again after its handshake.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;
use crate::clock::Timestamp;

/// The last second in which the certificates of these tests are good.
const END: Timestamp = Timestamp::from_millis(4_102_444_800_000);

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params
}

fn authority(mut params: CertificateParams, by: Option<&Authority>) -> Authority {
    let key = KeyPair::generate().unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    match by {
        Some(by) => CertifiedIssuer::signed_by(params, key, by).unwrap(),
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
    }
}

/// A certificate for `sender.example`, before its key.
fn sender(by: &Authority) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    issued(by, &params("sender.example"))
}

fn issued(
    by: &Authority,
    params: &CertificateParams,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn of(authority: &Authority, names: &[&str]) -> ClientSettings {
    let mut authorities = RootCertStore::empty();
    authorities.add(authority.der().clone()).unwrap();
    let names = names.iter().map(|name| ServerName::try_from(*name).unwrap().to_owned()).collect();
    ClientSettings { authorities: Arc::new(authorities), names }
}

/// What the server remembers of a client that has shown this.
async fn shows(
    tls: &Tls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Option<Shown> {
    let config = builder(&tls.certificate().unwrap(), ALL_VERSIONS);
    let config = config.with_client_auth_cert(chain, key).unwrap();
    let (near, far) = pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let client = TlsConnector::from(Arc::new(config));
    let server = tls.accept(far, NEAR, tls.deadline());
    let (server, client) = tokio::join!(server, client.connect(name, near));
    client.unwrap();
    server.unwrap().1
}

#[tokio::test]
async fn a_client_is_good_as_long_as_the_rule_and_its_certificate_are() {
    let (files, authority, other) =
        (Files::new(), authority(params("a"), None), authority(params("b"), None));
    let tls = tls(files.mode(Some(of(&authority, &["sender.example"]))), PATIENCE).unwrap();
    let (certificate, key) = sender(&authority);
    let shown = shows(&tls, vec![certificate], key).await;
    let ask = |now| tls.client_rule().ask(shown.as_ref(), now);
    let nothing = || tls.client_rule().ask(None, clock::now());
    assert_eq!((ask(clock::now()), nothing()), (Ok(()), Err(Lapse::Refused)));

    for time in 1..=2 {
        assert_eq!(ask(END.plus(Duration::from_millis(999))), Ok(()), "{time}");
        assert_eq!(ask(END.plus(Duration::from_secs(1))), Err(Lapse::Expired), "{time}");
    }
    for (clients, expected) in [
        (Some(of(&authority, &["other.example"])), Err(Lapse::Refused)),
        (Some(of(&authority, &["other.example", "sender.example"])), Ok(())),
        (Some(of(&other, &["sender.example"])), Err(Lapse::Refused)),
        (Some(of(&authority, &[])), Ok(())),
    ] {
        tls.replace(changed(&tls, files.mode(clients.clone())).expect("another rule"));
        for time in 1..=2 {
            assert_eq!(ask(clock::now()), expected, "{clients:?} {time}");
        }
        assert!(ask(END.plus(Duration::from_secs(1))).is_err(), "{clients:?}");
    }
    // Whoever is not asked for a certificate may have one that has ended.
    tls.replace(changed(&tls, files.mode(None)).expect("another rule"));
    assert_eq!((ask(END.plus(PATIENCE)), nothing()), (Ok(()), Ok(())));
}

#[tokio::test]
async fn the_whole_way_to_the_authority_must_be_good() {
    let root = authority(params("root"), None);
    let mut short = params("middle");
    short.not_after = rcgen::date_time_ymd(2099, 1, 1);
    let middle_end = Timestamp::from_millis(4_070_908_800_000);
    let middle = authority(short, Some(&root));
    let mut old = params("old");
    old.not_before = rcgen::date_time_ymd(2000, 1, 1);
    old.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let old = authority(old, Some(&root)).der().clone();

    let tls = tls(Files::new().mode(Some(of(&root, &[]))), PATIENCE).unwrap();
    let (certificate, key) = sender(&middle);
    let chain = vec![certificate, middle.der().clone(), old];
    let shown = shows(&tls, chain, key).await;
    let ask = |now| tls.client_rule().ask(shown.as_ref(), now);
    // One that leads nowhere may be as old as it likes.
    assert_eq!(ask(clock::now()), Ok(()));
    assert_eq!(ask(middle_end), Ok(()));
    assert_eq!(ask(middle_end.plus(Duration::from_secs(1))), Err(Lapse::Expired));
}

/// Passes bytes on, but for the last of each flight after the first, until this moment.
async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, until: Timestamp) {
    let mut space = [0; 4096];
    let hello = from.read(&mut space).await.unwrap();
    to.write_all(&space[..hello]).await.unwrap();
    let until = Instant::now() + until.since(clock::now());
    let mut held = Vec::new();
    while let Ok(read) = tokio::time::timeout_at(until, from.read(&mut space)).await {
        held.extend(&space[..read.unwrap()]);
        let last = held.split_off(held.len() - 1);
        to.write_all(&held).await.unwrap();
        held = last;
    }
    to.write_all(&held).await.unwrap();
}

/// The certificate comes long before the end of a handshake: it is found good then, and has ended when
/// the first request comes.
#[tokio::test]
async fn a_handshake_that_is_drawn_out_makes_no_certificate_last_longer() {
    let authority = authority(params("a"), None);
    let tls = tls(Files::new().mode(Some(of(&authority, &[]))), PATIENCE).unwrap();
    let last_second = clock::now().as_millis() / 1000 + 2;
    let mut short = params("sender.example");
    short.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(last_second);
    let (certificate, key) = issued(&authority, &short);
    let config = builder(&tls.certificate().unwrap(), &[&TLS12]);
    // One that ends later stands beside it.
    let chain = vec![certificate, authority.der().clone()];
    let config = config.with_client_auth_cert(chain, key).unwrap();
    let client = TlsConnector::from(Arc::new(config));

    let ((near, from_near), (to_far, far)) = (pair().await, pair().await);
    let (from_client, mut to_client) = from_near.into_split();
    let (mut from_server, to_server) = to_far.into_split();
    let name = ServerName::try_from("localhost").unwrap();
    let over = Timestamp::from_millis((last_second + 1) * 1000);
    let handshake = async {
        tokio::join!(
            tls.accept(far, NEAR, tls.deadline()),
            client.connect(name, near),
            delay(from_client, to_server, over)
        )
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    let (server, ..) = tokio::select! {
        ended = handshake => ended,
        broken = back => panic!("{broken:?}"),
    };
    let (_stream, shown) = server.expect("the certificate was good when it came");
    assert_eq!(tls.client_rule().ask(shown.as_ref(), clock::now()), Err(Lapse::Expired));
}
