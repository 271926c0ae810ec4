//! The last 24 hours in JSON.

use havre_model::Language;
use serde::Serialize;
use utoipa::ToSchema;

use super::millis;
use crate::today::{BUCKET, Bucket, Part, Today};

/// The last 24 hours in quarters of an hour, the present one last.
#[derive(Serialize, ToSchema)]
pub(crate) struct Curves {
    /// How long each is.
    pub(crate) bucket_ms: u64,
    /// When the first begins, in milliseconds since 1970 (UTC), as all moments here.
    pub(crate) from: i64,
    pub(crate) buckets: Vec<BucketView>,
}

/// A quarter of an hour.
#[derive(Serialize, ToSchema)]
#[schema(as = Bucket)]
pub(crate) struct BucketView {
    /// When it begins.
    pub(crate) at: i64,
    /// Calls that came.
    pub(crate) offered: u64,
    /// Talks that began: of a call whose advocate was lost, two.
    pub(crate) answered: u64,
    /// Callers who left before.
    pub(crate) abandoned: u64,
    /// Callers whom we failed.
    pub(crate) lost: u64,
    pub(crate) by_language: ByLanguage,
    /// The most advocates ready at once; null where this process did not yet run.
    pub(crate) ready_max: Option<usize>,
    /// The most callers waiting at once; null likewise.
    pub(crate) waiting_max: Option<usize>,
}

/// The two languages that are measured beside each other. Callers who chose none are in neither.
#[derive(Serialize, ToSchema)]
pub(crate) struct ByLanguage {
    pub(crate) en: PartView,
    pub(crate) fr: PartView,
}

/// The same for one language.
#[derive(Serialize, ToSchema)]
#[schema(as = BucketPart)]
pub(crate) struct PartView {
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
    /// 80th percentile of the waits before those talks; null if there was none.
    pub(crate) wait_p80_ms: Option<u32>,
}

pub(crate) fn curves(today: &Today) -> Curves {
    let buckets: Vec<_> = today.buckets().map(bucket).collect();
    Curves { bucket_ms: millis(BUCKET), from: buckets.first().map_or(0, |bucket| bucket.at), buckets }
}

fn bucket(bucket: &Bucket) -> BucketView {
    let part = |language: Language| {
        let part: &Part = &bucket.by_language[language as usize];
        PartView { answered: part.answered, abandoned: part.abandoned, wait_p80_ms: part.wait_p80() }
    };
    BucketView {
        at: bucket.at.as_millis(),
        offered: bucket.offered,
        answered: bucket.sum(|part| part.answered),
        abandoned: bucket.sum(|part| part.abandoned),
        lost: bucket.sum(|part| part.lost),
        by_language: ByLanguage { en: part(Language::En), fr: part(Language::Fr) },
        ready_max: bucket.most.map(|most| most.ready),
        waiting_max: bucket.most.map(|most| most.waiting),
    }
}
