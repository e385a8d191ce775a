//! The waiting room at the edge: what its locations answer to buyers who join, poll and leave, and what the application tells
//! it.
//!
//! The rules are those of [`Room`]. Here are HTTP, the buyers' tokens, passes for the admitted, and the clock. The store is a
//! part of this process: no fault of the scenario reaches it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use tiketi_server::{
    CheckAnswer, Pass, PassKey, QueuePlace, QueueStatus, StatusAnswer, TokenReader, pass_cookie,
};
use uuid::Uuid;

use super::origin::with_status;
use super::server::Answer;
use crate::clock::{Clock, pause, unix_now_ns};
use crate::lock;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_data_tier::{Place, QueueState};
use tiketi_edge::{Places, Room, RoomFigures};
use tiketi_measure::ending::AdmissionFacts;
use tiketi_scenario::Plan;

/// What a waiting room at the edge needs to know.
#[derive(Clone, Debug)]
pub struct LobbyBlueprint {
    /// The scenario.
    pub plan: Plan,
    /// The show on sale.
    pub show: Uuid,
    /// Secret that signs the tokens of buyers.
    pub token_secret: String,
    /// Secret that signs passes.
    pub pass_secret: String,
}

/// The waiting room, shared by all locations.
#[derive(Debug)]
pub(super) struct Lobby {
    clock: Clock,
    show: Uuid,
    slots: u32,
    /// Real time to a response.
    latency: Duration,
    /// In scenario time.
    admit_every: Duration,
    /// In real time.
    pass_life: Duration,
    tokens: TokenReader,
    passes: PassKey,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    room: Room,
    /// The number of each user who has joined.
    numbers: BTreeMap<Uuid, BuyerId>,
}

/// What a buyer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Check,
    Status,
    Leave,
}

impl Asked {
    const ALL: [Self; 3] = [Self::Check, Self::Status, Self::Leave];

    const fn path(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Status => "status",
            Self::Leave => "leave",
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Check | Self::Leave => Method::POST,
            Self::Status => Method::GET,
        }
    }

    /// Returns what a path of the wire contract asks for, and the show; `None` if it is not about the queue.
    pub(super) fn of(path: &str) -> Option<(Self, &str)> {
        let (asked, show) = path.strip_prefix("/api/queue/")?.split_once('/')?;
        let found = Self::ALL.into_iter().find(|one| one.path() == asked);
        found.map(|one| (one, show))
    }
}

