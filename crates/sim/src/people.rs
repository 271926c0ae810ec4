//! What people do with their phones. Each verb is one thing that a person does, or that befalls a phone.

use std::net::IpAddr;
use std::time::Duration;

use havre_media::sdp::Srtp;
use havre_model::{AgentId, AgentState, Digit, LegId};
use havre_phone::{Answering, Command, Input, Keying};
use havre_sip::wire::{Replaces, Uri};
use havre_sip::{Identity, Transport};

use crate::hotline::{REALM, SWITCH};
use crate::station::{Life, Line, Station};
use crate::world::{Inner, World};

/// How long phones ask to be registered for.
const REGISTERED_FOR: Duration = Duration::from_secs(300);

/// Somebody at a carrier's phone.
#[derive(Clone)]
pub struct Caller {
    pub(crate) world: World,
    pub(crate) ip: IpAddr,
}

/// An advocate at a softphone.
#[derive(Clone)]
pub struct Advocate {
    pub(crate) world: World,
    pub(crate) ip: IpAddr,
}

impl Caller {
    /// Dials a number.
    pub fn dials(&self, number: &str) {
        self.dial(number, false);
    }

    /// Dials a number through a carrier that sends no SDP with the INVITE.
    pub fn dials_with_late_offer(&self, number: &str) {
        self.dial(number, true);
    }

    fn dial(&self, number: &str, late_offer: bool) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("dials {number}"));
            inner.dial(ip, number, late_offer, None);
        });
    }

    /// Presses a key, which goes as telephone-events.
    pub fn presses(&self, key: char) {
        self.key(key, Keying::Event);
    }

    /// Presses a key on a phone that sends SIP INFO.
    pub fn presses_by_info(&self, key: char) {
        self.key(key, Keying::Info);
    }

    fn key(&self, key: char, by: Keying) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("presses {key}"));
            inner.key(ip, key, by);
        });
    }

    /// Types on a TTY, whose tones the switch's media plane hears.
    pub fn types_on_a_tty(&self) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("types on a TTY"));
            let ports: Vec<u16> = inner.station(ip).switch_ports().collect();
            for port in ports {
                inner.plane.on_tty(port);
            }
        });
    }

    /// Is a phone whose reports say that it receives our audio, or does not.
    pub fn reports_that_it_hears(&self, us: bool) {
        self.with(|inner, ip| {
            let ports: Vec<u16> = inner.station(ip).switch_ports().collect();
            for port in ports {
                inner.plane.on_far_ear(port, us);
            }
        });
    }

    /// Hangs up, or gives up before anybody answered.
    pub fn hangs_up(&self) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("hangs up"));
            inner.hangs_up(ip);
            let leg = inner.station(ip).any_leg().unwrap_or_else(|| panic!("there is nothing to hang up"));
            inner.command(ip, Command::HangUp { leg });
        });
    }
}

impl Advocate {
    /// Registers the phone.
    pub fn signs_in(&self) {
        self.with(|inner, ip| {
            if inner.station(ip).browser {
                inner.notice_broken_connections(ip);
            }
            let station = inner.station(ip);
            let account = station.account.clone().unwrap_or_else(|| panic!("callers do not sign in"));
            let uri =
                Uri::parse(&format!("sip:{}@{REALM}", account.user)).unwrap_or_else(|_| panic!("an account"));
            let registrar = station.path();
            inner.command(ip, Command::Register { account, registrar, uri, expires: REGISTERED_FOR });
        });
    }

    /// From now on it is a page of the console.
    pub fn uses_a_browser(&self) {
        self.uses_tcp();
        self.with(|inner, ip| {
            if let Some(station) = inner.stations.get_mut(&ip) {
                station.browser = true;
            }
        });
    }

    /// The page is loaded again, and registers as soon as it stands.
    pub fn reloads(&self) {
        self.starts_again();
        self.signs_in();
    }

