//! Attempts to open connections that the network may forbid.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::Testbed;
use tiketi_core::units::ZoneId;
use tiketi_measure::ending::{Probe, ProbeOutcome};
use tiketi_network::Kind;

/// Real time until a connection without a response counts as refused.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a response that are read: as many as the shortest one has (`+PONG`), and enough to tell them apart.
const ANSWER_BYTES: usize = 7;
/// A request that every instance answers.
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n";
/// A command that Redis answers to everyone who may use it.
const PING: &[u8] = b"PING\r\n";
/// The start of Redis' response to a client that has not given the password.
const PASSWORD_NEEDED: &[u8] = b"-NOAUTH";
/// First byte of PostgreSQL's error messages: among others, that no rule admits the client's address.
const DATABASE_ERROR: u8 = b'E';

impl Testbed {
    /// Tries to open connections from `stranger`, an address outside the VPC: to an instance in each zone, and to Redis and
    /// the database if they are servers. The embedded stores have no address.
    pub async fn probe(&self, stranger: Ipv4Addr) -> Vec<Probe> {
        let mut probes = Vec::new();
        for zone in (0..).map(ZoneId).take(self.zone_names.len()) {
            let first = self.fleet.in_zone(zone).into_iter().next();
            if let Some(address) = first.and_then(|instance| self.fleet.address(instance)) {
                let answer = knock(stranger, address, REQUEST).await;
                probes.push(probe(Kind::Instance, zone, of_instance(answer.as_deref())));
            }
        }
        for (zone, address) in self.data_tier.redis_servers() {
            let answer = knock(stranger, address, PING).await;
            probes.push(probe(Kind::Redis, zone, of_redis(answer.as_deref())));
        }
        for (zone, address) in self.data_tier.database_servers() {
            let answer = knock(stranger, address, &startup()).await;
            probes.push(probe(Kind::Database, zone, of_database(answer.as_deref())));
        }
        probes
    }
}

const fn probe(to: Kind, zone: ZoneId, outcome: ProbeOutcome) -> Probe {
    Probe {
        from: Kind::Internet,
        to,
        zone,
        outcome,
    }
}

const fn of_instance(answer: Option<&[u8]>) -> ProbeOutcome {
    match answer {
        Some(_) => ProbeOutcome::Answered,
        None => ProbeOutcome::Refused,
    }
}

fn of_redis(answer: Option<&[u8]>) -> ProbeOutcome {
    match answer {
        Some(PASSWORD_NEEDED) => ProbeOutcome::RefusedByPassword,
        Some(_) => ProbeOutcome::Answered,
        None => ProbeOutcome::Refused,
    }
}

fn of_database(answer: Option<&[u8]>) -> ProbeOutcome {
    match answer {
        Some([DATABASE_ERROR, ..]) | None => ProbeOutcome::Refused,
        Some(_) => ProbeOutcome::Answered,
    }
}

/// Connects and says something; returns the start of the response, or `None` if there is none.
async fn knock(from: Ipv4Addr, to: SocketAddr, words: &[u8]) -> Option<Vec<u8>> {
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    let conversation = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let mut stream = socket.connect(to).await?;
        stream.write_all(words).await?;
        let mut start = (&mut stream).take(ANSWER_BYTES as u64);
        start.read_to_end(&mut answer).await?;
        io::Result::Ok(())
    };
    // What came before the connection broke or fell silent is a response, too.
    drop(tokio::time::timeout(PATIENCE, conversation).await);
    (!answer.is_empty()).then_some(answer)
}

/// The first message of a client of PostgreSQL: its length, the version of the protocol, and whom it claims to be.
fn startup() -> Vec<u8> {
    const VERSION: u32 = 3 << 16;
    let claims = b"user\0probe\0database\0postgres\0\0";
    let length = u32::try_from(8 + claims.len()).expect("it is short");
    [&length.to_be_bytes()[..], &VERSION.to_be_bytes(), claims].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_refuses_by_asking_for_a_password_and_nothing_else_counts_as_refused() {
        assert_eq!(of_redis(Some(b"-NOAUTH")), ProbeOutcome::RefusedByPassword);
        assert_eq!(of_redis(None), ProbeOutcome::Refused);
        for answer in [b"+PONG\r\n", b"-ERR ma", b"-LOADIN"] {
            assert_eq!(of_redis(Some(answer)), ProbeOutcome::Answered);
        }
    }

    #[test]
    fn the_database_refuses_with_an_error_before_it_asks_for_a_password() {
        assert_eq!(of_database(Some(b"E\0\0\0\x8bSFA")), ProbeOutcome::Refused);
        assert_eq!(of_database(Some(b"R\0\0\0\x17")), ProbeOutcome::Answered);
        assert_eq!(of_database(None), ProbeOutcome::Refused);
        assert_eq!(of_instance(Some(b"HTTP/1.")), ProbeOutcome::Answered);
    }
}
