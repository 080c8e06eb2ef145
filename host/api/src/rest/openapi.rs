//! The OpenAPI 3.1 documents of the interfaces, made from their routes.

use serde_json::{Map, Value, json};
use tidegate_api_types::{
    AddBan, AddExemptNetwork, AdminCodes, AuditEntries, Ban, Bans, ErrorAnswer, ExemptNetwork, ExemptNetworks,
    FileEvents, ForgottenCredentials, HookCounters, HookLinks, HookRun, HookRuns, LoadReport, Plugin, Plugins, Session,
    StorageReport, SweptStorage, Tokens,
};
use tidegate_core::account::{ObjectKind, json_schema};
use tidegate_core::admin::{ADMIN_OBJECT, KEY_OBJECT};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::document_schema::{of_document, of_object};
use super::route::{Interface, Need, Parameter, Route};

/// A reference to a schema of the document.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

/// A text that is not empty.
pub fn word() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// An IPv4 or IPv6 address.
pub fn address() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
}

/// An address to select by; an empty text selects nothing.
pub fn address_or_none() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }, { "const": "" }] })
}

/// A switch of a query.
pub fn switch() -> Value {
    json!({ "anyOf": [{ "type": "integer", "enum": [0, 1] }, { "type": "boolean" }] })
}

/// The document of an interface.
pub fn description(interface: Interface) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in interface.routes() {
        let path = paths.entry(format!("{}{}", interface.path(), route.path)).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(interface, &route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title(interface),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": {
            "password": { "type": "http", "scheme": "basic" },
            "token": { "type": "http", "scheme": "bearer" },
            "key": { "type": "apiKey", "in": "header", "name": "X-SFTPGO-API-KEY" },
        } },
    })
}

fn title(interface: Interface) -> &'static str {
    match interface {
        Interface::V1 => "Tidegate: the older server's first interface",
        Interface::V2 => "Tidegate: administration",
        Interface::Tidegate => "Tidegate: hooks, plugins and the server itself",
    }
}

/// The schema of a condition: a tag of the pattern, or `*`. As alternatives, since test tools make their values of the parts
/// of a schema, and not all make one of a pattern with alternatives.
fn tag_or_any(pattern: &str) -> Value {
    json!({"type": "string", "anyOf": [{"pattern": pattern}, {"const": "*"}]})
}

