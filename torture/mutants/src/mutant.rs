//! One change of the library, and what is known of it.

use std::fmt;
use std::ops::Range;

use crate::walk::{Change, Place, Shape};

/// What a mutant is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A test should notice.
    Real,
    /// Control: changes nothing, so that no test may notice.
    Identity,
    /// Control: ends the process, so that every test that comes by notices.
    Abort,
}

#[derive(Debug, Clone)]
pub struct Mutant {
    /// What turns it on; from 1, other ones after every change of the source.
    pub number: u32,
    pub file: String,
    pub line: usize,
    pub function: String,
    pub text: String,
    /// How many mutants of this text the function has before this one.
    pub ordinal: usize,
    pub role: Role,
    /// Number of the place, for two of them may share a range.
    pub place: usize,
    pub shape: Shape,
    pub range: Range<usize>,
    pub code: String,
}

impl Mutant {
    /// A name that stays when lines move.
    pub fn key(&self) -> String {
        format!("{}\t{}\t{}\t{}", self.file, self.function, self.text, self.ordinal)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: in {}: {}", self.file, self.line, self.function, self.text)
    }
}

/// Every so many expressions, and bodies, get a control.
const EXPRESSIONS_PER_IDENTITY: usize = 40;
const BODIES_PER_ABORT: usize = 25;

/// Numbers the changes of all files, and adds the controls.
#[derive(Default)]
pub struct Census {
    pub mutants: Vec<Mutant>,
    places: usize,
    expressions: usize,
    bodies: usize,
}

impl Census {
    pub fn add_file(&mut self, file: &str, source: &str, places: Vec<Place>) {
        for place in places {
            self.places += 1;
            for change in &place.changes {
                self.add(file, &place, change.clone(), Role::Real);
            }
            self.add_control(file, source, &place);
        }
    }

    fn add_control(&mut self, file: &str, source: &str, place: &Place) {
        match place.shape {
            Shape::Expression => {
                self.expressions += 1;
                if self.expressions.is_multiple_of(EXPRESSIONS_PER_IDENTITY) {
                    let code = source[place.range.clone()].to_owned();
                    let text = "control: nothing changes".to_owned();
                    self.add(file, place, Change { text, code }, Role::Identity);
                }
            }
            Shape::Body => {
                self.bodies += 1;
                if self.bodies.is_multiple_of(BODIES_PER_ABORT) {
                    let text = "control: the process ends".to_owned();
                    let code = "std::process::abort();".to_owned();
                    self.add(file, place, Change { text, code }, Role::Abort);
                }
            }
            Shape::Arm => {}
        }
    }

    fn add(&mut self, file: &str, place: &Place, change: Change, role: Role) {
        let number = u32::try_from(self.mutants.len() + 1).expect("mutants fit into 32 bits");
        let same = |other: &&Mutant| {
            other.file == file && other.function == place.function && other.text == change.text
        };
        let ordinal = self.mutants.iter().filter(same).count();
        self.mutants.push(Mutant {
            number,
            file: file.to_owned(),
            line: place.line,
            function: place.function.clone(),
            text: change.text,
            ordinal,
            role,
            place: self.places,
            shape: place.shape,
            range: place.range.clone(),
            code: change.code,
        });
    }
}
