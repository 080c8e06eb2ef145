// A server with made-up data, for pictures and measurements.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const TIDEGATE = process.env.TIDEGATE ?? `${root}target/release/tidegate`;
export const PASSWORD = 'a-long-password';

const SUNDAYS = `#!/bin/sh
echo "asked about $SFTPGO_LOGIN_USERNAME" >&2
[ "$SFTPGO_LOGIN_USERNAME" != eve ] || { echo closed on Sundays; exit 1; }
`;

/// Options of OpenSSH's clients.
const SSH = ['-F/dev/null', '-oStrictHostKeyChecking=no', '-oUserKnownHostsFile=/dev/null', '-oPubkeyAuthentication=no', '-oBatchMode=no', '-oNumberOfPasswordPrompts=1'];

export class MadeUpServer {
    /// A server with two hooks, where it was built a plugin, and the administrator `root`, or the code for the first one.
    static async start({ hasAdministrator = true } = {}) {
        const server = new MadeUpServer();
        server.directory = await mkdtemp(`${tmpdir()}/tidegate-web-`);
        server.children = [];
        await mkdir(`${server.directory}/hooks`);
        await server.script('hooks/sundays.sh', SUNDAYS);
        await server.script('hooks/slow.sh', '#!/bin/sh\nexec sleep 0.3\n');
        const plugin = `${root}tests/.cache/guests/upload-policy.wasm`;
        if (existsSync(plugin)) {
            await mkdir(`${server.directory}/plugins`);
            await copyFile(plugin, `${server.directory}/plugins/upload-policy.wasm`);
            await writeFile(`${server.directory}/plugins/upload-policy.toml`, '[config]\nmax_bytes = 1000000000\n');
        }
        await writeFile(
            `${server.directory}/tidegate.toml`,
            `[[httpd.bindings]]\naddress = "127.0.0.1"\nport = -1\nenable_web_client = true\n[data_provider]\nhomes = ["${server.directory}/homes"]\n[common.defender]\nexempt = ["127.0.0.0/8"]\n[sftpd]\nbind_port = 0\nbind_address = "127.0.0.1"\nkeys = [{ private_key = "id_ed25519" }]\nenabled_ssh_commands = ["scp"]\n` +
                `[hook.login-pre]\nhook = "${server.directory}/hooks/sundays.sh"\n[hook.session-create]\nhook = "${server.directory}/hooks/slow.sh"\n`,
        );
        if (hasAdministrator) await server.run('admin', 'add', '--username', 'root', '--password', PASSWORD, '--permissions', '*');
        const child = spawn(TIDEGATE, ['serve', '--log-file-path', '', '-c', server.directory], { stdio: ['ignore', 'ignore', 'pipe'] });
        server.children.push(child);
        server.pid = child.pid;
        const ports = {};
        const lines = createInterface({ input: child.stderr });
        await new Promise((resolve, reject) => {
            const log = [];
            lines.on('line', (line) => {
                log.push(line);
                const { message, service, address } = line.startsWith('{') ? JSON.parse(line) : {};
                if (message === 'listening') ports[service] = address.split(':').at(-1);
                if (message?.startsWith('there is no administrator')) server.code = message.split(' ').find((word) => word.startsWith('tgt_'));
                if (ports.sftpd && ports.httpd && (hasAdministrator || server.code)) resolve();
            });
            lines.on('close', () => reject(new Error(`the server has ended:\n${log.join('\n')}`)));
        });
        server.address = `http://127.0.0.1:${ports.httpd}`;
        server.port = ports.sftpd;
        return server;
    }

    /// Directories of this run, each with what it may be called in a picture that is kept.
    get names() {
        return [
            [`${this.directory}/homes`, '/srv/sftp'],
            [`${this.directory}/hooks`, '/etc/tidegate/hooks'],
            [this.directory, '/var/lib/tidegate'],
        ];
    }

    async script(name, text) {
        await writeFile(`${this.directory}/${name}`, text);
        await chmod(`${this.directory}/${name}`, 0o755);
    }

    /// Runs a command of the server's command line on its directory.
    async run(...command) {
        const { stdout } = await promisify(execFile)(TIDEGATE, [...command, '-c', this.directory]);
        return stdout;
    }

    /// Lets OpenSSH's sftp carry out the batch; gives back the client. `kilobits`: a second, at most.
    sftp(user, password, batch, { kilobits = 0, options = [] } = {}) {
        const limit = kilobits > 0 ? ['-l', String(kilobits)] : [];
        const ssh = [...SSH, `-oPort=${this.port}`, ...options];
        const file = `${this.directory}/${user}-${this.children.length}.batch`;
        const begun = writeFile(file, batch).then(() => {
            const child = spawn('sshpass', ['-e', 'sftp', ...limit, ...ssh, '-b', file, `${user}@127.0.0.1`], { env: { ...process.env, SSHPASS: password }, stdio: 'ignore' });
            this.children.push(child);
            return child;
        });
        return begun;
    }

    /// Lets OpenSSH's scp upload by the older protocol, which says the size before the content.
    async scp(user, password, local, remote, kilobits) {
        const limit = ['-O', '-l', String(kilobits), '-P', String(this.port)];
        const child = spawn('sshpass', ['-e', 'scp', ...limit, ...SSH, local, `${user}@127.0.0.1:${remote}`], { env: { ...process.env, SSHPASS: password }, stdio: 'ignore' });
        this.children.push(child);
        return child;
    }

    async sftpDone(...what) {
        const child = await this.sftp(...what);
        return new Promise((resolve) => child.on('exit', resolve));
    }

    async stop() {
        for (const child of this.children.reverse()) child.kill();
        assert.ok(this.directory.includes('tidegate-web-'));
        await rm(this.directory, { recursive: true, force: true });
    }
}
