//! A client of the name server, which asks once for each lookup and caches nothing itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::time::timeout;

use super::clock::Clock;
use tiketi_cloud::resolver::{QUERIES_MAX, QUERY_TIMEOUT};

/// Shortest real time that a query has for its response: at high speed, less would measure this machine.
const QUERY_WALL_MIN: Duration = Duration::from_millis(250);

/// A client of one name server.
#[derive(Clone)]
pub struct DnsClient {
    resolver: TokioResolver,
    clock: Clock,
}

impl std::fmt::Debug for DnsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsClient").finish_non_exhaustive()
    }
}

impl DnsClient {
    /// Builds a client of the name server at `server`, UDP and TCP.
    ///
    /// # Errors
    ///
    /// When the resolver cannot be set up.
    pub fn new(server: SocketAddr, clock: Clock) -> Result<Self, NetError> {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        let mut builder = TokioResolver::builder_with_config(
            ResolverConfig::from_name_servers(vec![config]),
            TokioRuntimeProvider::default(),
        );
        let options = builder.options_mut();
        options.cache_size = 0;
        // The caller waits no longer than for one query, and asks again itself.
        options.timeout = 2 * query_timeout(clock);
        options.attempts = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4Only;
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build()?;
        Ok(Self { resolver, clock })
    }

    /// Looks up the addresses of a host, and for how long they may be used, in real time; `None` without an answer.
    pub async fn look_up(&self, host: &str) -> Option<(Vec<IpAddr>, Duration)> {
        let found = self.query(host).await?;
        let ttl = found.as_lookup().answers().iter().map(|record| record.ttl);
        let ttl = Duration::from_secs(u64::from(ttl.min()?));
        Some((found.iter().collect(), ttl))
    }

    /// Asks the name server, and again if there is no response in time.
    async fn query(&self, host: &str) -> Option<LookupIp> {
        for _ in 0..QUERIES_MAX {
            let asked = self.resolver.lookup_ip(format!("{host}."));
            if let Ok(response) = timeout(query_timeout(self.clock), asked).await {
                return response.ok();
            }
        }
        None
    }
}

/// Real time that a query has for its response.
fn query_timeout(clock: Clock) -> Duration {
    clock.wall(QUERY_TIMEOUT).max(QUERY_WALL_MIN)
}
