//! Lists as a whole: the shows that are sold, and the status of each seat. Buyers do without; they are read before and after a run.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Api, with_response};
use crate::http::Received;
use tiketi_api::{Element, IdText, Meaning, RoleName};

/// A show on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Show {
    pub(crate) id: IdText<'static>,
    /// `None` if it has none.
    pub(crate) title: Option<String>,
    /// Whether the mapping prefers it.
    pub(crate) is_on_sale: bool,
}

/// The status of each seat of the show.
pub(crate) type SeatStatuses = BTreeMap<Uuid, SeatStatus>;

/// The status of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeatStatus {
    /// Nobody has it.
    Available,
    /// Somebody holds it.
    Held,
    /// Neither available nor held.
    Sold,
    /// Not available; the mapping does not say which seats are held.
    Taken,
}

impl Api {
    /// Returns the shows of a list; `None` if it was not understood.
    pub(crate) fn shows(&self, received: &Received) -> Option<Vec<Show>> {
        let mut shows = Vec::new();
        let mut each = |element: Element<'_>| {
            shows.push(Show {
                title: element.title.map(str::to_owned),
                is_on_sale: element.is_free,
                id: element.id.into_owned(),
            });
        };
        let is_list = self.is_list(RoleName::ShowList, received, &mut each);
        is_list.then_some(shows)
    }

    /// Returns the status of each seat; `None` if the list was not understood.
    pub(crate) fn seat_statuses(&self, received: &Received) -> Option<SeatStatuses> {
        let knows_held = self.mapping.role(RoleName::SeatList)?.knows_held();
        let mut seats = SeatStatuses::new();
        let mut each = |element: Element<'_>| {
            let status = match (element.is_free, element.is_held) {
                (true, _) => SeatStatus::Available,
                (false, true) => SeatStatus::Held,
                (false, false) if knows_held => SeatStatus::Sold,
                (false, false) => SeatStatus::Taken,
            };
            seats.insert(self.ids.intern(&element.id), status);
        };
        let is_list = self.is_list(RoleName::SeatList, received, &mut each);
        is_list.then_some(seats)
    }

    fn is_list(
        &self,
        role: RoleName,
        received: &Received,
        each: &mut dyn FnMut(Element<'_>),
    ) -> bool {
        let Some(role) = self.mapping.role(role) else {
            return false;
        };
        let meaning = with_response(received, |response| {
            role.understand(response, Some(each)).meaning
        });
        meaning == Some(Meaning::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use tiketi_api::{Entry, Node, Tree};

    fn received(body: &str) -> Received {
        Received {
            status: StatusCode::OK,
            body: Bytes::copy_from_slice(body.as_bytes()),
            cookie: None,
            pass: None,
            retry_after: None,
            headers: HeaderMap::new(),
            received_at_unix_s: 0,
        }
    }

    fn api() -> Api {
        Api::new(tiketi_api::tiketi(), None, None, "").unwrap()
    }

    fn lines(tree: &mut Tree) -> &mut Vec<Entry> {
        match &mut tree.node {
            Node::Table(lines) => lines,
            other => panic!("{other:?} is no table"),
        }
    }

    #[test]
    fn shows_have_a_title_and_ids_of_any_kind() {
        let list = r#"{"events":[{"id":1,"status":"ended"},{"id":"two","status":"on_sale","title":"Two"}]}"#;
        let shows = api().shows(&received(list)).unwrap();
        assert!(shows[0].id.is_number && shows[0].title.is_none() && !shows[0].is_on_sale);
        assert_eq!(shows[1].id.text, "two");
        assert_eq!(shows[1].title.as_deref(), Some("Two"));
        assert!(shows[1].is_on_sale);
        assert_eq!(api().shows(&received("{}")), Some(Vec::new()));
        for body in ["<html>", "", r#"{"events":[{"title":"no id"}]}"#] {
            assert_eq!(api().shows(&received(body)), None, "{body}");
        }
    }

    #[test]
    fn a_seat_map_has_three_kinds_of_seats_if_the_mapping_knows_them() {
        let body = r#"{"seats":[{"id":1,"status":"available"},{"id":2,"status":"locked"},{"id":3,"status":"reserved"}]}"#;
        let kinds = |api: &Api| -> Vec<_> {
            let map = api.seat_statuses(&received(body)).unwrap();
            map.into_values().collect()
        };
        let expected = [SeatStatus::Available, SeatStatus::Held, SeatStatus::Sold];
        assert_eq!(kinds(&api()), expected);
        let mut tree = tiketi_api::preset("tiketi").unwrap();
        let mut roles = lines(&mut tree).iter_mut();
        let seats = roles.find(|role| role.key.name == "seat_list").unwrap();
        lines(&mut seats.value).retain(|line| line.key.name != "held");
        let api = Api::new(tiketi_api::compile(&tree).unwrap(), None, None, "").unwrap();
        let expected = [SeatStatus::Available, SeatStatus::Taken, SeatStatus::Taken];
        assert_eq!(kinds(&api), expected);
    }
}
