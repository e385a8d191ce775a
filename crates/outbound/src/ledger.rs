//! The ledger of the payment provider: what was authorized, charged and given back, by idempotency key.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tiketi_core::units::SimTime;

/// Every payment that the provider has decided on. `K` is the idempotency key, `R` what the payment is for.
#[derive(Clone, Debug)]
pub struct Ledger<K, R> {
    payments: BTreeMap<K, Payment<R>>,
    settled: u64,
}

#[derive(Clone, Copy, Debug)]
struct Payment<R> {
    reference: R,
    state: State,
    answered_at: SimTime,
}

/// State of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The money is reserved and can be charged.
    Authorized,
    /// The buyer is charged.
    Captured,
    /// The money is free again, or was given back.
    Voided,
    /// The card was declined.
    Declined,
}

/// Why a payment cannot be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCharged {
    /// No such payment was authorized.
    #[error("the payment is not authorized")]
    NotAuthorized,
    /// The provider is down.
    #[error("the provider is down")]
    Down,
}

/// What an audit needs of the ledger, compared with the paid orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeFacts {
    /// Charges.
    pub charges: u64,
    /// Of these, those that the settlement made: their instance ended before it could.
    pub settled: u64,
    /// Charges without a paid order.
    pub without_order: u64,
    /// Paid orders without a charge.
    pub orders_without_charge: u64,
    /// Orders that were charged more than once.
    pub charged_twice: u64,
    /// Payments that were declined.
    pub declined: u64,
}

impl<K, R> Default for Ledger<K, R> {
    fn default() -> Self {
        Self {
            payments: BTreeMap::new(),
            settled: 0,
        }
    }
}

impl<K: Ord, R: Ord + Copy> Ledger<K, R> {
    /// Returns when the answer to a payment with this key is or was due, and whether it was authorized; `None` if the key is
    /// new. A payment that was voided cannot be used again.
    pub(crate) fn decided(&self, key: &K) -> Option<(SimTime, bool)> {
        let payment = self.payments.get(key)?;
        let is_authorized = match payment.state {
            State::Authorized | State::Captured => true,
            State::Voided | State::Declined => false,
        };
        Some((payment.answered_at, is_authorized))
    }

    /// Records a decision on a new key.
    pub(crate) fn record(
        &mut self,
        (key, reference): (K, R),
        answered_at: SimTime,
        declined: bool,
    ) {
        let state = if declined {
            State::Declined
        } else {
            State::Authorized
        };
        let payment = Payment {
            reference,
            state,
            answered_at,
        };
        self.payments.insert(key, payment);
    }

    /// Charges an authorized payment. Charged before, it is one charge all the same.
    ///
    /// # Errors
    ///
    /// When the payment is not authorized.
    pub fn capture(&mut self, key: &K) -> Result<(), NotCharged> {
        let payment = self.payments.get_mut(key);
        let payment = payment.ok_or(NotCharged::NotAuthorized)?;
        match payment.state {
            State::Authorized | State::Captured => {
                payment.state = State::Captured;
                Ok(())
            }
            State::Voided | State::Declined => Err(NotCharged::NotAuthorized),
        }
    }

    /// Gives up a payment that was authorized and not charged; does nothing to any other.
    pub fn void(&mut self, key: &K) {
        if let Some(payment) = self.payments.get_mut(key)
            && payment.state == State::Authorized
        {
            payment.state = State::Voided;
        }
    }

    /// Gives back everything that was authorized or charged for `reference`, as after a cancellation.
    pub fn refund(&mut self, reference: R) {
        for payment in self.payments.values_mut() {
            let is_open = matches!(payment.state, State::Authorized | State::Captured);
            if payment.reference == reference && is_open {
                payment.state = State::Voided;
            }
        }
    }

    /// Charges the authorized payments of these orders, as the merchant's daily settlement does: an instance that ended after
    /// the commit of an order could not charge it.
    pub fn settle<'k>(&mut self, orders: impl IntoIterator<Item = &'k K>)
    where
        K: 'k,
    {
        for key in orders {
            if let Some(payment) = self.payments.get_mut(key)
                && payment.state == State::Authorized
            {
                payment.state = State::Captured;
                self.settled += 1;
            }
        }
    }

    /// Compares the charges with the paid orders, each with its key and what it is for.
    pub fn facts(&self, orders: impl IntoIterator<Item = (K, R)>) -> ChargeFacts {
        let mut charged: BTreeMap<R, u64> = BTreeMap::new();
        for payment in self.payments.values() {
            if payment.state == State::Captured {
                *charged.entry(payment.reference).or_default() += 1;
            }
        }
        let orders: BTreeSet<R> = orders.into_iter().map(|(_, reference)| reference).collect();
        let without_order = charged.iter().filter(|(of, _)| !orders.contains(of));
        let declined = self.payments.values();
        let declined = declined.filter(|payment| payment.state == State::Declined);
        ChargeFacts {
            charges: charged.values().sum(),
            settled: self.settled,
            without_order: without_order.map(|(_, charges)| charges).sum(),
            orders_without_charge: count(orders.iter().filter(|of| !charged.contains_key(of))),
            charged_twice: count(charged.values().filter(|charges| **charges > 1)),
            declined: count(declined),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(keys: &[(u32, u32)]) -> Ledger<u32, u32> {
        let mut ledger = Ledger::default();
        for payment in keys {
            ledger.record(*payment, SimTime::ZERO, false);
        }
        ledger
    }

    #[test]
    fn a_payment_is_charged_once_however_often_it_is_captured() {
        let mut ledger = ledger(&[(1, 10)]);
        assert_eq!(ledger.capture(&1), Ok(()));
        assert_eq!(ledger.capture(&1), Ok(()));
        let facts = ledger.facts([(1, 10)]);
        assert_eq!((facts.charges, facts.charged_twice), (1, 0));
        assert_eq!((facts.without_order, facts.orders_without_charge), (0, 0));
    }

    #[test]
    fn charges_and_orders_that_do_not_match_are_counted() {
        let mut ledger = ledger(&[(1, 10), (2, 20), (3, 10), (4, 40)]);
        for key in 1..=3 {
            assert_eq!(ledger.capture(&key), Ok(()));
        }
        // Order 10 is charged under two keys, charge 20 has no order, order 40 has no charge.
        let facts = ledger.facts([(1, 10), (4, 40)]);
        assert_eq!(facts.charges, 3);
        assert_eq!(facts.charged_twice, 1);
        assert_eq!(facts.without_order, 1);
        assert_eq!(facts.orders_without_charge, 1);
    }

    #[test]
    fn what_was_given_up_or_given_back_is_not_charged() {
        let mut ledger = ledger(&[(1, 10), (2, 20)]);
        ledger.void(&1);
        assert_eq!(ledger.capture(&1), Err(NotCharged::NotAuthorized));
        assert_eq!(ledger.capture(&2), Ok(()));
        ledger.void(&2);
        assert_eq!(ledger.facts([(2, 20)]).charges, 1, "too late to give up");
        ledger.refund(20);
        assert_eq!(ledger.facts([]).charges, 0);
        assert_eq!(ledger.capture(&7), Err(NotCharged::NotAuthorized));
    }

    #[test]
    fn the_settlement_charges_what_orders_were_committed_for() {
        let mut ledger = ledger(&[(1, 10), (2, 20)]);
        ledger.settle(&[1, 7]);
        let facts = ledger.facts([(1, 10)]);
        assert_eq!((facts.charges, facts.settled), (1, 1));
        assert_eq!(facts.orders_without_charge, 0);
    }
}
