//! The seats of one show as rows, and as the JSON that a query would aggregate from them.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use crate::show::Show;
use crate::tier::SeatState;
use crate::tier::seats::{json_head, seat_rows};

/// One seat row.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) id: Uuid,
    pub(crate) label: String,
    pub(crate) section: usize,
    pub(crate) row: u32,
    pub(crate) number: u32,
    pub(crate) price: u64,
    pub(crate) state: SeatState,
    pub(crate) reservation: Option<Uuid>,
}

/// All seats of a show.
///
/// Tens of thousands of people ask for this list while it changes with every sale. So the JSON is kept as text in
/// which a change of state overwrites a field of fixed width, and reading it is one copy.
#[derive(Debug)]
pub(crate) struct SeatMap {
    pub(crate) seats: Vec<Seat>,
    by_id: BTreeMap<Uuid, usize>,
    json: Vec<u8>,
    status_at: Vec<usize>,
    snapshot: Option<Bytes>,
}

impl SeatMap {
    pub(crate) fn new(show: &Show) -> Self {
        let seats: Vec<Seat> = seat_rows(show)
            .map(|(section, row)| Seat {
                id: row.id,
                label: row.seat_label,
                section,
                row: row.row_number,
                number: row.seat_number,
                price: row.price,
                state: SeatState::Available,
                reservation: None,
            })
            .collect();
        let by_id = seats
            .iter()
            .enumerate()
            .map(|(at, seat)| (seat.id, at))
            .collect();
        let (json, status_at) = render(show);
        Self {
            seats,
            by_id,
            json,
            status_at,
            snapshot: None,
        }
    }

    /// Place of the seat with this id, or `None`.
    pub(crate) fn place(&self, id: &Uuid) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn set(&mut self, place: usize, state: SeatState, reservation: Option<Uuid>) {
        let seat = &mut self.seats[place];
        seat.state = state;
        seat.reservation = reservation;
        let at = self.status_at[place];
        let field = status_field(state);
        self.json[at..at + field.len()].copy_from_slice(field);
        self.snapshot = None;
    }

    /// The seats as a JSON array.
    pub(crate) fn json(&mut self) -> Bytes {
        let json = &self.json;
        self.snapshot
            .get_or_insert_with(|| Bytes::copy_from_slice(json))
            .clone()
    }
}

/// The status as a JSON string, padded to one width.
fn status_field(state: SeatState) -> &'static [u8; 11] {
    match state {
        SeatState::Available => b"\"available\"",
        SeatState::Locked => b"\"locked\"   ",
        SeatState::Reserved => b"\"reserved\" ",
    }
}

fn render(show: &Show) -> (Vec<u8>, Vec<usize>) {
    let mut json = String::from("[");
    let mut status_at = Vec::new();
    for (_, seat) in seat_rows(show) {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&json_head(&seat));
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
        let mut map = SeatMap::new(&Show::new("Night", vec![section]));
        let before = map.json();
        map.set(1, SeatState::Locked, Some(Uuid::nil()));
        map.set(2, SeatState::Locked, Some(Uuid::nil()));
        map.set(2, SeatState::Reserved, Some(Uuid::nil()));
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&map.json()).unwrap();
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
        assert_ne!(before, map.json());
        map.set(1, SeatState::Available, None);
        map.set(2, SeatState::Available, None);
        assert_eq!(before, map.json());
    }
}
