//! Writes down what the buyers of a target see, for the audits of a system whose state the run cannot read.

use super::api;
use super::socket_io::{PATH, Received, Unopened};
use super::world::World;
use tiketi_buyer::observation::{Observation, SocketChange};
use tiketi_buyer::{Message, Request};
use tiketi_core::units::SimTime;
use tiketi_measure::witness::{Reply, SentRequest, Trace};
use uuid::Uuid;

/// Writes down the end of a request.
pub(super) fn write_down(world: &World, trace: &mut Option<Box<Trace>>, mut reply: Reply<'_>) {
    let (Some(notebook), Some(trace)) = (&world.notebook, trace) else {
        return;
    };
    if matches!(reply.request, Request::QueueCheck | Request::QueueStatus) {
        reply.place = api::place(reply.body);
    }
    let sent = || sent(world, reply.request);
    notebook.borrow_mut().handle_reply(trace, &reply, sent);
}

fn sent(world: &World, request: Request) -> SentRequest {
    let Some(outgoing) = world.api.outgoing(request) else {
        return SentRequest::default();
    };
    SentRequest {
        method: outgoing.method.to_string(),
        path: outgoing.uri.to_string(),
        body: String::from_utf8_lossy(&outgoing.body).into_owned(),
    }
}

/// Writes down that a socket could not be opened.
pub(super) fn write_down_unopened(world: &World, now: SimTime, unopened: &Unopened) {
    if let Some(notebook) = &world.notebook {
        let mut notebook = notebook.borrow_mut();
        notebook.handle_socket_failure(now, unopened.failure, &unopened.words, PATH);
    }
}

/// Writes down a message to the buyer whom the target knows as `user`.
pub(super) fn write_down_message(
    world: &World,
    trace: &mut Trace,
    now: SimTime,
    received: &Received,
    user: Uuid,
) {
    let Some(notebook) = &world.notebook else {
        return;
    };
    let mut notebook = notebook.borrow_mut();
    if received.restores_session {
        notebook.handle_session_restored(trace);
    }
    if let Message::EntryAllowed { user: admitted } = received.message {
        notebook.handle_entry(trace, now, admitted == user);
    }
}

/// Writes down what the journey noticed.
pub(super) fn write_down_observation(world: &World, trace: &mut Trace, observation: &Observation) {
    let Some(notebook) = &world.notebook else {
        return;
    };
    let mut notebook = notebook.borrow_mut();
    match *observation {
        Observation::Admitted { at, .. } => notebook.handle_admission(at),
        Observation::Socket { at, change } => match change {
            SocketChange::Reconnected => notebook.handle_reconnected(trace, at),
            SocketChange::Lost | SocketChange::Closed => notebook.handle_disconnected(trace, at),
            SocketChange::Connected => {}
        },
        Observation::Arrival { .. }
        | Observation::Call(_)
        | Observation::PageLoad(_)
        | Observation::Stage { .. }
        | Observation::Dropped { .. }
        | Observation::Left { .. }
        | Observation::Polls(_)
        | Observation::Message { .. } => {}
    }
}

/// Writes down that the run ends before the response to a request.
pub(super) fn write_down_cut(world: &World, request: Request) {
    if let Some(notebook) = &world.notebook {
        notebook.borrow_mut().handle_cut(request);
    }
}
