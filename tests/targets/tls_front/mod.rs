//! A TLS server in front of a plain one, for tests of targets with `https`.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A running front; dropping it stops it.
pub(crate) struct TlsFront {
    pub(crate) port: u16,
    /// The certificate of its authority, as PEM.
    pub(crate) authority: String,
    /// A client certificate and its key, as PEM.
    pub(crate) client: String,
    _stop_tx: tokio::sync::oneshot::Sender<()>,
}

impl TlsFront {
    /// Passes connections on to `to` after a handshake as `shop.example` that offers these protocols, of clients with a
    /// certificate only if `demands_client`.
    pub(crate) fn offering(to: SocketAddr, demands_client: bool, offered: &[&[u8]]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Staging Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (client, client_key) = issue("load");
        let (server, server_key) = issue("shop.example");
        let certificates = (authority.der(), server.der());
        let mut config = config(certificates, &server_key, demands_client);
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = pass_on(listener, acceptor, to) => {}
                    _ = stop_rx => {}
                }
            });
        });
        Self {
            port,
            authority: authority.pem(),
            client: client.pem() + &client_key.serialize_pem(),
            _stop_tx: stop_tx,
        }
    }
}

async fn pass_on(listener: TcpListener, acceptor: TlsAcceptor, to: SocketAddr) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client may break off at any time.
            let (Ok(mut tls), Ok(mut plain)) =
                (acceptor.accept(tcp).await, TcpStream::connect(to).await)
            else {
                return;
            };
            drop(copy_bidirectional(&mut tls, &mut plain).await);
        });
    }
}

fn config(
    (authority, certificate): (&CertificateDer<'static>, &CertificateDer<'static>),
    key: &KeyPair,
    demands_client: bool,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if demands_client {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![certificate.clone()], key);
    config.unwrap()
}
