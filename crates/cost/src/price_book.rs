//! Price books: prices, each with its source, and what documents state of a month.

use serde::{Deserialize, Serialize};

use super::item::Item;
use super::price_file;
use tiketi_scenario::Diagnostics;

/// Hours of a month, as AWS counts them.
pub const HOURS_A_MONTH: f64 = 730.0;

/// Prices of one region and date.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    /// Name, as scenarios give it.
    pub name: String,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Date of the prices, or `as documented`.
    pub date: String,
    /// Where they come from.
    pub source: String,
    /// What one unit of the currency is in won.
    pub exchange: Exchange,
    /// Whether a price stands for all of its heading, so that items without one are included in it and not missing.
    pub by_heading: bool,
    /// The prices.
    pub prices: Vec<Price>,
    /// The month as documents state it; empty in books of list prices.
    pub figures: Vec<Figure>,
}

/// What one unit of a currency is in won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Won for one unit.
    pub won_per_unit: f64,
    /// How sure the rate is.
    pub basis: Basis,
    /// Where it comes from.
    pub source: String,
}

/// A currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Won.
    Krw,
    /// US dollar.
    Usd,
}

/// One price.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// What it is for.
    pub item: Item,
    /// Instance or node type it is for; `None` is any.
    pub class: Option<String>,
    /// The amount.
    pub amount: f64,
    /// What the amount buys.
    pub per: Per,
    /// How sure it is.
    pub basis: Basis,
    /// Where it comes from.
    pub source: String,
}

impl Price {
    /// What one unit costs, as the meter counts; of a flat price, an hour of the whole.
    pub fn for_one(&self) -> f64 {
        match self.per {
            Per::Unit => self.amount,
            Per::Month | Per::Flat => self.amount / HOURS_A_MONTH,
        }
    }
}

/// What an amount buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// One unit, as the meter counts.
    Unit,
    /// A month of one thing that the meter counts in hours.
    Month,
    /// A month of the whole architecture.
    Flat,
}

/// How sure a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Stated in the documents of the architecture.
    Documented,
    /// Reported by a third party.
    Reported,
    /// A stand-in.
    Assumption,
    /// No price is known: the line counts nothing.
    NotFound,
}

/// A figure of the documented month, in the book's currency.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Name; that of a [`Heading`](super::item::Heading) if the figure is one line of the bill.
    pub name: String,
    /// Title for reports.
    pub title: String,
    /// The amount stated.
    pub amount: f64,
    /// Whether it hangs on how much is used: on the load, not on what stands there.
    #[serde(default)]
    pub by_use: bool,
    /// Figures it claims to be the sum of.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Figures it takes off that sum.
    #[serde(default)]
    pub minus: Vec<String>,
}

impl PriceBook {
    /// Names of the built-in books.
    pub const BUILT_IN: [&str; 2] = ["documented-krw", "aws-ap-northeast-2"];

    /// The built-in book with this name, or `None`.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = match name {
            "documented-krw" => include_str!("../../../scenarios/prices/documented-krw.toml"),
            "aws-ap-northeast-2" => {
                include_str!("../../../scenarios/prices/aws-ap-northeast-2.toml")
            }
            _ => return None,
        };
        Some(Self::read(name, text).expect("built-in books are tested"))
    }

    /// Reads the book `text` of the file `source_name`, or reports what is wrong with it.
    pub fn read(source_name: &str, text: &str) -> Result<Self, Diagnostics> {
        price_file::read(source_name, text)
    }

    /// The price of `item`; `class` is the instance or node type where that matters.
    pub fn price(&self, item: Item, class: Option<&str>) -> Option<&Price> {
        self.prices.iter().find(|price| {
            price.item == item
                && price
                    .class
                    .as_deref()
                    .is_none_or(|wanted| Some(wanted) == class)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{INSTANCE_CLASSES, PRICE_BOOKS};

    #[test]
    fn all_built_in_books_are_read_and_bear_their_names() {
        for name in PriceBook::BUILT_IN {
            assert_eq!(PriceBook::built_in(name).expect("is built in").name, name);
        }
        assert_eq!(PriceBook::built_in("elsewhere"), None);
    }

    #[test]
    fn scenarios_may_name_just_these_books_and_the_list_prices_know_all_instance_types() {
        assert_eq!(PRICE_BOOKS, PriceBook::BUILT_IN);
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
        for class in INSTANCE_CLASSES {
            assert!(book.price(Item::Instance, Some(class)).is_some(), "{class}");
        }
    }

    #[test]
    fn a_price_for_a_class_is_not_taken_for_another() {
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
        assert!(book.price(Item::Instance, Some("t3.medium")).is_some());
        assert!(book.price(Item::Instance, Some("m5.large")).is_none());
    }
}
