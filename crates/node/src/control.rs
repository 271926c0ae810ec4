//! The control thread: everything that speaks to the switch takes its turn here, and what the switch says is done.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::limits::PUBLISH_EVERY;
use havre_model::{FlowId, Mono, Wakeup};
use havre_queue::{Ack, CommandError, Op, TakeError};
use havre_sip::{FlowOwner, Transport};
use havre_switch::{Input, MediaInput, Output, Switch};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use crate::clock::Clock;
use crate::command::{Handle, Request};
use crate::media::{MediaThreads, ShardEvent};
use crate::observer::Observer;
use crate::tls::{self, TlsParts};
use crate::udp::Sockets;
use crate::{dns, tcp, udp, web};

/// How often the observer may publish when nothing happens: what it counts is as new as that.
const REST: Duration = Duration::from_millis(200);

/// What the data plane said that is dealt with in one go.
const MEDIA_EVENTS_AT_ONCE: usize = 256;

/// What a control thread is made of.
pub struct Parts {
    /// The pure control plane.
    pub switch: Switch,
    /// Open SIP listeners.
    pub sockets: Sockets,
    /// What SIP over TLS is done with.
    pub tls: TlsParts,
    /// The data plane.
    pub media: MediaThreads,
    /// What the data plane says.
    pub media_events: mpsc::Receiver<ShardEvent>,
    /// The one clock.
    pub clock: Clock,
    /// Carries an op to the store; must not block.
    pub store: Box<dyn FnMut(Op) + Send>,
    /// What the store says.
    pub acks: mpsc::Receiver<Ack>,
    /// Who watches.
    pub observer: Box<dyn Observer>,
    /// DNS servers, the first to be asked first.
    pub dns: Vec<SocketAddr>,
}

/// A control plane, ready to run.
pub struct Control {
    parts: Parts,
    requests: mpsc::Receiver<Request>,
}

impl Control {
    /// A control plane and what speaks to it.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Handle) {
        let (handle, requests) = Handle::pair();
        (Self { parts, requests }, handle)
    }

    /// Runs until [`Handle::stop`]. Call it on the thread that is to be the control thread.
    ///
    /// # Errors
    /// The runtime or a socket cannot be set up.
    pub fn run(self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.serve())
    }

    async fn serve(self) -> std::io::Result<()> {
        let Parts { switch, sockets, tls, media, media_events, clock, store, acks, observer, dns } =
            self.parts;
        let mut bound = HashMap::new();
        for (address, socket) in sockets.udp {
            bound.insert(address, Rc::new(UdpSocket::from_std(socket)?));
        }
        let (dialler, secured) = tls::start(sockets.tls, tls)?;
        let core = Rc::new(Core {
            clock,
            dialler,
            dns: dns.into(),
            udp: bound,
            plane: RefCell::new(Plane {
                switch,
                media,
                store,
                acks,
                media_events,
                observer,
                pending: HashMap::new(),
                taking: HashMap::new(),
            }),
            flows: RefCell::new(HashMap::new()),
            no_calls: RefCell::new(Vec::new()),
            no_legs: RefCell::new(Vec::new()),
            last_flow: Cell::new(0),
            last_reply: Cell::new(0),
            wake: Notify::new(),
            happened: Notify::new(),
            panics: Cell::new(0),
            delays: RefCell::new(HashMap::new()),
            lag: Cell::new(Duration::ZERO),
            load: Cell::new(Duration::ZERO),
            together: Cell::new(false),
        });
        for (address, socket) in &core.udp {
            tokio::task::spawn_local(udp::read(Rc::clone(&core), *address, Rc::clone(socket)));
        }
        for (_, listener) in sockets.tcp {
            tokio::task::spawn_local(tcp::accept(Rc::clone(&core), udp::register(listener)?));
        }
        tokio::task::spawn_local(tls::take(Rc::clone(&core), secured));
        // What the switch said before anybody listened: registrations at carriers, and questions to DNS.
        core.timeout();
        tokio::task::spawn_local(keep_time(Rc::clone(&core)));
        tokio::task::spawn_local(tick(Rc::clone(&core)));
        tokio::task::spawn_local(listen_to_store(Rc::clone(&core)));
        tokio::task::spawn_local(listen_to_media(Rc::clone(&core)));
        let mut requests = self.requests;
        while let Some(request) = requests.recv().await {
            if matches!(request, Request::Stop) {
                break;
            }
            core.serve(request);
        }
        Ok(())
    }
}

