//! Agents who can be rung, by group, the longest there first.

use std::collections::{BTreeMap, BTreeSet};

use havre_model::{AgentId, Mono};

use crate::reach::{Group, Groups};

/// Where an agent stands in a pool: the group, and since when.
pub(crate) type Spot = (Group, Mono);

#[derive(Debug)]
pub(crate) struct Pool {
    spots: BTreeMap<AgentId, Spot>,
    members: Vec<BTreeSet<(Mono, AgentId)>>,
    present: Groups,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { spots: BTreeMap::new(), members: vec![BTreeSet::new(); Group::COUNT], present: Groups::NONE }
    }

    /// Puts the agent there, or takes the agent out.
    pub(crate) fn set(&mut self, agent: &AgentId, spot: Option<Spot>) {
        if self.at(agent) == spot {
            return;
        }
        if let Some((group, since)) = self.spots.remove(agent) {
            let members = &mut self.members[group.index()];
            members.remove(&(since, agent.clone()));
            if members.is_empty() {
                self.present = self.present.without(Groups::NONE.with(group));
            }
        }
        if let Some((group, since)) = spot {
            self.spots.insert(agent.clone(), (group, since));
            self.members[group.index()].insert((since, agent.clone()));
            self.present = self.present.with(group);
        }
    }

    pub(crate) fn at(&self, agent: &AgentId) -> Option<Spot> {
        self.spots.get(agent).copied()
    }

    /// The groups with somebody in them.
    pub(crate) fn present(&self) -> Groups {
        self.present
    }

    /// Who has been there longest, of all these groups.
    pub(crate) fn longest(&self, groups: Groups) -> Option<&AgentId> {
        (groups & self.present)
            .iter()
            .filter_map(|group| self.members[group.index()].first())
            .min()
            .map(|(_, agent)| agent)
    }

    pub(crate) fn len(&self) -> usize {
        self.spots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::{Bench, Post, Skill};
    use havre_model::SpokenSet;
    use std::time::Duration;

    #[test]
    fn the_longest_idle_of_several_groups_is_found() {
        let at = |s| Mono::from_start(Duration::from_secs(s));
        let (a, b): (AgentId, AgentId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let advocate = Group::new(Bench::Ready, Post::Advocate, SpokenSet::EMPTY);
        let supervisor = Group::new(Bench::Ready, Post::Supervisor, SpokenSet::EMPTY);
        let all = Groups::of(Bench::Ready, Post::Advocate, Skill::ANY) | Groups::supervisors();
        let mut pool = Pool::new();
        pool.set(&a, Some((advocate, at(2))));
        pool.set(&b, Some((supervisor, at(1))));
        assert_eq!(pool.longest(all), Some(&b));
        assert_eq!(pool.longest(Groups::NONE.with(advocate)), Some(&a));
        pool.set(&b, None);
        assert_eq!(pool.longest(all), Some(&a));
        assert!(!pool.present().contains(supervisor));
    }
}
