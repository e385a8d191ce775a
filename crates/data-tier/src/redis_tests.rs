use rand::RngExt;

use super::*;
use tiketi_core::rng::Streams;
use tiketi_measure::example::plan;
use tiketi_scenario::topology::Eviction;

const BUYERS: usize = 20;

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

/// A room for two, and a replica that is a second behind.
fn small() -> Plan {
    let mut plan = plan();
    plan.waiting_room.active_max = 2;
    plan.topology.redis.lost_window = Duration::from_secs(1);
    plan
}

fn redis_with(people: u32) -> Redis {
    let mut redis = Redis::new(&small(), BUYERS);
    for buyer in 0..people {
        redis.enter(at(0), BuyerId(buyer)).unwrap();
    }
    redis
}

fn admit(redis: &mut Redis, now: SimTime) -> Vec<BuyerId> {
    let mut admitted = Vec::new();
    redis.admit(now, &mut admitted);
    admitted
}

fn status(redis: &mut Redis, now: SimTime, buyer: u32) -> Standing {
    redis.status(now, BuyerId(buyer)).unwrap()
}

#[test]
fn the_first_enter_at_once_and_the_rest_wait_in_order() {
    let mut redis = redis_with(5);
    assert_eq!(redis.enter(at(1), BuyerId(1)), Ok(Place::Active));
    assert_eq!(redis.enter(at(1), BuyerId(3)), Ok(Place::Waiting), "again");
    assert_eq!((redis.waiting(), redis.active()), (3, 2));
    redis.leave(at(1), BuyerId(0)).unwrap();
    redis.leave(at(1), BuyerId(1)).unwrap();
    // Places are free, but not for whoever comes now.
    assert_eq!(redis.enter(at(1), BuyerId(9)), Ok(Place::Waiting));
    assert_eq!(admit(&mut redis, at(2)), [BuyerId(2), BuyerId(3)]);
    assert_eq!(status(&mut redis, at(2), 4), Standing::Waiting);
    assert_eq!(status(&mut redis, at(2), 3), Standing::Active);
    assert_eq!(status(&mut redis, at(2), 0), Standing::Unknown);
}

#[test]
fn who_leaves_the_line_is_passed_over() {
    let mut redis = redis_with(5);
    redis.leave(at(1), BuyerId(2)).unwrap();
    redis.leave(at(1), BuyerId(0)).unwrap();
    assert_eq!(admit(&mut redis, at(1)), [BuyerId(3)]);
    let facts = redis.admission_facts().unwrap();
    assert_eq!((facts.joined, facts.admitted, facts.left), (5, 3, 1));
    assert_eq!((facts.waiting, facts.astray), (1, 0));
}

#[test]
fn idle_places_are_taken_back_and_those_in_use_are_not() {
    let mut redis = redis_with(3);
    redis.touch(at(200), BuyerId(1)).unwrap();
    assert_eq!(admit(&mut redis, at(299)), []);
    assert_eq!(admit(&mut redis, at(300)), [BuyerId(2)]);
    assert_eq!(status(&mut redis, at(300), 0), Standing::Unknown);
    assert_eq!(status(&mut redis, at(499), 1), Standing::Active);
    admit(&mut redis, at(500));
    assert_eq!(status(&mut redis, at(500), 1), Standing::Unknown);
    redis.touch(at(500), BuyerId(1)).unwrap();
    assert_eq!(redis.active(), 1, "a touch gives no place");
}

#[test]
fn a_place_given_back_and_got_again_is_idle_only_from_then_on() {
    let mut redis = redis_with(1);
    redis.leave(at(10), BuyerId(0)).unwrap();
    redis.enter(at(100), BuyerId(0)).unwrap();
    admit(&mut redis, at(399));
    assert_eq!(redis.active(), 1);
    admit(&mut redis, at(400));
    assert_eq!(redis.active(), 0);
}

#[test]
fn the_size_of_the_line_is_announced_when_it_has_changed() {
    let mut redis = redis_with(3);
    assert!(redis.announce_size());
    assert!(!redis.announce_size());
    redis.leave(at(1), BuyerId(2)).unwrap();
    assert!(redis.announce_size());
}

#[test]
fn commands_wait_their_turn_and_a_node_without_credits_is_slower() {
    let mut plan = small();
    let mut redis = Redis::new(&plan, BUYERS);
    let micros = |n: u64| SimTime::from_nanos(n * 1_000);
    assert_eq!(redis.book(at(0), 3), Some(micros(30)));
    assert_eq!(redis.book(micros(10), 1), Some(micros(40)));
    plan.topology.redis.cpu_credits = CpuCredits::Spent;
    let mut throttled = Redis::new(&plan, BUYERS);
    assert_eq!(throttled.book(at(0), 3), Some(micros(150)));
    assert_eq!(redis.figures().operations, 4);
}

