//! Mappings compared with OpenAPI documents: each difference is planted, and found at its place.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use tiketi_api::{Problem, Tree};
use tiketi_api_draft::Document;

const TICKETS: &str = include_str!("documents/tickets.yaml");
const POINTS: &str = include_str!("documents/points.json");

/// A mapping that agrees with `tickets.yaml`.
const AGREES: &str = r#"name = "tickets 1"
base = "/v1"
headers = { authorization = "Bearer {token}" }
[login]
call = "POST /auth/login"
body = { email = "{user.email}", password = "{user.password}" }
keep = { token = "/data/accessToken" }
[show_list]
call = "GET /events"
query = { page = "1" }
each = "/data/*"
keep = { show = "/id" }
[queue_enter]
call = "POST /events/{show}/queue"
keep = { ticket = "/queueToken" }
means = [{ status = "2xx", "/status" = "READY", is = "admitted" }, { status = 201, is = "queued" }]
[queue_status]
call = "GET /events/{show}/queue"
headers = { X-Queue-Token = "{ticket}" }
means = [{ status = 200, "/position" = { at_most = 0 }, is = "admitted" }, { status = 200, is = "queued" }, { status = 404, is = "dropped" }]
[seat_list]
call = "GET /events/{show}/seats"
each = "/seats/*"
keep = { seat = "/id" }
free = { "/state" = "AVAILABLE" }
[seat_reserve]
call = "POST /reservations"
body = { eventId = "{show}", seats = [{ seatId = "{seat}" }] }
keep = { reservation = "/id" }
means = [{ status = 201, is = "held" }, { status = 409, "/code" = "SOLD_OUT", is = "sold-out" }, { status = 409, is = "taken" }]
[payment]
call = "POST /reservations/{reservation}/payment"
body = { method = "CARD" }
means = [{ status = 200, "/paid" = true, is = "paid" }, { status = 402, is = "refused" }]
"#;

fn tree(text: &str) -> Tree {
    let table = toml::de::DeTable::parse(text).unwrap();
    let tree = Tree::from_table(table.get_ref(), 0..0);
    assert!(
        tiketi_api::compile(&tree).is_ok(),
        "{:?}",
        tiketi_api::compile(&tree)
    );
    tree
}

fn differences(document: &str, mapping: &str) -> Vec<Problem> {
    let document = Document::parse(document).unwrap_or_else(|error| panic!("{error}"));
    document.compare(&tree(mapping))
}

#[test]
fn a_mapping_that_agrees_has_no_differences() {
    assert_eq!(differences(TICKETS, AGREES), []);
}

