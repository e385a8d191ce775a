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
        | FaultKind::LoseAlbNode => Support {
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
    }
}

/// Checks that a live run on this data tier supports the fault.
pub fn live_supports(action: Action, tier: &DataTier) -> Result<(), Unsupported> {
    let support = support(action.kind());
    match tier.environment() {
        Environment::Model => support.model,
        Environment::Embedded => support.embedded,
        Environment::Servers => support.servers,
        Environment::External => support.external,
    }
}

/// Checks that a simulation of a scenario with this data tier supports the fault.
///
/// The model has stores of its own, but a scenario for servers that existed before the run keeps its rule: their data
/// tier is never broken.
pub fn model_supports(action: Action, tier: &DataTier) -> Result<(), Unsupported> {
    let support = support(action.kind());
    match tier {
        DataTier::External(_) if action.part().is_some() => support.external,
        DataTier::Embedded | DataTier::Servers | DataTier::External(_) => support.model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The README documents this table.
    #[test]
    fn each_fault_works_where_the_table_says() {
        let cell =
            |supported: Result<(), Unsupported>| if supported.is_ok() { "yes" } else { "no" };
        let rows = FaultKind::ALL.map(|kind| {
            let row = support(kind);
            let cells = [row.model, row.embedded, row.servers, row.external].map(cell);
            format!("{kind}: {}", cells.join(" "))
        });
        assert_eq!(
            rows,
            [
                "az-power-interruption: yes yes yes yes",
                "terminate-instances: yes yes yes yes",
                "pause-instances: yes yes yes yes",
                "lose-alb-node: yes yes yes yes",
                "lose-primary: yes yes yes no",
                "pause-primary: yes yes yes no",
                "delay-replica: yes yes yes no",
                "fill-redis-memory: yes yes yes no",
                "hold-database-connections: yes yes yes no",
            ]
        );
    }
}
