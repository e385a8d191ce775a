//! A primary PostgreSQL and its synchronous standby.

mod client;
mod config;
mod servers;

use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use client::Client;
pub use config::{PostgresKind, PostgresSettings};
use nix::sys::signal::Signal;
use tokio::sync::Mutex;

use crate::link::Link;
use crate::message::Ending;
use crate::server::Server;
use crate::site::{self, POLL, Site};
use crate::{Host, StoresError, port, secret};

/// Timeout for a standby to catch up with its primary and follow it. It takes less than a second.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of a promotion. It takes about 100 ms.
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a sample in addition to the configured lags.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout for a commit to appear on the standby in addition to the configured lags.
const LAG_MARGIN: Duration = Duration::from_secs(2);

/// A primary PostgreSQL and its optional standby. Dropping it ends the servers.
#[expect(
    missing_debug_implementations,
    reason = "contains passwords, and servers without useful output"
)]
pub struct PostgresPair {
    settings: PostgresSettings,
    port: u16,
    password: String,
    superuser_password: String,
    link: Link,
    sites: Vec<Site>,
    primary: Option<usize>,
    /// Whether commits wait for the standby, or did when the primary was lost. Then the standby has all commits.
    is_in_sync: bool,
    /// Our own connections, by site.
    clients: Mutex<Vec<Option<Client>>>,
    /// An error that could not be returned.
    trouble: Option<StoresError>,
    /// Dropped last: its directory must outlive the servers, because their guards read from it what to free.
    host: Host,
}

/// Metrics of PostgreSQL at one instant. Counts are those of the clients' database since the current primary started, up to a
/// second old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSample {
    /// Client connections.
    pub connections: u64,
    /// Queries that are waiting for a row lock of another transaction.
    pub row_locks_waited_for: u64,
    /// Committed transactions, including read-only ones.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Deadlocks resolved.
    pub deadlocks: u64,
    /// Size of the clients' database in bytes.
    pub size_bytes: u64,
    /// Measured time of a commit of one small row, including the wait for the standby.
    pub commit_time: Duration,
    /// Measured with that row: the time until the reader shows it or, for a standby that cannot be read, until the primary
    /// knows that the standby has written it. `None` if no standby follows. If the row didn't arrive within two seconds plus
    /// the configured lags, the lag is at least this long.
    pub replica_lag: Option<Duration>,
}

impl PostgresPair {
    /// Starts the servers. Returns when the primary accepts writes and every commit waits for the standby.
    pub async fn start(host: &Host, settings: PostgresSettings) -> Result<Self, StoresError> {
        site::assert_sites(&settings.sites);
        port::start(|| Self::start_once(host, settings.clone())).await
    }

    async fn start_once(host: &Host, settings: PostgresSettings) -> Result<Self, StoresError> {
        let mut pair = Self {
            host: host.clone(),
            port: port::free(&settings.sites)?,
            password: secret::password()?,
            superuser_password: secret::password()?,
            link: Link::open(settings.lag).await?,
            sites: settings.sites.iter().map(|it| Site::new(*it)).collect(),
            primary: None,
            is_in_sync: false,
            clients: Mutex::new(settings.sites.iter().map(|_| None).collect()),
            trouble: None,
            settings,
        };
        let server = pair.create(0).await?;
        pair.sites[0].run(server);
        pair.primary = Some(0);
        if pair.sites.len() > 1 {
            pair.restore(1).await?;
        }
        Ok(pair)
    }

    /// Returns the port, the same on every site.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address of a site's server for clients.
    pub fn address(&self, site: usize) -> SocketAddr {
        SocketAddr::from((self.sites[site].address, self.port))
    }

    /// Returns the password of the user `tiketi`, which owns the database `tiketi`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the site of the primary; `None` if it is lost and neither restored nor replaced.
    pub fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Kills the server of a site immediately. Without its standby, the primary no longer waits for it on commit. Losing the
    /// primary loses no acknowledged commit.
    ///
    /// Does nothing if the site is lost already.
    pub fn lose(&mut self, site: usize) {
        if !self.sites[site].is_alive() {
            return;
        }
        self.sites[site].lose();
        self.after_loss(site);
    }

    /// Stops the server of a site for good, as a loss of power does: its clients hear nothing until [`Self::end_silence`], or
    /// until the site is restored. Otherwise like [`Self::lose`].
    pub fn silence(&mut self, site: usize) {
        if !self.sites[site].is_alive() {
            return;
        }
        self.sites[site].silence();
        self.after_loss(site);
    }

    /// Kills the silent server of a lost site: connections to it break.
    pub fn end_silence(&mut self, site: usize) {
        self.sites[site].end_silence();
    }

