//! What a run and a month cost: prices with their sources, a meter, and a statement that is added up.
//!
//! ```text
//! PriceBook ──────────────┐
//! Meter ─Usage─▶ quantities ─▶ Statement ─▶ compared with the documented month (A24)
//! ```
//!
//! An engine feeds the [`Meter`]; an hour in which nothing but traffic passed costs this:
//!
//! ```
//! use tiketi_sim::cost::{Meter, Scope, TrafficSample};
//! use tiketi_sim::units::SimTime;
//!
//! let mut meter = Meter::new(Scope::Everything);
//! // About once a scenario second, counts since the last time:
//! meter.handle_traffic(&TrafficSample { nat_bytes: 4_096, nat_bytes_out: 1_024, ..TrafficSample::default() });
//! // When an instance ends, and at the end for those that still run:
//! meter.handle_surplus(0.27);
//! let usage = meter.usage(SimTime::from_secs(3_600));
//! assert_eq!(usage.surplus_vcpu_hours, Some(0.27));
//! ```

pub mod capacity;
pub mod comparison;
pub mod item;
pub mod meter;
pub mod price_book;
mod price_file;
mod quantity;
pub mod sample;
pub mod statement;
pub mod study;
pub mod usage;

pub use capacity::{Dimension, LcuHour};
pub use meter::Meter;
pub use price_book::PriceBook;
pub use sample::{LoadSample, Scope, TrafficSample};
pub use statement::{Sales, Statement};
pub use study::Study;
pub use usage::{Traffic, Usage};