/// Wakes the switch when it asked to be woken.
async fn keep_time(core: Rc<Core>) {
    loop {
        let now = core.clock.now();
        match core.next_wakeup() {
            Some(wakeup) if wakeup.at <= now.mono => {
                core.timeout();
                tokio::task::yield_now().await;
            }
            Some(wakeup) => {
                let sleep = tokio::time::sleep(wakeup.at.since(now.mono));
                tokio::select! {
                    () = sleep => {}
                    () = core.wake.notified() => {}
                }
            }
            None => core.wake.notified().await,
        }
    }
}

/// Lets the observer publish, and notes how late this thread is with what was to be done now.
async fn tick(core: Rc<Core>) {
    let mut due = Instant::now();
    loop {
        sleep_until(due).await;
        core.lag.set(due.elapsed());
        core.report_load();
        tokio::select! {
            () = core.happened.notified() => {}
            () = sleep_until(due + (REST - PUBLISH_EVERY)) => {}
        }
        {
            let plane = &mut *core.plane.borrow_mut();
            plane.observer.on_tick(&plane.switch, &plane.media, core.clock.now());
        }
        due = Instant::now() + PUBLISH_EVERY;
    }
}

/// Hands on what the store says between steps. Answers that are there at once are taken by the step itself.
async fn listen_to_store(core: Rc<Core>) {
    loop {
        let ack = std::future::poll_fn(|cx| core.plane.borrow_mut().acks.poll_recv(cx)).await;
        let Some(ack) = ack else { return };
        core.step(Input::Store(ack));
    }
}

/// Hands on what the data plane says.
async fn listen_to_media(core: Rc<Core>) {
    loop {
        let event = std::future::poll_fn(|cx| core.plane.borrow_mut().media_events.poll_recv(cx)).await;
        let Some(event) = event else { return };
        core.together(|| {
            core.on_media(event);
            core.catch_up();
        });
    }
}

/// What every task of the control thread shares. No lock: there is one thread, and no borrow lives across an `await`.
pub(crate) struct Core {
    clock: Clock,
    dialler: tls::Dialler,
    dns: Rc<[SocketAddr]>,
    udp: HashMap<SocketAddr, Rc<UdpSocket>>,
    plane: RefCell<Plane>,
    flows: RefCell<HashMap<FlowId, mpsc::Sender<Bytes>>>,
    /// Who waits for the last call to end, and who for the last leg (its BYE answered).
    no_calls: RefCell<Vec<oneshot::Sender<()>>>,
    no_legs: RefCell<Vec<oneshot::Sender<()>>>,
    last_flow: Cell<u64>,
    last_reply: Cell<u64>,
    wake: Notify,
    /// A step was made: there may be something to publish.
    happened: Notify,
    panics: Cell<u64>,
    /// How long what arrives at each socket has to wait, where it has to.
    delays: RefCell<HashMap<SocketAddr, Duration>>,
    /// How late this thread was with what it had to do last at a certain time.
    lag: Cell<Duration>,
    /// What the switch was told of both.
    load: Cell<Duration>,
    /// Whether more steps follow at once.
    together: Cell<bool>,
}

fn tell_all(waiting: &RefCell<Vec<oneshot::Sender<()>>>) {
    for told in waiting.borrow_mut().drain(..) {
        // Whoever asked may have given up meanwhile.
        let _ = told.send(());
    }
}

