//! The AWS control plane as pure machines: what it is told, what it orders, what it announces.

pub mod notice;
pub mod order;
