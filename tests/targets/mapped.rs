//! The mappings in `scenarios/apis`, each with buyers against a small server of that shape, and `probe`.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::path::Path;
use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::foreign_servers::{
    ConcertReservation, EventBn, HhplusTicketing, TicketDrop, TicketReservation, Ticketon,
    WaitingRoom,
};
use crate::small_server::SmallServer;
use serde_json::Value;

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
    workplace.write("sale.toml", sale(12, "9s"));
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
    workplace.write("sale.toml", sale(12, "9s"));
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
    workplace.write("sale.toml", sale(12, "9s"));
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

/// The same sale of a show that no list names.
fn sale_of(show: &str, buyers: u32, duration: &str) -> String {
    sale(buyers, duration) + &format!("[target]\nshow = \"{show}\"\n")
}

/// Users with an e-mail address, an id and a UUID, who exist on the server.
fn accounts(count: u128) -> String {
    let row = |number| {
        let uid = uuid::Uuid::from_u128(number);
        format!("buyer{number}@example.com,password-{number},{number},{uid}\n")
    };
    let rows = (1..=count).map(row);
    std::iter::once("email,password,id,uid\n".to_owned())
        .chain(rows)
        .collect()
}

/// Writes a mapping with other words as `api.toml`; each of them is there once.
fn write_mapping(workplace: &Workplace, name: &str, changes: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(mapping(name)).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        text = text.replace(from, to);
    }
    workplace.write("api.toml", text);
}

/// Checks that a run has understood every response.
fn assert_understood(ended: &Ended, complaints: &[String]) {
    assert_eq!(complaints, Vec::<String>::new(), "{ended:?}");
    assert!(
        !ended.stderr.contains("No row of the API mapping"),
        "{ended:?}"
    );
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
}

const MAPPED: [&str; 4] = ["--api", "api.toml", "--users", "users.csv"];

/// The mapping with the port of the queue service.
fn ticketon(workplace: &Workplace, server: &Ticketon) {
    let port = format!(":{}", server.broker_port());
    write_mapping(workplace, "ticketon.toml", &[(":9000", &port)]);
    workplace.write("users.csv", accounts(12));
}

#[test]
fn buyers_wait_at_a_queue_service_of_its_own_and_pay_with_its_token() {
    let server = Ticketon::start(8, Duration::from_millis(100));
    let workplace = Workplace::new();
    ticketon(&workplace, &server);
    workplace.write("sale.toml", sale(12, "9s"));
    let ended = run(&workplace, &server.url(), &MAPPED);
    let books = server.books();
    assert_eq!(books.paid.len(), 8, "{books:?}\n{ended:?}");
    assert!(books.broker_requests >= 24, "{books:?}");
    assert!(books.polls_of_results >= 16, "{books:?}");
    assert_understood(&ended, &books.complaints);
}

#[test]
fn a_probe_names_the_host_that_it_asks_and_shows_no_entry_token() {
    let server = Ticketon::start(2, Duration::from_millis(100));
    let workplace = Workplace::new();
    ticketon(&workplace, &server);
    let url = server.url();
    let ended = workplace.run(&[&["probe", "--target", &url][..], &MAPPED].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in [
        "/waiting (host broker)\n",
        "   > entryauthtoken: ***\n",
        "\"entryAuthToken\":\"***\"",
        "   = accepted-poll-later",
        "   = paid",
    ] {
        assert!(
            ended.stdout.contains(shown),
            "`{shown}` in\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("eyJ"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("not understood"), "{}", ended.stdout);
}

#[test]
fn buyers_spread_over_the_performances_of_a_concert() {
    let server = HhplusTicketing::start(4, Duration::from_millis(100));
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale_of("10", 12, "9s"));
    workplace.write("users.csv", accounts(12));
    let api = mapping("hhplus-ticketing.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, &server.url(), &more);
    let books = server.books();
    // A performance that is sold out is not looked at again.
    assert_eq!(books.paid.len(), 12, "{books:?}\n{ended:?}");
    assert_eq!(books.looked_at, [1, 2, 3].into(), "{books:?}");
    assert_eq!(books.points.len(), 12, "{books:?}");
    assert_understood(&ended, &books.complaints);
}

#[test]
fn buyers_without_a_queue_take_another_seat_if_theirs_is_taken() {
    let server = TicketReservation::start(3);
    server.books().is_first_lost = true;
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "8s"));
    let api = mapping("ticket-reservation.toml");
    let ended = run(&workplace, &server.url(), &["--api", &api]);
    let books = server.books();
    assert_eq!(books.paid.len(), 6, "{books:?}\n{ended:?}");
    assert_eq!(books.looks.len(), 2, "{books:?}");
    assert!(books.conflicts >= 1, "{books:?}");
    assert_understood(&ended, &books.complaints);
}

#[test]
fn buyers_ask_for_the_result_of_a_lock_and_extend_it_before_they_pay() {
    let server = EventBn::start(8);
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(12, "9s"));
    workplace.write("users.csv", accounts(12));
    let api = mapping("event-bn.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, &server.url(), &more);
    let books = server.books();
    assert_eq!(books.paid.len(), 8, "{books:?}\n{ended:?}");
    assert!(books.queued >= 4, "{books:?}");
    assert_eq!(books.extended, 8, "{books:?}");
    assert_eq!(books.released, 0, "{books:?}");
    assert_understood(&ended, &books.complaints);
}

#[test]
fn buyers_compare_their_number_with_the_one_that_is_served() {
    let server = WaitingRoom::start(8, Duration::from_millis(300));
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale_of("Sample", 12, "10s"));
    let port = format!(":{}", server.room_port());
    write_mapping(&workplace, "aws-waiting-room.toml", &[(":8443", &port)]);
    let ended = run(&workplace, &server.url(), &["--api", "api.toml"]);
    let books = server.books();
    assert_eq!(books.sold, 8, "{books:?}\n{ended:?}");
    assert!(books.not_yet_numbered >= 12, "{books:?}");
    assert_understood(&ended, &books.complaints);
}

