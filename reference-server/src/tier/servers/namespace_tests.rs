use redis::Cmd;

use super::*;
use crate::tier::servers::test_node::{TestNode, config_at};

fn keys(node: &TestNode) -> Vec<String> {
    let mut keys: Vec<String> = node.ask(cmd("KEYS").arg("*"));
    keys.sort();
    keys
}

fn set(node: &TestNode, key: &str) {
    node.run(Cmd::new().arg("SET").arg(key).arg("theirs"));
}

#[tokio::test]
async fn a_redis_with_foreign_keys_is_rejected_without_a_prefix() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    set(&node, "queue:theirs");
    let all = config_at(node.port(), "");
    let refused = claim_namespace(&all).await.unwrap_err();
    assert!(refused.to_string().contains("queue:theirs"), "{refused}");
    assert!(refused.hint().unwrap().contains("prefix"));
    clear_namespace(&all).await.unwrap();
    let own = config_at(node.port(), "sim*:");
    claim_namespace(&own).await.unwrap();
    assert_eq!(keys(&node), ["queue:theirs", "sim*:tiketi-sim"]);
    clear_namespace(&own).await.unwrap();
    assert_eq!(keys(&node), ["queue:theirs"]);
}

#[tokio::test]
async fn only_our_own_leftovers_are_deleted() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let own = config_at(node.port(), "sim");
    for key in ["sim-theirs", "sim*", "simqueue:1"] {
        set(&node, key);
        let refused = claim_namespace(&own).await;
        assert!(
            matches!(refused, Err(SetupError::ForeignKeys { .. })),
            "{key}"
        );
        node.run(cmd("DEL").arg(key));
    }
    claim_namespace(&own).await.unwrap();
    for key in ["simqueue:1", "simsession:2", "simdoors", "other"] {
        set(&node, key);
    }
    claim_namespace(&own).await.unwrap();
    assert_eq!(keys(&node), ["other", "simtiketi-sim"]);
    set(&node, "simulation");
    assert!(claim_namespace(&own).await.is_err(), "foreign by its name");
    set(&node, "simcache:1");
    clear_namespace(&own).await.unwrap();
    assert_eq!(keys(&node), ["other", "simulation"]);
}

#[tokio::test]
async fn without_a_prefix_a_foreign_key_prevents_clearing() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let all = config_at(node.port(), "");
    claim_namespace(&all).await.unwrap();
    for key in ["queue:1", "theirs"] {
        set(&node, key);
    }
    assert!(clear_namespace(&all).await.is_err());
    assert_eq!(keys(&node), ["queue:1", "theirs", "tiketi-sim"]);
    node.run(cmd("DEL").arg("theirs"));
    clear_namespace(&all).await.unwrap();
    assert_eq!(keys(&node), [""; 0]);
}

#[tokio::test]
async fn a_prefix_with_subscribers_is_in_use() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let config = node.config();
    claim_namespace(&config).await.unwrap();
    let endpoint = Endpoint::new(&config, TIMEOUT).unwrap();
    let channel = Keys::of(&config.redis).bus_channel();
    let listener = endpoint.subscribe(&channel).await.unwrap();
    let refused = claim_namespace(&config).await;
    assert!(matches!(
        refused,
        Err(SetupError::PrefixInUse { listeners: 1, .. })
    ));
    drop(listener);
}

#[tokio::test]
async fn connection_errors_name_redis_without_the_password() {
    let Some(node) = TestNode::start(&["--requirepass", "open sesame"]) else {
        return;
    };
    let mut config = node.config();
    config.redis.password = Some(crate::Secret("a wrong one".to_owned()));
    let refused = claim_namespace(&config).await.unwrap_err();
    let said = format!("{refused} {refused:?}");
    assert!(matches!(refused, SetupError::RedisUnreachable { .. }));
    assert!(!said.contains("a wrong one"), "{said}");
    config.redis.password = Some(crate::Secret("open sesame".to_owned()));
    claim_namespace(&config).await.unwrap();
    drop(node);
    let gone = claim_namespace(&config).await.unwrap_err();
    assert!(
        matches!(gone, SetupError::RedisUnreachable { .. }),
        "{gone}"
    );
}
