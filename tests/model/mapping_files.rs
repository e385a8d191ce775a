//! The mappings in `scenarios/apis` and in the documentation, without a server.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::path::Path;

use tiketi_api::Meaning;

/// A file of the repository.
fn text_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Mappings that no small server here has the shape of: what they understand of responses as the original writes them.
#[test]
fn mappings_without_a_server_understand_responses_of_the_original() {
    use Meaning::{Admitted, Done, Dropped, Held, Paid, Queued, Refused, SoldOut, Taken};
    let cases: &[(&str, &str, u16, &str, Option<Meaning>)] = &[
        (
            "seat-flow",
            "seat_list",
            200,
            r#"{"success":true,"data":{"seats":[]},"error":null}"#,
            Some(Done),
        ),
        (
            "seat-flow",
            "seat_list",
            200,
            r#"{"success":false,"data":null,"error":"Show not found"}"#,
            Some(Refused),
        ),
        (
            "seat-flow",
            "seat_reserve",
            200,
            r#"{"success":true,"data":{"reservationId":5,"status":"HOLD"}}"#,
            Some(Held),
        ),
        (
            "seat-flow",
            "seat_reserve",
            200,
            r#"{"success":true,"data":{}}"#,
            None,
        ),
        (
            "seat-flow",
            "seat_reserve",
            200,
            r#"{"success":false,"error":"Seat A1 is not available (current status: HOLD)"}"#,
            Some(Taken),
        ),
        (
            "seat-flow",
            "seat_reserve",
            200,
            r#"{"success":false,"error":"Seat not found"}"#,
            Some(Refused),
        ),
        (
            "seat-flow",
            "confirm",
            200,
            r#"{"success":true,"data":{"status":"CONFIRMED"}}"#,
            Some(Paid),
        ),
        (
            "seat-flow",
            "confirm",
            200,
            r#"{"success":false,"error":"Reservation 5 has expired"}"#,
            Some(Refused),
        ),
        (
            "ticket-queue",
            "queue_enter",
            200,
            r#"{"queue_token":"u:17","message":"joined"}"#,
            Some(Queued),
        ),
        (
            "ticket-queue",
            "queue_enter",
            400,
            "Invalid ticket type",
            None,
        ),
        (
            "ticket-queue",
            "queue_status",
            200,
            r#"{"status":"pending"}"#,
            Some(Queued),
        ),
        (
            "ticket-queue",
            "queue_status",
            200,
            r#"{"status":"reserved","ticket_type_id":3}"#,
            Some(Admitted),
        ),
        (
            "ticket-queue",
            "queue_status",
            200,
            r#"{"status":"expired"}"#,
            Some(Dropped),
        ),
        (
            "ticket-queue",
            "confirm",
            200,
            r#"{"message":"confirmed"}"#,
            Some(Paid),
        ),
        (
            "ticket-queue",
            "confirm",
            404,
            "Reservation expired or not found",
            Some(Refused),
        ),
        (
            "hhplus-concert",
            "queue_enter",
            201,
            r#"{"tokenId":"t","status":"WAITING","position":4}"#,
            Some(Queued),
        ),
        (
            "hhplus-concert",
            "queue_status",
            200,
            r#"{"tokenId":"t","status":"ACTIVE","position":0}"#,
            Some(Admitted),
        ),
        (
            "hhplus-concert",
            "before_seats.date",
            200,
            r#"[{"concertDateId":"d","remainingSeatCount":2}]"#,
            Some(Done),
        ),
        (
            "hhplus-concert",
            "before_seats.date",
            200,
            r#"[{"concertDateId":"d","remainingSeatCount":0}]"#,
            Some(SoldOut),
        ),
        (
            "hhplus-concert",
            "seat_reserve",
            200,
            r#"{"reservationId":"r","seatId":"s"}"#,
            Some(Held),
        ),
        ("hhplus-concert", "seat_reserve", 409, "{}", Some(Taken)),
        (
            "hhplus-concert",
            "payment",
            200,
            r#"{"paymentId":"p","amount":1}"#,
            Some(Paid),
        ),
        ("hhplus-concert", "payment", 400, "{}", Some(Refused)),
    ];
    for (name, role, status, body, expected) in cases {
        let text = text_of(&format!("scenarios/apis/{name}.toml"));
        let tree = tiketi_scenario::load_api(name, &text).unwrap();
        let mapping = tiketi_api::compile(&tree).unwrap();
        let role = mapping
            .roles()
            .iter()
            .find(|one| one.name == *role)
            .unwrap();
        let response = tiketi_api::Response {
            status: *status,
            body: body.as_bytes(),
            header: &|_| None,
            cookies: &Vec::new,
            now_unix_s: 0,
        };
        let meaning = role.understand(&response, None).meaning;
        assert_eq!(meaning, *expected, "{name}, {}: {status} {body}", role.name);
    }
}

/// The mappings in the documentation are what they say.
#[test]
fn every_mapping_of_the_documentation_compiles() {
    let text = text_of("docs/mappings.md");
    let blocks: Vec<_> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 3, "{} blocks", blocks.len());
    let payment = "[payment]\ncall = \"POST /pay\"\nmeans = [{ status = 200, is = \"paid\" }]\n";
    for block in blocks {
        let has_payment = block.contains("[payment]");
        let whole = format!("{block}\n{}", if has_payment { "" } else { payment });
        let loaded = tiketi_scenario::load_api("mappings.md", &whole);
        loaded.unwrap_or_else(|problems| panic!("{problems}\n{whole}"));
    }
}

/// Each file says in its first lines which back end it is for and what was tried, and is listed in the documentation.
#[test]
fn every_mapping_file_compiles_says_what_was_tried_and_is_listed() {
    let listed = text_of("docs/mappings.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/apis");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = text_of(&format!("scenarios/apis/{name}"));
        tiketi_scenario::load_api(&name, &text).unwrap_or_else(|problems| panic!("{problems}"));
        let head: Vec<_> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let head = head.join(" ");
        assert!(
            head.contains("github.com/") && head.contains("ried "),
            "{name}: {head}"
        );
        assert!(
            listed.contains(&format!("`{name}`, ")),
            "{name} is not listed"
        );
        count += 1;
    }
    assert_eq!(count, 13);
}
