use rand::RngExt;
use tiketi_core::rng::Streams;
use tiketi_core::units::Share;

use super::*;
use crate::contents::Change;
use crate::{Eviction, Loss, TaskNumber};

const BUYERS: usize = 20;
const SHOW: ShowNumber = ShowNumber::FIRST;
const TTL: Duration = Duration::from_secs(3_600);

/// What the model stores: nothing, and one body per kind of page.
#[derive(Clone, Debug)]
struct Numbers;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Page {
    List,
    Detail,
}

impl Payload for Numbers {
    type Session = ();
    type CacheKey = Page;
    type Body = ();
}

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

/// A room for two, a replica that is a second behind, and as much memory as anybody needs.
fn small() -> RedisSettings {
    RedisSettings {
        lost_window: Duration::from_secs(1),
        command: Duration::from_micros(10),
        timeout: Duration::from_secs(2),
        memory_max: 1 << 30,
        memory_other: 0,
        eviction: Eviction::AllKeysLru,
        active_max: 2,
        idle_timeout: Duration::from_secs(300),
        admit_every: Duration::from_secs(1),
        session_ttl: TTL,
        counts_requests: true,
        tells_places: true,
        seed: 1,
    }
}

fn redis(settings: RedisSettings, buyers: usize) -> Redis<Numbers> {
    let mut redis = Redis::new(settings, buyers);
    redis.add_show();
    redis
}

fn redis_with(people: u32) -> Redis<Numbers> {
    let mut redis = redis(small(), BUYERS);
    for buyer in 0..people {
        redis.enter(at(0), SHOW, BuyerId(buyer)).unwrap();
    }
    redis
}

fn session(redis: &mut Redis<Numbers>, now: SimTime, buyer: BuyerId) -> Result<bool, RedisError> {
    redis.change_session(now, (buyer, TTL), |_| ())
}

fn is_cached(redis: &mut Redis<Numbers>, now: SimTime, page: Page) -> bool {
    matches!(redis.cached(now, &page), Ok(Some(())))
}

fn admit(redis: &mut Redis<Numbers>, now: SimTime) -> Vec<BuyerId> {
    let mut admitted = Vec::new();
    redis.admit(now, SHOW, &mut admitted).ok();
    admitted
}

fn status(redis: &mut Redis<Numbers>, now: SimTime, buyer: u32) -> QueueState {
    redis.status(now, SHOW, BuyerId(buyer)).unwrap()
}

#[test]
fn the_first_enter_at_once_and_the_rest_wait_in_order() {
    let mut redis = redis_with(5);
    assert_eq!(redis.enter(at(1), SHOW, BuyerId(1)), Ok(Place::Active));
    assert_eq!(
        redis.enter(at(1), SHOW, BuyerId(3)),
        Ok(Place::Waiting),
        "again"
    );
    assert_eq!((redis.waiting(SHOW), redis.active(SHOW)), (3, 2));
    redis.leave(at(1), SHOW, BuyerId(0)).unwrap();
    redis.leave(at(1), SHOW, BuyerId(1)).unwrap();
    // Slots are free, but buyers already in the queue come first.
    assert_eq!(redis.enter(at(1), SHOW, BuyerId(9)), Ok(Place::Waiting));
    assert_eq!(admit(&mut redis, at(2)), [BuyerId(2), BuyerId(3)]);
    assert_eq!(status(&mut redis, at(2), 4), QueueState::Waiting);
    assert_eq!(status(&mut redis, at(2), 3), QueueState::Active);
    assert_eq!(status(&mut redis, at(2), 0), QueueState::Unknown);
}

#[test]
fn who_leaves_the_line_is_passed_over() {
    let mut redis = redis_with(5);
    redis.leave(at(1), SHOW, BuyerId(2)).unwrap();
    redis.leave(at(1), SHOW, BuyerId(0)).unwrap();
    assert_eq!(admit(&mut redis, at(1)), [BuyerId(3)]);
    let ledger = redis.ledger(SHOW);
    assert_eq!(
        (ledger.joined, ledger.admitted, ledger.left_waiting),
        (5, 3, 1)
    );
    assert_eq!((redis.waiting(SHOW), redis.astray(SHOW)), (1, Some(0)));
}

