//! The command line, and what it means.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser, Subcommand};
use havre_media::Codec;
use havre_model::Digit;
use havre_sip::{Account, Password};

use crate::plan::{Agents, Check, Keying, Plan, Scenario, limits};
use crate::shell::Sockets;
use crate::stamp;

/// Real calls with real RTP against a SIP server, and what came of them.
#[derive(Debug, Parser)]
#[command(name = "havre-load", version, about, max_term_width = 100)]
#[command(after_help = "Examples, against `havre run` with the demo's advocates on this machine:\n  \
    havre-load waiting --steps 100,500 --pid $(pidof havre)\n  \
    havre-load bridged --steps 3 --keys 1 --agents advocate-en,advocate-fr,advocate-bi --agent-password demo-en\n  \
    havre-load calls   --steps 1,2 --keys 1 --talk 5s --agents 'a{}' --agent-count 20 --agent-password 'secret-{}'\n  \
    havre-load signalling --steps 100,200,400\n\n\
    Any SIP server will do: give --server, --to (a number that leads to a queue) and the agents that the queue rings.\n\
    Steps rise until the server or this generator has used 80 % of a core. One process uses one core; several at once\n\
    can load a server that uses more. Start them together, with the same steps, each with agents of its own:\n  \
    havre-load bridged --steps 50,100 --keys 1 --agents 'a{}' --agent-first 0   --agent-password 'secret-{}'\n  \
    havre-load bridged --steps 50,100 --keys 1 --agents 'a{}' --agent-first 100 --agent-password 'secret-{}'\n\
    They may share a queue: an agent of one may well take a caller of another. With --check tone each needs a queue of\n\
    its own. Callers' numbers begin at random, so those of two processes differ.\n\
    Exit status: 0 if every call went as it should, 1 if not.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Callers who wait in the queue and send RTP; a step is how many
    Waiting(Run),
    /// Callers who talk with agents; a step is how many
    Bridged(Run),
    /// Whole calls: prompt, keys, queue, talk, hang up; a step is calls a second
    Calls(Run),
    /// INVITE, 200, ACK, BYE without media; a step is calls a second
    Signalling(Run),
}

