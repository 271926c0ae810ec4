//! `havre call`: a test call to a running line, and what was heard.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use havre_dialplan::Catalogue;
use havre_media::sdp::Srtp;
use havre_media::srtp::Suite;
use havre_media::{Clip, Codec};
use havre_model::{Digit, LegId, Mono, PlayId, Spoken};
use havre_phone::{Command, Event, Keying};
use havre_sip::wire::Uri;
use havre_sip::{EndedBy, Identity};
use serde_json::json;

use super::driver::Driver;
use super::ear::{Ear, Heard, Reading};
use super::keys::{Press, Presses, parse_keys, parse_time};
use super::screen::{Screen, Tone};
use super::verdict::{Facts, Pressed, Wanted, language_name};
use super::{
    ADVOCATE_HEARS_HZ, ADVOCATE_HZ, CALLER_HZ, TONE_DBM0, carriage, configuration, hint, line_address,
    parse_srtp, terminated, typed,
};

/// The one call.
const LEG: LegId = LegId(1);
/// The tone that an advocate hears.
const TONE: PlayId = PlayId(1);
/// How long it can last; longer than any test call.
const TONE_LENGTH: Duration = Duration::from_secs(86_400);
/// How long a key is held, in milliseconds: as a finger does.
const KEY_MILLIS: u16 = 120;
/// How long we stay if not told otherwise.
const STAY: Duration = Duration::from_secs(20);
/// How long we stay after a key was typed by hand: somebody is there.
const STAY_TYPED: Duration = Duration::from_secs(20);
/// How long we stay once everything has been heard, if not told otherwise.
const LINGER: Duration = Duration::from_secs(2);
/// How long we wait for the answer: the longest that a carrier lets a phone ring.
const PATIENCE: Duration = Duration::from_secs(60);

/// Place a test call to a running line, and say what was heard.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    havre call                        dial, listen for 20 s, hang up\n  \
    havre call --keys 2,5@6s          press 2 after 2 s and 5 after 6 s\n  \
    havre call --lang fr --for 40s    ask for French, and fail unless it is French\n  \
    havre call --keys 1 --advocate    fail unless an advocate (`havre answer`) is heard both ways\n\n\
    While it runs, type keys and Enter to press them, q and Enter to hang up.\n\
    Exit status: 0 if all that was asked held, 1 if not.")]
