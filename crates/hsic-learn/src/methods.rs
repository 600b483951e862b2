//! Every method by name.

use hsic_data::names::{one_of, same};

use crate::method::{
    Method, alignment, backprop, bottleneck, bottleneck_local, cwc_ff, direct_feedback, dni, feedback_alignment,
    forward_forward, frozen, greedy, mono_forward, node_perturbation, phsic, predsim, sign_symmetry, softhebb,
    target_propagation,
};

/// Every method.
pub static METHODS: &[&Method] = &[
    &bottleneck::METHOD,
    &bottleneck_local::METHOD,
    &phsic::METHOD,
    &alignment::METHOD,
    &predsim::METHOD,
    &mono_forward::METHOD,
    &greedy::METHOD,
    &forward_forward::METHOD,
    &cwc_ff::METHOD,
    &softhebb::METHOD,
    &dni::METHOD,
    &direct_feedback::METHOD,
    &node_perturbation::METHOD,
    &feedback_alignment::METHOD,
    &sign_symmetry::METHOD,
    &target_propagation::METHOD,
    &backprop::METHOD,
    &frozen::METHOD,
];

/// Methods by name: those of this crate, and one's own beside them.
#[derive(Clone, Debug)]
pub struct Methods(Vec<&'static Method>);

impl Default for Methods {
    fn default() -> Self {
        Self::known()
    }
}

impl Methods {
    /// All of this crate.
    #[must_use]
    pub fn known() -> Self {
        Self(METHODS.to_vec())
    }

    /// These methods and one of one's own, in place of an earlier one of its name.
    #[must_use]
    pub fn with(mut self, method: &'static Method) -> Self {
        self.0.retain(|known| known.name != method.name);
        self.0.push(method);
        self
    }

    /// The method of a name, whatever its case.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&'static Method> {
        self.iter().find(|method| same(method.name, name))
    }

    /// What may be given in the place of an unknown name, with the one that may have been meant.
    #[must_use]
    pub fn instead_of(&self, name: &str) -> String {
        one_of(name, &self.iter().map(|method| method.name).collect::<Vec<_>>())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Method> + '_ {
        self.0.iter().copied()
    }

    /// Names of those that read the option of a TOML key, separated by commas.
    #[must_use]
    pub fn readers(&self, key: &str) -> String {
        self.iter().filter(|method| method.reads(key)).map(|method| method.name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_name_and_an_unknown_name_gets_the_others() {
        let methods = Methods::known();
        assert_eq!(methods.named("BackProp").map(|method| method.name), Some("backprop"));
        assert!(methods.named("backprob").is_none());
        let told = methods.instead_of("backprob");
        assert!(told.starts_with("hsic, hsic-local, ") && told.ends_with("frozen; did you mean backprop?"), "{told}");
        assert_eq!(methods.readers("perturbation"), "node-perturbation");
    }

    #[test]
    fn a_method_of_one_s_own_takes_the_place_of_one_of_its_name() {
        static OWN: Method = Method { summary: "another", ..backprop::METHOD };
        let methods = Methods::known().with(&OWN);
        assert_eq!(methods.iter().count(), METHODS.len());
        assert_eq!(methods.named("backprop").map(|method| method.summary), Some("another"));
    }
}
