use super::*;

const ONE: InstanceId = InstanceId(0);
const TWO: InstanceId = InstanceId(1);
const READ: Transaction = Transaction::Read;

fn ms(millis: u64) -> SimTime {
    SimTime::from_nanos(millis * 1_000_000)
}

fn write(seat: u32) -> Transaction {
    Transaction::Write {
        seat: Some(SeatNumber(seat)),
    }
}

/// Two cores, queries of a millisecond, commits of two, pools of three that wait for two seconds, five connections in all;
/// two instances.
fn database() -> Database {
    database_with(settings())
}

fn settings() -> DatabaseSettings {
    DatabaseSettings {
        pool_max: 3,
        connect_timeout: Duration::from_secs(2),
        keep_alive: Duration::from_secs(5),
        connections_max: 5,
        cores: 2,
        query: Duration::from_millis(1),
        commit: Duration::from_millis(2),
    }
}

fn database_with(settings: DatabaseSettings) -> Database {
    let mut database = Database::new(settings);
    database.handle_instance(ONE);
    database.handle_instance(TWO);
    database
}

/// Everything that ends by `until`, with the instant at which it was due.
fn ended(database: &mut Database, until: SimTime) -> Vec<(u64, u32, Done)> {
    let mut ended = Vec::new();
    let mut now = SimTime::ZERO;
    loop {
        while let Some((ticket, done)) = database.poll_done() {
            ended.push((now.as_nanos() / 1_000, ticket, done));
        }
        match database.poll_timeout().filter(|at| *at <= until) {
            Some(at) => now = at,
            None => return ended,
        }
        database.handle_timeout(now);
    }
}

#[test]
fn queries_share_the_cores_and_writes_wait_for_their_commit() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    database.handle_request(ms(0), ONE, 2, write(0));
    database.handle_request(ms(0), TWO, 3, READ);
    database.handle_request(ms(0), TWO, 4, write(1));
    assert_eq!(
        ended(&mut database, ms(100)),
        [
            (2_000, 1, Done::Ok),
            (2_000, 3, Done::Ok),
            (4_000, 2, Done::Ok),
            (4_000, 4, Done::Ok),
        ]
    );
    let figures = database.figures();
    assert_eq!((figures.queries, figures.connections_open), (4, 4));
    assert_eq!(database.busy_until(ms(100)), Duration::from_millis(4));
}

#[test]
fn the_second_write_to_a_seat_waits_for_the_commit_of_the_first() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, write(7));
    database.handle_request(ms(0), TWO, 2, write(7));
    database.handle_request(ms(0), TWO, 3, write(8));
    assert_eq!(
        ended(&mut database, ms(100)),
        [
            (3_000, 1, Done::Ok),
            (3_000, 3, Done::Ok),
            (6_000, 2, Done::Ok)
        ]
    );
    assert_eq!(database.figures().row_lock_waits, 1);
}

#[test]
fn who_finds_the_pool_busy_waits_in_turn_and_gives_up_in_time() {
    let mut database = database_with(DatabaseSettings {
        pool_max: 1,
        query: Duration::from_millis(1_500),
        ..settings()
    });
    for ticket in 1..=4 {
        database.handle_request(ms(0), ONE, ticket, READ);
    }
    assert_eq!(database.pool_figures(ONE).in_use, 1);
    assert_eq!(
        ended(&mut database, ms(10_000)),
        [
            (1_500_000, 1, Done::Ok),
            (2_000_000, 3, Done::PoolTimeout),
            (2_000_000, 4, Done::PoolTimeout),
            (3_000_000, 2, Done::Ok),
        ]
    );
    let figures = database.figures();
    assert_eq!((figures.pool_waits, figures.pool_timeouts), (3, 2));
    assert_eq!(
        figures.connections_opened, 1,
        "the connection is used again"
    );
}

#[test]
fn a_connection_beyond_the_limit_of_the_server_is_refused() {
    let mut database = database();
    for ticket in 0..3 {
        database.handle_request(ms(0), ONE, ticket, READ);
        database.handle_request(ms(0), TWO, 10 + ticket, READ);
    }
    let ended = ended(&mut database, ms(100));
    assert_eq!(ended[0], (0, 12, Done::TooManyConnections));
    assert_eq!(ended.len(), 6);
    let figures = database.figures();
    assert_eq!(
        (figures.connections_refused, figures.connections_peak),
        (1, 5)
    );
    // Instances that end leave their connections to others.
    database.handle_instance_gone(ms(200), ONE);
    assert_eq!(database.figures().connections_open, 2);
}

