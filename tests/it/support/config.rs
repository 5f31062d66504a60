//! A folder with a `config.toml`, a certificate and a spool in it.

use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::certs;

/// A configuration on disk, gone when dropped.
pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Folder {
    /// A gateway that lets loopback in, has one route `/postback/actions` for actions, delivers to
    /// `upstream`, and retries fast; `more` is appended to the file and may open further tables.
    pub(crate) fn new(upstream: SocketAddr, more: &str) -> Self {
        // Paths have blanks in them now and then.
        let folder = tempfile::Builder::new().prefix("post gate ").tempdir().unwrap();
        let certificate = certs::write(folder.path());
        let folder = Self { folder, certificate };
        folder.write(&format!(
            r#"
[listen]
address = "127.0.0.1:0"
[allowlist]
ranges = ["127.0.0.1/32"]
[upstream]
url = "http://{upstream}/postbacks"
timeout = "5s"
breaker_pause = "200ms"
[retry]
initial = "50ms"
max = "200ms"
[spool]
path = "spool.db"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
{more}
"#
        ));
        folder
    }

    /// The same with the usual route.
    pub(crate) fn with_route(upstream: SocketAddr) -> Self {
        Self::new(upstream, ROUTE)
    }

    /// Puts another text in place of the configuration.
    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// One route for actions, nothing special.
pub(crate) const ROUTE: &str = r#"
[[routes]]
name = "actions"
path = "/postback/actions"
kind = "action"
"#;
