//! The hook points of a server with their links: those that the configuration names, then the
//! plugins that are only in the directory, in the order of their names.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tidegate_core::files::{FileHooks, FirstTransfers};
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::external_auth::{ExternalAuth, Scope};
use tidegate_core::hook::observation::{
    AddressBanned, CredentialChanged, Disconnect, ObjectChange, OneClickLoginPost, PostAction, PostLogin,
    SessionDestroy, Startup,
};
use tidegate_core::hook::observers::ObserverWork;
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::rendering::Rendering;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, SessionCreate};
use tidegate_core::hook::{
    Chain, Family, GateEvent, Hook, HookDescription, HookEvent, HookHost, HookKind, Link, LinkSettings, Observers,
    Subject,
};
use tidegate_core::login::LoginHooks;
use tidegate_core::ports::Directory;
use tidegate_core::turns::Places;
use tidegate_hooks_external::{HttpClients, HttpHook, HttpSettings, ProgramHook, ShownEvent, redacted};
use tidegate_hooks_wasm::{GuestEvent, PluginDirectory, PluginHook};

use crate::config::settings::{HookSettings, HookTarget};
use crate::hook_test::{self, Case, Known, Testable, Tested};

/// What the event of every hook point has to offer.
trait AnyHookEvent: GuestEvent + ShownEvent + Testable {}
impl<E: GuestEvent + ShownEvent + Testable> AnyHookEvent for E
where
    ProgramHook: Hook<E>,
    HttpHook: Hook<E>,
{
}

/// All hook points, grouped by their use.
pub struct HookPoints {
    pub login: LoginHooks,
    pub file_hooks: Arc<FileHooks>,
    pub connect: Arc<Chain<Connect>>,
    pub disconnect: Arc<Observers<Disconnect>>,
    pub object_changes: Arc<Observers<ObjectChange>>,
    pub credential_changes: Arc<Observers<CredentialChanged>>,
    pub bans: Arc<Observers<AddressBanned>>,
    pub password_resets: Arc<Chain<PasswordResetPre>>,
    pub one_click_logins: Arc<Observers<OneClickLoginPost>>,
    pub startup: Arc<Observers<Startup>>,
    /// All points alike, for commands, and for following the plugin directory.
    points: Vec<Box<dyn HookPoint>>,
    observers: Vec<Arc<dyn ObserverWork>>,
}

/// Asks or tells the links of a point about a made-up event.
type Test = Box<dyn Fn(Arc<Case>, Known) -> BoxFuture<anyhow::Result<Tested>> + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One hook point, whatever its event is.
#[async_trait]
pub trait HookPoint: Send + Sync {
    fn kind(&self) -> HookKind;

    fn follow(&self, directory: &PluginDirectory);

    fn links(&self) -> Vec<LinkInfo>;

    /// Each link, and the reason for which it would not be asked about this subject.
    fn explain(&self, subject: &Subject<'_>) -> Vec<(LinkInfo, Option<&'static str>)>;

    /// Sends a made-up event through all links. `known`: what the server knows then.
    async fn test(&self, case: Arc<Case>, known: Known) -> anyhow::Result<Tested>;
}

/// The facts about a link that commands show.
pub struct LinkInfo {
    pub adapter: &'static str,
    pub on_error: &'static str,
    /// Which events it is for, in words.
    pub selectors: Vec<String>,
    pub description: HookDescription,
}

/// A link that fails at every call.
pub struct Unusable {
    kind: HookKind,
    pub name: String,
    problem: String,
    /// The plugin is loaded, but does not export this hook.
    pub is_loaded: bool,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, problem, .. } = self;
        let consequence = match kind.family() {
            Family::Gate => "the server refuses what it would decide",
            Family::Observer => "it gets no events",
        };
        write!(f, "the {kind} hook \"plugin:{name}\" cannot be used: {problem}; {consequence}")
    }
}

struct Point<E: HookEvent> {
    configured: Vec<Configured<E>>,
    dropped: LinkSettings,
    place: Place<E>,
    test: Test,
}

enum Configured<E: HookEvent> {
    Fixed(Arc<Link<E>>),
    /// The places stay when the link is made again.
    Plugin(String, Box<LinkSettings>, Places),
}

enum Place<E: HookEvent> {
    Gate(Arc<Chain<E>>),
    Observers(Arc<Observers<E>>, fn(&Observers<E>) -> &Chain<E>),
}

impl<E: HookEvent> Place<E> {
    fn chain(&self) -> &Chain<E> {
        match self {
            Self::Gate(chain) => chain,
            Self::Observers(observers, chain) => chain(observers),
        }
    }
}

#[async_trait]
impl<E: GuestEvent + ShownEvent> HookPoint for Point<E> {
    fn kind(&self) -> HookKind {
        E::KIND
    }

