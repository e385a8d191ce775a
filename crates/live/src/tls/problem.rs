//! Why a connection could not be opened or broke, in words, and what helps.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};
use tiketi_core::shown::on_one_line;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Most names of a certificate that are shown.
const NAMES_MAX: usize = 3;

/// Longest name of an authority that is shown, in characters.
const NAME_CHARS_MAX: usize = 120;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Problem {
    /// As a fragment of a sentence.
    pub(crate) words: String,
    /// What the user can do about it.
    pub(crate) remedy: Remedy,
}

/// What the user can do about a connection that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Start the server, or correct the URL.
    Server,
    /// Name the authority of the certificate.
    Authority,
    /// Renew the certificate.
    Validity,
    /// Name the server as the certificate does.
    Name,
    /// Present a client certificate.
    ClientCertificate,
    /// Ask another port, or without TLS.
    Scheme,
    /// Speak HTTP/1.1.
    Version,
}

impl Remedy {
    /// Returns the hint.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::Server => "start the server, or correct the URL",
            Self::Authority => {
                "pass the certificate of its authority with `--ca FILE`, or accept any certificate with `--insecure`"
            }
            Self::Validity => {
                "renew the certificate, or check the clock of this machine; `--insecure` accepts any certificate"
            }
            Self::Name => {
                "use the name of the certificate in the URL, or pass it with `--server-name NAME`; `--insecure` accepts any \
                 certificate"
            }
            Self::ClientCertificate => {
                "pass a client certificate that the target accepts with `--client-cert FILE --client-key FILE`"
            }
            Self::Scheme => "check scheme and port of the URL",
            Self::Version => "leave out `--http 2`",
        }
    }
}

impl Problem {
    pub(crate) fn new(words: impl Into<String>, remedy: Remedy) -> Self {
        Self {
            words: words.into(),
            remedy,
        }
    }

    /// Returns why TCP could not connect.
    pub(crate) fn of_tcp(error: &io::Error, is_own: bool) -> Self {
        let words = match error.kind() {
            _ if is_own => {
                format!("this machine has no free ports or files ({error})")
            }
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
            io::ErrorKind::NetworkUnreachable => "the network is unreachable".to_owned(),
            io::ErrorKind::TimedOut => "no response to the attempt to connect".to_owned(),
            _ => format!("no connection ({error})"),
        };
        Self::new(words, Remedy::Server)
    }

    /// Returns why the TLS handshake failed.
    pub(crate) fn of_handshake(error: &io::Error) -> Self {
        Self::of_tls(error).unwrap_or_else(|| {
            let words = match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    "it closed the connection in the TLS handshake".to_owned()
                }
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    "it reset the connection in the TLS handshake".to_owned()
                }
                _ => format!("the TLS handshake failed ({error})"),
            };
            Self::new(words, Remedy::Scheme)
        })
    }

    /// Returns the problem that TLS reports with an error; `None` if TLS did not cause it.
    pub(crate) fn of_tls(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<Error>() {
                return Some(in_words(error));
            }
            // The cause of an I/O error is not its source.
            let within = error.downcast_ref::<io::Error>();
            let within = within.and_then(io::Error::get_ref);
            next = match within {
                Some(within) => Some(within as &(dyn StdError + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

fn in_words(error: &Error) -> Problem {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            let found = other.downcast_ref::<Problem>().cloned();
            found.unwrap_or_else(|| {
                Problem::new(
                    format!("its certificate is not valid ({other})"),
                    Remedy::Authority,
                )
            })
        }
        Error::InvalidCertificate(error) => Problem::new(
            format!("its certificate is not valid ({error})"),
            Remedy::Authority,
        ),
        Error::AlertReceived(Alert::CertificateRequired) => {
            Problem::new("it demands a client certificate", Remedy::ClientCertificate)
        }
        Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::AccessDenied),
        ) => Problem::new(
            format!(
                "it does not accept the client certificate, or demands one (TLS alert {alert:?})"
            ),
            Remedy::ClientCertificate,
        ),
        Error::AlertReceived(Alert::UnrecognisedName) => Problem::new(
            "it does not know the name of the server (TLS alert UnrecognisedName)",
            Remedy::Name,
        ),
        Error::AlertReceived(Alert::HandshakeFailure) => Problem::new(
            "it refuses the TLS handshake (TLS alert HandshakeFailure): it may demand a client certificate, or have no cipher in \
             common",
            Remedy::ClientCertificate,
        ),
        Error::AlertReceived(Alert::ProtocolVersion) | Error::PeerIncompatible(_) => Problem::new(
            "it has no version of TLS or no cipher in common (TLS 1.2 and 1.3 are spoken)",
            Remedy::Scheme,
        ),
        Error::AlertReceived(Alert::NoApplicationProtocol) => {
            Problem::new("it does not offer HTTP/2", Remedy::Version)
        }
        Error::AlertReceived(alert) => Problem::new(
            format!("it refuses the TLS handshake (TLS alert {alert:?})"),
            Remedy::Scheme,
        ),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Problem::new("it does not speak TLS on this port", Remedy::Scheme)
        }
        error => Problem::new(
            format!("the TLS handshake failed ({error})"),
            Remedy::Scheme,
        ),
    }
}

