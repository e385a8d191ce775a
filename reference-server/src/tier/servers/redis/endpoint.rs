//! Connecting to Redis: name resolution on every connect, TLS and login.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::super::names::Names;
use super::super::{ServersConfig, dial};

/// The primary endpoint and its credentials.
#[derive(Debug)]
pub(in crate::tier::servers) struct Endpoint {
    host: String,
    port: u16,
    names: Names,
    source: Option<Ipv4Addr>,
    identity: RedisConnectionInfo,
    tls: Option<Tls>,
    timeout: Duration,
}

struct Tls {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// An open connection, with or without TLS.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Endpoint {
    /// Describes the endpoint without connecting. `timeout` (real time) limits each connect and each command.
    pub(in crate::tier::servers) fn new(
        config: &ServersConfig,
        timeout: Duration,
    ) -> io::Result<Self> {
        let redis = &config.redis;
        let mut identity = RedisConnectionInfo::default().set_db(i64::from(redis.database));
        if let Some(username) = &redis.username {
            identity = identity.set_username(username);
        }
        if let Some(password) = &redis.password {
            identity = identity.set_password(&password.0);
        }
        let tls = redis
            .tls
            .then(|| Tls::new(&redis.host, redis.ca_pem.as_deref()));
        Ok(Self {
            host: redis.host.clone(),
            port: redis.port,
            names: Names::new(config.name_server)?,
            source: config.source,
            identity,
            tls: tls.transpose()?,
            timeout,
        })
    }

    /// Returns the timeout of a command in real time.
    pub(in crate::tier::servers) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects for commands. The second value drives the connection, and completes when it breaks.
    pub(in crate::tier::servers) async fn connect(
        &self,
    ) -> RedisResult<(MultiplexedConnection, impl Future<Output = ()> + 'static)> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.timeout));
        self.bounded(async {
            let wire = self.open().await?;
            MultiplexedConnection::new_with_config(&self.identity, wire, config).await
        })
        .await
    }

    /// Connects and subscribes to a channel.
    pub(in crate::tier::servers) async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        self.bounded(async {
            let mut subscription = PubSub::new(&self.identity, self.open().await?).await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        })
        .await
    }

    async fn open(&self) -> io::Result<Box<dyn Wire>> {
        let address = self.names.address(&self.host, self.port).await?;
        let stream = dial::connect(self.source, address).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let encrypted = tls.connector.connect(tls.server.clone(), stream).await?;
        Ok(Box::new(encrypted))
    }

    async fn bounded<T>(&self, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "Redis does not respond");
        let done = tokio::time::timeout(self.timeout, work);
        done.await.unwrap_or_else(|_| Err(timed_out().into()))
    }
}

impl Tls {
    fn new(host: &str, ca_pem: Option<&str>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        match ca_pem {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(invalid)?;
                    roots.add(certificate).map_err(invalid)?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server: ServerName::try_from(bare.to_owned()).map_err(invalid)?,
        })
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::servers::redis::test_node::TestNode;

    #[tokio::test]
    async fn connections_come_from_the_configured_address() {
        let Some(node) = TestNode::start(&["--protected-mode", "no"]) else {
            return;
        };
        let mut config = node.config();
        config.source = Some(Ipv4Addr::new(127, 0, 11, 9));
        let endpoint = Endpoint::new(&config, Duration::from_secs(10)).unwrap();
        let (mut connection, work) = endpoint.connect().await.unwrap();
        let work = tokio::spawn(work);
        let mut info = redis::cmd("CLIENT");
        let info: String = info.arg("INFO").query_async(&mut connection).await.unwrap();
        assert!(info.contains(" addr=127.0.11.9:"), "{info}");
        work.abort();
    }
}
