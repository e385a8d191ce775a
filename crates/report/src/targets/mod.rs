//! What runs and studies show of the architecture claims: one row per claim, whichever runs there are.
//!
//! Of several runs that show the same claim, one counts for each engine: a run that refutes it before one that agrees, and of those
//! with the same verdict the most complete one. A run that is not valid shows nothing, and neither does a scenario that does not
//! describe the architecture that the claim is about.

mod halves;
mod page;
mod study;
mod summary;

use serde::Serialize;

use tiketi_measure::Engine;
use tiketi_verdict::targets::architecture::Described;
use tiketi_verdict::targets::pair::{self, Sale};
use tiketi_verdict::targets::{self, Claim, Reached};

use halves::Half;
pub use page::{page, table};
pub use study::{CostTable, PlanStudy, Study};
pub use summary::{RunSummary, SummaryError};

/// Version of the layout; raised when readers of the previous one would misread it.
const VERSION: u32 = 1;

/// What one folder shows.
#[derive(Clone, Debug)]
pub enum Source {
    /// A run, and what its scenario describes.
    Run {
        /// Its summary.
        summary: RunSummary,
        /// The architecture of its scenario.
        described: Described,
        /// What its scenario sells, to whom, and what breaks.
        sale: Box<Sale>,
    },
    /// A study.
    Study(Study),
}

/// The table of all claims.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimTable {
    /// Version of this layout.
    pub version: u32,
    /// One row for each claim, in the order of the documents.
    pub claims: Vec<ClaimRow>,
    /// Folders that show nothing, and why.
    pub left_out: Vec<LeftOut>,
    /// The command that prints the table again.
    pub run_again: String,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimRow {
    /// Its number, such as `A12`.
    pub id: String,
    /// The part of the architecture that it is about.
    pub system: String,
    /// The claim as the documents state it.
    pub documented: String,
    /// The verdict of all that was shown.
    pub verdict: ClaimVerdict,
    /// The live run that counts; `None` if no live run shows the claim.
    pub live: Option<Shown>,
    /// The simulated run or the study that counts; `None` if none shows the claim.
    pub simulated: Option<Shown>,
    /// Why nothing shows the claim; `None` if something does.
    pub missing: Option<String>,
    /// Why no live run can show the claim; `None` if one can, or does.
    pub not_live: Option<String>,
    /// The shipped scenario or plan that exercises the claim; `None` if there is none.
    pub scenario: Option<String>,
}

/// What one run or study shows of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its verdict.
    pub verdict: ClaimVerdict,
    /// What was measured, and what remains.
    pub measured: String,
    /// The folder that it comes from.
    pub source: String,
}

/// The verdict on a claim over all runs. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    /// Refuted.
    Missed,
    /// The measured part agrees; the rest could not be measured.
    PartlyMet,
    /// The whole claim was measured, and it agrees.
    Met,
    /// The documents ask a question, and a study answers it.
    Answered,
    /// No run shows it.
    NotShown,
}

impl ClaimVerdict {
    /// Returns the words of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::PartlyMet => "met in part",
            Self::Met => "met",
            Self::Answered => "answered",
            Self::NotShown => "not shown yet",
        }
    }
}

/// A folder that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The folder.
    pub source: String,
    /// Why, as a sentence fragment.
    pub reason: String,
}

/// Makes the table from named sources and the folders that were left out.
pub fn claim_table(
    sources: &[(String, Source)],
    left_out: Vec<LeftOut>,
    run_again: &str,
) -> ClaimTable {
    let (mut live, mut simulated) = (Vec::new(), Vec::new());
    let (mut left_out, mut halves) = (left_out, Vec::new());
    for (name, source) in sources {
        match source {
            Source::Run {
                summary,
                described,
                sale,
            } => match summary.objection(described) {
                Some(reason) => left_out.push(LeftOut {
                    source: name.clone(),
                    reason,
                }),
                None => {
                    let shown = of_run(name, summary, described);
                    let engine = summary.run.engine;
                    let compared = shown.iter().filter(|(id, _)| pair::CLAIMS.contains(&&**id));
                    halves.extend(compared.map(|(id, shown)| Half {
                        engine,
                        described,
                        sale,
                        id: id.clone(),
                        shown: shown.clone(),
                    }));
                    match engine {
                        Engine::Live => live.extend(shown),
                        Engine::Model => simulated.extend(shown),
                    }
                }
            },
            Source::Study(study) => simulated.extend(study.shown(name)),
        }
    }
    // Two runs together say more than one of them: they come first among equal verdicts.
    for (engine, shown) in halves::joined(&halves) {
        match engine {
            Engine::Live => live.insert(0, shown),
            Engine::Model => simulated.insert(0, shown),
        }
    }
    let rows = targets::claims().into_iter();
    ClaimTable {
        version: VERSION,
        claims: rows.map(|claim| row(claim, &live, &simulated)).collect(),
        left_out,
        run_again: run_again.to_owned(),
    }
}

