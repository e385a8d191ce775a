//! Resolves the name of the system under test, and caches its addresses as a browser does. The rules are those of
//! [`Resolver`], which the model uses as well.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::Mutex;

use super::clock::Clock;
use super::reach::{Allowed, Forbidden, Reach};
use super::setup::SetupError;
use super::worker::EntryPoint;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::resolver::{NameFigures, Resolver};
use tiketi_testbed::dns_client::DnsClient;

/// How long an answer of the operating system's resolver is cached: it does not report the TTL.
const SYSTEM_TTL: Duration = Duration::from_secs(60);

/// The addresses of one host, looked up again when their TTL has expired.
///
/// The name server of the testbed sends TTLs in real time, which the clock of the run turns into scenario time.
pub(super) struct Names {
    source: Source,
    host: String,
    port: u16,
    reach: Reach,
    clock: Clock,
    known: RefCell<Resolver<Allowed>>,
    /// The first address that may not be connected to.
    forbidden: RefCell<Option<Forbidden>>,
    /// One lookup at a time: buyers that arrive meanwhile wait for its answer.
    lookup: Mutex<()>,
}

#[derive(Clone)]
enum Source {
    /// The host is an IP address.
    Fixed,
    /// The testbed's name server.
    NameServer(Box<DnsClient>),
    /// The resolver of the operating system.
    System,
}

impl Names {
    /// Builds a resolver for the host of `entry`, which returns addresses within its reach only.
    pub(super) fn new(entry: &EntryPoint, clock: Clock) -> Result<Self, SetupError> {
        let bare_host = entry.host.trim_start_matches('[').trim_end_matches(']');
        let fixed: Option<IpAddr> = bare_host.parse().ok();
        let source = match (fixed, entry.dns) {
            (Some(_), _) => Source::Fixed,
            (None, Some(address)) => {
                let server = entry.reach.check(address)?;
                let client = DnsClient::new(server.address(), clock);
                Source::NameServer(Box::new(client.map_err(SetupError::Resolver)?))
            }
            (None, None) => Source::System,
        };
        let fixed = fixed.map(|ip| entry.reach.check(SocketAddr::new(ip, entry.port)));
        let known = match fixed.transpose()? {
            Some(address) => Resolver::fixed([address]),
            None => Resolver::default(),
        };
        Ok(Self {
            source,
            host: bare_host.to_owned(),
            port: entry.port,
            reach: entry.reach.clone(),
            clock,
            known: RefCell::new(known),
            forbidden: RefCell::default(),
            lookup: Mutex::new(()),
        })
    }

    /// Returns another client of the same name server, which has to look the same host up itself.
    pub(super) fn another(&self) -> Self {
        Self {
            source: self.source.clone(),
            host: self.host.clone(),
            port: self.port,
            reach: self.reach.clone(),
            clock: self.clock,
            known: RefCell::default(),
            forbidden: RefCell::default(),
            lookup: Mutex::new(()),
        }
    }

    /// Returns how the host was looked up.
    pub(super) fn figures(&self) -> NameFigures {
        *self.known.borrow().figures()
    }

    /// Returns the first address of the host that may not be connected to; `None` if all may.
    pub(super) fn forbidden(&self) -> Option<Forbidden> {
        self.forbidden.borrow().clone()
    }

    /// Returns the address for the next connection: those that work take turns, so that buyers spread over them.
    pub(super) async fn address(&self) -> Result<Allowed, Failure> {
        if let Some(address) = self.known_address() {
            return Ok(address);
        }
        let turn = self.lookup.lock().await;
        if let Some(address) = self.known_address() {
            return Ok(address);
        }
        let answer = self.look_up().await;
        let now = self.clock.now();
        let mut known = self.known.borrow_mut();
        let Some((addresses, ttl)) = answer else {
            known.handle_no_answer();
            return Err(Failure::Dns);
        };
        let addresses = self.within_reach(addresses)?;
        known.handle_answer(now, addresses, self.clock.scenario(ttl));
        drop(turn);
        known.pick(now).ok_or(Failure::Dns)
    }

    /// Avoids `address` until the next lookup. Returns another one to try; `None` if all have failed.
    pub(super) fn handle_connect_failure(&self, address: Allowed) -> Option<Allowed> {
        let now = self.clock.now();
        self.known.borrow_mut().handle_failure(now, address)
    }

    /// Returns the addresses if all may be connected to: a name with one that may not is not the system that was admitted.
    fn within_reach(&self, addresses: Vec<SocketAddr>) -> Result<Vec<Allowed>, Failure> {
        let checked = addresses.into_iter().map(|one| self.reach.check(one));
        checked.collect::<Result<_, _>>().map_err(|forbidden| {
            self.forbidden.borrow_mut().get_or_insert(forbidden);
            Failure::Dns
        })
    }

    fn known_address(&self) -> Option<Allowed> {
        let now = self.clock.now();
        let mut known = self.known.borrow_mut();
        (!known.needs_lookup(now))
            .then(|| known.pick(now))
            .flatten()
    }