/// Everything that can be chosen.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The server's SIP address (UDP)
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5060", help_heading = "Server")]
    server: SocketAddr,
    /// The number to dial
    #[arg(long, value_name = "NUMBER", default_value = "+18335550100", help_heading = "Server")]
    to: String,
    /// Host of SIP addresses; the server's IP if not given
    #[arg(long, value_name = "HOST", help_heading = "Server")]
    domain: Option<String>,
    /// Measure this process's processor time and memory; may be given several times (a server and its media proxy)
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pid: Vec<u32>,
    /// Where else the server may ask for media; only its own address if not given
    #[arg(long, value_name = "IP", help_heading = "Server")]
    media_host: Vec<IpAddr>,
    /// Load a server that is not on this machine: only one that you answer for
    #[arg(long, help_heading = "Server")]
    i_answer_for_this_server: bool,

    /// Calls at once, or calls a second, one step after the other
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', required = true, help_heading = "Load")]
    steps: Vec<f64>,
    /// How long each step is measured
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_time, help_heading = "Load")]
    window: Duration,
    /// Pause before a step is measured
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time, help_heading = "Load")]
    settle: Duration,
    /// New calls a second on the way to a step (waiting, bridged)
    #[arg(long, value_name = "RATE", default_value_t = 20.0, help_heading = "Load")]
    ramp: f64,
    /// Callers come independently (a Poisson process), not evenly spaced
    #[arg(long, help_heading = "Load")]
    poisson: bool,
    /// Calls up at once, at most (calls, signalling)
    #[arg(long, value_name = "N", default_value_t = 1_000, help_heading = "Load")]
    max_calls: usize,
    /// Share of a core, in percent, of the server or of this process, after which no further step is taken
    #[arg(long, value_name = "PERCENT", default_value_t = 80.0, help_heading = "Load")]
    stop_at: f64,
    /// Failed calls, in percent, after which no further step is taken
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, help_heading = "Load")]
    max_failed: f64,
    /// Legs that share one RTP port of ours; 1 for servers that mind
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Load")]
    legs_per_port: usize,

    /// Keys that each caller presses, with their times after the answer: 1,5@6s
    #[arg(long, value_name = "KEYS", value_parser = parse_keys, default_value = "", hide_default_value = true,
        help_heading = "Callers")]
    keys: Keys,
    /// How keys are sent
    #[arg(long, value_enum, default_value_t = Keying::Rtp, help_heading = "Callers")]
    keys_by: Keying,
    /// How long a caller and an agent talk (calls), or a call stays up (signalling)
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time, help_heading = "Callers")]
    talk: Duration,
    /// How long a caller waits for an answer, and for an agent
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time, help_heading = "Callers")]
    patience: Duration,
    /// The beginning of callers' numbers; seven digits follow, different in each call
    #[arg(long, value_name = "PREFIX", default_value = "+1416", help_heading = "Callers")]
    from: String,
    /// Digest user of the callers' trunk, if the server asks for one
    #[arg(long, value_name = "USER", requires = "caller_password", help_heading = "Callers")]
    caller_user: Option<String>,
    /// Its password
    #[arg(long, value_name = "PASSWORD", help_heading = "Callers")]
    caller_password: Option<String>,
    /// Our address; the one on the way to the server if not given
    #[arg(long, value_name = "IP", help_heading = "Callers")]
    bind: Option<IpAddr>,

    /// The agents' accounts: names, or a pattern in which {} is a number
    #[arg(long, value_name = "USER,… or PATTERN", value_delimiter = ',', help_heading = "Agents")]
    agents: Vec<String>,
    /// How many of a pattern; as many as the highest step if not given
    #[arg(long, value_name = "N", help_heading = "Agents")]
    agent_count: Option<usize>,
    /// The first number of a pattern
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Agents")]
    agent_first: usize,
    /// Their password, or a pattern
    #[arg(
        long,
        value_name = "PASSWORD",
        default_value = "",
        hide_default_value = true,
        help_heading = "Agents"
    )]
    agent_password: String,
    /// The server's digest realm
    #[arg(long, value_name = "REALM", default_value = "sip", help_heading = "Agents")]
    realm: String,
    /// One phone at this address takes all calls, without registering: for servers that know where agents are
    #[arg(long, value_name = "IP:PORT", conflicts_with = "agents", help_heading = "Agents")]
    agent_at: Option<SocketAddr>,
    /// How long an agent's phone rings
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_time, help_heading = "Agents")]
    answer_after: Duration,

    /// The callers' codec
    #[arg(long, value_name = "CODEC", default_value = "PCMU", value_parser = parse_codec, help_heading = "Audio")]
    codec: Codec,
    /// The agents' codec; the callers' if not given. With another one the server transcodes: use --check tone
    #[arg(long, value_name = "CODEC", value_parser = parse_codec, help_heading = "Audio")]
    agent_codec: Option<Codec>,
    /// How it is known what is heard
    #[arg(long, value_enum, default_value_t = Check::Stamps, help_heading = "Audio")]
    check: Check,

    /// Print the report as JSON
    #[arg(long, help_heading = "Report")]
    pub(crate) json: bool,
    /// Draw the steps into this SVG file
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) svg: Option<PathBuf>,
    /// No progress
    #[arg(long, short, help_heading = "Report")]
    pub(crate) quiet: bool,
}

/// Keys, each with its time after the answer.
pub(crate) type Keys = Vec<(Duration, Digit)>;

/// What is to be done, with what.
pub(crate) struct Order {
    pub(crate) plan: Plan,
    pub(crate) sockets: Sockets,
    pub(crate) pids: Vec<u32>,
}

impl Command {
    /// The scenario, and all that was chosen.
    pub(crate) fn parts(self) -> (Scenario, Run) {
        match self {
            Self::Waiting(run) => (Scenario::Waiting, run),
            Self::Bridged(run) => (Scenario::Bridged, run),
            Self::Calls(run) => (Scenario::Calls, run),
            Self::Signalling(run) => (Scenario::Signalling, run),
        }
    }
}

