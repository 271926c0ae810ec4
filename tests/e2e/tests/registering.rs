//! Trunks that want us registered: refreshed in time, for as long as the carrier wants it, and asked for ever less often while it
//! is refused (RFC 3261 §10).

use std::time::Duration;

use havre_e2e::message::header;
use havre_e2e::{Host, Line, Registrar, Says, until, way_out};
use toml::Value;

const SOON: Duration = Duration::from_secs(5);
/// Several pauses that double.
const LATER: Duration = Duration::from_secs(15);
/// How late a timer may be on a busy machine.
const LATE: Duration = Duration::from_millis(900);

#[test]
fn a_registration_is_made_as_long_as_the_carrier_wants_and_refreshed_before_it_ends() {
    let carrier = Host::claim();
    let registrar = Registrar::start(&carrier, Says::Granted { least: 90, seconds: 2 });
    let line = member(&carrier);
    let register = |nth: usize| {
        let (at, text) = until("a REGISTER", SOON, || registrar.heard().into_iter().nth(nth));
        let proof = header(&text, "Authorization");
        assert!(proof.contains("username=\"havre\"") && proof.contains("realm=\"carrier.test\""), "{proof}");
        (at, text)
    };
    let (refused, first) = register(0);
    assert_eq!(header(&first, "Expires"), "60", "as configured");
    let (mut before, longer) = register(1);
    assert!(before - refused < LATE, "423 is obeyed at once");
    assert_eq!(header(&longer, "Expires"), "90");
    until("the trunk to be up", SOON, || (told(&line) == up()).then_some(()));
    for nth in 2..6 {
        let (at, text) = register(nth);
        let pause = at - before;
        assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&pause), "after {pause:?}");
        assert_eq!(header(&text, "Expires"), "90", "what it wants is remembered");
        assert_eq!(header(&text, "Call-ID"), header(&first, "Call-ID"), "it is one registration");
        assert_eq!(told(&line), up(), "to be challenged anew is no failure");
        before = at;
    }
    let seqs = registrar.heard().iter().map(|(_, text)| seq(text)).collect::<Vec<_>>();
    assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?}");
    registrar.stop();
}

#[test]
fn a_carrier_that_does_not_register_us_is_asked_ever_less_often_until_it_does() {
    let carrier = Host::claim();
    let registrar = Registrar::start(&carrier, Says::No("503 Service Unavailable"));
    let line = member(&carrier);
    let asked = until("four attempts", LATER, || {
        let asked = registrar.heard();
        (asked.len() >= 4).then_some(asked)
    });
    // A second, two, four, and half of each is chance.
    for (nth, pair) in asked.windows(2).enumerate().take(3) {
        let (pause, most) = (pair[1].0 - pair[0].0, Duration::from_secs(1 << nth));
        assert!((most / 2..=most + LATE).contains(&pause), "pause {nth}: {pause:?}");
    }
    let down = |why: &str| ("down".to_owned(), why.to_owned());
    assert_eq!(told(&line), down("overloaded"));
    assert_eq!(alarms(&line), ["trunk_down"]);
    registrar.stop();
    until("nobody to be there", LATER, || (told(&line) == down("unreachable")).then_some(()));
}

#[test]
fn a_carrier_that_has_refused_us_is_asked_again_and_up_at_once_when_it_takes_us() {
    let carrier = Host::claim();
    let registrar = Registrar::start(&carrier, Says::No("403 Forbidden"));
    let line = member(&carrier);
    let refused = ("down".to_owned(), "registration_refused".to_owned());
    until("the refusal to be told", SOON, || (told(&line) == refused).then_some(()));
    assert_eq!(alarms(&line), ["trunk_down"]);
    registrar.says(Says::Granted { least: 0, seconds: 3_600 });
    until("the trunk to be up", LATER, || (told(&line) == up()).then_some(()));
    assert!(alarms(&line).is_empty());
    assert!(line.api().metric("havre_trunk_up", "member") >= 1.0);
    registrar.stop();
}

/// A line with one trunk, `member`, that registers there for a minute.
fn member(carrier: &Host) -> Line {
    let account: [(&str, Value); 4] = [
        ("user", "havre".into()),
        ("password", "carrier-secret".into()),
        ("realm", "carrier.test".into()),
        ("register", 60.into()),
    ];
    Line::demo().on_call("+14165550199", &[("member", way_out(carrier, &account))]).start()
}

fn seq(register: &str) -> u32 {
    let (number, _) = header(register, "CSeq").split_once(' ').expect("a number and a method");
    number.parse().expect("a number")
}

/// State and reason of the trunk, as the API tells them.
fn told(line: &Line) -> (String, String) {
    let told = line.api().json("/api/v1/trunks");
    let trunk = told["trunks"].as_array().and_then(|all| all.iter().find(|trunk| trunk["id"] == "member"));
    let of = |key: &str| trunk.and_then(|trunk| trunk[key].as_str()).unwrap_or_default().to_owned();
    (of("state"), of("why"))
}

fn up() -> (String, String) {
    ("up".to_owned(), "answers".to_owned())
}

/// The kinds of the alarms about the trunk.
fn alarms(line: &Line) -> Vec<String> {
    let board = line.api().json("/api/v1/board");
    let alarms = board["alarms"].as_array().expect("a list");
    let of_it = alarms.iter().filter(|alarm| alarm["trunk"] == "member");
    of_it.map(|alarm| alarm["kind"].as_str().unwrap_or_default().to_owned()).collect()
}
