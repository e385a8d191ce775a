//! The state machine of a buyer's visit.
//!
//! ```text
//! page ─▶ list ─▶ show ─▶ queue check ─┬─▶ waiting (socket and polls) ─▶ seat map ─▶ picking ─▶ holding ─▶ paid
//!                                      └────── admitted at once ─────────▶    ▲ ▲        │taken
//!                                                              all held: watching └──────┘
//! ```
//!
//! A buyer has at most one request in flight, in addition to the socket. A buyer who is admitted while a poll is in flight
//! continues when the poll's response arrives.

mod elsewhere;
mod leaving;
mod login;
mod messages;
mod polling;
mod reloading;
mod sockets;
mod view;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::action::{Action, Answer, Emission, Request};
use super::backoff::Backoff;
use super::passage::{Passage, Way};
use super::poll_ledger::PollLedger;
use super::seat_choice::SeatChoice;
use super::socket::Socket;
use super::temperament::Draws;
use crate::observation::{AfterDrop, Learned, LeaveReason, Observation, SocketChange, Stage};
pub use elsewhere::Elsewhere;
use elsewhere::Page;
use login::{LOGGED_OUT, Session};
use reloading::Reloads;
pub use sockets::Channel;
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::plan::Temperament;
use tiketi_scenario::topology::RoomPlace;

/// The step of the visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    LoggingIn,
    LoggingInAgain,
    PageLoad,
    ShowList,
    ShowDetail,
    QueueCheck,
    Waiting,
    SeatMap,
    Watching,
    Picking,
    Holding,
    Leaving,
    Gone,
}

impl Step {
    /// Returns whether the buyer is past the waiting room.
    const fn is_inside(self) -> bool {
        matches!(
            self,
            Self::SeatMap | Self::Watching | Self::Picking | Self::Holding
        )
    }
}

/// A buyer's visit, from arrival to leaving.
#[derive(Debug)]
pub struct Journey {
    temperament: Arc<Temperament>,
    draws: Draws,
    user: Uuid,
    step: Step,
    /// When the request of this step is due; `None` if none is.
    due: Option<SimTime>,
    /// When a buyer who logs in before comes to the page.
    page_at: SimTime,
    /// What the buyer goes on with after another login.
    resumes: Step,
    session: Session,
    /// When the request in flight was due; `None` if none is in flight.
    in_flight: Option<SimTime>,
    /// When the last response arrived.
    answered_at: SimTime,
    backoff: Backoff,
    polls: PollLedger,
    /// Place in the queue, as the system has stated it last; 0 if it has not.
    position: u32,
    socket: Socket,
    channel: Channel,
    /// Whether a message has said that the buyer is admitted who has not got the response of the queue yet.
    announced: bool,
    room: RoomPlace,
    event_due: bool,
    join_due: bool,
    close_due: bool,
    page: Page,
    /// Where the buyer is about to open the show a second time; `None` if nowhere.
    opens: Option<Elsewhere>,
    reloads: Reloads,
    queued_since: Option<SimTime>,
    passage: Passage,
    /// When the buyer's patience ends; `None` outside the queue.
    gives_up_at: Option<SimTime>,
    choice: SeatChoice,
    reservation: Uuid,
    /// Picked seats that others took first.
    conflicts: u32,
    /// Times the seat map was loaded.
    looks: u32,
    /// One bit per [`Stage`] that was reached.
    reached: u8,
    /// Why the buyer leaves; `None` until then, and after [`Action::Leave`] was polled.
    leaves_for: Option<LeaveReason>,
    observations: Vec<Observation>,
}

