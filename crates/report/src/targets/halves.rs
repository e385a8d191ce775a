//! Claims that compare one zone with two: runs of the same sale in the same engine, put side by side.

use tiketi_measure::Engine;
use tiketi_verdict::targets::architecture::{Architecture, Described};
use tiketi_verdict::targets::pair::{self, Sale};

use super::{ClaimVerdict, Shown};

/// Introduces what a verdict does not cover.
const NOT_MEASURED: &str = "; not measured: ";

/// What one run shows of such a claim.
#[derive(Clone, Debug)]
pub(super) struct Half<'a> {
    pub(super) engine: Engine,
    pub(super) described: &'a Described,
    pub(super) sale: &'a Sale,
    pub(super) id: String,
    pub(super) shown: Shown,
}

impl Half<'_> {
    fn is_of(&self, architecture: Architecture) -> bool {
        *self.described == Described::Documented { architecture }
    }
}

/// Returns each claim that two runs show together.
pub(super) fn joined(halves: &[Half<'_>]) -> Vec<(Engine, (String, Shown))> {
    let ones = halves
        .iter()
        .filter(|half| half.is_of(Architecture::OneZone));
    let pairs = ones.flat_map(|one| {
        let twos = halves.iter().filter(move |two| {
            two.is_of(Architecture::Tiketi)
                && two.engine == one.engine
                && two.id == one.id
                && two.sale == one.sale
        });
        twos.map(move |two| (one, two))
    });
    pairs
        .map(|(one, two)| (one.engine, (one.id.clone(), join(&one.shown, &two.shown))))
        .collect()
}

fn join(one: &Shown, two: &Shown) -> Shown {
    let (in_one, rest_of_one) = without(&one.measured, pair::TWO_ZONES);
    let (in_two, rest_of_two) = without(&two.measured, pair::ONE_ZONE);
    let mut rest = rest_of_one;
    rest.extend(
        rest_of_two
            .into_iter()
            .filter(|part| !rest.contains(part))
            .collect::<Vec<_>>(),
    );
    let mut measured = format!("in one zone: {in_one}; in two zones: {in_two}");
    if !rest.is_empty() {
        measured = format!("{measured}{NOT_MEASURED}{}", rest.join(", "));
    }
    let is_missed = [one, two]
        .iter()
        .any(|half| half.verdict == ClaimVerdict::Missed);
    let verdict = match (is_missed, rest.is_empty()) {
        (true, _) => ClaimVerdict::Missed,
        (false, true) => ClaimVerdict::Met,
        (false, false) => ClaimVerdict::PartlyMet,
    };
    Shown {
        verdict,
        measured,
        source: format!("{} and {}", one.source, two.source),
    }
}

/// What was measured, and the parts that were not, except one.
fn without<'m>(measured: &'m str, part: &str) -> (&'m str, Vec<&'m str>) {
    match measured.split_once(NOT_MEASURED) {
        Some((measured, parts)) => {
            let rest = parts.split(", ").filter(|other| *other != part);
            (measured, rest.collect())
        }
        None => (measured, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    fn half<'a>(
        (described, sale): (&'a Described, &'a Sale),
        verdict: ClaimVerdict,
        measured: &str,
    ) -> Half<'a> {
        Half {
            engine: Engine::Live,
            described,
            sale,
            id: "B11".to_owned(),
            shown: Shown {
                verdict,
                measured: measured.to_owned(),
                source: "r".to_owned(),
            },
        }
    }

    const IN_ONE: &str = "nothing; not measured: the same fault in two zones";
    const IN_TWO: &str = "much; not measured: the same fault in one zone";

    #[test]
    fn two_runs_of_the_same_sale_show_both_halves() {
        let [one, two] = [Architecture::OneZone, Architecture::Tiketi]
            .map(|architecture| Described::Documented { architecture });
        let sale = Sale::of(&example::plan());
        let part = ClaimVerdict::PartlyMet;
        let halves = [
            half((&one, &sale), part, IN_ONE),
            half((&two, &sale), part, IN_TWO),
        ];
        let found = joined(&halves);
        assert_eq!(found.len(), 1);
        let (_, (id, shown)) = &found[0];
        assert_eq!((id.as_str(), shown.verdict), ("B11", ClaimVerdict::Met));
        assert_eq!(shown.measured, "in one zone: nothing; in two zones: much");
        let also = format!("{IN_TWO}, what Redis lost");
        let halves = [
            half((&one, &sale), part, IN_ONE),
            half((&two, &sale), part, &also),
        ];
        let (_, (_, shown)) = &joined(&halves)[0];
        assert_eq!(shown.verdict, part);
        assert!(shown.measured.ends_with("not measured: what Redis lost"));
        let halves = [
            half((&one, &sale), ClaimVerdict::Missed, IN_ONE),
            half((&two, &sale), part, IN_TWO),
        ];
        assert_eq!(joined(&halves)[0].1.1.verdict, ClaimVerdict::Missed);
    }

    #[test]
    fn other_sales_other_engines_and_the_same_architecture_are_not_compared() {
        let [one, two] = [Architecture::OneZone, Architecture::Tiketi]
            .map(|architecture| Described::Documented { architecture });
        let sale = Sale::of(&example::plan());
        let mut plan = example::plan();
        plan.faults.clear();
        let other = Sale::of(&plan);
        let part = ClaimVerdict::PartlyMet;
        let first = half((&one, &sale), part, IN_ONE);
        let simulated = Half {
            engine: Engine::Model,
            ..half((&two, &sale), part, IN_TWO)
        };
        let seconds = [
            half((&two, &other), part, IN_TWO),
            simulated,
            half((&one, &sale), part, IN_ONE),
        ];
        for second in seconds {
            assert!(joined(&[first.clone(), second]).is_empty());
        }
    }
}
