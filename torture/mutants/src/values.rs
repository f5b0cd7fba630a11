//! What a function may return instead of its answer, by the type it declares.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// Most values of one type; more of them rarely tell more.
const VALUES_MAX: usize = 4;

/// Values for a function's result, as Rust; none when no value of the type can be named.
pub fn of_result(result: &ReturnType) -> Vec<String> {
    match result {
        ReturnType::Default => vec!["()".into()],
        ReturnType::Type(_, kind) => of_type(kind),
    }
}

fn of_type(kind: &Type) -> Vec<String> {
    match kind {
        Type::Paren(inner) => of_type(&inner.elem),
        Type::Group(inner) => of_type(&inner.elem),
        Type::Tuple(tuple) => of_tuple(tuple),
        Type::Array(array) => wrap(&array.elem, "core::array::from_fn(|_| ", ")"),
        Type::Reference(reference) => of_reference(reference),
        Type::Path(path) => path.path.segments.last().map(of_segment).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Each value of a type between two texts.
fn wrap(kind: &Type, before: &str, after: &str) -> Vec<String> {
    of_type(kind).into_iter().map(|value| format!("{before}{value}{after}")).collect()
}

fn of_tuple(tuple: &syn::TypeTuple) -> Vec<String> {
    let mut found = vec![String::new()];
    for kind in &tuple.elems {
        let values = of_type(kind);
        found = found
            .iter()
            .flat_map(|start| values.iter().map(move |value| format!("{start}{value}, ")))
            .take(VALUES_MAX)
            .collect();
    }
    found.into_iter().map(|values| format!("({values})")).collect()
}

fn of_reference(reference: &syn::TypeReference) -> Vec<String> {
    let mutable = reference.mutability.is_some();
    match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") && !mutable => {
            vec!["\"\"".into(), "\"xyzzy\"".into()]
        }
        Type::Slice(slice) => {
            let mut found = vec!["Vec::leak(Vec::new())".to_owned()];
            found.extend(wrap(&slice.elem, "Vec::leak(vec![", "])"));
            found
        }
        other => wrap(other, "Box::leak(Box::new(", "))"),
    }
}

/// The types between the angle brackets of a path.
fn parameters(segment: &syn::PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(kind) => Some(kind),
        _ => None,
    });
    types.collect()
}

fn of_segment(segment: &syn::PathSegment) -> Vec<String> {
    let name = segment.ident.to_string();
    let inner = parameters(segment);
    let first = inner.first().copied();
    match (name.as_str(), first) {
        ("bool", _) => words(&["true", "false"]),
        ("u8" | "u16" | "u32" | "u64" | "u128" | "usize", _) => words(&["0", "1"]),
        ("i8" | "i16" | "i32" | "i64" | "i128" | "isize", _) => words(&["0", "1", "-1"]),
        ("f32" | "f64", _) => words(&["0.0", "1.0", "-1.0"]),
        ("String", _) => words(&["String::new()", "\"xyzzy\".into()"]),
        ("Option", Some(kind)) => [words(&["None"]), wrap(kind, "Some(", ")")].concat(),
        ("Vec", Some(kind)) => [words(&["vec![]"]), wrap(kind, "vec![", "]")].concat(),
        ("Result", Some(kind)) => wrap(kind, "Ok(", ")"),
        // `fmt::Result` and its like.
        ("Result", None) => words(&["Ok(())"]),
        ("Outcome", None) => words(&["Ok(Reply::done())", "Ok(Reply::already(Status::Done))"]),
        ("Box" | "Arc" | "Rc" | "Mutex" | "RwLock" | "Cell", Some(kind)) => {
            wrap(kind, &format!("{name}::new("), ")")
        }
        _ => words(&["Default::default()"]),
    }
}

fn words(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