    fn follow(&self, directory: &PluginDirectory) {
        let earlier = self.place.chain().links();
        let mut links: Vec<_> = self
            .configured
            .iter()
            .map(|configured| match configured {
                Configured::Fixed(link) => link.clone(),
                Configured::Plugin(name, settings, places) => {
                    plugin_link(directory.link(name), settings, places.clone())
                }
            })
            .collect();
        for plugin in directory.links_of(E::KIND) {
            let named = self.configured.iter().any(|configured| match configured {
                Configured::Plugin(name, ..) => name == plugin.plugin_name(),
                Configured::Fixed(_) => false,
            });
            if !named {
                // The only link to this plugin: the configuration does not name it.
                let link =
                    earlier.iter().find(|link| link.adapter() == "plugin" && link.name() == plugin.plugin_name());
                let places = link.map_or_else(|| self.dropped.places(), |link| link.places().clone());
                links.push(plugin_link(plugin, &self.dropped, places));
            }
        }
        self.place.chain().replace(links);
    }

    fn links(&self) -> Vec<LinkInfo> {
        self.place.chain().links().iter().map(|link| info(link)).collect()
    }

    fn explain(&self, subject: &Subject<'_>) -> Vec<(LinkInfo, Option<&'static str>)> {
        let links = self.place.chain().links();
        links.iter().map(|link| (info(link), link.selector().mismatch(subject))).collect()
    }

    async fn test(&self, case: Arc<Case>, known: Known) -> anyhow::Result<Tested> {
        (self.test)(case, known).await
    }
}

fn info<E: HookEvent>(link: &Link<E>) -> LinkInfo {
    let (on_error, selectors) = (link.on_error().as_str(), link.selector().in_words());
    LinkInfo { adapter: link.adapter(), on_error, selectors, description: link.description() }
}

/// Components ask for what they want to know of an event: records tell what a web server would be sent.
fn plugin_link<E: GuestEvent + ShownEvent>(
    plugin: Arc<PluginHook>,
    settings: &LinkSettings,
    places: Places,
) -> Arc<Link<E>> {
    let rendering = Rendering { event: E::shown_later, answer: redacted };
    Arc::new(Link::with_places(E::hook(plugin), settings.clone(), places).rendered(rendering))
}

struct Builder<'a> {
    settings: &'a BTreeMap<HookKind, HookSettings>,
    clients: HttpClients,
    points: Vec<Box<dyn HookPoint>>,
    observers: Vec<Arc<dyn ObserverWork>>,
    host: Arc<HookHost>,
}

impl Builder<'_> {
    fn gate<E: AnyHookEvent + GateEvent>(&mut self, chain: &Arc<Chain<E>>) -> anyhow::Result<()>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
    {
        let tested = chain.clone();
        let test: Test = Box::new(move |case, known| Box::pin(hook_test::gate(tested.clone(), case, known)));
        self.point(Place::Gate(chain.clone()), test)
    }

    fn observer<E: AnyHookEvent + HookEvent<Verdict = ()>>(
        &mut self,
        observers: &Arc<Observers<E>>,
    ) -> anyhow::Result<()>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
    {
        self.observers.push(observers.clone());
        let tested = observers.clone();
        let test: Test = Box::new(move |case, known| Box::pin(hook_test::observers(tested.clone(), case, known)));
        self.point(Place::Observers(observers.clone(), Observers::chain), test)
    }

    fn new_observer<E: AnyHookEvent + HookEvent<Verdict = ()>>(&mut self) -> anyhow::Result<Arc<Observers<E>>>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
    {
        let observers = Observers::new(self.host.clone());
        self.observer(&observers)?;
        Ok(observers)
    }

    fn point<E: GuestEvent + ShownEvent>(&mut self, place: Place<E>, test: Test) -> anyhow::Result<()>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
    {
        let HookSettings { links, dropped } = self.settings.get(&E::KIND).cloned().unwrap_or_default();
        let mut configured = Vec::new();
        for link in links {
            let settings = link.settings;
            configured.push(match link.target {
                HookTarget::Plugin(name) => {
                    let places = settings.places();
                    Configured::Plugin(name, Box::new(settings), places)
                }
                HookTarget::Program { path, settings: program } => {
                    let hook = Arc::new(ProgramHook::new(&path, program)?);
                    Configured::Fixed(Arc::new(Link::new(hook, settings)))
                }
                HookTarget::Http { url, flavour, timeout } => {
                    let hook = HttpHook::new(&url, self.clients.clone(), flavour)?.with_timeout(timeout);
                    Configured::Fixed(Arc::new(Link::new(Arc::new(hook), settings)))
                }
            });
        }
        let fixed = configured.iter().filter_map(|configured| match configured {
            Configured::Fixed(link) => Some(link.clone()),
            Configured::Plugin(..) => None,
        });
        place.chain().replace(fixed.collect());
        self.points.push(Box::new(Point { configured, dropped, place, test }));
        Ok(())
    }
}

