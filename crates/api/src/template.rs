//! Texts with variables: paths, queries, headers and bodies of requests.

use std::fmt::Write as _;

use crate::id::IdText;
use crate::tree::{Node, Tree};

/// What a template can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The show that is sold.
    Show,
    /// The seat that the buyer has picked.
    Seat,
    /// The reservation that holds it.
    Reservation,
    /// Who the buyer is.
    User,
    /// The buyer's e-mail address, if buyers are generated.
    Email,
    /// What proves who the buyer is.
    Token,
    /// A column of the file of users, by its place in [`crate::Mapping::columns`].
    Column(u8),
    /// A value that was kept from a response, by its place in [`crate::Mapping::kept`].
    Kept(u8),
}

/// The values of variables when a request is built.
pub trait Values {
    /// Returns the value; `None` if there is none yet.
    fn value(&self, variable: Variable) -> Option<IdText<'_>>;

    /// Returns a number that differs between buyers: they spread over a list by it.
    fn choice(&self) -> u64 {
        0
    }
}

/// Somebody of whom nothing is known.
pub(crate) struct Nobody;

impl Values for Nobody {
    fn value(&self, _: Variable) -> Option<IdText<'_>> {
        None
    }
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As they are.
    None,
    /// Percent-encoded, as in paths and queries.
    Url,
}

/// A text with variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// A value within a text.
    Value(Variable, Style),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Url,
    /// Within the quotes of a JSON text.
    Quoted,
    /// A JSON value of its own.
    Json(Type),
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// A number where the value was one when it was read.
    AsRead,
    /// A number, if it is one.
    Number,
    Text,
}

/// Returns a name without its type, such as `user.id` for `user.id:number`.
fn typed(name: &str) -> (&str, Type) {
    match name.rsplit_once(':') {
        Some((name, "number")) => (name, Type::Number),
        Some((name, "text")) => (name, Type::Text),
        _ => (name, Type::AsRead),
    }
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A brace without its partner.
    Brace,
    /// A variable that does not exist.
    Unknown(String),
}

impl Template {
    /// Reads a text. `{{` and `}}` stand for braces.
    pub(crate) fn parse(
        text: &str,
        escape: Escape,
        variable: &dyn Fn(&str) -> Option<Variable>,
    ) -> Result<Self, Broken> {
        let style = match escape {
            Escape::None => Style::Plain,
            Escape::Url => Style::Url,
        };
        let mut template = Self::default();
        template.push_parts(text, style, variable)?;
        Ok(template)
    }

    /// Reads a body: JSON with variables in its texts. A text that is nothing but one variable becomes the value itself, with the
    /// type that it was read with, or that follows its name: `{user.id:number}`, `{seat:text}`.
    pub(crate) fn json(
        tree: &Tree,
        variable: &dyn Fn(&str) -> Option<Variable>,
    ) -> Result<Self, Broken> {
        let mut template = Self::default();
        template.push_json(tree, variable)?;
        Ok(template)
    }

    fn push_json(
        &mut self,
        tree: &Tree,
        variable: &dyn Fn(&str) -> Option<Variable>,
    ) -> Result<(), Broken> {
        match &tree.node {
            Node::Text(text) => {
                let name = text
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                if let Some((name, as_type)) = name.map(typed)
                    && let Some(found) = variable(name)
                {
                    self.parts.push(Part::Value(found, Style::Json(as_type)));
                    return Ok(());
                }
                self.push_text("\"");
                self.push_parts(text, Style::Quoted, variable)?;
                self.push_text("\"");
            }
            Node::Whole(number) => self.push_text(&number.to_string()),
            Node::Number(number) => self.push_text(&format!("{number:?}")),
            Node::Flag(flag) => self.push_text(&flag.to_string()),
            Node::List(list) => {
                for (place, value) in list.iter().enumerate() {
                    self.push_text(if place == 0 { "[" } else { "," });
                    self.push_json(value, variable)?;
                }
                self.push_text(if list.is_empty() { "[]" } else { "]" });
            }
            Node::Table(entries) => {
                for (place, entry) in entries.iter().enumerate() {
                    self.push_text(if place == 0 { "{\"" } else { ",\"" });
                    self.push_text(&quoted(&entry.key.name));
                    self.push_text("\":");
                    self.push_json(&entry.value, variable)?;
                }
                self.push_text(if entries.is_empty() { "{}" } else { "}" });
            }
        }
        Ok(())
    }

