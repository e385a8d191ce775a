//! Starts and ends the faults of a plan, and tells the control plane what AWS would notice of them at once.

use tiketi_core::fault::StrikeKind;
use tiketi_core::fault::catalog::Action;
use tiketi_core::impairment::{Impairment, Impairments};
use tiketi_core::units::{Share, SimTime, ZoneId};

use super::orders::ErrorOf;
use super::{Driven, Driver, FaultTarget, NODE_EVICTION, Shift, Strain, tell};
use crate::notice::What;
use crate::order::Input;
use crate::resolver::NameServerState;

/// Starts and ends the faults that are due at `now`.
///
/// A late driver does so late, and reports the time at which it did: what AWS sees of a fault begins with the fault.
///
/// # Errors
///
/// When the engine cannot start or end one, or cannot carry out what the control plane orders because of it.
pub fn handle_faults<D>(driven: &mut D, now: SimTime) -> Result<(), ErrorOf<D>>
where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    let mut any = false;
    while let Some(strike) = driven.driver().schedule.poll_due(now) {
        let action = &strike.fault.action;
        match strike.kind {
            StrikeKind::Struck => start(driven, now, action)?,
            StrikeKind::Healed => end(driven, now, action)?,
        }
        any = true;
    }
    if any {
        // Many faults lead to no order, and their notices must not wait for the next one: it may come after the run.
        driven.handle_settled(now);
    }
    Ok(())
}

/// Removes the addresses of lost nodes from the DNS record whose time has come.
pub fn handle_evictions<D>(driven: &mut D, now: SimTime)
where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    let due = driven.driver().evictions.extract_if(.., |_, at| *at <= now);
    let due: Vec<ZoneId> = due.map(|(zone, _)| zone).collect();
    for zone in due {
        driven.engine().evict_node(zone);
    }
}

fn start<D>(driven: &mut D, now: SimTime, action: &Action) -> Result<(), ErrorOf<D>>
where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    driven.driver().announce(now, What::struck(action));
    if let Some(strain) = strain_of(action) {
        driven.engine().strain(now, strain);
    }
    if let Some(disruption) = action.disruption() {
        driven.engine().disrupt(now, disruption);
    }
    match *action {
        Action::AzPowerInterruption { zone, connections } => {
            driven.driver().handle_zone_lost(now, zone);
            // The engine may report what it loses on the way. If the control plane acted on that before it knew of the
            // zone, it would launch replacements there, again and again.
            driven.driver().holds_orders = true;
            driven.engine().lose_zone(now, zone, connections);
            driven.driver().holds_orders = false;
            tell(driven, now, Input::ZoneLost { zone })
        }
        Action::TerminateInstances { zone, count } => {
            // As with FIS, an instance that runs is a target whether its application answers or not.
            let mut killed = driven.engine().instances_in(zone);
            killed.truncate(count as usize);
            driven.engine().kill_instances(now, &killed);
            for instance in killed {
                tell(driven, now, Input::InstanceLost { instance })?;
            }
            Ok(())
        }
        // To EC2 the instance still runs; the load balancer notices when its health checks fail.
        Action::PauseInstances { zone, count } => {
            let mut paused = driven.engine().answering_in(now, zone);
            paused.truncate(count as usize);
            for instance in paused {
                driven.engine().pause_instance(now, instance)?;
                driven.driver().paused.insert((zone, instance));
            }
            Ok(())
        }
        // To AWS nothing has happened; the load balancer notices if its health checks take too long.
        Action::CpuStress { zone, count, load } => {
            let mut stressed = driven.engine().answering_in(now, zone);
            stressed.truncate(count as usize);
            for instance in stressed {
                driven.engine().stress_instance(now, instance, load);
                driven.driver().stressed.insert((zone, instance));
            }
            Ok(())
        }
        Action::NetworkLatency { .. } | Action::NetworkPacketLoss { .. } => {
            impair(driven, now, action, Impairments::add);
            Ok(())
        }
        Action::LoseAlbNode { zone } => {
            driven.driver().handle_node_lost(now, zone);
            driven.engine().lose_node(now, zone);
            Ok(())
        }
        Action::StartZonalAutoshift { zone } => {
            driven.engine().shift_zone(now, zone, Shift::Away);
            Ok(())
        }
        // The group learns of it from the first launch that fails.
        Action::AsgInsufficientInstanceCapacityError { zone } => {
            driven.driver().full_zones.insert(zone);
            Ok(())
        }
        Action::LosePrimary { part } => tell(driven, now, Input::PrimaryLost { part }),
        // Nothing has failed as far as AWS can see.
        Action::PausePrimary { .. }
        | Action::DelayReplica { .. }
        | Action::FillRedisMemory { .. }
        | Action::HoldDatabaseConnections { .. }
        | Action::LoseNatGateway { .. }
        | Action::ReplaceRoute { .. }
        | Action::S3Unavailable
        | Action::LoseS3Endpoint
        | Action::ProviderSlow { .. }
        | Action::ProviderDown
        // The driver has none of them: programs outside carry them out.
        | Action::Exec { .. }
        | Action::Fis { .. } => Ok(()),
        Action::SlowDns { delay, unanswered } => {
            let state = NameServerState {
                delay,
                unanswered: Some(unanswered),
            };
            driven.engine().set_name_server(now, state);
            Ok(())
        }
    }
}

