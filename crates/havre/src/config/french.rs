//! What is wrong in a configuration, in Canadian French: one catalogue, by the English text. `{}` stands for what is filled in.

use havre_dialplan::toml_in_french;

/// What we say ourselves.
const OURS: &[(&str, &str)] = &[
    ("{} are too many", "{}, c’est trop"),
    ("is of one family, and `advertise` of both", "est d’une seule famille, et `advertise` des deux"),
    (
        "write `listen = \"::\"`, which takes IPv4 and IPv6",
        "écrivez `listen = \"::\"`, qui accepte IPv4 et IPv6",
    ),
    (
        "is neither one address nor one of each family",
        "n’est ni une adresse, ni une adresse de chaque famille",
    ),
    (
        "write one address, or one of IPv4 and one of IPv6, the usual one first",
        "écrivez une adresse, ou une en IPv4 et une en IPv6, la plus courante en premier",
    ),
    ("{} at most", "{} au maximum"),
    ("{} is not a name", "{} n’est pas un nom"),
    (
        "use letters, digits, '.', '_', '-'",
        "employez des lettres, des chiffres, «\u{a0}.\u{a0}», «\u{a0}_\u{a0}», «\u{a0}-\u{a0}»",
    ),
    (
        "use letters, digits, '.', '_' or '-'",
        "employez des lettres, des chiffres, «\u{a0}.\u{a0}», «\u{a0}_\u{a0}» ou «\u{a0}-\u{a0}»",
    ),
    ("{} stands twice", "{} figure deux fois"),
    ("give each advocate a name of their own", "donnez à chaque poste un nom qui lui est propre"),
    ("is empty", "est vide"),
    (
        "give each advocate a password of their own",
        "donnez à chaque poste un mot de passe qui lui est propre",
    ),
    ("{} is not a language of the line", "{} n’est pas une langue de la ligne"),
    ("write \"en\", \"fr\" or both", "écrivez \"en\", \"fr\" ou les deux"),
    ("none is left", "il n’en reste aucune"),
    ("write [\"en\"], [\"fr\"] or [\"en\", \"fr\"]", "écrivez [\"en\"], [\"fr\"] ou [\"en\", \"fr\"]"),
    (
        "write \"advocate\", \"supervisor\" or \"on_call\"",
        "écrivez \"advocate\", \"supervisor\" ou \"on_call\"",
    ),
    ("{} is no role", "{} n’est pas un rôle"),
    ("is not understood", "n’est pas compris"),
    ("write \"manual\" or seconds, as 30", "écrivez \"manual\" ou un nombre de secondes, par exemple 30"),
    (
        "is missing or shorter than 16 characters, and HTTP is not on loopback",
        "manque ou compte moins de 16 caractères, et HTTP n’est pas sur la boucle locale",
    ),
    (
        "set HAVRE__HTTP__TOKEN to a long random text, as `openssl rand -hex 32` prints",
        "donnez à HAVRE__HTTP__TOKEN un long texte aléatoire, comme celui qu’affiche `openssl rand -hex 32`",
    ),
    ("is missing", "manque"),
    ("set it here or in HAVRE__HTTP__TOKEN", "indiquez-le ici ou dans HAVRE__HTTP__TOKEN"),
    (
        "write the console's address as a browser shows it, as https://console.example.ca",
        "écrivez l’adresse de la console comme un navigateur l’affiche, par exemple https://console.example.ca",
    ),
    ("{} is {}", "{}\u{a0}: {}"),
    (
        "not an origin: write it as a browser shows it, https://HOST or https://HOST:PORT, and nothing after it",
        "ce n’est pas une origine\u{a0}: écrivez-la comme un navigateur l’affiche, https://HÔTE ou https://HÔTE:PORT, sans rien après",
    ),
    (
        "write hours from 1 to 168; 24 is a shift with its overtime",
        "écrivez un nombre d’heures de 1 à 168; 24 correspond à un quart avec ses heures supplémentaires",
    ),
    ("is no time for a session", "n’est pas une durée de session"),
    (
        "switch it off, or listen on 127.0.0.1: everybody knows these passwords",
        "désactivez-les, ou écoutez sur 127.0.0.1\u{a0}: tout le monde connaît ces mots de passe",
    ),
    ("is for loopback only", "n’est permis que sur la boucle locale"),
    (
        "write some of \"pcmu\", \"pcma\", \"g722\", \"opus\" and \"l16\", each once, the preferred one first",
        "écrivez certains de \"pcmu\", \"pcma\", \"g722\", \"opus\" et \"l16\", chacun une fois, le préféré en premier",
    ),
    ("{} is no codec", "{} n’est pas un codec"),
    ("{} is none of the line's codecs", "{} ne figure pas parmi les codecs de la ligne"),
    (
        "write it into `codecs` of [rtp], too, or remove it here",
        "écrivez-le aussi dans `codecs` de [rtp], ou retirez-le ici",
    ),
    (
        "write first-last, as 19000-19007; each data thread takes one",
        "écrivez premier-dernier, par exemple 19000-19007; chaque fil de données en prend un",
    ),
    (
        "{} has fewer ports than there are data threads ({})",
        "{} compte moins de ports qu’il n’y a de fils de données ({})",
    ),
    ("{} is no range of ports from 1024 up", "{} n’est pas une plage de ports à partir de 1024"),
    ("cannot be read: {}", "lecture impossible\u{a0}: {}"),
    (
        "give the path of a configuration file; config/demo.toml is a working one",
        "donnez le chemin d’un fichier de configuration; config/demo.toml en est un qui fonctionne",
    ),
    (
        "config/demo.toml and config/production.toml show every key and what it is for",
        "config/demo.toml et config/production.toml montrent chaque clé et à quoi elle sert",
    ),
    (
        "check the file and the environment variables HAVRE__SECTION__KEY that override it",
        "vérifiez le fichier et les variables d’environnement HAVRE__SECTION__CLÉ qui le remplacent",
    ),
    ("{} is not understood", "{} n’est pas compris"),
    (
        "write an IP address and a port, as 127.0.0.1:5060 or [::1]:5060",
        "écrivez une adresse IP et un port, par exemple 127.0.0.1:5060 ou [::1]:5060",
    ),
    (
        "write an IP address and a port, as 203.0.113.10:5061",
        "écrivez une adresse IP et un port, par exemple 203.0.113.10:5061",
    ),
    ("write an IP address, as 203.0.113.7", "écrivez une adresse IP, par exemple 203.0.113.7"),
    (
        "set `secure = true` and give [tls] a certificate, or listen on 127.0.0.1 behind a TLS proxy",
        "mettez `secure = true` et donnez un certificat à [tls], ou écoutez sur 127.0.0.1 derrière un mandataire TLS",
    ),
    ("is not loopback, and HTTP is plain there", "n’est pas la boucle locale, et HTTP n’y est pas chiffré"),
    (
        "write first-last, as 20000-29999; each call takes four ports (two legs, RTP and RTCP)",
        "écrivez premier-dernier, par exemple 20000-29999; chaque appel prend quatre ports (deux branches, RTP et RTCP)",
    ),
    ("{} is not a format", "{} n’est pas un format"),
    ("write \"text\" or \"json\"", "écrivez \"text\" ou \"json\""),
    (
        "{} is a wildcard: peers could not be told where to answer",
        "{} désigne toutes les adresses\u{a0}: on ne pourrait dire aux autres où répondre",
    ),
    (
        "name the interface's own address; list several for several interfaces",
        "nommez l’adresse propre de l’interface; énumérez-en plusieurs s’il y a plusieurs interfaces",
    ),
    (
        "write [\"md5\"], [\"sha-256\"] or both, the preferred one first",
        "écrivez [\"md5\"], [\"sha-256\"] ou les deux, le préféré en premier",
    ),
    ("{} is no digest algorithm", "{} n’est pas un algorithme de condensé"),
    ("{} is no store", "{} n’est pas un stockage"),
    ("write \"embedded\" or \"redis://host:6379/0\"", "écrivez \"embedded\" ou \"redis://hôte:6379/0\""),
    ("use one or some of {}", "employez un ou plusieurs de ceux-ci\u{a0}: {}"),
    ("{} cannot be read: {}", "{} ne peut pas être lu\u{a0}: {}"),
    (
        "name a file of certificates in PEM that this user may read",
        "nommez un fichier de certificats en PEM que cet utilisateur peut lire",
    ),
    (
        "write an address or a name, with a port if it is not the usual one: sip.carrier.example:5070",
        "écrivez une adresse ou un nom, avec un port si ce n’est pas le port habituel\u{a0}: sip.carrier.example:5070",
    ),
    ("{} is no peer", "{} n’est pas un correspondant"),
    (
        "write \"udp\", \"tcp\" or \"tls\", or leave it out: then DNS says",
        "écrivez \"udp\", \"tcp\" ou \"tls\", ou omettez la clé\u{a0}: le DNS le dira",
    ),
    ("{} is not known", "{} n’est pas connu"),
    (
        "give `user`, `password` and `realm`: a challenge of another realm is never answered",
        "donnez `user`, `password` et `realm`\u{a0}: on ne répond jamais au défi d’un autre domaine",
    ),
    ("user, password and realm go together", "user, password et realm vont ensemble"),
    ("needs an account", "exige un compte"),
    ("give `user`, `password` and `realm` too", "donnez aussi `user`, `password` et `realm`"),
    ("is no lifetime", "n’est pas une durée de validité"),
    (
        "write seconds from 60 to 86400, as 600",
        "écrivez un nombre de secondes de 60 à 86400, par exemple 600",
    ),
    (
        "write \"e164\", \"national\", or \"prefix:9\" for digits behind a prefix",
        "écrivez \"e164\", \"national\", ou \"prefix:9\" pour des chiffres derrière un préfixe",
    ),
    ("is no host", "n’est pas un hôte"),
    ("write the host that this carrier wants in From", "écrivez l’hôte que cet opérateur veut dans From"),
    ("{} is not possible", "{} n’est pas possible"),
    ("write seconds from 0.5 to {}", "écrivez un nombre de secondes de 0.5 à {}"),
    ("{} is no address", "{} n’est pas une adresse"),
    ("write 192.0.2.53 or 192.0.2.53:5353", "écrivez 192.0.2.53 ou 192.0.2.53:5353"),
    ("write it in E.164, as +15145550123", "écrivez-le en E.164, par exemple +15145550123"),
    ("is no telephone number", "n’est pas un numéro de téléphone"),
    (
        "add \"on_call\" to its roles, or remove the phone: others are reached where they register",
        "ajoutez \"on_call\" à ses rôles, ou retirez le téléphone\u{a0}: les autres sont joints là où ils s’inscrivent",
    ),
    ("only people on call are rung outside", "seules les personnes sur appel sont jointes à l’extérieur"),
    (
        "give a [[trunks]] table an `outbound` side with this `group`",
        "donnez à une table [[trunks]] un côté `outbound` avec ce `group`",
    ),
    ("no trunk of the group {} leads out", "aucune ligne réseau du groupe {} ne mène à l’extérieur"),
    (
        "write 90 or more seconds: RFC 4028 allows no less",
        "écrivez 90 secondes ou plus\u{a0}: le RFC 4028 ne permet pas moins",
    ),
    ("{} is too short", "{} est trop court"),
    (
        "write 0 to ask for no session timer, or at least as much as session_min, as 1800",
        "écrivez 0 pour ne demander aucune minuterie de session, ou au moins autant que session_min, par exemple 1800",
    ),
    ("{} is shorter than session_min", "{} est plus court que session_min"),
    (
        "give `certificate` and `key` in [tls], as certbot's fullchain.pem and privkey.pem",
        "donnez `certificate` et `key` dans [tls], comme fullchain.pem et privkey.pem de certbot",
    ),
    ("needs a certificate and there is none", "exige un certificat, et il n’y en a pas"),
    (
        "is missing: a certificate and its key go together",
        "manque\u{a0}: un certificat et sa clé vont ensemble",
    ),
    ("give both or neither", "donnez les deux ou aucun"),
    ("give each trunk a name of its own", "donnez à chaque ligne réseau un nom qui lui est propre"),
    ("{} is no address or network", "{} n’est ni une adresse ni un réseau"),
    ("write 203.0.113.7 or 203.0.113.0/24", "écrivez 203.0.113.7 ou 203.0.113.0/24"),
    ("user and password go together", "user et password vont ensemble"),
    (
        "name in [tls] client_ca the file with the authorities that certify carriers",
        "nommez dans client_ca de [tls] le fichier des autorités qui certifient les opérateurs",
    ),
    ("nobody could vouch for it", "personne ne pourrait s’en porter garant"),
    (
        "write the domain of the carrier's certificate, as sip.carrier.example, without `*`",
        "écrivez le domaine du certificat de l’opérateur, par exemple sip.carrier.example, sans `*`",
    ),
    ("is no domain name", "n’est pas un nom de domaine"),
    (
        "list the carrier's addresses in `sources`, or give `user` and `password`, or `certificate`; or an `outbound` side",
        "énumérez les adresses de l’opérateur dans `sources`, ou donnez `user` et `password`, ou `certificate`; ou un côté `outbound`",
    ),
    ("nothing identifies this trunk", "rien n’identifie cette ligne réseau"),
    (
        "write \"retry-after\", \"503\" or \"500\": whichever makes this carrier try its next route",
        "écrivez \"retry-after\", \"503\" ou \"500\"\u{a0}: ce qui fait essayer à cet opérateur sa route suivante",
    ),
    ("is 0", "vaut 0"),
    (
        "leave it out for no limit, or remove the trunk",
        "omettez la clé pour n’avoir aucune limite, ou retirez la ligne réseau",
    ),
    (
        "give one of them `sources`, `user` and `password`, or `certificate`",
        "donnez à l’une d’elles `sources`, `user` et `password`, ou `certificate`",
    ),
    ("no caller can reach the line over any of them", "aucune ne permet de joindre la ligne"),
    (
        "add a [[trunks]] table with `id` and `sources`, or no caller can reach the line",
        "ajoutez une table [[trunks]] avec `id` et `sources`, sinon personne ne peut joindre la ligne",
    ),
    ("there is none", "il n’y en a aucune"),
    (
        "write \"off\", \"offered\" (where the far side can) or \"required\" (refused otherwise)",
        "écrivez \"off\", \"offered\" (là où l’autre côté le peut) ou \"required\" (refus sinon)",
    ),
    (
        "name a directory in which HOST/PATH holds the certificate of https://HOST/PATH",
        "nommez un dossier où HÔTE/CHEMIN contient le certificat de https://HÔTE/CHEMIN",
    ),
    ("has more than {} files", "contient plus de {} fichiers"),
    ("is empty or longer than {} characters", "est vide ou compte plus de {} caractères"),
    (
        "say what people call the provider: it stands on the button",
        "dites comment on appelle le fournisseur\u{a0}: ce nom figure sur le bouton",
    ),
    (
        "use the https address that the provider's discovery document has as its issuer; http is for a provider on this machine's loopback only",
        "employez l’adresse https que le document de découverte du fournisseur donne comme émetteur; http ne convient qu’à un fournisseur sur la boucle locale de cette machine",
    ),
    (
        "use the https address that the provider's discovery document has as its issuer",
        "employez l’adresse https que le document de découverte du fournisseur donne comme émetteur",
    ),
    ("{} is no issuer", "{} n’est pas un émetteur"),
    ("{} is no address: {}", "{} n’est pas une adresse\u{a0}: {}"),
    (
        "set it as the provider has it, or leave the key out for its default",
        "mettez la valeur du fournisseur, ou omettez la clé pour la valeur par défaut",
    ),
    (
        "set HAVRE__CONSOLE__OIDC__CLIENT_SECRET, or leave the key out for a public client",
        "définissez HAVRE__CONSOLE__OIDC__CLIENT_SECRET, ou omettez la clé pour un client public",
    ),
    ("is empty: nobody could sign in", "est vide\u{a0}: personne ne pourrait ouvrir de session"),
    (
        "map what the provider says to roles here, as { \"havre-advocates\" = \"advocate\" }",
        "associez ici ce que dit le fournisseur à des rôles, par exemple { \"havre-advocates\" = \"advocate\" }",
    ),
    ("holds no certificates", "ne contient aucun certificat"),
    (
        "name a file of certificates in PEM (-----BEGIN CERTIFICATE-----)",
        "nommez un fichier de certificats en PEM (-----BEGIN CERTIFICATE-----)",
    ),
    ("{} has no {} in PEM: {}", "{} ne contient pas de {} en PEM\u{a0}: {}"),
    ("{} has a {} that cannot be used: {}", "{} contient un objet ({}) inutilisable\u{a0}: {}"),
    (
        "the key in {} is not the one of the certificate in {}",
        "la clé dans {} n’est pas celle du certificat dans {}",
    ),
    ("private key", "clé privée"),
    ("certificate", "certificat"),
    (
        "let the user that havre runs as read it: `chgrp havre {} && chmod 640 {}`, and enter its directory",
        "permettez à l’utilisateur de havre de le lire\u{a0}: `chgrp havre {} && chmod 640 {}`, et d’entrer dans son dossier",
    ),
    (
        "give the path of a file that is there, or renew the certificate so that it is",
        "donnez le chemin d’un fichier qui existe, ou renouvelez le certificat pour qu’il existe",
    ),
    (
        "make the file readable for the user that havre runs as",
        "rendez le fichier lisible pour l’utilisateur de havre",
    ),
    (
        "write the private key unencrypted in PEM (`-----BEGIN PRIVATE KEY-----`), as certbot's privkey.pem",
        "écrivez la clé privée non chiffrée en PEM (`-----BEGIN PRIVATE KEY-----`), comme privkey.pem de certbot",
    ),
    (
        "write certificates in PEM (`-----BEGIN CERTIFICATE-----`), as certbot's fullchain.pem",
        "écrivez des certificats en PEM (`-----BEGIN CERTIFICATE-----`), comme fullchain.pem de certbot",
    ),
    (
        "use an ECDSA P-256 or P-384, an Ed25519, or an RSA key of 2,048 bits or more",
        "employez une clé ECDSA P-256 ou P-384, Ed25519, ou RSA d’au moins 2\u{a0}048 bits",
    ),
    (
        "ask for the certificate anew: look at it with `openssl x509 -text -in`",
        "demandez de nouveau le certificat\u{a0}: regardez-le avec `openssl x509 -text -in`",
    ),
    (
        "give the key that the certificate was asked for with; if both were just renewed, reload again",
        "donnez la clé avec laquelle le certificat a été demandé; si les deux viennent d’être renouvelés, rechargez encore",
    ),
    (
        "open one with `tls_listen` in [sip]: the carrier connects there for what comes later in a call",
        "ouvrez-en un avec `tls_listen` dans [sip]\u{a0}: l’opérateur s’y connecte pour la suite d’un appel",
    ),
    (
        "{}: calls over TLS need a listener for TLS of the same family",
        "{}\u{a0}: les appels par TLS exigent un port d’écoute TLS de la même famille",
    ),
    (
        "write the same `srtp` in both, or put one into another `group`: a call may go over either",
        "écrivez la même valeur de `srtp` dans les deux, ou mettez l’une dans un autre `group`\u{a0}: un appel peut passer par l’une ou l’autre",
    ),
    (
        "{} and {} are in one group and differ in `srtp`",
        "{} et {} sont dans un même groupe et ne disent pas la même chose de `srtp`",
    ),
];