impl Journey {
    /// Starts the visit of a buyer who arrives at `now` and is known to the system as `user`.
    pub fn new(
        temperament: Arc<Temperament>,
        streams: Streams,
        buyer: BuyerId,
        user: Uuid,
        now: SimTime,
    ) -> Self {
        let draws = Draws::new(&temperament, streams, buyer);
        let mut journey = Self {
            temperament,
            draws,
            user,
            step: Step::PageLoad,
            due: Some(now),
            page_at: now,
            resumes: Step::PageLoad,
            session: Session::Known,
            in_flight: None,
            answered_at: SimTime::ZERO,
            backoff: Backoff::NONE,
            polls: PollLedger::default(),
            position: 0,
            socket: Socket::new(),
            channel: Channel::ALL,
            announced: false,
            room: RoomPlace::Application,
            event_due: false,
            join_due: false,
            close_due: false,
            page: Page::First,
            opens: None,
            reloads: Reloads::NONE,
            queued_since: None,
            passage: Passage::NEW,
            gives_up_at: None,
            choice: SeatChoice::default(),
            reservation: Uuid::nil(),
            conflicts: 0,
            looks: 0,
            reached: 0,
            leaves_for: None,
            observations: Vec::new(),
        };
        journey.reach(now, Stage::Arrived);
        journey
    }

    /// Handles that the system knows the buyer as `user` from now on.
    pub const fn handle_user(&mut self, user: Uuid) {
        self.user = user;
    }

    /// Handles that the response to the request in flight states the buyer's place in the queue.
    pub const fn handle_position(&mut self, position: u32) {
        self.position = position;
    }

    /// Handles the response to the request in flight.
    pub fn handle_answer(&mut self, now: SimTime, operation: Operation, answer: Answer<'_>) {
        let intended = self.in_flight.take().unwrap_or(now);
        self.answered_at = now;
        if self.request().map(Request::operation) != Some(operation) {
            return; // The buyer has moved on, for example a poll's response after the admission.
        }
        if let Answer::Failed {
            failure,
            retry_after,
        } = answer
        {
            if failure == LOGGED_OUT && self.handle_logged_out(now) {
                return;
            }
            return self.handle_failure(now, intended, retry_after);
        }
        if self.step == Step::LoggingInAgain {
            return self.resume(now);
        }
        self.session = Session::Known;
        self.backoff.handle_success();
        match (self.step, answer) {
            (Step::LoggingIn, _) => self.go(Step::PageLoad, self.page_at.max(now)),
            (Step::PageLoad, _) if self.knows_show() => self.go(Step::ShowDetail, now),
            (Step::PageLoad, _) => self.go(Step::ShowList, now),
            (Step::ShowList, _) => {
                let pause = self.draws.browse(&self.temperament);
                self.go(Step::ShowDetail, now + pause);
            }
            (Step::ShowDetail, _) if self.knows_show() => {
                self.listen_early(now);
                self.go(Step::QueueCheck, now);
            }
            (Step::ShowDetail, _) => {
                self.listen_early(now);
                self.reach(now, Stage::PageLoaded);
                let pause = self.draws.browse(&self.temperament);
                self.go(Step::QueueCheck, now + pause);
            }
            (Step::QueueCheck, Answer::Queued) => self.wait(now),
            (Step::Waiting, Answer::Queued) => {
                self.passage.handle_queued(self.socket.is_open());
                self.schedule_poll(now, intended);
            }
            (Step::QueueCheck | Step::Waiting, Answer::QueuedPollAfter { pause }) => {
                self.stay(now, pause);
            }
            (
                Step::QueueCheck | Step::Waiting | Step::SeatMap | Step::Watching | Step::Picking,
                Answer::SoldOut,
            ) => self.leave(now, LeaveReason::SoldOut, true),
            (Step::QueueCheck, Answer::Admitted) => self.enter(now, Learned::OnEntry),
            (Step::Waiting, Answer::Admitted) => self.enter(now, self.polled()),
            (Step::Waiting, Answer::NotQueued { admitted }) => self.walk_in(now, admitted),
            (Step::SeatMap | Step::Watching, Answer::Seats { available, locked }) => {
                self.reach(now, Stage::SeatsSeen);
                self.choice = SeatChoice::pick(available, &mut self.draws.seat);
                self.look(now, locked);
            }
            (Step::Picking, Answer::Held { reservation }) => self.hold(now, reservation),
            (Step::Picking, Answer::Refused) => self.handle_conflict(now),
            (Step::Holding, Answer::Paid) => {
                self.reach(now, Stage::Paid);
                // The purchase itself returns the shopping slot.
                self.leave(now, LeaveReason::Paid, false);
            }
            (Step::Holding, Answer::Refused) => self.leave(now, LeaveReason::HoldExpired, true),
            (Step::Leaving, _) => self.finish(),
            // The response doesn't fit the request, so treat it as a failure.
            _ => self.handle_failure(now, intended, None),
        }
    }