#[test]
fn nothing_is_answered_during_an_outage() {
    let mut redis = redis_with(3);
    redis.handle_lost(at(10));
    assert!(!redis.is_up());
    assert_eq!(redis.book(at(11), 1), None);
    assert_eq!(redis.enter(at(11), BuyerId(7)), Err(RedisError::Down));
    assert_eq!(redis.status(at(11), BuyerId(2)), Err(RedisError::Down));
    assert_eq!(redis.session(at(11), BuyerId(2)), Err(RedisError::Down));
    assert!(!redis.cached(at(11), Cached::ShowList));
    assert_eq!(admit(&mut redis, at(11)), []);
    assert_eq!(redis.admission_facts(), None);
    redis.handle_promoted(at(40));
    assert!(redis.book(at(41), 1).is_some());
}

#[test]
fn a_failover_loses_only_the_writes_of_the_last_window() {
    let mut redis = redis_with(4);
    redis.enter(at(10), BuyerId(7)).unwrap();
    redis.leave(at(10), BuyerId(2)).unwrap();
    redis.handle_lost(SimTime::from_nanos(10_999_999_999));
    let loss = redis.handle_promoted(at(40));
    let expected = Loss {
        places: 1,
        places_put_back: 1,
        reaches_back: Some(Duration::from_nanos(999_999_999)),
        ..Loss::default()
    };
    assert_eq!(loss, expected);
    assert_eq!(redis.handle_promoted(at(41)), Loss::default(), "no outage");
    assert_eq!(status(&mut redis, at(40), 7), Standing::Unknown, "too late");
    assert_eq!(status(&mut redis, at(40), 2), Standing::Waiting, "is back");
    let facts = redis.admission_facts().unwrap();
    assert_eq!((facts.put_back, facts.astray), (1, 0));
    assert_eq!((facts.joined, facts.admitted, facts.waiting), (5, 2, 2));
}

#[test]
fn without_a_replica_everything_is_gone() {
    let mut redis = redis_with(4);
    redis.session(at(1), BuyerId(0)).unwrap();
    redis.handle_lost(at(10));
    let expected = Loss {
        places: 2,
        active_places: 2,
        sessions: 1,
        ..Loss::default()
    };
    assert_eq!(redis.handle_restored_empty(at(40)), expected);
    assert_eq!((redis.waiting(), redis.active()), (0, 0));
    assert_eq!(redis.session(at(41), BuyerId(0)), Ok(false));
    assert_eq!(redis.enter(at(41), BuyerId(3)), Ok(Place::Active));
}

/// What a buyer can see of the waiting room.
fn picture(redis: &Redis) -> (Vec<BuyerId>, Vec<bool>) {
    let mut room = redis.contents.room.clone();
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
                0 | 1 => drop(redis.enter(now, buyer)),
                2 => drop(redis.leave(now, buyer)),
                3 => drop(admit(&mut redis, now)),
                _ => drop(redis.touch(now, buyer)),
            }
            pictures.push((now, picture(&redis)));
        }
        redis.handle_lost(now);
        let waiting = redis.waiting();
        let loss = redis.handle_promoted(now + Duration::from_secs(30));
        let left = waiting + loss.places_put_back - loss.places;
        assert_eq!(redis.waiting(), left, "run {run}: {loss:?}");
        let horizon = now.as_nanos().saturating_sub(1_000_000_000);
        let seen = pictures
            .iter()
            .rev()
            .find(|(at, _)| at.as_nanos() <= horizon);
        let seen = seen.map(|(_, picture)| picture);
        assert_eq!(Some(&picture(&redis)), seen, "run {run}");
        assert_eq!(redis.admission_facts().unwrap().astray, 0);
        // Nobody keeps a place longer than the idle time, whatever was set back.
        admit(&mut redis, now + Duration::from_secs(301));
        let idle = now + Duration::from_secs(602);
        admit(&mut redis, idle);
        let fresh = redis.active();
        assert!(fresh <= 2, "{fresh} active");
    }
}

#[test]
fn cached_bodies_and_sessions_end_with_their_time() {
    let mut redis = redis_with(0);
    assert!(!redis.cached(at(1), Cached::ShowDetail));
    redis.store(at(1), Cached::ShowDetail);
    assert!(redis.cached(at(10), Cached::ShowDetail));
    assert!(!redis.cached(at(11), Cached::ShowDetail));
    redis.store(at(11), Cached::ShowDetail);
    redis.invalidate(at(12), Cached::ShowDetail);
    assert!(!redis.cached(at(12), Cached::ShowDetail));
    assert_eq!((redis.figures().hits, redis.figures().misses), (1, 3));
    assert_eq!(redis.session(at(1), BuyerId(1)), Ok(false));
    assert_eq!(redis.session(at(3_600), BuyerId(1)), Ok(true), "renewed");
    assert_eq!(redis.session(at(7_199), BuyerId(1)), Ok(true));
    admit(&mut redis, at(10_799));
    assert_eq!(redis.contents.sessions.count(), 0, "swept");
}

