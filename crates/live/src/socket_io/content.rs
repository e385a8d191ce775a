//! What a packet says in a system other than TIKETI: any name, any arguments, and whether it asks for an acknowledgement.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::IgnoredAny;

use super::packet::ROOT;

/// The kind of the packet that connects a buyer to a namespace.
pub(crate) const CONNECT: &str = "40";
/// The kind of a message.
pub(crate) const MESSAGE: &str = "42";
/// The kind of an acknowledgement.
pub(crate) const ACKNOWLEDGEMENT: &str = "43";

/// What follows the namespace of a message, or of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content<'f> {
    /// With what a message wants to be acknowledged, or which message an acknowledgement is for.
    pub(crate) id: Option<u64>,
    list: &'f str,
}

impl<'f> Content<'f> {
    /// Splits the text; `None` if it is no packet.
    pub(crate) fn parse(text: &'f str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (id, list) = text.split_at(digits);
        let id = if id.is_empty() {
            None
        } else {
            Some(id.parse().ok()?)
        };
        Some(Self { id, list })
    }

    /// Returns the name and the arguments of a message; `None` if it is none.
    pub(crate) fn message(&self) -> Option<(String, Cow<'f, str>)> {
        let (name, after) = value(self.list.strip_prefix('[')?)?;
        let name = serde_json::from_str(name).ok()?;
        let rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None => (after == "]").then_some(after)?,
        };
        Some((name, arguments(rest)?))
    }

    /// Returns the arguments of an acknowledgement; `None` if it is none.
    pub(crate) fn arguments(&self) -> Option<Cow<'f, str>> {
        arguments(self.list.strip_prefix('[')?)
    }
}

/// The arguments up to the bracket that closes their list: a single one is itself, all others are a list.
fn arguments(rest: &str) -> Option<Cow<'_, str>> {
    if rest.trim() == "]" {
        return Some(Cow::Owned("[]".to_owned()));
    }
    let (first, mut after) = value(rest)?;
    if after == "]" {
        return Some(Cow::Borrowed(first));
    }
    while let Some(more) = after.strip_prefix(',') {
        after = value(more)?.1;
    }
    (after == "]").then(|| Cow::Owned(format!("[{rest}")))
}

/// Splits off the JSON value with which a text begins. Nothing is built: what a mapping does not ask for is only skipped.
fn value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, after) = text.split_at_checked(values.byte_offset())?;
    Some((value.trim_start(), after.trim()))
}

/// Returns the text frame of a packet of this kind.
pub(crate) fn packet_text(kind: &str, namespace: &str, id: Option<u64>, json: &str) -> String {
    let mut text = String::with_capacity(kind.len() + namespace.len() + json.len() + 4);
    text.push_str(kind);
    if namespace != ROOT {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        write!(text, "{id}").expect("a string takes everything");
    }
    text.push_str(json);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<(Option<u64>, String, String)> {
        let content = Content::parse(text)?;
        let (name, arguments) = content.message()?;
        Some((content.id, name, arguments.into_owned()))
    }

    #[test]
    fn one_argument_is_itself_and_several_are_a_list() {
        let cases = [
            (r#"["a",{"b":[1,"]"]}]"#, None, r#"{"b":[1,"]"]}"#),
            (r#"12["a",7]"#, Some(12), "7"),
            (r#"["a",[1,2]]"#, None, "[1,2]"),
            (r#"["a","x", {"y":null} ]"#, None, r#"["x", {"y":null} ]"#),
            (r#"["a",-1.5e3,true]"#, None, "[-1.5e3,true]"),
            (r#"[ "a" , "x" ]"#, None, r#""x""#),
            (r#"["a"]"#, None, "[]"),
        ];
        for (text, id, arguments) in cases {
            let expected = Some((id, "a".to_owned(), arguments.to_owned()));
            assert_eq!(message(text), expected, "{text}");
        }
        let (_, name, _) = message(r#"["q\"\u00e9:x",1]"#).unwrap();
        assert_eq!(name, "q\"é:x");
    }

    #[test]
    fn an_acknowledgement_has_an_id_and_arguments() {
        let read = |text| {
            let content = Content::parse(text)?;
            Some((content.id, content.arguments()?.into_owned()))
        };
        let one = Some((Some(3), r#"{"ok":true}"#.to_owned()));
        assert_eq!(read(r#"3[{"ok":true}]"#), one);
        assert_eq!(read("3[]"), Some((Some(3), "[]".to_owned())));
        assert_eq!(read("3[1,2]"), Some((Some(3), "[1,2]".to_owned())));
        assert_eq!(read("3"), None);
    }

    #[test]
    fn what_is_no_packet_is_not_read() {
        let deep = format!(r#"["a",{}"#, "[".repeat(50_000));
        let long = format!("{}[]", "9".repeat(40));
        for text in [
            "",
            "{}",
            "[",
            "[]",
            "[1]",
            r#"["a""#,
            r#"["a",}"#,
            r#"["a",1"#,
            r#"["a",1,,2]"#,
            r#"["a",1]]"#,
            r#"["a" 1]"#,
            &deep,
            &long,
        ] {
            assert_eq!(message(text), None, "{}", &text[..text.len().min(20)]);
        }
    }

    #[test]
    fn packets_name_their_namespace_unless_it_is_the_root() {
        assert_eq!(packet_text(CONNECT, ROOT, None, ""), "40");
        assert_eq!(packet_text(CONNECT, "/q", None, "{}"), "40/q,{}");
        let message = packet_text(MESSAGE, "/q", Some(0), r#"["a"]"#);
        assert_eq!(message, r#"42/q,0["a"]"#);
        assert_eq!(packet_text(ACKNOWLEDGEMENT, ROOT, Some(7), "[]"), "437[]");
    }
}
