//! The way of buyers to the edge: its addresses as their resolvers know them, and API requests that go there.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::clock::Clock;
use super::dialer::Dialer;
use super::http::{Http, Identity, Outgoing, Received};
use super::reach::Allowed;
use super::resolver::Names;
use super::setup::{SetupError, host_header};
use super::worker::{Assignment, EdgeEntry, EntryPoint};
use tiketi_buyer::observation::Failure;
use tiketi_cloud::resolver::NameFigures;
use tiketi_core::units::{BuyerId, SimTime};

/// The site's name, as each resolver of the buyers knows it.
pub(super) struct SiteNames {
    resolvers: Vec<Names>,
    addresses: Vec<Ipv4Addr>,
    astray: Cell<u64>,
}

impl SiteNames {
    /// Prepares the resolvers; none knows anything yet.
    pub(super) fn new(
        assignment: &Assignment,
        edge: &EdgeEntry,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let site = EntryPoint {
            host: edge.host.clone(),
            port: edge.port,
            ..assignment.entry.clone()
        };
        let first = Names::new(&site, clock)?;
        let others = 1..assignment.plan.topology.edge.resolvers;
        let others: Vec<_> = others.map(|_| first.another()).collect();
        Ok(Self {
            resolvers: std::iter::once(first).chain(others).collect(),
            addresses: edge.addresses.clone(),
            astray: Cell::new(0),
        })
    }

    /// Returns the resolver of a buyer.
    pub(super) fn of(&self, buyer: BuyerId) -> &Names {
        &self.resolvers[buyer.0 as usize % self.resolvers.len()]
    }

    /// Counts an address that is no edge location.
    pub(super) fn check(&self, location: Allowed) {
        let is_location = match location.address().ip() {
            IpAddr::V4(address) => self.addresses.contains(&address),
            IpAddr::V6(_) => false,
        };
        if !is_location {
            self.astray.set(self.astray.get() + 1);
        }
    }

    /// Returns how the name was looked up.
    pub(super) fn figures(&self) -> NameFigures {
        let mut all = NameFigures::default();
        for resolver in &self.resolvers {
            all.add(&resolver.figures());
        }
        all
    }

    /// Returns how many answers had an address that is no edge location.
    pub(super) const fn astray(&self) -> u64 {
        self.astray.get()
    }

    /// Returns a client that connects to addresses of the name. It looks up nothing itself.
    pub(super) fn client(
        &self,
        assignment: &Assignment,
        edge: &EdgeEntry,
        clock: Clock,
        connections_max: usize,
    ) -> Result<Http, SetupError> {
        let buyers = &assignment.plan.buyers;
        let connect_timeout = clock.wall(buyers.connect_timeout);
        let call_timeout = clock.wall(buyers.call_timeout);
        let sources = assignment.source_addresses.clone();
        let dialer = Dialer::new(self.resolvers[0].another(), None, sources, connect_timeout);
        let host = host_header(format!("{}:{}", edge.host, edge.port))?;
        Ok(Http::new(
            dialer,
            host,
            clock,
            call_timeout,
            connections_max,
        ))
    }
}

/// Sends API requests to edge locations.
pub(super) struct EdgeWay {
    http: Http,
    site: Rc<SiteNames>,
}

impl EdgeWay {
    /// Sends requests with `http` to the addresses of `site`.
    pub(super) const fn new(http: Http, site: Rc<SiteNames>) -> Self {
        Self { http, site }
    }

    /// Sends a request of a buyer, as [`Http::call`].
    pub(super) async fn call(
        &self,
        buyer: BuyerId,
        request: &Outgoing,
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        let names = self.site.of(buyer);
        self.http.call_by(names, request, identity).await
    }

    /// Returns the client.
    pub(super) const fn http(&self) -> &Http {
        &self.http
    }
}

/// Returns how many of the connections that the edge has for all workers one of them may use.
pub(super) fn share_of_connections(workers: u32) -> usize {
    let share = tiketi_testbed::edge::CONNECTIONS_MAX / u64::from(workers.max(1));
    usize::try_from(share.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_together_stay_within_the_connections_of_the_edge() {
        for workers in [1, 2, 3, 7] {
            let all = share_of_connections(workers) * workers as usize;
            assert!(all <= 2_000 && all > 1_900, "{workers}: {all}");
        }
    }
}
