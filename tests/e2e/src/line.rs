//! A running havre: the demo profile on an address of its own.

use std::io::{PipeReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use toml::{Table, Value};

use crate::{Api, Authority, Baresip, Events, Host, Identity, Process, Report, Scratch, Signal, until};

/// The token of every line here.
pub const TOKEN: &str = "end-to-end-test-token";
/// Longest time from start to ready: prompts are decoded and measured once per codec in it, which is work for a machine that has
/// much else to do.
const START: Duration = Duration::from_secs(90);
const SIP: u16 = 5060;
const SIP_TLS: u16 = 5061;
const HTTP: u16 = 8080;

/// A running line.
pub struct Line {
    process: Process,
    files: Scratch,
    host: Host,
    config: PathBuf,
    table: Table,
}

/// A line to be started.
pub struct LineBuilder {
    host: Host,
    files: Scratch,
    table: Table,
}

/// An advocate's account for a test's own configuration.
pub struct Account {
    /// Also the SIP user; the password is derived from it.
    pub id: String,
    /// `en`, `fr`.
    pub languages: &'static [&'static str],
    /// `advocate`, `supervisor`.
    pub role: &'static str,
}

impl Line {
    /// The demo profile, with addresses, files and token of this test.
    #[must_use]
    pub fn demo() -> LineBuilder {
        let demo = std::fs::read_to_string(repository().join("config/demo.toml")).expect("config/demo.toml");
        let (host, files) = (Host::claim(), Scratch::new("line"));
        let mut builder = LineBuilder { table: demo.parse().expect("the demo profile is TOML"), host, files };
        let (ip, records) = (builder.host.ip(), builder.files.file("records.sqlite"));
        builder.set("sip.listen", vec![format!("{ip}:{SIP}")]);
        builder.set("http.listen", format!("{ip}:{HTTP}"));
        builder.set("http.token", TOKEN);
        builder.set("records.path", records.display().to_string());
        // Beside them: the demo's own path would be one file for every test.
        let accounts = builder.files.file("console.sqlite");
        builder.set("console.accounts", accounts.display().to_string());
        builder.set("dialplan.file", repository().join("dialplans/hotline.toml").display().to_string());
        builder.set("prompts.dir", repository().join("prompts").display().to_string());
        builder
    }

