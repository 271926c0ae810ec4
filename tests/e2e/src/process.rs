//! A child process whose output is kept, and which never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Lines of output shown when a test fails.
const TAIL: usize = 60;

/// A running (or ended) program.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<Vec<String>>>,
    readers: Vec<thread::JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

/// What can be sent to a process.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Please end.
    Term,
    /// End at once.
    Kill,
    /// Freeze: sockets stay open, nothing is answered.
    Stop,
    /// Go on after `Stop`.
    Cont,
    /// Reload.
    Hup,
}

impl Process {
    /// Starts `command`; `name` is for people.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        Self::spawn_with(name, command, Stdio::piped())
    }

    /// As [`Process::spawn`], with its standard error somewhere else.
    pub fn spawn_with(name: &str, command: &mut Command, stderr: Stdio) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap_or_else(|e| {
                panic!(
                    "cannot start {name} ({:?}): {e}; `make test` installs what is missing",
                    command.get_program()
                )
            });
        let output = Arc::default();
        let stdout = child.stdout.take().map(|s| keep(s, &output));
        let stderr = child.stderr.take().map(|s| keep(s, &output));
        Self {
            name: name.into(),
            stdin: child.stdin.take(),
            child,
            output,
            readers: stdout.into_iter().chain(stderr).collect(),
            ended: None,
        }
    }

    /// What is printed so far, both streams together.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().expect("readers do not panic").join("\n")
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Term => "-TERM",
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Cont => "-CONT",
            Signal::Hup => "-HUP",
        };
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "cannot send {name} to {}", self.name);
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far by its living threads, in microseconds (`/proc/PID/task/*/schedstat`, in ns).
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
        stats.filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1_000.0
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    /// Waits for its end, with all its output read.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                self.readers.drain(..).for_each(|reader| drop(reader.join()));
                return status;
            }
            assert!(start.elapsed() < limit, "{} still runs after {limit:?}", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!(
                "---- {} ({} lines, the last {}):\n{}",
                self.name,
                lines.len(),
                tail.len(),
                tail.join("\n")
            );
        }
    }
}

/// Reads a stream to its end in the background: a full pipe would stop the program.
fn keep(stream: impl Read + Send + 'static, output: &Arc<Mutex<Vec<String>>>) -> thread::JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            output.lock().expect("no reader panics").push(text);
            line.clear();
        }
    })
}
