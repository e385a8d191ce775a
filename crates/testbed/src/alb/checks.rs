//! The health checks of a node: one task per target, at the target group's interval.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::uri::PathAndQuery;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::MissedTickBehavior;

use super::backend::{absolute, authority_of};
use super::connector::Connector;
use super::paths::Paths;
use tiketi_cloud::target_health::TargetHealth;
use tiketi_core::units::ZoneId;
use tiketi_scenario::topology::HealthCheck;

/// The path that the checks request.
const PATH: &str = "/health";

/// Checks one target for ever from the address of its node, and calls `announce` with each change of its health. `speed`
/// compresses the intervals. A check takes longer over an impaired path to the target's zone.
pub(super) async fn watch(
    (source, address): (IpAddr, SocketAddr),
    (check, speed): (HealthCheck, f64),
    (paths, zone): (Arc<Paths>, ZoneId),
    announce: impl Fn(bool),
) {
    let uri = absolute(authority_of(address), Some(PathAndQuery::from_static(PATH)));
    // Each check opens a new connection, to notice when the target no longer accepts any.
    let timeout = check.timeout.div_f64(speed);
    let connector = Connector { source, timeout };
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector);
    let mut health = TargetHealth::new(check);
    let mut due = tokio::time::interval(check.interval.div_f64(speed).max(SHORTEST_INTERVAL));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let answer = async {
            paths.check(zone).await;
            client.get(uri.clone()).await
        };
        let answer = tokio::time::timeout(timeout, answer).await;
        let passed = matches!(answer, Ok(Ok(response)) if response.status() == StatusCode::OK);
        if let Some(healthy) = health.handle_check(passed) {
            announce(healthy);
        }
    }
}

/// The shortest interval, in real time: at high speed the health checks must not become the load.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