    /// Where SIP is answered, over UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.host.at(SIP)
    }

    /// Where SIP is answered over TLS (see [`LineBuilder::secure`]).
    #[must_use]
    pub fn sip_tls(&self) -> SocketAddr {
        self.host.at(SIP_TLS)
    }

    /// Where HTTP is answered.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.host.at(HTTP)
    }

    /// Its address.
    #[must_use]
    pub const fn ip(&self) -> Ipv4Addr {
        self.host.ip()
    }

    /// Its directory, where everything that it writes is.
    #[must_use]
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// Its HTTP API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.host.at(HTTP), TOKEN)
    }

    /// The address of its console, as in a browser's address bar.
    #[must_use]
    pub fn console(&self) -> String {
        format!("http://{}/", self.host.at(HTTP))
    }

    /// Ends it without a word, and starts it again at the same addresses.
    pub fn restart(&mut self) {
        self.process.signal(Signal::Kill);
        self.process.wait(START);
        self.process = run(&self.config, self.files.path());
        self.is_ready();
    }

    fn is_ready(&mut self) {
        let api = self.api();
        until("GET /ready to say 200", START, || {
            self.runs();
            api.ready().filter(|reply| reply.status == 200)
        });
    }

    /// Its event stream, from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.api().events()
    }

    /// Today's report by `havre report`.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::read(&self.config)
    }

    /// The password of an account.
    #[must_use]
    pub fn password(&self, account: &str) -> String {
        let agents = self.table["agents"].as_array().expect("[[agents]]");
        let found = agents.iter().find(|a| a["id"].as_str() == Some(account));
        found.and_then(|a| a["password"].as_str()).unwrap_or_else(|| panic!("no account {account}")).into()
    }

    /// Starts an advocate's phone that answers by itself and sends `hz`, and waits until the line has it ready.
    #[must_use]
    pub fn advocate(&self, account: &str, hz: f64) -> Baresip {
        let phone = Baresip::advocate(self, account, hz).start();
        self.api().wait_for_state(account, "ready");
        phone
    }

    /// The same, with a phone that rings until told to answer.
    #[must_use]
    pub fn ringing_advocate(&self, account: &str, hz: f64) -> Baresip {
        let phone = Baresip::ringing_advocate(self, account, hz).start();
        self.api().wait_for_state(account, "ready");
        phone
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Writes its own dialplan anew (see [`LineBuilder::own_plan`]): the shipped one, changed by `change`.
    pub fn rewrite_plan(&self, change: impl FnOnce(String) -> String) {
        self.files.write("dialplan.toml", change(shipped_plan_text()));
    }

    /// Changes a configuration key in the file; the line knows it after a reload.
    pub fn rewrite(&mut self, key: &str, value: impl Into<Value>) {
        put(&mut self.table, key, value.into());
        self.files.write("havre.toml", self.table.to_string());
    }

    /// Everything that it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit)
    }

    /// Asserts that it still runs.
    #[track_caller]
    pub fn runs(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("the line ended with {status}:\n{}", self.log());
        }
    }

    /// Processor time used so far, all threads, in microseconds.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        self.process.cpu_micros()
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.process.memory()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl LineBuilder {
    /// Sets a key, as `section.key`.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        put(&mut self.table, key, value.into());
        self
    }

    /// The same, by value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// These accounts instead of the demo's; ready on registration, 2 s of wrap-up.
    #[must_use]
    pub fn accounts(self, accounts: &[Account]) -> Self {
        let tables = accounts.iter().map(|account| {
            let languages: Vec<Value> = account.languages.iter().map(|&l| l.into()).collect();
            let mut table = Table::new();
            table.insert("id".into(), account.id.clone().into());
            table.insert("password".into(), format!("secret-{}", account.id).into());
            table.insert("languages".into(), languages.into());
            table.insert("roles".into(), vec![account.role].into());
            table.insert("wrap_up".into(), 2.into());
            table.insert("ready_on_register".into(), true.into());
            Value::Table(table)
        });
        let tables: Vec<Value> = tables.collect();
        self.with("agents", tables)
    }

    /// With a certificate of this authority for its address, and a SIP listener for TLS.
    #[must_use]
    pub fn secure(self, authority: &Authority) -> Self {
        let ip = self.host.ip().to_string();
        let Identity { chain, key } = authority.issue("line", &[&ip, "havre.example"]);
        let listener = self.host.at(SIP_TLS).to_string();
        let ca = authority.path().display().to_string();
        self.with("tls.certificate", chain.display().to_string())
            .with("tls.key", key.display().to_string())
            .with("tls.ca", ca)
            .with("sip.tls_listen", listener)
    }

    /// One trunk, known by a certificate of this authority for this name alone.
    #[must_use]
    pub fn certified_trunk(self, authority: &Authority, name: &str) -> Self {
        let mut trunk = Table::new();
        trunk.insert("id".into(), "secure".into());
        trunk.insert("certificate".into(), name.into());
        let ca = authority.path().display().to_string();
        self.with("tls.client_ca", ca).with("trunks", vec![Value::Table(trunk)])
    }

    /// One person on call, `on-call`, who is rung at this number over these outbound trunks, each with its `outbound`. For an
    /// urgent caller that is after a second: no test need wait for it.
    #[must_use]
    pub fn on_call(self, telephone: &str, trunks: &[(&str, Table)]) -> Self {
        self.all_on_call(&[telephone.to_owned()], trunks)
    }

    /// The same with several people: `on-call`, `on-call-1`, `on-call-2` …
    #[must_use]
    pub fn all_on_call(self, telephones: &[String], trunks: &[(&str, Table)]) -> Self {
        let table = |entries: &[(&str, Value)]| {
            let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
            Value::Table(entries.collect())
        };
        let demo = table(&[("id", "demo".into()), ("sources", vec!["127.0.0.0/8"].into())]);
        let outbound = trunks
            .iter()
            .map(|(id, outbound)| table(&[("id", (*id).into()), ("outbound", outbound.clone().into())]));
        let people = telephones.iter().enumerate().map(|(nth, telephone)| {
            let id = if nth == 0 { "on-call".to_owned() } else { format!("on-call-{nth}") };
            table(&[
                ("id", id.into()),
                ("password", "secret-on-call".into()),
                ("languages", vec!["en", "fr"].into()),
                ("roles", vec!["on_call"].into()),
                ("phone", telephone.clone().into()),
            ])
        });
        let steps = shipped_plan()["widening"]["urgent"].as_array().expect("steps").clone();
        let others = steps.into_iter().filter(|step| step["step"].as_str() != Some("on_call"));
        let first = table(&[("at", 1.into()), ("step", "on_call".into())]);
        let urgent: Vec<_> = std::iter::once(first).chain(others).collect();
        self.plans(&[("on_call.enabled", true.into()), ("widening.urgent", urgent.into())])
            .with("trunks", std::iter::once(demo).chain(outbound).collect::<Vec<_>>())
            .with("agents", people.collect::<Vec<_>>())
            .with("console.demo_accounts", false)
    }

    /// A dialplan of this test: the shipped one with `key` (as `section.key`) set.
    #[must_use]
    pub fn plan(self, key: &str, value: impl Into<Value>) -> Self {
        self.plans(&[(key, value.into())])
    }

    /// The same with several keys set.
    #[must_use]
    fn plans(self, changes: &[(&str, Value)]) -> Self {
        let mut plan = shipped_plan();
        // Its own tests say what the shipped plan does.
        plan.remove("test");
        for (key, value) in changes {
            put(&mut plan, key, value.clone());
        }
        let path = self.files.write("dialplan.toml", plan.to_string());
        self.with("dialplan.file", path.display().to_string())
    }

    /// A copy of the shipped dialplan in the line's own directory, so that the test can change it and reload.
    #[must_use]
    pub fn own_plan(self) -> Self {
        let path = self.files.write("dialplan.toml", shipped_plan_text());
        self.with("dialplan.file", path.display().to_string())
    }

    /// A copy of the shipped dialplan with `from` replaced by `to`, to be refused.
    #[must_use]
    pub fn spoiled_plan(self, from: &str, to: &str) -> Self {
        let shipped = shipped_plan_text();
        assert!(shipped.contains(from), "the shipped dialplan no longer says {from:?}");
        self.files.write("dialplan.toml", shipped.replacen(from, to, 1));
        self
    }

    /// Its future SIP address.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.host.at(SIP)
    }

    /// Its future HTTP address.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.host.at(HTTP)
    }

    /// Writes the configuration and starts the program, without waiting for anything.
    #[must_use]
    pub fn launch(self) -> Line {
        let config = self.files.write("havre.toml", self.table.to_string());
        let process = run(&config, self.files.path());
        Line { process, files: self.files, host: self.host, config, table: self.table }
    }

    /// Starts the shipped `config/demo.toml` itself, with this line's addresses and files as `HAVRE__…` overrides.
    #[must_use]
    pub fn launch_with_environment(self) -> Line {
        let config = repository().join("config/demo.toml");
        let mut command = havre();
        command
            .args(["run", "--config"])
            .arg(&config)
            .current_dir(self.files.path())
            .env("HAVRE__SIP__LISTEN", self.sip().to_string())
            .env("HAVRE__HTTP__LISTEN", self.http().to_string())
            .env("HAVRE__HTTP__TOKEN", TOKEN)
            .env("HAVRE__RECORDS__PATH", self.files.file("records.sqlite"));
        let process = Process::spawn("havre", &mut command);
        Line { process, files: self.files, host: self.host, config, table: self.table }
    }

    /// Starts it and waits until it is ready.
    #[must_use]
    pub fn start(self) -> Line {
        let mut line = self.launch();
        line.is_ready();
        line
    }

    /// Starts it with a log that nobody reads, into a pipe that is full already.
    #[must_use]
    pub fn start_unread(self) -> (Line, PipeReader) {
        let config = self.files.write("havre.toml", self.table.to_string());
        let (unread, mut pipe) = std::io::pipe().expect("a pipe");
        let stderr = pipe.try_clone().expect("a second end").into();
        std::thread::spawn(move || while pipe.write_all(&[b'.'; 4_096]).is_ok() {});
        let process = Process::spawn_with("havre", &mut command(&config, self.files.path()), stderr);
        let mut line = Line { process, files: self.files, host: self.host, config, table: self.table };
        line.is_ready();
        (line, unread)
    }

    /// Starts it, expects it to refuse, and gives what it printed. Asserts that no port opens meanwhile.
    #[track_caller]
    #[must_use]
    pub fn refuses(self, limit: Duration) -> String {
        let (sip, http) = (self.sip(), self.http());
        let mut line = self.launch();
        let start = Instant::now();
        while line.process.ended().is_none() {
            assert!(
                start.elapsed() < limit,
                "it runs for {limit:?} with a wrong configuration:\n{}",
                line.log()
            );
            for address in [sip, http] {
                assert!(std::net::TcpStream::connect(address).is_err(), "{address} opened:\n{}", line.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = line.ends(limit);
        assert!(!status.success(), "it ended with success:\n{}", line.log());
        line.log()
    }
}

fn run(config: &Path, directory: &Path) -> Process {
    Process::spawn("havre", &mut command(config, directory))
}

fn command(config: &Path, directory: &Path) -> Command {
    let mut command = havre();
    command.args(["run", "--config"]).arg(config).current_dir(directory);
    command
}

fn shipped_plan_text() -> String {
    std::fs::read_to_string(repository().join("dialplans/hotline.toml")).expect("the shipped dialplan")
}

fn shipped_plan() -> Table {
    shipped_plan_text().parse().expect("the shipped dialplan is TOML")
}

fn put(table: &mut Table, key: &str, value: Value) {
    let (mut table, mut rest) = (table, key);
    while let Some((section, more)) = rest.split_once('.') {
        let mut entry = table.entry(section).or_insert_with(|| Table::new().into());
        rest = more;
        // `agents.1.srtp`: of one in a list.
        if let Value::Array(list) = entry {
            let (place, more) = rest.split_once('.').unwrap_or_else(|| panic!("{key}: which of {section}?"));
            let place = place.parse::<usize>().ok().filter(|place| *place < list.len());
            entry = &mut list[place.unwrap_or_else(|| panic!("{key}: no such one of {section}"))];
            rest = more;
        }
        table = entry.as_table_mut().unwrap_or_else(|| panic!("{key}: {section} is no table"));
    }
    table.insert(rest.into(), value);
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/e2e is two below").into()
}

/// The program under test: `$HAVRE_BIN`, or `havre` of the profile that the test itself was built with.
///
/// # Panics
/// If there is none: a test that cannot find what it tests has failed.
#[must_use]
pub fn havre() -> Command {
    program("havre", "HAVRE_BIN")
}

/// The load generator: `$HAVRE_LOAD_BIN`, or `havre-load` beside `havre`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn havre_load() -> Command {
    program("havre-load", "HAVRE_LOAD_BIN")
}

fn program(name: &str, variable: &str) -> Command {
    let beside = || {
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/PROFILE/deps/test → target/PROFILE/havre
        test.ancestors().nth(2).expect("two directories above").join(name)
    };
    let path = std::env::var_os(variable).map_or_else(beside, PathBuf::from);
    assert!(
        path.is_file(),
        "no {}: `cargo build` first, or set {variable}; `make test` does it",
        path.display()
    );
    Command::new(path)
}
