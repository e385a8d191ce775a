//! Mappings that `map` drafts from a recording, each with buyers against a server of that shape. No line of a draft is edited.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::path::Path;
use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::foreign_servers::{ConcertReservation, TicketDrop};
use crate::small_server::SmallServer;

/// A small sale in real time. Nobody has patience to lose.
const SALE: &str = r#"
name = "drafted"
[clock]
duration = "9s"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = 6
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
poll = { connected = "1s", disconnected = "1s", on_update = false }
[gates]
"errors" = ["rate < 1%"]
"#;

/// A folder with the mapping that is drafted from a recording.
fn drafted(name: &str) -> Workplace {
    let workplace = Workplace::new();
    let recordings =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/api-draft/tests/recordings");
    let recording = std::fs::read(recordings.join(name)).unwrap();
    workplace.write("visit.har", recording);
    let ended = workplace.run(&["map", "--har", "visit.har", "--out", "api.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    workplace.write("sale.toml", SALE);
    let rows: String = (1..=12).map(|number| format!("{number}\n")).collect();
    workplace.write("users.csv", format!("id\n{rows}"));
    workplace
}

fn has_ticket(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("The buyer has a ticket. (API mapping: visit 1)"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_draft_from_numeric_ids_and_a_queue_token_sells_tickets() {
    let workplace = drafted("numeric-ids.har");
    let server = ConcertReservation::start(20, Duration::from_millis(100));
    let url = server.url();
    let target = [
        "--target",
        &url,
        "--api",
        "api.toml",
        "--users",
        "users.csv",
    ];
    has_ticket(&workplace.run(&[&["probe"], &target[..]].concat()));
    assert_eq!(server.books().paid.len(), 1);
    let ended = workplace.run(&[&["run", "sale.toml"], &target[..]].concat());
    let books = server.books();
    assert_eq!(books.paid.len(), 7, "{books:?}\n{ended:?}");
    assert_eq!(books.complaints, Vec::<String>::new());
    assert!(
        !ended.stderr.contains("No row of the API mapping"),
        "{ended:?}"
    );
}

#[test]
fn a_draft_from_tiers_and_two_calls_to_pay_sells_tickets() {
    let workplace = drafted("tiers.har");
    let server = TicketDrop::start(20, Duration::from_millis(100));
    let url = server.url();
    let target = ["--target", &url, "--api", "api.toml"];
    has_ticket(&workplace.run(&[&["probe"], &target[..]].concat()));
    assert_eq!(server.books().paid.len(), 1);
    let ended = workplace.run(&[&["run", "sale.toml"], &target[..]].concat());
    let books = server.books();
    assert_eq!(books.paid.len(), 7, "{books:?}\n{ended:?}");
    assert_eq!(books.complaints, Vec::<String>::new());
    assert!(
        !ended.stderr.contains("No row of the API mapping"),
        "{ended:?}"
    );
}

#[test]
fn a_draft_of_the_contract_of_tiketi_buys_a_ticket() {
    let workplace = drafted("tiketi.har");
    workplace.write("secret.txt", "secret");
    let server = SmallServer::start(3, Duration::from_millis(200));
    let url = format!("http://{}", server.address);
    let target = [
        "--target",
        &url,
        "--api",
        "api.toml",
        "--token-secret-file",
        "secret.txt",
    ];
    let ended = workplace.run(&[&["probe"], &target[..]].concat());
    has_ticket(&ended);
    assert!(ended.stdout.contains("   = queued\n"), "{}", ended.stdout);
    assert_eq!(server.books().requests["pay"], 1);
}
