//! How a buyer opens the push channel of a mapped system, and what happens to its messages.

use std::rc::Rc;

use http::StatusCode;

use super::{Opened, OpeningEnd, Socket, Visit};
use crate::api::Step;
use crate::push::{Ended, Heard, Message, Opening, Resume};
use crate::script;
use crate::witness;
use tiketi_api::{IdText, Variable};
use tiketi_buyer::Request;
use tiketi_buyer::observation::{Call, Failure, Observation, Outcome};
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// What a buyer with a mapped channel remembers besides the channel itself.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// For the next channel.
    resume: Resume,
    /// What messages said while a request was in flight, which began without it.
    learned: Vec<(Variable, IdText<'static>)>,
}

impl Visit {
    /// Starts to open the channel.
    pub(super) fn open_channel(&mut self, now: SimTime, intended: SimTime) {
        let world = Rc::clone(&self.world);
        let (outgoing, greeting) = match world.api.push_request(&self.visitor) {
            Some(Ok(requested)) => requested,
            Some(Err(variable)) => return self.fail_unset(now, intended, &variable),
            None => return,
        };
        let visitor = self.visitor.clone();
        let resume = self.rest.as_ref().map(|rest| rest.resume.clone());
        self.line = Socket::Opening(Box::pin(async move {
            let asked = (Step::Push, Request::QueueStatus);
            let outgoing = script::signed(&world, asked, &visitor, outgoing).await;
            let sent = world.clock.now();
            let (dialer, host) = world.line_to(outgoing.host);
            let mapping = world.api.mapping();
            let silence = mapping.stream.as_deref().map(|stream| stream.timeout);
            let is_known = |message: &Message| world.api.hear(message, &visitor).meaning.is_some();
            let is_target = outgoing.host.is_none();
            let opening = Opening {
                push: mapping.push,
                dialer,
                host,
                identity: visitor.identity_for(outgoing.host),
                outgoing,
                greeting,
                stage_timeout: world.stage_timeout,
                silence: silence.unwrap_or(world.stage_timeout),
                resume: resume.unwrap_or_default(),
                is_known: &is_known,
            };
            let result = opening.open().await;
            let opened = |(channel, cookie): (_, Option<_>)| {
                let cookie = cookie.filter(|_| is_target);
                (Opened::Channel(Box::new(channel)), cookie)
            };
            OpeningEnd {
                intended,
                sent,
                result: result.map(opened),
            }
        }));
    }

    /// The channel cannot be asked for, because a variable has no value.
    fn fail_unset(&mut self, now: SimTime, intended: SimTime, variable: &str) {
        let failure = Failure::BadAnswer;
        let words = format!("not sent: {{{variable}}} has no value");
        witness::write_down_channel(&self.world, now, failure, &words, &self.visitor);
        self.world.observe(&Observation::Call(Call {
            operation: Operation::SocketConnect,
            intended,
            sent: now,
            answered: now,
            outcome: Outcome::Failed(failure),
            bytes: 0,
        }));
        self.journey.handle_socket_lost(now);
    }

    /// Sends the next long poll, if the last one is answered.
    pub(super) fn ask_again(&mut self) {
        let Socket::Listening(channel) = &mut self.line else {
            return;
        };
        if !channel.is_answered() {
            return;
        }
        match self.world.api.push_request(&self.visitor) {
            Some(Ok((outgoing, _))) if self.world.api.signs(Step::Push) => {
                let (world, visitor) = (Rc::clone(&self.world), self.visitor.clone());
                channel.ask_signed(Box::pin(async move {
                    let asked = (Step::Push, Request::QueueStatus);
                    script::signed(&world, asked, &visitor, outgoing).await
                }));
            }
            Some(Ok((outgoing, _))) => channel.ask(&outgoing),
            Some(Err(variable)) => {
                let words = format!("not sent: {{{variable}}} has no value");
                self.end_channel(&Ended::broken(Failure::BadAnswer, words));
            }
            None => {}
        }
    }

    /// Handles what came over the channel.
    pub(super) fn hear_channel(&mut self, heard: Heard) {
        match heard {
            Heard::Message(message) => self.hear_told(&message),
            Heard::Ended(ended) => self.end_channel(&ended),
        }
    }

    fn hear_told(&mut self, message: &Message) {
        let now = self.world.clock.now();
        let world = Rc::clone(&self.world);
        let told = world.api.hear(message, &self.visitor);
        let status = message.head.as_deref().map(|(status, _)| *status);
        if told.meaning.is_none() {
            if let Some(status) = status.filter(|status| !StatusCode::is_success(status)) {
                let words = String::from_utf8_lossy(&message.body).into_owned();
                let failure = Failure::Status(status.as_u16());
                return self.end_channel(&Ended::broken(failure, words));
            }
            witness::write_down_unknown_message(&world, now, message, &self.visitor);
        }
        world.observe(&Observation::Message {
            at: now,
            delay: None,
        });
        if let Socket::Listening(channel) = &mut self.line {
            channel.set_pause(told.poll_after.unwrap_or_default());
        }
        world.api.keep_told(&told.kept, &mut self.visitor);
        if self.call.is_some() && !told.kept.is_empty() {
            self.rest.get_or_insert_default().learned.extend(told.kept);
        }
        if let Some((id, arguments)) = world.api.acknowledgement(message, &self.visitor)
            && let Socket::Listening(channel) = &mut self.line
        {
            channel.acknowledge(id, &arguments);
        }
        if let Some(trace) = &mut self.trace {
            witness::write_down_told(&world, trace, now, &told.message, &self.visitor);
        }
        self.journey.handle_message(now, told.message);
    }

    /// Keeps what messages said while the request was in flight whose visitor is the buyer's now.
    pub(super) fn keep_learned(&mut self) {
        if let Some(rest) = &mut self.rest {
            let learned = std::mem::take(&mut rest.learned);
            self.world.api.keep_told(&learned, &mut self.visitor);
        }
    }

    fn end_channel(&mut self, ended: &Ended) {
        let now = self.world.clock.now();
        let retry = match &self.line {
            Socket::Listening(channel) => {
                let resume = channel.resume();
                let retry = resume.retry;
                if resume != Resume::default() {
                    self.rest.get_or_insert_default().resume = resume;
                }
                retry
            }
            Socket::Closed | Socket::Opening(_) | Socket::Open(_) => None,
        };
        // A connection that breaks is counted among those that were lost.
        if let Some(failure) = ended.failure.filter(|failure| *failure != Failure::Reset) {
            witness::write_down_channel(&self.world, now, failure, &ended.words, &self.visitor);
        }
        self.drop_line();
        match retry {
            _ if ended.is_disconnect => self.journey.handle_disconnected(now),
            Some(pause) => self.journey.handle_socket_lost_for(now, pause),
            None => self.journey.handle_socket_lost(now),
        }
    }
}
