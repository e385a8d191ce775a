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

use crate::guard::Ending;
use crate::link::Link;
use crate::server::Server;
use crate::site::{self, Site};
use crate::{Host, StoresError, port, secret};

/// How long a standby has to catch up with its primary and follow it; it takes less than a second.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a standby has to take over once it was asked to; it takes some 100 ms.
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a server is asked whether it is ready.
const POLL: Duration = Duration::from_millis(10);
/// How long a server has to answer a sample's questions beyond the lags that were set.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the reader has to show a commit beyond the lags that were set.
const LAG_MARGIN: Duration = Duration::from_secs(2);
/// Ports that are tried when another process takes one between its choice and the start of the server.
const PORT_TRIES: u32 = 5;

/// A primary PostgreSQL and its standby, if it has one. What is not stopped ends when this is dropped.
#[expect(
    missing_debug_implementations,
    reason = "holds passwords, and servers that have nothing to show"
)]
pub struct PostgresPair {
    settings: PostgresSettings,
    port: u16,
    password: String,
    superuser_password: String,
    link: Link,
    sites: Vec<Site>,
    primary: Option<usize>,
    /// Whether commits wait for the standby, or did when the primary was lost: then it has them all.
    is_in_sync: bool,
    /// Our own connections, by site.
    clients: Mutex<Vec<Option<Client>>>,
    /// What went wrong where nobody could be told.
    trouble: Option<StoresError>,
    /// The last to go: its directory must outlive the servers, whose guards read in it what to free.
    host: Host,
}

/// What PostgreSQL shows of itself at one moment: counts of the clients' database since the present primary started,
/// up to a second old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSample {
    /// Connections of clients.
    pub connections: u64,
    /// Queries that wait at this moment for a row another transaction has locked.
    pub row_locks_waited_for: u64,
    /// Transactions committed, those that only read included.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Deadlocks broken.
    pub deadlocks: u64,
    /// Size of the clients' database in bytes.
    pub size_bytes: u64,
    /// Measured: how long the commit of one small row took, the wait for the standby included.
    pub commit_time: Duration,
    /// Measured with that row: from its making until the reader showed it, or, of a standby that cannot be read, until
    /// the primary knew that it had written it. `None` without a standby that follows. When the row was not there within
    /// two seconds more than the lags that were set, the lag is at least this.
    pub replica_lag: Option<Duration>,
}

