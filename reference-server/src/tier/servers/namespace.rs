//! The keys of this program on a Redis that may contain other keys, which are never touched.

use std::time::Duration;

use redis::{FromRedisValue, RedisError, cmd};

use super::ServersConfig;
use super::redis::{Endpoint, Keys, Link};
use super::setup::SetupError;
use crate::clock::Clock;

/// Timeout of each command in real time: scenario time has not started yet.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum supported version of Redis (B7: Redis 7.0).
const VERSION_MIN: u32 = 7;

/// Keys examined in one step of a scan.
const SCAN_STEP: usize = 1_000;

/// Maximum number of foreign keys that an error names.
const NAMED_MAX: usize = 3;

/// Claims the prefix for this deployment and deletes the keys of an earlier run.
///
/// Fails if there are foreign keys under the prefix, or instances that use it. An empty prefix needs a logical database
/// without other keys.
pub async fn claim_namespace(config: &ServersConfig) -> Result<(), SetupError> {
    let space = Namespace::open(config).await?;
    space.check_version().await?;
    let listeners = space.listeners().await?;
    if listeners > 0 {
        return Err(space.in_use(listeners));
    }
    if space.is_marked().await? {
        space
            .refuse_if_foreign(|key| !space.keys.is_ours(key))
            .await?;
        space.clear().await?;
    } else {
        space.refuse_if_foreign(|_| true).await?;
    }
    let mut mark = cmd("SET");
    mark.arg(space.keys.marker())
        .arg("may be deleted after the run")
        .arg("NX");
    let is_first: Option<String> = space.ask("set the marker", &mark).await?;
    is_first.map(|_| ()).ok_or_else(|| space.in_use(1))
}

/// Deletes the keys of this program. Does nothing if the prefix was never claimed.
///
/// Under an empty prefix, deletes nothing if there is any foreign key.
pub async fn clear_namespace(config: &ServersConfig) -> Result<(), SetupError> {
    let space = Namespace::open(config).await?;
    if !space.is_marked().await? {
        return Ok(());
    }
    if space.keys.prefix().is_empty() {
        space
            .refuse_if_foreign(|key| !space.keys.is_ours(key))
            .await?;
    }
    space.clear().await
}

struct Namespace {
    link: Link,
    keys: Keys,
}

impl Namespace {
    async fn open(config: &ServersConfig) -> Result<Self, SetupError> {
        let unreachable = |reason: String| SetupError::RedisUnreachable {
            host: config.redis.host.clone(),
            port: config.redis.port,
            reason,
        };
        let endpoint = Endpoint::new(config, TIMEOUT);
        let endpoint = endpoint.map_err(|error| unreachable(error.to_string()))?;
        let space = Self {
            link: Link::new(endpoint, Clock::start(1.0)),
            keys: Keys::of(&config.redis),
        };
        let answer: Result<String, RedisError> = space.link.query(&cmd("PING")).await;
        answer.map_err(|error| unreachable(error.to_string()))?;
        Ok(space)
    }

    async fn check_version(&self) -> Result<(), SetupError> {
        let mut info = cmd("INFO");
        let info: String = self.ask("report its version", info.arg("server")).await?;
        let version = |line: &str| line.strip_prefix("redis_version:").map(str::to_owned);
        let found = info.lines().find_map(version).unwrap_or_default();
        let major = found.split('.').next().and_then(|major| major.parse().ok());
        if major.is_some_and(|major: u32| major >= VERSION_MIN) {
            return Ok(());
        }
        let needed = VERSION_MIN;
        Err(SetupError::RedisTooOld { found, needed })
    }

    /// Returns the number of connections that are subscribed to our channels.
    async fn listeners(&self) -> Result<i64, SetupError> {
        let mut count = cmd("PUBSUB");
        count.arg("NUMSUB").arg(self.keys.bus_channel());
        count.arg(self.keys.doors_channel());
        let counts: Vec<(String, i64)> = self.ask("count subscribers", &count).await?;
        Ok(counts.iter().map(|(_, listeners)| listeners).sum())
    }

    async fn is_marked(&self) -> Result<bool, SetupError> {
        let mut exists = cmd("EXISTS");
        self.ask("look for the marker", exists.arg(self.keys.marker()))
            .await
    }

    /// Fails if there is a foreign key under the prefix.
    async fn refuse_if_foreign(
        &self,
        is_foreign: impl Fn(&[u8]) -> bool,
    ) -> Result<(), SetupError> {
        let mut found = Vec::new();
        let mut cursor = 0;
        loop {
            let (next, keys) = self.scan(cursor).await?;
            let foreign = keys.iter().filter(|key| is_foreign(key));
            found.extend(foreign.map(|key| String::from_utf8_lossy(key).into_owned()));
            if next == 0 || found.len() >= NAMED_MAX {
                break;
            }
            cursor = next;
        }
        if found.is_empty() {
            return Ok(());
        }
        found.truncate(NAMED_MAX);
        Err(SetupError::ForeignKeys {
            prefix: self.keys.prefix().to_owned(),
            found: found.join(", "),
        })
    }

    /// Deletes our keys and finally the marker, so that after an interruption they are still recognized as ours.
    async fn clear(&self) -> Result<(), SetupError> {
        let marker = self.keys.marker();
        let mut cursor = 0;
        loop {
            let (next, mut keys) = self.scan(cursor).await?;
            keys.retain(|key| self.keys.is_ours(key) && key != marker.as_bytes());
            if !keys.is_empty() {
                let mut unlink = cmd("UNLINK");
                let _removed: i64 = self.ask("delete keys", unlink.arg(keys)).await?;
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
        let mut unlink = cmd("UNLINK");
        self.ask("delete the marker", unlink.arg(marker)).await
    }

    /// Does one step of a scan. Returns the next cursor (0 at the end) and the keys found under the prefix.
    async fn scan(&self, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), SetupError> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(format!("{}*", escaped(self.keys.prefix())));
        scan.arg("COUNT").arg(SCAN_STEP);
        self.ask("list keys", &scan).await
    }

    async fn ask<T: FromRedisValue>(
        &self,
        action: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, SetupError> {
        let answer = self.link.query(command).await;
        answer.map_err(|error| failed(action, &error))
    }

    fn in_use(&self, listeners: i64) -> SetupError {
        SetupError::PrefixInUse {
            prefix: self.keys.prefix().to_owned(),
            listeners,
        }
    }
}

fn failed(action: &'static str, error: &RedisError) -> SetupError {
    SetupError::Redis {
        action,
        reason: error.to_string(),
    }
}

/// Returns a pattern that matches exactly the keys with this prefix.
fn escaped(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len());
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod tests;