/// What is written instead of what; the text at the place of the problem; and words of message, expected values and hint.
type Planted<'p> = ((&'p str, &'p str), &'p str, [&'p str; 3]);

#[test]
fn each_planted_difference_is_found_at_its_place() {
    let planted: [Planted<'_>; 18] = [
        (
            ("POST /events/{show}/queue", "POST /events/{show}/queues"),
            "\"POST /events/{show}/queues\"",
            [
                "`queue_enter.call` asks `POST /v1/events/{show}/queues`",
                "/v1/events/{eventId}/queue",
                "did you mean `/v1/events/{eventId}/queue`?",
            ],
        ),
        (
            ("POST /events/{show}/queue", "PUT /events/{show}/queue"),
            "\"PUT /events/{show}/queue\"",
            ["asks `PUT", "one of GET, POST", "write `"],
        ),
        (
            ("query = { page = \"1\" }", "query = { pages = \"1\" }"),
            "pages",
            [
                "`show_list.query` has `pages`",
                "page",
                "did you mean `page`?",
            ],
        ),
        (
            (
                "headers = { X-Queue-Token = \"{ticket}\" }",
                "headers = { x-other = \"{ticket}\" }",
            ),
            "\"GET /events/{show}/queue\"",
            [
                "does not send the header parameter `X-Queue-Token`",
                "x-queue-token",
                "add",
            ],
        ),
        (
            (
                "headers = { authorization = \"Bearer {token}\" }",
                "headers = { x-token = \"{token}\" }",
            ),
            "\"GET /events\"",
            [
                "`show_list` sends no credential",
                "authorization",
                "headers",
            ],
        ),
        (
            ("email = \"{user.email}\", ", ""),
            "{ password = \"{user.password}\" }",
            ["`login.body` does not have `email`", "email", "add"],
        ),
        (
            (
                "seats = [{ seatId = \"{seat}\" }]",
                "seats = [{ seat = \"{seat}\" }]",
            ),
            "{ eventId = \"{show}\", seats = [{ seat = \"{seat}\" }] }",
            ["does not have `seats[0].seatId`", "seatId", "add"],
        ),
        (
            (
                "body = { eventId = \"{show}\",",
                "body = { event_id = 1, eventId = \"{show}\",",
            ),
            "event_id",
            [
                "`seat_reserve.body` has `event_id`",
                "one of eventId, seats",
                "did you mean `eventId`?",
            ],
        ),
        (
            ("body = { method = \"CARD\" }\n", ""),
            "\"POST /reservations/{reservation}/payment\"",
            ["`payment` has no body", "method = …", "add"],
        ),
        (
            (
                "{ token = \"/data/accessToken\" }",
                "{ token = \"/data/access_token\" }",
            ),
            "\"/data/access_token\"",
            [
                "`login.keep.token` has the pointer \"/data/access_token\"",
                "one of accessToken, refreshToken",
                "did you mean `accessToken`?",
            ],
        ),
        (
            ("each = \"/data/*\"", "each = \"/events/*\""),
            "\"/events/*\"",
            ["`show_list.each`", "data", "compare"],
        ),
        (
            ("keep = { seat = \"/id\" }", "keep = { seat = \"/no\" }"),
            "\"/no\"",
            [
                "`seat_list.keep.seat` has the pointer \"/seats/*/no\"",
                "one of id, label, state",
                "compare",
            ],
        ),
        (
            ("free = { \"/state\"", "free = { \"/status\""),
            "\"/status\"",
            [
                "`seat_list.free` has the pointer \"/seats/*/status\"",
                "state",
                "did you mean `state`?",
            ],
        ),
        (
            (
                "\"/position\" = { at_most = 0 }",
                "\"/rank\" = { at_most = 0 }",
            ),
            "\"/rank\"",
            [
                "`queue_status.means[0]` has the pointer \"/rank\"",
                "position, queueToken, status",
                "compare",
            ],
        ),
        (
            (
                "\"/position\" = { at_most = 0 }",
                "\"/position\" = { same_as = \"/total\" }",
            ),
            "\"/total\"",
            ["\"/total\"", "position", "compare"],
        ),
        (
            (
                "{ status = 404, is = \"dropped\" }",
                "{ status = 410, is = \"dropped\" }",
            ),
            "410",
            [
                "`queue_status.means[2].status` is 410",
                "one of 200, 404",
                "add the response",
            ],
        ),
        (
            (
                "{ status = 402, is = \"refused\" }",
                "{ status = [402, 422], is = \"refused\" }",
            ),
            "422",
            ["is 422", "one of 200, 402", "correct the row"],
        ),
        (
            ("\"/code\" = \"SOLD_OUT\"", "\"/total\" = 0"),
            "\"/total\"",
            [
                "`seat_reserve.means[1]` has the pointer \"/total\"",
                "one of code, detail",
                "compare",
            ],
        ),
    ];
    for ((old, new), place, words) in planted {
        let mapping = AGREES.replacen(old, new, 1);
        assert_ne!(mapping, AGREES, "{old} is not there");
        let found = differences(TICKETS, &mapping);
        let first = found
            .first()
            .unwrap_or_else(|| panic!("{new} is not found"));
        assert_eq!(&mapping[first.span.clone()], place, "{first:?}");
        for (shown, wanted) in [&first.message, &first.expected, &first.help]
            .into_iter()
            .zip(words)
        {
            assert!(shown.contains(wanted), "`{wanted}` in {first:#?}");
        }
    }
}

#[test]
fn a_shipped_mapping_is_compared_with_a_document_of_its_back_end() {
    let mapping = include_str!("../../../scenarios/apis/concert-reservation.toml");
    let found = differences(POINTS, mapping);
    let messages: Vec<_> = found
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    // Two were planted in the document; the others follow from them.
    let expected = [
        "`queue_status` does not send the query parameter `region`, which `GET /queue/validate` requires",
        "`payment.body` is JSON, and `POST /payments` takes multipart/form-data",
        "has the pointer \"/payment/paid\"",
        "has the pointer \"/payment/price\"",
        "`payment.means[1].status` is 402",
        "`payment.means[1].status` is 409",
        "`payment.means[1].status` is 410",
    ];
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    for (message, words) in messages.iter().zip(expected) {
        assert!(message.contains(words), "`{words}` in {message}");
    }
}

#[test]
fn documents_that_cannot_be_used_say_why() {
    let cases = [
        ("hello: [", "neither JSON nor YAML"),
        ("{\"openapi\": ", "neither JSON nor YAML"),
        (
            "swagger: \"2.0\"\npaths: { /x: {} }",
            "`swagger` is 2.0: a Swagger 2 document",
        ),
        ("paths: { /x: {} }", "`openapi` is missing"),
        ("openapi: 4.0.0\npaths: { /x: {} }", "`openapi` is 4.0.0"),
        ("openapi: 3.0.3", "`paths` is missing or empty"),
        ("just a text", "`openapi` is missing"),
        (
            "openapi: 3.0.3\npaths: { /x: { $ref: \"https://a.example/x.yaml#/x\" } }",
            "`/paths/~1x/$ref` refers to `https://a.example/x.yaml#/x`, outside of the document",
        ),
        (
            "openapi: 3.0.3\npaths: { /x: { $ref: \"./x.yaml\" } }",
            "outside of the document",
        ),
        (
            "openapi: 3.0.3\npaths: { /x: { get: { responses: { 200: { $ref: \"#/components/responses/Gone\" } } } } }",
            "refers to `#/components/responses/Gone`, which is not there",
        ),
    ];
    for (text, words) in cases {
        let error = Document::parse(text).expect_err(text);
        assert!(error.to_string().contains(words), "`{words}` in {error}");
        assert!(!error.hint().is_empty());
    }
    let bomb = "openapi: 3.0.3\na: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e]\ng: &g [*f, *f, *f, *f, *f, *f, *f, *f]\nh: [*g, *g, *g, *g, *g, *g, *g, *g]\n";
    let error = Document::parse(bomb).expect_err("aliases of aliases");
    assert!(
        error.to_string().contains("neither JSON nor YAML"),
        "{error}"
    );
}
