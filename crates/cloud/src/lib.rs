//! The AWS control plane as pure state machines: inputs in, orders and notices out.
//!
//! ```text
//! queue_monitor ─sample─▶ datapoint ─▶ alarm ─fires─▶ scaling ─desired─▶ instance_group ─▶ orders
//!                                                        schedule ─size─▶ instance_group
//!                                                       zone lost ─▶ instance_group, failover ─▶ orders
//! ```
//!
//! [`ControlPlane`] joins them. It behaves as AWS documents it, not as one would wish: the alarm invokes its policy
//! every minute and most invocations are ignored, "in service" does not mean "answers", and a zone that returns is filled
//! by moving instances, which cuts their users off once more. The other machines model the load balancer and its DNS name
//! ([`target_health`], [`health_votes`], [`routing`], [`name_service`], [`resolver`], [`address_rotation`]) and the CPU credits of a
//! burstable instance ([`credits`]). [`driver`] connects the control plane to an engine.

pub mod address_rotation;
pub mod alarm;
pub mod control_plane;
pub mod credits;
pub mod datapoint;
pub mod driver;
pub mod failover;
pub mod fleet_timeline;
pub mod gauges;
pub mod health_votes;
pub mod instance_group;
mod launching;
mod losses;
pub mod member;
pub mod name_service;
pub mod notice;
pub mod order;
mod outbox;
pub mod policy_timeline;
pub mod queue_monitor;
mod refresh;
mod replacement;
pub mod resolver;
pub mod routing;
pub mod scaling;
pub mod schedule;
pub mod target_health;
mod termination;
mod zone_balance;

pub use control_plane::ControlPlane;
