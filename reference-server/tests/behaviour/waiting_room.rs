//! The waiting room across instances and under load.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tiketi_server::Settings;

use crate::case::{On, cases};
use crate::common::{Deployment, eventually, settings};

fn small(active_max: u32) -> Settings {
    Settings {
        active_max,
        ..settings()
    }
}

cases! {
    Both: [
        a_refresh_keeps_the_place_on_any_instance,
        no_user_is_lost_or_admitted_twice_when_all_instances_admit,
        idle_users_lose_their_slot_to_waiting_users,
        clearing_the_queue_is_announced_to_everyone,
        one_of_many_buyers_gets_a_seat,
    ],
}

async fn a_refresh_keeps_the_place_on_any_instance(on: On) {
    let deployment = Deployment::start(&on, 2, small(1)).await;
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
    assert_eq!(deployment.queue_size().await, Some(2));
}

async fn no_user_is_lost_or_admitted_twice_when_all_instances_admit(on: On) {
    let mut deployment = Deployment::start(&on, 3, small(5)).await;
    let people: Vec<_> = (0..60)
        .map(|number| deployment.user(&format!("user-{number}"), number % 3))
        .collect();
    let (check, leave) = (
        deployment.path("/api/queue/check"),
        deployment.path("/api/queue/leave"),
    );
    let status = deployment.path("/api/queue/status");
    join_all(people.iter().map(|api| api.post(&check, json!({})))).await;
    // Users leave as soon as they are admitted. An instance is killed meanwhile.
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
    let census = deployment.census().await;
    assert_eq!((census.waiting, census.active), (0, 0));
    assert_eq!(census.ledger.joined, 60);
    assert_eq!(census.ledger.admitted, 60);
    assert_eq!(census.ledger.left_active, 60);
    assert!(dying.is_stopped());
}

async fn idle_users_lose_their_slot_to_waiting_users(on: On) {
    let idle = Settings {
        idle_timeout: Duration::from_secs(10),
        ..small(1)
    };
    let deployment = Deployment::start(&on, 1, idle).await;
    let check = deployment.path("/api/queue/check");
    let waiter = deployment.user("waiter", 0);
    let mut socket = waiter.connect().await.unwrap();
    deployment.user("idler", 0).post(&check, json!({})).await;
    assert_eq!(waiter.post(&check, json!({})).await.json["queued"], true);
    let allowed = socket.expect("queue-entry-allowed").await;
    let id = tiketi_server::user_id("waiter@example.com");
    assert_eq!(allowed["userId"], id.to_string());
    assert_eq!(deployment.census().await.ledger.expired, 1);
}

async fn clearing_the_queue_is_announced_to_everyone(on: On) {
    let deployment = Deployment::start(&on, 2, small(0)).await;
    let check = deployment.path("/api/queue/check");
    let kim = deployment.user("kim", 1);
    let mut socket = kim.connect().await.unwrap();
    let show = json!({ "eventId": deployment.show.id });
    socket.emit("join-queue", show.clone()).await;
    // The joins have been handled when a message arrives. The queue is announced only when it changes.
    socket.emit("join-event", show).await;
    socket.expect("room-info").await;
    kim.post(&check, json!({})).await;
    let update = socket.expect("queue-updated").await;
    assert_eq!(update["queueSize"], 1);
    assert!(update["timestamp"].as_str().unwrap().ends_with('Z'));
    let clear = deployment.path("/api/queue/admin/clear");
    deployment.user("admin", 0).post(&clear, json!({})).await;
    socket.expect("queue-cleared").await;
    assert_eq!(deployment.queue_size().await, Some(0));
}

async fn one_of_many_buyers_gets_a_seat(on: On) {
    let deployment = Deployment::start(&on, 2, settings()).await;
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