    fn push_parts(
        &mut self,
        text: &str,
        style: Style,
        variable: &dyn Fn(&str) -> Option<Variable>,
    ) -> Result<(), Broken> {
        let literal = |text: &str| {
            if style == Style::Quoted {
                quoted(text)
            } else {
                text.to_owned()
            }
        };
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            self.push_text(&literal(before));
            if from.starts_with("{{") || from.starts_with("}}") {
                self.push_text(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let inner = from.strip_prefix('{').ok_or(Broken::Brace)?;
            let (name, after) = inner.split_once('}').ok_or(Broken::Brace)?;
            let found = variable(name).ok_or_else(|| Broken::Unknown(name.to_owned()))?;
            self.parts.push(Part::Value(found, style));
            rest = after;
        }
        self.push_text(&literal(rest));
        Ok(())
    }

    fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            *last = format!("{last}{text}").into();
            return;
        }
        self.parts.push(Part::Text(text.into()));
    }

    /// Puts `base` in front.
    pub(crate) fn after(mut self, base: &str) -> Self {
        if let Some(Part::Text(first)) = self.parts.first_mut() {
            *first = format!("{base}{first}").into();
        } else {
            self.parts.insert(0, Part::Text(base.into()));
        }
        self
    }

    /// Returns whether these words are in it, without the values of variables.
    pub(crate) fn contains(&self, words: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(text) => text.contains(words),
            Part::Value(..) => false,
        })
    }

    /// Adds to the query of a path.
    pub(crate) fn with_query(mut self, query: &str) -> Self {
        let separator = if self.contains("?") { "&" } else { "?" };
        self.push_text(separator);
        self.push_text(query);
        self
    }

    /// Returns whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Returns the variables in it.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(variable, _) => Some(*variable),
        })
    }

    /// Returns whether it is exactly `Bearer {token}`.
    pub fn is_bearer_token(&self) -> bool {
        matches!(&self.parts[..], [Part::Text(text), Part::Value(Variable::Token, Style::Plain)] if text.as_ref() == "Bearer ")
    }

    /// Writes it with its values; fails with the first variable that has none.
    pub fn render(&self, values: &impl Values, out: &mut String) -> Result<(), Variable> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(variable, style) => {
                    let value = values.value(*variable).ok_or(*variable)?;
                    write_value(&value, *style, out);
                }
            }
        }
        Ok(())
    }
}

fn write_value(value: &IdText<'_>, style: Style, out: &mut String) {
    let text = value.text.as_ref();
    match style {
        Style::Plain => out.push_str(text),
        Style::Url => percent_encode(text, out),
        Style::Json(Type::AsRead) if value.is_number => out.push_str(text),
        Style::Json(Type::Number) if is_json_number(text) => out.push_str(text),
        Style::Json(_) => {
            out.push('"');
            push_quoted(text, out);
            out.push('"');
        }
        Style::Quoted => push_quoted(text, out),
    }
}

/// Whether the text can stand in JSON as a number.
fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn push_quoted(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        out.push_str(&quoted(text));
    }
}

/// Whether the text is the same within the quotes of JSON.
fn is_plain(text: &str) -> bool {
    !text
        .bytes()
        .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
}

/// The inside of a JSON text.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Example;

    impl Values for Example {
        fn value(&self, variable: Variable) -> Option<IdText<'_>> {
            let (text, is_number) = match variable {
                Variable::Seat => ("7", true),
                Variable::User => ("a \"b\"/c", false),
                _ => return None,
            };
            Some(IdText {
                text: text.into(),
                is_number,
            })
        }
    }

    fn named(name: &str) -> Option<Variable> {
        match name {
            "seat" => Some(Variable::Seat),
            "user" => Some(Variable::User),
            "token" => Some(Variable::Token),
            _ => None,
        }
    }

    fn rendered(template: &Template) -> Result<String, Variable> {
        let mut out = String::new();
        template.render(&Example, &mut out).map(|()| out)
    }

    #[test]
    fn values_are_written_as_their_place_needs() {
        let path = Template::parse("/u/{user}?s={seat}", Escape::Url, &named).unwrap();
        assert_eq!(rendered(&path).unwrap(), "/u/a%20%22b%22%2Fc?s=7");
        let header = Template::parse("x {user}{{}}", Escape::None, &named).unwrap();
        assert_eq!(rendered(&header).unwrap(), "x a \"b\"/c{}");
        let text = "b = { seats = [\"{seat}\"], seat = \"no {seat}\", user = \"{user}\", n = 1, t = \"{seat:text}\", u = \"{user:number}\", e = {}, l = [], \"k\\\"\" = true }";
        let table = toml::de::DeTable::parse(text).unwrap();
        let tree = Tree::from_table(table.get_ref(), 0..0);
        let body = Template::json(tree.get("b").unwrap(), &named).unwrap();
        assert_eq!(
            rendered(&body).unwrap(),
            r#"{"seats":[7],"seat":"no 7","user":"a \"b\"/c","n":1,"t":"7","u":"a \"b\"/c","e":{},"l":[],"k\"":true}"#
        );
    }

    #[test]
    fn a_variable_without_a_value_or_a_name_is_named() {
        let token = Template::parse("Bearer {token}", Escape::None, &named).unwrap();
        assert!(token.is_bearer_token());
        assert_eq!(rendered(&token), Err(Variable::Token));
        let parse = |text| Template::parse(text, Escape::None, &named).unwrap_err();
        assert_eq!(parse("{sit}"), Broken::Unknown("sit".to_owned()));
        assert_eq!(parse("{seat"), Broken::Brace);
        assert_eq!(parse("seat}"), Broken::Brace);
    }
}
