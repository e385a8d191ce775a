//! The AWS control plane as pure machines: what it is told, what it orders, what it announces.
//!
//! ```text
//! queue_monitor ─sample─▶ datapoint ─▶ alarm ─fires─▶ scaling ─desired─▶ instance_group ─▶ orders
//!                                                        schedule ─size─▶ instance_group
//!                                                       zone lost ─▶ instance_group, failover ─▶ orders
//! ```
//!
//! [`ControlPlane`] joins them. It behaves as AWS documents it, not as one would wish: the alarm fires its policy
//! every minute and most of that is swallowed, "in service" is not "answers", and a zone that returns is filled by
//! moving instances whose users are cut once more. Beside it stand the machines of the load balancer and of the names:
//! [`target_health`], [`routing`], [`name_service`]; and the account of a burstable instance, [`credits`].

pub mod alarm;
pub mod control_plane;
pub mod credits;
pub mod datapoint;
pub mod failover;
pub mod fleet_timeline;
pub mod instance_group;
pub mod member;
pub mod name_service;
pub mod notice;
pub mod order;
mod outbox;
pub mod policy_timeline;
pub mod queue_monitor;
pub mod routing;
pub mod scaling;
pub mod schedule;
pub mod target_health;
mod termination;
mod zone_balance;

pub use control_plane::ControlPlane;
