//! Hands requests about folders, groups and roles, and loads of dumps, to their use cases.

use serde_json::{Map, Value};
use tidegate_api_types::{
    AddObject, DeleteObject, DeletedObject, DumpObjects, DumpedObjects, ListObjects, LoadDump, LoadReport, Objects,
    ShowObject, ShownObject, StoredObject, UpdateObject,
};
use tidegate_core::account::{Dump, ObjectKind};
use tidegate_core::admin::{Actor, AdminError};
use tidegate_core::ports::PageRequest;

use super::handlers::change_of;
use super::{AdminApi, Handle, answers};

impl Handle<ListObjects> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListObjects) -> Result<Objects, AdminError> {
        let ListObjects { kind, after, prefix, limit } = request;
        let kind = answers::object_kind_of(kind);
        let page = self.administration.objects.list(actor, kind, PageRequest { after, prefix, limit }).await?;
        let objects: Vec<_> = page.into_iter().map(answers::object).collect();
        let next = objects.last().map(|last| last.name().to_owned());
        Ok(Objects { objects, next })
    }
}

impl Handle<ShowObject> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ShowObject) -> Result<ShownObject, AdminError> {
        let kind = answers::object_kind_of(request.kind);
        let (object, references) = self.administration.objects.show(actor, kind, &request.name).await?;
        Ok(ShownObject { object: answers::object(object), users: references.users, groups: references.groups })
    }
}

impl Handle<AddObject> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddObject) -> Result<StoredObject, AdminError> {
        let kind = answers::object_kind_of(request.kind);
        Ok(answers::object(self.administration.objects.add(actor, kind, &request.document).await?))
    }
}

impl Handle<UpdateObject> for AdminApi {
    async fn handle(&self, actor: &Actor, request: UpdateObject) -> Result<StoredObject, AdminError> {
        let (kind, change) = (answers::object_kind_of(request.kind), change_of(request.change));
        Ok(answers::object(self.administration.objects.update(actor, kind, &request.name, &change).await?))
    }
}

impl Handle<DeleteObject> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DeleteObject) -> Result<DeletedObject, AdminError> {
        let kind = answers::object_kind_of(request.kind);
        self.administration.objects.delete(actor, kind, &request.name).await?;
        Ok(DeletedObject { deleted: request.name })
    }
}

impl Handle<DumpObjects> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DumpObjects) -> Result<DumpedObjects, AdminError> {
        let DumpObjects { kind, after, limit } = request;
        let request = PageRequest { after, prefix: None, limit };
        let kind = answers::object_kind_of(kind);
        let page = self.administration.backups.dump_objects(actor, kind, request).await?;
        let next = page.last().map(|last| last.name.clone());
        let invalid = page.iter().filter_map(|stored| kind.problem_of(stored)).collect();
        Ok(DumpedObjects { objects: page.into_iter().map(|stored| stored.document).collect(), invalid, next })
    }
}

impl Handle<LoadDump> for AdminApi {
    async fn handle(&self, actor: &Actor, request: LoadDump) -> Result<LoadReport, AdminError> {
        let LoadDump { users, folders, groups, roles, admins, dry_run, moves_in, restores, skips_invalid } = request;
        let name = |role: &Map<String, Value>| role.get("name").and_then(Value::as_str).map(str::to_owned);
        let planned = roles.iter().filter_map(name).collect();
        let objects = [(ObjectKind::Folder, folders), (ObjectKind::Group, groups), (ObjectKind::Role, roles)];
        let dump = Dump { moves_in, restores, skips_invalid, ..Dump::new(users, objects) };
        let (loaded, applied) = self.administration.backups.load(actor, dump, dry_run).await?;
        let mut report = answers::load_report(loaded, applied);
        if !admins.is_empty() {
            let moved = self.administration.admins.move_in(actor, &admins, &planned, dry_run).await?;
            report.admins = moved.into_iter().map(answers::moved_administrator).collect();
        }
        Ok(report)
    }
}
