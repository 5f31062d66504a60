//! Every kind of key and every way to write it, by real handshakes.

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use x509_parser::der_parser::der::parse_der;

use super::*;
use crate::net::pem;

/// A PEM section, as `openssl` writes it.
fn armoured(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What PKCS#8 wraps (RFC 5208, 5): PKCS#1 of an RSA key, SEC1 of an ECDSA key.
fn unwrapped(key: &KeyPair) -> Vec<u8> {
    let der = key.serialize_der();
    let (_, wrapper) = parse_der(&der).unwrap();
    wrapper.as_sequence().unwrap()[2].as_slice().unwrap().to_vec()
}

/// What these two texts hold.
fn read(chain: &str, key: &str, what: &str) -> TlsMode {
    let read = (pem::certificates(chain.as_bytes()), pem::private_key(key.as_bytes()));
    let pair = Pair::new(read.0.unwrap(), read.1.unwrap());
    let pair = pair.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    TlsMode::Files { pair, clients: None }
}

/// A handshake with a server of these two files succeeds, for a client that trusts `root`.
async fn serves(chain: &str, key: &str, root: &CertificateDer<'static>, what: &str) {
    let tls = tls(read(chain, key, what), PATIENCE).unwrap();
    for version in [&TLS12, &TLS13] {
        let client = trusting(root, &[version]);
        assert!(shake(&tls, &client).await.is_ok(), "{what} {version:?}");
    }
}

#[tokio::test]
async fn every_kind_of_key_in_every_form_shakes_hands() {
    let kinds: [(&str, &SignatureAlgorithm, Option<&str>); 5] = [
        ("RSA", &PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
        ("P-256", &PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
        ("P-384", &PKCS_ECDSA_P384_SHA384, Some("EC PRIVATE KEY")),
        ("P-521", &PKCS_ECDSA_P521_SHA512, Some("EC PRIVATE KEY")),
        ("Ed25519", &PKCS_ED25519, None),
    ];
    for (kind, algorithm, own) in kinds {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (chain, root) = (certificate.pem(), certificate.der().clone());
        serves(&chain, &key.serialize_pem(), &root, &format!("{kind} PKCS#8")).await;
        if let Some(label) = own {
            let text = armoured(label, &unwrapped(&key));
            serves(&chain, &text, &root, &format!("{kind} {label}")).await;
            // As `openssl ecparam -genkey` writes it, the curve in front.
            let curve =
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
            serves(&chain, &format!("{curve}{text}"), &root, &format!("{kind} after its curve"))
                .await;
        }
        // Two items in one file, and words around them, as some tools write.
        let noisy = format!("Bag Attributes\n{chain}{}", key.serialize_pem());
        serves(&noisy, &noisy, &root, &format!("{kind} in one file")).await;
    }
}

#[tokio::test]
async fn a_chain_leads_to_the_authority_that_the_client_knows() {
    let authority = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let (root_params, root_key) = authority("root.example");
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let (middle_params, middle_key) = authority("middle.example");
    let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(middle_params, middle_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &middle_issuer).unwrap();

    let chain = format!("{}{}", leaf.pem(), middle.pem());
    serves(&chain, &key.serialize_pem(), root.der(), "a chain of two").await;

    let alone = read(&leaf.pem(), &key.serialize_pem(), "the last one alone");
    let alone = tls(alone, PATIENCE).unwrap();
    let client = trusting(root.der(), &[&TLS13]);
    assert!(
        shake(&alone, &client).await.is_err(),
        "without the middle there is no way to the root"
    );
}
