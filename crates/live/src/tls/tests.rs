//! Servers with each kind of certificate, and what the load generator says about them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::clock::{Clock, unix_now_ns};
use crate::dialer::Dialer;
use crate::http::{Http, Identity, Outgoing};
use crate::reach::Reach;
use crate::resolver::Names;
use crate::setup::host_header;

const TIMEOUT: Duration = Duration::from_secs(10);

/// An authority that signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Issued {
    pem: String,
    key: KeyPair,
}

fn named(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        named(&mut params, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        named(&mut params, name);
        change(&mut params);
        Issued {
            pem: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key,
        }
    }

    fn trust(&self) -> Trust {
        let mut trust = Trust::default();
        trust.add_authorities(self.pem.as_bytes()).unwrap();
        trust
    }
}

/// A certificate that nobody else has signed, marked as that of an authority, as `openssl req -x509` writes it.
fn self_signed(name: &str) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    named(&mut params, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Issued {
        pem: params.self_signed(&key).unwrap().pem(),
        key,
    }
}

/// Serves `ok` with a certificate, to clients of `clients` only if there are any. Returns the port.
async fn server(issued: &Issued, clients: Option<&Authority>) -> u16 {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
            roots.add(root).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
    let config = builder.with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut request = vec![0; 4096];
                // The client may be gone.
                drop(tls.read(&mut request).await);
                drop(
                    tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await,
                );
                drop(tls.shutdown().await);
            });
        }
    });
    port
}

/// Asks the server on a port of this machine under a name. An error is what is said about it, and what helps.
async fn ask(host: &str, port: u16, trust: &Trust) -> Result<StatusCode, (String, Remedy)> {
    let entry = EntryPoint {
        scheme: Scheme::Https,
        host: host.to_owned(),
        port,
        base: String::new(),
        dns: None,
        page: None,
        edge: None,
        hosts: Vec::new(),
        // As a load worker gets it.
        trust: serde_json::from_str(&serde_json::to_string(trust).unwrap()).unwrap(),
        http: HttpVersion::Http1,
        reach: Reach::Loopback,
    };
    let clock = Clock::starting_at(unix_now_ns(), 1.0);
    let names = Names::new(&entry, clock).unwrap();
    let dialer = Dialer::new(names, Tls::to(&entry).unwrap(), Vec::new(), TIMEOUT);
    let host = host_header(host.to_owned()).unwrap();
    let http = Http::new(dialer, host, clock, TIMEOUT, 1);
    let outgoing = Outgoing {
        method: Method::GET,
        uri: Uri::from_static("/"),
        host: None,
        body: Bytes::new(),
        headers: Vec::new(),
        has_bearer: false,
        is_idempotent: true,
    };
    let identity = Identity {
        authorization: None,
        cookie: None,
        pass: None,
    };
    let asking = async {
        let (_, received) = http.call(&outgoing, &identity).await;
        received.map(|received| received.status).map_err(|_| {
            let problem = http.dialer().problem().unwrap();
            (problem.words, problem.remedy)
        })
    };
    LocalSet::new().run_until(Box::pin(asking)).await
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_accepted_if_the_authority_is_named() {
    let authority = Authority::new("Staging Root");
    let port = server(&authority.issue("localhost", |_| {}), None).await;
    let trusted = ask("localhost", port, &authority.trust()).await;
    assert_eq!(trusted, Ok(StatusCode::OK));
    let (words, remedy) = ask("localhost", port, &Trust::default()).await.unwrap_err();
    assert!(
        words.starts_with("certificate of an unknown authority: CN=Staging Root (not among the "),
        "{words}"
    );
    assert_eq!(remedy, Remedy::Authority);
    let mut both = Authority::new("Another").trust();
    both.add_authorities(authority.pem.as_bytes()).unwrap();
    assert_eq!(ask("localhost", port, &both).await, Ok(StatusCode::OK));
}

#[tokio::test]
async fn an_expired_certificate_is_rejected_with_its_day() {
    let authority = Authority::new("Staging Root");
    let expired = authority.issue("localhost", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 3, 4);
    });
    let port = server(&expired, None).await;
    let refused = ask("localhost", port, &authority.trust()).await;
    let words = "certificate expired on 2021-03-04".to_owned();
    assert_eq!(refused, Err((words, Remedy::Validity)));
    let early = authority.issue("localhost", |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(2999, 3, 4);
    });
    let port = server(&early, None).await;
    let refused = ask("localhost", port, &authority.trust()).await;
    let words = "certificate is not valid before 2999-01-01".to_owned();
    assert_eq!(refused, Err((words, Remedy::Validity)));
}

