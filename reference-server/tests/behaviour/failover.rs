//! What only real servers can show: writes in flight, silence, and connections that follow a primary.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;
use tiketi_server::Settings;

use crate::case::{On, cases};
use crate::common::{Api, Deployment, Tier, eventually, settings};
use crate::servers::{Own, ServersDeployment};

/// Clients that enter at the same time, each the next person as soon as the last has an answer.
const CLIENTS: usize = 8;

cases! {
    Servers: [
        what_the_witness_says_was_lost_is_what_is_missing,
        instances_and_sockets_follow_the_promoted_primary,
        a_redis_that_falls_silent_fails_requests_in_time_and_comes_back,
    ],
}

async fn what_the_witness_says_was_lost_is_what_is_missing(on: On) {
    let closed = Settings {
        active_max: 0,
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
    // Whether a client had its answer in the last turn of the dead node, and whether the witness had its note, are two
    // things: there is at most one such person for each client.
    let apart = loss.places.abs_diff(missing);
    assert!(apart <= CLIENTS as u64, "{missing} missing, {loss:?}");
    assert_eq!((loss.places_put_back, loss.active_places), (0, 0));
    // The replica is 0.3 s behind, which is 3 s of the scenario; the rest is the time until the witness is told.
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(20));
    assert!((least..most).contains(&loss.reaches_back), "{loss:?}");
    let (census, ledger) = conserved(servers).await;
    assert_eq!(census, entered.len() as u64 - missing, "{ledger}");
}

/// Enters one person after the other until Redis is gone; returns those who had an answer.
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

/// People who wait, when the ledger accounts for them.
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
    // Until the other instance listens again, what is said is lost.
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

async fn a_redis_that_falls_silent_fails_requests_in_time_and_comes_back(on: On) {
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
    // The time-out of these cases is 20 s; the machine may be busy with others.
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    assert_eq!(deployment.queue_size().await, None);
    servers.resume_redis().await;
    eventually("an open queue", || async {
        kim.post(&check, json!({})).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(deployment.census().await.active, 1);
}
