//! TLS to a target: which certificates are accepted, and which one is presented.

mod check;
mod problem;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::http2::HttpVersion;
use super::setup::SetupError;
use super::worker::{EntryPoint, Scheme};
use check::{AcceptAny, Checked};
pub(super) use problem::{Problem, Remedy};

/// Whom the connections to a target trust, and who they say they are.
///
/// The authorities of the operating system are always trusted; those that are compiled in (Mozilla's) take their place where the
/// system has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// Certificates of authorities besides those of the system, as DER.
    authorities: Vec<Vec<u8>>,
    /// The certificate that is presented to servers that demand one; `None` without one.
    client: Option<ClientCertificate>,
    /// The name that is sent and that the certificate must have; `None` for the host of the URL.
    server_name: Option<String>,
    /// Whether any certificate is accepted.
    is_unchecked: bool,
}

/// A client certificate with its key, as DER.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ClientCertificate {
    /// The certificate first, then those that lead to its authority.
    chain: Vec<Vec<u8>>,
    key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret.
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Why a file or a name cannot be used for TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no certificate in the file.
    #[error(
        "it has no certificate (expected PEM: a block that begins with `-----BEGIN CERTIFICATE-----`)"
    )]
    NoCertificate,
    /// There is no private key in the file.
    #[error(
        "it has no private key (expected PEM: a block that begins with `-----BEGIN PRIVATE KEY-----`)"
    )]
    NoKey,
    /// The private key needs a password.
    #[error("its private key is encrypted (expected one without a password)")]
    EncryptedKey,
    /// A block of the file is broken.
    #[error("it is broken: {reason}")]
    Broken {
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not belong together.
    #[error("the private key is not that of the certificate")]
    Mismatch,
    /// The name cannot be the name of a server.
    #[error("`{name}` cannot be the name of a server (expected a DNS name or an IP address)")]
    Name {
        /// The name.
        name: String,
    },
}

impl Trust {
    /// Trusts the authorities of a PEM file, too.
    ///
    /// # Errors
    ///
    /// When the file has no certificate, or one that cannot be used.
    pub fn add_authorities(&mut self, pem: &[u8]) -> Result<(), TrustError> {
        let found = certificates(pem)?;
        for (place, certificate) in found.iter().enumerate() {
            let mut store = RootCertStore::empty();
            let added = store.add(certificate.clone());
            added.map_err(|error| TrustError::Broken {
                reason: format!("certificate {} is not valid: {error}", place + 1),
            })?;
        }
        let new = found.iter().map(|certificate| certificate.to_vec());
        self.authorities.extend(new);
        Ok(())
    }

    /// Presents a client certificate, from the PEM texts of its chain and its key.
    ///
    /// # Errors
    ///
    /// When one of them is missing or broken, or they do not belong together.
    pub fn set_client(&mut self, chain: &[u8], key: &[u8]) -> Result<(), TrustError> {
        let chain = certificates(chain)?;
        if key.windows(9).any(|word| word == b"ENCRYPTED") {
            return Err(TrustError::EncryptedKey);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => TrustError::NoKey,
            error => TrustError::Broken {
                reason: error.to_string(),
            },
        })?;
        let client = ClientCertificate {
            chain: chain.iter().map(|one| one.to_vec()).collect(),
            key: key.secret_der().to_vec(),
        };
        client.certified()?;
        self.client = Some(client);
        Ok(())
    }

    /// Sends this name and expects it in the certificate, instead of the host of the URL.
    ///
    /// # Errors
    ///
    /// When it cannot be the name of a server.
    pub fn set_server_name(&mut self, name: &str) -> Result<(), TrustError> {
        self.server_name = Some(server_name(name)?.to_str().into_owned());
        Ok(())
    }

    /// Accepts any certificate.
    pub const fn accept_any(&mut self) {
        self.is_unchecked = true;
    }

    /// Returns whether any certificate is accepted.
    pub const fn is_unchecked(&self) -> bool {
        self.is_unchecked
    }

    /// Returns what applies to another host of the same system: the name of the target is not that of the other host.
    pub(super) fn of_other_host(&self) -> Self {
        Self {
            server_name: None,
            ..self.clone()
        }
    }

    fn config(&self) -> Result<ClientConfig, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.is_unchecked {
            Arc::new(AcceptAny::new(&provider))
        } else {
            let added = self.authorities.iter().map(|der| certificate(der));
            let added: Vec<_> = added.collect();
            let system = SystemRoots::get();
            let mut roots = system.store.clone();
            roots.add_parsable_certificates(added.iter().cloned());
            let known = match added.len() {
                0 => system.in_words.clone(),
                count => format!("{} and {count} of `--ca`", system.in_words),
            };
            Arc::new(Checked::new(roots, added, known, Arc::clone(&provider)))
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match &self.client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let certified = client.certified();
                let certified = certified.expect("it was checked when it was read");
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        })
    }
}

