//! Settings of PostgreSQL, and the configuration files for a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The AWS service that a pair of servers emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresKind {
    /// An RDS Multi-AZ instance, with a synchronous standby that cannot be read.
    RdsMultiAz,
    /// Aurora: committed data is never lost, and the replica can be read.
    Aurora,
}

/// Settings of a pair of PostgreSQL servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// One address per site, all different: the primary and, optionally, the standby.
    pub sites: Vec<Ipv4Addr>,
    /// The AWS service to emulate.
    pub kind: PostgresKind,
    /// How long data is in transit to the standby. Each commit waits for that, in addition to its own work.
    pub lag: Duration,
    /// Networks whose addresses may connect as the clients' user, as address and prefix length. The standby and this crate
    /// connect as another user, from this machine's own address (127.0.0.1).
    pub clients: Vec<(Ipv4Addr, u8)>,
    /// Maximum number of client connections. Three more are reserved for this crate.
    pub connections_max: u32,
    /// How long after a commit the reader shows it. At least the lag. Aurora only.
    pub replica_lag: Duration,
}

/// Connections reserved for the superuser, so that samples work when clients use all others.
pub(super) const CONNECTIONS_RESERVED: u32 = 3;
/// The superuser, which clients don't use.
pub(super) const SUPERUSER: &str = "postgres";
/// The standby's name for its primary.
pub(super) const STANDBY: &str = "standby";

/// Everything that the configuration of one server depends on.
#[derive(Clone, Copy)]
pub(super) struct Config<'a> {
    pub(super) settings: &'a PostgresSettings,
    pub(super) site: Ipv4Addr,
    pub(super) port: u16,
    /// The address of the standby's link to its primary.
    pub(super) link: SocketAddr,
    /// Whether commits wait for the standby.
    pub(super) waits_for_standby: bool,
}

impl Config<'_> {
    /// Returns the contents of `postgresql.conf`.
    ///
    /// `fsync = off` loses nothing here: when a process is killed, the kernel keeps what it has written. Only a crash of the
    /// machine would lose it, and that ends the run anyway. A commit still waits until its record is written, and full pages
    /// are logged, because a kill may interrupt the write of an 8 KiB page.
    pub(super) fn file(&self) -> String {
        let Self {
            settings,
            site,
            port,
            link,
            waits_for_standby,
        } = *self;
        let reader = match settings.kind {
            PostgresKind::RdsMultiAz => "hot_standby = off\n".to_owned(),
            PostgresKind::Aurora => format!(
                "hot_standby = on\nhot_standby_feedback = on\nrecovery_min_apply_delay = {}\n",
                settings.replica_lag.as_millis()
            ),
        };
        format!(
            "listen_addresses = '{site}'\n\
             port = {port}\n\
             unix_socket_directories = ''\n\
             dynamic_shared_memory_type = mmap\n\
             max_connections = {connections}\n\
             superuser_reserved_connections = {CONNECTIONS_RESERVED}\n\
             shared_buffers = 64MB\n\
             password_encryption = 'scram-sha-256'\n\
             fsync = off\n\
             synchronous_commit = on\n\
             full_page_writes = on\n\
             wal_level = replica\n\
             max_wal_senders = 5\n\
             wal_keep_size = 256MB\n\
             wal_receiver_status_interval = 1s\n\
             wal_retrieve_retry_interval = 100ms\n\
             synchronous_standby_names = '{standby}'\n\
             primary_conninfo = 'host={host} port={link_port} user={SUPERUSER} passfile=../{PASSFILE} \
                                 application_name={STANDBY} sslmode=disable gssencmode=disable'\n\
             {reader}\
             jit = off\n\
             log_destination = stderr\n\
             logging_collector = off\n\
             log_min_error_statement = panic\n\
             log_line_prefix = '%m [%p] '\n",
            connections = settings.connections_max + CONNECTIONS_RESERVED,
            standby = if waits_for_standby { STANDBY } else { "" },
            host = link.ip(),
            link_port = link.port(),
        )
    }
}

/// Returns the contents of `pg_hba.conf`: who may connect, with a password. The server refuses all others.
pub(super) fn hba_text(clients: &[(Ipv4Addr, u8)]) -> String {
    use std::fmt::Write as _;
    let own = "127.0.0.1/32";
    let mut text = format!(
        "host all {SUPERUSER} {own} scram-sha-256\nhost replication {SUPERUSER} {own} scram-sha-256\n"
    );
    for (network, prefix) in clients {
        let written = writeln!(text, "host all all {network}/{prefix} scram-sha-256");
        written.expect("a string takes everything");
    }
    text
}
const PASSFILE: &str = "pgpass";

/// The paths of a server's files.
#[derive(Clone, Debug)]
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    pub(super) fn data(&self) -> std::path::PathBuf {
        self.0.join("data")
    }

    pub(super) fn config(&self) -> std::path::PathBuf {
        self.0.join("postgresql.conf")
    }

    pub(super) fn hba(&self) -> std::path::PathBuf {
        self.0.join("pg_hba.conf")
    }

    /// The superuser's password in the format of PostgreSQL clients.
    pub(super) fn passfile(&self) -> std::path::PathBuf {
        self.0.join(PASSFILE)
    }

    /// The superuser's password, read once by `initdb`.
    pub(super) fn password(&self) -> std::path::PathBuf {
        self.0.join("password")
    }

    /// The server's lock file, which shows the progress of the start.
    pub(super) fn lock(&self) -> std::path::PathBuf {
        self.data().join("postmaster.pid")
    }

    /// The file that makes a server start as a standby.
    pub(super) fn standby_signal(&self) -> std::path::PathBuf {
        self.data().join("standby.signal")
    }

    /// The file that makes a standby a primary on a signal.
    pub(super) fn promote_signal(&self) -> std::path::PathBuf {
        self.data().join("promote")
    }
}
