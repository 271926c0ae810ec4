//! `havre answer`: an advocate in the terminal.

use std::io::{IsTerminal as _, stdin};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use havre_media::sdp::Srtp;
use havre_media::srtp::Suite;
use havre_media::{Clip, Codec};
use havre_model::{Digit, LegId, PlayId};
use havre_phone::{Answering, Command, Event, Keying};
use havre_sip::wire::Uri;
use havre_sip::{Account, EndedBy, Identity, Password};
use serde_json::json;

use super::driver::Driver;
use super::ear::{Ear, Heard, Reading};
use super::keys::parse_time;
use super::screen::{Screen, Tone};
use super::{
    ADVOCATE_HEARS_HZ, ADVOCATE_HZ, CALLER_HZ, TONE_DBM0, carriage, configuration, hint, line_address,
    parse_srtp, terminated, typed,
};
use crate::config::Config;

/// How soon a call is answered when nobody is there to press Enter.
const BY_ITSELF: Duration = Duration::from_secs(1);
/// Lifetime of the registration: the line notices soon when this process is gone.
const EXPIRES: Duration = Duration::from_secs(60);
/// The tone comes and goes, so that it can be borne.
const TONE_ON: Duration = Duration::from_secs(1);
const TONE_OFF: Duration = Duration::from_millis(500);
/// How long a key is held, in milliseconds.
const KEY_MILLIS: u16 = 120;

/// Be an advocate in the terminal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    havre answer --as advocate-en               Enter answers a call, q and Enter hangs up\n  \
    havre answer --as advocate-fr --after 2s    answer by itself after 2 s\n\n\
    While it runs, type and press Enter:\n  \
    (nothing)   answer\n  \
    d           decline\n  \
    q           hang up; with no call, leave\n  \
    *40 … *44   ready, break, end of wrap-up, hard call, hear my state\n  \
    *45         hear my state, and then myself\n  \
    0-9 * #     in a call: keys for the caller to hear\n\n\
    Ctrl-C hangs up, signs out and leaves.")]
pub(crate) struct AnswerArgs {
    /// Whose phone this is: an `id` of the configuration's `[[agents]]`
    #[arg(long = "as", value_name = "ADVOCATE")]
    agent: String,
    /// The account's password; HAVRE_PASSWORD or that of the configuration if not given
    #[arg(long)]
    password: Option<String>,
    /// The line's SIP address; that of the configuration if not given
    #[arg(long, value_name = "IP:PORT")]
    line: Option<SocketAddr>,
    /// Answer by itself after this time [default: on Enter; 1s where nobody can type]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    after: Option<Duration>,
    /// Encrypt the audio (SRTP, keys in SDP): off, offered (where the line can) or required
    #[arg(long, value_name = "WHEN", default_value = "off", value_parser = parse_srtp)]
    srtp: Srtp,
    /// Leave after this many calls
    #[arg(long, value_name = "NUMBER")]
    calls: Option<u32>,
    /// The configuration that holds accounts and addresses; the built-in demo if not given
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Signs in, rings, answers, until told to leave.
pub(crate) async fn answer(args: AnswerArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(args.config.as_deref())?;
    let line = line_address(args.line, &config)?;
    // The environment, unlike the command line, is not shown to everybody on this machine.
    let password = match args.password.clone().or_else(|| std::env::var("HAVRE_PASSWORD").ok()) {
        Some(password) => password,
        None => configured_password(&config, &args.agent)?,
    };
    let account =
        Account { user: args.agent.clone(), realm: config.realm.clone(), password: Password::new(password) };
    let driver = Driver::start(line, vec![Codec::Pcmu, Codec::Pcma, Codec::G722], args.srtp).await?;
    let after = args.after.or_else(|| (!stdin().is_terminal()).then_some(BY_ITSELF));
    let mut advocate = Advocate {
        driver,
        screen: Screen::new(args.json),
        line,
        account,
        state: State::SigningIn { told: false },
        calls_left: args.calls,
        last_leg: 0,
        last_play: 0,
    };
    advocate.driver.command(Command::Answering(after.map_or(Answering::Manual, Answering::After)));
    advocate.run().await
}

fn configured_password(config: &Config, agent: &str) -> anyhow::Result<String> {
    let Some(account) = config.agents.iter().find(|account| account.profile.id.as_str() == agent) else {
        let known: Vec<&str> = config.agents.iter().map(|account| account.profile.id.as_str()).collect();
        bail!("the configuration has no account {agent:?}. It has: {}", known.join(", "));
    };
    Ok(account.password.clone())
}

/// Where the advocate is.
enum State {
    SigningIn {
        /// What is wrong has been said.
        told: bool,
    },
    Idle,
    /// A call rings.
    Ringing(LegId),
    /// We talk.
    Talking(Talk),
    /// A feature code was dialled, and is spoken to us.
    Code(LegId),
}

struct Talk {
    leg: LegId,
    ear: Ear,
    /// Our tone, which tells the caller whether we hear theirs.
    hz: f32,
}

struct Advocate {
    driver: Driver,
    screen: Screen,
    line: SocketAddr,
    account: Account,
    state: State,
    calls_left: Option<u32>,
    last_leg: u64,
    last_play: u64,
}

/// Why the loop goes round.
enum Turn {
    Phone(Event),
    Typed(String),
    Interrupted,
}

impl Advocate {
    async fn run(mut self) -> anyhow::Result<ExitCode> {
        let mut lines = typed::lines();
        self.sign_in()?;
        let code = loop {
            let turn = tokio::select! {
                event = self.driver.next() => Turn::Phone(event),
                line = typed::next(&mut lines) => Turn::Typed(line),
                () = terminated() => Turn::Interrupted,
            };
            match turn {
                Turn::Phone(Event::RegisterFailed { status: status @ (401 | 403 | 404) }) => {
                    self.say(
                        Tone::Bad,
                        "refused",
                        &hint(Some(status), self.line),
                        json!({ "status": status }),
                    );
                    break ExitCode::FAILURE;
                }
                Turn::Phone(event) => self.on_event(event),
                Turn::Typed(line) if line.eq_ignore_ascii_case("q") && !self.busy() => {
                    break ExitCode::SUCCESS;
                }
                Turn::Typed(line) => self.on_typed(&line),
                Turn::Interrupted => break ExitCode::SUCCESS,
            }
            if self.calls_left == Some(0) {
                break ExitCode::SUCCESS;
            }
        };
        let signed_in = !matches!(self.state, State::SigningIn { .. });
        self.driver.goodbye(signed_in).await;
        self.screen.remark("Signed out.");
        Ok(code)
    }

