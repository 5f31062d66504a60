//! One upstream: its connections, its limit, its health. Shared by the routes whose settings are equal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::{Client, Limits};
use super::health::Health;
use super::request::{Target, reserved_header};
use super::settings::{UpstreamSettings, UpstreamUrl};
use super::signature::{SecretError, Signer};
use super::tls;

/// The way to one upstream. Routes with equal [`UpstreamSettings`] share one, and with it the
/// pool and `max_in_flight`.
#[derive(Debug)]
pub struct Upstream {
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) health: Health,
    pub(super) timeout: Duration,
    /// Host and port, or the socket: for log lines, without credentials, path and query.
    pub(super) label: String,
    permits: Arc<Semaphore>,
}

/// Why delivery cannot be set up. Each is a mistake in `[upstream]` or in a file it names.
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
    /// A file that should be PEM.
    #[error("cannot read {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate that TLS does not take, or that does not belong to its key.
    #[error("cannot use the certificates of {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// TLS as such.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Upstream {
    /// Reads the files that the settings name; connects to nothing yet.
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
            timeout: settings.timeout,
            label,
            // A number beyond what a semaphore can count limits nothing either way.
            permits: Arc::new(Semaphore::new(
                settings.max_in_flight.min(Semaphore::MAX_PERMITS),
            )),
        })
    }

    /// Waits until fewer than `max_in_flight` requests are under way.
    #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }
}

/// The client, the URI of its requests, and what to call the upstream in a log line.
fn connect(settings: &UpstreamSettings) -> Result<(Client, Uri, String), BuildError> {
    let limits = Limits {
        connect_time: settings.timeout,
        idle: settings.max_in_flight,
    };
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
        let identity = settings.client_identity.as_ref();
        let tls = tls::client_config(
            settings.ca.as_deref(),
            identity.map(|(chain, key)| (chain.as_path(), key.as_path())),
        )?;
        Client::https(limits, tls)
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
        let mut value =
            HeaderValue::from_str(value.expose_secret()).map_err(|source| BuildError::Header {
                name: name.clone(),
                source,
            })?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}
