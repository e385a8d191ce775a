//! The cache of one edge location.

use std::ops::Range;
use std::time::Duration;

use super::figures::EdgeFigures;
use tiketi_core::units::SimTime;
use tiketi_scenario::edge::{CacheStart, Edge};

/// How long the edge answers with an error without asking the origin again (CloudFront's default for the error caching
/// minimum TTL).
const ERROR_TTL: Duration = Duration::from_secs(10);

/// A static file, by its place in the list of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub u16);

impl FileId {
    /// Returns its place in the list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Returns the files that a browser requests at the start of a page load, and those that it requests, all at once, when it
/// has the document.
pub fn rounds(files: usize) -> [Range<u16>; 2] {
    let files = u16::try_from(files).expect("a page has 100 files at most");
    [0..files.min(1), 1..files.max(1)]
}

/// The cache of one edge location.
///
/// It behaves as CloudFront documents it: simultaneous requests for a file that is not in the cache lead to a single request
/// to the origin (request collapsing); a file older than the time to live is served again when the origin says that it has
/// not changed; if the origin fails, the old file is served, or an error.
#[derive(Clone, Debug)]
pub struct Cache {
    ttl: Duration,
    files: Vec<Slot>,
    figures: EdgeFigures,
}

/// What the location has of one file.
#[derive(Clone, Copy, Debug)]
struct Slot {
    bytes: u32,
    /// Until when it is served without asking the origin; `None` if it is not in the cache.
    fresh_until: Option<SimTime>,
    origin: Origin,
}

/// What the location is doing about one file at the origin.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Idle,
    /// A request is in progress, and so many buyers wait for it.
    Asked {
        waiting: u64,
    },
    /// The last request failed: the next one is not made before this time.
    Failed {
        until: SimTime,
    },
}

/// What to do with a request for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Answer from the cache.
    Hit,
    /// Ask the origin, and answer when [`Cache::handle_origin_answer`] was called.
    Fetch(Fetch),
    /// Somebody has asked the origin already: answer when [`Cache::handle_origin_answer`] was called.
    Wait,
    /// Answer with an error.
    Error,
}

/// How to ask the origin for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Without a condition.
    Whole,
    /// Only if it has changed (`If-None-Match`).
    IfChanged,
}

/// The response of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginAnswer {
    /// The file.
    File,
    /// The file has not changed (304).
    Unchanged,
    /// An error, or none.
    Failed,
}

/// What those get who have waited for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The file.
    File,
    /// An error.
    Error,
}

impl Cache {
    /// Creates the cache of one location at the start of a run.
    pub fn new(edge: &Edge) -> Self {
        let fresh_until = match edge.cache {
            CacheStart::Warm => Some(SimTime::ZERO + edge.ttl),
            CacheStart::Empty => None,
        };
        let slot = |bytes| Slot {
            bytes,
            fresh_until,
            origin: Origin::Idle,
        };
        Self {
            ttl: edge.ttl,
            files: edge.files.iter().map(|file| slot(file.bytes)).collect(),
            figures: EdgeFigures::default(),
        }
    }

    /// Handles a buyer's request for a file.
    pub fn handle_request(&mut self, now: SimTime, file: FileId) -> Lookup {
        let figures = &mut self.figures;
        let slot = &mut self.files[file.index()];
        figures.requests += 1;
        if slot.is_fresh(now) {
            figures.hits += 1;
            figures.bytes += u64::from(slot.bytes);
            return Lookup::Hit;
        }
        match &mut slot.origin {
            Origin::Asked { waiting } => {
                *waiting += 1;
                figures.collapsed += 1;
                Lookup::Wait
            }
            Origin::Failed { until } if now < *until => {
                if slot.fresh_until.is_some() {
                    figures.stale += 1;
                    figures.bytes += u64::from(slot.bytes);
                    Lookup::Hit
                } else {
                    figures.refused += 1;
                    Lookup::Error
                }
            }
            Origin::Idle | Origin::Failed { .. } => {
                slot.origin = Origin::Asked { waiting: 1 };
                figures.misses += 1;
                figures.origin_requests += 1;
                Lookup::Fetch(match slot.fresh_until {
                    Some(_) => Fetch::IfChanged,
                    None => Fetch::Whole,
                })
            }
        }
    }

    /// Handles the response of the origin to the request that [`Lookup::Fetch`] asked for. Returns what everybody gets who
    /// has waited for it.
    ///
    /// Panics if no request for this file is in progress.
    pub fn handle_origin_answer(
        &mut self,
        now: SimTime,
        file: FileId,
        answer: OriginAnswer,
    ) -> Delivery {
        let figures = &mut self.figures;
        let slot = &mut self.files[file.index()];
        let Origin::Asked { waiting } = slot.origin else {
            panic!("the origin was not asked for {file:?}");
        };
        slot.origin = match answer {
            OriginAnswer::File | OriginAnswer::Unchanged => Origin::Idle,
            OriginAnswer::Failed => Origin::Failed {
                until: now + ERROR_TTL,
            },
        };
        match answer {
            OriginAnswer::File => {
                figures.origin_bytes += u64::from(slot.bytes);
                slot.fresh_until = Some(now + self.ttl);
            }
            OriginAnswer::Unchanged => {
                figures.origin_unchanged += 1;
                slot.fresh_until = Some(now + self.ttl);
            }
            OriginAnswer::Failed => {}
        }
        if slot.fresh_until.is_some() {
            figures.bytes += waiting * u64::from(slot.bytes);
            Delivery::File
        } else {
            figures.failed += waiting;
            Delivery::Error
        }
    }