#[test]
fn idle_places_are_taken_back_and_those_in_use_are_not() {
    let mut redis = redis_with(3);
    redis.touch(at(200), SHOW, BuyerId(1)).unwrap();
    assert_eq!(admit(&mut redis, at(299)), []);
    assert_eq!(admit(&mut redis, at(300)), [BuyerId(2)]);
    assert_eq!(status(&mut redis, at(300), 0), QueueState::Unknown);
    assert_eq!(status(&mut redis, at(499), 1), QueueState::Active);
    admit(&mut redis, at(500));
    assert_eq!(status(&mut redis, at(500), 1), QueueState::Unknown);
    redis.touch(at(500), SHOW, BuyerId(1)).unwrap();
    assert_eq!(redis.active(SHOW), 1, "a touch gives no place");
}

#[test]
fn a_place_given_back_and_got_again_is_idle_only_from_then_on() {
    let mut redis = redis_with(1);
    redis.leave(at(10), SHOW, BuyerId(0)).unwrap();
    redis.enter(at(100), SHOW, BuyerId(0)).unwrap();
    admit(&mut redis, at(399));
    assert_eq!(redis.active(SHOW), 1);
    admit(&mut redis, at(400));
    assert_eq!(redis.active(SHOW), 0);
}

#[test]
fn the_size_of_the_line_is_announced_when_it_has_changed() {
    let mut redis = redis_with(3);
    assert!(redis.announce_size(SHOW));
    assert!(!redis.announce_size(SHOW));
    redis.leave(at(1), SHOW, BuyerId(2)).unwrap();
    assert!(redis.announce_size(SHOW));
}

#[test]
fn commands_wait_their_turn() {
    let mut redis = redis_with(0);
    let micros = |n: u64| SimTime::from_nanos(n * 1_000);
    assert_eq!(redis.book(at(0), 3), Some(micros(30)));
    assert_eq!(redis.book(micros(10), 1), Some(micros(40)));
    assert_eq!(redis.figures().operations, 4);
}

#[test]
fn nothing_is_answered_during_an_outage() {
    let mut redis = redis_with(3);
    redis.handle_lost(at(10));
    assert!(!redis.is_up());
    assert_eq!(redis.book(at(11), 1), None);
    assert_eq!(redis.enter(at(11), SHOW, BuyerId(7)), Err(RedisError::Down));
    assert_eq!(
        redis.status(at(11), SHOW, BuyerId(2)),
        Err(RedisError::Down)
    );
    assert_eq!(
        session(&mut redis, at(11), BuyerId(2)),
        Err(RedisError::Down)
    );
    assert!(!is_cached(&mut redis, at(11), Page::List));
    assert_eq!(admit(&mut redis, at(11)), []);
    assert_eq!(redis.astray(SHOW), None);
    redis.handle_promoted();
    assert!(redis.book(at(41), 1).is_some());
}

#[test]
fn clients_of_a_primary_that_falls_silent_wait_for_their_timeout() {
    let mut redis = redis_with(3);
    redis.handle_lost_silently(at(10));
    assert!(!redis.is_up());
    let ms = |ms: u64| SimTime::from_nanos(ms * 1_000_000);
    // The connection that they have lasts until the first timeout, 2 s later; after that, new connections fail.
    assert_eq!(redis.ask(ms(10_500), 1), Asked::Silent(ms(12_500)));
    assert_eq!(redis.ask(ms(12_500), 1), Asked::Silent(ms(14_000)));
    assert_eq!(redis.ask(ms(14_000), 1), Asked::Silent(ms(16_000)));
    assert_eq!(redis.enter(at(16), SHOW, BuyerId(7)), Err(RedisError::Down));
    redis.handle_promoted();
    assert!(matches!(redis.ask(at(41), 1), Asked::Done(_)));
    redis.handle_lost(at(50));
    assert_eq!(redis.ask(at(51), 1), Asked::Down, "a reset is no silence");
}

