//! What faults do to the embedded tier, as the instances see it.

use tiketi_core::impairment::Quality;
use tiketi_data_tier::Eviction;
use uuid::Uuid;

use super::*;
use crate::distance::Distance;
use crate::show::Section;
use crate::tier::SessionChange;
use crate::tier::database::Refusal;

const SHOW: Uuid = Uuid::from_u128(1);
const SECOND: Duration = Duration::from_secs(1);

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn show() -> Show {
    let section = Section {
        name: "VIP".to_owned(),
        rows: 1,
        seats_per_row: 3,
        price: 1_000,
    };
    Show::new("Night", vec![section])
}

/// Twenty scenario seconds in one second.
fn settings() -> Settings {
    Settings {
        speed: 20.0,
        ..Settings::default()
    }
}

fn tier_with(settings: &Settings, change: impl FnOnce(&mut EmbeddedLimits)) -> EmbeddedTier {
    let mut limits = EmbeddedLimits::none(SECOND);
    change(&mut limits);
    EmbeddedTier::with_limits(settings, vec![show()], limits)
}

fn tier() -> EmbeddedTier {
    tier_with(&settings(), |_| {})
}

#[tokio::test]
async fn nobody_goes_on_with_a_tier_that_broke_in_a_panic() {
    let tier = tier();
    let (cache, database) = (tier.cache(), tier.database(&settings(), Duration::ZERO));
    let breaking = tier.clone();
    let thread = std::thread::spawn(move || {
        let _tables = breaking.inner.tables();
        panic!("planted");
    });
    assert!(thread.join().is_err());
    let cache = tokio::spawn(async move { cache.ping().await });
    let database = tokio::spawn(async move { database.ping().await });
    assert!(cache.await.is_err_and(|error| error.is_panic()));
    assert!(database.await.is_err_and(|error| error.is_panic()));
    assert_eq!(
        tier.final_state().seats.len(),
        3,
        "audits can still read it"
    );
}

#[tokio::test]
async fn a_stopped_redis_is_waited_for_until_the_client_gives_up() {
    let tier = tier();
    let cache = tier.cache();
    cache.enter(SHOW, user(1)).await.unwrap();
    tier.pause_redis();
    assert_eq!(tier.queue_size(), None);
    let asked_at = tier.now();
    assert_eq!(cache.enter(SHOW, user(2)).await, Err(Unavailable::Redis));
    let waited = tier.now() - asked_at;
    assert!(waited >= 2 * SECOND, "gave up after {waited:?}");
    let resume = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tier.resume_redis();
    };
    let (answer, ()) = tokio::join!(cache.queue_status(SHOW, user(1)), resume);
    assert_eq!(
        answer.unwrap().active,
        1,
        "what was given up never happened"
    );
    assert_eq!(tier.queue_size(), Some(0));
}

#[tokio::test]
async fn a_redis_that_is_lost_while_it_is_stopped_refuses_at_once() {
    let tier = tier();
    let cache = tier.cache();
    tier.pause_redis();
    tier.lose_redis();
    let asked_at = tier.now();
    assert_eq!(cache.ping().await, Err(Unavailable::Redis));
    assert!(tier.now() - asked_at < SECOND);
    tier.promote_redis();
    assert_eq!(cache.ping().await, Ok(()));
}

#[tokio::test]
async fn a_stopped_database_answers_when_it_continues() {
    let tier = tier();
    let database = tier.database(&settings(), Duration::ZERO);
    database.ping().await.unwrap();
    tier.pause_database();
    assert!(!tier.database_answers());
    let resume = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tier.resume_database();
    };
    let asked_at = tier.now();
    let (answer, ()) = tokio::join!(database.ping(), resume);
    assert_eq!(answer, Ok(()));
    let waited = tier.now() - asked_at;
    assert!(waited >= SECOND, "answered after {waited:?}");
}

#[tokio::test]
async fn instances_give_up_on_a_database_that_stays_stopped() {
    let tier = tier();
    let database = tier.database(&settings(), Duration::ZERO);
    database.ping().await.unwrap();
    tier.pause_database();
    let (used, new) = tokio::join!(database.ping(), database.ping());
    assert_eq!(
        (used, new),
        (Err(Unavailable::Database), Err(Unavailable::Database))
    );
    // The one new connection within 2 s, the statement on the old one within 10 s.
    assert_eq!(database.pool_load().timeouts, 1);
}

