//! CloudFront's free tier and its flat-rate plans: a fee and an allowance per month, and what happens beyond the allowance.
//!
//! A book has any number of plans and applies one of them or none, so nothing is deducted twice: AWS's free tier does not
//! apply to a distribution with a flat-rate plan.
//!
//! A month is longer than a run, so a run gets a part of it. The fee is divided by time, as everything else that is billed by the
//! month. The allowance is not: a run's traffic is that of a sale, not that of an average hour. It is divided equally among the
//! sales of the month. So the edge costs a month of sales exactly the fee and as much beyond it as its sales together.

use super::item::Item;
use super::price_book::Basis;
use tiketi_core::names;

/// The choice of no plan: list prices from the first byte and request.
pub const PAY_AS_YOU_GO: &str = "pay-as-you-go";

/// A plan for the edge.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePlan {
    /// Name, unique in its book.
    pub name: String,
    /// Fee per month, in the book's currency.
    pub monthly: f64,
    /// Gigabytes to the internet per month that the fee covers.
    pub transfer_gb: f64,
    /// Requests per month that the fee covers.
    pub requests: f64,
    /// What is charged beyond the allowance.
    pub beyond: Beyond,
    /// How reliable fee and allowance are.
    pub basis: Basis,
    /// Source of fee and allowance.
    pub source: String,
}

/// What is charged for usage beyond the allowance of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The list price.
    ListPrice,
    /// Nothing. AWS may then serve more slowly, or ask for a larger plan; neither is simulated.
    NoCharge,
}

names!(Beyond {
    ListPrice = "list-price",
    NoCharge = "no-charge",
});

impl EdgePlan {
    /// Returns how much of an item the plan covers per month; `None` if the plan has nothing to do with the item.
    pub fn allowance(&self, item: Item) -> Option<f64> {
        if item == Item::DataOut {
            Some(self.transfer_gb)
        } else if item == Item::EdgeRequests {
            Some(self.requests)
        } else {
            None
        }
    }
}

/// Divides a quantity into what an allowance covers and the rest.
pub(super) fn divided(used: f64, allowance: f64) -> (f64, f64) {
    let covered = used.min(allowance);
    (covered, used - covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_covers_no_more_than_is_used() {
        let is = |used, (covered, rest): (f64, f64)| {
            let (is_covered, is_rest) = divided(used, 10.0);
            (is_covered - covered).abs() < 1e-12 && (is_rest - rest).abs() < 1e-12
        };
        assert!(is(0.0, (0.0, 0.0)));
        assert!(is(4.0, (4.0, 0.0)));
        assert!(is(10.0, (10.0, 0.0)));
        assert!(is(25.0, (10.0, 15.0)));
    }
}
