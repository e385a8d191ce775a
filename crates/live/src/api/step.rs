//! The steps of a script, and the roles of the mapping that they take.

use super::Api;
use tiketi_api::{Role, RoleName};
use tiketi_buyer::Request;
use tiketi_scenario::operation::Operation;

/// One request of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The web page, which no mapping describes.
    Page,
    /// A role or an extra step, by its place.
    Role(usize),
    /// The request that asks for the result of that role.
    Poll(usize),
    /// The request that opens the channel of messages.
    Push,
}

impl Api {
    /// Returns the role of a step; `None` for the page.
    pub(crate) fn role(&self, step: Step) -> Option<&Role> {
        match step {
            Step::Page => None,
            Step::Role(place) => Some(&self.mapping.roles()[place]),
            Step::Poll(place) => self.mapping.roles()[place].poll.as_deref(),
            Step::Push => self.mapping.stream.as_deref().map(|stream| &stream.role),
        }
    }

    /// Returns whether the program of the mapping adds to the request of a step.
    pub(crate) fn signs(&self, step: Step) -> bool {
        self.role(step).is_some_and(|role| role.is_signed)
    }

    /// Returns whether a step asks for the list of shows.
    pub(crate) fn is_show_list(&self, step: Step) -> bool {
        self.mapping.place(RoleName::ShowList).map(Step::Role) == Some(step)
    }

    /// Returns the name under which a step is counted: that of the operation, or its own if it only is a part of it.
    pub(crate) fn step_name(&self, step: Step, request: Request) -> &str {
        let role = match request {
            Request::PageLoad => return Operation::PageLoad.name(),
            Request::LogIn | Request::LogInAgain | Request::ShowList => RoleName::ShowList,
            Request::ShowDetail => RoleName::ShowDetail,
            Request::QueueCheck => RoleName::QueueEnter,
            Request::QueueStatus => RoleName::QueueStatus,
            Request::QueueLeave => RoleName::QueueLeave,
            Request::SeatList => RoleName::SeatList,
            Request::SeatReserve { .. } => RoleName::SeatReserve,
            Request::PaymentProcess { .. } => RoleName::Payment,
        };
        let is_operation = self.mapping.place(role).map(Step::Role) == Some(step);
        match self.role(step) {
            Some(role) if !is_operation => &role.name,
            _ => request.operation().name(),
        }
    }

    /// Returns whether it is an extra step, which has a name of its own in the mapping.
    pub(crate) fn is_extra(&self, step: Step) -> bool {
        let (Step::Role(place) | Step::Poll(place)) = step else {
            return false;
        };
        let mut names = RoleName::ALL.into_iter();
        !names.any(|name| self.mapping.place(name) == Some(place))
    }

    /// Returns whether a seat is sold to one buyer only: not without a seat map, nor with one of kinds of tickets.
    pub(crate) fn has_seats(&self) -> bool {
        let list = self.mapping.role(RoleName::SeatList);
        list.is_some_and(|role| !role.is_shared)
    }
}
