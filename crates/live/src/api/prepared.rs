//! What of the requests is the same for all buyers of a show.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{Method, Uri};

use super::Step;
use crate::setup::SetupError;
use tiketi_api::{IdText, Mapping, Moment, Role, RoleName, Values, Variable};

/// The steps of each request of a journey.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) setup: usize,
    pub(super) login: Vec<Step>,
    pub(super) show_list: Vec<Step>,
    pub(super) show_detail: Vec<Step>,
    pub(super) queue_check: Vec<Step>,
    pub(super) queue_status: Vec<Step>,
    pub(super) queue_leave: Vec<Step>,
    pub(super) seat_list: Vec<Step>,
    pub(super) seat_reserve: Vec<Step>,
    pub(super) payment: Vec<Step>,
}

/// What of a request is the same for all buyers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    /// `None` if it depends on the buyer.
    pub(super) uri: Option<Uri>,
    /// `None` if it depends on the buyer.
    pub(super) body: Option<Bytes>,
    pub(super) headers: Vec<(HeaderName, usize)>,
    pub(super) has_bearer: bool,
}

/// Only the show is known.
struct Fixed<'s>(Option<&'s IdText<'static>>);

impl Values for Fixed<'_> {
    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        (variable == Variable::Show)
            .then(|| self.0.cloned())
            .flatten()
    }
}

impl Prepared {
    /// Prepares a role; `base` is in front of its path if it asks the target itself.
    pub(super) fn new(
        role: &Role,
        show: Option<&IdText<'static>>,
        base: &str,
    ) -> Result<Self, SetupError> {
        let fixed = |template: &tiketi_api::Template| {
            let mut text = String::new();
            template
                .render(&Fixed(show), &mut text)
                .is_ok()
                .then_some(text)
        };
        let is_bearer = |header: &tiketi_api::Header| {
            header.name == AUTHORIZATION.as_str() && header.value.is_bearer_token()
        };
        let mut headers = Vec::new();
        for (place, header) in role.headers.iter().enumerate() {
            if !is_bearer(header) {
                let name = HeaderName::try_from(&header.name);
                let name = name.map_err(|_| SetupError::Header {
                    name: header.name.clone(),
                })?;
                headers.push((name, place));
            }
        }
        Ok(Self {
            method: Method::from_bytes(role.method.name().as_bytes())
                .expect("the names of methods are valid"),
            uri: fixed(&role.path)
                .map(|path| parse_path(&format!("{}{path}", base_of(role, base))))
                .transpose()?,
            body: fixed(&role.body).map(Bytes::from),
            headers,
            has_bearer: role.headers.iter().any(is_bearer),
        })
    }
}

impl Scripts {
    pub(super) fn of(mapping: &Mapping) -> Self {
        let role = |name| mapping.place(name).map(Step::Role);
        let extra = |moment| mapping.extra(moment).iter().copied().map(Step::Role);
        let roles =
            |names: &[RoleName]| -> Vec<Step> { names.iter().copied().filter_map(role).collect() };
        let with = |moment, names: &[RoleName]| extra(moment).chain(roles(names)).collect();
        let setup = roles(&[RoleName::Register, RoleName::Login, RoleName::Setup]);
        let waiting = [RoleName::QueueStatus];
        let waiting = extra(Moment::WhileWaiting).chain(roles(&waiting));
        let heartbeat = role(RoleName::Heartbeat);
        Self {
            setup: setup.len(),
            login: roles(&[RoleName::Login]),
            show_list: setup.into_iter().chain(role(RoleName::ShowList)).collect(),
            show_detail: roles(&[RoleName::ShowDetail]),
            queue_check: with(Moment::BeforeQueue, &[RoleName::QueueEnter]),
            queue_status: heartbeat.into_iter().chain(waiting).collect(),
            queue_leave: roles(&[RoleName::Cancel, RoleName::QueueLeave]),
            seat_list: with(Moment::BeforeSeats, &[RoleName::SeatList]),
            seat_reserve: with(Moment::BeforeReserving, &[RoleName::SeatReserve]),
            payment: with(
                Moment::BeforePaying,
                &[RoleName::Payment, RoleName::Confirm],
            ),
        }
    }
}

/// Whether buyers have to remember more than the journey does.
pub(super) fn keeps_variables(mapping: &Mapping) -> bool {
    let has = |name| mapping.place(name).is_some();
    let once = [
        RoleName::Register,
        RoleName::Login,
        RoleName::Setup,
        RoleName::Cancel,
    ];
    !mapping.kept.is_empty()
        || once.into_iter().any(has)
        || mapping.keeps(Variable::Token)
        || mapping.keeps(Variable::User)
        || !has(RoleName::SeatReserve)
        || !has(RoleName::SeatList)
        || seat_is_used_later(mapping)
}

/// Whether the seat is named after it is held.
fn seat_is_used_later(mapping: &Mapping) -> bool {
    let later = [RoleName::Payment, RoleName::Confirm];
    let of_roles = later.into_iter().filter_map(|name| mapping.role(name));
    let extra = mapping.extra(Moment::BeforePaying).iter();
    let mut all = of_roles.chain(extra.map(|place| &mapping.roles()[*place]));
    all.any(|role| {
        let headers = role.headers.iter().map(|header| &header.value);
        let mut templates = [&role.path, &role.body].into_iter().chain(headers);
        templates.any(|one| one.variables().any(|name| name == Variable::Seat))
            || role.poll.is_some()
    })
}

/// Returns what is in front of the path of a role: other hosts have no base path.
pub(super) const fn base_of<'b>(role: &Role, base: &'b str) -> &'b str {
    if role.host.is_none() { base } else { "" }
}

pub(super) fn parse_path(path: &str) -> Result<Uri, SetupError> {
    path.parse::<Uri>().map_err(|source| SetupError::Path {
        path: path.to_owned(),
        source,
    })
}
