//! Calls that instances make out of the VPC: to the payment provider, and to S3.
//!
//! ```text
//! instance ─authorize(key)─▶ Provider ─▶ Answer (when, and what)      again with the same key: the same answer
//!     │ commits the order
//!     └────capture(key)────▶ Ledger ─▶ ChargeFacts: charges without an order, orders without a charge, double charges
//! ```
//!
//! Both engines use these rules: the testbed puts a server around the [`Provider`], the model its calendar. A call is
//! repeated as [`Attempts`] say, always with the same key.

mod attempts;
pub mod bytes;
mod ledger;
mod provider;

pub use attempts::Attempts;
pub use ledger::{ChargeFacts, Ledger, NotCharged};
pub use provider::{Answer, Decision, Draw, Provider, ProviderFigures};
