//! The network between buyers and the system.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{Overrides, load};

const SALE: &str = r#"
name   = "small"
seed   = 7
[clock]
duration = "5m"
warmup   = "5s"
[show]
sections = [{ name = "R", rows = 10, seats_per_row = 12, price = 110_000 }]
[waiting_room]
active_max = 40
[[arrivals]]
shape    = "onsale"
buyers   = 400
opens_at = "10s"
decay    = "40s"
"#;

const MS: Duration = Duration::from_millis(1);

fn play(settings: &str) -> Measurements {
    play_with(settings, "")
}

fn play_with(settings: &str, faults: &str) -> Measurements {
    let text = format!("{settings}\n{SALE}{faults}");
    let loaded = load("small.toml", &text, &Overrides::default());
    let plan = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

/// A network without jitter.
fn delayed(ms: u32, others: &str) -> String {
    format!(
        "buyers.network = {{ profile = \"fiber\", delay = \"{ms}ms\", jitter = \"0s\", bandwidth = \"none\", {others} }}"
    )
}

fn median(run: &Measurements, operation: Operation) -> Duration {
    let times = run.tally.operation(Some(operation)).response_time;
    times.percentile(50.0).expect("there are requests")
}

fn assert_later(with: Duration, without: Duration, by: Duration) {
    let later = with.saturating_sub(without);
    // Histograms are precise to a percent or so, and buyers who come later meet another queue.
    let off = later.abs_diff(by);
    assert!(
        off <= by / 10 + 2 * MS,
        "{with:?} instead of {without:?} is {later:?} later, not {by:?}"
    );
}

#[test]
fn each_request_takes_a_round_trip_longer() {
    let (without, with) = (play(""), play(&delayed(50, "")));
    for operation in [
        Operation::ShowList,
        Operation::QueueStatus,
        Operation::QueueCheck,
        Operation::SeatReserve,
    ] {
        let medians = (median(&with, operation), median(&without, operation));
        assert_later(medians.0, medians.1, 100 * MS);
    }
    // A connection, the upgrade, and the packet that introduces the buyer.
    let connect = Operation::SocketConnect;
    assert_later(median(&with, connect), median(&without, connect), 300 * MS);
    // A connection, the document, the other files.
    let page = Operation::PageLoad;
    assert_later(median(&with, page), median(&without, page), 300 * MS);
    let late = |run: &Measurements| run.tally.fan_out_delay.percentile(50.0);
    let (with, without) = (late(&with), late(&without));
    assert_later(with.expect("messages"), without.expect("messages"), 50 * MS);
}

/// A buyer who is admitted at once asks for the seats and opens a socket at the same moment. The seats are asked for over an open
/// connection, while the socket takes a connection, an upgrade and an introduction before the server works on it.
#[test]
fn a_handshake_waits_for_the_seat_list_that_its_buyer_asks_for() {
    let sale = r#"
name = "calm"
seed = 7
clock = { duration = "5m", warmup = "0s" }
arrivals = [{ shape = "poisson", rate = "1/s", until = "4m" }]
show = { sections = [{ name = "R", rows = 50, seats_per_row = 60, price = 110_000 }] }
waiting_room = { active_max = 1000 }
"#;
    let plan = load("calm.toml", sale, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let run = simulate(&plan, &mut Unwatched);
    // 1.7 ms, and 7 µs for each of 3,000 seats; then 1.5 ms for the handshake.
    let seat_list = Duration::from_micros(22_700);
    let handshake = median(&run, Operation::SocketConnect);
    assert!(handshake >= seat_list, "{handshake:?}");
    assert!(handshake <= seat_list + 2 * MS, "{handshake:?}");
}

#[test]
fn buyers_on_a_slow_network_buy_as_safely() {
    let run = play("buyers.network = { profile = \"3g\", loss = 0.02 }");
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("the model always knows its state");
    };
    assert!(run.tally.reached(Stage::Paid) > 0, "nothing was sold");
    assert_eq!(facts.lost_orders.count, 0);
    assert!(facts.seats_paid_twice.is_empty());
}

#[test]
fn a_response_that_takes_too_long_on_the_way_is_a_timeout() {
    let timeouts = |run: &Measurements| {
        let all = run.tally.operation(None);
        all.failed.get(&Failure::Timeout).copied().unwrap_or(0)
    };
    let run = play(&delayed(50, "loss = 0.4"));
    assert!(timeouts(&run) > 0);
    assert_eq!(timeouts(&play(&delayed(50, ""))), 0);
}

#[test]
fn a_long_response_takes_as_long_as_the_bandwidth_says() {
    let wide = play(&delayed(0, ""));
    let narrow = delayed(0, "").replace("\"none\"", "1");
    let narrow = play(&narrow);
    // 120 seats of 190 bytes and 400 more, at a megabit per second.
    let seats = Operation::SeatList;
    assert_later(median(&narrow, seats), median(&wide, seats), 186 * MS);
}

/// The fault that loses a zone meets requests and sockets on their way over the network.
#[test]
fn a_zone_can_fail_while_packets_are_on_their_way() {
    for connections in ["silent", "reset"] {
        let fault = format!(
            "[[faults]]\nat = \"60s\"\nlasts = \"60s\"\naction = \"az-power-interruption\"\nzone = \"a\"\nconnections = \"{connections}\"\n"
        );
        let run = play_with(&delayed(400, "loss = 0.1"), &fault);
        assert!(run.tally.reached(Stage::Paid) > 0, "{connections}");
    }
}

#[test]
fn the_waiting_room_at_the_edge_is_as_far_away() {
    let edge = "topology.edge.waiting_room = \"edge\"\n";
    let (without, with) = (play(edge), play(&format!("{edge}{}", delayed(50, ""))));
    let poll = Operation::QueueStatus;
    assert_later(median(&with, poll), median(&without, poll), 100 * MS);
}
