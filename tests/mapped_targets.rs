//! The mappings in `scenarios/apis`, each with buyers against a small server of that shape, and `probe`.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::path::Path;
use std::time::Duration;

use command::{Ended, Workplace};
use foreign_servers::{ConcertReservation, TicketDrop};
use serde_json::Value;
use small_server::SmallServer;

mod command;
mod foreign_servers;
#[expect(dead_code, reason = "other tests need more of it")]
mod small_server;

/// How a report calls a response that no row of the mapping describes.
const NOT_UNDERSTOOD: &str = "that no row of the API mapping describes";

/// A small sale in real time. Nobody has patience to lose.
fn sale(buyers: u32, duration: &str) -> String {
    format!(
        r#"
name = "mapped"
[clock]
duration = "{duration}"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = {buyers}
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
poll = {{ connected = "1s", disconnected = "1s", on_update = false }}
[gates]
"errors" = ["rate < 1%"]
"#
    )
}

fn mapping(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/apis");
    folder.join(name).display().to_string()
}

/// A file of users with numeric ids, which exist on the server.
fn users(count: u32) -> String {
    let rows = (1..=count).map(|number| format!("{number},\"pass, word {number}\"\n"));
    std::iter::once("id,password\n".to_owned())
        .chain(rows)
        .collect()
}

/// What the only run of a folder has written.
fn summary(workplace: &Workplace) -> Value {
    let mut runs = std::fs::read_dir(workplace.path("reports")).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    let text = std::fs::read(run.join("summary.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn run(workplace: &Workplace, url: &str, more: &[&str]) -> Ended {
    let arguments = [&["run", "sale.toml", "--target", url], more].concat();
    workplace.run(&arguments)
}

#[test]
fn buyers_buy_with_points_and_a_queue_token_from_a_server_with_numeric_ids() {
    let server = ConcertReservation::start(8, Duration::from_millis(100));
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "14s"));
    workplace.write("users.csv", users(12));
    let api = mapping("concert-reservation.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, &server.url(), &more);
    let books = server.books();
    assert_eq!(books.paid.len(), 8, "{books:?}\n{ended:?}");
    assert_eq!(books.charged.len(), 12, "each buyer once: {books:?}");
    assert!(books.polls > 0, "{books:?}");
    assert_eq!(books.complaints, Vec::<String>::new());
    assert!(!ended.stdout.contains(NOT_UNDERSTOOD), "{ended:?}");
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
}

#[test]
fn a_mapped_system_that_sells_a_seat_twice_is_found_out_by_its_buyers() {
    let server = ConcertReservation::start(8, Duration::from_millis(100));
    server.books().sells_twice = true;
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "14s"));
    workplace.write("users.csv", users(12));
    let api = mapping("concert-reservation.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, &server.url(), &more);
    let report = &ended.stdout;
    assert_eq!(ended.code, Some(90), "{ended:?}");
    assert!(report.contains("sold more than once"), "{report}");
    // The ids are those of the system; none of its reservations has the form of a UUID.
    assert!(report.contains("seat 1: "), "{report}");
    assert!(!report.contains("(reservation "), "{report}");
    assert!(
        report.contains("show 41 · API mapping concert-reservation 1"),
        "{report}"
    );
}

#[test]
fn buyers_without_a_seat_map_pay_in_two_calls_and_poll_for_their_hold() {
    let server = TicketDrop::start(8, Duration::from_millis(100));
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "14s"));
    let api = mapping("ticketdrop.toml");
    let ended = run(&workplace, &server.url(), &["--api", &api]);
    let books = server.books();
    assert_eq!(books.paid.len(), 8, "{books:?}\n{ended:?}");
    assert!(
        books.pending_polls > 0,
        "a hold was asked for again: {books:?}"
    );
    assert_eq!(books.complaints, Vec::<String>::new());
    assert!(!ended.stdout.contains(NOT_UNDERSTOOD), "{ended:?}");
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
}

