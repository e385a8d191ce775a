//! What buyers of a target do as browsers do, tested with the program's binary against a small server on this machine.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::time::Duration;

use serde_json::Value;

use crate::command::{Ended, Workplace};
use crate::habit_server::{HabitServer, MAPPING, Manner};

/// Twelve buyers who come within a second of the opening, and wait. Its duration depends on when they are admitted.
const SALE: &str = r#"
name = "habits"
[clock]
duration = "1m"
warmup   = "0s"
[[arrivals]]
shape    = "onsale"
buyers   = 12
opens_at = "3s"
jitter   = "500ms"
decay    = "300ms"
until    = "5s"
[gates]
"errors" = ["rate < 90%"]
[self_check]
send_lag_p99_max = "2s"
stall_max        = "5s"
[buyers]
browse      = "100ms"
seat_pick   = "300ms"
seat_repick = "200ms"
payment     = "300ms"
pays        = 1.0
patience    = "10m"
poll        = { connected = "400ms", disconnected = "400ms", on_update = false }
"#;

/// A server whose sessions last, and which admits everybody after two seconds.
const USUAL: Manner = Manner {
    session: Duration::from_secs(600),
    admits_after: Duration::from_secs(2),
    admits: 12,
};

/// A run that has ended, and its server.
struct Tested {
    ended: Ended,
    summary: Value,
    server: HabitServer,
}

fn tested(manner: Manner, habits: &str) -> Tested {
    tested_in(&format!("{SALE}{habits}\n"), manner)
}

fn tested_in(sale: &str, manner: Manner) -> Tested {
    let server = HabitServer::start(manner);
    let workplace = Workplace::new();
    workplace.write("sale.toml", sale);
    workplace.write("api.toml", MAPPING);
    // They come 3 s to 4 s after the start, and need one for what follows; the others are for a busy machine.
    let duration = format!("{}s", 8 + manner.admits_after.as_secs());
    let flags = [
        "run",
        "sale.toml",
        "--target",
        &server.url,
        "--api",
        "api.toml",
        "--duration",
        &duration,
    ];
    let ended = workplace.run(&flags);
    assert!(matches!(ended.code, Some(0 | 90 | 91)), "{}", ended.stderr);
    let mut runs = std::fs::read_dir(workplace.path("reports"))
        .unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let run = runs.next().unwrap().unwrap().path();
    let text = std::fs::read(run.join("summary.json")).unwrap();
    Tested {
        ended,
        summary: serde_json::from_slice(&text).unwrap(),
        server,
    }
}

