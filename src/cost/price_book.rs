//! Price books: TOML with a source for each price.

use serde::{Deserialize, Serialize};

use super::item::Item;

/// Hours of a month, as AWS counts them.
pub const HOURS_A_MONTH: f64 = 730.0;

/// Prices of one region and date.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default)]
    pub by_heading: bool,
    /// The prices.
    pub prices: Vec<Price>,
    /// The month as documents state it; empty in books of list prices.
    #[serde(default)]
    pub figures: Vec<Figure>,
}

/// What one unit of a currency is in won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Why a price book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceBookError {
    /// Not TOML, or not a price book.
    #[error("price book is not understood: {0}")]
    Syntax(#[from] toml::de::Error),
    /// An amount nobody can be billed.
    #[error("price of `{item:?}` is {amount} (legal: finite, 0 or more)")]
    Amount {
        /// The item.
        item: Item,
        /// The offending amount.
        amount: f64,
    },
    /// A figure is the sum of one that comes later or not at all.
    #[error("figure `{figure}` adds up `{part}`, which is not stated before it")]
    UnknownPart {
        /// The figure.
        figure: String,
        /// The part.
        part: String,
    },
}

impl PriceBook {
    /// Names of the built-in books.
    pub const BUILT_IN: [&str; 2] = ["documented-krw", "aws-ap-northeast-2"];

    /// The built-in book with this name, or `None`.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = match name {
            "documented-krw" => include_str!("../../scenarios/prices/documented-krw.toml"),
            "aws-ap-northeast-2" => {
                include_str!("../../scenarios/prices/aws-ap-northeast-2.toml")
            }
            _ => return None,
        };
        Some(Self::parse(text).expect("built-in books are tested"))
    }

    /// Reads a book.
    pub fn parse(text: &str) -> Result<Self, PriceBookError> {
        let book: Self = toml::from_str(text)?;
        for price in &book.prices {
            if !(price.amount.is_finite() && price.amount >= 0.0) {
                return Err(PriceBookError::Amount {
                    item: price.item,
                    amount: price.amount,
                });
            }
        }
        for (place, figure) in book.figures.iter().enumerate() {
            let unknown = figure.parts.iter().chain(&figure.minus).find(|part| {
                !book.figures[..place]
                    .iter()
                    .any(|stated| stated.name == **part)
            });
            if let Some(part) = unknown {
                return Err(PriceBookError::UnknownPart {
                    figure: figure.name.clone(),
                    part: part.clone(),
                });
            }
        }
        Ok(book)
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
    use crate::scenario::{INSTANCE_CLASSES, PRICE_BOOKS};

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

    #[test]
    fn unknown_keys_bad_amounts_and_dangling_sums_are_refused() {
        let head = "name='x'\ncurrency='KRW'\ndate='d'\nsource='s'\nexchange={won_per_unit=1,basis='documented',source='s'}\n";
        let price = |amount: &str| {
            format!(
                "{head}[[prices]]\nitem='cache'\namount={amount}\nper='unit'\nbasis='reported'\nsource='s'\n"
            )
        };
        assert!(PriceBook::parse(&price("1")).is_ok());
        assert!(matches!(
            PriceBook::parse(&price("-1")),
            Err(PriceBookError::Amount { .. })
        ));
        assert!(matches!(
            PriceBook::parse(&format!("{}colour='red'\n", price("1"))),
            Err(PriceBookError::Syntax(_))
        ));
        let figure = "[[figures]]\nname='sum'\ntitle='Sum'\namount=1\nparts=['missing']\n";
        assert!(matches!(
            PriceBook::parse(&(price("1") + figure)),
            Err(PriceBookError::UnknownPart { .. })
        ));
    }
}
