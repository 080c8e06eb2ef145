//! Converts errors of use cases to the types of the interface.

use tidegate_api_types::{ErrorAnswer, ErrorCode};
use tidegate_core::admin::{AdminError, AdminErrorKind};

pub fn error_answer(error: &AdminError) -> ErrorAnswer {
    let code = match error.kind() {
        AdminErrorKind::Forbidden => ErrorCode::Forbidden,
        AdminErrorKind::NotFound => ErrorCode::NotFound,
        AdminErrorKind::Exists => ErrorCode::Exists,
        AdminErrorKind::Conflict => ErrorCode::Conflict,
        AdminErrorKind::Invalid => ErrorCode::Invalid,
        AdminErrorKind::Refused => ErrorCode::Refused,
        AdminErrorKind::Unavailable => ErrorCode::Unavailable,
        AdminErrorKind::Failed => ErrorCode::Failed,
    };
    ErrorAnswer { field: error.field().map(str::to_owned), ..ErrorAnswer::new(code, error.to_string()) }
}
