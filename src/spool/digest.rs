//! What makes two events equal, and what makes them belong together.
//!
//! Keys and bodies are the sender's, so both are hashed with SHA-256: nobody can aim at a
//! collision of the whole hash, and the parts kept are long enough against chance. A collision of
//! two key hashes would cost a needless wait; one of two fingerprints, under the same key, an
//! event taken for a repeat.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use super::event::{Accepted, Malformed};

/// Which events are kept in order and compared with each other: 8 bytes of a hash over the route
/// and the key or, without a key, over the route and the body. As text, 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub(super) [u8; 8]);

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for KeyHash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
    }
}

/// Which bodies are equal: 16 bytes of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) [u8; 16]);

/// The two hashes of an event.
pub(super) fn of_event(event: &Accepted) -> (KeyHash, Fingerprint) {
    let fingerprint = of_body(&event.body);
    let key = match &event.key {
        Some(key) => of_key(&event.route, key),
        None => of_no_key(&event.route, fingerprint),
    };
    (key, fingerprint)
}

pub(super) fn of_body(body: &[u8]) -> Fingerprint {
    Fingerprint(sha256(&[body]))
}

/// The middle part keeps a body apart from a key that reads the same.
pub(super) fn of_no_key(route: &str, fingerprint: Fingerprint) -> KeyHash {
    KeyHash(sha256(&[route.as_bytes(), b"body", &fingerprint.0]))
}

/// The hash of a key on a route.
pub(super) fn of_key(route: &str, key: &str) -> KeyHash {
    KeyHash(sha256(&[route.as_bytes(), b"key", key.as_bytes()]))
}

/// The hash of what was received: of what a repeat must have in common with it.
pub(super) fn of_malformed(malformed: &Malformed) -> Fingerprint {
    let received = &malformed.received;
    Fingerprint(sha256(&[
        malformed.route.as_bytes(),
        received.method.as_bytes(),
        received.content_type.as_deref().unwrap_or_default(),
        received.query.as_deref().unwrap_or_default(),
        &received.body,
    ]))
}

/// The first `N` bytes of the hash over all parts. Each part is preceded by its length, so that
/// no two lists of parts read the same; a single part needs none but gets one all the same.
fn sha256<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let mut kept = [0; N];
    for (to, from) in kept.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::clock::Timestamp;
    use crate::spool::EventId;

    fn event(route: &str, key: Option<&str>, body: &'static str) -> Accepted {
        let at = Timestamp::from_millis(1);
        Accepted {
            id: EventId::new(at),
            route: Arc::from(route),
            key: key.map(str::to_owned),
            at,
            body: Bytes::from_static(body.as_bytes()),
            received: None,
        }
    }

    #[test]
    fn a_key_belongs_to_its_route() {
        let (first, _) = of_event(&event("ab", Some("c"), "x"));
        assert_eq!(first, of_event(&event("ab", Some("c"), "y")).0);
        assert_ne!(first, of_event(&event("a", Some("bc"), "x")).0);
        assert_ne!(first, of_event(&event("ab", Some("d"), "x")).0);
    }

    #[test]
    fn without_a_key_the_body_is_the_key() {
        let (first, _) = of_event(&event("r", None, "x"));
        assert_eq!(first, of_event(&event("r", None, "x")).0);
        assert_ne!(first, of_event(&event("r", None, "y")).0);
        assert_ne!(first, of_event(&event("s", None, "x")).0);
    }

    #[test]
    fn a_key_hash_survives_its_text() {
        let hash = KeyHash([0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(hash.to_string(), "00010203040506ff");
        assert_eq!("00010203040506ff".parse(), Ok(hash));
        assert!("xyz".parse::<KeyHash>().is_err());
    }

    #[test]
    fn fingerprints_compare_bodies_alone() {
        let (_, first) = of_event(&event("r", Some("a"), "x"));
        assert_eq!(first, of_event(&event("s", None, "x")).1);
        assert_ne!(first, of_event(&event("r", Some("a"), "y")).1);
    }
}