#[tokio::test]
async fn a_delayed_replica_loses_the_writes_of_the_delay() {
    let tier = tier();
    let cache = tier.cache();
    tier.delay_redis_replica(Some(600 * SECOND));
    cache.enter(SHOW, user(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(
        tier.redis_lag() >= Some(2 * SECOND),
        "{:?}",
        tier.redis_lag()
    );
    tier.lose_redis();
    let loss = tier.promote_redis();
    assert_eq!(loss.active_places, 1);
    tier.delay_redis_replica(None);
    cache.enter(SHOW, user(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    tier.lose_redis();
    assert_eq!(tier.promote_redis(), Loss::default());
}

#[tokio::test]
async fn a_delayed_standby_delays_each_commit() {
    let tier = tier();
    let database = tier.database(&settings(), Duration::ZERO);
    tier.delay_commits(Some(3 * SECOND));
    let asked_at = tier.now();
    let seat = show().seat_id("VIP-1-1");
    let held = database.hold((user(1), show().id, seat), 300 * SECOND);
    held.await.unwrap().unwrap();
    let took = tier.now() - asked_at;
    assert!(took >= 2 * SECOND, "committed after {took:?}");
    let asked_at = tier.now();
    database.ping().await.unwrap();
    assert!(tier.now() - asked_at < 2 * SECOND, "a read commits nothing");
}

#[tokio::test]
async fn memory_that_somebody_else_fills_is_missing() {
    let full = Share::try_from(1.0).unwrap();
    let tier = tier_with(&settings(), |limits| {
        limits.redis_memory_max = 2 << 20;
        limits.redis_eviction = Eviction::NoEviction;
    });
    let cache = tier.cache();
    cache.enter(SHOW, user(1)).await.unwrap();
    tier.fill_redis(full);
    let mut refused = None;
    for number in 0..1_000 {
        refused = refused.or(cache.enter(SHOW, user(number)).await.err());
    }
    assert_eq!(refused, Some(Unavailable::RedisRefused));
    assert!(tier.figures().redis.writes_refused > 0);
    tier.empty_redis();
    cache.enter(SHOW, user(5_000)).await.unwrap();
}

#[tokio::test]
async fn sessions_make_room_for_others_under_allkeys_lru() {
    let tier = tier_with(&settings(), |limits| limits.redis_memory_max = 2 << 20);
    let cache = tier.cache();
    for number in 0..1_000 {
        let change = SessionChange::Connected;
        cache
            .change_session(user(number), change, 3_600 * SECOND)
            .await
            .unwrap();
    }
    tier.fill_redis(Share::try_from(1.0).unwrap());
    for number in 1_000..1_100 {
        cache.enter(SHOW, user(number)).await.unwrap();
    }
    let evicted = tier.figures().redis.evicted;
    assert!(evicted.sessions + evicted.foreign > 0, "{evicted:?}");
    assert!(tier.figures().redis.memory_peak >= 2 << 20);
}

#[tokio::test]
async fn connections_that_somebody_else_holds_are_refused() {
    let tier = tier_with(&settings(), |limits| limits.connections_max = 5);
    let database = tier.database(&settings(), Duration::ZERO);
    tier.hold_connections(100);
    assert_eq!(database.ping().await, Err(Unavailable::Database));
    let figures = tier.figures().database;
    assert_eq!(
        (figures.connections_peak, figures.connections_refused),
        (5, 1)
    );
    tier.release_connections();
    assert_eq!(database.ping().await, Ok(()));
}

#[tokio::test]
async fn the_second_hold_of_a_seat_waits_for_the_commit_of_the_first() {
    let slow = Settings {
        commit_time: 4 * SECOND,
        ..settings()
    };
    let tier = tier_with(&slow, |_| {});
    let [one, two] = [(), ()].map(|()| tier.database(&slow, Duration::ZERO));
    let seat = show().seat_id("VIP-1-1");
    let place = |number| (user(number), show().id, seat);
    let asked_at = tier.now();
    let (first, second) = tokio::join!(
        one.hold(place(1), 300 * SECOND),
        two.hold(place(2), 300 * SECOND)
    );
    let answers = [first.unwrap(), second.unwrap()];
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert_eq!(refused.collect::<Vec<_>>(), [&Refusal::SeatLocked]);
    assert!(tier.now() - asked_at >= 7 * SECOND, "one after the other");
    assert_eq!(tier.figures().database.row_lock_waits, 1);
}

#[tokio::test]
async fn commands_over_a_path_that_loses_everything_are_given_up() {
    let tier = tier();
    let distance = Arc::new(Distance::new(1, "far"));
    let far = tier.cache().behind(Arc::clone(&distance));
    assert_eq!(far.ping().await, Ok(()));
    let nothing_arrives = Quality {
        loss: Share::try_from(1.0).unwrap(),
        ..Quality::default()
    };
    distance.set(nothing_arrives, Quality::default());
    assert_eq!(far.ping().await, Err(Unavailable::Redis));
    assert_eq!(tier.cache().ping().await, Ok(()), "others are not affected");
}

#[tokio::test]
async fn transactions_over_a_slow_path_take_its_round_trips() {
    let tier = tier();
    let distance = Arc::new(Distance::new(1, "far"));
    let far = tier
        .database(&settings(), Duration::ZERO)
        .behind(Arc::clone(&distance));
    let slow = Quality {
        delay: SECOND,
        ..Quality::default()
    };
    distance.set(Quality::default(), slow);
    let asked = tier.now();
    far.ping().await.unwrap();
    assert!(tier.now() - asked >= 2 * SECOND);
}