impl HookPoints {
    /// The hook points without plugins, which [`follow`](Self::follow) adds.
    pub fn new(
        settings: &BTreeMap<HookKind, HookSettings>,
        http: &HttpSettings,
        scope: Scope,
        synchronous: &[ActionKind],
        accounts: Option<Arc<dyn Directory>>,
        host: Arc<HookHost>,
    ) -> anyhow::Result<Self> {
        let is_secure =
            |target: &HookTarget| matches!(target, HookTarget::Http { url, .. } if url.starts_with("https"));
        let secure = settings.values().flat_map(|point| &point.links).any(|link| is_secure(&link.target));
        let clients = HttpClients::new(http.clone(), secure)?;
        let (points, observers) = (Vec::new(), Vec::new());
        let mut build = Builder { settings, clients, points, observers, host: host.clone() };
        let mut login = LoginHooks::new(host.clone());
        login.external_auth_scope = scope;
        let startup = build.new_observer::<Startup>()?;
        let connect = Arc::new(Chain::<Connect>::new(host.clone(), Vec::new()));
        build.gate(&connect)?;
        build.gate::<LoginPre>(&login.login_pre)?;
        build.gate::<ExternalAuth>(&login.external_auth)?;
        build.gate::<PreLogin>(&login.pre_login)?;
        build.gate(&login.keyboard_interactive)?;
        build.gate(&login.check_password)?;
        build.gate::<SessionCreate>(&login.session_create)?;
        build.observer::<PostLogin>(&login.post_login)?;
        let before = Arc::new(Chain::<PreAction>::new(host.clone(), Vec::new()));
        build.gate(&before)?;
        let after = build.new_observer::<PostAction>()?;
        build.observer::<SessionDestroy>(&login.session_destroy)?;
        let disconnect = build.new_observer::<Disconnect>()?;
        let object_changes = build.new_observer::<ObjectChange>()?;
        let credential_changes = build.new_observer::<CredentialChanged>()?;
        let bans = build.new_observer::<AddressBanned>()?;
        let password_resets = Arc::new(Chain::<PasswordResetPre>::new(host, Vec::new()));
        build.gate(&password_resets)?;
        let one_click_logins = build.new_observer::<OneClickLoginPost>()?;
        let Builder { points, mut observers, .. } = build;
        let first = accounts.map(|accounts| FirstTransfers::new(accounts, after.clone()));
        observers.extend(first.clone().map(|first| first as Arc<dyn ObserverWork>));
        let file_hooks = Arc::new(FileHooks { before, after, synchronous: synchronous.to_vec(), first });
        Ok(Self {
            login,
            file_hooks,
            connect,
            disconnect,
            object_changes,
            credential_changes,
            bans,
            password_resets,
            one_click_logins,
            startup,
            points,
            observers,
        })
    }

    /// Makes all chains follow the plugin directory.
    pub fn follow(&self, directory: &PluginDirectory) {
        self.points.iter().for_each(|point| point.follow(directory));
    }

    /// Links to plugins that cannot be called at present.
    pub fn unusable(&self) -> impl Iterator<Item = Unusable> {
        self.points.iter().flat_map(|point| {
            let kind = point.kind();
            let links = point.links().into_iter().filter(|link| link.adapter == "plugin");
            links.map(|link| link.description).filter(|description| description.health != "ready").map(
                move |description| Unusable {
                    kind,
                    is_loaded: description.version.is_some(),
                    name: description.target,
                    problem: description.health,
                },
            )
        })
    }

    pub fn points(&self) -> &[Box<dyn HookPoint>] {
        &self.points
    }

    pub fn observers(&self) -> &[Arc<dyn ObserverWork>] {
        &self.observers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidegate_core::turns::Waiter;
    use tidegate_hooks_wasm::{PluginPorts, ServedGates, TrustedKeys};

    use super::*;
    use crate::config::settings::LinkConfig;
    use crate::wire::Stores;

    #[tokio::test]
    async fn links_to_plugins_that_are_made_again_keep_their_places() {
        // B0-13
        let one = LinkSettings { concurrency: 1, ..LinkSettings::default() };
        let named = LinkConfig { target: HookTarget::Plugin("named".to_owned()), settings: one.clone() };
        let settings = BTreeMap::from([(HookKind::LoginPre, HookSettings { links: vec![named], dropped: one })]);
        let (http, host) = (HttpSettings::default(), Arc::new(HookHost::default()));
        let points = HookPoints::new(&settings, &http, Scope::default(), &[], None, host).unwrap();
        let stores = Stores::in_memory().unwrap();
        let ports = PluginPorts {
            passwords: stores.passwords.clone(),
            store: stores.database.clone(),
            authorities: Vec::new(),
            trusted_keys: TrustedKeys::default(),
        };
        let mut served = ServedGates::default();
        served.add("dropped", &BTreeSet::from([HookKind::LoginPre])).unwrap();
        let path = tempfile::tempdir().unwrap();
        let configured = BTreeMap::new();
        let directory =
            PluginDirectory::new(path.path().to_owned(), configured, ports, served, Box::new(|_| {})).unwrap();
        let enter = |name: &str| {
            let links = points.login.login_pre.links();
            let link = links.iter().find(|link| link.name() == name).unwrap();
            link.places().try_enter(Waiter::SERVER)
        };
        points.follow(&directory);
        let held = ["named", "dropped"].map(|name| enter(name).unwrap());
        for _ in 0..2 {
            assert!(enter("named").is_none() && enter("dropped").is_none());
            points.follow(&directory);
        }
        drop(held);
        points.follow(&directory);
        assert!(enter("named").is_some() && enter("dropped").is_some());
    }
}
