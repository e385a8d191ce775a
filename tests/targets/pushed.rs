//! The mappings in `scenarios/apis` with a push channel, each with buyers against a small server of that shape.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::path::Path;
use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::foreign_servers::{NestQueue, SeatFlow, Ticketon};
use serde_json::Value;

const SALE: &str = r#"
name = "pushed"
[clock]
duration = "9s"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = 12
opens_at = "500ms"
decay = "500ms"
until = "2s"
[buyers]
browse = "100ms"
seat_pick = "600ms"
seat_repick = "200ms"
payment = "300ms"
pays = 1.0
patience = "10m"
conflicts_max = 12
[gates]
"errors" = ["rate < 1%"]
[target]
show = "SHOW"
"#;

/// Writes a mapping with other words as `api.toml`; each of them is there once.
fn write_mapping(workplace: &Workplace, name: &str, changes: &[(&str, &str)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/apis");
    let mut text = std::fs::read_to_string(folder.join(name)).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        text = text.replace(from, to);
    }
    workplace.write("api.toml", text);
}

fn write_users(workplace: &Workplace, count: u32) {
    let rows = (1..=count).map(|number| format!("buyer{number}@example.com,password-{number}\n"));
    let rows: String = std::iter::once("email,password\n".to_owned())
        .chain(rows)
        .collect();
    workplace.write("users.csv", rows);
}

fn run(workplace: &Workplace, url: &str, more: &[&str]) -> (Ended, Value) {
    let words = ["run", "sale.toml", "--target", url, "--api", "api.toml"];
    let ended = workplace.run(&[&words[..], more].concat());
    let runs = std::fs::read_dir(workplace.path("reports"));
    let run = runs.unwrap_or_else(|_| panic!("{ended:?}")).next().unwrap();
    let text = std::fs::read(run.unwrap().path().join("summary.json")).unwrap();
    (ended, serde_json::from_slice(&text).unwrap())
}

