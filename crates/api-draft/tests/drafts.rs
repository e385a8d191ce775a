//! Drafts of three shapes of back ends, from recordings and from a document: roles, templates, correlations, questions.

use serde_json::{Value, json};
use tiketi_api::{Mapping, RoleName, Tree, compile};
use tiketi_api_draft::{Document, Draft, Recording, from_document, from_recording};

const TIKETI: &str = include_str!("recordings/tiketi.har");
const NUMERIC: &str = include_str!("recordings/numeric-ids.har");
const TIERS: &str = include_str!("recordings/tiers.har");

fn drafted(har: &str) -> (Draft, Tree, Mapping) {
    let recording = Recording::read(har.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    compiled(from_recording(recording, "test"))
}

fn compiled(draft: Draft) -> (Draft, Tree, Mapping) {
    let table = toml::de::DeTable::parse(&draft.toml);
    let table = table.unwrap_or_else(|error| panic!("{error}\n{}", draft.toml));
    let tree = Tree::from_table(table.get_ref(), 0..0);
    let mapping = compile(&tree).unwrap_or_else(|problems| panic!("{problems:#?}\n{}", draft.toml));
    (draft, tree, mapping)
}

/// What is written at a path such as `queue_enter.call`.
fn at(tree: &Tree, path: &str) -> String {
    let mut tree = tree;
    for key in path.split('.') {
        tree = tree.get(key).unwrap_or_else(|| panic!("no {path}"));
    }
    tree.to_inline()
}

fn assert_lines(tree: &Tree, expected: &[(&str, &str)]) {
    for (path, written) in expected {
        assert_eq!(at(tree, path), *written, "{path}");
    }
}

#[test]
fn the_contract_of_tiketi_is_recognized() {
    use RoleName::{
        Payment, QueueEnter, QueueLeave, QueueStatus, SeatList, SeatReserve, ShowDetail, ShowList,
    };
    let (draft, tree, mapping) = drafted(TIKETI);
    let roles = [
        ShowList,
        ShowDetail,
        QueueEnter,
        QueueStatus,
        QueueLeave,
        SeatList,
        SeatReserve,
        Payment,
    ];
    assert_eq!(draft.roles, roles);
    assert_lines(
        &tree,
        &[
            ("base", r#""/api""#),
            ("push", r#""socket.io""#),
            ("headers", r#"{ authorization = "Bearer {token}" }"#),
            (
                "tokens.claims",
                r#"{ email = "{email}", role = "user", userId = "{user}" }"#,
            ),
            ("tokens.user", r#""/userId""#),
            ("show_list.call", r#""GET /events""#),
            ("show_list.each", r#""/events/*""#),
            ("show_list.keep", r#"{ show = "/id" }"#),
            ("show_list.prefer", r#"{ "/status" = "on_sale" }"#),
            ("show_detail.call", r#""GET /events/{show}""#),
            ("queue_enter.call", r#""POST /queue/check/{show}""#),
            ("queue_status.call", r#""GET /queue/status/{show}""#),
            (
                "queue_status.means",
                r#"[{ status = 200, "/queued" = false, is = "admitted" }, { status = 200, "/queued" = true, is = "queued" }]"#,
            ),
            ("queue_leave.call", r#""POST /queue/leave/{show}""#),
            ("seat_list.call", r#""GET /seats/events/{show}""#),
            ("seat_list.each", r#""/seats/*""#),
            ("seat_list.free", r#"{ "/status" = "available" }"#),
            ("seat_list.held", r#"{ "/status" = "locked" }"#),
            (
                "seat_reserve.body",
                r#"{ eventId = "{show}", seatIds = ["{seat}"] }"#,
            ),
            (
                "seat_reserve.keep",
                r#"{ reservation = "/reservation/id" }"#,
            ),
            (
                "seat_reserve.means",
                r#"[{ status = 201, is = "held" }, { status = 400, is = "taken" }]"#,
            ),
            (
                "payment.body",
                r#"{ paymentMethod = "kakao_pay", reservationId = "{reservation}" }"#,
            ),
        ],
    );
    assert!(
        at(&tree, "payment.means")
            .starts_with(r#"[{ status = 200, "/success" = true, is = "paid" }"#)
    );
    assert_eq!(
        tree.get("queue_enter").unwrap().get("means"),
        tree.get("queue_status").unwrap().get("means")
    );
    assert!(mapping.columns.is_empty(), "{:?}", mapping.columns);
}

#[test]
fn what_is_no_part_of_the_api_is_left_out_and_named() {
    let (draft, ..) = drafted(TIKETI);
    let comments: Vec<_> = draft
        .toml
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let comments = comments.join("\n");
    for words in [
        "--target https://api.tickets.example",
        "static files of https://tickets.example: /, /assets/index-4f3a2b.js, /assets/index-4f3a2b.css",
        "1 static file of https://img.tickets.example",
        "1 request to https://collect.analytics.example",
        "Socket.IO at wss://ws.tickets.example/socket.io/",
        "queue-entry-allowed",
        "GET /api/payments/methods",
    ] {
        assert!(comments.contains(words), "`{words}` in\n{comments}");
    }
    assert!(!draft.toml.contains("preflight") && !draft.toml.contains("OPTIONS"));
}

#[test]
fn no_secret_of_a_recording_is_in_its_draft() {
    for har in [TIKETI, NUMERIC, TIERS] {
        let (draft, ..) = drafted(har);
        for secret in [
            "eyJ",
            "hush",
            "sticky-cookie",
            "kim.minji",
            "queue-token-of-7",
            "wr_5c1d",
            "rsv_0011",
            "cs_test",
            "1b9d6bcd",
            "user-42",
            "GA1.1",
            "wk_9f8e",
            "bbbbbbbb",
            "0c9d2b4e",
        ] {
            assert!(!draft.toml.contains(secret), "{secret} in\n{}", draft.toml);
        }
    }
}

#[test]
fn numeric_ids_and_a_queue_token_in_a_header_are_followed() {
    use RoleName::{Payment, QueueEnter, QueueStatus, SeatList, SeatReserve, Setup, ShowList};
    let (draft, tree, mapping) = drafted(NUMERIC);
    assert_eq!(
        draft.roles,
        [
            Setup,
            ShowList,
            QueueEnter,
            QueueStatus,
            SeatList,
            SeatReserve,
            Payment
        ]
    );
    assert_lines(
        &tree,
        &[
            ("headers", r#"{ authorization = "{queue_token}" }"#),
            ("setup.call", r#""PATCH /points/charge""#),
            (
                "setup.body",
                r#"{ amount = 1000000, userId = "{user.id:number}" }"#,
            ),
            ("show_list.call", r#""GET /concerts/schedules""#),
            ("show_list.prefer", r#"{ "/leftSeats" = { above = 0 } }"#),
            ("queue_enter.keep", r#"{ queue_token = "/token" }"#),
            (
                "queue_enter.means",
                r#"[{ status = 201, "/status" = "ACTIVE", is = "admitted" }, { status = 201, "/status" = "WAITING", is = "queued" }]"#,
            ),
            (
                "queue_status.poll_after",
                r#"{ from = "/retryAfterMs", unit = "ms" }"#,
            ),
            (
                "seat_list.call",
                r#""GET /concerts/schedules/{show}/seats""#,
            ),
            ("seat_list.free", r#"{ "/status" = "OPEN" }"#),
            ("seat_list.held", r#"{ "/status" = "HELD" }"#),
            (
                "seat_reserve.body",
                r#"{ scheduleId = "{show}", seatId = "{seat}" }"#,
            ),
            ("payment.body", r#"{ reservationId = "{reservation}" }"#),
        ],
    );
    assert_eq!(mapping.columns, ["id"]);
    assert!(
        draft.toml.contains("comes from the column `id` of --users"),
        "{}",
        draft.toml
    );
}

#[test]
fn tiers_a_hold_in_the_background_and_an_idempotency_key_are_followed() {
    use RoleName::{Confirm, Payment, QueueEnter, QueueStatus, SeatReserve, ShowDetail, ShowList};
    let (draft, tree, _) = drafted(TIERS);
    assert_eq!(
        draft.roles,
        [
            ShowList,
            ShowDetail,
            QueueEnter,
            QueueStatus,
            SeatReserve,
            Payment,
            Confirm
        ]
    );
    assert_lines(
        &tree,
        &[
            ("headers", r#"{ x-client = "web-3", x-user-id = "{user}" }"#),
            ("show_list.each", r#""/*""#),
            ("show_list.prefer", r#"{ "/state" = "on_sale" }"#),
            ("show_detail.call", r#""GET /events/{show}""#),
            ("show_detail.keep", r#"{ tier_id = "/tiers/*/id" }"#),
            ("queue_enter.body", r#"{ eventId = "{show}" }"#),
            ("queue_enter.keep", r#"{ queue_token = "/token" }"#),
            (
                "queue_status.query",
                r#"{ token = "{queue_token}", eventId = "{show}" }"#,
            ),
            ("queue_status.poll_after", r#""header:retry-after""#),
            (
                "seat_reserve.body",
                r#"{ quantity = 1, tierId = "{tier_id}", token = "{queue_token}" }"#,
            ),
            ("seat_reserve.keep", r#"{ request_id = "/requestId" }"#),
            (
                "seat_reserve.poll.call",
                r#""GET /reservations/requests/{request_id}""#,
            ),
            (
                "seat_reserve.poll.keep",
                r#"{ reservation = "/reservationId" }"#,
            ),
            (
                "seat_reserve.poll.poll_after",
                r#"{ from = "/pollAfterMs", unit = "ms" }"#,
            ),
            ("payment.body", r#"{ reservationId = "{reservation}" }"#),
            ("payment.keep", r#"{ session_id = "/session/id" }"#),
            (
                "confirm.headers",
                r#"{ idempotency-key = "{user}-{reservation}" }"#,
            ),
            ("confirm.body", r#"{ sessionId = "{session_id}" }"#),
        ],
    );
    let rows = at(&tree, "seat_reserve.poll.means");
    assert!(rows.contains(r#""/state" = "held", is = "held""#), "{rows}");
    assert!(
        rows.contains(r#""/state" = "pending", is = "accepted-poll-later""#),
        "{rows}"
    );
    assert!(draft.toml.contains("have to be a UUID?"), "{}", draft.toml);
}

/// A recording of these exchanges: method, URL, headers, body, status, headers, body.
fn recorded(exchanges: &[(&str, &str, Value, Value, u16, Value, Value)]) -> String {
    let headers = |all: &Value| {
        let pairs = all.as_object().into_iter().flatten();
        let pairs = pairs.map(|(name, value)| json!({"name": name, "value": value}));
        Value::Array(pairs.collect())
    };
    let entries = exchanges.iter().map(|(method, url, sent, body, status, got, answer)| {
        let mut request = json!({"method": method, "url": format!("https://a.example{url}"), "headers": headers(sent)});
        if !body.is_null() {
            request["postData"] = json!({"mimeType": "application/json", "text": body.to_string()});
        }
        let content = json!({"mimeType": "application/json", "text": answer.to_string()});
        json!({"request": request, "response": {"status": status, "headers": headers(got), "content": content}})
    });
    let entries: Vec<_> = entries.collect();
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

#[test]
fn a_login_by_cookie_and_a_token_against_forgery_are_followed() {
    let none = Value::Null;
    let cookie = json!({"cookie": "SID=s3cr3tsid0001; theme=dark"});
    let with_token = json!({"cookie": "SID=s3cr3tsid0001", "X-CSRF-Token": "csrf-3f9a1b7c2d"});
    let har = recorded(&[
        (
            "POST",
            "/v2/login",
            none.clone(),
            json!({"username": "kim", "password": "hunter22", "remember": true}),
            200,
            json!({"Set-Cookie": "SID=s3cr3tsid0001; HttpOnly; Path=/"}),
            json!({"user": {"id": 912, "name": "Kim"}}),
        ),
        (
            "GET",
            "/v2/security",
            cookie.clone(),
            none.clone(),
            200,
            none.clone(),
            json!({"csrf": {"token": "csrf-3f9a1b7c2d"}}),
        ),
        (
            "POST",
            "/v2/shows/88/line",
            with_token.clone(),
            none.clone(),
            200,
            none.clone(),
            json!({"state": "PASS"}),
        ),
        (
            "POST",
            "/v2/holds",
            with_token.clone(),
            json!({"show": 88, "memberId": 912, "grade": "VIP", "gift": null}),
            201,
            none.clone(),
            json!({"hold": {"id": 5501}}),
        ),
        (
            "POST",
            "/v2/holds/5501/pay",
            with_token,
            json!({}),
            200,
            none,
            json!({"ok": true}),
        ),
    ]);
    let (draft, tree, mapping) = drafted(&har);
    assert_lines(
        &tree,
        &[
            ("base", r#""/v2""#),
            (
                "headers",
                r#"{ cookie = "SID={sid}", x-csrf-token = "{csrf_token}" }"#,
            ),
            (
                "login.body",
                r#"{ password = "{user.password}", remember = true, username = "{user.username}" }"#,
            ),
            ("login.keep", r#"{ user = "/user/id", sid = "cookie:SID" }"#),
            (
                "before_queue.security.keep",
                r#"{ csrf_token = "/csrf/token" }"#,
            ),
            ("queue_enter.call", r#""POST /shows/{show}/line""#),
            (
                "seat_reserve.body",
                r#"{ grade = "VIP", memberId = "{user}", show = "{show}" }"#,
            ),
            ("payment.call", r#""POST /holds/{reservation}/pay""#),
        ],
    );
    assert_eq!(mapping.columns, ["password", "username"]);
    for secret in ["hunter22", "s3cr3tsid", "csrf-3f9", "kim"] {
        assert!(!draft.toml.contains(secret), "{secret} in\n{}", draft.toml);
    }
    // Nobody waited, no list of shows was loaded, and no seat was taken.
    for question in [
        "How does a waiting buyer learn",
        "Which request lists the shows?",
        "another buyer has the seat?",
    ] {
        assert!(
            draft.toml.contains(question),
            "`{question}` in\n{}",
            draft.toml
        );
    }
}

#[test]
fn without_a_queue_and_a_payment_the_draft_compiles_and_asks() {
    let none = Value::Null;
    let list = json!({"products": [{"productId": "p-1", "title": "x"}]});
    let har = recorded(&[(
        "GET",
        "/shop/products",
        none.clone(),
        none.clone(),
        200,
        none,
        list,
    )]);
    let (draft, tree, _) = drafted(&har);
    assert_eq!(draft.roles, [RoleName::ShowList]);
    assert_eq!(at(&tree, "show_list.keep"), r#"{ show = "/productId" }"#);
    for question in ["Is there a queue?", "Which request pays?"] {
        assert!(
            draft.toml.contains(question),
            "`{question}` in\n{}",
            draft.toml
        );
    }
    assert!(draft.questions >= 2);
}

#[test]
fn an_admission_that_nobody_saw_is_a_placeholder_and_a_question() {
    let none = Value::Null;
    let wait = json!({"code": 0, "message": "please hold the line"});
    let har = recorded(&[
        (
            "POST",
            "/queue/enter",
            none.clone(),
            none.clone(),
            200,
            none.clone(),
            wait.clone(),
        ),
        (
            "GET",
            "/queue/me",
            none.clone(),
            none.clone(),
            200,
            none.clone(),
            wait.clone(),
        ),
        (
            "GET",
            "/queue/me",
            none.clone(),
            none.clone(),
            200,
            none,
            wait,
        ),
    ]);
    let (draft, tree, _) = drafted(&har);
    assert!(at(&tree, "queue_status.means").contains(r#""/ADMITTED" = true, is = "admitted""#));
    let question = "Which response means that the buyer is admitted? Seen: 200 {\"code\":0";
    let unbroken = draft.toml.replace("\n#   ", " ");
    assert!(unbroken.contains(question), "{}", draft.toml);
}

#[test]
fn a_form_is_understood_and_asked_about() {
    let har = recorded(&[]).replace(
        "\"entries\":[]",
        r#""entries": [{"request": {"method": "post", "url": "http://u:pw@a.example:81/login", "headers": [],
            "postData": {"mimeType": "application/x-www-form-urlencoded; charset=utf-8", "text": "id=kim%40a.example&pw=hunter22"}},
            "response": {"status": 200, "headers": [{"name": "X-Auth-Token", "value": "tok-99f1"}], "content": {}}},
            {"request": {"method": "GET", "url": "http://a.example:81/queue/status?a%20b=1&x=1&x=2&y=&_=1764245573123",
            "headers": [{"name": "X-Auth-Token", "value": "tok-99f1"}, {"name": "weird header", "value": "1"}]},
            "response": {"status": 200, "content": {"mimeType": "application/json", "encoding": "base64", "text": "eyJzdGF0ZSI6InJlYWR5In0="}}}]"#,
    );
    let (draft, tree, _) = drafted(&har);
    assert_eq!(draft.roles, [RoleName::Login, RoleName::QueueStatus]);
    assert_lines(
        &tree,
        &[
            ("login.call", r#""POST /login""#),
            ("login.body", r#"{ id = "{user.id}", pw = "{user.pw}" }"#),
            ("login.keep", r#"{ token = "header:x-auth-token" }"#),
            ("queue_status.query", r#"{ x = "1", y = "" }"#),
            ("queue_status.headers", r#"{ x-auth-token = "{token}" }"#),
            (
                "queue_status.means",
                r#"[{ status = 200, "/state" = "ready", is = "admitted" }, { status = 200, is = "queued" }]"#,
            ),
        ],
    );
    assert!(
        draft.toml.contains("Does the back end take JSON, too?"),
        "{}",
        draft.toml
    );
    assert!(
        draft.toml.contains("--target http://a.example:81 "),
        "{}",
        draft.toml
    );
    assert!(
        !draft.toml.contains("hunter22") && !draft.toml.contains("tok-99"),
        "{}",
        draft.toml
    );
}

const OPENAPI: &str = include_str!("documents/tickets.yaml");

#[test]
fn a_document_gives_the_same_kind_of_draft() {
    use RoleName::{
        Cancel, Login, Payment, QueueEnter, QueueStatus, SeatList, SeatReserve, ShowList,
    };
    let document = Document::parse(OPENAPI).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(document.name().as_deref(), Some("tickets-api"));
    let (draft, tree, _) = compiled(from_document(&document, "tickets"));
    assert_eq!(
        draft.roles,
        [
            Login,
            ShowList,
            QueueEnter,
            QueueStatus,
            SeatList,
            SeatReserve,
            Payment,
            Cancel
        ]
    );
    assert_lines(
        &tree,
        &[
            ("base", r#""/v1""#),
            ("headers", r#"{ authorization = "Bearer {token}" }"#),
            (
                "login.body",
                r#"{ email = "{user.email}", password = "{user.password}" }"#,
            ),
            ("login.keep", r#"{ token = "/data/accessToken" }"#),
            ("show_list.each", r#""/data/*""#),
            ("queue_enter.call", r#""POST /events/{show}/queue""#),
            ("queue_enter.keep", r#"{ queue_token = "/queueToken" }"#),
            (
                "queue_status.means",
                r#"[{ status = 200, "/status" = "READY", is = "admitted" }, { status = 200, "/status" = "WAITING", is = "queued" }, { status = 404, is = "dropped" }]"#,
            ),
            (
                "queue_status.headers",
                r#"{ x-queue-token = "{queue_token}" }"#,
            ),
            ("seat_list.call", r#""GET /events/{show}/seats""#),
            ("seat_list.free", r#"{ "/state" = "AVAILABLE" }"#),
            ("seat_list.held", r#"{ "/state" = "HELD" }"#),
            (
                "seat_reserve.body",
                r#"{ eventId = "{show}", seats = [{ seatId = "{seat}" }] }"#,
            ),
            (
                "payment.call",
                r#""POST /reservations/{reservation}/payment""#,
            ),
            ("payment.body", r#"{ method = "CARD" }"#),
            ("cancel.call", r#""DELETE /reservations/{reservation}""#),
        ],
    );
    assert!(
        draft.toml.contains("What is sent as `method`?"),
        "{}",
        draft.toml
    );
    assert!(
        document.compare(&tree).is_empty(),
        "{:#?}\n{}",
        document.compare(&tree),
        draft.toml
    );
}
