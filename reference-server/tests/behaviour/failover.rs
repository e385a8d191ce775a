//! What only real servers can show: writes in flight, unresponsive servers, and connections that follow the primary.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;
use tiketi_server::{Clients, Settings};

use crate::case::{On, cases};
use crate::common::{Api, Deployment, Tier, eventually, settings};
use crate::servers::{Own, ServersDeployment};

/// Concurrent clients. Each enters the next user as soon as the previous one has a response.
const CLIENTS: usize = 8;

cases! {
    Servers: [
        the_losses_that_the_witness_reports_are_missing,
        instances_and_sockets_follow_the_promoted_primary,
        requests_to_an_unresponsive_redis_time_out_until_it_resumes,
    ],
}

async fn the_losses_that_the_witness_reports_are_missing(on: On) {
    let closed = Settings {
        active_max: 0,
        // Each user has a connection, and a fast machine opens more of them than one client may have.
        clients: Clients::LoadBalancer,
        ..settings()
    };
    let own = Own::Redis(Duration::from_millis(300));
    let deployment = Deployment::start_with(&on, 2, closed, own).await;
    let Tier::Servers(servers) = &deployment.tier else {
        return;
    };
    let clients = (0..CLIENTS).map(|client| enter_until_refused(&deployment, client));
    let (entered, ()) = tokio::join!(join_all(clients), async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        servers.lose_redis().await;
    });
    let entered: Vec<Api> = entered.into_iter().flatten().collect();
    let loss = servers.promote_redis().await;
    let status = deployment.path("/api/queue/status");
    eventually("an open queue", || async {
        entered[0].get(&status).await.status == StatusCode::OK
    })
    .await;
    let mut missing = 0;
    for person in &entered {
        let status = person.get(&status).await;
        assert_eq!(status.status, StatusCode::OK, "{}", status.text);
        missing += u64::from(status.json["queued"] == false);
    }
    assert!(missing > 0, "nobody was in flight: {loss:?}");
    // In the last turn of the dead node, a client may have received a response but the witness not the note, or vice versa:
    // at most one user per client.
    let apart = loss.places.abs_diff(missing);
    assert!(apart <= CLIENTS as u64, "{missing} missing, {loss:?}");
    assert_eq!((loss.places_put_back, loss.active_places), (0, 0));
    // The replica is 0.3 s behind, which is 3 s of scenario time. The rest is the time until the witness learns of the loss.
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(20));
    assert!((least..most).contains(&loss.reaches_back), "{loss:?}");
    let (census, ledger) = conserved(servers).await;
    assert_eq!(census, entered.len() as u64 - missing, "{ledger}");
}

/// Enters one user after another until Redis is gone. Returns the users who received a response.
async fn enter_until_refused(deployment: &Deployment, client: usize) -> Vec<Api> {
    let check = deployment.path("/api/queue/check");
    let mut entered = Vec::new();
    for number in 0.. {
        let person = deployment.user(&format!("user-{client}-{number}"), client % 2);
        let answer = person.post(&check, json!({})).await;
        if answer.status != StatusCode::OK {
            break;
        }
        entered.push(person);
    }
    entered
}

/// Returns the number of waiting users, after checking it against the ledger.
async fn conserved(servers: &ServersDeployment) -> (u64, String) {
    let census = servers.census().await;
    let ledger = census.ledger;
    let came = ledger.joined + ledger.resurrected_waiting;
    let gone = ledger.admitted + ledger.left_waiting + ledger.cleared + ledger.lost_waiting;
    assert_eq!(came, gone + census.waiting, "{ledger:?}");
    assert!(servers.witness.is_complete());
    (census.waiting, format!("{ledger:?}"))
}

async fn instances_and_sockets_follow_the_promoted_primary(on: On) {
    let own = Own::Redis(Duration::ZERO);
    let deployment = Deployment::start_with(&on, 2, settings(), own).await;
    let show = json!({ "eventId": deployment.show.id });
    let mut socket = deployment.user("kim", 1).connect().await.unwrap();
    socket.emit("join-event", show.clone()).await;
    socket.emit("join-seat-selection", show).await;
    socket.expect("room-info").await;
    deployment.lose_redis().await;
    deployment.promote_redis().await;
    for number in 0..2 {
        let health = deployment.stranger(number);
        eventually("both instances are back", || async {
            health.get("/health/redis").await.status == StatusCode::OK
        })
        .await;
    }
    // Messages are lost until the other instance is subscribed again.
    let lee = deployment.user("lee", 0);
    let mut heard = Vec::new();
    for seat in ["VIP-1-1", "VIP-1-2", "VIP-1-3", "VIP-1-4", "VIP-1-5"] {
        let reservation = lee.hold(&deployment.show, seat).await;
        let cancel = format!("/api/reservations/{reservation}/cancel");
        lee.post(&cancel, json!({})).await;
        heard = socket.names_within(Duration::from_millis(500)).await;
        if heard.iter().any(|name| name == "seat-released") {
            break;
        }
    }
    assert!(heard.iter().any(|name| name == "seat-locked"), "{heard:?}");
    let mut socket = deployment.user("kim", 0).connect().await.unwrap();
    socket.expect("session-restored").await;
}

async fn requests_to_an_unresponsive_redis_time_out_until_it_resumes(on: On) {
    let own = Own::Redis(Duration::ZERO);
    let deployment = Deployment::start_with(&on, 1, settings(), own).await;
    let Tier::Servers(servers) = &deployment.tier else {
        return;
    };
    let kim = deployment.user("kim", 0);
    let check = deployment.path("/api/queue/check");
    kim.post(&check, json!({})).await;
    servers.pause_redis().await;
    let before = deployment.now();
    let refused = kim.post(&check, json!({})).await;
    let waited = deployment.now() - before;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    // The timeout of these cases is 20 s, and the machine may be busy with others.
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    assert_eq!(deployment.queue_size().await, None);
    servers.resume_redis().await;
    eventually("an open queue", || async {
        kim.post(&check, json!({})).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(deployment.census().await.active, 1);
}
