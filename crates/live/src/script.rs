//! The requests that one request of a journey takes: extra steps before it, one that confirms it, polls for its result.
//!
//! With most mappings a request is one step, and this adds nothing to it. Every call is recorded under the operation of the request
//! that it belongs to; on a target, also under the name of its step.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep_until;

use super::api::Step;
use super::driver::{CallEnd, Loaded};
use super::http::{Outgoing, Received};
use super::redirect::{self, Route};
use super::visitor::{Scope, Visitor};
use super::witness::{self, Asked};
use super::world::World;
use tiketi_api::Meaning;
use tiketi_buyer::Request;
use tiketi_buyer::observation::{Call, Failure, Observation, Outcome};
use tiketi_core::units::SimTime;

/// Wait before asking for the result of an accepted request again, if the response does not say (assumption: what a page does).
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Most polls for one result. A back end that takes longer has not answered in time.
const POLLS_MAX: u32 = 60;

/// What follows a response within a script.
pub(super) enum Next {
    /// The next step.
    Step,
    /// Ask for the result, after so long.
    Poll(Duration),
    /// Nothing: the response is the answer to the request.
    End,
}

/// Returns what follows a response that is understood in this way.
pub(super) fn next(meaning: Option<Meaning>, wait: Option<Duration>, is_last: bool) -> Next {
    match meaning {
        Some(Meaning::AcceptedPollLater) => Next::Poll(wait.unwrap_or(POLL_EVERY)),
        Some(Meaning::Done) if !is_last => Next::Step,
        _ => Next::End,
    }
}

/// Returns the steps of a request that this buyer still has to take.
pub(super) fn pending(world: &World, request: Request, visitor: &Visitor) -> (usize, usize) {
    let steps = world.api.steps(request);
    let skipped = match request {
        Request::LogIn | Request::ShowList => visitor.prepared().min(world.api.setup_steps()),
        Request::QueueLeave => usize::from(world.api.cancel().is_some() && !visitor.is_holding()),
        _ => 0,
    };
    (skipped, steps.len())
}

/// Takes the steps of a request, until one of them answers it.
pub(super) async fn carry_out(
    world: Rc<World>,
    mut visitor: Visitor,
    request: Request,
    mut intended: SimTime,
) -> CallEnd {
    let (mut place, end) = pending(&world, request, &visitor);
    let mut step = world.api.steps(request)[place];
    let mut polls = 0;
    loop {
        let is_last = place + 1 == end;
        let outgoing = world.api.outgoing(step, request, &visitor);
        let outgoing = match outgoing {
            Ok(outgoing) => outgoing,
            Err(unset) => {
                let sent = world.clock.now();
                return CallEnd {
                    step,
                    request,
                    intended,
                    sent,
                    visitor,
                    result: Ok(Loaded::Unsent(unset)),
                };
            }
        };
        let outgoing = signed(&world, (step, request), &visitor, outgoing).await;
        let asked = (request.operation(), &outgoing);
        let called = world.call(visitor.buyer, asked, &visitor.identity);
        let (sent, mut result) = called.await;
        if let Ok(received) = &result
            && redirect::is_redirect(received.status)
            && redirect::is_followed(request, &outgoing)
        {
            result = Box::pin(followed(&world, request, &mut visitor, outgoing, result)).await;
        }
        let received = match result {
            Ok(received) if !is_last || world.api.may_continue(step) => received,
            result => {
                return CallEnd {
                    step,
                    request,
                    intended,
                    sent,
                    visitor,
                    result: result.map(|received| Loaded::Answer(Box::new(received))),
                };
            }
        };
        visitor.take_cookies(&received);
        let (meaning, wait) = world.api.peek(step, &received, &mut visitor);
        let following = next(meaning, wait, is_last);
        if matches!(following, Next::End) || polls == POLLS_MAX {
            let result = if polls == POLLS_MAX {
                Err(Failure::Timeout)
            } else {
                Ok(Loaded::Answer(Box::new(received)))
            };
            return CallEnd {
                step,
                request,
                intended,
                sent,
                visitor,
                result,
            };
        }
        intended = record(&world, (step, request), intended, sent, &received);
        match following {
            Next::Poll(wait) => {
                polls += 1;
                intended += wait;
                sleep_until(world.clock.wall_instant(intended)).await;
                step = match step {
                    Step::Role(role) => Step::Poll(role),
                    Step::Page | Step::Poll(_) | Step::Push => step,
                };
            }
            Next::Step | Next::End => {
                let has_setup = matches!(request, Request::LogIn | Request::ShowList);
                if has_setup && place < world.api.setup_steps() {
                    visitor.handle_prepared();
                }
                place += 1;
                step = world.api.steps(request)[place];
            }
        }
    }
}

/// Follows the redirects of a page or a show. They are a part of the call, as in a browser.
async fn followed(
    world: &World,
    request: Request,
    visitor: &mut Visitor,
    mut outgoing: Outgoing,
    mut result: Result<Received, Failure>,
) -> Result<Received, Failure> {
    let mut route = Route::new(world.client(outgoing.host).origin(), &outgoing);
    loop {
        let received = result?;
        let Some(Ok(uri)) = route.handle(&received) else {
            return Ok(received);
        };
        visitor.take_cookies(&received);
        outgoing = redirect::to(uri, &outgoing);
        let asked = (request.operation(), &outgoing);
        result = world.call(visitor.buyer, asked, &visitor.identity).await.1;
    }
}

/// Returns the request with what the program of the mapping adds. If that fails, the load is about to end, and nothing more is sent
/// that could be measured.
pub(super) async fn signed(
    world: &World,
    (step, request): (Step, Request),
    visitor: &Visitor,
    outgoing: Outgoing,
) -> Outgoing {
    let (Some(signer), Some(role)) = (&world.signer, world.api.role(step)) else {
        return outgoing;
    };
    let values = Scope::new(&world.api, visitor, request);
    let signing = Box::pin(signer.sign(role, outgoing, &values));
    match signing.await {
        Ok(outgoing) => outgoing,
        Err(_) => std::future::pending().await,
    }
}

/// Records a call that does not end the script. Returns when the next one is due.
fn record(
    world: &World,
    (step, request): (Step, Request),
    intended: SimTime,
    sent: SimTime,
    received: &Received,
) -> SimTime {
    let answered = world.clock.now();
    let asked = Asked {
        step,
        request,
        intended,
        ended: answered,
    };
    witness::write_down_step(world, asked);
    world.observe(&Observation::Call(Call {
        operation: request.operation(),
        intended,
        sent,
        answered,
        outcome: Outcome::Ok,
        bytes: u32::try_from(received.body.len()).unwrap_or(u32::MAX),
    }));
    answered
}
