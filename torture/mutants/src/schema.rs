//! Writes a source file in which every mutant stands beside what is there, behind a switch: one build
//! then holds all of them. At most one is on at a time, so that a mutant's own text holds no switches.

use std::ops::Range;

use crate::walk::Shape;

/// The switch, in the library's copy.
const SWITCH: &str = "crate::mutant::is";

/// A place with its numbered changes.
pub struct Site {
    pub range: Range<usize>,
    /// Number of the place, for two of them may share a range.
    pub place: usize,
    pub shape: Shape,
    pub changes: Vec<(u32, String)>,
}

/// What a part of the written text belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The text of one mutant.
    Mutant(u32),
    /// What is around the mutants of one place.
    Site(Vec<u32>),
}

pub struct Rendered {
    pub text: String,
    /// In the written text; inner ones after those around them.
    pub regions: Vec<(Range<usize>, Owner)>,
}

/// Sites are sorted: outer ones before those inside them.
pub fn render(source: &str, sites: &[Site]) -> Rendered {
    let mut rendered = Rendered { text: String::new(), regions: Vec::new() };
    rendered.fill(source, 0..source.len(), sites);
    rendered
}

impl Rendered {
    /// Writes a part of the source, with the sites inside it.
    fn fill(&mut self, source: &str, range: Range<usize>, sites: &[Site]) {
        let (mut at, mut rest) = (range.start, sites);
        while let Some((site, after)) = rest.split_first() {
            let inside =
                after.iter().take_while(|other| other.range.start < site.range.end).count();
            self.text.push_str(&source[at..site.range.start]);
            self.site(source, site, &after[..inside]);
            at = site.range.end;
            rest = &after[inside..];
        }
        self.text.push_str(&source[at..range.end]);
    }

    fn site(&mut self, source: &str, site: &Site, inner: &[Site]) {
        let began = self.text.len();
        let numbers = site.changes.iter().map(|change| change.0).collect();
        let region = self.regions.len();
        self.regions.push((began..began, Owner::Site(numbers)));
        match site.shape {
            Shape::Arm => {
                for (number, _) in &site.changes {
                    self.text.push_str(&format!(" if !{SWITCH}({number})"));
                }
            }
            Shape::Body => {
                for (number, code) in &site.changes {
                    self.change(" if", *number, code, " ");
                }
            }
            Shape::Expression => {
                self.text.push('(');
                for (number, code) in &site.changes {
                    // In parentheses, because a match or a block that begins a block is a statement.
                    self.change("if", *number, &format!("({code})"), " else ");
                }
                self.text.push_str("{(");
                self.fill(source, site.range.clone(), inner);
                self.text.push_str(")})");
            }
        }
        self.regions[region].0.end = self.text.len();
    }

    fn change(&mut self, before: &str, number: u32, code: &str, after: &str) {
        self.text.push_str(&format!("{before} {SWITCH}({number}) {{"));
        let began = self.text.len();
        self.text.push_str(code);
        self.regions.push((began..self.text.len(), Owner::Mutant(number)));
        self.text.push('}');
        self.text.push_str(after);
    }

    /// The smallest region around a part of the text.
    pub fn owner(&self, part: &Range<usize>) -> Option<&Owner> {
        let around = self
            .regions
            .iter()
            .filter(|(range, _)| range.start <= part.start && part.end <= range.end);
        around.min_by_key(|(range, _)| range.len()).map(|(_, owner)| owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_inside_another_keeps_its_switch_only_where_the_outer_one_is_as_it_was() {
        let sites = [
            Site {
                range: 0..10,
                place: 1,
                shape: Shape::Expression,
                changes: vec![(1, "a == b + c".into())],
            },
            Site {
                range: 5..10,
                place: 2,
                shape: Shape::Expression,
                changes: vec![(2, "b - c".into())],
            },
        ];
        let rendered = render("a != b + c;", &sites);
        let expected = "(if crate::mutant::is(1) {(a == b + c)} else {(a != \
            (if crate::mutant::is(2) {(b - c)} else {(b + c)}))});";
        assert_eq!(rendered.text, expected);
        let at = rendered.text.find("b - c").expect("the inner mutant is there");
        assert_eq!(rendered.owner(&(at..at + 5)), Some(&Owner::Mutant(2)));
        let at = rendered.text.find("a != ").expect("the outer place is there");
        assert_eq!(rendered.owner(&(at..at + 4)), Some(&Owner::Site(vec![1])));
    }

    #[test]
    fn bodies_and_arms_are_changed_where_they_begin_and_where_the_pattern_ends() {
        let sites = [
            Site {
                range: 8..8,
                place: 1,
                shape: Shape::Body,
                changes: vec![(3, "return 0;".into())],
            },
            Site { range: 19..19, place: 2, shape: Shape::Arm, changes: vec![(4, String::new())] },
        ];
        let rendered = render("fn f() { match x { 1 => 2, _ => 3 } }", &sites);
        assert!(rendered.text.starts_with("fn f() { if crate::mutant::is(3) {return 0;}  match"));
    }
}
