//! Finds the places of a source file where something else could stand, and what.
//!
//! The kinds are those of cargo-mutants: what a function answers, operators, match arms and their guards,
//! fields that a struct's base would give. Macros, constants, and code that is compiled for tests only
//! are left alone.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Expr, GenericArgument, UnOp};

use crate::values;

/// How a place is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The expression in this range has another value.
    Expression,
    /// The range is empty and begins a function's body: it answers something else at once.
    Body,
    /// The range is empty and ends an arm's pattern: the arm is never taken.
    Arm,
}

/// One change at a place: what a report calls it, and the Rust that stands there instead.
#[derive(Debug, Clone)]
pub struct Change {
    pub text: String,
    pub code: String,
}

#[derive(Debug)]
pub struct Place {
    pub range: Range<usize>,
    pub line: usize,
    pub function: String,
    pub shape: Shape,
    pub changes: Vec<Change>,
}

/// Every place of a file, outer ones before those inside them.
pub fn places(source: &str) -> Result<Vec<Place>, syn::Error> {
    let file = syn::parse_file(source)?;
    let mut walk = Walk { source, names: Vec::new(), found: Vec::new() };
    walk.visit_file(&file);
    let mut found = walk.found;
    found.sort_by_key(|place| (place.range.start, std::cmp::Reverse(place.range.end)));
    Ok(found)
}

struct Walk<'a> {
    source: &'a str,
    /// Types and functions around the place.
    names: Vec<String>,
    found: Vec<Place>,
}

/// Whether the item is compiled for tests only, or for another machine.
fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("test") || attribute.path().is_ident("cfg"))
}

impl Walk<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    /// Whether a statement or an expression stands under a `#[cfg]`.
    fn is_conditional(&self, span: Span) -> bool {
        self.text(span).starts_with("#[cfg(")
    }

    fn add(&mut self, shape: Shape, range: Range<usize>, line: usize, changes: Vec<Change>) {
        if !changes.is_empty() {
            let function = self.names.join("::");
            self.found.push(Place { range, line, function, shape, changes });
        }
    }

    fn add_expression(&mut self, whole: Span, line: usize, changes: Vec<Change>) {
        self.add(Shape::Expression, whole.byte_range(), line, changes);
    }

    fn function(
        &mut self,
        attributes: &[Attribute],
        signature: &syn::Signature,
        body: &syn::Block,
    ) {
        if is_left_out(attributes) || signature.constness.is_some() {
            return;
        }
        self.names.push(signature.ident.to_string());
        if signature.unsafety.is_none() && !body.stmts.is_empty() {
            let at = body.brace_token.span.open().byte_range().end;
            let line = signature.ident.span().start().line;
            let values = values::of_result(&signature.output);
            let changes = values.into_iter().map(|value| Change {
                text: format!("the body answers {value}"),
                code: format!("return {value};"),
            });
            self.add(Shape::Body, at..at, line, changes.collect());
        }
        visit::visit_block(self, body);
        self.names.pop();
    }

    fn operator(&mut self, binary: &syn::ExprBinary) {
        let before = self.text(binary.left.span()).to_owned();
        let after = self.text(binary.right.span()).to_owned();
        let operator = self.text(binary.op.span()).to_owned();
        let changes = others(&binary.op).iter().map(|other| Change {
            text: format!("{operator} becomes {other}"),
            code: format!("{before} {other} {after}"),
        });
        let changes = changes.collect();
        self.add_expression(binary.span(), binary.op.span().start().line, changes);
    }
}

/// Whether an expression binds names for what follows in its chain.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => {
            binds(&binary.left) || binds(&binary.right)
        }
        _ => false,
    }
}

/// What may stand for an operator.
fn others(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Lt(_) => &["==", ">", "<="],
        BinOp::Gt(_) => &["==", "<", ">="],
        BinOp::Le(_) => &[">", "<"],
        BinOp::Ge(_) => &["<", ">"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["%", "*"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["|", "&"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["%=", "*="],
        BinOp::RemAssign(_) => &["/=", "+="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::BitXorAssign(_) => &["|=", "&="],
        _ => &[],
    }
}

/// The name of a type without its parameters.
fn name_of(kind: &syn::Type) -> String {
    match kind {
        syn::Type::Path(path) => {
            path.path.segments.last().map_or(String::new(), |segment| segment.ident.to_string())
        }
        syn::Type::Reference(reference) => name_of(&reference.elem),
        _ => "_".to_owned(),
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_left_out(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_left_out(&item.attrs) {
            self.names.push(name_of(&item.self_ty));
            visit::visit_item_impl(self, item);
            self.names.pop();
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if !is_left_out(&item.attrs) {
            self.names.push(item.ident.to_string());
            visit::visit_item_trait(self, item);
            self.names.pop();
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig, body);
        }
    }

    // What a constant is made of is computed when no switch can be read.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_generic_argument(&mut self, _: &'ast GenericArgument) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        if !self.is_conditional(statement.span()) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !binds(&binary.left) && !binds(&binary.right) {
            self.operator(binary);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let operator = self.text(unary.op.span());
            let text = format!("{operator} is left out");
            let code = self.text(unary.expr.span()).to_owned();
            let line = unary.op.span().start().line;
            self.add_expression(unary.span(), line, vec![Change { text, code }]);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        let is_rest = |arm: &syn::Arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none();
        let has_rest = expression.arms.iter().any(is_rest);
        for arm in &expression.arms {
            if self.is_conditional(arm.span()) || is_rest(arm) {
                continue;
            }
            if let Some((_, guard)) = &arm.guard {
                if !binds(guard) {
                    let change = |value: &str| Change {
                        text: format!("the guard of an arm is {value}"),
                        code: value.to_owned(),
                    };
                    let line = guard.span().start().line;
                    let changes = vec![change("true"), change("false")];
                    self.add_expression(guard.span(), line, changes);
                }
            } else if has_rest {
                let range = arm.pat.span().byte_range();
                let pattern = self.source[range.clone()].split_whitespace().collect::<Vec<_>>();
                let text = format!("no arm {}", pattern.join(" "));
                let line = arm.pat.span().start().line;
                let change = Change { text, code: String::new() };
                self.add(Shape::Arm, range.end..range.end, line, vec![change]);
            }
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !self.is_conditional(arm.span()) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        if literal.rest.is_some() {
            let whole = literal.span().byte_range();
            let changes = literal.fields.iter().map(|field| {
                let range = field.span().byte_range();
                // The comma after it: a base stands behind every field.
                let end = range.end + self.source[range.end..].find(',').map_or(0, |at| at + 1);
                let (before, after) = (whole.start..range.start, end..whole.end);
                Change {
                    text: format!("field {} is the base's", self.text(field.member.span())),
                    code: format!("{}{}", &self.source[before], &self.source[after]),
                }
            });
            let changes = changes.collect();
            self.add_expression(literal.span(), literal.span().start().line, changes);
        }
        visit::visit_expr_struct(self, literal);
    }
}
