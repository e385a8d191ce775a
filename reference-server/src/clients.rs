//! What one client may take from an instance: connections, sessions, accounts, and time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Request;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::realtime;

/// The clients of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clients {
    /// Anyone who can reach the address: each client has these limits.
    Anyone(ClientLimits),
    /// A load balancer, which opens the connections of all clients from one address, and has timeouts of its own.
    LoadBalancer,
}

impl Default for Clients {
    fn default() -> Self {
        Self::Anyone(ClientLimits::default())
    }
}

/// The limits of one client: one IPv4 address, or one /64 network of IPv6, which is what a household gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLimits {
    /// Maximum number of open connections to an instance, and of new polling sessions in [`SESSION_WINDOW`]; `None` means no
    /// limit.
    pub connections_max: Option<u32>,
    /// Real time that a client has to send the head of a request, to send its body, and to read from a full connection. An
    /// idle connection is closed after it.
    pub timeout: Duration,
}

impl Default for ClientLimits {
    /// A browser opens six connections to a host and one WebSocket: 512 connections are some 70 people behind one address.
    /// That, and 30 s for a request of a few hundred bytes, are assumptions.
    fn default() -> Self {
        Self {
            connections_max: Some(512),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Real time after which a socket that has not sent its token is closed. Unlike a connection, a polling session costs its
/// client nothing, so new ones are counted over this time (of scenario time, as all rates).
pub(crate) const SESSION_WINDOW: Duration = Duration::from_secs(10);

/// The window of the limit on logins and registrations: the same as that of other requests (B8).
const ACCOUNT_WINDOW: Duration = Duration::from_secs(60);

/// Path of the routes that create accounts and tokens, before there is a user whose requests could be counted.
const ACCOUNTS_PATH: &str = "/api/auth/";

/// Counts what the clients of an instance have open, and refuses what is beyond their limits.
#[derive(Debug)]
pub(crate) struct Door {
    clients: Clients,
    /// Logins and registrations of one client in [`ACCOUNT_WINDOW`]; `None` means no limit.
    accounts_max: Option<u32>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: BTreeMap<Client, u32>,
    sessions: Window,
    accounts: Window,
}

/// A client as the limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(crate) fn at(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        })
    }
}

/// What clients have done since the window began.
#[derive(Debug, Default)]
struct Window {
    ends: Duration,
    counts: BTreeMap<Client, u32>,
}

impl Window {
    /// Counts one more; returns the time to wait if that is beyond `max`.
    fn count(
        &mut self,
        client: Client,
        (now, length): (Duration, Duration),
        max: u32,
    ) -> Result<(), Duration> {
        if now >= self.ends {
            // Forgets all clients at once, so that there are never more than come in one window.
            self.counts.clear();
            self.ends = now + length;
        }
        let count = self.counts.entry(client).or_default();
        if *count >= max {
            return Err(self.ends - now);
        }
        *count += 1;
        Ok(())
    }
}

/// The place of an open connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    door: Arc<Door>,
    client: Client,
}

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &mut self.door.lock().connections;
        if let Some(count) = connections.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.client);
            }
        }
    }
}