/// Returns the error for a certificate that is not accepted, with what is wrong with it; `known` says which authorities are
/// trusted.
pub(super) fn of_certificate(
    error: &CertificateError,
    certificate: &CertificateDer<'_>,
    known: &str,
) -> Error {
    let problem = match error {
        CertificateError::ExpiredContext { not_after, .. } => Problem::new(
            format!("certificate expired on {}", day(*not_after)),
            Remedy::Validity,
        ),
        CertificateError::NotValidYetContext { not_before, .. } => Problem::new(
            format!("certificate is not valid before {}", day(*not_before)),
            Remedy::Validity,
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => Problem::new(
            format!(
                "certificate is for {}, not {}",
                names(presented),
                expected.to_str()
            ),
            Remedy::Name,
        ),
        CertificateError::UnknownIssuer => Problem::new(
            format!("{} (not among {known})", issuer(certificate)),
            Remedy::Authority,
        ),
        CertificateError::Other(other) if is_of_authority(other) => Problem::new(
            format!(
                "certificate is that of an authority itself: {} (not among {known})",
                issuer(certificate)
            ),
            Remedy::Authority,
        ),
        error => Problem::new(
            format!("certificate is not valid: {error}"),
            Remedy::Authority,
        ),
    };
    let other = OtherError(Arc::new(problem));
    Error::InvalidCertificate(CertificateError::Other(other))
}

fn is_of_authority(error: &OtherError) -> bool {
    error.0.to_string().contains("CaUsedAsEndEntity")
}

/// Who has issued a certificate, in words.
fn issuer(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return "certificate of an unknown authority".to_owned();
    };
    let shown = |name: &dyn ToString| -> String {
        let name = on_one_line(&name.to_string()).into_owned();
        name.chars().take(NAME_CHARS_MAX).collect()
    };
    if parsed.issuer() == parsed.subject() {
        format!("self-signed certificate: {}", shown(parsed.subject()))
    } else {
        format!(
            "certificate of an unknown authority: {}",
            shown(parsed.issuer())
        )
    }
}

/// The names of a certificate, which the verifier writes as `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let bare = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        let bare = bare.trim_end_matches(')').trim_matches('"');
        on_one_line(bare).into_owned()
    };
    let mut names: Vec<_> = presented.iter().take(NAMES_MAX).map(plain).collect();
    if names.is_empty() {
        return "no name at all (it has no subjectAltName)".to_owned();
    }
    if presented.len() > NAMES_MAX {
        names.push(format!("{} others", presented.len() - NAMES_MAX));
    }
    names.join(", ")
}

fn day(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => format!("second {second} since 1970"),
    }
}
