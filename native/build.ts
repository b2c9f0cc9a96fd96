/**
 * Builds the BPF object and the addon into native/build/: `node native/build.ts`. It runs before anything else
 * is built, so it uses nothing but Node. Where nothing changed it ends at once.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const build = join(root, 'native/build');
const objectFile = join(build, 'monitor.bpf.o');
const addonFile = join(build, 'palisade.node');
const confineFile = join(build, 'confine');
const stampFile = join(build, 'inputs.sha256');

/** What is needed, how its presence shows, and the Debian package that has it. */
const needs: readonly { readonly what: string; readonly found: () => boolean; readonly debian: string }[] = [
  { what: 'clang', found: () => runs('clang', ['--version']), debian: 'clang' },
  { what: 'bpftool', found: () => runs('bpftool', ['version']), debian: 'bpftool' },
  { what: 'llvm-strip', found: () => runs('llvm-strip', ['--version']), debian: 'llvm' },
  { what: 'g++', found: () => runs('g++', ['--version']), debian: 'g++' },
  { what: 'make', found: () => runs('make', ['--version']), debian: 'make' },
  { what: 'python3 (for node-gyp)', found: () => runs('python3', ['--version']), debian: 'python3' },
  { what: 'bpf/libbpf.h', found: () => existsSync('/usr/include/bpf/libbpf.h'), debian: 'libbpf-dev' },
  { what: 'libelf.h', found: () => existsSync('/usr/include/libelf.h'), debian: 'libelf-dev' },
  { what: 'zlib.h', found: () => existsSync('/usr/include/zlib.h'), debian: 'zlib1g-dev' },
];

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Every file that the result depends on, in a fixed order. */
function inputs(): readonly string[] {
  const bpf = readdirSync(join(root, 'bpf'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(c|h)$/.test(name))
    .map((name) => join(root, 'bpf', name));
  const native = readdirSync(join(root, 'native'))
    .filter((name) => /\.(cc|h|gyp)$/.test(name) || name === 'build.ts' || name === 'generate-layout.ts')
    .map((name) => join(root, 'native', name));
  return [...bpf, ...native].sort();
}

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const file of inputs()) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  hash.update(process.versions.modules).update(process.arch);
  return hash.digest('hex');
}

function run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = process.env): void {
  const result = spawnSync(command, args, { cwd: root, env: environment, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout}${result.stderr}`);
  throw new Error(`${command} ${args.join(' ')} failed (${result.error?.message ?? `exit ${result.status}`}).`);
}

function buildObject(): void {
  if (process.arch !== 'x64') {
    throw new Error(`bpf/vmlinux/ has no kernel types for ${process.arch} yet: only x64 is supported.`);
  }
  const args = ['-g', '-O2', '-Wall', '-Werror', '-target', 'bpf', '-D__TARGET_ARCH_x86', '-mcpu=v3', '-Ibpf'];
  run('clang', [...args, '-c', 'bpf/monitor.bpf.c', '-o', objectFile]);
  run('llvm-strip', ['-g', objectFile]); // DWARF goes, BTF stays: a third of the size.
  const skeleton = execFileSync('bpftool', ['gen', 'skeleton', objectFile], { maxBuffer: 64 << 20 });
  writeFileSync(join(build, 'monitor.skel.h'), skeleton);
  run(process.execPath, ['native/generate-layout.ts']);
}

/** Node's headers, and node-gyp as it was installed: nothing is downloaded. */
function buildAddon(): void {
  // The headers stand beside the Node that runs this: <prefix>/bin/node, <prefix>/include/node.
  const prefix = dirname(dirname(process.execPath));
  if (!existsSync(join(prefix, 'include/node/node_api.h'))) {
    throw new Error(`${prefix}/include/node has no headers of Node: run it as \`npx node native/build.ts\`.`);
  }
  const gyp = 'node_modules/node-gyp/bin/node-gyp.js';
  const environment = { ...process.env, npm_config_nodedir: prefix };
  run(process.execPath, [gyp, 'configure', 'build', '--directory=native', '--loglevel=error'], environment);
}

const wanted = fingerprint();
const built =
  existsSync(stampFile) && existsSync(addonFile) && existsSync(confineFile) ? readFileSync(stampFile, 'utf8') : '';
if (built !== wanted) {
  const missing = needs.filter((need) => !need.found());
  if (missing.length > 0) {
    const names = missing.map((need) => need.what).join(', ');
    const packages = missing.map((need) => need.debian).join(' ');
    throw new Error(`The native build needs ${names}: apt-get install --no-install-recommends ${packages}`);
  }
  rmSync(stampFile, { force: true });
  mkdirSync(build, { recursive: true });
  buildObject();
  buildAddon();
  // Renamed into place: a process that has the old one loaded keeps it.
  for (const file of [addonFile, confineFile]) {
    copyFileSync(join(build, 'Release', basename(file)), `${file}.new`);
    renameSync(`${file}.new`, file);
  }
  writeFileSync(stampFile, wanted);
}