    /// Removes the registration.
    pub fn signs_out(&self) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("signs out"));
            inner.command(ip, Command::Unregister);
        });
    }

    /// Takes the call that rings.
    ///
    /// # Panics
    /// Nothing rings.
    pub fn answers(&self) {
        self.with(|inner, ip| {
            let leg = inner.ringing(ip);
            inner.say(ip, format_args!("answers"));
            inner.left.remove(&ip);
            inner.command(ip, Command::Answer { leg });
        });
    }

    /// Refuses the call that rings: 486 is busy, 603 is declined.
    ///
    /// # Panics
    /// Nothing rings.
    pub fn declines(&self, status: u16) {
        self.with(|inner, ip| {
            let leg = inner.ringing(ip);
            inner.say(ip, format_args!("declines with {status}"));
            inner.command(ip, Command::Decline { leg, status });
        });
    }

    /// From now on whatever rings is answered after this time.
    pub fn answers_after(&self, wait: Duration) {
        self.with(|inner, ip| inner.command(ip, Command::Answering(Answering::After(wait))));
    }

    /// From now on the phone gives no answer to an INVITE, not even a 180.
    pub fn is_out_of_reach(&self) {
        self.with(|inner, ip| inner.command(ip, Command::Answering(Answering::Ignore)));
    }

    /// Ends the talk.
    ///
    /// # Panics
    /// There is none.
    pub fn hangs_up(&self) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("hangs up"));
            let leg = inner.talk(ip);
            inner.hangs_up(ip);
            inner.command(ip, Command::HangUp { leg });
        });
    }

    /// Presses a key.
    pub fn presses(&self, key: char) {
        self.with(|inner, ip| inner.key(ip, key, Keying::Event));
    }

    /// Dials a feature code.
    pub fn dials(&self, code: &str) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("dials {code}"));
            inner.dial(ip, code, false, None);
        });
    }

    /// The dialog of this phone's talk, as another phone would have to name it.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn dialog(&self) -> Replaces {
        let inner = self.world.0.borrow();
        let replaces = inner.station(self.ip).phone.replaces(inner.talk(self.ip));
        replaces.unwrap_or_else(|| panic!("{} is in no dialog", inner.station(self.ip).name))
    }

    /// The dialog of the call that rings here, as another phone would have to name it.
    ///
    /// # Panics
    /// Nothing rings.
    #[must_use]
    pub fn ringing_dialog(&self) -> Replaces {
        let inner = self.world.0.borrow();
        let replaces = inner.station(self.ip).phone.replaces(inner.ringing(self.ip));
        replaces.unwrap_or_else(|| panic!("{} is in no dialog", inner.station(self.ip).name))
    }

    /// Calls to take the place of another phone in its talk, or the call that rings there (RFC 3891).
    pub fn takes_over(&self, dialog: Replaces) {
        self.with(|inner, ip| {
            inner.say(ip, format_args!("takes over"));
            inner.dial(ip, "line", false, Some(dialog));
        });
    }

    /// Puts down whatever line there is.
    pub fn puts_down(&self) {
        self.with(|inner, ip| {
            inner.hangs_up(ip);
            let legs = inner.station(ip).lines.keys().copied().collect::<Vec<_>>();
            for leg in legs {
                inner.command(ip, Command::HangUp { leg });
            }
        });
    }

    /// Says at the desk that the caller of this talk is in danger.
    ///
    /// # Panics
    /// There is no talk.
    pub fn escalates(&self) {
        self.with(|inner, ip| {
            let station = inner.station(ip);
            let id: Option<AgentId> = station.account.as_ref().and_then(|account| account.user.parse().ok());
            let agent = id.and_then(|id| inner.switch.queue().agent(&id).map(|agent| agent.state));
            let Some(AgentState::Talking { call, .. }) = agent else {
                panic!("{} talks with nobody\n{}", station.name, inner.story())
            };
            inner.say(ip, format_args!("escalates"));
            inner.tell_switch(havre_switch::Input::Escalate(call));
        });
    }

    /// Whether a caller is bridged to this very phone.
    #[must_use]
    pub fn is_with_a_caller(&self) -> bool {
        let inner = self.world.0.borrow();
        let bridged: Vec<LegId> = inner.plane.bridges().map(|(leg, _)| leg).collect();
        inner.plane.sending().any(|(leg, _, to)| to.ip() == self.ip && bridged.contains(&leg))
    }

    /// Whether something rings.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.world.0.borrow().station(self.ip).leg(&Line::Ringing).is_some()
    }
}

