//! Reads the meter off the testbed as the run goes on.

use tiketi_buyer::observation::Stage;
use tiketi_cloud::notice::{InstanceState, Notice, What};
use tiketi_core::units::SimTime;
use tiketi_cost::{LoadSample, Meter, PriceBook, Sales, Statement};
use tiketi_measure::tally::Tally;
use tiketi_scenario::Plan;
use tiketi_scenario::operation::Operation;
use tiketi_testbed::alb::message::Load;

/// The meter, and what the load balancer had counted when it was read last.
#[derive(Debug, Default)]
pub(super) struct Billing {
    meter: Meter,
    lambda_runs: u64,
    last: Load,
}

impl Billing {
    /// Instances are billed from their launch to their end.
    pub(super) fn handle_notice(&mut self, notice: &Notice) {
        let What::Instance {
            instance, state, ..
        } = notice.what
        else {
            return;
        };
        match state {
            InstanceState::Pending => self.meter.handle_instance_started(notice.at, instance),
            InstanceState::Terminated | InstanceState::Lost => {
                self.meter.handle_instance_ended(notice.at, instance);
            }
            // A fleet that starts with the run is in service from its first moment, without a launch of its own.
            InstanceState::InService if notice.at == SimTime::ZERO => {
                self.meter.handle_instance_started(notice.at, instance);
            }
            InstanceState::InService
            | InstanceState::Healthy
            | InstanceState::Unhealthy
            | InstanceState::Draining => {}
        }
    }

    /// The Lambda ran.
    pub(super) fn handle_lambda_run(&mut self) {
        self.lambda_runs += 1;
        self.meter.handle_lambda_run();
    }

    /// How often the Lambda ran.
    pub(super) const fn lambda_runs(&self) -> u64 {
        self.lambda_runs
    }

    /// The load balancer's counters now. Those of a node that was lost start again at zero.
    pub(super) fn handle_load(&mut self, now: SimTime, load: Load) {
        let since = |now: u64, before: u64| now.saturating_sub(before);
        self.meter.handle_load(
            now,
            &LoadSample {
                new_connections: since(load.new_connections, self.last.new_connections),
                active_connections: load.connections,
                requests: since(load.requests, self.last.requests),
                bytes_in: since(load.bytes_in, self.last.bytes_in),
                bytes_out: since(load.bytes_out, self.last.bytes_out),
                // The testbed's listener has its default rule alone.
                rule_evaluations: 0,
            },
        );
        self.last = load;
    }

    /// The statement of the run; the edge served each page load.
    pub(super) fn finish(
        mut self,
        plan: &Plan,
        ended_at: SimTime,
        tally: &Tally,
    ) -> Option<Statement> {
        let pages = tally.operation(Some(Operation::PageLoad));
        self.meter.handle_edge(pages.calls(), 0);
        let book = PriceBook::built_in(&plan.cost.prices)?;
        let sales = Sales {
            buyers: tally.reached(Stage::Arrived),
            tickets: tally.reached(Stage::Paid),
        };
        Some(Statement::new(
            plan,
            self.meter.usage(ended_at),
            sales,
            &book,
        ))
    }
}
