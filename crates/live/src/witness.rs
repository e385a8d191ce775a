//! Writes down what the buyers of a target see, for the audits of a system whose state the run cannot read.

use std::cell::RefMut;

use super::api::{Step, Understood};
use super::http::{Outgoing, Received};
use super::push::Message as Pushed;
use super::redirect;
use super::socket_io::Received as Message;
use super::visitor::{Visitor, hidden};
use super::world::World;
use tiketi_api::{Push, mask};
use tiketi_buyer::observation::{Failure, Observation, Outcome, SocketChange};
use tiketi_buyer::{Answer, Message as Content, Request};
use tiketi_core::units::SimTime;
use tiketi_measure::witness::{self, Notebook, Place, Reply, Sent, SentRequest, Shown, Trace};

/// One request with its times.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) step: Step,
    pub(super) request: Request,
    pub(super) intended: SimTime,
    pub(super) ended: SimTime,
}

/// How the script of a request ended.
pub(super) enum End<'e> {
    /// With a response, and what it says to the journey.
    Answered(&'e Received, &'e Understood<'e>),
    /// Without a response.
    Failed(Failure),
    /// A request could not be sent, because this variable has no value.
    Unsent(&'e str),
}

fn notebook(world: &World) -> Option<RefMut<'_, Notebook>> {
    world
        .notebook
        .as_ref()
        .map(|notebook| notebook.borrow_mut())
}

fn counted(world: &World, asked: Asked) -> witness::Step<'_> {
    witness::Step {
        name: world.api.step_name(asked.step, asked.request),
        operation: asked.request.operation(),
        response_time: asked.ended.saturating_since(asked.intended),
    }
}

/// Writes down a request that another one of the script follows.
pub(super) fn write_down_step(world: &World, asked: Asked) {
    if let Some(mut notebook) = notebook(world) {
        notebook.handle_step(asked.ended, &counted(world, asked), true, false);
    }
}

/// Writes down the end of a script.
pub(super) fn write_down(
    world: &World,
    trace: &mut Option<Box<Trace>>,
    asked: Asked,
    visitor: &Visitor,
    end: &End<'_>,
) {
    let (Some(mut notebook), Some(trace)) = (notebook(world), trace) else {
        return;
    };
    let failed = |failure| Answer::Failed {
        failure,
        retry_after: None,
    };
    let (outcome, answer, meaning, status) = match *end {
        End::Answered(received, understood) => {
            let status = Some(received.status.as_u16());
            (
                understood.outcome,
                understood.answer,
                understood.meaning,
                status,
            )
        }
        End::Failed(failure) => (Outcome::Failed(failure), failed(failure), None, None),
        End::Unsent(_) => {
            let failure = Failure::BadAnswer;
            (Outcome::Failed(failure), failed(failure), None, None)
        }
    };
    let is_about_queue = matches!(asked.request, Request::QueueCheck | Request::QueueStatus);
    let place = match (end, world.api.role(asked.step)) {
        (End::Answered(received, _), Some(role)) if is_about_queue => role.place(&received.body),
        _ => Place::default(),
    };
    let reply = Reply {
        at: asked.ended,
        request: asked.request,
        sent: match end {
            End::Unsent(_) => Sent::Nothing,
            _ if world.api.is_extra(asked.step) => Sent::StepBefore,
            End::Answered(..) | End::Failed(_) => Sent::Itself,
        },
        user: visitor.user,
        outcome,
        answer,
        meaning,
        status,
        place,
    };
    let shown = || Shown {
        sent: sent(world, asked, visitor),
        words: words(world, asked, visitor, end),
    };
    notebook.handle_reply(trace, &reply, &counted(world, asked), shown);
}

/// The words of a response, or why there is none that says it itself.
fn words(world: &World, asked: Asked, visitor: &Visitor, end: &End<'_>) -> String {
    match end {
        End::Answered(received, _) => {
            let secrets = visitor.secrets();
            let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
            match redirect::location(received, visitor) {
                Some(location) => format!("Location: {location}"),
                None => mask::body(&received.body, &secrets),
            }
        }
        // The other failures say it all.
        End::Failed(Failure::Handshake) => {
            let role = world.api.role(asked.step);
            let problem = world.problem(role.and_then(|role| role.host));
            problem.map_or_else(String::new, |problem| problem.words)
        }
        End::Failed(_) => String::new(),
        End::Unsent(variable) => format!("not sent: {{{variable}}} has no value"),
    }
}