/// Runs that last as long as their scenario and need little of the machine, side by side.
fn all<const N: usize>(cases: [(Manner, &'static str); N]) -> [Tested; N] {
    let running = cases.map(|(manner, habits)| std::thread::spawn(move || tested(manner, habits)));
    running.map(|one| one.join().unwrap())
}

impl Tested {
    fn arrived(&self) -> u64 {
        self.summary["funnel"][0]["buyers"].as_u64().unwrap()
    }

    fn paid(&self) -> u32 {
        self.server.books().paid
    }
}

#[test]
fn buyers_of_a_target_on_this_machine_have_the_network_of_a_home() {
    let [usual, none] = all([(USUAL, ""), (USUAL, "network = { profile = \"none\" }")]);
    for one in [&usual, &none] {
        assert_eq!(one.paid(), 12, "{:?}", one.ended);
    }
    // A message crosses it twice, at 1.5 to 2.5 ms, of which the timer takes half a millisecond.
    let gaps = usual.server.books().gaps.clone();
    assert_eq!(gaps.len(), 12);
    let round_trip = Duration::from_millis(2);
    assert!(gaps.iter().all(|gap| *gap >= round_trip), "{gaps:?}");
    let gaps = none.server.books().gaps.clone();
    assert!(gaps.iter().any(|gap| *gap < round_trip), "{gaps:?}");
    let network = usual.summary["run"]["network"].as_str();
    assert_eq!(network, Some("fiber: 2ms ± 500us each way, 20 Mbit/s"));
    assert!(
        usual.ended.stdout.contains("buyers’ network"),
        "{:?}",
        usual.ended
    );
    assert!(none.summary["run"]["network"].is_null());
    assert!(
        !none.ended.stdout.contains("buyers’ network"),
        "{:?}",
        none.ended
    );
}

#[test]
fn buyers_far_back_ask_less_often() {
    let late = Manner {
        admits_after: Duration::from_secs(5),
        ..USUAL
    };
    let [usual, far] = all([
        (late, ""),
        (late, "poll_by_position = [{ beyond = 4, every = \"3s\" }]"),
    ]);
    let polls = [usual, far].map(|one| {
        assert_eq!(one.paid(), 12, "{:?}", one.ended);
        one.server.books().polls
    });
    // Twelve poll at 400 ms, or four of them; the others once or twice.
    assert!(polls[0] > 110, "{polls:?}");
    assert!(polls[1] < polls[0] * 6 / 10, "{polls:?}");
    assert!(polls[1] > 40, "{polls:?}");
}

#[test]
fn buyers_log_in_within_the_window_before_the_opening() {
    // They come one by one, so that on a busy machine, too, the first is at the list of shows before others have logged in.
    let one_by_one = SALE.replace("decay    = \"300ms\"", "decay    = \"2s\"");
    let [usual, storm] = ["", "login = { window = \"2s\" }\n"].map(|habits| {
        let sale = format!("{one_by_one}{habits}");
        std::thread::spawn(move || tested_in(&sale, USUAL))
    });
    let [usual, storm] = [usual, storm].map(|one| one.join().unwrap());
    let spread = |one: &Tested| {
        assert_eq!(one.paid(), 12, "{:?}", one.ended);
        let books = one.server.books();
        // The buyer before the load logs in, too.
        assert_eq!(books.logins.len(), 13);
        let logins = books.logins[1..].iter().map(|(_, at)| *at);
        let first_list = books.lists[1..].iter().min().copied().unwrap();
        let before = logins.clone().filter(|at| *at < first_list).count();
        (
            before,
            logins.clone().max().unwrap() - logins.min().unwrap(),
        )
    };
    let (before, _) = spread(&usual);
    assert!(before <= 2, "{before} logged in before the first page");
    let (before, over) = spread(&storm);
    assert_eq!(before, 12);
    assert!(over > Duration::from_millis(800), "{over:?}");
}

#[test]
fn sessions_that_end_before_the_wait_are_named_whatever_buyers_do_about_it() {
    let short = Manner {
        session: Duration::from_secs(2),
        admits_after: Duration::from_secs(4),
        ..USUAL
    };
    let [retries, again, leaves] = all([
        (short, ""),
        (short, "login = { expired = \"logs-in\" }"),
        (short, "login = { expired = \"leaves\" }"),
    ]);
    for one in [&retries, &again, &leaves] {
        let report = &one.ended.stdout;
        let title = "ended while they waited";
        assert!(report.contains(title), "{report}");
        assert!(report.contains("lives shorter than the wait"), "{report}");
        assert!(report.contains("/api/queue/status/show"), "{report}");
    }
    assert_eq!(retries.paid(), 0, "{:?}", retries.ended);
    assert_eq!(again.paid(), 12, "{:?}", again.ended);
    assert!(again.server.books().logins.len() > 24);
    assert_eq!(leaves.paid(), 0, "{:?}", leaves.ended);
    let left = leaves.summary["left"].as_array().unwrap();
    let gave_up = left.iter().find(|one| one["reason"] == "too_many_errors");
    assert_eq!(gave_up.unwrap()["buyers"], 12, "{left:?}");
}

#[test]
fn a_healthy_target_has_no_finding_about_sessions() {
    let [usual] = all([(USUAL, "")]);
    // Nobody has lost a place: the login says by which id the buyer is admitted.
    assert_ne!(usual.ended.code, Some(90), "{:?}", usual.ended);
    assert!(
        !usual.ended.stdout.contains("ended while they waited"),
        "{:?}",
        usual.ended
    );
}

#[test]
fn second_tabs_and_devices_enter_the_queue_and_a_buyer_counts_once() {
    let [usual, tabs, devices] = all([
        (USUAL, ""),
        (USUAL, "second_tab = 1.0"),
        (USUAL, "second_device = 1.0"),
    ]);
    let counts = [usual, tabs, devices].map(|one| {
        assert_eq!(one.arrived(), 12);
        assert_eq!(one.paid(), 12, "{:?}", one.ended);
        let books = one.server.books();
        (
            books.sockets,
            books.checks.values().sum::<u32>(),
            books.left,
        )
    });
    // The buyer who comes before the load opens a socket, too.
    assert_eq!(counts, [(13, 12, 0), (25, 24, 0), (25, 24, 0)]);
}

#[test]
fn pages_may_take_the_admission_of_another_buyer_for_theirs_and_join_the_room_of_the_show() {
    let few = Manner { admits: 2, ..USUAL };
    let [usual, careless] = all([
        (few, "joins_event_room = true"),
        (few, "checks_admission = false"),
    ]);
    assert_eq!(usual.server.books().joins_of_show, 12, "{:?}", usual.ended);
    assert_eq!(usual.server.books().turned_away, 0);
    let books = careless.server.books();
    assert_eq!(books.joins_of_show, 0);
    assert!(books.turned_away >= 10, "{}", books.turned_away);
}
