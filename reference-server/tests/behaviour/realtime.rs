//! Socket.IO: authentication, delivery of messages, and recovery from a lost instance.

use std::time::Duration;

use serde_json::json;
use tiketi_server::Settings;

use crate::case::{On, cases};
use crate::common::{Deployment, eventually, settings};

cases! {
    Both: [
        only_a_valid_token_connects,
        a_hold_and_a_purchase_reach_sockets_on_every_instance,
        a_hold_expires_and_not_early,
        a_session_is_restored_on_another_instance,
        admission_is_announced_only_to_the_admitted_user,
        a_draining_instance_finishes_requests_and_stops,
        sockets_are_counted_while_they_are_open,
    ],
}

async fn only_a_valid_token_connects(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let mut api = deployment.stranger(0);
    let refused = api.connect().await.err();
    assert_eq!(refused.as_deref(), Some("Authentication required"));
    api.token = Some("not.a.token".to_owned());
    let refused = api.connect().await.err();
    assert_eq!(refused.as_deref(), Some("Invalid authentication token"));
    assert!(deployment.user("kim", 0).connect().await.is_ok());
}

async fn a_hold_and_a_purchase_reach_sockets_on_every_instance(on: On) {
    let deployment = Deployment::start(&on, 2, settings()).await;
    let show = json!({ "eventId": deployment.show.id });
    let mut watchers = Vec::new();
    for number in 0..2 {
        let watcher = deployment.user(&format!("watcher-{number}"), number);
        let mut socket = watcher.connect().await.unwrap();
        socket.emit("join-event", show.clone()).await;
        socket.emit("join-seat-selection", show.clone()).await;
        socket.expect("room-info").await;
        watchers.push(socket);
    }
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-2").await;
    for socket in &mut watchers {
        let locked = socket.expect("seat-locked").await;
        assert_eq!(locked["seatId"], deployment.seat("VIP-1-2"));
        assert_eq!(locked["status"], "locked");
        let stock = socket.expect("ticket-updated").await;
        assert_eq!(stock["availableQuantity"], 9);
    }
    kim.pay(&reservation).await;
    for socket in &mut watchers {
        assert_eq!(socket.expect("seat-locked").await["status"], "reserved");
    }
}

async fn a_hold_expires_and_not_early(on: On) {
    let short = Settings {
        hold: Duration::from_secs(20),
        speed: 20.0,
        ..settings()
    };
    let deployment = Deployment::start(&on, 2, short).await;
    let watcher = deployment.user("watcher", 1);
    let mut socket = watcher.connect().await.unwrap();
    let show = json!({ "eventId": deployment.show.id });
    socket.emit("join-seat-selection", show).await;
    let kim = deployment.user("kim", 0);
    // The join has been handled when a message arrives.
    socket
        .emit("join-event", json!({ "eventId": deployment.show.id }))
        .await;
    socket.expect("room-info").await;
    let before = deployment.now();
    let reservation = kim.hold(&deployment.show, "VIP-1-3").await;
    let released = socket.expect("seat-released").await;
    let held_for = deployment.now() - before;
    assert_eq!(released["seatId"], deployment.seat("VIP-1-3"));
    assert!(held_for >= Duration::from_secs(20), "{held_for:?}");
    assert!(held_for < Duration::from_secs(60), "{held_for:?}");
    let late = kim.pay(&reservation).await;
    assert_eq!(late.json["error"], "Reservation has expired");
    kim.hold(&deployment.show, "VIP-1-3").await;
}

async fn a_session_is_restored_on_another_instance(on: On) {
    let deployment = Deployment::start(&on, 2, settings()).await;
    let show = deployment.show.id.to_string();
    let kim = deployment.user("kim", 0);
    let mut socket = kim.connect().await.unwrap();
    let data = json!({ "eventId": show });
    for name in ["join-event", "join-queue", "join-seat-selection"] {
        socket.emit(name, data.clone()).await;
    }
    let chosen = json!({ "eventId": show, "seats": ["s1", "s2"] });
    socket.emit("seat-selection-changed", chosen).await;
    socket.expect("room-info").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    deployment.instances[0].kill();
    socket.closed().await;
    let mut socket = deployment.user("kim", 1).connect().await.unwrap();
    let session = socket.expect("session-restored").await;
    assert_eq!(
        session,
        json!({
            "eventId": show,
            "queueEventId": show,
            "seatEventId": show,
            "selectedSeats": ["s1", "s2"],
        })
    );
    deployment
        .user("lee", 1)
        .hold(&deployment.show, "VIP-2-1")
        .await;
    socket.expect("seat-locked").await;
}

async fn admission_is_announced_only_to_the_admitted_user(on: On) {
    let one = Settings {
        active_max: 1,
        ..settings()
    };
    let deployment = Deployment::start(&on, 2, one).await;
    let check = deployment.path("/api/queue/check");
    let show = json!({ "eventId": deployment.show.id });
    let first = deployment.user("first", 0);
    first.post(&check, json!({})).await;
    let mut sockets = Vec::new();
    for (name, number) in [("second", 1), ("third", 0)] {
        let api = deployment.user(name, number);
        api.post(&check, json!({})).await;
        let mut socket = api.connect().await.unwrap();
        socket.emit("join-queue", show.clone()).await;
        sockets.push(socket);
    }
    let leave = deployment.path("/api/queue/leave");
    first.post(&leave, json!({})).await;
    sockets[0].expect("queue-entry-allowed").await;
    let heard = sockets[1].names_within(Duration::from_millis(700)).await;
    assert!(
        heard.iter().all(|name| name == "queue-updated"),
        "{heard:?}"
    );
    assert!(
        heard.len() <= 2,
        "at most one update in 5 s of scenario time: {heard:?}"
    );
}

async fn a_draining_instance_finishes_requests_and_stops(on: On) {
    // The payment takes at least a quarter of a second of real time.
    let slow = Settings {
        speed: 2.0,
        ..settings()
    };
    let mut deployment = Deployment::start(&on, 2, slow).await;
    let kim = deployment.user("kim", 0);
    let socket = kim.connect().await.unwrap();
    let reservation = kim.hold(&deployment.show, "VIP-1-4").await;
    let draining = deployment.instances.remove(0);
    let (paid, ()) = tokio::join!(kim.pay(&reservation), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        draining.drain();
    });
    assert_eq!(paid.status, 200, "in flight at the start of the drain");
    let refused = tokio::net::TcpStream::connect(draining.address()).await;
    assert!(refused.is_err(), "no longer accepts connections");
    assert!(!draining.is_stopped(), "a socket is still open");
    drop(socket);
    eventually("the end", || async { draining.is_stopped() }).await;
}

async fn sockets_are_counted_while_they_are_open(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let one = deployment.user("one", 0).connect().await.unwrap();
    let _two = deployment.user("two", 0).connect().await.unwrap();
    let sockets = || deployment.instances[0].load().sockets;
    eventually("two sockets", || async { sockets() == 2 }).await;
    drop(one);
    eventually("one socket", || async { sockets() == 1 }).await;
    assert_eq!(deployment.instances[0].load().sockets_opened, 2);
}
