//! A primary Redis and its asynchronous replica.

mod client;
mod config;
mod tls;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use client::{Client, Role};
use config::Ports;
pub use config::{Admission, Eviction, RedisSettings};
use tls::Certificates;

use crate::link::Link;
use crate::message::{Ending, Invocation, Order};
use crate::server::Server;
use crate::site::{self, POLL, Site};
use crate::{Host, StoresError, port, secret};

/// Timeout of a start. It takes about 50 ms on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Timeout for a replica to copy the primary's data and follow it. It takes a second or two.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a promotion. It is usually immediate.
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a sample waits for the replica in addition to the configured lag.
const LAG_MARGIN: Duration = Duration::from_secs(2);

/// A primary Redis and its optional replica. Dropping it ends the servers.
#[expect(
    missing_debug_implementations,
    reason = "contains a password, and servers without useful output"
)]
pub struct RedisPair {
    settings: RedisSettings,
    ports: Ports,
    password: Option<String>,
    certificates: Option<Certificates>,
    link: Link,
    sites: Vec<Site>,
    primary: Option<usize>,
    /// Dropped last: its directory must outlive the servers, because their guards read from it what to free.
    host: Host,
}

/// Metrics of Redis at one instant. Counts start with the current primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSample {
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Memory for data; `None` means no limit.
    pub memory_max_bytes: Option<u64>,
    /// Keys evicted to make room.
    pub keys_evicted: u64,
    /// Commands rejected because memory was full.
    pub writes_refused: u64,
    /// Connected clients, including the connection of this sample.
    pub clients_connected: u64,
    /// Measured time from a write until the replica acknowledges it; `None` if no replica follows. If there was no
    /// acknowledgement within two seconds plus the configured lag, the lag is at least this long.
    pub replica_lag: Option<Duration>,
}

impl RedisPair {
    /// Starts the servers. Returns when the primary responds and the replica follows it.
    pub async fn start(host: &Host, settings: RedisSettings) -> Result<Self, StoresError> {
        site::assert_sites(&settings.sites);
        port::start(|| Self::start_once(host, settings.clone())).await
    }

    async fn start_once(host: &Host, settings: RedisSettings) -> Result<Self, StoresError> {
        let certificates = match settings.tls {
            true => Some(Certificates::make(&settings.sites, &settings.names)?),
            false => None,
        };
        let mut pair = Self {
            host: host.clone(),
            ports: free_ports(&settings)?,
            password: match settings.admission {
                Admission::Password => Some(secret::password()?),
                Admission::Anyone => None,
            },
            certificates,
            link: Link::open(settings.lag).await?,
            sites: settings.sites.iter().map(|it| Site::new(*it)).collect(),
            primary: None,
            settings,
        };
        for site in 0..pair.sites.len() {
            pair.restore(site).await?;
        }
        Ok(pair)
    }

    /// Returns the port for clients, the same on every site.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// Returns the address of a site's server for clients.
    pub fn address(&self, site: usize) -> SocketAddr {
        SocketAddr::from((self.sites[site].address, self.ports.clients))
    }

