//! Circles among arrows: strongly connected parts of more than one place (Tarjan 1972).

use std::collections::BTreeMap;

/// The circles among `arrows` (from, to), each in the order of its names, the largest first.
#[must_use]
pub fn circles(arrows: &[(String, String)]) -> Vec<Vec<String>> {
    let mut to: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, target) in arrows {
        to.entry(from).or_default().push(target);
        to.entry(target).or_default();
    }
    let mut search =
        Search { to: &to, index: BTreeMap::new(), low: BTreeMap::new(), stack: Vec::new(), found: Vec::new() };
    for &place in to.keys() {
        if !search.index.contains_key(place) {
            search.visit(place);
        }
    }
    let mut found = search.found;
    found.sort_by_key(|circle| (std::cmp::Reverse(circle.len()), circle.clone()));
    found
}

struct Search<'a> {
    to: &'a BTreeMap<&'a str, Vec<&'a str>>,
    index: BTreeMap<&'a str, usize>,
    low: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    found: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, place: &'a str) {
        let own = self.index.len();
        self.index.insert(place, own);
        self.low.insert(place, own);
        self.stack.push(place);
        for &next in &self.to[place] {
            if !self.index.contains_key(next) {
                self.visit(next);
                let low = self.low[next].min(self.low[place]);
                self.low.insert(place, low);
            } else if self.stack.contains(&next) {
                let low = self.index[next].min(self.low[place]);
                self.low.insert(place, low);
            }
        }
        if self.low[place] == own {
            let start = self.stack.iter().rposition(|&there| there == place).unwrap_or(0);
            let mut circle: Vec<String> = self.stack.drain(start..).map(str::to_owned).collect();
            if circle.len() > 1 {
                circle.sort();
                self.found.push(circle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(arrows: &[(&str, &str)]) -> Vec<Vec<String>> {
        let arrows: Vec<(String, String)> = arrows.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
        circles(&arrows)
    }

    #[test]
    fn a_circle_is_found_and_a_diamond_is_none() {
        assert!(found(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]).is_empty());
        let two = found(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c")]);
        assert_eq!(two, [vec!["c", "d", "e"], vec!["a", "b"]]);
    }
}
