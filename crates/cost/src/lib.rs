//! The cost of a run and of a month: price books with sources, a usage meter, and the statement.
//!
//! ```text
//! PriceBook ──────────────┐
//! Meter ─Usage─▶ quantities ─▶ Statement ─▶ compared with the reference bill (A24)
//! ```
//!
//! An engine feeds the [`Meter`]:
//!
//! ```
//! use tiketi_core::units::SimTime;
//! use tiketi_cost::{Meter, Scope, TrafficSample};
//!
//! let mut meter = Meter::new(Scope::Everything);
//! // About once per second of scenario time, the counts since the last call:
//! meter.handle_traffic(&TrafficSample { nat_bytes: 4_096, internet_bytes_out: 1_024, ..TrafficSample::default() });
//! // When an instance terminates, and at the end of the run for those that still exist:
//! meter.handle_surplus(0.27);
//! let usage = meter.usage(SimTime::from_secs(3_600));
//! assert_eq!(usage.surplus_vcpu_hours, Some(0.27));
//! ```

pub mod amount;
pub mod capacity;
pub mod comparison;
pub mod edge_plan;
pub mod item;
pub mod meter;
pub mod price_book;
mod price_file;
mod quantity;
pub mod sample;
pub mod statement;
pub mod study;
pub mod usage;

pub use amount::Amount;
pub use capacity::{Dimension, LcuHour};
pub use edge_plan::EdgePlan;
pub use meter::Meter;
pub use price_book::PriceBook;
pub use sample::{EdgeSample, LoadSample, Scope, TrafficSample};
pub use statement::{Sales, Statement};
pub use study::Study;
pub use usage::{Traffic, Usage};