    /// Returns the password of the default user; `None` if everyone may use the servers.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns the certificate authority that clients trust, as PEM; `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificates.as_ref().map(|it| it.ca_pem.as_str())
    }

    /// Returns the site of the primary; `None` if it is lost and neither restored nor replaced.
    pub fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Kills the server of a site immediately. Losing the primary also loses the writes in transit to the replica.
    ///
    /// Does nothing if the site is lost already.
    pub fn lose(&mut self, site: usize) {
        self.sites[site].lose();
        if self.primary == Some(site) {
            self.primary = None;
            self.link.cut();
        }
    }

    /// Stops the server of a site for good, as a loss of power does: its clients hear nothing until [`Self::end_silence`], or
    /// until the site is restored. What it has acknowledged is lost as with [`Self::lose`].
    pub fn silence(&mut self, site: usize) {
        self.sites[site].silence();
        if self.primary == Some(site) {
            self.primary = None;
            self.link.cut();
        }
    }

    /// Kills the silent server of a lost site: connections to it break.
    pub fn end_silence(&mut self, site: usize) {
        self.sites[site].end_silence();
    }

    /// Promotes a replica with the data it has. Returns when it accepts writes.
    ///
    /// If the primary is still running, its site is lost first: there are never two primaries.
    pub async fn promote(&mut self, site: usize) -> Result<(), StoresError> {
        if self.primary == Some(site) {
            return Ok(());
        }
        if !self.sites[site].is_alive() {
            return Err(StoresError::PromotionFailed {
                server: name(site),
                reason: "its site is lost".to_owned(),
                log_tail: "no log".to_owned(),
            });
        }
        if let Some(former) = self.primary {
            self.lose(former);
        }
        let server = self.sites[site].alive().expect("it was alive before");
        let failed = |reason: String| StoresError::PromotionFailed {
            server: server.name().to_owned(),
            reason,
            log_tail: server.log_tail(),
        };
        let address = self.plain_address(site);
        let takeover = async {
            let mut client = Client::connect(address, self.password()).await?;
            client.follow_nobody().await?;
            while client.role().await? != Role::Primary {
                tokio::time::sleep(POLL).await;
            }
            Ok::<_, redis::RedisError>(())
        };
        match tokio::time::timeout(PROMOTION_TIMEOUT, takeover).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => {
                return Err(failed(format!(
                    "no response within {} s",
                    PROMOTION_TIMEOUT.as_secs()
                )));
            }
        }
        self.primary = Some(site);
        Ok(())
    }

    /// Restores a lost site with an empty server, which follows the primary or, if there is none, becomes the primary.
    ///
    /// A replica copies a primary that comes back empty, too. Returns when the replica follows. Does nothing if the site is
    /// not lost. If the future is dropped, the site is still lost, or its server is still copying.
    pub async fn restore(&mut self, site: usize) -> Result<(), StoresError> {
        if self.sites[site].is_alive() {
            return Ok(());
        }
        if let Some(lost) = self.sites[site].server.take() {
            lost.close().await;
        }
        let _without_lag = self.link.without_lag();
        if let Some(primary) = self.primary {
            // A replica that doesn't find its primary tries again a second later.
            self.link.lead_to(self.plain_address(primary));
        }
        let server = self.start_server(site).await?;
        self.sites[site].run(server);
        if self.primary.is_none() {
            self.primary = Some(site);
            self.link.lead_to(self.plain_address(site));
        }
        let result = self.wait_until_followed().await;
        if result.is_err() {
            self.lose(site);
        }
        result
    }

    /// Pauses the server of a site: it accepts connections and never responds. Does nothing if the site is lost.
    pub fn pause(&mut self, site: usize) {
        self.sites[site].pause();
    }

    /// Resumes a paused server.
    pub fn resume(&mut self, site: usize) {
        self.sites[site].resume();
        self.link.forgive();
    }

    /// Sets how long a write is in transit to the replica. Applies to writes that are already in transit as well.
    pub fn set_lag(&mut self, lag: Duration) {
        self.settings.lag = lag;
        self.link.set_lag(lag);
    }

    /// Reads the metrics of the primary, and measures the replica's lag, which takes as long as the lag.
    pub async fn sample(&self) -> Result<RedisSample, StoresError> {
        let site = self.primary.ok_or(StoresError::NoPrimary)?;
        let unreachable = |error: redis::RedisError| StoresError::Unreachable {
            server: name(site),
            reason: error.to_string(),
        };
        let mut client = Client::connect(self.plain_address(site), self.password())
            .await
            .map_err(unreachable)?;
        let mut sample = client.sample().await.map_err(unreachable)?;
        let limit = self.settings.lag + LAG_MARGIN;
        sample.replica_lag = client.replica_lag(limit).await.map_err(unreachable)?;
        Ok(sample)
    }

    /// Fails if a server exited unexpectedly or a replica cannot follow its primary.
    pub fn check(&mut self) -> Result<(), StoresError> {
        site::check(&self.sites, self.primary, &self.link, FOLLOW_TIMEOUT)
    }

    /// Ends the servers and removes their files.
    pub async fn stop(self) {
        site::stop(self.sites).await;
    }

    /// Waits until the replica, if there is one, follows the primary.
    async fn wait_until_followed(&self) -> Result<(), StoresError> {
        let primary = self.primary.expect("there is a primary by now");
        let Some((follower, replica)) = site::other_alive(&self.sites, primary) else {
            return Ok(());
        };
        let following = async {
            loop {
                if let Some(death) = replica.death() {
                    return Err(death);
                }
                if let Ok(true) = self.is_followed(primary, follower).await {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let result = tokio::time::timeout(FOLLOW_TIMEOUT, following).await;
        result.unwrap_or_else(|_| {
            Err(StoresError::NeverCaughtUp {
                server: replica.name().to_owned(),
                waited: FOLLOW_TIMEOUT,
                log_tail: replica.log_tail(),
            })
        })
    }

    /// Returns whether the replica follows: both ends say so, and a write reaches the replica. Each end may not have noticed yet
    /// that a connection was cut, and a replica with all data receives no writes before it has acknowledged the data.
    async fn is_followed(&self, primary: usize, replica: usize) -> redis::RedisResult<bool> {
        let mut replica = Client::connect(self.plain_address(replica), self.password()).await?;
        let mut primary = Client::connect(self.plain_address(primary), self.password()).await?;
        Ok(replica.has_primary().await?
            && primary.has_replica().await?
            && primary.reaches_replica(LAG_MARGIN).await?)
    }

    async fn start_server(&self, site: usize) -> Result<Server, StoresError> {
        let name = name(site);
        let directory = self.host.directory(&name);
        let mut server = Server::claim(&self.host, &name, &directory, Ending::Remove)?;
        self.host.make(&directory)?;
        self.write_files(site, &directory)?;
        let order = Order {
            ids: self.host.account().ids(),
            steps: Vec::new(),
            server: Invocation {
                program: self.host.programs().redis_server.clone(),
                arguments: vec![config::path(&directory).display().to_string()],
                environment: Vec::new(),
            },
            shared_memory: None,
        };
        server.start(order).await?;
        self.wait_until_answers(site, server).await
    }

    fn write_files(&self, site: usize, directory: &Path) -> Result<(), StoresError> {
        let primary = self.primary.map(|_| self.link.address());
        let address = self.sites[site].address;
        let text = config::file(
            &self.settings,
            address,
            self.ports,
            self.password(),
            primary,
        );
        self.host.write(&config::path(directory), &text)?;
        let Some(certificates) = &self.certificates else {
            return Ok(());
        };
        for (file, text) in [
            (Certificates::CA_FILE, &certificates.ca_pem),
            (
                Certificates::CERTIFICATE_FILE,
                &certificates.certificate_pem,
            ),
            (Certificates::KEY_FILE, &certificates.key_pem),
        ] {
            self.host.write(&directory.join(file), text)?;
        }
        Ok(())
    }

    async fn wait_until_answers(&self, site: usize, server: Server) -> Result<Server, StoresError> {
        let answering = async {
            loop {
                if let Some(how) = server.end() {
                    return Err(server.death_at_start(how));
                }
                let client = Client::connect(self.plain_address(site), self.password()).await;
                if let Ok(mut client) = client
                    && client.role().await.is_ok()
                {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        match tokio::time::timeout(START_TIMEOUT, answering).await {
            Ok(Ok(())) => Ok(server),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoresError::StartTimeout {
                server: server.name().to_owned(),
                waited: START_TIMEOUT,
                log_tail: server.log_tail(),
            }),
        }
    }

    /// Returns the address of a site's server without TLS; the same as for clients if they don't use TLS either.
    pub fn plain_address(&self, site: usize) -> SocketAddr {
        SocketAddr::from((self.sites[site].address, self.ports.own))
    }
}

fn free_ports(settings: &RedisSettings) -> Result<Ports, StoresError> {
    let clients = port::free(&settings.sites)?;
    let mut own = clients;
    while settings.tls && own == clients {
        own = port::free(&settings.sites)?;
    }
    Ok(Ports { clients, own })
}

fn name(site: usize) -> String {
    format!("redis-{site}")
}
