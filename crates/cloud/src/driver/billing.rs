//! The bill of a run: the cost meter, fed by notices and by the load balancer's counters.

use tiketi_core::units::SimTime;
use tiketi_cost::meter::Passed;
use tiketi_cost::{
    EdgeSample, LoadSample, Meter, PriceBook, Sales, Scope, Statement, TrafficSample,
};
use tiketi_scenario::Plan;

use crate::notice::{InstanceState, Notice, What};

/// The bill of a run so far.
#[derive(Debug)]
pub struct Billing {
    meter: Meter,
    lambda_runs: u64,
}

impl Billing {
    /// Starts a bill; what is outside `scope` is not metered.
    pub fn new(scope: Scope) -> Self {
        Self {
            meter: Meter::new(scope),
            lambda_runs: 0,
        }
    }

    /// Notes vCPU-hours that instances are charged beyond the CPU credits they have earned.
    pub fn handle_surplus(&mut self, vcpu_hours: f64) {
        self.meter.handle_surplus(vcpu_hours);
    }

    /// Returns how often the Lambda has sampled the queue.
    pub const fn lambda_runs(&self) -> u64 {
        self.lambda_runs
    }

    /// Returns what the edge has passed on to the load balancer so far.
    pub const fn passed(&self) -> Passed {
        self.meter.passed()
    }

    /// Returns the statement for a run that ended at `ended_at`; `None` if the plan's price book is not a built-in one.
    pub fn statement(&self, plan: &Plan, ended_at: SimTime, sales: Sales) -> Option<Statement> {
        let book = PriceBook::built_in(&plan.cost.prices)?;
        Some(Statement::new(
            plan,
            self.meter.usage(ended_at),
            sales,
            &book,
        ))
    }

    /// Bills instances from their launch to their end.
    pub(super) fn handle_notice(&mut self, notice: &Notice) {
        let What::Instance {
            instance, state, ..
        } = notice.what
        else {
            return;
        };
        match state {
            InstanceState::Pending => self.meter.handle_instance_started(notice.at, instance),
            InstanceState::Terminated | InstanceState::Lost | InstanceState::LaunchFailed => {
                self.meter.handle_instance_ended(notice.at, instance);
            }
            // The initial fleet is in service when the run starts, without a launch.
            InstanceState::InService if notice.at == SimTime::ZERO => {
                self.meter.handle_instance_started(notice.at, instance);
            }
            InstanceState::InService
            | InstanceState::Healthy
            | InstanceState::Unhealthy
            | InstanceState::Draining => {}
        }
    }

    pub(super) const fn handle_lambda_run(&mut self) {
        self.lambda_runs += 1;
        self.meter.handle_lambda_run();
    }

    pub(super) fn handle_load(&mut self, now: SimTime, load: &LoadSample) {
        self.meter.handle_load(now, load);
    }

    pub(super) const fn handle_edge(&mut self, edge: &EdgeSample) {
        self.meter.handle_edge(edge);
    }

    pub(super) const fn handle_traffic(&mut self, traffic: &TrafficSample) {
        self.meter.handle_traffic(traffic);
    }
}
