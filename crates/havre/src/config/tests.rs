use havre_media::sdp::Srtp;
use havre_model::{Spoken, WrapUp};

use super::*;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, "test.toml", Path::new("/etc/havre"), &[])
}

fn errors(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => panic!("accepted"),
        Err(errors) => errors.0.iter().map(|e| format!("{}:{:?}: {}", e.key, e.line, e.what)).collect(),
    }
}

fn demo_with(from: &str, to: &str) -> String {
    assert!(DEMO.contains(from), "the demo profile no longer says {from:?}");
    DEMO.replacen(from, to, 1)
}

#[test]
fn the_demo_profile_is_what_the_readme_says() {
    let config = parse(DEMO).unwrap();
    assert_eq!(config.sip_listen, ["127.0.0.1:5060".parse::<SocketAddr>().unwrap()]);
    assert_eq!(config.rtp_ports, 20_000..=29_999);
    assert!(config.redis.is_none());
    let names: Vec<&str> = config.agents.iter().map(|a| a.profile.id.as_str()).collect();
    assert_eq!(names, ["advocate-en", "advocate-fr", "advocate-bi", "supervisor"]);
    assert!(config.agents.iter().all(|a| a.profile.wrap_up == WrapUp::After(Duration::from_secs(2))));
    assert!(config.agents.iter().all(|a| a.profile.ready_on_register));
    assert_eq!(config.dialplan, Path::new("/etc/havre/../dialplans/hotline.toml"));
}

#[test]
fn the_production_example_is_accepted_once_its_secrets_are_set() {
    let text = include_str!("../../../../config/production.toml");
    let secrets = [("HAVRE__HTTP__TOKEN".to_owned(), "0123456789abcdef0123".to_owned())];
    let config = Config::parse(text, "production.toml", Path::new("/"), &secrets).unwrap();
    assert_eq!(config.advertised("10.0.0.10".parse().unwrap()), "203.0.113.10".parse::<IpAddr>().unwrap());
    let addresses: Vec<String> =
        crate::load::media_addresses(&config).iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["203.0.113.10", "10.0.0.10"], "for browsers outside, and in the house");
    assert_eq!(config.trunks.len(), 3);
    assert_eq!(config.trunks[2].certificate.as_deref(), Some("sip.carrier.example"));
    assert!(config.http_secure && config.tls.identity.is_some());
    assert_eq!((config.trunks[1].srtp, config.agents[0].srtp), (Srtp::Off, Srtp::Offered));
    assert_eq!(config.agents[0].profile.wrap_up, WrapUp::Manual);
    assert_eq!(config.agents[0].profile.ui_language, Spoken::Fr);
}

#[test]
fn the_environment_overrides_the_file() {
    let set = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let environment = [
        set("HAVRE__SIP__LISTEN", "127.0.0.1:15060"),
        set("HAVRE__STORE__URL", "redis://127.0.0.1:7000/0"),
        set("HAVRE__RTP__PORTS", "30000-30999"),
        set("HAVRE__HTTP__TOKEN", "12345"),
    ];
    let config = Config::parse(DEMO, "demo", Path::new("."), &environment).unwrap();
    assert_eq!(config.sip_listen, ["127.0.0.1:15060".parse::<SocketAddr>().unwrap()]);
    assert_eq!(config.redis.as_deref(), Some("redis://127.0.0.1:7000/0"));
    assert_eq!(config.rtp_ports, 30_000..=30_999);
    assert_eq!(config.http_token, "12345");
}

#[test]
fn every_error_names_the_key_and_the_line() {
    let line = |needle: &str| 1 + DEMO[..DEMO.find(needle).unwrap()].matches('\n').count();
    for (from, to, expected) in [
        ("\"127.0.0.1:5060\"", "\"localhost\"", format!("sip.listen:Some({})", line("listen = [\"127"))),
        ("\"127.0.0.1:5060\"", "\"0.0.0.0:5060\"", format!("sip.listen:Some({})", line("listen = [\"127"))),
        ("20000-29999", "29999-20000", format!("rtp.ports:Some({})", line("ports ="))),
        ("\"embedded\"", "\"postgres://x\"", format!("store.url:Some({})", line("url ="))),
        (
            "[\"127.0.0.0/8\"]",
            "[\"127.0.0.0/8\"]\nsrtp = \"maybe\"",
            format!("trunks.0.srtp:Some({})", 1 + line("sources =")),
        ),
        ("127.0.0.0/8", "127.0.0.0/99", format!("trunks.0.sources:Some({})", line("sources ="))),
        ("[\"en\"]", "[\"klingon\"]", format!("agents.0.languages:Some({})", line("languages ="))),
        ("wrap_up = 2", "wrap_up = \"never\"", format!("agents.0.wrap_up:Some({})", line("wrap_up ="))),
    ] {
        let errors = errors(&demo_with(from, to));
        assert!(errors[0].starts_with(&expected), "{from} → {to}: {errors:?}, expected {expected}");
    }
}