    fn sign_in(&mut self) -> anyhow::Result<()> {
        let (user, realm) = (&self.account.user, &self.account.realm);
        let Ok(uri) = Uri::parse(&format!("sip:{user}@{realm}")) else {
            bail!("{user:?} at {realm:?} makes no SIP address");
        };
        self.driver.command(Command::Register {
            account: self.account.clone(),
            registrar: self.driver.path(),
            uri,
            expires: EXPIRES,
        });
        Ok(())
    }

    const fn busy(&self) -> bool {
        matches!(self.state, State::Ringing(_) | State::Talking(_) | State::Code(_))
    }

    fn on_typed(&mut self, line: &str) {
        let quit = line.eq_ignore_ascii_case("q");
        match &self.state {
            State::Ringing(leg) if line.is_empty() || line.eq_ignore_ascii_case("a") => {
                self.driver.command(Command::Answer { leg: *leg });
            }
            State::Ringing(leg) if quit || line.eq_ignore_ascii_case("d") => {
                self.driver.command(Command::Decline { leg: *leg, status: 603 });
            }
            State::Talking(Talk { leg, .. }) | State::Code(leg) if quit => {
                self.driver.command(Command::HangUp { leg: *leg });
            }
            State::Talking(Talk { leg, .. }) => {
                for digit in line.chars().filter_map(Digit::from_char) {
                    let key = Command::Key { leg: *leg, digit, millis: KEY_MILLIS, by: Keying::Event };
                    self.driver.command(key);
                }
            }
            State::Idle if line.starts_with('*') => self.dial(line),
            State::Idle if !line.is_empty() => {
                self.screen.remark("No call now. *40 is ready, *41 a break, q leaves.");
            }
            _ => {}
        }
    }

    /// A feature code, answered by a spoken confirmation.
    fn dial(&mut self, code: &str) {
        self.last_leg += 1;
        let leg = LegId(self.last_leg);
        self.driver.command(Command::Dial {
            leg,
            to: Uri::sip(Some(code), self.line),
            path: self.driver.path(),
            from: Identity {
                display: String::new(),
                user: self.account.user.clone(),
                host: Some(self.account.realm.clone()),
            },
            account: Some(self.account.clone()),
            late_offer: false,
            instead_of: None,
        });
        self.state = State::Code(leg);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Registered { .. } => self.on_registered(),
            Event::RegisterFailed { status } => self.on_register_failed(status),
            Event::Incoming { leg, display, .. } => {
                self.state = State::Ringing(leg);
                self.screen.bell();
                let text = format!("a call: {display}   (Enter answers, d declines)");
                self.say(Tone::Loud, "offer", &text, json!({ "label": display }));
            }
            Event::Answered { leg, codec, suite } => self.on_answered(leg, codec, suite),
            Event::Heard { hz, dbm0, purity, .. } => self.on_heard(Reading { hz, dbm0, purity }),
            Event::PlayDone { leg, .. } => self.tone(leg),
            Event::Digit { digit, .. } => {
                let text = format!("the caller pressed {digit}{}", meaning(digit));
                self.say(Tone::Loud, "key", &text, json!({ "key": digit.to_string() }));
            }
            Event::MediaLost { for_, .. } => {
                let text = format!("no audio from the caller for {} s", for_.as_secs());
                self.say(Tone::Bad, "media_lost", &text, json!({}));
            }
            Event::MediaBack { .. } => {
                self.say(Tone::Plain, "media_back", "audio from the caller again", json!({}));
            }
            Event::Ended { by, status, .. } => self.on_ended(by, status),
            _ => {}
        }
    }

