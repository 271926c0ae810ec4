//! Who may be rung for whom: agents fall into a few groups, and a caller's wishes are sets of groups.
//!
//! Two agents of one group differ only in how long they have been there. So who is to be rung is decided by set
//! algebra over 36 groups, not by walking through thousands of people.

use havre_model::{AgentProfile, Language, Role, Spoken, SpokenSet};

/// What an agent is rung as. Whoever takes calls at all is an advocate; a supervisor who does not is the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Post {
    Advocate,
    Supervisor,
    OnCall,
}

/// From which state an agent is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    Ready,
    WrapUp,
    NoAnswer,
}

/// The official languages someone speaks: bit 0 English, bit 1 French.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tongues(u8);

const TONGUES: u8 = 4;
const POSTS: u8 = 3;
const BENCHES: u8 = 3;

/// Agents who are alike for every caller: same bench, same post, same official languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(u8);

/// A set of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Groups(u64);

impl Post {
    /// `None`: an account that is never rung.
    pub(crate) fn of(profile: &AgentProfile) -> Option<Self> {
        let has = |role| profile.roles.contains(role);
        if has(Role::Advocate) {
            Some(Self::Advocate)
        } else if has(Role::Supervisor) {
            Some(Self::Supervisor)
        } else if has(Role::OnCall) {
            Some(Self::OnCall)
        } else {
            None
        }
    }
}

impl Tongues {
    const ALL: [Self; TONGUES as usize] = [Self(0), Self(1), Self(2), Self(3)];

    fn of(languages: SpokenSet) -> Self {
        Self(u8::from(languages.contains(Spoken::En)) | u8::from(languages.contains(Spoken::Fr)) << 1)
    }
}

impl Group {
    pub(crate) const COUNT: usize = (TONGUES * POSTS * BENCHES) as usize;

    pub(crate) fn new(bench: Bench, post: Post, languages: SpokenSet) -> Self {
        Self::at(bench, post, Tongues::of(languages))
    }

    const fn at(bench: Bench, post: Post, tongues: Tongues) -> Self {
        Self((bench as u8 * POSTS + post as u8) * TONGUES + tongues.0)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn bench(self) -> Bench {
        match self.0 / (POSTS * TONGUES) {
            0 => Bench::Ready,
            1 => Bench::WrapUp,
            _ => Bench::NoAnswer,
        }
    }

    pub(crate) const fn post(self) -> Post {
        match self.0 / TONGUES % POSTS {
            0 => Post::Advocate,
            1 => Post::Supervisor,
            _ => Post::OnCall,
        }
    }
}

impl Groups {
    pub(crate) const NONE: Self = Self(0);

    /// Those on `bench` at `post` whose languages are within `skill`.
    pub(crate) fn of(bench: Bench, post: Post, skill: Skill) -> Self {
        Tongues::ALL
            .into_iter()
            .filter(|tongues| skill.0 & (1 << tongues.0) != 0)
            .fold(Self::NONE, |groups, tongues| groups.with(Group::at(bench, post, tongues)))
    }

    /// All supervisors, on every bench.
    pub(crate) fn supervisors() -> Self {
        [Bench::Ready, Bench::WrapUp, Bench::NoAnswer]
            .into_iter()
            .fold(Self::NONE, |groups, bench| groups | Self::of(bench, Post::Supervisor, Skill::ANY))
    }

    pub(crate) const fn with(self, group: Group) -> Self {
        Self(self.0 | 1 << group.0)
    }

    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) const fn contains(self, group: Group) -> bool {
        self.0 & (1 << group.0) != 0
    }

    pub(crate) const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Group> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let group = u8::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)?;
            rest &= rest - 1;
            Some(Group(group))
        })
    }
}

impl std::ops::BitOr for Groups {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitAnd for Groups {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Whose languages will do for a caller: a set of combinations of tongues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skill(u8);

impl Skill {
    pub(crate) const ANY: Self = Self((1 << TONGUES) - 1);

