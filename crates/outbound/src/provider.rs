//! The payment provider: decides on payments, takes its time, and can be slow or down.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::fault::catalog::Disruption;
use tiketi_core::units::SimTime;

use crate::ledger::{Ledger, NotCharged};

/// The payment provider. `K` is the idempotency key, `R` what the payment is for.
#[derive(Clone, Debug)]
pub struct Provider<K, R> {
    ledger: Ledger<K, R>,
    slower_by: Duration,
    is_down: bool,
    figures: ProviderFigures,
}

/// Calls that reached the provider, by its answer. A payment can have several of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFigures {
    /// Authorizations that were given.
    pub authorized: u64,
    /// Authorizations that were declined.
    pub declined: u64,
    /// Authorizations that failed, because the provider was down or by chance.
    pub failed: u64,
    /// Charges that were made, or had been made before.
    pub charged: u64,
    /// Charges that were rejected: the provider was down, or nothing was authorized.
    pub not_charged: u64,
}

/// What chance decides about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// How long it takes.
    pub takes: Duration,
    /// Whether the card is declined; without effect if the key is known.
    pub declines: bool,
    /// Whether the call fails. Nothing is recorded then, and the next attempt may succeed.
    pub fails: bool,
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it is sent.
    pub at: SimTime,
    /// What it says.
    pub decision: Decision,
}

/// What the provider answers to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The money is reserved.
    Authorized,
    /// The card is declined, or the payment was given up before.
    Declined,
    /// The provider has failed; try again with the same key.
    Failed,
}

impl<K, R> Default for Provider<K, R> {
    fn default() -> Self {
        Self {
            ledger: Ledger::default(),
            slower_by: Duration::ZERO,
            is_down: false,
            figures: ProviderFigures::default(),
        }
    }
}

impl<K: Ord, R: Ord + Copy> Provider<K, R> {
    /// Asks for an authorization. The same key gets the same answer, and not before the first one.
    ///
    /// The decision is made when the call arrives, also if its client does not wait for the answer.
    pub fn handle_authorize(&mut self, now: SimTime, payment: (K, R), draw: Draw) -> Answer {
        let answer = self.decide(now, payment, draw);
        match answer.decision {
            Decision::Authorized => self.figures.authorized += 1,
            Decision::Declined => self.figures.declined += 1,
            Decision::Failed => self.figures.failed += 1,
        }
        answer
    }

    fn decide(&mut self, now: SimTime, payment: (K, R), draw: Draw) -> Answer {
        if self.is_down {
            let decision = Decision::Failed;
            return Answer { at: now, decision };
        }
        let at = now + draw.takes + self.slower_by;
        if let Some((answered_at, is_authorized)) = self.ledger.decided(&payment.0) {
            let decision = if is_authorized {
                Decision::Authorized
            } else {
                Decision::Declined
            };
            // The first call may still be in progress; a decision that was made is only looked up.
            let at = if answered_at > now { answered_at } else { at };
            return Answer { at, decision };
        }
        if draw.fails {
            let decision = Decision::Failed;
            return Answer { at, decision };
        }
        self.ledger.record(payment, at, draw.declines);
        let decision = if draw.declines {
            Decision::Declined
        } else {
            Decision::Authorized
        };
        Answer { at, decision }
    }

    /// Charges an authorized payment.
    ///
    /// # Errors
    ///
    /// When it is not authorized, or the provider is down.
    pub fn handle_capture(&mut self, key: &K) -> Result<(), NotCharged> {
        let charged = if self.is_down {
            Err(NotCharged::Down)
        } else {
            self.ledger.capture(key)
        };
        match charged {
            Ok(()) => self.figures.charged += 1,
            Err(NotCharged::Down | NotCharged::NotAuthorized) => self.figures.not_charged += 1,
        }
        charged
    }

    /// Returns how it has answered so far.
    pub const fn figures(&self) -> ProviderFigures {
        self.figures
    }

    /// Notes a disruption; only those of the provider have an effect.
    pub const fn handle_disruption(&mut self, disruption: Disruption) {
        match disruption {
            Disruption::ProviderSlow(delay) => self.slower_by = delay,
            Disruption::ProviderDown => self.is_down = true,
            Disruption::NatGateway(_)
            | Disruption::Route { .. }
            | Disruption::S3
            | Disruption::S3Endpoint => {}
        }
    }

    /// Notes the end of a disruption.
    pub const fn handle_repair(&mut self, disruption: Disruption) {
        match disruption {
            Disruption::ProviderSlow(_) => self.slower_by = Duration::ZERO,
            Disruption::ProviderDown => self.is_down = false,
            Disruption::NatGateway(_)
            | Disruption::Route { .. }
            | Disruption::S3
            | Disruption::S3Endpoint => {}
        }
    }

