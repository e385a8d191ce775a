//! The HTTP half of the wire contract, over real connections.

use crate::case::{On, cases};
use crate::common::{Deployment, eventually, settings};
use hyper::StatusCode;
use serde_json::json;
use tiketi_server::Settings;

cases! {
    Both: [
        a_user_can_register_and_log_in,
        tokens_and_roles_are_checked,
        shows_are_listed_with_their_stock,
        a_purchase_is_visible_everywhere,
        concurrent_payments_with_one_key_are_one_order,
        standing_tickets_are_reserved_and_cancelled,
        request_101_of_a_minute_is_refused,
        health_and_metrics_report_this_instance,
        an_instance_is_as_slow_as_its_profile,
    ],
}

async fn a_user_can_register_and_log_in(on: On) {
    let deployment = Deployment::start(
        &on,
        2,
        Settings {
            trust_tokens: false,
            ..settings()
        },
    )
    .await;
    let mut api = deployment.stranger(0);
    let who = json!({ "email": "kim@example.com", "password": "secret1", "name": "Kim" });
    let registered = api.post("/api/auth/register", who.clone()).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    assert_eq!(registered.json["user"]["role"], "user");
    let again = api.post("/api/auth/register", who).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let wrong = json!({ "email": "kim@example.com", "password": "secret2" });
    let wrong = api.post("/api/auth/login", wrong).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let right = json!({ "email": "kim@example.com", "password": "secret1" });
    let other_instance = deployment.stranger(1);
    let login = other_instance.post("/api/auth/login", right).await;
    assert_eq!(login.json["user"], registered.json["user"]);
    api.token = Some(login.json["token"].as_str().unwrap().to_owned());
    let status = api.get(&deployment.path("/api/queue/status")).await;
    assert_eq!(status.status, StatusCode::OK);
    let unknown = deployment.user("nobody", 0);
    let status = unknown.get(&deployment.path("/api/queue/status")).await;
    assert_eq!(status.status, StatusCode::UNAUTHORIZED);
}

async fn tokens_and_roles_are_checked(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let path = deployment.path("/api/queue/status");
    let mut api = deployment.stranger(0);
    assert_eq!(api.get(&path).await.status, StatusCode::UNAUTHORIZED);
    api.token = Some("not.a.token".to_owned());
    assert_eq!(api.get(&path).await.status, StatusCode::FORBIDDEN);
    let second = std::time::Duration::ZERO;
    let stale = tiketi_server::mint_token(&deployment.settings.jwt_secret, "a@b", false, second);
    api.token = Some(stale);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(api.get(&path).await.status, StatusCode::FORBIDDEN);
    let admin_path = deployment.path("/api/queue/admin");
    let user = deployment.user("kim", 0);
    assert_eq!(user.get(&admin_path).await.status, StatusCode::FORBIDDEN);
    let admin = deployment.user("admin", 0);
    let answer = admin.get(&admin_path).await;
    assert_eq!(answer.json["available"], 1_000);
}

async fn shows_are_listed_with_their_stock(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let api = deployment.stranger(0);
    let list = api
        .get("/api/events?status=on_sale&q=nig&page=1&limit=5")
        .await;
    assert_eq!(list.json["events"][0]["title"], "Night");
    assert_eq!(list.json["pagination"]["totalPages"], 1);
    let none = api.get("/api/events?q=opera").await;
    assert_eq!(none.json["pagination"]["total"], 0);
    let detail = api.get(&deployment.path("/api/events")).await;
    assert_eq!(detail.json["ticketTypes"][0]["available_quantity"], 10);
    assert_eq!(detail.json["ticketTypes"][1]["name"], "Floor");
    let bad = api.get("/api/events/17").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let unknown = api.get(&format!("/api/events/{}", uuid::Uuid::nil())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.json["error"].is_string());
}

