//! What processes use, from `/proc`.

use std::fs::read_to_string;
use std::time::Duration;

use crate::step::Usage;

/// Units of processor time in `/proc/PID/stat`: `USER_HZ`, which is 100 in Linux' interface to every program.
const TICK: Duration = Duration::from_millis(10);

/// What these processes use together; `None` if there are none to watch, or one has ended.
pub(crate) fn usage_of(pids: &[u32]) -> Option<Usage> {
    let used = |pid: &u32| usage(&pid.to_string());
    let all: Option<Vec<Usage>> = pids.iter().map(used).collect();
    let all = all.filter(|all| !all.is_empty())?;
    Some(Usage {
        processor: all.iter().map(|usage| usage.processor).sum(),
        memory: all.iter().map(|usage| usage.memory).sum(),
    })
}

/// Processor time of this process.
pub(crate) fn own_processor_time() -> Duration {
    usage("self").map_or(Duration::ZERO, |usage| usage.processor)
}

/// Processor time of everything on this machine, all cores together.
pub(crate) fn machine_processor_time() -> Duration {
    read_to_string("/proc/stat").ok().and_then(|stat| busy(&stat)).unwrap_or_default()
}

/// Packets that the buffers of these UDP ports of ours had no room for.
pub(crate) fn dropped(ports: &[u16]) -> u64 {
    let tables =
        ["/proc/self/net/udp", "/proc/self/net/udp6"].map(|table| read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| drops(line, ports)).sum()
}

fn usage(pid: &str) -> Option<Usage> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage { processor: processor_time(&stat)?, memory: resident(&status)? })
}

/// `utime` and `stime`, which include threads that have ended (proc(5)).
fn processor_time(stat: &str) -> Option<Duration> {
    // The name in parentheses may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(TICK * user + TICK * system)
}

/// All but `idle` and `iowait`; `guest` stands in `user` already (proc(5)).
fn busy(stat: &str) -> Option<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u32> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _, _, irq, soft, steal] = times[..] else { return None };
    Some([user, nice, system, irq, soft, steal].into_iter().map(|ticks| TICK * ticks).sum())
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// The last column, for a socket that is bound to one of `ports`.
fn drops(line: &str, ports: &[u16]) -> Option<u64> {
    let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
    let ours = u16::from_str_radix(port, 16).is_ok_and(|port| ports.contains(&port));
    ours.then(|| line.split_whitespace().last())??.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 7 8 9";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(processor_time("42 (x) S 1"), None);
    }

    #[test]
    fn a_machine_is_busy_with_all_but_idling() {
        let stat = "cpu  100 0 50 9000 700 0 25 25 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0";
        assert_eq!(busy(stat), Some(Duration::from_secs(2)));
        assert_eq!(busy("cpu 1 2 3"), None);
        assert!(!machine_processor_time().is_zero());
    }

    #[test]
    fn memory_is_in_kibibytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3"), Some(2 << 20));
        assert_eq!(resident("Name:\tx"), None);
    }

    #[test]
    fn only_our_ports_count() {
        let line =
            "  97: 0100007F:4E20 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 5 2 0 17";
        assert_eq!(drops(line, &[20_000]), Some(17));
        assert_eq!(drops(line, &[20_002]), None);
        assert_eq!(drops("junk", &[20_000]), None);
    }

    #[test]
    fn this_process_uses_something() {
        assert!(usage("self").is_some_and(|usage| usage.memory > 0));
        assert_eq!(usage_of(&[]), None);
        assert_eq!(usage_of(&[u32::MAX]), None);
    }
}
