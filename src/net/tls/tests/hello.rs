//! What is refused, by hellos written by hand: no client of ours could offer it.

use tokio::io::AsyncReadExt as _;

use super::*;

const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

/// A client's hello (RFC 5246, 7.4.1.2) of this version that offers one cipher suite.
fn hello(version: u16, suite: u16) -> Vec<u8> {
    let extension = |kind: u16, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap();
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
    };
    let extensions = [
        // x25519, secp256r1
        extension(10, &[0, 4, 0, 0x1d, 0, 0x17]),
        // uncompressed points
        extension(11, &[1, 0]),
        // ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256, rsa_pkcs1_sha256
        extension(13, &[0, 6, 4, 3, 8, 4, 4, 1]),
    ]
    .concat();
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &[0, 2],
        &suite.to_be_bytes(),
        &[1, 0],
        &u16::try_from(extensions.len()).unwrap().to_be_bytes(),
        &extensions,
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&[0x16, 3, 1][..], &length, &message].concat()
}

/// What a server with an ECDSA certificate answers: `Ok` with the version and the suite, or an
/// alert.
async fn answer(hello: &[u8]) -> Result<(u16, u16), u8> {
    let tls = tls(TlsMode::SelfSigned, PATIENCE).unwrap();
    let (mut near, far) = pair().await;
    near.write_all(hello).await.unwrap();
    near.shutdown().await.unwrap();
    let mut said = Vec::new();
    let (served, read) =
        tokio::join!(tls.accept(far, NEAR, tls.deadline()), near.read_to_end(&mut said));
    assert!(served.is_err(), "nobody has shaken hands");
    read.unwrap();
    match said.as_slice() {
        // A record with a ServerHello: its version, 32 random bytes, the session's id, the suite.
        [0x16, 3, _, _, _, 2, _, _, _, high, low, rest @ ..] => {
            let id = usize::from(rest[32]);
            let suite = u16::from_be_bytes([rest[33 + id], rest[34 + id]]);
            Ok((u16::from_be_bytes([*high, *low]), suite))
        }
        [0x15, 3, _, 0, 2, 2, alert] => Err(*alert),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_suite_needs_forward_secrecy_and_authenticated_encryption() {
    for suite in [0xc02b, 0xc02c, 0xcca9] {
        assert_eq!(
            answer(&hello(0x0303, suite)).await,
            Ok((0x0303, suite)),
            "{suite:#06x} is good"
        );
    }
    for (suite, name) in [
        (0x0002, "RSA_WITH_NULL_SHA"),
        (0x0005, "RSA_WITH_RC4_128_SHA"),
        (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
        (0x009c, "RSA_WITH_AES_128_GCM_SHA256: no forward secrecy"),
        (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA: no authenticated encryption"),
        (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        (0xc02d, "ECDH_ECDSA_WITH_AES_128_GCM_SHA256: a fixed key"),
        (0xc006, "ECDHE_ECDSA_WITH_NULL_SHA"),
        (0xc018, "ECDH_anon_WITH_AES_128_CBC_SHA"),
    ] {
        assert_eq!(answer(&hello(0x0303, suite)).await, Err(HANDSHAKE_FAILURE), "{name}");
    }
}

#[tokio::test]
async fn versions_before_1_2_are_refused() {
    for version in [0x0300, 0x0301, 0x0302] {
        let refused = answer(&hello(version, 0xc02b)).await;
        assert_eq!(refused, Err(PROTOCOL_VERSION), "{version:#06x}");
    }
}