#[test]
fn a_failover_loses_only_the_writes_of_the_last_window() {
    let mut redis = redis_with(4);
    redis.enter(at(10), SHOW, BuyerId(7)).unwrap();
    redis.leave(at(10), SHOW, BuyerId(2)).unwrap();
    redis.handle_lost(SimTime::from_nanos(10_999_999_999));
    let loss = redis.handle_promoted();
    let expected = Loss {
        places: 1,
        places_put_back: 1,
        reaches_back: Some(Duration::from_nanos(999_999_999)),
        ..Loss::default()
    };
    assert_eq!(loss, expected);
    assert_eq!(redis.handle_promoted(), Loss::default(), "no outage");
    assert_eq!(
        status(&mut redis, at(40), 7),
        QueueState::Unknown,
        "too late"
    );
    assert_eq!(
        status(&mut redis, at(40), 2),
        QueueState::Waiting,
        "is back"
    );
    let ledger = redis.ledger(SHOW);
    assert_eq!((ledger.put_back, ledger.lost_waiting), (1, 1));
    assert_eq!((ledger.joined, ledger.admitted), (5, 2));
    assert_eq!((redis.waiting(SHOW), redis.astray(SHOW)), (2, Some(0)));
}

#[test]
fn without_a_replica_everything_is_gone() {
    let mut redis = redis_with(4);
    session(&mut redis, at(1), BuyerId(0)).unwrap();
    redis.handle_lost(at(10));
    let expected = Loss {
        places: 2,
        active_places: 2,
        sessions: 1,
        ..Loss::default()
    };
    assert_eq!(redis.handle_restored_empty(), expected);
    assert_eq!((redis.waiting(SHOW), redis.active(SHOW)), (0, 0));
    assert_eq!(session(&mut redis, at(41), BuyerId(0)), Ok(false));
    assert_eq!(redis.enter(at(41), SHOW, BuyerId(3)), Ok(Place::Active));
}

/// What a buyer can see of the waiting room.
fn picture(redis: &Redis<Numbers>) -> (Vec<BuyerId>, Vec<bool>) {
    let mut room = redis.contents.rooms[0].clone();
    let buyers = (0..20).map(BuyerId);
    let active = buyers.map(|buyer| room.is_active(buyer)).collect();
    (room.everybody_waiting(), active)
}

#[test]
fn a_promoted_replica_is_the_primary_of_a_window_ago() {
    let mut stream = Streams::new(9).named("test");
    for run in 0..50 {
        let mut redis = redis_with(0);
        let mut now = SimTime::ZERO;
        let mut pictures = vec![(now, picture(&redis))];
        for _ in 0..200 {
            now += Duration::from_millis(stream.random_range(0..40));
            let buyer = BuyerId(stream.random_range(0..20));
            match stream.random_range(0..5) {
                0 | 1 => drop(redis.enter(now, SHOW, buyer)),
                2 => drop(redis.leave(now, SHOW, buyer)),
                3 => drop(admit(&mut redis, now)),
                _ => drop(redis.touch(now, SHOW, buyer)),
            }
            pictures.push((now, picture(&redis)));
        }
        redis.handle_lost(now);
        let waiting = redis.waiting(SHOW);
        let loss = redis.handle_promoted();
        let left = u64::from(waiting) + loss.places_put_back - loss.places;
        let waiting = u64::from(redis.waiting(SHOW));
        assert_eq!(waiting, left, "run {run}: {loss:?}");
        let horizon = now.as_nanos().saturating_sub(1_000_000_000);
        let seen = pictures
            .iter()
            .rev()
            .find(|(at, _)| at.as_nanos() <= horizon);
        let seen = seen.map(|(_, picture)| picture);
        assert_eq!(Some(&picture(&redis)), seen, "run {run}");
        assert_eq!(redis.astray(SHOW), Some(0));
        // Nobody keeps a place longer than the idle time, whatever was set back.
        admit(&mut redis, now + Duration::from_secs(301));
        let idle = now + Duration::from_secs(602);
        admit(&mut redis, idle);
        let fresh = redis.active(SHOW);
        assert!(fresh <= 2, "{fresh} active");
    }
}

