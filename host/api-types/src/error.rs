//! Why a use case was not carried out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error in the shape that clients of the older server know (A18-12), with a code for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    /// The problem, in one sentence.
    pub error: String,
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    pub code: ErrorCode,
    /// The field of the document that is to blame, if one is, such as `filters.allowed_ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The fields in which the stored object and the document of the request differ, if the object was changed since
    /// the version on which the request is based.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The number of the request, as in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request cannot be read.
    Malformed,
    /// The credentials are missing or wrong.
    Unauthenticated,
    /// The actor lacks the permission.
    Forbidden,
    NotFound,
    Exists,
    /// The object is not the one on which the change was based, or it is in use.
    Conflict,
    /// The object was changed since the version on which the request is based.
    Changed,
    /// The method is not allowed for this path.
    WrongMethod,
    /// The body is too large.
    TooLarge,
    /// The body took too long.
    TimedOut,
    /// Too many requests; later ones may succeed.
    TooMany,
    /// The document is not valid.
    Invalid,
    /// The request contradicts the settings or what is stored.
    Refused,
    /// The store is busy, full or unreachable: the same request may succeed later.
    Unavailable,
    Failed,
}

impl ErrorCode {
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::Refused => 403,
            Self::NotFound => 404,
            Self::WrongMethod => 405,
            Self::TimedOut => 408,
            Self::Exists | Self::Conflict => 409,
            Self::Changed => 412,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Unavailable => 503,
            Self::Failed => 500,
        }
    }
}

impl ErrorAnswer {
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            message: String::new(),
            status: code.status(),
            code,
            field: None,
            differs: Vec::new(),
            request_id: None,
        }
    }
}

impl std::fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for ErrorAnswer {}