/// Why a buyer gets nothing, in the words of the application.
type Refused = (StatusCode, &'static str);

impl Lobby {
    /// Opens the waiting room; nobody is in it.
    pub(super) fn new(blueprint: &LobbyBlueprint, clock: Clock) -> Self {
        let plan = &blueprint.plan;
        let room = Room::new(plan, 0, Places::Told);
        Self {
            clock,
            show: blueprint.show,
            slots: plan.waiting_room.active_max,
            latency: clock.wall(plan.topology.edge.latency),
            admit_every: plan.waiting_room.admit_every,
            pass_life: clock.wall(room.pass_life()),
            tokens: TokenReader::new(&blueprint.token_secret),
            passes: PassKey::new(&blueprint.pass_secret),
            state: Mutex::new(State {
                room,
                numbers: BTreeMap::new(),
            }),
        }
    }

    /// Admits the head of the queue at every multiple of the interval, for ever.
    pub(super) async fn admit_for_ever(self: Arc<Self>) {
        let every = self.admit_every.max(Duration::from_nanos(1));
        loop {
            let passed = self.clock.now().since_start().as_nanos() / every.as_nanos();
            let next = u32::try_from(passed + 1).unwrap_or(u32::MAX);
            let at = SimTime::ZERO + every.saturating_mul(next);
            tokio::time::sleep_until(self.clock.wall_instant(at)).await;
            lock(&self.state).room.admit(self.clock.now());
        }
    }

    /// Answers a buyer.
    pub(super) async fn answer(
        &self,
        (asked, show): (Asked, &str),
        method: &Method,
        headers: &HeaderMap,
    ) -> Answer {
        let show_is_known = show.parse() == Ok(self.show);
        let token = bearer(headers);
        pause(self.latency).await;
        let answered = if *method != asked.method() {
            Err((StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"))
        } else {
            match token.map(|token| self.tokens.user(token)) {
                None => Err((StatusCode::UNAUTHORIZED, "Access token required")),
                Some(None) => Err((StatusCode::FORBIDDEN, "Invalid or expired token")),
                Some(Some(_)) if !show_is_known => Err((StatusCode::NOT_FOUND, "Event not found")),
                Some(Some(user)) => Ok(self.serve(asked, user)),
            }
        };
        answered.unwrap_or_else(refusal)
    }

    fn serve(&self, asked: Asked, user: Uuid) -> Answer {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let (answer, is_admitted) = match asked {
            Asked::Check => {
                let buyer = state.number(user);
                let place = state.room.join(now, buyer);
                let place = match place {
                    Place::Active => QueuePlace::Active {
                        active: state.room.active(),
                    },
                    Place::Waiting => QueuePlace::Waiting(state.status(buyer, false)),
                };
                let is_admitted = matches!(place, QueuePlace::Active { .. });
                (
                    json_answer(&CheckAnswer::new(&place, self.slots)),
                    is_admitted,
                )
            }
            Asked::Status => {
                let buyer = state.number(user);
                let is_active = state.room.look(now, buyer) == QueueState::Active;
                let status = state.status(buyer, is_active);
                (
                    json_answer(&StatusAnswer::new(&status, self.slots)),
                    is_active,
                )
            }
            Asked::Leave => {
                let buyer = state.number(user);
                state.room.leave(now, buyer);
                (json_answer(&json!({ "message": "Left the queue" })), false)
            }
        };
        let (mut answer, bytes) = answer;
        state.room.handle_answer(bytes);
        drop(state);
        if is_admitted {
            let cookie = pass_cookie(&self.pass_of(user));
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    /// Signs a pass of a user.
    fn pass_of(&self, user: Uuid) -> String {
        let life = u64::try_from(self.pass_life.as_millis()).unwrap_or(u64::MAX);
        self.passes.sign(&Pass {
            user,
            show: self.show,
            ends_at_unix_ms: now_unix_ms().saturating_add(life),
        })
    }

    /// Handles what the application says of the owner of a pass.
    fn handle_told(&self, path: &str, headers: &HeaderMap) -> StatusCode {
        let pass = bearer(headers).and_then(|token| self.passes.read(token, now_unix_ms()));
        let Some(pass) = pass.filter(|pass| pass.show == self.show) else {
            return StatusCode::FORBIDDEN;
        };
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let buyer = state.number(pass.user);
        match path {
            "/touch" => state.room.touch(now, buyer),
            "/finish" => state.room.finish(now, buyer),
            _ => return StatusCode::NOT_FOUND,
        }
        StatusCode::NO_CONTENT
    }

    /// Returns the buyers in the queue.
    pub(super) fn waiting(&self) -> u32 {
        lock(&self.state).room.waiting()
    }

    /// Returns the buyers with a shopping slot.
    pub(super) fn active(&self) -> u32 {
        lock(&self.state).room.active()
    }

    /// Returns what was counted.
    pub(super) fn figures(&self) -> RoomFigures {
        *lock(&self.state).room.figures()
    }

    /// Returns the log of joins and admissions, compared with the store.
    pub(super) fn admissions(&self) -> AdmissionFacts {
        let state = lock(&self.state);
        let ledger = state.room.ledger();
        AdmissionFacts {
            joined: ledger.joined,
            put_back: ledger.put_back,
            admitted: ledger.admitted,
            left: ledger.left_waiting + ledger.cleared,
            waiting: u64::from(state.room.waiting()),
            admitted_twice: ledger.admitted_twice,
            astray: state.room.astray(),
        }
    }
}

impl State {
    /// Returns the number of a user; a new one gets the next.
    fn number(&mut self, user: Uuid) -> BuyerId {
        if let Some(known) = self.numbers.get(&user) {
            return *known;
        }
        let next = u32::try_from(self.numbers.len()).expect("buyers are numbered with 32 bits");
        self.numbers.insert(user, BuyerId(next));
        // In large steps, so that the room rarely has to move.
        self.room.grow((next as usize + 1).next_power_of_two());
        BuyerId(next)
    }

    fn status(&self, buyer: BuyerId, is_active: bool) -> QueueStatus {
        QueueStatus {
            position: self.room.position(buyer),
            is_active,
            queue_size: self.room.waiting(),
            active: self.room.active(),
            rate: self.room.admission_rate(),
        }
    }
}

/// Answers the application.
pub(super) async fn hear(lobby: Arc<Lobby>, request: Request<Incoming>) -> Answer {
    if request.method() != Method::POST {
        return with_status(StatusCode::METHOD_NOT_ALLOWED);
    }
    with_status(lobby.handle_told(request.uri().path(), request.headers()))
}

/// Returns the token of a request; `None` without one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

fn now_unix_ms() -> u64 {
    unix_now_ns() / 1_000_000
}

/// Returns a response with a JSON body, and the bytes of the body.
fn json_answer(value: &impl Serialize) -> (Answer, u64) {
    let body = serde_json::to_vec(value).expect("its keys are strings");
    let bytes = body.len() as u64;
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (answer, bytes)
}

fn refusal((status, reason): Refused) -> Answer {
    let (mut answer, _) = json_answer(&json!({ "error": reason }));
    *answer.status_mut() = status;
    answer
}
