//! The data tier of a live run: flags, and checks before the run starts.

use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;

use clap::{Args, ValueHint};

use super::exit::{Exit, complain};
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::names::Named;
use tiketi_scenario::Plan;
use tiketi_scenario::data_tier::{
    DataTier, ExternalServers, PREFIX_EXPECTED, PostgresUrl, RedisUrl, SCHEMA_EXPECTED, is_prefix,
    is_schema,
};
use tiketi_scenario::duration::Written;
use tiketi_scenario::environment::{Unsupported, live_supports, model_supports};
use tiketi_scenario::topology::{ApiWay, RoomPlace};
use tiketi_server_url::{BadServerUrl, redacted};

/// Flags of `run` about the data tier.
#[derive(Debug, Default, Args)]
pub struct DataTierArguments {
    /// Data tier to use (overrides the scenario): in-memory, or Redis and PostgreSQL started by this run.
    #[arg(
        long,
        env = "TIKETI_SIM_DATA_TIER",
        value_name = "TIER",
        value_parser = ["embedded", "servers"],
        conflicts_with_all = ["target", "redis"]
    )]
    pub data_tier: Option<String>,
    /// Use an existing Redis server on this machine, `redis://` or `rediss://`. Prefer the environment variable for
    /// passwords.
    #[arg(
        long,
        env = "TIKETI_SIM_REDIS",
        hide_env_values = true,
        value_name = "URL",
        value_hint = ValueHint::Url,
        requires = "database",
        conflicts_with = "target"
    )]
    pub redis: Option<UrlWord>,
    /// Use an existing PostgreSQL server on this machine, `postgres://`. Prefer the environment variable for
    /// passwords.
    #[arg(
        long,
        env = "TIKETI_SIM_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        value_hint = ValueHint::Url,
        requires = "redis",
        conflicts_with = "target"
    )]
    pub database: Option<UrlWord>,
    /// Prefix of the run's Redis keys (with `--redis`). Without a prefix, the Redis database must be empty.
    #[arg(
        long,
        env = "TIKETI_SIM_PREFIX",
        value_name = "TEXT",
        requires = "redis"
    )]
    pub prefix: Option<String>,
    /// Schema for the run's tables (with `--database`). Without it, `public` is used and must be empty.
    #[arg(
        long,
        env = "TIKETI_SIM_SCHEMA",
        value_name = "NAME",
        requires = "database"
    )]
    pub schema: Option<String>,
}

/// The URL of a server as typed. It is parsed after clap is done, because clap's errors repeat the value and with it the
/// password.
#[derive(Clone)]
pub struct UrlWord(String);

impl FromStr for UrlWord {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for UrlWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

/// Prints the URL without its password.
impl std::fmt::Display for UrlWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl DataTierArguments {
    /// Returns the requested data tier, or `None` to keep the scenario's.
    pub(super) fn asked_for(&self) -> Result<Option<DataTier>, Exit> {
        let (Some(redis), Some(database)) = (&self.redis, &self.database) else {
            let asked = self.data_tier.as_deref();
            let tier = |name| {
                DataTier::STARTED
                    .into_iter()
                    .find(|(known, _)| *known == name)
            };
            return Ok(asked.and_then(tier).map(|(_, tier)| tier));
        };
        let servers = ExternalServers {
            redis: server_url("--redis", redis, RedisUrl::EXPECTED)?,
            database: server_url("--database", database, PostgresUrl::EXPECTED)?,
            prefix: name("--prefix", self.prefix.as_ref(), is_prefix, PREFIX_EXPECTED)?,
            schema: name("--schema", self.schema.as_ref(), is_schema, SCHEMA_EXPECTED)?,
        };
        Ok(Some(DataTier::External(servers)))
    }

