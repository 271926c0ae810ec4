//! Who works when in a usual week, and which hours that leaves uncovered. Hours are those of a wall clock in the line's
//! zone: a weekly grid knows no change to summer time.

use std::collections::BTreeMap;
use std::fmt;

use havre_model::{AgentProfile, Role, Spoken};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// Minutes of a week.
const WEEK: usize = 7 * 24 * 60;
/// Shifts taken: 500 advocates with one for every day of the week, and as many again.
const MAX_SHIFTS: usize = 7_000;

/// Who works when, week after week.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// In any order.
    pub shifts: Vec<Shift>,
}

/// One shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Whose.
    #[schema(example = "advocate-fr")]
    pub agent: String,
    /// 0 is Monday, 6 is Sunday: the day on which it begins.
    #[schema(minimum = 0, maximum = 6)]
    pub day: u8,
    /// When it begins.
    #[schema(value_type = String, example = "22:00")]
    pub from: ClockTime,
    /// When it ends; at or before `from` means the next day.
    #[schema(value_type = String, example = "06:00")]
    pub to: ClockTime,
}

/// A time of the day: `HH:MM`, up to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

/// How many work in one hour of the week: the fewest at any minute of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CoveredHour {
    /// 0 is Monday.
    pub(crate) day: u8,
    /// 0 to 23.
    pub(crate) hour: u8,
    /// Advocates who speak English.
    pub(crate) en: u16,
    /// Advocates who speak French.
    pub(crate) fr: u16,
    /// Supervisors: the reserve that is rung for urgent calls. No account is marked as trained for them otherwise.
    pub(crate) urgent: u16,
}

impl Roster {
    /// What is wrong with it, if anything.
    pub(crate) fn fault(&self, agents: &[&AgentProfile]) -> Option<String> {
        if self.shifts.len() > MAX_SHIFTS {
            return Some(format!("There are more than {MAX_SHIFTS} shifts."));
        }
        self.shifts.iter().enumerate().find_map(|(n, shift)| {
            let number = n + 1;
            if shift.day > 6 {
                return Some(format!("Shift {number}: the day must be 0 (Monday) to 6 (Sunday)."));
            }
            let known = agents.iter().any(|agent| agent.id.as_str() == shift.agent);
            let name: String = shift.agent.chars().take(64).collect();
            (!known).then(|| format!("Shift {number}: there is no advocate `{name}`."))
        })
    }

    /// All 168 hours, Monday's first.
    pub(crate) fn coverage(&self, agents: &[&AgentProfile]) -> Vec<CoveredHour> {
        let mut by_agent: BTreeMap<&str, Vec<&Shift>> = BTreeMap::new();
        for shift in &self.shifts {
            by_agent.entry(&shift.agent).or_default().push(shift);
        }
        let [mut en, mut fr, mut urgent] = [[0_u16; WEEK]; 3];
        for agent in agents {
            let Some(shifts) = by_agent.get(agent.id.as_str()) else { continue };
            // Whoever has two shifts at once is still one person.
            let mut works = [false; WEEK];
            for minute in shifts.iter().flat_map(|shift| shift.minutes()) {
                works[minute] = true;
            }
            let advocate = agent.roles.contains(Role::Advocate);
            let counts = [
                (&mut en, advocate && agent.languages.contains(Spoken::En)),
                (&mut fr, advocate && agent.languages.contains(Spoken::Fr)),
                (&mut urgent, agent.roles.contains(Role::Supervisor)),
            ];
            for (minutes, _) in counts.into_iter().filter(|(_, counts)| *counts) {
                for (minute, works) in minutes.iter_mut().zip(works) {
                    *minute += u16::from(works);
                }
            }
        }
        let fewest = |minutes: &[u16; WEEK], hour: usize| {
            minutes[hour * 60..(hour + 1) * 60].iter().copied().min().unwrap_or(0)
        };
        (0_u8..7)
            .flat_map(|day| (0_u8..24).map(move |hour| (day, hour)))
            .map(|(day, hour)| {
                let n = usize::from(day) * 24 + usize::from(hour);
                CoveredHour { day, hour, en: fewest(&en, n), fr: fewest(&fr, n), urgent: fewest(&urgent, n) }
            })
            .collect()
    }
}

impl Shift {
    /// The minutes of the week, Monday's midnight being 0. Sunday's night goes on into Monday.
    fn minutes(&self) -> impl Iterator<Item = usize> {
        let begins = usize::from(self.day) * 24 * 60 + usize::from(self.from.0);
        let next_day = if self.to <= self.from { 24 * 60 } else { 0 };
        let lasts = usize::from(self.to.0) + next_day - usize::from(self.from.0);
        (begins..begins + lasts).map(|minute| minute % WEEK)
    }
}

