import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { packageRoot } from '../../cli/package-root.ts';

/**
 * AddressSanitizer, and of UBSan what needs no more: `vptr` wants the type information of Node's own classes. With frame
 * pointers a leak's stack is followed through our frames at no cost.
 */
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize=vptr', '-fno-omit-frame-pointer'];

/** Why the addon cannot be built so here, with the remedy; `undefined`: it can. */
export function whyNoSanitizers(): string | undefined {
  if (spawnSync('g++', ['--version'], { stdio: 'ignore' }).status !== 0) return 'needs g++ (Debian: g++)';
  if (!existsSync(sanitizerLibrary())) return 'needs libasan, which comes with gcc (Debian: libgcc-12-dev, libasan8)';
  if (!existsSync(path.join(packageRoot(), 'native/build/monitor.skel.h')))
    return 'needs the native build: npm run setup';
  return undefined;
}

/** What has to be loaded before anything else, since Node itself is built without: gcc's own libasan. */
export function sanitizerLibrary(): string {
  // gcc gives the bare name back where it has none.
  return spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
}

/**
 * Compiles `sources` into an addon that the sanitizers watch, beside the build that everybody else uses, and returns its file.
 * One that was made of the same sources is taken as it is.
 */
export async function buildWatched(name: string, sources: readonly string[]): Promise<string> {
  const native = path.join(packageRoot(), 'native');
  const folder = path.join(packageRoot(), 'dist/asan');
  const headers = readdirSync(native).filter((file) => file.endsWith('.h'));
  const skeleton = path.join(native, 'build/monitor.skel.h');
  const gyp = path.join(native, 'binding.gyp');
  const hash = createHash('sha256').update(sanitizers.join()).update(process.versions.modules);
  for (const file of [
    ...sources,
    ...headers.map((header) => path.join(native, header)),
    skeleton,
    gyp,
    import.meta.filename,
  ])
    hash.update(readFileSync(file));
  const addon = path.join(folder, `${name}-${hash.digest('hex').slice(0, 16)}.node`);
  if (existsSync(addon)) return addon;

  mkdirSync(folder, { recursive: true });
  const includes = [
    path.join(path.dirname(path.dirname(process.execPath)), 'include/node'),
    path.join(packageRoot(), 'node_modules/node-addon-api'),
    path.join(native, 'build'),
    native,
  ];
  const options = [
    ...['-std=c++20', '-fexceptions', '-fPIC', '-O1', '-g1', ...sanitizers],
    ...gypTarget().defines.map((define) => `-D${define}`),
    `-DNODE_GYP_MODULE_NAME=${name}`,
    ...includes.map((include) => `-I${include}`),
  ];
  const run = promisify(execFile);
  const objects = await Promise.all(
    sources.map(async (source) => {
      const object = path.join(folder, `${path.basename(source)}.${process.pid}.o`);
      await run('g++', [...options, '-c', source, '-o', object]);
      return object;
    }),
  );
  const made = `${addon}.${process.pid}`;
  await run('g++', ['-shared', ...sanitizers, ...objects, '-o', made, '-lbpf', '-lelf', '-lz']);
  renameSync(made, addon);
  for (const object of objects) rmSync(object);
  return addon;
}

/** What node-gyp makes the addon of: the same sources, the same definitions. The file is JSON. */
function gypTarget(): { readonly sources: readonly string[]; readonly defines: readonly string[] } {
  const gyp = JSON.parse(readFileSync(path.join(packageRoot(), 'native/binding.gyp'), 'utf8')) as {
    readonly targets: readonly { target_name: string; sources: readonly string[]; defines: readonly string[] }[];
  };
  const target = gyp.targets.find(({ target_name }) => target_name === 'palisade');
  if (target === undefined) throw new Error('native/binding.gyp has no target palisade');
  return target;
}

/** The addon itself. */
export async function buildWatchedMonitor(): Promise<string> {
  return buildWatched(
    'palisade',
    gypTarget().sources.map((source) => path.join(packageRoot(), 'native', source)),
  );
}
