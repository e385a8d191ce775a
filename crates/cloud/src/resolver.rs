//! A resolver: what a client knows of one name, and when it looks it up again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::units::{Share, SimTime};

use crate::address_rotation::AddressRotation;

/// How long a resolver waits for the response to a query (assumption: resolvers of operating systems wait 1 to 5 s).
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Queries of one lookup; a lookup without a response to any of them has failed (as in the resolver of glibc).
pub const QUERIES_MAX: u32 = 2;

/// What one client knows of one name.
///
/// An answer is used for its time to live. A connection that fails makes the client look up the name again at its next use;
/// the address that failed is avoided until its own time to live is over, or until no other is left.
#[derive(Clone, Debug)]
pub struct Resolver<A> {
    known: AddressRotation<A>,
    answer: Answer,
    /// Addresses that have failed, and until when each is avoided.
    avoided: Vec<(A, SimTime)>,
    /// Why the next use looks the name up.
    due: Reason,
    figures: NameFigures,
}

/// Where the known addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// There was no answer yet.
    None,
    /// They were known from the start, for ever.
    Fixed,
    /// The answer of a lookup `at` some time, which may be used for `ttl`.
    Of { at: SimTime, ttl: Duration },
}

/// Why a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    First,
    Expired,
    Failure,
}

/// How the name server answers the queries for public names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NameServerState {
    /// Time to the response.
    pub delay: Duration,
    /// Share of queries that get no response.
    pub unanswered: Option<Share>,
}

/// How one lookup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupEnd {
    /// How long it takes.
    pub takes: Duration,
    /// Whether there is an answer.
    pub answered: bool,
}

impl NameServerState {
    /// Returns how a lookup ends; `is_lost` tells for each query whether it gets no response, given the share of those.
    pub fn lookup(&self, mut is_lost: impl FnMut(Share) -> bool) -> LookupEnd {
        let mut takes = Duration::ZERO;
        for _ in 0..QUERIES_MAX {
            let is_lost = self.unanswered.is_some_and(&mut is_lost);
            // A response that comes later than the resolver waits is none.
            if !is_lost && self.delay < QUERY_TIMEOUT {
                return LookupEnd {
                    takes: takes + self.delay,
                    answered: true,
                };
            }
            takes += QUERY_TIMEOUT;
        }
        LookupEnd {
            takes,
            answered: false,
        }
    }
}

/// Lookups of one name, by all clients together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NameFigures {
    /// Clients that looked the name up for the first time.
    pub first: u64,
    /// Lookups because the time to live was over.
    pub expired: u64,
    /// Lookups because a connection to one of the addresses had failed.
    pub after_failure: u64,
    /// Lookups that got no answer.
    pub unanswered: u64,
    /// Addresses whose connection failed: each must lead to another lookup.
    pub failures: u64,
    /// Times that an address was used.
    pub uses: u64,
    /// The longest time between an answer and its last use.
    pub used_after_max: Duration,
    /// The longest time to live of an answer.
    pub ttl_max: Duration,
}

impl NameFigures {
    /// Returns all lookups.
    pub const fn lookups(&self) -> u64 {
        self.first + self.expired + self.after_failure
    }

    /// Adds what another client counted.
    pub fn add(&mut self, other: &Self) {
        self.first += other.first;
        self.expired += other.expired;
        self.after_failure += other.after_failure;
        self.unanswered += other.unanswered;
        self.failures += other.failures;
        self.uses += other.uses;
        self.used_after_max = self.used_after_max.max(other.used_after_max);
        self.ttl_max = self.ttl_max.max(other.ttl_max);
    }
}

impl<A> Default for Resolver<A> {
    fn default() -> Self {
        Self {
            known: AddressRotation::default(),
            answer: Answer::None,
            avoided: Vec::new(),
            due: Reason::First,
            figures: NameFigures::default(),
        }
    }
}

impl<A: Copy + PartialEq> Resolver<A> {
    /// Starts with addresses that are known without a lookup, for ever.
    pub fn fixed(addresses: impl IntoIterator<Item = A>) -> Self {
        Self {
            known: AddressRotation::new(addresses),
            answer: Answer::Fixed,
            ..Self::default()
        }
    }

    /// Returns whether the name must be looked up before its next use.
    pub fn needs_lookup(&self, now: SimTime) -> bool {
        match self.answer {
            Answer::None => true,
            Answer::Fixed => false,
            Answer::Of { at, ttl } => self.due == Reason::Failure || now >= at + ttl,
        }
    }

    /// Takes the answer of a lookup, which may be used for `ttl`.
    pub fn handle_answer(
        &mut self,
        now: SimTime,
        addresses: impl IntoIterator<Item = A>,
        ttl: Duration,
    ) {
        self.count_lookup();
        self.figures.ttl_max = self.figures.ttl_max.max(ttl);
        self.due = Reason::Expired;
        self.answer = Answer::Of { at: now, ttl };
        self.known.renew(addresses);
        self.avoided.retain(|(_, until)| now < *until);
        for (address, _) in &self.avoided {
            // If all are avoided, the rotation forgets it, and the next connection tries each again.
            self.known.avoid(*address);
        }
    }

    /// A lookup got no answer: the next use tries again.
    pub const fn handle_no_answer(&mut self) {
        self.count_lookup();
        self.figures.unanswered += 1;
    }

    /// Returns the address for the next connection; `None` if the name has none. The answer of a lookup with a time to live of
    /// zero may be used at the same instant.
    pub fn pick(&mut self, now: SimTime) -> Option<A> {
        let address = self.known.pick()?;
        self.figures.uses += 1;
        if let Answer::Of { at, .. } = self.answer {
            let age = now.saturating_since(at);
            self.figures.used_after_max = self.figures.used_after_max.max(age);
        }
        Some(address)
    }

