//! One upstream: its connections, its limit, its health. Shared by the routes whose settings are
//! equal.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::Breaker;
use super::client::{Client, Limits, POOL_LIFE};
use super::health::Health;
use super::request::{Target, reserved_header};
use super::settings::{UpstreamSettings, UpstreamUrl};
use super::signature::{SecretError, Signer};
use crate::turns::{Turn, Turns};

/// The most that an attempt is given, so that its deadline can always be computed.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// The way to one upstream. Routes with equal [`UpstreamSettings`] share one, and with it the
/// pool, `max_in_flight` and the breaker.
#[derive(Debug)]
pub struct Upstream {
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) health: Health,
    pub(super) breaker: Arc<Breaker>,
    pub(super) timeout: Duration,
    /// Host and port, or the socket: for log lines, without credentials, path and query.
    pub(super) label: String,
    /// Of those who wait for the outcome.
    turns: Turns,
    permits: Arc<Semaphore>,
}

/// Why delivery cannot be set up. Each is a mistake in `[upstream]`.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Neither `http` nor `https`, or no host.
    #[error("upstream.url must begin with http://HOST, https://HOST or unix:")]
    Url,
    /// Credentials in a URL end in logs, and are not sent.
    #[error("upstream.url holds credentials: set upstream.headers.Authorization instead")]
    Credentials,
    /// No request could ever be sent.
    #[error("upstream.max_in_flight must be at least 1")]
    MaxInFlight,
    /// The value of a header.
    #[error("upstream.headers.{name}: not a header value")]
    Header {
        /// Which header.
        name: HeaderName,
        /// Says what is wrong without the value.
        #[source]
        source: http::header::InvalidHeaderValue,
    },
    /// The signing secret.
    #[error("upstream.signing_secret cannot be used")]
    Secret(#[source] SecretError),
    /// TLS as such.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Upstream {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`BuildError`] says which setting is wrong, and how.
    pub fn new(settings: &UpstreamSettings) -> Result<Self, BuildError> {
        if settings.max_in_flight == 0 {
            return Err(BuildError::MaxInFlight);
        }
        let (client, uri, label) = connect(settings)?;
        let signer = settings
            .signing_secret
            .as_ref()
            .map(Signer::new)
            .transpose()
            .map_err(BuildError::Secret)?;
        Ok(Self {
            client,
            target: Target {
                method: settings.method.clone(),
                uri,
                headers: headers(settings)?,
                envelope: settings.envelope,
                signer,
            },
            health: Health::default(),
            breaker: Breaker::new(settings.breaker_failures, settings.breaker_pause),
            timeout: settings.timeout.min(LONGEST_TIMEOUT),
            label,
            // A number beyond what a semaphore can count limits nothing either way.
            turns: Turns::of(settings.max_in_flight),
            permits: Arc::new(Semaphore::new(settings.max_in_flight.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Waits until fewer than `max_in_flight` requests are under way.
    #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// The same for somebody who waits for the outcome: one address gets half of them.
    pub(super) async fn permit_for(&self, sender: IpAddr) -> (Turn<'_>, OwnedSemaphorePermit) {
        let turn = self.turns.take(sender).await;
        (turn, self.permit().await)
    }
}

/// The client, the URI of its requests, and what to call the upstream in a log line.
fn connect(settings: &UpstreamSettings) -> Result<(Client, Uri, String), BuildError> {
    let limits =
        Limits { connect_time: settings.timeout, idle: settings.max_in_flight, life: POOL_LIFE };
    let uri = match &settings.url {
        UpstreamUrl::Http(uri) => uri.clone(),
        UpstreamUrl::Unix { socket, path } => {
            let uri = Uri::builder()
                .scheme(Scheme::HTTP)
                .authority("localhost")
                .path_and_query(path.clone())
                .build()
                .map_err(|_| BuildError::Url)?;
            let label = format!("unix:{}", socket.display());
            return Ok((Client::unix(limits, socket.clone()), uri, label));
        }
    };
    let authority = uri.authority().ok_or(BuildError::Url)?;
    if authority.as_str().contains('@') {
        return Err(BuildError::Credentials);
    }
    let label = authority.to_string();
    let client = if uri.scheme() == Some(&Scheme::HTTPS) {
        Client::https(limits, settings.tls.client_config()?)
    } else if uri.scheme() == Some(&Scheme::HTTP) {
        Client::http(limits)
    } else {
        return Err(BuildError::Url);
    };
    Ok((client, uri, label))
}

/// The operator's headers without the reserved ones, marked so that nothing prints their values.
fn headers(settings: &UpstreamSettings) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::with_capacity(settings.headers.len());
    for (name, value) in &settings.headers {
        if reserved_header(name) {
            continue;
        }
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|source| BuildError::Header { name: name.clone(), source })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use secrecy::SecretString;

    use super::super::fixture;
    use super::*;

    fn with_url(url: &str) -> UpstreamSettings {
        fixture::settings(UpstreamUrl::Http(url.parse().expect("a URI")))
    }

    #[test]
    fn the_label_names_the_upstream_and_nothing_more() {
        let label = |settings| Upstream::new(&settings).expect("good settings").label;
        let http = with_url("https://shop.example:8443/in?token=secret");
        assert_eq!(label(http), "shop.example:8443");
        let unix = fixture::settings(UpstreamUrl::Unix {
            socket: "/run/shop.sock".into(),
            path: "/in?token=secret".parse().expect("a path"),
        });
        let upstream = Upstream::new(&unix).expect("good settings");
        assert_eq!(upstream.target.uri, "http://localhost/in?token=secret");
        assert_eq!(upstream.label, "unix:/run/shop.sock");
    }

    #[test]
    fn a_url_that_cannot_be_delivered_to_is_refused() {
        let error = |url| Upstream::new(&with_url(url)).expect_err("a bad url");
        assert!(matches!(error("ftp://shop.example/"), BuildError::Url));
        assert!(matches!(error("/postbacks"), BuildError::Url));
        let credentials = error("http://me:secret@shop.example/");
        assert!(matches!(credentials, BuildError::Credentials));
        assert!(!credentials.to_string().contains("secret"));
    }

    #[test]
    fn no_place_at_all_is_refused_and_any_number_above_is_not() {
        let with =
            |max_in_flight| UpstreamSettings { max_in_flight, ..with_url("http://127.0.0.1/") };
        let none = Upstream::new(&with(0));
        assert!(matches!(none, Err(BuildError::MaxInFlight)));
        assert!(Upstream::new(&with(1)).is_ok());
        assert!(Upstream::new(&with(usize::MAX)).is_ok());
    }

    #[test]
    fn headers_are_checked_hidden_and_the_reserved_ones_left_out() {
        let mut settings = with_url("http://127.0.0.1/");
        let length = (http::header::CONTENT_LENGTH, SecretString::from("7"));
        settings.headers.push(length);
        let upstream = Upstream::new(&settings).expect("good settings");
        assert_eq!(upstream.target.headers.len(), 1);
        assert_eq!(upstream.target.headers["authorization"], "Bearer t0ken");
        assert!(!format!("{upstream:?}").contains("t0ken"));

        let broken = (http::header::COOKIE, SecretString::from("s3cret\n"));
        settings.headers.push(broken);
        let error = Upstream::new(&settings).expect_err("a line break");
        assert!(matches!(&error, BuildError::Header { name, .. } if name == "cookie"));
        let cause = error.source().expect("a cause").to_string();
        assert!(!format!("{error} {cause}").contains("s3cret"));
    }

    #[test]
    fn equal_settings_are_equal_and_a_secret_makes_a_difference() {
        let settings = with_url("http://127.0.0.1/");
        assert_eq!(settings, settings.clone());
        let other_header = UpstreamSettings {
            headers: vec![(http::header::AUTHORIZATION, SecretString::from("other"))],
            ..settings.clone()
        };
        let other_key = UpstreamSettings {
            signing_secret: Some(SecretString::from("key")),
            ..settings.clone()
        };
        assert_ne!(settings, other_header);
        assert_ne!(settings, other_key);
    }
}
