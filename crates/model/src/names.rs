//! Names: lookups of the site by the buyers' resolvers, and of the load balancer by the edge.
//!
//! A lookup takes no time unless a fault makes the name server slow: packet latency is left out everywhere. While a lookup is
//! in progress, all who need the name wait for it.

use std::time::Duration;

use rand::RngExt;

use super::calls::{Call, CallRef, Reply, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::resolver::{LookupEnd, NameFigures, NameServerState, Resolver};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;

/// One client of the name server: a resolver, and its lookup in progress.
#[derive(Debug)]
pub(super) struct Client<A> {
    pub(super) resolver: Resolver<A>,
    lookup: Lookup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// None is in progress. The last one that got no answer ended then; `None` if all got one.
    Idle { unanswered_at: Option<SimTime> },
    /// One is in progress.
    Begun { until: SimTime, answered: bool },
}

impl<A> Default for Client<A> {
    fn default() -> Self {
        Self {
            resolver: Resolver::default(),
            lookup: Lookup::Idle {
                unanswered_at: None,
            },
        }
    }
}

impl<A: Copy + PartialEq> Client<A> {
    /// When the lookup in progress ends; `None` if none is.
    pub(super) const fn waits_until(&self) -> Option<SimTime> {
        match self.lookup {
            Lookup::Begun { until, .. } => Some(until),
            Lookup::Idle { .. } => None,
        }
    }

    /// Whether a lookup must begin before the next use.
    pub(super) fn needs_lookup(&self, now: SimTime) -> bool {
        self.waits_until().is_none() && self.resolver.needs_lookup(now)
    }

    /// Begins a lookup. Returns when it ends; `None` if it ends at once, and the caller must call [`Self::end`].
    pub(super) fn begin(&mut self, now: SimTime, end: LookupEnd) -> Option<SimTime> {
        let until = now + end.takes;
        self.lookup = Lookup::Begun {
            until,
            answered: end.answered,
        };
        (end.takes > Duration::ZERO).then_some(until)
    }

    /// Ends the lookup in progress: if it got an answer, these are the addresses.
    pub(super) fn end(
        &mut self,
        now: SimTime,
        addresses: impl IntoIterator<Item = A>,
        ttl: Duration,
    ) {
        let Lookup::Begun { answered, .. } = self.lookup else {
            return;
        };
        if answered {
            self.resolver.handle_answer(now, addresses, ttl);
        } else {
            self.resolver.handle_no_answer();
        }
        self.lookup = Lookup::Idle {
            unanswered_at: (!answered).then_some(now),
        };
    }

    /// Whether the lookup that ended at `now` got no answer.
    pub(super) fn has_no_answer(&self, now: SimTime) -> bool {
        let unanswered_at = Some(now);
        self.lookup == Lookup::Idle { unanswered_at }
    }
}

/// The name server, and the resolvers of the buyers.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) server: NameServerState,
    pub(super) site: Vec<Client<u8>>,
    locations: u8,
    dns_ttl: Duration,
    /// Which queries get no response.
    lost: Stream,
}

impl Names {
    /// Creates the resolvers of `edge`; none knows anything yet.
    pub(super) fn new(edge: &tiketi_scenario::topology::Edge, streams: Streams) -> Self {
        Self {
            server: NameServerState::default(),
            site: std::iter::repeat_with(Client::default)
                .take(edge.resolvers as usize)
                .collect(),
            locations: u8::try_from(edge.locations).expect("there are 50 locations at most"),
            dns_ttl: edge.dns_ttl,
            lost: streams.named("dns"),
        }
    }

    /// Returns the number of the resolver that a buyer uses.
    pub(super) fn resolver_of(&self, buyer: u32) -> u16 {
        let resolvers = u32::try_from(self.site.len()).expect("there are 10,000 at most");
        u16::try_from(buyer % resolvers).expect("there are 10,000 at most")
    }

    /// Ends the lookup of a resolver of buyers.
    pub(super) fn end_site_lookup(&mut self, now: SimTime, resolver: u16) {
        let client = &mut self.site[usize::from(resolver)];
        client.end(now, 0..self.locations, self.dns_ttl);
    }

    /// Draws how a lookup ends that begins now.
    pub(super) fn draw_lookup(&mut self) -> LookupEnd {
        let lost = &mut self.lost;
        self.server
            .lookup(|share| lost.random::<f64>() < share.get())
    }

    /// Returns how the site's name was looked up.
    pub(super) fn site_figures(&self) -> NameFigures {
        let mut all = NameFigures::default();
        for client in &self.site {
            all.add(client.resolver.figures());
        }
        all
    }
}

impl World<'_> {
    /// Begins a lookup of the load balancer's name if one is due.
    pub(super) fn look_up_load_balancer(&mut self, now: SimTime) {
        if !self.front.needs_lookup(now) {
            return;
        }
        let end = self.names.draw_lookup();
        if let Some(until) = self.front.begin_lookup(now, end) {
            self.calendar.enter(until, Entry::LoadBalancerName);
        }
    }

    /// Lets a request wait for the lookup of the load balancer's name that ends at `until`.
    pub(super) fn wait_for_name(&mut self, now: SimTime, mut call: Call, until: SimTime) {
        call.step = Step::Name;
        let call = self.calls.insert(call);
        self.wait_until(call, until.max(now));
    }

    /// The lookup that a request has waited for has ended.
    pub(super) fn after_name(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        if self.front.has_no_answer(now) {
            call.reply = Reply::Failed(Failure::Dns);
            return self.deliver(now, &call);
        }
        match self.front.node(now) {
            Some(reached) => self.forward(now, call, reached),
            None => self.deliver(now, &call),
        }
    }
}