impl Run {
    /// Checks everything before anything is sent.
    ///
    /// # Errors
    /// What does not fit, and what to do about it.
    pub(crate) fn order(&self, scenario: Scenario) -> anyhow::Result<Order> {
        ensure!(
            self.server.ip().is_loopback() || self.i_answer_for_this_server,
            "{} is another machine. A load test stops other people's calls: give --i-answer-for-this-server only for \
             a server that is yours to stop",
            self.server.ip()
        );
        self.check_steps(scenario)?;
        self.check_addresses()?;
        let highest = self.steps.iter().fold(0.0, |most: f64, step| most.max(*step));
        let accounts = if scenario.has_agents() { self.accounts(highest as usize)? } else { Vec::new() };
        let ours = self.bind.map_or_else(|| address_towards(self.server), Ok)?;
        let agents = Agents {
            register: self.agent_at.is_none(),
            answer_after: self.answer_after,
            codec: self.agent_codec.unwrap_or(self.codec),
            accounts,
        };
        let stamped = self.check == Check::Stamps && scenario.has_agents();
        ensure!(
            agents.codec == self.codec || !stamped,
            "callers speak {} and agents {}: the server transcodes, and no stamp survives that. Add --check tone",
            self.codec.name(),
            agents.codec.name()
        );
        ensure!(
            stamp::fits(self.codec) || !stamped,
            "there is no room for stamps in {}. Add --check tone",
            self.codec.name()
        );
        let account = |user: &String| Account {
            user: user.clone(),
            realm: self.realm.clone(),
            password: Password::new(self.caller_password.clone().unwrap_or_default()),
        };
        let mut media_hosts = self.media_host.clone();
        media_hosts.push(self.server.ip());
        let plan = Plan {
            scenario,
            steps: self.steps.clone(),
            window: self.window,
            settle: self.settle,
            ramp: self.ramp,
            poisson: self.poisson,
            max_calls: self.max_calls,
            server: self.server,
            domain: self.domain.clone().unwrap_or_else(|| bracketed(self.server.ip())),
            number: self.to.clone(),
            media_hosts,
            from: self.from.clone(),
            caller_account: self.caller_user.as_ref().map(account),
            keys: self.keys.clone(),
            keying: self.keys_by,
            talk: self.talk,
            patience: self.patience,
            agents,
            codec: self.codec,
            check: self.check,
            stop_at: self.stop_at / 100.0,
            max_failed: self.max_failed / 100.0,
        };
        let legs = plan.most_calls() * if scenario.has_agents() { 2 } else { 1 };
        let ports =
            if scenario == Scenario::Signalling { 1 } else { legs.div_ceil(self.legs_per_port).max(1) };
        let phones = match self.agent_at {
            _ if !scenario.has_agents() => 0,
            Some(_) => 1,
            None => plan.agents.accounts.len(),
        };
        let agents = self.agent_at.unwrap_or(SocketAddr::new(ours, 0));
        let sockets = Sockets { callers: ours, agents, phones, ports };
        Ok(Order { plan, sockets, pids: self.pid.clone() })
    }

    fn check_steps(&self, scenario: Scenario) -> anyhow::Result<()> {
        ensure!(self.steps.len() <= limits::MAX_STEPS, "at most {} steps", limits::MAX_STEPS);
        for step in &self.steps {
            ensure!(step.is_finite() && *step > 0.0, "a step must be above zero");
            if scenario.stays() {
                ensure!(
                    step.fract() == 0.0,
                    "{step} calls at once: a step of calls that stay is a whole number"
                );
                ensure!(*step <= limits::MAX_CALLS as f64, "at most {} calls at once", limits::MAX_CALLS);
            } else {
                ensure!(*step <= limits::MAX_RATE, "at most {} calls a second", limits::MAX_RATE);
            }
        }
        if scenario.stays() {
            ensure!(self.steps.is_sorted(), "steps must rise: calls of a step stay for the next one");
        }
        ensure!((1..=limits::MAX_CALLS).contains(&self.max_calls), "--max-calls: 1 to {}", limits::MAX_CALLS);
        ensure!(
            self.ramp > 0.0 && self.ramp <= limits::MAX_RATE,
            "--ramp: above zero, at most {}",
            limits::MAX_RATE
        );
        ensure!((1..=32).contains(&self.legs_per_port), "--legs-per-port: 1 to 32");
        ensure!(self.stop_at > 0.0, "--stop-at: above zero");
        ensure!((0.0..=100.0).contains(&self.max_failed), "--max-failed: 0 to 100");
        ensure!(!self.window.is_zero(), "--for: more than nothing");
        Ok(())
    }

