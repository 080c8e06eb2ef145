//! The options of `tidegate user add` and `update` that set one field each, generated from the table of fields.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};
use serde_json::{Value, json};
use tidegate_core::account::AccountDraft;
use tidegate_core::account::fields::{ACCOUNT, Field, Kind};

use super::times::milliseconds;

/// The fields that were given, with their values.
#[derive(Debug, Clone, Default)]
pub struct FieldArguments {
    fields: Vec<(&'static Field, Value)>,
    filters: Vec<(&'static Field, Value)>,
}

/// The fields with options: those of the document, and those of its `filters`.
fn fields() -> [Vec<&'static Field>; 2] {
    let with_options = |fields: &'static [Field]| fields.iter().filter(|field| field.has_option).collect();
    let filters = ACCOUNT.iter().find(|field| field.name == "filters").map(Field::fields).unwrap_or_default();
    [with_options(ACCOUNT), with_options(filters)]
}

impl FieldArguments {
    pub fn apply(&self, draft: &mut AccountDraft) {
        for (field, value) in &self.fields {
            draft.set(field.name, value.clone());
        }
        for (field, value) in &self.filters {
            draft.set_filter(field.name, value.clone());
        }
    }
}

impl Args for FieldArguments {
    fn augment_args(command: Command) -> Command {
        fields().into_iter().flatten().fold(command, |command, field| command.arg(option(field)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FieldArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |fields: Vec<&'static Field>| {
            fields.into_iter().filter_map(|field| Some((field, value(field, matches)?))).collect()
        };
        let [fields, filters] = fields();
        Ok(Self { fields: given(fields), filters: given(filters) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn option(field: &'static Field) -> Arg {
    let option = Arg::new(field.name).long(field.option_name()).value_name(field.name.to_ascii_uppercase());
    let option = option.help(match field.kind {
        Kind::Time => format!("{}; or a time as in RFC 3339", field.about),
        Kind::Texts => format!("{} (repeatable)", field.about),
        Kind::Integer(..)
        | Kind::Text
        | Kind::Flag
        | Kind::Permissions
        | Kind::Object(_)
        | Kind::Whole(_)
        | Kind::List(_)
        | Kind::SecretText
        | Kind::Anything => field.about.to_owned(),
    });
    match field.kind {
        Kind::Integer(..) => option.value_parser(value_parser!(i64)),
        Kind::Time => option.value_parser(|text: &str| milliseconds(text)),
        Kind::Flag => option.value_parser(value_parser!(bool)),
        Kind::Texts => option.action(ArgAction::Append).value_parser(value_parser!(String)),
        Kind::Text
        | Kind::Permissions
        | Kind::Object(_)
        | Kind::Whole(_)
        | Kind::List(_)
        | Kind::SecretText
        | Kind::Anything => option.value_parser(value_parser!(String)),
    }
}

fn value(field: &'static Field, matches: &ArgMatches) -> Option<Value> {
    match field.kind {
        Kind::Integer(..) | Kind::Time => matches.get_one::<i64>(field.name).map(|number| json!(number)),
        Kind::Flag => matches.get_one::<bool>(field.name).map(|flag| json!(flag)),
        Kind::Texts => {
            let texts: Vec<_> = matches.get_many::<String>(field.name)?.collect();
            Some(json!(texts))
        }
        Kind::Text
        | Kind::Permissions
        | Kind::Object(_)
        | Kind::Whole(_)
        | Kind::List(_)
        | Kind::SecretText
        | Kind::Anything => matches.get_one::<String>(field.name).map(|text| json!(text)),
    }
}
