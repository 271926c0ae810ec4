//! The line's own control thread, with its sockets and its data plane: each call gets a pair of RTP ports.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use havre_model::{AgentId, AgentState, CallEvent, CallId, Digit, Now, TrunkHealth, TrunkId};
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads};
use havre_node::{Control, Handle, Observer, Parts, Sockets, TlsCounters, TlsParts};
use havre_switch::{QualityReport, Switch};
use tokio::sync::mpsc;

/// A running line.
pub(crate) struct Havre {
    pub(crate) at: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Havre {
    /// On the core that the present thread is on.
    pub(crate) fn start(at: SocketAddr) -> Self {
        let sockets = Sockets::bind(&[at]).expect("SIP ports");
        let at = sockets.addresses().next().expect("one address");
        let clock = Clock::new();
        let (to, media_events) = mpsc::channel(4_096);
        let config = MediaConfig {
            listen: at.ip(),
            ports: 20_000..=60_000,
            browser_ports: None,
            shards: 1,
            shard: havre_media::Config::default(),
        };
        let media = MediaThreads::start(config, clock, [7; 32], to).expect("a data plane");
        let switch = Switch::new(crate::line::configuration(at), [7; 32], clock.now());
        let (_to_store, acks) = mpsc::channel(1);
        let store = Box::new(|_| {});
        let material = havre_tls::Files::default().load().expect("no certificates at all");
        let tls = TlsParts {
            server: None,
            client: havre_tls::Tls::new(Arc::new(material)).client(),
            counters: Arc::new(TlsCounters::default()),
        };
        let (started, handle) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(move || {
            let (observer, dns) = (Box::new(Nobody), Vec::new());
            let parts =
                Parts { switch, sockets, tls, media, media_events, clock, store, acks, observer, dns };
            let (control, handle) = Control::new(parts);
            started.send(handle).expect("somebody waits for it");
            control.run().expect("a control thread");
        });
        let thread = thread.expect("a thread");
        let handle = handle.recv().expect("a control thread");
        Self { at, handle, thread: Some(thread) }
    }
}

impl Drop for Havre {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(self.handle.stop());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Watches nothing: board, record and log are measured with the whole program (the bench `line`).
struct Nobody;

impl Observer for Nobody {
    fn on_call(&mut self, _: &CallEvent, _: Now) {}
    fn on_agent(&mut self, _: &AgentId, _: AgentState, _: Now) {}
    fn on_key(&mut self, _: CallId, _: &AgentId, _: Digit, _: Now) {}
    fn on_went(&mut self, _: &str, _: Option<Digit>, _: Now) {}
    fn on_guessing(&mut self, _: IpAddr, _: u32) {}
    fn on_trunk(&mut self, _: &TrunkId, _: TrunkHealth, _: Now) {}
    fn on_degraded(&mut self, _: bool, _: Now) {}
    fn on_refused(&mut self, _: u16, _: &'static str, _: Option<&TrunkId>) {}
    fn on_quality(&mut self, _: &QualityReport) {}
    fn on_transport_error(&mut self, _: &'static str) {}
    fn on_drain(&mut self, _: Now) {}
    fn on_reload(&mut self, _: &Switch, _: Now) {}
    fn on_reload_refused(&mut self, _: Now) {}
    fn on_tick(&mut self, _: &Switch, _: &MediaThreads, _: Now) {}
}