    /// A connection to `address` failed. Returns another one to try at once; `None` if all have failed.
    pub fn handle_failure(&mut self, now: SimTime, address: A) -> Option<A> {
        if let Answer::Of { ttl, .. } = self.answer
            && !self.avoided.iter().any(|(known, _)| *known == address)
        {
            self.avoided.push((address, now + ttl));
            self.figures.failures += 1;
            self.due = Reason::Failure;
        }
        let next = self.known.handle_failure(address);
        if next.is_none() {
            // Nothing is left to avoid them for.
            self.avoided.clear();
        }
        next
    }

    /// Returns what was counted.
    pub const fn figures(&self) -> &NameFigures {
        &self.figures
    }

    const fn count_lookup(&mut self) {
        match self.due {
            Reason::First => self.figures.first += 1,
            Reason::Expired => self.figures.expired += 1,
            Reason::Failure => self.figures.after_failure += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn answered(addresses: &[u8]) -> Resolver<u8> {
        let mut resolver = Resolver::default();
        assert!(resolver.needs_lookup(at(0)));
        resolver.handle_answer(at(0), addresses.iter().copied(), TTL);
        resolver
    }

    #[test]
    fn an_answer_is_used_for_its_time_to_live_and_no_longer() {
        let mut resolver = answered(&[1, 2]);
        assert!(!resolver.needs_lookup(at(59)));
        assert_eq!(
            [resolver.pick(at(1)), resolver.pick(at(59))],
            [Some(1), Some(2)]
        );
        assert!(resolver.needs_lookup(at(60)));
        resolver.handle_answer(at(60), [3], TTL);
        assert_eq!(resolver.pick(at(61)), Some(3));
        let figures = resolver.figures();
        assert_eq!((figures.first, figures.expired, figures.uses), (1, 1, 3));
        assert_eq!(figures.used_after_max, Duration::from_secs(59));
    }

    #[test]
    fn a_failed_connection_leads_to_another_lookup_at_the_next_use() {
        let mut resolver = answered(&[1, 2]);
        assert_eq!(resolver.handle_failure(at(10), 1), Some(2));
        assert!(resolver.needs_lookup(at(10)));
        // The record still has the address that failed: it is avoided all the same.
        resolver.handle_answer(at(10), [1, 2], TTL);
        assert!(!resolver.needs_lookup(at(11)));
        assert_eq!(
            [resolver.pick(at(11)), resolver.pick(at(12))],
            [Some(2), Some(2)]
        );
        let figures = resolver.figures();
        assert_eq!((figures.failures, figures.after_failure), (1, 1));
        // Until the time to live of the failure is over.
        resolver.handle_answer(at(70), [1, 2], TTL);
        let mut picks = [
            resolver.pick(at(70)).unwrap(),
            resolver.pick(at(71)).unwrap(),
        ];
        picks.sort_unstable();
        assert_eq!(picks, [1, 2]);
    }

    #[test]
    fn an_address_that_fails_twice_is_one_failure_and_one_lookup() {
        let mut resolver = answered(&[1, 2]);
        resolver.handle_failure(at(10), 1);
        resolver.handle_answer(at(11), [1, 2], TTL);
        resolver.handle_failure(at(12), 1);
        assert!(!resolver.needs_lookup(at(12)));
        assert_eq!(resolver.figures().failures, 1);
    }

    #[test]
    fn when_all_have_failed_each_is_tried_again_after_another_lookup() {
        let mut resolver = answered(&[1, 2]);
        assert_eq!(resolver.handle_failure(at(10), 1), Some(2));
        assert_eq!(resolver.handle_failure(at(10), 2), None);
        assert!(resolver.needs_lookup(at(10)));
        resolver.handle_answer(at(11), [1, 2], TTL);
        assert!(resolver.pick(at(11)).is_some());
    }

    #[test]
    fn a_lookup_without_an_answer_is_counted_and_tried_again() {
        let mut resolver = Resolver::<u8>::default();
        resolver.handle_no_answer();
        assert!(resolver.needs_lookup(at(1)));
        resolver.handle_answer(at(2), [1], TTL);
        let figures = resolver.figures();
        assert_eq!((figures.first, figures.unanswered), (2, 1));
    }

    #[test]
    fn a_lookup_takes_the_delay_and_a_timeout_for_each_query_without_a_response() {
        let seconds = Duration::from_secs;
        let state = |delay, share: f64| NameServerState {
            delay,
            unanswered: Some(Share::try_from(share).unwrap()),
        };
        let end = |takes, answered| LookupEnd { takes, answered };
        let calm = NameServerState::default();
        assert_eq!(calm.lookup(|_| true), end(Duration::ZERO, true));
        let slow = state(seconds(1), 0.5);
        assert_eq!(slow.lookup(|_| false), end(seconds(1), true));
        let mut lost = [true, false].into_iter();
        assert_eq!(slow.lookup(|_| lost.next().unwrap()), end(seconds(3), true));
        assert_eq!(slow.lookup(|_| true), end(seconds(4), false));
        // A response after the timeout is too late.
        assert_eq!(
            state(seconds(2), 0.0).lookup(|_| false),
            end(seconds(4), false)
        );
    }

    #[test]
    fn a_fixed_address_is_never_looked_up() {
        let mut resolver = Resolver::fixed([1]);
        assert!(!resolver.needs_lookup(at(1_000_000)));
        assert_eq!(resolver.pick(at(1_000_000)), Some(1));
    }
}
