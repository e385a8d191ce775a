//! What a run wants of PostgreSQL, and the files that say it to a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Which service of AWS a pair of servers stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresKind {
    /// An RDS Multi-AZ instance: a synchronous standby that refuses to be read.
    RdsMultiAz,
    /// Aurora: committed data is never lost, and the replica can be read.
    Aurora,
}

/// How a pair of PostgreSQL servers is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Addresses that fail together, all different: the primary, then the standby if there is one.
    pub sites: Vec<Ipv4Addr>,
    /// What the pair stands for.
    pub kind: PostgresKind,
    /// How long data is under way to the standby: what a commit waits for beyond its own work.
    pub lag: Duration,
    /// Connections of clients at the same time; three more are kept for this crate.
    pub connections_max: u32,
    /// How long after the primary's commit the reader shows it, Aurora only. It is not less than the lag.
    pub replica_lag: Duration,
}

/// Connections that only a superuser can have, so that a sample can be taken while clients fill all others.
pub(super) const CONNECTIONS_RESERVED: u32 = 3;
/// The superuser: not a client's.
pub(super) const SUPERUSER: &str = "postgres";
/// The standby's name for its primary.
pub(super) const STANDBY: &str = "standby";

/// Everything the configuration of one server depends on.
#[derive(Clone, Copy)]
pub(super) struct Config<'a> {
    pub(super) settings: &'a PostgresSettings,
    pub(super) site: Ipv4Addr,
    pub(super) port: u16,
    /// Where the standby finds its primary.
    pub(super) link: SocketAddr,
    /// Whether a commit waits for the standby.
    pub(super) waits_for_standby: bool,
}

impl Config<'_> {
    /// Writes `postgresql.conf`.
    ///
    /// `fsync = off` loses nothing here: a killed process leaves to the kernel what it has written. Only a crash of the
    /// machine would lose it, and then the run is lost anyhow. A commit still waits for its record to be written, and
    /// whole pages are logged, since a write of 8 KiB may be cut in half by a kill.
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

/// Who may connect: anybody on loopback who has the password.
pub(super) const HBA_TEXT: &str = "host all all 127.0.0.0/8 scram-sha-256\n\
                                   host replication postgres 127.0.0.0/8 scram-sha-256\n";
const PASSFILE: &str = "pgpass";

/// The places of a server's files.
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

    /// The superuser's password in the form clients of PostgreSQL read.
    pub(super) fn passfile(&self) -> std::path::PathBuf {
        self.0.join(PASSFILE)
    }

    /// The superuser's password alone, read once by `initdb`.
    pub(super) fn password(&self) -> std::path::PathBuf {
        self.0.join("password")
    }

    /// The server's lock file: it tells how far the start has come.
    pub(super) fn lock(&self) -> std::path::PathBuf {
        self.data().join("postmaster.pid")
    }

    /// What makes a server a standby when it starts.
    pub(super) fn standby_signal(&self) -> std::path::PathBuf {
        self.data().join("standby.signal")
    }

    /// What makes a standby a primary when it is signaled.
    pub(super) fn promote_signal(&self) -> std::path::PathBuf {
        self.data().join("promote")
    }
}
