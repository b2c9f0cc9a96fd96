/**
 * Makes a clone ready: system packages, npm packages, BPF objects and addon, TypeScript. Plain JavaScript without
 * dependencies, because it runs on the system's Node (18 or later) before anything is installed. Each step looks first
 * whether it has anything to do, so that a second run takes a fraction of a second and prints nothing.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const isRoot = process.getuid?.() === 0;
const isTerminal = process.stdout.isTTY === true;
/** Lines of a failed command that are shown: enough for a compiler error, not a screenful of apt. */
const failureLines = 30;
/** How often a long step says on a plain output that it is still at work. */
const heartbeatMs = 15_000;

/** Debian's packages: what each is for, and the file or program that shows that it is there. */
const systemPackages = [
  { name: 'clang', program: 'clang', for: 'native' },
  { name: 'llvm', program: 'llvm-strip', for: 'native' },
  { name: 'bpftool', program: 'bpftool', for: 'native' },
  { name: 'libbpf-dev', header: 'bpf/bpf_helpers.h', for: 'native' },
  { name: 'libelf-dev', header: 'gelf.h', for: 'native' },
  { name: 'zlib1g-dev', header: 'zlib.h', for: 'native' },
  { name: 'gcc', program: 'gcc', for: 'native' },
  { name: 'g++', program: 'g++', for: 'native' },
  { name: 'make', program: 'make', for: 'native' },
  { name: 'python3', program: 'python3', for: 'native' },
  { name: 'runc', program: 'runc', for: 'demo' },
  { name: 'busybox-static', program: 'busybox', for: 'demo' },
  { name: 'dash', program: 'dash', for: 'demo' },
  { name: 'clang-format', program: 'clang-format', for: 'test' },
];
/** Root's PATH may lack the sbin folders where bpftool and runc live. */
const searchPath = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
const includeFolders = [
  '/usr/include',
  '/usr/local/include',
  `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
];

function isInstalled(entry) {
  return entry.program === undefined
    ? includeFolders.some((folder) => existsSync(path.join(folder, entry.header)))
    : searchPath.some((folder) => existsSync(path.join(folder, entry.program)));
}

const say = (text) => process.stdout.write(`${text}\n`);
const seconds = (sinceMs) => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Runs a command as one step with progress; its output is shown only where it fails. Resolves to whether it succeeded. */
async function step(title, command, args, options = {}) {
  const startedMs = Date.now();
  const kept = [];
  if (isTerminal) process.stdout.write(`  ${title} …`);
  else say(`  ${title} …`);
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const onData = (data) => {
    const lines = data
      .toString()
      .split(/[\r\n]+/u)
      .filter((line) => line.trim() !== '');
    kept.push(...lines);
    kept.splice(0, kept.length - failureLines);
    const last = lines.at(-1);
    if (isTerminal && last !== undefined) {
      const room = Math.max(10, (process.stdout.columns ?? 80) - title.length - 8);
      process.stdout.write(
        `\r\u001B[K  ${title} … \u001B[2m${last.replace(/[\u0000-\u001f\u007f-\u009f]/gu, '').slice(0, room)}\u001B[0m`,
      );
    }
  };
  child.stdout.on('data', onData);
  child.stderr.on('data', onData);
  const heartbeat = setInterval(() => {
    // npm warns of what is older than a package wishes, the system's Node first: that is no news here.
    const news = kept.findLast((line) => !line.startsWith('npm warn'));
    if (!isTerminal) say(`    still at it after ${seconds(startedMs)}${news === undefined ? '' : `: ${news}`}`);
  }, heartbeatMs);
  const failure = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`));
  });
  clearInterval(heartbeat);
  if (isTerminal) process.stdout.write('\r\u001B[K');
  if (failure === undefined) {
    say(`  ${title}: done in ${seconds(startedMs)}`);
    return true;
  }
  say(`  ${title}: \`${[command, ...args].join(' ')}\` ${failure}. Its last lines:`);
  for (const line of kept) say(`    ${line}`);
  return false;
}

