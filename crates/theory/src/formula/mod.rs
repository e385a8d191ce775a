//! The closed-form solutions that the simulations are compared with.
//!
//! Rates are per second and times in seconds; λ is the arrival rate, μ the service rate of one server, ρ the utilization.
//! Source, unless a formula names another: Kleinrock, *Queueing Systems*, volume 1 (1975).

mod birth_death;
mod fluid;
mod network;
mod single;
mod transient;

pub(super) use birth_death::{
    erlang_a, erlang_b, erlang_c, erlang_c_wait, erlang_c_wait_quantile, limited,
};
pub(super) use fluid::{Burst, Spike, Steps};
pub(super) use network::{closed_network, tandem};
pub(super) use single::{
    batch_wait, deterministic_wait_within, mm1_in_system, mm1_response_quantile,
    pollaczek_khinchine, priority_waits, seat_collision, sessions, sharing_response, tries,
};
pub(super) use transient::{Births, in_system_at};

#[cfg(test)]
mod tests;