    fn after_loss(&mut self, site: usize) {
        self.clients.get_mut()[site] = None;
        match self.primary {
            Some(primary) if primary == site => {
                self.primary = None;
                self.link.cut();
            }
            Some(primary) => {
                self.is_in_sync = false;
                let told = self.configure(primary, false);
                self.trouble = self.trouble.take().or(told.err());
            }
            None => {}
        }
    }

    /// Promotes the standby. Returns when it accepts writes.
    ///
    /// If the primary is still running, its site is lost first: there are never two primaries. Fails for a
    /// standby that has not caught up, because commits would be lost.
    pub async fn promote(&mut self, site: usize) -> Result<(), StoresError> {
        if self.primary == Some(site) {
            return Ok(());
        }
        if !self.sites[site].is_alive() {
            return Err(self.promotion_failed(site, "its site is lost"));
        }
        if !self.is_in_sync {
            return Err(self.promotion_failed(site, "it doesn't have all commits of its primary"));
        }
        if let Some(former) = self.primary {
            self.lose(former);
        }
        let promoting = async {
            let server = self.sites[site].alive().expect("it was alive before");
            File::create(config::Files(server.directory()).promote_signal())
                .map_err(|error| error.to_string())?;
            server.signal(Signal::SIGUSR1);
            loop {
                if let Some(how) = server.end() {
                    return Err(how);
                }
                if self.takes_writes(site).await {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        match tokio::time::timeout(PROMOTION_TIMEOUT, promoting).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(self.promotion_failed(site, &reason)),
            Err(_) => {
                let reason = format!(
                    "it accepts no writes after {} s",
                    PROMOTION_TIMEOUT.as_secs()
                );
                return Err(self.promotion_failed(site, &reason));
            }
        }
        self.primary = Some(site);
        self.is_in_sync = false;
        Ok(())
    }

    /// Restores a lost site. Returns when its server is ready.
    ///
    /// If there is a primary, the site gets a copy of it and follows it, and commits wait for it again. Otherwise it continues
    /// with the data it had: as the primary that it was, or as a standby without a primary. Does nothing if the site is not
    /// lost. If the future is dropped, the site is still lost, or its server is running and commits don't wait for it.
    pub async fn restore(&mut self, site: usize) -> Result<(), StoresError> {
        if self.sites[site].is_alive() {
            return Ok(());
        }
        match self.primary {
            Some(primary) => {
                if let Some(lost) = self.sites[site].server.take() {
                    lost.close().await;
                }
                // A standby that doesn't find its primary tries again later.
                self.link.lead_to(self.address(primary));
                let server = self.copy(site, primary).await?;
                self.sites[site].run(server);
            }
            None => {
                self.restart(site).await?;
                if let Some(primary) = self.primary {
                    self.link.lead_to(self.address(primary));
                }
            }
        }
        let Some(primary) = self.primary else {
            return Ok(());
        };
        let Some((standby, _)) = site::other_alive(&self.sites, primary) else {
            return Ok(());
        };
        let result = self.wait_until_in_sync(primary, standby).await;
        if result.is_err() {
            self.lose(standby);
        }
        result
    }

    /// Pauses the server of a site: it accepts connections and never responds. Commits wait for a paused standby. Does nothing
    /// if the site is lost.
    pub fn pause(&mut self, site: usize) {
        self.sites[site].pause();
    }

    /// Resumes a paused server.
    pub fn resume(&mut self, site: usize) {
        self.sites[site].resume();
        self.link.forgive();
    }

    /// Sets how long data is in transit to the standby. Applies to data that is already in transit as well.
    pub fn set_lag(&mut self, lag: Duration) {
        self.settings.lag = lag;
        self.link.set_lag(lag);
    }

    /// Sets how long after a commit the reader shows it. Has no effect on a standby that cannot be read.
    pub fn set_replica_lag(&mut self, lag: Duration) -> Result<(), StoresError> {
        self.settings.replica_lag = lag;
        for site in 0..self.sites.len() {
            if self.sites[site].is_alive() {
                let waits_for_standby = self.primary == Some(site) && self.is_in_sync;
                self.configure(site, waits_for_standby)?;
            }
        }
        Ok(())
    }

    /// Reads the metrics of the primary, and measures a commit and the standby's lag, which takes as long as these.
    pub async fn sample(&self) -> Result<PostgresSample, StoresError> {
        let primary = self.primary.ok_or(StoresError::NoPrimary)?;
        let mut clients = self.clients.lock().await;
        let limit = self.settings.lag + self.settings.replica_lag + LAG_MARGIN;
        let measuring = self.measure(&mut clients, primary, limit);
        let reason = match tokio::time::timeout(limit + ANSWER_TIMEOUT, measuring).await {
            Ok(Ok(sample)) => return Ok(sample),
            Ok(Err(error)) => words(&error),
            Err(_) => format!(
                "no response within {} s",
                (limit + ANSWER_TIMEOUT).as_secs()
            ),
        };
        clients.fill_with(|| None);
        Err(StoresError::Unreachable {
            server: servers::name(primary),
            reason,
        })
    }

    /// Fails if a server exited unexpectedly or the standby cannot follow its primary.
    pub fn check(&mut self) -> Result<(), StoresError> {
        match self.trouble.take() {
            Some(trouble) => Err(trouble),
            None => site::check(&self.sites, self.primary, &self.link, FOLLOW_TIMEOUT),
        }
    }

    /// Ends the servers and removes their files.
    pub async fn stop(self) {
        site::stop(self.sites).await;
    }

    async fn measure(
        &self,
        clients: &mut [Option<Client>],
        primary: usize,
        limit: Duration,
    ) -> Result<PostgresSample, tokio_postgres::Error> {
        let standby = site::other_alive(&self.sites, primary).map(|(standby, _)| standby);
        let reader = match self.settings.kind {
            PostgresKind::Aurora => standby.filter(|_| self.is_in_sync),
            PostgresKind::RdsMultiAz => None,
        };
        for site in [Some(primary), reader].into_iter().flatten() {
            if !clients[site].as_ref().is_some_and(Client::is_open) {
                clients[site] = Some(self.connect(site).await?);
            }
        }
        let client = clients[primary].as_ref().expect("it was connected before");
        let mut sample = client.sample().await?;
        sample.commit_time = client.beat().await?;
        sample.replica_lag = match reader.and_then(|it| clients[it].as_ref()) {
            Some(reader) => Some(client.lag_of_reader(reader, limit).await?),
            None => client.lag_of_standby(limit).await?,
        };
        Ok(sample)
    }

    /// Waits until the standby has caught up, and makes commits wait for it from then on.
    async fn wait_until_in_sync(
        &mut self,
        primary: usize,
        standby: usize,
    ) -> Result<(), StoresError> {
        let _without_lag = self.link.without_lag();
        let following = async {
            let unreachable = |error: tokio_postgres::Error| StoresError::Unreachable {
                server: servers::name(primary),
                reason: words(&error),
            };
            let client = self.connect(primary).await.map_err(unreachable)?;
            let mut is_asked = false;
            loop {
                let server = self.sites[standby].alive();
                if let Some(death) = server.and_then(Server::death) {
                    return Err(death);
                }
                let following = client.following().await.map_err(unreachable)?;
                if following.is_streaming && !is_asked {
                    // The data that commits will wait for is already in transit.
                    self.configure(primary, true)?;
                    is_asked = true;
                } else if following.is_synchronous && is_asked {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let result = tokio::time::timeout(FOLLOW_TIMEOUT, following).await;
        let result = result.unwrap_or_else(|_| {
            let server = self.sites[standby]
                .alive()
                .expect("it cannot be lost during this call");
            Err(StoresError::NeverCaughtUp {
                server: server.name().to_owned(),
                waited: FOLLOW_TIMEOUT,
                log_tail: server.log_tail(),
            })
        });
        self.is_in_sync = result.is_ok();
        result
    }

    /// Starts the server of a lost site with the data it had.
    async fn restart(&mut self, site: usize) -> Result<(), StoresError> {
        let lost = self.sites[site].server.as_mut();
        let lost = lost.ok_or_else(|| StoresError::Unreachable {
            server: servers::name(site),
            reason: "its data is lost and there is no primary to copy".to_owned(),
        })?;
        lost.wait_for_end().await;
        let directory = lost.directory().to_owned();
        let is_standby = config::Files(&directory).standby_signal().exists();
        let mut server = self.start_again(site, &directory).await?;
        // From here on, the directory belongs to the new server.
        server.set_ending(Ending::Remove);
        if let Some(mut lost) = self.sites[site].server.take() {
            lost.set_ending(Ending::Keep);
            lost.close().await;
        }
        self.sites[site].run(server);
        if !is_standby {
            self.primary = Some(site);
        }
        Ok(())
    }

    async fn takes_writes(&self, site: usize) -> bool {
        let Ok(client) = self.connect(site).await else {
            return false;
        };
        matches!(client.is_in_recovery().await, Ok(false)) && client.beat().await.is_ok()
    }

    async fn connect(&self, site: usize) -> Result<Client, tokio_postgres::Error> {
        Client::connect(self.address(site), &self.superuser_password).await
    }

    fn promotion_failed(&self, site: usize, reason: &str) -> StoresError {
        StoresError::PromotionFailed {
            server: servers::name(site),
            reason: reason.to_owned(),
            log_tail: match &self.sites[site].server {
                Some(server) => server.log_tail(),
                None => "no log".to_owned(),
            },
        }
    }
}

/// Describes an error with its cause: the outer message is only "db error".
fn words(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