/// What may befall any phone.
macro_rules! phone {
    ($who:ident) => {
        impl $who {
            /// The phone's battery is empty, or its network gone.
            pub fn goes_dark(&self) {
                self.with(|inner, ip| inner.befall(ip, Life::Dark, "goes dark"));
            }

            /// The phone's program ends; its host says so by ICMP.
            pub fn crashes(&self) {
                self.with(|inner, ip| inner.befall(ip, Life::Crashed, "crashes"));
            }

            /// The network is back, and the phone knows what it knew.
            pub fn comes_back(&self) {
                self.with(|inner, ip| inner.befall(ip, Life::Well, "comes back"));
            }

            /// The phone is started again and knows nothing of any call.
            pub fn starts_again(&self) {
                self.with(|inner, ip| {
                    inner.say(ip, format_args!("starts again"));
                    inner.failed.insert(ip);
                    inner.restart_phone(ip);
                });
            }

            /// The phone is set up for SRTP, or against it, and is started again.
            pub fn speaks_srtp(&self, srtp: Srtp) {
                self.with(|inner, ip| {
                    if let Some(station) = inner.stations.get_mut(&ip) {
                        station.srtp = srtp;
                    }
                    inner.restart_phone(ip);
                });
            }

            /// Puts the far end on hold.
            ///
            /// # Panics
            /// There is none.
            pub fn holds(&self) {
                self.with(|inner, ip| {
                    let leg = inner.talk(ip);
                    inner.command(ip, Command::Hold { leg });
                });
            }

            /// Takes it back.
            ///
            /// # Panics
            /// There is none.
            pub fn resumes(&self) {
                self.with(|inner, ip| {
                    let leg = inner.talk(ip);
                    inner.command(ip, Command::Resume { leg });
                });
            }

            /// The phone sends no RTP from now on.
            pub fn mutes(&self) {
                self.with(|inner, ip| inner.mute(ip, true));
            }

            /// It sends RTP again.
            pub fn unmutes(&self) {
                self.with(|inner, ip| inner.mute(ip, false));
            }

            /// Every datagram from this phone that begins like this is lost from now on.
            pub fn loses(&self, beginning: &'static str) {
                self.with(|inner, ip| {
                    inner.failed.insert(ip);
                    inner.loses(ip, beginning, true);
                });
            }

            /// No longer.
            pub fn loses_no_more(&self, beginning: &'static str) {
                self.with(|inner, ip| inner.loses(ip, beginning, false));
            }

            /// The phone speaks SIP over TCP from now on.
            pub fn uses_tcp(&self) {
                self.with(|inner, ip| {
                    if let Some(station) = inner.stations.get_mut(&ip) {
                        station.transport = Transport::Tcp;
                    }
                });
            }

            /// Its TCP connections break, as when a NAT forgets them.
            pub fn loses_its_connection(&self) {
                self.with(|inner, ip| {
                    inner.say(ip, format_args!("loses its connection"));
                    inner.break_connections(ip);
                });
            }

            /// Whether a line is established.
            #[must_use]
            pub fn talks(&self) -> bool {
                self.world.0.borrow().station(self.ip).leg(&Line::Talking).is_some()
            }

            /// Whether there is any line at this phone.
            #[must_use]
            pub fn is_on_the_phone(&self) -> bool {
                self.world.0.borrow().station(self.ip).any_leg().is_some()
            }

            /// Whether the phone is dark or crashed.
            #[must_use]
            pub fn is_gone(&self) -> bool {
                self.world.0.borrow().station(self.ip).life != Life::Well
            }

            /// What is heard just now, if anything.
            #[must_use]
            pub fn hears(&self) -> Option<String> {
                let inner = self.world.0.borrow();
                inner.station(self.ip).heard.values().next().cloned()
            }

            /// The phone's address.
            #[must_use]
            pub const fn ip(&self) -> IpAddr {
                self.ip
            }

            fn with(&self, act: impl FnOnce(&mut Inner, IpAddr)) {
                let inner = &mut *self.world.0.borrow_mut();
                act(inner, self.ip);
                inner.settle();
            }
        }
    };
}

