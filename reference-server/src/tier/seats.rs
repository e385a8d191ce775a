//! The seats of a show as rows and as JSON without the status, which changes. Both stores use the same order and format.

use crate::show::Show;
use crate::tier::database::SeatRow;

/// Returns the seats of a show with the index of their section, ordered by section, row and number.
pub(crate) fn seat_rows(show: &Show) -> impl Iterator<Item = (usize, SeatRow)> {
    show.sections
        .iter()
        .enumerate()
        .flat_map(move |(index, section)| {
            let rows = (1..=section.rows)
                .flat_map(|row| (1..=section.seats_per_row).map(move |number| (row, number)));
            rows.map(move |(row, number)| {
                let label = format!("{}-{row}-{number}", section.name);
                let seat = SeatRow {
                    id: show.seat_id(&label),
                    section: section.name.clone(),
                    row_number: row,
                    seat_number: number,
                    seat_label: label,
                    price: section.price,
                };
                (index, seat)
            })
        })
}

/// Returns the JSON object of a seat up to the value of its status.
pub(crate) fn json_head(seat: &SeatRow) -> String {
    let section = serde_json::Value::from(seat.section.as_str());
    let label = serde_json::Value::from(seat.seat_label.as_str());
    format!(
        r#"{{"id":"{}","section":{section},"row_number":{},"seat_number":{},"seat_label":{label},"price":{},"status":"#,
        seat.id, seat.row_number, seat.seat_number, seat.price
    )
}
