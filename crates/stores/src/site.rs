//! A site: an address and the server on it, which fail together.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::StoresError;
use crate::link::Link;
use crate::server::Server;

/// Interval at which to check whether a server is ready.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// One site of a pair.
pub(crate) struct Site {
    pub(crate) address: Ipv4Addr,
    /// The server. A lost site keeps it, with its files, until the site is restored.
    pub(crate) server: Option<Server>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Lost,
}

impl Site {
    pub(crate) fn new(address: Ipv4Addr) -> Self {
        Self {
            address,
            server: None,
            state: State::Lost,
        }
    }

    /// Sets the server, which has just started.
    pub(crate) fn run(&mut self, server: Server) {
        self.server = Some(server);
        self.state = State::Running;
    }

    /// Returns whether the site is not lost. Its server may be paused, or may have exited unexpectedly.
    pub(crate) fn is_alive(&self) -> bool {
        self.state != State::Lost && self.server.is_some()
    }

    /// Returns the server; `None` if the site is lost.
    pub(crate) fn alive(&self) -> Option<&Server> {
        self.server.as_ref().filter(|_| self.is_alive())
    }

    pub(crate) fn lose(&mut self) {
        if let Some(server) = self.alive() {
            server.kill();
        }
        self.state = State::Lost;
    }

    /// Stops the server for good, with its sockets open: its peers hear nothing until [`Self::end_silence`].
    pub(crate) fn silence(&mut self) {
        if let Some(server) = self.alive() {
            server.pause();
        }
        self.state = State::Lost;
    }

    /// Kills the server of a lost site, if it was only stopped.
    pub(crate) fn end_silence(&self) {
        if let (State::Lost, Some(server)) = (self.state, &self.server) {
            server.kill();
        }
    }

    pub(crate) fn pause(&mut self) {
        if let Some(server) = self.alive() {
            server.pause();
            self.state = State::Paused;
        }
    }

    pub(crate) fn resume(&mut self) {
        if let Some(server) = self.alive() {
            server.resume();
            self.state = State::Running;
        }
    }
}

/// Checks that there are one or two sites with different addresses; anything else is a bug of the caller.
pub(crate) fn assert_sites(sites: &[Ipv4Addr]) {
    assert!(
        matches!(sites, [_]) || matches!(sites, [first, second] if first != second),
        "a pair has one or two sites with different addresses, not {sites:?}"
    );
}

/// Returns the other site and its server; `None` if there is none or it is lost.
pub(crate) fn other_alive(sites: &[Site], site: usize) -> Option<(usize, &Server)> {
    let (other, found) = sites.iter().enumerate().find(|(it, _)| *it != site)?;
    Some((other, found.alive()?))
}

/// Fails if a server exited unexpectedly, or if a replica hasn't followed its primary for longer than `patience`.
pub(crate) fn check(
    sites: &[Site],
    primary: Option<usize>,
    link: &Link,
    patience: Duration,
) -> Result<(), StoresError> {
    if let Some(death) = sites.iter().find_map(|site| site.alive()?.death()) {
        return Err(death);
    }
    let is_paused = sites.iter().any(|site| site.state == State::Paused);
    let Some((_, replica)) = primary.and_then(|primary| other_alive(sites, primary)) else {
        return Ok(());
    };
    match link.broken_for() {
        Some(waited) if waited > patience && !is_paused => Err(StoresError::NeverCaughtUp {
            server: replica.name().to_owned(),
            waited,
            log_tail: replica.log_tail(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Ends all servers in parallel.
pub(crate) async fn stop(sites: Vec<Site>) {
    let closing: Vec<_> = sites
        .into_iter()
        .filter_map(|site| site.server)
        .map(|server| tokio::spawn(server.close()))
        .collect();
    for closed in closing {
        // The panic hook has printed a panic in there.
        drop(closed.await);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use super::*;
    use crate::message::{Ending, Invocation, Order};
    use crate::{Guard, Host, Programs};

    /// Far longer than the steps of a test take.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A host whose servers only sleep.
    fn host() -> Host {
        let programs = Programs {
            redis_server: PathBuf::new(),
            postgres: PathBuf::new(),
            initdb: PathBuf::new(),
            pg_basebackup: PathBuf::new(),
            ipcrm: PathBuf::new(),
        };
        Host::with(programs, Guard::Bare, None, &std::env::temp_dir()).unwrap()
    }

    async fn site(host: &Host, name: &str) -> Site {
        let directory = host.directory(name);
        let mut server = Server::claim(host, name, &directory, Ending::Remove).unwrap();
        host.make(&directory).unwrap();
        let order = Order {
            ids: host.account().ids(),
            steps: Vec::new(),
            server: Invocation {
                program: PathBuf::from("/bin/sleep"),
                arguments: vec!["60".to_owned()],
                environment: Vec::new(),
            },
            shared_memory: None,
        };
        server.start(order).await.unwrap();
        let mut site = Site::new(Ipv4Addr::LOCALHOST);
        site.run(server);
        site
    }

    #[tokio::test]
    async fn a_replica_that_does_not_follow_is_reported_after_the_timeout() {
        let host = host();
        let mut sites = vec![site(&host, "first").await, site(&host, "second").await];
        let link = Link::open(Duration::ZERO).await.unwrap();
        check(&sites, Some(0), &link, PATIENCE).unwrap();
        link.lead_to(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        check(&sites, Some(0), &link, PATIENCE).unwrap();
        tokio::time::sleep(PATIENCE).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let error = check(&sites, Some(0), &link, PATIENCE).unwrap_err();
        assert!(
            matches!(&error, StoresError::NeverCaughtUp { server, .. } if server == "second"),
            "{error}"
        );

        // A replica cannot follow while its primary is paused or lost.
        sites[0].pause();
        check(&sites, Some(0), &link, PATIENCE).unwrap();
        sites[0].resume();
        assert!(check(&sites, Some(0), &link, PATIENCE).is_err());
        sites[0].lose();
        check(&sites, None, &link, PATIENCE).unwrap();
        stop(sites).await;
        assert_eq!(std::fs::read_dir(host.root()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_silent_server_is_lost_and_stopped_until_its_silence_ends() {
        let host = host();
        let mut site = site(&host, "first").await;
        site.silence();
        assert!(!site.is_alive());
        let server = site.server.as_mut().unwrap();
        assert_eq!(server.end(), None, "it is only stopped");
        site.end_silence();
        let server = site.server.as_mut().unwrap();
        let ended = tokio::time::timeout(PATIENCE * 20, server.wait_for_end());
        ended.await.expect("it is killed");
        stop(vec![site]).await;
        assert_eq!(std::fs::read_dir(host.root()).unwrap().count(), 0);
    }
}