#[test]
fn cached_bodies_and_sessions_end_with_their_time() {
    let mut redis = redis_with(0);
    assert!(!is_cached(&mut redis, at(1), Page::Detail));
    redis
        .store(at(1), (Page::Detail, Duration::from_secs(10)), ())
        .unwrap();
    assert!(is_cached(&mut redis, at(10), Page::Detail));
    assert!(!is_cached(&mut redis, at(11), Page::Detail));
    redis
        .store(at(11), (Page::Detail, Duration::from_secs(10)), ())
        .unwrap();
    redis.invalidate(at(12), &Page::Detail).unwrap();
    assert!(!is_cached(&mut redis, at(12), Page::Detail));
    assert_eq!((redis.figures().hits, redis.figures().misses), (1, 3));
    assert_eq!(session(&mut redis, at(1), BuyerId(1)), Ok(false));
    assert_eq!(
        session(&mut redis, at(3_600), BuyerId(1)),
        Ok(true),
        "renewed"
    );
    assert_eq!(session(&mut redis, at(7_199), BuyerId(1)), Ok(true));
    admit(&mut redis, at(10_799));
    assert_eq!(redis.contents.sessions.count(), 0, "swept");
}

#[test]
fn the_request_over_the_limit_waits_for_its_window() {
    let mut redis = redis_with(0);
    for _ in 0..100 {
        assert_eq!(redis.count_request(at(5), BuyerId(1), 100).unwrap(), None);
    }
    let wait = redis.count_request(at(15), BuyerId(1), 100).unwrap();
    assert_eq!(wait, Some(Duration::from_secs(50)));
    assert_eq!(redis.count_request(at(15), BuyerId(2), 100).unwrap(), None);
    assert_eq!(redis.count_request(at(65), BuyerId(1), 100).unwrap(), None);
}

/// Two mebibytes, of which an empty Redis takes half.
fn full(eviction: Eviction) -> Redis<Numbers> {
    let settings = RedisSettings {
        memory_max: 2 << 20,
        eviction,
        ..small()
    };
    let mut redis = redis(settings, 20_000);
    for buyer in 0..1_000 {
        session(&mut redis, at(1), BuyerId(buyer)).unwrap();
    }
    redis
}

#[test]
fn under_allkeys_lru_idle_sessions_go_before_the_line() {
    let mut redis = full(Eviction::AllKeysLru);
    for buyer in 0..6_000 {
        redis.enter(at(10), SHOW, BuyerId(buyer)).unwrap();
    }
    let figures = redis.figures();
    assert!(figures.evicted.sessions > 300, "{:?}", figures.evicted);
    assert_eq!((figures.evicted.lines, figures.evicted.active_sets), (0, 0));
    let over = figures.memory_used.saturating_sub(figures.memory_max);
    assert!(over < 1_024, "{over} bytes over the limit");
    assert_eq!(redis.astray(SHOW), Some(0));
}

#[test]
fn under_allkeys_lru_the_whole_line_goes_when_nothing_else_is_left() {
    let mut redis = full(Eviction::AllKeysLru);
    for buyer in 0..10_000 {
        redis.enter(at(10), SHOW, BuyerId(buyer)).unwrap();
    }
    let evicted = redis.figures().evicted;
    assert_eq!(evicted.sessions, 1_000);
    assert!(evicted.lines >= 1, "{evicted:?}");
    assert_eq!(status(&mut redis, at(11), 100), QueueState::Unknown);
    let astray = redis.astray(SHOW).unwrap();
    assert_eq!(
        astray,
        evicted.waiting + evicted.active,
        "the witness saw them join"
    );
}

#[test]
fn a_line_that_nobody_looked_at_is_the_idlest_key() {
    let mut redis = full(Eviction::AllKeysLru);
    redis.enter(at(1), SHOW, BuyerId(0)).unwrap();
    redis.enter(at(1), SHOW, BuyerId(1)).unwrap();
    redis.enter(at(1), SHOW, BuyerId(2)).unwrap();
    for second in 2..40 {
        for buyer in 0..3_000 {
            session(&mut redis, at(second), BuyerId(buyer)).unwrap();
        }
    }
    assert_eq!(redis.figures().evicted.lines, 1);
    assert_eq!(status(&mut redis, at(40), 2), QueueState::Unknown);
}