    fn check_addresses(&self) -> anyhow::Result<()> {
        ensure!(self.server.port() != 0, "--server: a port, too");
        for (option, ip) in
            [("--bind", self.bind), ("--agent-at", self.agent_at.map(|agent_at| agent_at.ip()))]
        {
            ensure!(
                ip.is_none_or(|ip| ip.is_ipv4() == self.server.is_ipv4()),
                "{option} and --server: both IPv4, or both IPv6"
            );
        }
        Ok(())
    }

    fn accounts(&self, highest: usize) -> anyhow::Result<Vec<Account>> {
        if self.agent_at.is_some() {
            return Ok(Vec::new());
        }
        let users: Vec<(usize, String)> = match &self.agents[..] {
            [] => bail!("somebody must take the calls: give --agents (or --agent-at)"),
            [pattern] if pattern.contains("{}") => {
                let count = self.agent_count.unwrap_or(highest);
                ensure!(count > 0, "--agent-count: 1 at least");
                ensure!(count <= limits::MAX_AGENTS, "at most {} agents", limits::MAX_AGENTS);
                let numbers = self.agent_first..self.agent_first + count;
                numbers.map(|n| (n, pattern.replace("{}", &n.to_string()))).collect()
            }
            names => names.iter().cloned().enumerate().collect(),
        };
        ensure!(users.len() <= limits::MAX_AGENTS, "at most {} agents", limits::MAX_AGENTS);
        let mut seen = std::collections::HashSet::new();
        if let Some((_, twice)) = users.iter().find(|(_, user)| !seen.insert(user.as_str())) {
            bail!("--agents: {twice} stands there twice");
        }
        let account = |(n, user): (usize, String)| Account {
            user,
            realm: self.realm.clone(),
            password: Password::new(self.agent_password.replace("{}", &n.to_string())),
        };
        Ok(users.into_iter().map(account).collect())
    }
}

/// Our address on the way to `server`; on loopback, the server's own.
fn address_towards(server: SocketAddr) -> anyhow::Result<IpAddr> {
    if server.ip().is_loopback() {
        return Ok(server.ip());
    }
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server).with_context(|| format!("there is no way to {server} from here"))?;
    Ok(socket.local_addr()?.ip())
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn parse_codec(text: &str) -> Result<Codec, String> {
    let wanted = Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(text));
    wanted.ok_or_else(|| format!("write one of {}", Codec::ALL.map(Codec::name).join(", ")))
}

/// `500ms`, `5s`, `2m`, or seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let seconds = match &text[number.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        unit => return Err(format!("{unit} is no unit of time: write ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "write a time as 500ms, 5s or 2m".to_owned())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| "no such time".to_owned())?;
    let longest = limits::MAX_TIME;
    if time > longest { Err(format!("at most {} h", longest.as_secs() / 3_600)) } else { Ok(time) }
}

