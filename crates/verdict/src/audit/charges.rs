//! The audit of the payment provider's ledger: each paid order is charged once, and nothing else is.

use super::{Checked, Denominator};
use crate::figure::{counted, grouped};
use tiketi_measure::ending::{AuditFacts, ChargeFacts};

/// Compares the provider's own ledger with the paid orders, one by one if they are known.
pub(super) fn ledger(facts: &AuditFacts) -> Checked {
    match &facts.charges {
        Some(charges) => charges_by_order(facts, charges),
        None => totals(facts),
    }
}

fn charges_by_order(facts: &AuditFacts, ledger: &ChargeFacts) -> Checked {
    let mut wrong = Vec::new();
    if ledger.charged_twice > 0 {
        let orders = counted(ledger.charged_twice, "order");
        wrong.push(format!("{orders} charged more than once."));
    }
    if ledger.without_order > 0 {
        let charges = counted(ledger.without_order, "charge");
        wrong.push(format!("{charges} without a paid order."));
    }
    if ledger.orders_without_charge > 0 {
        let orders = counted(ledger.orders_without_charge, "paid order");
        wrong.push(format!("{orders} without a charge."));
    }
    let passed = wrong.is_empty();
    let summary = if passed {
        format!(
            "Each paid order was charged once ({}).",
            grouped(ledger.charges)
        )
    } else {
        wrong.join(" ")
    };
    let evidence = format!(
        "{} for {}, {} of them made by the settlement; {} without an order, {} without a charge, {} charged twice",
        counted(ledger.charges, "charge"),
        counted(facts.paid_orders, "paid order"),
        grouped(ledger.settled),
        counted(ledger.without_order, "charge"),
        counted(ledger.orders_without_charge, "order"),
        grouped(ledger.charged_twice),
    );
    Checked {
        passed,
        among: (Denominator::Charges, ledger.charges + facts.paid_orders),
        summary,
        evidence,
    }
}

/// Compares the numbers of charges and orders, which is all that is known.
fn totals(facts: &AuditFacts) -> Checked {
    let (charges, orders) = (facts.captures, facts.paid_orders);
    let evidence = format!(
        "{} for {}",
        counted(charges, "charge"),
        counted(orders, "paid order")
    );
    let summary = if charges == orders {
        format!("As many charges as paid orders ({}).", grouped(orders))
    } else if charges > orders {
        let over = counted(charges - orders, "charge");
        format!("{over} without a paid order.")
    } else {
        let missing = counted(orders - charges, "paid order");
        format!("{missing} without a charge.")
    };
    Checked {
        passed: charges == orders,
        among: (Denominator::Charges, charges + orders),
        summary,
        evidence,
    }
}
