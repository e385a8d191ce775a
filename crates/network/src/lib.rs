//! Who can reach whom in the VPC, by which path, and what each byte on it costs.
//!
//! ```text
//! Topology (subnets, route tables, gateways, security groups) ─▶ Network ─path(from, to)─▶ Path or Refusal
//!                                           what is lost now ──────┘                  └──▶ Matrix of all parties
//! ```
//!
//! A connection needs three things (documented: "How Amazon VPC works", Amazon VPC user guide): a route from its source, an
//! address that its target can be reached at, and an inbound rule that admits it. The lookup answers from the rules of the
//! scenario alone; nothing is sent.

mod lookup;
mod matrix;
mod outbound;
mod party;

pub use lookup::{Lost, Network, Path, Refusal};
pub use matrix::{Access, Matrix, Row, from_outside};
pub use outbound::{Destination, OutboundLog, Use, Way};
pub use party::{Kind, Party};
