//! How a target is connected to: which certificates are accepted, and which one is presented.

use std::path::Path;

use super::args::ConnectionArguments;
use super::exit::{Exit, complain};
use super::input::{self, Kind};
use super::source;
use tiketi_live::http2::HttpVersion;
use tiketi_live::tls::{Trust, TrustError};

impl ConnectionArguments {
    /// Returns the version of HTTP.
    pub(super) fn version(&self) -> HttpVersion {
        match self.http.as_deref() {
            Some("1.1") => HttpVersion::Http1,
            Some("2") => HttpVersion::Http2,
            Some(_) | None => HttpVersion::Auto,
        }
    }

    /// Reads the certificates, or prints what is wrong with one.
    pub(super) fn trust(&self) -> Result<Trust, Exit> {
        let mut trust = Trust::default();
        for path in &self.ca {
            let added = trust.add_authorities(&bytes(path)?);
            added.map_err(|error| {
                let hint = "pass the certificate of the authority as PEM, such as `openssl x509 -in FILE` prints it";
                unusable(path, &error, hint)
            })?;
        }
        if let Some(path) = &self.client_cert {
            let chain = bytes(path)?;
            let key = self.client_key.as_deref().map(bytes).transpose()?;
            let set = trust.set_client(&chain, key.as_deref().unwrap_or(&chain));
            set.map_err(|error| {
                let is_of_key = matches!(error, TrustError::NoKey | TrustError::EncryptedKey);
                let file = self.client_key.as_ref().filter(|_| is_of_key);
                let hint = match error {
                    TrustError::NoKey if self.client_key.is_none() => {
                        "pass the key with --client-key FILE, or put it into the file of the certificate"
                    }
                    TrustError::EncryptedKey => {
                        "remove the password, such as with `openssl pkey -in FILE -out FILE`"
                    }
                    _ => "pass certificate and key as PEM, the certificate first",
                };
                unusable(file.unwrap_or(path), &error, hint)
            })?;
        }
        if let Some(name) = &self.server_name {
            trust.set_server_name(name).map_err(|error| {
                complain(
                    format_args!("--server-name: {error}"),
                    Some("pass the name that the certificate has, without scheme and port"),
                );
                Exit::BadScenario
            })?;
        }
        if self.insecure {
            trust.accept_any();
        }
        Ok(trust)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Exit> {
    let kind = Kind::Certificate;
    input::bytes(kind, path).map_err(|error| source::cannot_read(kind, path, &error))
}

fn unusable(path: &Path, error: &TrustError, hint: &str) -> Exit {
    complain(format_args!("{}: {error}", input::shown(path)), Some(hint));
    Exit::BadScenario
}
