//! Where the system under test listens: names to addresses, as a browser keeps them.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::clock::wall_now;
use tiketi_buyer::observation::Failure;

/// How long an answer of the operating system is kept: it does not tell the time to live.
const SYSTEM_TTL: Duration = Duration::from_secs(60);
/// Wait for an answer of the name server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The addresses of one host, looked up again when their time to live is over.
///
/// The name server of the testbed states its times to live in wall seconds, so they are kept as they come.
pub(super) struct Names {
    source: Source,
    host: String,
    port: u16,
    known: RefCell<Known>,
    /// One lookup at a time: who comes meanwhile waits for its answer.
    lookup: Mutex<()>,
}

enum Source {
    /// The host is an address.
    Fixed,
    /// A name server of its own.
    NameServer(Box<TokioResolver>),
    /// The resolver of the operating system.
    System,
}

struct Known {
    addresses: Vec<SocketAddr>,
    until: Option<Instant>,
    /// Addresses that refused since the last lookup.
    failed: Vec<SocketAddr>,
    turn: usize,
}

impl Names {
    /// Names of `host`, asked of `name_server`, or of the operating system.
    pub(super) fn new(
        host: &str,
        port: u16,
        name_server: Option<SocketAddr>,
    ) -> Result<Self, String> {
        let bare_host = host.trim_start_matches('[').trim_end_matches(']');
        let fixed: Option<IpAddr> = bare_host.parse().ok();
        let source = match (fixed, name_server) {
            (Some(_), _) => Source::Fixed,
            (None, Some(address)) => Source::NameServer(Box::new(resolver_at(address)?)),
            (None, None) => Source::System,
        };
        Ok(Self {
            source,
            host: bare_host.to_owned(),
            port,
            known: RefCell::new(Known {
                addresses: fixed
                    .map(|ip| SocketAddr::new(ip, port))
                    .into_iter()
                    .collect(),
                until: None,
                failed: Vec::new(),
                turn: 0,
            }),
            lookup: Mutex::new(()),
        })
    }

    /// The address to use now: those that work in turn, so that buyers spread over them.
    pub(super) async fn address(&self) -> Result<SocketAddr, Failure> {
        if let Some(address) = self.known_address() {
            return Ok(address);
        }
        let turn = self.lookup.lock().await;
        if let Some(address) = self.known_address() {
            return Ok(address);
        }
        let (addresses, ttl) = self.look_up().await.ok_or(Failure::Dns)?;
        let mut known = self.known.borrow_mut();
        known.addresses = addresses;
        known.failed.clear();
        known.until = Some(wall_now() + ttl);
        drop(turn);
        known.next().ok_or(Failure::Dns)
    }

    /// Avoids `address` until the next lookup if there is another; returns that.
    pub(super) fn handle_connect_failure(&self, address: SocketAddr) -> Option<SocketAddr> {
        let mut known = self.known.borrow_mut();
        if !known.failed.contains(&address) {
            known.failed.push(address);
        }
        if known.failed.len() >= known.addresses.len() {
            known.failed.clear(); // All of them: the next buyer tries each anew.
            return None;
        }
        known.next()
    }

    fn known_address(&self) -> Option<SocketAddr> {
        let mut known = self.known.borrow_mut();
        let is_fixed = matches!(self.source, Source::Fixed);
        (is_fixed || known.until.is_some_and(|until| wall_now() < until))
            .then(|| known.next())
            .flatten()
    }

    async fn look_up(&self) -> Option<(Vec<SocketAddr>, Duration)> {
        match &self.source {
            Source::Fixed => None,
            Source::NameServer(resolver) => {
                let found = resolver.lookup_ip(format!("{}.", self.host)).await.ok()?;
                let ttl = found.as_lookup().answers().iter().map(|record| record.ttl);
                let ttl = Duration::from_secs(u64::from(ttl.min()?));
                let addresses = found.iter().map(|ip| SocketAddr::new(ip, self.port));
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

impl Known {
    fn next(&mut self) -> Option<SocketAddr> {
        let count = self.addresses.len();
        for _ in 0..count {
            let address = self.addresses[self.turn % count];
            self.turn = (self.turn + 1) % count;
            if !self.failed.contains(&address) {
                return Some(address);
            }
        }
        None
    }
}

/// A resolver that asks `address` and keeps nothing itself.
fn resolver_at(address: SocketAddr) -> Result<TokioResolver, String> {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    let mut builder = TokioResolver::builder_with_config(
        ResolverConfig::from_name_servers(vec![server]),
        TokioRuntimeProvider::default(),
    );
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = LOOKUP_TIMEOUT;
    options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use tiketi_cloud::name_service::NameService;
    use tiketi_testbed::dns::NameServer;

    fn names(addresses: &[&str]) -> Names {
        let names = Names::new("127.0.0.1", 80, None).unwrap();
        names.known.borrow_mut().addresses =
            addresses.iter().map(|text| text.parse().unwrap()).collect();
        names
    }

    #[tokio::test]
    async fn a_name_is_asked_for_again_when_its_time_to_live_is_over() {
        let zone_a = Ipv4Addr::new(127, 0, 1, 1);
        let zone_b = Ipv4Addr::new(127, 0, 2, 1);
        let mut service = NameService::default();
        let ttl = Duration::from_secs(60);
        service.define("alb.test", ttl);
        service.add("alb.test", zone_a);
        service.add("alb.test", zone_b);
        // At this speed 60 s are 0.6 s of wall time, which go out as one second.
        let server = NameServer::start(Ipv4Addr::LOCALHOST, service, 100.0)
            .await
            .unwrap();
        let names = Names::new("alb.test", 80, Some(server.address())).unwrap();
        let mut found = vec![
            names.address().await.unwrap().ip(),
            names.address().await.unwrap().ip(),
        ];
        found.sort_unstable();
        assert_eq!(found, [IpAddr::V4(zone_a), IpAddr::V4(zone_b)]);
        let shared = server.names();
        shared.lock().unwrap().remove("alb.test", zone_a);
        let still: Vec<_> = [names.address().await, names.address().await].into();
        assert!(still.iter().any(|address| address.unwrap().ip() == zone_a));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for _ in 0..2 {
            assert_eq!(names.address().await.unwrap().ip(), zone_b);
        }
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_a_dns_failure() {
        let server = NameServer::start(Ipv4Addr::LOCALHOST, NameService::default(), 1.0)
            .await
            .unwrap();
        let names = Names::new("alb.test", 80, Some(server.address())).unwrap();
        assert_eq!(names.address().await, Err(Failure::Dns));
    }

    #[tokio::test]
    async fn addresses_take_turns() {
        let names = names(&["127.0.1.1:80", "127.0.2.1:80"]);
        let first = names.address().await.unwrap();
        let second = names.address().await.unwrap();
        assert_ne!(first, second);
        assert_eq!(names.address().await.unwrap(), first);
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