/// Checks that a run has understood every response and every message, and could open the channel before the load.
fn assert_understood(ended: &Ended) {
    assert!(
        !ended.stdout.contains("no row of the API mapping"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("Warning"), "{ended:?}");
}

/// The mapping with the port of the queue service.
fn ticketon(workplace: &Workplace, server: &Ticketon, changes: &[(&str, &str)]) {
    let port = format!(":{}", server.broker_port());
    let port = [(":9000", port.as_str())];
    write_mapping(workplace, "ticketon-sse.toml", &[&port, changes].concat());
    write_users(workplace, 12);
    let sale = SALE.replace("[target]\nshow = \"SHOW\"\n", "");
    workplace.write("sale.toml", sale);
}

#[test]
fn buyers_enter_the_queue_by_opening_a_stream_and_get_the_entry_token_from_it() {
    let server = Ticketon::start(8, Duration::from_millis(100));
    let workplace = Workplace::new();
    ticketon(&workplace, &server, &[]);
    let (ended, summary) = run(&workplace, &server.url(), &["--users", "users.csv"]);
    let books = server.books();
    assert_eq!(books.paid.len(), 8, "{books:?}\n{ended:?}");
    assert_eq!(books.complaints, Vec::<String>::new(), "{ended:?}");
    // One stream before the load, and one for each buyer.
    assert_eq!(books.streams, 13, "{books:?}");
    let ways = &summary["admissions"]["ways"];
    assert_eq!(ways[0]["learned"], "message", "{ways}");
    assert_eq!(ways[0]["admissions"], 12, "{ways}");
    assert_understood(&ended);
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
}

#[test]
fn a_probe_shows_the_stream_without_the_entry_token() {
    let server = Ticketon::start(2, Duration::from_millis(500));
    let workplace = Workplace::new();
    ticketon(&workplace, &server, &[]);
    let url = server.url();
    let words = [
        "probe",
        "--target",
        &url,
        "--api",
        "api.toml",
        "--users",
        "users.csv",
    ];
    let ended = workplace.run(&words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in [
        "push (sse)\n   > GET /api/v1/broker/events/",
        "   < sse connection established",
        "   = queued",
        "\"status\":\"IN_PROGRESS\",\"token\":\"***\"",
        "   = admitted",
        "   = paid",
    ] {
        assert!(
            ended.stdout.contains(shown),
            "`{shown}` in\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("eyJ"), "{}", ended.stdout);
    // A wrong row: the buyer is never admitted.
    let swapped = (
        "\"IN_PROGRESS\", is = \"admitted\"",
        "\"IN_PROGRESS\", is = \"queued\"",
    );
    let admits = (
        "\"IN_ENTRY\", is = \"queued\"",
        "\"NEVER\", is = \"admitted\"",
    );
    ticketon(&workplace, &server, &[swapped, admits]);
    let ended = workplace.run(&[&words[..], &["--limit", "6s"]].concat());
    assert_eq!(ended.code, Some(91), "{ended:?}");
    assert!(
        ended.stdout.contains("The buyer is still in the queue"),
        "{}",
        ended.stdout
    );
}

/// The conflicts of the same sale if buyers ignore the reports, and the end of that run.
fn conflicts_of_the_deaf() -> (u32, Ended) {
    let deaf = SeatFlow::start(14);
    let workplace = Workplace::new();
    let nothing = "{ kind = [\"HOLD\", \"CONFIRMED\"], is = \"taken\" }";
    let ignored = nothing.replace("taken", "done");
    write_mapping(&workplace, "seat-flow.toml", &[(nothing, &ignored)]);
    workplace.write("sale.toml", SALE.replace("SHOW", "1"));
    let (ended, _) = run(&workplace, &deaf.url(), &[]);
    (deaf.books().conflicts, ended)
}

/// One run understands where the id is, another one looks in the wrong place; and a probe.
#[test]
fn the_id_of_the_reservation_comes_over_socket_io_only() {
    let prepared = |seats, changes: &[(&str, &str)]| {
        let workplace = Workplace::new();
        write_mapping(&workplace, "nest-ticket-queue.toml", changes);
        write_users(&workplace, 12);
        let sale = SALE.replace("[target]\nshow = \"SHOW\"\n", "");
        workplace.write("sale.toml", sale.replace("9s", "5s"));
        (
            NestQueue::start(seats, Duration::from_millis(150)),
            workplace,
        )
    };
    let users = ["--users", "users.csv"];
    let right = std::thread::spawn(move || {
        let (server, workplace) = prepared(10, &[]);
        let (ended, summary) = run(&workplace, &server.url(), &users);
        let books = server.books();
        // On a busy machine, a buyer may be admitted before its socket is open; that message is lost.
        let received = 10 - books.lost as usize;
        assert_eq!(books.paid, received, "{books:?}\n{ended:?}");
        assert!(received >= 8, "{books:?}");
        assert_eq!(books.sold_out, 2, "{books:?}");
        assert_eq!(books.complaints, Vec::<String>::new(), "{ended:?}");
        assert_eq!(books.sockets_opened, 13, "one before the load: {books:?}");
        assert!(books.pongs > 0, "{books:?}");
        let ways = &summary["admissions"]["ways"];
        assert_eq!(ways[0]["learned"], "message", "{ways}");
        assert_eq!(ways[0]["admissions"], received, "{ways}");
        assert_understood(&ended);
        assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
    });
    let wrong = std::thread::spawn(move || {
        let elsewhere = (
            "{ reservation = \"/reservationId\" }\nplace",
            "{ reservation = \"/reservationID\" }\nplace",
        );
        let place = (
            "[queue_status]\ncall = \"GET /events/{show}/queue/me\"\nkeep = { reservation = \"/reservationId\" }\n",
            "[queue_status]\ncall = \"GET /events/{show}/queue/me\"\n",
        );
        let (server, workplace) = prepared(10, &[place, elsewhere]);
        let (ended, _) = run(&workplace, &server.url(), &users);
        assert_eq!(server.books().paid, 0, "{ended:?}");
        // Errors fail the gate, unless the machine was too busy to tell.
        assert!(matches!(ended.code, Some(91 | 99)), "{ended:?}");
        let words = "{reservation} has no value";
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    });
    let (server, workplace) = prepared(1, &[]);
    let url = server.url();
    let words = ["probe", "--target", &url, "--api", "api.toml"];
    let ended = workplace.run(&[&words[..], &users].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in [
        "push (socket.io)\n   > GET /socket.io/?EIO=4&transport=websocket",
        "   < event: queue:active",
        "   = admitted",
        "   > POST /reservations/00000000-0000-0007-0000-000000000000/pay",
        "   = paid",
    ] {
        assert!(
            ended.stdout.contains(shown),
            "`{shown}` in\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("login-of"), "{}", ended.stdout);
    right.join().unwrap();
    wrong.join().unwrap();
}

#[test]
fn buyers_drop_the_seats_that_the_socket_reports_and_take_others() {
    let without = std::thread::spawn(conflicts_of_the_deaf);
    let server = SeatFlow::start(14);
    let workplace = Workplace::new();
    write_mapping(&workplace, "seat-flow.toml", &[]);
    workplace.write("sale.toml", SALE.replace("SHOW", "1"));
    let (ended, summary) = run(&workplace, &server.url(), &[]);
    let with_socket = {
        let books = server.books();
        assert_eq!(books.paid.len(), 12, "{books:?}\n{ended:?}");
        assert_eq!(books.complaints, Vec::<String>::new(), "{ended:?}");
        assert_eq!(books.sockets, 13, "one before the load: {books:?}");
        assert_eq!(books.reports, 24, "{books:?}");
        books.conflicts
    };
    assert!(
        summary["sockets"]["connected"] == 12,
        "{}",
        summary["sockets"]
    );
    assert_understood(&ended);
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");

    // Without the socket, buyers run into each other.
    let (without, ended) = without.join().unwrap();
    assert!(
        with_socket < without,
        "{with_socket} and {without} conflicts\n{ended:?}"
    );
}
