use super::*;
use crate::tier::servers::test_node::TestNode;
use tiketi_core::impairment::Quality;

const SHOW: Uuid = Uuid::from_u128(1);
const USER: Uuid = Uuid::from_u128(100);
const SECOND: Duration = Duration::from_secs(1);

/// The path to Redis with packets that come so late.
fn late(delay: Duration) -> Quality {
    Quality {
        delay,
        ..Quality::default()
    }
}

#[tokio::test]
async fn commands_over_an_impaired_path_take_longer_or_are_given_up() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let config = node.config();
    let settings = Settings {
        speed: 10.0,
        redis_timeout: 100 * SECOND,
        ..Settings::default()
    };
    let clock = Clock::since(config.origin_unix_ns, settings.speed);
    let distance = Arc::new(Distance::new(1, "far"));
    let near = RedisCache::new(Arc::new(config), clock, "one", &settings);
    let far = near.clone().behind(Arc::clone(&distance));
    far.enter(SHOW, USER).await.unwrap();

    distance.set(late(2 * SECOND), Quality::default());
    let asked = clock.now();
    far.enter(SHOW, USER).await.unwrap();
    assert!(clock.now() - asked >= 4 * SECOND, "there and back");

    // Longer than the client waits: nothing has reached Redis by then.
    let other = Uuid::from_u128(101);
    distance.set(late(101 * SECOND), Quality::default());
    let asked = clock.now();
    assert_eq!(far.enter(SHOW, other).await, Err(Unavailable::Redis));
    assert!(clock.now() - asked >= 99 * SECOND);
    let status = near.queue_status(SHOW, other).await.unwrap();
    assert!(!status.is_active && status.position.is_none());

    // The answer comes too late, but Redis has carried it out.
    distance.set(late(60 * SECOND), Quality::default());
    assert_eq!(far.enter(SHOW, other).await, Err(Unavailable::Redis));
    let status = near.queue_status(SHOW, other).await.unwrap();
    assert!(status.is_active);
}
