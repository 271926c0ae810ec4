//! The duty to report a child in need of protection, province by province: data for the advocates' cards.

use std::sync::LazyLock;

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

const PROVINCES: &str = include_str!("../../data/provinces.json");

/// A test reads the embedded file, so it is never empty.
static CARDS: LazyLock<Provinces> = LazyLock::new(|| serde_json::from_str(PROVINCES).unwrap_or_default());

/// The cards of all provinces and territories.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provinces {
    provinces: Vec<Province>,
}

/// One card. No legal advice: each awaits review, and says so.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Province {
    /// Postal abbreviation.
    #[schema(example = "qc")]
    province: String,
    name_en: String,
    name_fr: String,
    /// The statute.
    law_en: String,
    law_fr: String,
    /// To whom one reports.
    whom_en: String,
    whom_fr: String,
    note_en: String,
    note_fr: String,
    /// Where the statute can be read.
    source: String,
    /// `awaiting legal review`, or by whom and when it was reviewed.
    review: String,
}

/// The duty to report a child in need of protection, for each province and territory, with its source.
#[utoipa::path(get, path = "/api/v1/provinces", tag = "desk", responses(
    (status = 200, body = Provinces),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn provinces() -> Json<&'static Provinces> {
    Json(&CARDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 13] = ["ab", "bc", "mb", "nb", "nl", "ns", "nt", "nu", "on", "pe", "qc", "sk", "yt"];

    #[test]
    fn every_province_and_territory_has_a_card_in_both_languages_and_a_source() {
        let cards: Provinces = serde_json::from_str(PROVINCES).unwrap();
        let names: Vec<_> = cards.provinces.iter().map(|card| card.province.as_str()).collect();
        assert_eq!(names, ALL);
        for card in &cards.provinces {
            let fields = serde_json::to_value(card).unwrap();
            for (field, text) in fields.as_object().unwrap() {
                assert!(!text.as_str().unwrap().trim().is_empty(), "{}: {field} is empty", card.province);
            }
            assert!(card.source.starts_with("https://"), "{}", card.source);
            assert_eq!(card.review, "awaiting legal review");
            let sources = PROVINCES.lines().filter(|line| line.contains(&card.source));
            assert_eq!(sources.count(), 1, "one source for each card: {}", card.source);
        }
    }
}