#[test]
fn the_request_over_the_limit_waits_for_its_window() {
    let mut redis = redis_with(0);
    for _ in 0..100 {
        assert_eq!(redis.count_request(at(5), BuyerId(1)), None);
    }
    let wait = redis.count_request(at(15), BuyerId(1));
    assert_eq!(wait, Some(Duration::from_secs(50)));
    assert_eq!(redis.count_request(at(15), BuyerId(2)), None);
    assert_eq!(redis.count_request(at(65), BuyerId(1)), None);
}

/// Two mebibytes, of which an empty Redis takes half.
fn full(eviction: Eviction) -> Redis {
    let mut plan = small();
    let redis = &mut plan.topology.redis;
    (redis.memory_mib, redis.eviction) = (2, eviction);
    redis.reserved = tiketi_core::units::Share::NONE;
    let mut redis = Redis::new(&plan, 20_000);
    for buyer in 0..1_000 {
        redis.session(at(1), BuyerId(buyer)).unwrap();
    }
    redis
}

#[test]
fn under_allkeys_lru_idle_sessions_go_before_the_line() {
    let mut redis = full(Eviction::AllKeysLru);
    for buyer in 0..6_000 {
        redis.enter(at(10), BuyerId(buyer)).unwrap();
    }
    let figures = redis.figures();
    assert!(figures.evicted.sessions > 300, "{:?}", figures.evicted);
    assert_eq!((figures.evicted.lines, figures.evicted.active_sets), (0, 0));
    let over = figures.memory_used.saturating_sub(figures.memory_max);
    assert!(over < 1_024, "{over} bytes over the limit");
    assert_eq!(redis.admission_facts().unwrap().astray, 0);
}

#[test]
fn under_allkeys_lru_the_whole_line_goes_when_nothing_else_is_left() {
    let mut redis = full(Eviction::AllKeysLru);
    for buyer in 0..10_000 {
        redis.enter(at(10), BuyerId(buyer)).unwrap();
    }
    let evicted = redis.figures().evicted;
    assert_eq!(evicted.sessions, 1_000);
    assert!(evicted.lines >= 1, "{evicted:?}");
    assert_eq!(status(&mut redis, at(11), 100), Standing::Unknown);
    let astray = redis.admission_facts().unwrap().astray;
    assert_eq!(
        astray,
        evicted.waiting + evicted.active,
        "the witness saw them join"
    );
}

#[test]
fn a_line_that_nobody_looked_at_is_the_idlest_key() {
    let mut redis = full(Eviction::AllKeysLru);
    redis.enter(at(1), BuyerId(0)).unwrap();
    redis.enter(at(1), BuyerId(1)).unwrap();
    redis.enter(at(1), BuyerId(2)).unwrap();
    for second in 2..40 {
        for buyer in 0..3_000 {
            redis.session(at(second), BuyerId(buyer)).unwrap();
        }
    }
    assert_eq!(redis.figures().evicted.lines, 1);
    assert_eq!(status(&mut redis, at(40), 2), Standing::Unknown);
}

#[test]
fn under_volatile_lru_the_line_stays_and_writes_fail_in_the_end() {
    let mut redis = full(Eviction::VolatileLru);
    let entered = (0..10_000).filter(|buyer| redis.enter(at(10), BuyerId(*buyer)).is_ok());
    let entered = entered.count() as u64;
    let figures = redis.figures();
    assert_eq!(figures.evicted.sessions, 1_000);
    assert_eq!((figures.evicted.lines, figures.evicted.active_sets), (0, 0));
    assert_eq!(figures.writes_refused, 10_000 - entered);
    assert!(entered < 10_000);
    assert_eq!(redis.admission_facts().unwrap().astray, 0);
}

#[test]
fn without_eviction_writes_fail_and_reads_and_leaving_do_not() {
    let mut redis = full(Eviction::NoEviction);
    let refused = (10..20_000).find(|buyer| redis.enter(at(10), BuyerId(*buyer)).is_err());
    assert!(refused.is_some(), "never full");
    assert_eq!(redis.figures().evicted, Evicted::default());
    let newcomer = BuyerId(19_999);
    assert_eq!(redis.enter(at(11), newcomer), Err(RedisError::OutOfMemory));
    assert_eq!(
        redis.session(at(11), newcomer),
        Err(RedisError::OutOfMemory)
    );
    assert_eq!(
        redis.touch(at(11), BuyerId(10)),
        Err(RedisError::OutOfMemory)
    );
    assert_eq!(
        redis.enter(at(11), BuyerId(50)),
        Ok(Place::Waiting),
        "no write"
    );
    assert_eq!(status(&mut redis, at(11), 50), Standing::Waiting);
    assert_eq!(admit(&mut redis, at(11)), []);
    redis.leave(at(11), BuyerId(50)).unwrap();
    redis.leave(at(11), BuyerId(51)).unwrap();
    assert_eq!(redis.enter(at(12), newcomer), Ok(Place::Waiting));
}