impl PostgresPair {
    /// Starts the servers, and returns when the primary takes writes and waits for its standby with every commit.
    pub async fn start(host: &Host, settings: PostgresSettings) -> Result<Self, StoresError> {
        site::assert_sites(&settings.sites);
        let mut tries = 0;
        loop {
            tries += 1;
            // Boxed: starts are rare, and their futures large.
            match Box::pin(Self::start_once(host, settings.clone())).await {
                Err(StoresError::PortTaken { .. }) if tries < PORT_TRIES => {}
                result => return result,
            }
        }
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

    /// Returns where clients find the server of a site.
    pub fn address(&self, site: usize) -> SocketAddr {
        SocketAddr::from((self.sites[site].address, self.port))
    }

    /// Returns the password of the user `tiketi`, who owns the database `tiketi`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the site of the primary; `None` from its loss until a promotion or its return.
    pub fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Kills the server of a site at once. With a standby, commits stop waiting for it; of a primary's commits, none
    /// that was acknowledged is lost.
    ///
    /// Does nothing to a site that is lost already.
    pub fn lose(&mut self, site: usize) {
        if !self.sites[site].is_alive() {
            return;
        }
        self.sites[site].lose();
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

    /// Makes the standby the primary, and returns when it takes writes.
    ///
    /// A primary that still runs is shut out first, as though its site were lost: there are never two. A standby that
    /// had not caught up is not promoted, since commits would be lost.
    pub async fn promote(&mut self, site: usize) -> Result<(), StoresError> {
        if self.primary == Some(site) {
            return Ok(());
        }
        if !self.sites[site].is_alive() {
            return Err(self.promotion_failed(site, "its site is lost"));
        }
        if !self.is_in_sync {
            return Err(self.promotion_failed(site, "it does not have all commits of its primary"));
        }
        if let Some(former) = self.primary {
            self.lose(former);
        }
        let promoting = async {
            let server = self.sites[site].alive().expect("it was alive just now");
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
                let reason = format!("no write within {} s", PROMOTION_TIMEOUT.as_secs());
                return Err(self.promotion_failed(site, &reason));
            }
        }
        self.primary = Some(site);
        self.is_in_sync = false;
        Ok(())
    }

    /// Brings back a site, and returns when its server is ready.
    ///
    /// With a primary elsewhere it gets a copy of that and follows it, and commits wait for it again. Without one it
    /// goes on with the data it had when it was lost: as the primary it was, or as a standby that waits for one. Does
    /// nothing to a site that is not lost. The future may be dropped: then the site is lost still, or its server lives
    /// and commits do not wait for it.
    pub async fn restore(&mut self, site: usize) -> Result<(), StoresError> {
        if self.sites[site].is_alive() {
            return Ok(());
        }
        match self.primary {
            Some(primary) => {
                if let Some(lost) = self.sites[site].server.take() {
                    lost.close().await;
                }
                // A standby that finds its primary at once need not try again later.
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

    /// Stops the server of a site: it accepts connections and never answers. Commits wait for a standby that is stopped.
    /// Does nothing to a lost site.
    pub fn pause(&mut self, site: usize) {
        self.sites[site].pause();
    }

    /// Lets a stopped server go on.
    pub fn resume(&mut self, site: usize) {
        self.sites[site].resume();
        self.link.forgive();
    }

    /// Sets how long data is under way to the standby from now on, data that already is included.
    pub fn set_lag(&mut self, lag: Duration) {
        self.settings.lag = lag;
        self.link.set_lag(lag);
    }

    /// Sets how long after a commit the reader shows it from now on; without meaning for a standby that is not read.
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

    /// Asks the primary how it is, and measures a commit and the standby's lag, which takes as long as that.
    pub async fn sample(&self) -> Result<PostgresSample, StoresError> {
        let primary = self.primary.ok_or(StoresError::NoPrimary)?;
        let mut clients = self.clients.lock().await;
        let limit = self.settings.lag + self.settings.replica_lag + LAG_MARGIN;
        let measuring = self.measure(&mut clients, primary, limit);
        let reason = match tokio::time::timeout(limit + ANSWER_TIMEOUT, measuring).await {
            Ok(Ok(sample)) => return Ok(sample),
            Ok(Err(error)) => words(&error),
            Err(_) => format!("silence for {} s", (limit + ANSWER_TIMEOUT).as_secs()),
        };
        clients.fill_with(|| None);
        Err(StoresError::Unreachable {
            server: servers::name(primary),
            reason,
        })
    }

    /// Says whether a server died that nobody had lost, or the standby cannot follow its primary.
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
        let client = clients[primary]
            .as_ref()
            .expect("it was connected just now");
        let mut sample = client.sample().await?;
        sample.commit_time = client.beat().await?;
        sample.replica_lag = match reader.and_then(|it| clients[it].as_ref()) {
            Some(reader) => Some(client.lag_of_reader(reader, limit).await?),
            None => client.lag_of_standby(limit).await?,
        };
        Ok(sample)
    }

    /// Waits until the standby has everything, and lets commits wait for it from then on.
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
                    // What a commit has to wait for is now on its way.
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
                .expect("nobody lost it meanwhile");
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
            reason: "its data is lost, and there is no primary to copy".to_owned(),
        })?;
        lost.wait_for_end().await;
        let directory = lost.directory().to_owned();
        let is_standby = config::Files(&directory).standby_signal().exists();
        let mut server = self.start_again(site, &directory).await?;
        // From here on the directory is the new server's.
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
                None => "it has no log".to_owned(),
            },
        }
    }
}

/// What an error says with its cause: the outer message alone is "db error".
fn words(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
