//! Resolves host names and respects the TTL of their records, because a failover changes the address of a name.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Timeout of a query to the name server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves host names. Caches records of a name server for their TTL.
pub(crate) struct Names {
    /// `None` for the resolver of the operating system.
    resolver: Option<TokioResolver>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Creates a resolver that asks `name_server`, or the operating system if it is `None`.
    pub(crate) fn new(name_server: Option<SocketAddr>) -> io::Result<Self> {
        let resolver = name_server.map(resolver_at).transpose()?;
        Ok(Self { resolver })
    }

    /// Returns the current address of a host.
    pub(crate) async fn address(&self, host: &str, port: u16) -> io::Result<SocketAddr> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, port));
        }
        let found = match &self.resolver {
            Some(resolver) => {
                let found = resolver.lookup_ip(format!("{bare}."));
                let found = found.await.map_err(io::Error::other)?;
                found.iter().next().map(|ip| SocketAddr::new(ip, port))
            }
            None => tokio::net::lookup_host((bare, port)).await?.next(),
        };
        found.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"))
        })
    }
}

fn resolver_at(address: SocketAddr) -> io::Result<TokioResolver> {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    let mut builder = TokioResolver::builder_with_config(
        ResolverConfig::from_name_servers(vec![server]),
        TokioRuntimeProvider::default(),
    );
    let options = builder.options_mut();
    options.timeout = LOOKUP_TIMEOUT;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(io::Error::other)
}
