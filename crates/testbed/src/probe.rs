//! Attempts to open connections that the network may forbid.

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
/// A request that every instance answers.
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n";
/// First byte of PostgreSQL's error messages: among others, that no rule admits the client's address.
const DATABASE_ERROR: u8 = b'E';

impl Testbed {
    /// Tries to open connections from `stranger`, an address outside the VPC: to an instance in each zone, and to the
    /// database if it is a server. Redis cannot tell addresses apart, and the embedded stores have none.
    pub async fn probe(&self, stranger: Ipv4Addr) -> Vec<Probe> {
        let mut probes = Vec::new();
        for zone in (0..).map(ZoneId).take(self.zone_names.len()) {
            let first = self.fleet.in_zone(zone).into_iter().next();
            if let Some(address) = first.and_then(|instance| self.fleet.address(instance)) {
                let answer = knock(stranger, address, REQUEST).await;
                let is_reached = answer.is_some();
                probes.push(probe(Kind::Instance, zone, is_reached));
            }
        }
        for (zone, address) in self.data_tier.database_servers() {
            let answer = knock(stranger, address, &startup()).await;
            let is_reached = answer.is_some_and(|first| first != DATABASE_ERROR);
            probes.push(probe(Kind::Database, zone, is_reached));
        }
        probes
    }
}

const fn probe(to: Kind, zone: ZoneId, is_reached: bool) -> Probe {
    Probe {
        from: Kind::Internet,
        to,
        zone,
        outcome: if is_reached {
            ProbeOutcome::Answered
        } else {
            ProbeOutcome::Refused
        },
    }
}

/// Connects and says something; returns the first byte of the response, or `None` if there is none.
async fn knock(from: Ipv4Addr, to: SocketAddr, words: &[u8]) -> Option<u8> {
    let conversation = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let mut stream = socket.connect(to).await?;
        stream.write_all(words).await?;
        stream.read_u8().await
    };
    tokio::time::timeout(PATIENCE, conversation)
        .await
        .ok()?
        .ok()
}

/// The first message of a client of PostgreSQL: its length, the version of the protocol, and whom it claims to be.
fn startup() -> Vec<u8> {
    const VERSION: u32 = 3 << 16;
    let claims = b"user\0probe\0database\0postgres\0\0";
    let length = u32::try_from(8 + claims.len()).expect("it is short");
    [&length.to_be_bytes()[..], &VERSION.to_be_bytes(), claims].concat()
}
