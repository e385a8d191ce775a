//! What the load is sent to: the testbed with its control plane and faults, or a system that is already there.

use std::collections::{BTreeSet, VecDeque};

use tiketi_server::{Census, FinalState};
use uuid::Uuid;

use super::billing::Billing;
use super::credential::Credentials;
use super::error::LiveError;
use super::fleet_record::FleetRecord;
use super::sut::{Remote, Sut};
use super::worker::{Entry, Scheme};
use tiketi_cloud::ControlPlane;
use tiketi_cloud::notice::{InstanceState, Notice, What};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::fault::schedule::{Schedule, Strike, StrikeKind};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_cost::Statement;
use tiketi_measure::Gauges;
use tiketi_measure::ending::{DataTierFigures, Stickiness};
use tiketi_measure::gauges::InstanceCount;
use tiketi_measure::tally::Tally;
use tiketi_scenario::Plan;
use tiketi_testbed::{Ground, Testbed};

/// What the load is sent to.
pub(super) enum Site {
    /// The testbed with its control plane.
    Testbed(Box<LocalCloud>),
    /// A system that is already there; it has a control plane of its own.
    Remote(Remote),
}

/// The testbed, and the machines that drive it.
pub(super) struct LocalCloud {
    testbed: Testbed,
    control: ControlPlane,
    schedule: Schedule,
    notices: VecDeque<Notice>,
    show: Uuid,
    plan: Plan,
    billing: Billing,
    fleet: FleetRecord,
}

/// What only the end of a run can tell; nothing of it is known of a remote system.
#[derive(Debug)]
pub(super) struct Closed {
    /// The final state, from the writer of the database, or why it could not be read.
    pub(super) state: Result<FinalState, String>,
    /// What was measured of the data tier's servers; `None` if it has none.
    pub(super) data_tier: Option<DataTierFigures>,
    /// Counts of the data tier.
    pub(super) census: Option<Census>,
    /// What the instances did.
    pub(super) fleet: FleetRecord,
    /// Runs of the Lambda that samples the queue.
    pub(super) monitor_runs: u64,
    /// How well cookies kept buyers on their instance; `None` if the load balancer sets none.
    pub(super) stickiness: Option<Stickiness>,
    /// What it cost.
    pub(super) statement: Option<Statement>,
}

impl Site {
    /// Starts the testbed, or takes the remote system as it is.
    pub(super) async fn open(plan: &Plan, sut: Sut, ground: &Ground) -> Result<Self, LiveError> {
        match sut {
            Sut::Testbed => LocalCloud::start(plan, ground)
                .await
                .map(|cloud| Self::Testbed(Box::new(cloud))),
            Sut::Remote(remote) => Ok(Self::Remote(remote)),
        }
    }

    /// Waits until all initial instances are healthy; the run's time stands still meanwhile.
    pub(super) async fn fleet_ready(&mut self) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => cloud.fleet_ready().await,
            Self::Remote(_) => Ok(()),
        }
    }

    /// Where workers send the load.
    pub(super) fn entry(&self) -> Entry {
        match self {
            Self::Testbed(cloud) => {
                let entry = cloud.testbed.entry();
                Entry {
                    scheme: Scheme::Http,
                    host: entry.host,
                    port: entry.port,
                    dns: Some(entry.name_server),
                    page: None,
                }
            }
            Self::Remote(remote) => remote.entry.clone(),
        }
    }

    /// How buyers prove who they are.
    pub(super) fn credentials(&self) -> Credentials {
        match self {
            Self::Testbed(cloud) => Credentials::Minted {
                secret: cloud.testbed.entry().token_secret,
            },
            Self::Remote(remote) => remote.credentials.clone(),
        }
    }

    /// The show to buy.
    pub(super) fn show(&self) -> Uuid {
        match self {
            Self::Testbed(cloud) => cloud.show,
            Self::Remote(remote) => remote.show,
        }
    }

    /// The next thing the testbed sees; never anything for a remote system.
    pub(super) async fn next_input(&mut self) -> Input {
        match self {
            Self::Testbed(cloud) => cloud.testbed.next_input().await,
            Self::Remote(_) => std::future::pending().await,
        }
    }

    /// Tells the control plane what was seen, and carries out what it orders.
    pub(super) fn handle(&mut self, now: SimTime, input: Input) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => cloud.handle(now, input),
            Self::Remote(_) => Ok(()),
        }
    }

    /// Does what has fallen due.
    pub(super) fn handle_timeout(&mut self, now: SimTime) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => cloud.handle_timeout(now),
            Self::Remote(_) => Ok(()),
        }
    }

    /// When [`Self::handle_timeout`] wants to be called next; `None` if nothing is planned.
    pub(super) fn poll_timeout(&self) -> Option<SimTime> {
        match self {
            Self::Testbed(cloud) => cloud.poll_timeout(),
            Self::Remote(_) => None,
        }
    }

    /// The next entry of the timeline.
    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        match self {
            Self::Testbed(cloud) => cloud.poll_notice(),
            Self::Remote(_) => None,
        }
    }

    /// The levels now; `None` for a remote system, which does not show them.
    pub(super) fn gauges(&mut self, at: SimTime) -> Option<Gauges> {
        match self {
            Self::Testbed(cloud) => Some(cloud.gauges(at)),
            Self::Remote(_) => None,
        }
    }

    /// Reads what only the end can tell, and ends the testbed: nothing of it is left when this returns.
    pub(super) async fn close(self, ended_at: SimTime, tally: &Tally) -> Closed {
        match self {
            Self::Testbed(cloud) => {
                let census = Some(cloud.testbed.gauges().census);
                let stickiness = cloud.stickiness();
                let ended = cloud.testbed.end().await;
                Closed {
                    state: ended.state,
                    data_tier: ended.data_tier,
                    census,
                    stickiness,
                    fleet: cloud.fleet,
                    monitor_runs: cloud.billing.lambda_runs(),
                    statement: cloud.billing.finish(&cloud.plan, ended_at, tally),
                }
            }
            Self::Remote(_) => Closed {
                state: Err("no database access to this target".to_owned()),
                data_tier: None,
                census: None,
                fleet: FleetRecord::default(),
                monitor_runs: 0,
                stickiness: None,
                statement: None,
            },
        }
    }
}