    async fn look_up(&self) -> Option<(Vec<SocketAddr>, Duration)> {
        match &self.source {
            Source::Fixed => None,
            Source::NameServer(client) => {
                let (found, ttl) = client.look_up(&self.host).await?;
                let found = found.into_iter();
                let addresses = found.map(|ip| SocketAddr::new(ip, self.port));
                Some((addresses.collect(), ttl))
            }
            Source::System => {
                let host = (self.host.as_str(), self.port);
                let found = tokio::net::lookup_host(host).await.ok()?;
                Some((found.collect(), SYSTEM_TTL))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use tokio::time::timeout;

    use crate::clock::unix_now_ns;
    use crate::http2::HttpVersion;
    use crate::tls::Trust;
    use crate::worker::Scheme;
    use tiketi_cloud::name_service::NameService;
    use tiketi_testbed::dns::NameServer;

    fn entry(host: &str, dns: Option<SocketAddr>) -> EntryPoint {
        EntryPoint {
            scheme: Scheme::Http,
            host: host.to_owned(),
            port: 80,
            base: String::new(),
            dns,
            page: None,
            edge: None,
            hosts: Vec::new(),
            trust: Trust::default(),
            http: HttpVersion::default(),
            reach: Reach::Loopback,
        }
    }

    fn names(addresses: &[&str]) -> Names {
        let names = Names::new(&entry("127.0.0.1", None), clock()).unwrap();
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        let addresses = names.within_reach(addresses.collect()).unwrap();
        *names.known.borrow_mut() = Resolver::fixed(addresses);
        names
    }

    fn clock() -> Clock {
        Clock::starting_at(unix_now_ns(), 1.0)
    }

    async fn ip(names: &Names) -> IpAddr {
        names.address().await.unwrap().address().ip()
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_when_its_ttl_has_expired() {
        let zone_a = Ipv4Addr::new(127, 0, 1, 1);
        let zone_b = Ipv4Addr::new(127, 0, 2, 1);
        let mut service = NameService::default();
        let ttl = Duration::from_secs(60);
        service.define("alb.test", ttl);
        service.add("alb.test", zone_a);
        service.add("alb.test", zone_b);
        // At this speed 60 s take 0.6 s of real time, which is sent as one second.
        let server = NameServer::start(Ipv4Addr::LOCALHOST, service, 100.0)
            .await
            .unwrap();
        let names = Names::new(&entry("alb.test", Some(server.address())), clock()).unwrap();
        let mut found = vec![ip(&names).await, ip(&names).await];
        found.sort_unstable();
        assert_eq!(found, [IpAddr::V4(zone_a), IpAddr::V4(zone_b)]);
        let shared = server.names();
        shared.lock().unwrap().remove("alb.test", zone_a);
        let still = [ip(&names).await, ip(&names).await];
        assert!(still.contains(&IpAddr::V4(zone_a)));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for _ in 0..2 {
            assert_eq!(ip(&names).await, zone_b);
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_a_dns_failure() {
        let server = NameServer::start(Ipv4Addr::LOCALHOST, NameService::default(), 1.0)
            .await
            .unwrap();
        let names = Names::new(&entry("alb.test", Some(server.address())), clock()).unwrap();
        assert_eq!(names.address().await, Err(Failure::Dns));
        assert_eq!(names.forbidden(), None);
    }

    #[tokio::test]
    async fn a_name_that_moves_beyond_its_reach_gives_no_address() {
        let mut service = NameService::default();
        service.define("alb.test", Duration::from_millis(10));
        service.add("alb.test", Ipv4Addr::LOCALHOST);
        let server = NameServer::start(Ipv4Addr::LOCALHOST, service, 100.0)
            .await
            .unwrap();
        let names = Names::new(&entry("alb.test", Some(server.address())), clock()).unwrap();
        assert_eq!(ip(&names).await, Ipv4Addr::LOCALHOST);
        let elsewhere = Ipv4Addr::new(192, 0, 2, 77);
        // The old address stays: a name must not lead astray in some of the connections either.
        server.names().lock().unwrap().add("alb.test", elsewhere);
        let moved = async { while names.address().await != Err(Failure::Dns) {} };
        timeout(Duration::from_secs(10), moved).await.unwrap();
        assert_eq!(names.forbidden().unwrap().address, elsewhere);
    }

    #[test]
    fn a_fixed_address_or_a_name_server_beyond_the_reach_is_an_error() {
        assert!(Names::new(&entry("192.0.2.77", None), clock()).is_err());
        let server = SocketAddr::from(([192, 0, 2, 53], 53));
        assert!(Names::new(&entry("alb.test", Some(server)), clock()).is_err());
    }

    #[tokio::test]
    async fn a_refused_connection_leads_to_the_other_address() {
        let names = names(&["127.0.1.1:80", "127.0.2.1:80"]);
        let dead = names.address().await.unwrap();
        let alive = names.handle_connect_failure(dead).unwrap();
        for _ in 0..4 {
            assert_eq!(names.address().await.unwrap(), alive);
        }
        assert!(names.handle_connect_failure(alive).is_none());
    }
}