    /// Returns the flags that request the same data tier again, with passwords hidden.
    pub(super) fn again(&self) -> [(&'static str, Option<String>); 5] {
        [
            ("--data-tier", self.data_tier.clone()),
            ("--redis", self.redis.as_ref().map(UrlWord::to_string)),
            ("--database", self.database.as_ref().map(UrlWord::to_string)),
            ("--prefix", self.prefix.clone()),
            ("--schema", self.schema.clone()),
        ]
    }
}

fn server_url<U: FromStr<Err = BadServerUrl>>(
    flag: &str,
    word: &UrlWord,
    expected: &str,
) -> Result<U, Exit> {
    word.0.parse().map_err(|error| {
        let hint = format!("pass {expected}");
        complain(format_args!("`{flag}` {error}"), Some(&hint));
        Exit::BadScenario
    })
}

fn name(
    flag: &str,
    written: Option<&String>,
    is_valid: fn(&str) -> bool,
    expected: &str,
) -> Result<Option<String>, Exit> {
    match written {
        Some(name) if !is_valid(name) => {
            complain(
                format_args!("invalid value `{name}` for `{flag}` (expected {expected})"),
                None,
            );
            Err(Exit::BadScenario)
        }
        Some(_) | None => Ok(written.cloned()),
    }
}

/// Rejects faults that a live run does not support, and servers on other machines.
pub(super) fn admit_live(plan: &Plan) -> Result<(), Exit> {
    let tier = &plan.topology.data_tier;
    let hint = "remove the fault, or use another `topology.data_tier` (`--data-tier servers`)";
    admit_faults(
        plan,
        "this live run",
        |action| live_supports(action, tier),
        hint,
    )?;
    let DataTier::External(servers) = tier else {
        return Ok(());
    };
    admit_host(&servers.redis, servers.redis.host())?;
    admit_host(&servers.database, servers.database.host())
}

fn admit_host(url: &dyn std::fmt::Display, host: &str) -> Result<(), Exit> {
    if is_loopback(host) {
        return Ok(());
    }
    complain(
        format_args!("`{url}` is on another machine: `{host}` is not a loopback address"),
        Some("use 127.0.0.1, [::1] or localhost; to test a system elsewhere, use --target"),
    );
    Err(Exit::TargetRefused)
}

/// Rejects what is part of the testbed for a run with `--target`: its faults, which cannot break somebody's deployment, and ways
/// through an edge of the scenario. The user's own commands can break it.
pub(super) fn admit_target(plan: &Plan) -> Result<(), Exit> {
    let edge = &plan.topology.edge;
    if edge.waiting_room != RoomPlace::Application {
        return admit_no_edge(
            plan,
            "waiting_room",
            edge.waiting_room,
            RoomPlace::Application,
        );
    }
    if edge.api != ApiWay::Direct {
        return admit_no_edge(plan, "api", edge.api, ApiWay::Direct);
    }
    let is_of_testbed = |fault: &&Fault| !fault.action.kind().is_command();
    let Some(fault) = plan.faults.iter().find(is_of_testbed) else {
        return Ok(());
    };
    let (name, scenario) = (fault.action.name(), &plan.name);
    let at = Written(fault.at.since_start());
    complain(
        format_args!(
            "{scenario}: the fault `{name}` at {at} cannot be carried out with --target (expected `exec` or `fis`, with which your own commands break it)"
        ),
        Some(
            "write an `exec` fault, remove it, or leave out --target to break the testbed on this machine",
        ),
    );
    Err(Exit::BadScenario)
}

fn admit_no_edge<N: Named>(plan: &Plan, key: &str, is: N, expected: N) -> Result<(), Exit> {
    let (scenario, is, expected) = (&plan.name, is.name_of(), expected.name_of());
    complain(
        format_args!(
            "{scenario}: `topology.edge.{key}` is `{is}`, but the edge is not part of a target (expected `{expected}` with --target)"
        ),
        Some("remove the key, or leave out --target to run the testbed on this machine"),
    );
    Err(Exit::BadScenario)
}

/// Rejects faults that the model does not support.
pub(super) fn admit_modeled(plan: &Plan) -> Result<(), Exit> {
    let hint = "remove the fault, or use another `topology.data_tier`";
    let tier = &plan.topology.data_tier;
    admit_faults(
        plan,
        "the simulation",
        |action| model_supports(action, tier),
        hint,
    )
}

fn admit_faults(
    plan: &Plan,
    engine: &str,
    supports: impl Fn(&Action) -> Result<(), Unsupported>,
    hint: &str,
) -> Result<(), Exit> {
    for fault in &plan.faults {
        if let Err(reason) = supports(&fault.action) {
            let (name, scenario) = (fault.action.name(), &plan.name);
            let at = Written(fault.at.since_start());
            complain(
                format_args!(
                    "{scenario}: {engine} does not support the fault `{name}` at {at}: {reason}"
                ),
                Some(hint),
            );
            return Err(Exit::BadScenario);
        }
    }
    Ok(())
}

/// Returns whether the host is a loopback address or `localhost`; other names are not resolved.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{self as scenario, Overrides};