#[tokio::test]
async fn a_certificate_of_another_name_is_rejected_unless_the_name_is_given() {
    let authority = Authority::new("Staging Root");
    let other = authority.issue("shop.example", |_| {});
    let port = server(&other, None).await;
    let mut trust = authority.trust();
    for host in ["localhost", "127.0.0.1"] {
        let refused = ask(host, port, &trust).await;
        let words = format!("certificate is for shop.example, not {host}");
        assert_eq!(refused, Err((words, Remedy::Name)));
    }
    trust.set_server_name("shop.example").unwrap();
    assert_eq!(ask("127.0.0.1", port, &trust).await, Ok(StatusCode::OK));
    // The other hosts of the system have names of their own.
    let refused = ask("127.0.0.1", port, &trust.of_other_host()).await;
    assert_eq!(refused.unwrap_err().1, Remedy::Name);
}

#[tokio::test]
async fn a_client_certificate_is_presented_to_a_server_that_demands_one() {
    let authority = Authority::new("Staging Root");
    let clients = Authority::new("Clients");
    let port = server(&authority.issue("localhost", |_| {}), Some(&clients)).await;
    let mut trust = authority.trust();
    let refused = ask("localhost", port, &trust).await;
    let words = "it demands a client certificate".to_owned();
    assert_eq!(refused, Err((words, Remedy::ClientCertificate)));
    let known = clients.issue("load", |_| {});
    let key = known.key.serialize_pem();
    trust
        .set_client(known.pem.as_bytes(), key.as_bytes())
        .unwrap();
    assert_eq!(ask("localhost", port, &trust).await, Ok(StatusCode::OK));
    let stranger = authority.issue("load", |_| {});
    let both = stranger.pem.clone() + &stranger.key.serialize_pem();
    trust.set_client(both.as_bytes(), both.as_bytes()).unwrap();
    let (words, remedy) = ask("localhost", port, &trust).await.unwrap_err();
    assert!(
        words.starts_with("it does not accept the client certificate"),
        "{words}"
    );
    assert_eq!(remedy, Remedy::ClientCertificate);
}

#[tokio::test]
async fn any_certificate_is_accepted_only_if_that_is_asked_for() {
    let expired = Authority::new("Nobody").issue("shop.example", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 3, 4);
    });
    let port = server(&expired, None).await;
    let mut trust = Trust::default();
    assert!(ask("localhost", port, &trust).await.is_err());
    trust.accept_any();
    assert_eq!(ask("localhost", port, &trust).await, Ok(StatusCode::OK));
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_if_it_is_named() {
    let own = self_signed("localhost");
    let port = server(&own, None).await;
    let (words, remedy) = ask("localhost", port, &Trust::default()).await.unwrap_err();
    assert!(words.contains("CN=localhost"), "{words}");
    assert_eq!(remedy, Remedy::Authority);
    let mut trust = Trust::default();
    trust.add_authorities(own.pem.as_bytes()).unwrap();
    assert_eq!(ask("localhost", port, &trust).await, Ok(StatusCode::OK));
    let refused = ask("127.0.0.1", port, &trust).await;
    let words = "certificate is for localhost, not 127.0.0.1".to_owned();
    assert_eq!(refused, Err((words, Remedy::Name)));
    // Another certificate of the same name is not the one that was named.
    let port = server(&self_signed("localhost"), None).await;
    assert!(ask("localhost", port, &trust).await.is_err());
}

#[tokio::test]
async fn a_port_without_tls_or_without_a_server_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        // The client closes.
        drop(tcp.read(&mut [0; 512]).await);
    });
    let refused = ask("127.0.0.1", port, &Trust::default()).await;
    let words = "it does not speak TLS on this port".to_owned();
    assert_eq!(refused, Err((words, Remedy::Scheme)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = ask("127.0.0.1", port, &Trust::default()).await;
    let words = "connection refused".to_owned();
    assert_eq!(refused, Err((words, Remedy::Server)));
}

#[test]
fn files_that_are_no_certificates_or_keys_are_rejected() {
    let authority = Authority::new("Staging Root");
    let one = authority.issue("load", |_| {});
    let other = authority.issue("load", |_| {});
    let mut trust = Trust::default();
    let error = trust.add_authorities(b"garbage").unwrap_err();
    assert_eq!(error, TrustError::NoCertificate);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = trust.add_authorities(broken.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("certificate 1"), "{error}");
    let mut set = |chain: &str, key: &str| {
        trust
            .set_client(chain.as_bytes(), key.as_bytes())
            .unwrap_err()
    };
    assert_eq!(set("", ""), TrustError::NoCertificate);
    assert_eq!(set(&one.pem, &one.pem), TrustError::NoKey);
    assert_eq!(
        set(&one.pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
        TrustError::EncryptedKey
    );
    assert_eq!(
        set(&one.pem, &other.key.serialize_pem()),
        TrustError::Mismatch
    );
    assert!(trust.set_server_name("https://a.example").is_err());
    assert!(trust.set_server_name("a.example").is_ok());
}

#[test]
fn a_private_key_is_not_shown() {
    let issued = Authority::new("Staging Root").issue("load", |_| {});
    let mut trust = Trust::default();
    let key = issued.key.serialize_pem();
    trust
        .set_client(issued.pem.as_bytes(), key.as_bytes())
        .unwrap();
    assert!(format!("{trust:?}").contains("ClientCertificate { .. }"));
}