#[test]
fn under_volatile_lru_the_line_stays_and_writes_fail_in_the_end() {
    let mut redis = full(Eviction::VolatileLru);
    let entered = (0..10_000).filter(|buyer| redis.enter(at(10), SHOW, BuyerId(*buyer)).is_ok());
    let entered = entered.count() as u64;
    let figures = redis.figures();
    assert_eq!(figures.evicted.sessions, 1_000);
    assert_eq!((figures.evicted.lines, figures.evicted.active_sets), (0, 0));
    assert_eq!(figures.writes_refused, 10_000 - entered);
    assert!(entered < 10_000);
    assert_eq!(redis.astray(SHOW), Some(0));
}

#[test]
fn without_eviction_writes_fail_and_reads_and_leaving_do_not() {
    let mut redis = full(Eviction::NoEviction);
    let refused = (10..20_000).find(|buyer| redis.enter(at(10), SHOW, BuyerId(*buyer)).is_err());
    assert!(refused.is_some(), "never full");
    assert_eq!(redis.figures().evicted, Evicted::default());
    let newcomer = BuyerId(19_999);
    assert_eq!(
        redis.enter(at(11), SHOW, newcomer),
        Err(RedisError::OutOfMemory)
    );
    assert_eq!(
        session(&mut redis, at(11), newcomer),
        Err(RedisError::OutOfMemory)
    );
    assert_eq!(
        redis.touch(at(11), SHOW, BuyerId(10)),
        Err(RedisError::OutOfMemory)
    );
    assert_eq!(
        redis.enter(at(11), SHOW, BuyerId(50)),
        Ok(Place::Waiting),
        "no write"
    );
    assert_eq!(status(&mut redis, at(11), 50), QueueState::Waiting);
    assert_eq!(admit(&mut redis, at(11)), []);
    redis.leave(at(11), SHOW, BuyerId(50)).unwrap();
    redis.leave(at(11), SHOW, BuyerId(51)).unwrap();
    assert_eq!(redis.enter(at(12), SHOW, newcomer), Ok(Place::Waiting));
}

fn position(redis: &Redis<Numbers>, buyer: u32) -> Option<u32> {
    redis.position(SHOW, BuyerId(buyer))
}

#[test]
fn places_are_counted_from_the_head_and_go_back_with_a_failover() {
    let mut redis = redis_with(6);
    assert_eq!(position(&redis, 0), None, "is inside");
    assert_eq!(
        (position(&redis, 2), position(&redis, 5)),
        (Some(1), Some(4))
    );
    redis.leave(at(10), SHOW, BuyerId(3)).unwrap();
    assert_eq!(position(&redis, 5), Some(3));
    redis.handle_lost(at(10));
    redis.handle_promoted();
    assert_eq!(
        (position(&redis, 3), position(&redis, 5)),
        (Some(2), Some(4))
    );
}

#[test]
fn the_rate_of_admissions_is_smoothed_while_somebody_waits() {
    let mut redis = redis_with(4);
    let rate = |redis: &Redis<Numbers>| (redis.admission_rate(SHOW) * 100.0).round();
    assert!((rate(&redis) - 5_000.0).abs() < 0.5, "assumed");
    redis.leave(at(1), SHOW, BuyerId(0)).unwrap();
    admit(&mut redis, at(2));
    assert!((rate(&redis) - 4_510.0).abs() < 0.5, "50 * 0.9 + 0.1");
    admit(&mut redis, at(3));
    assert!((rate(&redis) - 4_059.0).abs() < 0.5);
}

#[test]
fn rooms_of_two_shows_are_apart_and_buyers_come_later() {
    let mut redis = redis(small(), 0);
    let other = redis.add_show();
    redis.grow(4);
    for buyer in 0..4 {
        redis.enter(at(0), SHOW, BuyerId(buyer)).unwrap();
    }
    assert_eq!(redis.enter(at(0), other, BuyerId(3)), Ok(Place::Active));
    assert_eq!((redis.waiting(SHOW), redis.waiting(other)), (2, 0));
    redis.clear_line(at(1), SHOW).unwrap();
    assert_eq!((redis.waiting(SHOW), redis.active(other)), (0, 1));
    assert_eq!(redis.ledger(SHOW).cleared, 2);
    assert_eq!(
        (redis.astray(SHOW), redis.astray(other)),
        (Some(0), Some(0))
    );
}