#[test]
fn a_lost_primary_breaks_what_runs_and_lets_connects_hang() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    database.handle_request(ms(0), ONE, 2, write(1));
    database.handle_request(ms(0), ONE, 3, write(1));
    database.handle_request(ms(0), ONE, 4, READ);
    database.handle_lost(ms(1));
    assert_eq!(database.figures().connections_open, 0);
    database.handle_request(ms(1), TWO, 5, READ);
    assert_eq!(
        ended(&mut database, ms(20_000)),
        [
            (0, 1, Done::Unavailable),
            (0, 2, Done::Unavailable),
            (0, 3, Done::Unavailable),
            (2_001_000, 4, Done::Unavailable),
            (2_001_000, 5, Done::Unavailable),
        ]
    );
    assert_eq!(
        (
            database.pool_figures(ONE).in_use,
            database.pool_figures(TWO).in_use
        ),
        (0, 0)
    );
    assert_eq!(database.figures().pool_timeouts, 2);
}

#[test]
fn what_runs_on_a_primary_that_falls_silent_ends_with_keep_alive() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    database.handle_request(ms(0), ONE, 2, write(1));
    database.handle_lost_silently(ms(1));
    assert!(!database.is_up() && !database.answers());
    database.handle_request(ms(1), TWO, 5, READ);
    assert_eq!(
        ended(&mut database, ms(20_000)),
        [
            (2_001_000, 5, Done::Unavailable),
            (5_001_000, 1, Done::Unavailable),
            (5_001_000, 2, Done::Unavailable),
        ]
    );
    assert_eq!(database.figures().connections_open, 0);
    database.handle_promoted(ms(21_000));
    database.handle_request(ms(21_000), ONE, 6, READ);
    let ended = ended(&mut database, ms(22_000));
    assert!(matches!(ended[..], [(_, 6, Done::Ok)]), "{ended:?}");
}

#[test]
fn an_idle_connection_to_a_silent_primary_is_a_trap() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    assert_eq!(ended(&mut database, ms(100)).len(), 1);
    database.handle_lost_silently(ms(1_000));
    database.handle_request(ms(2_000), ONE, 2, READ);
    // Its second transaction opens a connection, which times out; the first waits for keep-alive.
    database.handle_request(ms(2_000), ONE, 3, READ);
    assert_eq!(
        ended(&mut database, ms(20_000)),
        [
            (4_000_000, 3, Done::Unavailable),
            (6_000_000, 2, Done::Unavailable),
        ]
    );
}

#[test]
fn a_promotion_breaks_what_still_hangs_on_the_silent_primary() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    database.handle_lost_silently(ms(1));
    database.handle_resumed(ms(500));
    assert!(!database.answers(), "the end of a pause brings nobody back");
    database.handle_promoted(ms(1_000));
    assert!(database.is_up());
    assert_eq!(
        ended(&mut database, ms(20_000)),
        [(0, 1, Done::Unavailable)]
    );
}

#[test]
fn connects_that_hang_keep_their_place_and_succeed_at_the_promotion() {
    let mut database = database();
    database.handle_lost(ms(0));
    for ticket in 1..=4 {
        database.handle_request(ms(500), ONE, ticket, READ);
    }
    assert_eq!(
        database.pool_figures(ONE).in_use,
        3,
        "the fourth waits for a place"
    );
    database.handle_promoted(ms(1_500));
    let ended = ended(&mut database, ms(9_000));
    assert!(
        ended.iter().all(|(_, _, done)| *done == Done::Ok),
        "{ended:?}"
    );
    assert_eq!(database.figures().connections_opened, 3);
}

#[test]
fn nothing_more_is_heard_of_an_instance_that_is_gone() {
    let mut database = database();
    for ticket in 1..=4 {
        database.handle_request(ms(0), ONE, ticket, write(1));
    }
    database.handle_request(ms(0), TWO, 9, write(1));
    database.handle_instance_gone(ms(1), ONE);
    database.handle_request(ms(1), ONE, 5, READ);
    // The server finishes what it has; the row is free after that.
    assert_eq!(ended(&mut database, ms(100)), [(12_000, 9, Done::Ok)]);
    let figures = database.figures();
    assert_eq!((figures.connections_open, figures.pool_timeouts), (1, 0));
}