    fn plan(toml: &str) -> Plan {
        scenario::load("x.toml", toml, &Overrides::default()).expect("a valid scenario")
    }

    fn external(redis: &str, database: &str) -> String {
        format!("[topology]\ndata_tier = {{ redis = \"{redis}\", database = \"{database}\" }}\n")
    }

    #[test]
    fn servers_on_other_machines_are_refused() {
        let here = "postgres://u:p@[::1]:5432/d";
        for (redis, database, exit) in [
            ("redis://127.0.0.1", here, Ok(())),
            ("redis://localhost:1", here, Ok(())),
            ("redis://10.0.0.1", here, Err(Exit::TargetRefused)),
            (
                "redis://127.0.0.1.example.org",
                here,
                Err(Exit::TargetRefused),
            ),
            (
                "redis://127.0.0.1",
                "postgres://u@db.example.org/d",
                Err(Exit::TargetRefused),
            ),
        ] {
            assert_eq!(
                admit_live(&plan(&external(redis, database))),
                exit,
                "{redis}"
            );
        }
    }

    #[test]
    fn unsupported_faults_are_refused_per_engine_and_tier() {
        let fault = |action: &str, keys: &str| {
            format!("[[faults]]\nat = \"2m\"\naction = \"{action}\"\n{keys}\n")
        };
        let lose = fault("lose-primary", "lasts = \"1m\"\npart = \"redis\"");
        let pause = fault("pause-primary", "lasts = \"1m\"\npart = \"redis\"");
        let end = fault("terminate-instances", "zone = \"a\"\ncount = 1");
        let tier = |name: &str| format!("topology.data_tier = \"{name}\"\n");
        let theirs = external("redis://localhost", "postgres://u@localhost/d");
        let theirs = theirs.replace("[topology]\ndata_tier", "topology.data_tier");
        let refused = Err(Exit::BadScenario);
        for (faults, tier, live, modeled) in [
            (&lose, tier("embedded"), Ok(()), Ok(())),
            (&lose, tier("servers"), Ok(()), Ok(())),
            (&lose, theirs.clone(), refused, refused),
            (&pause, tier("embedded"), Ok(()), Ok(())),
            (&pause, tier("servers"), Ok(()), Ok(())),
            (&pause, theirs.clone(), refused, refused),
            (&end, theirs, Ok(()), Ok(())),
        ] {
            let plan = plan(&format!("{tier}{faults}"));
            assert_eq!(admit_live(&plan), live, "{tier}{faults}");
            assert_eq!(admit_modeled(&plan), modeled, "{tier}{faults}");
            assert_eq!(admit_target(&plan), refused, "{tier}{faults}");
        }
        assert_eq!(admit_target(&plan("")), Ok(()));
        let exec = plan(&fault("exec", "run = [\"true\"]"));
        assert_eq!(admit_target(&exec), Ok(()));
        assert_eq!(admit_live(&exec), Ok(()));
        assert_eq!(admit_modeled(&exec), refused);
    }

    #[test]
    fn an_edge_that_does_more_than_pages_is_refused_for_a_target_only() {
        for key in ["api = \"through\"", "waiting_room = \"edge\""] {
            let plan = plan(&format!("[topology.edge]\n{key}\n"));
            assert_eq!(admit_target(&plan), Err(Exit::BadScenario), "{key}");
            assert_eq!(admit_live(&plan), Ok(()), "{key}");
            assert_eq!(admit_modeled(&plan), Ok(()), "{key}");
        }
    }
}
