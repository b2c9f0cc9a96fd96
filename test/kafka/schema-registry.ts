import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachedFolder, runToFetch } from './cached-folder.ts';
import { endServer, startJavaServer } from './java-server.ts';

/** Apicurio: of the registries with Confluent's API the one that Maven Central has whole. 3.x needs Java 21. */
const version = '2.6.13.Final';
/** It takes 3 s on two idle cores; some other process may have them. */
const startMs = 120_000;
/** Between looking for a free port and taking it somebody else may. */
const maxPortTries = 5;

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
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const java = [
    '-Xmx512m',
    '-Dquarkus.http.host=127.0.0.1',
    `-Dquarkus.http.port=${port}`,
    '-jar',
    path.join(files, `apicurio-registry-app-${version}-runner.jar`),
  ];
  const started = await startJavaServer(java, {
    workingDirectory: directory,
    startMs,
    answers: () => answers(`${url}/subjects`),
  });
  const removeDirectory = (): void => {
    rmSync(directory, { recursive: true, force: true });
  };
  if (typeof started === 'string') {
    removeDirectory();
    return started;
  }
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      await endServer(started);
      removeDirectory();
    },
  };
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