impl ClientCertificate {
    fn certified(&self) -> Result<CertifiedKey, TrustError> {
        let broken = |reason: &dyn fmt::Display| TrustError::Broken {
            reason: reason.to_string(),
        };
        let chain = self.chain.iter().map(|der| certificate(der)).collect();
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(|error| broken(&error))?;
        let provider: CryptoProvider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TrustError::Mismatch,
            error => broken(&error),
        })
    }
}

/// TLS to one host.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    /// As [`Self::connector`], and offers HTTP/2; `None` if it is not spoken.
    pub(super) offering: Option<TlsConnector>,
    /// Whether nothing but HTTP/2 is spoken.
    pub(super) insists: bool,
    /// The name that is sent, and that the certificate must have.
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// Prepares TLS to the host of `entry`; `None` if it is asked without.
    pub(super) fn to(entry: &EntryPoint) -> Result<Option<Self>, SetupError> {
        match entry.scheme {
            Scheme::Http => return Ok(None),
            Scheme::Https => {}
        }
        let name = entry.trust.server_name.as_deref();
        let name = name.unwrap_or_else(|| entry.bare_host());
        let name = server_name(name).map_err(|_| SetupError::ServerName {
            host: name.to_owned(),
        })?;
        let config = entry.trust.config()?;
        let offered: &[&[u8]] = match entry.http {
            HttpVersion::Http1 => &[],
            HttpVersion::Auto => &[b"h2", b"http/1.1"],
            HttpVersion::Http2 => &[b"h2"],
        };
        let offering = (!offered.is_empty()).then(|| {
            let mut config = config.clone();
            config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        });
        Ok(Some(Self {
            connector: TlsConnector::from(Arc::new(config)),
            offering,
            insists: entry.http == HttpVersion::Http2,
            name,
        }))
    }
}

/// The authorities that every connection trusts.
struct SystemRoots {
    store: RootCertStore,
    /// Where they are from, and how many, as messages say it.
    in_words: String,
}

impl SystemRoots {
    /// Returns those of the system, which are read once; without any, those that are compiled in.
    fn get() -> &'static Self {
        static ROOTS: OnceLock<SystemRoots> = OnceLock::new();
        ROOTS.get_or_init(|| {
            let mut store = RootCertStore::empty();
            // Some systems have certificates that no program can use any more.
            let found = rustls_native_certs::load_native_certs().certs;
            let (count, _) = store.add_parsable_certificates(found);
            if count > 0 {
                return Self {
                    store,
                    in_words: format!("the {count} authorities of this system"),
                };
            }
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            let count = store.len();
            Self {
                store,
                in_words: format!("the {count} built-in authorities, because this system has none"),
            }
        })
    }
}

fn certificate(der: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from(der.to_vec())
}

fn server_name(name: &str) -> Result<ServerName<'static>, TrustError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TrustError::Name {
        name: name.to_owned(),
    })
}

/// Reads all certificates of a PEM text; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| TrustError::Broken {
        reason: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    Ok(found)
}