fn operation(interface: Interface, route: &Route) -> Value {
    let in_path = route.path_parameters().map(|name| {
        let schema = if name == "id" {
            json!({"type": "integer", "minimum": 0, "maximum": i64::MAX})
        } else {
            json!({"type": "string", "minLength": 1})
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = route.query.iter().map(|parameter| {
        let Parameter { name, about, schema, is_required } = parameter;
        json!({ "name": name, "in": "query", "description": about, "required": is_required, "schema": schema })
    });
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut answer = json!({ "description": "Done.", "content": { "application/json": { "schema": route.answer.1 } } });
    if route.is_versioned {
        if route.takes_version() {
            let about = "The ETag on which the request is based; another one is refused (412).";
            // Of those that the server makes, or any.
            let schema = tag_or_any(r#"^"[!#-+\--~]+"$"#);
            parameters.push(json!({ "name": "If-Match", "in": "header", "description": about, "schema": schema }));
            let about = "An ETag that the object must not have, or * where there must be none yet; it is refused otherwise (412).";
            let schema = tag_or_any(r#"^(W/)?"[!#-+\--~]+"$"#);
            parameters.push(json!({ "name": "If-None-Match", "in": "header", "description": about, "schema": schema }));
        }
        if route.method != axum::http::Method::DELETE {
            let about = if route.is_live {
                "The version of the object, which changes by itself: the tag is weak, and no change is based on it."
            } else {
                "The version of the object."
            };
            let header = json!({ "ETag": { "description": about, "schema": {"type": "string"} } });
            if let Value::Object(answer) = &mut answer {
                answer.insert("headers".to_owned(), header);
            }
        }
    }
    let mut responses = json!({
        route.answer.0.to_string(): answer,
        "default": { "description": "Not done.", "content": { "application/json": { "schema": reference("ErrorAnswer") } } },
    });
    if let (true, Value::Object(responses)) = (route.shows_version(), &mut responses) {
        let about = "The object has the ETag that the header If-None-Match of the request names.";
        responses.insert("304".to_owned(), json!({ "description": about }));
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "description": described(route.need),
        "security": security(interface, route.need),
        "parameters": parameters,
        "responses": responses,
    });
    if let (Some(body), Value::Object(operation)) = (&route.body, &mut operation) {
        let is_required = !route.is_body_optional;
        let body = json!({ "required": is_required, "content": { "application/json": { "schema": body } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

fn described(need: Need) -> String {
    match need {
        Need::Nothing => "Needs no credentials.".to_owned(),
        Need::Password => "Needs the name and the password of an administrator.".to_owned(),
        Need::Administrator => "Needs an administrator, with whatever permissions.".to_owned(),
        Need::User => "Needs the token of a user.".to_owned(),
        Need::For(case) => {
            let (permission, name) = (case.permission().as_str(), case.name());
            format!("Needs the permission `{permission}`; the scope of a key names it `{name}`.")
        }
    }
}

fn security(interface: Interface, need: Need) -> Value {
    match (need, interface) {
        (Need::Nothing, _) => json!([]),
        (Need::Password, _) => json!([{ "password": [] }]),
        (Need::User, _) => json!([{ "token": [] }]),
        (Need::Administrator | Need::For(_), Interface::V1) => json!([{ "password": [] }, { "key": [] }]),
        (Need::Administrator | Need::For(_), Interface::V2 | Interface::Tidegate) => {
            json!([{ "token": [] }, { "key": [] }])
        }
    }
}

/// All schemas that routes refer to, in the order of their names.
fn schemas() -> Value {
    let mut schemas: Map<String, Value> = named_schemas().into_iter().collect();
    schemas.sort_keys();
    Value::Object(schemas)
}

/// The schemas with their names. Types that several others refer to are there several times.
pub fn named_schemas() -> Vec<(String, Value)> {
    let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
    add::<ErrorAnswer>(&mut found);
    add::<Session>(&mut found);
    add::<LoadReport>(&mut found);
    add::<HookLinks>(&mut found);
    add::<HookRun>(&mut found);
    add::<HookRuns>(&mut found);
    add::<HookCounters>(&mut found);
    add::<Plugin>(&mut found);
    add::<Plugins>(&mut found);
    add::<AuditEntries>(&mut found);
    add::<FileEvents>(&mut found);
    add::<AddBan>(&mut found);
    add::<Ban>(&mut found);
    add::<Bans>(&mut found);
    add::<AddExemptNetwork>(&mut found);
    add::<ExemptNetwork>(&mut found);
    add::<ExemptNetworks>(&mut found);
    add::<Tokens>(&mut found);
    add::<AdminCodes>(&mut found);
    add::<ForgottenCredentials>(&mut found);
    add::<StorageReport>(&mut found);
    add::<SweptStorage>(&mut found);
    // A schema of utoipa can always be written.
    let written = |(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default());
    let mut schemas: Vec<(String, Value)> = found.into_iter().map(written).collect();
    for (_, schema) in schemas.iter_mut().filter(|(name, _)| name == "AddBan") {
        if let Some(ip) = schema.pointer_mut("/properties/ip") {
            *ip = address();
        }
        if let Some(seconds) = schema.pointer_mut("/properties/seconds") {
            *seconds = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": u64::MAX });
        }
    }
    let mut user = json_schema();
    if let Value::Object(user) = &mut user {
        user.remove("$schema");
        user.remove("required");
    }
    // Secrets come back as "[redacted]", and in dumps as they are.
    forget_write_only(&mut user);
    schemas.push(("User".to_owned(), user));
    schemas.push(("Admin".to_owned(), of_document("An administrator.", ADMIN_OBJECT)));
    schemas.push(("ApiKey".to_owned(), of_document("An API key, without its text.", KEY_OBJECT)));
    let users = ("users", "The names of the accounts that refer to it, where one object is shown");
    let groups = ("groups", "The names of the groups that refer to it, where one folder is shown");
    for (name, kind, about, shown) in [
        ("Folder", ObjectKind::Folder, "A directory that accounts share.", &[users, groups][..]),
        ("Group", ObjectKind::Group, "Settings that accounts take.", &[users]),
        ("Role", ObjectKind::Role, "Accounts that the administrators of the role maintain.", &[users]),
    ] {
        schemas.push((name.to_owned(), of_object(kind, about, shown)));
    }
    let texts = json!({ "error": {"type": "string"}, "message": {"type": "string"}, "status": {"type": "integer"} });
    let done = json!({ "type": "object", "properties": texts, "required": ["error", "message", "status"] });
    schemas.push(("Done".to_owned(), done));
    let any = |name: &str| json!({ "anyOf": [list_of(name), { "type": "null" }] });
    let dump = json!({ "users": any("User"), "folders": any("Folder"), "groups": any("Group"), "roles": any("Role") });
    schemas.push(("Dump".to_owned(), json!({ "type": "object", "properties": dump })));
    schemas
}

fn forget_write_only(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("writeOnly");
            fields.values_mut().for_each(forget_write_only);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_write_only),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add<T: ToSchema + PartialSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    found.push((T::name().into_owned(), T::schema()));
    T::schemas(found);
}