/// What a run shows: the claims that it exercises and that its scenario is about.
fn of_run(name: &str, summary: &RunSummary, described: &Described) -> Vec<(String, Shown)> {
    let judged = summary
        .targets
        .iter()
        .filter(|claim| described.objection(&claim.id).is_none());
    let shown = judged.filter_map(|claim| {
        let verdict = match claim.verdict {
            Reached::Missed => ClaimVerdict::Missed,
            Reached::PartlyMet => ClaimVerdict::PartlyMet,
            Reached::Met => ClaimVerdict::Met,
            Reached::NotExercised => return None,
        };
        let shown = Shown {
            verdict,
            measured: claim.measured.clone(),
            source: name.to_owned(),
        };
        Some((claim.id.clone(), shown))
    });
    shown.collect()
}

fn row(claim: Claim, live: &[(String, Shown)], simulated: &[(String, Shown)]) -> ClaimRow {
    let [live, simulated] = [live, simulated].map(|shown| {
        let of_claim = shown.iter().filter(|(id, _)| *id == claim.id);
        let of_claim: Vec<_> = of_claim.map(|(_, shown)| shown).collect();
        // The first of several equal ones, in the order of the folders.
        let first = of_claim.iter().copied().min_by_key(|shown| rank(shown))?;
        match first.verdict {
            ClaimVerdict::Answered => Some(answers(&of_claim)),
            ClaimVerdict::Missed
            | ClaimVerdict::PartlyMet
            | ClaimVerdict::Met
            | ClaimVerdict::NotShown => Some(first.clone()),
        }
    });
    let both = [&live, &simulated];
    let both = both
        .into_iter()
        .flatten()
        .map(|shown| (rank(shown), shown.verdict));
    let verdict = both
        .min()
        .map_or(ClaimVerdict::NotShown, |(_, verdict)| verdict);
    let missing = (verdict == ClaimVerdict::NotShown).then(|| {
        let unmeasured = claim.unmeasured.clone();
        unmeasured.unwrap_or_else(|| "no run exercises it".to_owned())
    });
    let takes_a_study = claim.study.is_some() && live.is_none() && missing.is_none();
    let not_live = claim.unmeasured.filter(|_| takes_a_study);
    ClaimRow {
        id: claim.id,
        system: claim.system,
        documented: claim.documented,
        verdict,
        live,
        simulated,
        missing,
        not_live,
        scenario: claim.scenario.or(claim.study),
    }
}

/// Studies that each answer one of several questions, together.
fn answers(shown: &[&Shown]) -> Shown {
    let of_studies = shown
        .iter()
        .filter(|one| one.verdict == ClaimVerdict::Answered);
    let joined = |part: fn(&Shown) -> &str, with: &str| {
        let parts: Vec<_> = of_studies.clone().map(|one| part(one)).collect();
        parts.join(with)
    };
    Shown {
        verdict: ClaimVerdict::Answered,
        measured: joined(|one| &one.measured, "; "),
        source: joined(|one| &one.source, " and "),
    }
}

/// Which of several verdicts counts: the lowest. A refutation comes first, then what is complete, then what lacks the fewest
/// parts.
fn rank(shown: &Shown) -> (u8, usize) {
    match shown.verdict {
        ClaimVerdict::Missed => (0, remaining(shown)),
        ClaimVerdict::Met | ClaimVerdict::Answered => (1, 0),
        ClaimVerdict::PartlyMet => (2, remaining(shown)),
        ClaimVerdict::NotShown => (3, 0),
    }
}

/// How many parts of the claim were not measured, as the words of the verdict list them.
fn remaining(shown: &Shown) -> usize {
    let parts = shown.measured.split_once("not measured: ");
    parts.map_or(0, |(_, parts)| parts.split(", ").count())
}

#[cfg(test)]
mod tests;
