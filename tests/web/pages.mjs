// Every page, with the permissions that it needs, and every form, with those that it needs. A page or form that is not
// here fails the journey of the guests, and a test of the pages' crate.

import { eventually } from './browser.mjs';

/// What the pages below are about; `furnish` puts it there.
export const NAMES = { users: 'ada', groups: 'staff', folders: 'team', roles: 'sales', admins: 'chief' };
/// The permissions to see, add, change and delete objects of a kind.
const RIGHTS = {
    users: ['view_users', 'add_users', 'edit_users', 'del_users'],
    groups: ['view_users', 'manage_groups', 'manage_groups', 'manage_groups'],
    folders: ['view_users', 'manage_folders', 'manage_folders', 'manage_folders'],
    roles: ['view_users', 'manage_roles', 'manage_roles', 'manage_roles'],
    admins: ['manage_admins', 'manage_admins', 'manage_admins', 'manage_admins'],
};
const ofObjects = Object.entries(RIGHTS).flatMap(([kind, [view, add, change, remove]]) => [
    [`/web/${kind}`, [view]],
    [`/web/${kind}/new`, [add]],
    [`/web/${kind}/show?name=${NAMES[kind]}`, [view]],
    [`/web/${kind}/json?name=${NAMES[kind]}`, [view]],
    [`/web/${kind}/edit?name=${NAMES[kind]}`, [change, view]],
    [`/web/${kind}/delete?name=${NAMES[kind]}`, [remove]],
]);

/// `[address, permissions]`; RUN stands for the number of a hook's call.
export const PAGES = [
    ['/web', []],
    ['/web/account', []],
    ['/web/connections', ['view_conns']],
    ['/web/refused', ['view_events']],
    ['/web/refused?who=ada', ['view_events']],
    ['/web/explain', ['view_events']],
    ['/web/explain?username=ada', ['view_events']],
    ['/web/runs', ['view_events']],
    ['/web/runs/show?id=RUN', ['view_events']],
    ['/web/hooks', ['view_status']],
    ['/web/hooks/test', ['manage_system']],
    ['/web/plugins', ['view_status']],
    ['/web/plugins/show?name=upload-policy', ['view_status']],
    ['/web/bans', ['view_defender']],
    ['/web/quota', ['quota_scans']],
    ['/web/dump', ['manage_system']],
    ['/web/audit', ['view_events']],
    ['/web/keys', ['manage_apikeys']],
    ['/web/keys/new', ['manage_apikeys']],
    ['/web/tokens', ['manage_admins']],
    ['/web/configuration', ['manage_system']],
    ['/web/users/effective?name=ada', ['view_users']],
    ['/web/users/codes?name=ada', ['edit_users']],
    ['/web/users/link?name=ada', ['edit_users']],
    ['/web/admins/codes?name=chief', ['manage_admins']],
    ...ofObjects,
];

/// What a link may lead to that is no page.
export const FILES = [['/web/audit/export', ['view_events']]];

/// `[address, permissions]` of forms that change something; of bulk changes one of the permissions is enough.
export const FORMS = [
    ['/web/logout', []],
    ['/web/account/password', []],
    ['/web/account/revoke', []],
    ['/web/account/codes', []],
    ['/web/connections/close', ['close_conns']],
    ['/web/connections/ban', ['close_conns', 'manage_defender']],
    ['/web/hooks/test', ['manage_system']],
    ['/web/plugins/reload', ['manage_system']],
    ['/web/plugins/forget', ['manage_system']],
    ['/web/bans/add', ['manage_defender']],
    ['/web/bans/remove', ['manage_defender']],
    ['/web/bans/exempt', ['manage_defender']],
    ['/web/bans/exempt/remove', ['manage_defender']],
    ['/web/quota/scan', ['quota_scans']],
    ['/web/dump/download', ['manage_system']],
    ['/web/dump/try', ['manage_system']],
    ['/web/dump/load', ['manage_system']],
    ['/web/users/codes', ['edit_users']],
    ['/web/users/link', ['edit_users']],
    ['/web/users/link/revoke', ['edit_users']],
    ['/web/admins/codes', ['manage_admins']],
    ['/web/keys/new', ['manage_apikeys']],
    ['/web/keys/rotate', ['manage_apikeys']],
    ['/web/keys/delete', ['manage_apikeys']],
    ['/web/tokens/revoke', ['manage_admins']],
    ['/web/users/bulk', ['edit_users', 'del_users', 'quota_scans']],
    ['/web/folders/bulk', ['manage_folders', 'quota_scans']],
    ['/web/groups/bulk', ['manage_groups']],
    ['/web/roles/bulk', ['manage_roles']],
    ...Object.entries(RIGHTS).flatMap(([kind, [, add, change, remove]]) => [
        [`/web/${kind}/new`, [add]],
        [`/web/${kind}/edit`, [change]],
        [`/web/${kind}/delete`, [remove]],
    ]),
];

/// The pages of the web admin that need no session, and their forms.
export const OF_STRANGERS = ['/web/login', '/web/first'];
export const FORMS_OF_STRANGERS = ['/web/login', '/web/first'];

/// The pages of users: those without a session, and those of a user who has logged in.
export const BEFORE_LOG_IN = ['/web/client/login', '/web/client/login-link?code=x', '/web/client/reset?code=x'];
export const OWN_PAGES = ['/web/client', '/web/client/password', '/web/client/keys', '/web/client/codes'];
/// Their forms that change something.
export const OWN_FORMS = [
    '/web/client/login',
    '/web/client/login-link',
    '/web/client/reset',
    '/web/client/logout',
    '/web/client/sessions/end',
    '/web/client/password',
    '/web/client/keys/add',
    '/web/client/keys/remove',
    '/web/client/codes',
    '/web/client/codes/confirm',
];

/// All permissions that a page or a form needs.
export function permissions() {
    return [...new Set([...PAGES, ...FORMS].flatMap(([, needs]) => needs))].sort();
}

/// Puts something there for each page to show. The server has the plugin upload-policy, and has refused a login of `ada`.
export async function furnish(rest) {
    await rest.add('v2/groups', { name: 'staff', description: 'All of us' });
    await rest.add('v2/folders', { name: 'team', mapped_path: '/srv/team', description: 'Of the team' });
    await rest.add('v2/roles', { name: 'sales', description: 'Of the shop' });
    await rest.ask('PUT', 'v2/users/ada', { ...(await rest.get('v2/users/ada')), quota_size: 1 << 30, quota_files: 1000, email: 'ada@example.org' });
    await rest.admin('chief', ['*'], { description: 'Has all keys' });
    await rest.add('v2/apikeys', { name: 'nightly', allow: ['user.list'] });
    await rest.add('tidegate/bans', { ip: '192.0.2.7', seconds: 3600 });
    await rest.add('tidegate/bans/exempt', { network: '203.0.113.0/24' });
    // Records of calls are stored a moment after them.
    return eventually('a call of a hook', async () => (await rest.get('tidegate/hooks/runs?username=ada')).runs[0]?.id);
}

/// All pages with addresses that can be asked for.
export function pages(run) {
    return PAGES.map(([path, needs]) => [path.replace('RUN', run), needs]);
}