/// A request without its secrets; empty if it cannot be built any more.
fn sent(world: &World, asked: Asked, visitor: &Visitor) -> SentRequest {
    let outgoing = world.api.outgoing(asked.step, asked.request, visitor);
    let Ok(Outgoing {
        method,
        uri,
        host,
        body,
        ..
    }) = outgoing
    else {
        return SentRequest::default();
    };
    let secrets = visitor.secrets();
    let known: Vec<_> = secrets.iter().map(String::as_str).collect();
    SentRequest {
        origin: host.map_or_else(String::new, |_| world.client(host).origin()),
        method: method.to_string(),
        path: hidden(&mask::path(&uri.to_string()), &secrets),
        body: mask::body(&body, &known),
    }
}

/// Writes down that a socket or another channel could not be opened, or has not worked as it should.
pub(super) fn write_down_channel(
    world: &World,
    now: SimTime,
    failure: Failure,
    words: &str,
    visitor: &Visitor,
) {
    let Some(mut notebook) = notebook(world) else {
        return;
    };
    let shown = shown_of_channel(world, now, words.as_bytes(), visitor);
    notebook.handle_socket_failure(now, mapped_push(world), failure, shown);
}

/// Writes down a message that no row of the mapping describes.
pub(super) fn write_down_unknown_message(
    world: &World,
    now: SimTime,
    message: &Pushed,
    visitor: &Visitor,
) {
    let Some(mut notebook) = notebook(world) else {
        return;
    };
    let mut shown = shown_of_channel(world, now, &message.body, visitor);
    if let Some(event) = message.event.as_deref() {
        let name = mask::body(event.as_bytes(), &[]);
        shown.words = format!("event {name}: {}", shown.words);
    }
    notebook.handle_unknown_message(now, mapped_push(world), shown);
}

/// The kind of the channel that the mapping describes; `None` for the socket of a TIKETI deployment.
fn mapped_push(world: &World) -> Option<Push> {
    let mapping = world.api.mapping();
    mapping.stream.is_some().then_some(mapping.push)
}

/// The request that opens the channel, and the server's words.
fn shown_of_channel(world: &World, now: SimTime, words: &[u8], visitor: &Visitor) -> Shown {
    let secrets = visitor.secrets();
    let known: Vec<_> = secrets.iter().map(String::as_str).collect();
    let asked = Asked {
        step: Step::Push,
        request: Request::QueueStatus,
        intended: now,
        ended: now,
    };
    Shown {
        sent: match world.api.role(Step::Push) {
            Some(_) => sent(world, asked, visitor),
            None => SentRequest {
                method: "GET".to_owned(),
                path: world.socket_path.clone(),
                ..SentRequest::default()
            },
        },
        words: mask::body(words, &known),
    }
}

/// Writes down what a message of a mapped channel said.
pub(super) fn write_down_told(
    world: &World,
    trace: &mut Trace,
    now: SimTime,
    message: &Content,
    visitor: &Visitor,
) {
    if let (Some(mut notebook), Content::EntryAllowed { user }) = (notebook(world), message) {
        notebook.handle_entry(trace, now, *user == visitor.user);
    }
}

/// Writes down a message to a buyer.
pub(super) fn write_down_message(
    world: &World,
    trace: &mut Trace,
    now: SimTime,
    received: &Message,
    visitor: &Visitor,
) {
    let Some(mut notebook) = notebook(world) else {
        return;
    };
    if received.restores_session {
        notebook.handle_session_restored(trace);
    }
    if let Content::EntryAllowed { user } = received.message {
        notebook.handle_entry(trace, now, user == visitor.user);
    }
}

/// Writes down what the journey noticed.
pub(super) fn write_down_observation(world: &World, trace: &mut Trace, observation: &Observation) {
    let Some(mut notebook) = notebook(world) else {
        return;
    };
    match *observation {
        Observation::Admitted { at, .. } => notebook.handle_admission(at),
        Observation::LoggedOut { at, waited } => notebook.handle_logged_out(at, waited),
        Observation::Socket { at, change } => match change {
            SocketChange::Reconnected => notebook.handle_reconnected(trace, at),
            SocketChange::Lost | SocketChange::Closed => notebook.handle_disconnected(trace, at),
            SocketChange::Connected => {}
        },
        Observation::Arrival { .. }
        | Observation::Call(_)
        | Observation::PageLoad(_)
        | Observation::Stage { .. }
        | Observation::Reloaded { .. }
        | Observation::Dropped { .. }
        | Observation::Left { .. }
        | Observation::Polls(_)
        | Observation::AdmittedAtOnce { .. }
        | Observation::Message { .. } => {}
    }
}

/// Writes down that the run ends before the response to a request.
pub(super) fn write_down_cut(world: &World, request: Request) {
    if let Some(mut notebook) = notebook(world) {
        notebook.handle_cut(request);
    }
}
