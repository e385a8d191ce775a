//! Scenario files: TOML becomes a [`Plan`] that is valid by construction, and a plan becomes TOML again.
//!
//! ```text
//! text ─▶ document (layers: flags over file over preset) ─▶ tables (defaults, names, checks) ─▶ Plan ─▶ text
//!                                                              └─▶ Diagnostics: every problem with its place
//! ```
//!
//! `tables` describes each key once, in functions that read, write and document it (see `keys`). [`describe`] returns
//! these descriptions as data.

pub mod access;
pub mod arrival;
pub mod availability;
pub mod command;
pub mod data_tier;
pub mod diagnostic;
pub mod distribution;
pub mod document;
pub mod duration;
pub mod edge;
pub mod encoding;
pub mod environment;
pub mod grammar;
pub mod keys;
mod law;
pub mod network;
pub mod objective;
pub mod observe;
pub mod operation;
mod page;
pub mod plan;
pub mod profile;
mod reach;
pub mod replacement;
pub mod scaling;
mod tables;
pub mod topology;
pub mod value;

pub use arrival::arrival_times;
pub use diagnostic::{Diagnostics, Rendering};
pub use plan::Plan;
pub use tables::{BUYERS, DURATION, Overrides, PRESET, PRICE_BOOKS, PROFILES};
pub use tables::{Loaded, api_problems, describe, load, load_api, load_with_warnings};
pub use tables::{name, question};