    fn on_registered(&mut self) {
        if matches!(self.state, State::SigningIn { .. }) {
            self.state = State::Idle;
            let (user, line) = (&self.account.user, self.line);
            let text = format!("signed in as {user} at {line}; waiting for calls (Ctrl-C leaves)");
            self.say(Tone::Good, "signed_in", &text, json!({}));
        }
    }

    /// It is tried again, for ever; it is said once.
    fn on_register_failed(&mut self, status: u16) {
        let was = match &mut self.state {
            State::SigningIn { told } => std::mem::replace(told, true),
            State::Idle => {
                self.state = State::SigningIn { told: true };
                false
            }
            // A call goes on without a registration.
            _ => true,
        };
        if !was {
            let text = format!("not signed in: {}; trying again", hint(Some(status), self.line));
            self.say(Tone::Bad, "not_signed_in", &text, json!({ "status": status }));
        }
    }

    fn on_answered(&mut self, leg: LegId, codec: Codec, suite: Option<Suite>) {
        self.driver.command(Command::Listen { leg, on: true });
        if matches!(self.state, State::Code(_)) {
            return;
        }
        let ear = Ear::new(None, &[CALLER_HZ]);
        self.state = State::Talking(Talk { leg, ear, hz: ADVOCATE_HZ });
        self.tone(leg);
        let how = carriage(codec, suite);
        let text = format!("answered ({how}); the caller hears a soft tone. q and Enter hangs up");
        self.say(Tone::Good, "answered", &text, json!({ "srtp": suite.map(Suite::name) }));
    }

    fn on_heard(&mut self, reading: Reading) {
        self.screen.meter(reading.dbm0);
        let State::Talking(talk) = &mut self.state else { return };
        let (leg, told) = (talk.leg, talk.hz == ADVOCATE_HEARS_HZ);
        for heard in talk.ear.hear(reading) {
            match heard {
                Heard::Sound { dbm0 } => {
                    let text = format!("the caller is heard, {dbm0:.0} dBm0");
                    self.say(Tone::Plain, "sound", &text, json!({ "dbm0": dbm0 }));
                }
                // The caller's keys interrupt their tone; it is told once.
                Heard::Tone { .. } if told => {}
                Heard::Tone { hz, dbm0, .. } => {
                    let text = format!("the caller's tone: {hz:.0} Hz, {dbm0:.0} dBm0 (it is `havre call`)");
                    self.say(Tone::Good, "tone", &text, json!({ "hz": hz, "dbm0": dbm0 }));
                    self.hears(leg);
                }
                Heard::Prompt { .. } | Heard::Waiting => {}
            }
        }
    }

    /// Tells the caller, by another tone, that theirs is heard.
    fn hears(&mut self, leg: LegId) {
        if let State::Talking(talk) = &mut self.state {
            talk.hz = ADVOCATE_HEARS_HZ;
        }
        self.tone(leg);
    }

    fn tone(&mut self, leg: LegId) {
        let State::Talking(Talk { hz, .. }) = self.state else { return };
        self.last_play += 1;
        let tone = Clip::Tone { hz, dbm0: TONE_DBM0, duration: TONE_ON };
        let clips = vec![tone, Clip::Silence(TONE_OFF)];
        self.driver.command(Command::Play { leg, play: PlayId(self.last_play), clips });
    }

    fn on_ended(&mut self, by: EndedBy, status: Option<u16>) {
        let text = match (&self.state, by) {
            (State::Code(_), EndedBy::Refused | EndedBy::Timeout) => hint(status, self.line),
            (State::Code(_), _) => "done".to_owned(),
            (State::Ringing(_), EndedBy::Us) => "declined".to_owned(),
            (State::Ringing(_), _) => {
                "no longer ringing: another advocate answered, or the caller left".to_owned()
            }
            (_, EndedBy::Us) => "you hung up".to_owned(),
            (_, EndedBy::Remote) => "the caller has gone".to_owned(),
            _ => "the call was cut off".to_owned(),
        };
        if matches!(self.state, State::Talking(_)) {
            self.calls_left = self.calls_left.map(|left| left.saturating_sub(1));
        }
        self.state = State::Idle;
        self.say(
            Tone::Plain,
            "ended",
            &text,
            json!({ "by": format!("{by:?}").to_lowercase(), "status": status }),
        );
    }

    fn say(&mut self, tone: Tone, what: &str, text: &str, fields: serde_json::Value) {
        let at = self.driver.now().since_start();
        self.screen.line(at, tone, what, text, fields);
    }
}

/// What a key means in a talk (the journey's key 5: yes and no without a word).
const fn meaning(digit: Digit) -> &'static str {
    match digit.event() {
        1 => ": yes / oui",
        2 => ": no / non",
        _ => "",
    }
}
