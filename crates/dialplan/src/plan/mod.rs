//! The dialplan: read, checked, proven, and then immutable.

mod expect;
mod graph;
mod hash;
mod parse;
mod prove;
mod rules;
mod values;
mod widening;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{LineId, Spoken, Widening};

use crate::catalogue::read_text;
use crate::file::File;
use crate::limits::MAX_FILE;
use crate::said::said;
use crate::{Catalogue, Clip, Diagnostic, PromptId};

pub use graph::Line;
pub(crate) use graph::{Graph, Menu, NoMatch, PartnerKey, Set, Then, WaitingKey};
pub use prove::{Proof, ProvenPath};

/// Which optional steps have somebody to ring. A step that is switched on without is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Some account has the role `on_call`.
    pub on_call: bool,
    /// A partner centre's address is configured.
    pub partner: bool,
    /// An interpreter service's address is configured.
    pub interpreter: bool,
}

/// A plan that has been proven with the very prompts that it plays. Immutable: a call keeps the plan that it began with.
pub struct Dialplan {
    pub(crate) graph: Graph,
    catalogue: Arc<Catalogue>,
    hash: String,
    proof: Proof,
    tests: usize,
    warnings: Vec<Diagnostic>,
}

impl fmt::Debug for Dialplan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialplan({})", &self.hash)
    }
}

impl Dialplan {
    /// Reads, checks and proves a file, and runs its `[[test]]` blocks.
    ///
    /// # Errors
    /// Everything that is wrong, each finding with file, line, key and remedy.
    pub fn load(
        path: &Path,
        catalogue: &Arc<Catalogue>,
        targets: Targets,
    ) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let text = read_text(path)?;
        Self::parse(&path.display().to_string(), &text, catalogue, targets)
    }

    /// The same from text; `name` is what the findings call the file.
    ///
    /// # Errors
    /// Everything that is wrong, each finding with file, line, key and remedy.
    pub fn parse(
        name: &str,
        text: &str,
        catalogue: &Arc<Catalogue>,
        targets: Targets,
    ) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let file = File::new(name, text);
        match Self::build(&file, text, catalogue, targets) {
            Some(mut plan) if !file.failed() => {
                if let Some(plan) = Arc::get_mut(&mut plan) {
                    plan.warnings = file.into_findings();
                }
                Ok(plan)
            }
            _ => Err(file.into_findings()),
        }
    }

    fn build(file: &File<'_>, text: &str, catalogue: &Arc<Catalogue>, targets: Targets) -> Option<Arc<Self>> {
        if text.len() > MAX_FILE {
            let place = crate::file::Place::default();
            let what = said!("has {} bytes", "fait {} octets", text.len());
            file.error(&place, what, ("keep it below a mebibyte", "gardez-le sous un mébioctet"));
            return None;
        }
        let parsed = parse::parse(file, catalogue, targets)?;
        rules::check(&parsed.graph, catalogue, file);
        // Only a graph without faults is walked: the prover may rely on it.
        if file.failed() {
            return None;
        }
        let hash = hash::hash(&parsed.graph, catalogue);
        let tests = parsed.tests.len();
        let (catalogue, proof) = (catalogue.clone(), Proof::default());
        let mut plan =
            Arc::new(Self { graph: parsed.graph, catalogue, hash, proof, tests, warnings: Vec::new() });
        let proof = prove::prove(&plan, file);
        for test in &parsed.tests {
            test.run(&plan, file);
        }
        if let Some(plan) = Arc::get_mut(&mut plan) {
            plan.proof = proof;
        }
        Some(plan)
    }

    /// SHA-256 over what the plan means, prompts included: 64 hex digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The prompts that it was proven with.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The lines, in the order of the file.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.graph.lines
    }

    /// The line of this name.
    #[must_use]
    pub fn line(&self, id: &LineId) -> Option<&Line> {
        self.lines().iter().find(|line| line.id == *id)
    }

    /// The line with this number, in E.164.
    #[must_use]
    pub fn line_of(&self, number: &str) -> Option<&Line> {
        self.lines().iter().find(|line| line.numbers.iter().any(|n| n == number))
    }

    /// From INVITE to 200.
    #[must_use]
    pub fn answer_after(&self) -> Duration {
        self.graph.answer_after
    }

    /// How the search for an advocate widens. Steps that are switched off are not in it.
    #[must_use]
    pub fn widening(&self) -> &Arc<Widening> {
        &self.graph.widening
    }

    /// Whether this caller hears French first. `caller` is the number in E.164 where there is one; only its area code
    /// is looked at, and nothing of it is kept.
    #[must_use]
    pub fn french_first(&self, line: &LineId, caller: Option<&str>) -> bool {
        let area = caller.and_then(|number| {
            let national = number.strip_prefix("+1").or_else(|| number.strip_prefix('1')).unwrap_or(number);
            (national.len() == 10 && national.is_ascii()).then(|| &national[..3])
        });
        self.line(line).is_some_and(|l| l.french_first)
            || area.is_some_and(|a| self.graph.french_areas.contains(a))
    }

    /// What was proven.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// How many `[[test]]` blocks were run, all with success.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.tests
    }

    /// What is worth a look although the plan is accepted.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The clips that say `id` in `languages`, in that order; a clip that exists in one language only is said as it is.
    pub(crate) fn clips<'p>(
        &'p self,
        id: &'p PromptId,
        languages: &'p [Spoken],
    ) -> impl Iterator<Item = &'p Arc<Clip>> {
        let exists = self.catalogue.languages(id);
        let fixed = exists.len() == 1;
        let chosen = if fixed { exists } else { languages.to_vec() };
        chosen.into_iter().filter_map(move |spoken| self.catalogue.clip(id.as_str(), Some(spoken)))
    }
}