fn end<D>(driven: &mut D, now: SimTime, action: &Action) -> Result<(), ErrorOf<D>>
where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    driven.driver().announce(now, What::healed(action));
    if let Some(strain) = strain_of(action) {
        driven.engine().relieve(now, strain);
    }
    if let Some(disruption) = action.disruption() {
        driven.engine().repair(now, disruption);
    }
    match *action {
        Action::AzPowerInterruption { zone, .. } => {
            driven.driver().lost_zones.remove(&zone);
            driven.engine().restore_zone(now, zone)?;
            restore_node(driven, now, zone)?;
            tell(driven, now, Input::ZoneRestored { zone })
        }
        Action::PauseInstances { zone, .. } => {
            let paused = &mut driven.driver().paused;
            let resumed: Vec<_> = paused.extract_if(.., |(of, _)| *of == zone).collect();
            for (_, instance) in resumed {
                driven.engine().resume_instance(now, instance)?;
            }
            Ok(())
        }
        Action::CpuStress { zone, .. } => {
            let stressed = &mut driven.driver().stressed;
            let relieved: Vec<_> = stressed.extract_if(.., |(of, _)| *of == zone).collect();
            for (_, instance) in relieved {
                driven.engine().stress_instance(now, instance, Share::NONE);
            }
            Ok(())
        }
        Action::NetworkLatency { .. } | Action::NetworkPacketLoss { .. } => {
            impair(driven, now, action, Impairments::remove);
            Ok(())
        }
        Action::LoseAlbNode { zone } => {
            driven.driver().lost_nodes.remove(&zone);
            restore_node(driven, now, zone)
        }
        Action::StartZonalAutoshift { zone } => {
            driven.engine().shift_zone(now, zone, Shift::Back);
            Ok(())
        }
        Action::AsgInsufficientInstanceCapacityError { zone } => {
            driven.driver().full_zones.remove(&zone);
            tell(driven, now, Input::CapacityRestored { zone })
        }
        Action::LosePrimary { part } => tell(driven, now, Input::MemberRestored { part }),
        // The group has replaced what was terminated.
        Action::TerminateInstances { .. }
        | Action::PausePrimary { .. }
        | Action::DelayReplica { .. }
        | Action::FillRedisMemory { .. }
        | Action::HoldDatabaseConnections { .. }
        | Action::LoseNatGateway { .. }
        | Action::ReplaceRoute { .. }
        | Action::S3Unavailable
        | Action::LoseS3Endpoint
        | Action::ProviderSlow { .. }
        | Action::ProviderDown
        // The driver has none of them: programs outside carry them out.
        | Action::Exec { .. }
        | Action::Fis { .. } => Ok(()),
        Action::SlowDns { .. } => {
            driven
                .engine()
                .set_name_server(now, NameServerState::default());
            Ok(())
        }
    }
}

/// Changes the impairments of the network, and tells the engine.
fn impair<D>(
    driven: &mut D,
    now: SimTime,
    action: &Action,
    change: fn(&mut Impairments, Impairment),
) where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    let Some(impairment) = action.impairment() else {
        return;
    };
    let impairments = &mut driven.driver().impairments;
    change(impairments, impairment);
    let impairments = impairments.clone();
    driven.engine().impair(now, &impairments);
}

/// Starts the load-balancer node of a zone again, unless another fault still keeps it down.
fn restore_node<D>(driven: &mut D, now: SimTime, zone: ZoneId) -> Result<(), ErrorOf<D>>
where
    D: Driven<Engine: FaultTarget> + ?Sized,
{
    let driver = driven.driver();
    if driver.lost_zones.contains(&zone) || driver.lost_nodes.contains(&zone) {
        return Ok(());
    }
    driver.evictions.remove(&zone);
    driven.engine().restore_node(now, zone)
}

impl Driver {
    fn handle_zone_lost(&mut self, now: SimTime, zone: ZoneId) {
        self.lost_zones.insert(zone);
        self.evictions.insert(zone, now + NODE_EVICTION);
    }

    fn handle_node_lost(&mut self, now: SimTime, zone: ZoneId) {
        self.lost_nodes.insert(zone);
        self.evictions.insert(zone, now + NODE_EVICTION);
    }
}

/// What a fault does to the data tier; `None` if it breaks something else, or a whole zone.
const fn strain_of(action: &Action) -> Option<Strain> {
    match *action {
        Action::LosePrimary { part } => Some(Strain::LosePrimary(part)),
        Action::PausePrimary { part } => Some(Strain::PausePrimary(part)),
        Action::DelayReplica { part, lag } => Some(Strain::DelayReplica(part, lag)),
        Action::FillRedisMemory { share } => Some(Strain::FillRedisMemory(share)),
        Action::HoldDatabaseConnections { count } => Some(Strain::HoldDatabaseConnections(count)),
        Action::AzPowerInterruption { .. }
        | Action::TerminateInstances { .. }
        | Action::PauseInstances { .. }
        | Action::CpuStress { .. }
        | Action::NetworkLatency { .. }
        | Action::NetworkPacketLoss { .. }
        | Action::AsgInsufficientInstanceCapacityError { .. }
        | Action::StartZonalAutoshift { .. }
        | Action::LoseAlbNode { .. }
        | Action::SlowDns { .. }
        | Action::LoseNatGateway { .. }
        | Action::ReplaceRoute { .. }
        | Action::S3Unavailable
        | Action::LoseS3Endpoint
        | Action::ProviderSlow { .. }
        | Action::ProviderDown
        | Action::Exec { .. }
        | Action::Fis { .. } => None,
    }
}