#[test]
fn a_stopped_server_answers_when_it_continues() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, write(7));
    database.handle_request(ms(0), ONE, 2, READ);
    database.handle_timeout(ms(1));
    database.handle_paused(ms(2));
    assert!(database.is_up() && !database.answers());
    database.handle_request(ms(3), ONE, 3, write(7));
    assert_eq!(
        database.poll_done(),
        Some((2, Done::Ok)),
        "it was done before"
    );
    database.handle_resumed(ms(5_000));
    assert_eq!(
        ended(&mut database, ms(20_000)),
        [(5_001_000, 1, Done::Ok), (5_004_000, 3, Done::Ok)]
    );
    assert_eq!(database.figures().connections_open, 2);
}

#[test]
fn instances_give_up_on_a_server_that_stays_silent() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, write(7));
    database.handle_request(ms(0), TWO, 2, write(7));
    database.handle_paused(ms(0));
    // A new connection is accepted and hears nothing; one place is left.
    database.handle_request(ms(0), ONE, 3, READ);
    assert_eq!(
        ended(&mut database, ms(60_000)),
        [
            (2_000_000, 3, Done::Unavailable),
            (10_000_000, 1, Done::Unavailable),
            (10_000_000, 2, Done::Unavailable),
        ]
    );
    assert_eq!(database.figures().connections_open, 0);
    database.handle_resumed(ms(60_000));
    database.handle_request(ms(60_000), ONE, 4, write(7));
    assert_eq!(
        ended(&mut database, ms(70_000)),
        [(60_003_000, 4, Done::Ok)]
    );
}

#[test]
fn somebody_else_takes_what_is_left_of_the_connections() {
    let mut database = database();
    database.handle_request(ms(0), ONE, 1, READ);
    database.handle_connections_held(ms(0), 9);
    database.handle_request(ms(0), ONE, 2, READ);
    let refused = database.poll_done();
    assert_eq!(refused, Some((2, Done::TooManyConnections)));
    // The pool keeps the one connection it has, and works with it.
    database.handle_timeout(ms(100));
    database.handle_request(ms(100), ONE, 3, READ);
    database.handle_timeout(ms(200));
    let done: Vec<_> = std::iter::from_fn(|| database.poll_done()).collect();
    assert_eq!(done, [(1, Done::Ok), (3, Done::Ok)]);
    // An instance ends, and its connection is taken as well.
    database.handle_instance_gone(ms(200), ONE);
    database.handle_timeout(ms(1_000));
    database.handle_request(ms(1_000), TWO, 4, READ);
    assert_eq!(database.poll_done(), Some((4, Done::TooManyConnections)));
    database.handle_connections_released();
    database.handle_request(ms(1_000), TWO, 5, READ);
    database.handle_timeout(ms(2_000));
    assert_eq!(database.poll_done(), Some((5, Done::Ok)));
    assert_eq!(database.figures().connections_open, 1);
}

#[test]
fn a_delayed_standby_holds_up_each_commit_in_the_order_of_the_log() {
    let mut database = database();
    database.handle_commit_delay(Some(Duration::from_secs(1)));
    database.handle_request(ms(0), ONE, 1, write(1));
    database.handle_timeout(ms(1));
    database.handle_commit_delay(None);
    database.handle_request(ms(10), ONE, 2, write(2));
    assert_eq!(
        ended(&mut database, ms(5_000)),
        [(1_001_000, 1, Done::Ok), (1_001_000, 2, Done::Ok)]
    );
}

#[test]
fn packets_that_are_late_keep_their_connection_busy() {
    let mut database = database();
    let late = (READ, Duration::from_millis(50));
    for ticket in 1..=3 {
        database.handle_distant_request(ms(0), ONE, ticket, late);
    }
    // The pool has three connections, and all of them wait for packets.
    database.handle_request(ms(5), ONE, 4, READ);
    let ended: Vec<_> = ended(&mut database, ms(100))
        .into_iter()
        .map(|(at, ticket, done)| (at / 1_000, ticket, done))
        .collect();
    assert_eq!(
        ended,
        [
            (51, 1, Done::Ok),
            (51, 2, Done::Ok),
            (51, 3, Done::Ok),
            (52, 4, Done::Ok),
        ]
    );
    assert_eq!(database.figures().pool_waits, 1);
}

#[test]
fn a_primary_that_is_lost_breaks_the_connections_of_late_packets() {
    let mut database = database();
    database.handle_distant_request(ms(0), ONE, 1, (READ, Duration::from_millis(50)));
    database.handle_timeout(ms(10));
    database.handle_lost(ms(20));
    assert_eq!(database.poll_done(), Some((1, Done::Unavailable)));
    assert_eq!(database.figures().connections_open, 0);
    database.handle_timeout(ms(100));
    assert_eq!(database.poll_done(), None, "it ends once");
}
