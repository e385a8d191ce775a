//! What a run wants of Redis, and the file that says it to a server.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::tls::Certificates;

/// What Redis does when its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Evicts the keys that were used least recently (`allkeys-lru`).
    AllKeysLru,
    /// Evicts those among the keys with a time to live only (`volatile-lru`).
    VolatileLru,
    /// Refuses to write (`noeviction`).
    NoEviction,
}

impl Eviction {
    fn policy(self) -> &'static str {
        match self {
            Self::AllKeysLru => "allkeys-lru",
            Self::VolatileLru => "volatile-lru",
            Self::NoEviction => "noeviction",
        }
    }
}

/// How a pair of Redis servers is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Addresses that fail together, all different: the primary, then the replica if there is one.
    pub sites: Vec<Ipv4Addr>,
    /// How long a write is under way to the replica.
    pub lag: Duration,
    /// Memory for data in bytes; `None` means no limit.
    pub memory_max: Option<u64>,
    /// What happens at the limit.
    pub eviction: Eviction,
    /// Whether clients must use TLS. Replication never does: it stays on loopback, on a port of its own.
    pub tls: bool,
    /// Names the certificate is good for besides the addresses of the sites.
    pub names: Vec<String>,
    /// How long a client may be silent; zero means for ever. Redis counts whole seconds: others are rounded up.
    pub idle_timeout: Duration,
}

/// Ports of every site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// Where clients connect.
    pub(super) clients: u16,
    /// Where the replica and this crate connect, never with TLS; that of the clients if they do not use TLS either.
    pub(super) own: u16,
}

/// Writes the configuration of one server; it holds the password.
pub(super) fn file(
    settings: &RedisSettings,
    site: Ipv4Addr,
    ports: Ports,
    password: &str,
    primary: Option<SocketAddr>,
) -> String {
    let mut text = format!(
        "bind {site}\n\
         port {port}\n\
         requirepass {password}\n\
         masterauth {password}\n\
         daemonize no\n\
         save \"\"\n\
         appendonly no\n\
         repl-diskless-sync yes\n\
         repl-diskless-sync-delay 0\n\
         repl-diskless-load on-empty-db\n\
         repl-disable-tcp-nodelay no\n\
         timeout {timeout}\n\
         maxmemory {memory}\n\
         maxmemory-policy {policy}\n\
         notify-keyspace-events Ee\n",
        port = ports.own,
        timeout = settings.idle_timeout.as_millis().div_ceil(1_000),
        memory = settings.memory_max.unwrap_or(0),
        policy = settings.eviction.policy(),
    );
    if settings.tls {
        write!(
            text,
            "tls-port {port}\n\
             tls-replication no\n\
             tls-auth-clients no\n\
             tls-cert-file {certificate}\n\
             tls-key-file {key}\n\
             tls-ca-cert-file {ca}\n",
            port = ports.clients,
            certificate = Certificates::CERTIFICATE_FILE,
            key = Certificates::KEY_FILE,
            ca = Certificates::CA_FILE,
        )
        .expect("writing to a string cannot fail");
    }
    if let Some(primary) = primary {
        writeln!(text, "replicaof {} {}", primary.ip(), primary.port())
            .expect("writing to a string cannot fail");
    }
    text
}

/// The file's place in the directory of its server, which is also the server's working directory.
pub(super) fn path(directory: &Path) -> std::path::PathBuf {
    directory.join("redis.conf")
}
