//! `havre prompts check` and `havre prompts replace`, on a copy of the shipped prompts.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{list, repository};
use havre_dialplan::{Catalogue, Confirmation, Diagnostic, Notice, Source, prompts};
use havre_model::{AgentCommand, AgentState, Language, Mode, Risk, Spoken, StateReason, Unix};

#[test]
fn the_shipped_prompts_are_good_when_measured_again() {
    let report = prompts::check(&repository("prompts"));
    assert!(report.is_good() && report.findings.is_empty(), "{report}");
    for clip in report.clips.iter().filter(|c| c.key.prompt.as_str() != "tick") {
        assert!((clip.loudness + 23.0).abs() <= 2.0, "{clip}: {:.1} LUFS", clip.loudness);
    }
    // The same loudness as the scripts measured: two implementations agree.
    let trusted = Catalogue::load(&repository("prompts")).unwrap();
    for clip in report.clips.iter().filter(|c| c.key.spoken.is_some()) {
        let noted = trusted.clip(clip.key.prompt.as_str(), clip.key.spoken).unwrap();
        assert!(
            (clip.loudness - noted.loudness).abs() < 0.3,
            "{clip}: {} and {}",
            clip.loudness,
            noted.loudness
        );
    }
}

#[test]
fn the_greeting_is_short_and_the_waiting_sound_long() {
    let catalogue = common::prompts();
    let seconds = |prompt: &str, spoken| catalogue.clip(prompt, spoken).unwrap().duration().as_secs_f64();
    let greeting: f64 = [("P1.1", "en"), ("P1.2", "fr"), ("P1.3", "es"), ("P1.4", "en"), ("P1.5", "fr")]
        .iter()
        .map(|(prompt, language)| seconds(prompt, Spoken::from_name(language)))
        .sum();
    assert!(greeting <= 15.0, "{greeting}");
    assert!(seconds("waiting", None) >= 180.0);
}

#[test]
fn the_waiting_sound_has_no_seam_and_never_falls_silent() {
    let catalogue = common::prompts();
    let sound = &catalogue.clip("waiting", None).unwrap().samples;
    let second = 16_000;
    let power = |window: &[i16]| {
        (window.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / window.len() as f64).sqrt()
    };
    // Across the seam as anywhere else: no step, no gap.
    let steps = |s: &[i16]| s.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap();
    let seam: Vec<i16> = sound[sound.len() - second..].iter().chain(&sound[..second]).copied().collect();
    assert!(steps(&seam[second - 8..second + 8]) <= steps(sound));
    let levels: Vec<f64> = sound.chunks(second).map(power).collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    for (i, level) in levels.iter().chain([&power(&seam)]).enumerate() {
        assert!(*level > mean / 4.0 && *level < mean * 3.0, "second {i}: {level:.0} of {mean:.0}");
    }
}

#[test]
fn every_confirmation_exists_in_both_languages() {
    let catalogue = common::prompts();
    let (since, now) = (Unix::default(), havre_model::Mono::ZERO);
    let reasons = [
        StateReason::SignedIn,
        StateReason::Break,
        StateReason::NoAnswer,
        StateReason::PhoneFailed,
        StateReason::HardCall,
    ];
    let mut states: Vec<_> = reasons.map(|reason| AgentState::NotReady { reason, since, until: None }).into();
    states.extend([
        AgentState::SignedOut,
        AgentState::Ready { since },
        AgentState::Offered { offer: havre_model::OfferId(1), call: havre_model::CallId(1), until: now },
        AgentState::Talking { call: havre_model::CallId(1), since },
        AgentState::WrapUp { since, until: None },
    ]);
    let mut all: Vec<_> = states.into_iter().map(Confirmation::State).collect();
    all.extend(AgentCommand::ALL.map(Confirmation::Done));
    all.extend([Confirmation::Refused, Confirmation::Failed]);
    let apart: BTreeSet<_> = all.iter().map(Confirmation::prompt).collect();
    assert_eq!(apart.len(), all.len(), "no two are told alike: {apart:?}");
    for what in all {
        for spoken in [Spoken::En, Spoken::Fr] {
            let clip = catalogue.confirmation(what, spoken);
            assert_eq!((clip.key.prompt.as_str(), clip.key.spoken), (what.prompt(), Some(spoken)));
            assert!(!clip.text.is_empty());
        }
        assert_eq!(catalogue.confirmation(what, Spoken::Es).key.spoken, Some(Spoken::En));
    }
}

#[test]
fn every_notice_to_a_telephone_exists_in_both_languages() {
    let catalogue = common::prompts();
    let silent = Mode { silent: true, ..Mode::default() };
    let mut all = vec![Notice::Ask, Notice::NotNeeded, Notice::Yes, Notice::No];
    all.extend(
        Language::ALL.into_iter().flat_map(|language| Notice::briefing(language, Risk::Urgent, silent)),
    );
    for what in all {
        for spoken in [Spoken::En, Spoken::Fr] {
            let clip = catalogue.notice(what, spoken);
            assert_eq!((clip.key.prompt.as_str(), clip.key.spoken), (what.prompt(), Some(spoken)));
        }
    }
    for spoken in [Spoken::En, Spoken::Fr] {
        for language in Language::ALL {
            let briefing = Notice::briefing(language, Risk::Urgent, silent);
            let lasts: Duration = briefing.map(|notice| catalogue.notice(notice, spoken).duration()).sum();
            assert!(lasts < Duration::from_secs(8), "the caller waits for all of it: {lasts:?}");
        }
    }
    assert_eq!(Notice::briefing(Language::Fr, Risk::Standard, Mode::default()).count(), 1);
}