/// A client has as many connections as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Door {
    /// Builds the door of an instance; `accounts_max` is the number of logins and registrations per client and minute.
    pub(crate) fn new(clients: Clients, accounts_max: Option<u32>) -> Self {
        Self {
            clients,
            accounts_max,
            counts: Mutex::default(),
        }
    }

    /// Returns the limits of each client; `None` for a load balancer.
    pub(crate) const fn limits(&self) -> Option<ClientLimits> {
        match self.clients {
            Clients::Anyone(limits) => Some(limits),
            Clients::LoadBalancer => None,
        }
    }

    /// Returns the place of one more connection; no place if the client's connections are not counted.
    pub(crate) fn admit(self: &Arc<Self>, client: Client) -> Result<Option<Place>, TooMany> {
        let Some(max) = self.limits().and_then(|limits| limits.connections_max) else {
            return Ok(None);
        };
        let mut counts = self.lock();
        let count = counts.connections.entry(client).or_default();
        if *count >= max {
            return Err(TooMany);
        }
        *count += 1;
        drop(counts);
        let door = Arc::clone(self);
        Ok(Some(Place { door, client }))
    }

    /// Counts a request that costs more than its connection, at scenario time `now`.
    pub(crate) fn handle_request<B>(
        &self,
        client: Client,
        request: &Request<B>,
        now: Duration,
    ) -> Result<(), ApiError> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        let counted = if realtime::opens_session(request)
            && let Some(max) = limits.connections_max
        {
            let window = (now, SESSION_WINDOW);
            self.lock().sessions.count(client, window, max)
        } else if request.uri().path().starts_with(ACCOUNTS_PATH)
            && let Some(max) = self.accounts_max
        {
            let window = (now, ACCOUNT_WINDOW);
            self.lock().accounts.count(client, window, max)
        } else {
            Ok(())
        };
        counted.map_err(ApiError::TooManyRequests)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(clients: Clients) -> Arc<Door> {
        Arc::new(Door::new(clients, Some(2)))
    }

    fn limited(connections: u32) -> Clients {
        Clients::Anyone(ClientLimits {
            connections_max: Some(connections),
            ..ClientLimits::default()
        })
    }

    fn client(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    fn ask(door: &Door, from: &str, path: &str, second: u64) -> Result<(), ApiError> {
        let request = Request::builder().uri(path).body(()).unwrap();
        door.handle_request(client(from), &request, Duration::from_secs(second))
    }

    #[test]
    fn a_client_has_its_own_number_of_connections_and_gets_them_back() {
        let door = door(limited(2));
        let kept = door.admit(client("192.0.2.1")).unwrap();
        let closed = door.admit(client("::ffff:192.0.2.1")).unwrap();
        assert_eq!(door.admit(client("192.0.2.1")).unwrap_err(), TooMany);
        assert!(door.admit(client("192.0.2.2")).is_ok());
        drop(closed);
        assert!(door.admit(client("192.0.2.1")).is_ok());
        drop(kept);
        assert!(door.lock().connections.is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let door = door(limited(1));
        let _kept = door.admit(client("2001:db8::1")).unwrap();
        assert!(door.admit(client("2001:db8::2:3:4:5")).is_err());
        assert!(door.admit(client("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn a_load_balancer_has_no_limits() {
        let door = door(Clients::LoadBalancer);
        let places = (0..10_000).map(|_| door.admit(client("127.0.11.1")));
        assert!(places.into_iter().all(|place| place.is_ok()));
        for _ in 0..10 {
            assert_eq!(ask(&door, "127.0.11.1", "/api/auth/login", 0), Ok(()));
        }
    }

    #[test]
    fn polling_sessions_and_accounts_are_counted_over_a_window() {
        let door = door(limited(2));
        for (path, window) in [
            ("/socket.io/?EIO=4&transport=polling", SESSION_WINDOW),
            ("/api/auth/register", ACCOUNT_WINDOW),
        ] {
            assert_eq!(ask(&door, "192.0.2.1", path, 0), Ok(()));
            assert_eq!(ask(&door, "192.0.2.1", path, 1), Ok(()));
            let refused = ask(&door, "192.0.2.1", path, 2);
            let wait = window - Duration::from_secs(2);
            assert_eq!(refused, Err(ApiError::TooManyRequests(wait)), "{path}");
            assert_eq!(ask(&door, "192.0.2.2", path, 2), Ok(()));
            assert_eq!(ask(&door, "192.0.2.1", path, window.as_secs()), Ok(()));
        }
        for path in ["/socket.io/?EIO=4&transport=polling&sid=abc", "/api/events"] {
            for _ in 0..10 {
                assert_eq!(ask(&door, "192.0.2.1", path, 0), Ok(()), "{path}");
            }
        }
    }
}
