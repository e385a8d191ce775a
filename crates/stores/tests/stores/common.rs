//! Shared code of the tests with real servers.

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use tiketi_stores::{
    Admission, Eviction, Guard, Host, PostgresKind, PostgresSettings, Programs, RedisSettings,
    StoresError,
};

/// Two sites. Every test uses its own ports on them.
pub(crate) const SITES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];

/// Returns a host with guards in threads; `None`, with a message, if the servers are not installed.
pub(crate) fn host() -> Option<Host> {
    has_servers().then(|| Host::open(Guard::Bare, None).unwrap())
}

/// Returns whether the servers are installed. With `CI=true`, they must be.
pub(crate) fn has_servers() -> bool {
    match Programs::find() {
        Ok(_) => true,
        Err(error @ (StoresError::MissingPrograms(_) | StoresError::WrongVersion { .. })) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{error}, and CI=true"
            );
            // Not with `eprintln!`, whose output the test harness hides if the test passes.
            let words = format!("SKIPPED, NOTHING WAS TESTED: {error}\n");
            std::io::stderr().write_all(words.as_bytes()).unwrap();
            false
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn redis(sites: &[Ipv4Addr], lag: Duration) -> RedisSettings {
    RedisSettings {
        sites: sites.to_vec(),
        lag,
        memory_max: None,
        eviction: Eviction::AllKeysLru,
        tls: false,
        names: Vec::new(),
        idle_timeout: Duration::ZERO,
        admission: Admission::Password,
    }
}

pub(crate) fn postgres(sites: &[Ipv4Addr], kind: PostgresKind, lag: Duration) -> PostgresSettings {
    PostgresSettings {
        sites: sites.to_vec(),
        kind,
        lag,
        clients: vec![(Ipv4Addr::new(127, 0, 0, 0), 8)],
        connections_max: 20,
        replica_lag: Duration::ZERO,
    }
}