    /// Returns whether a file is served from the cache at `at`, whatever happens until then.
    pub fn is_fresh(&self, at: SimTime, file: FileId) -> bool {
        self.files[file.index()].is_fresh(at)
    }

    /// Returns what was counted so far.
    pub const fn figures(&self) -> &EdgeFigures {
        &self.figures
    }
}

impl Slot {
    fn is_fresh(&self, at: SimTime) -> bool {
        self.fresh_until.is_some_and(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::edge::StaticFile;

    const PAGE: FileId = FileId(0);
    const SCRIPT: FileId = FileId(1);

    fn cache(start: CacheStart) -> Cache {
        let file = |path: &str, bytes| StaticFile {
            path: path.to_owned(),
            bytes,
        };
        Cache::new(&Edge {
            files: vec![file("/index.html", 10), file("/index.js", 100)],
            ttl: Duration::from_secs(60),
            cache: start,
            ..Edge::without_files()
        })
    }

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    #[test]
    fn a_warm_cache_asks_nobody_until_the_time_to_live_is_over() {
        let mut cache = cache(CacheStart::Warm);
        for second in [0, 30, 59] {
            assert_eq!(cache.handle_request(at(second), PAGE), Lookup::Hit);
        }
        assert_eq!(cache.figures().origin_requests, 0);
        assert_eq!(
            cache.handle_request(at(60), PAGE),
            Lookup::Fetch(Fetch::IfChanged)
        );
    }

    #[test]
    fn requests_at_the_same_time_reach_the_origin_once() {
        let mut cache = cache(CacheStart::Empty);
        assert_eq!(
            cache.handle_request(at(0), SCRIPT),
            Lookup::Fetch(Fetch::Whole)
        );
        assert_eq!(cache.handle_request(at(0), SCRIPT), Lookup::Wait);
        assert_eq!(cache.handle_request(at(1), SCRIPT), Lookup::Wait);
        // Another file is another request.
        assert_eq!(
            cache.handle_request(at(1), PAGE),
            Lookup::Fetch(Fetch::Whole)
        );
        let delivery = cache.handle_origin_answer(at(2), SCRIPT, OriginAnswer::File);
        assert_eq!(delivery, Delivery::File);
        assert_eq!(cache.handle_request(at(2), SCRIPT), Lookup::Hit);
        let figures = cache.figures();
        assert_eq!((figures.misses, figures.collapsed, figures.hits), (2, 2, 1));
        assert_eq!(figures.origin_requests, 2);
        assert_eq!((figures.bytes, figures.origin_bytes), (400, 100));
        assert_eq!(figures.hit_ratio(), Some(0.2));
    }

    #[test]
    fn a_file_that_has_not_changed_is_fresh_again_and_not_sent_again() {
        let mut cache = cache(CacheStart::Warm);
        assert_eq!(
            cache.handle_request(at(70), PAGE),
            Lookup::Fetch(Fetch::IfChanged)
        );
        cache.handle_origin_answer(at(71), PAGE, OriginAnswer::Unchanged);
        assert_eq!(cache.handle_request(at(130), PAGE), Lookup::Hit);
        assert_eq!(
            cache.handle_request(at(131), PAGE),
            Lookup::Fetch(Fetch::IfChanged)
        );
        let figures = cache.figures();
        assert_eq!((figures.origin_unchanged, figures.origin_bytes), (1, 0));
    }

    #[test]
    fn while_the_origin_fails_old_files_are_served_and_new_ones_are_errors() {
        let mut warm = cache(CacheStart::Warm);
        warm.handle_request(at(70), PAGE);
        let delivery = warm.handle_origin_answer(at(71), PAGE, OriginAnswer::Failed);
        assert_eq!(delivery, Delivery::File);
        assert_eq!(warm.handle_request(at(72), PAGE), Lookup::Hit);
        assert_eq!(warm.figures().stale, 1);
        let mut empty = cache(CacheStart::Empty);
        empty.handle_request(at(0), PAGE);
        let delivery = empty.handle_origin_answer(at(1), PAGE, OriginAnswer::Failed);
        assert_eq!(delivery, Delivery::Error);
        assert_eq!(empty.handle_request(at(2), PAGE), Lookup::Error);
        assert_eq!((empty.figures().failed, empty.figures().refused), (1, 1));
        // After ten seconds the origin is asked again.
        assert_eq!(
            empty.handle_request(at(11), PAGE),
            Lookup::Fetch(Fetch::Whole)
        );
    }

    #[test]
    fn every_request_is_counted_in_exactly_one_way() {
        let mut cache = cache(CacheStart::Empty);
        for second in 0..200 {
            let file = FileId(u16::from(second % 3 == 0));
            let lookup = cache.handle_request(at(second), file);
            if let (Lookup::Fetch(_), false) = (lookup, second % 7 == 0) {
                let answer = if second % 5 == 0 {
                    OriginAnswer::Failed
                } else {
                    OriginAnswer::File
                };
                cache.handle_origin_answer(at(second), file, answer);
            }
        }
        let it = *cache.figures();
        assert_eq!(
            it.requests,
            it.hits + it.stale + it.misses + it.collapsed + it.refused
        );
        let mut twice = it;
        twice.add(&it);
        assert_eq!(twice.since(&it), it);
    }

    #[test]
    fn the_document_comes_first_and_everything_else_at_once() {
        assert_eq!(rounds(3), [0..1, 1..3]);
        assert_eq!(rounds(1), [0..1, 1..1]);
        assert_eq!(rounds(0), [0..0, 1..1]);
    }
}
