//! The hosts of a system besides the target, such as a queue service: whether they may be used, and connections to them.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::clock::Clock;
use super::dialer::Dialer;
use super::http::{Http, Identity, Outgoing, Received};
use super::reach::Forbidden;
use super::resolver::Names;
use super::setup::{SetupError, host_header};
use super::target::{self, Refusal};
use super::tls::Tls;
use super::worker::{EntryPoint, Scheme};
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::plan::Target;

/// Finds the other hosts that the mapping names. Each has to be allowed like the target itself.
///
/// # Errors
///
/// The first reason why one of them may not be used.
pub(super) async fn admit(
    entry: &EntryPoint,
    target: &Target,
    is_owned: bool,
) -> Result<Vec<EntryPoint>, Refusal> {
    let scheme = match entry.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let mut hosts = Vec::new();
    for host in target.mapping().hosts {
        let url = host.at.url(scheme, &entry.host);
        let admitted = target::admit_host(&url, target, is_owned).await?;
        let is_same = target::is_same_host(&admitted.host, &entry.host);
        hosts.push(EntryPoint {
            page: None,
            http: entry.http,
            trust: if is_same {
                entry.trust.clone()
            } else {
                entry.trust.of_other_host()
            },
            ..admitted
        });
    }
    Ok(hosts)
}

/// How connections are opened and used.
#[derive(Clone, Copy)]
pub(super) struct Manner<'m> {
    pub(super) clock: Clock,
    /// Loopback addresses to connect from.
    pub(super) sources: &'m [Ipv4Addr],
    pub(super) connect_timeout: Duration,
    pub(super) call_timeout: Duration,
    /// Most concurrent requests to each host.
    pub(super) connections_max: usize,
}

/// Connections to each of the other hosts, in the order of the mapping.
pub(super) struct Hosts {
    clients: Vec<(String, Http)>,
}

impl Hosts {
    /// Builds a client for each host; none is connected yet.
    pub(super) fn new(entries: &[EntryPoint], manner: Manner<'_>) -> Result<Self, SetupError> {
        let client = |entry: &EntryPoint| -> Result<_, SetupError> {
            let names = Names::new(entry, manner.clock)?;
            let sources = manner.sources.to_vec();
            let dialer = Dialer::new(names, Tls::to(entry)?, sources, manner.connect_timeout);
            let host = host_header(format!("{}:{}", entry.host, entry.port))?;
            let (timeout, most) = (manner.call_timeout, manner.connections_max);
            let http = Http::new(dialer, host, manner.clock, timeout, most);
            Ok((entry.host.clone(), http))
        };
        Ok(Self {
            clients: entries.iter().map(client).collect::<Result<_, _>>()?,
        })
    }

    /// Sends a request to a host, by its place. Cookies are those of the target: a browser shows them to no other host.
    pub(super) async fn call(
        &self,
        host: u8,
        (buyer, request): (BuyerId, &Outgoing),
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        let identity = Identity {
            authorization: identity.authorization.clone(),
            cookie: None,
            pass: None,
        };
        let (sent, received) = self.client(host).call_of(buyer, request, &identity).await;
        let received = received.map(|received| Received {
            cookie: None,
            pass: None,
            ..received
        });
        (sent, received)
    }

    /// Closes the connections of a buyer, if there are any.
    pub(super) fn forget(&self, buyer: BuyerId) {
        for (_, http) in &self.clients {
            http.forget(buyer);
        }
    }

    /// Returns the client of a host, by its place.
    pub(super) fn client(&self, host: u8) -> &Http {
        &self.clients[usize::from(host)].1
    }

    /// Returns the first host with an address that may not be connected to, and the address; `None` if all may.
    pub(super) fn forbidden(&self) -> Option<(String, Forbidden)> {
        self.clients.iter().find_map(|(name, http)| {
            let forbidden = http.dialer().forbidden()?;
            Some((name.clone(), forbidden))
        })
    }

    /// Returns the number of connections that this machine could not even try.
    pub(super) fn refused(&self) -> u64 {
        self.sum(|http| http.dialer().refused())
    }

    /// Returns the number of connections opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.sum(Http::opened)
    }

    /// Returns the number of requests that had to wait for a free connection.
    pub(super) fn waits(&self) -> u64 {
        self.sum(Http::waits)
    }

    fn sum(&self, count: impl Fn(&Http) -> u64) -> u64 {
        self.clients.iter().map(|(_, http)| count(http)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(hosts: &str, allow: &[&str]) -> Target {
        let text = format!(
            "hosts = {{ {hosts} }}\n[payment]\ncall = \"POST /pay\"\nmeans = [{{ is = \"paid\" }}]\n"
        );
        let table = toml::de::DeTable::parse(&text).expect("it is TOML");
        Target {
            allow: allow.iter().map(|&host| host.to_owned()).collect(),
            api: Some(tiketi_api::Tree::from_table(table.get_ref(), 0..0)),
            ..Target::default()
        }
    }

    async fn hosts(target: &Target, is_owned: bool) -> Result<Vec<String>, Refusal> {
        let destination = target::Destination {
            url: "http://127.0.0.1:80".to_owned(),
            is_owned,
            ..target::Destination::default()
        };
        let entry = target::admit(&destination, target, 1.0).await?;
        let hosts = entry.hosts.iter();
        Ok(hosts
            .map(|host| format!("{}:{}", host.host, host.port))
            .collect())
    }

    #[tokio::test]
    async fn another_host_on_loopback_needs_no_permission() {
        let target = target("queue = \":9000\", pay = \"http://127.0.0.2\"", &[]);
        let found = hosts(&target, false).await;
        assert_eq!(found.unwrap(), ["127.0.0.1:9000", "127.0.0.2:80"]);
    }

    #[tokio::test]
    async fn another_host_elsewhere_needs_the_same_permissions_as_the_target() {
        let elsewhere = "queue = \"https://192.0.2.7\"";
        let refused = hosts(&target(elsewhere, &[]), true).await.unwrap_err();
        assert!(matches!(refused, Refusal::NotAllowed { .. }), "{refused}");
        let allowed = target(elsewhere, &["192.0.2.7"]);
        let refused = hosts(&allowed, false).await.unwrap_err();
        assert!(matches!(refused, Refusal::NotOwned { .. }), "{refused}");
        assert_eq!(hosts(&allowed, true).await.unwrap(), ["192.0.2.7:443"]);
    }
}