#[test]
fn a_response_that_no_row_describes_is_counted_and_shown_without_its_secrets() {
    let server = TicketDrop::start(8, Duration::from_millis(100));
    server.books().hides_payment = true;
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(2, "6s"));
    let api = mapping("ticketdrop.toml");
    let ended = run(&workplace, &server.url(), &["--api", &api]);
    let report = &ended.stdout;
    let finding = format!("confirm got a response with 200 {NOT_UNDERSTOOD}");
    for words in [
        &finding,
        ", and never succeeded.",
        "It counts as payment_process.",
        r#"“{"accessToken":"***","status":"weird"}”"#,
    ] {
        assert!(report.contains(words), "`{words}` in\n{report}");
    }
    assert!(!report.contains("hush"), "{report}");
    let steps = summary(&workplace)["steps"].take();
    let of_name = |name: &str| {
        let mut steps = steps.as_array().unwrap().iter();
        steps.find(|step| step["step"] == name).unwrap().clone()
    };
    let confirm = of_name("confirm");
    assert!(confirm["calls"].as_u64().unwrap() >= 2, "{confirm}");
    assert_eq!(confirm["failed"], confirm["calls"], "{confirm}");
    assert_eq!(of_name("seat_reserve.poll")["failed"], 0, "{steps}");
    assert_ne!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_probe_shows_each_exchange_of_one_buyer_without_secrets() {
    let server = ConcertReservation::start(3, Duration::from_millis(100));
    let workplace = Workplace::new();
    workplace.write("users.csv", users(1));
    let api = mapping("concert-reservation.toml");
    let url = server.url();
    let arguments = [
        "probe",
        "--target",
        &url,
        "--api",
        &api,
        "--users",
        "users.csv",
    ];
    let ended = workplace.run(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in [
        " 1 setup\n   > PATCH /points/charge\n",
        "\"userId\":1",
        "> POST /queue/token\n",
        "\"token\":\"***\"",
        "   = queued",
        "   = admitted",
        "   = done: 3 free seats, 0 held by others",
        "   > authorization: ***\n",
        "> {\"scheduleId\":41,\"seatId\":1}",
        "   = paid",
        "The buyer has a ticket. (API mapping: concert-reservation 1)",
    ] {
        assert!(
            ended.stdout.contains(shown),
            "`{shown}` in\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("queue-token-of"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("pass, word"), "{}", ended.stdout);
    assert_eq!(server.books().paid.len(), 1);
}

#[test]
fn a_probe_says_at_which_request_the_buyer_stopped_and_gives_the_seat_back() {
    let server = TicketDrop::start(3, Duration::from_millis(100));
    server.books().hides_payment = true;
    let workplace = Workplace::new();
    let api = mapping("ticketdrop.toml");
    let url = server.url();
    let ended = workplace.run(&["probe", "--target", &url, "--api", &api]);
    assert_eq!(ended.code, Some(91), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("not understood: no row of the mapping matches status 200"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("no further than `confirm`"),
        "{}",
        ended.stdout
    );
    assert_eq!(server.books().cancelled, 1);
}

#[test]
fn a_probe_speaks_the_contract_of_tiketi_without_a_mapping() {
    let server = SmallServer::start(3, Duration::from_millis(200));
    let workplace = Workplace::new();
    workplace.write("secret.txt", "secret");
    let url = format!("http://{}", server.address);
    let secret = ["--token-secret-file", "secret.txt"];
    let arguments = [&["probe", "--target", url.as_str()], &secret[..]].concat();
    let ended = workplace.run(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("   = queued\n"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("(API mapping: tiketi 1)"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_probe_is_refused_where_a_run_would_be() {
    let workplace = Workplace::new();
    workplace.write(
        "bad.toml",
        "[payment]\ncall = \"PAY /now\"\nmeans = [{ is = \"paid\" }]\n",
    );
    workplace.write("few.csv", "email\na@b.c\n");
    let api = mapping("ticketdrop.toml");
    let concert = mapping("concert-reservation.toml");
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["http://192.0.2.7:3000", "--api", &api],
            92,
            "target.allow",
        ),
        (
            &["http://127.0.0.1:1", "--api", &api],
            92,
            "connection refused",
        ),
        (&["http://127.0.0.1:1"], 104, "no credentials"),
        (
            &["http://127.0.0.1:1", "--api", "bad.toml"],
            104,
            "bad.toml:2:8: `payment.call`",
        ),
        (
            &[
                "http://127.0.0.1:1",
                "--api",
                &concert,
                "--users",
                "few.csv",
            ],
            104,
            "no column `id`",
        ),
    ];
    for (more, code, words) in cases {
        let ended = workplace.run(&[&["probe", "--target"], more].concat());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let shown = ended.stderr + &ended.stdout;
        assert!(shown.contains(words), "`{words}` in\n{shown}");
    }
}

#[test]
fn too_few_users_are_refused_before_anything_is_sent() {
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "14s"));
    workplace.write("users.csv", users(3));
    let api = mapping("concert-reservation.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, "http://127.0.0.1:1", &more);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(
        ended.stderr.contains("3 users are too few for 12 buyers"),
        "{ended:?}"
    );
}