/** Size and time of every file below `folders`, as one hash: what a stamp file remembers. */
function fingerprint(folders, skip) {
  const hash = createHash('sha256');
  const visit = (relative) => {
    const stat = statSync(path.join(root, relative), { throwIfNoEntry: false });
    if (stat === undefined || skip.includes(relative)) return;
    if (stat.isDirectory()) {
      for (const name of readdirSync(path.join(root, relative)).sort()) visit(path.join(relative, name));
    } else hash.update(`${relative} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const folder of folders) visit(folder);
  return hash.digest('hex');
}

const readStamp = (file) => (existsSync(path.join(root, file)) ? readFileSync(path.join(root, file), 'utf8') : '');
function writeStamp(file, text) {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

/** The Node that runs Palisade: the project's own, which npm puts into node_modules, else the system's. */
function projectNode() {
  const own = path.join(root, 'node_modules/.bin/node');
  return existsSync(own) ? own : process.execPath;
}

/** Whether node_modules holds what the lock says; packages for other platforms are optional and may be absent. */
function npmPackagesAreInstalled() {
  const installedFile = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([place, entry]) =>
      place === '' ||
      installed[place]?.version === entry.version ||
      (installed[place] === undefined && entry.optional === true),
  );
}

async function installSystemPackages() {
  const missing = systemPackages.filter((entry) => !isInstalled(entry));
  if (missing.length === 0) return;
  const names = missing.map((entry) => entry.name);
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`;
  const apt = searchPath.some((folder) => existsSync(path.join(folder, 'apt-get')));
  if (!isRoot || !apt) {
    const missingFor = (purpose) =>
      missing
        .filter((entry) => entry.for === purpose)
        .map((entry) => entry.name)
        .join(', ');
    if (missingFor('native') !== '')
      say(
        `  Not installed, and needed to watch this machine's kernel: ${missingFor('native')}. Without them Palisade runs on its recording.`,
      );
    if (missingFor('demo') !== '') say(`  Not installed, and needed by the demo's container: ${missingFor('demo')}.`);
    say(apt ? `  As root: ${command}` : "  Install them with your system's package manager (the names are Debian's).");
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const title = `system packages (${names.join(', ')})`;
  const install = ['install', '--yes', '--no-install-recommends', ...names];
  const hasLists =
    existsSync('/var/lib/apt/lists') &&
    readdirSync('/var/lib/apt/lists').some((name) => name.endsWith('Packages') || name.includes('_Packages.'));
  if (hasLists && spawnSync('apt-get', ['--simulate', ...install], { env }).status === 0) {
    if (await step(title, 'apt-get', install, { env })) return;
  }
  if (
    !(await step('package lists', 'apt-get', ['update'], { env })) ||
    !(await step(title, 'apt-get', install, { env }))
  )
    say(`  Going on without them. To install them yourself: ${command}`);
}

async function installNpmPackages() {
  if (!npmPackagesAreInstalled()) {
    // Settings of the user's npm must not change what a clone contains: development and optional packages are needed.
    const command = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
    if (!(await step('npm packages (about 1 GB on disk)', 'npm', command))) return false;
  }
  linkNode();
  return true;
}

/** Older npm (seen: 9.2) removes the link to the Node of this platform together with the package of the other one. */
function linkNode() {
  const packaged = `node-linux-${process.arch}/bin/node`;
  const link = path.join(root, 'node_modules/.bin/node');
  if (existsSync(link) || !existsSync(path.join(root, 'node_modules', packaged))) return;
  symlinkSync(path.join('..', packaged), link);
}

/** BPF objects and addon. Where tools are missing the rest goes on without: the recording needs none of it. */
async function buildNative() {
  if (process.arch !== 'x64') {
    say(`  The eBPF programs are for x86-64 so far; on ${process.arch} Palisade runs on its recording.`);
    return true;
  }
  const missing = systemPackages.filter((entry) => entry.for === 'native' && !isInstalled(entry));
  if (missing.length > 0) return true;
  const stamp = `${fingerprint(['bpf', 'native', 'package-lock.json'], ['native/build'])} ${process.arch}`;
  if (readStamp('native/build/.setup-stamp') === stamp) return true;
  if (!(await step('BPF objects and addon', projectNode(), ['native/build.ts']))) return false;
  writeStamp(
    'native/build/.setup-stamp',
    `${fingerprint(['bpf', 'native', 'package-lock.json'], ['native/build'])} ${process.arch}`,
  );
  return true;
}

async function buildTypeScript() {
  const config = JSON.parse(readFileSync(path.join(root, 'tsconfig.json'), 'utf8'));
  const inputs = () => fingerprint([...config.include, 'tsconfig.json', 'package-lock.json'], ['native/build']);
  if (readStamp('dist/.setup-stamp') === inputs() && existsSync(path.join(root, 'dist/cli/main.js'))) return true;
  if (!(await step('TypeScript', projectNode(), ['node_modules/typescript/bin/tsc', '--build']))) return false;
  writeStamp('dist/.setup-stamp', inputs());
  return true;
}

/** `npx palisade` finds a command in node_modules/.bin; npm links those of dependencies only, not the project's own. */
function linkCommand() {
  const link = path.join(root, 'node_modules/.bin/palisade');
  const target = '../../cli/palisade.sh';
  try {
    if (readlinkSync(link) === target) return;
    unlinkSync(link);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  symlinkSync(target, link);
}

/** What root makes in the system: the user that the ClickHouse engine runs as, and the mount that holds pinned BPF maps. */
async function prepareSystem() {
  if (!isRoot) return;
  if (!/^palisade:/mu.test(readFileSync('/etc/passwd', 'utf8'))) {
    const made = await step('system user `palisade`, for the ClickHouse engine', 'useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/nonexistent',
      '--shell',
      '/usr/sbin/nologin',
      'palisade',
    ]);
    if (!made) say('  Going on without it: the engine then runs as the user `nobody`.');
  }
  const mounts = readFileSync('/proc/mounts', 'utf8');
  if (!/ \/sys\/fs\/bpf bpf /u.test(mounts) && existsSync('/sys/fs/bpf'))
    await step('mount of /sys/fs/bpf', 'mount', ['-t', 'bpf', 'bpf', '/sys/fs/bpf']);
}

const startedMs = Date.now();
if (Number(process.versions.node.split('.')[0]) < 18) {
  say(
    `Palisade's set-up needs Node 18 or later; this is ${process.versions.node}. (It then brings the Node that it runs on.)`,
  );
  process.exit(69);
}
const firstTime = !existsSync(path.join(root, 'node_modules/.package-lock.json'));
if (firstTime)
  say('Setting up Palisade. The first time takes a few minutes and about 1 GB of disk; later starts take seconds.');
await installSystemPackages();
if (!(await installNpmPackages())) process.exit(1);
linkCommand();
await prepareSystem();
const built = (await buildNative()) && (await buildTypeScript());
if (!built) process.exit(1);
if (firstTime) say(`Set up in ${seconds(startedMs)}.`);
