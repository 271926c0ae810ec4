//! A real browser: Debian's Chromium with a microphone that hears a tone, driven through `browser/driver.mjs` by playwright.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audio::{self, sine};
use crate::{Line, Scratch, repository, until};

/// The microphone's file: whole periods of any whole number of hertz, so that it is one tone when it is repeated.
const SECONDS: usize = 10;
const RATE: u32 = 48_000;
/// How long a page may take for anything that it does by itself.
const SOON: Duration = Duration::from_secs(15);
/// A page's width and height where nothing is said of them.
const DESK: (u32, u32) = (1_280, 860);
const HELD: &str = "nobody panics with it held";

/// A running Chromium. Several threads may each drive a page of their own.
pub struct Browser {
    to: Mutex<ChildStdin>,
    waiting: Arc<Waiting>,
    last: AtomicU64,
    child: Child,
    _files: Scratch,
}

/// Who waits for the answer to which command.
type Waiting = Mutex<HashMap<u64, mpsc::Sender<Value>>>;

/// A page in a browser of its own (cookies are not shared with other pages).
pub struct Page<'a> {
    browser: &'a Browser,
    number: u64,
}

/// What a page may be opened with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// In French.
    pub french: bool,
    /// In dark colours.
    pub dark: bool,
    /// Width and height in CSS pixels; 1280 × 860 if not given.
    pub size: Option<(u32, u32)>,
}

/// What a page hears.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Frequency of the strongest component.
    pub hz: f64,
    /// Level in dB under a full-scale sine.
    pub dbfs: f64,
    /// As `audio/opus`.
    pub codec: String,
}

impl Browser {
    /// Starts one whose microphone hears `hz` at -12 dB.
    #[must_use]
    pub fn start(hz: f64) -> Self {
        Self::launch(hz, &json!({ "refuse": false, "flags": [] }))
    }

    /// One whose person does not allow the microphone.
    #[must_use]
    pub fn without_microphone() -> Self {
        Self::launch(0.0, &json!({ "refuse": true, "flags": [] }))
    }

    /// One in a network that lets no UDP through.
    #[must_use]
    pub fn without_udp(hz: f64) -> Self {
        let policy = "disable_non_proxied_udp";
        let flags = ["--force-webrtc-ip-handling-policy", "--webrtc-ip-handling-policy"];
        Self::launch(hz, &json!({ "refuse": false, "flags": flags.map(|flag| format!("{flag}={policy}")) }))
    }