#[test]
fn browsers_have_the_last_ports_unless_others_are_written() {
    let two = [("HAVRE__NODE__SHARDS".to_owned(), "2".to_owned())];
    let config = |rtp: &str| {
        let text = demo_with("ports = \"20000-29999\"", rtp);
        Config::parse(&text, "demo", Path::new("."), &two)
    };
    let ports = |rtp: &str| config(rtp).unwrap().browser_ports;
    assert_eq!(ports("ports = \"20000-29999\""), Some(29_998..=29_999));
    assert_eq!(ports("ports = \"20000-20039\""), None, "not one to spare");
    let chosen = |ports: &str| format!("ports = \"20000-29999\"\nbrowser_ports = {ports:?}");
    assert_eq!(ports(&chosen("19000-19007")), Some(19_000..=19_007));
    for wrong in ["19000-19000", "x", "19007-19000"] {
        let Err(error) = config(&chosen(wrong)) else { panic!("{wrong}") };
        assert_eq!(error.0[0].key, "rtp.browser_ports", "{wrong}");
    }
}

#[test]
fn codecs_are_the_usual_ones_unless_chosen() {
    let with = |list: &str| demo_with("[rtp]", &format!("[rtp]\ncodecs = {list}"));
    assert_eq!(parse(DEMO).unwrap().codecs, Codec::USUAL);
    assert_eq!(parse(&with("[\"opus\", \"PCMA\"]")).unwrap().codecs, [Codec::Opus, Codec::Pcma]);
    for wrong in ["[]", "[\"pcmu\", \"pcmu\"]", "[\"g729\"]"] {
        assert!(errors(&with(wrong))[0].starts_with("rtp.codecs"), "{wrong}");
    }
}