    /// Whether it rejects every call.
    pub const fn is_down(&self) -> bool {
        self.is_down
    }

    /// Returns the ledger.
    pub const fn ledger(&self) -> &Ledger<K, R> {
        &self.ledger
    }

    /// Returns the ledger, to give up or settle payments.
    pub const fn ledger_mut(&mut self) -> &mut Ledger<K, R> {
        &mut self.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: Duration = Duration::from_secs(1);
    const DRAW: Draw = Draw {
        takes: TAKES,
        declines: false,
        fails: false,
    };

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn provider() -> Provider<&'static str, u32> {
        Provider::default()
    }

    #[test]
    fn the_same_key_gets_the_same_answer_at_the_same_time() {
        let mut provider = provider();
        let first = provider.handle_authorize(at(0), ("key", 1), DRAW);
        let slow = Draw {
            takes: Duration::from_secs(9),
            declines: true,
            fails: true,
        };
        let again = provider.handle_authorize(SimTime::from_nanos(5), ("key", 1), slow);
        assert_eq!(first, again);
        assert_eq!(first.decision, Decision::Authorized);
        let later = provider.handle_authorize(at(20), ("key", 1), DRAW);
        assert_eq!((later.at, later.decision), (at(21), Decision::Authorized));
        assert_eq!(provider.handle_capture(&"key"), Ok(()));
        assert_eq!(provider.ledger().facts([("key", 1)]).charges, 1);
    }

    #[test]
    fn a_failed_call_leaves_nothing_and_can_be_repeated() {
        let mut provider = provider();
        let fails = Draw {
            fails: true,
            ..DRAW
        };
        let failed = provider.handle_authorize(at(0), ("key", 1), fails);
        assert_eq!(failed.decision, Decision::Failed);
        assert!(provider.handle_capture(&"key").is_err());
        let again = provider.handle_authorize(at(2), ("key", 1), DRAW);
        assert_eq!(again.decision, Decision::Authorized);
    }

    #[test]
    fn a_declined_card_stays_declined_and_is_not_charged() {
        let mut provider = provider();
        let declines = Draw {
            declines: true,
            ..DRAW
        };
        for (second, draw) in [(0, declines), (5, DRAW)] {
            let answer = provider.handle_authorize(at(second), ("key", 1), draw);
            assert_eq!(answer.decision, Decision::Declined);
        }
        assert!(provider.handle_capture(&"key").is_err());
        assert_eq!(provider.ledger().facts([]).declined, 1);
    }

    #[test]
    fn a_payment_that_was_given_up_is_not_authorized_again() {
        let mut provider = provider();
        provider.handle_authorize(at(0), ("key", 1), DRAW);
        provider.ledger_mut().void(&"key");
        let again = provider.handle_authorize(at(5), ("key", 1), DRAW);
        assert_eq!(again.decision, Decision::Declined);
    }

    #[test]
    fn a_slow_provider_is_late_and_one_that_is_down_rejects_at_once() {
        let mut provider = provider();
        let slower = Disruption::ProviderSlow(Duration::from_secs(8));
        provider.handle_disruption(slower);
        let slow = provider.handle_authorize(at(0), ("slow", 1), DRAW);
        assert_eq!(slow.at, at(9));
        provider.handle_repair(slower);
        assert_eq!(
            provider.handle_authorize(at(0), ("quick", 2), DRAW).at,
            at(1)
        );
        provider.handle_disruption(Disruption::ProviderDown);
        let down = provider.handle_authorize(at(3), ("down", 3), DRAW);
        assert_eq!((down.at, down.decision), (at(3), Decision::Failed));
        assert_eq!(provider.handle_capture(&"quick"), Err(NotCharged::Down));
        provider.handle_repair(Disruption::ProviderDown);
        assert_eq!(provider.handle_capture(&"quick"), Ok(()));
        assert!(provider.handle_capture(&"down").is_err());
    }

    #[test]
    fn calls_are_counted_by_their_answer() {
        let mut provider = provider();
        let with = |declines, fails| Draw {
            declines,
            fails,
            ..DRAW
        };
        for (key, draw) in [
            ("paid", DRAW),
            ("paid", DRAW),
            ("declined", with(true, false)),
            ("failed", with(false, true)),
        ] {
            provider.handle_authorize(at(0), (key, 1), draw);
        }
        provider.handle_capture(&"paid").unwrap();
        provider.handle_capture(&"declined").unwrap_err();
        provider.handle_disruption(Disruption::ProviderDown);
        provider.handle_authorize(at(1), ("late", 1), DRAW);
        provider.handle_capture(&"paid").unwrap_err();
        let figures = ProviderFigures {
            authorized: 2,
            declined: 1,
            failed: 2,
            charged: 1,
            not_charged: 2,
        };
        assert_eq!(provider.figures(), figures);
    }
}
