//! Answers of object stores, in XML.

/// A list of uploads that were not finished. What cannot be read is an error with a text.
pub fn s3_uploads(bytes: &[u8]) {
    match tidegate_storage_s3::listed_uploads(bytes) {
        Ok(uploads) => assert!(uploads.len() <= bytes.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