pub(crate) struct CallArgs {
    /// The number to dial
    #[arg(long, value_name = "NUMBER", default_value = "+18335550100")]
    to: String,
    /// The line's SIP address; that of the configuration if not given
    #[arg(long, value_name = "IP:PORT")]
    line: Option<SocketAddr>,
    /// Keys to press, each with its moment after the answer: 2,5@3s
    #[arg(long, value_name = "KEYS", value_parser = parse_keys)]
    keys: Option<Presses>,
    /// Stay this long after the answer [default: 20s, less once an advocate has been heard both ways]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    stay: Option<Duration>,
    /// Ask for this language (en or fr: key 1 or 2, unless --keys says otherwise), and fail unless messages are in it
    #[arg(long, value_name = "LANGUAGE", value_parser = parse_language)]
    lang: Option<Spoken>,
    /// Fail unless an advocate is reached, and heard both ways
    #[arg(long)]
    advocate: bool,
    /// Encrypt the audio (SRTP, keys in SDP): off, offered (where the line can) or required
    #[arg(long, value_name = "WHEN", default_value = "off", value_parser = parse_srtp)]
    srtp: Srtp,
    /// Send keys as SIP INFO, not as telephone-events
    #[arg(long)]
    info: bool,
    /// The configuration that names the line's address and prompts; the built-in demo if not given
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Calls, listens, presses, hangs up, and judges.
pub(crate) async fn call(args: CallArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(args.config.as_deref())?;
    let line = line_address(args.line, &config)?;
    let mut screen = Screen::new(args.json);
    screen
        .remark(&format!("Calling {} at {line}. Keys and Enter press them, q and Enter hangs up.", args.to));
    let ear = open_ear(&config.prompts, &mut screen).await;
    // Narrowband only: the prompts are recognised by what a telephone line lets through.
    let driver = Driver::start(line, vec![Codec::Pcmu, Codec::Pcma], args.srtp).await?;
    Caller::new(&args, line, driver, screen, ear).run(&args.to).await
}

/// An ear for the prompts in `dir`; where there are none, language and waiting sound go unchecked.
async fn open_ear(dir: &Path, screen: &mut Screen) -> Ear {
    let tones = [ADVOCATE_HZ, ADVOCATE_HEARS_HZ];
    let from = dir.to_owned();
    let ear = tokio::task::spawn_blocking(move || {
        Catalogue::load(&from).ok().map(|catalogue| Ear::new(Some(&catalogue), &tones))
    });
    match ear.await {
        Ok(Some(ear)) => ear,
        _ => {
            let dir = dir.display();
            screen.remark(&format!("No good prompts in {dir}: language and waiting sound are not checked."));
            Ear::new(None, &tones)
        }
    }
}

fn parse_language(text: &str) -> Result<Spoken, String> {
    match Spoken::from_name(text) {
        Some(spoken @ (Spoken::En | Spoken::Fr)) => Ok(spoken),
        _ => Err("write en or fr".to_owned()),
    }
}

/// A call in progress.
struct Caller {
    driver: Driver,
    screen: Screen,
    ear: Ear,
    facts: Facts,
    wanted: Wanted,
    line: SocketAddr,
    by: Keying,
    /// Still to be pressed.
    keys: VecDeque<Press>,
    /// As asked for.
    stay: Option<Duration>,
    /// When somebody last typed, since dialling.
    typed: Option<Duration>,
    dialled: Mono,
}

/// Why the loop goes round.
enum Turn {
    Phone(Event),
    Typed(String),
    Due,
    Interrupted,
}

impl Caller {
    fn new(args: &CallArgs, line: SocketAddr, driver: Driver, screen: Screen, ear: Ear) -> Self {
        let asked = args.lang.map(|spoken| if spoken == Spoken::Fr { "2" } else { "1" });
        let keys =
            args.keys.clone().or_else(|| asked.and_then(|key| parse_keys(key).ok())).unwrap_or_default();
        Self {
            facts: Facts { knows_prompts: ear.knows_prompts(), ..Facts::default() },
            wanted: Wanted { language: args.lang, advocate: args.advocate },
            line,
            by: if args.info { Keying::Info } else { Keying::Event },
            keys: keys.0.into(),
            stay: args.stay,
            typed: None,
            dialled: driver.now(),
            driver,
            screen,
            ear,
        }
    }

    async fn run(mut self, to: &str) -> anyhow::Result<ExitCode> {
        let mut lines = typed::lines();
        self.dial(to);
        loop {
            let wait = self.due().saturating_sub(self.elapsed());
            let turn = tokio::select! {
                event = self.driver.next() => Turn::Phone(event),
                line = typed::next(&mut lines) => Turn::Typed(line),
                () = tokio::time::sleep(wait) => Turn::Due,
                () = terminated() => Turn::Interrupted,
            };
            let over = match turn {
                Turn::Phone(event) => self.on_event(&event),
                Turn::Typed(line) => self.on_typed(&line),
                Turn::Due => self.on_due(),
                Turn::Interrupted => true,
            };
            if over {
                break;
            }
        }
        let at = self.elapsed();
        self.driver.goodbye(false).await;
        Ok(judge(at, &self.facts, self.wanted, &mut self.screen))
    }

    fn dial(&mut self, to: &str) {
        self.dialled = self.driver.now();
        self.driver.command(Command::Dial {
            leg: LEG,
            to: Uri::sip(Some(to), self.line),
            path: self.driver.path(),
            from: Identity { display: String::new(), user: "anonymous".to_owned(), host: None },
            account: None,
            late_offer: false,
            instead_of: None,
        });
    }

    /// Time since dialling.
    fn elapsed(&self) -> Duration {
        self.driver.now().since(self.dialled)
    }

