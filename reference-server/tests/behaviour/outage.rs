//! What an outage of each role refuses, and what a failover keeps.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::common::{Deployment, eventually, settings};

#[tokio::test]
async fn without_redis_the_queue_is_closed_and_sales_go_on() {
    let deployment = Deployment::start(1, settings());
    let check = deployment.path("/api/queue/check");
    let kim = deployment.user("kim", 0);
    kim.post(&check, json!({})).await;
    deployment.tier.lose_redis();
    assert_eq!(deployment.tier.queue_size(), None);
    let refused = kim.post(&check, json!({})).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let health = kim.get("/health/redis").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(kim.get("/health").await.status, StatusCode::OK);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    assert_eq!(kim.pay(&reservation).await.status, StatusCode::OK);
    deployment.tier.promote_redis();
    assert_eq!(deployment.tier.queue_size(), Some(0));
    assert_eq!(kim.post(&check, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_redis_failover_loses_the_youngest_places_in_the_queue() {
    let closed = tiketi_server::Settings {
        active_max: 0,
        speed: 1.0,
        ..settings()
    };
    let deployment = Deployment::start(1, closed);
    let check = deployment.path("/api/queue/check");
    deployment.user("early", 0).post(&check, json!({})).await;
    // The replica is one second behind.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    deployment.user("late", 0).post(&check, json!({})).await;
    deployment.tier.lose_redis();
    deployment.tier.promote_redis();
    let census = deployment.tier.census();
    assert_eq!((census.waiting, census.ledger.lost_waiting), (1, 1));
    deployment.tier.lose_redis();
    deployment.tier.restore_redis_empty();
    assert_eq!(deployment.tier.queue_size(), Some(0));
}

#[tokio::test]
async fn a_database_failover_loses_nothing_that_was_acknowledged() {
    let deployment = Deployment::start(1, settings());
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let paid = kim.pay(&reservation).await;
    deployment.tier.lose_database();
    let body = json!({ "eventId": deployment.show.id, "seatIds": [deployment.seat("VIP-1-2")] });
    let lee = deployment.user("lee", 0);
    let refused = lee.post("/api/seats/reserve", body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json["error"], "database is unavailable");
    let queue = lee
        .post(&deployment.path("/api/queue/check"), json!({}))
        .await;
    assert_eq!(queue.status, StatusCode::OK, "queueing needs no database");
    deployment.tier.promote_database();
    assert_eq!(kim.pay(&reservation).await.json, paid.json);
    lee.hold(&deployment.show, "VIP-1-2").await;
}

#[tokio::test]
async fn requests_that_hang_on_a_lost_database_fill_the_pool() {
    let two = tiketi_server::Settings {
        pool_max: 2,
        ..settings()
    };
    let deployment = Deployment::start(1, two);
    deployment.tier.lose_database();
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

#[tokio::test]
async fn a_payment_during_the_failover_is_not_taken_and_can_be_repeated() {
    // The provider takes at least a quarter of a second on the wall.
    let slow = tiketi_server::Settings {
        speed: 2.0,
        ..settings()
    };
    let deployment = Deployment::start(1, slow);
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let (failed, ()) = tokio::join!(kim.pay(&reservation), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        deployment.tier.lose_database();
    });
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(deployment.tier.final_state().captures.is_empty());
    deployment.tier.promote_database();
    eventually("payment", || async {
        kim.pay(&reservation).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(deployment.tier.final_state().captures.len(), 1);
}
