//! The seats of one show as rows, and as the JSON that a query would aggregate from them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tiketi_data_tier::SeatState as State;
use uuid::Uuid;

use crate::show::Show;
use crate::tier::database::SeatRow;
use crate::tier::seats::{json_head, seat_rows};

/// All seats of a show, by their place in the list.
///
/// Tens of thousands of people ask for this list while it changes with every sale. So the JSON is kept as text in
/// which a change of state overwrites a field of fixed width, and reading it is one copy.
#[derive(Debug)]
pub(super) struct SeatList {
    rows: Vec<SeatRow>,
    /// The reservation that holds or owns each seat.
    reservations: Vec<Option<Uuid>>,
    by_id: BTreeMap<Uuid, u32>,
    json: Vec<u8>,
    status_at: Vec<usize>,
    snapshot: Option<Bytes>,
}

impl SeatList {
    pub(super) fn new(show: &Show) -> Self {
        let rows: Vec<SeatRow> = seat_rows(show).map(|(_, row)| row).collect();
        let by_id = (0..).zip(&rows).map(|(at, seat)| (seat.id, at)).collect();
        let (json, status_at) = render(&rows);
        Self {
            reservations: vec![None; rows.len()],
            rows,
            by_id,
            json,
            status_at,
            snapshot: None,
        }
    }

    /// Place of the seat with this id, or `None`.
    pub(super) fn place(&self, id: &Uuid) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, place: u32) -> &SeatRow {
        &self.rows[place as usize]
    }

    /// The reservation that holds or owns a seat; `None` if the seat is free.
    pub(super) fn reservation(&self, place: u32) -> Option<Uuid> {
        self.reservations[place as usize]
    }

    pub(super) fn set(&mut self, place: u32, state: State, reservation: Option<Uuid>) {
        let place = place as usize;
        self.reservations[place] = reservation;
        let at = self.status_at[place];
        let field = status_field(state);
        self.json[at..at + field.len()].copy_from_slice(field);
        self.snapshot = None;
    }

    /// The seats as a JSON array.
    pub(super) fn json(&mut self) -> Bytes {
        let json = &self.json;
        self.snapshot
            .get_or_insert_with(|| Bytes::copy_from_slice(json))
            .clone()
    }
}

/// The status as a JSON string, padded to one width.
const fn status_field(state: State) -> &'static [u8; 11] {
    match state {
        State::Available => b"\"available\"",
        State::Locked => b"\"locked\"   ",
        State::Reserved => b"\"reserved\" ",
    }
}

fn render(rows: &[SeatRow]) -> (Vec<u8>, Vec<usize>) {
    let mut json = String::from("[");
    let mut status_at = Vec::new();
    for seat in rows {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&json_head(seat));
        status_at.push(json.len());
        json.push_str(r#""available"}"#);
    }
    json.push(']');
    (json.into_bytes(), status_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Section;

    #[test]
    fn the_json_follows_the_rows() {
        let section = Section {
            name: "R \"석\"".to_owned(),
            rows: 2,
            seats_per_row: 3,
            price: 110_000,
        };
        let mut list = SeatList::new(&Show::new("Night", vec![section]));
        let before = list.json();
        list.set(1, State::Locked, Some(Uuid::nil()));
        list.set(2, State::Locked, Some(Uuid::nil()));
        list.set(2, State::Reserved, Some(Uuid::nil()));
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&list.json()).unwrap();
        let states: Vec<_> = rows
            .iter()
            .map(|row| row["status"].as_str().unwrap())
            .collect();
        assert_eq!(
            states,
            [
                "available",
                "locked",
                "reserved",
                "available",
                "available",
                "available"
            ]
        );
        assert_eq!(rows[5]["seat_number"], 3);
        assert_eq!(rows[5]["section"], "R \"석\"");
        assert_ne!(before, list.json());
        list.set(1, State::Available, None);
        list.set(2, State::Available, None);
        assert_eq!(before, list.json());
    }
}
