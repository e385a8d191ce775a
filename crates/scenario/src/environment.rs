//! Where a scenario can run, and which faults work there.

use super::data_tier::DataTier;
use tiketi_core::fault::catalog::{Action, FaultKind};
use tiketi_core::names;

/// Where a scenario runs: simulated, or live on one of the data tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Simulated.
    Model,
    /// Live, with the data tier in memory.
    Embedded,
    /// Live, with Redis and PostgreSQL started for the run.
    Servers,
    /// Live, with Redis and PostgreSQL servers that existed before the run.
    External,
}

names!(Environment {
    Model = "model",
    Embedded = "embedded",
    Servers = "servers",
    External = "external",
});

/// Why a fault does not work in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// It would break servers that the run did not start.
    #[error("servers that existed before the run are never broken by it")]
    NotOurs,
    /// It would delay packets between zones, and servers that existed before the run are in none.
    #[error(
        "servers that existed before the run are in no zone, so that paths to them cannot be impaired; `peer = \"buyers\"` can"
    )]
    PathToServers,
    /// A simulation has no system that a program outside could break.
    #[error(
        "a simulation runs no programs; it can simulate what they break, such as `terminate-instances`, `pause-instances`, \
         `az-power-interruption`, `lose-primary`, `network-latency` or `provider-slow`"
    )]
    RunsPrograms,
}

/// Where one kind of fault works: one field per environment.
struct Support {
    model: Result<(), Unsupported>,
    embedded: Result<(), Unsupported>,
    servers: Result<(), Unsupported>,
    external: Result<(), Unsupported>,
}

/// The table of all faults and environments.
const fn support(kind: FaultKind) -> Support {
    match kind {
        FaultKind::AzPowerInterruption
        | FaultKind::TerminateInstances
        | FaultKind::PauseInstances
        | FaultKind::CpuStress
        | FaultKind::NetworkLatency
        | FaultKind::NetworkPacketLoss
        | FaultKind::LoseAlbNode
        | FaultKind::StartZonalAutoshift
        | FaultKind::AsgInsufficientInstanceCapacityError
        | FaultKind::SlowDns
        | FaultKind::LoseNatGateway
        | FaultKind::ReplaceRoute
        | FaultKind::S3Unavailable
        | FaultKind::LoseS3Endpoint
        | FaultKind::ProviderSlow
        | FaultKind::ProviderDown => Support {
            model: Ok(()),
            embedded: Ok(()),
            servers: Ok(()),
            external: Ok(()),
        },
        FaultKind::LosePrimary
        | FaultKind::PausePrimary
        | FaultKind::DelayReplica
        | FaultKind::FillRedisMemory
        | FaultKind::HoldDatabaseConnections => Support {
            model: Ok(()),
            embedded: Ok(()),
            servers: Ok(()),
            external: Err(Unsupported::NotOurs),
        },
        FaultKind::Exec | FaultKind::Fis => Support {
            model: Err(Unsupported::RunsPrograms),
            embedded: Ok(()),
            servers: Ok(()),
            external: Ok(()),
        },
    }
}

/// Checks that this kind of fault works in an environment.
pub fn works_in(kind: FaultKind, environment: Environment) -> Result<(), Unsupported> {
    let support = support(kind);
    match environment {
        Environment::Model => support.model,
        Environment::Embedded => support.embedded,
        Environment::Servers => support.servers,
        Environment::External => support.external,
    }
}

/// Checks that a live run on this data tier supports the fault.
pub fn live_supports(action: &Action, tier: &DataTier) -> Result<(), Unsupported> {
    let impairment = action.impairment();
    let is_external = tier.environment() == Environment::External;
    if is_external && impairment.is_some_and(|one| one.peer.includes_zones()) {
        return Err(Unsupported::PathToServers);
    }
    works_in(action.kind(), tier.environment())
}

/// Checks that a simulation of a scenario with this data tier supports the fault.
///
/// The model has stores of its own, but a scenario for servers that existed before the run keeps its rule: their data
/// tier is never broken.
pub fn model_supports(action: &Action, tier: &DataTier) -> Result<(), Unsupported> {
    let environment = match tier {
        DataTier::External(_) if action.part().is_some() => Environment::External,
        DataTier::Embedded | DataTier::Servers | DataTier::External(_) => Environment::Model,
    };
    works_in(action.kind(), environment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::fault::catalog::FaultKind;

    fn plan(tier: &str, peer: &str) -> crate::Plan {
        let text = format!(
            "name = \"x\"\n[topology]\ndata_tier = {tier}\n[[faults]]\nat = \"1m\"\nlasts = \"1m\"\n\
             action = \"network-latency\"\nzone = \"b\"\npeer = \"{peer}\"\ndelay = \"40ms\""
        );
        let loaded = crate::load("x.toml", &text, &crate::Overrides::default());
        loaded.unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn commands_run_in_live_runs_only() {
        let text = "name = \"x\"\n[[faults]]\nat = \"1m\"\naction = \"exec\"\nrun = [\"true\"]";
        let plan = crate::load("x.toml", text, &crate::Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        let (action, tier) = (&plan.faults[0].action, &plan.topology.data_tier);
        assert_eq!(live_supports(action, tier), Ok(()));
        let refused = model_supports(action, tier).expect_err("a simulation runs no programs");
        assert!(
            refused.to_string().contains("`pause-instances`"),
            "{refused}"
        );
    }

    #[test]
    fn paths_between_zones_can_be_impaired_unless_the_servers_are_in_none() {
        let external = r#"{ redis = "redis://127.0.0.1", database = "postgres://u@127.0.0.1/d" }"#;
        for (tier, peer, expected) in [
            ("\"embedded\"", "other-zones", Ok(())),
            ("\"servers\"", "other-zones", Ok(())),
            ("\"servers\"", "all", Ok(())),
            (external, "buyers", Ok(())),
            (external, "other-zones", Err(Unsupported::PathToServers)),
            (external, "all", Err(Unsupported::PathToServers)),
        ] {
            let plan = plan(tier, peer);
            let action = &plan.faults[0].action;
            assert_eq!(action.kind(), FaultKind::NetworkLatency);
            let found = live_supports(action, &plan.topology.data_tier);
            assert_eq!(found, expected, "{tier}, {peer}");
        }
    }
}
