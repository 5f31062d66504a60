//! Trust towards an https upstream: whom we believe, and who we say we are.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::upstream::BuildError;

/// The TLS of a client that trusts the authorities of `ca` alone, or the public ones, and shows
/// `identity` (chain, key) to a server that asks. Reads the files.
pub(super) fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, BuildError> {
    let roots = match ca {
        Some(path) => own_roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots);
    let Some((chain_path, key_path)) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(chain_path)?;
    let key =
        PrivateKeyDer::from_pem_file(key_path).map_err(|source| unreadable(key_path, source))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| BuildError::Certificate {
            path: chain_path.to_owned(),
            source,
        })
}

fn own_roots(path: &Path) -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| BuildError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// All certificates of a PEM file; none is an error.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(path, source))?;
    if found.is_empty() {
        return Err(unreadable(path, pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn unreadable(path: &Path, source: pem::Error) -> BuildError {
    BuildError::Pem {
        path: path.to_owned(),
        source,
    }
}
