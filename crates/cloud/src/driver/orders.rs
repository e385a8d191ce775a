//! Orders of the control plane become calls of the engine.

use tiketi_core::units::{DataTierPart, SimTime};

use super::{Driven, Engine, Launch};
use crate::order::{Input, Order};

/// What a call of the engine can fail with.
pub(super) type ErrorOf<D> = <<D as Driven>::Engine as Engine>::Error;

/// Tells the control plane what happened, and carries out what it orders.
///
/// # Errors
///
/// When the engine cannot carry out an order; orders after it stay for the next call.
pub fn tell<D: Driven + ?Sized>(
    driven: &mut D,
    now: SimTime,
    input: Input,
) -> Result<(), ErrorOf<D>> {
    driven.driver().control.handle(now, input);
    carry_out(driven, now)
}

/// Lets the control plane do what is due by `now`, and carries out what it orders.
///
/// # Errors
///
/// When the engine cannot carry out an order; orders after it stay for the next call.
pub fn handle_timeout<D: Driven + ?Sized>(driven: &mut D, now: SimTime) -> Result<(), ErrorOf<D>> {
    driven.driver().control.handle_timeout(now);
    carry_out(driven, now)
}

/// Carries out the orders of the control plane until there are none left. Does nothing while a zone is being lost.
///
/// # Errors
///
/// When the engine cannot carry out an order; orders after it stay for the next call.
pub fn carry_out<D: Driven + ?Sized>(driven: &mut D, now: SimTime) -> Result<(), ErrorOf<D>> {
    if driven.driver().holds_orders {
        return Ok(());
    }
    while let Some(order) = driven.driver().control.poll_order() {
        if let Some(answer) = obey(driven, now, order)? {
            driven.driver().control.handle(now, answer);
        }
    }
    driven.handle_settled(now);
    Ok(())
}

/// Carries out one order. Returns what the control plane needs to know about it at once.
pub(super) fn obey<D: Driven + ?Sized>(
    driven: &mut D,
    now: SimTime,
    order: Order,
) -> Result<Option<Input>, ErrorOf<D>> {
    match order {
        Order::SampleQueue => {
            driven.driver().billing.handle_lambda_run();
            let size = driven.engine().queue_size(now);
            driven.driver().queue_samples += u64::from(size.is_some());
            return Ok(Some(Input::QueueSampled { size }));
        }
        Order::SampleCpu => {
            let times = driven.engine().cpu_times(now);
            let busy = driven.driver().alarm_cpu.sample(now, &times);
            let busy = busy.map(|cpu| cpu.mean);
            // CloudWatch's metric is the mean over all virtual CPUs of an instance, and the application uses one.
            let most = driven.driver().class.cpu_utilization_max();
            let percent = busy.map(|busy| busy * most);
            return Ok(Some(Input::CpuSampled { percent }));
        }
        Order::Launch {
            instance,
            zone,
            answers_at,
        } => {
            if !driven.driver().has_capacity(zone) {
                return Ok(Some(Input::LaunchFailed { instance }));
            }
            let launch = Launch {
                instance,
                zone,
                answers_at,
            };
            driven.engine().launch(now, launch)?;
        }
        Order::Register { instance } => driven.engine().register(now, instance),
        Order::Deregister { instance, until } => {
            let is_drained = driven.engine().deregister(now, instance, until);
            return Ok(is_drained.then_some(Input::Drained { instance }));
        }
        Order::Terminate { instance } => driven.engine().terminate(now, instance),
        Order::PromoteRedis { zone } => driven.engine().promote(now, DataTierPart::Redis, zone),
        Order::PromoteDatabase { zone } => {
            driven.engine().promote(now, DataTierPart::Database, zone);
        }
    }
    Ok(None)
}
