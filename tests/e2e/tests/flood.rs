//! A number that floods: under load its calls are let in after everybody else's, and none of them is refused for it. The load
//! is real: the line is frozen, and is late with everything when it goes on.

use std::time::Duration;

use havre_e2e::message::status;
use havre_e2e::{Authority, Gateway, Line, Scratch, Signal, Signer, holds_for, until};

const SOON: Duration = Duration::from_secs(5);
/// What comes first has waited longer than calls may while they are let in as they come (20 ms), and not so long that it is
/// refused (300 ms).
const FROZEN: Duration = Duration::from_millis(100);
/// Beyond the fifth call of a number in a minute it is a flood.
const FEW: usize = 5;
/// On a busy machine some come too late to be let in. Then that is tried again, with other numbers.
const ROUNDS: usize = 10;

/// One call: its name, its number, and header lines more.
type Call = (String, String, String);

#[test]
fn under_load_the_calls_of_a_number_that_floods_are_let_in_after_all_others_and_not_refused() {
    let line = Line::demo().start();
    let carrier = Gateway::open(&line);
    everybody_is_let_in_by_rank(&line, &carrier, |round| {
        let flood = (0..16).map(|nth| call(if nth < FEW { "first" } else { "flood" }, round, nth, 0));
        let others = (0..16).map(|nth| call("other", round, nth, 1 + nth));
        flood.chain(others).collect()
    });
    // Without load nobody waits, whoever calls how often.
    for nth in 0..8 {
        let name = format!("calm-{nth}");
        carrier.send_invite_of(&name, &number(0, 0), "");
        let answer = carrier.final_answer();
        assert_eq!((status(&answer), Gateway::call_of(&answer)), (200, name));
    }
}

/// Whoever forges a number and floods under it lowers none of its owner's calls, whom a carrier vouches for.
#[test]
fn calls_that_are_proven_to_be_of_a_number_are_let_in_before_a_flood_that_only_claims_it() {
    let (authority, published) = (Authority::new(), Scratch::new("stir"));
    let signer = Signer::publish(&authority.issue("carrier", &["sp.example"]), &published, "sp.pem");
    let line = Line::demo().with("sip.identity_certificates", published.path().display().to_string()).start();
    let carrier = Gateway::open(&line);
    everybody_is_let_in_by_rank(&line, &carrier, |round| {
        let flood = (0..16).map(|nth| call(if nth < FEW { "first" } else { "flood" }, round, nth, 0));
        let owner = (0..3).map(|nth| {
            let (name, number, _) = call("proven", round, nth, 0);
            let signed = signer.identity("A", 0, &number) + "\r\n";
            (name, number, signed)
        });
        flood.chain(owner).collect()
    });
}

/// Sends the calls of a round, the flood first, until there is a round of whom nobody was refused and all others were let in before
/// the flood. In any round that holds for those who were let in, or they were let in as they came: where the line looks at its
/// socket before it finds that it is late, there is nobody who would have to wait.
#[track_caller]
fn everybody_is_let_in_by_rank(line: &Line, carrier: &Gateway, calls: impl Fn(usize) -> Vec<Call>) {
    for round in 0..ROUNDS {
        let calls = calls(round);
        let order = let_in(line, carrier, &calls);
        let ranked = order.is_sorted_by_key(|name| name.starts_with("flood"));
        let came = |name: &String| calls.iter().position(|(known, ..)| known == name);
        assert!(ranked || order.is_sorted_by_key(came), "in this order: {order:?}");
        if ranked && order.len() == calls.len() {
            until("them to be counted as delayed", SOON, || {
                let delayed = line.api().metric("havre_component_events_total", "calls_delayed");
                (delayed >= calls.len() as f64).then_some(())
            });
            return;
        }
    }
    panic!("in none of {ROUNDS} rounds everybody was let in by rank");
}

/// Places these calls while the line is frozen: the names of those that are let in, in that order.
fn let_in(line: &Line, carrier: &Gateway, calls: &[Call]) -> Vec<String> {
    line.signal(Signal::Stop);
    until("the line to be frozen", SOON, || is_frozen(line).then_some(()));
    for (name, number, more) in calls {
        carrier.send_invite_of(name, number, more);
    }
    holds_for("the line is frozen", FROZEN, || is_frozen(line));
    line.signal(Signal::Cont);
    let (mut order, mut answers) = (Vec::new(), Vec::new());
    while answers.len() < calls.len() {
        let heard = carrier.hears();
        // Whoever is let in hears this at once.
        if status(&heard) == 100 && !order.contains(&Gateway::call_of(&heard)) {
            order.push(Gateway::call_of(&heard));
        }
        if carrier.is_end(&heard) {
            answers.push(heard);
        }
    }
    for answer in answers.iter().filter(|answer| status(answer) == 200) {
        carrier.hangs_up(answer);
    }
    until("all to be gone", SOON, || line.api().calls().is_empty().then_some(()));
    order
}

fn call(what: &str, round: usize, nth: usize, subscriber: usize) -> Call {
    (format!("{what}-{round}-{nth}"), number(round, subscriber), String::new())
}

fn number(round: usize, subscriber: usize) -> String {
    format!("+1416555{round:02}{subscriber:02}")
}

/// Linux says `T` of a process that is stopped.
fn is_frozen(line: &Line) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", line.pid())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}
