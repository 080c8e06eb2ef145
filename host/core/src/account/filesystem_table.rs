//! The fields of `filesystem` in the account document (C4).

use super::fields::{Field, Kind, field};

const NATURAL: Kind = Kind::Integer(0, i64::MAX);

/// The fields of `filesystem` (C4).
pub const FILESYSTEM: &[Field] = &[
    field("provider", Kind::Integer(0, 6), "0 local, 1 S3, 2 GCS, 3 Azure, 4 local and encrypted, 5 SFTP, 6 HTTP")
        .always(),
    field("osconfig", Kind::Whole(LOCAL), "Of provider 0"),
    field("s3config", Kind::Whole(S3), "Of provider 1"),
    field("gcsconfig", Kind::Whole(GCS), "Of provider 2"),
    field("azblobconfig", Kind::Whole(AZURE), "Of provider 3"),
    field("cryptconfig", Kind::Whole(ENCRYPTED), "Of provider 4"),
    field("sftpconfig", Kind::Whole(SFTP), "Of provider 5"),
    field("httpconfig", Kind::Whole(HTTP), "Of provider 6"),
];

const LOCAL: &[Field] = &[
    field("read_buffer_size", NATURAL, "MB").without_effect(),
    field("write_buffer_size", NATURAL, "MB").without_effect(),
];

const S3: &[Field] = &[
    field("bucket", Kind::Text, "The bucket's name"),
    field("region", Kind::Text, "The bucket's region"),
    field("access_key", Kind::Text, "The name of the key"),
    field("access_secret", Kind::SecretText, "The key's secret").secret(),
    field("session_token", Kind::SecretText, "Of temporary keys").secret(),
    field("sse_customer_key", Kind::SecretText, "The key that the store encrypts objects with").secret(),
    field("role_arn", Kind::Text, "The role to take on; not supported"),
    field("endpoint", Kind::Text, "The store's URL"),
    field("storage_class", Kind::Text, "Of new objects"),
    field("acl", Kind::Text, "Of new objects"),
    field("key_prefix", Kind::Text, "What keys of the account begin with"),
    field(
        "upload_part_size",
        NATURAL,
        "MB of the first parts, from 5 to an eighth of `common.upload_memory`; 0 means 8",
    ),
    field("upload_concurrency", NATURAL, "Parts at once, at most 64 and as far as there is memory; 0 means 4"),
    field("upload_part_max_time", NATURAL, "Seconds; kept for other servers, here it is 300").without_effect(),
    field("download_part_size", NATURAL, "MB; kept for other servers, here it follows the reader").without_effect(),
    field(
        "download_concurrency",
        NATURAL,
        "Parts at once; kept for other servers, here it is up to 8, as memory allows",
    )
    .without_effect(),
    field("download_part_max_time", NATURAL, "Seconds; kept for other servers, here it is 300").without_effect(),
    field("force_path_style", Kind::Flag, "The bucket's name stands in the path of URLs, as always with an endpoint"),
    field("skip_tls_verify", Kind::Flag, "The store's certificate is not checked; not supported"),
];

const GCS: &[Field] = &[
    field("bucket", Kind::Text, "The bucket's name"),
    field("credentials", Kind::SecretText, "The key file of a service account").secret(),
    field("automatic_credentials", Kind::Integer(0, 1), "1 takes those of the environment"),
    field("storage_class", Kind::Text, "Of new objects"),
    field("acl", Kind::Text, "Of new objects"),
    field("key_prefix", Kind::Text, "What keys of the account begin with"),
    field("upload_part_size", NATURAL, "MB"),
    field("upload_part_max_time", NATURAL, "Seconds"),
];

const AZURE: &[Field] = &[
    field("container", Kind::Text, "The container's name"),
    field("account_name", Kind::Text, "The storage account"),
    field("account_key", Kind::SecretText, "The storage account's key").secret(),
    field("sas_url", Kind::SecretText, "A URL with a signature, instead of the key").secret(),
    field("endpoint", Kind::Text, "The store's URL"),
    field("upload_part_size", NATURAL, "MB"),
    field("upload_concurrency", NATURAL, "Parts at once"),
    field("download_part_size", NATURAL, "MB"),
    field("download_concurrency", NATURAL, "Parts at once"),
    field("use_emulator", Kind::Flag, "The store is an emulator"),
    field("access_tier", Kind::Text, "Of new objects"),
    field("key_prefix", Kind::Text, "What keys of the account begin with"),
];

const ENCRYPTED: &[Field] = &[
    field("passphrase", Kind::SecretText, "What files are encrypted with").secret(),
    field("read_buffer_size", NATURAL, "MB"),
    field("write_buffer_size", NATURAL, "MB"),
];

const SFTP: &[Field] = &[
    field("endpoint", Kind::Text, "HOST:PORT"),
    field("username", Kind::Text, "The user on the other server"),
    field("password", Kind::SecretText, "The user's password").secret(),
    field("private_key", Kind::SecretText, "The user's key").secret(),
    field("key_passphrase", Kind::SecretText, "What the key is encrypted with").secret(),
    field("fingerprints", Kind::Texts, "SHA256 fingerprints of its host keys; without one the server is not used"),
    field("prefix", Kind::Text, "The directory on the other server; empty means /"),
    field("disable_concurrent_reads", Kind::Flag, "A file is read by one request at a time"),
    field("buffer_size", NATURAL, "MB that a file reads or writes ahead, at most 16; 0 means 2"),
    field("equality_check_mode", Kind::Integer(0, 1), "Kept for other servers").without_effect(),
];

const HTTP: &[Field] = &[
    field("endpoint", Kind::Text, "The interface's URL"),
    field("username", Kind::Text, "The user there"),
    field("password", Kind::SecretText, "The user's password").secret(),
    field("api_key", Kind::SecretText, "A key instead of user and password").secret(),
    field("skip_tls_verify", Kind::Flag, "The other server's certificate is not checked"),
    field("equality_check_mode", Kind::Integer(0, 1), "When two accounts have the same files"),
];