struct Plane {
    switch: Switch,
    media: MediaThreads,
    store: Box<dyn FnMut(Op) + Send>,
    acks: mpsc::Receiver<Ack>,
    media_events: mpsc::Receiver<ShardEvent>,
    observer: Box<dyn Observer>,
    pending: HashMap<u64, oneshot::Sender<Result<havre_model::AgentState, CommandError>>>,
    taking: HashMap<u64, oneshot::Sender<Result<(), TakeError>>>,
}

impl Core {
    /// Several steps, after which the data plane hears of all of them at once.
    pub(crate) fn together<T>(&self, steps: impl FnOnce() -> T) -> T {
        self.together.set(true);
        let done = steps();
        self.together.set(false);
        self.plane.borrow().media.wake();
        done
    }

    /// Tells the switch, and does what it says.
    pub(crate) fn step(self: &Rc<Self>, input: Input<'_>) {
        self.guarded(|plane, now| plane.switch.handle_input(input, now));
    }

    fn on_media(self: &Rc<Self>, event: ShardEvent) {
        self.step(Input::Media(match event {
            ShardEvent::Opened { leg, rtp, rtcp, ice } => MediaInput::Opened { leg, rtp, rtcp, ice },
            ShardEvent::OpenFailed { leg } => MediaInput::OpenFailed { leg },
            ShardEvent::Media(event) => MediaInput::Event(event),
        }));
    }

    /// This moment, for timers.
    pub(crate) fn mono(&self) -> Mono {
        self.clock.mono()
    }

    /// The wall clock, for what the kernel dates by it.
    pub(crate) fn wall(&self) -> Duration {
        self.clock.wall()
    }

    /// What arrives at this socket has to wait so long.
    pub(crate) fn report_delay(self: &Rc<Self>, socket: SocketAddr, delay: Duration) {
        self.delays.borrow_mut().insert(socket, delay);
        self.report_load();
    }

    /// Tells the switch of the longest wait of all.
    fn report_load(self: &Rc<Self>) {
        let longest = self.delays.borrow().values().copied().max().unwrap_or_default();
        // In milliseconds: what changes within one is not worth a step.
        let load =
            Duration::from_millis(longest.max(self.lag.get()).as_millis().try_into().unwrap_or(u64::MAX));
        // A thread that has nothing to do says so once.
        if load != self.load.replace(load) {
            self.step(Input::Load { delay: load });
        }
    }

    /// Nothing has arrived that was not dealt with: some of the calls that wait are let in. True if calls still wait.
    pub(crate) fn at_leisure(self: &Rc<Self>) -> bool {
        let waits = || self.plane.borrow().switch.sip().waiting() > 0;
        if waits() {
            self.step(Input::Leisure);
        }
        waits()
    }

    /// Between two bursts of arrivals: what the data plane said, and what is due, come before more new calls.
    pub(crate) fn catch_up(self: &Rc<Self>) {
        for _ in 0..MEDIA_EVENTS_AT_ONCE {
            let event = self.plane.borrow_mut().media_events.try_recv();
            let Ok(event) = event else { break };
            self.on_media(event);
        }
        if self.next_wakeup().is_some_and(|wakeup| wakeup.at <= self.clock.mono()) {
            self.timeout();
        }
    }

    fn timeout(self: &Rc<Self>) {
        self.guarded(|plane, now| plane.switch.handle_timeout(now));
    }