#[test]
fn a_recording_is_taken_in_and_noted() {
    let copy = Copy::new("taken");
    let before = Catalogue::load(&copy.0).unwrap();
    // Another text's recording serves as the human's: only the wording cannot be checked.
    let recording = copy.0.join("fr-CA/P12.wav");
    let clip = prompts::replace(&copy.0, "P6", Some(Spoken::Fr), &recording)
        .unwrap_or_else(|f| panic!("{}", list(&f)));
    assert_eq!(clip.source, Source::Human);
    let after = Catalogue::load(&copy.0).unwrap_or_else(|f| panic!("{}", list(&f)));
    let is = after.clip("P6", Some(Spoken::Fr)).unwrap();
    assert_eq!((is.source, &is.key), (Source::Human, &clip.key));
    assert_ne!(before.clip("P6", Some(Spoken::Fr)).unwrap().key.digest, is.key.digest);
    assert_eq!(after.placeholders(), before.placeholders() - 1);
    assert!(prompts::check(&copy.0).is_good());
}

#[test]
fn a_recording_that_is_wrong_changes_nothing() {
    let copy = Copy::new("wrong");
    let good = copy.0.join("en-CA/P6.wav");
    let manifest = fs::read(copy.0.join("manifest.toml")).unwrap();
    let loud = copy.write(
        "loud.wav",
        16_000,
        &samples(&good).iter().map(|s| s.saturating_mul(3)).collect::<Vec<_>>(),
    );
    let found = prompts::replace(&copy.0, "P6", Some(Spoken::En), &loud).unwrap_err();
    assert!(found.iter().any(|d| d.what.contains("LUFS") && d.remedy.contains("sox")), "{}", list(&found));
    let soft = copy.write("soft.wav", 16_000, &samples(&good).iter().map(|s| s / 4).collect::<Vec<_>>());
    let found = prompts::replace(&copy.0, "P6", Some(Spoken::En), &soft).unwrap_err();
    assert!(found.iter().any(|d| d.what.contains("away from the other language")), "{}", list(&found));
    let fast = copy.write("fast.wav", 8_000, &samples(&good));
    let found = prompts::replace(&copy.0, "P6", Some(Spoken::En), &fast).unwrap_err();
    assert!(found[0].what.contains("8000 Hz") && found[0].remedy.contains("-r 16000"), "{}", list(&found));
    let long: Vec<i16> = samples(&good).repeat(8);
    let long = copy.write("long.wav", 16_000, &long);
    let found = prompts::replace(&copy.0, "P6", Some(Spoken::En), &long).unwrap_err();
    assert!(found.iter().any(|d| d.what.contains("more than its limit")), "{}", list(&found));
    let found = prompts::replace(&copy.0, "P66", Some(Spoken::En), &good).unwrap_err();
    assert!(
        found[0].what.contains("no text for P66") && found[0].remedy.contains("did you mean P6?"),
        "{}",
        list(&found)
    );
    let found = prompts::replace(&copy.0, "P1.3", Some(Spoken::Fr), &good).unwrap_err();
    assert!(found[0].what.contains("no text for P1.3 in fr"), "{}", list(&found));
    let found = prompts::replace(&copy.0, "P6", Some(Spoken::En), Path::new("/nonexistent.wav")).unwrap_err();
    assert!(found[0].what.starts_with("cannot be read"), "{}", list(&found));
    assert_eq!(fs::read(copy.0.join("manifest.toml")).unwrap(), manifest);
    assert!(prompts::check(&copy.0).is_good());
}

#[test]
fn stale_missing_and_foreign_audio_is_found() {
    let copy = Copy::new("stale");
    let texts = fs::read_to_string(copy.0.join("catalogue.toml")).unwrap();
    fs::write(
        copy.0.join("catalogue.toml"),
        texts.replace("You're still in line.", "You are still in line."),
    )
    .unwrap();
    fs::remove_file(copy.0.join("fr-CA/P5.wav")).unwrap();
    fs::copy(copy.0.join("en-CA/P7.wav"), copy.0.join("en-CA/P12.wav")).unwrap();
    let found = Catalogue::load(&copy.0).unwrap_err();
    let about =
        |file: &str| -> Vec<&Diagnostic> { found.iter().filter(|d| d.file.ends_with(file)).collect() };
    assert!(about("en-CA/P6.wav")[0].what.contains("is stale"), "{}", list(&found));
    assert!(about("fr-CA/P5.wav")[0].what.contains("cannot be read"), "{}", list(&found));
    assert!(about("en-CA/P12.wav")[0].what.contains("was changed by hand"), "{}", list(&found));
    assert!(
        about("en-CA/P12.wav")[0].remedy.contains("havre prompts replace P12 en FILE.wav"),
        "{}",
        list(&found)
    );
    assert_eq!(found.len(), 3, "{}", list(&found));
}

/// A copy of the shipped prompts, removed in the end.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let to = std::env::temp_dir().join(format!("havre-prompts-{name}-{}", std::process::id()));
        for directory in ["", "en-CA", "fr-CA", "es", "sounds"] {
            fs::create_dir_all(to.join(directory)).unwrap();
            for entry in fs::read_dir(repository("prompts").join(directory)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
                }
            }
        }
        Self(to)
    }

    fn write(&self, name: &str, rate: u32, samples: &[i16]) -> PathBuf {
        let path = self.0.join(name);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
        writer.finalize().unwrap();
        path
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn samples(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().samples::<i16>().map(Result::unwrap).collect()
}