#[test]
fn a_trunk_may_have_some_of_the_codecs_in_an_order_of_its_own() {
    let with = |list: &str| {
        let text = demo_with("[rtp]", "[rtp]\ncodecs = [\"pcmu\", \"pcma\", \"g722\"]");
        text.replacen("[\"127.0.0.0/8\"]", &format!("[\"127.0.0.0/8\"]\ncodecs = {list}"), 1)
    };
    assert_eq!(parse(DEMO).unwrap().trunks[0].codecs, None);
    let config = parse(&with("[\"pcma\", \"pcmu\"]")).unwrap();
    assert_eq!(config.trunks[0].codecs.as_deref(), Some(&[Codec::Pcma, Codec::Pcmu][..]));
    let policy = crate::load::codecs(&config);
    assert_eq!(policy.trunks.get(&config.trunks[0].id), Some(&vec![Codec::Pcma, Codec::Pcmu]));
    for (wrong, said) in [
        ("[]", "is empty"),
        ("[\"pcmu\", \"pcmu\"]", "stands twice"),
        ("[\"g729\"]", "is no codec"),
        ("[\"opus\"]", "\"opus\" is none of the line's codecs"),
    ] {
        let errors = errors(&with(wrong));
        assert!(
            errors.len() == 1
                && errors[0].starts_with("trunks.0.codecs")
                && errors[0].to_lowercase().contains(said),
            "{wrong}: {errors:?}"
        );
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let text = demo_with("[rtp]\nports", "relm = \"sip\"\n[rtp]\nports");
    let error = &parse(&text).unwrap_err().0[0];
    let line = 1 + text[..text.find("relm").unwrap()].matches('\n').count();
    assert_eq!(error.line, Some(line));
    assert!(error.what.contains("relm"), "{error}");
}

#[test]
fn several_errors_are_said_at_once() {
    let text = demo_with("20000-29999", "x").replacen("127.0.0.0/8", "y", 1);
    assert_eq!(errors(&text).len(), 3, "{:?}", errors(&text));
}

#[test]
fn a_short_token_is_refused_off_loopback() {
    let text = demo_with("127.0.0.1:8080", "192.0.2.1:8080");
    let errors = errors(&text);
    assert!(errors.iter().any(|error| error.starts_with("http.token")), "{errors:?}");
    assert!(
        errors.iter().any(|error| error.starts_with("http.listen")),
        "and HTTP is plain there: {errors:?}"
    );
}

#[test]
fn what_speaks_tls_needs_a_certificate_and_who_is_known_by_one_an_authority() {
    let plain = "listen = [\"127.0.0.1:5060\"]";
    let listener = format!("{plain}\ntls_listen = \"127.0.0.1:5061\"");
    assert!(errors(&demo_with(plain, &listener))[0].starts_with("sip.tls_listen"));
    assert!(errors(&demo_with("[http]", "[http]\nsecure = true"))[0].starts_with("http.secure"));
    let half = demo_with("[http]", "[tls]\ncertificate = \"chain.pem\"\n\n[http]");
    assert!(errors(&half)[0].starts_with("tls.key"), "{:?}", errors(&half));
    let trunk = "sources = [\"127.0.0.0/8\"]";
    assert!(errors(&demo_with(trunk, "certificate = \"a.example\""))[0].starts_with("trunks.0.certificate"));

    let files = "[tls]\ncertificate = \"chain.pem\"\nkey = \"/run/key.pem\"\nclient_ca = \"ca.pem\"\n\n[http]\nsecure = true";
    let text = demo_with("[http]", files).replacen(plain, &listener, 1);
    let config = parse(&text.replacen(trunk, "certificate = \"a.example\"", 1)).unwrap();
    assert_eq!(config.sip_tls_listen, ["127.0.0.1:5061".parse::<SocketAddr>().unwrap()]);
    let (chain, key) = config.tls.identity.unwrap();
    assert_eq!(
        (chain.as_path(), key.as_path()),
        (Path::new("/etc/havre/chain.pem"), Path::new("/run/key.pem"))
    );
    assert!(config.http_secure && config.trunks[0].sources.is_empty());
    assert_eq!(errors(&text.replacen(trunk, "certificate = \"*.example\"", 1)).len(), 1);
}

#[test]
fn a_store_password_is_never_shown() {
    assert_eq!(redact("redis://user:secret@host:6379/0"), "redis://***@host:6379/0");
    assert_eq!(redact("redis://host:6379"), "redis://host:6379");
    let shown = errors(&demo_with("\"embedded\"", "\"rediss://user:secret@host\"")).join("\n");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn session_timers_have_the_rfcs_least() {
    let keys = |expires: u32, min: u32| {
        demo_with("[sip]\n", &format!("[sip]\nsession_expires = {expires}\nsession_min = {min}\n"))
    };
    let session = parse(&keys(1800, 120)).unwrap().session;
    assert_eq!((session.expires, session.min), (Some(Duration::from_secs(1800)), Duration::from_secs(120)));
    assert_eq!(parse(&keys(0, 90)).unwrap().session.expires, None);
    assert!(errors(&keys(0, 60))[0].starts_with("sip.session_min:Some("));
    assert!(errors(&keys(100, 120))[0].starts_with("sip.session_expires:Some("));
}

const OUT: &str = "sources = [\"127.0.0.0/8\"]\n\n[trunks.outbound]\npeer = \"203.0.113.7\"\n";

#[test]
fn a_trunk_leads_out_only_as_far_as_it_is_told() {
    let out = demo_with("sources = [\"127.0.0.0/8\"]", OUT);
    let config = parse(&out).unwrap();
    let outbound = config.trunks[0].outbound.as_ref().unwrap();
    assert_eq!((outbound.priority, outbound.answer_within), (10, Duration::from_secs(4)));
    assert!(outbound.account.is_none() && outbound.register.is_none() && outbound.ping.is_some());
    for (line, key, what) in [
        ("peer = \"sip:carrier\"", "peer", "is no peer"),
        ("transport = \"sctp\"", "transport", "is not known"),
        ("numbers = \"prefix:9x\"", "numbers", "is not known"),
        ("user = \"havre\"", "user", "go together"),
        ("register = 600", "register", "needs an account"),
        ("answer_within = 0", "answer_within", "is not possible"),
        ("group = \"a b\"", "group", "is not a name"),
        ("from = \"a b\"", "from", "is no host"),
    ] {
        let wrong = match line.split_once(" = ") {
            Some(("peer", _)) => out.replacen("peer = \"203.0.113.7\"", line, 1),
            _ => out.replacen("[trunks.outbound]\n", &format!("[trunks.outbound]\n{line}\n"), 1),
        };
        let at = 1 + wrong[..wrong.find(line).unwrap()].matches('\n').count();
        let said = errors(&wrong);
        let expected = format!("trunks.0.outbound.{key}:Some({at})");
        assert!(
            said.len() == 1 && said[0].starts_with(&expected) && said[0].contains(what),
            "{line}: {said:?}"
        );
    }
}

#[test]
fn a_telephone_belongs_to_somebody_on_call_and_has_a_way_out() {
    let out = demo_with("sources = [\"127.0.0.0/8\"]", OUT);
    let person = |more: &str| {
        let agent = "\n[[agents]]\nid = \"on-call\"\npassword = \"x\"\nlanguages = [\"fr\"]\n";
        format!("{out}{agent}{more}\n")
    };
    let config = parse(&person("roles = [\"on_call\"]\nphone = \"tel:+1-514-555-0123\"")).unwrap();
    let account = config.agents.last().unwrap();
    assert_eq!(account.telephone.as_ref().unwrap().number, "+15145550123");
    assert!(account.profile.ready_on_register, "there is no phone to register");
    assert_eq!(account.profile.wrap_up, WrapUp::After(super::account::ON_CALL_WRAP_UP));
    let nth = config.agents.len() - 1;
    for (more, what) in [
        ("phone = \"+15145550123\"", "only people on call"),
        ("roles = [\"on_call\"]\nphone = \"5145550123\"", "is no telephone number"),
        (
            "roles = [\"on_call\"]\nphone = \"+15145550123\"\nphone_group = \"none\"",
            "no trunk of the group none",
        ),
    ] {
        let said = errors(&person(more));
        assert!(said.len() == 1 && said[0].starts_with(&format!("agents.{nth}.phone:")), "{said:?}");
        assert!(said[0].contains(what), "{said:?}");
    }
}

#[test]
fn some_trunk_brings_callers() {
    let out_only = demo_with("sources = [\"127.0.0.0/8\"]", "[trunks.outbound]\npeer = \"203.0.113.7\"\n");
    assert!(errors(&out_only)[0].contains("no caller can reach the line"), "{:?}", errors(&out_only));
}

#[test]
fn calls_over_tls_can_be_answered_over_tls_and_a_group_agrees_on_media() {
    let out = |more: &str| {
        let trunks = format!("[trunks.outbound]\npeer = \"203.0.113.7\"\ntransport = \"tls\"\n{more}");
        demo_with("sources = [\"127.0.0.0/8\"]", &format!("sources = [\"127.0.0.0/8\"]\n{trunks}"))
    };
    let said = errors(&out(""));
    assert!(said.len() == 1 && said[0].starts_with("sip.tls_listen:"), "{said:?}");
    let open = |text: String| {
        text.replacen("[http]", "[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n\n[http]", 1).replacen(
            "[sip]",
            "[sip]\ntls_listen = \"127.0.0.1:5061\"",
            1,
        )
    };
    let config = parse(&open(out(""))).unwrap();
    let outbound = config.trunks.iter().find_map(|trunk| trunk.outbound.as_ref()).unwrap();
    assert_eq!(outbound.transport, Some(havre_sip::Transport::Tls));
    assert_eq!(
        outbound.peer,
        havre_sip::Peer::At("203.0.113.7:5061".parse().unwrap()),
        "5061, unless it is said"
    );
    let second =
        "\n[[trunks]]\nid = \"second\"\nsrtp = \"required\"\n[trunks.outbound]\npeer = \"203.0.113.8\"\n";
    let said = errors(&open(out(second)));
    assert!(said.len() == 1 && said[0].contains("differ in `srtp`"), "{said:?}");
    let own = second.replace("srtp = \"required\"", "codecs = [\"pcma\"]");
    assert!(parse(&open(out(&own))).is_ok(), "each is spoken to in its own codecs");
    assert!(parse(&open(out(&format!("{second}group = \"others\"\n")))).is_ok());
}

#[test]
fn media_may_be_at_an_address_of_each_family() {
    let rtp = |more: &str| demo_with("[rtp]\n", &format!("[rtp]\n{more}\n"));
    let both = parse(&rtp("listen = \"::\"\nadvertise = [\"192.0.2.1\", \"2001:db8::1\"]")).unwrap();
    let (told, other) = (both.rtp_advertise.to_string(), both.rtp_advertise_other.map(|ip| ip.to_string()));
    assert_eq!((told.as_str(), other.as_deref()), ("192.0.2.1", Some("2001:db8::1")));
    assert_eq!(parse(&rtp("advertise = \"192.0.2.1\"")).unwrap().rtp_advertise_other, None);
    for (more, said) in [
        ("advertise = [\"192.0.2.1\", \"192.0.2.2\"]", "neither one address"),
        ("advertise = []", "neither one address"),
        ("advertise = [\"192.0.2.1\", \"2001:db8::1\"]", "is of one family"),
    ] {
        let errors = errors(&rtp(more));
        assert!(errors.len() == 1 && errors[0].contains(said), "{more}: {errors:?}");
    }
}