async fn a_purchase_is_visible_everywhere(on: On) {
    let deployment = Deployment::start(&on, 2, settings()).await;
    let (kim, lee) = (deployment.user("kim", 0), deployment.user("lee", 1));
    let detail = deployment.path("/api/events");
    let seats = deployment.path("/api/seats/events");
    assert_eq!(
        lee.get(&detail).await.json["ticketTypes"][0]["available_quantity"],
        10
    );
    let check = kim
        .post(&deployment.path("/api/queue/check"), json!({}))
        .await;
    assert_eq!(check.json["queued"], false);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let taken = json!({ "eventId": deployment.show.id, "seatIds": [deployment.seat("VIP-1-1")] });
    let taken = lee.post("/api/seats/reserve", taken).await;
    assert_eq!(taken.status, StatusCode::BAD_REQUEST);
    assert_eq!(taken.json["error"], "Seat is locked by another user");
    assert_eq!(
        lee.get(&detail).await.json["ticketTypes"][0]["available_quantity"],
        9,
        "the cached detail is dropped when stock changes"
    );
    assert_eq!(lee.get(&seats).await.json["seats"][0]["status"], "locked");
    let foreign = lee.pay(&reservation).await;
    assert_eq!(foreign.status, StatusCode::BAD_REQUEST);
    let paid = kim.pay(&reservation).await;
    assert_eq!(paid.status, StatusCode::OK, "{}", paid.text);
    assert_eq!(paid.json["payment"]["totalAmount"], 150_000);
    assert_eq!(kim.pay(&reservation).await.json, paid.json, "paid once");
    assert_eq!(lee.get(&seats).await.json["seats"][0]["status"], "reserved");
    let census = deployment.census().await;
    assert_eq!((census.sold, census.held, census.active), (1, 0, 0));
    let state = deployment.final_state().await;
    assert_eq!((state.orders.len(), state.captures.len()), (1, 1));
    let mine = kim.get("/api/reservations/my").await;
    assert_eq!(mine.json["reservations"][0]["status"], "paid");
    let read = kim
        .get(&format!("/api/seats/reservation/{reservation}"))
        .await;
    assert_eq!(
        read.json["reservation"]["seats"][0]["seat_label"],
        "VIP-1-1"
    );
    let foreign = lee.get(&format!("/api/reservations/{reservation}")).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

async fn concurrent_payments_with_one_key_are_one_order(on: On) {
    let deployment = Deployment::start(&on, 2, settings()).await;
    let kim = [deployment.user("kim", 0), deployment.user("kim", 1)];
    let reservation = kim[0].hold(&deployment.show, "VIP-1-1").await;
    let body = json!({ "reservationId": reservation, "paymentMethod": "naver_pay" });
    let key = [("idempotency-key", "tap-twice")];
    let path = "/api/payments/process";
    let (one, two) = tokio::join!(
        kim[0].call("POST", path, Some(body.clone()), &key),
        kim[1].call("POST", path, Some(body.clone()), &key),
    );
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(one.json, two.json);
    let other = [("idempotency-key", "another")];
    let other = kim[0].call("POST", path, Some(body), &other).await;
    assert_eq!(other.json["error"], "Reservation is already paid");
    assert_eq!(deployment.final_state().await.captures.len(), 1);
}

async fn standing_tickets_are_reserved_and_cancelled(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let kim = deployment.user("kim", 0);
    let floor = deployment.show.ticket_type_id("Floor");
    let order = |quantity: u32| {
        json!({
            "eventId": deployment.show.id,
            "items": [{ "ticketTypeId": floor, "quantity": quantity }],
        })
    };
    let reserved = kim.post("/api/reservations", order(6)).await;
    assert_eq!(reserved.status, StatusCode::CREATED);
    assert_eq!(reserved.json["reservation"]["totalAmount"], 480_000);
    let short = kim.post("/api/reservations", order(6)).await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let id = reserved.json["reservation"]["id"].as_str().unwrap();
    let cancel = format!("/api/reservations/{id}/cancel");
    assert_eq!(kim.post(&cancel, json!({})).await.status, StatusCode::OK);
    let full = kim.post("/api/reservations", order(10)).await;
    assert_eq!(full.status, StatusCode::CREATED);
}

async fn request_101_of_a_minute_is_refused(on: On) {
    let limited = Settings {
        rate_limit: Some(100),
        ..settings()
    };
    let deployment = Deployment::start(&on, 2, limited).await;
    let path = deployment.path("/api/queue/status");
    let kim = [deployment.user("kim", 0), deployment.user("kim", 1)];
    for request in 0..100 {
        let answer = kim[request % 2].get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "request {}", request + 1);
    }
    let over = kim[0].get(&path).await;
    assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = over.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait} s");
    let other = deployment.user("lee", 0).get(&path).await;
    assert_eq!(other.status, StatusCode::OK);
}

async fn health_and_metrics_report_this_instance(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let api = deployment.stranger(0);
    assert_eq!(api.get("/health").await.json["status"], "ok");
    assert_eq!(api.get("/health/all").await.json["redis"], "ok");
    let metrics = api.get("/metrics").await;
    let line = "tiketi_http_requests_total{instance=\"test-0\"} 3";
    assert!(
        metrics.text.lines().any(|at| at == line),
        "{}",
        metrics.text
    );
    assert_eq!(api.get("/nothing").await.status, StatusCode::NOT_FOUND);
}

async fn an_instance_is_as_slow_as_its_profile(on: On) {
    let profile = tiketi_server::Profile::t3_medium_node();
    let slow = Settings {
        profile,
        speed: 1.0,
        ..settings()
    };
    let deployment = Deployment::start(&on, 1, slow).await;
    let kim = deployment.user("kim", 0);
    let path = deployment.path("/api/queue/check");
    for _ in 0..10 {
        kim.post(&path, json!({})).await;
    }
    // A response may be sent half the timer's resolution before its work is done.
    let expected = std::time::Duration::from_millis(17);
    eventually("17 ms of work", || async {
        deployment.instances[0].load().cpu_busy == expected
    })
    .await;
}
