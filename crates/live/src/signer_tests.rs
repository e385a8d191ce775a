//! A program that signs requests: what it adds, and how it may fail.

use bytes::Bytes;
use tokio::task::LocalSet;

use super::*;
use tiketi_api::{IdText, RoleName, Variable};

/// A buyer with the seat 7.
struct Buyer;

impl Values for Buyer {
    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        (variable == Variable::Seat).then(|| IdText {
            text: "7".into(),
            is_number: true,
        })
    }
}

/// A mapping that signs its payment with a shell script.
fn mapping(script: &str, timeout: &str) -> Mapping {
    let run = toml::Value::String(script.to_owned());
    let text = format!(
        "[sign]\nrun = [\"sh\", \"-c\", {run}]\nfor = [\"payment\"]\nvariables = [\"seat\", \"token\"]\ntimeout = \"{timeout}\"\n\
         [seat_list]\ncall = \"GET /s\"\neach = \"/*\"\nkeep = {{ seat = \"/id\" }}\n\
         [payment]\ncall = \"POST /pay\"\nmeans = [{{ is = \"paid\" }}]\n"
    );
    let table = toml::de::DeTable::parse(&text).expect("it is TOML");
    let tree = tiketi_api::Tree::from_table(table.get_ref(), 0..0);
    tiketi_api::compile(&tree).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn payment() -> Outgoing {
    Outgoing {
        method: Method::POST,
        uri: Uri::from_static("/pay?a=1"),
        host: None,
        body: Bytes::from_static(br#"{"amount":3}"#),
        headers: Vec::new(),
        has_bearer: false,
        is_idempotent: false,
    }
}

/// Signs payments at the same time.
fn signed(script: &str, timeout: &str, count: usize) -> Vec<Result<Outgoing, SignError>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has a runtime");
    let mapping = mapping(script, timeout);
    let signer = Signer::of(&mapping).expect("it has a program");
    let role = mapping.role(RoleName::Payment).expect("it has this role");
    let one = || signer.sign(role, payment(), &Buyer);
    let all = async {
        let signings: Vec<_> = (0..count).map(|_| one()).collect();
        futures_util::future::join_all(signings).await
    };
    runtime.block_on(LocalSet::new().run_until(all))
}

/// What is said about the program.
fn failure(script: &str, timeout: &str) -> String {
    let error = signed(script, timeout, 1)
        .remove(0)
        .expect_err("the program fails");
    error.to_string()
}

#[test]
fn headers_query_and_body_are_added() {
    let script = r#"while read -r line; do echo '{"id":1,"headers":{"X-Signature":"s/1"},"query":{"k":"a b"},"body":{"captcha":"c"}}'; done"#;
    let signed = signed(script, "5s", 1).remove(0).unwrap();
    assert_eq!(signed.uri, "/pay?a=1&k=a%20b");
    assert_eq!(signed.body, r#"{"amount":3,"captcha":"c"}"#);
    let (name, value) = &signed.headers[0];
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("x-signature", &b"s/1"[..])
    );
    assert!(value.is_sensitive());
}

#[test]
fn the_program_reads_the_request_and_the_variables() {
    // It gives the line back as the reason of a refusal.
    let script = r#"read -r line; quoted=$(printf '%s' "$line" | sed 's/\\/\\\\/g; s/"/\\"/g'); printf '{"id":1,"error":"%s"}\n' "$quoted"; read -r line"#;
    let said = failure(script, "5s");
    for part in [
        r#""role":"payment""#,
        r#""method":"POST""#,
        r#""path":"/pay?a=1""#,
        r#""body":"{\"amount\":3}""#,
        r#""seat":"7""#,
    ] {
        assert!(said.contains(part), "`{part}` in {said}");
    }
    assert!(said.contains("refused a request"), "{said}");
}

#[test]
fn answers_come_in_any_order() {
    // It reads three requests before it answers the last one first.
    let script = r#"read -r a; read -r b; read -r c; for id in 3 1 2; do echo "{\"id\":$id,\"headers\":{\"x-id\":\"$id\"}}"; done; read -r end"#;
    let all = signed(script, "5s", 3);
    let ids = all
        .iter()
        .map(|one| one.as_ref().unwrap().headers[0].1.to_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[test]
fn a_role_that_is_not_signed_does_not_start_the_program() {
    let mapping = mapping("exit 1", "5s");
    let signer = Signer::of(&mapping).unwrap();
    let role = mapping.role(RoleName::SeatList).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let signed = runtime
        .block_on(signer.sign(role, payment(), &Buyer))
        .unwrap();
    assert!(signed.headers.is_empty());
    assert!(signer.lines_tx.borrow().is_none());
}

#[test]
fn a_program_that_ends_is_named_with_its_last_words() {
    let said = failure("echo 'no key in keys.json' >&2; exit 3", "5s");
    assert!(said.starts_with("the program `sh -c echo"), "{said}");
    assert!(said.contains("ended with exit status: 3"), "{said}");
    assert!(said.contains("no key in keys.json"), "{said}");
}

#[test]
fn a_line_that_is_no_answer_is_shown_without_its_secrets() {
    let said = failure(
        r#"read -r line; echo '{"token":"hush"}'; read -r line"#,
        "5s",
    );
    assert!(said.contains("no answer"), "{said}");
    assert!(said.contains(r#"{"token":"***"}"#), "{said}");
    let said = failure(r#"read -r line; echo '{"id":99}'; read -r line"#, "5s");
    assert!(said.contains("does not wait for one"), "{said}");
    let said = failure("read -r line; head -c 70000 /dev/zero; read -r line", "5s");
    assert!(said.contains("more than 65536 bytes"), "{said}");
}

#[test]
fn a_program_that_is_late_or_missing_is_a_failure_and_stays_one() {
    let said = failure("read -r line; read -r line", "100ms");
    assert!(
        said.contains("did not answer a request of `payment` within 0.1 s"),
        "{said}"
    );
    let mapping = mapping("true", "5s");
    let mut signer = Signer::of(&mapping).unwrap();
    signer.sign.run = vec!["/nonexistent/program".to_owned()];
    let role = mapping.role(RoleName::Payment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let twice = async {
        let first = signer.sign(role, payment(), &Buyer).await.unwrap_err();
        let second = signer.sign(role, payment(), &Buyer).await.unwrap_err();
        (first, second, signer.failure().await)
    };
    let (first, second, noted) = runtime.block_on(LocalSet::new().run_until(twice));
    assert!(first.to_string().contains("cannot be started"), "{first}");
    assert_eq!((&first, &first), (&second, &noted));
}

#[test]
fn what_cannot_be_added_is_refused() {
    let reply = |json: &str| serde_json::from_str::<Reply>(json).expect("it is an answer");
    for (json, words) in [
        (r#"{"id":1,"headers":{"Host":"x"}}"#, "`Host`"),
        (r#"{"id":1,"headers":{"a b":"x"}}"#, "`a b`"),
        (r#"{"id":1,"headers":{"x-a":"\n"}}"#, "`x-a`"),
    ] {
        let error = with(payment(), reply(json)).expect_err("it is refused");
        assert!(error.contains(words), "{error}");
    }
    let get = Outgoing {
        method: Method::GET,
        ..payment()
    };
    assert!(with(get, reply(r#"{"id":1,"body":{"a":1}}"#)).is_err());
    let list = Outgoing {
        body: Bytes::from_static(b"[1]"),
        ..payment()
    };
    assert!(with(list, reply(r#"{"id":1,"body":{"a":1}}"#)).is_err());
    assert!(serde_json::from_str::<Reply>(r#"{"id":1,"header":{}}"#).is_err());
}