    fn launch(hz: f64, given: &Value) -> Self {
        let files = Scratch::new("browser");
        let microphone = files.file("microphone.wav");
        let tone = sine(hz, -12.0, RATE, SECONDS * RATE as usize);
        audio::write_wav(&microphone, RATE, &tone).expect("the microphone's file");
        let mut child = Command::new(node())
            .arg(repository().join("tests/e2e/browser/driver.mjs"))
            .arg(microphone)
            .arg(given.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node; `make e2e` installs it");
        let to = child.stdin.take().expect("stdin is piped");
        let from = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let waiting = Arc::<Waiting>::default();
        let (up, ready) = mpsc::channel();
        waiting.lock().expect(HELD).insert(0, up);
        let told = Arc::clone(&waiting);
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                let answer: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
                let number = answer["number"].as_u64().unwrap_or_default();
                if let Some(asked) = told.lock().expect(HELD).remove(&number) {
                    let _ = asked.send(answer);
                }
            }
            // Whoever still waits hears that nothing will come.
            told.lock().expect(HELD).clear();
        });
        ready.recv().expect("Chromium did not start");
        Self { to: Mutex::new(to), waiting, last: AtomicU64::new(0), child, _files: files }
    }

    /// Opens the console of `line`.
    #[must_use]
    pub fn open(&self, line: &Line, look: Look) -> Page<'_> {
        let (width, height) = look.size.unwrap_or(DESK);
        let language = if look.french { "fr" } else { "en" };
        let number = self.ask(&json!({
            "does": "open", "url": line.console(), "language": language, "dark": look.dark,
            "width": width, "height": height,
        }));
        Page { browser: self, number: number.as_u64().expect("pages have numbers") }
    }

    /// Opens the console of `line` and signs in.
    #[must_use]
    pub fn sign_in(&self, line: &Line, user: &str, look: Look) -> Page<'_> {
        let page = self.open(line, look);
        page.fill("#user", user);
        page.fill("#password", &if user == "operator" { "demo-op".to_owned() } else { line.password(user) });
        page.click("button[type=submit]");
        page.waits_for("nav");
        page
    }

    /// The first `count` of a thousand ways to smuggle script.
    #[must_use]
    pub fn scripts(&self, count: usize) -> Vec<String> {
        let answer = self.ask(&json!({ "does": "scripts", "count": count }));
        let scripts = answer.as_array().expect("a list").iter().filter_map(Value::as_str);
        scripts.map(str::to_owned).collect()
    }

    fn ask(&self, command: &Value) -> Value {
        self.try_ask(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn try_ask(&self, command: &Value) -> Result<Value, String> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = mpsc::channel();
        self.waiting.lock().expect(HELD).insert(number, sender);
        let mut command = command.clone();
        command["number"] = number.into();
        let sent = {
            let mut to = self.to.lock().expect(HELD);
            writeln!(to, "{command}").and_then(|()| to.flush())
        };
        sent.map_err(|error| error.to_string())?;
        let mut answer = answer.recv().map_err(|_| "the driver ended".to_owned())?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes Chromium when its input ends; whatever happens, neither outlives the test.
        let Ok(to) = self.to.get_mut() else { return };
        let _ = writeln!(to, "{}", json!({ "does": "end" }));
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Page<'a> {
    /// The same address in another tab of the same browser.
    #[track_caller]
    #[must_use]
    pub fn tab(&self) -> Page<'a> {
        let number = self.ask(json!({ "does": "tab" })).as_u64().expect("pages have numbers");
        Page { browser: self.browser, number }
    }

    /// Waits until something that matches `what` (a CSS or playwright selector) is seen.
    #[track_caller]
    pub fn waits_for(&self, what: &str) {
        self.waits(what, SOON);
    }

    /// The same, for longer.
    #[track_caller]
    pub fn waits(&self, what: &str, limit: Duration) {
        self.ask(json!({ "does": "wait", "what": what, "ms": limit.as_millis() as u64 }));
    }

    /// Waits until nothing matches `what`.
    #[track_caller]
    pub fn waits_until_gone(&self, what: &str) {
        self.ask(json!({ "does": "wait", "what": what, "gone": true, "ms": SOON.as_millis() as u64 }));
    }

    /// The text of the first that matches.
    #[track_caller]
    #[must_use]
    pub fn text(&self, what: &str) -> String {
        self.ask(json!({ "does": "text", "what": what })).as_str().unwrap_or_default().to_owned()
    }

    /// Types into a field.
    #[track_caller]
    pub fn fill(&self, what: &str, value: &str) {
        self.ask(json!({ "does": "fill", "what": what, "value": value }));
    }

    /// Clicks.
    #[track_caller]
    pub fn click(&self, what: &str) {
        self.ask(json!({ "does": "click", "what": what, "ms": SOON.as_millis() as u64 }));
    }

    /// Presses a key, as `a` or `Enter`.
    #[track_caller]
    pub fn press(&self, key: &str) {
        self.ask(json!({ "does": "press", "key": key }));
    }

    /// Goes to another page of the console, as `#/board`.
    #[track_caller]
    pub fn go(&self, hash: &str) {
        self.ask(json!({ "does": "go", "hash": hash }));
    }

    /// Changes its size, its colours, and by its own button its language.
    #[track_caller]
    pub fn looks(&self, look: Look) {
        let (width, height) = look.size.unwrap_or(DESK);
        let language = if look.french { "fr" } else { "en" };
        self.ask(json!({
            "does": "look", "language": language, "dark": look.dark, "width": width, "height": height,
            "ms": SOON.as_millis() as u64,
        }));
    }

    /// Loads it again.
    #[track_caller]
    pub fn reload(&self) {
        self.ask(json!({ "does": "reload" }));
    }

    /// The USERNAME that its connectivity checks carry (RFC 8445 §7.2.2): the line's fragment, then its own.
    #[track_caller]
    #[must_use]
    pub fn ice_user(&self) -> String {
        let fragments = self.ask(json!({ "does": "ice" }));
        let [line, own] = [0, 1].map(|place| fragments[place].as_str().unwrap_or_default());
        assert!(!line.is_empty() && !own.is_empty(), "no connection: {fragments}");
        format!("{line}:{own}")
    }

    /// Notes from now on when something that matches comes up, for [`Page::noted`].
    #[track_caller]
    pub fn notes_when(&self, what: &str) {
        self.ask(json!({ "does": "note", "what": what }));
    }

    /// When it did, in milliseconds since 1970.
    #[track_caller]
    #[must_use]
    pub fn noted(&self) -> Vec<i64> {
        let noted = self.ask(json!({ "does": "noted" }));
        noted.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
    }

    /// Notes from now on every text that what matches shows, and every frame, for [`Page::followed`].
    #[track_caller]
    pub fn follows(&self, what: &str) {
        self.ask(json!({ "does": "follow", "what": what }));
    }

    /// What was shown, each with its moment in milliseconds since 1970; and the moments of all frames, in milliseconds.
    #[track_caller]
    #[must_use]
    pub fn followed(&self) -> (Vec<(i64, String)>, Vec<f64>) {
        let followed = self.ask(json!({ "does": "followed" }));
        let list = |name: &str| followed[name].as_array().cloned().unwrap_or_default();
        let shown = |one: &Value| Some((one[0].as_i64()?, one[1].as_str().unwrap_or_default().to_owned()));
        let texts = list("texts").iter().filter_map(shown).collect();
        (texts, list("painted").iter().filter_map(Value::as_f64).collect())
    }

    /// Its phone's connection to the line is cut; its media flow.
    #[track_caller]
    pub fn is_cut_off(&self) {
        assert_eq!(self.ask(json!({ "does": "cut" })), json!(1), "no connection to cut");
    }

    /// Closes it, as a browser that crashed: nothing is said to anybody.
    #[track_caller]
    pub fn close(self) {
        self.ask(json!({ "does": "close" }));
    }

    /// What arrives just now; `None` without a connection.
    #[track_caller]
    #[must_use]
    pub fn hears(&self) -> Option<Heard> {
        let heard = self.ask(json!({ "does": "hear" }));
        let number = |name: &str| heard[name].as_f64();
        let codec = heard["codec"].as_str().unwrap_or_default().to_ascii_lowercase();
        Some(Heard { hz: number("hz")?, dbfs: number("dbfs").unwrap_or(f64::MIN), codec })
    }

    /// Waits until `hz` is the strongest of what arrives, at -12 dB ± 2.
    #[track_caller]
    pub fn hears_tone(&self, hz: f64) -> Heard {
        until(&format!("{hz} Hz in the browser"), SOON, || {
            self.hears().filter(|heard| (heard.hz - hz).abs() < 12.0 && (heard.dbfs + 12.0).abs() < 2.0)
        })
    }

    /// Keeps a screenshot of the whole page in `target/screenshots`, and asserts that axe-core finds nothing on it.
    #[track_caller]
    pub fn is_accessible(&self, name: &str) {
        let found = self.ask(json!({ "does": "inspect" }));
        self.ask(json!({ "does": "shot", "path": shot(name) }));
        assert!(found == json!([]), "{name}: {found:#}\n{}", shot(name).display());
    }

    /// Asserts that no script of others' ran here, or could when something is clicked.
    #[track_caller]
    pub fn is_harmless(&self) {
        assert_eq!(self.ask(json!({ "does": "effects" })), json!([]));
        self.is_faultless();
    }

    /// Asserts that the page neither holds nor was ever told any of these words.
    #[track_caller]
    pub fn knows_nothing_of(&self, words: &[&str]) {
        assert_eq!(self.ask(json!({ "does": "holds", "words": words })), json!([]));
    }

    /// Asserts that a keyboard reaches everything on the page, in its order, and that one sees where it is.
    #[track_caller]
    pub fn is_walked(&self, name: &str) {
        let wrong = self.ask(json!({ "does": "walk" }));
        if wrong != json!([]) {
            let picture = shot(&format!("{name}-walked"));
            self.ask(json!({ "does": "shot", "path": picture }));
            panic!("{name}: {wrong:#}\n{}", picture.display());
        }
    }

    /// How many match just now.
    #[track_caller]
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.ask(json!({ "does": "count", "what": what })).as_u64().unwrap_or_default()
    }

    /// Asserts that no script failed, nothing was asked of another host, and no dialog came up.
    #[track_caller]
    pub fn is_faultless(&self) {
        assert_eq!(self.ask(json!({ "does": "faults" })), json!([]));
    }

    #[track_caller]
    fn ask(&self, mut command: Value) -> Value {
        command["page"] = self.number.into();
        match self.browser.try_ask(&command) {
            Ok(answer) => answer,
            Err(error) => {
                // Several tests, and several pages of one, may fail at a time.
                let picture = shot(&format!("failed-{}-{}", std::process::id(), self.number));
                let _ =
                    self.browser.try_ask(&json!({ "does": "shot", "page": self.number, "path": picture }));
                panic!("{command}: {error}\n{}", picture.display());
            }
        }
    }
}

/// Where a screenshot goes.
fn shot(name: &str) -> PathBuf {
    let target = repository().join("target/screenshots");
    let _ = std::fs::create_dir_all(&target);
    target.join(format!("{name}.png"))
}

/// `target/node` has one where Debian's is too old (`tests/setup/install web`).
fn node() -> PathBuf {
    let ours = repository().join("target/node/node_modules/.bin/node");
    if ours.is_file() { ours } else { Path::new("node").into() }
}
