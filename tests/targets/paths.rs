//! Targets with a path, at an IPv6 address, and with redirects.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::small_server::{SHOW, SmallServer};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::{Value, json};

/// A small sale in real time.
const SALE: &str = r#"
name = "paths"
[clock]
duration = "8s"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = 8
opens_at = "500ms"
decay = "500ms"
until = "2s"
[buyers]
browse = "100ms"
seat_pick = "200ms"
seat_repick = "200ms"
payment = "300ms"
pays = 1.0
patience = "10m"
[gates]
"errors" = ["rate < 1%"]
[self_check]
send_lag_p99_max = "2s"
stall_max        = "5s"
"#;

fn server(address: &str, routes: impl FnOnce(Router) -> Router + Send + 'static) -> SmallServer {
    SmallServer::serve(address, 20, Duration::from_millis(100), routes)
}

fn ended(command: &[&str], url: &str) -> (Ended, Workplace) {
    let workplace = Workplace::new();
    workplace.write("sale.toml", SALE);
    workplace.write("secret.txt", "secret\n");
    let target = ["--target", url, "--token-secret-file", "secret.txt"];
    (workplace.run(&[command, &target].concat()), workplace)
}

fn probe(url: &str) -> Ended {
    ended(&["probe"], url).0
}

fn run(url: &str) -> (Ended, Value) {
    let (ended, workplace) = ended(&["run", "sale.toml"], url);
    let runs = std::fs::read_dir(workplace.path("reports"));
    let mut runs = runs.unwrap_or_else(|_| panic!("{ended:?}"));
    let run = runs.next().unwrap().unwrap().path();
    let summary = std::fs::read(run.join("summary.json")).unwrap();
    (ended, serde_json::from_slice(&summary).unwrap())
}

#[track_caller]
fn assert_all_bought(ended: &Ended, summary: &Value) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(summary["left"][0]["buyers"], 8, "{}", ended.stdout);
}

#[test]
fn a_path_of_the_target_is_in_front_of_every_request_and_of_the_socket() {
    let server = server("127.0.0.1:0", |router| Router::new().nest("/base", router));
    let url = format!("http://{}/base/", server.address);
    let (ended, summary) = run(&url);
    assert_all_bought(&ended, &summary);
    assert!(server.books().joined_queue >= 8);
    assert_eq!(
        summary["run"]["target"]["url"],
        format!("http://{}/base", server.address)
    );
    let without = probe(&format!("http://{}", server.address));
    assert_eq!(without.code, Some(91), "{without:?}");
}

#[test]
fn a_finding_repeats_the_request_with_the_path_of_the_target() {
    let refuse = any(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "broken") });
    let server = server("127.0.0.1:0", |router| {
        Router::new()
            .route("/base/api/seats/reserve", refuse)
            .fallback_service(Router::new().nest("/base", router))
    });
    let (ended, _) = run(&format!("http://{}/base", server.address));
    let line = format!(
        "curl -i -X POST 'http://{}/base/api/seats/reserve'",
        server.address
    );
    assert!(ended.stdout.contains(&line), "{line}: {}", ended.stdout);
}

#[test]
fn an_ipv6_address_is_a_target_like_any_other() {
    let server = server("[::1]:0", |router| router);
    let port = server.address.port();
    let (ended, summary) = run(&format!("http://[::1]:{port}"));
    assert_all_bought(&ended, &summary);
    assert!(server.books().joined_queue >= 8);
    let shown = format!("Target: [::1]:{port}");
    assert!(ended.stderr.contains(&shown), "{}", ended.stderr);
}

fn list() -> Json<Value> {
    Json(json!({"events": [{"id": SHOW, "status": "on_sale"}]}))
}

#[test]
fn pages_and_shows_are_followed_to_where_they_are() {
    let server = server("127.0.0.1:0", |router| {
        Router::new()
            .route("/", get(|| async { Redirect::to("home?a=1") }))
            .route("/home", get(|| async { "a page" }))
            .route(
                "/api/events",
                get(|| async { Redirect::permanent("/shows/") }),
            )
            .route("/shows/", get(|| async { list() }))
            .fallback_service(router)
    });
    let url = format!("http://{}", server.address);
    let probed = probe(&url);
    assert_eq!(probed.code, Some(0), "{probed:?}");
    for shown in [
        "> GET /\n",
        "< location: home?a=1",
        "= a redirect, which is followed",
        "> GET /home?a=1",
        "> GET /shows/",
    ] {
        assert!(probed.stdout.contains(shown), "{shown}: {probed:?}");
    }
    let (ended, summary) = run(&url);
    // The buyer of the probe has a seat.
    assert_all_bought(&ended, &summary);
    let warning = format!("GET {url}/api/events redirects to /shows/, for each buyer");
    assert!(ended.stderr.contains(&warning), "{}", ended.stderr);
    assert!(!ended.stderr.contains("no web page found"));
}

#[test]
fn a_redirect_to_another_host_or_in_a_loop_is_not_followed() {
    let other = server("127.0.0.1:0", |_| {
        Router::new().fallback(any(|| async { list() }))
    });
    let elsewhere = format!("http://{}/api/events?token=hush", other.address);
    let first = server("127.0.0.1:0", move |router| {
        let to = elsewhere.clone();
        let moved = get(move || async move { Redirect::temporary(&to) });
        Router::new()
            .route("/api/events", moved)
            .fallback_service(router)
    });
    let refused = run_refused(&first);
    let words = format!(
        "GET http://{}/api/events: it redirects with 307 Temporary Redirect to http://{}/api/events?token=*** (redirects to \
         another scheme, host or port are not followed)",
        first.address, other.address
    );
    assert!(refused.stderr.contains(&words), "{words}: {refused:?}");
    assert!(refused.stderr.contains("hint: pass the URL"), "{refused:?}");
    let probed = probe(&format!("http://{}", first.address));
    assert_eq!(probed.code, Some(91), "{probed:?}");
    let said = "! not followed: redirects to another scheme, host or port are not followed";
    assert!(probed.stdout.contains(said), "{probed:?}");
    let looping = server("127.0.0.1:0", |router| {
        Router::new()
            .route("/api/events", get(|| async { Redirect::to("/a") }))
            .route("/a", get(|| async { Redirect::to("/api/events") }))
            .fallback_service(router)
    });
    let refused = run_refused(&looping);
    assert!(
        refused.stderr.contains("(it redirects in a loop)"),
        "{refused:?}"
    );
}

fn run_refused(server: &SmallServer) -> Ended {
    let (ended, _) = ended(&["run", "sale.toml"], &format!("http://{}", server.address));
    assert_eq!(ended.code, Some(92), "{ended:?}");
    ended
}

#[test]
fn the_redirect_of_a_call_is_a_finding_with_where_it_leads() {
    let login = any(|| async { Redirect::to("/login?next=queue&token=hush") });
    let server = server("127.0.0.1:0", |router| {
        Router::new()
            .route("/api/queue/check/{id}", login)
            .fallback_service(router)
    });
    let (ended, _) = run(&format!("http://{}", server.address));
    for said in [
        "got a response with 303 that no row of the API mapping describes",
        "Location: /login?next=queue&token=***",
        "a login page instead of a refused token",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
}