/// `1,5@6s`: a key without a time is pressed two seconds after the answer, or after the key before it.
fn parse_keys(text: &str) -> Result<Keys, String> {
    const PAUSE: Duration = Duration::from_secs(2);
    let mut keys = Keys::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, time) = part.split_once('@').map_or((part, None), |(key, time)| (key, Some(time)));
        let mut characters = key.chars();
        let digit = characters.next().and_then(Digit::from_char).filter(|_| characters.next().is_none());
        let digit = digit.ok_or_else(|| format!("{key} is no key: 0-9, *, # or A-D, separated by commas"))?;
        let before = keys.last().map_or(Duration::ZERO, |(at, _)| *at);
        let at = time.map_or_else(|| Ok(before + PAUSE), parse_time)?;
        if at < before {
            return Err(format!("{part} comes before the key that stands before it"));
        }
        keys.push((at, digit));
    }
    if keys.len() > limits::MAX_KEYS {
        return Err(format!("at most {} keys", limits::MAX_KEYS));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(arguments: &str) -> anyhow::Result<Order> {
        let cli = Cli::try_parse_from(format!("havre-load {arguments}").split_whitespace())?;
        let (scenario, run) = cli.command.parts();
        run.order(scenario)
    }

    fn complaint(arguments: &str) -> String {
        order(arguments).err().map_or_else(|| panic!("{arguments} is taken"), |error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn other_machines_need_a_word() {
        assert!(
            complaint("waiting --steps 1 --server 192.0.2.1:5060").contains("--i-answer-for-this-server")
        );
        let allowed = "waiting --steps 1 --server 192.0.2.1:5060 --i-answer-for-this-server --bind 192.0.2.2";
        assert_eq!(order(allowed).unwrap().plan.media_hosts, [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn agents_are_named_or_numbered() {
        let users = |arguments: &str| -> Vec<String> {
            order(arguments).unwrap().plan.agents.accounts.into_iter().map(|account| account.user).collect()
        };
        assert_eq!(users("bridged --steps 1,2 --agents a{} --agent-first 5"), ["a5", "a6"]);
        assert_eq!(users("calls --steps 9 --agents anne,bo"), ["anne", "bo"]);
        assert!(complaint("calls --steps 9").contains("--agents"));
        let order = order("bridged --steps 40 --agent-at 127.0.0.1:5070").unwrap();
        assert_eq!((order.sockets.phones, order.plan.agents.register), (1, false));
    }

    #[test]
    fn sockets_are_as_many_as_are_needed() {
        let ports = |arguments: &str| order(arguments).unwrap().sockets.ports;
        assert_eq!(ports("bridged --steps 100,800 --agents a{}"), 200);
        assert_eq!(ports("waiting --steps 100 --legs-per-port 1"), 100);
        assert_eq!(ports("signalling --steps 500"), 1);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(complaint("waiting --steps 0").contains("above zero"));
        assert!(complaint("waiting --steps 2,1").contains("rise"));
        assert!(complaint("waiting --steps 1.5").contains("whole"));
        assert!(complaint("waiting --steps 1000000").contains("at most"));
        assert!(complaint("calls --steps 1 --agents a --agent-codec PCMA").contains("--check tone"));
        assert!(complaint("calls --steps 1 --agents a --codec opus").contains("--check tone"));
        assert!(complaint("waiting --steps 1 --codec GSM").contains("PCMU"));
        assert!(complaint("waiting --steps 1 --stop-at NaN").contains("--stop-at"));
        assert!(complaint("waiting --steps 1 --max-failed NaN").contains("--max-failed"));
        assert!(complaint("waiting --steps 1 --server 127.0.0.1:0").contains("port"));
        assert!(complaint("waiting --steps 1 --server [::1]:5060 --bind 127.0.0.1").contains("IPv6"));
        assert!(complaint("bridged --steps 2 --agents a,b,a").contains("a stands there twice"));
        assert!(complaint("bridged --steps 2 --agents a{} --agent-count 0").contains("--agent-count"));
    }

    #[test]
    fn keys_have_times() {
        let digit = |key| Digit::from_char(key).unwrap();
        let secs = Duration::from_secs;
        assert_eq!(
            parse_keys("1,5@6s,#").unwrap(),
            [(secs(2), digit('1')), (secs(6), digit('5')), (secs(8), digit('#'))]
        );
        assert!(parse_keys("12").is_err() && parse_keys("1@5s,2@4s").is_err() && parse_keys("x").is_err());
        assert_eq!(parse_time("1.5m"), Ok(secs(90)));
        assert!(parse_time("5d").is_err() && parse_time("").is_err() && parse_time("-1s").is_err());
        assert!(parse_time("7h").is_err());
    }
}
