//! The description of the control socket's interface, generated from the types.

use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr, Required,
    ResponseBuilder, Schema,
};

use crate::operation::{Operation, path_of};
use crate::{
    AddAdmin, AddApiKey, AddBan, AddExemptNetwork, AddLoginLink, AddObject, AddUser, CheckStorage, CloseSession,
    DeleteAdmin, DeleteApiKey, DeleteLoginLink, DeleteObject, DeleteUser, DumpObjects, DumpUsers, ErrorAnswer,
    ExplainLogin, ForgetCredentials, ForgetPlugin, Impersonate, ListAdmins, ListApiKeys, ListAudit, ListBans,
    ListExemptNetworks, ListFileEvents, ListHookCounters, ListHookLinks, ListHookRuns, ListLoginLinks, ListObjects,
    ListPlugins, ListScans, ListSessions, ListTokens, ListUsers, LoadDump, MakeResetCode, OneClickLogin, ReloadPlugins,
    RemoveBan, RemoveExemptNetwork, RevokeToken, RotateApiKey, Scan, SetAdminCodes, SetUsage, ShowAdmin, ShowApiKey,
    ShowHookRun, ShowObject, ShowStatus, ShowUser, SweepStorage, UpdateAdmin, UpdateApiKey, UpdateObject, UpdateUser,
};

/// The OpenAPI 3.1 description of all requests.
pub fn openapi() -> OpenApi {
    description().finish()
}

fn description() -> Description {
    let mut description = Description::default();
    macro_rules! describe {
        ($($request:ident,)*) => { $(description.add::<$request>();)* };
    }
    for_each_operation!(describe);
    description
}

#[derive(Default)]
struct Description {
    paths: Vec<(String, PathItem)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Description {
    fn add<O>(&mut self)
    where
        O: Operation + ToSchema,
        O::Answer: ToSchema,
    {
        let body = RequestBodyBuilder::new()
            .content("application/json", ContentBuilder::new().schema(Some(self.reference::<O>())).build())
            .required(Some(Required::True));
        let answer = self.response::<O::Answer>("Done.");
        let error = self.response::<ErrorAnswer>("Not done.");
        let operation = OperationBuilder::new()
            .summary(Some(O::SUMMARY))
            .operation_id(Some(O::NAME))
            .request_body(Some(body.build()))
            .response("200", answer)
            .response("default", error);
        self.paths.push((path_of(O::NAME), PathItem::new(HttpMethod::Post, operation.build())));
    }

    fn response<T: ToSchema>(&mut self, description: &str) -> utoipa::openapi::Response {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        ResponseBuilder::new().description(description).content("application/json", content).build()
    }

    /// Adds a type with all types that it refers to, and returns the reference.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
    }

    /// The names that types with different schemas share.
    #[cfg(test)]
    fn clashes(&self) -> Vec<&str> {
        let differs = |name: &str, schema: &RefOr<Schema>| {
            let mut same = self.schemas.iter().filter(|(other, _)| other == name);
            same.any(|(_, other)| serde_json::to_value(other).ok() != serde_json::to_value(schema).ok())
        };
        self.schemas.iter().filter(|(name, schema)| differs(name, schema)).map(|(name, _)| name.as_str()).collect()
    }

    fn finish(self) -> OpenApi {
        let info = InfoBuilder::new()
            .title("Tidegate's control socket")
            .description(Some(
                "One request a use case of administration, posted over the socket in the state directory.",
            ))
            .version(env!("CARGO_PKG_VERSION"));
        let paths = self.paths.into_iter().fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
        let components = ComponentsBuilder::new().schemas_from_iter(self.schemas);
        OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(components.build())).build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

    use super::*;

    /// `UPDATE_GOLDEN=1` writes the file again.
    #[test]
    fn the_description_is_the_one_that_is_kept() {
        // A18-14
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let text = openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == text, "the interface differs from {path}; if that is meant, run the test with UPDATE_GOLDEN=1");
    }

    #[test]
    fn a_name_is_that_of_one_schema() {
        assert_eq!(description().clashes(), Vec::<&str>::new());
    }

    #[test]
    fn passwords_are_not_printed() {
        let request =
            AddUser { document: Default::default(), clear_password: Some(crate::ClearPassword("hush".to_owned())) };
        assert!(!format!("{request:?}").contains("hush"));
        let dump = crate::Dumped {
            users: vec![serde_json::from_str(r#"{"password":"hush"}"#).unwrap()],
            ..Default::default()
        };
        assert!(!format!("{dump:?}").contains("hush"));
    }
}