    /// When the next key or the end is due, since dialling.
    fn due(&self) -> Duration {
        let Some(answered) = self.facts.answered else { return PATIENCE };
        let end = self.end(answered);
        self.keys.front().map_or(end, |press| end.min(answered + press.at))
    }

    fn end(&self, answered: Duration) -> Duration {
        if let Some(stay) = self.stay {
            return answered + stay;
        }
        let end = match self.facts.both_ways {
            Some(both_ways) if self.keys.is_empty() => both_ways + LINGER,
            // A key that is still to be pressed is waited for, and what it changes too.
            _ => answered + self.keys.back().map_or(STAY, |last| STAY.max(last.at + STAY / 2)),
        };
        self.typed.map_or(end, |typed| end.max(typed + STAY_TYPED))
    }

    /// Presses a key, or ends the call.
    fn on_due(&mut self) -> bool {
        let elapsed = self.elapsed();
        let Some(answered) = self.facts.answered else { return elapsed >= PATIENCE };
        if let Some(press) = self.keys.front().copied()
            && elapsed >= answered + press.at
        {
            self.keys.pop_front();
            self.press(press.key);
            return false;
        }
        elapsed >= self.end(answered)
    }

    fn on_typed(&mut self, line: &str) -> bool {
        if line.eq_ignore_ascii_case("q") {
            return true;
        }
        self.typed = Some(self.elapsed());
        for key in line.chars().filter_map(Digit::from_char) {
            self.press(key);
        }
        false
    }

    fn press(&mut self, key: Digit) {
        let at = self.elapsed();
        self.driver.command(Command::Key { leg: LEG, digit: key, millis: KEY_MILLIS, by: self.by });
        self.facts.pressed.push(Pressed { key, at, change: None });
        self.screen.line(
            at,
            Tone::Plain,
            "pressed",
            &format!("pressed {key}"),
            json!({ "key": key.to_string() }),
        );
    }

    /// What the phone says; true when the call is over.
    fn on_event(&mut self, event: &Event) -> bool {
        let at = self.elapsed();
        match *event {
            Event::Ringing { .. } => self.screen.line(at, Tone::Plain, "ringing", "it rings", json!({})),
            Event::Answered { codec, suite, .. } => {
                self.facts.answered = Some(at);
                self.driver.command(Command::Listen { leg: LEG, on: true });
                let millis = at.as_millis();
                let text = format!("answered after {millis} ms ({})", carriage(codec, suite));
                let fields = json!({ "after_ms": millis as u64, "srtp": suite.map(Suite::name) });
                self.screen.line(at, Tone::Good, "answered", &text, fields);
            }
            Event::Heard { hz, dbm0, purity, .. } => {
                for heard in self.ear.hear(Reading { hz, dbm0, purity }) {
                    self.on_heard(at, heard);
                }
                self.screen.meter(dbm0);
            }
            Event::MediaLost { for_, .. } => {
                let text = format!("no audio has come for {} s", for_.as_secs());
                self.screen.line(at, Tone::Bad, "media_lost", &text, json!({}));
            }
            Event::MediaBack { .. } => {
                self.screen.line(at, Tone::Plain, "media_back", "audio again", json!({}));
            }
            Event::Ended { by, status, cause, .. } => {
                self.on_ended(at, by, status, cause.as_str());
                return true;
            }
            _ => {}
        }
        false
    }

    fn on_ended(&mut self, at: Duration, by: EndedBy, status: Option<u16>, cause: &str) {
        let text = if self.facts.answered.is_some() {
            self.facts.hung_up = Some(at);
            let who = if self.facts.advocate.is_some() { "advocate" } else { "line" };
            format!("the {who} hung up")
        } else {
            let why = hint(status, self.line);
            self.facts.refused = Some(why.clone());
            format!("no call: {why}")
        };
        let fields = json!({ "by": format!("{by:?}").to_lowercase(), "status": status, "cause": cause });
        self.screen.line(at, Tone::Bad, "ended", &text, fields);
    }

