//! The waiting room across instances and under load.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tiketi_server::Settings;

use crate::common::{Deployment, eventually, settings};

fn small(active_max: u32) -> Settings {
    Settings {
        active_max,
        ..settings()
    }
}

#[tokio::test]
async fn a_refresh_keeps_the_place_on_any_instance() {
    let deployment = Deployment::start(2, small(1));
    let check = deployment.path("/api/queue/check");
    for name in ["first", "second", "third"] {
        deployment.user(name, 0).post(&check, json!({})).await;
    }
    let refreshed = deployment.user("second", 1).post(&check, json!({})).await;
    assert_eq!(refreshed.json["position"], 1);
    let third = deployment.user("third", 1);
    let status = third.get(&deployment.path("/api/queue/status")).await;
    assert_eq!(status.json["queued"], true);
    assert_eq!(status.json["position"], 2);
    assert_eq!(status.json["queueSize"], 2);
    assert_eq!(deployment.tier.queue_size(), Some(2));
}

#[tokio::test]
async fn nobody_is_lost_or_admitted_twice_when_all_instances_admit() {
    let mut deployment = Deployment::start(3, small(5));
    let people: Vec<_> = (0..60)
        .map(|number| deployment.user(&format!("user-{number}"), number % 3))
        .collect();
    let (check, leave) = (
        deployment.path("/api/queue/check"),
        deployment.path("/api/queue/leave"),
    );
    let status = deployment.path("/api/queue/status");
    join_all(people.iter().map(|api| api.post(&check, json!({})))).await;
    // Everyone leaves as soon as admitted; an instance dies while they do.
    let stay = people.iter().enumerate().map(|(number, api)| {
        let api = if number % 3 == 2 {
            &people[number - 1]
        } else {
            api
        };
        let mut api = api.clone();
        api.token.clone_from(&people[number].token);
        let (status, leave) = (&status, &leave);
        async move {
            eventually("admission", || async {
                api.get(status).await.json["queued"] == false
            })
            .await;
            api.post(leave, json!({})).await;
        }
    });
    let dying = deployment.instances.pop().unwrap();
    dying.kill();
    join_all(stay).await;
    let census = deployment.tier.census();
    assert_eq!((census.waiting, census.active), (0, 0));
    assert_eq!(census.ledger.joined, 60);
    assert_eq!(census.ledger.admitted, 60);
    assert_eq!(census.ledger.left_active, 60);
    assert!(dying.is_stopped());
}

#[tokio::test]
async fn idle_people_lose_their_place_to_those_who_wait() {
    let idle = Settings {
        idle_timeout: Duration::from_secs(10),
        ..small(1)
    };
    let deployment = Deployment::start(1, idle);
    let check = deployment.path("/api/queue/check");
    let waiter = deployment.user("waiter", 0);
    let mut socket = waiter.connect().await.unwrap();
    deployment.user("idler", 0).post(&check, json!({})).await;
    assert_eq!(waiter.post(&check, json!({})).await.json["queued"], true);
    let allowed = socket.expect("queue-entry-allowed").await;
    let id = tiketi_server::user_id("waiter@example.com");
    assert_eq!(allowed["userId"], id.to_string());
    assert_eq!(deployment.tier.census().ledger.expired, 1);
}

#[tokio::test]
async fn an_administrator_clears_the_queue_and_everyone_hears_of_it() {
    let deployment = Deployment::start(2, small(0));
    let check = deployment.path("/api/queue/check");
    let kim = deployment.user("kim", 1);
    kim.post(&check, json!({})).await;
    let mut socket = kim.connect().await.unwrap();
    socket
        .emit("join-queue", json!({ "eventId": deployment.show.id }))
        .await;
    let update = socket.expect("queue-updated").await;
    assert_eq!(update["queueSize"], 1);
    assert!(update["timestamp"].as_str().unwrap().ends_with('Z'));
    let clear = deployment.path("/api/queue/admin/clear");
    deployment.user("admin", 0).post(&clear, json!({})).await;
    socket.expect("queue-cleared").await;
    assert_eq!(deployment.tier.queue_size(), Some(0));
}

#[tokio::test]
async fn seats_are_drawn_by_one_of_many() {
    let deployment = Deployment::start(2, settings());
    let people: Vec<_> = (0..20)
        .map(|number| deployment.user(&format!("user-{number}"), number % 2))
        .collect();
    let seat = json!({ "eventId": deployment.show.id, "seatIds": [deployment.seat("VIP-1-1")] });
    let answers = people
        .iter()
        .map(|api| api.post("/api/seats/reserve", seat.clone()));
    let statuses: Vec<u16> = join_all(answers)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    let others: BTreeSet<_> = statuses.into_iter().collect();
    assert_eq!(others, BTreeSet::from([201, 400]));
}
