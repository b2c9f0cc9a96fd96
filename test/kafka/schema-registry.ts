import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cachedFolder, runToFetch } from './cached-folder.ts';

/** Apicurio: of the registries with Confluent's API the one that Maven Central has whole. 3.x needs Java 21. */
const version = '2.6.13.Final';
/** It takes 3 s on two idle cores; some other process may have them. */
const startMs = 120_000;
/** Between looking for a free port and taking it somebody else may. */
const maxPortTries = 5;
/** Of what it says, kept for the error that it did not start. */
const maxLastWords = 4000;

/** The folder with the registry's Java archives (142 MB from Maven Central). */
function registryFiles(): string {
  return cachedFolder(`apicurio-registry-${version}`, (folder) => {
    const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`;
    runToFetch('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
    const archive = path.join(folder, `apicurio-registry-app-${version}-all.tar.gz`);
    runToFetch('tar', ['-xzf', archive, '-C', folder]);
    rmSync(archive);
  });
}

/** A registry that keeps what it has in memory. It dies with this process. */
export interface RunningRegistry extends AsyncDisposable {
  /** Base of Confluent's API. */
  readonly url: string;
}

/** Starts a registry; it takes every schema until somebody sets a compatibility. */
export async function startSchemaRegistry(): Promise<RunningRegistry> {
  const files = registryFiles();
  for (let attempt = 1; ; attempt++) {
    const started = await start(files);
    if (typeof started !== 'string') return started;
    if (attempt >= maxPortTries || !started.includes('in use')) {
      throw new Error(`the schema registry did not start: ${started}`);
    }
  }
}

/** What it said where it did not start. */
async function start(files: string): Promise<RunningRegistry | string> {
  const port = await freePort();
  const directory = mkdtempSync(path.join(tmpdir(), 'palisade-registry-'));
  const java = [
    'java',
    '-Xmx512m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Dquarkus.http.host=127.0.0.1',
    `-Dquarkus.http.port=${port}`,
    '-jar',
    path.join(files, `apicurio-registry-app-${version}-runner.jar`),
  ];
  // The kernel ends it when we die, however we die (prctl(2), PR_SET_PDEATHSIG).
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));
  const [program = 'java', ...args] = setpriv === undefined ? java : [setpriv, '--pdeathsig', 'KILL', ...java];
  const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      words = (words + chunk).slice(-maxLastWords);
    });
  }
  let ended: string | undefined;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('close', (code, signal) => {
    ended ??= `it ended with ${signal ?? String(code)}: ${words}`;
  });
  const stop = async (): Promise<void> => {
    if (ended === undefined) {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const untilMs = performance.now() + startMs;
  while (ended === undefined && performance.now() < untilMs) {
    if (await answers(`${url}/subjects`)) return { url, [Symbol.asyncDispose]: stop };
    await delay(100);
  }
  const reason = ended ?? `it did not answer in ${startMs / 1000} s: ${words}`;
  await stop();
  return reason;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Not yet.
    return false;
  }
}
