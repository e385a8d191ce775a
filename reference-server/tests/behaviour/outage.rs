//! What fails in an outage of each role, and what survives a failover.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::case::{On, cases};
use crate::common::{Deployment, eventually, settings};
use crate::servers::Own;

cases! {
    Both: [
        without_redis_the_queue_is_closed_and_sales_continue,
        a_redis_failover_loses_the_latest_places_in_the_queue,
        a_database_failover_loses_nothing_acknowledged,
        requests_waiting_for_a_lost_database_fill_the_pool,
        a_payment_during_a_failover_fails_and_can_be_retried,
    ],
}

async fn without_redis_the_queue_is_closed_and_sales_continue(on: On) {
    let own = Own::Redis(Duration::ZERO);
    let deployment = Deployment::start_with(&on, 1, settings(), own).await;
    let check = deployment.path("/api/queue/check");
    let kim = deployment.user("kim", 0);
    kim.post(&check, json!({})).await;
    deployment.lose_redis().await;
    assert_eq!(deployment.queue_size().await, None);
    let refused = kim.post(&check, json!({})).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let health = kim.get("/health/redis").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(kim.get("/health").await.status, StatusCode::OK);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    assert_eq!(kim.pay(&reservation).await.status, StatusCode::OK);
    deployment.promote_redis().await;
    eventually("an open queue", || async {
        kim.post(&check, json!({})).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(deployment.queue_size().await, Some(0));
}

async fn a_redis_failover_loses_the_latest_places_in_the_queue(on: On) {
    let closed = tiketi_server::Settings {
        active_max: 0,
        speed: 1.0,
        ..settings()
    };
    let own = Own::Redis(Duration::from_secs(1));
    let deployment = Deployment::start_with(&on, 1, closed, own).await;
    let check = deployment.path("/api/queue/check");
    deployment.user("early", 0).post(&check, json!({})).await;
    // The replica is one second behind.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    deployment.user("late", 0).post(&check, json!({})).await;
    // The witness cannot know about notes that it has not received when the node dies.
    eventually("a witness of both", || async {
        deployment.census().await.ledger.joined == 2
    })
    .await;
    deployment.lose_redis().await;
    deployment.promote_redis().await;
    let census = deployment.census().await;
    assert_eq!((census.waiting, census.ledger.lost_waiting), (1, 1));
    deployment.lose_redis().await;
    deployment.restore_redis_empty().await;
    assert_eq!(deployment.queue_size().await, Some(0));
}

async fn a_database_failover_loses_nothing_acknowledged(on: On) {
    let deployment = Deployment::start_with(&on, 1, settings(), Own::Database).await;
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let paid = kim.pay(&reservation).await;
    deployment.lose_database().await;
    let body = json!({ "eventId": deployment.show.id, "seatIds": [deployment.seat("VIP-1-2")] });
    let lee = deployment.user("lee", 0);
    let refused = lee.post("/api/seats/reserve", body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let reasons = [
        "database is unavailable",
        "timed out waiting for a database connection",
    ];
    let reason = refused.json["error"].as_str().unwrap();
    assert!(reasons.contains(&reason), "{reason}");
    let queue = lee
        .post(&deployment.path("/api/queue/check"), json!({}))
        .await;
    assert_eq!(queue.status, StatusCode::OK, "the queue needs no database");
    deployment.promote_database().await;
    eventually("a writer", || async {
        kim.pay(&reservation).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(kim.pay(&reservation).await.json, paid.json);
    lee.hold(&deployment.show, "VIP-1-2").await;
}

async fn requests_waiting_for_a_lost_database_fill_the_pool(on: On) {
    let two = tiketi_server::Settings {
        pool_max: 2,
        pool_connect_timeout: Duration::from_secs(3),
        ..settings()
    };
    let deployment = Deployment::start_with(&on, 1, two, Own::Database).await;
    deployment.hang_database().await;
    let path = deployment.path("/api/seats/events");
    let people: Vec<_> = (0..6)
        .map(|number| deployment.user(&format!("user-{number}"), 0))
        .collect();
    let answers = people.iter().map(|api| api.get(&path));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let load = deployment.instances[0].load();
    assert!(load.pool_waits >= 4 && load.pool_timeouts >= 4, "{load:?}");
}

async fn a_payment_during_a_failover_fails_and_can_be_retried(on: On) {
    // The provider takes at least a quarter of a second of real time.
    let slow = tiketi_server::Settings {
        speed: 2.0,
        ..settings()
    };
    let deployment = Deployment::start_with(&on, 1, slow, Own::Database).await;
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let (failed, ()) = tokio::join!(kim.pay(&reservation), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        deployment.lose_database().await;
    });
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    deployment.promote_database().await;
    assert!(deployment.final_state().await.captures.is_empty());
    eventually("payment", || async {
        kim.pay(&reservation).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(deployment.final_state().await.captures.len(), 1);
}