impl LocalCloud {
    async fn start(plan: &Plan, ground: &Ground) -> Result<Self, LiveError> {
        let testbed = Testbed::start(plan, ground).await?;
        Ok(Self {
            show: testbed.show(),
            testbed,
            control: ControlPlane::new(plan),
            schedule: Schedule::new(&plan.faults),
            notices: VecDeque::new(),
            billing: Billing::default(),
            plan: plan.clone(),
            fleet: FleetRecord::default(),
        })
    }

    async fn fleet_ready(&mut self) -> Result<(), LiveError> {
        self.carry_out(SimTime::ZERO)?;
        let wanted: u32 = self.plan.topology.instances.initial.iter().sum();
        let mut healthy = BTreeSet::<InstanceId>::new();
        while healthy.len() < wanted as usize {
            let input = self.testbed.next_input().await;
            if let Input::TargetHealth {
                instance,
                healthy: true,
            } = input
            {
                healthy.insert(instance);
            }
            self.handle(SimTime::ZERO, input)?;
            self.testbed.soundness()?;
        }
        Ok(())
    }

    fn handle(&mut self, now: SimTime, input: Input) -> Result<(), LiveError> {
        self.control.handle(now, input);
        self.carry_out(now)
    }

    fn handle_timeout(&mut self, now: SimTime) -> Result<(), LiveError> {
        self.testbed.soundness()?;
        while let Some(strike) = self.schedule.poll_due(now) {
            self.strike(now, strike)?;
        }
        self.control.handle_timeout(now);
        self.carry_out(now)
    }

    fn poll_timeout(&self) -> Option<SimTime> {
        let timeouts = [self.schedule.poll_timeout(), self.control.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        let notice = self
            .notices
            .pop_front()
            .or_else(|| self.control.poll_notice())?;
        self.billing.handle_notice(&notice);
        Some(notice)
    }

    /// Breaks something, or mends it, in the testbed, and tells the control plane what it sees of it at the same instant.
    fn strike(&mut self, now: SimTime, strike: Strike) -> Result<(), LiveError> {
        let action = strike.fault.action;
        let (what, told) = match strike.kind {
            StrikeKind::Struck => (What::struck(action), self.testbed.strike(now, action)?),
            StrikeKind::Healed => (What::healed(action), self.testbed.heal(now, action)?),
        };
        self.notices.push_back(Notice { at: now, what });
        for input in told {
            self.control.handle(now, input);
        }
        Ok(())
    }

    fn carry_out(&mut self, now: SimTime) -> Result<(), LiveError> {
        while let Some(order) = self.control.poll_order() {
            if matches!(order, Order::SampleQueue) {
                self.billing.handle_lambda_run();
            }
            if let Some(answer) = self.testbed.obey(now, &order)? {
                self.control.handle(now, answer);
            }
        }
        Ok(())
    }

    /// What became of the load balancer's cookies; `None` if it sets none.
    fn stickiness(&self) -> Option<Stickiness> {
        self.plan.topology.alb.stickiness?;
        let sticky = self.testbed.gauges().load_balancer.sticky;
        Some(Stickiness {
            kept: sticky.kept,
            target_gone: sticky.target_gone,
            broken: sticky.broken,
        })
    }

    /// The levels now; the load balancer's counters go to the meter on the way.
    fn gauges(&mut self, at: SimTime) -> Gauges {
        const STATES: [InstanceState; 5] = [
            InstanceState::Pending,
            InstanceState::InService,
            InstanceState::Healthy,
            InstanceState::Unhealthy,
            InstanceState::Draining,
        ];
        let shown = self.testbed.gauges();
        self.billing.handle_load(at, shown.load_balancer);
        let fleet = self.control.fleet();
        let zones = self.plan.topology.zone_ids();
        let instances = zones
            .flat_map(|zone| STATES.map(|state| (zone, state, fleet.count(zone, state))))
            .filter(|(_, _, count)| *count > 0)
            .map(|(zone, state, count)| InstanceCount { zone, state, count })
            .collect();
        let redis_is_up = shown.queue_is_readable;
        Gauges {
            at,
            waiting: redis_is_up.then_some(shown.census.waiting),
            active: redis_is_up.then_some(shown.census.active),
            seats_held: shown.census.held,
            seats_sold: shown.census.sold,
            desired_instances: fleet.desired(),
            instances,
            cpu: self.fleet.read(at, &shown.instances),
        }
    }
}
