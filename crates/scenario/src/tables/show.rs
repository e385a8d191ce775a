//! What is sold, the waiting room in front of it, and limits of the application.

use super::limits;
use crate::diagnostic::Problem;
use crate::keys::kind::{Kind, Length, Or, Text, Whole};
use crate::keys::{Form, Keys, key};
use crate::plan::{Section, Server, Show, WaitingRoom};
use crate::value::Value;
use tiketi_core::units::Won;

pub(super) fn show(keys: &mut Keys<'_, '_, Show>) -> Option<Show> {
    let title = keys.value(key("title", "Title of the show."), Text, |show| {
        show.title.clone()
    });
    let hold = keys.value(
        key(
            "hold",
            "How long a seat is held for a buyer who has not paid.",
        ),
        Length(limits::LIFETIME),
        |show| show.hold,
    );
    let sections = keys
        .list(
            key("sections", "Blocks of seats."),
            limits::SECTIONS,
            None,
            |show| &show.sections,
            section,
        )
        .values;
    if let Some(sections) = &sections {
        let seats: u64 = sections.iter().map(seats_in).sum();
        if !limits::SEATS.permit(seats) {
            let problem = Problem::new(format!("`show.sections` have {seats} seats in total"));
            let problem = problem.expected(limits::SEATS.widened());
            keys.complain(&["sections"], problem.help(limits::SEATS.why));
            return None;
        }
        report_twins(keys, sections);
    }
    Some(Show {
        title: title?,
        hold: hold?,
        sections: sections?,
    })
}

fn section(keys: &mut Keys<'_, '_, Section>) -> Option<Section> {
    let name = keys.value(
        key("name", "Name of the block, such as `VIP`."),
        Text,
        |section| section.name.clone(),
    );
    let rows = keys.value(
        key("rows", "Number of rows."),
        Whole(limits::ROWS),
        |section| section.rows,
    );
    let seats_per_row = keys.value(
        key("seats_per_row", "Seats in each row."),
        Whole(limits::ROWS),
        |section| section.seats_per_row,
    );
    let price = keys.value(key("price", "Price of a seat, in won."), Price, |section| {
        section.price
    });
    Some(Section {
        name: name?,
        rows: rows?,
        seats_per_row: seats_per_row?,
        price: price?,
    })
}

/// A price in whole won.
struct Price;

impl Price {
    const WON: Whole<i64> = Whole(limits::PRICE);
}

impl Kind for Price {
    type Value = Won;

    fn form(&self) -> Form {
        Self::WON.form()
    }

    fn read(&self, value: &Value<'_>) -> Option<Won> {
        Self::WON.read(value).map(Won)
    }

    fn write(&self, value: &Won) -> String {
        Self::WON.write(&value.0)
    }
}

fn seats_in(section: &Section) -> u64 {
    u64::from(section.rows) * u64::from(section.seats_per_row)
}

/// Two blocks with the same name would have seats with the same labels.
fn report_twins(keys: &Keys<'_, '_, Show>, sections: &[Section]) {
    for (index, section) in sections.iter().enumerate() {
        if sections[..index]
            .iter()
            .any(|other| other.name == section.name)
        {
            let problem = Problem::new(format!("two sections are called `{}`", section.name));
            let problem = problem.expected("a different name for each section");
            keys.complain(
                &["sections"],
                problem.help("seats are named after their section"),
            );
        }
    }
}

pub(super) fn waiting_room(keys: &mut Keys<'_, '_, WaitingRoom>) -> Option<WaitingRoom> {
    let active_max = keys.value(
        key(
            "active_max",
            "Shopping slots: buyers who can pick seats at the same time. Others wait.",
        ),
        Whole(limits::SLOTS),
        |room| room.active_max,
    );
    let admit_every = keys.value(
        key(
            "admit_every",
            "Time between two admissions from the head of the queue.",
        ),
        Length(limits::TIMER),
        |room| room.admit_every,
    );
    let idle_timeout = keys.value(
        key(
            "idle_timeout",
            "Idle time after which a buyer loses the shopping slot.",
        ),
        Length(limits::LIFETIME),
        |room| room.idle_timeout,
    );
    let update_every = keys.value(
        key(
            "update_every",
            "Shortest time between two `queue-updated` messages; changes in between are sent as one.",
        ),
        Length(limits::TIMER),
        |room| room.update_every,
    );
    Some(WaitingRoom {
        active_max: active_max?,
        admit_every: admit_every?,
        idle_timeout: idle_timeout?,
        update_every: update_every?,
    })
}

pub(super) fn server(keys: &mut Keys<'_, '_, Server>) -> Option<Server> {
    let rate_limit = keys.value(
        key(
            "rate_limit",
            "Requests per minute that a user may send; `none` for no limit.",
        ),
        Or("none", Whole(limits::REQUESTS)),
        |server| server.rate_limit,
    );
    let session_ttl = keys.value(
        key(
            "session_ttl",
            "How long a Socket.IO session is kept after its socket has closed.",
        ),
        Length(limits::LIFETIME),
        |server| server.session_ttl,
    );
    let show_list_ttl = keys.value(
        key("show_list_ttl", "How long the list of shows is cached."),
        Length(limits::LIFETIME),
        |server| server.show_list_ttl,
    );
    let show_detail_ttl = keys.value(
        key(
            "show_detail_ttl",
            "How long the details of a show are cached.",
        ),
        Length(limits::LIFETIME),
        |server| server.show_detail_ttl,
    );
    let ping_interval = keys.value(
        key(
            "ping_interval",
            "Time between two Engine.IO pings of the server, which keep a socket alive.",
        ),
        Length(limits::HEARTBEAT),
        |server| server.ping_interval,
    );
    let ping_timeout = keys.value(
        key(
            "ping_timeout",
            "How long either side of a socket waits for the other's ping or pong beyond that, before it gives up the socket.",
        ),
        Length(limits::HEARTBEAT),
        |server| server.ping_timeout,
    );
    let receipt_bytes = keys.value(
        key(
            "receipt_bytes",
            "Size of the receipt that an instance uploads to S3 after each paid order, in bytes; 0 for none.",
        ),
        Whole(limits::RECEIPT),
        |server| server.receipt_bytes,
    );
    Some(Server {
        rate_limit: rate_limit?,
        session_ttl: session_ttl?,
        show_list_ttl: show_list_ttl?,
        show_detail_ttl: show_detail_ttl?,
        ping_interval: ping_interval?,
        ping_timeout: ping_timeout?,
        receipt_bytes: receipt_bytes?,
    })
}