#[test]
fn a_slot_of_time_is_claimed_once() {
    let mut redis = redis_with(0);
    let mut claim = |task, slot| redis.claim(at(1), TaskNumber(task), (SHOW, slot)).unwrap();
    assert!(claim(0, 3) && !claim(0, 3) && !claim(0, 2));
    assert!(claim(1, 3) && claim(0, 4));
}

#[test]
fn a_stopped_primary_answers_in_time_or_not_at_all() {
    let mut redis = redis_with(2);
    redis.handle_paused(at(10));
    assert!(redis.is_up() && !redis.answers(at(9)));
    assert_eq!(redis.ask(at(7), 1), Asked::Silent(at(9)));
    assert_eq!(redis.enter(at(9), SHOW, BuyerId(5)), Err(RedisError::Down));
    let resumes_in_time = redis.ask(at(8), 1);
    let done = at(10) + Duration::from_micros(10);
    assert_eq!(resumes_in_time, Asked::Done(done));
    assert_eq!(
        status(&mut redis, at(10), 1),
        QueueState::Active,
        "nothing is lost"
    );
    redis.handle_paused(at(99));
    redis.handle_resumed(at(20));
    assert!(redis.answers(at(20)));
}

#[test]
fn a_delayed_replica_loses_more_and_catches_up_afterwards() {
    let mut redis = redis_with(0);
    redis.handle_link(at(0), Some(Duration::from_secs(10)));
    for second in 1..=20 {
        let buyer = BuyerId(u32::try_from(second).unwrap() % 20);
        redis.enter(at(second), SHOW, buyer).unwrap();
    }
    assert_eq!(redis.replica_lag(at(20)), Duration::from_secs(9));
    let mut delayed = redis.clone();
    delayed.handle_lost(at(20));
    assert_eq!(delayed.handle_promoted().places, 10);
    redis.handle_link(at(20), None);
    redis.handle_lost(at(20));
    assert_eq!(redis.handle_promoted().places, 1);
}

#[test]
fn somebody_else_fills_the_memory_and_sessions_that_idle_go() {
    let mut redis = full(Eviction::AllKeysLru);
    redis.handle_filled(at(2), Share::try_from(0.95).unwrap());
    let figures = redis.figures();
    let filled = figures.memory_used as f64 / figures.memory_max as f64;
    assert!((0.95..1.0).contains(&filled), "{filled}");
    assert_eq!(figures.evicted, Evicted::default(), "there is room");
    for second in 3..60 {
        for buyer in 0..5_000 {
            redis.enter(at(second), SHOW, BuyerId(buyer)).unwrap();
            session(&mut redis, at(second), BuyerId(buyer % 300)).unwrap();
        }
    }
    let evicted = redis.figures().evicted;
    assert!(evicted.sessions > 0 && evicted.foreign > 0, "{evicted:?}");
    assert_eq!(evicted.lines, 0, "it is in use");
    let before = redis.figures().memory_used;
    redis.handle_unfilled();
    assert!(redis.figures().memory_used < before, "its keys are gone");
}

#[test]
fn memory_that_is_full_and_stays_full_refuses_writes() {
    let mut redis = full(Eviction::VolatileLru);
    redis.handle_filled(at(2), Share::try_from(1.0).unwrap());
    let entered = (0..6_000).filter(|buyer| redis.enter(at(3), SHOW, BuyerId(*buyer)).is_ok());
    assert!(entered.count() < 6_000);
    assert!(redis.figures().writes_refused > 0);
    assert_eq!(
        redis.figures().evicted.sessions,
        1_000,
        "they expire, so they go"
    );
    redis.handle_unfilled();
    assert!(redis.enter(at(4), SHOW, BuyerId(5_999)).is_ok());
}

#[test]
fn a_noted_write_of_the_model_takes_16_bytes() {
    assert_eq!(size_of::<Change<Numbers>>(), 16);
}
