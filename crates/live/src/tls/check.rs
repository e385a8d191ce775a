//! Checks the certificate of a server, and says what is wrong with it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::problem;

/// Accepts certificates that lead to a trusted authority, are valid now, and have the name of the server.
#[derive(Debug)]
pub(super) struct Checked {
    inner: Arc<WebPkiServerVerifier>,
    /// Certificates that the user trusts.
    added: Vec<CertificateDer<'static>>,
    /// All trusted authorities, in words.
    known: String,
}

impl Checked {
    pub(super) fn new(
        roots: RootCertStore,
        added: Vec<CertificateDer<'static>>,
        known: String,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Self {
            inner: inner.build().expect("there are authorities"),
            added,
            known,
        }
    }

    /// Accepts a certificate that the user has named itself: a self-signed one is often marked as that of an authority, which is
    /// otherwise no certificate of a server.
    fn is_named(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let is_same = |one: &CertificateDer<'_>| one.as_ref() == certificate.as_ref();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let is_valid = |(_, parsed): (&[u8], X509Certificate<'_>)| {
            let validity = parsed.validity();
            (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
        };
        self.added.iter().any(is_same) && X509Certificate::from_der(certificate).is_ok_and(is_valid)
    }
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let error = match checked {
            Err(Error::InvalidCertificate(error)) => error,
            checked => return checked,
        };
        let is_of_authority = matches!(
            &error,
            CertificateError::Other(_) | CertificateError::UnknownIssuer
        );
        let error = if is_of_authority && self.is_named(end_entity, now) {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            match verify_server_name(&parsed, server_name) {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                Err(Error::InvalidCertificate(error)) => error,
                Err(error) => return Err(error),
            }
        } else {
            error
        };
        Err(problem::of_certificate(&error, end_entity, &self.known))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Accepts any certificate, also one that no program can read.
#[derive(Debug)]
pub(super) struct AcceptAny {
    schemes: Vec<SignatureScheme>,
}

impl AcceptAny {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            schemes: provider
                .signature_verification_algorithms
                .supported_schemes(),
        }
    }
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
