import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Palisade's own id for HMAC: systemd asks programs not to show the machine id itself, and to derive from it one that
 * only they use (man machine-id(5), sd_id128_get_machine_app_specific(3)).
 */
const applicationId = '6f1d0f3c0f9e4c8c9a53c1f5a8d24f7b';
const machineIdFile = '/etc/machine-id';
/** 16 hexadecimal digits: 64 bits keep apart more nodes than anybody has. */
const idDigits = 16;

/** Where a node's identity comes from; a test gives its own. */
export interface NodeIdentitySource {
  /** Content of /etc/machine-id; `undefined` where there is none. */
  readonly machineId: string | undefined;
  /** In a container the machine id is the image's or the host's: then it names nobody. */
  readonly inContainer: boolean;
}

/** Reads the machine's identity. */
export function readNodeIdentitySource(): NodeIdentitySource {
  const machineId = existsSync(machineIdFile) ? readFileSync(machineIdFile, 'utf8').trim() : undefined;
  return { machineId, inContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv') };
}

/**
 * The node's id: made once and kept in `dataDirectory`/node-id. From the machine id where that names this machine, so that
 * a lost data directory gives the same node again; else random.
 */
export async function keptNodeId(dataDirectory: string, source = readNodeIdentitySource()): Promise<string> {
  const file = path.join(dataDirectory, 'node-id');
  try {
    const kept = (await readFile(file, 'utf8')).trim();
    if (kept !== '') return kept;
  } catch (error) {
    // Not there yet: it is made below. Anything else, such as a missing right, is for the caller.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const made = madeNodeId(source);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  // Written aside and renamed: a crash leaves no half id that the next start would keep for good.
  await writeFile(`${file}.new`, `${made}\n`, { mode: 0o644 });
  await rename(`${file}.new`, file);
  return made;
}

/** A new id from `source`; random where the machine id is missing, malformed or not this machine's own. */
export function madeNodeId(source: NodeIdentitySource): string {
  const { machineId, inContainer } = source;
  if (inContainer || machineId === undefined || !/^[0-9a-f]{32}$/u.test(machineId) || /^0+$/u.test(machineId))
    return `node-${randomBytes(idDigits / 2).toString('hex')}`;
  const hmac = createHmac('sha256', Buffer.from(machineId, 'hex')).update(Buffer.from(applicationId, 'hex'));
  return `node-${hmac.digest('hex').slice(0, idDigits)}`;
}
