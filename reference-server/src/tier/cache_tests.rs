//! Tests of the cache role on both stores.

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::tier::EmbeddedTier;
use crate::tier::servers::test_node::TestNode;

const SHOW: Uuid = Uuid::from_u128(1);
const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        active_max: 2,
        ..Settings::default()
    }
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

/// The cache roles of two instances on each store.
fn stores(settings: &Settings) -> (Vec<[Cache; 2]>, Option<TestNode>) {
    let tier = EmbeddedTier::new(settings, Vec::new(), SECOND);
    let mut stores = vec![[Cache::Embedded(tier.cache()), Cache::Embedded(tier.cache())]];
    let node = TestNode::start(&[]);
    if let Some(node) = &node {
        let config = Arc::new(node.config());
        let clock = Clock::since(config.origin_unix_ns, settings.speed);
        stores.push(["one", "two"].map(|name| {
            Cache::Servers(RedisCache::new(Arc::clone(&config), clock, name, settings))
        }));
    }
    (stores, node)
}

/// Runs a case against each store.
async fn on_each<F: Future<Output = ()>>(settings: Settings, case: impl Fn([Cache; 2]) -> F) {
    let (stores, _node) = stores(&settings);
    for store in stores {
        Box::pin(case(store)).await;
    }
}

async fn position(cache: &Cache, number: u128) -> Option<u32> {
    let status = cache.queue_status(SHOW, user(number)).await.unwrap();
    status.position
}

