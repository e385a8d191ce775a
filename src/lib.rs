//! Load test and capacity simulator for ticket sales.
//!
//! ```text
//! scenario.toml ─▶ scenario ──Plan──▶ live ─────Measurements─▶ verdict ─Verdicts─▶ report
//!                  shared pure machines: buyer · cloud · fault · cost
//! ```
//!
//! `ARCHITECTURE.md` says why it is built this way, `GLOSSARY.md` what the words mean.

pub mod rng;
pub mod units;

pub mod scenario;

pub mod cloud;
pub mod cost;
pub mod fault;

pub mod buyer;

pub mod measure;

pub mod model;

pub mod testbed;

pub mod live;

pub mod verdict;

pub mod calibration;
pub mod capacity;

pub mod report;

pub mod cli;
