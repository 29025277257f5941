//! Flags that take one of a closed set of names: [`choice`] makes a clap parser of any enum
//! that knows its variants, so that `--help` always lists them all.

use std::fmt::Display;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray;

/// A parser for the names of `T`, as it displays them.
pub fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + Display + FromStr + Clone + Send + Sync + 'static,
    <T as FromStr>::Err: std::error::Error + Send + Sync + 'static,
{
    let names = T::VARIANTS.iter().map(T::to_string);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}