/// Each mapping with one wrong row: the buyer of a probe gets no ticket, and the output names the request at which it stopped.
#[test]
fn a_row_with_the_wrong_meaning_is_found_by_a_probe() {
    let workplace = Workplace::new();
    workplace.write("users.csv", accounts(1));
    workplace.write(
        "concert.toml",
        "name = \"concert\"\n[target]\nshow = \"10\"\n",
    );
    workplace.write(
        "event.toml",
        "name = \"event\"\n[target]\nshow = \"Sample\"\n",
    );
    let probe = |url: &str, scenario: &[&str], role: &str| {
        let limit = ["--limit", "6s"];
        let ended = workplace.run(
            &[
                &["probe"],
                scenario,
                &["--target", url],
                &MAPPED[..],
                &limit,
            ]
            .concat(),
        );
        assert_eq!(ended.code, Some(91), "{ended:?}");
        assert!(ended.stdout.contains(role), "`{role}` in\n{}", ended.stdout);
    };
    let soon = Duration::from_millis(50);

    // Nobody is admitted while the probe lasts.
    let slow = Ticketon::start(2, Duration::from_secs(60));
    let slow_port = format!(":{}", slow.broker_port());
    let swapped = (
        "\"WAITING\", is = \"queued\"",
        "\"WAITING\", is = \"admitted\"",
    );
    write_mapping(
        &workplace,
        "ticketon.toml",
        &[(":9000", &slow_port), swapped],
    );
    probe(&slow.url(), &[], "{entry_token} has no value");

    let server = HhplusTicketing::start(2, soon);
    let swapped = (
        "status = 201, is = \"held\"",
        "status = 201, is = \"taken\"",
    );
    write_mapping(&workplace, "hhplus-ticketing.toml", &[swapped]);
    probe(
        &server.url(),
        &["concert.toml"],
        "no further than `seat_reserve`",
    );

    let server = TicketReservation::start(2);
    let swapped = (
        "[\"paid\", \"confirmed\"], is = \"paid\"",
        "[\"paid\", \"confirmed\"], is = \"refused\"",
    );
    write_mapping(&workplace, "ticket-reservation.toml", &[swapped]);
    probe(&server.url(), &[], "no further than `payment`");
    assert_eq!(server.books().cancelled, 1, "the seat is given back");

    let server = EventBn::start(2);
    let swapped = [
        (
            "status = 200, \"/success\" = true, is = \"held\"",
            "status = 200, \"/success\" = true, is = \"taken\"",
        ),
        (
            "\"/result/success\" = true, is = \"held\"",
            "\"/result/success\" = true, is = \"taken\"",
        ),
    ];
    write_mapping(&workplace, "event-bn.toml", &swapped);
    probe(&server.url(), &[], "no further than `seat_reserve");

    let server = WaitingRoom::start(2, Duration::from_secs(60));
    let port = format!(":{}", server.room_port());
    let swapped = (
        "{ below = \"{number}\" }, is = \"queued\"",
        "{ below = \"{number}\" }, is = \"admitted\"",
    );
    write_mapping(
        &workplace,
        "aws-waiting-room.toml",
        &[(":8443", &port), swapped],
    );
    probe(
        &server.url(),
        &["event.toml"],
        "no further than `before_seats.token`",
    );
}

#[test]
fn a_run_with_a_wrong_row_does_not_pass() {
    let server = TicketReservation::start(3);
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(4, "6s"));
    let swapped = (
        "status = 200, is = \"held\"",
        "status = 200, is = \"taken\"",
    );
    write_mapping(&workplace, "ticket-reservation.toml", &[swapped]);
    let ended = run(&workplace, &server.url(), &["--api", "api.toml"]);
    assert!(server.books().paid.is_empty());
    assert_ne!(ended.code, Some(0), "{ended:?}");
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
    workplace.write("sale.toml", sale(12, "9s"));
    workplace.write("users.csv", users(3));
    let api = mapping("concert-reservation.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, "http://127.0.0.1:1", &more);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("3 users are too few for 12 buyers (expected 12, one for each)"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("target.reuse_users = true"),
        "{ended:?}"
    );
}