    /// A panic in the machines is a fault of ours, and must not end the calls of everybody else.
    fn guarded(self: &Rc<Self>, act: impl FnOnce(&mut Plane, havre_model::Now)) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let plane = &mut *self.plane.borrow_mut();
            let now = self.clock.now();
            let before = plane.switch.poll_timeout();
            act(plane, now);
            self.drain(plane, now);
            if !self.together.get() {
                plane.media.wake();
            }
            if plane.switch.poll_timeout() != before {
                self.wake.notify_one();
            }
        }));
        self.happened.notify_one();
        if result.is_err() {
            self.panics.set(self.panics.get() + 1);
            error!(
                panics = self.panics.get(),
                "the control plane panicked in one step and goes on; please report this"
            );
            self.wake.notify_one();
        }
    }

    fn next_wakeup(&self) -> Option<Wakeup> {
        self.plane.borrow().switch.poll_timeout()
    }

    fn drain(self: &Rc<Self>, plane: &mut Plane, now: havre_model::Now) {
        loop {
            while let Some(output) = plane.switch.poll_output() {
                self.carry_out(plane, output, now);
            }
            // What the store (the embedded one above all) answered in the same breath.
            match plane.acks.try_recv() {
                Ok(ack) => plane.switch.handle_input(Input::Store(ack), now),
                Err(_) => break,
            }
        }
        // Somebody waits for it only at the end: looking through the calls costs more than a step.
        if !self.no_calls.borrow().is_empty() && plane.switch.calls().next().is_none() {
            tell_all(&self.no_calls);
        }
        if plane.switch.sip().legs() == 0 {
            tell_all(&self.no_legs);
        }
    }

    fn carry_out(self: &Rc<Self>, plane: &mut Plane, output: Output, now: havre_model::Now) {
        match output {
            Output::Transmit { path, bytes } => {
                self.transmit(plane, path.transport, path.local, path.remote, path.flow, bytes);
            }
            Output::Connect { local, remote, flow, server_name, .. } => {
                let core = Rc::clone(self);
                match server_name {
                    Some(name) => tokio::task::spawn_local(tls::connect(core, local, remote, flow, name)),
                    None => tokio::task::spawn_local(tcp::connect(core, local, remote, flow)),
                };
            }
            Output::Disconnect { flow } => self.remove_flow(flow),
            Output::Media { shard, command } => {
                let opening = match &command {
                    havre_media::Command::Open { leg, .. } => Some(*leg),
                    _ => None,
                };
                if plane.media.queue(shard, command).is_err()
                    && let Some(leg) = opening
                {
                    plane.switch.handle_input(Input::Media(MediaInput::OpenFailed { leg }), now);
                }
            }
            Output::Resolve(question) => {
                tokio::task::spawn_local(dns::resolve(Rc::clone(self), Rc::clone(&self.dns), question));
            }
            Output::Trunk { trunk, health } => plane.observer.on_trunk(&trunk, health, now),
            Output::Store(op) => (plane.store)(op),
            Output::Event(event) => plane.observer.on_call(&event, now),
            Output::Agent { agent, state } => plane.observer.on_agent(&agent, state, now),
            Output::Key { call, agent, digit } => plane.observer.on_key(call, &agent, digit, now),
            Output::Went { from, key } => plane.observer.on_went(&from, key, now),
            Output::Answer { reply, result } => {
                if let Some(answer) = plane.pending.remove(&reply) {
                    let _ = answer.send(result);
                }
            }
            Output::Taken { reply, result } => {
                if let Some(answer) = plane.taking.remove(&reply) {
                    let _ = answer.send(result);
                }
            }
            Output::Degraded(degraded) => plane.observer.on_degraded(degraded, now),
            Output::Refused { status, why, trunk } => plane.observer.on_refused(status, why, trunk.as_ref()),
            Output::Guessing { source, failures } => plane.observer.on_guessing(source, failures),
            Output::Quality(report) => plane.observer.on_quality(&report),
        }
    }

    fn transmit(
        &self,
        plane: &mut Plane,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        flow: Option<FlowId>,
        bytes: Bytes,
    ) {
        let sent = match (transport, flow) {
            (Transport::Udp, _) => {
                self.udp.get(&local).is_some_and(|socket| udp::send(socket, &bytes, remote))
            }
            (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, Some(flow)) => {
                let full =
                    self.flows.borrow().get(&flow).is_none_or(|sender| sender.try_send(bytes).is_err());
                if full {
                    // A reader this slow is dead: its writer task ends and reports `Closed`.
                    self.remove_flow(flow);
                }
                !full
            }
            (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, None) => false,
        };
        if !sent {
            let name = match transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
                Transport::Tls => "tls",
                Transport::Ws | Transport::Wss => "ws",
            };
            plane.observer.on_transport_error(name);
        }
    }

    fn serve(self: &Rc<Self>, request: Request) {
        match request {
            Request::Agent { agent, command, answer } => {
                let reply = self.last_reply.get() + 1;
                self.last_reply.set(reply);
                self.plane.borrow_mut().pending.insert(reply, answer);
                self.step(Input::Command { agent, command, reply });
            }
            Request::Escalate { call, answer } => {
                let in_progress = self.plane.borrow().switch.calls().any(|known| known.id() == call);
                self.step(Input::Escalate(call));
                let _ = answer.send(in_progress);
            }
            Request::Take { call, agent, answer } => {
                let reply = self.last_reply.get() + 1;
                self.last_reply.set(reply);
                self.plane.borrow_mut().taking.insert(reply, answer);
                self.step(Input::Take { call, agent, reply });
            }
            Request::Ladder { call, answer } => {
                let _ = answer.send(self.plane.borrow().switch.sip().ladder(call));
            }
            Request::Attempts { answer } => {
                let _ = answer.send(self.plane.borrow().switch.sip().attempts());
            }
            Request::Reload { plan, done } => {
                self.step(Input::Reload(plan));
                let plane = &mut *self.plane.borrow_mut();
                plane.observer.on_reload(&plane.switch, self.clock.now());
                let _ = done.send(());
            }
            Request::Drain { idle } => {
                self.no_calls.borrow_mut().push(idle);
                self.plane.borrow_mut().observer.on_drain(self.clock.now());
                self.step(Input::Drain);
                info!("taking no new calls");
            }
            Request::ReloadRefused => self.plane.borrow_mut().observer.on_reload_refused(self.clock.now()),
            Request::HangUp { idle } => {
                self.no_legs.borrow_mut().push(idle);
                self.step(Input::HangUp);
            }
            Request::Flow { agent, remote, secure, socket } => {
                let owner = FlowOwner { agent, secure };
                tokio::task::spawn_local(web::serve(Rc::clone(self), owner, remote, socket));
            }
            Request::Count { answer } => {
                let _ = answer.send(self.plane.borrow().switch.calls().count());
            }
            Request::Stop => {}
        }
    }

    pub(crate) const fn dialler(&self) -> &tls::Dialler {
        &self.dialler
    }

    pub(crate) fn transport_error(&self, transport: &'static str) {
        self.plane.borrow_mut().observer.on_transport_error(transport);
    }

    /// Ids of accepted connections: the endpoint's own have the top bit set.
    pub(crate) fn next_flow(&self) -> FlowId {
        let next = (self.last_flow.get() + 1) & !(1 << 63);
        self.last_flow.set(next);
        FlowId(next)
    }

    pub(crate) fn flows(&self) -> usize {
        self.flows.borrow().len()
    }

    pub(crate) fn add_flow(&self, flow: FlowId, sender: mpsc::Sender<Bytes>) {
        self.flows.borrow_mut().insert(flow, sender);
    }

    pub(crate) fn remove_flow(&self, flow: FlowId) {
        self.flows.borrow_mut().remove(&flow);
    }

    /// Our address in what we write over WebSockets, whose own end is the console's: of no consequence there.
    pub(crate) fn any_listener(&self) -> Option<SocketAddr> {
        self.udp.keys().min().copied()
    }

    /// The listening address on the interface of a connection's own end: what the endpoint knows us by.
    pub(crate) fn listener_of(&self, local: SocketAddr) -> SocketAddr {
        self.udp.keys().find(|listener| listener.ip() == local.ip()).copied().unwrap_or(local)
    }
}