phone!(Caller);
phone!(Advocate);

impl Inner {
    pub(crate) fn station(&self, ip: IpAddr) -> &Station {
        self.stations.get(&ip).unwrap_or_else(|| panic!("nobody is at {ip}"))
    }

    fn say(&mut self, ip: IpAddr, what: std::fmt::Arguments<'_>) {
        let Self { stations, log, now, .. } = self;
        if let Some(station) = stations.get(&ip) {
            log.say(now.mono, &station.name, what);
        }
    }

    fn command(&mut self, ip: IpAddr, command: Command) {
        let now = self.now;
        if let Some(station) = self.stations.get_mut(&ip) {
            station.phone.handle_input(Input::Command(command), now);
        }
        self.drain_station(ip);
    }

    fn dial(&mut self, ip: IpAddr, number: &str, late_offer: bool, instead_of: Option<Replaces>) {
        let Some(station) = self.stations.get_mut(&ip) else { return };
        station.dialled += 1;
        let leg = LegId(station.dialled);
        station.lines.insert(leg, Line::Calling);
        let command = Command::Dial {
            leg,
            to: Uri::sip(Some(number), SWITCH),
            path: station.path(),
            from: Identity {
                display: String::new(),
                user: station.number.clone(),
                host: Some(REALM.to_owned()),
            },
            account: station.account.clone(),
            late_offer,
            instead_of,
        };
        self.command(ip, command);
    }

    fn key(&mut self, ip: IpAddr, key: char, by: Keying) {
        let digit = Digit::from_char(key).unwrap_or_else(|| panic!("{key:?} is no key"));
        if let Some(leg) = self.station(ip).any_leg() {
            self.command(ip, Command::Key { leg, digit, millis: 100, by });
        }
    }

    fn ringing(&self, ip: IpAddr) -> LegId {
        let station = self.station(ip);
        station
            .leg(&Line::Ringing)
            .unwrap_or_else(|| panic!("nothing rings at {}\n{}", station.name, self.story()))
    }

    fn talk(&self, ip: IpAddr) -> LegId {
        let station = self.station(ip);
        station
            .leg(&Line::Talking)
            .unwrap_or_else(|| panic!("{} is in no talk\n{}", station.name, self.story()))
    }

    fn story(&self) -> String {
        self.log.print(|_, _| true)
    }

    fn befall(&mut self, ip: IpAddr, life: Life, how: &str) {
        self.say(ip, format_args!("{how}"));
        self.failed.insert(ip);
        if let Some(station) = self.stations.get_mut(&ip) {
            station.life = life;
        }
        match life {
            Life::Crashed => self.break_connections(ip),
            Life::Well => self.resume_connections(ip),
            Life::Dark => {}
        }
        self.plane.changed = true;
    }

    fn hangs_up(&mut self, ip: IpAddr) {
        *self.left.entry(ip).or_default() += 1;
    }

    fn mute(&mut self, ip: IpAddr, muted: bool) {
        self.say(ip, format_args!("{}", if muted { "mutes" } else { "unmutes" }));
        if let Some(station) = self.stations.get_mut(&ip) {
            station.muted = muted;
        }
        self.plane.changed = true;
    }
}