    /// Returns the next action that is due, or `None`.
    pub fn poll_action(&mut self, now: SimTime) -> Option<Action> {
        self.pass_time(now);
        if self.close_due {
            self.close_due = false;
            return Some(Action::Close);
        }
        if self.step == Step::Gone {
            return self.leaves_for.take().map(Action::Leave);
        }
        if let Some(intended) = self.socket.poll_connect(now) {
            return Some(Action::Connect { intended });
        }
        if self.event_due {
            self.event_due = false;
            return Some(Action::Emit(Emission::JoinEvent));
        }
        if self.join_due {
            self.join_due = false;
            if self.step == Step::Waiting {
                return Some(Action::Emit(Emission::JoinQueue));
            } else if self.step.is_inside() {
                return Some(Action::Emit(Emission::JoinSeatSelection));
            }
        }
        let due = self
            .due
            .filter(|due| *due <= now && self.in_flight.is_none())?;
        let request = self.request()?;
        let intended = due.max(self.answered_at);
        if self.step == Step::Waiting {
            let late = now.saturating_since(intended);
            self.polls.handle_sent(late, self.poll_interval());
        }
        self.due = None;
        self.in_flight = Some(intended);
        Some(Action::Call { request, intended })
    }

    /// Returns the next observation, or `None`.
    pub fn poll_observation(&mut self) -> Option<Observation> {
        if self.observations.is_empty() {
            return None;
        }
        let first = self.observations.remove(0);
        if self.observations.is_empty() {
            // Thousands of buyers wait, so an empty list must release its memory.
            self.observations = Vec::new();
        }
        Some(first)
    }