    fn on_heard(&mut self, at: Duration, heard: Heard) {
        match heard {
            Heard::Sound { dbm0 } => {
                self.facts.sound = Some((at, dbm0));
                let text = format!("sound, {dbm0:.0} dBm0");
                self.screen.line(at, Tone::Good, "sound", &text, json!({ "dbm0": dbm0 }));
            }
            Heard::Prompt { prompt, spoken, text } => {
                let language = language_name(spoken);
                let said = format!("heard {prompt}, {language}: {text}");
                let fields = json!({ "prompt": prompt, "language": spoken.as_str() });
                self.screen.line(at, Tone::Plain, "prompt", &said, fields);
                if !Facts::is_greeting(&prompt) {
                    self.changed(at, &format!("{prompt} in {language} began"));
                }
                self.facts.prompts.push((at, prompt, spoken));
            }
            Heard::Waiting => {
                self.screen.line(at, Tone::Plain, "waiting", "heard the waiting sound", json!({}));
                self.facts.waiting.get_or_insert(at);
                self.changed(at, "the waiting sound began");
            }
            Heard::Tone { expected, hz, dbm0 } if expected == ADVOCATE_HZ => {
                self.advocate(at, hz, dbm0);
            }
            Heard::Tone { hz, dbm0, .. } => {
                self.advocate(at, hz, dbm0);
                if self.facts.both_ways.is_none() {
                    self.facts.both_ways = Some(at);
                    let text = "the advocate hears us: audio both ways";
                    self.screen.line(at, Tone::Good, "both_ways", text, json!({ "hz": hz, "dbm0": dbm0 }));
                }
            }
        }
    }

    /// `havre answer` is there: it hears a tone of ours from now on.
    fn advocate(&mut self, at: Duration, hz: f32, dbm0: f32) {
        if self.facts.advocate.is_some() {
            return;
        }
        self.facts.advocate = Some(at);
        let text = format!("an advocate: tone of {hz:.0} Hz, {dbm0:.0} dBm0");
        self.screen.line(at, Tone::Good, "advocate", &text, json!({ "hz": hz, "dbm0": dbm0 }));
        self.changed(at, "an advocate answered");
        let clips = vec![Clip::Tone { hz: CALLER_HZ, dbm0: TONE_DBM0, duration: TONE_LENGTH }];
        self.driver.command(Command::Play { leg: LEG, play: TONE, clips });
    }

    fn changed(&mut self, at: Duration, what: &str) {
        if let Some((key, after)) = self.facts.changed(at, what) {
            let text = format!("key {key} was taken: {what}");
            let fields =
                json!({ "key": key.to_string(), "change": what, "after_ms": after.as_millis() as u64 });
            self.screen.line(at, Tone::Good, "key_taken", &text, fields);
        }
    }
}

/// Sums up, and says whether what was asked held.
fn judge(at: Duration, facts: &Facts, wanted: Wanted, screen: &mut Screen) -> ExitCode {
    let faults = facts.faults(wanted);
    let languages: Vec<&str> = facts.languages().into_iter().map(Spoken::as_str).collect();
    let yes = |at: Option<Duration>| if at.is_some() { "yes" } else { "no" };
    if facts.answered.is_some() {
        let spoken = match (&languages[..], facts.knows_prompts) {
            (_, false) => "not checked".to_owned(),
            ([], true) => "none but the greeting".to_owned(),
            (languages, true) => languages.join(", "),
        };
        let waiting = if facts.knows_prompts { yes(facts.waiting) } else { "not checked" };
        screen.remark(&format!(
            "Messages: {spoken} · waiting sound: {waiting} · advocate: {} · both ways: {}",
            yes(facts.advocate),
            yes(facts.both_ways),
        ));
    }
    for fault in &faults {
        screen.remark(&format!("Not as asked: {fault}"));
    }
    if faults.is_empty() {
        screen.remark("All that was asked held.");
    }
    let fields = json!({
        "ok": faults.is_empty(),
        "faults": faults,
        "languages": facts.knows_prompts.then_some(languages),
        "waiting": facts.knows_prompts.then_some(facts.waiting.is_some()),
        "advocate": facts.advocate.is_some(),
        "both_ways": facts.both_ways.is_some(),
    });
    screen.result(at, fields);
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
