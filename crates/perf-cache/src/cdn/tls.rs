//! How servers show who they are.

use perf_core::ConfigError;
use std::sync::Arc;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// With ring for its ciphers; certificates go back to the system's, or to those in PEM.
///
/// # Errors
///
/// [`ConfigError`] if there is none in the PEM.
pub(super) fn config(roots: Option<&[u8]>) -> Result<TlsConfig, ConfigError> {
    let roots = match roots {
        None => RootCerts::PlatformVerifier,
        Some(pem) => {
            let refused =
                |why: String| ConfigError::new("root_certificates", why, "use certificates in PEM");
            let mut found = Vec::new();
            for item in parse_pem(pem) {
                if let PemItem::Certificate(one) = item.map_err(|e| refused(e.to_string()))? {
                    found.push(one);
                }
            }
            if found.is_empty() {
                return Err(refused("without any".to_owned()));
            }
            RootCerts::from(found.into_iter())
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(roots)
        .build())
}