#[test]
fn buyers_may_share_users_if_the_scenario_says_so() {
    let workplace = Workplace::new();
    let text = sale(12, "9s");
    workplace.write("sale.toml", text.clone() + "[target]\nreuse_users = true\n");
    workplace.write("users.csv", users(3));
    let api = mapping("concert-reservation.toml");
    let more = ["--api", &api, "--users", "users.csv"];
    let ended = run(&workplace, "http://127.0.0.1:1", &more);
    assert_eq!(
        ended.code,
        Some(92),
        "nothing but the server is missing: {ended:?}"
    );

    // The payload is {"userId":"u-7"}: two tokens of one user are one user.
    let token = |signature| format!("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1LTcifQ.{signature}\n");
    workplace.write("tokens.txt", token("YQ") + &token("Yg"));
    let more = ["--tokens", "tokens.txt"];
    let ended = run(&workplace, "http://127.0.0.1:1", &more);
    assert_eq!(ended.code, Some(92), "{ended:?}");
    workplace.write("sale.toml", text);
    let ended = run(&workplace, "http://127.0.0.1:1", &more);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    let words =
        "tokens.txt: tokens for 1 users are too few for 12 buyers (expected 12, one for each)";
    assert!(ended.stderr.contains(words), "{ended:?}");
}

/// The mapping of TicketDrop, whose holds and confirmations are signed by a shell script.
fn signed(workplace: &Workplace, script: &str) {
    let text = std::fs::read_to_string(mapping("ticketdrop.toml")).unwrap();
    let sign = "[sign]\nrun = [\"sh\", \"sign.sh\"]\nfor = [\"seat_reserve\", \"confirm\"]\nvariables = [\"user\"]\n";
    workplace.write("api.toml", text + sign);
    workplace.write("sign.sh", script);
}

/// Answers with a header that names the user.
const SIGNS: &str = r#"while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
    user=$(printf '%s' "$line" | sed 's/.*"user":"\([^"]*\)".*/\1/')
    printf '{"id":%s,"headers":{"x-signature":"v1:%s"}}\n' "$id" "$user"
done
"#;

#[test]
fn a_program_signs_requests_only_if_the_user_allows_it() {
    let server = TicketDrop::start(6, Duration::from_millis(100));
    server.books().wants_signature = true;
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(8, "9s"));
    signed(&workplace, SIGNS);
    let url = server.url();
    for command in [&["run", "sale.toml"][..], &["probe"]] {
        let words = [command, &["--target", &url, "--api", "api.toml"]].concat();
        let ended = workplace.run(&words);
        assert_eq!(ended.code, Some(104), "{ended:?}");
        assert!(ended.stderr.contains("`sh sign.sh`"), "{ended:?}");
        assert!(ended.stderr.contains("--allow-exec"), "{ended:?}");
    }
    let ended = run(&workplace, &url, &["--api", "api.toml", "--allow-exec"]);
    let books = server.books();
    assert_eq!(books.paid.len(), 6, "{books:?}\n{ended:?}");
    assert_understood(&ended, &books.complaints);
    drop(books);
    let words = [
        "probe",
        "--target",
        &url,
        "--api",
        "api.toml",
        "--allow-exec",
    ];
    let ended = workplace.run(&words);
    assert!(
        ended.stdout.contains("> x-signature: ***"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_run_whose_program_dies_is_inconclusive_and_says_why() {
    let server = TicketDrop::start(6, Duration::from_millis(100));
    server.books().wants_signature = true;
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale(8, "9s"));
    let dies = SIGNS.replace(
        "while IFS= read -r line; do",
        "for turn in 1 2; do IFS= read -r line || exit 0",
    );
    signed(
        &workplace,
        &(dies + "echo 'the key has expired' >&2\nexit 7\n"),
    );
    let ended = run(
        &workplace,
        &server.url(),
        &["--api", "api.toml", "--allow-exec"],
    );
    assert_eq!(ended.code, Some(91), "{ended:?}");
    for words in [
        "`sh sign.sh`",
        "ended with exit status: 7",
        "the key has expired",
    ] {
        assert!(
            ended.stderr.contains(words),
            "`{words}` in\n{}",
            ended.stderr
        );
    }
    signed(&workplace, "echo 'not JSON'\n");
    let url = server.url();
    let words = [
        "probe",
        "--target",
        &url,
        "--api",
        "api.toml",
        "--allow-exec",
    ];
    let ended = workplace.run(&words);
    assert_eq!(ended.code, Some(91), "{ended:?}");
    assert!(
        ended.stdout.contains("no answer: not JSON"),
        "{}",
        ended.stdout
    );
    // Before the load, it says nothing about the target either.
    let text = std::fs::read_to_string(workplace.path("api.toml")).unwrap();
    let listed = text.replace("[\"seat_reserve\", \"confirm\"]", "[\"show_list\"]");
    assert_ne!(text, listed);
    workplace.write("api.toml", listed);
    let ended = run(&workplace, &url, &["--api", "api.toml", "--allow-exec"]);
    assert_eq!(ended.code, Some(91), "{ended:?}");
    assert!(ended.stderr.contains("no answer: not JSON"), "{ended:?}");
}