/// What the TOML reader and the operating system say most often.
const THEIRS: &[(&str, &str)] = &[
    ("unknown field {}, expected one of {}", "clé inconnue\u{a0}: {}; clés possibles\u{a0}: {}"),
    ("unknown field {}, expected {}", "clé inconnue\u{a0}: {}; attendu\u{a0}: {}"),
    ("unknown field {}, there are no fields", "clé inconnue\u{a0}: {}; aucune clé n’est possible ici"),
    ("missing field {}", "il manque la clé {}"),
    ("invalid type: {}, expected {}", "type incorrect\u{a0}: {}; attendu\u{a0}: {}"),
    ("invalid value: {}, expected {}", "valeur incorrecte\u{a0}: {}; attendu\u{a0}: {}"),
    ("No such file or directory (os error {})", "fichier ou dossier introuvable (erreur système {})"),
    ("Permission denied (os error {})", "permission refusée (erreur système {})"),
    ("Is a directory (os error {})", "c’est un dossier (erreur système {})"),
    ("string {}", "le texte {}"),
    ("integer `{}`", "le nombre {}"),
    ("floating point `{}`", "le nombre {}"),
    ("boolean `{}`", "la valeur {}"),
    ("sequence", "une liste"),
    ("map", "une table"),
    ("a string", "un texte"),
    ("a boolean", "true ou false"),
    ("a sequence", "une liste"),
    ("u8", "un nombre entier de 0 à 255"),
    ("u16", "un nombre entier de 0 à 65535"),
    ("u32", "un nombre entier, 0 ou plus"),
    ("u64", "un nombre entier, 0 ou plus"),
    ("usize", "un nombre entier, 0 ou plus"),
    ("f64", "un nombre"),
];