    /// Those who are skilled for this language: for `unknown` the bilingual, for `other` anyone.
    pub(crate) fn for_language(language: Language) -> Self {
        let speaks = |bits: u8| {
            let able = Tongues::ALL.into_iter().filter(|tongues| tongues.0 & bits == bits);
            Self(able.fold(0, |skill, tongues| skill | 1 << tongues.0))
        };
        match language {
            Language::En => speaks(0b01),
            Language::Fr => speaks(0b10),
            Language::Unknown => speaks(0b11),
            Language::Other => Self::ANY,
        }
    }

    pub(crate) fn has(self, languages: SpokenSet) -> bool {
        self.0 & (1 << Tongues::of(languages).0) != 0
    }
}

/// Whether these two need an interpreter between them. A caller who has said nothing yet may speak either language.
pub(crate) fn needs_interpreter(caller: Language, agent: SpokenSet) -> bool {
    match caller {
        Language::En => !agent.contains(Spoken::En),
        Language::Fr => !agent.contains(Spoken::Fr),
        Language::Unknown => !agent.contains(Spoken::En) && !agent.contains(Spoken::Fr),
        Language::Other => true,
    }
}

/// On what terms a waiting caller stands just now: which groups may be rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Terms {
    /// One agent of these, the first set before the second: for a caller for whom no ready advocate is rung.
    pub(crate) first: [Groups; 2],
    /// One of these: the reserve of an urgent caller.
    pub(crate) reserve: Groups,
    /// All of these that nobody earlier needs.
    pub(crate) surplus: Groups,
    /// An urgent caller: while one waits, supervisors ring for nobody else.
    pub(crate) urgent: bool,
}

impl Terms {
    pub(crate) fn first_any(&self) -> Groups {
        self.first[0] | self.first[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(languages: &[Spoken]) -> SpokenSet {
        languages.iter().copied().collect()
    }

    #[test]
    fn skill_follows_the_language() {
        let (en, fr) = (set(&[Spoken::En]), set(&[Spoken::Fr]));
        let both = set(&[Spoken::En, Spoken::Fr]);
        let skilled = |language, languages| Skill::for_language(language).has(languages);
        assert!(skilled(Language::En, en) && skilled(Language::En, both) && !skilled(Language::En, fr));
        assert!(skilled(Language::Fr, fr) && skilled(Language::Fr, both) && !skilled(Language::Fr, en));
        assert!(skilled(Language::Unknown, both) && !skilled(Language::Unknown, en));
        assert!(skilled(Language::Other, en) && skilled(Language::Other, SpokenSet::EMPTY));
    }

    #[test]
    fn groups_are_sets_of_what_they_name() {
        let en = set(&[Spoken::En]);
        let ready = Groups::of(Bench::Ready, Post::Advocate, Skill::for_language(Language::En));
        assert!(ready.contains(Group::new(Bench::Ready, Post::Advocate, en)));
        assert!(!ready.contains(Group::new(Bench::WrapUp, Post::Advocate, en)));
        assert!(!ready.contains(Group::new(Bench::Ready, Post::Supervisor, en)));
        assert_eq!(ready.iter().count(), 2, "English, and both");
        assert_eq!(Groups::supervisors().iter().count(), 12);
        assert_eq!(ready.without(ready), Groups::NONE);
    }

    #[test]
    fn a_group_knows_its_bench_and_post() {
        for bench in [Bench::Ready, Bench::WrapUp, Bench::NoAnswer] {
            for post in [Post::Advocate, Post::Supervisor, Post::OnCall] {
                for group in Groups::of(bench, post, Skill::ANY).iter() {
                    assert_eq!((group.bench(), group.post()), (bench, post));
                }
            }
        }
    }

    #[test]
    fn an_interpreter_is_needed_only_where_no_language_is_shared() {
        let (en, both) = (set(&[Spoken::En]), set(&[Spoken::En, Spoken::Fr]));
        assert!(!needs_interpreter(Language::En, en) && needs_interpreter(Language::Fr, en));
        assert!(!needs_interpreter(Language::Unknown, en));
        assert!(needs_interpreter(Language::Unknown, set(&[Spoken::Es])));
        assert!(needs_interpreter(Language::Other, both));
    }
}
