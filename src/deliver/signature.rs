//! The signature of Standard Webhooks 1.0.0 (<https://www.standardwebhooks.com>), symmetric,
//! version `v1`.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// What a secret in its usual form begins with; base64 follows.
const PREFIX: &str = "whsec_";

/// Signs what is sent.
#[derive(Clone, Debug)]
pub(super) struct Signer(hmac::Key);

/// The secret cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// What follows `whsec_` cannot be decoded.
    #[error("what follows whsec_ is not base64")]
    Encoding,
    /// A key of no bytes signs nothing.
    #[error("it is empty")]
    Empty,
}

impl Signer {
    /// A key from `whsec_` and base64, or from the bytes of any other text.
    pub(super) fn new(secret: &SecretString) -> Result<Self, SecretError> {
        let text = secret.expose_secret();
        let decoded;
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => {
                decoded = STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?;
                decoded.as_slice()
            }
            None => text.as_bytes(),
        };
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The value of `webhook-signature` over `id.timestamp.body`; `timestamp` in seconds.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(id.as_bytes());
        context.update(format!(".{timestamp}.").as_bytes());
        context.update(body);
        let mut value = String::from("v1,");
        STANDARD.encode_string(context.sign(), &mut value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn signer(secret: &str) -> Result<Signer, SecretError> {
        Signer::new(&SecretString::from(secret))
    }

    #[test]
    fn the_published_example_is_met() {
        let signer = signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a good secret");
        assert_eq!(
            signer.sign(ID, 1_614_265_330, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_part_is_signed() {
        let signer = signer("plain text").expect("a good secret");
        let signature = signer.sign(ID, 7, BODY);
        assert_eq!(signature, signer.sign(ID, 7, BODY));
        assert_ne!(signature, signer.sign("msg_other", 7, BODY));
        assert_ne!(signature, signer.sign(ID, 8, BODY));
        assert_ne!(signature, signer.sign(ID, 7, b"{}"));
    }

    #[test]
    fn a_text_without_the_prefix_is_its_bytes() {
        let encoded = format!("whsec_{}", STANDARD.encode("plain text"));
        let plain = signer("plain text").expect("a good secret");
        let decoded = signer(&encoded).expect("a good secret");
        assert_eq!(plain.sign(ID, 7, BODY), decoded.sign(ID, 7, BODY));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(signer("whsec_not base64").err(), Some(SecretError::Encoding));
        assert_eq!(signer("whsec_").err(), Some(SecretError::Empty));
        assert_eq!(signer("").err(), Some(SecretError::Empty));
    }
}
