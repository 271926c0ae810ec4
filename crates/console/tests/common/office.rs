//! A made-up house behind the line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_console::{
    Answer, Finding, Office, OfficeError, PlanChecked, PlanDifference, PlanEdge, PlanInForce, PlanNode,
    PromptEntry, RecordingEntry, Reloaded, Roster, TalkEnd, TalkOver,
};
use havre_model::{AgentId, CallId, Language, Risk, Spoken, TrunkId, Unix};

use super::TestLine;

impl Office for TestLine {
    fn history(&self, agent: AgentId, limit: u32) -> Answer<'_, Result<Vec<TalkOver>, OfficeError>> {
        assert_eq!(limit, 50);
        Box::pin(async move {
            if agent.as_str() == "supervisor" {
                return Err(OfficeError::Unavailable("The disk is gone.".to_owned()));
            }
            let talk = |call, ended| TalkOver {
                call: CallId(call),
                at: Unix::from_millis(20_000),
                language: Language::Fr,
                risk: Risk::Elevated,
                talked: Duration::from_secs(1_260),
                waited: Duration::from_millis(8_400),
                ended,
            };
            Ok(vec![talk(3, TalkEnd::Caller), talk(2, TalkEnd::Lost)])
        })
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.lock().unwrap())
    }

    fn keep_roster(&self, roster: Roster) -> Answer<'_, Result<(), OfficeError>> {
        *self.roster.lock().unwrap() = Arc::new(roster);
        Box::pin(async { Ok(()) })
    }

    fn trunks(&self) -> Vec<(TrunkId, Vec<String>)> {
        let trunk = |id: &str, source: &str| (id.parse().unwrap(), vec![source.to_owned()]);
        vec![trunk("demo", "127.0.0.0/8"), trunk("carrier-b", "192.0.2.0/24")]
    }

    fn dialplan(&self) -> Answer<'_, Result<PlanInForce, OfficeError>> {
        let node = |id: &str, kind, label_en: &str, label_fr: &str| {
            let [id, label_en, label_fr] = [id, label_en, label_fr].map(str::to_owned);
            PlanNode { id, kind, label_en, label_fr }
        };
        let edge = |from: &str, to: &str, key: Option<&str>| {
            let [from, to] = [from, to].map(str::to_owned);
            PlanEdge { from, to, key: key.map(str::to_owned) }
        };
        let plan = PlanInForce {
            hash: "abc123".to_owned(),
            source: "[answer]\nafter = 0\n".to_owned(),
            nodes: vec![
                node("line:hotline", "line", "Hotline", "Hotline"),
                node("menu:greeting", "menu", "For English, press 1.", "Pour le français, appuyez sur le 2."),
                node("waiting", "waiting", "You're in line.", "Vous êtes en attente."),
                node("advocate", "advocate", "", ""),
            ],
            edges: vec![
                edge("line:hotline", "menu:greeting", None),
                edge("menu:greeting", "waiting", Some("1")),
                edge("menu:greeting", "waiting", Some("no_input")),
                edge("waiting", "advocate", None),
                edge("advocate", "waiting", None),
            ],
        };
        Box::pin(async { Ok(plan) })
    }

    fn check_dialplan(&self, source: String) -> Answer<'_, Result<PlanChecked, OfficeError>> {
        let good = source != "bad";
        let difference = PlanDifference {
            path: "hotline: 5".to_owned(),
            path_fr: "hotline\u{a0}: 5".to_owned(),
            more: 31,
            before: vec!["JOINS THE QUEUE: language unknown urgent silent, after 1.0 s".to_owned()],
            before_fr: vec![
                "ENTRE DANS LA FILE\u{a0}: langue inconnue, risque urgent, après 1,0 s".to_owned(),
            ],
            after: vec!["JOINS THE QUEUE: language unknown elevated silent, after 1.0 s".to_owned()],
            after_fr: vec!["ENTRE DANS LA FILE\u{a0}: langue inconnue, risque élevé, après 1,0 s".to_owned()],
        };
        let checked = PlanChecked {
            good,
            findings: if good { vec![] } else { vec![finding()] },
            difference: if good { vec![difference] } else { vec![] },
            longest_to_queue_ms: good.then_some(18_400),
        };
        Box::pin(async { Ok(checked) })
    }

    fn replace_dialplan(&self, source: String, base: String) -> Answer<'_, Result<Reloaded, OfficeError>> {
        Box::pin(async move {
            match (source.as_str(), base.as_str()) {
                (_, "stale") => Err(OfficeError::Stale("Somebody else was first.".to_owned())),
                ("bad", _) => Err(OfficeError::Refused(vec![finding()])),
                _ => Ok(Reloaded { dialplan: "def456".to_owned(), lines: 1, agents: 2, warnings: vec![] }),
            }
        })
    }

    fn prompts(&self) -> Answer<'_, Result<Vec<PromptEntry>, OfficeError>> {
        let recording = |file: &str, findings| RecordingEntry {
            file: file.to_owned(),
            source: "espeak",
            duration_ms: 7_420,
            loudness_lufs: -23.1,
            findings,
        };
        let prompt = PromptEntry {
            id: "P6".to_owned(),
            texts: BTreeMap::from([
                ("en", "You're still in line.".to_owned()),
                ("fr", "Vous êtes toujours en ligne.".to_owned()),
            ]),
            languages: BTreeMap::from([
                ("en", recording("en-CA/P6.wav", vec![])),
                ("fr", recording("fr-CA/P6.wav", vec![finding()])),
            ]),
        };
        Box::pin(async { Ok(vec![prompt]) })
    }

    fn recording(&self, prompt: String, spoken: Option<Spoken>) -> Answer<'_, Result<Vec<u8>, OfficeError>> {
        Box::pin(async move {
            match (prompt.as_str(), spoken) {
                ("P6", Some(Spoken::Fr)) | ("waiting", None) => Ok(b"RIFF".to_vec()),
                _ => Err(OfficeError::Unknown),
            }
        })
    }

    fn replace_recording(
        &self,
        prompt: String,
        spoken: Option<Spoken>,
        wav: Vec<u8>,
    ) -> Answer<'_, Result<Reloaded, OfficeError>> {
        assert_eq!((prompt.as_str(), spoken), ("P6", Some(Spoken::Fr)));
        Box::pin(async move {
            if wav.len() < 44 {
                return Err(OfficeError::Refused(vec![finding()]));
            }
            Ok(Reloaded { dialplan: "def456".to_owned(), lines: 1, agents: 2, warnings: vec![] })
        })
    }
}

fn finding() -> Finding {
    Finding {
        file: "fr-CA/P6.wav".to_owned(),
        line: None,
        key: String::new(),
        what: "is 3.2 LU too loud".to_owned(),
        remedy: "change its gain by -3.2 dB".to_owned(),
        what_fr: Some("est 3,2 LU trop fort".to_owned()),
        remedy_fr: Some("changez son gain de -3,2 dB".to_owned()),
    }
}
