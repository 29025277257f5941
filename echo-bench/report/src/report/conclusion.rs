//! What a document comes to, for who reads on no further: [`Conclusion`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sentence of what a document comes to, with the numbers that it says. It follows from the rest
/// of the document; what is shown to people is made anew from that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conclusion {
    /// The sentence.
    pub text: String,
    /// Its numbers, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<ConclusionNumber>,
}

/// A number of a conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConclusionNumber {
    /// The metric, named as in comparisons.
    pub metric: String,
    /// Whose it is: a level, a case or a side; null of the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it is compared with; null of a value by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The value in the unit of the metric; of a comparison the ratio (of errors, the
    /// difference). Null where there is none.
    pub value: Option<f64>,
    /// Its 95 % interval; null if it has none.
    pub interval: Option<[f64; 2]>,
    /// Of a comparison: the smallest true change that would have been found with a chance of
    /// 80 %, as a share (of errors, a difference).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findable: Option<f64>,
}