/// `english` in French. What neither we nor the usual readers say stays as it was said.
pub(crate) fn french(english: &str) -> String {
    if let Some(said) = toml_in_french(english) {
        return said;
    }
    // What serde calls a table is a name of our source.
    if english.strip_prefix("struct ").is_some_and(|name| !name.contains(' ')) {
        return "une table".to_owned();
    }
    let known = OURS.iter().chain(THEIRS).filter_map(|(en, fr)| Some((en, fr, filled(en, english)?)));
    // The one that says most of it itself: "{} is {}" fits much.
    let Some((_, french, values)) = known.max_by_key(|(en, ..)| en.len()) else { return english.to_owned() };
    let mut values = values.into_iter();
    let mut text = String::new();
    for (place, part) in french.split("{}").enumerate() {
        if place > 0 {
            text.push_str(&value(values.next().unwrap_or_default()));
        }
        text.push_str(part);
    }
    text
}

/// What was filled in is quoted as the language does, and may be a text of its own.
fn value(value: &str) -> String {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => format!("«\u{a0}{quoted}\u{a0}»"),
        None => french(value),
    }
}

/// What stands in the places of `template` in `text`, if it is that.
fn filled<'t>(template: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let (first, rest) = template.split_once("{}").unwrap_or((template, ""));
    let mut left = text.strip_prefix(first)?;
    if first.len() == template.len() {
        return left.is_empty().then(Vec::new);
    }
    let mut values = Vec::new();
    let mut parts = rest.split("{}").peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() { left.strip_suffix(part)?.len() } else { left.find(part)? };
        if at == 0 {
            return None;
        }
        values.push(&left[..at]);
        left = &left[at + part.len()..];
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that says what is wrong in a configuration.
    const SOURCES: &[(&str, &str)] = &[
        ("account", include_str!("account.rs")),
        ("console", include_str!("console.rs")),
        ("media", include_str!("media.rs")),
        ("mod", include_str!("mod.rs")),
        ("oidc", include_str!("oidc.rs")),
        ("outbound", include_str!("outbound.rs")),
        ("session", include_str!("session.rs")),
        ("tls", include_str!("tls.rs")),
        ("trunk", include_str!("trunk.rs")),
        ("certificates", include_str!("../certificates.rs")),
        ("provider", include_str!("../../../console/src/access/oidc/config.rs")),
        ("files", include_str!("../../../tls/src/error.rs")),
    ];
    /// Literals with a space that nobody reads as a finding.
    const OTHERS: &[&str] = &[
        "(built-in demo)",
        ", ",
        "; ",
        "a literal name that the parser's own tests accept",
        // Of single files of carriers, in the log.
        "no certificate of a carrier; passed over",
        "cannot be read",
        "is too large",
        "is no PEM",
        "holds no X.509 certificate",
        "has no key on the curve P-256",
    ];

    /// The string literals of a source, its tests and comments left out, with `{}` for every place.
    fn literals(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |all, line| all + line.trim_end() + "\n");
        let mut found = Vec::new();
        let mut rest = code.as_str();
        while let Some(begin) = rest.find('"') {
            let mut text = String::new();
            let mut chars = rest[begin + 1..].char_indices();
            let end = loop {
                match chars.next().expect("a literal ends") {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().expect("a literal ends").1 {
                        // Goes on in the next line, at its first word.
                        '\n' => {
                            let on = chars.as_str().trim_start().len();
                            while chars.as_str().len() > on {
                                chars.next();
                            }
                        }
                        'n' => text.push('\n'),
                        other => text.push(other),
                    },
                    (_, other) => text.push(other),
                }
            };
            found.push(places(&text));
            rest = &rest[begin + 1 + end + 1..];
        }
        found
    }

    /// Whatever is filled in, and however it is formatted.
    fn places(text: &str) -> String {
        let mut all = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, then) = after.split_once('}').unwrap_or((" ", after));
            let place = inside.chars().all(|c| c.is_ascii_alphanumeric() || "_:?.".contains(c));
            all += before;
            all += if place { "{}" } else { "{" };
            rest = if place { then } else { after };
        }
        all + rest
    }

    #[test]
    fn whatever_is_found_in_a_configuration_is_said_in_french_too() {
        let known: Vec<&str> = OURS.iter().map(|(en, _)| *en).collect();
        for (file, source) in SOURCES {
            for text in literals(source).iter().filter(|text| text.contains(' ')) {
                let said = known.contains(&text.as_str()) || OTHERS.contains(&text.as_str());
                assert!(said || !text.chars().any(char::is_alphabetic), "{file}: no French for {text:?}");
            }
        }
        assert!(literals(SOURCES[0].1).len() > 20, "it reads the sources");
    }

    #[test]
    fn both_languages_have_the_same_places_and_french_its_own_typography() {
        for (place, (en, fr)) in OURS.iter().chain(THEIRS).enumerate() {
            assert_eq!(en.matches("{}").count(), fr.matches("{}").count(), "{en}");
            assert!(!OURS.iter().skip(place + 1).any(|(other, _)| other == en), "{en} stands twice");
            for loose in [" :", "« ", " »"] {
                assert!(!fr.contains(loose), "no no-break space in {fr}");
            }
            assert!(!fr.contains('\'') && !fr.contains(" ;"), "{fr}");
        }
    }

    #[test]
    fn what_is_filled_in_is_in_french_too_where_it_is_a_text() {
        for (english, wanted) in [
            ("is empty", "est vide"),
            ("\"x y\" stands twice", "«\u{a0}x y\u{a0}» figure deux fois"),
            (
                "\"http://a/b\" is not an origin: write it as a browser shows it, https://HOST or https://HOST:PORT, and nothing after it",
                "«\u{a0}http://a/b\u{a0}»\u{a0}: ce n’est pas une origine\u{a0}: écrivez-la comme un navigateur l’affiche, https://HÔTE ou https://HÔTE:PORT, sans rien après",
            ),
            (
                "cannot be read: No such file or directory (os error 2)",
                "lecture impossible\u{a0}: fichier ou dossier introuvable (erreur système 2)",
            ),
            (
                "unknown field `lsten`, expected one of `listen`, `realm`",
                "clé inconnue\u{a0}: `lsten`; clés possibles\u{a0}: `listen`, `realm`",
            ),
            (
                "invalid type: string \"x\", expected u16",
                "type incorrect\u{a0}: le texte «\u{a0}x\u{a0}»; attendu\u{a0}: un nombre entier de 0 à 65535",
            ),
            (
                "invalid type: integer `5`, expected a sequence",
                "type incorrect\u{a0}: le nombre 5; attendu\u{a0}: une liste",
            ),
            (
                "string values must be quoted, expected literal string",
                "un texte s’écrit entre guillemets; attendu\u{a0}: un texte entre apostrophes",
            ),
            ("something that nobody foresaw", "something that nobody foresaw"),
        ] {
            assert_eq!(french(english), wanted);
        }
    }
}
