//! Settings of Redis, and the configuration file for a server.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::tls::Certificates;

/// What Redis does when its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Evicts the least recently used keys (`allkeys-lru`).
    AllKeysLru,
    /// Evicts the least recently used keys among those with a TTL (`volatile-lru`).
    VolatileLru,
    /// Rejects writes (`noeviction`).
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

/// Who may use the servers. Redis does not tell addresses apart, so a password stands for the network's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Those who know a password, which is random and new in each run.
    Password,
    /// Everyone who can connect.
    Anyone,
}

/// Settings of a pair of Redis servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// One address per site, all different: the primary and, optionally, the replica.
    pub sites: Vec<Ipv4Addr>,
    /// How long a write is in transit to the replica.
    pub lag: Duration,
    /// Memory for data in bytes; `None` means no limit.
    pub memory_max: Option<u64>,
    /// What to do when memory is full.
    pub eviction: Eviction,
    /// Whether clients must use TLS. Replication never does: it stays on loopback, on a separate port.
    pub tls: bool,
    /// Names in the certificate, in addition to the addresses of the sites.
    pub names: Vec<String>,
    /// How long a client may be idle, rounded up to whole seconds; zero means forever.
    pub idle_timeout: Duration,
    /// Who may use the servers.
    pub admission: Admission,
}

/// Ports of every site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// Port for clients.
    pub(super) clients: u16,
    /// Port for the replica and this crate, never with TLS. The same as for clients if they don't use TLS either.
    pub(super) own: u16,
}

/// Returns the configuration of one server. It contains the password; without one, everyone may use the server.
pub(super) fn file(
    settings: &RedisSettings,
    site: Ipv4Addr,
    ports: Ports,
    password: Option<&str>,
    primary: Option<SocketAddr>,
) -> String {
    let mut text = format!(
        "bind {site}\n\
         port {port}\n\
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
    match password {
        Some(password) => {
            write!(text, "requirepass {password}\nmasterauth {password}\n")
        }
        // Without a password, Redis would reject clients whose address is not 127.0.0.1.
        None => writeln!(text, "protected-mode no"),
    }
    .expect("writing to a string cannot fail");
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

/// Returns the path of the file in the directory of its server, which is also the working directory.
pub(super) fn path(directory: &Path) -> std::path::PathBuf {
    directory.join("redis.conf")
}
