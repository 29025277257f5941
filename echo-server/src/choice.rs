//! Flags with a closed set of values: [`choice`] makes a clap parser for any enum that lists
//! its variants, so that `--help` always shows them all.

use std::fmt::Display;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray;

/// A parser for the displayed names of `T`.
pub fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + Display + FromStr + Clone + Send + Sync + 'static,
    <T as FromStr>::Err: std::error::Error + Send + Sync + 'static,
{
    choice_of(T::VARIANTS)
}

/// A parser for the displayed names of `values`, where not every value of `T` fits the flag.
pub fn choice_of<T>(values: &[T]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: Display + FromStr + Clone + Send + Sync + 'static,
    <T as FromStr>::Err: std::error::Error + Send + Sync + 'static,
{
    let names: Vec<String> = values.iter().map(T::to_string).collect();
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}
