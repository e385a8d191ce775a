//! What a run shows of the way out of the VPC: which gateways were used, and what a lost one broke.

use super::Evidence;
use crate::figure::counted;
use tiketi_cloud::notice::What;
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::item::Item;
use tiketi_measure::ending::{Destination, Use, Way};
use tiketi_network::Path;
use tiketi_scenario::topology::Topology;

/// A NAT gateway that was lost in the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    gateway: ZoneId,
    from: SimTime,
    /// When it was back; the end of the run if it was not.
    until: SimTime,
}

/// What the run shows.
pub(super) struct Shown {
    /// Whether calls used another gateway while one was lost, each time.
    pub(super) other_was_used: bool,
    pub(super) in_words: String,
}

/// Returns the results of calls while NAT gateways were lost; `None` if none was lost, or calls were not counted.
pub(super) fn losses(evidence: &Evidence<'_>) -> Option<Shown> {
    let uses = provider_calls(evidence)?;
    let losses = lost_gateways(evidence);
    if losses.is_empty() {
        return None;
    }
    let topology = &evidence.run.plan.topology;
    let mut other_was_used = true;
    let mut parts = Vec::new();
    for loss in losses {
        let gateway = name(topology, loss.gateway);
        let closed = uses.iter().filter(|one| {
            one.way == Way::Closed && one.first <= loss.until && one.last >= loss.from
        });
        let failed: u64 = closed.map(|one| one.calls).sum();
        let detour = uses
            .iter()
            .find(|one| is_detour(one) && one.first >= loss.from && one.first <= loss.until);
        let after = match detour {
            Some(detour) => format!(
                "from {} s after the loss, instances in zone {} used the other gateway, because somebody had changed the route",
                detour.first.saturating_since(loss.from).as_secs(),
                name(topology, detour.zone)
            ),
            None => "the other gateway was never used".to_owned(),
        };
        other_was_used &= detour.is_some();
        parts.push(format!(
            "the gateway of zone {gateway} was lost for {} s: {} to the provider had no way out; {after}",
            loss.until.saturating_since(loss.from).as_secs(),
            counted(failed, "call")
        ));
    }
    parts.extend(cost_of_detours(evidence));
    Some(Shown {
        other_was_used,
        in_words: format!("in the run: {}", parts.join("; ")),
    })
}

/// Describes the gateways that calls used; `None` if there were no calls, or they were not counted.
pub(super) fn gateways_used(evidence: &Evidence<'_>) -> Option<String> {
    let uses = provider_calls(evidence)?;
    let is_own = |one: &&Use| match one.way {
        Way::Open(Path::NatGateway { is_detour, .. }) => !is_detour,
        Way::Open(_) | Way::Closed => false,
    };
    let calls = |uses: &mut dyn Iterator<Item = &Use>| uses.map(|one| one.calls).sum::<u64>();
    let own = calls(&mut uses.iter().filter(is_own));
    let all = calls(&mut uses.iter());
    Some(format!(
        "in the run, {own} of {} to the provider left through the NAT gateway of their zone",
        counted(all, "call")
    ))
}

/// The calls to the provider; `None` without any.
fn provider_calls(evidence: &Evidence<'_>) -> Option<Vec<Use>> {
    let uses = evidence.run.ending.system.as_ref()?.outbound.as_ref()?;
    let to_provider = uses.iter().filter(|one| one.to == Destination::Provider);
    let to_provider: Vec<Use> = to_provider.copied().collect();
    (!to_provider.is_empty()).then_some(to_provider)
}

pub(super) fn lost_gateways(evidence: &Evidence<'_>) -> Vec<Loss> {
    let timeline = &evidence.run.timeline;
    let lost = timeline.iter().filter_map(|notice| match notice.what {
        What::FaultStruck {
            action: FaultKind::LoseNatGateway,
            zone,
            ..
        } => Some((notice.at, zone?)),
        _ => None,
    });
    let back = |from: SimTime, gateway: ZoneId| {
        let ends = timeline.iter().find(|notice| match notice.what {
            What::FaultHealed {
                action: FaultKind::LoseNatGateway,
                zone,
                ..
            } => zone == Some(gateway) && notice.at >= from,
            _ => false,
        });
        ends.map_or(evidence.run.ending.ended_at, |notice| notice.at)
    };
    lost.map(|(from, gateway)| Loss {
        gateway,
        from,
        until: back(from, gateway),
    })
    .collect()
}

fn is_detour(one: &Use) -> bool {
    match one.way {
        Way::Open(Path::NatGateway { is_detour, .. }) => is_detour,
        Way::Open(_) | Way::Closed => false,
    }
}

/// Describes what detours over another zone cost; `None` if the book has no price for it, or there were none.
fn cost_of_detours(evidence: &Evidence<'_>) -> Option<String> {
    let statement = evidence.run.ending.statement.as_ref()?;
    let gb = statement.usage.traffic.as_ref()?.detour_gb;
    let mut lines = statement.run.lines.iter();
    let line = lines.find(|line| line.item == Item::CrossZone)?;
    let price = line.unit_price? * statement.exchange.won_per_unit;
    (gb > 0.0).then(|| {
        // Both zones pay for each byte.
        let won = gb * 2.0 * price;
        format!(
            "the detour of {} MB cost ₩{}",
            crate::figure::significant(gb * 1_024.0),
            crate::figure::significant(won)
        )
    })
}

fn name(topology: &Topology, zone: ZoneId) -> &str {
    let known = topology.zones.get(zone.index());
    known.map_or("?", |zone| zone.name.as_str())
}
