//! The AWS control plane as pure machines: what it is told, what it orders, what it announces.

pub mod name_service;
pub mod notice;
pub mod order;
pub mod routing;
pub mod target_health;