async fn enter_all(cache: &Cache, people: u128) {
    for number in 0..people {
        cache.enter(SHOW, user(number)).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_users_are_admitted_on_entry_and_the_rest_wait_in_order() {
    on_each(settings(), async |[one, two]| {
        let first = one.enter(SHOW, user(0)).await.unwrap();
        assert_eq!(first, Place::Active { active: 1 });
        enter_all(&one, 4).await;
        assert_eq!(position(&two, 1).await, None);
        assert_eq!(position(&two, 2).await, Some(1));
        assert_eq!(position(&two, 3).await, Some(2));
        let again = two.enter(SHOW, user(3)).await.unwrap();
        assert!(matches!(again, Place::Waiting(status) if status.position == Some(2)));
        let status = one.queue_status(SHOW, Uuid::nil()).await.unwrap();
        assert_eq!((status.queue_size, status.active), (2, 2));
        assert!(
            (status.rate - 50.0).abs() < 1e-9,
            "assumed: {}",
            status.rate
        );
    })
    .await;
}

#[tokio::test]
async fn a_free_shopping_slot_goes_to_the_head_of_the_queue_once_per_time_slot() {
    on_each(settings(), async |[one, two]| {
        enter_all(&one, 5).await;
        one.leave(SHOW, user(0)).await.unwrap();
        let newcomer = two.enter(SHOW, user(9)).await.unwrap();
        assert!(matches!(newcomer, Place::Waiting(status) if status.position == Some(4)));
        let admission = two.admit(SHOW, 7).await.unwrap();
        assert_eq!(admission.admitted, [user(2)]);
        two.leave(SHOW, user(1)).await.unwrap();
        for slot in [7, 6] {
            assert_eq!(one.admit(SHOW, slot).await, Ok(Admission::default()));
        }
        assert_eq!(one.admit(SHOW, 8).await.unwrap().admitted, [user(3)]);
        two.leave(SHOW, user(4)).await.unwrap();
        assert_eq!(
            position(&one, 9).await,
            Some(1),
            "a user who has left does not count"
        );
        let rate = one.queue_status(SHOW, user(9)).await.unwrap().rate;
        assert!((rate - (50.0 * 0.81 + 0.1 + 0.09)).abs() < 1e-9, "{rate}");
    })
    .await;
}

#[tokio::test]
async fn idle_users_lose_their_shopping_slot() {
    let idle = Settings {
        idle_timeout: Duration::from_secs(30),
        speed: 100.0,
        ..settings()
    };
    on_each(idle, async |[one, two]| {
        enter_all(&one, 3).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        two.touch(SHOW, user(1)).await.unwrap();
        two.touch(SHOW, user(2)).await.unwrap();
        assert_eq!(position(&one, 2).await, Some(1), "a touch does not admit");
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(one.admit(SHOW, 1).await.unwrap().admitted, [user(2)]);
        let status = two.queue_status(SHOW, Uuid::nil()).await.unwrap();
        assert_eq!((status.queue_size, status.active), (0, 2));
        let back = two.enter(SHOW, user(0)).await.unwrap();
        assert!(matches!(back, Place::Waiting(_)), "{back:?}");
    })
    .await;
}

#[tokio::test]
async fn clearing_a_queue_keeps_active_users() {
    on_each(settings(), async |[one, two]| {
        enter_all(&one, 4).await;
        two.clear_queue(SHOW).await.unwrap();
        let status = one.queue_status(SHOW, user(3)).await.unwrap();
        assert_eq!((status.position, status.queue_size), (None, 0));
        assert_eq!(status.active, 2);
    })
    .await;
}

#[tokio::test]
async fn a_task_is_claimed_once_per_time_slot() {
    on_each(settings(), async |[one, two]| {
        for task in [Task::QueueUpdate, Task::RoomUpdate] {
            assert_eq!(one.claim(task, SHOW, 3).await, Ok(true));
            assert_eq!(two.claim(task, SHOW, 3).await, Ok(false));
            assert_eq!(two.claim(task, SHOW, 4).await, Ok(true));
            assert_eq!(one.claim(task, SHOW, 3).await, Ok(false));
            assert_eq!(one.claim(task, user(1), 3).await, Ok(true));
        }
    })
    .await;
}

#[tokio::test]
async fn cached_bodies_and_sessions_expire() {
    let fast = Settings {
        speed: 100.0,
        ..settings()
    };
    on_each(fast, async |[one, two]| {
        let (body, ttl) = (Bytes::from_static(b"{\0}"), 20 * SECOND);
        assert_eq!(two.cached("event:1").await, Ok(None));
        one.set_cached("event:1".to_owned(), body.clone(), ttl)
            .await
            .unwrap();
        assert_eq!(two.cached("event:1").await, Ok(Some(body.clone())));
        one.drop_cached("event:1").await.unwrap();
        assert_eq!(two.cached("event:1").await, Ok(None));
        let session = Session {
            event_id: None,
            queue_event_id: Some(SHOW),
            seat_event_id: Some(user(3)),
            selected_seats: vec!["s1".to_owned(), "s2".to_owned()],
        };
        let changes = [
            SessionChange::Connected,
            SessionChange::Page(Some(SHOW)),
            SessionChange::Queue(SHOW),
            SessionChange::Seats(user(3)),
            SessionChange::Selected(session.selected_seats.clone()),
            SessionChange::Page(None),
        ];
        one.set_cached("event:1".to_owned(), body, ttl)
            .await
            .unwrap();
        for (change, cache) in changes.into_iter().zip([&one, &two].into_iter().cycle()) {
            cache.change_session(user(1), change, ttl).await.unwrap();
        }
        assert_eq!(two.session(user(1)).await, Ok(Some(session)));
        assert_eq!(two.session(user(2)).await, Ok(None));
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(two.session(user(1)).await, Ok(None));
        assert_eq!(two.cached("event:1").await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_request_over_the_limit_waits_for_the_next_window() {
    let fast = Settings {
        speed: 100.0,
        ..settings()
    };
    on_each(fast, async |[one, two]| {
        for cache in [&one, &two, &one] {
            assert_eq!(cache.count_request(user(1), 3).await, Ok(None));
        }
        let wait = two.count_request(user(1), 3).await.unwrap().unwrap();
        assert!(wait <= 60 * SECOND && wait > 10 * SECOND, "{wait:?}");
        assert_eq!(two.count_request(user(2), 3).await, Ok(None));
        tokio::time::sleep(Duration::from_millis(650)).await;
        assert_eq!(two.count_request(user(1), 3).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_level_is_news_once_for_all_instances() {
    on_each(settings(), async |[one, two]| {
        let (ticket_type, total) = (SHOW, 5);
        let (queue, stock) = (News::QueueSize(SHOW), News::Stock { ticket_type, total });
        assert_eq!(one.is_news(queue, 0).await, Ok(false), "empty at first");
        assert_eq!(
            one.is_news(stock, total).await,
            Ok(false),
            "unsold at first"
        );
        assert_eq!(one.is_news(stock, 0).await, Ok(true));
        assert_eq!(one.is_news(queue, 5).await, Ok(true));
        assert_eq!(two.is_news(queue, 5).await, Ok(false));
        assert_eq!(two.is_news(queue, 0).await, Ok(true));
        assert_eq!(one.is_news(stock, 0).await, Ok(false));
    })
    .await;
}

#[tokio::test]
async fn sockets_on_a_page_are_counted_over_all_instances() {
    on_each(settings(), async |[one, two]| {
        assert_eq!(one.take_changed_presence(SHOW).await, Ok(None));
        one.set_presence(SHOW, Change::Joined);
        two.set_presence(SHOW, Change::Joined);
        two.set_presence(SHOW, Change::Joined);
        for (slot, winner) in [(1, &one), (2, &two)] {
            // An instance shares its sockets when it tries to claim the slot.
            for cache in [winner, &one, &two] {
                cache.claim(Task::RoomUpdate, SHOW, slot).await.unwrap();
            }
        }
        assert_eq!(two.take_changed_presence(SHOW).await, Ok(Some(3)));
        assert_eq!(one.take_changed_presence(SHOW).await, Ok(None));
        // One joins and one leaves: the number is the same, but the members of the room have changed.
        two.set_presence(SHOW, Change::Left);
        two.set_presence(SHOW, Change::Joined);
        two.claim(Task::RoomUpdate, SHOW, 3).await.unwrap();
        assert_eq!(one.take_changed_presence(SHOW).await, Ok(Some(3)));
    })
    .await;
}

#[tokio::test]
async fn a_published_message_reaches_all_instances() {
    use crate::bus::{Message, Room};
    on_each(settings(), async |[one, two]| {
        let mut heard = [one.subscribe(), two.subscribe()];
        let message = |size| Envelope {
            room: Room::Queue(SHOW),
            message: Message::QueueUpdated {
                queue_size: size,
                timestamp: "now".to_owned(),
            },
        };
        // Messages published before Redis has processed the subscription are lost.
        for subscription in &mut heard {
            while subscription.try_recv().is_err() {
                one.publish(message(0)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        two.publish_all(vec![message(1), message(2)]).await.unwrap();
        for subscription in &mut heard {
            let mut sizes = Vec::new();
            while sizes.last() != Some(&2) {
                let envelope = subscription.recv().await.unwrap();
                assert_eq!(envelope.message.name(), "queue-updated");
                assert_eq!(envelope.room, Room::Queue(SHOW));
                let data = serde_json::to_value(&envelope.message).unwrap();
                sizes.push(data["queueSize"].as_u64().unwrap());
            }
            sizes.retain(|size| *size > 0);
            assert_eq!(sizes, [1, 2]);
        }
    })
    .await;
}

#[tokio::test]
async fn concurrent_changes_of_a_session_all_take_effect() {
    on_each(settings(), async |[one, two]| {
        let ttl = 60 * SECOND;
        let picked = SessionChange::Selected(vec!["s1".to_owned()]);
        let (page, queue) = (SessionChange::Page(Some(SHOW)), SessionChange::Queue(SHOW));
        let done = tokio::join!(
            one.change_session(user(1), page, ttl),
            one.change_session(user(1), queue, ttl),
            two.change_session(user(1), SessionChange::Seats(SHOW), ttl),
            two.change_session(user(1), picked, ttl),
        );
        assert_eq!(done, (Ok(()), Ok(()), Ok(()), Ok(())));
        let session = one.session(user(1)).await.unwrap().unwrap();
        let all = [
            session.event_id,
            session.queue_event_id,
            session.seat_event_id,
        ];
        assert_eq!(all, [Some(SHOW); 3]);
        assert_eq!(session.selected_seats, ["s1"]);
    })
    .await;
}
