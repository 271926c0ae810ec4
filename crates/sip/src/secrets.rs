//! What everybody proves who has a password here: worked out once per configuration, for no check may cost more for
//! one name than for another.

use std::collections::HashMap;

use havre_model::{AgentId, TrunkId};

use crate::config::{Config, Trunk};
use crate::digest::Secret;

/// See the module's page.
pub(crate) struct Secrets {
    accounts: HashMap<AgentId, Secret>,
    /// With the user that they are for.
    trunks: HashMap<TrunkId, (String, Secret)>,
}

impl Secrets {
    pub(crate) fn of(config: &Config) -> Self {
        let secret = |user: &str, password: &str| Secret::new(user, &config.realm, password);
        let accounts = config.accounts.iter();
        let accounts = accounts.map(|(id, password)| (id.clone(), secret(id.as_str(), password.expose())));
        let trunks = config.trunks.iter().filter_map(|trunk| {
            let (user, password) = trunk.digest.as_ref()?;
            Some((trunk.id.clone(), (user.clone(), secret(user, password.expose()))))
        });
        Self { accounts: accounts.collect(), trunks: trunks.collect() }
    }

    /// An account's.
    pub(crate) fn account(&self, user: &str) -> Option<&Secret> {
        self.accounts.get(&user.parse().ok()?)
    }

    /// That of the first of these trunks with this user.
    pub(crate) fn trunk(&self, trunks: &[&Trunk], user: &str) -> Option<&Secret> {
        let mut known = trunks.iter().filter_map(|trunk| self.trunks.get(&trunk.id));
        known.find(|(name, _)| name == user).map(|(_, secret)| secret)
    }
}
