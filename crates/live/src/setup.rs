//! Errors of setting up a load generator.

use http::HeaderValue;

use super::credential::CredentialError;
use super::reach::Forbidden;

/// Why a load generator cannot be set up for a system under test.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The name server cannot be used.
    #[error("cannot set up name resolution: {0}")]
    Resolver(#[source] hickory_resolver::net::NetError),
    /// TLS cannot be used.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The host cannot have a certificate.
    #[error("`{host}` cannot be the name of a TLS certificate")]
    ServerName {
        /// The host.
        host: String,
    },
    /// A path is not valid in a URL.
    #[error("invalid path `{path}`: {source}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: http::uri::InvalidUri,
    },
    /// A header of the mapping has an invalid name.
    #[error("`{name}` is not the name of a header")]
    Header {
        /// The name.
        name: String,
    },
    /// The host is not valid in a `Host` header.
    #[error("`{host}` is not valid in a `Host` header")]
    Host {
        /// The host.
        host: String,
    },
    /// An address may not be connected to.
    #[error("cannot connect to {0}")]
    Forbidden(#[from] Forbidden),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// Returns the value of a `Host` header.
pub(super) fn host_header(host: String) -> Result<HeaderValue, SetupError> {
    HeaderValue::try_from(&host).map_err(|_| SetupError::Host { host })
}
