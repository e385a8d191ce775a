//! A waiting room in front of the server: passes instead of slots in Redis.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tiketi_server::{PASS_COOKIE, Pass, PassKey, RoomAt, Settings, user_id};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::case::{On, cases};
use crate::common::{Answer, Api, Deployment, eventually, settings};

cases! {
    Embedded: [
        seats_and_payments_take_a_pass_of_this_user_for_this_show,
        a_pass_is_renewed_and_the_room_gets_reports,
        there_is_no_queue_in_the_application,
        calls_with_a_pass_leave_the_queue_in_redis_alone,
    ],
}

const SECRET: &str = "passes";

/// A room that records the reports it receives.
async fn room() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&reports);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut received = vec![0; 4_096];
                while let Ok(length) = stream.read(&mut received).await
                    && length > 0
                {
                    let request = String::from_utf8_lossy(&received[..length]);
                    let line = request.lines().next().unwrap_or_default().to_owned();
                    kept.lock().unwrap().push(line);
                    let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    (address, reports)
}

fn behind(store: SocketAddr) -> Settings {
    Settings {
        room: RoomAt::Edge {
            secret: SECRET.to_owned(),
            store,
            pass_life: Duration::from_secs(300),
        },
        ..settings()
    }
}

fn pass(user: &str, show: Uuid, ends_at_unix_ms: u64) -> String {
    let pass = Pass {
        user: user_id(&format!("{user}@example.com")),
        show,
        ends_at_unix_ms,
    };
    format!("{PASS_COOKIE}={}", PassKey::new(SECRET).sign(&pass))
}

async fn ask(api: &Api, (method, path): (&str, &str), body: Option<Value>, cookie: &str) -> Answer {
    let with_others = format!("AWSALB=0.1; {cookie}");
    api.call(method, path, body, &[("cookie", &with_others)])
        .await
}

async fn seats_and_payments_take_a_pass_of_this_user_for_this_show(on: On) {
    let (store, reports) = room().await;
    let deployment = Deployment::start(&on, 1, behind(store)).await;
    let kim = deployment.user("kim", 0);
    let show = deployment.show.id;
    let list = deployment.path("/api/seats/events");
    let seat = json!({ "eventId": show, "seatIds": [deployment.seat("VIP-1-1")] });
    let pay = json!({ "reservationId": Uuid::nil(), "paymentMethod": "kakao_pay" });
    let calls = [
        ("GET", list.as_str(), None),
        ("POST", "/api/seats/reserve", Some(seat)),
        ("POST", "/api/payments/process", Some(pay)),
    ];
    let later = u64::MAX;
    let stranger = pass("lee", show, later);
    let other_show = pass("kim", Uuid::nil(), later);
    for (method, path, body) in calls {
        for cookie in [
            "",
            "tiketi_pass=",
            stranger.as_str(),
            &other_show,
            &pass("kim", show, 1),
        ] {
            let answer = ask(&kim, (method, path), body.clone(), cookie).await;
            assert_eq!(answer.status, 403, "{path} {cookie}: {}", answer.text);
            assert_eq!(
                answer.json["error"],
                "A pass of the waiting room is required"
            );
            assert_eq!(answer.headers.get("set-cookie"), None);
        }
        let admitted = ask(&kim, (method, path), body, &pass("kim", show, later)).await;
        assert_ne!(admitted.status, 403, "{path}: {}", admitted.text);
    }
    // What needs no admission needs no pass.
    assert_eq!(kim.get("/api/events").await.status, 200);
    eventually("the list and the reservation", || async {
        reports.lock().unwrap().len() == 2
    })
    .await;
    assert_eq!(
        *reports.lock().unwrap(),
        ["POST /touch HTTP/1.1"; 2],
        "refused buyers are not reported"
    );
}

async fn a_pass_is_renewed_and_the_room_gets_reports(on: On) {
    let (store, reports) = room().await;
    let deployment = Deployment::start(&on, 1, behind(store)).await;
    let kim = deployment.user("kim", 0);
    let show = deployment.show.id;
    let first = pass("kim", show, u64::MAX);
    let seat = json!({ "eventId": show, "seatIds": [deployment.seat("VIP-1-1")] });
    let held = ask(&kim, ("POST", "/api/seats/reserve"), Some(seat), &first).await;
    assert_eq!(held.status, 201, "{}", held.text);
    let renewed = held.headers["set-cookie"].to_str().unwrap();
    let (renewed, attributes) = renewed.split_once(';').unwrap();
    assert_ne!(renewed, first);
    assert!(attributes.contains("HttpOnly"), "{attributes}");
    let reservation = held.json["reservation"]["id"].clone();
    let pay = json!({ "reservationId": reservation, "paymentMethod": "kakao_pay" });
    let paid = ask(&kim, ("POST", "/api/payments/process"), Some(pay), renewed).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    eventually("the end of the visit", || async {
        reports.lock().unwrap().len() == 2
    })
    .await;
    let reports = reports.lock().unwrap().clone();
    assert_eq!(reports, ["POST /touch HTTP/1.1", "POST /finish HTTP/1.1"]);
    // Redis has nothing to do with it.
    let census = deployment.census().await;
    assert_eq!((census.ledger.joined, census.ledger.left_active), (0, 0));
}

async fn there_is_no_queue_in_the_application(on: On) {
    let (store, _told) = room().await;
    let deployment = Deployment::start(&on, 1, behind(store)).await;
    let kim = deployment.user("kim", 0);
    let check = deployment.path("/api/queue/check");
    assert_eq!(kim.post(&check, json!({})).await.status, 404);
    let status = deployment.path("/api/queue/status");
    assert_eq!(kim.get(&status).await.status, 404);
    let before = deployment.census().await.redis_operations;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Five seconds: no admissions, and no announcements of the queue.
    let after = deployment.census().await.redis_operations;
    assert!(after - before < 25, "{before} {after}");
}

async fn calls_with_a_pass_leave_the_queue_in_redis_alone(on: On) {
    const CALLS: u64 = 100;
    let (store, _reports) = room().await;
    let deployment = Deployment::start(&on, 1, behind(store)).await;
    let kim = deployment.user("kim", 0);
    let list = deployment.path("/api/seats/events");
    let admitted = pass("kim", deployment.show.id, u64::MAX);
    let before = deployment.census().await.redis_operations;
    for _ in 0..CALLS {
        let answer = ask(&kim, ("GET", &list), None, &admitted).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let after = deployment.census().await.redis_operations;
    // Only the periodic tasks use Redis.
    assert!(after - before < CALLS / 2, "{before} {after}");
}
