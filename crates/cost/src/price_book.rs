//! Price books: prices with their sources, and the amounts of the reference bill.

use serde::{Deserialize, Serialize};

use super::edge_plan::EdgePlan;
use super::item::{DatabaseOffer, Item};
use super::price_file;
use tiketi_core::names;
use tiketi_scenario::Diagnostics;

/// Hours per month, as AWS counts them.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// Prices of one region and date.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    /// Name, as used in scenarios.
    pub name: String,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Date of the prices, or `as documented`.
    pub date: String,
    /// Source of the prices.
    pub source: String,
    /// Exchange rate of the currency to won.
    pub exchange: Exchange,
    /// Whether a price covers its whole heading, so that items under the heading without a price are included in it.
    pub by_heading: bool,
    /// The plan for the edge that applies; `None` for list prices from the first byte.
    pub edge_plan: Option<EdgePlan>,
    /// All plans for the edge that the book has.
    pub edge_plans: Vec<EdgePlan>,
    /// The prices.
    pub prices: Vec<Price>,
    /// The amounts of the reference bill; empty in books of list prices.
    pub figures: Vec<Figure>,
}

/// An exchange rate to won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Won per unit of the currency.
    pub won_per_unit: f64,
    /// How reliable the rate is.
    pub basis: Basis,
    /// Source of the rate.
    pub source: String,
}

/// A currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Currency {
    /// Won.
    Krw,
    /// US dollar.
    Usd,
}

names!(Currency {
    Krw = "KRW",
    Usd = "USD",
});

/// The price of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The item.
    pub item: Item,
    /// Kind of database; set for items that have kinds ([`Item::has_kinds`]), and for no others.
    pub kind: Option<DatabaseOffer>,
    /// Instance or node type; `None` means any.
    pub class: Option<String>,
    /// The amount, in the book's currency.
    pub amount: f64,
    /// What the amount is for.
    pub per: Per,
    /// How reliable the price is.
    pub basis: Basis,
    /// Source of the price.
    pub source: String,
}

impl Price {
    /// Returns the price per metered unit; of a flat price, the price per hour.
    pub fn for_one(&self) -> f64 {
        match self.per {
            Per::Unit => self.amount,
            Per::Month | Per::Flat => self.amount / HOURS_PER_MONTH,
        }
    }
}

/// What the amount of a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// One metered unit.
    Unit,
    /// A month of something that is metered in hours.
    Month,
    /// A month of the whole architecture, regardless of its size.
    Flat,
}

names!(Per {
    Unit = "unit",
    Month = "month",
    Flat = "flat",
});

/// How reliable a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Stated in the documents of the architecture.
    Documented,
    /// Reported by a third party.
    Reported,
    /// An estimate, because no price was found.
    Assumption,
    /// No price is known; the line has no amount.
    NotFound,
}

names!(Basis {
    Documented = "documented",
    Reported = "reported",
    Assumption = "assumption",
    NotFound = "not-found",
});

/// An amount of the reference bill, in the book's currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name; that of a [`Heading`](super::item::Heading) if the amount is a line of the bill.
    pub name: String,
    /// Title for reports.
    pub title: String,
    /// The documented amount.
    pub amount: f64,
    /// Whether it depends on usage: on the load, not on the infrastructure.
    pub by_use: bool,
    /// Names of the amounts that it claims to be the sum of.
    pub parts: Vec<String>,
    /// Names of the amounts that are deducted from that sum.
    pub minus: Vec<String>,
}

impl PriceBook {
    /// Names of the built-in books.
    pub const BUILT_IN: [&str; 2] = ["documented-krw", "aws-ap-northeast-2"];

    /// Returns the built-in book with this name, or `None` if there is none.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = match name {
            "documented-krw" => include_str!("../../../scenarios/prices/documented-krw.toml"),
            "aws-ap-northeast-2" => {
                include_str!("../../../scenarios/prices/aws-ap-northeast-2.toml")
            }
            _ => return None,
        };
        Some(Self::read(name, text).expect("a test reads every built-in book"))
    }

    /// Reads a price book from the text of the file `source_name`, or returns its problems.
    pub fn read(source_name: &str, text: &str) -> Result<Self, Diagnostics> {
        price_file::read(source_name, text)
    }

    /// Returns the price of `item`, or `None` if the book has none; `kind` is the kind of database and `class` the instance or
    /// node type, if the item has one.
    pub fn price(
        &self,
        item: Item,
        kind: Option<DatabaseOffer>,
        class: Option<&str>,
    ) -> Option<&Price> {
        self.prices.iter().find(|price| {
            price.item == item
                && price.kind == kind
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
    use tiketi_core::instance_class::InstanceClass;
    use tiketi_scenario::PRICE_BOOKS;

    #[test]
    fn built_in_books_are_valid_and_have_their_names() {
        for name in PriceBook::BUILT_IN {
            assert_eq!(
                PriceBook::built_in(name).expect("a built-in book").name,
                name
            );
        }
        assert_eq!(PriceBook::built_in("elsewhere"), None);
    }

    #[test]
    fn scenarios_accept_these_books_and_list_prices_cover_all_instance_types() {
        assert_eq!(PRICE_BOOKS, PriceBook::BUILT_IN);
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("a built-in book");
        for class in InstanceClass::ALL {
            let price = |item| book.price(item, None, Some(class.name()));
            assert!(price(Item::Instance).is_some(), "{class}");
            assert!(price(Item::InstanceReserved).is_some(), "{class}, reserved");
        }
    }

    #[test]
    fn a_price_applies_to_its_class_only() {
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("a built-in book");
        let price = |class| book.price(Item::Instance, None, Some(class));
        assert!(price("t3.medium").is_some());
        assert!(price("r5.large").is_none());
    }

    #[test]
    fn the_same_class_costs_different_amounts_in_aurora_and_in_rds() {
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("a built-in book");
        let amount = |kind, class| {
            let price = book.price(Item::Database, Some(kind), Some(class));
            price.map(|price| price.amount)
        };
        assert_eq!(amount(DatabaseOffer::Aurora, "db.t3.medium"), Some(0.125));
        assert_eq!(
            amount(DatabaseOffer::RdsMultiAz, "db.t3.medium"),
            Some(0.112)
        );
        assert_eq!(
            amount(DatabaseOffer::Aurora, "db.t3.micro"),
            None,
            "Aurora has no such class"
        );
        assert_eq!(
            book.price(Item::Database, None, Some("db.t3.medium")),
            None,
            "no price without a kind"
        );
    }

    #[test]
    fn every_kind_of_database_has_its_storage_and_io_in_the_list_prices() {
        let book = PriceBook::built_in("aws-ap-northeast-2").expect("a built-in book");
        for kind in DatabaseOffer::ALL {
            for item in [Item::DatabaseStorage, Item::DatabaseIo] {
                assert!(book.price(item, Some(kind), None).is_some(), "{kind:?}");
            }
        }
    }
}
