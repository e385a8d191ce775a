//! What the HTML of any page must be.

use super::*;
use crate::page::{Cell, Column};
use crate::testing::{assert_self_contained, assert_well_formed};

fn page(blocks: Vec<Block>) -> Page {
    Page {
        title: "Does `it` work?".to_owned(),
        context: "a & b".to_owned(),
        headline: Headline {
            status: Status::Pass,
            answer: "Yes.".to_owned(),
            details: Vec::new(),
        },
        sections: vec![Section {
            title: "Section".to_owned(),
            blocks,
        }],
        closing: Vec::new(),
        run_again: "tiketi-sim".to_owned(),
        exit_code: Some(0),
    }
}

#[test]
fn tables_have_a_caption_and_headings_with_a_scope() {
    let mut table = Table::new(vec![
        Column::status(),
        Column::label("Name"),
        Column::number("n"),
    ]);
    table = table.titled("Numbers");
    table.push(vec![
        Cell::status(Status::Fail),
        Cell::text("<one>"),
        Cell::count(1_000).colored(Status::Fail),
    ]);
    let shown = render(&page(vec![table.into()]));
    for part in [
        "<caption>Numbers</caption>",
        "<th scope=\"col\" class=\"number\">n</th>",
        "<th scope=\"row\">&lt;one&gt;</th>",
        "aria-label=\"failed\"",
        "<td class=\"number bad-text\">1,000</td>",
        "Does <code>it</code> work?",
        "a &amp; b",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert_self_contained(&shown);
    assert_well_formed(&shown);
}

#[test]
fn an_unpaired_backtick_is_text() {
    assert_eq!(inline("a ` b").into_string(), "a ` b");
}

/// Relative luminance of an sRGB color (WCAG 2.2).
fn luminance(color: &str) -> f64 {
    let channel = |place: usize| {
        let byte = u8::from_str_radix(&color[place..place + 2], 16).expect("a color");
        let value = f64::from(byte) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn colors_have_enough_contrast_in_light_and_dark() {
    let themes: Vec<_> = STYLE.split("--page:").skip(1).collect();
    assert_eq!(themes.len(), 2, "a light theme and a dark one");
    for theme in themes {
        let theme = format!("--page:{theme}");
        let color = |name: &str| {
            let (_, rest) = theme.split_once(&format!("--{name}: ")).expect(name);
            rest[..7].to_owned()
        };
        let text = [
            ("ink", "card"),
            ("ink", "page"),
            ("muted", "card"),
            ("muted", "page"),
            ("good", "card"),
            ("bad", "card"),
            ("unknown", "card"),
            ("ink", "good-soft"),
            ("ink", "bad-soft"),
            ("ink", "unknown-soft"),
        ];
        for (front, back) in text {
            let ratio = contrast(&color(front), &color(back));
            assert!(ratio >= 4.5, "{front} on {back}: {ratio:.2}");
        }
        for line in ["line-1", "line-2", "line-3", "line-4", "mark"] {
            let ratio = contrast(&color(line), &color("card"));
            assert!(ratio >= 3.0, "{line}: {ratio:.2}");
        }
    }
}
