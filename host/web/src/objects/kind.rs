//! The kinds of objects, and what each asks of the use cases.

use serde_json::{Map, Value};
use tidegate_core::account::fields::{ACCOUNT, Field};
use tidegate_core::account::{Audience, ObjectKind, ObjectReferences};
use tidegate_core::admin::{
    ADMIN_OBJECT, Actor, AdminError, AdminPermission, Administration, DocumentChange, ExpectedUser, UseCase, UserEdit,
};
use tidegate_core::ports::{AccountFilter, PageRequest, Version};

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Group,
    Folder,
    Role,
    Admin,
}

/// The use cases about objects of a kind.
pub struct Cases {
    pub list: UseCase,
    pub show: UseCase,
    pub add: UseCase,
    pub update: UseCase,
    pub delete: UseCase,
}

/// An object as it is stored, without secrets.
#[derive(Debug, Clone)]
pub struct Stored {
    pub revision: i64,
    pub document: Map<String, Value>,
    pub problem: Option<String>,
    pub notes: Vec<String>,
    /// The accounts and groups that have the object.
    pub references: ObjectReferences,
}

macro_rules! cases {
    ($list:ident, $show:ident, $add:ident, $update:ident, $delete:ident) => {
        Cases {
            list: UseCase::$list,
            show: UseCase::$show,
            add: UseCase::$add,
            update: UseCase::$update,
            delete: UseCase::$delete,
        }
    };
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::User, Self::Group, Self::Folder, Self::Role, Self::Admin];

    pub fn path(self) -> &'static str {
        match self {
            Self::User => "/web/users",
            Self::Group => "/web/groups",
            Self::Folder => "/web/folders",
            Self::Role => "/web/roles",
            Self::Admin => "/web/admins",
        }
    }

    /// What one of them is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Folder => "folder",
            Self::Role => "role",
            Self::Admin => "administrator",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
            Self::Folder => "Folders",
            Self::Role => "Roles",
            Self::Admin => "Administrators",
        }
    }

    /// The field with the name.
    pub fn name_field(self) -> &'static str {
        match self {
            Self::User | Self::Admin => "username",
            Self::Group | Self::Folder | Self::Role => "name",
        }
    }

    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::User => ACCOUNT,
            Self::Group => ObjectKind::Group.fields(),
            Self::Folder => ObjectKind::Folder.fields(),
            Self::Role => ObjectKind::Role.fields(),
            Self::Admin => ADMIN_OBJECT,
        }
    }

    /// The texts that a field of this kind may have; empty: any.
    pub fn choices(self) -> fn(&str) -> Vec<&'static str> {
        match self {
            Self::Admin => |path| match path {
                "permissions" => {
                    std::iter::once("*").chain(AdminPermission::ALL.map(AdminPermission::as_str)).collect()
                }
                _ => Vec::new(),
            },
            Self::User | Self::Group | Self::Folder | Self::Role => |_| Vec::new(),
        }
    }

    pub fn cases(self) -> Cases {
        match self {
            Self::User => cases!(ListUsers, ShowUser, AddUser, UpdateUser, DeleteUser),
            Self::Group => cases!(ListGroups, ShowGroup, AddGroup, UpdateGroup, DeleteGroup),
            Self::Folder => cases!(ListFolders, ShowFolder, AddFolder, UpdateFolder, DeleteFolder),
            Self::Role => cases!(ListRoles, ShowRole, AddRole, UpdateRole, DeleteRole),
            Self::Admin => cases!(ListAdmins, ShowAdmin, AddAdmin, UpdateAdmin, DeleteAdmin),
        }
    }

    /// None: accounts and administrators.
    pub fn object(self) -> Option<ObjectKind> {
        match self {
            Self::Group => Some(ObjectKind::Group),
            Self::Folder => Some(ObjectKind::Folder),
            Self::Role => Some(ObjectKind::Role),
            Self::User | Self::Admin => None,
        }
    }

    /// The name in a document.
    pub fn name_of(self, document: &Map<String, Value>) -> String {
        document.get(self.name_field()).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub async fn list(
        self,
        of: &Administration,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Vec<Stored>, AdminError> {
        let shown = match (self, self.object()) {
            (Self::User, _) => {
                let page = of.users.list(actor, &AccountFilter::default(), request).await?;
                let stored = |user: &tidegate_core::account::User| Stored {
                    revision: user.revision,
                    document: user.to_document(Audience::Redacted),
                    problem: None,
                    notes: Vec::new(),
                    references: ObjectReferences::default(),
                };
                return Ok(page.accounts.iter().map(stored).collect());
            }
            (_, Some(kind)) => of.objects.list(actor, kind, request).await?,
            (_, None) => of.admins.list(actor, request).await?,
        };
        Ok(shown.into_iter().map(stored).collect())
    }

    pub async fn show(self, of: &Administration, actor: &Actor, name: &str) -> Result<Stored, AdminError> {
        match (self, self.object()) {
            (Self::User, _) => {
                let shown = of.users.show(actor, name).await?;
                let (revision, document) = (shown.revision, shown.document);
                let (problem, notes) = (shown.problem, shown.notes);
                Ok(Stored { revision, document, problem, notes, references: ObjectReferences::default() })
            }
            (_, Some(kind)) => {
                let (shown, references) = of.objects.show(actor, kind, name).await?;
                let mut stored = stored(shown);
                stored.notes = references_of(&references);
                stored.references = references;
                Ok(stored)
            }
            (_, None) => of.admins.show(actor, name).await.map(stored),
        }
    }

    pub async fn add(self, of: &Administration, actor: &Actor, document: Map<String, Value>) -> Result<(), AdminError> {
        match (self, self.object()) {
            (Self::User, _) => of.users.add(actor, document, None).await.map(drop),
            (_, Some(kind)) => of.objects.add(actor, kind, &document).await.map(drop),
            (_, None) => of.admins.add(actor, &document, None).await.map(drop),
        }
    }

    /// Puts the document in the place of the one with that version.
    pub async fn replace(
        self,
        of: &Administration,
        actor: &Actor,
        name: &str,
        document: Map<String, Value>,
        expected: Version,
    ) -> Result<(), AdminError> {
        match (self, self.object()) {
            (Self::User, _) => {
                let expected = ExpectedUser::Version(expected);
                of.users.edit(actor, name, &UserEdit::Replace(document), expected).await.map(drop)
            }
            (_, Some(kind)) => of.objects.replace(actor, kind, name, &document, Some(expected)).await.map(drop),
            (_, None) => {
                let change = DocumentChange::Document { document, revision: expected.revision };
                of.admins.update_version(actor, name, &change, None, Some(expected)).await.map(drop)
            }
        }
    }

    pub async fn delete(self, of: &Administration, actor: &Actor, name: &str) -> Result<(), AdminError> {
        match (self, self.object()) {
            (Self::User, _) => of.users.delete(actor, name).await,
            (_, Some(kind)) => of.objects.delete(actor, kind, name).await,
            (_, None) => of.admins.delete(actor, name).await,
        }
    }
}

fn stored(shown: tidegate_core::admin::ShownObject) -> Stored {
    let (notes, references) = (Vec::new(), ObjectReferences::default());
    Stored { revision: shown.revision, document: shown.document, problem: shown.problem, notes, references }
}

fn references_of(references: &ObjectReferences) -> Vec<String> {
    let line = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
    [line("Accounts that have it", &references.users), line("Groups that have it", &references.groups)]
        .into_iter()
        .flatten()
        .collect()
}