impl ClockTime {
    fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u16>().ok())?
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let all = hours * 60 + minutes;
        (minutes < 60 && all <= 24 * 60).then_some(Self(all))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a time of the day is HH:MM, up to 24:00"))
    }
}

#[cfg(test)]
mod tests {
    use havre_model::{Roles, SpokenSet, WrapUp};

    use super::*;

    #[test]
    fn an_hour_is_covered_by_the_fewest_at_any_minute_of_it() {
        let agents =
            [agent("en", &[Spoken::En], &[Role::Advocate]), agent("fr", &[Spoken::Fr], &[Role::Advocate])];
        let roster =
            roster(&[("en", 0, "08:00", "12:30"), ("fr", 0, "08:30", "10:00"), ("en", 0, "09:00", "10:00")]);
        let hours = roster.coverage(&refs(&agents));
        assert_eq!(hours.len(), 168);
        let seen: Vec<_> = hours[7..14].iter().map(|hour| (hour.hour, hour.en, hour.fr)).collect();
        // Two shifts at once are one person; half an hour is not the hour.
        let expected = [(7, 0, 0), (8, 1, 0), (9, 1, 1), (10, 1, 0), (11, 1, 0), (12, 0, 0), (13, 0, 0)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_night_goes_on_into_the_next_day_and_week() {
        let agents = [agent("sam", &[Spoken::En, Spoken::Fr], &[Role::Advocate, Role::Supervisor])];
        let hours = roster(&[("sam", 6, "22:00", "02:00")]).coverage(&refs(&agents));
        let covered: Vec<_> = hours
            .iter()
            .filter(|hour| (hour.en, hour.fr, hour.urgent) == (1, 1, 1))
            .map(|h| (h.day, h.hour))
            .collect();
        assert_eq!(covered, [(0, 0), (0, 1), (6, 22), (6, 23)]);
        let all_day = roster(&[("sam", 2, "00:00", "00:00")]).coverage(&refs(&agents));
        assert_eq!(all_day.iter().filter(|hour| hour.en == 1 && hour.day == 2).count(), 24);
    }

    #[test]
    fn only_advocates_cover_a_language_and_only_supervisors_are_the_reserve() {
        let agents =
            [agent("sup", &[Spoken::Fr], &[Role::Supervisor]), agent("call", &[Spoken::Fr], &[Role::OnCall])];
        let hours =
            roster(&[("sup", 0, "00:00", "24:00"), ("call", 0, "00:00", "24:00")]).coverage(&refs(&agents));
        assert_eq!((hours[0].fr, hours[0].urgent), (0, 1));
    }

    #[test]
    fn times_are_two_digits_each() {
        for good in ["00:00", "23:59", "24:00"] {
            assert_eq!(ClockTime::parse(good).unwrap().to_string(), good);
        }
        for bad in ["24:01", "7:00", "12:60", "", ":", "12", "99:99", "-1:00", "１２:00"] {
            assert_eq!(ClockTime::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_roster_names_people_and_days_there_are() {
        let agents = [agent("en", &[Spoken::En], &[Role::Advocate])];
        let fault = |shifts: &[_]| roster(shifts).fault(&refs(&agents));
        assert_eq!(fault(&[("en", 6, "08:00", "12:30")]), None);
        assert!(fault(&[("en", 7, "08:00", "12:30")]).unwrap().contains("Shift 1"));
        assert!(
            fault(&[("en", 6, "08:00", "12:30"), ("x", 0, "08:00", "09:00")]).unwrap().contains("Shift 2")
        );
        assert!(fault(&vec![("en", 0, "08:00", "09:00"); MAX_SHIFTS + 1]).is_some());
    }

    fn roster(shifts: &[(&str, u8, &str, &str)]) -> Roster {
        let time = |text: &str| ClockTime::parse(text).unwrap();
        let shift = |&(agent, day, from, to): &(&str, u8, &str, &str)| Shift {
            agent: agent.to_owned(),
            day,
            from: time(from),
            to: time(to),
        };
        Roster { shifts: shifts.iter().map(shift).collect() }
    }

    fn refs(agents: &[AgentProfile]) -> Vec<&AgentProfile> {
        agents.iter().collect()
    }

    fn agent(id: &str, spoken: &[Spoken], roles: &[Role]) -> AgentProfile {
        AgentProfile {
            id: id.parse().unwrap(),
            languages: spoken.iter().copied().collect::<SpokenSet>(),
            ui_language: spoken[0],
            roles: roles.iter().copied().collect::<Roles>(),
            wrap_up: WrapUp::Manual,
            ready_on_register: false,
        }
    }
}
