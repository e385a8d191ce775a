//! The TLS certificates of one run.

use std::net::Ipv4Addr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::StoresError;

/// The certificate authority of one run, and the certificate that it issued to the servers.
pub(super) struct Certificates {
    pub(super) ca_pem: String,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

impl Certificates {
    pub(super) const CA_FILE: &'static str = "ca.pem";
    pub(super) const CERTIFICATE_FILE: &'static str = "server.pem";
    pub(super) const KEY_FILE: &'static str = "server.key";

    /// Creates certificates for these addresses and names.
    pub(super) fn make(sites: &[Ipv4Addr], names: &[String]) -> Result<Self, StoresError> {
        let ca_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority
            .distinguished_name
            .push(DnType::CommonName, "tiketi stores of one run");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_pem = authority.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(authority, ca_key);

        let key = KeyPair::generate()?;
        let subjects: Vec<_> = sites
            .iter()
            .map(ToString::to_string)
            .chain(names.iter().cloned())
            .collect();
        let mut server = CertificateParams::new(subjects)?;
        server
            .distinguished_name
            .push(DnType::CommonName, "redis-server");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(Self {
            ca_pem,
            certificate_pem: server.signed_by(&key, &issuer)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}
