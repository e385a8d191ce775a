//! Servers that exist already: their URLs, and where in them a run keeps its data.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::data_tier::{self, ExternalServers};
use crate::diagnostic::Problem;
use crate::keys::kind::Kind;
use crate::keys::{Form, Keys, key};
use crate::page::text;
use crate::value::Value;
use tiketi_server_url::{BadServerUrl, PostgresUrl, RedisUrl};

/// Server passwords are not written. To repeat the run, supply them again.
pub(super) fn external(keys: &mut Keys<'_, '_, ExternalServers>) -> Option<ExternalServers> {
    let redis = keys.value(
        key(
            "redis",
            "URL of the Redis server, `redis://` or `rediss://`.",
        ),
        Url::<RedisUrl>::new(RedisUrl::EXPECTED),
        |servers| servers.redis.clone(),
    );
    let database = keys.value(
        key("database", "URL of the PostgreSQL server, `postgres://`."),
        Url::<PostgresUrl>::new(PostgresUrl::EXPECTED),
        |servers| servers.database.clone(),
    );
    let prefix = keys.optional(
        key(
            "prefix",
            "Prefix of the run's keys in Redis; if left out, the Redis database must be empty.",
        ),
        Name {
            is_valid: data_tier::is_prefix,
            expected: data_tier::PREFIX_EXPECTED,
        },
        |servers| servers.prefix.clone(),
    );
    let schema = keys.optional(
        key(
            "schema",
            "Schema of the run's tables; if left out, the schema `public` must be empty.",
        ),
        Name {
            is_valid: data_tier::is_schema,
            expected: data_tier::SCHEMA_EXPECTED,
        },
        |servers| servers.schema.clone(),
    );
    Some(ExternalServers {
        redis: redis?,
        database: database?,
        prefix: prefix?,
        schema: schema?,
    })
}

/// The URL of a server. Problems do not quote it: it may contain a password.
struct Url<U> {
    expected: &'static str,
    url: PhantomData<U>,
}

impl<U> Url<U> {
    const fn new(expected: &'static str) -> Self {
        let url = PhantomData;
        Self { expected, url }
    }
}

impl<U: FromStr<Err = BadServerUrl> + Display> Kind for Url<U> {
    type Value = U;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: self.expected,
            hint: "write the URL in quotes",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<U> {
        let url = value.text()?.parse();
        url.map_err(|error: BadServerUrl| {
            let problem = Problem::new(format!("`{}` {error}", value.path()));
            let problem = problem.expected(self.form());
            value.complain(
                problem.help("write the URL in quotes, and the password in the environment"),
            );
        })
        .ok()
    }

    fn write(&self, value: &U) -> String {
        text(&value.to_string())
    }
}

/// Text that names something on a server.
struct Name {
    is_valid: fn(&str) -> bool,
    expected: &'static str,
}

impl Kind for Name {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: self.expected,
            hint: "choose a plain name, so that it needs no quotes on the server",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        let name = value.text()?;
        if !(self.is_valid)(name) {
            value.reject(&self.form());
            return None;
        }
        Some(name.to_owned())
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}