    /// Returns when to call [`poll_action`](Self::poll_action) again if nothing happens before; `None` if never.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        let due = self.due.filter(|_| self.in_flight.is_none());
        [
            due,
            self.gives_up_at,
            self.socket.timeout(),
            self.reload_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Returns the request of the current step, or `None` if it has none.
    fn request(&self) -> Option<Request> {
        Some(match self.step {
            Step::LoggingIn => Request::LogIn,
            Step::LoggingInAgain => Request::LogInAgain,
            Step::PageLoad => Request::PageLoad,
            Step::ShowList => Request::ShowList,
            Step::ShowDetail => Request::ShowDetail,
            Step::QueueCheck => Request::QueueCheck,
            Step::Waiting => Request::QueueStatus,
            Step::SeatMap | Step::Watching => Request::SeatList,
            Step::Picking => Request::SeatReserve {
                seat: self.choice.favorite()?,
            },
            Step::Holding => Request::PaymentProcess {
                reservation: self.reservation,
            },
            Step::Leaving => Request::QueueLeave,
            Step::Gone => return None,
        })
    }

    /// Handles what happens by the passing of time alone: patience ends, a held seat is not paid for.
    fn pass_time(&mut self, now: SimTime) {
        if self.gives_up_at.is_some_and(|at| at <= now) {
            self.leave(now, LeaveReason::OutOfPatience, true);
        }
        self.reload_if_due(now);
        let thought_enough = self.due.is_some_and(|due| due <= now) && self.in_flight.is_none();
        if self.step == Step::Holding && thought_enough && !self.draws.pays(&self.temperament) {
            self.leave(now, LeaveReason::WalkedAway, true);
        }
    }

    fn go(&mut self, step: Step, due: SimTime) {
        self.step = step;
        self.due = Some(due);
    }

    /// Goes on to the seat map after the admission.
    fn enter(&mut self, now: SimTime, learned: Learned) {
        let since = self.queued_since.take();
        self.observe_admission(now, since, learned);
        self.go_inside(now);
    }

    fn observe_way(&mut self, way: Option<Way>) {
        match way {
            Some(Way::Admitted { at, waited_since }) => {
                self.observe_admission(at, waited_since, self.polled());
            }
            Some(Way::Dropped { at, then }) => self.observe_drop(at, then),
            None => {}
        }
    }

    /// Notes the admission of a buyer who had been waiting since `since`, or who did not have to wait.
    fn observe_admission(&mut self, now: SimTime, since: Option<SimTime>, learned: Learned) {
        self.reach(now, Stage::Admitted);
        self.observations.push(match since {
            Some(since) => Observation::Admitted {
                at: now,
                waited: now.saturating_since(since),
                learned,
            },
            None => Observation::AdmittedAtOnce { at: now },
        });
    }

    /// How a buyer whom a poll has told of the admission has learned of it.
    fn polled(&self) -> Learned {
        if self.socket.is_open() {
            Learned::PollBeforeMessage
        } else {
            Learned::Poll
        }
    }

    fn observe_drop(&mut self, now: SimTime, then: AfterDrop) {
        self.observations
            .push(Observation::Dropped { at: now, then });
    }

    fn go_inside(&mut self, now: SimTime) {
        if self.page == Page::Second {
            return self.leave(now, LeaveReason::Unfinished, false);
        }
        self.gives_up_at = None;
        self.cancel_reload();
        self.drop_poll(now);
        self.listen_inside(now);
        self.backoff.handle_success();
        self.go(Step::SeatMap, now);
    }

    /// Decides after a look at the map: pick a seat, watch for released ones, or leave.
    fn look(&mut self, now: SimTime, locked: u32) {
        self.looks += 1;
        if self.choice.favorite().is_some() {
            let pause = if self.looks == 1 {
                self.draws.seat_pick(&self.temperament)
            } else {
                self.draws.seat_repick(&self.temperament)
            };
            self.go(Step::Picking, now + pause);
        } else if locked > 0 && self.looks <= self.temperament.conflicts_max {
            let pause = self.draws.seat_repick(&self.temperament);
            self.go(Step::Watching, now + pause);
        } else {
            self.leave(now, LeaveReason::SoldOut, true);
        }
    }

    /// Handles that somebody else took the picked seat first.
    fn handle_conflict(&mut self, now: SimTime) {
        self.conflicts += 1;
        if let Some(taken) = self.choice.favorite() {
            self.choice.drop_seat(taken);
        }
        if self.conflicts >= self.temperament.conflicts_max {
            self.leave(now, LeaveReason::TooManyConflicts, true);
        } else if self.choice.favorite().is_some() {
            let pause = self.draws.seat_repick(&self.temperament);
            self.go(Step::Picking, now + pause);
        } else {
            self.go(Step::SeatMap, now);
        }
    }

    fn hold(&mut self, now: SimTime, reservation: Uuid) {
        self.reach(now, Stage::SeatHeld);
        self.reservation = reservation;
        let pause = self.draws.payment(&self.temperament);
        self.go(Step::Holding, now + pause);
    }

    /// Retries after a pause, or gives up. A failed poll has no effect on a waiting buyer: the page continues to poll at its
    /// interval, and only patience ends the waiting. Leaving is tried once.
    fn handle_failure(&mut self, now: SimTime, intended: SimTime, retry_after: Option<Duration>) {
        let not_before = now + retry_after.unwrap_or_default();
        if self.step == Step::Leaving {
            return self.finish();
        }
        if self.step == Step::Waiting {
            self.schedule_poll(now, intended);
            self.due = self.due.map(|due| due.max(not_before));
            return;
        }
        let retry = self.temperament.retry;
        match self.backoff.handle_failure(&retry, &mut self.draws.backoff) {
            Some(pause) => self.due = Some(not_before.max(now + pause)),
            None => self.leave(now, LeaveReason::TooManyErrors, false),
        }
    }

    fn reach(&mut self, now: SimTime, stage: Stage) {
        let bit = 1 << stage as u8;
        if self.reached & bit == 0 {
            self.reached |= bit;
            let is_bot = self.draws.is_bot();
            self.observations.push(Observation::Stage {
                at: now,
                stage,
                is_bot,
            });
        }
    }

    fn observe_socket(&mut self, now: SimTime, change: SocketChange) {
        self.observations
            .push(Observation::Socket { at: now, change });
    }
}

#[cfg(test)]
#[path = "journey_tests.rs"]
mod tests;
