//! Which leg a `Replaces` header names (RFC 3891 §3). Only legs of an account's own devices can be named, and only by
//! that account: to anybody else there is no such dialog. One that is not answered is named only where we have called.

use std::collections::VecDeque;
use std::time::Duration;

use havre_model::{AgentId, LegId, Mono};

use super::{Leg, Legs, State};
use crate::wire::{Headers, Malformed, NameAddr, Replaces};

/// Dialogs that are over are known for so long: as long as a message stays in the network (RFC 3261 §17, 64·T1).
const KNOWN_FOR: Duration = Duration::from_secs(32);
/// Early dialogs of one INVITE of ours that can be named; a device has one.
const MAX_RUNG: usize = 16;
/// So many of them; the oldest goes first. Whoever asks for an older one hears that it is unknown.
const MAX_FORMER: usize = 256;

/// What a dialog is known by, at both its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DialogId {
    pub(crate) call_id: Box<str>,
    /// Ours.
    pub(crate) local_tag: Box<str>,
    pub(crate) remote_tag: Box<str>,
}

/// Whose leg it is, where it is an account's device's.
pub(crate) struct Owner {
    pub(super) agent: AgentId,
    /// Once it is established; kept until it is forgotten.
    pub(super) dialog: Option<DialogId>,
}

/// Legs of accounts that were over a while ago.
#[derive(Default)]
pub(super) struct Former(VecDeque<(Mono, Owner)>);

/// Early dialogs of one INVITE of ours: of devices that ring.
#[derive(Default)]
pub(super) struct Rung(Vec<DialogId>);

/// What a `Replaces` header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A leg that is established.
    Leg(LegId),
    /// A leg of a call of ours that nobody has answered.
    Early(LegId),
    /// One that is over, or about to be.
    Over,
    /// Nothing, as far as this account may know.
    Nothing,
}

impl DialogId {
    /// The tags are compared as if they stood in a request to us: `to-tag` is ours.
    fn is_named_by(&self, replaces: &Replaces) -> bool {
        // §6.1: "0" stands for the tag that RFC 2543 did not have.
        let same = |tag: &str, named: &str| tag == named || (tag.is_empty() && named == "0");
        *self.call_id == *replaces.call_id
            && same(&self.local_tag, &replaces.to_tag)
            && same(&self.remote_tag, &replaces.from_tag)
    }
}

impl Owner {
    fn is(&self, agent: &AgentId, replaces: &Replaces) -> bool {
        self.agent == *agent && self.dialog.as_ref().is_some_and(|dialog| dialog.is_named_by(replaces))
    }
}

impl Rung {
    /// A provisional answer.
    pub(super) fn note(&mut self, headers: &Headers) {
        let tag = |of: Result<&NameAddr, Malformed>| of.ok()?.tag().map(Box::from);
        let (Ok(call_id), Some(local_tag), Some(remote_tag)) =
            (headers.call_id(), tag(headers.from()), tag(headers.to()))
        else {
            return;
        };
        let dialog = DialogId { call_id: call_id.into(), local_tag, remote_tag };
        if self.0.len() < MAX_RUNG && !self.0.contains(&dialog) {
            self.0.push(dialog);
        }
    }

    pub(super) fn has(&self, replaces: &Replaces) -> bool {
        self.0.iter().any(|dialog| dialog.is_named_by(replaces))
    }
}

impl Former {
    pub(super) fn note(&mut self, owner: Owner, now: Mono) {
        if owner.dialog.is_none() {
            return;
        }
        if self.0.len() >= MAX_FORMER {
            self.0.pop_front();
        }
        self.0.push_back((now + KNOWN_FOR, owner));
    }

    fn has(&self, agent: &AgentId, replaces: &Replaces, now: Mono) -> bool {
        self.0.iter().any(|(until, owner)| *until > now && owner.is(agent, replaces))
    }
}

impl Leg {
    /// It is a leg of one of this account's devices.
    pub(crate) fn owned_by(mut self, agent: AgentId) -> Self {
        self.owner = Some(Box::new(Owner { agent, dialog: None }));
        self
    }

    /// Whether it is an account's.
    pub(crate) const fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// An established leg has a name from now on, which outlives it.
    pub(super) fn learn_name(&mut self) {
        if let (Some(owner), State::Established(established)) = (&mut self.owner, &self.state)
            && owner.dialog.is_none()
        {
            owner.dialog = Some(established.dialog.id());
        }
    }

    fn is_going_on(&self) -> bool {
        matches!(&self.state, State::Established(established) if established.hang_up.is_none())
    }
}

impl Legs {
    /// What `replaces` names for this account.
    pub(crate) fn named_for(&self, agent: &AgentId, replaces: &Replaces, now: Mono) -> Named {
        let leg = self.by_tag_text(&replaces.to_tag);
        if let Some(Leg { id, owner: Some(owner), state: State::Dialling(dialling), .. }) = leg
            && owner.agent == *agent
            && dialling.rings_as(replaces)
        {
            return Named::Early(*id);
        }
        let leg = leg.filter(|leg| leg.owner.as_ref().is_some_and(|owner| owner.is(agent, replaces)));
        match leg {
            Some(leg) if leg.is_going_on() => Named::Leg(leg.id),
            Some(_) => Named::Over,
            None if self.former.has(agent, replaces, now) => Named::Over,
            None => Named::Nothing,
        }
    }

    /// The dialog of a leg, as its owner's other device would name it to the far side. None of one that is only dialled.
    pub(crate) fn replaces(&self, leg: LegId) -> Option<Replaces> {
        let dialog = match &self.table.get(&leg)?.state {
            State::Established(established) => &established.dialog,
            State::Ringing(ringing) => &ringing.dialog,
            State::Dialling(_) | State::Ending(_) | State::Over => return None,
        };
        let DialogId { call_id, local_tag, remote_tag } = dialog.id();
        Some(Replaces {
            call_id: call_id.into(),
            to_tag: remote_tag.into(),
            from_tag: local_tag.into(),
            early_only: false,
        })
    }
}
