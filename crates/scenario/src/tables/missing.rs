//! Faults of parts that the topology does not have.

use crate::diagnostic::Problem;
use crate::keys::Keys;
use crate::plan::Plan;
use crate::topology::Topology;
use tiketi_core::fault::catalog::{Action, Disruption, Fault};
use tiketi_core::units::ZoneId;

/// Reports faults of gateways and endpoints that do not exist, and routes to them.
pub(super) fn report_missing_parts(
    keys: &Keys<'_, '_, Plan>,
    topology: &Topology,
    faults: &[Fault],
) {
    let actions = faults.iter().map(|fault| &fault.action);
    for problem in actions.filter_map(|action| missing_part(topology, action)) {
        keys.complain(&["faults"], problem);
    }
}

fn missing_part(topology: &Topology, action: &Action) -> Option<Problem> {
    let no_gateway = |zone: ZoneId| {
        let zone = topology.zones.get(zone.index())?;
        (!zone.nat_gateway).then_some(&zone.name)
    };
    match action.disruption()? {
        Disruption::NatGateway(zone) => {
            let name = no_gateway(zone)?;
            let message = format!("`lose-nat-gateway`: zone {name} has no NAT gateway to lose");
            let problem = Problem::new(message).expected("a zone of `topology.nat_gateways`");
            Some(problem.help(format!("add \"{name}\" to `topology.nat_gateways`")))
        }
        Disruption::Route { gateway, .. } => {
            let name = no_gateway(gateway)?;
            let message = format!(
                "`replace-route`: zone {name} has no NAT gateway (AWS: InvalidNatGatewayID.NotFound)"
            );
            let problem = Problem::new(message).expected("a zone of `topology.nat_gateways`");
            Some(problem.help(format!("add \"{name}\" to `topology.nat_gateways`")))
        }
        Disruption::S3Endpoint if !topology.s3_endpoint => {
            let problem = Problem::new("`lose-s3-endpoint`: there is no endpoint of S3 to lose")
                .expected("`topology.s3_endpoint = true`");
            Some(problem.help("add the endpoint, or use the fault `s3-unavailable`"))
        }
        Disruption::S3Endpoint
        | Disruption::S3
        | Disruption::ProviderSlow(_)
        | Disruption::ProviderDown => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Overrides, load};

    #[test]
    fn parts_that_do_not_exist_cannot_be_lost_or_used() {
        let one = "[topology]\nnat_gateways = [\"b\"]";
        let cases = [
            (
                "action = \"lose-nat-gateway\"\nlasts = \"1m\"\nzone = \"a\"",
                one,
                "no NAT gateway to lose",
            ),
            (
                "action = \"replace-route\"\nzone = \"b\"\ngateway = \"a\"",
                one,
                "InvalidNatGatewayID.NotFound",
            ),
            (
                "action = \"lose-s3-endpoint\"\nlasts = \"1m\"",
                "[topology]\ns3_endpoint = false",
                "no endpoint of S3",
            ),
        ];
        for (fault, topology, reason) in cases {
            let text = |topology: &str| {
                format!("name = \"x\"\n[[faults]]\nat = \"1m\"\n{fault}\n{topology}\n")
            };
            let read = |topology: &str| load("x.toml", &text(topology), &Overrides::default());
            let problems = read(topology).expect_err(fault).to_string();
            assert!(problems.contains(reason), "{fault}: {problems}");
            let plan = read("").expect("everything exists");
            assert_eq!(plan.faults.len(), 1);
        }
    }
}
