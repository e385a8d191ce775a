//! Steps of calls that have no role: they give a value that another request needs.

use tiketi_api::RoleName;

use super::Composer;
use crate::link::slots;
use crate::value::snake;

/// The moments of extra steps: the role that follows, and how their tables begin.
const MOMENTS: [(RoleName, &str); 3] = [
    (RoleName::QueueEnter, "before_queue."),
    (RoleName::SeatReserve, "before_reserving."),
    (RoleName::Payment, "before_paying."),
];

/// How the tables of the extra steps before a role begin.
pub(super) fn moment(role: RoleName) -> Option<&'static str> {
    let found = MOMENTS.iter().find(|(before, _)| *before == role);
    found.map(|(_, moment)| *moment)
}

impl Composer<'_> {
    /// Finds the request that asks for the result of a hold that was accepted with 202.
    pub(super) fn find_poll(&self) -> Option<usize> {
        let &reserve = self.roles.get(&RoleName::SeatReserve)?;
        if !self.traffic.statuses(self.call(reserve)).contains(&202) {
            return None;
        }
        let asks = |place: &usize| {
            let call = self.call(*place);
            let mut links = self.links.iter().filter(|((call, _), _)| call == place);
            call.method == "GET"
                && !self.role_of.contains_key(place)
                && links.any(|(_, link)| link.call == reserve)
        };
        (0..self.traffic.calls.len()).find(asks)
    }

    /// The calls without a role whose responses give a value that others need, with the tables of their steps.
    pub(super) fn extra_calls(&self) -> Vec<(String, usize)> {
        let mut needed: Vec<usize> = self.roles.values().copied().chain(self.poll).collect();
        let mut extra: Vec<(String, usize)> = Vec::new();
        while let Some(place) = needed.pop() {
            let take = self.take(place);
            for (slot, _) in slots(self.call(place), take) {
                let Some(link) = self.links.get(&(place, slot)) else {
                    continue;
                };
                let source = link.call;
                let is_known = self.role_of.contains_key(&source)
                    || Some(source) == self.poll
                    || extra.iter().any(|(_, known)| *known == source)
                    || self.call(source).origin != self.call(place).origin;
                if !is_known {
                    let moment = self.moment_before(source);
                    let last = self
                        .call(source)
                        .texts()
                        .last()
                        .map_or_else(|| "page".to_owned(), snake);
                    let table = format!("{moment}{last}");
                    let count = extra
                        .iter()
                        .filter(|(known, _)| known.starts_with(&table))
                        .count();
                    let number = if count == 0 {
                        String::new()
                    } else {
                        format!("_{}", count + 1)
                    };
                    extra.push((format!("{table}{number}"), source));
                    needed.push(source);
                }
            }
        }
        extra.sort_by_key(|(_, place)| self.call(*place).takes.first().copied());
        extra
    }

    /// The tables of the moment in which a call without a role comes.
    fn moment_before(&self, place: usize) -> &'static str {
        let first = |place: usize| self.call(place).takes.first().copied();
        let at = first(place);
        let begins = |role: &RoleName| self.roles.get(role).and_then(|place| first(*place));
        let next = MOMENTS
            .iter()
            .find(|(role, _)| begins(role).is_some_and(|begin| at < Some(begin)));
        // What comes after everything can only matter for the payment.
        next.map_or(MOMENTS[MOMENTS.len() - 1].1, |(_, moment)| moment)
    }
}
